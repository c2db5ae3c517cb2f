//! A man in the middle of one connection: passes bytes on, keeps a copy, and may flip a bit.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use caligo_runtime::session::record::GREETING_BYTES;

/// A bit to flip: in what Alice (0) or Bob (1) sends, in which byte, which bit.
#[derive(Clone, Copy)]
pub(crate) struct Flip {
    pub(crate) sender: usize,
    pub(crate) position: usize,
    pub(crate) bit: u8,
}

pub(crate) struct Proxy {
    /// Where Bob is to connect to.
    pub(crate) address: String,
    over: Arc<AtomicBool>,
    thread: JoinHandle<Recording>,
}

/// What Alice (0) and Bob (1) sent.
#[derive(Default)]
pub(crate) struct Recording {
    pub(crate) bytes: [Vec<u8>; 2],
}

pub(crate) struct Record {
    /// Its first byte's place in the stream.
    pub(crate) start: usize,
    pub(crate) pad: u64,
}

impl Recording {
    /// Records whose headers went by, of each sender.
    pub(crate) fn records(&self) -> [Vec<Record>; 2] {
        [0, 1].map(|sender| {
            let mut records = Vec::new();
            let bytes = &self.bytes[sender];
            let mut start = GREETING_BYTES;
            while let Some(header) = bytes.get(start..start + 12) {
                let length = u32::from_be_bytes(header[..4].try_into().unwrap());
                records.push(Record { start, pad: u64::from_be_bytes(header[4..].try_into().unwrap()) });
                start += 12 + length as usize + 8;
            }
            records
        })
    }
}

impl Proxy {
    /// Waits for a connection and passes it on to `alice`.
    pub(crate) fn new(alice: &str, flip: Option<Flip>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let over = Arc::new(AtomicBool::new(false));
        let (alice, stop) = (alice.to_owned(), Arc::clone(&over));
        let thread = thread::spawn(move || {
            let mut recording = Recording::default();
            let bob = loop {
                match listener.accept() {
                    Ok((bob, _)) => break bob,
                    Err(_) if stop.load(Ordering::Relaxed) => return recording,
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            };
            drop(listener);
            bob.set_nonblocking(false).unwrap();
            let Ok(alice) = TcpStream::connect(&alice) else { return recording };
            let of = |sender| flip.filter(|flip| flip.sender == sender);
            thread::scope(|scope| {
                let [from_alice, from_bob] = &mut recording.bytes;
                scope.spawn(|| copy(&alice, &bob, of(0), from_alice));
                copy(&bob, &alice, of(1), from_bob);
            });
            recording
        });
        Self { address, over, thread }
    }

    /// What went by, once both parties are gone.
    pub(crate) fn end(self) -> Recording {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Copies until an end is gone; the copy has the bytes as they were sent.
fn copy(mut from: &TcpStream, mut to: &TcpStream, flip: Option<Flip>, sent: &mut Vec<u8>) {
    let mut chunk = [0; 1 << 14];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        let start = sent.len();
        sent.extend_from_slice(&chunk[..length]);
        let flip = flip.filter(|flip| (start..start + length).contains(&flip.position));
        if let Some(Flip { position, bit, .. }) = flip {
            chunk[position - start] ^= 1 << bit;
        }
        // Goes on recording after the receiver is gone.
        to.write_all(&chunk[..length]).ok();
    }
    to.shutdown(Shutdown::Write).ok();
}
