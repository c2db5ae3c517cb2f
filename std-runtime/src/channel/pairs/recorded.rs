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

    /// Opens the recording at `path`, of which `expected` rounds are needed.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`SourceError::Short`] if it has fewer.
    pub fn open_with(path: &Path, expected: u64) -> Result<Self, SourceError> {
        let recorded = Self::open(path)?;
        let found = recorded.len();
        if found < expected {
            return Err(SourceError::Short { path: path.to_owned(), expected, found });
        }
        Ok(recorded)
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

#[cfg(test)]
mod tests {
    use caligo_core::security::{NsmParameters, NsmRecord, Pairs};

    use super::*;
    use crate::channel::pairs::Simulated;

    /// Bytes before the rows.
    const HEADER: usize = 128;

    fn simulated(len: u64) -> Simulated {
        let record = NsmRecord { pairs: Pairs::Emitted, detection_eff_eta: 0.6, ..NsmRecord::default() };
        Simulated::new(&NsmParameters::new(record).unwrap(), len, 3)
    }

    fn all(source: &mut impl PairSource) -> Vec<Rounds> {
        std::iter::from_fn(|| source.rounds().unwrap()).collect()
    }

    fn record(batches: &[Rounds]) -> Vec<u8> {
        let mut file = Vec::new();
        let len = batches.iter().map(|rounds| rounds.len as u64).sum();
        let mut recorder = Recorder::new(&mut file, len).unwrap();
        batches.iter().for_each(|rounds| recorder.write(rounds).unwrap());
        recorder.finish().unwrap();
        file
    }

    /// A file of these rows.
    fn file(rows: &[[u8; 6]]) -> Vec<u8> {
        let mut file = table::start(rows.len(), 6);
        file.extend(rows.as_flattened());
        file
    }

    /// `file` with `to` for `from` in its header; both are of one length.
    fn with(mut file: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
        let at = file.windows(from.len()).position(|text| text == from.as_bytes()).unwrap();
        file[at..at + from.len()].copy_from_slice(to.as_bytes());
        file
    }

    fn open(file: &[u8]) -> Result<Recorded<&[u8]>, SourceError> {
        Recorded::new(Path::new("lab.npy"), file)
    }

    /// Why the file is refused, by its header or by its first batches.
    fn refusal(file: &[u8]) -> String {
        let mut source = match open(file) {
            Ok(source) => source,
            Err(error) => return error.to_string(),
        };
        loop {
            if let Err(error) = source.rounds() {
                assert_eq!(source.rounds().unwrap(), None);
                return error.to_string();
            }
        }
    }

    #[test]
    fn recordings_round_trip() {
        for len in [1, 63, 64, 1000, BATCH as u64, 2 * BATCH as u64 + 77] {
            let batches = all(&mut simulated(len));
            let file = record(&batches);
            assert_eq!(file.len() as u64, HEADER as u64 + 6 * len);
            let mut source = open(&file).unwrap();
            assert_eq!((source.len(), source.is_empty()), (len, false));
            assert!(all(&mut source) == batches, "{len}");
        }
        let mut empty = open(&record(&[])).map(|source| source.is_empty());
        assert!(empty.as_mut().is_ok_and(|empty| *empty));
        assert_eq!(all(&mut open(&record(&[])).unwrap()), []);
    }

    #[test]
    fn columns_are_where_their_names_say() {
        let rows = [[1, 0, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0], [1, 1, 0, 1, 0, 1]];
        let rounds = open(&file(&rows)).unwrap().rounds().unwrap().unwrap();
        let party =
            |clicked, bases, bits| Party { clicked: vec![clicked], bases: vec![bases], bits: vec![bits] };
        assert_eq!(rounds, Rounds { len: 3, alice: party(5, 4, 1), bob: party(6, 2, 4) });
        assert_eq!(record(&[rounds]), file(&rows));
        // A basis was chosen before it was known that nothing would click.
        let chosen = open(&file(&[[0, 1, 0, 0, 1, 0]])).unwrap().rounds().unwrap().unwrap();
        assert_eq!(chosen, Rounds::silent(1));
    }

    #[test]
    fn any_integers_are_read() {
        let rows = [[1, 0, 1, 1, 1, 0], [0, 0, 0, 1, 1, 1]];
        let narrow = file(&rows);
        for descr in ["|b1", "|i1", "<u8", "<i4", ">i2"] {
            let mut wide = with(narrow.clone(), "|u1", descr);
            wide.truncate(HEADER);
            let size = usize::from(descr.as_bytes()[2] - b'0');
            for &value in rows.as_flattened() {
                let mut bytes = vec![0; size];
                bytes[if descr.starts_with('>') { size - 1 } else { 0 }] = value;
                wide.extend(bytes);
            }
            assert!(all(&mut open(&wide).unwrap()) == all(&mut open(&narrow).unwrap()), "{descr}");
        }
    }

    #[test]
    fn what_is_no_recording_is_named() {
        let good = file(&[[1, 0, 1, 1, 0, 1]; 100]);
        let mut value = good.clone();
        value[HEADER + 6 * 70 + 4] = 2;
        let mut stray = good.clone();
        stray[HEADER + 6 * 99 + 3] = 0;
        let mut negative = with(value.clone(), "|u1", "|i1");
        negative[HEADER + 6 * 70 + 4] = 255;
        for (file, expected) in [
            (good[..good.len() - 1].to_vec(), "data: expected 100 rows, found 99"),
            (good[..HEADER].to_vec(), "data: expected 100 rows, found 0"),
            ([&good[..], &[0]].concat(), "data: expected the end after the last item, found more bytes"),
            (with(good.clone(), "(100,6,)", "(600,)  "), "shape: expected (rows, 6), found (600)"),
            (with(good.clone(), "(100,6,)", "(120,5,)"), "shape: expected (rows, 6), found (120, 5)"),
            (with(good.clone(), "(100,6,)", "(9,6,6,)"), "shape: expected (rows, 6), found (9, 6, 6)"),
            (with(good.clone(), "|u1", "<f8"), "dtype: expected a bool or integer dtype, found \"<f8\""),
            (
                with(good.clone(), "False", "True "),
                "fortran_order: expected False, one row after the other (numpy.ascontiguousarray), found True",
            ),
            (value, "row 70, bob_basis: expected 0 or 1, found 2"),
            (negative, "row 70, bob_basis: expected 0 or 1, found -1"),
            (stray, "row 99, bob_bit: expected 0 where bob_clicked is 0, found 1"),
            (b"0101".to_vec(), "start: expected a NumPy array (.npy), found other bytes"),
            (good[..60].to_vec(), "header: expected its whole length, found the end of the data"),
        ] {
            assert_eq!(refusal(&file), format!("lab.npy: {expected}"));
        }
        let huge = with(file(&[[0; 6]; 1000]), "(1000,6,)", "(99999,6)");
        assert_eq!(refusal(&huge), "lab.npy: data: expected 99999 rows, found 1000");
        let rows = format!("({},6,)", u64::MAX);
        let huge = with(table::start(usize::MAX, 6), &rows, &rows);
        assert_eq!(refusal(&huge), format!("lab.npy: data: expected {} rows, found 0", u64::MAX));
    }

    #[test]
    fn rows_count_from_the_start_of_the_file() {
        let mut file = record(&all(&mut simulated(BATCH as u64 + 10)));
        file[HEADER + 6 * (BATCH + 3)] = 9;
        let expected = format!("lab.npy: row {}, alice_clicked: expected 0 or 1, found 9", BATCH + 3);
        assert_eq!(refusal(&file), expected);
    }

    #[test]
    fn a_recorder_keeps_to_its_header() {
        let rounds = simulated(10).batch(0);
        let recorder = || Recorder::new(io::sink(), 15).unwrap();
        let mut few = recorder();
        few.write(&rounds).unwrap();
        assert_eq!(few.write(&rounds).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        let mut few = recorder();
        few.write(&rounds).unwrap();
        assert_eq!(few.finish().unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn missing_files_are_named() {
        let error = Recorded::open(Path::new("no/such.npy")).unwrap_err();
        assert!(matches!(error, SourceError::Io { .. }) && error.to_string().starts_with("no/such.npy: "));
        assert!(Recorded::open(Path::new(".")).is_err());
    }
}
