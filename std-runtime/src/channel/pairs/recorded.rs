//! Recordings: pairs in files, `docs/formats.md` has the format.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use caligo_core::bits::{get, words_for};

use super::{BATCH, PairSource, Party, Rounds, SourceError};
use crate::matrix::npy::table::{self, Table};

/// Columns of a recording.
pub const COLUMNS: [&str; 6] =
    ["alice_clicked", "alice_basis", "alice_bit", "bob_clicked", "bob_basis", "bob_bit"];

/// A recording that is read a batch at a time.
#[derive(Debug)]
pub struct Recorded<R = File> {
    path: PathBuf,
    table: Table<R, { COLUMNS.len() }>,
}

impl Recorded {
    /// Opens the recording at `path`.
    ///
    /// # Errors
    /// [`SourceError`] names the file, and what its header should be.
    pub fn open(path: &Path) -> Result<Self, SourceError> {
        let file = File::open(path).map_err(|source| SourceError::Io { path: path.to_owned(), source })?;
        Self::new(path, file)
    }
}

impl<R: Read> Recorded<R> {
    /// The recording that `reader` gives, known as `path` in errors.
    ///
    /// # Errors
    /// As [`open`](Recorded::open).
    pub fn new(path: &Path, reader: R) -> Result<Self, SourceError> {
        let table = Table::open(reader, COLUMNS).map_err(|source| SourceError::of(path, source))?;
        Ok(Self { path: path.to_owned(), table })
    }

    /// Rounds that the header promises.
    pub fn len(&self) -> u64 {
        self.table.rows()
    }

    /// Whether the header promises none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<R: Read> PairSource for Recorded<R> {
    fn rounds(&mut self) -> Result<Option<Rounds>, SourceError> {
        let Self { path, table } = self;
        let mut rounds = Rounds::silent(BATCH);
        let read = table.read(BATCH, |row, &[clicked_a, basis_a, bit_a, clicked_b, basis_b, bit_b]| {
            set(&mut rounds.alice, row, [clicked_a, basis_a, bit_a])
                .map_err(|()| (2, "0 where alice_clicked is 0"))?;
            set(&mut rounds.bob, row, [clicked_b, basis_b, bit_b])
                .map_err(|()| (5, "0 where bob_clicked is 0"))
        });
        rounds.len = read.map_err(|source| SourceError::of(path, source))?;
        for Party { clicked, bases, bits } in [&mut rounds.alice, &mut rounds.bob] {
            for words in [clicked, bases, bits] {
                words.truncate(words_for(rounds.len));
            }
        }
        Ok((rounds.len > 0).then_some(rounds))
    }
}

/// Sets a round of a silent party. A basis without a click is one that was chosen in vain; a value without a click is
/// refused, because columns in another order would show so.
fn set(party: &mut Party, row: usize, [clicked, basis, bit]: [u8; 3]) -> Result<(), ()> {
    if clicked == 0 {
        return if bit == 0 { Ok(()) } else { Err(()) };
    }
    let (word, place) = (row / 64, row % 64);
    party.clicked[word] |= 1 << place;
    party.bases[word] |= u64::from(basis) << place;
    party.bits[word] |= u64::from(bit) << place;
    Ok(())
}

/// Writes a recording.
#[derive(Debug)]
pub struct Recorder<W> {
    out: W,
    /// Rounds still to come.
    rest: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Recorder<W> {
    /// A recording of `len` rounds, which its header has to say before them.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn new(mut out: W, len: u64) -> io::Result<Self> {
        let rows = usize::try_from(len).map_err(io::Error::other)?;
        out.write_all(&table::start(rows, COLUMNS.len()))?;
        Ok(Self { out, rest: len, buffer: Vec::new() })
    }

    /// Writes rounds.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if there are more than were promised; those of `out`.
    pub fn write(&mut self, rounds: &Rounds) -> io::Result<()> {
        self.rest = self.rest.checked_sub(rounds.len as u64).ok_or_else(|| wrong("more rounds"))?;
        self.buffer.clear();
        self.buffer.reserve(rounds.len * COLUMNS.len());
        let sides = [&rounds.alice, &rounds.bob];
        for i in 0..rounds.len {
            for Party { clicked, bases, bits } in sides {
                self.buffer.extend([clicked, bases, bits].map(|words| u8::from(get(words, i))));
            }
        }
        self.out.write_all(&self.buffer)
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidInput`] if there were fewer rounds than promised; those of `out`.
    pub fn finish(mut self) -> io::Result<()> {
        if self.rest > 0 {
            return Err(wrong("fewer rounds"));
        }
        self.out.flush()
    }
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, format!("{what} than the recording's header says"))
}
