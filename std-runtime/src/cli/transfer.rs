//! Arguments that every oblivious transfer shares, and its report as text.

use std::fmt::{self, Write};
use std::path::Path;

use clap::Args;

use super::{EffortArgs, PolicyArg, parse_target};
use crate::config::ConfigError;
use crate::config::nsm::Parameters;
use crate::session::connection::Traffic;
use crate::transfer::Config;
use crate::transfer::host::HostReport;
use crate::transfer::report::{BudgetFigures, CorrectionFigures, Phases, Report};
use crate::transfer::spread::Spread;

/// How to make a transfer.
#[derive(Debug, Args)]
pub(super) struct TransferArgs {
    /// Bob commits to his detections before the bases and tells them after.
    #[arg(long)]
    commit: bool,
    /// Leakage budget of either set in bits: the transfer ends before a disclosure that would pass it.
    #[arg(long, value_name = "BITS")]
    budget: Option<u64>,
    /// How disclosures are charged [default: exact].
    #[arg(long, value_enum)]
    policy: Option<PolicyArg>,
    /// Frame error rate to plan each block for [default: epsilon_ec over the blocks of a set].
    #[arg(long, value_name = "FER", value_parser = parse_target)]
    target_fer: Option<f64>,
    #[command(flatten)]
    effort: EffortArgs,
}

impl TransferArgs {
    /// With the parameters in `params`.
    pub(super) fn load(&self, params: &Path) -> Result<Config, ConfigError> {
        Ok(Config {
            parameters: Parameters::read(params)?,
            policy: self.policy.map_or_else(Default::default, Into::into),
            committed: self.commit,
            budget: self.budget,
            effort: self.effort.effort(),
            target_fer: self.target_fer,
        })
    }
}

/// Which of the two strings.
pub(super) fn parse_choice(text: &str) -> Result<bool, String> {
    match text {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("expected 0 or 1".to_owned()),
    }
}

/// A figure: the value of one run; mean and standard deviation of more.
struct Figure<'a>(&'a Spread, usize);

impl fmt::Display for Figure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(spread, digits) = *self;
        match (spread.mean(), spread.deviation()) {
            (None, _) => f.write_str("-"),
            (Some(value), None | Some(0.0)) => write!(f, "{value:.digits$}"),
            (Some(mean), Some(deviation)) => {
                write!(f, "{mean:.*} (sd {deviation:.*})", digits.max(1), digits.max(1))
            }
        }
    }
}

/// Figures with their names in a column.
pub(super) fn describe(r: &Report) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    writeln!(out, "transfers         {}, Bob believes his string after {}", r.runs, r.succeeded)?;
    writeln!(out, "  wrong           {} (expected none)", r.wrong)?;
    for (name, count) in r.aborts.iter().chain(&r.failures) {
        writeln!(out, "  {name:<15} {count}")?;
    }
    let success = &r.success;
    if r.runs > 1 {
        writeln!(
            out,
            "success           {:.4} (95 %: {:.4} to {:.4}), expected {}",
            success.frequency, success.low, success.high, success.expected
        )?;
    }
    describe_phases(out, &r.phases, r.qber_expected)?;
    writeln!(out, "planned for       a frame error rate of {:.2e} a block", success.target_fer)?;
    describe_correction(out, &r.correction, &r.phases)?;
    describe_budget(out, &r.budget, r.margin)?;
    if let Some(distance) = r.other.distance {
        writeln!(
            out,
            "the other string  differs from Bob's in {distance:.4} of its bits, equal after {}",
            r.other.equal
        )?;
    }
    let random = &r.randomness;
    if let (Some(monobit), Some(runs)) = (random.monobit_sigmas, random.runs_sigmas) {
        write!(out, "Alice's strings   {} bits; sigmas: ones {monobit:+.2}, runs {runs:+.2}", random.bits)?;
        for serial in &random.serial {
            write!(out, ", lag {} {:+.2}", serial.lag, serial.sigmas.unwrap_or(f64::NAN))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "sent              Alice {} frames, {} bytes; Bob {}, {}",
        Figure(&r.traffic.alice_frames, 0),
        Figure(&r.traffic.alice_bytes, 0),
        Figure(&r.traffic.bob_frames, 0),
        Figure(&r.traffic.bob_bytes, 0)
    )?;
    writeln!(
        out,
        "time              Delta t {} s, simulated {} s; {} s of one thread",
        r.timing.delta_t_seconds,
        Figure(&r.timing.simulated_seconds, 3),
        Figure(&r.timing.thread_seconds, 4)
    )?;
    Ok(text)
}

/// What one party knows, with its names in a column.
pub(super) fn describe_host(r: &HostReport) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let out = &mut text;
    let outcome = match r.believes {
        Some(true) => format!("one string of {} bits", r.length),
        Some(false) => format!("no string: {}", r.failure.unwrap_or("failed")),
        None => format!("two strings of {} bits", r.length),
    };
    writeln!(out, "transfer          done; this side has {outcome}")?;
    if r.dealt {
        writeln!(out, "a rehearsal       Alice dealt Bob his rounds, so she can tell what he chose")?;
    }
    describe_phases(out, &r.phases, r.qber_expected)?;
    describe_correction(out, &r.correction, &r.phases)?;
    if r.margin.is_some() {
        describe_budget(out, &r.budget, r.margin)?;
    }
    describe_traffic(out, &r.traffic)?;
    writeln!(out, "time              Delta t {} s", r.delta_t_seconds)?;
    Ok(text)
}

pub(super) fn describe_traffic(out: &mut String, t: &Traffic) -> fmt::Result {
    writeln!(
        out,
        "connection        {} frames sent, {} received; {} bytes, {}; {} pads used",
        t.frames_sent, t.frames_received, t.bytes_sent, t.bytes_received, t.pads_used
    )
}

fn describe_phases(out: &mut String, phases: &Phases, expected: f64) -> fmt::Result {
    writeln!(out, "rounds            {}", Figure(&phases.rounds, 0))?;
    writeln!(out, "  Alice detected  {}", Figure(&phases.alice_detected, 0))?;
    writeln!(out, "  Bob detected    {}", Figure(&phases.bob_detected, 0))?;
    writeln!(out, "  both detected   {}", Figure(&phases.both_detected, 0))?;
    writeln!(
        out,
        "  disclosed       {}, {} of them with equal bases, {} errors",
        Figure(&phases.sampled, 0),
        Figure(&phases.tested, 0),
        Figure(&phases.errors, 0)
    )?;
    writeln!(
        out,
        "  each set        {}, in {} blocks",
        Figure(&phases.set_bits, 0),
        Figure(&phases.blocks, 0)
    )?;
    writeln!(out, "  in neither      {}", Figure(&phases.dropped, 0))?;
    let sample = &phases.sample;
    let observed = match (sample.rate, sample.low, sample.high) {
        (Some(rate), Some(low), Some(high)) => format!("observed {rate:.6} (95 %: {low:.6} to {high:.6})"),
        _ => "not observed".to_owned(),
    };
    let planned = Figure(&phases.qber_planned, 6);
    writeln!(out, "QBER              {observed}, expected {expected:.6}, planned for {planned}")
}

fn describe_correction(out: &mut String, r: &CorrectionFigures, phases: &Phases) -> fmt::Result {
    write!(out, "corrected         with the code of {} bits, {}", r.code, r.strategy)?;
    if let Some(assumed) = r.assume {
        write!(out, ", assuming {assumed}")?;
    }
    if r.assume.is_some() && phases.reveals.mean().is_some() {
        write!(out, "; {} reveals of each set", Figure(&phases.reveals, 0))?;
    }
    writeln!(out)
}

fn describe_budget(out: &mut String, budget: &BudgetFigures, margin: Option<f64>) -> fmt::Result {
    writeln!(out, "entropy of one string, in bits")?;
    writeln!(out, "  min-entropy     {}", Figure(&budget.min_entropy_bits, 1))?;
    for (set, (syndrome, tag)) in budget.syndrome_bits.iter().zip(&budget.tag_bits).enumerate() {
        write!(out, "  leak of set {set}   {} of syndromes, ", Figure(syndrome, 0))?;
        let reveals = &budget.reveal_bits[set];
        if reveals.mean().is_some_and(|bits| bits > 0.0) {
            write!(out, "{} of reveals, ", Figure(reveals, 0))?;
        }
        writeln!(out, "{} of its tag", Figure(tag, 0))?;
    }
    writeln!(out, "  less the leak   {}", Figure(&budget.leak_bits, 0))?;
    writeln!(out, "  less hashing    {}", Figure(&budget.hashing_bits, 1))?;
    write!(out, "  left for both   {}", Figure(&budget.surplus_bits, 1))?;
    match margin {
        Some(margin) => writeln!(out, ", {margin:.6} a pair")?,
        None => writeln!(out)?,
    }
    let seeds = Figure(&budget.seed_bits, 0);
    writeln!(out, "length            {} bits each, by seeds of {seeds}", Figure(&budget.length, 0))
}
