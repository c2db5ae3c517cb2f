//! Reconciliation of a key as two machines, [`Alice`] and [`Bob`], that touch nothing of the world.
//!
//! One [`Event`] in, one [`Step`] out; time, randomness and decoding are inputs. The same machines run over
//! a socket, inside one process, in a simulation and on a device. A host answers each [`Effect`] and then
//! polls until the machine is idle:
//!
//! * `Send`: the first bytes of `out` are one frame for the peer.
//! * `Entropy`: so many random words are wanted, next event [`Event::Entropy`].
//! * `Decode`: [`Bob::job`] of this slot is to be decoded, any time later [`Event::Decoded`].
//! * `Agreed`: Bob has learnt the session's parameters, next event [`Event::Key`].
//! * `Released`: a block is final; blocks are released in order.
//! * `Idle`: nothing to do before a frame, a decision, or [`Alice::deadline`].
//!
//! A key is a row of blocks, up to [`wire::Hello::window`] of them in flight. Bob answers each syndrome when
//! his decoder has; on failure more is revealed (by the block's [`plan::Plan`], or the positions he asks for), else the
//! block is left out. Half a window at a time is verified by one 64-bit tag under a fresh key, sent when Bob's
//! decisions are fixed; a tag that differs is narrowed down to the block, which is then revealed further.
//! 64 bits are the field's: the bounds of the groups' tags over the longest key (2^32 bits), words times 2^-64 each,
//! add up to less than 2^-37; a tag per block would cost 64 / (n' h) in f.
//!
//! What Bob sends tells which blocks decoded, after how many iterations, with how many errors. That suits key
//! distribution. In oblivious transfer it would tell Alice his choice: use a block's syndrome alone there.

use core::fmt;

use crate::bits::words_for;
use crate::code::{Code, LengthError};
use crate::decode::Outcome;
use crate::leakage::{BudgetExceeded, LeakBits, Receipt};
use crate::llr::Rates;
use crate::puncture::{Order, Pattern, PatternError};
use crate::rate::RateError;
use crate::wire::{self, Kind, WireError};

mod alice;
pub mod block;
mod bob;
pub mod estimate;
mod machine;
pub mod plan;
#[cfg(test)]
mod tests;

pub use alice::{Alice, AliceConfig, AliceMemory, first_group};
pub use bob::{Bob, BobMemory, Terms};
pub use machine::Machine;

/// A moment in microseconds since an epoch of the host's choice. Only differences matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(pub u64);

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// Nothing new: do what is due, or notice that time is up.
    Poll,
    /// One whole frame came from the peer.
    Received(&'a [u8]),
    /// The entropy asked for.
    Entropy(&'a [u64]),
    /// Bob's key in the agreed permutation, and the class of each position (empty: one class).
    Key {
        /// Key bits.
        key: &'a [u64],
        /// Classes.
        classes: &'a [u8],
    },
    /// A slot's job is done.
    Decoded {
        /// The slot.
        slot: usize,
        /// How it ended.
        outcome: Outcome,
        /// The decision, n bits.
        decision: &'a [u64],
        /// For a symmetric request: positions the decoder is least sure of, as many as the job asks for.
        doubts: &'a [u16],
    },
    /// The host gives up: the connection broke, or the user wants it.
    Cancel,
}

/// What a host has to do next.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Effect {
    /// Send the first so many bytes of `out`.
    Send(usize),
    /// Answer with so many words of entropy.
    Entropy(usize),
    /// Decode this slot's job.
    Decode(usize),
    /// Answer with Bob's key.
    Agreed(wire::Hello),
    /// The sample showed so many errors.
    Sampled {
        /// Errors.
        errors: u32,
        /// Bits.
        bits: u32,
        /// Error rate of a symmetric channel with the same entropy.
        effective: f64,
    },
    /// A block is final.
    Released(Released),
    /// Wait.
    Idle,
}

/// A final block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Released {
    /// Number.
    pub block: u32,
    /// First bit in the permuted key.
    pub start: usize,
    /// Bits.
    pub payload: usize,
    /// Why it is left out; `None` if it is verified.
    pub failure: Option<Failure>,
    /// Whether it once converged to a string with another tag.
    pub caught: bool,
    /// Errors corrected.
    pub errors: u32,
    /// Decoding attempts.
    pub rounds: u32,
    /// Bits revealed after the syndrome.
    pub revealed: u32,
    /// Decoder iterations.
    pub iterations: u32,
    /// Error rate it was planned for, if one was known.
    pub qber: Option<f64>,
    /// Punctured positions at first.
    pub punctured: usize,
    /// Shortened positions at first.
    pub shortened: usize,
}

/// Why a block is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The decoder did not converge, and nothing more was to be revealed.
    Decoding,
    /// It converged to a string with another tag, and nothing more was to be revealed.
    Verification,
}

/// A machine after an event.
#[derive(Debug)]
#[must_use]
pub enum Step<M> {
    /// It goes on.
    Next(M, Effect),
    /// The key is done.
    Done(Finished),
    /// It is over.
    Abort(Aborted),
}

/// A finished key.
#[derive(Debug)]
pub struct Finished {
    /// What was disclosed.
    pub receipt: Receipt,
    /// Blocks.
    pub blocks: u32,
    /// Tags sent.
    pub tags: u32,
    /// log2 of the bound on the chance that a wrong block was released; minus infinity if none was.
    pub undetected_log2: f64,
    /// Bytes of `out` still to be sent, after the key is stored.
    pub send: usize,
}

/// An aborted key. Nothing of it may be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aborted {
    /// Why.
    pub reason: Abort,
    /// Charged until then.
    pub spent: LeakBits,
    /// Bytes of `out` that tell the peer.
    pub send: usize,
}

/// Why a session ended early.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Abort {
    /// A frame was refused.
    Wire(WireError),
    /// A frame of a kind that has no place here.
    Unexpected(Kind),
    /// A frame's content contradicts the session.
    Contradiction(&'static str),
    /// The parties are configured differently.
    Disagreement(&'static str),
    /// The leakage budget.
    Budget(BudgetExceeded),
    /// Nothing came in time.
    Timeout,
    /// No rate fits.
    Rate(RateError),
    /// The pattern.
    Pattern(PatternError),
    /// The host's answer does not fit the effect.
    Host(&'static str),
    /// The host gave up.
    Cancelled,
    /// The peer aborted; its code.
    Peer(u8),
}

impl Abort {
    /// What the peer is told.
    pub const fn code(&self) -> u8 {
        match self {
            Self::Wire(_) => 1,
            Self::Unexpected(_) => 2,
            Self::Contradiction(_) => 3,
            Self::Disagreement(_) => 4,
            Self::Budget(_) => 5,
            Self::Timeout => 6,
            Self::Rate(_) => 7,
            Self::Pattern(_) => 8,
            Self::Host(_) => 9,
            Self::Cancelled => 10,
            Self::Peer(code) => *code,
        }
    }
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(error) => error.fmt(f),
            Self::Unexpected(kind) => write!(f, "frame of kind {kind:?} has no place here"),
            Self::Contradiction(what) => write!(f, "peer's frame: {what}"),
            Self::Disagreement(what) => write!(f, "the parties disagree: {what}"),
            Self::Budget(error) => error.fmt(f),
            Self::Timeout => f.write_str("timeout: nothing came from the peer in time"),
            Self::Rate(error) => error.fmt(f),
            Self::Pattern(error) => error.fmt(f),
            Self::Host(what) => write!(f, "host: {what}"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Peer(code) => {
                let reason = match code {
                    1 => "it refused a frame",
                    2 => "it did not expect a frame",
                    3 => "a frame contradicted the session",
                    4 => "the parties are configured differently",
                    5 => "the leakage budget is used up",
                    6 => "its time was up",
                    7 => "no code rate fits the error rate",
                    8 => "no pattern fits",
                    10 => "it was stopped",
                    _ => "an error of its own",
                };
                write!(f, "the peer ended the session: {reason} (code {code})")
            }
        }
    }
}

impl core::error::Error for Abort {}

impl From<WireError> for Abort {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

impl From<BudgetExceeded> for Abort {
    fn from(error: BudgetExceeded) -> Self {
        Self::Budget(error)
    }
}

impl From<RateError> for Abort {
    fn from(error: RateError) -> Self {
        Self::Rate(error)
    }
}

impl From<PatternError> for Abort {
    fn from(error: PatternError) -> Self {
        Self::Pattern(error)
    }
}

impl From<LengthError> for Abort {
    fn from(error: LengthError) -> Self {
        Self::Host(error.what)
    }
}

/// How much of a syndrome private padding masks.
#[derive(Clone, Copy, Debug)]
pub struct Masking<'a> {
    /// rank H.
    pub rank: usize,
    /// Mask of positions (n bits) whose columns are independent; `None` if all of the puncturing order's
    /// are. So many of any punctured set are masked: exactly for prefixes, a lower bound for the rest.
    pub independent: Option<&'a [u64]>,
}

impl Masking<'_> {
    /// Bits of the syndrome masked by private padding on the positions of `punctured`.
    pub fn masked(&self, punctured: &[u64]) -> usize {
        let independent = |w| self.independent.map_or(u64::MAX, |mask| mask.get(w).copied().unwrap_or(0));
        punctured.iter().enumerate().map(|(w, word)| (word & independent(w)).count_ones() as usize).sum()
    }
}

/// What both machines are built on.
#[derive(Clone, Copy, Debug)]
pub struct Setup<'a> {
    /// Code.
    pub code: Code<'a>,
    /// Orders.
    pub order: Order<'a>,
    /// Leak of its patterns.
    pub masking: Masking<'a>,
    /// How long to wait for the peer, in microseconds.
    pub timeout_us: u64,
}

impl Setup<'_> {
    /// Checks of a session before it begins, the same for both parties.
    fn check(&self, hello: &wire::Hello, slots: usize) -> Result<(), Abort> {
        if self.order.n() != self.code.n() {
            return Err(Abort::Host("order: expected one of the code's length"));
        }
        if self.code.m() > wire::MAX_BITS || self.code.n() > 1 << 16 {
            return Err(Abort::Host("code: expected one whose syndrome fits a frame"));
        }
        if hello.window < 2 || usize::from(hello.window) > slots {
            return Err(Abort::Host("window: expected at least 2 blocks and as many slots"));
        }
        if hello.key_bits == 0 {
            return Err(Abort::Host("key: expected at least one bit"));
        }
        if hello.sample_bits >= hello.key_bits || hello.sample_bits as usize > wire::MAX_BITS {
            return Err(Abort::Host("sample: expected fewer bits than the key's, fitting one frame"));
        }
        Ok(())
    }

    const fn frame_words(&self) -> usize {
        words_for(self.code.n())
    }
}

/// One decoding job.
#[derive(Clone, Copy, Debug)]
pub struct Job<'a> {
    /// Block number.
    pub block: u32,
    /// Whether this is the block's first: later ones only add known positions, and a decoder that kept its
    /// state may go on from it.
    pub first: bool,
    /// Whether the strategy is to reveal more until he decodes: a failure costs little.
    pub patient: bool,
    /// Received and known bits of the frame.
    pub frame: &'a [u64],
    /// What is still unknown, and what is known.
    pub pattern: Pattern<'a>,
    /// Syndrome.
    pub syndrome: &'a [u64],
    /// Error rates of the payload.
    pub rates: Rates<'a>,
    /// How many positions in doubt are wanted on failure.
    pub doubts: usize,
}

/// Fingerprint of a code and its orders: two parties that differ in it cannot reconcile.
///
/// FNV-1a over the edges and orders. It guards against mistakes, not against an adversary.
pub fn fingerprint(code: &Code<'_>, order: &Order<'_>) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    let mut add = |value: usize| {
        for byte in (value as u32).to_le_bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    add(code.n());
    add(code.m());
    for check in 0..code.m() {
        add(check);
        code.neighbours(check, &mut add);
    }
    order.puncture().iter().for_each(|&v| add(v.into()));
    add(usize::MAX);
    order.shorten().iter().for_each(|&v| add(v.into()));
    hash
}

/// Bits of the chance of a wrong block, over all tags so far.
#[derive(Clone, Copy, Debug, Default)]
struct Undetected {
    tags: u32,
    chance: f64,
}

impl Undetected {
    /// A tag over `bits` bits matched or not.
    fn add(&mut self, bits: usize) {
        self.tags += 1;
        self.chance += crate::verify::collision(bits);
    }

    fn log2(&self) -> f64 {
        libm::log2(self.chance)
    }
}

/// The last frame of an aborted session; its length, 0 if the peer knows already.
fn farewell(reason: Abort, sequence: u32, out: &mut [u8]) -> usize {
    if matches!(reason, Abort::Peer(_)) {
        return 0;
    }
    wire::encode(out, sequence, &wire::Plain::Abort { reason: reason.code() }).unwrap_or(0)
}

/// Error rate in millionths, the inverse of [`from_ppm`].
pub(crate) fn to_ppm(rate: Option<f64>) -> u32 {
    rate.map_or(0, |q| libm::round(q * 1e6).clamp(1.0, 500_000.0) as u32)
}

pub(crate) fn from_ppm(ppm: u32) -> Option<f64> {
    (ppm > 0).then(|| f64::from(ppm) / 1e6)
}
