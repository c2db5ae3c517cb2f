//! The codec: the only place that knows bytes.
//!
//! A frame is a header of [`HEADER`] bytes and a body of at most [`MAX_BODY`]:
//!
//! | bytes | content |
//! |---|---|
//! | 0 | version, [`VERSION`] |
//! | 1 | kind, [`Kind`] |
//! | 2..4 | zero |
//! | 4..8 | sequence number, from 0, one up with every frame of a direction |
//! | 8..12 | length of the body |
//!
//! Integers are big-endian. A bit string is its length (32 bits) and ceil(length / 8) bytes, bit i in place
//! i mod 8 (least significant first) of byte i / 8, unused bits zero.
//!
//! [`decode`] borrows from the frame and allocates nothing. Every length is checked before it is used, a
//! frame must be used up to its last byte, and where it returns `Ok` no accessor of the message panics.
//! Encoding is in two parts: [`encode`] takes the messages that tell nothing about the key, [`disclose`]
//! takes those that do, and a [`Permit`] of the ledger for exactly that many bits:
//!
//! ```compile_fail
//! # use caligo_core::wire::{self, Disclosing, Verify};
//! # let mut out = [0; 64];
//! // No permit, no frame.
//! wire::disclose(&mut out, 0, &Disclosing::Verify(Verify { from: 0, to: 1, key: 5, tag: 6 }));
//! ```
//! ```compile_fail
//! # use caligo_core::wire::{self, Verify};
//! # let mut out = [0; 64];
//! // A disclosing message is no plain one.
//! wire::encode(&mut out, 0, &wire::Plain::Verify(Verify { from: 0, to: 1, key: 5, tag: 6 }));
//! ```
//! ```compile_fail
//! # use caligo_core::leakage::{Disclosure, LeakBits, Ledger, Policy};
//! # use caligo_core::wire::{self, Disclosing, Verify};
//! # let mut out = [0; 64];
//! # let (_, permit) = Ledger::new(Policy::Exact, LeakBits(64)).charge(Disclosure::Tag { bits: 64 })?;
//! # let tag = Disclosing::Verify(Verify { from: 0, to: 1, key: 5, tag: 6 });
//! // One charge, one frame.
//! wire::disclose(&mut out, 0, permit, &tag);
//! wire::disclose(&mut out, 1, permit, &tag);
//! # Ok::<(), caligo_core::leakage::BudgetExceeded>(())
//! ```

use core::fmt;

use crate::leakage::{Permit, Policy};

mod fields;
mod message;

pub use fields::{Bits, Positions};
use fields::{Reader, Writer};
pub use message::{
    Agreement, Decoded, Disclosing, Hello, Kind, Message, Plain, Request, Reveal, Span, Strategy, Syndrome,
    Verify,
};

/// Version of the format.
pub const VERSION: u8 = 1;
/// Bytes of a header.
pub const HEADER: usize = 12;
/// Largest body in bytes.
pub const MAX_BODY: usize = 16 << 10;
/// Largest frame in bytes.
pub const MAX_FRAME: usize = HEADER + MAX_BODY;
/// Most bits a message carries.
pub const MAX_BITS: usize = (MAX_BODY - 64) * 8;
/// Most positions a request carries.
pub const MAX_POSITIONS: usize = 4096;

/// Why a frame was refused, on either end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WireError {
    /// The frame ends early.
    Truncated,
    /// The body is longer than allowed, or than the frame's length says.
    Oversized,
    /// Another version of the format.
    Version {
        /// Found.
        found: u8,
    },
    /// A kind that is not known.
    Unknown {
        /// Found.
        kind: u8,
    },
    /// Lost, reordered or replayed.
    Sequence {
        /// Number expected.
        expected: u32,
        /// Number found.
        found: u32,
    },
    /// A field outside its range.
    Field {
        /// Which.
        what: &'static str,
    },
    /// The buffer cannot hold the frame.
    NoRoom,
    /// The permit is for something else.
    Permit,
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated => f.write_str("frame: ends before its content does"),
            Self::Oversized => {
                write!(f, "frame: expected a body of its stated length, at most {MAX_BODY} bytes")
            }
            Self::Version { found } => write!(f, "frame version: expected {VERSION}, found {found}"),
            Self::Unknown { kind } => write!(f, "frame kind: {kind:#04x} is not known"),
            Self::Sequence { expected, found } => {
                write!(
                    f,
                    "frame sequence number: expected {expected}, found {found} (lost, reordered or replayed)"
                )
            }
            Self::Field { what } => write!(f, "frame field: {what}"),
            Self::NoRoom => write!(f, "frame buffer: expected room for {MAX_FRAME} bytes"),
            Self::Permit => f.write_str("permit: expected one for exactly the bits the message discloses"),
        }
    }
}

impl core::error::Error for WireError {}

/// Writes `message` as frame number `sequence`; its length in bytes.
///
/// # Errors
/// [`WireError::NoRoom`], [`WireError::Field`] for an error rate that [`decode`] would refuse, or
/// [`WireError::Oversized`] for a body past [`MAX_BODY`].
pub fn encode(out: &mut [u8], sequence: u32, message: &Plain<'_>) -> Result<usize, WireError> {
    frame(out, sequence, message.kind(), |w| match message {
        Plain::Hello(hello) => {
            w.u8(strategy_byte(hello.strategy));
            w.u8(policy_byte(hello.policy));
            w.u8(hello.rounds);
            w.ppm(hello.target_fer_ppm);
            w.u16(hello.window);
            w.u32(hello.key_bits);
            w.u32(hello.sample_bits);
            w.u64(hello.code);
            w.u64(hello.permutation);
            w.u64(hello.cap);
        }
        Plain::Agreement(agreement) => {
            w.u32(agreement.rounds);
            w.u8(agreement.committed.into());
            w.u8(policy_byte(agreement.policy));
            w.u64(agreement.code);
            w.u64(agreement.terms);
        }
        Plain::DetectionCommitment { digest: words } | Plain::CommitmentOpening { nonce: words } => {
            words.iter().for_each(|word| w.u64(*word));
        }
        Plain::DetectionReport(span)
        | Plain::BasisReveal(span)
        | Plain::TestSample(span)
        | Plain::TestBases(span)
        | Plain::IndexLists(span)
        | Plain::PairsWanted(span) => {
            w.part(span.part);
            w.u32(span.offset);
            w.bits(&span.bits);
        }
        Plain::TestResult { errors, effective_ppm } => {
            w.u32(*errors);
            w.ppm(*effective_ppm);
        }
        Plain::SyndromeResponse { converged, decoded } => {
            w.u8((*converged).into());
            write_decoded(w, *decoded);
        }
        Plain::BlindAck(decoded) => write_decoded(w, *decoded),
        Plain::BlindNack { block, iterations } => {
            w.u32(*block);
            w.u16(*iterations);
        }
        Plain::SymmetricRequest(request) => {
            w.u32(request.block);
            w.u16(request.iterations);
            w.positions(&request.positions);
        }
        Plain::Abandon { block } => w.u32(*block),
        Plain::VerifyResponse { matched, effective_ppm } => {
            w.u8((*matched).into());
            w.ppm(*effective_ppm);
        }
        Plain::Finish { blocks, leak } => {
            w.u32(*blocks);
            w.u64(*leak);
        }
        Plain::ToeplitzSeed { offset, total, bits } => {
            w.u32(*offset);
            w.u32(*total);
            w.bits(bits);
        }
        Plain::Ack => {}
        Plain::Abort { reason } => w.u8(*reason),
    })
}

/// [`encode`]s the next frame of a direction that sent `sent` frames, and counts it.
pub(crate) fn encode_next(out: &mut [u8], sent: &mut u32, message: &Plain<'_>) -> Result<usize, WireError> {
    let length = encode(out, *sent, message)?;
    *sent = sent.wrapping_add(1);
    Ok(length)
}

/// [`disclose`]s in the next frame of a direction that sent `sent` frames, and counts it.
pub(crate) fn disclose_next(
    out: &mut [u8],
    sent: &mut u32,
    permit: Permit,
    message: &Disclosing<'_>,
) -> Result<usize, WireError> {
    let length = disclose(out, *sent, permit, message)?;
    *sent = sent.wrapping_add(1);
    Ok(length)
}

/// Writes `message` as frame number `sequence`, using up the permit it was charged with; its length in
/// bytes.
///
/// # Errors
/// [`WireError::Permit`] if the permit is for another kind or number of bits; as [`encode`] besides.
#[expect(clippy::needless_pass_by_value, reason = "the permit is used up")]
pub fn disclose(
    out: &mut [u8],
    sequence: u32,
    permit: Permit,
    message: &Disclosing<'_>,
) -> Result<usize, WireError> {
    if !message.is_covered_by(&permit.disclosure()) {
        return Err(WireError::Permit);
    }
    frame(out, sequence, message.kind(), |w| match message {
        Disclosing::TestOutcomes { offset, bits } => {
            w.u32(*offset);
            w.bits(bits);
        }
        Disclosing::Syndrome(s) | Disclosing::BlindInit(s) => {
            w.u32(s.block);
            w.u16(s.punctured);
            w.u16(s.shortened);
            w.ppm(s.qber_ppm);
            w.u16(s.request);
            w.bits(&s.syndrome);
        }
        Disclosing::BlindReveal(reveal) | Disclosing::SymmetricReveal(reveal) => {
            w.u32(reveal.block);
            w.bits(&reveal.values);
        }
        Disclosing::Verify(verify) => {
            w.u32(verify.from);
            w.u32(verify.to);
            w.u64(verify.key);
            w.u64(verify.tag);
        }
    })
}

fn write_decoded(w: &mut Writer<'_>, decoded: Decoded) {
    w.u32(decoded.block);
    w.u16(decoded.errors);
    w.u16(decoded.iterations);
}

fn frame(
    out: &mut [u8],
    sequence: u32,
    kind: Kind,
    body: impl FnOnce(&mut Writer<'_>),
) -> Result<usize, WireError> {
    let mut w = Writer::new(out);
    w.u8(VERSION);
    w.u8(kind as u8);
    w.u16(0);
    w.u32(sequence);
    w.u32(0);
    body(&mut w);
    let length = w.finish()?;
    if length > MAX_FRAME {
        return Err(WireError::Oversized);
    }
    out[8..HEADER].copy_from_slice(&((length - HEADER) as u32).to_be_bytes());
    Ok(length)
}

/// Length in bytes of the frame that begins with `header`, for cutting a byte stream into frames; `None`
/// until the header is complete.
///
/// # Errors
/// [`WireError::Version`], [`WireError::Oversized`].
pub fn frame_length(header: &[u8]) -> Result<Option<usize>, WireError> {
    match header.first() {
        None => return Ok(None),
        Some(&VERSION) => {}
        Some(&found) => return Err(WireError::Version { found }),
    }
    let Some(length) = header.get(8..HEADER) else { return Ok(None) };
    let length = length.iter().fold(0usize, |l, b| l << 8 | usize::from(*b));
    if length > MAX_BODY { Err(WireError::Oversized) } else { Ok(Some(HEADER + length)) }
}

/// Kind of the frame that begins with `header`; `None` if it is not complete so far, or there is no such kind.
pub fn kind(header: &[u8]) -> Option<Kind> {
    header.get(1).copied().and_then(Kind::from_byte)
}

/// Reads one whole frame, which must have sequence number `expected`.
///
/// # Errors
/// [`WireError`] for anything but exactly one well-formed frame.
pub fn decode(bytes: &[u8], expected: u32) -> Result<Message<'_>, WireError> {
    match frame_length(bytes)? {
        None => return Err(WireError::Truncated),
        Some(length) if length > bytes.len() => return Err(WireError::Truncated),
        Some(length) if length < bytes.len() => return Err(WireError::Oversized),
        Some(_) => {}
    }
    let mut r = Reader::new(&bytes[1..]);
    let kind = r.u8()?;
    let kind = Kind::from_byte(kind).ok_or(WireError::Unknown { kind })?;
    if r.u16()? != 0 {
        return Err(WireError::Field { what: "reserved: expected 0" });
    }
    let found = r.u32()?;
    if found != expected {
        return Err(WireError::Sequence { expected, found });
    }
    r.u32()?;
    let message = body(kind, &mut r)?;
    r.end()?;
    Ok(message)
}

fn body<'a>(kind: Kind, r: &mut Reader<'a>) -> Result<Message<'a>, WireError> {
    use Message::{Disclosing as D, Plain as P};
    Ok(match kind {
        Kind::Hello => P(Plain::Hello(Hello {
            strategy: strategy(r.u8()?)?,
            policy: policy(r.u8()?)?,
            rounds: r.u8()?,
            target_fer_ppm: r.ppm()?,
            window: r.u16()?,
            key_bits: r.u32()?,
            sample_bits: r.u32()?,
            code: r.u64()?,
            permutation: r.u64()?,
            cap: r.u64()?,
        })),
        Kind::TestOutcomes => D(Disclosing::TestOutcomes { offset: r.u32()?, bits: r.bits()? }),
        Kind::TestResult => P(Plain::TestResult { errors: r.u32()?, effective_ppm: r.ppm()? }),
        Kind::Syndrome => D(Disclosing::Syndrome(syndrome(r)?)),
        Kind::SyndromeResponse => P(Plain::SyndromeResponse {
            converged: r.flag("converged: expected 0 or 1")?,
            decoded: decoded(r)?,
        }),
        Kind::BlindInit => D(Disclosing::BlindInit(syndrome(r)?)),
        Kind::BlindReveal => D(Disclosing::BlindReveal(reveal(r)?)),
        Kind::BlindAck => P(Plain::BlindAck(decoded(r)?)),
        Kind::BlindNack => P(Plain::BlindNack { block: r.u32()?, iterations: r.u16()? }),
        Kind::SymmetricRequest => P(Plain::SymmetricRequest(Request {
            block: r.u32()?,
            iterations: r.u16()?,
            positions: r.positions()?,
        })),
        Kind::SymmetricReveal => D(Disclosing::SymmetricReveal(reveal(r)?)),
        Kind::Abandon => P(Plain::Abandon { block: r.u32()? }),
        Kind::Verify => {
            D(Disclosing::Verify(Verify { from: r.u32()?, to: r.u32()?, key: r.u64()?, tag: r.u64()? }))
        }
        Kind::VerifyResponse => {
            let matched = r.flag("matched: expected 0 or 1")?;
            P(Plain::VerifyResponse { matched, effective_ppm: r.ppm()? })
        }
        Kind::Finish => P(Plain::Finish { blocks: r.u32()?, leak: r.u64()? }),
        Kind::ToeplitzSeed => P(Plain::ToeplitzSeed { offset: r.u32()?, total: r.u32()?, bits: r.bits()? }),
        Kind::Ack => P(Plain::Ack),
        Kind::Abort => P(Plain::Abort { reason: r.u8()? }),
        Kind::Agreement => P(Plain::Agreement(Agreement {
            rounds: r.u32()?,
            committed: r.flag("committed: expected 0 or 1")?,
            policy: policy(r.u8()?)?,
            code: r.u64()?,
            terms: r.u64()?,
        })),
        Kind::DetectionCommitment => P(Plain::DetectionCommitment { digest: four(r)? }),
        Kind::CommitmentOpening => P(Plain::CommitmentOpening { nonce: four(r)? }),
        Kind::DetectionReport => P(Plain::DetectionReport(span(r)?)),
        Kind::BasisReveal => P(Plain::BasisReveal(span(r)?)),
        Kind::TestSample => P(Plain::TestSample(span(r)?)),
        Kind::TestBases => P(Plain::TestBases(span(r)?)),
        Kind::IndexLists => P(Plain::IndexLists(span(r)?)),
        Kind::PairsWanted => P(Plain::PairsWanted(span(r)?)),
    })
}

fn four(r: &mut Reader<'_>) -> Result<[u64; 4], WireError> {
    Ok([r.u64()?, r.u64()?, r.u64()?, r.u64()?])
}

fn span<'a>(r: &mut Reader<'a>) -> Result<Span<'a>, WireError> {
    Ok(Span { part: r.part()?, offset: r.u32()?, bits: r.bits()? })
}

fn syndrome<'a>(r: &mut Reader<'a>) -> Result<Syndrome<'a>, WireError> {
    Ok(Syndrome {
        block: r.u32()?,
        punctured: r.u16()?,
        shortened: r.u16()?,
        qber_ppm: r.ppm()?,
        request: r.u16()?,
        syndrome: r.bits()?,
    })
}

fn reveal<'a>(r: &mut Reader<'a>) -> Result<Reveal<'a>, WireError> {
    Ok(Reveal { block: r.u32()?, values: r.bits()? })
}

fn decoded(r: &mut Reader<'_>) -> Result<Decoded, WireError> {
    Ok(Decoded { block: r.u32()?, errors: r.u16()?, iterations: r.u16()? })
}

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
const POLICIES: [Policy; 3] = [Policy::Exact, Policy::SyndromeCap, Policy::Conservative];

fn strategy_byte(strategy: Strategy) -> u8 {
    STRATEGIES.iter().position(|s| *s == strategy).unwrap_or_default() as u8
}

fn policy_byte(policy: Policy) -> u8 {
    POLICIES.iter().position(|p| *p == policy).unwrap_or_default() as u8
}

fn strategy(byte: u8) -> Result<Strategy, WireError> {
    let found = STRATEGIES.get(usize::from(byte)).copied();
    found.ok_or(WireError::Field { what: "strategy: expected 0 (baseline), 1 (blind) or 2 (symmetric)" })
}

fn policy(byte: u8) -> Result<Policy, WireError> {
    let found = POLICIES.get(usize::from(byte)).copied();
    found.ok_or(WireError::Field { what: "policy: expected 0 (exact), 1 (syndrome cap) or 2 (conservative)" })
}
