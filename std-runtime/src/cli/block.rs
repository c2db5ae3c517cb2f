//! `caligo-run block`: what the page shows, in text.

use std::fmt::Write;

use caligo_core::leakage::Policy;
use caligo_sim::block::{BlockError, End, Explored, MAX_QBER, Settings, explore};
use clap::Args;

use super::{Ending, PolicyArg, in_range, print, usage};
use crate::config::Strategy;
use crate::kernel::{Stage, Tier};
use crate::matrix::library::Library;

fn parse_channel(text: &str) -> Result<f64, String> {
    in_range(text, "a QBER, a number from 0 to 0.12", |q| (0.0..=MAX_QBER).contains(&q))
}

fn parse_rate(text: &str) -> Result<f64, String> {
    in_range(text, "a rate, a number from 0.05 to 0.95", |rate| (0.05..=0.95).contains(&rate))
}

/// Arguments of `block`.
#[derive(Debug, Args)]
pub(super) struct BlockArgs {
    /// Error rate of the channel.
    #[arg(long, value_name = "Q", default_value_t = 0.05, value_parser = parse_channel)]
    qber: f64,
    /// Strategy; several, separated by commas, with --csv.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "baseline")]
    strategy: Vec<Strategy>,
    /// Rate of the first syndrome, for baseline [default: by the measured table].
    #[arg(long, value_name = "R", value_parser = parse_rate)]
    rate: Option<f64>,
    /// Disclosures at most, the syndrome included [default: 3 baseline, 10 blind, 32 symmetric].
    #[arg(long, value_name = "T", value_parser = clap::value_parser!(u8).range(1..=64))]
    rounds: Option<u8>,
    /// The parties do not know the error rate (blind, symmetric).
    #[arg(long)]
    unknown: bool,
    /// Decoder; several, separated by commas, with --csv.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "balanced")]
    decoder: Vec<Tier>,
    /// Seed of key, errors and private randomness.
    #[arg(long, value_name = "K", default_value_t = 1)]
    seed: u32,
    /// How disclosures are charged.
    #[arg(long, value_enum, default_value = "exact")]
    policy: PolicyArg,
    /// Leakage budget in bits.
    #[arg(long, value_name = "BITS", value_parser = clap::value_parser!(u32).range(1..))]
    budget: Option<u32>,
    /// One line for each strategy, decoder and seed.
    #[arg(long)]
    csv: bool,
    /// Seeds, from --seed on, with --csv.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "csv", value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
}

pub(super) fn run(args: &BlockArgs) -> anyhow::Result<Ending> {
    let library = Library::built_in();
    if args.csv {
        let mut out = String::from("strategy,decoder,qber,seed,end,rounds,iterations,disclosed,digest\n");
        for &strategy in &args.strategy {
            for &tier in &args.decoder {
                for offset in 0..args.count {
                    let seed = u64::from(args.seed) + u64::from(offset);
                    let explored = look(&library, &args.settings(strategy, tier, seed))?;
                    let (qber, end) = (args.qber, end_name(&explored.end));
                    let (rounds, iterations) = (explored.rounds(), explored.iterations());
                    let (disclosed, digest) = (explored.disclosed.total(Policy::Exact).0, explored.digest());
                    writeln!(
                        out,
                        "{strategy},{tier},{qber},{seed},{end},{rounds},{iterations},{disclosed},{digest:016x}"
                    )?;
                }
            }
        }
        print(&out)?;
        return Ok(Ending::Success);
    }
    let ([strategy], [tier]) = (&args.strategy[..], &args.decoder[..]) else {
        return Err(usage("--strategy, --decoder: expected one without --csv"));
    };
    let settings = args.settings(*strategy, *tier, args.seed.into());
    let explored = look(&library, &settings)?;
    print(&text(&settings, &explored)?)?;
    Ok(if explored.end == End::Verified { Ending::Success } else { Ending::Failure })
}

fn look(library: &Library, settings: &Settings) -> anyhow::Result<Explored> {
    explore(library, settings).map_err(|error| match error {
        BlockError::Qber | BlockError::Rate => usage(error.to_string()),
        _ => error.into(),
    })
}

impl BlockArgs {
    fn settings(&self, strategy: Strategy, tier: Tier, seed: u64) -> Settings {
        Settings {
            qber: self.qber,
            strategy,
            rate: self.rate,
            rounds: self.rounds,
            known: !self.unknown,
            tier,
            seed,
            policy: self.policy.into(),
            budget: self.budget.map(Into::into),
        }
    }
}

const fn end_name(end: &End) -> &'static str {
    match end {
        End::Verified => "verified",
        End::Failed(_) => "failed",
        End::Tripped { .. } => "tripped",
        End::Aborted(_) => "aborted",
    }
}

const fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::FirstPass => "first pass",
        Stage::Integer => "8-bit",
        Stage::Float => "f32",
        Stage::Guess => "guess",
    }
}

fn text(settings: &Settings, explored: &Explored) -> Result<String, std::fmt::Error> {
    let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum::<u32>();
    let mut out = String::new();
    let Explored { n, payload, rate, .. } = explored;
    let (p, s, errors) = (ones(&explored.punctured), ones(&explored.shortened), ones(&explored.errors));
    writeln!(
        out,
        "frame          {n} bits: {payload} of payload, {p} punctured, {s} shortened; rate {rate:.4}"
    )?;
    writeln!(out, "channel        {errors} errors, QBER {}", settings.qber)?;
    writeln!(out, "\nfrom   message            bytes  disclosed so far: exact, syndrome-cap, conservative")?;
    for message in &explored.messages {
        let [exact, cap, conservative] =
            [Policy::Exact, Policy::SyndromeCap, Policy::Conservative].map(|p| message.disclosed.total(p).0);
        let from = format!("{:?}", message.from);
        let kind = format!("{:?}", message.kind);
        writeln!(out, "{from:<6} {kind:<18} {:<6} {exact}, {cap}, {conservative}", message.bytes)?;
    }
    writeln!(out, "\nround  iteration  decoder     wrong bits  unsatisfied checks")?;
    for step in &explored.steps {
        let (wrong, unsatisfied) = (ones(&step.wrong), ones(&step.unsatisfied));
        let (round, iterations, stage) = (step.round, step.iterations, stage_name(step.stage));
        writeln!(out, "{round:<6} {iterations:<10} {stage:<11} {wrong:<11} {unsatisfied}")?;
    }
    writeln!(out)?;
    match explored.end {
        End::Verified => writeln!(out, "end            verified: the keys are equal")?,
        End::Failed(failure) => writeln!(out, "end            left out: {failure:?}")?,
        End::Tripped { prevented, budget } => {
            writeln!(out, "end            {budget}; {prevented:?} was not sent")?;
        }
        End::Aborted(abort) => writeln!(out, "end            {abort}")?,
    }
    writeln!(out, "rounds         {}, iterations {}", explored.rounds(), explored.iterations())?;
    if let Some(f) = explored.f(settings.policy, settings.qber) {
        let noise = *payload as f64 * caligo_core::limits::entropy(settings.qber);
        write!(out, "f              {f:.4}; Shannon 1")?;
        if let Some(least) = explored.least {
            write!(out, ", least at this length and FER {} {:.4}", explored.target_fer, least / noise)?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "corrected key  {:016x}, {} bits differ from Alice's",
        explored.digest(),
        explored.differing
    )?;
    Ok(out)
}
