//! Where he stands, with what the phases before have promised.

use crate::ot::Instant;
use crate::ot::blocks::Shape;
use crate::ot::contract::{Detected, Estimated, Sifted};

/// What he does.
#[derive(Debug)]
pub(super) enum Phase {
    AwaitGreeting,
    Greeting,
    /// Clicks of the better basis are thinned out, up to this word.
    Thin {
        word: usize,
    },
    Nonce,
    Commitment {
        nonce: [u64; 4],
    },
    Opening {
        nonce: [u64; 4],
        detected: Detected,
    },
    Report {
        after: AfterReport,
        at: usize,
    },
    AwaitBases {
        fixed: Instant,
        nonce: Option<[u64; 4]>,
        part: u8,
        at: usize,
    },
    AwaitSample {
        detected: Detected,
        at: usize,
    },
    Bases {
        detected: Detected,
        size: usize,
        at: usize,
    },
    Outcomes {
        detected: Detected,
        size: usize,
        at: usize,
    },
    AwaitOutcomes {
        detected: Detected,
        size: usize,
        at: usize,
    },
    Truncate {
        estimated: Estimated,
    },
    Sets {
        sifted: Sifted,
        part: u8,
        at: usize,
    },
    Asking(Asking),
    Silent(Silent),
    Over,
}

/// What follows the report.
#[derive(Debug)]
pub(super) enum AfterReport {
    Bases,
    Test(Detected),
}

/// After the sets, if errors are corrected blindly: he listens, decodes, and says in each round which blocks need more.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) silent: Silent,
    pub(super) round: u8,
    /// Bits told of what he asks for in this round.
    pub(super) at: usize,
}

/// After that: he listens, decodes, and says nothing.
#[derive(Debug)]
pub(super) struct Silent {
    pub(super) sifted: Sifted,
    /// Number of the next block, and the last one's shape.
    pub(super) number: u32,
    pub(super) shape: Shape,
    /// Key and tag of each set.
    pub(super) tags: [Option<(u64, u64)>; 2],
    /// Set and bit of the next part of a seed; bits of each seed, once they are known.
    pub(super) seed: (usize, usize),
    pub(super) seed_bits: Option<usize>,
    /// Blocks before this one have been given to a decoder, if they had to be; so many have come back.
    pub(super) given: usize,
    pub(super) back: usize,
    /// Rounds of reveals: as many as the block has that may need most.
    pub(super) rounds: u8,
    /// The next pair of blocks to be revealed, past the last if there is none; and how many positions of it, once they are
    /// told of the first block.
    pub(super) pair: usize,
    pub(super) count: Option<u16>,
}

impl Silent {
    pub(super) const fn heard_all(&self) -> bool {
        self.seed.0 == 2
    }

    /// Blocks whose syndromes have come.
    pub(super) const fn blocks(&self) -> usize {
        (self.number / 2) as usize
    }

    /// Whether all syndromes have come.
    pub(super) const fn is_complete(&self) -> bool {
        self.number > 0 && self.number.is_multiple_of(2) && self.shape.end() == self.sifted.set_bits
    }

    /// Whether all that he asked for has come too.
    pub(super) const fn is_revealed(&self) -> bool {
        self.is_complete() && self.pair >= self.blocks()
    }

    /// Bits of his string, once a seed has come.
    pub(super) fn length(&self) -> usize {
        self.seed_bits.map_or(0, |total| (total + 1).saturating_sub(self.sifted.set_bits))
    }
}

impl Phase {
    pub(super) const fn silent(&self) -> Option<&Silent> {
        match self {
            Self::Silent(silent) | Self::Asking(Asking { silent, .. }) => Some(silent),
            _ => None,
        }
    }

    pub(super) const fn silent_mut(&mut self) -> Option<&mut Silent> {
        match self {
            Self::Silent(silent) | Self::Asking(Asking { silent, .. }) => Some(silent),
            _ => None,
        }
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::AwaitGreeting | Self::Greeting => "greeting",
            Self::Thin { .. }
            | Self::Nonce
            | Self::Commitment { .. }
            | Self::Opening { .. }
            | Self::Report { .. } => "reporting detections",
            Self::AwaitBases { .. } => "taking bases",
            Self::AwaitSample { .. }
            | Self::Bases { .. }
            | Self::Outcomes { .. }
            | Self::AwaitOutcomes { .. } => "estimating the error rate",
            Self::Truncate { .. } | Self::Sets { .. } => "dividing rounds",
            Self::Asking(_) => "asking for more",
            Self::Silent(_) => "listening",
            Self::Over => "done",
        }
    }

    pub(super) const fn is_waiting(&self) -> bool {
        match self {
            Self::AwaitGreeting
            | Self::AwaitBases { .. }
            | Self::AwaitSample { .. }
            | Self::AwaitOutcomes { .. } => true,
            Self::Asking(asking) => !asking.silent.is_revealed(),
            Self::Silent(silent) => !silent.heard_all(),
            _ => false,
        }
    }
}
