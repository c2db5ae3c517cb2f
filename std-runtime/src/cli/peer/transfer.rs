//! `caligo-run alice|bob --protocol ot`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::pairs::{Met, params};
use super::{AliceArgs, BobArgs, Protocol};
use crate::channel::pairs::{Rounds, Simulated};
use crate::cli::transfer::{describe_host, parse_choice};
use crate::cli::{Ending, usage};
use crate::config::nsm::Parameters;
use crate::session::deal::Purpose;
use crate::session::psk::Role;
use crate::transfer::host;
use crate::transfer::{Stage, TransferError, choose};

/// Arguments of `alice --protocol ot`.
#[derive(Debug, Args)]
pub(super) struct AliceTransferArgs {
    /// Bob commits to his detections before the bases and tells them after.
    #[arg(long)]
    pub(super) commit: bool,
    /// Where to write string 0.
    #[arg(long, value_name = "FILE")]
    pub(super) out0: Option<PathBuf>,
    /// Where to write string 1.
    #[arg(long, value_name = "FILE")]
    pub(super) out1: Option<PathBuf>,
}

/// Arguments of `bob --protocol ot`.
#[derive(Debug, Args)]
pub(super) struct BobTransferArgs {
    /// Which string he wants.
    #[arg(long, value_name = "0|1", value_parser = parse_choice)]
    pub(super) choice: Option<bool>,
    /// He commits to his detections before the bases and tells them after, as Alice expects it.
    #[arg(long)]
    pub(super) commit: bool,
}

pub(super) fn alice(args: &AliceArgs) -> anyhow::Result<Ending> {
    let (peer, own, pairs) = (&args.peer, &args.transfer, &args.pairs);
    let params = params(pairs.params.as_ref(), Protocol::Ot)?;
    let parameters = Parameters::read(params)?;
    let file = || params.display().to_string();
    let library = args.session.library(|| choose(&parameters)).with_context(file)?;
    let stage = Stage::new(&library, args.session.transfer(parameters, own.commit)).with_context(file)?;
    let outs = [("--out0", own.out0.as_deref()), ("--out1", own.out1.as_deref())];
    peer.check_files(&[("--params", Some(params)), ("--pairs", pairs.pairs.as_deref())], &outs)?;
    let simulated = |rounds, seed| Simulated::new(&parameters.nsm, rounds, seed);
    let mut rounds: Rounds = pairs.rounds::<TransferError>(stage.rounds(), simulated)?;
    let Met { connection, name, started, dealt } = args.meet(Purpose::Transfer, &mut rounds)?;
    let timeout = peer.timeout(None);
    let outcome = host::alice(connection, &stage, &rounds.alice, timeout, &host::since(started));
    rounds.wipe();
    let mut outcome = outcome?;
    outcome.report.dealt = dealt;
    let [first, second] = &outcome.strings;
    peer.write(&[(outs[0].1, first), (outs[1].1, second)])?;
    peer.tell(Role::Alice, &name, started, &outcome.report, |_| describe_host(&outcome.report))?;
    Ok(Ending::Success)
}

pub(super) fn bob(args: &BobArgs) -> anyhow::Result<Ending> {
    let (peer, own, pairs) = (&args.peer, &args.transfer, &args.pairs);
    let params = params(pairs.params.as_ref(), Protocol::Ot)?;
    let choice =
        own.choice.ok_or_else(|| usage("--choice: expected 0 or 1 for --protocol ot, found none"))?;
    let parameters = Parameters::read(params)?;
    let file = || params.display().to_string();
    let library = args.common.library(|| choose(&parameters)).with_context(file)?;
    let mut config = args.common.transfer(parameters, own.commit);
    config.policy = pairs.policy.map_or(config.policy, Into::into);
    let stage = Stage::new(&library, config).with_context(file)?;
    let inputs = [("--params", Some(params)), ("--pairs", pairs.pairs.as_deref())];
    peer.check_files(&inputs, &[("--out", peer.out.as_deref())])?;
    let mut rounds = pairs.rounds(stage.rounds())?;
    let Met { connection, name, started, dealt } = args.meet(Purpose::Transfer, &mut rounds)?;
    let timeout = peer.timeout(None);
    let outcome = host::bob(connection, &stage, &rounds.bob, choice, timeout, &host::since(started));
    rounds.wipe();
    let mut outcome = outcome?;
    outcome.report.dealt = dealt;
    if peer.out.is_none() {
        eprintln!("caligo-run: without --out the string is not kept");
    }
    match &outcome.string {
        Some(string) => peer.write(&[(peer.out.as_deref(), string)])?,
        None => eprintln!("caligo-run: the string could not be decoded, so none is written"),
    }
    peer.tell(Role::Bob, &name, started, &outcome.report, |_| describe_host(&outcome.report))?;
    Ok(if outcome.string.is_some() { Ending::Success } else { Ending::Failure })
}
