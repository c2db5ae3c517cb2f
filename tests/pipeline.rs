//! Campaigns as a whole: the same data whatever the workers, parts and interruptions; faults; folders that cannot be
//! written; memory.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::slice;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use caligo_runtime::campaign::batch::Sample;
use caligo_runtime::campaign::merge::{merge, recorded};
use caligo_runtime::campaign::pipeline::Conduct;
use caligo_runtime::campaign::rows::{Outcome, Row};
use caligo_runtime::campaign::run::{CampaignError, Options, Part, Progress, Summary, run};
use caligo_runtime::campaign::sample::{Execute, Fault, Runner};
use caligo_runtime::campaign::state::{Begin, FolderError, LOG, STOP};
use caligo_runtime::campaign::store::StoreError;
use caligo_runtime::config::campaign::Campaign;
use caligo_runtime::matrix::library::Library;

/// Points near the cliff, few pairs each.
const NEAR: &str = "parameters:
  storage_noise_r: [0, 0.5]
  storage_rate_nu: [1e-4, 1e-2]
  channel_fidelity: [0.95, 1]
  detection_eff_eta: [0.3, 1]
  detector_error: [0, 0.01]
  num_pairs: [1e4, 4e4]
";

fn campaign(samples: u64, infeasible: &str) -> Campaign {
    let text = format!(
        "phase1: {{ target_samples: {samples}, batch_size: 7, sampler: {{ infeasible: {infeasible} }} }}\n{NEAR}"
    );
    Campaign::parse(&text, Path::new("c.yaml")).unwrap()
}

fn options(workers: usize) -> Options {
    let conduct = Conduct { back_off: Duration::from_millis(1), ..Conduct::new(workers) };
    Options { conduct, begin: Begin::Resume, part: Part::WHOLE }
}

const CODE: u64 = 7;

fn run_by(
    dir: &Path,
    campaign: &Campaign,
    execute: &dyn Execute,
    options: Options,
) -> Result<Summary, CampaignError> {
    run(dir, campaign, CODE, execute, options, &AtomicBool::new(false), &mut |_| {})
}

fn rows(dir: &Path) -> Vec<Row> {
    recorded(dir).unwrap().1.rows().map(Result::unwrap).collect()
}

fn agree(a: &[Row], b: &[Row]) {
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(b) {
        assert!(a.agrees(b), "{a:?}\n{b:?}");
    }
}

/// Rows are the same whatever the threads, the parts and what is done with infeasible points' neighbours.
#[test]
fn workers_and_parts_change_nothing() {
    let library = Library::built_in();
    for infeasible in ["run", "replace", "record"] {
        let campaign = campaign(60, infeasible);
        let runner = Runner::new(&campaign, slice::from_ref(&library)).unwrap();
        let whole: Vec<Vec<Row>> = [1, 2, 8]
            .map(|workers| {
                let dir = tempfile::tempdir().unwrap();
                let summary = run_by(dir.path(), &campaign, &runner, options(workers)).unwrap();
                assert!(summary.complete && summary.made == 60 && summary.progress.counts.recorded == 60);
                rows(dir.path())
            })
            .into();
        agree(&whole[0], &whole[1]);
        agree(&whole[0], &whole[2]);

        let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
        for (dir, number) in dirs.iter().zip(1..=2) {
            let options = Options { part: Part { number, of: 2 }, ..options(2) };
            let summary = run_by(dir.path(), &campaign, &runner, options).unwrap();
            assert!(summary.complete && summary.made == 30);
        }
        let [a, b, both] = dirs.each_ref().map(|dir| dir.path().to_owned());
        let counts = merge(&both, &[a.clone(), b]).unwrap();
        assert_eq!(counts.recorded, 60);
        agree(&whole[0], &rows(&both));
        // Once more changes nothing, and so does going on with what is complete.
        assert_eq!(merge(&both, &[a]).unwrap(), counts);
        assert_eq!(run_by(&both, &campaign, &runner, options(2)).unwrap().made, 0);
        agree(&whole[0], &rows(&both));
    }
}

/// What is recorded of real runs hangs together.
#[test]
fn rows_say_what_happened() {
    let library = Library::built_in();
    let (mut outcomes, mut codes) = (BTreeMap::new(), BTreeSet::new());
    let campaign = campaign(150, "run");
    let dir = tempfile::tempdir().unwrap();
    let runner = Runner::new(&campaign, slice::from_ref(&library)).unwrap();
    run_by(dir.path(), &campaign, &runner, options(2)).unwrap();
    for row in rows(dir.path()) {
        *outcomes.entry(row.outcome.name()).or_insert(0) += 1;
        codes.insert(row.error_code.clone());
        assert!((0.0..0.5).contains(&row.qber_expected) && row.margin_predicted.is_finite(), "{row:?}");
        assert!(row.duration_s > 0.0 && row.source_s > 0.0 && row.sifting_s > 0.0);
        assert_eq!(row.feasibility == "feasible", row.margin_predicted > 0.0, "{row:?}");
        // The machines know by the rounds what the forecast knows by averages.
        assert!((row.margin - row.margin_predicted).abs() < 0.4, "{row:?}");
        assert!(row.clearance >= -1.5, "{row:?}");
        match row.outcome {
            Outcome::Succeeded => {
                assert!(row.clearance > 0.0, "{row:?}");
                assert!(row.margin > 0.0 && row.net_efficiency == row.margin && row.detail.is_empty());
                let pairs = row.inputs[7];
                let bits = f64::from(row.margin) * f64::from(pairs) / 2.0;
                assert!((row.key_length as f64 - bits).abs() < 1.5, "{row:?}");
                assert!(row.f > 1.0 && row.rounds >= 1.0 && row.leakage_bits > 64, "{row:?}");
                // Baseline tries once.
                assert!(row.inputs[8] == 1.0 || row.rounds == 1.0 && row.frame_errors == 0, "{row:?}");
                assert!(row.phase == "amplification" && row.reconciliation_s > 0.0);
            }
            Outcome::Failed => {
                assert!(row.net_efficiency == 0.0 && row.key_length == 0 && !row.detail.is_empty());
                let ended = ["qber_threshold", "entropy_depleted"].contains(&row.error_code.as_str());
                assert!(!ended || row.clearance <= 0.0, "{row:?}");
                assert!(!ended || row.margin < 0.05 && row.phase != "amplification", "{row:?}");
                assert!(row.qber_observed.is_finite(), "{row:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(outcomes["succeeded"] > 20 && outcomes["failed"] > 20, "{outcomes:?} {codes:?}");
}

/// Makes rows of nothing, and faults as a test likes.
struct Mock<'a> {
    fails: &'a (dyn Fn(u64, u64) -> Option<&'static str> + Sync),
    attempts: Mutex<BTreeMap<u64, u64>>,
}

impl<'a> Mock<'a> {
    fn new(fails: &'a (dyn Fn(u64, u64) -> Option<&'static str> + Sync)) -> Self {
        Self { fails, attempts: Mutex::default() }
    }
}

impl Execute for Mock<'_> {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        let attempt = {
            let mut attempts = self.attempts.lock().unwrap();
            let attempt = attempts.entry(sample.index).or_insert(0);
            *attempt += 1;
            *attempt
        };
        match (self.fails)(sample.index, attempt) {
            None => Ok(Row::new(sample.index, sample.draw, sample.inputs)),
            Some("panic") => panic!("asked for"),
            Some(why) => Err(Fault(why.into())),
        }
    }
}

#[test]
fn faults_are_retried_then_recorded_and_tried_again_another_day() {
    let dir = tempfile::tempdir().unwrap();
    let campaign = campaign(40, "run");
    let fails = |index: u64, attempt: u64| match index {
        5 if attempt == 1 => Some("once"),
        6 if attempt < 3 => Some("panic"),
        7 => Some("panic"),
        8 => Some("always"),
        _ => None,
    };
    let mock = Mock::new(&fails);
    let summary = run_by(dir.path(), &campaign, &mock, options(3)).unwrap();
    let attempts = mock.attempts.lock().unwrap().clone();
    assert_eq!([4, 5, 6, 7, 8].map(|index| attempts[&index]), [1, 2, 3, 3, 3]);
    let counts = summary.progress.counts;
    assert!(summary.complete && (counts.recorded, counts.infrastructure_failures) == (40, 2));
    let recorded = rows(dir.path());
    assert_eq!(
        (recorded[7].outcome, recorded[7].detail.as_str()),
        (Outcome::Infrastructure, "panic: asked for")
    );
    assert_eq!((recorded[8].error_code.as_str(), recorded[8].detail.as_str()), ("infrastructure", "always"));
    let log = fs::read_to_string(dir.path().join(LOG)).unwrap();
    assert_eq!(log.matches("\"event\":\"retry\"").count(), 7, "{log}");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
    // Only what has no result is run again.
    let mock = Mock::new(&|_, _| None);
    let summary = run_by(dir.path(), &campaign, &mock, options(2)).unwrap();
    assert_eq!(mock.attempts.lock().unwrap().keys().copied().collect::<Vec<_>>(), [7, 8]);
    assert_eq!((summary.progress.counts.recorded, summary.progress.counts.infrastructure_failures), (40, 0));
    assert!(rows(dir.path()).iter().all(|row| row.outcome == Outcome::Failed));
}

#[test]
fn a_stop_loses_nothing_and_begins_nothing() {
    let campaign = campaign(4000, "run");
    let mock = Mock::new(&|_, _| {
        std::thread::sleep(Duration::from_millis(1));
        None
    });
    let dir = tempfile::tempdir().unwrap();
    let stop = AtomicBool::new(false);
    let mut halt = |progress: &Progress| {
        if progress.done >= 30 {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let summary = run(dir.path(), &campaign, CODE, &mock, options(2), &stop, &mut halt).unwrap();
    let made = mock.attempts.lock().unwrap().len() as u64;
    assert!(!summary.complete && (30..400).contains(&made), "{made}");
    // Whatever was run is recorded.
    assert_eq!(
        (summary.made, summary.progress.counts.recorded, rows(dir.path()).len() as u64),
        (made, made, made)
    );
    // By a file, from outside; it is gone afterwards.
    let path = dir.path().join(STOP);
    let mut halt = |progress: &Progress| {
        if progress.done >= made + 30 && !path.exists() {
            fs::write(&path, b"").unwrap();
        }
    };
    let stop = AtomicBool::new(false);
    let summary = run(dir.path(), &campaign, CODE, &mock, options(2), &stop, &mut halt).unwrap();
    assert!(!summary.complete && summary.progress.counts.recorded < 4000 && !path.exists());
    // One that was left from before stops nothing.
    fs::write(&path, b"").unwrap();
    assert!(run_by(dir.path(), &campaign, &mock, options(8)).unwrap().complete);
    assert_eq!(mock.attempts.lock().unwrap().values().copied().max(), Some(1));
}

/// Has another result of every sample.
struct Liar;
impl Execute for Liar {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        Ok(Row { margin: 1.0, ..Row::new(sample.index, sample.draw, sample.inputs) })
    }
}

#[test]
fn folders_of_other_campaigns_are_not_merged() {
    let dirs = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mock = Mock::new(&|_, _| None);
    run_by(dirs[0].path(), &campaign(10, "run"), &mock, options(1)).unwrap();
    run_by(dirs[1].path(), &campaign(11, "run"), &mock, options(1)).unwrap();
    let out = dirs[2].path().join("both");
    let from = [dirs[0].path().to_owned(), dirs[1].path().to_owned()];
    let refused = merge(&out, &from).unwrap_err();
    assert!(
        refused.to_string().contains("phase1.target_samples is 11 in the folder and 10 now"),
        "{refused}"
    );
    assert!(!out.exists());
    let refused = merge(&out, &[dirs[2].path().to_owned()]).unwrap_err();
    assert!(matches!(refused, CampaignError::NoCampaign { .. }), "{refused}");
    // Different results of one sample: somebody's machine is broken.
    let other = tempfile::tempdir().unwrap();
    run_by(other.path(), &campaign(10, "run"), &Liar, options(1)).unwrap();
    let refused = merge(&out, &[dirs[0].path().to_owned(), other.path().to_owned()]).unwrap_err();
    assert!(matches!(refused, CampaignError::Store(StoreError::Disagree { index: 0, .. })), "{refused}");
    assert_eq!(recorded(&out).unwrap().1.counts().recorded, 0);
}

/// A writer that fails ends the run with its error; what was recorded stays, and the next run goes on.
#[test]
fn a_folder_that_cannot_be_written_ends_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let campaign = campaign(200, "run");
    let (shards, away) = (dir.path().join("shards"), dir.path().join("away"));
    let runs = AtomicU64::new(0);
    let fails = |_: u64, _: u64| {
        if runs.fetch_add(1, Ordering::Relaxed) == 60 {
            fs::rename(&shards, &away).unwrap();
        }
        None
    };
    let refused = run_by(dir.path(), &campaign, &Mock::new(&fails), options(2)).unwrap_err();
    let CampaignError::Store(StoreError::Io { path, .. }) = &refused else { panic!("{refused}") };
    assert!(path.starts_with(&shards), "{refused}");
    assert!(runs.load(Ordering::Relaxed) < 200);
    fs::rename(&away, &shards).unwrap();
    let before = rows(dir.path()).len();
    assert!((1..200).contains(&before));
    let mock = Mock::new(&|_, _| None);
    assert!(run_by(dir.path(), &campaign, &mock, options(2)).unwrap().complete);
    assert_eq!(mock.attempts.lock().unwrap().len(), 200 - before);
    let busy =
        caligo_runtime::campaign::state::Folder::open(dir.path(), &campaign, CODE, Begin::Resume).unwrap();
    let refused = run_by(dir.path(), &campaign, &mock, options(2)).unwrap_err();
    assert!(matches!(refused, CampaignError::Folder(FolderError::InUse { .. })), "{refused}");
    drop(busy);
}

#[test]
fn more_pairs_than_a_run_takes_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let text = "parameters: { num_pairs: [1e4, 1e10] }";
    let campaign = Campaign::parse(text, Path::new("c.yaml")).unwrap();
    let refused =
        run_by(&dir.path().join("new"), &campaign, &Mock::new(&|_, _| None), options(1)).unwrap_err();
    let expected =
        "parameters.num_pairs: expected at most 1073741824, for every sample is run, found 10000000000";
    assert_eq!(refused.to_string(), expected);
    assert!(!dir.path().join("new").exists());
}
