//! What a campaign has recorded: a folder of immutable shards, and the HDF5 file made of them.
//!
//! In: rows. Out: the same rows, each once, in the order of their samples, whatever was killed when. A shard is written
//! under another name, flushed, renamed, and its folder flushed; nothing is ever appended to. Shards are what is true;
//! `exploration_data.h5` follows from them and is replaced as a whole.

pub mod csv;
#[cfg(feature = "hdf5")]
pub mod hdf5;
mod shard;
mod sweep;

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub use sweep::Sweep;

use crate::campaign::rows::{Counts, Outcome, Row, SCHEMA};
use crate::keyfile::{self, Access};

/// Why rows are not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Reading or writing failed. What was recorded before is as it was.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: expected {expected}, found {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// It was written by another version.
    #[error("{}: expected schema version {SCHEMA}, found {found}", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: String,
    },
    /// It belongs to a campaign with another configuration.
    #[error("{}: of another campaign: expected configuration {expected}, found {found}", path.display())]
    OtherCampaign {
        /// The file.
        path: PathBuf,
        /// Hash of the configuration.
        expected: String,
        /// That of the file.
        found: String,
    },
    /// Two results of one sample differ in more than wall times.
    #[error("{}: sample {index} differs from what another shard has of it", path.display())]
    Disagree {
        /// The later shard.
        path: PathBuf,
        /// The sample.
        index: u64,
    },
    /// A sample that the campaign does not have, or has already.
    #[error("{}: sample {index}: expected one of {samples} that is not recorded yet", path.display())]
    Unexpected {
        /// The folder.
        path: PathBuf,
        /// The sample.
        index: u64,
        /// Samples of the campaign.
        samples: u64,
    },
    /// The HDF5 library refuses.
    #[error("{}: {message}", path.display())]
    Hdf5 {
        /// The file.
        path: PathBuf,
        /// What it says, in one line.
        message: String,
    },
}

impl StoreError {
    fn damaged(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), expected: expected.into(), found: found.into() }
    }

    fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Io { path: path.to_owned(), source }
    }
}

/// A shard by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shard {
    first: u64,
    last: u64,
    path: PathBuf,
}

/// The shards of one phase of a campaign. Whoever has it holds the campaign's
/// [`Folder`](crate::campaign::state::Folder), and with it the lock.
#[derive(Debug)]
pub struct Store {
    dir: PathBuf,
    config: String,
    samples: u64,
    /// A bit a sample that has a result.
    done: Vec<u64>,
    /// Samples that the machinery could not run.
    lost: BTreeSet<u64>,
    counts: Counts,
    shards: Vec<Shard>,
}

impl Store {
    /// Opens the shards in `dir`, which is made if there is none, of the campaign of `samples` samples whose
    /// configuration has the hash `config`. All of them are read and checked. What a kill left half-written is removed.
    ///
    /// # Errors
    /// [`StoreError`] names the file that cannot be read, is damaged, or belongs elsewhere.
    pub fn open(dir: &Path, config: &str, samples: u64) -> Result<Self, StoreError> {
        fs::create_dir_all(dir).map_err(StoreError::io(dir))?;
        keyfile::sync_name(dir).map_err(StoreError::io(dir))?;
        remove_unfinished(dir).map_err(StoreError::io(dir))?;
        Self::over(dir, config, samples, shards(dir)?)
    }

    /// The same for those who only look: nothing is made or removed, and another process may go on writing.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn look(dir: &Path, config: &str, samples: u64) -> Result<Self, StoreError> {
        let shards = if dir.try_exists().map_err(StoreError::io(dir))? { shards(dir)? } else { Vec::new() };
        Self::over(dir, config, samples, shards)
    }

    /// The same of as many samples as there are shards for.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn look_whole(dir: &Path, config: &str) -> Result<Self, StoreError> {
        let there = dir.try_exists().map_err(StoreError::io(dir))?;
        let shards = if there { shards(dir)? } else { Vec::new() };
        let samples = shards.iter().map(|shard| shard.last + 1).max().unwrap_or(0);
        Self::over(dir, config, samples, shards)
    }

    /// All shards of several folders, as if they were one. The first one's path stands for all.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn look_all(dirs: &[PathBuf], config: &str, samples: u64) -> Result<Self, StoreError> {
        let mut all = Vec::new();
        for dir in dirs {
            all.extend(Self::look(dir, config, samples)?.shards);
        }
        all.sort();
        let first = dirs.first().map_or(Path::new(""), PathBuf::as_path);
        Self::over(first, config, samples, all)
    }

    fn over(dir: &Path, config: &str, samples: u64, shards: Vec<Shard>) -> Result<Self, StoreError> {
        let mut store = Self {
            dir: dir.to_owned(),
            config: config.to_owned(),
            samples,
            done: vec![0; samples.div_ceil(64) as usize],
            lost: BTreeSet::new(),
            counts: Counts::default(),
            shards,
        };
        let shards = store.shards.clone();
        for row in Sweep::new(&shards, config) {
            store.mark(&row?)?;
        }
        Ok(store)
    }

    fn mark(&mut self, row: &Row) -> Result<(), StoreError> {
        let place = self.done.get_mut((row.index / 64) as usize).filter(|_| row.index < self.samples);
        let Some(word) = place else { return Err(self.unexpected(row.index)) };
        if row.outcome == Outcome::Infrastructure {
            if self.lost.insert(row.index) {
                self.counts.add(row.outcome);
            }
            return Ok(());
        }
        *word |= 1 << (row.index % 64);
        if self.lost.remove(&row.index) {
            self.counts.take(Outcome::Infrastructure);
        }
        self.counts.add(row.outcome);
        Ok(())
    }

    /// Records `rows`, all or none of them: when this returns, no kill and no power failure takes them back. They are
    /// then gone from `rows`; after an error they are still there, for another attempt.
    ///
    /// # Errors
    /// [`StoreError::Unexpected`] if a sample is recorded already or there is none such; [`StoreError::Io`] if writing
    /// fails.
    pub fn append(&mut self, rows: &mut Vec<Row>) -> Result<(), StoreError> {
        rows.sort_by_key(|row| row.index);
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let (first, last) = (first.index, last.index);
        let mut next = 0;
        for index in rows.iter().map(|row| row.index) {
            if index < next || index >= self.samples || self.has(index) {
                return Err(self.unexpected(index));
            }
            next = index + 1;
        }
        let file = shard::encode(&self.config, rows)
            .map_err(|e| StoreError::Io { path: self.dir.clone(), source: e.into() })?;
        let name = format!("{first:010}-{last:010}-{}.{}", shard::digest_name(&file), shard::ENDING);
        let path = self.dir.join(name);
        keyfile::replace_durably(&path, Access::Shared, |out| out.write_all(&file))
            .map_err(StoreError::io(&path))?;
        self.shards.push(Shard { first, last, path });
        self.shards.sort();
        rows.drain(..).try_for_each(|row| self.mark(&row))
    }

    fn unexpected(&self, index: u64) -> StoreError {
        StoreError::Unexpected { path: self.dir.clone(), index, samples: self.samples }
    }

    /// How many samples ended how.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether sample `index` has a result. Failures of the machinery are none.
    pub fn has(&self, index: u64) -> bool {
        self.done.get((index / 64) as usize).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// The samples from `from` on that have no result, in order.
    pub fn missing(&self, from: u64) -> impl Iterator<Item = u64> + '_ {
        (from..self.samples).filter(|&index| !self.has(index))
    }

    /// Those among `part`, as ranges in order.
    pub fn gaps(&self, part: Range<u64>) -> Vec<Range<u64>> {
        let mut gaps: Vec<Range<u64>> = Vec::new();
        for index in part.start..part.end.min(self.samples) {
            match gaps.last_mut() {
                _ if self.has(index) => {}
                Some(gap) if gap.end == index => gap.end += 1,
                _ => gaps.push(index..index + 1),
            }
        }
        gaps
    }

    /// Copies all shards into the folder `place`, each as a whole. Their names tell different ones apart.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn copy_to(&self, place: &Path) -> Result<(), StoreError> {
        for shard in &self.shards {
            let to = place.join(shard.path.file_name().unwrap_or_default());
            if to.try_exists().map_err(StoreError::io(&to))? {
                continue;
            }
            let file = shard::bytes(&shard.path)?;
            keyfile::replace_durably(&to, Access::Shared, |out| out.write_all(&file))
                .map_err(StoreError::io(&to))?;
        }
        Ok(())
    }

    /// N.
    pub const fn samples(&self) -> u64 {
        self.samples
    }

    /// The first sample that has no result; N if all have.
    pub fn cursor(&self) -> u64 {
        let full = self.done.iter().take_while(|&&word| word == u64::MAX).count() as u64 * 64;
        self.missing(full.min(self.samples)).next().unwrap_or(self.samples)
    }

    /// Every row once, in the order of samples. Memory grows with how far shards overlap, not with their number.
    pub fn rows(&self) -> Sweep<'_> {
        Sweep::new(&self.shards, &self.config)
    }
}

/// Removes what a killed process has left in `dir` under a temporary name.
pub(super) fn remove_unfinished(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(keyfile::UNFINISHED)
            && entry.file_type()?.is_file()
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The shards in `dir`, in the order of their first samples.
fn shards(dir: &Path) -> Result<Vec<Shard>, StoreError> {
    let mut shards = Vec::new();
    for entry in fs::read_dir(dir).map_err(StoreError::io(dir))? {
        let path = entry.map_err(StoreError::io(dir))?.path();
        if path.extension().is_none_or(|ending| ending != shard::ENDING) {
            continue;
        }
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut parts = stem.split('-').map(str::parse::<u64>);
        let (Some(Ok(first)), Some(Ok(last))) = (parts.next(), parts.next()) else {
            return Err(StoreError::damaged(&path, "a name of the form FIRST-LAST-DIGEST.shard", stem));
        };
        shards.push(Shard { first, last, path });
    }
    shards.sort();
    Ok(shards)
}

/// Which of two rows of one sample counts. `None` if they contradict each other.
fn better(one: Row, other: Row) -> Option<Row> {
    // A sample that the machinery could not run in one place may have a result from another.
    match (one.outcome, other.outcome) {
        (Outcome::Infrastructure, _) => Some(other),
        (_, Outcome::Infrastructure) => Some(one),
        _ => one.agrees(&other).then_some(one),
    }
}
