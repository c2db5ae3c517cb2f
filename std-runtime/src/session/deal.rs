//! How a session of pairs begins: both say what they are about to do, and Alice deals Bob what his detectors would have
//! recorded, if he has no recording of his own. The dealt rounds stand in for the optics.
//!
//! In: a connection, Alice's rounds. Out: Bob's side of them on his host. `docs/formats.md` has the bytes.
//!
//! Who deals knows what she dealt, and nothing is encrypted: what follows is a rehearsal of the protocol between two hosts,
//! neither a secret of Bob's nor one of both.

use std::time::Duration;

use caligo_core::bits::{self, words_for};

use super::connection::{Connection, News};
use super::local::SessionError;
use crate::channel::pairs::Party;

/// What the pairs are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Oblivious transfer.
    Transfer,
    /// Key distribution.
    Key,
}

impl Purpose {
    const fn code(self) -> u8 {
        match self {
            Self::Transfer => 1,
            Self::Key => 2,
        }
    }
}

/// First bytes of a preface.
const PREFACE: [u8; 4] = *b"DEAL";
/// First bytes of dealt rounds.
const PART: [u8; 4] = *b"PART";
/// The only version there is.
const VERSION: u8 = 1;
/// Rounds of a part; the last one may have fewer.
const PART_ROUNDS: usize = 1 << 20;
/// Bytes before the columns of a part.
const PART_HEADER: usize = 16;

/// What a party says before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Preface {
    purpose: u8,
    /// Bob: whether he wants to be dealt his side. Alice says yes.
    dealt: bool,
    rounds: u64,
}

fn refused(what: impl Into<String>) -> SessionError {
    SessionError::Channel(format!("before the session: {}", what.into()))
}

impl Preface {
    fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&PREFACE);
        bytes[4..7].copy_from_slice(&[VERSION, self.purpose, u8::from(self.dealt)]);
        bytes[8..].copy_from_slice(&self.rounds.to_be_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, SessionError> {
        const OTHER: &str = "expected what pairs begin with: does the peer run the same --protocol?";
        let Some((head, rounds)) = bytes.split_first_chunk::<8>() else { return Err(refused(OTHER)) };
        let (&[d, e, a, l, version, purpose, dealt, zero], Ok(rounds)) = (head, rounds.try_into()) else {
            return Err(refused(OTHER));
        };
        if [d, e, a, l] != PREFACE {
            return Err(refused(OTHER));
        }
        if version != VERSION || dealt > 1 || zero != 0 {
            return Err(refused(format!("expected version {VERSION} and a flag, found {head:?}")));
        }
        Ok(Self { purpose, dealt: dealt == 1, rounds: u64::from_be_bytes(rounds) })
    }
}

/// Rounds `offset` to `offset + len` of `party` as bytes.
fn part(party: &Party, offset: usize, len: usize) -> Vec<u8> {
    let words = words_for(len);
    let mut bytes = Vec::with_capacity(PART_HEADER + 24 * words);
    bytes.extend(PART);
    bytes.extend((len as u32).to_be_bytes());
    bytes.extend((offset as u64).to_be_bytes());
    for column in [&party.clicked, &party.bases, &party.bits] {
        bytes.extend(column[offset / 64..][..words].iter().flat_map(|word| word.to_be_bytes()));
    }
    bytes
}

/// Puts the part that begins at `offset` of `rounds` rounds into `party`. Where the next begins.
fn put(bytes: &[u8], party: &mut Party, offset: usize, rounds: usize) -> Result<usize, SessionError> {
    let len = (rounds - offset).min(PART_ROUNDS);
    let words = words_for(len);
    let expected = || refused(format!("expected rounds {offset} to {} of {rounds}", offset + len));
    let (head, columns) = bytes.split_first_chunk::<PART_HEADER>().ok_or_else(expected)?;
    let wanted = [&PART[..], &(len as u32).to_be_bytes(), &(offset as u64).to_be_bytes()].concat();
    if head[..] != wanted || columns.len() != 24 * words {
        return Err(expected());
    }
    let range = offset / 64..offset / 64 + words;
    for (column, bytes) in [&mut party.clicked, &mut party.bases, &mut party.bits]
        .into_iter()
        .zip(columns.chunks_exact(8 * words))
    {
        let column = column.get_mut(range.clone()).ok_or_else(expected)?;
        for (word, eight) in column.iter_mut().zip(bytes.as_chunks().0) {
            *word = u64::from_be_bytes(*eight);
        }
        bits::clear_tail(column, len);
    }
    Ok(offset + len)
}

/// The next record.
fn next(connection: &mut Connection, timeout: Duration) -> Result<Vec<u8>, SessionError> {
    match connection.wait(Some(timeout))? {
        News::Frames(body) => Ok(body),
        News::Closed => Err(connection.closed()),
        News::Nothing => Err(refused("nothing came from the peer in time")),
    }
}

/// Says what this side is about to do, and hears it of the peer. Whether the peer wants to be dealt rounds, or deals.
fn greet(connection: &mut Connection, mine: Preface, timeout: Duration) -> Result<bool, SessionError> {
    connection.send(&mine.to_bytes())?;
    let theirs = Preface::from_bytes(&next(connection, timeout)?)?;
    if theirs.purpose != mine.purpose {
        return Err(refused("expected the peer to run the same --protocol"));
    }
    if theirs.rounds != mine.rounds {
        let (rounds, found) = (mine.rounds, theirs.rounds);
        return Err(refused(format!("expected {rounds} rounds as in the parameters, found {found}")));
    }
    Ok(theirs.dealt)
}

/// Alice: begins, and deals `bob` of `rounds` rounds to who wants it. Whether that was so.
///
/// # Errors
/// [`SessionError::Channel`] if the peer is about to do something else, or is gone.
pub fn deal(
    connection: &mut Connection,
    purpose: Purpose,
    bob: &Party,
    rounds: usize,
    timeout: Duration,
) -> Result<bool, SessionError> {
    let mine = Preface { purpose: purpose.code(), dealt: true, rounds: rounds as u64 };
    let wanted = greet(connection, mine, timeout)?;
    let mut offset = 0;
    while wanted && offset < rounds {
        let len = (rounds - offset).min(PART_ROUNDS);
        connection.send(&part(bob, offset, len))?;
        offset += len;
    }
    Ok(wanted)
}

/// Bob: begins, and is dealt his side of `rounds` rounds into `dealt`, if there is one to fill.
///
/// # Errors
/// [`SessionError::Channel`] if the peer is about to do something else, deals something else, or is gone.
pub fn take(
    connection: &mut Connection,
    purpose: Purpose,
    dealt: Option<&mut Party>,
    rounds: usize,
    timeout: Duration,
) -> Result<(), SessionError> {
    let mine = Preface { purpose: purpose.code(), dealt: dealt.is_some(), rounds: rounds as u64 };
    greet(connection, mine, timeout)?;
    let Some(party) = dealt else { return Ok(()) };
    let mut offset = 0;
    while offset < rounds {
        offset = put(&next(connection, timeout)?, party, offset, rounds)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{random_bits, stream};

    fn party(rounds: usize) -> Party {
        let [clicked, bases, bits] = [1, 2, 3].map(|index| random_bits(rounds, &mut stream(1, index)));
        Party { clicked, bases, bits }
    }

    #[test]
    fn dealt_rounds_are_those_given() {
        for rounds in [1, 64, 1000, PART_ROUNDS, PART_ROUNDS + 1, 2 * PART_ROUNDS + 77] {
            let (given, mut taken) = (party(rounds), Party::silent(rounds));
            let mut offset = 0;
            while offset < rounds {
                let bytes = part(&given, offset, (rounds - offset).min(PART_ROUNDS));
                assert!(bytes.len() <= super::super::record::MAX_BODY);
                offset = put(&bytes, &mut taken, offset, rounds).unwrap();
            }
            assert_eq!(taken, given, "{rounds}");
        }
    }

    #[test]
    fn what_is_not_next_is_refused() {
        let (rounds, mut taken) = (PART_ROUNDS + 100, Party::silent(PART_ROUNDS + 100));
        let given = party(rounds);
        let good = part(&given, 0, PART_ROUNDS);
        for wrong in [
            &[][..],
            &good[..15],
            &good[..good.len() - 1],
            &part(&given, PART_ROUNDS, 100),
            &part(&given, 0, 100),
            &[&good[..], &[0]].concat(),
        ] {
            let error = put(wrong, &mut taken, 0, rounds).unwrap_err().to_string();
            assert_eq!(error, "before the session: expected rounds 0 to 1048576 of 1048676");
        }
        // Bits behind the last round are cleared.
        let mut last = part(&given, PART_ROUNDS, 100);
        last[PART_HEADER + 8..PART_HEADER + 16].fill(0xff);
        put(&last, &mut taken, PART_ROUNDS, rounds).unwrap();
        assert_eq!(taken.clicked.last(), Some(&((1 << 36) - 1)));
    }

    #[test]
    fn prefaces_round_trip_and_others_are_refused() {
        let preface = Preface { purpose: 1, dealt: true, rounds: 1 << 40 };
        let bytes = preface.to_bytes();
        assert_eq!(Preface::from_bytes(&bytes).unwrap(), preface);
        for (at, value) in [(0, b'd'), (4, 2), (6, 2), (7, 1)] {
            let mut wrong = bytes;
            wrong[at] = value;
            assert!(Preface::from_bytes(&wrong).is_err(), "{at}");
        }
        for wrong in [&bytes[..15], &bytes[..3], &[&bytes[..], &[0]].concat()] {
            let error = Preface::from_bytes(wrong).unwrap_err().to_string();
            assert!(error.contains("the same --protocol"), "{error}");
        }
    }
}
