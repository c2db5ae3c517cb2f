//! Photon pairs as both sides' detectors record them.
//!
//! In: a model of source and detectors with a seed ([`Simulated`]), or a file ([`Recorded`]). Out: [`Rounds`], a batch
//! after the other. What follows from them does not know where they came from.

mod counts;
mod portions;
mod recorded;
mod report;
mod simulated;

use std::io;
use std::path::{Path, PathBuf};

use caligo_core::bits::words_for;

pub use counts::{Compared, Counts};
pub use portions::Portions;
pub use recorded::{COLUMNS, Recorded, Recorder};
pub use report::{ErrorFigures, ExpectedFigures, Report};
pub use simulated::Simulated;

use crate::matrix::sparse::MatrixError;

/// Rounds of a batch; the last one may have fewer.
pub const BATCH: usize = 1 << 16;

/// What one side's detectors recorded of consecutive rounds: bit i % 64 of word i / 64 for round i, 0 behind the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// Whether a detector clicked.
    pub clicked: Vec<u64>,
    /// The basis it was measured in, 0 for Z and 1 for X; 0 without a click.
    pub bases: Vec<u64>,
    /// The value; 0 without a click.
    pub bits: Vec<u64>,
}

impl Party {
    /// `len` rounds without a click.
    pub fn silent(len: usize) -> Self {
        let zeros = vec![0; words_for(len)];
        Self { clicked: zeros.clone(), bases: zeros.clone(), bits: zeros }
    }
}

/// Consecutive rounds, as both sides recorded them. In equal bases values are equal but for errors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rounds {
    /// How many.
    pub len: usize,
    /// Alice's record.
    pub alice: Party,
    /// Bob's.
    pub bob: Party,
}

impl Rounds {
    /// `len` rounds without a click.
    pub fn silent(len: usize) -> Self {
        Self { len, alice: Party::silent(len), bob: Party::silent(len) }
    }
}

/// Where pairs come from.
pub trait PairSource {
    /// The next batch, never empty; `None` at the end.
    ///
    /// # Errors
    /// [`SourceError`] says what is wrong with a recording. Nothing comes after it.
    fn rounds(&mut self) -> Result<Option<Rounds>, SourceError>;
}

/// Why there are no pairs, or no recording of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Reading or writing failed.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// The file is no recording.
    #[error("{}: {source}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Where, what was expected, what was found.
        source: MatrixError,
    },
    /// A recording has too few rounds.
    #[error("{}: expected {expected} rounds, num_pairs for each run, found {found}", path.display())]
    Short {
        /// The recording.
        path: PathBuf,
        /// How many were needed.
        expected: u64,
        /// How many there are.
        found: u64,
    },
}

impl SourceError {
    fn of(path: &Path, source: MatrixError) -> Self {
        let path = path.to_owned();
        match source {
            MatrixError::Io(source) => Self::Io { path, source },
            source => Self::Content { path, source },
        }
    }
}
