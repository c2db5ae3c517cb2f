//! `caligo-run qkd`.

use std::fmt::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::transfer::describe_traffic;
use super::{CodeArgs, EffortArgs, Ending, PolicyArg, distinct, out_format, print, progress_bar, usage};
use crate::channel::pairs::Recorded;
use crate::config::Strategy;
use crate::config::qkd::Parameters;
use crate::keyfile::{self, Format, Key};
use crate::qkd::host::HostReport;
use crate::qkd::local::{Randomness, Run};
use crate::qkd::report::{Report, Summary};
use crate::qkd::{Config, QkdError, Stage, choose};

/// Arguments of `qkd`.
#[derive(Debug, Args)]
pub(super) struct QkdArgs {
    /// YAML file with the parameters.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// How to correct errors [default: the file's, or baseline].
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Key distributions.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: u64,
    /// Seed of the pairs and of both parties' randomness [default: 1, or the operating system's randomness with
    /// --pairs].
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Recording (.npy) instead of simulated pairs, all its rounds.
    #[arg(long, value_name = "FILE", conflicts_with = "count")]
    pairs: Option<PathBuf>,
    /// Where to write Alice's key, of a single key distribution.
    #[arg(long, value_name = "FILE")]
    alice_out: Option<PathBuf>,
    /// Where to write Bob's.
    #[arg(long, value_name = "FILE")]
    bob_out: Option<PathBuf>,
    /// Format of these files [default: npy for names that end so, bytes for others].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How disclosures are charged [default: exact].
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    #[command(flatten)]
    effort: EffortArgs,
    #[command(flatten)]
    code: CodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl QkdArgs {
    fn outs(&self) -> [(&'static str, Option<&Path>); 2] {
        [("--alice-out", self.alice_out.as_deref()), ("--bob-out", self.bob_out.as_deref())]
    }

    /// Refuses files that would be lost, or take the place of others.
    fn check(&self) -> anyhow::Result<()> {
        let outs: Vec<(&str, PathBuf)> =
            self.outs().into_iter().filter_map(|(flag, path)| Some((flag, path?.to_owned()))).collect();
        if let (Some((flag, _)), true) = (outs.first(), self.count > 1) {
            return Err(usage(format!(
                "{flag}: expected a single key distribution, found --count {}",
                self.count
            )));
        }
        let inputs = [("--params", Some(&self.params)), ("--pairs", self.pairs.as_ref())];
        let inputs = inputs.into_iter().filter_map(|(flag, path)| Some((flag, path?.clone())));
        distinct(&inputs.chain(outs.iter().cloned()).collect::<Vec<_>>())?;
        outs.iter().try_for_each(|(_, path)| keyfile::check(path))?;
        Ok(())
    }

    fn parameters(&self) -> anyhow::Result<Parameters> {
        let parameters = Parameters::read(&self.params)?;
        Ok(Parameters { strategy: self.strategy.unwrap_or(parameters.strategy), ..parameters })
    }
}

pub(super) fn run(args: &QkdArgs) -> anyhow::Result<Ending> {
    args.check()?;
    let mut parameters = args.parameters()?;
    let recording =
        args.pairs.as_deref().map(|path| Ok::<_, QkdError>((path, Recorded::open(path)?))).transpose()?;
    if let Some((path, recorded)) = &recording {
        let found = recorded.len();
        parameters = parameters.with_rounds(found).ok_or_else(|| QkdError::Empty(path.to_path_buf()))?;
    }
    let file = || args.params.display().to_string();
    let library = args.code.load_or_choose(|| choose(&parameters)).with_context(file)?;
    let config = Config {
        parameters,
        policy: args.policy.map_or_else(Default::default, Into::into),
        effort: args.effort.effort(),
    };
    let stage = Stage::new(&library, config).with_context(file)?;
    let equal = |run: &Run| run.end.as_ref().ok().filter(|end| end.equal).map(|end| end.keys.clone());
    let mut keys: Option<[Key; 2]> = None;
    let summary = if let Some((_, recorded)) = recording {
        let randomness = args.seed.map_or(Randomness::System, Randomness::Seeded);
        let run = stage.recorded(recorded, randomness)?;
        let mut summary = Summary::new(&stage);
        summary.add(&run);
        keys = equal(&run);
        summary
    } else {
        let bar = progress_bar(args.count, "runs");
        let seed = args.seed.unwrap_or(1);
        let summary = stage.simulate_all(seed, args.count, |run| keys = equal(run), |done| bar.inc(done))?;
        bar.finish_and_clear();
        summary
    };
    let files: Vec<_> = args
        .outs()
        .into_iter()
        .zip(keys.iter().flatten())
        .filter_map(|((_, path), key)| {
            path.map(|path| (path, key, out_format(path, args.format, Format::Bytes)))
        })
        .collect();
    keyfile::write_all(&files)?;
    let report = summary.report();
    for (name, reason) in &report.reasons {
        eprintln!("caligo-run: {} ended early: {reason}", report.aborts.get(name).copied().unwrap_or(0));
    }
    print(&if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { describe(&report)? })?;
    Ok(if report.succeeded > 0 && report.wrong == Some(0) { Ending::Success } else { Ending::Failure })
}

fn describe(r: &Report) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    writeln!(
        out,
        "runs              {}, {} gave a key, {} of these a wrong one (expected none)",
        r.runs,
        r.succeeded,
        r.wrong.unwrap_or(0)
    )?;
    for (name, count) in &r.aborts {
        writeln!(out, "  {name:<15} {count}")?;
    }
    describe_figures(out, r)?;
    Ok(text)
}

/// What one party knows, with its names in a column.
pub(super) fn describe_host(r: &HostReport, seconds: f64) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    writeln!(out, "key distribution  done")?;
    if r.dealt {
        writeln!(out, "a rehearsal       Alice dealt Bob his rounds in the clear, so the key is no secret")?;
    }
    describe_figures(out, &r.report)?;
    describe_traffic(out, &r.traffic)?;
    writeln!(out, "time              {seconds:.3} s")?;
    Ok(text)
}

fn describe_figures(out: &mut String, r: &Report) -> fmt::Result {
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.6}"));
    let bits = |bits: Option<f64>| bits.map_or_else(|| "-".to_owned(), |bits| format!("{bits:.1}"));
    let c = &r.counts;
    writeln!(out, "rounds            {}", c.rounds)?;
    if let Some(detected) = c.alice_detected {
        writeln!(out, "  Alice detected  {detected}")?;
    }
    writeln!(out, "  Bob detected    {}", c.bob_detected)?;
    writeln!(out, "  both detected   {}", c.both_detected)?;
    writeln!(out, "  equal bases     {}: {} Z, {} X", c.sifted, c.sifted_z, c.sifted_x)?;
    writeln!(out, "  disclosed       {}, {} errors", c.tested, c.errors)?;
    writeln!(out, "  sifted key      {}", c.key_bits)?;
    writeln!(
        out,
        "QBER              observed {} (Z {}, X {}), expected {:.6}",
        rate(r.qber_observed),
        rate(r.tests.z.rate),
        rate(r.tests.x.rate),
        r.qber_expected
    )?;
    let k = &r.leakage.by_kind;
    writeln!(
        out,
        "reconciliation    {}, code of {} bits: {} blocks, {} bits verified, {} left out",
        r.strategy, r.code, c.blocks, c.verified, c.dropped
    )?;
    writeln!(
        out,
        "  leakage         {} bits charged ({}): syndrome {}, reveal {}, tag {}",
        r.leakage.charged, r.policy, k.syndrome, k.reveal, k.tag
    )?;
    writeln!(out, "  efficiency f    {}", rate(r.f))?;
    let b = &r.budget;
    writeln!(out, "budget in bits{}", if r.runs > 1 { ", means over keys" } else { "" })?;
    writeln!(
        out,
        "  phase errors    at most {} (key bits of Z), {} (X)",
        rate(b.phase_error_z),
        rate(b.phase_error_x)
    )?;
    writeln!(out, "  min-entropy     {}", bits(b.min_entropy_bits))?;
    writeln!(out, "  left out        {}", bits(b.dropped_bits))?;
    writeln!(out, "  leak            {}", bits(b.leak_bits))?;
    writeln!(out, "  hashing         {}", bits(b.hashing_bits))?;
    writeln!(out, "  left            {}", bits(b.surplus_bits))?;
    match (r.length_least, r.length_most) {
        (Some(least), Some(most)) if r.runs > 1 => {
            writeln!(out, "key               {} bits, {least} to {most}", bits(r.length))?;
        }
        (Some(length), _) => writeln!(out, "key               {length} bits")?,
        _ => writeln!(out, "key               none")?,
    }
    writeln!(out, "  of the rounds   {:.6}", r.secret_fraction_per_pair)?;
    writeln!(out, "  of equal bases  {}", rate(r.secret_fraction_per_sifted))?;
    if let Some(bound) = r.undetected_log2 {
        writeln!(out, "  wrong           with probability below 2^{bound:.1}")?;
    }
    Ok(())
}
