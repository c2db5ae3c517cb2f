//! `caligo-run bounds`.

use std::fmt::{self, Write};
use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use super::{Ending, print};
use crate::bounds::{self, ErvenReport, InequalityFigures, ProofFigures, Report};
use crate::config::nsm::Parameters;

/// Arguments of `bounds`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("what").required(true).args(["params", "experiment"])))]
pub(super) struct BoundsArgs {
    /// A published experiment, computed again.
    #[arg(value_enum)]
    experiment: Option<Experiment>,
    /// YAML file with the parameters.
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Experiment {
    /// Erven et al. 2014, Nature Communications 5, 3418.
    #[value(name = "erven2014")]
    Erven2014,
}

pub(super) fn run(args: &BoundsArgs) -> anyhow::Result<Ending> {
    // The command line has one of the two.
    let text = if let Some(path) = &args.params {
        let report = bounds::report(&Parameters::read(path)?);
        if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { table(&report)? }
    } else {
        let report = bounds::erven_2014()?;
        if args.json { serde_json::to_string_pretty(&report)? + "\n" } else { explanation(&report)? }
    };
    print(&text)?;
    Ok(Ending::Success)
}

/// Six digits behind the point, one behind thousands, a power of ten where neither would do.
struct Figure(f64);

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.abs();
        if size != 0.0 && !(1e-3..1e9).contains(&size) {
            write!(f, "{:.5e}", self.0)
        } else if size >= 1000.0 {
            write!(f, "{:.1}", self.0)
        } else {
            write!(f, "{:.6}", self.0)
        }
    }
}

/// A heading and lines of name, figure and unit in columns.
struct Table(String);

impl Table {
    fn heading(&mut self, text: &str) -> fmt::Result {
        let gap = if self.0.is_empty() { "" } else { "\n" };
        writeln!(self.0, "{gap}{text}")
    }

    fn line(&mut self, name: &str, figure: &dyn fmt::Display, unit: &str) -> fmt::Result {
        let line = format!("  {name:<34}{:>16}  {unit}", figure.to_string());
        writeln!(self.0, "{}", line.trim_end())
    }

    fn rate(&mut self, name: &str, rate: f64, unit: &str) -> fmt::Result {
        self.line(name, &Figure(rate), unit)
    }

    fn bits(&mut self, name: &str, bits: f64, unit: &str) -> fmt::Result {
        self.line(name, &format_args!("{bits:.1}"), unit)
    }

    fn optional(&mut self, name: &str, rate: Option<f64>, unit: &str) -> fmt::Result {
        match rate {
            Some(rate) => self.rate(name, rate, unit),
            None => self.line(name, &"-", unit),
        }
    }

    fn inequality(&mut self, inequality: &InequalityFigures) -> fmt::Result {
        let verdict = if inequality.holds { "holds" } else { "FAILS" };
        let (left, right, by) =
            (Figure(inequality.left), Figure(inequality.right), Figure(inequality.margin.abs()));
        writeln!(self.0, "  {verdict}  {}: {left} < {right}, by {by}", inequality.statement)
    }
}

fn table(report: &Report) -> Result<String, fmt::Error> {
    let mut t = Table(String::new());
    memory(&mut t, report)?;
    source(&mut t, report)?;
    correction(&mut t, report)?;
    let proofs = [
        (
            "by the strong converse: any code in the memory, sets as Bob likes, finite size",
            &report.proofs.strong_converse,
        ),
        (
            "by the max bound: photons stored one by one, sets not of his choice, asymptotic if stored",
            &report.proofs.max_bound,
        ),
    ];
    for (heading, proof) in proofs {
        t.heading(heading)?;
        budget(&mut t, proof)?;
    }
    Ok(t.0)
}

fn memory(t: &mut Table, report: &Report) -> fmt::Result {
    let (memory, record) = (&report.memory, report.nsm.record());
    t.heading("dishonest Bob's memory")?;
    let note = record.storage_coherence_ns.map_or_else(String::new, |coherence| {
        format!("exp(-{:.3e} / {coherence:.3e}), times in ns", record.delta_t_ns as f64)
    });
    t.rate("noise r", memory.noise_r, &note)?;
    t.rate("storage rate nu", memory.rate_nu, "qubit/pair")?;
    t.rate("capacity C_N", memory.capacity, "bit/qubit")?;
    t.rate("strong converse gamma_r(1/2)", memory.strong_converse_half, "bit/qubit")?;
    t.rate("collision entropy h2", memory.collision_rate, "bit/qubit")?;
    t.rate("Gamma(h2)", memory.collision_bound, "bit/qubit")?;
    t.rate("virtual erasure 1 - r", memory.erasure_bound, "bit/qubit")?;
    t.rate("max bound h", memory.max_bound, "bit/qubit")?;
    t.rate("rational bound min(1/2, h)", memory.rational_bound, "bit/qubit")?;
    t.rate("bounded storage", memory.bounded_storage, "bit/qubit, 1/2 + nu (h - 1/2)")?;
    t.rate("rational, bounded storage", memory.rational_bounded_storage, "bit/qubit")?;
    t.inequality(&report.capacity)?;
    writeln!(t.0, "         needed with interactive hashing only")
}

fn source(t: &mut Table, report: &Report) -> fmt::Result {
    let source = &report.source;
    t.heading("source and detectors, on average")?;
    t.rate("coincidences Y", source.coincidence_yield, "round/pair")?;
    t.rate("sifted rate Y/2", source.sifted_rate, "bit/pair")?;
    t.rate("QBER", source.qber, "physical model")?;
    t.rate("QBER, rule of thumb", source.qber_heuristic, "only where blind sessions begin")?;
    t.rate("entropy h(Q)", source.entropy, "bit/bit")?;
    t.rate("varentropy v(Q)", source.varentropy, "bit^2/bit")?;
    t.bits("rounds", source.rounds, "both sides clicked")?;
    t.bits("bits of each set", source.set_bits, "bit")?;
    t.bits("stored qubits nu N", source.stored_qubits, "qubit")?;
    t.rate("part of the rounds kept", source.stored_part, "at most 1")?;
    t.rate("min-entropy rate lambda", report.min_entropy_rate, "bit/bit, if measured at once")?;
    let Some(estimate) = &report.estimate else { return Ok(()) };
    t.heading("estimate of the error rate, with as many errors as expected")?;
    t.line("test bits", &estimate.test_bits, "bit")?;
    t.line("errors", &estimate.errors, "bit")?;
    t.rate("Clopper-Pearson lower bound", estimate.lower, "except with epsilon_ec")?;
    t.rate("Clopper-Pearson upper bound", estimate.upper, "except with epsilon_ec")?;
    t.optional("mu", estimate.mu, "for key distribution")
}

fn correction(t: &mut Table, report: &Report) -> fmt::Result {
    t.heading("error correction")?;
    t.rate("greatest QBER", report.qber_limit, "by the max bound, at this f")?;
    let Some(limit) = &report.reconciliation else {
        return writeln!(t.0, "  no errors to correct, or nothing but errors");
    };
    let beyond = limit.f_converse.is_some_and(|least| limit.f < least);
    t.rate("f", limit.f, if beyond { "as given: NOT POSSIBLE with such blocks" } else { "as given" })?;
    t.rate("frame error rate of a block", limit.block_fer, "for epsilon_ec over the set")?;
    let block = format!("at least, for blocks of {} bits (converse)", limit.block_bits);
    t.optional("f of any code", limit.f_converse, &block)?;
    t.optional("f of some code", limit.f_achievable, "at most, likewise (random coding)")?;
    t.optional("f of the set at once", limit.f_normal_set, "normal approximation")
}

fn budget(t: &mut Table, proof: &ProofFigures) -> fmt::Result {
    t.bits("min-entropy of one string", proof.min_entropy_bits, "bit")?;
    t.bits("less syndromes and tag", proof.leak_bits, "bit")?;
    t.bits("less hashing", proof.hashing_bits, "bit, 2 log2(1/(2 epsilon_pa))")?;
    t.bits("left for both strings", proof.surplus_bits, "bit")?;
    t.line("length of each string", &proof.length, if proof.feasible { "bit" } else { "bit: infeasible" })?;
    proof.inequalities.iter().try_for_each(|inequality| t.inequality(inequality))
}

fn explanation(report: &ErvenReport) -> Result<String, fmt::Error> {
    let mut t = Table(String::new());
    t.heading("Erven, Ng, Gigov, Laflamme, Wehner and Weihs 2014, Nature Communications 5, 3418")?;
    t.line("pairs n", &format_args!("{:.2e}", report.pairs), "known to .06e7")?;
    t.line("rounds m", &format_args!("{:.3e}", report.rounds), "")?;
    t.line("single pairs m1", &format_args!("{:.3e}", report.single_pairs), "at least")?;
    t.line("memory r", &report.noise_r, "")?;
    t.line("storage rate nu", &report.rate_nu, "qubit/pair")?;
    t.line("epsilon", &format_args!("{:e}", report.epsilon), "")?;
    t.line("efficiency f", &report.f, "")?;
    t.line("QBER Q", &report.qber, "known to .0002")?;
    t.rate("zeta", report.zeta, "sqrt(ln(1/epsilon)/(2 n))")?;
    t.rate("capacity C_N", report.capacity, "bit/qubit")?;
    t.heading("l = (1/2) nu n gamma(R) - (m/2) f h(Q) - log2(1/(2 epsilon))")?;
    let (ours, printed) = (&report.theorem, &report.as_printed);
    writeln!(t.0, "  {:<34}{:>16}{:>16}", "", "theorem", "as printed")?;
    for (name, one, other) in [
        ("C_BB84 in bit/bit", ours.min_entropy_rate, printed.min_entropy_rate),
        ("R in bit/qubit", ours.rate, printed.rate),
    ] {
        writeln!(t.0, "  {name:<34}{one:>16.6}{other:>16.6}")?;
    }
    for (name, one, other) in [
        ("(1/2) nu n gamma(R) in bit", 0.5 * ours.min_entropy_bits, 0.5 * printed.min_entropy_bits),
        ("(m/2) f h(Q) in bit", ours.leak_bits, printed.leak_bits),
        ("log2(1/(2 epsilon)) in bit", ours.hashing_bits, printed.hashing_bits),
        ("length l in bit", ours.length, printed.length),
    ] {
        writeln!(t.0, "  {name:<34}{one:>16.1}{other:>16.1}")?;
    }
    writeln!(t.0, "  {:<34}{:>16}", "published length in bit", report.published_length)?;
    t.heading("how the theorem's length moves with what the inputs leave open")?;
    for moved in &report.sensitivity {
        let name = format!("{} more by {}", moved.input, moved.change);
        t.line(&name, &format_args!("{:+.1}", moved.bits), "bit")?;
    }
    writeln!(
        t.0,
        "\n\
         The theorem of Ng, Berta and Wehner 2012 takes (1 - 2 log2 epsilon)/(s m1) from the rate;\n\
         equation 4 of the paper prints log2(1/(2 epsilon))/(s m1), about half of it, and so gives\n\
         {:.0} bits more. Here the theorem counts. Its {:.0} bits are {:.0} more than were published:\n\
         the length is a small difference of large terms, and n = {:.3e} in place of {:.2e},\n\
         a quarter of what n is known to, makes it {}.",
        printed.length - ours.length,
        ours.length,
        ours.length - report.published_length as f64,
        report.pairs_for_published,
        report.pairs,
        report.published_length
    )?;
    Ok(t.0)
}
