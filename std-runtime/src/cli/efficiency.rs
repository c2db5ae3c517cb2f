//! `caligo-run efficiency`.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::{CodeArgs, EffortArgs, Ending, RestartArg, parse_qber, parse_target, print, progress_bar, usage};
use crate::config::Strategy;
use crate::efficiency::{self, Row};
use crate::keyfile::{self, Access};
use crate::session::local::Config;

/// What the parties believe the error rate to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Prior {
    Same,
    Unknown,
    Given(f64),
}

fn parse_prior(text: &str) -> Result<Prior, String> {
    match text {
        "same" => Ok(Prior::Same),
        "none" => Ok(Prior::Unknown),
        _ => parse_qber(text).map(Prior::Given).map_err(|error| format!("{error}, `same` or `none`")),
    }
}

fn parse_positive_qber(text: &str) -> Result<f64, String> {
    super::in_range(text, "a QBER, a number above 0 and below 0.5", |q| q > 0.0 && q < 0.5)
}

/// Arguments of `efficiency`.
#[derive(Debug, Args)]
pub(super) struct EfficiencyArgs {
    /// Strategies, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "blind")]
    strategy: Vec<Strategy>,
    /// Disclosures of a block at most, the syndrome included [default: 3 baseline, 10 blind, 32 symmetric].
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u8).range(1..=64))]
    rounds: Option<u8>,
    /// Error rates of the channel, separated by commas.
    #[arg(long, value_name = "Q1,Q2,..", value_delimiter = ',', default_value = "0.02,0.03,0.05,0.08", value_parser = parse_positive_qber)]
    qber: Vec<f64>,
    /// Error rate the blocks are planned for: a number, `same` as the channel's, or `none`.
    #[arg(long, value_name = "Q|same|none", default_value = "same", value_parser = parse_prior)]
    prior: Prior,
    /// Frame error rate to plan for [default: 0.01 baseline, 0.001 others].
    #[arg(long, value_name = "FER", value_parser = parse_target)]
    target_fer: Option<f64>,
    /// Blocks for each row.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Seed.
    #[arg(long, value_name = "K", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    effort: EffortArgs,
    /// What the decoder does after a reveal.
    #[arg(long, value_enum, default_value_t = RestartArg::Hot)]
    restart: RestartArg,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a header.
    #[arg(long)]
    csv: bool,
    /// Write a plot of f against QBER, with the finite-length limit.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    code: CodeArgs,
}

pub(super) fn run(args: &EfficiencyArgs) -> anyhow::Result<Ending> {
    let library = args.code.load()?;
    if args.prior == Prior::Unknown && args.strategy.contains(&Strategy::Baseline) {
        return Err(usage("--prior: expected an error rate or `same` for baseline, found none"));
    }
    let bar = progress_bar((args.strategy.len() * args.qber.len()) as u64 * args.frames, "blocks");
    let mut rows = Vec::new();
    for &strategy in &args.strategy {
        let defaults = Config::of(strategy);
        let config = Config {
            rounds: args.rounds.unwrap_or(defaults.rounds),
            target_fer: args.target_fer.unwrap_or(defaults.target_fer),
            effort: args.effort.effort(),
            restart: args.restart.into(),
            ..defaults
        };
        for &qber in &args.qber {
            let prior = match args.prior {
                Prior::Same => Some(qber),
                Prior::Unknown => None,
                Prior::Given(prior) => Some(prior),
            };
            let row = efficiency::measure(&library, &config, qber, prior, args.frames, args.seed, |done| {
                bar.inc(done);
            });
            rows.push(row.with_context(|| format!("QBER {qber}"))?);
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.svg {
        let svg = crate::plot::efficiency(&rows)?;
        keyfile::replace(path, Access::Shared, |out| out.write_all(svg.as_bytes()))
            .with_context(|| path.display().to_string())?;
    }
    let text = if args.json {
        serde_json::to_string_pretty(&rows)? + "\n"
    } else if args.csv {
        csv(&rows)?
    } else {
        table(&rows)?
    };
    print(&text)?;
    Ok(Ending::Success)
}

fn csv(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "strategy,rounds,qber,prior,frames,payload,f_mean,f_with_tag,fer,fer_low,fer_high,rounds_mean,\
         revealed_mean,iterations_mean,caught,undetected,f_one_way_limit\n",
    );
    let or_empty = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
    for r in rows {
        writeln!(
            out,
            "{},{},{},{},{},{},{:.5},{:.5},{:e},{:e},{:e},{:.4},{:.3},{:.3},{},{},{}",
            r.strategy,
            r.rounds,
            r.qber,
            or_empty(r.prior),
            r.frames,
            r.payload,
            r.f_mean,
            r.f_with_tag,
            r.fer,
            r.fer_low,
            r.fer_high,
            r.rounds_mean,
            r.revealed_mean,
            r.iterations_mean,
            r.caught,
            r.undetected,
            r.f_one_way_limit.map_or_else(String::new, |f| format!("{f:.5}")),
        )?;
    }
    Ok(out)
}

fn table(rows: &[Row]) -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "strategy   rounds  QBER    prior   frames  f       with tag  FER       below     rounds  revealed  wrong\n",
    );
    for r in rows {
        let prior = r.prior.map_or_else(|| "none".to_owned(), |p| p.to_string());
        writeln!(
            out,
            "{:<10} {:<7} {:<7} {:<7} {:<7} {:<7.4} {:<9.4} {:<9.2e} {:<9.2e} {:<7.2} {:<9.1} {}",
            r.strategy.to_string(),
            r.rounds,
            r.qber,
            prior,
            r.frames,
            r.f_mean,
            r.f_with_tag,
            r.fer,
            r.fer_high,
            r.rounds_mean,
            r.revealed_mean,
            r.undetected
        )?;
    }
    Ok(out)
}
