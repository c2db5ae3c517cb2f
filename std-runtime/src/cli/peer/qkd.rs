//! `caligo-run alice|bob --protocol qkd`.

use std::path::Path;

use anyhow::Context;

use super::pairs::{Met, params};
use super::{AliceArgs, BobArgs, PeerArgs, Protocol};
use crate::channel::pairs::{Party, Rounds, Simulated};
use crate::cli::Ending;
use crate::cli::qkd::describe_host;
use crate::config::Strategy;
use crate::config::qkd::Parameters;
use crate::keyfile::Key;
use crate::qkd::host::{self, Seat};
use crate::qkd::{QkdError, Stage, choose};
use crate::session::deal::Purpose;
use crate::session::local::SessionError;
use crate::session::psk::Role;

impl PeerArgs {
    /// Runs this side of it, writes the key and prints the report.
    fn distribute(
        &self,
        role: Role,
        stage: &Stage<'_>,
        met: Met,
        rounds: &Party,
        strategy: Option<Strategy>,
    ) -> anyhow::Result<()> {
        let Met { mut connection, name, started, dealt } = met;
        let store = |key: &Key| {
            let written = self.write(&[(self.out.as_deref(), key)]);
            written.map_err(|error| SessionError::Channel(error.to_string()))
        };
        let seat = Seat { role: role.into(), rounds, strategy, timeout: self.timeout(None) };
        let mut report = host::run(&mut connection, stage, seat, store)?.report;
        report.dealt = dealt;
        self.tell(role, &name, started, &report, |seconds| describe_host(&report, seconds))
    }
}

impl From<Role> for caligo_core::qkd::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Alice => Self::Alice,
            Role::Bob => Self::Bob,
        }
    }
}

pub(super) fn alice(args: &AliceArgs) -> anyhow::Result<Ending> {
    let (peer, pairs) = (&args.peer, &args.pairs);
    let params = params(pairs.params.as_ref(), Protocol::Qkd)?;
    let parameters = Parameters::read(params)?;
    let file = || params.display().to_string();
    let strategy = args.session.strategy.unwrap_or(parameters.strategy);
    let library = args.session.library(|| choose(&parameters)).with_context(file)?;
    let config = args.session.distribution(Parameters { strategy, ..parameters });
    let stage = Stage::new(&library, config).with_context(file)?;
    peer.check_files(&inputs(params, pairs.pairs.as_deref()), &[("--out", peer.out.as_deref())])?;
    let device = parameters.device;
    let simulated = |rounds, seed| Simulated::of(&device, rounds, seed);
    let mut rounds: Rounds = pairs.rounds::<QkdError>(stage.rounds(), simulated)?;
    let met = args.meet(Purpose::Key, &mut rounds)?;
    let done = peer.distribute(Role::Alice, &stage, met, &rounds.alice, None);
    rounds.wipe();
    done.map(|()| Ending::Success)
}

pub(super) fn bob(args: &BobArgs) -> anyhow::Result<Ending> {
    let (peer, pairs) = (&args.peer, &args.pairs);
    let params = params(pairs.params.as_ref(), Protocol::Qkd)?;
    let parameters = Parameters::read(params)?;
    let file = || params.display().to_string();
    let library = args.common.library(|| choose(&parameters)).with_context(file)?;
    let mut config = args.common.distribution(parameters);
    config.policy = pairs.policy.map_or(config.policy, Into::into);
    let stage = Stage::new(&library, config).with_context(file)?;
    peer.check_files(&inputs(params, pairs.pairs.as_deref()), &[("--out", peer.out.as_deref())])?;
    let mut rounds = pairs.rounds(stage.rounds())?;
    let met = args.meet(Purpose::Key, &mut rounds)?;
    let done = peer.distribute(Role::Bob, &stage, met, &rounds.bob, args.strategy);
    rounds.wipe();
    done.map(|()| Ending::Success)
}

fn inputs<'p>(params: &'p Path, pairs: Option<&'p Path>) -> [(&'static str, Option<&'p Path>); 2] {
    [("--params", Some(params)), ("--pairs", pairs)]
}
