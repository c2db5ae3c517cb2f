//! `caligo-run fer`.

use std::fmt::Write;

use anyhow::Context;
use caligo_core::bits::words_for;
use caligo_core::puncture;
use clap::{ArgGroup, Args};

use super::{CodeArgs, EffortArgs, Ending, parse_probability, parse_qber, print, progress_bar};
use crate::montecarlo::{self, Run};

/// Arguments of `fer`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("pattern").required(true).multiple(true).args(["rate", "punctured", "shortened"])))]
pub(super) struct FerArgs {
    /// Code rate; reached by puncturing above the mother code's, by shortening below.
    #[arg(long, value_name = "R", value_parser = parse_probability, conflicts_with_all = ["punctured", "shortened"])]
    rate: Option<f64>,
    /// Punctured positions.
    #[arg(long, value_name = "P")]
    punctured: Option<usize>,
    /// Shortened positions.
    #[arg(long, value_name = "S")]
    shortened: Option<usize>,
    /// Error rate of the channel.
    #[arg(long, value_name = "Q", allow_negative_numbers = true, value_parser = parse_qber)]
    qber: f64,
    #[command(flatten)]
    effort: EffortArgs,
    /// Frames at most.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..))]
    frames: u64,
    /// Stop once so many frame errors have been seen (counted in rounds of 256 frames).
    #[arg(long, value_name = "E", value_parser = clap::value_parser!(u64).range(1..))]
    errors: Option<u64>,
    /// Seed.
    #[arg(long, value_name = "K", default_value_t = 1)]
    seed: u64,
    /// Print JSON.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print CSV with a header.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    code: CodeArgs,
}

pub(super) fn run(args: &FerArgs) -> anyhow::Result<Ending> {
    let library = args.code.load()?;
    let code = library.code()?;
    let (n, m) = (code.n(), code.m());
    let (p, s) = match args.rate {
        Some(rate) => (puncture::punctured_for(n, m, rate), puncture::shortened_only_for(n, m, rate)),
        None => (args.punctured.unwrap_or(0), args.shortened.unwrap_or(0)),
    };
    let (mut a, mut b) = (vec![0; words_for(n)], vec![0; words_for(n)]);
    let pattern = library.order()?.pattern(p, s, &mut a, &mut b).context("pattern")?;
    let run = Run {
        code,
        pattern,
        leak: library.rank() - library.padding_rank(p),
        qber: args.qber,
        effort: args.effort.effort(),
        frames: args.frames,
        errors: args.errors.unwrap_or(u64::MAX),
        seed: args.seed,
    };
    let bar = progress_bar(args.frames, "frames");
    let tally = montecarlo::run(&run, |tally| {
        bar.set_position(tally.frames);
        bar.set_message(format!("{} errors", tally.frame_errors));
    })?;
    bar.finish_and_clear();
    let report = montecarlo::report(&run, &tally);
    let mut out = String::new();
    if args.json {
        print(&(serde_json::to_string_pretty(&report)? + "\n"))?;
        return Ok(Ending::Success);
    }
    let optional = |f: Option<f64>| f.map_or_else(|| "-".to_owned(), |f| format!("{f:.4}"));
    if args.csv {
        writeln!(
            out,
            "rate,punctured,shortened,qber,decoder,frames,frame_errors,fer,fer_low,fer_high,undetected,\
             iterations_mean,f,f_limit,mbit_per_s"
        )?;
        writeln!(
            out,
            "{},{},{},{},{},{},{},{:e},{:e},{:e},{},{},{},{},{:.3}",
            report.rate,
            report.punctured,
            report.shortened,
            report.qber,
            report.decoder,
            report.frames,
            report.frame_errors,
            report.fer,
            report.fer_low,
            report.fer_high,
            report.undetected,
            report.iterations_mean,
            report.f.map_or(String::new(), |f| f.to_string()),
            report.f_limit.map_or(String::new(), |f| f.to_string()),
            report.mbit_per_s
        )?;
        print(&out)?;
        return Ok(Ending::Success);
    }
    writeln!(
        out,
        "rate              {:.4} (punctured {p}, shortened {s}, payload {})",
        report.rate,
        pattern.payload()
    )?;
    writeln!(out, "QBER              {}", report.qber)?;
    writeln!(out, "frames            {}", report.frames)?;
    writeln!(out, "frame errors      {} ({} undetected)", report.frame_errors, report.undetected)?;
    writeln!(
        out,
        "FER               {:.3e} (95 %: {:.3e} to {:.3e})",
        report.fer, report.fer_low, report.fer_high
    )?;
    writeln!(out, "efficiency f      {} (no code below {})", optional(report.f), optional(report.f_limit))?;
    writeln!(out, "iterations        {:.2} a frame", report.iterations_mean)?;
    writeln!(out, "throughput        {:.1} Mbit/s a core", report.mbit_per_s)?;
    print(&out)?;
    Ok(Ending::Success)
}
