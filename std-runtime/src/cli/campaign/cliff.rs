//! `caligo-run campaign train`, `learn` and `ask`.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use caligo_core::security::{Pairs, Quantity};
use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::{Ending, FolderArgs, print, stop_on_signals, usage, workers};
use crate::campaign::batch::Chosen;
use crate::campaign::cliff::active::{self, Progress};
use crate::campaign::cliff::ask::{Answer, Critical, PAIRS, ask, verification};
use crate::campaign::cliff::data::{Part, STRATEGIES};
use crate::campaign::cliff::file::{self, MODELS};
use crate::campaign::cliff::model::Model;
use crate::campaign::cliff::train::{
    Calls, Discrimination, Trained, Validation, calls, discriminate, validate,
};
use crate::campaign::merge::{recorded, state_of};
use crate::campaign::pipeline::{Conduct, News, stream};
use crate::campaign::rows::Outcome;
use crate::campaign::run::CampaignError;
use crate::campaign::sample::{Runner, libraries};
use crate::campaign::space::{DIMENSIONS, Inputs, code};
use crate::campaign::state::CONFIG;
use crate::config::Strategy;
use crate::config::campaign::Campaign;
use crate::config::nsm::Parameters;
use crate::montecarlo::clopper_pearson;

/// Arguments of `campaign train`.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrainArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// YAML file of the campaign [default: the one that it was run with].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of another campaign, by whose samples the models are judged too.
    #[arg(long, value_name = "DIR")]
    against: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Arguments of `campaign learn`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LearnArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// YAML file of the campaign [default: the one that it was run with].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Iterations in all, instead of the file's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    iterations: Option<u64>,
    /// Threads [default: one for each processor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=4096))]
    workers: Option<u16>,
}

/// Arguments of `campaign ask`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AskArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// YAML file with the parameters, as `ot` and `bounds` read it.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// Run so many real samples there too.
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    verify: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The campaign in `dir`, by its own file unless there is another.
fn campaign_of(dir: &Path, config: Option<&Path>) -> anyhow::Result<Campaign> {
    // Whoever names a folder without a campaign is told that first.
    state_of(dir)?;
    let kept = dir.join(CONFIG);
    Ok(Campaign::read(config.unwrap_or(&kept))?)
}

pub(super) fn train(args: &TrainArgs) -> anyhow::Result<Ending> {
    let dir = args.folder.path();
    let campaign = campaign_of(dir, args.config.as_deref())?;
    let libraries = libraries();
    let runner = Runner::new(&campaign, &libraries)?;
    let mut other = Part::default();
    if let Some(dir) = &args.against {
        let same = |path: &Path| path.canonicalize().ok();
        if same(dir).is_some_and(|other| Some(other) == same(args.folder.path())) {
            let dir = dir.display();
            return Err(usage(format!(
                "--against {dir}: expected another campaign than the one that models learn from"
            )));
        }
        for row in recorded(dir)?.1.rows() {
            other.push(&row?);
        }
    }
    let trained = active::train(dir, &campaign, runner.code())?;
    let against = |of: usize| {
        let model = trained.models[of].as_ref().filter(|_| args.against.is_some())?;
        Some(validate(model, &other.samples[of]))
    };
    let judged = trained
        .guardrail
        .as_ref()
        .filter(|_| args.against.is_some())
        .map(|forest| discriminate(forest, &other, &campaign));
    let called = |of: usize| {
        let model = trained.models[of].as_ref().filter(|_| args.against.is_some())?;
        Some(calls(model, STRATEGIES[of], &other.ended))
    };
    print(&if args.json {
        let of = |of: usize| {
            let model = trained.models[of].as_ref();
            let samples = model.map(|model| model.samples().len());
            json!({ "samples": samples, "validation": trained.validation[of], "against": against(of), "calls": called(of), "lengths": model.map(Model::lengths) })
        };
        let value = json!({
            "models": dir.join(MODELS),
            "baseline": of(0),
            "blind": of(1),
            "guardrail": trained.discrimination,
            "guardrail_against": judged,
            "incidents": trained.incidents,
        });
        serde_json::to_string_pretty(&value)? + "\n"
    } else {
        describe(&trained, dir, &[0, 1].map(|of| against(of).zip(called(of))), judged)?
    })?;
    Ok(Ending::Success)
}

fn describe(
    trained: &Trained,
    dir: &Path,
    against: &[Option<(Validation, Calls)>; 2],
    judged: Option<Discrimination>,
) -> Result<String, std::fmt::Error> {
    let mut text = format!("models            {}\n", dir.join(MODELS).display());
    let shown = |value: Option<f64>, decimals: usize| {
        value.map_or_else(|| "-".to_owned(), |value| format!("{value:.decimals$}"))
    };
    for (of, strategy) in STRATEGIES.iter().enumerate() {
        let Some(model) = &trained.models[of] else {
            writeln!(text, "{strategy:<17} too few samples")?;
            continue;
        };
        let kind = if model.is_exact() { "exact" } else { "of nearest samples" };
        writeln!(text, "{strategy:<17} {} samples, {kind}", model.samples().len())?;
        for (name, v) in
            [("kept apart", Some(trained.validation[of])), ("the others", against[of].map(|(v, _)| v))]
        {
            let Some(v) = v else { continue };
            writeln!(
                text,
                "  {name:<15} {}: RMSE {} of a spread of {} bits a bit of a set, sign right in {}",
                v.samples,
                shown(v.rmse, 5),
                shown(v.spread, 5),
                shown(v.signs, 4)
            )?;
            let [half, most, nearly] = v.coverage.map(|part| shown(part, 3));
            writeln!(
                text,
                "    intervals     50 %: {half}, 90 %: {most}, 95 %: {nearly}; -log density {}",
                shown(v.nlpd, 3)
            )?;
        }
        if let Some((_, c)) = against[of] {
            writeln!(
                text,
                "    calls         {} points, {} runs: {:.2} % end otherwise than called, at least {:.2} % of any map; {:.2} % \
                 where the estimate is told",
                c.points,
                c.runs,
                100.0 * c.wrong,
                100.0 * c.least,
                100.0 * c.told
            )?;
        }
    }
    if trained.guardrail.is_none() {
        writeln!(text, "guardrail         none: all samples ended alike")?;
    }
    let of = trained.guardrail.as_ref().map(|_| trained.discrimination);
    for (name, d) in [("guardrail", of), ("  the others", judged)] {
        let Some(d) = d else { continue };
        let (low, high) = clopper_pearson(d.false_skips, d.skipped.max(1), 0.95);
        writeln!(
            text,
            "{name:<17} AUC {}, Brier {}; would skip {} of {}, {} of them falsely (95 %: {:.2} to {:.2} %)",
            shown(d.auc, 4),
            shown(d.brier, 4),
            d.skipped,
            d.samples,
            d.false_skips,
            100.0 * low,
            100.0 * high
        )?;
    }
    for incident in &trained.incidents {
        writeln!(text, "{:<17} {}: {}", incident.strategy, incident.seen, incident.done)?;
    }
    Ok(text)
}

pub(super) fn learn(args: &LearnArgs) -> anyhow::Result<Ending> {
    let dir = args.folder.path();
    let mut campaign = campaign_of(dir, args.config.as_deref())?;
    if let Some(iterations) = args.iterations {
        campaign.active.iterations = iterations;
    }
    let libraries = libraries();
    let runner = Runner::new(&campaign, &libraries)?.of_chosen();
    let stop = stop_on_signals()?;
    let conduct = Conduct::new(workers(args.workers));
    let mut tell = |progress: &Progress| {
        let doubt = progress.doubt.iter().flatten().fold(0.0_f64, |most, &doubt| most.max(doubt));
        eprintln!(
            "caligo-run: iteration {}/{}, chosen in {:.2} s, {:.3} % of the space expected to be called wrong",
            progress.iterations,
            progress.target,
            progress.seconds,
            100.0 * doubt
        );
    };
    let (ending, progress) =
        active::learn(dir, &campaign, runner.code(), &runner, conduct, &stop, &mut tell)?;
    let why = match ending {
        active::Ending::Iterations => "complete",
        active::Ending::Certain => "certain enough",
        active::Ending::Stopped => "stopped; run it again to go on",
    };
    print(&format!(
        "learning          {why}\n  {} iterations\n  {}\n",
        progress.iterations,
        dir.join(MODELS).display()
    ))?;
    Ok(Ending::Success)
}

/// What real samples say.
#[derive(Debug, Serialize)]
struct Verified {
    samples: u64,
    succeeded: u64,
    /// 95 %.
    interval: (f64, f64),
    /// Mean clearance of those that have one.
    clearance: Option<f64>,
    infrastructure_failures: u64,
}

pub(super) fn ask_campaign(args: &AskArgs) -> anyhow::Result<Ending> {
    let dir = args.folder.path();
    let campaign = campaign_of(dir, None)?;
    let parameters = Parameters::read(&args.params)?;
    let hash = state_of(dir)?.config_hash;
    let path = dir.join(MODELS);
    let Some(trained) = file::load(&path, &hash, &campaign.models)? else {
        anyhow::bail!("{}: expected models; make them with campaign train or learn", path.display());
    };
    let record = parameters.nsm.record();
    let named = |pairs| if pairs == Pairs::Heralded { "heralded" } else { "emitted" };
    if record.pairs != campaign.space.pairs {
        anyhow::bail!(
            "{}: nsm.pairs: expected {}, as in the campaign, found {}",
            args.params.display(),
            named(campaign.space.pairs),
            named(record.pairs)
        );
    }
    let strategy = Strategy::from(record.strategy);
    let Some(model) = trained.model(strategy) else {
        anyhow::bail!("nsm.strategy: expected one that the campaign has a model of, found {strategy}");
    };
    let inputs = inputs_of(&parameters, strategy);
    let answer = ask(model, &campaign, &inputs);
    let guardrail = trained.guardrail.as_ref().map(|forest| forest.probability(&inputs.map(f64::from)));
    let verified = (args.verify > 0).then(|| verify(&campaign, &inputs, args.verify)).transpose()?;
    if parameters.targets != *campaign.targets() {
        let path = args.params.display();
        eprintln!("caligo-run: {path}: section security is not used, for the campaign has another one");
    }
    print(&if args.json {
        let value = json!({ "strategy": strategy.to_string(), "answer": answer, "guardrail": guardrail, "verified": verified });
        serde_json::to_string_pretty(&value)? + "\n"
    } else {
        answer_text(
            strategy,
            &answer,
            guardrail,
            verified.as_ref(),
            model.samples().len(),
            campaign.space.axes[PAIRS].low,
        )?
    })?;
    Ok(Ending::Success)
}

fn inputs_of(parameters: &Parameters, strategy: Strategy) -> Inputs {
    let record = parameters.nsm.record();
    let mut inputs = [code(strategy); DIMENSIONS];
    let of = |quantity: Quantity| match quantity {
        Quantity::StorageNoise => parameters.nsm.memory().noise(),
        Quantity::StorageRate => record.storage_rate_nu,
        Quantity::WaitingTime => record.delta_t_ns as f64,
        Quantity::Fidelity => record.channel_fidelity,
        Quantity::Efficiency => record.detection_eff_eta,
        Quantity::DetectorError => record.detector_error,
        Quantity::DarkCounts => record.dark_count_prob,
        _ => record.num_pairs as f64,
    };
    for (input, dimension) in inputs.iter_mut().zip(&crate::campaign::space::TABLE) {
        *input = of(dimension.quantity) as f32;
    }
    inputs
}

fn verify(campaign: &Campaign, inputs: &Inputs, count: u64) -> anyhow::Result<Verified> {
    let libraries = libraries();
    let runner = Runner::new(campaign, &libraries)?.of_chosen();
    let indices = verification(count);
    let source = Chosen::new(campaign, indices.start, vec![*inputs; count as usize]);
    let mut found = Verified {
        samples: 0,
        succeeded: 0,
        interval: (0.0, 1.0),
        clearance: None,
        infrastructure_failures: 0,
    };
    let mut clearances = Vec::new();
    let conduct = Conduct::new(workers(None));
    stream(std::iter::once(indices), &source, &runner, conduct, &AtomicBool::new(false), |news| {
        if let News::Row(row) = news {
            match row.outcome {
                Outcome::Succeeded => found.succeeded += 1,
                Outcome::Infrastructure => found.infrastructure_failures += 1,
                Outcome::Failed | Outcome::Skipped => {}
            }
            found.samples += u64::from(row.outcome != Outcome::Infrastructure);
            // Sums in the order of samples are the same however many threads there are.
            clearances.push((row.index, row.clearance));
        }
        Ok::<_, CampaignError>(())
    })?;
    clearances.retain(|(_, clearance)| clearance.is_finite());
    clearances.sort_by_key(|(index, _)| *index);
    let sum: f64 = clearances.iter().map(|(_, clearance)| f64::from(*clearance)).sum();
    found.clearance = (!clearances.is_empty()).then(|| sum / clearances.len() as f64);
    if found.samples > 0 {
        found.interval = clopper_pearson(found.succeeded, found.samples, 0.95);
    }
    Ok(found)
}

fn answer_text(
    strategy: Strategy,
    answer: &Answer,
    guardrail: Option<f64>,
    verified: Option<&Verified>,
    samples: usize,
    least: f64,
) -> Result<String, std::fmt::Error> {
    let Answer { verdict, clearance, interval: (low, high), run, probability, critical, outside } = answer;
    let mut text = format!("verdict           {}\n", verdict.name());
    writeln!(
        text,
        "clearance         {clearance:.5} bits a bit of a set (95 %: {low:.5} to {high:.5}), {strategy}, by {samples} samples"
    )?;
    writeln!(
        text,
        "  of a run        {:.5} to {:.5} (95 %), above 0 with probability {probability:.4}",
        run.0, run.1
    )?;
    if let Some(guardrail) = guardrail {
        writeln!(text, "  success         with probability {guardrail:.4}, by the forest of the guardrail")?;
    }
    let pairs = |n: Option<f64>| match n {
        None => "more than were sampled".to_owned(),
        Some(n) if n <= least => format!("at most {n:.0}"),
        Some(n) => format!("{n:.0}"),
    };
    let Critical { pairs: middle, low, high, run } = *critical;
    writeln!(text, "pairs             {} (95 %: {} to {})", pairs(middle), pairs(low), pairs(high))?;
    writeln!(text, "  for 39 in 40    {}", pairs(run))?;
    if let Some(v) = verified {
        let (low, high) = v.interval;
        writeln!(
            text,
            "real samples      {} of {} succeeded (95 %: {low:.4} to {high:.4})",
            v.succeeded, v.samples
        )?;
        if let Some(clearance) = v.clearance {
            writeln!(text, "  mean clearance  {clearance:.5} bits a bit of a set")?;
        }
        if v.infrastructure_failures > 0 {
            writeln!(text, "  no result       {}", v.infrastructure_failures)?;
        }
    }
    for what in outside {
        writeln!(text, "outside           {what}: the answer is a guess")?;
    }
    Ok(text)
}
