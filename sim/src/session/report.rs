//! What a session reports: blocks as released and the receipt in, figures out. Both parties compute the same.

use alloc::vec::Vec;

use caligo_core::bits;
use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::limits;
use caligo_core::puncture;
use caligo_core::reconcile::{Failure, Finished, Released};
use caligo_engine::Tier;

use super::choice::Considered;
use crate::{Key, Strategy};

/// A block of the key that could not be reconciled or did not verify.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct FailedPart {
    /// Block number, from 0.
    pub block: usize,
    /// Key bits it carried.
    pub bits: usize,
    /// What failed.
    pub reason: &'static str,
}

/// Leakage under each policy, in bits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Leakage {
    /// Syndrome less masked bits, reveals, tags.
    pub exact: u64,
    /// Full syndromes, payload reveals, tags.
    pub syndrome_cap: u64,
    /// Full syndromes, all reveals, tags.
    pub conservative: u64,
    /// The parts of `exact`, and the sample (removed from the key, not charged).
    pub by_kind: ByKind,
}

/// Disclosed bits by kind.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ByKind {
    /// Syndrome bits less the padding they were masked with.
    pub syndrome: u64,
    /// Revealed padding and payload.
    pub reveal: u64,
    /// Tags.
    pub tag: u64,
    /// Sampled key bits.
    pub sample: u64,
}

/// What a session did. Keys of its JSON form are a contract: added to, never renamed.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Report {
    /// Every part verified.
    pub verified: bool,
    /// Bits of the reconciled key.
    pub payload_bits: usize,
    /// Blocks, the shortened last one included.
    pub blocks: usize,
    /// Blocks whose first decoding failed.
    pub frame_errors: usize,
    /// Corrected bits over verified bits; `null` if nothing verified.
    pub qber_observed: Option<f64>,
    /// Error rate the first block was planned for; `null` if none was known.
    pub qber_assumed: Option<f64>,
    /// Sampled error rate, if estimated.
    pub qber_sampled: Option<f64>,
    /// Length of the code in bits.
    pub code: usize,
    /// What each mother code was expected to disclose, if the code was chosen by the key.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub considered: Vec<Considered>,
    /// Code rate of the first block at first.
    pub rate: f64,
    /// Punctured positions of the first block at first.
    pub punctured: usize,
    /// Shortened positions of the first block at first.
    pub shortened: usize,
    /// Iterations per block.
    pub iterations_mean: f64,
    /// Leakage.
    pub leakage: Leakage,
    /// Syndrome and reveals (exact) over bits times h(observed QBER); `null` if that is 0.
    pub f: Option<f64>,
    /// The same with tags.
    pub f_with_tag: Option<f64>,
    /// Least f of any one-way code for the first block at the target frame error rate.
    pub f_limit: Option<f64>,
    /// Frame error rate the code rate was chosen for.
    pub target_fer: f64,
    /// Decoder; `null` in a session between hosts, where it is Bob's own choice.
    pub decoder: Option<Tier>,
    /// log2 of the bound on the chance that a wrong key verifies; `null` if nothing verified.
    pub undetected_log2: Option<f64>,
    /// Bits of each key given.
    pub input_bits: usize,
    /// Parts left out of the result.
    pub failed: Vec<FailedPart>,
    /// How blocks were reconciled.
    pub strategy: Strategy,
    /// How the budget was charged.
    pub policy: &'static str,
    /// Bits charged under that policy.
    pub charged: u64,
    /// Leakage budget in bits; `null` if there was none.
    pub budget: Option<u64>,
    /// Decoding attempts per block.
    pub rounds_mean: f64,
    /// Bits revealed after the syndrome, per block.
    pub revealed_mean: f64,
    /// Tags sent.
    pub tags: u32,
    /// Blocks that once decoded to a wrong string, found by a tag.
    pub caught: usize,
}

/// What a party keeps of a session as it runs.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// Blocks, in order.
    pub released: Vec<Released>,
    /// Errors, bits, and effective error rate of the sample.
    pub sampled: Option<(u32, u32, f64)>,
}

/// What the figures are computed for.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Strategy.
    pub strategy: Strategy,
    /// Code length.
    pub n: usize,
    /// Checks.
    pub m: usize,
    /// Bits of each key given.
    pub input_bits: usize,
    /// Frame error rate aimed at.
    pub target_fer: f64,
    /// Decoder, if it is known here.
    pub decoder: Option<Tier>,
}

const NO_BUDGET: u64 = u64::MAX;

/// The name of a policy in reports.
pub const fn policy_name(policy: Policy) -> &'static str {
    match policy {
        Policy::SyndromeCap => "syndrome-cap",
        Policy::Conservative => "conservative",
        _ => "exact",
    }
}

impl Record {
    /// The figures.
    pub fn report(&self, facts: &Facts, finished: &Finished) -> Report {
        let blocks = self.released.len();
        let per_block = |sum: u64| sum as f64 / blocks.max(1) as f64;
        let good = || self.released.iter().filter(|b| b.failure.is_none());
        let payload_bits: usize = good().map(|b| b.payload).sum();
        let errors: u64 = good().map(|b| u64::from(b.errors)).sum();
        let failed: Vec<FailedPart> = self
            .released
            .iter()
            .filter_map(|b| {
                let reason = match b.failure? {
                    Failure::Decoding => "decoder did not converge",
                    Failure::Verification => "verification tag differs",
                };
                Some(FailedPart { block: b.block as usize, bits: b.payload, reason })
            })
            .collect();
        let (punctured, shortened) = self.released.first().map_or((0, 0), |b| (b.punctured, b.shortened));
        let payload = facts.n - punctured - shortened;
        let qber_observed = (payload_bits > 0).then(|| errors as f64 / payload_bits as f64);
        let noise = limits::entropy(qber_observed.unwrap_or(0.0));
        let per_noise = |leak: LeakBits| (noise > 0.0).then(|| leak.0 as f64 / (payload_bits as f64 * noise));
        let disclosed = finished.receipt.disclosed();
        Report {
            verified: failed.is_empty(),
            payload_bits,
            blocks,
            frame_errors: self.released.iter().filter(|b| b.rounds > 1 || b.failure.is_some()).count(),
            qber_observed,
            qber_assumed: self.released.first().and_then(|b| b.qber),
            qber_sampled: self.sampled.map(|(errors, bits, _)| f64::from(errors) / f64::from(bits)),
            code: facts.n,
            considered: Vec::new(),
            rate: puncture::rate(facts.n, facts.m, punctured, shortened),
            punctured,
            shortened,
            iterations_mean: per_block(self.released.iter().map(|b| u64::from(b.iterations)).sum()),
            leakage: Leakage {
                exact: disclosed.total(Policy::Exact).0,
                syndrome_cap: disclosed.total(Policy::SyndromeCap).0,
                conservative: disclosed.total(Policy::Conservative).0,
                by_kind: ByKind {
                    syndrome: disclosed.syndrome_exact.0,
                    reveal: disclosed.padding_exact.0 + disclosed.payload_revealed.0,
                    tag: disclosed.tag.0,
                    sample: disclosed.sample.0,
                },
            },
            f: per_noise(disclosed.reconciliation(Policy::Exact)),
            f_with_tag: per_noise(disclosed.total(Policy::Exact)),
            f_limit: qber_observed
                .and_then(|q| limits::converse_leak(payload, q, facts.target_fer))
                .map(|leak| leak / (payload as f64 * noise)),
            target_fer: facts.target_fer,
            decoder: facts.decoder,
            undetected_log2: finished.undetected_log2.is_finite().then_some(finished.undetected_log2),
            input_bits: facts.input_bits,
            failed,
            strategy: facts.strategy,
            policy: policy_name(finished.receipt.policy()),
            charged: finished.receipt.total().0,
            budget: (finished.receipt.cap().0 != NO_BUDGET).then_some(finished.receipt.cap().0),
            rounds_mean: per_block(self.released.iter().map(|b| u64::from(b.rounds)).sum()),
            revealed_mean: per_block(self.released.iter().map(|b| u64::from(b.revealed)).sum()),
            tags: finished.tags,
            caught: self.released.iter().filter(|b| b.caught).count(),
        }
    }

    /// Which positions of the permuted key are kept, those of the sample and of failed blocks being left out.
    pub fn kept(&self, bits: usize) -> Vec<u64> {
        let mut kept = Key::zeros(bits);
        for block in self.released.iter().filter(|b| b.failure.is_none()) {
            (block.start..block.start + block.payload).for_each(|i| bits::set(&mut kept.words, i, true));
        }
        core::mem::take(&mut kept.words)
    }
}
