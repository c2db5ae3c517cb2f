//! `caligo-run reconcile`.

use std::fmt::Write;
use std::path::PathBuf;

use clap::Args;

use super::session::{Loaded, SessionArgs};
use super::{Ending, distinct, out_format, print, progress_bar};
use crate::keyfile::{self, Format};
use crate::session::local::{self, Config};
use crate::session::report::Report;
use crate::side_info;

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
    /// Class of each of Bob's bits, one byte a bit or `.npy`: error rates are learnt for each class.
    #[arg(long, value_name = "FILE")]
    side_info: Option<PathBuf>,
    #[command(flatten)]
    session: SessionArgs,
    /// Seed of the public permutation and sample; random if not given.
    #[arg(long, value_name = "K")]
    seed: Option<u64>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ReconcileArgs) -> anyhow::Result<Ending> {
    let Loaded { config, library, .. } = args.session.load()?;
    let config = Config { seed: args.seed, ..config };
    let outs = [("--out", &args.out), ("--alice-out", &args.alice_out)];
    distinct(&outs.into_iter().filter_map(|(flag, path)| Some((flag, path.clone()?))).collect::<Vec<_>>())?;
    args.out.iter().chain(&args.alice_out).try_for_each(|path| keyfile::check(path))?;
    let (alice, alice_format) = keyfile::read(&args.alice, args.format)?;
    let (bob, bob_format) = keyfile::read(&args.bob, args.format)?;
    let side_info = side_info::read_optional(args.side_info.as_deref(), bob.bits)?;
    let (library, considered) = Loaded::code_for(library, alice.bits, &config)?;
    let bar = progress_bar(alice.bits as u64, "bits");
    let mut result =
        local::reconcile(&alice, &bob, &side_info, &library, &config, |done| bar.set_position(done))?;
    bar.finish_and_clear();
    result.report.considered = considered;
    let keys: Vec<_> = [(&args.out, &result.bob, bob_format), (&args.alice_out, &result.alice, alice_format)]
        .into_iter()
        .filter_map(|(path, key, format)| {
            path.as_deref().map(|path| (path, key, out_format(path, args.format, format)))
        })
        .collect();
    if result.bob.bits > 0 {
        keyfile::write_all(&keys)?;
    }
    tell_failures(&result.report);
    let text = if args.json {
        serde_json::to_string_pretty(&result.report)? + "\n"
    } else {
        describe(&result.report)?
    };
    print(&text)?;
    Ok(if result.report.verified { Ending::Success } else { Ending::Failure })
}

/// Names what was left out.
pub(super) fn tell_failures(report: &Report) {
    for part in &report.failed {
        eprintln!("caligo-run: block {} ({} bits) left out: {}", part.block, part.bits, part.reason);
    }
    if report.payload_bits == 0 {
        eprintln!("caligo-run: no block verified, so no key is written");
    }
}

pub(super) fn describe(r: &Report) -> Result<String, std::fmt::Error> {
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
            "QBER              observed {}, sampled {sampled:.4}, rate chosen for {}",
            figure(r.qber_observed),
            figure(r.qber_assumed)
        )?,
        None => writeln!(
            out,
            "QBER              observed {}, rate chosen for {}",
            figure(r.qber_observed),
            figure(r.qber_assumed)
        )?,
    }
    writeln!(
        out,
        "blocks            {}, {} decoded only after a reveal or not at all",
        r.blocks, r.frame_errors
    )?;
    match &r.considered[..] {
        [] => writeln!(out, "code              {} bits", r.code)?,
        all => {
            let each: Vec<_> =
                all.iter().map(|c| format!("{} {:.0} (f {:.3})", c.code, c.disclosed, c.f)).collect();
            writeln!(
                out,
                "code              {} bits, of the bits each was to disclose: {}",
                r.code,
                each.join(", ")
            )?;
        }
    }
    writeln!(out, "rate              {:.4} (punctured {}, shortened {})", r.rate, r.punctured, r.shortened)?;
    writeln!(
        out,
        "a block           {:.2} rounds, {:.1} bits revealed, {:.2} iterations",
        r.rounds_mean, r.revealed_mean, r.iterations_mean
    )?;
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
        "efficiency f      {} ({} with tags; no one-way code below {} at a frame error rate of {})",
        figure(r.f),
        figure(r.f_with_tag),
        figure(r.f_limit),
        r.target_fer
    )?;
    Ok(text)
}
