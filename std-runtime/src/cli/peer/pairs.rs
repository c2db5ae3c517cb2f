//! What `alice` and `bob` need for the protocols that begin with pairs: rounds, the peer, files.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant as Clock;

use clap::Args;
use serde::Serialize;

use super::{AliceArgs, BobArgs, PeerArgs, Protocol, listen};
use crate::channel::pairs::{Recorded, Rounds, Simulated, SourceError};
use crate::cli::{PolicyArg, distinct, out_format, print, usage};
use crate::entropy;
use crate::keyfile::{self, Format, Key, KeyError};
use crate::session::connection::{self, Connection};
use crate::session::deal::{self, Purpose};
use crate::session::local::SessionError;
use crate::session::psk::{self, PreShared, Role};

/// Where Alice's pairs come from.
#[derive(Debug, Args)]
pub(super) struct AlicePairsArgs {
    /// YAML file with the parameters of an oblivious transfer or of a key distribution.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "key", "qber", "rounds", "efficiency", "restart", "one_rate", "config",
    ])]
    pub(super) params: Option<PathBuf>,
    /// Recording (.npy) to take the pairs from; simulated if not given.
    #[arg(long, value_name = "FILE")]
    pub(super) pairs: Option<PathBuf>,
    /// Seed of simulated pairs; the operating system's if not given.
    #[arg(long, value_name = "S", conflicts_with = "pairs")]
    pub(super) seed: Option<u64>,
}

/// Where Bob's pairs come from.
#[derive(Debug, Args)]
pub(super) struct BobPairsArgs {
    /// YAML file with the parameters of an oblivious transfer or of a key distribution, the same as Alice's.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "key", "side_info", "budget", "restart", "one_rate", "config",
    ])]
    pub(super) params: Option<PathBuf>,
    /// His own recording (.npy); Alice deals him his rounds if not given.
    #[arg(long, value_name = "FILE")]
    pub(super) pairs: Option<PathBuf>,
    /// How disclosures are charged, as Alice says it [default: exact].
    #[arg(long, value_enum)]
    pub(super) policy: Option<PolicyArg>,
}

/// A peer who is about to do the same.
pub(super) struct Met {
    pub(super) connection: Connection,
    /// Its address.
    pub(super) name: String,
    pub(super) started: Clock,
    /// Whether Alice dealt Bob his rounds.
    pub(super) dealt: bool,
}

/// What is printed as JSON.
#[derive(Serialize)]
struct Output<'a, R> {
    role: Role,
    peer: &'a str,
    seconds: f64,
    #[serde(flatten)]
    report: &'a R,
}

/// The parameters' file.
pub(super) fn params(given: Option<&PathBuf>, protocol: Protocol) -> anyhow::Result<&Path> {
    given.map(PathBuf::as_path).ok_or_else(|| {
        usage(format!("--params: expected a parameter file for --protocol {}, found none", protocol.name()))
    })
}

/// The first rounds of a recording.
pub(super) fn recorded(path: &Path, rounds: usize) -> Result<Rounds, SourceError> {
    Rounds::first(Recorded::open_with(path, rounds as u64)?, rounds)
}

impl AlicePairsArgs {
    /// So many rounds: recorded, or of the source that `simulated` makes of a number of rounds and a seed.
    pub(super) fn rounds<E: From<SourceError> + From<SessionError>>(
        &self,
        rounds: usize,
        simulated: impl FnOnce(u64, u64) -> Simulated,
    ) -> Result<Rounds, E> {
        if let Some(path) = &self.pairs {
            return Ok(recorded(path, rounds)?);
        }
        let seed = self.seed.map_or_else(|| entropy::system().words(1).map(|words| words[0]), Ok)?;
        Ok(Rounds::first(simulated(rounds as u64, seed), rounds)?)
    }
}

impl BobPairsArgs {
    /// So many rounds: recorded, or silent ones to be dealt.
    pub(super) fn rounds(&self, rounds: usize) -> Result<Rounds, SourceError> {
        self.pairs.as_deref().map_or_else(|| Ok(Rounds::silent(rounds)), |path| recorded(path, rounds))
    }
}

impl AliceArgs {
    /// Waits for Bob, and deals him his side of `rounds` if he has none. It is forgotten then.
    pub(super) fn meet(&self, purpose: Purpose, rounds: &mut Rounds) -> anyhow::Result<Met> {
        let timeout = self.peer.timeout(None);
        let psk = PreShared::open(&self.peer.psk, Role::Alice)?;
        psk.check()?;
        let mut connection = listen(&self.listen, psk, &self.peer, timeout)?;
        let (name, started) = (connection.peer(), Clock::now());
        let dealt = deal::deal(&mut connection, purpose, &rounds.bob, rounds.len, timeout)?;
        rounds.bob.wipe();
        Ok(Met { connection, name, started, dealt })
    }
}

impl BobArgs {
    /// Connects to Alice, and is dealt his side of `rounds` if he has no recording.
    pub(super) fn meet(&self, purpose: Purpose, rounds: &mut Rounds) -> anyhow::Result<Met> {
        let timeout = self.peer.timeout(None);
        let psk = PreShared::open(&self.peer.psk, Role::Bob)?;
        psk.check()?;
        let mut connection = connection::connect(&self.connect, psk, self.peer.wait(), timeout)?;
        let (name, started) = (connection.peer(), Clock::now());
        let dealt = self.pairs.pairs.is_none();
        deal::take(&mut connection, purpose, dealt.then_some(&mut rounds.bob), rounds.len, timeout)?;
        Ok(Met { connection, name, started, dealt })
    }
}

impl PeerArgs {
    /// No file may take the place of another, nor be lost at the end.
    pub(super) fn check_files(
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

    /// Prints a party's report, as JSON or as `describe` words it for so many seconds.
    pub(super) fn tell<R: Serialize>(
        &self,
        role: Role,
        peer: &str,
        started: Clock,
        report: &R,
        describe: impl FnOnce(f64) -> Result<String, fmt::Error>,
    ) -> anyhow::Result<()> {
        let seconds = started.elapsed().as_secs_f64();
        let text = if self.json {
            serde_json::to_string_pretty(&Output { role, peer, seconds, report })? + "\n"
        } else {
            describe(seconds)?
        };
        Ok(print(&text)?)
    }

    /// Writes strings or a key, all or none.
    pub(super) fn write(&self, strings: &[(Option<&Path>, &Key)]) -> Result<(), KeyError> {
        let files: Vec<_> = strings
            .iter()
            .filter_map(|&(path, key)| {
                path.map(|path| (path, key, out_format(path, self.format, Format::Bytes)))
            })
            .collect();
        keyfile::write_all(&files)
    }
}
