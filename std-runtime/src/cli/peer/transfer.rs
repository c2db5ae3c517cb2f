//! `caligo-run alice|bob --protocol ot`.

use std::path::{Path, PathBuf};
use std::time::Instant as Clock;

use clap::Args;
use serde::Serialize;

use super::{AliceArgs, BobArgs, PeerArgs, listen};
use crate::channel::pairs::{Recorded, Rounds, Simulated, SourceError};
use crate::cli::transfer::{describe_host, parse_choice};
use crate::cli::{Ending, PolicyArg, distinct, out_format, print, usage};
use crate::config::nsm::Parameters;
use crate::keyfile::{self, Format, Key};
use crate::session::connection;
use crate::session::deal::{self, Purpose};
use crate::session::local::Source;
use crate::session::psk::{self, PreShared, Role};
use crate::transfer::host::{self, HostReport};
use crate::transfer::{Stage, TransferError};

/// Arguments of `alice --protocol ot`.
#[derive(Debug, Args)]
pub(super) struct AliceTransferArgs {
    /// Recording (.npy) to take the pairs from; simulated if not given.
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Seed of simulated pairs; the operating system's if not given.
    #[arg(long, value_name = "S", conflicts_with = "pairs")]
    seed: Option<u64>,
    /// Bob commits to his detections before the bases and tells them after.
    #[arg(long)]
    commit: bool,
    /// Where to write string 0.
    #[arg(long, value_name = "FILE")]
    out0: Option<PathBuf>,
    /// Where to write string 1.
    #[arg(long, value_name = "FILE")]
    out1: Option<PathBuf>,
}

/// Arguments of `bob --protocol ot`.
#[derive(Debug, Args)]
pub(super) struct BobTransferArgs {
    /// His own recording (.npy); Alice deals him his rounds if not given.
    #[arg(long, value_name = "FILE")]
    pairs: Option<PathBuf>,
    /// Which string he wants.
    #[arg(long, value_name = "0|1", value_parser = parse_choice)]
    choice: Option<bool>,
    /// He commits to his detections before the bases and tells them after, as Alice expects it.
    #[arg(long)]
    commit: bool,
    /// How disclosures are charged, as Alice says it [default: exact].
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
}

impl AliceTransferArgs {
    /// A flag that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let Self { pairs, seed, commit, out0, out1 } = self;
        let given = [
            ("--pairs", pairs.is_some()),
            ("--seed", seed.is_some()),
            ("--commit", *commit),
            ("--out0", out0.is_some()),
            ("--out1", out1.is_some()),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}

impl BobTransferArgs {
    /// A flag that was given.
    pub(super) fn given(&self) -> Option<&'static str> {
        let Self { pairs, choice, commit, policy } = self;
        let given = [
            ("--pairs", pairs.is_some()),
            ("--choice", choice.is_some()),
            ("--commit", *commit),
            ("--policy", policy.is_some()),
        ];
        given.into_iter().find_map(|(flag, given)| given.then_some(flag))
    }
}

/// What is printed.
#[derive(Serialize)]
struct Output<'a> {
    role: Role,
    peer: &'a str,
    seconds: f64,
    #[serde(flatten)]
    report: &'a HostReport,
}

/// The parameters' file.
fn params(given: Option<&PathBuf>) -> anyhow::Result<&Path> {
    let given = given.map(PathBuf::as_path);
    given.ok_or_else(|| usage("--params: expected a parameter file for --protocol ot, found none"))
}

impl PeerArgs {
    /// No file may take the place of another, nor be lost at the end.
    fn check_files(
        &self,
        inputs: &[(&'static str, Option<&Path>)],
        outs: &[(&'static str, Option<&Path>)],
    ) -> anyhow::Result<()> {
        let named = |files: &[(&'static str, Option<&Path>)]| -> Vec<(&str, PathBuf)> {
            files.iter().filter_map(|&(flag, path)| Some((flag, path?.to_owned()))).collect()
        };
        let outs = named(outs);
        distinct(&[psk::files(&self.psk), named(inputs), outs.clone()].concat())?;
        Ok(outs.iter().try_for_each(|(_, path)| keyfile::check(path))?)
    }

    /// Writes strings, all or none.
    fn write(&self, strings: &[(Option<&Path>, &Key)]) -> anyhow::Result<()> {
        let files: Vec<_> = strings
            .iter()
            .filter_map(|&(path, key)| {
                path.map(|path| (path, key, out_format(path, self.format, Format::Bytes)))
            })
            .collect();
        Ok(keyfile::write_all(&files)?)
    }

    fn tell(&self, role: Role, name: &str, started: Clock, report: &HostReport) -> anyhow::Result<()> {
        let seconds = started.elapsed().as_secs_f64();
        let text = if self.json {
            serde_json::to_string_pretty(&Output { role, peer: name, seconds, report })? + "\n"
        } else {
            describe_host(report)?
        };
        Ok(print(&text)?)
    }
}

/// The first rounds of a recording.
fn recorded(path: &Path, rounds: usize) -> Result<Rounds, SourceError> {
    Rounds::first(Recorded::open_with(path, rounds as u64)?, rounds)
}

fn simulated(parameters: &Parameters, rounds: usize, seed: Option<u64>) -> Result<Rounds, TransferError> {
    let seed = seed.map_or_else(|| Source::System.words(1).map(|words| words[0]), Ok)?;
    Ok(Rounds::first(Simulated::new(&parameters.nsm, rounds as u64, seed), rounds)?)
}

pub(super) fn alice(args: &AliceArgs) -> anyhow::Result<Ending> {
    let (peer, own) = (&args.peer, &args.transfer);
    let params = params(args.params.as_ref())?;
    let parameters = Parameters::read(params)?;
    let library = args.session.library()?;
    let stage = Stage::new(&library, args.session.transfer(parameters, own.commit))?;
    let outs = [("--out0", own.out0.as_deref()), ("--out1", own.out1.as_deref())];
    peer.check_files(&[("--params", Some(params)), ("--pairs", own.pairs.as_deref())], &outs)?;
    let mut rounds = match &own.pairs {
        Some(path) => recorded(path, stage.rounds())?,
        None => simulated(&parameters, stage.rounds(), own.seed)?,
    };
    let timeout = peer.timeout(None);
    let psk = PreShared::open(&peer.psk, Role::Alice)?;
    psk.check()?;
    let mut connection = listen(&args.listen, psk, peer, timeout)?;
    let (name, started) = (connection.peer(), Clock::now());
    let dealt = deal::deal(&mut connection, Purpose::Transfer, &rounds.bob, stage.rounds(), timeout)?;
    rounds.bob.wipe();
    let outcome = host::alice(connection, &stage, &rounds.alice, timeout, &host::since(started));
    rounds.wipe();
    let mut outcome = outcome?;
    outcome.report.dealt = dealt;
    let [first, second] = &outcome.strings;
    peer.write(&[(outs[0].1, first), (outs[1].1, second)])?;
    peer.tell(Role::Alice, &name, started, &outcome.report)?;
    Ok(Ending::Success)
}

pub(super) fn bob(args: &BobArgs) -> anyhow::Result<Ending> {
    let (peer, own) = (&args.peer, &args.transfer);
    let params = params(args.params.as_ref())?;
    let choice =
        own.choice.ok_or_else(|| usage("--choice: expected 0 or 1 for --protocol ot, found none"))?;
    let parameters = Parameters::read(params)?;
    let library = args.common.library()?;
    let mut config = args.common.transfer(parameters, own.commit);
    config.policy = own.policy.map_or(config.policy, Into::into);
    let stage = Stage::new(&library, config)?;
    let inputs = [("--params", Some(params)), ("--pairs", own.pairs.as_deref())];
    peer.check_files(&inputs, &[("--out", peer.out.as_deref())])?;
    let mut rounds = match &own.pairs {
        Some(path) => recorded(path, stage.rounds())?,
        None => Rounds::silent(stage.rounds()),
    };
    let timeout = peer.timeout(None);
    let psk = PreShared::open(&peer.psk, Role::Bob)?;
    psk.check()?;
    let mut connection = connection::connect(&args.connect, psk, peer.wait(), timeout)?;
    let (name, started) = (connection.peer(), Clock::now());
    let wanted = own.pairs.is_none();
    let dealt = wanted.then_some(&mut rounds.bob);
    deal::take(&mut connection, Purpose::Transfer, dealt, stage.rounds(), timeout)?;
    let outcome = host::bob(connection, &stage, &rounds.bob, choice, timeout, &host::since(started));
    rounds.wipe();
    let mut outcome = outcome?;
    outcome.report.dealt = wanted;
    match &outcome.string {
        Some(string) => peer.write(&[(peer.out.as_deref(), string)])?,
        None => eprintln!("caligo-run: the string could not be decoded, so none is written"),
    }
    peer.tell(Role::Bob, &name, started, &outcome.report)?;
    Ok(if outcome.string.is_some() { Ending::Success } else { Ending::Failure })
}
