//! An authenticated TCP connection: records out, records in.
//!
//! In: a listener or an address, a pre-shared key. Out: a [`Connection`], once the peer has proved that it holds the key.
//! One thread reads the socket and does nothing else, so that a peer is read whether or not anything is done with it.
//! Frames of one turn travel in one record, which costs one pad.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use super::driver::split_frame;
use super::handshake::{self, Greeted};
use super::local::SessionError;
use super::psk::PreShared;
use super::record::{Opener, Sealer};

/// Bytes read at once.
const CHUNK: usize = 64 << 10;
/// Chunks that wait to be taken: more than two windows of frames.
const BACKLOG: usize = 64;
/// A record is sent once so many bytes of frames have gathered.
const FLUSH: usize = 256 << 10;
/// What a party counted of the connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Traffic {
    /// Frames sent.
    pub frames_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Bytes sent, headers and tags included.
    pub bytes_sent: u64,
    /// Bytes received.
    pub bytes_received: u64,
    /// Pads of the pre-shared key used, one for each record sent.
    pub pads_used: u64,
}

/// A connection with its authentication.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    chunks: Receiver<std::io::Result<Vec<u8>>>,
    sealer: Sealer,
    opener: Opener,
    psk: PreShared,
    pub(super) pending: Vec<u8>,
    /// A record that was looked at beforehand.
    first: Option<Vec<u8>>,
    pub(super) traffic: Traffic,
    /// Whether a record of frames has come.
    heard: bool,
    pads_before: u64,
}

pub(super) fn channel(what: &str, error: impl std::fmt::Display) -> SessionError {
    SessionError::Channel(format!("{what}: {error}"))
}

/// Waits for a party to connect to `listener`, to greet and to prove that it holds the pre-shared key; who does not is
/// told to the caller and turned away, and keeps nobody else waiting.
///
/// # Errors
/// [`SessionError::Channel`] if nobody does within `patience`, or the listener fails.
pub fn accept(
    listener: &TcpListener,
    psk: PreShared,
    patience: Duration,
    timeout: Duration,
    refused: impl FnMut(SocketAddr, &SessionError),
) -> Result<Connection, SessionError> {
    let greeted = handshake::accept(listener, &psk, patience, timeout, refused)?;
    Connection::new(greeted, psk, timeout)
}

/// Connects to `address`, trying again while nobody listens there until `patience` is over, greets, and proves to hold
/// the pre-shared key, which costs a pad.
///
/// # Errors
/// [`SessionError::Channel`].
pub fn connect(
    address: &str,
    psk: PreShared,
    patience: Duration,
    timeout: Duration,
) -> Result<Connection, SessionError> {
    let greeted = handshake::connect(address, &psk, patience, timeout)?;
    let mut connection = Connection::new(greeted, psk, timeout)?;
    connection.send(&[])?;
    Ok(connection)
}

fn read_all(mut stream: TcpStream, chunks: &SyncSender<std::io::Result<Vec<u8>>>) {
    loop {
        let mut chunk = vec![0; CHUNK];
        let result = match stream.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let over = result.is_err();
        if chunks.send(result).is_err() || over {
            return;
        }
    }
}

/// What a wait brought.
pub(crate) enum News {
    /// A record's body.
    Frames(Vec<u8>),
    /// The peer is gone.
    Closed,
    /// Nothing, and time is up.
    Nothing,
}

impl Connection {
    fn new(greeted: Greeted, psk: PreShared, timeout: Duration) -> Result<Self, SessionError> {
        let Greeted { stream, sealer, opener, received } = greeted;
        let io = |error| channel("connection", error);
        // The machine minds the time of what it waits for.
        stream.set_read_timeout(None).map_err(io)?;
        stream.set_write_timeout(Some(timeout)).map_err(io)?;
        let (sender, chunks) = sync_channel(BACKLOG);
        let reader = stream.try_clone().map_err(io)?;
        thread::Builder::new()
            .name("caligo-reader".to_owned())
            .spawn(move || read_all(reader, &sender))
            .map_err(io)?;
        let pads_before = psk.used();
        Ok(Self {
            stream,
            chunks,
            sealer,
            opener,
            psk,
            pending: Vec::new(),
            first: None,
            traffic: Traffic { bytes_received: received, ..Traffic::default() },
            heard: false,
            pads_before,
        })
    }

    /// Address of the peer.
    pub fn peer(&self) -> String {
        self.stream.peer_addr().map_or_else(|_| "unknown".to_owned(), |address| address.to_string())
    }

    /// Takes a frame, to be sent with those after it or by [`flush`](Self::flush).
    pub(super) fn push(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        self.pending.extend_from_slice(frame);
        self.traffic.frames_sent += 1;
        if self.pending.len() >= FLUSH { self.flush() } else { Ok(()) }
    }

    /// Sends what was taken.
    pub(super) fn flush(&mut self) -> Result<(), SessionError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frames = std::mem::take(&mut self.pending);
        self.send(&frames)
    }

    /// Sends `frames`, in records that are not too long.
    pub(crate) fn send_frames(&mut self, mut frames: &[u8]) -> Result<(), SessionError> {
        while !frames.is_empty() {
            let (frame, rest) = split_frame(frames);
            self.push(frame)?;
            frames = rest;
        }
        self.flush()
    }

    /// What was counted so far.
    pub(crate) fn traffic(&mut self) -> &mut Traffic {
        &mut self.traffic
    }

    /// Why the peer is gone, as far as that is known.
    pub(crate) fn closed(&self) -> SessionError {
        SessionError::Channel(if self.heard {
            "connection closed by the peer before the session was done".to_owned()
        } else {
            "connection closed by the peer before its first message: do both have the same pre-shared key?"
                .to_owned()
        })
    }

    /// Sends one record.
    pub(crate) fn send(&mut self, body: &[u8]) -> Result<(), SessionError> {
        let mut record = Vec::new();
        self.sealer.seal(&mut self.psk, body, &mut record).map_err(|e| channel("sending", e))?;
        self.traffic.bytes_sent += record.len() as u64;
        self.traffic.pads_used = self.psk.used() - self.pads_before;
        // Who is gone may have said why before: that is read next.
        self.stream.write_all(&record).map_err(|e| channel("sending", e))
    }

    fn take(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        self.opener.next(&self.psk).map_err(|e| channel("receiving", e))
    }

    /// What the next record begins with, which stays to be taken by [`wait`](Self::wait); `None` if nothing comes in time.
    pub(super) fn peek(&mut self, patience: Duration) -> Result<Option<&[u8]>, SessionError> {
        if let News::Frames(frames) = self.wait(Some(patience))? {
            self.first = Some(frames);
        }
        Ok(self.first.as_deref())
    }

    /// The frames of the next record, or what happened instead before `deadline`.
    pub(crate) fn wait(&mut self, deadline: Option<Duration>) -> Result<News, SessionError> {
        if let Some(frames) = self.first.take() {
            return Ok(News::Frames(frames));
        }
        loop {
            if let Some(frames) = self.take()? {
                self.heard = true;
                return Ok(News::Frames(frames));
            }
            let chunk = match deadline {
                None => match self.chunks.try_recv() {
                    Ok(chunk) => chunk,
                    Err(std::sync::mpsc::TryRecvError::Empty) => return Ok(News::Nothing),
                    Err(std::sync::mpsc::TryRecvError::Disconnected) => return Ok(News::Closed),
                },
                Some(patience) => match self.chunks.recv_timeout(patience) {
                    Ok(chunk) => chunk,
                    Err(RecvTimeoutError::Timeout) => return Ok(News::Nothing),
                    Err(RecvTimeoutError::Disconnected) => return Ok(News::Closed),
                },
            };
            let chunk = match chunk {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(News::Closed),
                other => other.map_err(|e| channel("receiving", e))?,
            };
            self.traffic.bytes_received += chunk.len() as u64;
            self.opener.push(&chunk);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The reader ends with the connection.
        self.stream.shutdown(Shutdown::Both).ok();
    }
}
