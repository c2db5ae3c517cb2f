//! Key distribution: from what both parties' detectors recorded to one secret key.
//!
//! Three conversations follow one another, each between two machines that touch nothing of the world, each numbering its
//! frames from 0:
//!
//! 1. [`Sifting`]: rounds with equal bases are kept, some of them disclosed, and errors counted in either basis.
//! 2. [`reconcile`](crate::reconcile), as it is, with any strategy: Bob's key becomes Alice's.
//! 3. [`Amplifying`]: both hash the verified bits down to what the errors and the books allow.
//!
//! ```text
//! Alice                                                   Bob
//!   AGREEMENT                               ────────────▶
//!   ◀────────────                           AGREEMENT
//!   ◀────────────                           DETECTION_REPORT
//!   BASIS_REVEAL, clicks and bases          ────────────▶
//!   ◀────────────                           BASIS_REVEAL, bases
//!   TEST_SAMPLE                             ────────────▶
//!   ◀────────────                           TEST_OUTCOMES
//!   TEST_OUTCOMES                           ────────────▶
//!
//!   HELLO ... ACK                                          reconciliation
//!
//!   TOEPLITZ_SEED                           ────────────▶
//!   ◀────────────                           ACK            after he has stored his key
//! ```
//!
//! Neither party is the adversary here, so that both may tell all bases and Bob may answer. Bases are told when Bob has
//! reported what he detected, for until then an eavesdropper may still hold what she is to measure. What a phase promises
//! the next is in [`contract`]; lengths are computed in [`security::key`](crate::security::key).
//!
//! Events, effects, aborts and their codes are those of [`ot`](crate::ot): one host serves all.

use crate::leakage::{LeakBits, Policy};
use crate::ot::fingerprint;
use crate::security::{Device, KeyForecast, KeyTargets};
use crate::wire::{self, Agreement, MAX_BITS, Plain};

mod amplification;
pub mod contract;
mod sifting;

pub use crate::ot::{Abort, Aborted, Effect, Event, Machine, Primitives, Step};
pub use crate::reconcile::Instant;
pub use amplification::{Amplifying, AmplifyingMemory, KeyDone};
pub use sifting::{Sifting, SiftingDone, SiftingMemory};

/// Which of the two a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// She draws the sample and the seed, and her key is the reference.
    Alice,
    /// He reports first, and corrects his key.
    Bob,
}

/// What both parties must agree on, and what each has.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What the devices are expected to do: whether it is worth beginning. No bound rests on it.
    pub device: Device,
    /// Failures allowed, part of the rounds that is tested.
    pub targets: KeyTargets,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Fingerprint of code and orders ([`reconcile::fingerprint`](crate::reconcile::fingerprint)).
    pub code: u64,
    /// How long to wait for the peer, in microseconds. Each party's own.
    pub timeout_us: u64,
    /// Bits of a string in one frame: a multiple of 64, at most [`MAX_BITS`]. Each party's own.
    pub chunk_bits: usize,
}

impl Terms {
    /// Checks before anything is sent, the same for both parties.
    fn check(&self, rounds: usize) -> Result<(), Abort> {
        if self.chunk_bits == 0 || !self.chunk_bits.is_multiple_of(64) || self.chunk_bits > MAX_BITS {
            return Err(Abort::Host("chunk_bits: expected a multiple of 64 that fits a frame"));
        }
        if self.device.record().num_pairs != rounds as u64 || rounds > u32::MAX as usize {
            return Err(Abort::Host("record: expected as many rounds as the device's, below 2^32"));
        }
        KeyForecast::of(&self.device, &self.targets).feasible().map(drop).map_err(Abort::Infeasible)
    }

    fn agreement(&self) -> Agreement {
        const DOMAIN: u64 = u64::from_le_bytes(*b"caligoQD");
        let targets = self.targets.record();
        let numbers = [
            targets.epsilon_sec,
            targets.epsilon_cor,
            targets.epsilon_ec,
            targets.efficiency,
            targets.test_fraction,
        ];
        Agreement {
            rounds: self.device.record().num_pairs as u32,
            committed: false,
            policy: self.policy,
            code: self.code,
            terms: fingerprint([DOMAIN].into_iter().chain(numbers.map(f64::to_bits))),
        }
    }

    const fn timeout(&self, now: Instant) -> Instant {
        Instant(now.0.saturating_add(self.timeout_us))
    }
}

/// The end of a machine that met `reason`, with what tells the peer.
fn aborted(reason: Abort, sequence: u32, out: &mut [u8]) -> Aborted {
    let send = match reason {
        Abort::Peer(_) => 0,
        _ => wire::encode(out, sequence, &Plain::Abort { reason: reason.code() }).unwrap_or(0),
    };
    Aborted { reason, spent: [LeakBits(0); 2], send, estimate: None }
}
