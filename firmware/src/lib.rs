//! What the image does, the same on a host: random blocks through encoder and the decoders for small cores, then whole sessions of
//! both machines. All it says but counts of instructions and bytes is a function of the code, so that it can be compared.
#![no_std]
#![forbid(unsafe_code)]

mod blocks;
mod random;
mod sessions;

pub use blocks::{Blocks, COUNT, Decode, Decoders, Job};
pub use sessions::Sessions;

/// Everything that is not on the stack.
pub struct Memory {
    /// Of the decoders.
    pub decoders: Decoders,
    /// Of the blocks.
    pub blocks: Blocks,
    /// Of the sessions.
    pub sessions: Sessions,
}

impl Memory {
    /// Zeros.
    pub const fn new() -> Self {
        Self { decoders: Decoders::new(), blocks: Blocks::new(), sessions: Sessions::new() }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

/// Where it runs.
pub trait Host {
    /// Prints.
    fn print(&mut self, text: &[u8]);
    /// Begins to count instructions.
    fn begin(&mut self) {}
    /// Adds those since to the total of `what`, which was done so many times.
    fn end(&mut self, _what: Work, _times: u64) {}
}

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Encoding.
    Encode,
    /// Decoding, counted in iterations: loading and checks of the syndrome are shared out.
    Decode,
    /// The same with 8-bit messages.
    DecodeBytes,
    /// A step of a machine.
    Machine,
}

/// A line of text and numbers, without the standard library's formatting, which can panic.
pub struct Line {
    bytes: [u8; 160],
    length: usize,
}

impl Line {
    /// An empty line.
    pub const fn new() -> Self {
        Self { bytes: [0; 160], length: 0 }
    }

    /// Appends; what does not fit is left out.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for &byte in text.as_bytes() {
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
                self.length += 1;
            }
        }
        self
    }

    fn digits(mut self, mut value: u64, base: u64, least: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            if value == 0 && used >= least {
                break;
            }
            let low = (value % base) as u8;
            *digit = if low < 10 { b'0' + low } else { b'a' + low - 10 };
            value /= base;
            used += 1;
        }
        for &byte in digits.iter().skip(digits.len() - used.min(digits.len())) {
            if let Some(slot) = self.bytes.get_mut(self.length) {
                *slot = byte;
                self.length += 1;
            }
        }
        self
    }

    /// Appends a decimal number.
    #[must_use]
    pub fn number(self, value: u64) -> Self {
        self.digits(value, 10, 1)
    }

    /// Appends sixteen hexadecimal digits.
    #[must_use]
    pub fn hex(self, value: u64) -> Self {
        self.digits(value, 16, 16)
    }

    /// Prints it.
    pub fn end<H: Host>(self, host: &mut H) {
        let line = self.text("\n");
        host.print(line.bytes.get(..line.length).unwrap_or_default());
    }
}

impl Default for Line {
    fn default() -> Self {
        Self::new()
    }
}

/// FNV-1a over words.
#[derive(Clone, Copy)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Adds words.
    pub fn add(&mut self, words: &[u64]) {
        for &word in words {
            // A word at a time: the digest guards against mistakes, not against an adversary.
            self.0 = (self.0 ^ word).wrapping_mul(0x0100_0000_01b3);
            self.0 ^= self.0 >> 29;
        }
    }

    /// Its value.
    pub fn value(self) -> u64 {
        self.0
    }
}

/// Edges of the code: what an iteration's instructions are shared out among.
pub const EDGES: u64 = caligo_core::code::Code::Qc(caligo_core::code::mother_4096::CODE).edges() as u64;

/// Patterns at which blocks are decoded: the rate in hundredths, punctured positions, error rate in millionths.
pub const RATES: [(u64, usize, u32); 4] =
    [(50, 0, 78_000), (60, 683, 48_000), (70, 1170, 28_000), (80, 1536, 12_000)];

/// All of it. `false` if anything went wrong.
pub fn run<H: Host>(memory: &mut Memory, host: &mut H) -> bool {
    let Memory { decoders, blocks, sessions } = memory;
    let mut fine = true;
    for &(rate, punctured, ppm) in &RATES {
        fine &= blocks.run(host, &mut decoders.small(), rate, punctured, ppm);
    }
    for &(rate, punctured, ppm) in &RATES {
        fine &= blocks.run(host, &mut decoders.bytes(), rate, punctured, ppm);
    }
    for blind in [false, true] {
        for &(rate, punctured, ppm) in &RATES {
            fine &= sessions.run(&mut decoders.small(), host, blind, rate, punctured, ppm);
        }
        let (rate, punctured, ppm) = RATES[2];
        fine &= sessions.run(&mut decoders.bytes(), host, blind, rate, punctured, ppm);
    }
    fine
}
