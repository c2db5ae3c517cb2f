//! `caligo-run alice` and `caligo-run bob`.

mod pairs;
mod qkd;
mod transfer;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use serde::Serialize;

use super::session::{CommonArgs, Loaded, SessionArgs};
use super::{Ending, distinct, out_format, print, progress_bar, reconcile, usage};
use crate::config::Strategy;
use crate::keyfile::{self, Format, Key, KeyError};
use crate::session::connection::{self, Traffic};
use crate::session::local::SessionError;
use crate::session::psk::{self, PreShared, Role};
use crate::session::report::Report;
use crate::session::tcp::{self, Outcome};
use crate::side_info;

/// What two hosts may do together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// Reconcile two key files.
    Key,
    /// Oblivious transfer.
    Ot,
    /// Key distribution, from pairs to a secret key.
    Qkd,
}

impl Protocol {
    const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Ot => "ot",
            Self::Qkd => "qkd",
        }
    }

    /// Refuses flags that were given and belong to other protocols only.
    fn check(self, flags: &[(&str, bool, &[Self])]) -> anyhow::Result<()> {
        match flags.iter().find(|(_, given, of)| *given && !of.contains(&self)) {
            None => Ok(()),
            Some((flag, _, of)) => {
                let of = of.iter().map(|protocol| protocol.name()).collect::<Vec<_>>().join(" or ");
                let found = self.name();
                Err(usage(format!("{flag}: expected --protocol {of} with it, found --protocol {found}")))
            }
        }
    }
}

/// Protocols that begin with pairs.
const PAIRS: &[Protocol] = &[Protocol::Ot, Protocol::Qkd];
/// Those whose results are two strings, or one of them.
const OT: &[Protocol] = &[Protocol::Ot];
/// Those that correct errors with any strategy.
const KEYS: &[Protocol] = &[Protocol::Key, Protocol::Qkd];
/// Those that take a leakage budget and a frame error rate; in key distribution these follow from the parameters.
const BUDGETS: &[Protocol] = &[Protocol::Key, Protocol::Ot];

/// What both parties need.
#[derive(Debug, Args)]
struct PeerArgs {
    /// What to do with the peer.
    #[arg(long, value_enum, default_value_t = Protocol::Key)]
    protocol: Protocol,
    /// Key file.
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// File of random bytes that both parties share: it authenticates the channel. A file beside it counts what is
    /// used of it.
    #[arg(long, value_name = "FILE")]
    psk: PathBuf,
    /// Where to write the key, or Bob's string.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Format of the key file, found out from the content if not given; or of what is written.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Seconds to wait for the peer to connect.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    wait: u64,
    /// Seconds to wait for the peer's next message [default: 30].
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = parse_seconds)]
    timeout: Option<Duration>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds =
        super::in_range(text, "seconds, a number from 0.1 to 86400", |s| (0.1..=86_400.0).contains(&s))?;
    Ok(Duration::from_secs_f64(seconds))
}

/// A silent peer is given up after that.
const TIMEOUT: Duration = Duration::from_secs(30);

impl PeerArgs {
    /// The key file.
    fn key(&self) -> anyhow::Result<&Path> {
        self.key.as_deref().ok_or_else(|| usage("--key: expected a key file for --protocol key, found none"))
    }

    /// The result must not take the place of what is still needed, nor be lost at the end.
    fn check(&self) -> anyhow::Result<()> {
        let mut files = psk::files(&self.psk);
        for (flag, file) in [("--key", self.key.as_ref()), ("--out", self.out.as_ref())] {
            if let Some(file) = file {
                files.push((flag, file.clone()));
                distinct(&files)?;
                files.pop();
            }
        }
        Ok(self.out.as_deref().map_or(Ok(()), keyfile::check)?)
    }

    /// Stores a key; one of no bits is no key.
    fn store(&self, key: &Key, input: Format) -> Result<(), KeyError> {
        match &self.out {
            Some(out) if key.bits > 0 => keyfile::write(out, key, out_format(out, self.format, input)),
            _ => Ok(()),
        }
    }

    fn wait(&self) -> Duration {
        Duration::from_secs(self.wait)
    }

    fn timeout(&self, configured: Option<Duration>) -> Duration {
        self.timeout.or(configured).unwrap_or(TIMEOUT)
    }
}

/// Arguments of `alice`.
#[derive(Debug, Args)]
pub(super) struct AliceArgs {
    #[command(flatten)]
    peer: PeerArgs,
    /// Address to listen at; port 0 takes a free one, which is told on standard error.
    #[arg(long, value_name = "HOST:PORT")]
    listen: String,
    #[command(flatten)]
    pairs: pairs::AlicePairsArgs,
    #[command(flatten)]
    transfer: transfer::AliceTransferArgs,
    #[command(flatten)]
    session: SessionArgs,
}

/// Arguments of `bob`.
#[derive(Debug, Args)]
pub(super) struct BobArgs {
    #[command(flatten)]
    peer: PeerArgs,
    /// Address Alice listens at.
    #[arg(long, value_name = "HOST:PORT")]
    connect: String,
    /// Refuse any other strategy than this; Alice's is followed if not given.
    #[arg(long, value_enum)]
    strategy: Option<Strategy>,
    /// Class of each key bit, one byte a bit or `.npy`: error rates are learnt for each class.
    #[arg(long, value_name = "FILE")]
    side_info: Option<PathBuf>,
    #[command(flatten)]
    pairs: pairs::BobPairsArgs,
    #[command(flatten)]
    transfer: transfer::BobTransferArgs,
    #[command(flatten)]
    common: CommonArgs,
}

impl AliceArgs {
    /// Refuses flags of other protocols than hers.
    fn check(&self) -> anyhow::Result<()> {
        let Self { peer, pairs, transfer, session, .. } = self;
        peer.protocol.check(&[
            ("--params", pairs.params.is_some(), PAIRS),
            ("--pairs", pairs.pairs.is_some(), PAIRS),
            ("--seed", pairs.seed.is_some(), PAIRS),
            ("--commit", transfer.commit, OT),
            ("--out0", transfer.out0.is_some(), OT),
            ("--out1", transfer.out1.is_some(), OT),
            ("--out", peer.out.is_some(), KEYS),
            ("--strategy", session.strategy.is_some(), KEYS),
            ("--target-fer", session.target_fer.is_some(), BUDGETS),
            ("--budget", session.common.budget.is_some(), BUDGETS),
        ])
    }
}

impl BobArgs {
    /// Refuses flags of other protocols than his.
    fn check(&self) -> anyhow::Result<()> {
        let Self { peer, pairs, transfer, .. } = self;
        peer.protocol.check(&[
            ("--params", pairs.params.is_some(), PAIRS),
            ("--pairs", pairs.pairs.is_some(), PAIRS),
            ("--policy", pairs.policy.is_some(), PAIRS),
            ("--choice", transfer.choice.is_some(), OT),
            ("--commit", transfer.commit, OT),
            ("--strategy", self.strategy.is_some(), KEYS),
        ])
    }
}

#[derive(Serialize)]
struct Output<'a> {
    role: Role,
    peer: &'a str,
    seconds: f64,
    traffic: Traffic,
    #[serde(flatten)]
    report: &'a Report,
}

/// Listens for Bob.
fn listen(
    address: &str,
    psk: PreShared,
    peer: &PeerArgs,
    timeout: Duration,
) -> anyhow::Result<connection::Connection> {
    let listener = TcpListener::bind(address).with_context(|| format!("--listen {address}"))?;
    let local = listener.local_addr().with_context(|| format!("--listen {address}"))?;
    eprintln!("caligo-run: listening at {local}");
    Ok(connection::accept(&listener, psk, peer.wait(), timeout, |from, error| {
        eprintln!("caligo-run: {from} turned away: {error}");
    })?)
}

pub(super) fn alice(args: &AliceArgs) -> anyhow::Result<Ending> {
    args.check()?;
    match args.peer.protocol {
        Protocol::Key => reconcile_alice(args),
        Protocol::Ot => transfer::alice(args),
        Protocol::Qkd => qkd::alice(args),
    }
}

pub(super) fn bob(args: &BobArgs) -> anyhow::Result<Ending> {
    args.check()?;
    match args.peer.protocol {
        Protocol::Key => reconcile_bob(args),
        Protocol::Ot => transfer::bob(args),
        Protocol::Qkd => qkd::bob(args),
    }
}

fn reconcile_alice(args: &AliceArgs) -> anyhow::Result<Ending> {
    let peer = &args.peer;
    let path = peer.key()?;
    let Loaded { config, library, timeout, .. } = args.session.load()?;
    let timeout = peer.timeout(timeout);
    let (key, format) = keyfile::read(path, peer.format)?;
    peer.check()?;
    let psk = PreShared::open(&peer.psk, Role::Alice)?;
    psk.check()?;
    let mut connection = listen(&args.listen, psk, peer, timeout)?;
    let name = connection.peer();
    let started = Instant::now();
    let (library, considered) = Loaded::code_for(library, key.bits, &config)?;
    let bar = progress_bar(key.bits as u64, "bits");
    let mut outcome =
        tcp::alice(&mut connection, &key, &library, &config, timeout, &mut |done| bar.set_position(done))?;
    bar.finish_and_clear();
    outcome.report.considered = considered;
    peer.store(&outcome.key, format)?;
    finish(peer, Role::Alice, &name, started, &outcome)
}

fn reconcile_bob(args: &BobArgs) -> anyhow::Result<Ending> {
    let peer = &args.peer;
    let path = peer.key()?;
    let Loaded { config, library, strategy, timeout } = args.common.load(args.strategy)?;
    let timeout = peer.timeout(timeout);
    let (key, format) = keyfile::read(path, peer.format)?;
    peer.check()?;
    let side_info = side_info::read_optional(args.side_info.as_deref(), key.bits)?;
    let psk = PreShared::open(&peer.psk, Role::Bob)?;
    psk.check()?;
    let mut connection = connection::connect(&args.connect, psk, peer.wait(), timeout)?;
    let name = connection.peer();
    let started = Instant::now();
    let bar = progress_bar(key.bits as u64, "bits");
    let outcome = tcp::bob(
        &mut connection,
        &key,
        &side_info,
        library.as_ref(),
        &config,
        strategy,
        timeout,
        &mut |done| bar.set_position(done),
        |outcome| peer.store(&outcome.key, format).map_err(|error| SessionError::Channel(error.to_string())),
    )?;
    bar.finish_and_clear();
    finish(peer, Role::Bob, &name, started, &outcome)
}

fn finish(
    peer: &PeerArgs,
    role: Role,
    name: &str,
    started: Instant,
    outcome: &Outcome,
) -> anyhow::Result<Ending> {
    let report = &outcome.report;
    reconcile::tell_failures(report);
    let text = if peer.json {
        let output = Output {
            role,
            peer: name,
            seconds: started.elapsed().as_secs_f64(),
            traffic: outcome.traffic,
            report,
        };
        serde_json::to_string_pretty(&output)? + "\n"
    } else {
        reconcile::describe(report)?
    };
    print(&text)?;
    Ok(if report.verified { Ending::Success } else { Ending::Failure })
}
