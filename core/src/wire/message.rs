//! The messages. What discloses key bits is a type of its own.

use super::{Bits, Positions};
use crate::leakage::{Disclosure, Policy};
use crate::verify::TAG_BITS;

/// Message kinds, by the names of the design documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// Session parameters.
    Hello = 0x01,
    /// Parameters of an oblivious transfer.
    Agreement = 0x02,
    /// Digest of the receiver's detections.
    DetectionCommitment = 0x10,
    /// Part of the rounds that the sender detected, or of her bases.
    BasisReveal = 0x11,
    /// What the digest was made with.
    CommitmentOpening = 0x12,
    /// Part of one of the two sets of rounds.
    IndexLists = 0x13,
    /// Sampled key bits.
    TestOutcomes = 0x14,
    /// What the receiver makes of them.
    TestResult = 0x15,
    /// Part of the rounds that the receiver detected.
    DetectionReport = 0x16,
    /// Part of the rounds that are disclosed to estimate the error rate.
    TestSample = 0x17,
    /// The receiver's bases in some of these rounds.
    TestBases = 0x18,
    /// One block's syndrome, baseline.
    Syndrome = 0x20,
    /// Whether it decoded.
    SyndromeResponse = 0x21,
    /// One block's syndrome, blind or symmetric.
    BlindInit = 0x22,
    /// Values of the next positions in order.
    BlindReveal = 0x23,
    /// Decoded.
    BlindAck = 0x24,
    /// Not decoded: reveal more.
    BlindNack = 0x25,
    /// Not decoded: reveal these positions.
    SymmetricRequest = 0x26,
    /// Values of the positions asked for.
    SymmetricReveal = 0x27,
    /// No more is revealed: the block is left out.
    Abandon = 0x28,
    /// Hash key and tag over a range of blocks.
    Verify = 0x29,
    /// Whether the tag matched.
    VerifyResponse = 0x2a,
    /// End of the key, with the sender's totals.
    Finish = 0x2b,
    /// Part of a string of one bit for each pair of a transfer's blocks: reveal more of it.
    PairsWanted = 0x2c,
    /// Part of a seed for privacy amplification.
    ToeplitzSeed = 0x30,
    /// All received.
    Ack = 0x40,
    /// The session ends here.
    Abort = 0x41,
}

impl Kind {
    const ALL: [Self; 27] = [
        Self::Hello,
        Self::Agreement,
        Self::DetectionCommitment,
        Self::BasisReveal,
        Self::CommitmentOpening,
        Self::IndexLists,
        Self::TestOutcomes,
        Self::TestResult,
        Self::DetectionReport,
        Self::TestSample,
        Self::TestBases,
        Self::Syndrome,
        Self::SyndromeResponse,
        Self::BlindInit,
        Self::BlindReveal,
        Self::BlindAck,
        Self::BlindNack,
        Self::SymmetricRequest,
        Self::SymmetricReveal,
        Self::Abandon,
        Self::Verify,
        Self::VerifyResponse,
        Self::Finish,
        Self::PairsWanted,
        Self::ToeplitzSeed,
        Self::Ack,
        Self::Abort,
    ];

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// How blocks are reconciled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum Strategy {
    /// One syndrome at a rate chosen for the QBER (Elkouss et al. 2010).
    #[default]
    Baseline,
    /// One syndrome, then padding revealed in rounds (Martinez-Mateo et al. 2012).
    Blind,
    /// One syndrome, then the positions the receiver is least sure of (Kiktenko et al. 2017).
    Symmetric,
}

/// What both parties must agree on before the first block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How blocks are reconciled.
    pub strategy: Strategy,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Disclosures of a block at most, the syndrome included.
    pub rounds: u8,
    /// Frame error rate aimed at, in millionths.
    pub target_fer_ppm: u32,
    /// Blocks in flight, at least 2.
    pub window: u16,
    /// Key length in bits.
    pub key_bits: u32,
    /// Bits sampled to estimate the error rate.
    pub sample_bits: u32,
    /// Fingerprint of code and orders.
    pub code: u64,
    /// Seed of the public permutation.
    pub permutation: u64,
    /// Leakage budget in bits.
    pub cap: u64,
}

/// What both parties must agree on before an oblivious transfer, or before keys are sifted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreement {
    /// Rounds.
    pub rounds: u32,
    /// Whether detections are committed to before the bases and told after them.
    pub committed: bool,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Fingerprint of code and orders.
    pub code: u64,
    /// Fingerprint of all other parameters.
    pub terms: u64,
}

impl Agreement {
    /// What `theirs` differs in first, if in anything.
    pub const fn difference(&self, theirs: &Self) -> Option<&'static str> {
        if self.rounds != theirs.rounds {
            Some("number of rounds")
        } else if self.committed != theirs.committed {
            Some("whether detections are committed to")
        } else if self.policy as u8 != theirs.policy as u8 {
            Some("policy by which disclosures are charged")
        } else if self.code != theirs.code {
            Some("code or its orders")
        } else if self.terms != theirs.terms {
            Some("parameters of the device, the memory or the failures allowed")
        } else {
            None
        }
    }
}

/// Part of a string of one bit for each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// Which string, 0 or 1, where a kind has two.
    pub part: u8,
    /// Index of the first bit.
    pub offset: u32,
    /// The bits.
    pub bits: Bits<'a>,
}

/// One block's syndrome and how its frame is filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Syndrome<'a> {
    /// Block number.
    pub block: u32,
    /// Punctured positions.
    pub punctured: u16,
    /// Shortened positions.
    pub shortened: u16,
    /// Error rate in millionths to decode with; 0 if none is known.
    pub qber_ppm: u32,
    /// Positions to ask for each time (symmetric); reveals that may follow (blind, in a transfer).
    pub request: u16,
    /// The syndrome.
    pub syndrome: Bits<'a>,
}

/// Values of positions of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reveal<'a> {
    /// Block number.
    pub block: u32,
    /// Values.
    pub values: Bits<'a>,
}

/// How a block decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Block number.
    pub block: u32,
    /// Errors corrected in its payload.
    pub errors: u16,
    /// Iterations since the last response.
    pub iterations: u16,
}

/// A request to reveal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Block number.
    pub block: u32,
    /// Iterations since the last response.
    pub iterations: u16,
    /// Positions in the frame.
    pub positions: Positions<'a>,
}

/// A tag over the payloads of blocks `from` to `to` (exclusive), those left out skipped. In oblivious transfer
/// blocks of the two sets alternate, and `from` is 0 or 1: the tag is over every other block from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verify {
    /// First block.
    pub from: u32,
    /// Block after the last.
    pub to: u32,
    /// Hash key, fresh.
    pub key: u64,
    /// Tag.
    pub tag: u64,
}

/// A message that discloses bits of the key and needs a [`Permit`](crate::leakage::Permit).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disclosing<'a> {
    /// Sampled key bits.
    TestOutcomes {
        /// Index of the first of them in the permuted key, or among the rounds sampled.
        offset: u32,
        /// The bits.
        bits: Bits<'a>,
    },
    /// Baseline.
    Syndrome(Syndrome<'a>),
    /// Blind and symmetric.
    BlindInit(Syndrome<'a>),
    /// Next positions in order.
    BlindReveal(Reveal<'a>),
    /// Positions asked for.
    SymmetricReveal(Reveal<'a>),
    /// Tag.
    Verify(Verify),
}

/// A message that discloses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Plain<'a> {
    /// Session parameters.
    Hello(Hello),
    /// Parameters of an oblivious transfer.
    Agreement(Agreement),
    /// Digest of the detections.
    DetectionCommitment {
        /// The digest.
        digest: [u64; 4],
    },
    /// What the digest was made with, before the detections themselves.
    CommitmentOpening {
        /// Random words.
        nonce: [u64; 4],
    },
    /// Rounds detected.
    DetectionReport(Span<'a>),
    /// Part 0: rounds detected. Part 1: bases.
    BasisReveal(Span<'a>),
    /// Rounds to be disclosed.
    TestSample(Span<'a>),
    /// Bases in these rounds, in order.
    TestBases(Span<'a>),
    /// Parts 0 and 1: the rounds of each set.
    IndexLists(Span<'a>),
    /// Errors in the sample.
    TestResult {
        /// Errors.
        errors: u32,
        /// Error rate, in millionths, of a symmetric channel with the same entropy; what blocks are planned by.
        effective_ppm: u32,
    },
    /// Baseline: decoded or not.
    SyndromeResponse {
        /// Whether it converged.
        converged: bool,
        /// How.
        decoded: Decoded,
    },
    /// Decoded.
    BlindAck(Decoded),
    /// Not decoded.
    BlindNack {
        /// Block number.
        block: u32,
        /// Iterations since the last response.
        iterations: u16,
    },
    /// Positions wanted.
    SymmetricRequest(Request<'a>),
    /// The block is left out.
    Abandon {
        /// Block number.
        block: u32,
    },
    /// Whether the tag matched.
    VerifyResponse {
        /// It did.
        matched: bool,
        /// As in `TestResult`, over all blocks verified so far; 0 if not known.
        effective_ppm: u32,
    },
    /// End of the key.
    Finish {
        /// Blocks.
        blocks: u32,
        /// Bits charged.
        leak: u64,
    },
    /// Pairs of a transfer's blocks that need more, one bit each; the part is the round, modulo 2.
    PairsWanted(Span<'a>),
    /// Part of a seed.
    ToeplitzSeed {
        /// Index of its first bit.
        offset: u32,
        /// Bits of the whole seed.
        total: u32,
        /// The bits.
        bits: Bits<'a>,
    },
    /// All received.
    Ack,
    /// The session ends here.
    Abort {
        /// Why, [`crate::reconcile::Abort::code`] or [`crate::ot::Abort::code`].
        reason: u8,
    },
}

/// A message as received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// It discloses; the receiver books it too.
    Disclosing(Disclosing<'a>),
    /// It does not.
    Plain(Plain<'a>),
}

impl Message<'_> {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Disclosing(message) => message.kind(),
            Self::Plain(message) => message.kind(),
        }
    }
}

impl Disclosing<'_> {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::TestOutcomes { .. } => Kind::TestOutcomes,
            Self::Syndrome(_) => Kind::Syndrome,
            Self::BlindInit(_) => Kind::BlindInit,
            Self::BlindReveal(_) => Kind::BlindReveal,
            Self::SymmetricReveal(_) => Kind::SymmetricReveal,
            Self::Verify(_) => Kind::Verify,
        }
    }

    /// Whether `disclosure` is what this message discloses.
    pub(super) fn is_covered_by(&self, disclosure: &Disclosure) -> bool {
        let bits = match (self, disclosure) {
            (Self::TestOutcomes { bits, .. }, Disclosure::Sample { .. }) => bits.len(),
            (Self::Syndrome(s) | Self::BlindInit(s), Disclosure::Syndrome { .. }) => s.syndrome.len(),
            (Self::BlindReveal(r) | Self::SymmetricReveal(r), Disclosure::Reveal { .. }) => r.values.len(),
            (Self::Verify(_), Disclosure::Tag { .. }) => TAG_BITS,
            _ => return false,
        };
        bits as u64 == disclosure.bits()
    }
}

impl Plain<'_> {
    /// Its kind.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Hello(_) => Kind::Hello,
            Self::Agreement(_) => Kind::Agreement,
            Self::DetectionCommitment { .. } => Kind::DetectionCommitment,
            Self::CommitmentOpening { .. } => Kind::CommitmentOpening,
            Self::DetectionReport(_) => Kind::DetectionReport,
            Self::BasisReveal(_) => Kind::BasisReveal,
            Self::TestSample(_) => Kind::TestSample,
            Self::TestBases(_) => Kind::TestBases,
            Self::IndexLists(_) => Kind::IndexLists,
            Self::TestResult { .. } => Kind::TestResult,
            Self::SyndromeResponse { .. } => Kind::SyndromeResponse,
            Self::BlindAck(_) => Kind::BlindAck,
            Self::BlindNack { .. } => Kind::BlindNack,
            Self::SymmetricRequest(_) => Kind::SymmetricRequest,
            Self::Abandon { .. } => Kind::Abandon,
            Self::VerifyResponse { .. } => Kind::VerifyResponse,
            Self::Finish { .. } => Kind::Finish,
            Self::PairsWanted(_) => Kind::PairsWanted,
            Self::ToeplitzSeed { .. } => Kind::ToeplitzSeed,
            Self::Ack => Kind::Ack,
            Self::Abort { .. } => Kind::Abort,
        }
    }
}
