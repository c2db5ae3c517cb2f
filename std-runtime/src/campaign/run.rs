//! A campaign in its folder, from wherever it is to its end.
//!
//! In: a folder, a campaign. Out: the folder with every sample of the part asked for, or with those that were done when it
//! was stopped. Rows become shards as they come; state and HDF5 file follow from these.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rayon::ThreadPoolBuildError;
use serde_json::{Value, json};

use crate::campaign::batch::Sampler;
use crate::campaign::pipeline::{Conduct, News, stream};
use crate::campaign::rows::{Counts, Row};
use crate::campaign::sample::Execute;
use crate::campaign::space::TABLE;
use crate::campaign::state::{self, Begin, Folder, FolderError, LOG, Phase, STOP};
use crate::campaign::store::{Store, StoreError};
use crate::config::campaign::Campaign;
use crate::transfer::MAX_ROUNDS;

/// Why a campaign does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CampaignError {
    /// The folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// What is recorded, or is to be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The campaign's own file.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// There are no threads.
    #[error("workers: {0}")]
    Threads(#[from] ThreadPoolBuildError),
    /// More rounds than a transfer takes.
    #[error("parameters.{name}: expected at most {MAX_ROUNDS}, for every sample is run, found {found}")]
    Rounds {
        /// The key.
        name: &'static str,
        /// Its upper end.
        found: f64,
    },
    /// There is no campaign.
    #[error("{}: expected the folder of a campaign, found no {}", dir.display(), state::STATE)]
    NoCampaign {
        /// The folder.
        dir: PathBuf,
    },
}

/// Part `number` of `of` equal parts of a campaign's samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1.
    pub number: u64,
    /// At least as many.
    pub of: u64,
}

impl Part {
    /// All of it.
    pub const WHOLE: Self = Self { number: 1, of: 1 };

    /// Its samples out of `samples`.
    pub fn range(self, samples: u64) -> Range<u64> {
        let end = |part: u64| (u128::from(samples) * u128::from(part) / u128::from(self.of.max(1))) as u64;
        end(self.number.saturating_sub(1))..end(self.number)
    }
}

/// How to run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Threads, attempts.
    pub conduct: Conduct,
    /// What to do with a folder that has a campaign.
    pub begin: Begin,
    /// Which samples.
    pub part: Part,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Samples of the part that are done.
    pub done: u64,
    /// Samples of the part.
    pub target: u64,
    /// Those of the folder.
    pub counts: Counts,
    /// Samples a second, of this run.
    pub rate_per_s: f64,
    /// Seconds left at this rate, once there is one.
    pub eta_s: Option<f64>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug)]
pub struct Summary {
    /// How far it is.
    pub progress: Progress,
    /// Whether the part is complete.
    pub complete: bool,
    /// Samples that this run has made.
    pub made: u64,
    /// Seconds it took.
    pub seconds: f64,
}

/// How often the state is written while samples come.
const CHECKPOINT: Duration = Duration::from_secs(1);

/// How often the folder is looked at for a file that ends the run.
const LOOK: Duration = Duration::from_millis(100);

/// Rows wait for a whole shard so long at most.
const FLUSH: Duration = Duration::from_secs(10);

/// What can be said against `campaign` before a folder is touched.
///
/// # Errors
/// [`CampaignError::Rounds`].
pub fn check(campaign: &Campaign) -> Result<(), CampaignError> {
    let axes = campaign.space.axes.iter().zip(&TABLE);
    let pairs = axes.filter(|(_, dimension)| dimension.quantity == caligo_core::security::Quantity::Pairs);
    for (axis, dimension) in pairs {
        if axis.high > MAX_ROUNDS as f64 {
            return Err(CampaignError::Rounds { name: dimension.quantity.name(), found: axis.high });
        }
    }
    Ok(())
}

/// Runs `campaign` in `dir`, each sample by `execute`, whose code has the fingerprint `code`; `observe` is told how far it
/// is whenever something happens, and at least ten times a second. Whoever sets `stop`, or makes the file [`STOP`] in the
/// folder, ends it: samples that run are finished and recorded.
///
/// # Errors
/// [`CampaignError`]. What was recorded stays.
pub fn run(
    dir: &Path,
    campaign: &Campaign,
    code: u64,
    execute: &dyn Execute,
    options: Options,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Progress),
) -> Result<Summary, CampaignError> {
    check(campaign)?;
    let mut folder = Folder::open(dir, campaign, code, options.begin)?;
    folder.keep(campaign)?;
    let store = folder.store(Phase::Lhs, campaign.samples)?;
    check_data(&folder, &store)?;
    // Nobody stops what has not begun: it is left from another run.
    let stop_file = dir.join(STOP);
    if stop_file.exists() {
        fs::remove_file(&stop_file).map_err(|source| FolderError::Io { path: stop_file.clone(), source })?;
    }
    let log = Log::new(dir.join(LOG));
    let part = options.part.range(campaign.samples);
    let gaps = store.gaps(part.clone());
    let left: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
    let began = Instant::now();
    let mut recorder = Recorder {
        store,
        rows: Vec::new(),
        batch: campaign.batch as usize,
        target: part.end - part.start,
        left,
        made: 0,
        began,
        flushed: began,
        written: began,
    };
    log.write(
        "begin",
        json!({ "config_hash": folder.state().config_hash, "version": env!("CARGO_PKG_VERSION"), "recorded":
            recorder.store.counts().recorded, "left": left, "workers": options.conduct.workers }),
    );
    observe(&recorder.progress());
    let sampler = Sampler::new(campaign);
    let mut last_look = began;
    let ended = stream(gaps.into_iter(), &sampler, execute, options.conduct, stop, |news| {
        match news {
            News::Row(row) => recorder.take(*row, &mut folder)?,
            News::Retry { index, fault } => log.write("retry", json!({ "sample": index, "why": fault.0 })),
            News::Quiet => recorder.rest(&mut folder)?,
        }
        if last_look.elapsed() >= LOOK {
            last_look = Instant::now();
            if stop_file.exists() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        observe(&recorder.progress());
        Ok::<_, CampaignError>(())
    });
    let ended = ended.and_then(|()| recorder.finish(&mut folder));
    if let Err(error) = &ended {
        log.write("error", json!({ "why": error.to_string() }));
    }
    ended?;
    let progress = recorder.progress();
    let summary = Summary {
        progress,
        complete: progress.done == progress.target,
        made: recorder.made,
        seconds: began.elapsed().as_secs_f64(),
    };
    compact(&folder, &recorder.store)?;
    log.write(
        if summary.complete { "complete" } else { "stopped" },
        json!({ "made": summary.made, "seconds": summary.seconds, "counts": progress.counts }),
    );
    if stop_file.exists() {
        fs::remove_file(&stop_file).map_err(|source| FolderError::Io { path: stop_file, source })?;
    }
    Ok(summary)
}

/// Makes the HDF5 file of `folder` from the design's `store` and the samples that models chose, if this build can.
///
/// # Errors
/// [`StoreError`]: a former file is then as it was.
pub fn compact(folder: &Folder, store: &Store) -> Result<(), StoreError> {
    #[cfg(feature = "hdf5")]
    {
        use crate::campaign::store::hdf5::{About, compact};
        let chosen = folder.all(Phase::Active)?;
        let state = folder.state();
        let seed = state.config.map().get("phase1.sampler.seed").and_then(Value::as_u64).unwrap_or(0);
        let about = About { identity: &state.config, name: &state.name, seed };
        let stores = [(Phase::Lhs.group(), store), (Phase::Active.group(), &chosen)];
        // A group without rows says nothing.
        let stores = if chosen.counts().recorded == 0 { &stores[..1] } else { &stores };
        compact(&folder.data(), &about, stores)?;
    }
    #[cfg(not(feature = "hdf5"))]
    let _unused = (folder, store);
    Ok(())
}

/// Whether the HDF5 file that is there may be replaced, before work whose result is to go there.
fn check_data(folder: &Folder, store: &Store) -> Result<(), StoreError> {
    #[cfg(feature = "hdf5")]
    crate::campaign::store::hdf5::check(
        &folder.data(),
        &folder.state().config_hash,
        &[(Phase::Lhs.group(), store), (Phase::Active.group(), &folder.all(Phase::Active)?)],
    )?;
    #[cfg(not(feature = "hdf5"))]
    let _unused = (folder, store);
    Ok(())
}

/// Gathers rows into shards.
struct Recorder {
    store: Store,
    rows: Vec<Row>,
    batch: usize,
    /// Samples of the part; those that had no result when the run began; those made since.
    target: u64,
    left: u64,
    made: u64,
    began: Instant,
    /// When the last shard was written, and the last state.
    flushed: Instant,
    written: Instant,
}

impl Recorder {
    fn progress(&self) -> Progress {
        let rate_per_s = self.made as f64 / self.began.elapsed().as_secs_f64().max(1e-9);
        let left = self.left.saturating_sub(self.made);
        Progress {
            done: self.target - left,
            target: self.target,
            counts: self.store.counts(),
            rate_per_s,
            eta_s: (self.made > 0).then(|| left as f64 / rate_per_s),
        }
    }

    fn take(&mut self, row: Row, folder: &mut Folder) -> Result<(), CampaignError> {
        self.rows.push(row);
        self.made += 1;
        if self.rows.len() >= self.batch {
            self.flush()?;
        }
        self.rest(folder)
    }

    /// What is due whether or not a row has come.
    fn rest(&mut self, folder: &mut Folder) -> Result<(), CampaignError> {
        if self.flushed.elapsed() >= FLUSH {
            self.flush()?;
        }
        if self.written.elapsed() >= CHECKPOINT {
            self.checkpoint(folder)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.flushed = Instant::now();
        self.store.append(&mut self.rows)
    }

    fn checkpoint(&mut self, folder: &mut Folder) -> Result<(), CampaignError> {
        self.written = Instant::now();
        folder.note_rate(self.progress().rate_per_s);
        Ok(folder.checkpoint(Phase::Lhs, &self.store)?)
    }

    fn finish(&mut self, folder: &mut Folder) -> Result<(), CampaignError> {
        self.flush()?;
        self.checkpoint(folder)
    }
}

/// Events, a line of JSON each. Nothing depends on it: where it cannot be written, it is not.
pub(super) struct Log {
    path: PathBuf,
}

impl Log {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(super) fn write(&self, event: &str, mut fields: Value) {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        if let Some(map) = fields.as_object_mut() {
            map.insert("time".into(), json!(time));
            map.insert("event".into(), json!(event));
        }
        let line = format!("{fields}\n");
        if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(&self.path) {
            drop(file.write_all(line.as_bytes()));
        }
    }
}
