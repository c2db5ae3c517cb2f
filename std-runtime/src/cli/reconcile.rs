//! `caligo-run reconcile`.

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use serde::Serialize;

use super::{CodeArgs, EffortArgs, Ending, parse_efficiency, parse_qber, parse_target, print, progress_bar};
use crate::keyfile::{self, Format};
use crate::session::local::{self, Config, QberSource};
use crate::session::report::Report;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Strategy {
    /// One syndrome a block at a rate chosen for the QBER (Elkouss et al. 2010).
    Baseline,
}

/// Arguments of `reconcile`.
#[derive(Debug, Args)]
pub(super) struct ReconcileArgs {
    /// Alice's key file, the reference.
    #[arg(long, value_name = "FILE")]
    alice: PathBuf,
    /// Bob's key file, with errors.
    #[arg(long, value_name = "FILE")]
    bob: PathBuf,
    /// Where to write Bob's corrected key.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write the same positions of Alice's key, in its format: what is left after disclosed bits are
    /// removed.
    #[arg(long, value_name = "FILE")]
    alice_out: Option<PathBuf>,
    /// Format of the key files; found out from the content if not given.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How to reconcile.
    #[arg(long, value_enum, default_value_t = Strategy::Baseline)]
    strategy: Strategy,
    /// Error rate, or `estimate` to disclose and remove a sample of the bits.
    #[arg(long, value_name = "Q|estimate", default_value = "estimate", allow_negative_numbers = true, value_parser = parse_source)]
    qber: QberSource,
    /// Frame error rate to choose the code rate for; failed blocks reveal padding and are decoded again.
    #[arg(long, value_name = "FER", default_value_t = 0.01, value_parser = parse_target)]
    target_fer: f64,
    /// Choose the code rate by this efficiency instead of the measured table.
    #[arg(long, value_name = "F", value_parser = parse_efficiency)]
    efficiency: Option<f64>,
    #[command(flatten)]
    effort: EffortArgs,
    /// Seed of the public permutation and sample; random if not given.
    #[arg(long, value_name = "K")]
    seed: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    code: CodeArgs,
}

fn parse_source(text: &str) -> Result<QberSource, String> {
    if text == "estimate" {
        return Ok(QberSource::Estimate);
    }
    parse_qber(text).map(QberSource::Given).map_err(|error| format!("{error}, or `estimate`"))
}

#[derive(Serialize)]
struct Output<'a> {
    strategy: Strategy,
    #[serde(flatten)]
    report: &'a Report,
}

pub(super) fn run(args: &ReconcileArgs) -> anyhow::Result<Ending> {
    let library = args.code.load()?;
    if args.out.is_some() && args.out == args.alice_out {
        bail!("--alice-out: expected another file than --out");
    }
    let (alice, alice_format) = keyfile::read(&args.alice, args.format)?;
    let (bob, bob_format) = keyfile::read(&args.bob, args.format)?;
    let config = Config {
        qber: args.qber,
        target_fer: args.target_fer,
        efficiency: args.efficiency,
        effort: args.effort.effort(),
        seed: args.seed,
    };
    let bar = progress_bar(0, "blocks");
    let result = local::reconcile(&alice, &bob, &library, &config, |done, blocks| {
        bar.set_length(blocks);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let keys: Vec<_> = [(&args.out, &result.bob, bob_format), (&args.alice_out, &result.alice, alice_format)]
        .into_iter()
        .filter_map(|(path, key, format)| path.as_deref().map(|path| (path, key, format)))
        .collect();
    keyfile::write_all(&keys)?;
    for part in &result.report.failed {
        eprintln!("caligo-run: block {} ({} bits) left out: {}", part.block, part.bits, part.reason);
    }
    let text = if args.json {
        let output = Output { strategy: args.strategy, report: &result.report };
        serde_json::to_string_pretty(&output)? + "\n"
    } else {
        describe(&result.report)?
    };
    print(&text)?;
    Ok(if result.report.verified { Ending::Success } else { Ending::Failure })
}

fn describe(r: &Report) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    let figure = |f: Option<f64>| f.map_or_else(|| "-".to_owned(), |f| format!("{f:.4}"));
    let verdict = if r.verified { "yes" } else { "NO" };
    let bound = r.undetected_log2.unwrap_or(f64::NEG_INFINITY);
    writeln!(out, "verified          {verdict} (a wrong key passes with probability below 2^{bound:.1})")?;
    writeln!(out, "key               {} of {} bits", r.payload_bits, r.input_bits)?;
    match r.qber_sampled {
        Some(sampled) => writeln!(
            out,
            "QBER              observed {}, sampled {sampled:.4}, rate chosen for {:.4}",
            figure(r.qber_observed),
            r.qber_assumed
        )?,
        None => writeln!(
            out,
            "QBER              observed {}, rate chosen for {:.4}",
            figure(r.qber_observed),
            r.qber_assumed
        )?,
    }
    writeln!(
        out,
        "blocks            {}, {} decoded only after a reveal or not at all",
        r.blocks, r.frame_errors
    )?;
    writeln!(out, "rate              {:.4} (punctured {}, shortened {})", r.rate, r.punctured, r.shortened)?;
    writeln!(out, "iterations        {:.2} a block", r.iterations_mean)?;
    let k = &r.leakage.by_kind;
    writeln!(
        out,
        "leakage           {} bits (syndrome {}, reveal {}, tag {}); sample of {} removed",
        r.leakage.exact, k.syndrome, k.reveal, k.tag, k.sample
    )?;
    writeln!(
        out,
        "  other policies  {} with whole syndromes, {} with reveals counted on top",
        r.leakage.syndrome_cap, r.leakage.conservative
    )?;
    writeln!(
        out,
        "efficiency f      {} ({} with tags; no code below {} at a frame error rate of {})",
        figure(r.f),
        figure(r.f_with_tag),
        figure(r.f_limit),
        r.target_fer
    )?;
    Ok(text)
}
