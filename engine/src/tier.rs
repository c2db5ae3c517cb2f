//! What an engine is asked to do.

use core::fmt;

use caligo_core::decode::Schedule;

/// Which arithmetics decode a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Tier {
    /// Bit-sliced min-sum first, then 8-bit corrected min-sum, at most 40 iterations, where that failed; where few
    /// checks are left, 16 positions in doubt are guessed in turn.
    Fast,
    /// The same, with f32 sum-product before the guesses.
    #[default]
    Balanced,
    /// f32 sum-product, at most 100 iterations; where that failed, 16 positions in doubt are guessed in turn.
    Precise,
}

impl Tier {
    /// Iterations of each stage when none are asked for.
    pub const fn default_iterations(self) -> u16 {
        match self {
            Self::Fast => 40,
            Self::Balanced | Self::Precise => 100,
        }
    }

    /// Most unsatisfied checks of a failure that is worth a guess when no number of guesses is asked for. A trapping
    /// set leaves few, and a guess often breaks it; a frame beyond the code's reach leaves hundreds, and guesses
    /// would only cost time.
    pub(crate) const fn guessed_unsatisfied(self, patient: bool) -> u32 {
        match self {
            Self::Fast | Self::Balanced if patient => TRAPPED,
            Self::Fast | Self::Balanced => NEAR,
            Self::Precise => u32::MAX,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Precise => "precise",
        })
    }
}

/// Most unsatisfied checks of a frame that a few errors keep from being decoded.
const NEAR: u32 = 128;
/// Most unsatisfied checks of a trapping set.
pub(crate) const TRAPPED: u32 = 16;

/// What an engine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Which arithmetics.
    pub tier: Tier,
    /// Order of updates.
    pub schedule: Schedule,
    /// Iterations of the last stage, if not the tier's.
    pub max_iterations: Option<u16>,
    /// Positions guessed after a failure, if not 16 after those that the tier takes for near.
    pub guesses: Option<u16>,
    /// Whether more will be revealed after a failure: then `Fast` and `Balanced` guess only where a trapping set is left, for
    /// a few bits more cost less than 32 runs.
    pub patient: bool,
    /// Leave out the bit-sliced pass, so that an arithmetic is seen by itself.
    pub without_first_pass: bool,
}
