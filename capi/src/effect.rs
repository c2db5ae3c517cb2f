//! What a machine wants its host to do.

use caligo_core::leakage::{Disclosed, Policy, Receipt};
use caligo_core::reconcile::{Abort, Effect, Finished, Step};
use caligo_core::wire::Hello;

use crate::config::{policy_number, strategy_number};

/// Send the first `length` bytes of `out` to the peer as one frame, then poll.
pub const CALIGO_EFFECT_SEND: u32 = 1;
/// Answer with `words` random words of 64 bits (`caligo_alice_entropy`). They are private: from the operating system.
pub const CALIGO_EFFECT_ENTROPY: u32 = 2;
/// Decode the job of `slot` (`caligo_bob_load`, `caligo_decoder_run`, `caligo_bob_decoded`), now or later; poll.
pub const CALIGO_EFFECT_DECODE: u32 = 3;
/// Bob has learnt what Alice proposes (`hello`): answer with his key (`caligo_bob_key`).
pub const CALIGO_EFFECT_AGREED: u32 = 4;
/// The sample is compared (`sample_errors` of `sample_bits`); poll.
pub const CALIGO_EFFECT_SAMPLED: u32 = 5;
/// A block is final (`released`); poll.
pub const CALIGO_EFFECT_RELEASED: u32 = 6;
/// Wait for a frame, a decision or the deadline.
pub const CALIGO_EFFECT_IDLE: u32 = 7;
/// The key is done (`ledger`, `tags`, `undetected_log2`): keep it, then send `length` bytes of `out` if there are any.
pub const CALIGO_EFFECT_DONE: u32 = 8;
/// It is over (`reason`, `ledger`): nothing of the key may be used. Send `length` bytes of `out` if there are any.
pub const CALIGO_EFFECT_ABORTED: u32 = 9;

/// A session as Alice proposes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoHello {
    /// One of the strategies.
    pub strategy: u32,
    /// One of the policies.
    pub policy: u32,
    /// Disclosures of a block at most.
    pub rounds: u8,
    /// Frame error rate aimed at, in millionths.
    pub target_fer_ppm: u32,
    /// Blocks in flight.
    pub window: u16,
    /// Bits of the key.
    pub key_bits: u32,
    /// Bits that are disclosed to estimate the error rate: the first of the key.
    pub sample_bits: u32,
    /// Seed of the public permutation by which the hosts order the key; 0 for none.
    pub permutation: u64,
    /// Alice's budget in bits.
    pub budget: u64,
}

impl From<Hello> for CaligoHello {
    fn from(hello: Hello) -> Self {
        Self {
            strategy: strategy_number(hello.strategy),
            policy: policy_number(hello.policy),
            rounds: hello.rounds,
            target_fer_ppm: hello.target_fer_ppm,
            window: hello.window,
            key_bits: hello.key_bits,
            sample_bits: hello.sample_bits,
            permutation: hello.permutation,
            budget: hello.cap,
        }
    }
}

/// A final block.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoReleased {
    /// Number of the block.
    pub block: u32,
    /// Its first bit in the key.
    pub start: u32,
    /// Its bits.
    pub payload: u32,
    /// Whether it is verified. If not, both leave its bits out of the key.
    pub verified: bool,
    /// Errors corrected (Bob).
    pub errors: u32,
    /// Decoding attempts.
    pub rounds: u32,
    /// Bits revealed after the syndrome.
    pub revealed: u32,
    /// Decoder iterations.
    pub iterations: u32,
}

/// What was disclosed, in bits of the key.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CaligoLedger {
    /// Charged under the session's policy: by so much the key is to be shortened, besides what its source's proof takes.
    pub charged: u64,
    /// Of syndromes.
    pub syndrome: u64,
    /// Of padding revealed.
    pub padding: u64,
    /// Key bits revealed.
    pub payload: u64,
    /// Of tags.
    pub tag: u64,
    /// Bits of the sample, which are left out of the key.
    pub sample: u64,
}

impl CaligoLedger {
    pub(crate) const fn new(disclosed: &Disclosed, policy: Policy) -> Self {
        Self {
            charged: disclosed.total(policy).0,
            syndrome: disclosed.syndrome_exact.0,
            padding: disclosed.padding_exact.0,
            payload: disclosed.payload_revealed.0,
            tag: disclosed.tag.0,
            sample: disclosed.sample.0,
        }
    }

    fn of(receipt: &Receipt) -> Self {
        Self::new(&receipt.disclosed(), receipt.policy())
    }
}

/// What a host has to do next: `kind`, and the fields that it names. Others are zero.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CaligoEffect {
    /// One of `CALIGO_EFFECT_...`.
    pub kind: u32,
    /// Bytes of `out` to send.
    pub length: usize,
    /// Random words wanted.
    pub words: usize,
    /// Slot of a job.
    pub slot: usize,
    /// What Alice proposes.
    pub hello: CaligoHello,
    /// Errors of the sample.
    pub sample_errors: u32,
    /// Its bits.
    pub sample_bits: u32,
    /// A final block.
    pub released: CaligoReleased,
    /// What was disclosed.
    pub ledger: CaligoLedger,
    /// Tags sent.
    pub tags: u32,
    /// log2 of the bound on the chance that a wrong block was released; minus infinity if there was none.
    pub undetected_log2: f64,
    /// Why it is over: `caligo_reason_string`.
    pub reason: u8,
}

/// What follows a step: the machine if it goes on, and what its host has to do.
pub(crate) fn effect_of<M>(step: Step<M>) -> (Option<M>, CaligoEffect) {
    let none = CaligoEffect::default();
    match step {
        Step::Next(machine, effect) => (Some(machine), effect_on(effect)),
        Step::Done(Finished { receipt, tags, undetected_log2, send, .. }) => {
            let ledger = CaligoLedger::of(&receipt);
            let kind = CALIGO_EFFECT_DONE;
            (None, CaligoEffect { kind, length: send, ledger, tags, undetected_log2, ..none })
        }
        Step::Abort(aborted) => {
            let ledger = CaligoLedger { charged: aborted.spent.0, ..CaligoLedger::default() };
            let reason = reason_of(aborted.reason);
            (None, CaligoEffect { kind: CALIGO_EFFECT_ABORTED, length: aborted.send, ledger, reason, ..none })
        }
    }
}

/// The peer's reason is its own; here it is only that the peer has ended it.
const fn reason_of(abort: Abort) -> u8 {
    match abort {
        Abort::Peer(_) => u8::MAX,
        other => other.code(),
    }
}

fn effect_on(effect: Effect) -> CaligoEffect {
    let none = CaligoEffect::default();
    match effect {
        Effect::Send(length) => CaligoEffect { kind: CALIGO_EFFECT_SEND, length, ..none },
        Effect::Entropy(words) => CaligoEffect { kind: CALIGO_EFFECT_ENTROPY, words, ..none },
        Effect::Decode(slot) => CaligoEffect { kind: CALIGO_EFFECT_DECODE, slot, ..none },
        Effect::Agreed(hello) => CaligoEffect { kind: CALIGO_EFFECT_AGREED, hello: hello.into(), ..none },
        Effect::Sampled { errors, bits, .. } => {
            CaligoEffect { kind: CALIGO_EFFECT_SAMPLED, sample_errors: errors, sample_bits: bits, ..none }
        }
        Effect::Released(block) => {
            let released = CaligoReleased {
                block: block.block,
                start: block.start as u32,
                payload: block.payload as u32,
                verified: block.failure.is_none(),
                errors: block.errors,
                rounds: block.rounds,
                revealed: block.revealed,
                iterations: block.iterations,
            };
            CaligoEffect { kind: CALIGO_EFFECT_RELEASED, released, ..none }
        }
        Effect::Idle => CaligoEffect { kind: CALIGO_EFFECT_IDLE, ..none },
    }
}
