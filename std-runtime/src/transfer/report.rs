//! What transfers came to, in figures: those of one run themselves, of more runs their totals, means and spread.

use std::collections::BTreeMap;

use caligo_core::leakage::{Disclosed, LeakBits};
use caligo_core::ot::contract::{Amplified, Sifted};
use caligo_core::ot::{Abort, Correction, Failure};

use super::Stage;
use super::local::{Completed, Run};
use super::randomness::{Figures, Randomness};
use super::spread::{Number, Spread};
use crate::channel::pairs::{Compared, ErrorFigures};
use crate::montecarlo::clopper_pearson;

/// Adds up runs, in their order.
#[derive(Debug)]
pub struct Summary {
    report: Report,
    randomness: Randomness,
    /// Pairs of a run.
    pairs: f64,
    margin: Spread,
    sample: Compared,
    /// Bits in which Bob's strings differ from those not chosen.
    distance: u64,
    first_abort: Option<(u64, Abort)>,
}

/// The report of `caligo-run ot`.
#[derive(Debug, serde::Serialize)]
pub struct Report {
    /// Transfers.
    pub runs: u64,
    /// Those after which Bob believes his string.
    pub succeeded: u64,
    /// Those after which he does, and it is not the one of his choice.
    pub wrong: u64,
    /// Bits of each string; the mean over runs that came to their end.
    pub length: Option<Number>,
    /// What is left of the min-entropy after leak and hashing, over the pairs; negative where it did not suffice. The
    /// mean over runs in which it is known.
    pub margin: Option<f64>,
    /// Errors over tested bits, of all samples.
    pub qber_observed: Option<f64>,
    /// By the model of the parameters.
    pub qber_expected: f64,
    /// Bits charged to the set that was charged most; the mean over runs that came to their end.
    pub leakage: Option<Number>,
    /// How errors are corrected.
    #[serde(flatten)]
    pub correction: CorrectionFigures,
    /// Runs that ended early, by the name of the reason.
    pub aborts: BTreeMap<&'static str, u64>,
    /// Runs after which Bob's string is random, by the reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// How often Bob believes his string.
    pub success: Success,
    /// Bob's string beside the one that he did not choose.
    pub other: Other,
    /// Counts of each phase.
    pub phases: Phases,
    /// Entropy of one string, term by term.
    pub budget: BudgetFigures,
    /// Times.
    pub timing: Timing,
    /// What the parties sent.
    pub traffic: Traffic,
    /// Whether Alice's strings look random, all of all runs together.
    pub randomness: Figures,
}

/// How errors are corrected.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct CorrectionFigures {
    /// Length of the code in bits.
    pub code: usize,
    /// `baseline` or `blind`.
    pub strategy: &'static str,
    /// What is assumed of Alice, if anything.
    pub assume: Option<&'static str>,
}

impl CorrectionFigures {
    pub(super) fn of(stage: &Stage<'_>) -> Self {
        let (strategy, assume) = match stage.config().parameters.correction {
            Correction::OneWay => ("baseline", None),
            Correction::BlindUnder(_) => ("blind", Some("semi_honest_alice")),
        };
        Self { code: stage.code_bits(), strategy, assume }
    }
}

/// How often Bob believes his string.
#[derive(Debug, serde::Serialize)]
pub struct Success {
    /// Over all runs.
    pub frequency: f64,
    /// Lower end of its 95 % interval (Clopper-Pearson).
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// 1 - `epsilon_ec`.
    pub expected: f64,
    /// Frame error rate that each block was planned for.
    pub target_fer: f64,
}

/// Bob's string beside the other one.
#[derive(Debug, serde::Serialize)]
pub struct Other {
    /// Runs in which they are equal.
    pub equal: u64,
    /// Bits in which they differ, over all bits of all runs.
    pub distance: Option<f64>,
}

/// Counts of each phase, over runs that came to their end.
#[derive(Debug, serde::Serialize)]
pub struct Phases {
    /// Rounds of the run.
    pub rounds: Spread,
    /// Those in which Alice's detectors clicked.
    pub alice_detected: Spread,
    /// Those that Bob reported.
    pub bob_detected: Spread,
    /// Those that both detected.
    pub both_detected: Spread,
    /// Those of them that were disclosed to estimate the error rate.
    pub sampled: Spread,
    /// Disclosed with equal bases.
    pub tested: Spread,
    /// Errors among them.
    pub errors: Spread,
    /// Errors over them, all runs together, with their 95 % interval.
    pub sample: ErrorFigures,
    /// Error rate that blocks were planned for: the sample's upper bound at epsilon_ec.
    pub qber_planned: Spread,
    /// Rounds of each of the two sets.
    pub set_bits: Spread,
    /// Rounds in neither set, so that both are equal in size.
    pub dropped: Spread,
    /// Blocks of each set.
    pub blocks: Spread,
    /// Reveals of each set.
    pub reveals: Spread,
}

/// Entropy of one string in bits, term by term, over runs that came to their end.
#[derive(Debug, serde::Serialize)]
pub struct BudgetFigures {
    /// H_min^eps(X_{1-C} | B).
    pub min_entropy_bits: Spread,
    /// Charged for syndromes, of each set.
    pub syndrome_bits: [Spread; 2],
    /// Charged to each set for padding revealed of both.
    pub reveal_bits: [Spread; 2],
    /// Charged for the tag, of each set.
    pub tag_bits: [Spread; 2],
    /// Charged to the set that was charged most.
    pub leak_bits: Spread,
    /// 2 log2(1/(2 epsilon_pa)), which hashing takes.
    pub hashing_bits: Spread,
    /// What is left for both strings.
    pub surplus_bits: Spread,
    /// Bits of each string.
    pub length: Spread,
    /// Bits of each seed. They are public and cost nothing.
    pub seed_bits: Spread,
}

/// Times of a run.
#[derive(Debug, serde::Serialize)]
pub struct Timing {
    /// Delta t in seconds.
    pub delta_t_seconds: f64,
    /// Simulated seconds from the last round to the end.
    pub simulated_seconds: Spread,
    /// Seconds of one thread, the source's part included. A measurement, not a function of the seed.
    pub thread_seconds: Spread,
}

/// What the parties sent, over all runs.
#[derive(Debug, serde::Serialize)]
pub struct Traffic {
    /// Alice's frames.
    pub alice_frames: Spread,
    /// Alice's bytes.
    pub alice_bytes: Spread,
    /// Bob's frames.
    pub bob_frames: Spread,
    /// Bob's bytes.
    pub bob_bytes: Spread,
}

/// The name of a failure in reports.
pub(crate) const fn failure_name(failure: Failure) -> &'static str {
    match failure {
        Failure::DecodingFailed { .. } => "decoding_failed",
        Failure::HashMismatch => "hash_mismatch",
    }
}

impl Default for Phases {
    fn default() -> Self {
        let whole = Spread::WHOLE;
        Self {
            rounds: whole,
            alice_detected: whole,
            bob_detected: whole,
            both_detected: whole,
            sampled: whole,
            tested: whole,
            errors: whole,
            sample: Compared::default().into(),
            qber_planned: Spread::REAL,
            set_bits: whole,
            dropped: whole,
            blocks: whole,
            reveals: whole,
        }
    }
}

impl Phases {
    /// Adds what both parties know of a run.
    pub(super) fn add(&mut self, sifted: &Sifted) {
        let estimated = &sifted.estimated;
        let detected = &estimated.detected;
        self.rounds.add(detected.rounds as f64);
        self.bob_detected.add(detected.reported as f64);
        self.both_detected.add(detected.common as f64);
        if let Some(estimate) = &estimated.estimate {
            self.sampled.add(estimate.sampled as f64);
            self.tested.add(estimate.tested as f64);
            self.errors.add(estimate.errors as f64);
        }
        self.qber_planned.add(estimated.qber);
        self.set_bits.add(sifted.set_bits as f64);
        self.dropped.add((estimated.kept - 2 * sifted.set_bits) as f64);
    }
}

impl Default for BudgetFigures {
    fn default() -> Self {
        let (whole, real) = (Spread::WHOLE, Spread::REAL);
        Self {
            min_entropy_bits: real,
            syndrome_bits: [whole; 2],
            reveal_bits: [whole; 2],
            tag_bits: [whole; 2],
            leak_bits: whole,
            hashing_bits: real,
            surplus_bits: real,
            length: whole,
            seed_bits: whole,
        }
    }
}

impl BudgetFigures {
    /// Adds what Alice knows of a run.
    pub(super) fn add(&mut self, amplified: &Amplified) {
        let (reconciled, budget) = (&amplified.reconciled, &amplified.budget);
        self.min_entropy_bits.add(budget.min_entropy_bits);
        for (set, receipt) in reconciled.receipts.iter().enumerate() {
            let disclosed = receipt.disclosed();
            let none = LeakBits(0);
            let syndromes = Disclosed { padding_revealed: none, padding_exact: none, ..disclosed };
            let charged = [syndromes, disclosed].map(|of| of.reconciliation(receipt.policy()).0);
            self.syndrome_bits[set].add(charged[0] as f64);
            self.reveal_bits[set].add((charged[1] - charged[0]) as f64);
            self.tag_bits[set].add(disclosed.tag.0 as f64);
        }
        self.leak_bits.add(reconciled.leak().0 as f64);
        self.hashing_bits.add(budget.hashing_bits);
        self.surplus_bits.add(budget.surplus_bits());
        self.length.add(amplified.length as f64);
        self.seed_bits.add(amplified.seed_bits as f64);
    }
}

impl Summary {
    /// Of no runs of `stage` yet.
    pub fn new(stage: &Stage<'_>) -> Self {
        let parameters = &stage.config().parameters;
        let targets = parameters.targets.record();
        let (whole, real) = (Spread::WHOLE, Spread::REAL);
        let report = Report {
            runs: 0,
            succeeded: 0,
            wrong: 0,
            length: None,
            margin: None,
            qber_observed: None,
            qber_expected: parameters.nsm.coincidences().qber,
            leakage: None,
            correction: CorrectionFigures::of(stage),
            aborts: BTreeMap::new(),
            failures: BTreeMap::new(),
            success: Success {
                frequency: 0.0,
                low: 0.0,
                high: 1.0,
                expected: 1.0 - targets.epsilon_ec,
                target_fer: stage.target_fer(),
            },
            other: Other { equal: 0, distance: None },
            phases: Phases::default(),
            budget: BudgetFigures::default(),
            timing: Timing {
                delta_t_seconds: parameters.nsm.record().delta_t_ns as f64 / 1e9,
                simulated_seconds: real,
                thread_seconds: real,
            },
            traffic: Traffic { alice_frames: whole, alice_bytes: whole, bob_frames: whole, bob_bytes: whole },
            randomness: Randomness::default().figures(),
        };
        Self {
            report,
            randomness: Randomness::default(),
            pairs: stage.rounds() as f64,
            margin: real,
            sample: Compared::default(),
            distance: 0,
            first_abort: None,
        }
    }

    /// Adds run number `index`.
    pub fn add(&mut self, index: u64, run: &Run) {
        let report = &mut self.report;
        report.runs += 1;
        report.timing.thread_seconds.add(run.seconds);
        report.timing.simulated_seconds.add(run.simulated_us as f64 / 1e6);
        let [alice, bob] = [0, 1].map(|party| [run.frames[party] as f64, run.bytes[party] as f64]);
        report.traffic.alice_frames.add(alice[0]);
        report.traffic.alice_bytes.add(alice[1]);
        report.traffic.bob_frames.add(bob[0]);
        report.traffic.bob_bytes.add(bob[1]);
        match &run.end {
            Ok(completed) => {
                report.phases.alice_detected.add(run.alice_detected as f64);
                self.complete(completed);
            }
            Err(reason) => {
                *report.aborts.entry(reason.name()).or_default() += 1;
                self.first_abort = self.first_abort.or(Some((index, *reason)));
            }
        }
        if let Some(margin) = run.surplus_bits().map(|bits| bits / self.pairs) {
            self.margin.add(margin);
        }
    }

    fn complete(&mut self, completed: &Completed) {
        let Self { report, .. } = self;
        let amplified = &completed.amplified;
        let sifted = &amplified.reconciled.sifted;
        match completed.failure {
            None => {
                report.succeeded += 1;
                report.wrong += u64::from(!completed.chosen);
            }
            Some(failure) => {
                *report.failures.entry(failure_name(failure)).or_default() += 1;
            }
        }
        report.other.equal += u64::from(completed.other);
        self.distance += completed.other_distance;
        self.randomness.merge(&completed.randomness);

        report.phases.add(sifted);
        report.phases.blocks.add(f64::from(amplified.reconciled.blocks));
        report.phases.reveals.add(f64::from(amplified.reconciled.reveals));
        if let Some(estimate) = &sifted.estimated.estimate {
            self.sample = self.sample + Compared { rounds: estimate.tested, differ: estimate.errors };
        }
        report.budget.add(amplified);
    }

    /// The first run that ended early, and why.
    pub fn first_abort(&self) -> Option<(u64, Abort)> {
        self.first_abort
    }

    /// The figures.
    pub fn report(self) -> Report {
        let Self { mut report, randomness, margin, sample, distance, .. } = self;
        report.length = report.budget.length.number();
        report.leakage = report.budget.leak_bits.number();
        report.margin = margin.mean();
        report.phases.sample = sample.into();
        report.qber_observed = report.phases.sample.rate;
        let (low, high) = clopper_pearson(report.succeeded, report.runs, 0.95);
        report.success = Success {
            frequency: report.succeeded as f64 / report.runs.max(1) as f64,
            low,
            high,
            ..report.success
        };
        report.randomness = randomness.figures();
        // Each run has two strings that count there, and one that is compared.
        let compared = report.randomness.bits / 2;
        report.other.distance = (compared > 0).then(|| distance as f64 / compared as f64);
        report
    }
}
