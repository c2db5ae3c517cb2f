//! Samples that models choose, iteration by iteration.
//!
//! In: a folder whose design is complete. Out: the same with more samples, each iteration's chosen by what was recorded before
//! it. An iteration's suggestions are written before any of them is run, its results as one shard; so whatever is killed, what
//! follows is the same. Models of an iteration are a function of the rows before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};
use serde_json::json;

use super::data::{Data, Part};
use super::file::{self, MODELS, ModelError, read_json, write_json};
use super::suggest::{Decision, Iteration, suggest};
use super::train::{Incident, Trained};
use crate::campaign::batch::Chosen;
use crate::campaign::pipeline::{Conduct, News, stream};
use crate::campaign::rows::{Outcome, Row};
use crate::campaign::run::{CampaignError, Log, compact};
use crate::campaign::sample::Execute;
use crate::campaign::state::{Begin, Folder, FolderError, Identity, LOG, Phase, STOP};
use crate::campaign::store::Store;
use crate::config::campaign::Campaign;
use crate::keyfile;
use crate::montecarlo::clopper_pearson;

/// Name of the folder with an iteration's suggestions in a file each.
pub const SUGGESTIONS: &str = "suggestions";

/// Name of the file that says by what samples are chosen.
pub const CHOICES: &str = "choices.json";

/// What a skipped sample's row says.
pub const SKIPPED: &str = "SKIPPED_PREDICTED_FAILURE";

/// Why samples are not chosen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActiveError {
    /// The folder, or a sample.
    #[error(transparent)]
    Campaign(#[from] CampaignError),
    /// The models.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The design is not complete.
    #[error("{}: {done} of {samples} samples of the design are recorded; finish it with campaign run", dir.display())]
    Incomplete {
        /// The folder.
        dir: PathBuf,
        /// Samples recorded.
        done: u64,
        /// Samples of the design.
        samples: u64,
    },
    /// No strategy has samples enough.
    #[error(
        "{}: expected at least {least} samples of a strategy that were run, but for the tenth that is kept apart, found {found}; \
         raise `phase1.target_samples`, or let `infeasible: run` run those too that no string can come of, or `replace` take \
         others for them", dir.display()
    )]
    TooFew {
        /// The folder.
        dir: PathBuf,
        /// How many are needed.
        least: usize,
        /// How many there are.
        found: usize,
    },
    /// No model can be made.
    #[error("iteration {number}: {source}")]
    Suggest {
        /// Which.
        number: u64,
        /// Why.
        source: caligo_surrogate::GpError,
    },
}

macro_rules! through_campaign {
    ($($error:ty),*) => {
        $(impl From<$error> for ActiveError {
            fn from(error: $error) -> Self {
                Self::Campaign(error.into())
            }
        })*
    };
}

through_campaign!(FolderError, crate::campaign::store::StoreError, ThreadPoolBuildError);

/// Why it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All iterations are done.
    Iterations,
    /// The models expect to be wrong seldom enough.
    Certain,
    /// Somebody stopped it.
    Stopped,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Iterations that are done.
    pub iterations: u64,
    /// All of them.
    pub target: u64,
    /// Expected part of the space called wrong, by strategy.
    pub doubt: [Option<f64>; 2],
    /// Seconds that the last choice took.
    pub seconds: f64,
}

/// What the guardrail has skipped, and what audits say of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// Samples left out.
    pub skipped: u64,
    /// Samples that were run although their failure was foretold.
    pub audited: u64,
    /// Those of them that succeeded.
    pub succeeded: u64,
}

impl Audit {
    /// Rate of false skips with its 95 % interval; `None` before any audit.
    pub fn rate(&self) -> Option<(f64, f64, f64)> {
        (self.audited > 0).then(|| {
            let (low, high) = clopper_pearson(self.succeeded, self.audited, 0.95);
            (self.succeeded as f64 / self.audited as f64, low, high)
        })
    }

    /// Whether the guardrail may be asked still.
    pub fn trusts(&self, most: f64) -> bool {
        self.rate().is_none_or(|(_, low, _)| low <= most)
    }

    /// Takes an iteration's rows into account.
    pub fn add(&mut self, iteration: &Iteration, rows: &[Row]) {
        for (suggestion, row) in iteration.suggestions.iter().zip(rows) {
            match suggestion.decision {
                Decision::Run => {}
                Decision::Skip => self.skipped += 1,
                Decision::Audit if row.outcome == Outcome::Infrastructure => {}
                Decision::Audit => {
                    self.audited += 1;
                    self.succeeded += u64::from(row.outcome == Outcome::Succeeded);
                }
            }
        }
    }
}

/// The file of iteration `number`'s suggestions.
pub fn suggestions_of(dir: &Path, number: u64) -> PathBuf {
    dir.join(SUGGESTIONS).join(format!("{number:06}.json"))
}

/// Reads iteration `number`'s suggestions; `None` if there are none yet.
///
/// # Errors
/// [`ModelError`].
pub fn read_iteration(dir: &Path, number: u64) -> Result<Option<Iteration>, ModelError> {
    read_json(
        &suggestions_of(dir, number),
        "an iteration's suggestions (without the file they are chosen again)",
    )
}

/// The design's samples, if all are recorded and there are enough.
///
/// # Errors
/// [`ActiveError::Incomplete`], [`ActiveError::TooFew`].
pub fn design(dir: &Path, campaign: &Campaign, store: &Store) -> Result<Data, ActiveError> {
    let done = store.counts().recorded;
    if store.cursor() < campaign.samples {
        return Err(ActiveError::Incomplete { dir: dir.to_owned(), done, samples: campaign.samples });
    }
    let data = Data::of(store.rows(), campaign.seed)?;
    let found = data.training.samples.iter().map(super::data::Samples::len).max().unwrap_or(0);
    let least = super::train::LEAST;
    if found < least {
        return Err(ActiveError::TooFew { dir: dir.to_owned(), least, found });
    }
    Ok(data)
}

/// Trains models on what `dir` has, and writes them there.
///
/// # Errors
/// [`ActiveError`].
pub fn train(dir: &Path, campaign: &Campaign, code: u64) -> Result<Trained, ActiveError> {
    let folder = Folder::open(dir, campaign, code, Begin::Resume)?;
    let store = folder.store(Phase::Lhs, campaign.samples)?;
    let data = design(dir, campaign, &store)?;
    let mut more = Part::default();
    for row in folder.all(Phase::Active)?.rows() {
        more.push(&row?);
    }
    let trained = Trained::new(campaign, &data, &more, None);
    file::save(&dir.join(MODELS), &trained, &folder.state().config_hash)?;
    Ok(trained)
}

/// Goes on with the campaign in `dir` until `campaign.active.iterations` are done, each sample run by `execute`.
///
/// # Errors
/// [`ActiveError`]. What was recorded stays.
pub fn learn(
    dir: &Path,
    campaign: &Campaign,
    code: u64,
    execute: &dyn Execute,
    conduct: Conduct,
    stop: &AtomicBool,
    observe: &mut dyn FnMut(&Progress),
) -> Result<(Ending, Progress), ActiveError> {
    let mut folder = Folder::open(dir, campaign, code, Begin::Resume)?;
    let store = folder.store(Phase::Lhs, campaign.samples)?;
    let data = design(dir, campaign, &store)?;
    check_choices(dir, campaign)?;
    folder.keep(campaign)?;
    let path = dir.join(SUGGESTIONS);
    fs::create_dir_all(&path).map_err(|source| ModelError::Io { path: path.clone(), source })?;
    keyfile::sync_name(&path).map_err(|source| ModelError::Io { path, source })?;
    let log = Log::new(dir.join(LOG));
    let stop_file = dir.join(STOP);
    remove(&stop_file)?;
    // What was chosen in later iterations than are asked for stays.
    let had = folder.all(Phase::Active)?.samples();
    let samples = had.max(campaign.active.iterations * campaign.active.batch);
    let mut chosen = folder.store(Phase::Active, samples)?;
    folder.enter(Phase::Active)?;
    let pool = ThreadPoolBuilder::new().num_threads(conduct.workers).build()?;
    log.write(
        "learn",
        json!({ "recorded": chosen.counts().recorded, "iterations": campaign.active.iterations }),
    );
    // Never changes: what later models are fitted from does not depend on when the process began.
    let first = pool.install(|| Trained::new(campaign, &data, &Part::default(), None));
    let mut run =
        Run { campaign, data: &data, first: &first, fitted: None, rows: Vec::new(), audit: Audit::default() };
    let mut progress =
        Progress { iterations: 0, target: campaign.active.iterations, doubt: [None; 2], seconds: 0.0 };
    let mut ending = Ending::Iterations;
    let recorded = chosen.rows().collect::<Result<Vec<_>, _>>()?;
    let mut recorded = recorded.into_iter().peekable();
    for number in 0..campaign.active.iterations {
        if stop_file.exists() {
            stop.store(true, Ordering::Relaxed);
        }
        if stop.load(Ordering::Relaxed) {
            ending = Ending::Stopped;
            break;
        }
        let indices = number * campaign.active.batch..(number + 1) * campaign.active.batch;
        let mut batch = Vec::new();
        while let Some(row) = recorded.next_if(|row| indices.contains(&row.index)) {
            batch.push(row);
        }
        let known = read_iteration(dir, number)?;
        let iteration = if let Some(iteration) = known {
            iteration
        } else {
            let (iteration, incidents) = pool.install(|| run.think(number))?;
            for incident in incidents {
                log.write("model", json!({ "iteration": number, "incident": incident }));
            }
            write_json(&suggestions_of(dir, number), &iteration)?;
            iteration
        };
        progress = Progress { doubt: iteration.doubt, seconds: iteration.seconds, ..progress };
        let most = iteration.doubt.iter().flatten().fold(0.0_f64, |most, &doubt| most.max(doubt));
        if most < campaign.active.uncertainty {
            ending = Ending::Certain;
            break;
        }
        if batch.len() < iteration.suggestions.len() {
            let had: Vec<u64> = batch.iter().map(|row| row.index).collect();
            let mut made = execute_all(campaign, &iteration, &had, execute, conduct, stop, &log)?;
            batch.extend(made.iter().cloned());
            chosen.append(&mut made)?;
            batch.sort_by_key(|row| row.index);
            if batch.len() < iteration.suggestions.len() {
                ending = Ending::Stopped;
                break;
            }
        }
        run.audit.add(&iteration, &batch);
        run.rows.extend(batch);
        progress.iterations = number + 1;
        observe(&progress);
    }
    let trained = pool.install(|| Trained::new(campaign, &data, &part(&run.rows), Some(&first)));
    file::save(&dir.join(MODELS), &trained, &folder.state().config_hash)?;
    compact(&folder, &store)?;
    log.write("learned", json!({ "iterations": progress.iterations, "doubt": progress.doubt }));
    remove(&stop_file)?;
    Ok((ending, progress))
}

fn remove(path: &Path) -> Result<(), FolderError> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(FolderError::Io { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Notes by what samples are chosen, or refuses where it was noted otherwise.
fn check_choices(dir: &Path, campaign: &Campaign) -> Result<(), ActiveError> {
    let path = dir.join(CHOICES);
    let now = Identity::of_choices(campaign);
    match read_json::<Identity>(&path, "by what samples are chosen")? {
        None => Ok(write_json(&path, &now)?),
        Some(then) => {
            let differences = then.differences(&now);
            if differences.is_empty() {
                return Ok(());
            }
            Err(FolderError::Changed { dir: dir.to_owned(), differences }.into())
        }
    }
}

/// What an iteration's models are made of.
struct Run<'a> {
    campaign: &'a Campaign,
    data: &'a Data,
    /// Of the design alone.
    first: &'a Trained,
    /// The last fit, of which iteration.
    fitted: Option<(u64, Trained)>,
    /// Chosen samples so far.
    rows: Vec<Row>,
    audit: Audit,
}

impl Run<'_> {
    /// The samples of iteration `number`, and what went wrong with models that were fitted for it.
    fn think(&mut self, number: u64) -> Result<(Iteration, Vec<Incident>), ActiveError> {
        let active = &self.campaign.active;
        let due = number - number % active.refit_every;
        let before = self.rows.partition_point(|row| row.index < due * active.batch);
        let mut incidents = Vec::new();
        let fitted = match self.fitted.take() {
            Some((at, fitted)) if at == due => fitted,
            // As it was when that iteration began, whenever this process did.
            _ => {
                let fitted = if due == 0 {
                    self.first.clone()
                } else {
                    Trained::new(self.campaign, self.data, &part(&self.rows[..before]), Some(self.first))
                };
                incidents.clone_from(&fitted.incidents);
                fitted
            }
        };
        let trained = fitted.conditioned(&part(&self.rows[before..]), &self.campaign.models);
        self.fitted = Some((due, fitted));
        let guarded = active.guardrail && self.audit.trusts(active.false_skips);
        let iteration = suggest(self.campaign, &trained, number, guarded)
            .map_err(|source| ActiveError::Suggest { number, source })?;
        Ok((iteration, incidents))
    }
}

fn part(rows: &[Row]) -> Part {
    let mut part = Part::default();
    rows.iter().for_each(|row| part.push(row));
    part
}

/// The rows of `iteration` but those of `had`.
fn execute_all(
    campaign: &Campaign,
    iteration: &Iteration,
    had: &[u64],
    execute: &dyn Execute,
    conduct: Conduct,
    stop: &AtomicBool,
    log: &Log,
) -> Result<Vec<Row>, ActiveError> {
    let first = iteration.number * campaign.active.batch;
    let index = |place: usize| first + place as u64;
    let mut rows = Vec::new();
    let mut left = Vec::new();
    for (place, suggestion) in iteration.suggestions.iter().enumerate() {
        if had.contains(&index(place)) {
            continue;
        }
        if suggestion.decision == Decision::Skip {
            let detail = suggestion.probability.map_or(String::new(), |p| {
                format!("failure foretold with probability {:.4}, not run", 1.0 - p)
            });
            let error_code = SKIPPED.into();
            let row = Row::new(index(place), 0, suggestion.inputs);
            rows.push(Row { outcome: Outcome::Skipped, error_code, detail, ..row });
        } else {
            left.push(index(place)..index(place) + 1);
        }
    }
    let inputs = iteration.suggestions.iter().map(|suggestion| suggestion.inputs).collect();
    let source = Chosen::new(campaign, first, inputs);
    stream(left.into_iter(), &source, execute, conduct, stop, |news| {
        match news {
            News::Row(row) => rows.push(*row),
            News::Retry { index, fault } => log.write("retry", json!({ "chosen": index, "why": fault.0 })),
            News::Quiet => {}
        }
        Ok::<_, ActiveError>(())
    })?;
    Ok(rows)
}
