//! Arguments that every session shares, and the file that may hold them.

use std::path::PathBuf;
use std::time::Duration;

use caligo_core::leakage::Policy;
use clap::Args;

use super::{CodeArgs, EffortArgs, PolicyArg, RestartArg, parse_efficiency, parse_qber, parse_target, usage};
use crate::config::nsm::Parameters;
use crate::config::{Settings, Strategy, qkd};
use crate::matrix::library::{Library, LibraryError};
use crate::matrix::mother::Mother;
use crate::session::choice::{self, Considered};
use crate::session::local::{Config, QberSource};
use crate::transfer;

/// How to reconcile.
#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    /// How to reconcile [default: baseline].
    #[arg(long, value_enum)]
    pub(super) strategy: Option<Strategy>,
    /// Error rate, `estimate` to disclose and remove a sample of the bits, or `none` [default: estimate for
    /// baseline, none for the others].
    #[arg(long, value_name = "Q|estimate|none", allow_negative_numbers = true, value_parser = parse_source)]
    qber: Option<QberSource>,
    /// Frame error rate to plan for: of the first decoding (baseline), after which padding is revealed, or of the
    /// last [default: 0.01 baseline, 0.001 others].
    #[arg(long, value_name = "FER", value_parser = parse_target)]
    pub(super) target_fer: Option<f64>,
    /// Disclosures of a block at most, the syndrome included [default: 3 baseline, 10 blind, 32 symmetric].
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u8).range(1..=64))]
    rounds: Option<u8>,
    /// Choose code rates by this efficiency instead of the measured table.
    #[arg(long, value_name = "F", value_parser = parse_efficiency)]
    efficiency: Option<f64>,
    /// How disclosures are charged to the budget [default: exact].
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    #[command(flatten)]
    pub(super) common: CommonArgs,
}

/// What either party decides for itself.
#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    /// Leakage budget in bits: the session ends before a disclosure that would pass it.
    #[arg(long, value_name = "BITS")]
    pub(super) budget: Option<u64>,
    /// What the decoder does after a reveal [default: hot].
    #[arg(long, value_enum)]
    restart: Option<RestartArg>,
    /// Decode as if errors struck every position alike: verified blocks, classes and values teach Bob nothing.
    #[arg(long)]
    one_rate: bool,
    #[command(flatten)]
    effort: EffortArgs,
    /// YAML file with any of these settings; flags have precedence.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    code: CodeArgs,
}

fn parse_source(text: &str) -> Result<QberSource, String> {
    match text {
        "estimate" => Ok(QberSource::Estimate),
        "none" => Ok(QberSource::Unknown),
        _ => {
            parse_qber(text).map(QberSource::Given).map_err(|error| format!("{error}, `estimate` or `none`"))
        }
    }
}

/// What a command runs with.
pub(super) struct Loaded {
    pub(super) config: Config,
    /// Code; `None` if it is to be chosen by the key.
    pub(super) library: Option<Library>,
    /// Strategy, if it was chosen and not left to the default.
    pub(super) strategy: Option<Strategy>,
    /// How long to wait for the peer, if the file says so.
    pub(super) timeout: Option<Duration>,
}

impl Loaded {
    /// The code named, or the one that serves a key of `bits` bits best; all that were considered, if any were.
    pub(super) fn code_for(
        library: Option<Library>,
        bits: usize,
        config: &Config,
    ) -> anyhow::Result<(Library, Vec<Considered>)> {
        if let Some(library) = library {
            return Ok((library, Vec::new()));
        }
        let (mother, considered) = choice::choose(bits, config)?;
        Ok((Library::mother(mother), considered))
    }
}

impl SessionArgs {
    /// Flags, then the file, then the strategy's defaults.
    pub(super) fn load(&self) -> anyhow::Result<Loaded> {
        let mut loaded = self.common.load(self.strategy)?;
        let config = &mut loaded.config;
        config.qber = self.qber.unwrap_or(config.qber);
        config.target_fer = self.target_fer.unwrap_or(config.target_fer);
        config.rounds = self.rounds.unwrap_or(config.rounds);
        config.efficiency = self.efficiency.or(config.efficiency);
        config.policy = self.policy.map_or(config.policy, Into::into);
        if config.strategy == Strategy::Baseline && config.qber == QberSource::Unknown {
            return Err(usage("--qber: expected an error rate or `estimate` for baseline, found none"));
        }
        Ok(loaded)
    }
}

impl SessionArgs {
    /// What of these settings an oblivious transfer has too.
    pub(super) fn transfer(&self, parameters: Parameters, committed: bool) -> transfer::Config {
        transfer::Config {
            policy: self.policy.map_or_else(Default::default, Into::into),
            budget: self.common.budget,
            target_fer: self.target_fer,
            ..self.common.transfer(parameters, committed)
        }
    }

    /// What of them a key distribution has too.
    pub(super) fn distribution(&self, parameters: qkd::Parameters) -> crate::qkd::Config {
        let policy = self.policy.map_or_else(Default::default, Into::into);
        crate::qkd::Config { policy, ..self.common.distribution(parameters) }
    }

    /// The code named, or the mother code that `choose` finds.
    pub(super) fn library<E: From<LibraryError>>(
        &self,
        choose: impl FnOnce() -> Result<Mother, E>,
    ) -> Result<Library, E> {
        self.common.library(choose)
    }
}

impl CommonArgs {
    /// What of these settings an oblivious transfer has too.
    pub(super) fn transfer(&self, parameters: Parameters, committed: bool) -> transfer::Config {
        transfer::Config {
            parameters,
            policy: Policy::default(),
            committed,
            budget: None,
            effort: self.effort.effort(),
            target_fer: None,
        }
    }

    /// What of them a key distribution has too.
    pub(super) fn distribution(&self, parameters: qkd::Parameters) -> crate::qkd::Config {
        crate::qkd::Config { parameters, policy: Policy::default(), effort: self.effort.effort() }
    }

    /// The code named, or the mother code that `choose` finds.
    pub(super) fn library<E: From<LibraryError>>(
        &self,
        choose: impl FnOnce() -> Result<Mother, E>,
    ) -> Result<Library, E> {
        self.code.load_or_choose(choose)
    }

    pub(super) fn load(&self, strategy: Option<Strategy>) -> anyhow::Result<Loaded> {
        let settings = match &self.config {
            Some(path) => Settings::read(path)?,
            None => Settings::default(),
        };
        for warning in &settings.warnings {
            eprintln!("caligo-run: {warning}");
        }
        let strategy = strategy.or(settings.strategy);
        let mut config = settings.apply(Config::of(strategy.unwrap_or(Strategy::Baseline)));
        config.budget = self.budget.or(config.budget);
        config.restart = self.restart.map_or(config.restart, Into::into);
        config.effort = self.effort.over(config.effort);
        config.learn &= !self.one_rate;
        let library = self
            .code
            .load_or(settings.mother_matrix_path.as_deref(), settings.pattern_directory.as_deref())?;
        // A file that names a length means the mother code of that length.
        let named = || Mother::ALL.into_iter().find(|mother| Some(mother.n()) == settings.frame_size);
        let library = library.or_else(|| named().map(Library::mother));
        if let Some(path) = &self.config {
            settings.check(path, library.as_ref().unwrap_or(&Library::built_in()))?;
        }
        Ok(Loaded { config, library, strategy, timeout: settings.timeout })
    }
}
