//! `caligo-run pairs`.

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use caligo_core::security::Quantity;
use clap::{ArgGroup, Args};

use super::{Ending, distinct, print, progress_bar, usage};
use crate::channel::pairs::{
    Counts, ErrorFigures, PairSource, Recorded, Recorder, Report, Simulated, SourceError,
};
use crate::config::nsm::Parameters;
use crate::keyfile::{Access, replace};

/// Arguments of `pairs`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").required(true).multiple(true).args(["params", "pairs"])))]
pub(super) struct PairsArgs {
    /// YAML file with the parameters: what to simulate, or what a recording is compared with.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Recording (.npy) to count instead.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["count", "seed", "out"])]
    pairs: Option<PathBuf>,
    /// Rounds to simulate [default: num_pairs of the parameters].
    #[arg(long, value_name = "N", value_parser = parse_count)]
    count: Option<u64>,
    /// Seed [default: 1].
    #[arg(long, value_name = "K")]
    seed: Option<u64>,
    /// File for the recording of the simulated rounds (.npy).
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// As many as a parameter file may ask for.
fn parse_count(text: &str) -> Result<u64, String> {
    let range = Quantity::Pairs.range();
    text.parse().ok().filter(|&count: &u64| range.contains(count as f64)).ok_or(format!("expected {range}"))
}

pub(super) fn run(args: &PairsArgs) -> anyhow::Result<Ending> {
    if let (Some(params), Some(out)) = (&args.params, &args.out) {
        distinct(&[("--params", params.clone()), ("--out", out.clone())])?;
    }
    let parameters = args.params.as_deref().map(Parameters::read).transpose()?.map(|p| p.nsm);
    let counts = match (&args.pairs, &parameters) {
        (Some(path), _) => recorded(path)?,
        (None, Some(model)) => {
            let count = args.count.unwrap_or(model.record().num_pairs);
            let source = Simulated::new(model, count, args.seed.unwrap_or(1));
            if let Some(out) = &args.out {
                write(source, count, out)?
            } else {
                let bar = progress_bar(count, "rounds");
                let counts = Counts::of_simulated(&source, |rounds| bar.inc(rounds));
                bar.finish_and_clear();
                counts
            }
        }
        // The group of arguments requires one of the two.
        (None, None) => return Err(usage("expected --params or --pairs")),
    };
    let report = Report::of(&counts, parameters.as_ref());
    print(&if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report)? })?;
    Ok(Ending::Success)
}

fn recorded(path: &Path) -> Result<Counts, SourceError> {
    let mut source = Recorded::open(path)?;
    let bar = progress_bar(source.len(), "rounds");
    let mut counts = Counts::default();
    while let Some(rounds) = source.rounds()? {
        counts += Counts::of(&rounds);
        bar.set_position(counts.rounds);
    }
    bar.finish_and_clear();
    Ok(counts)
}

/// Counts what it writes. Only the owner may read the file: it has the values of both sides.
fn write(mut source: Simulated, count: u64, path: &Path) -> Result<Counts, SourceError> {
    let bar = progress_bar(count, "rounds");
    let mut counts = Counts::default();
    replace(path, Access::Private, |out| {
        let mut recorder = Recorder::new(out, count)?;
        while let Some(rounds) = source.rounds().map_err(io::Error::other)? {
            recorder.write(&rounds)?;
            counts += Counts::of(&rounds);
            bar.set_position(counts.rounds);
        }
        recorder.finish()
    })
    .map_err(|source| SourceError::Io { path: path.to_owned(), source })?;
    bar.finish_and_clear();
    Ok(counts)
}

/// Counts, rates, and in brackets what the model expects.
fn table(report: &Report) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let rate = |rate: Option<f64>| rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.4e}"));
    let expected = |mean: Option<String>, sigmas: Option<f64>| match (mean, sigmas) {
        (Some(mean), Some(sigmas)) => format!("  [expected {mean}, {sigmas:+.1} sigma]"),
        (Some(mean), None) => format!("  [expected {mean}: NOT POSSIBLE by the model]"),
        (None, _) => String::new(),
    };
    let model = report.expected.as_ref();
    writeln!(out, "rounds            {}", report.rounds)?;
    writeln!(out, "Alice clicked     {}", report.alice_clicks)?;
    writeln!(out, "Bob clicked       {}", report.bob_clicks)?;
    writeln!(
        out,
        "coincidences      {}, {} of the rounds{}",
        report.coincidences,
        rate(report.coincidence_yield),
        expected(model.map(|m| rate(Some(m.coincidence_yield))), model.and_then(|m| m.coincidence_sigmas))
    )?;
    writeln!(
        out,
        "equal bases       {}, {} of the rounds{}",
        report.sifted,
        rate(report.sifted_rate),
        expected(model.map(|m| rate(Some(m.sifted_rate))), model.and_then(|m| m.sifted_sigmas))
    )?;
    let errors = |figures: &ErrorFigures| {
        let interval = match (figures.low, figures.high) {
            (Some(low), Some(high)) => format!(" (95 %: {low:.6} to {high:.6})"),
            _ => String::new(),
        };
        let rate = figures.rate.map_or_else(|| "-".to_owned(), |rate| format!("{rate:.6}"));
        format!("{rate}{interval}, {} of {}", figures.errors, figures.bits)
    };
    writeln!(
        out,
        "QBER              {}{}",
        errors(&report.qber),
        expected(model.map(|m| format!("{:.6}", m.qber)), model.and_then(|m| m.qber_sigmas))
    )?;
    writeln!(out, "  in basis Z      {}", errors(&report.qber_z))?;
    writeln!(out, "  in basis X      {}", errors(&report.qber_x))?;
    writeln!(out, "different bases   {} differ", errors(&report.different_bases))?;
    Ok(out)
}
