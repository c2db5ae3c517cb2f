//! What a session reports.

use serde::Serialize;

use crate::kernel::Tier;

/// A block of the key that could not be reconciled or did not verify.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FailedPart {
    /// Block number, from 0.
    pub block: usize,
    /// Key bits it carried.
    pub bits: usize,
    /// What failed.
    pub reason: &'static str,
}

/// Leakage under each policy, in bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Serialize)]
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
    /// Error rate the code rate was chosen for and the decoder was told.
    pub qber_assumed: f64,
    /// Sampled error rate, if estimated.
    pub qber_sampled: Option<f64>,
    /// Code rate of a full block.
    pub rate: f64,
    /// Punctured positions of a full block.
    pub punctured: usize,
    /// Shortened positions of a full block.
    pub shortened: usize,
    /// Iterations per block.
    pub iterations_mean: f64,
    /// Leakage.
    pub leakage: Leakage,
    /// Syndrome and reveals (exact) over bits times h(observed QBER); `null` if that is 0.
    pub f: Option<f64>,
    /// The same with tags.
    pub f_with_tag: Option<f64>,
    /// Least f of any code for a full block at the target frame error rate.
    pub f_limit: Option<f64>,
    /// Frame error rate the code rate was chosen for.
    pub target_fer: f64,
    /// Decoder.
    pub decoder: Tier,
    /// log2 of the bound on the chance that a wrong key verifies; `null` if nothing verified.
    pub undetected_log2: Option<f64>,
    /// Bits of each key given.
    pub input_bits: usize,
    /// Parts left out of the result.
    pub failed: Vec<FailedPart>,
}
