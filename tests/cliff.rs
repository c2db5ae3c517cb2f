//! Samples that models choose: on functions whose cliff is known, the loop finds it, with fewer samples than chance; the same
//! whoever stops it when; what it refuses.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use caligo_runtime::campaign::batch::{Batch, Chosen, Fill, Sample};
use caligo_runtime::campaign::cliff::active::{
    ActiveError, Audit, CHOICES, Ending, Progress, SKIPPED, learn, read_iteration, suggestions_of, train,
};
use caligo_runtime::campaign::cliff::ask::{Verdict, ask};
use caligo_runtime::campaign::cliff::chance::{EXCESS, excess};
use caligo_runtime::campaign::cliff::data::{Data, Part as Learned};
use caligo_runtime::campaign::cliff::file::{MODELS, ModelError, load, save};
use caligo_runtime::campaign::cliff::suggest::Decision;
use caligo_runtime::campaign::cliff::train::{Trained, calls};
use caligo_runtime::campaign::merge::recorded;
use caligo_runtime::campaign::pipeline::Conduct;
use caligo_runtime::campaign::report;
use caligo_runtime::campaign::rows::{Outcome, Row};
use caligo_runtime::campaign::run::{Options, Part, run};
use caligo_runtime::campaign::sample::{Execute, Fault};
use caligo_runtime::campaign::space::Inputs;
use caligo_runtime::campaign::state::{Begin, Phase, shards_of};
use caligo_runtime::campaign::store::Store;
use caligo_runtime::config::Strategy;
use caligo_runtime::config::campaign::Campaign;
use caligo_tests::known::{
    CODE, COST, Chancy, Known, LITTLE, anisotropic, campaign, curved, designed, sharp, wrong,
};

fn learn_by(
    dir: &Path,
    campaign: &Campaign,
    execute: &dyn Execute,
    workers: usize,
) -> Result<(Ending, Progress), ActiveError> {
    learn(dir, campaign, CODE, execute, Conduct::new(workers), &AtomicBool::new(false), &mut |_| {})
}

fn chosen(dir: &Path) -> Vec<Row> {
    let (state, _) = recorded(dir).unwrap();
    let store = Store::look_whole(&shards_of(dir, Phase::Active), &state.config_hash).unwrap();
    store.rows().map(Result::unwrap).collect()
}

fn agree(a: &Path, b: &Path) {
    let (a, b) = (chosen(a), chosen(b));
    assert_eq!(a.len(), b.len());
    for (a, b) in a.iter().zip(&b) {
        assert!(a.agrees(b), "{a:?}\n{b:?}");
    }
}

/// Cliffs are found with fewer wrong calls than by as many samples of a hypercube, and samples gather at them.
#[test]
fn cliffs_that_are_known_are_found() {
    // Under much noise a single seed says little.
    for (name, f, noise, seeds) in [
        ("curved", curved as fn(&Inputs) -> f64, LITTLE, 42..43),
        ("sharp", sharp, LITTLE, 42..43),
        ("anisotropic", anisotropic, LITTLE, 42..43),
        ("noisy", curved, 0.02, 42..45),
    ] {
        let known = Known(f, noise);
        let mut errors = [0.0; 2];
        for seed in seeds {
            let found = both_ways(name, f, &known, seed);
            errors.iter_mut().zip(found).for_each(|(sum, of)| *sum += of);
        }
        assert!(errors[0] < 0.75 * errors[1] || errors[0] < 0.004, "{name}: {errors:?}");
    }
}

/// Wrong calls of 180 samples, 80 of them chosen, and of as many of a hypercube. Those that are chosen gather at the cliff.
fn both_ways(name: &str, f: fn(&Inputs) -> f64, known: &Known, seed: u64) -> [f64; 2] {
    let mut small = campaign(100, "max_iterations: 10");
    small.seed = seed;
    let active = designed(&small, known);
    let (ending, progress) = learn_by(active.path(), &small, known, 2).unwrap();
    assert_eq!((ending, progress.iterations), (Ending::Iterations, 10));
    let mut large = campaign(180, "");
    large.seed = seed;
    let chance = designed(&large, known);
    train(chance.path(), &large, CODE).unwrap();
    let errors = [wrong(active.path(), &small, f), wrong(chance.path(), &large, f)];
    // Beside a step all margins have one size: how far it is tells the smooth one.
    let size = if name == "sharp" { curved } else { f };
    let distance = |rows: &[Row]| {
        let mut sizes: Vec<f64> = rows.iter().map(|row| size(&row.inputs).abs()).collect();
        sizes.sort_by(f64::total_cmp);
        sizes[sizes.len() / 2]
    };
    let design: Vec<Row> = recorded(active.path()).unwrap().1.rows().map(Result::unwrap).collect();
    let (near, far) = (distance(&chosen(active.path())), distance(&design));
    assert!(near < 0.5 * far, "{name}: medians {near} and {far}");
    errors
}

/// Where three samples of a thousand succeed, hardly one of the design does: the chosen ones are at the cliff all the same.
#[test]
fn cliffs_that_are_far_away_are_found() {
    let rare = |inputs: &Inputs| curved(inputs) - 0.1;
    let known = Known(rare, LITTLE);
    let campaign = campaign(100, "max_iterations: 8");
    let dir = designed(&campaign, &known);
    learn_by(dir.path(), &campaign, &known, 2).unwrap();
    let succeeded = |rows: &[Row]| rows.iter().filter(|row| row.outcome == Outcome::Succeeded).count();
    let design: Vec<Row> = recorded(dir.path()).unwrap().1.rows().map(Result::unwrap).collect();
    let rows = chosen(dir.path());
    assert!(succeeded(&design) < 3 && succeeded(&rows) > 15, "{}, {}", succeeded(&design), succeeded(&rows));
    let near = rows.iter().filter(|row| rare(&row.inputs).abs() < 0.01).count();
    assert!(2 * near > rows.len(), "{near} of {}", rows.len());
    // To call all of them failures would be as wrong as often as they succeed.
    let wrong = wrong(dir.path(), &campaign, rare);
    assert!(wrong < 0.001, "{wrong}");
}

/// Ends a run after so many samples, as a kill would: what was begun is lost.
struct Breaks<'a> {
    known: &'a Known,
    left: AtomicU64,
    stop: &'a AtomicBool,
}

impl Execute for Breaks<'_> {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err() {
            self.stop.store(true, Ordering::Relaxed);
        }
        self.known.execute(sample)
    }
}

#[test]
fn threads_stops_and_lost_files_change_nothing() {
    let known = Known(curved, LITTLE);
    let campaign = campaign(80, "max_iterations: 5");
    let whole = designed(&campaign, &known);
    learn_by(whole.path(), &campaign, &known, 2).unwrap();
    assert_eq!(chosen(whole.path()).len(), 40);

    let single = designed(&campaign, &known);
    learn_by(single.path(), &campaign, &known, 1).unwrap();
    agree(whole.path(), single.path());
    for number in 0..5 {
        let mut both = [&whole, &single].map(|dir| read_iteration(dir.path(), number).unwrap().unwrap());
        both.iter_mut().for_each(|iteration| iteration.seconds = 0.0);
        assert_eq!(both[0], both[1]);
    }

    // Stopped every few samples, inside an iteration as well as between two.
    let broken = designed(&campaign, &known);
    let mut starts = 0;
    loop {
        let stop = AtomicBool::new(false);
        let breaks = Breaks { known: &known, left: AtomicU64::new(7 + starts % 7), stop: &stop };
        let ended =
            learn(broken.path(), &campaign, CODE, &breaks, Conduct::new(1), &stop, &mut |_| {}).unwrap();
        starts += 1;
        match ended.0 {
            Ending::Stopped => assert!(starts < 60),
            _ => break,
        }
    }
    assert!(starts > 3, "{starts}");
    agree(whole.path(), broken.path());

    // Killed between suggesting and recording, with its last shard or its last suggestions lost.
    let lost = designed(&campaign, &known);
    learn_by(lost.path(), &campaign, &known, 2).unwrap();
    let shards = shards_of(lost.path(), Phase::Active);
    let mut names: Vec<_> = fs::read_dir(&shards).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    fs::remove_file(names.pop().unwrap()).unwrap();
    fs::remove_file(names.pop().unwrap()).unwrap();
    fs::remove_file(suggestions_of(lost.path(), 4)).unwrap();
    // The data file has more rows than there are left, and is kept: it is made anew once they are back.
    fs::remove_file(lost.path().join("exploration_data.h5")).ok();
    learn_by(lost.path(), &campaign, &known, 2).unwrap();
    agree(whole.path(), lost.path());

    // More iterations go on where these ended.
    let longer = self::campaign(80, "max_iterations: 6");
    learn_by(lost.path(), &longer, &known, 2).unwrap();
    assert_eq!(chosen(lost.path()).len(), 48);
}

/// Foretold failures are skipped, recorded as such, taught to nobody; audits switch a bad guardrail off.
#[test]
fn foretold_failures_are_skipped_and_audited() {
    let known = Known(curved, LITTLE);
    let campaign = campaign(150, "max_iterations: 6, skip_above: 0.3, audit_fraction: 0.3, false_skips: 0.5");
    let dir = designed(&campaign, &known);
    learn_by(dir.path(), &campaign, &known, 2).unwrap();
    let rows = chosen(dir.path());
    let mut audit = Audit::default();
    let mut decisions = Vec::new();
    for number in 0..6 {
        let iteration = read_iteration(dir.path(), number).unwrap().unwrap();
        let of = &rows[8 * number as usize..8 * (number as usize + 1)];
        audit.add(&iteration, of);
        for (suggestion, row) in iteration.suggestions.iter().zip(of) {
            assert_eq!(suggestion.inputs, row.inputs);
            assert_eq!(suggestion.decision == Decision::Skip, row.outcome == Outcome::Skipped);
            assert_eq!(row.outcome == Outcome::Skipped, row.error_code == SKIPPED);
            assert_eq!(row.outcome == Outcome::Skipped, !row.margin.is_finite());
            let foretold = suggestion.probability.unwrap() < 0.7;
            assert_eq!(foretold && iteration.guarded, suggestion.decision != Decision::Run);
            decisions.push(suggestion.decision);
        }
    }
    assert!(audit.skipped >= 3 && audit.audited >= 1, "{audit:?}");
    let (state, store) = recorded(dir.path()).unwrap();
    let trained = load(&dir.path().join(MODELS), &state.config_hash, &campaign.models).unwrap().unwrap();
    let seen: usize = trained.models.iter().flatten().map(|model| model.samples().len()).sum();
    assert_eq!(seen as u64, store.counts().recorded + 48 - audit.skipped);
    assert!(
        seen as u64
            == store.counts().recorded + decisions.iter().filter(|d| **d != Decision::Skip).count() as u64
    );

    let bad = Audit { skipped: 20, audited: 5, succeeded: 4 };
    assert!(!bad.trusts(0.01) && !bad.trusts(0.2) && bad.trusts(0.9));
    assert!(Audit::default().trusts(0.0) && Audit { audited: 500, ..bad }.rate().unwrap().0 == 0.008);
}

#[test]
fn what_cannot_be_learnt_from_is_refused() {
    let known = Known(curved, LITTLE);
    let campaign = campaign(60, "max_iterations: 1");
    // A design that is not complete.
    let dir = tempfile::tempdir().unwrap();
    let part = Options { conduct: Conduct::new(1), begin: Begin::Resume, part: Part { number: 1, of: 2 } };
    run(dir.path(), &campaign, CODE, &known, part, &AtomicBool::new(false), &mut |_| {}).unwrap();
    let error = learn_by(dir.path(), &campaign, &known, 1).unwrap_err();
    assert!(matches!(error, ActiveError::Incomplete { done: 30, samples: 60, .. }), "{error}");
    // Too few samples that were run.
    let few = self::campaign(20, "");
    let dir = designed(&few, &known);
    let error = learn_by(dir.path(), &few, &known, 1).unwrap_err();
    assert!(matches!(error, ActiveError::TooFew { least: 20, .. }), "{error}");
    // Other choices than it was begun with.
    let dir = designed(&campaign, &known);
    learn_by(dir.path(), &campaign, &known, 1).unwrap();
    let other = self::campaign(60, "max_iterations: 2, acquisition: randomised_straddle");
    let error = learn_by(dir.path(), &other, &known, 1).unwrap_err().to_string();
    assert!(error.contains("phase3.acquisition is \"uncertainty_reduction\" in the folder"), "{error}");
    fs::write(dir.path().join(CHOICES), "{").unwrap();
    let error = learn_by(dir.path(), &campaign, &known, 1).unwrap_err().to_string();
    assert!(error.contains(CHOICES), "{error}");
    // Another design.
    let text = campaign.document().to_string().replace("\"seed\":42", "\"seed\":1");
    let seed = Campaign::parse(&text, Path::new("")).unwrap();
    let error = train(dir.path(), &seed, CODE).unwrap_err();
    assert!(matches!(error, ActiveError::Campaign(_)) && error.to_string().contains("phase1.sampler.seed"));
}

#[test]
fn models_survive_their_file() {
    let known = Known(curved, LITTLE);
    let campaign = campaign(120, "");
    let dir = designed(&campaign, &known);
    let trained = train(dir.path(), &campaign, CODE).unwrap();
    let (state, store) = recorded(dir.path()).unwrap();
    let path = dir.path().join(MODELS);
    let back = load(&path, &state.config_hash, &campaign.models).unwrap().unwrap();
    let inputs = campaign.space.inputs(&[0.3; 9], Strategy::Blind);
    let [a, b] = [&trained, &back].map(|t| ask(t.model(Strategy::Blind).unwrap(), &campaign, &inputs));
    assert_eq!(a, b);
    assert_eq!((trained.validation, &trained.guardrail), (back.validation, &back.guardrail));
    assert!(load(&dir.path().join("none"), "", &campaign.models).unwrap().is_none());
    let refused = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        change(&mut value);
        let other = dir.path().join("other.json");
        fs::write(&other, value.to_string()).unwrap();
        load(&other, &state.config_hash, &campaign.models).unwrap_err().to_string()
    };
    assert!(refused(&|v| v["schema"] = 9.into()).contains("schema version 3"));
    assert!(refused(&|v| v["kind"] = 9.into()).contains("caligo models"));
    assert!(refused(&|v| v["config_hash"] = "0".into()).contains("configuration"));
    assert!(refused(&|v| v["strategies"][0]["strategy"] = "x".into()).contains("baseline or blind"));
    assert!(
        refused(&|v| v["strategies"][0]["model"]["clearances"] = serde_json::json!([1.0]))
            .contains("clearance")
    );
    assert!(refused(&|v| v["strategies"][0]["model"]["hyper"]["noise"] = (-1.0).into()).contains("positive"));
    let error = save(&dir.path().join("no/folder.json"), &trained, "").unwrap_err();
    assert!(matches!(error, ModelError::Io { .. }));
    // What was kept apart is a tenth.
    let data = Data::of(store.rows(), campaign.seed).unwrap();
    let apart = data.apart.ended.succeeded.len();
    assert!((4..=24).contains(&apart) && apart + data.training.ended.succeeded.len() == 120);
    let report = report::write(dir.path(), dir.path()).unwrap();
    assert_eq!(report.len(), 5);
    let manual = fs::read_to_string(&report[2]).unwrap();
    assert!(manual.contains("# Safety manual") && manual.contains("N_crit"), "{manual}");
}

/// Margins that no transfer has: the models say so, and what was done about it.
#[test]
fn implausible_models_are_recovered_from() {
    let wild = Known(|inputs| if inputs[3] > 0.995 { 40.0 } else { curved(inputs) }, LITTLE);
    let campaign = campaign(200, "");
    let dir = designed(&campaign, &wild);
    let trained = train(dir.path(), &campaign, CODE).unwrap();
    assert!(!trained.incidents.is_empty());
    assert!(trained.incidents.iter().any(|i| i.done.contains("prior")));
    assert!(trained.incidents.iter().any(|i| i.done.contains("left out")));
    let model = trained.model(Strategy::Baseline).unwrap();
    let answer = ask(model, &campaign, &campaign.space.inputs(&[0.5; 9], Strategy::Baseline));
    assert!(answer.clearance.abs() < 1.0, "{answer:?}");
    // Nothing but nonsense: the last good model stays.
    let (_, store) = recorded(dir.path()).unwrap();
    let mut data = Data::of(store.rows(), campaign.seed).unwrap();
    for samples in &mut data.training.samples {
        let clearances = samples.values.iter().enumerate();
        samples.values = clearances.map(|(i, _)| if i % 2 == 0 { 50.0 } else { -50.0 }).collect();
    }
    let after = Trained::new(&campaign, &data, &Learned::default(), Some(&trained));
    assert!(after.incidents.iter().any(|i| i.done.contains("last good model")), "{:?}", after.incidents);
    let kept = after.model(Strategy::Baseline).unwrap();
    assert_eq!(kept.hyper(), model.hyper());
}

#[test]
fn answers_say_what_is_known_and_what_is_not() {
    let known = Known(curved, LITTLE);
    let campaign = campaign(400, "");
    let dir = designed(&campaign, &known);
    let trained = train(dir.path(), &campaign, CODE).unwrap();
    let model = trained.model(Strategy::Baseline).unwrap();
    let mut inputs = campaign.space.inputs(&[0.5; 9], Strategy::Baseline);
    (inputs[0], inputs[3], inputs[7]) = (0.3, 0.97, 1e6);
    let answer = ask(model, &campaign, &inputs);
    // .4 + pairs/2 - .3 pairs^2 = .3 where pairs = -.1823: 65,700.
    let critical = answer.critical;
    let n = critical.pairs.unwrap();
    assert!((n / 65_700.0).ln().abs() < 0.15, "{n}");
    assert!(critical.low.unwrap() < n && n < critical.high.unwrap());
    assert!((answer.clearance - curved(&inputs)).abs() < 0.005 && answer.outside.is_empty());
    assert_eq!(answer.verdict, Verdict::Safe);
    inputs[3] = 0.91;
    assert_eq!(ask(model, &campaign, &inputs).verdict, Verdict::Unsafe);
    assert!(critical.run.unwrap() > critical.high.unwrap());

    // Where chance moves runs about the mean, knowing the mean is not enough.
    let known = Known(curved, 0.02);
    let dir = designed(&campaign, &known);
    let trained = train(dir.path(), &campaign, CODE).unwrap();
    let model = trained.model(Strategy::Baseline).unwrap();
    inputs[3] = 0.98;
    let critical = ask(model, &campaign, &inputs).critical;
    inputs[7] = (1.02 * critical.high.unwrap()) as f32;
    let answer = ask(model, &campaign, &inputs);
    assert!(
        answer.verdict == Verdict::Unclear && answer.interval.0 > 0.0 && answer.run.0 < 0.0,
        "{answer:?}"
    );
    inputs[7] = (1.02 * critical.run.unwrap()) as f32;
    let answer = ask(model, &campaign, &inputs);
    assert!(answer.verdict == Verdict::Safe && answer.probability > 0.975, "{answer:?}");
    // Two deviations of the noise, and what is not known of the mean.
    assert!((1.6..3.2).contains(&(curved(&inputs) / 0.02)), "{} {answer:?}", curved(&inputs));
    inputs[3] = 0.5;
    let answer = ask(model, &campaign, &inputs);
    assert!(answer.outside[0].contains("channel_fidelity is 0.5"), "{:?}", answer.outside);
}

/// What the estimate of the error rate does to a run is told apart from the device: the map gets sharp, and a run's chances are
/// those that runs have.
#[test]
fn chance_of_the_estimate_is_told_apart_from_the_device() {
    let chancy = Chancy(curved);
    let campaign = campaign(160, "");
    let dir = designed(&campaign, &chancy);
    let trained = train(dir.path(), &campaign, CODE).unwrap();
    let model = trained.model(Strategy::Baseline).unwrap();
    let rows: Vec<Row> = recorded(dir.path()).unwrap().1.rows().map(Result::unwrap).collect();
    let by_chance = |row: &Row| (COST * excess(row)).powi(2);
    let deviation = (rows.iter().map(by_chance).sum::<f64>() / rows.len() as f64).sqrt();
    let noise = model.hyper().noise.sqrt();
    assert!(deviation > 0.02 && noise < 0.2 * deviation, "{noise} of {deviation}");
    assert!(model.lengths()[EXCESS].is_some());
    let wrong = wrong(dir.path(), &campaign, curved);
    assert!(wrong < 0.02, "{wrong}");

    let mut inputs = campaign.space.inputs(&[0.5; 9], Strategy::Baseline);
    (inputs[0], inputs[3]) = (0.3, 0.97);
    for pairs in [5e4_f32, 8e4, 1.2e5, 3e5] {
        inputs[7] = pairs;
        let answer = ask(model, &campaign, &inputs);
        let count = 2000;
        let mut batch = Batch::default();
        Chosen::new(&campaign, 0, vec![inputs; count]).make((0..count as u64).collect(), &mut batch);
        let run = |row| chancy.execute(&batch.sample(row, &campaign.space).unwrap().unwrap()).unwrap();
        let succeeded = (0..count).filter(|&row| run(row).outcome == Outcome::Succeeded).count();
        let part = succeeded as f64 / count as f64;
        assert!((part - answer.probability).abs() < 0.06, "{pairs}: {part}, {answer:?}");
        assert!(answer.run.0 < answer.interval.0 && answer.interval.1 < answer.run.1, "{answer:?}");
    }
    // Enough is detected for some number of pairs to be sure.
    inputs[4] = 0.9;
    let critical = ask(model, &campaign, &inputs).critical;
    for (pairs, chance) in [(critical.pairs, 0.5), (critical.run, 0.975)] {
        inputs[7] = pairs.unwrap().round() as f32;
        let answer = ask(model, &campaign, &inputs);
        assert!((answer.probability - chance).abs() < 0.01, "{pairs:?}: {answer:?}");
    }
    // Told what the estimates showed, a map is hardly ever wrong about runs.
    let mut part = Learned::default();
    rows.iter().for_each(|row| part.push(row));
    let found = calls(model, Strategy::Baseline, &part.ended);
    assert!(found.told <= 0.02 && found.wrong >= found.told, "{found:?}");
}
