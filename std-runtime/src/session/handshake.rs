//! Who may hold a session: peers greet, and Bob proves with his first record that he holds the pre-shared key.
//!
//! In: a listener or an address, a pre-shared key. Out: a socket with both directions of a session. Strangers keep
//! nobody waiting: they greet beside each other, for a few seconds each, and spend none of Alice's pads.

use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant as Clock};

use super::connection::channel;
use super::local::SessionError;
use super::psk::PreShared;
use super::record::{GREETING_BYTES, Greeting, MAGIC, Opener, RecordError, Sealer};

/// Longest time for a greeting and the proof that follows it.
const GREETING: Duration = Duration::from_secs(5);
/// Peers that may greet at the same time.
const GREETING_AT_ONCE: usize = 64;
/// Between two looks.
const POLL: Duration = Duration::from_millis(20);
/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(100);

/// Waits for a peer that greets and proves itself; others are told to the caller and turned away.
pub(super) fn accept(
    listener: &TcpListener,
    psk: &PreShared,
    patience: Duration,
    timeout: Duration,
    mut refused: impl FnMut(SocketAddr, &SessionError),
) -> Result<Greeted, SessionError> {
    let deadline = Clock::now() + patience;
    listener.set_nonblocking(true).map_err(|e| channel("listening", e))?;
    let over = AtomicBool::new(false);
    let (sender, results) = mpsc::channel::<(SocketAddr, Result<Greeted, SessionError>)>();
    let outcome = thread::scope(|scope| {
        let mut greeting = 0;
        let outcome = loop {
            match results.try_recv() {
                Ok((_, Ok(proven))) => break Ok(proven),
                Ok((address, Err(error))) => {
                    greeting -= 1;
                    refused(address, &error);
                    continue;
                }
                Err(_) if Clock::now() >= deadline => {
                    break Err(channel("listening", "nobody connected in time"));
                }
                Err(_) => {}
            }
            match listener.accept() {
                Ok((stream, _)) if greeting == GREETING_AT_ONCE => drop(stream),
                Ok((stream, address)) => {
                    greeting += 1;
                    let (sender, over) = (sender.clone(), &over);
                    scope.spawn(move || {
                        let deadline = Clock::now() + timeout.min(GREETING);
                        let patience = Patience { deadline, over, gave_up: Cell::new(false) };
                        let result = stream
                            .set_nonblocking(false)
                            .map_err(|e| channel("greeting", e))
                            .and_then(|()| greet(stream, psk, &patience))
                            .and_then(|greeted| greeted.prove(psk, &patience));
                        if !patience.gave_up.get() {
                            sender.send((address, result)).ok();
                        }
                    });
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(POLL),
                Err(error) => break Err(channel("listening", error)),
            }
        };
        over.store(true, Ordering::Relaxed);
        outcome
    });
    // Others may have been found out at the same time; a second one that proved itself is too late.
    for (address, result) in results.try_iter() {
        if let Err(error) = result {
            refused(address, &error);
        }
    }
    outcome
}

/// Connects to `address`, trying again while nobody listens there until `patience` is over, and greets.
pub(super) fn connect(
    address: &str,
    psk: &PreShared,
    patience: Duration,
    timeout: Duration,
) -> Result<Greeted, SessionError> {
    let started = Clock::now();
    let resolved: Vec<SocketAddr> = address.to_socket_addrs().map_err(|e| channel(address, e))?.collect();
    loop {
        let mut last = None;
        for target in &resolved {
            match TcpStream::connect_timeout(target, timeout) {
                Ok(stream) => {
                    let over = AtomicBool::new(false);
                    let deadline = Clock::now() + timeout;
                    let patience = Patience { deadline, over: &over, gave_up: Cell::new(false) };
                    return greet(stream, psk, &patience).map_err(|e| channel(address, e));
                }
                Err(error) => last = Some(error),
            }
        }
        if started.elapsed() >= patience {
            let reason = last.map_or_else(|| "no such address".to_owned(), |error| error.to_string());
            return Err(channel(address, reason));
        }
        thread::sleep(RETRY);
    }
}

/// How long a greeting may take.
struct Patience<'a> {
    deadline: Clock,
    /// Another one was accepted.
    over: &'a AtomicBool,
    /// This one was given up for that.
    gave_up: Cell<bool>,
}

impl Patience<'_> {
    /// Reads some bytes.
    fn read(&self, mut stream: &TcpStream, buffer: &mut [u8]) -> Result<usize, SessionError> {
        loop {
            let left = self.deadline.saturating_duration_since(Clock::now());
            if left.is_zero() || self.gave_up.get() {
                return Err(channel("greeting", "the peer did not greet in time"));
            }
            stream.set_read_timeout(Some(left.min(POLL))).map_err(|e| channel("greeting", e))?;
            match stream.read(buffer) {
                Ok(0) => return Err(channel("greeting", "connection closed by the peer")),
                Ok(length) => return Ok(length),
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                    ) =>
                {
                    // Only now: what has come is judged.
                    self.gave_up.set(self.over.load(Ordering::Relaxed));
                }
                Err(error) => return Err(channel("greeting", error)),
            }
        }
    }
}

/// A peer that has greeted.
pub(super) struct Greeted {
    pub(super) stream: TcpStream,
    pub(super) sealer: Sealer,
    pub(super) opener: Opener,
    /// Bytes of records received.
    pub(super) received: u64,
}

fn greet(mut stream: TcpStream, psk: &PreShared, patience: &Patience<'_>) -> Result<Greeted, SessionError> {
    let io = |error| channel("greeting", error);
    stream.set_nodelay(true).map_err(io)?;
    stream.set_write_timeout(Some(GREETING)).map_err(io)?;
    let greeting = Greeting::new(psk.role()).map_err(|e| channel("greeting", e))?;
    stream.write_all(&greeting.to_bytes()).map_err(io)?;
    let mut theirs = [0; GREETING_BYTES];
    let mut filled = 0;
    // What does not begin like a greeting is refused at once, however short.
    while filled < GREETING_BYTES && MAGIC.iter().zip(&theirs[..filled]).all(|(a, b)| a == b) {
        filled += patience.read(&stream, &mut theirs[filled..])?;
    }
    let (sealer, opener) = greeting.meet(&theirs).map_err(|e| SessionError::Channel(e.to_string()))?;
    Ok(Greeted { stream, sealer, opener, received: 0 })
}

impl Greeted {
    /// Waits for the peer's first record, which is empty: only who holds the pre-shared key can make it.
    fn prove(mut self, psk: &PreShared, patience: &Patience<'_>) -> Result<Self, SessionError> {
        let mut buffer = [0; 256];
        loop {
            let refused = |e: RecordError| channel("greeting", e);
            match self.opener.next(psk).map_err(refused)? {
                Some(body) if body.is_empty() => return Ok(self),
                Some(_) => return Err(channel("greeting", "expected an empty first record")),
                None if self.received as usize > buffer.len() => {
                    return Err(channel("greeting", "expected an empty first record"));
                }
                None => {
                    let length = patience.read(&self.stream, &mut buffer)?;
                    self.received += length as u64;
                    self.opener.push(&buffer[..length]);
                }
            }
        }
    }
}
