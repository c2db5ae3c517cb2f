//! `caligo-run ot`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use caligo_core::bits::words_for;
use clap::Args;

use super::transfer::{TransferArgs, describe, parse_choice};
use super::{CodeArgs, Ending, distinct, out_format, print, progress_bar, usage};
use crate::channel::pairs::Recorded;
use crate::keyfile::{self, Format, Key};
use crate::transfer::local::{Run, Worker};
use crate::transfer::runs::{self, Runs};
use crate::transfer::{Stage, choose};

/// Arguments of `ot`.
#[derive(Debug, Args)]
pub(super) struct OtArgs {
    /// YAML file with the parameters.
    #[arg(long, value_name = "FILE")]
    params: PathBuf,
    /// Transfers.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    count: u64,
    /// Seed of the pairs, of both parties' randomness and of Bob's choices.
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with = "pairs")]
    seed: u64,
    /// Recording (.npy) instead of simulated pairs: `num_pairs` rounds of it for each transfer. The parties' randomness
    /// is then the operating system's.
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Which string Bob wants; drawn at random if not given.
    #[arg(long, value_name = "0|1", value_parser = parse_choice)]
    choice: Option<bool>,
    /// Where to write Alice's string 0, of a single transfer.
    #[arg(long, value_name = "FILE")]
    alice_out0: Option<PathBuf>,
    /// Where to write Alice's string 1.
    #[arg(long, value_name = "FILE")]
    alice_out1: Option<PathBuf>,
    /// Where to write Bob's string.
    #[arg(long, value_name = "FILE")]
    bob_out: Option<PathBuf>,
    /// Format of these files [default: npy for names that end so, bytes for others].
    #[arg(long, value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    transfer: TransferArgs,
    #[command(flatten)]
    code: CodeArgs,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl OtArgs {
    /// Files for Alice's strings and Bob's.
    fn outs(&self) -> [(&'static str, Option<&Path>); 3] {
        [
            ("--alice-out0", self.alice_out0.as_deref()),
            ("--alice-out1", self.alice_out1.as_deref()),
            ("--bob-out", self.bob_out.as_deref()),
        ]
    }

    /// Refuses files that would be lost, or take the place of others.
    fn check(&self) -> anyhow::Result<()> {
        let outs: Vec<(&str, PathBuf)> =
            self.outs().into_iter().filter_map(|(flag, path)| Some((flag, path?.to_owned()))).collect();
        if let (Some((flag, _)), true) = (outs.first(), self.count > 1) {
            return Err(usage(format!("{flag}: expected a single transfer, found --count {}", self.count)));
        }
        let inputs = [("--params", Some(&self.params)), ("--pairs", self.pairs.as_ref())];
        let inputs = inputs.into_iter().filter_map(|(flag, path)| Some((flag, path?.clone())));
        distinct(&inputs.chain(outs.iter().cloned()).collect::<Vec<_>>())?;
        outs.iter().try_for_each(|(_, path)| keyfile::check(path))?;
        Ok(())
    }
}

pub(super) fn run(args: &OtArgs) -> anyhow::Result<Ending> {
    args.check()?;
    let config = args.transfer.load(&args.params)?;
    let file = || args.params.display().to_string();
    let library = args.code.load_or_choose(|| choose(&config.parameters)).with_context(file)?;
    let stage = Stage::new(&library, config).with_context(file)?;
    let needed = (stage.rounds() as u64).saturating_mul(args.count);
    let recording = args.pairs.as_deref().map(|path| Recorded::open_with(path, needed)).transpose()?;
    let bar = progress_bar(args.count, "transfers");
    let mut keys: Vec<Key> = Vec::new();
    let runs = Runs { count: args.count, seed: args.seed, choice: args.choice, recording };
    let take = |worker: &Worker<'_>, run: &Run| {
        if run.end.as_ref().is_ok_and(|completed| completed.failure.is_none()) {
            let memory = &worker.memory;
            let bits = memory.length();
            let strings = memory.strings().into_iter().chain([memory.string()]);
            keys = strings.map(|words| Key { words: words[..words_for(bits)].to_vec(), bits }).collect();
        }
    };
    let summary = runs::run(&stage, runs, take, |done| bar.inc(done))?;
    bar.finish_and_clear();
    let files: Vec<_> = args
        .outs()
        .into_iter()
        .zip(&keys)
        .filter_map(|((_, path), key)| {
            path.map(|path| (path, key, out_format(path, args.format, Format::Bytes)))
        })
        .collect();
    keyfile::write_all(&files)?;
    if let Some((index, reason)) = summary.first_abort() {
        eprintln!("caligo-run: transfer {index} ended early: {reason}");
    }
    let report = summary.report();
    if report.succeeded == 0 && report.aborts.is_empty() {
        eprintln!("caligo-run: Bob could not decode, so no string is written");
    }
    let text = if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { describe(&report)? };
    print(&text)?;
    Ok(if report.succeeded > 0 && report.wrong == 0 { Ending::Success } else { Ending::Failure })
}
