//! What messages say: thresholds, and what each level adds.
//!
//! Found by hill climbing over thresholds, values and prior, counting iterations and failures of simulated
//! frames of the 4096-bit mother code at the error rates named.

use super::LOCAL;

/// Bits of the largest value.
pub(in crate::decode) const VALUE_BITS: usize = 5;

/// Numbers of an arithmetic, known when a kernel is compiled: comparing with a constant takes a few ANDs
/// and ORs.
pub trait Alphabet: Copy {
    /// Thresholds, at most seven.
    const LEVELS: usize;
    /// Bits of a posterior, sign included, at most eight.
    const PLANES: usize;
    /// x of a payload position received as 0.
    const PRIOR: u16;
    /// x, or NOT x, from which on each level is reached; `LEVELS` of them, ascending.
    const THRESHOLDS: [u16; LOCAL];
    /// What a message of each level adds to x, at most 31; 0 for level 0.
    const VALUES: [u16; LOCAL + 1];
    /// The same where a check's two least inputs are of one level, if that makes a difference: the belief of two doubtful
    /// bits is less than that of one.
    const TIED: Option<[u16; LOCAL + 1]> = None;
}

/// Four levels, for channels far below the threshold (tuned at rate 1/2, QBER 5 %).
#[derive(Clone, Copy, Debug)]
pub struct Swift;

impl Alphabet for Swift {
    const LEVELS: usize = 3;
    const PLANES: usize = 7;
    const PRIOR: u16 = 4;
    const THRESHOLDS: [u16; LOCAL] = [1, 6, 7, 0, 0, 0, 0, 0, 0];
    const VALUES: [u16; LOCAL + 1] = [0, 2, 6, 11, 0, 0, 0, 0, 0, 0];
}

/// Eight levels, for channels near the threshold (tuned at rate 1/2, QBER 8 %).
#[derive(Clone, Copy, Debug)]
pub struct Sturdy;

impl Alphabet for Sturdy {
    const LEVELS: usize = 7;
    const PLANES: usize = 8;
    const PRIOR: u16 = 7;
    const THRESHOLDS: [u16; LOCAL] = [1, 6, 8, 9, 12, 15, 22, 0, 0];
    const VALUES: [u16; LOCAL + 1] = [0, 1, 4, 7, 10, 14, 16, 26, 0, 0];
}

/// Eight levels and ties, for rates from 1/2 to .8 (tuned at both, .6 and .7 together): what [`Compact`] computes with.
///
/// [`Compact`]: crate::decode::Compact
#[derive(Clone, Copy, Debug)]
pub struct Steady;

impl Alphabet for Steady {
    const LEVELS: usize = 7;
    const PLANES: usize = 8;
    const PRIOR: u16 = 8;
    const THRESHOLDS: [u16; LOCAL] = [2, 6, 7, 11, 13, 16, 23, 0, 0];
    const VALUES: [u16; LOCAL + 1] = [0, 3, 3, 8, 12, 14, 16, 25, 0, 0];
    const TIED: Option<[u16; LOCAL + 1]> = Some([0, 2, 3, 4, 10, 12, 12, 22, 0, 0]);
}
