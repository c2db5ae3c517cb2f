//! Authenticated records, as bytes in and bytes out.
//!
//! Each side first sends a greeting in clear: `CALIGO\0`, a version byte, a role byte (`A` or `B`) and a
//! nonce of 16 bytes. Then come records, numbers big-endian:
//!
//! | bytes | field |
//! |---|---|
//! | 4 | `length` of the body, at most [`MAX_BODY`] |
//! | 8 | `pad`, the number of the sender's one-time pad |
//! | `length` | body |
//! | 8 | `tag` |
//!
//! `tag` is the polynomial hash of [`caligo_core::verify`] under the sender's hash key, xor the pad
//! (Wegman-Carter), over these 64-bit words: Alice's nonce (2), Bob's nonce (2), the first six bytes of the
//! magic with version and sender's role, the record's number in its direction from 0, `pad`, `length`, and
//! the body filled with zeros. The first eight are always there and the hash takes the exact length in bits,
//! so different records are different messages. The nonces bind a record to its session, the role to its
//! direction.
//!
//! **Forgery.** One forged record passes with a chance of at most 2^[`forgery_log2`] of the longer of two
//! bodies, the forged one and the one that the same pad was used for. A forger chooses the length, so
//! `forgery_log2(MAX_BODY)`, about -47, holds for whatever is sent. An [`Opener`] ends at its first refusal,
//! which allows one try a session; over the life of a pre-shared key the chances of all tries add up.
//!
//! **Not covered.** Bodies are not encrypted. Records cut off at the end of a session look like a quiet peer:
//! the last body has to say that it is the last. A forged length makes the receiver wait for bytes, so the
//! caller needs a time limit. Whoever answers an unproven peer spends pads on it.

use caligo_core::verify;

use super::psk::{PreShared, PskError, Role};
use crate::entropy;

/// First bytes of a greeting.
pub const MAGIC: [u8; 7] = *b"CALIGO\0";

/// The only version there is.
pub const VERSION: u8 = 1;

/// Bytes of a greeting.
pub const GREETING_BYTES: usize = MAGIC.len() + 2 + NONCE_BYTES;

/// Longest body in bytes.
pub const MAX_BODY: usize = 1 << 20;

/// Longest record in bytes.
pub const MAX_RECORD: usize = HEADER_BYTES + MAX_BODY + TAG_BYTES;

const NONCE_BYTES: usize = 16;
const LENGTH_BYTES: usize = 4;
const HEADER_BYTES: usize = LENGTH_BYTES + 8;
const TAG_BYTES: usize = 8;

/// Words that are hashed before the body.
const PREFIX_WORDS: usize = 8;

/// Why a greeting or record is refused, or cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The peer speaks something else.
    #[error("greeting: expected magic \"{}\", found \"{}\"", MAGIC.escape_ascii(), found.escape_ascii())]
    Magic {
        /// Its first bytes.
        found: [u8; 7],
    },
    /// The peer speaks another version.
    #[error("greeting: expected version {VERSION}, found {found}")]
    Version {
        /// The peer's.
        found: u8,
    },
    /// Neither Alice's byte nor Bob's.
    #[error("greeting: expected role byte 0x41 (alice) or 0x42 (bob), found {found:#04x}")]
    UnknownRole {
        /// The byte.
        found: u8,
    },
    /// Both sides play the same role, or the own greeting came back.
    #[error("greeting: expected the peer to be {}, found {role} as on this side", role.other())]
    SameRole {
        /// That of both.
        role: Role,
    },
    /// There is no entropy for a nonce.
    #[error("greeting: no entropy for a nonce: {0}")]
    Entropy(#[from] getrandom::Error),
    /// No pad to send with, or none of the number received.
    #[error(transparent)]
    Psk(#[from] PskError),
    /// The pre-shared key is open for the other role.
    #[error("expected a pre-shared key open as {expected}, found one open as {found}")]
    PskRole {
        /// The role greeted with.
        expected: Role,
        /// The key's.
        found: Role,
    },
    /// The body is longer than allowed.
    #[error("record {sequence}: expected a body of at most {MAX_BODY} bytes, found {found}")]
    Oversize {
        /// Number of the record in its direction.
        sequence: u64,
        /// Length of the body, of which nothing was read.
        found: u64,
    },
    /// The pad was used before: a record replayed or moved.
    #[error("record {sequence}: expected a pad number of at least {least}, found {found}")]
    PadOrder {
        /// Number of the record expected.
        sequence: u64,
        /// Least number not used yet.
        least: u64,
        /// Number in the record.
        found: u64,
    },
    /// The record is not what the peer sent at this place of this session.
    #[error(
        "record {sequence}: the tag does not match: the record is corrupt, forged, out of its place or of \
         another session, or the pre-shared keys differ"
    )]
    Tag {
        /// Number of the record expected.
        sequence: u64,
    },
    /// Bytes were pushed on and on while whole records waited.
    #[error(
        "record {sequence}: expected records to be taken before more is pushed, found {held} bytes waiting"
    )]
    Undrained {
        /// Number of the record expected.
        sequence: u64,
        /// Bytes waiting.
        held: usize,
    },
    /// The stream ended inside a record.
    #[error("record {sequence}: expected a whole record or none before the end, found {held} bytes of it")]
    Truncated {
        /// Number of the record expected.
        sequence: u64,
        /// Bytes left over.
        held: usize,
    },
    /// An earlier error ended this direction.
    #[error("record {sequence}: this direction has ended with an earlier error")]
    Failed {
        /// Number of the record that failed.
        sequence: u64,
    },
}

/// log2 of the bound on the chance that one forged record passes, if its body and that of the record it
/// replaces have at most `body_bytes` bytes: blocks hashed over 2^64.
pub fn forgery_log2(body_bytes: usize) -> f64 {
    verify::collision_log2(PREFIX_WORDS * 64 + body_bytes * 8)
}

/// This side's greeting. Made for one session and used up by it, so that no nonce serves twice.
#[derive(Debug)]
pub struct Greeting {
    role: Role,
    nonce: [u64; 2],
}

impl Greeting {
    /// A greeting with a nonce from the operating system.
    ///
    /// # Errors
    /// [`RecordError::Entropy`] if there is none.
    pub fn new(role: Role) -> Result<Self, RecordError> {
        let mut nonce = [0; 2];
        entropy::fill(&mut nonce)?;
        Ok(Self { role, nonce })
    }

    /// The bytes to send.
    pub fn to_bytes(&self) -> [u8; GREETING_BYTES] {
        let mut bytes = [0; GREETING_BYTES];
        let (head, nonce) = bytes.split_at_mut(GREETING_BYTES - NONCE_BYTES);
        head[..MAGIC.len()].copy_from_slice(&MAGIC);
        head[MAGIC.len()..].copy_from_slice(&[VERSION, role_byte(self.role)]);
        for (eight, word) in nonce.as_chunks_mut().0.iter_mut().zip(self.nonce) {
            *eight = word.to_be_bytes();
        }
        bytes
    }

    /// Takes the peer's greeting and gives both directions of the session.
    ///
    /// # Errors
    /// [`RecordError`] if the peer speaks something else or plays the same role.
    pub fn meet(self, peer: &[u8; GREETING_BYTES]) -> Result<(Sealer, Opener), RecordError> {
        let (head, nonce) = peer.split_at(GREETING_BYTES - NONCE_BYTES);
        let (magic, rest) = head.split_at(MAGIC.len());
        if magic != MAGIC {
            let mut found = [0; 7];
            found.copy_from_slice(magic);
            return Err(RecordError::Magic { found });
        }
        if rest[0] != VERSION {
            return Err(RecordError::Version { found: rest[0] });
        }
        let role = [Role::Alice, Role::Bob].into_iter().find(|&r| role_byte(r) == rest[1]);
        let role = role.ok_or(RecordError::UnknownRole { found: rest[1] })?;
        if role == self.role {
            return Err(RecordError::SameRole { role });
        }
        let nonce = nonce.as_chunks().0;
        let theirs = [u64::from_be_bytes(nonce[0]), u64::from_be_bytes(nonce[1])];
        let (alice, bob) = match self.role {
            Role::Alice => (self.nonce, theirs),
            Role::Bob => (theirs, self.nonce),
        };
        let session = [alice[0], alice[1], bob[0], bob[1]];
        let sealer = Sealer { session, role: self.role, sequence: 0 };
        let opener = Opener {
            session,
            role: self.role,
            sequence: 0,
            least: 0,
            held: Vec::new(),
            start: 0,
            condition: Condition::Sound,
        };
        Ok((sealer, opener))
    }
}

/// Makes the records of one session's own direction.
#[derive(Debug)]
pub struct Sealer {
    session: [u64; 4],
    role: Role,
    sequence: u64,
}

impl Sealer {
    /// Appends a record with this body to `out`, for one pad.
    ///
    /// # Errors
    /// [`RecordError::Oversize`], [`RecordError::PskRole`], or [`RecordError::Psk`] if there is no pad. `out`
    /// is as it was then, and no pad is used.
    pub fn seal(&mut self, psk: &mut PreShared, body: &[u8], out: &mut Vec<u8>) -> Result<(), RecordError> {
        check_role(self.role, psk)?;
        if body.len() > MAX_BODY {
            return Err(RecordError::Oversize { sequence: self.sequence, found: body.len() as u64 });
        }
        let (number, pad) = psk.next_send_pad()?;
        let hash = hash(self.session, self.role, self.sequence, number, body, psk.send_key());
        self.sequence += 1;
        out.reserve(HEADER_BYTES + body.len() + TAG_BYTES);
        out.extend((body.len() as u32).to_be_bytes());
        out.extend(number.to_be_bytes());
        out.extend(body);
        out.extend((hash ^ pad).to_be_bytes());
        Ok(())
    }
}

/// Whether an [`Opener`] goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Condition {
    Sound,
    /// More was pushed than may wait; not reported yet.
    Undrained,
    Failed,
}

/// Checks and opens the records of one session's other direction. The first error is final.
#[derive(Debug)]
pub struct Opener {
    session: [u64; 4],
    /// Of this side; the records are the other's.
    role: Role,
    sequence: u64,
    /// Least pad number that may come.
    least: u64,
    held: Vec<u8>,
    /// Where in `held` the next record begins.
    start: usize,
    condition: Condition,
}

impl Opener {
    /// Takes bytes as they arrive, in pieces of any size. Take records with [`next`](Self::next) until there
    /// is none before pushing again: if a longest record or more is already waiting, the opener fails instead
    /// of growing.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.condition != Condition::Sound || bytes.is_empty() {
            return;
        }
        if self.waiting().len() >= MAX_RECORD {
            self.condition = Condition::Undrained;
            return;
        }
        self.held.drain(..self.start);
        self.start = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next body, or none until more is pushed.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with the record; from then on it is [`RecordError::Failed`].
    pub fn next(&mut self, psk: &PreShared) -> Result<Option<Vec<u8>>, RecordError> {
        let sequence = self.sequence;
        let result = match self.condition {
            Condition::Sound => self.open(psk),
            Condition::Undrained => Err(RecordError::Undrained { sequence, held: self.waiting().len() }),
            Condition::Failed => Err(RecordError::Failed { sequence }),
        };
        if result.is_err() {
            self.condition = Condition::Failed;
            self.held = Vec::new();
            self.start = 0;
        }
        result
    }

    /// Ends the direction where the stream ended. That the last record was the last one meant, only its body
    /// can say.
    ///
    /// # Errors
    /// [`RecordError::Truncated`] if bytes are left that were not taken as a record, [`RecordError::Failed`]
    /// after an error.
    pub fn finish(self) -> Result<(), RecordError> {
        let (sequence, held) = (self.sequence, self.waiting().len());
        match self.condition {
            Condition::Sound if held == 0 => Ok(()),
            Condition::Sound => Err(RecordError::Truncated { sequence, held }),
            Condition::Undrained => Err(RecordError::Undrained { sequence, held }),
            Condition::Failed => Err(RecordError::Failed { sequence }),
        }
    }

    fn waiting(&self) -> &[u8] {
        &self.held[self.start..]
    }

    fn open(&mut self, psk: &PreShared) -> Result<Option<Vec<u8>>, RecordError> {
        check_role(self.role, psk)?;
        let sequence = self.sequence;
        let Some((length, rest)) = self.waiting().split_first_chunk() else { return Ok(None) };
        let length = u32::from_be_bytes(*length) as usize;
        // Before the body is waited for: a forged length must not cost memory.
        if length > MAX_BODY {
            return Err(RecordError::Oversize { sequence, found: length as u64 });
        }
        let Some((number, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let number = u64::from_be_bytes(*number);
        if number < self.least {
            return Err(RecordError::PadOrder { sequence, least: self.least, found: number });
        }
        let pad = psk.receive_pad(number)?;
        let Some((body, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((tag, _)) = rest.split_first_chunk() else { return Ok(None) };
        let hash = hash(self.session, self.role.other(), sequence, number, body, psk.receive_key());
        if !verify::same(hash ^ pad, u64::from_be_bytes(*tag)) {
            return Err(RecordError::Tag { sequence });
        }
        let body = body.to_vec();
        self.start += HEADER_BYTES + length + TAG_BYTES;
        self.sequence += 1;
        self.least = number + 1;
        Ok(Some(body))
    }
}

fn role_byte(role: Role) -> u8 {
    match role {
        Role::Alice => b'A',
        Role::Bob => b'B',
    }
}

fn check_role(expected: Role, psk: &PreShared) -> Result<(), RecordError> {
    let found = psk.role();
    if found == expected { Ok(()) } else { Err(RecordError::PskRole { expected, found }) }
}

/// The hash that a pad makes a tag. It must not leave this module without one.
fn hash(session: [u64; 4], sender: Role, sequence: u64, pad: u64, body: &[u8], key: u64) -> u64 {
    let [c, a, l, i, g, o, _] = MAGIC;
    let direction = u64::from_be_bytes([c, a, l, i, g, o, VERSION, role_byte(sender)]);
    let mut words = Vec::with_capacity(PREFIX_WORDS + body.len().div_ceil(8));
    words.extend(session);
    words.extend([direction, sequence, pad, body.len() as u64]);
    let (whole, rest) = body.as_chunks();
    words.extend(whole.iter().map(|&eight| u64::from_be_bytes(eight)));
    if !rest.is_empty() {
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        words.push(u64::from_be_bytes(last));
    }
    verify::tag(&words, PREFIX_WORDS * 64 + body.len() * 8, key)
}

#[cfg(test)]
mod tests;
