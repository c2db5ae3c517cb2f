//! 1-out-of-2 oblivious transfer as two machines, [`Alice`] and [`Bob`], that touch nothing of the world.
//!
//! Alice ends with two random strings, Bob with the one that he chose; she does not learn which, nor he the other, if his
//! memory is as noisy as [`NsmParameters`] say. Each is given what its own detectors recorded, and one [`Event`] at a
//! time; a host answers each [`Effect`] and then polls until the machine is idle. Decoding, randomness and time are
//! inputs, as in [`reconcile`](crate::reconcile).
//!
//! ```text
//! Alice                                                   Bob
//!   AGREEMENT                               ────────────▶
//!   ◀────────────                           AGREEMENT
//!   ◀────────────     DETECTION_REPORT or DETECTION_COMMITMENT
//!   Delta t passes
//!   BASIS_REVEAL                            ────────────▶
//!   ◀────────────     COMMITMENT_OPENING, DETECTION_REPORT    if he has committed
//!   TEST_SAMPLE                             ────────────▶     if the error rate is estimated
//!   ◀────────────     TEST_BASES, TEST_OUTCOMES
//!   TEST_OUTCOMES                           ────────────▶
//!   ◀────────────                           INDEX_LISTS       the last that he sends, one way
//!   SYNDROME for each block of either set   ────────────▶
//!   ◀────────────                           PAIRS_WANTED      these three if blind: BLIND_INIT for SYNDROME,
//!   BLIND_REVEAL for each pair, both sets   ────────────▶     then as many rounds as the plan has steps
//!   VERIFY for either set                   ────────────▶
//!   TOEPLITZ_SEED for either set            ────────────▶
//! ```
//!
//! Bob can decode the set of his choice alone. So Alice treats both alike, block by block, and nothing that he sends
//! depends on a decoder, nor on anything after his sets: where decoding fails he ends with a random string and knows it
//! ([`BobDone::failure`]), and where she breaks the protocol he falls silent. What a phase promises the next is in
//! [`contract`].
//!
//! [`Correction::BlindUnder`] is the one exception: there he says which blocks did not decode, which is safe if her
//! syndromes are honest, and tells his choice if they are not.

use core::fmt;

use crate::amplify::{Portable, Toeplitz};
use crate::code::LengthError;
use crate::decode::Outcome;
use crate::leakage::{LeakBits, Policy};
use crate::qber::Estimate;
use crate::security::{Forecast, NsmParameters, Proof, Targets};
use crate::wire::{Agreement, MAX_BITS, Strategy};

mod abort;
mod alice;
mod blocks;
mod bob;
pub mod contract;
mod machine;

pub use crate::reconcile::{Instant, Job, Masking, Setup};
pub use abort::{Abort, CommitmentMismatch, Failure, NsmViolation};
pub use alice::{Alice, AliceDone, AliceMemory};
pub use blocks::Block;
pub use bob::{Bob, BobConfig, BobDone, BobMemory};
pub use machine::Machine;

/// What happened.
#[derive(Clone, Copy)]
pub enum Event<'a> {
    /// Nothing new: do what is due, or notice that time is up.
    Poll,
    /// One whole frame came from the peer.
    Received(&'a [u8]),
    /// The entropy asked for.
    Entropy(&'a [u64]),
    /// Bob: a block's job is done.
    Decoded {
        /// The block, as in [`Effect::Decode`].
        block: usize,
        /// How it ended.
        outcome: Outcome,
        /// The decision, n bits.
        decision: &'a [u64],
    },
    /// The host gives up.
    Cancel,
}

impl fmt::Debug for Event<'_> {
    /// Its name: what it carries may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poll => "Poll",
            Self::Received(_) => "Received",
            Self::Entropy(_) => "Entropy",
            Self::Decoded { .. } => "Decoded",
            Self::Cancel => "Cancel",
        })
    }
}

/// What a host has to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Send the first so many bytes of `out`.
    Send(usize),
    /// Answer with so many words of private, uniform entropy.
    Entropy(usize),
    /// Bob: decode [`Bob::job`] of this block, any time later [`Event::Decoded`].
    Decode(usize),
    /// Nothing to do before a frame, a decision, or the machine's deadline.
    Idle,
}

/// A machine after an event.
#[derive(Debug)]
#[must_use]
pub enum Step<M, D> {
    /// It goes on.
    Next(M, Effect),
    /// It is done.
    Done(D),
    /// It is over, and what it had is wiped.
    Abort(Aborted),
}

/// A transfer that ended early. Nothing of it may be used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Aborted {
    /// Why.
    pub reason: Abort,
    /// Charged to each set until then, by Alice.
    pub spent: [LeakBits; 2],
    /// Bytes of `out` that tell the peer: none once Bob has sent his sets, for then nothing he does may be seen.
    pub send: usize,
    /// What the rounds disclosed had shown, as far as this party had come to know it.
    pub estimate: Option<Estimate>,
}

/// Functions that a host may compute better than this crate.
pub trait Primitives {
    /// Collision-resistant hash of both strings, 256 bits, by which Bob commits to his detections. The first
    /// string has a length of its own choosing that is the same each time, and holds 256 random bits.
    fn digest(&self, parts: [&[u64]; 2]) -> [u64; 4];

    /// [`Toeplitz::apply`].
    ///
    /// # Errors
    /// Those of [`Toeplitz::apply`].
    fn toeplitz(
        &self,
        hash: Toeplitz,
        seed: &[u64],
        input: &[u64],
        output: &mut [u64],
        scratch: &mut [u64],
    ) -> Result<(), LengthError> {
        hash.apply(&Portable, seed, input, output, scratch)
    }
}

/// The assumption that Alice is honest but curious: she follows the protocol, and only looks at what she gets. An Alice
/// who sends one false syndrome learns Bob's choice from what he asks for, if he corrects errors blindly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SemiHonestAlice;

/// How errors are corrected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Correction {
    /// One syndrome for each block, and no answer: safe whatever Alice does.
    #[default]
    OneWay,
    /// Padding of the blocks that did not decode is revealed in rounds, of both sets alike.
    BlindUnder(SemiHonestAlice),
}

impl Correction {
    /// The strategy by which it plans blocks.
    pub const fn strategy(self) -> Strategy {
        match self {
            Self::OneWay => Strategy::Baseline,
            Self::BlindUnder(_) => Strategy::Blind,
        }
    }

    /// Whether errors can be corrected so with `strategy`.
    ///
    /// # Errors
    /// What was expected, in words that begin with a key of the parameters.
    pub const fn check(self, strategy: Strategy) -> Result<(), &'static str> {
        match (strategy, self) {
            (Strategy::Baseline, Self::OneWay) | (Strategy::Blind, Self::BlindUnder(_)) => Ok(()),
            (Strategy::Blind, Self::OneWay) => Err(
                "strategy: expected baseline, or blind with assume: semi_honest_alice, for an Alice who sends a false \
                 syndrome learns from Bob's answers what he chose",
            ),
            (Strategy::Baseline, Self::BlindUnder(_)) => Err(
                "assume: expected nothing, or semi_honest_alice with strategy: blind, for baseline assumes nothing",
            ),
            (Strategy::Symmetric, _) => Err(
                "strategy: expected baseline, or blind with assume: semi_honest_alice, for the positions that Bob asks for \
                 tell Alice what he chose",
            ),
        }
    }
}

/// Whether a transfer begins if no string would be secure on average.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// It does not: [`Abort::Infeasible`].
    #[default]
    IfPromising,
    /// It does, for experiments that look for the limits: it ends where a phase's promise fails by its own numbers. No
    /// promise is weaker for that, and what is not secure is not released.
    Anyway,
}

/// What both parties must agree on, and what each has.
#[derive(Clone, Copy)]
pub struct Terms<'a> {
    /// Device, adversary, number of rounds, Delta t.
    pub parameters: NsmParameters,
    /// Failures allowed, part of the rounds that is tested.
    pub targets: Targets,
    /// Fingerprint of code and orders ([`reconcile::fingerprint`](crate::reconcile::fingerprint)).
    pub code: u64,
    /// By which argument lengths are computed. Nothing here keeps Bob from choosing his sets, which
    /// [`Proof::MaxBound`] takes for granted.
    pub proof: Proof,
    /// Whether it begins without prospects. Each party's own.
    pub start: Start,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Whether Bob commits to his detections before the bases and tells them after, instead of telling them before.
    pub committed: bool,
    /// How errors are corrected: as the parameters' strategy says.
    pub correction: Correction,
    /// Most bits that may be charged to either set, if that is less than what the proof allows. Alice's own.
    pub cap: LeakBits,
    /// Bits of a string in one frame: a multiple of 64, at most [`MAX_BITS`]. Each party's own.
    pub chunk_bits: usize,
    /// What the host computes.
    pub primitives: &'a dyn Primitives,
}

impl fmt::Debug for Terms<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terms")
            .field("parameters", &self.parameters)
            .field("targets", &self.targets)
            .field("proof", &self.proof)
            .field("start", &self.start)
            .field("policy", &self.policy)
            .field("committed", &self.committed)
            .field("correction", &self.correction)
            .finish_non_exhaustive()
    }
}

pub(crate) const GONE: Abort = Abort::Host("machine: expected no events after its end");

/// Most words of entropy asked for where fewer will do and more can be asked for again.
pub(crate) const BATCH: usize = 512;

impl Terms<'_> {
    /// Checks before anything is sent, the same for both parties.
    fn check(&self, setup: &Setup<'_>, rounds: usize) -> Result<Forecast, Abort> {
        if setup.order.n() != setup.code.n() {
            return Err(Abort::Host("order: expected one of the code's length"));
        }
        if setup.code.m() > MAX_BITS || setup.code.m() > setup.code.n() || setup.code.n() > 1 << 16 {
            return Err(Abort::Host("code: expected one whose syndrome fits a frame"));
        }
        if self.chunk_bits == 0 || !self.chunk_bits.is_multiple_of(64) || self.chunk_bits > MAX_BITS {
            return Err(Abort::Host("chunk_bits: expected a multiple of 64 that fits a frame"));
        }
        let record = self.parameters.record();
        self.correction.check(record.strategy).map_err(Abort::Host)?;
        if record.num_pairs != rounds as u64 || rounds > u32::MAX as usize {
            return Err(Abort::Host("record: expected as many rounds as parameters say, below 2^32"));
        }
        let forecast = Forecast::of(&self.parameters, &self.targets);
        if self.start == Start::IfPromising {
            forecast.feasible(self.proof).map_err(Abort::Infeasible)?;
        }
        Ok(forecast)
    }

    fn agreement(&self) -> Agreement {
        Agreement {
            rounds: self.parameters.record().num_pairs as u32,
            committed: self.committed,
            policy: self.policy,
            code: self.code,
            terms: self.fingerprint(),
        }
    }

    /// FNV-1a over what [`Agreement`] does not spell out. It guards against mistakes, not against an adversary.
    fn fingerprint(&self) -> u64 {
        let (record, targets) = (self.parameters.record(), self.targets.record());
        let numbers = [
            self.parameters.memory().noise(),
            record.storage_rate_nu,
            record.channel_fidelity,
            record.detection_eff_eta,
            record.detector_error,
            record.dark_count_prob,
            targets.epsilon,
            targets.epsilon_pa,
            targets.epsilon_ec,
            targets.efficiency,
            targets.test_fraction,
        ];
        let blind = u64::from(self.correction != Correction::OneWay);
        let rest = [record.delta_t_ns, record.pairs as u64, self.proof as u64, blind];
        fingerprint(numbers.into_iter().map(f64::to_bits).chain(rest))
    }

    /// Delta t in microseconds, not less.
    const fn delta_t_us(&self) -> u64 {
        self.parameters.record().delta_t_ns.div_ceil(1000)
    }

    /// Rounds to be disclosed out of `common`.
    fn sample_size(&self, common: usize) -> usize {
        (common as f64 * self.targets.test_fraction()) as usize
    }

    /// What Bob commits to with `nonce` is `report`.
    fn commitment(&self, nonce: [u64; 4], report: &[u64]) -> [u64; 4] {
        const DOMAIN: u64 = u64::from_le_bytes(*b"caligoOT");
        let [a, b, c, d] = nonce;
        self.primitives.digest([&[DOMAIN, self.parameters.record().num_pairs, a, b, c, d], report])
    }
}

/// FNV-1a of `words`.
pub(crate) fn fingerprint(words: impl Iterator<Item = u64>) -> u64 {
    words
        .flat_map(u64::to_le_bytes)
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `a` where `mask` is zeros, `b` where it is ones.
const fn select(mask: u64, a: u64, b: u64) -> u64 {
    a ^ (mask & (a ^ b))
}

/// All ones if `bit`, else zeros, in a way that compilers do not turn into branches.
fn mask_of(bit: bool) -> u64 {
    core::hint::black_box(u64::from(bit)).wrapping_neg()
}
