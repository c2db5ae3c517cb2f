//! One sample through the real machines of oblivious transfer.
//!
//! In: a [`Sample`]. Out: its [`Row`], a function of (seed, index) but for wall times; or a [`Fault`] of the machinery,
//! which is no result. Both parties run in the calling thread, on memory that the next sample takes over.

use std::fmt;
use std::sync::Mutex;
use std::time::Instant as Clock;

use caligo_core::leakage::Policy;
use caligo_core::limits::entropy;
use caligo_core::ot::contract::Amplified;
use caligo_core::ot::{Abort, Correction, Failure, SemiHonestAlice, Start};
use caligo_core::security::{Budget, Forecast, NsmParameters, Proof, Targets};
use caligo_core::verify::TAG_BITS;
use caligo_core::wire::Strategy;

use crate::campaign::batch::Sample;
use crate::campaign::design::Infeasible;
use crate::campaign::feasibility::Verdict;
use crate::campaign::rows::{Outcome, Row};
use crate::channel::mix;
use crate::channel::pairs::{Portions, Simulated};
use crate::config::campaign::Campaign;
use crate::config::nsm::Parameters;
use crate::kernel::Effort;
use crate::matrix::library::{Library, LibraryError};
use crate::matrix::mother::Mother;
use crate::session::local::Ground;
use crate::transfer::local::{Memory, Run, Topic};
use crate::transfer::report::failure_name;
use crate::transfer::runs::Draw;
use crate::transfer::{Config, Stage, TransferError, choose_among};

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a row of a sample. Any number of threads share one.
pub trait Execute: Sync {
    /// The row of `sample`.
    ///
    /// # Errors
    /// If the machinery failed; another attempt may not.
    fn execute(&self, sample: &Sample) -> Result<Row, Fault>;
}

/// Keeps samples apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"campaign");

/// The same for samples that models chose.
const CHOSEN: u64 = u64::from_be_bytes(*b"chosen  ");

/// Runs samples.
#[derive(Debug)]
pub struct Runner<'a> {
    libraries: &'a [Library],
    /// Of each library.
    grounds: Vec<Ground<'a>>,
    seed: u64,
    targets: Targets,
    proof: Proof,
    runs_infeasible: bool,
    /// One for each thread that has run.
    memory: Mutex<Vec<Memory<'a>>>,
}

/// All mother codes, by length.
pub fn libraries() -> Vec<Library> {
    Mother::ALL.map(Library::mother).into()
}

impl<'a> Runner<'a> {
    /// For the samples of `campaign`, each with the code by which it is expected to disclose least, out of `libraries`, by
    /// ascending length of the code.
    ///
    /// # Errors
    /// None once the libraries are loaded.
    pub fn new(campaign: &Campaign, libraries: &'a [Library]) -> Result<Self, LibraryError> {
        Ok(Self {
            libraries,
            grounds: libraries.iter().map(Ground::of).collect::<Result<_, _>>()?,
            seed: mix(campaign.seed ^ PHASE),
            targets: *campaign.targets(),
            proof: campaign.proof,
            runs_infeasible: campaign.infeasible == Infeasible::Run,
            memory: Mutex::new(Vec::new()),
        })
    }

    /// The same for samples that models chose: all are run, and nothing that is drawn is drawn for one of the design too.
    #[must_use]
    pub fn of_chosen(self) -> Self {
        Self { seed: mix(self.seed ^ CHOSEN), runs_infeasible: true, ..self }
    }

    /// Fingerprint of the codes and their orders.
    pub fn code(&self) -> u64 {
        self.grounds.iter().fold(0, |all, ground| mix(all ^ ground.fingerprint))
    }

    /// What is known of a sample before it is run.
    fn foretold(&self, sample: &Sample) -> Row {
        let Sample { index, draw, inputs, parameters, verdict } = sample;
        let forecast = Forecast::of(parameters, &self.targets);
        let pairs = parameters.record().num_pairs as f64;
        Row {
            feasibility: verdict.name(self.proof).into(),
            margin_predicted: (forecast.budget(self.proof).surplus_bits() / pairs) as f32,
            qber_expected: forecast.coincidences.qber as f32,
            detail: forecast.feasible(self.proof).err().map(|why| why.to_string()).unwrap_or_default(),
            ..Row::new(*index, *draw, *inputs)
        }
    }

    /// The parameters of a run. Both parties are simulated and follow the protocol, so blind correction's assumption
    /// holds.
    const fn parameters(&self, nsm: NsmParameters) -> Parameters {
        let correction = match nsm.record().strategy {
            Strategy::Blind => Correction::BlindUnder(SemiHonestAlice),
            _ => Correction::OneWay,
        };
        Parameters { nsm, correction, targets: self.targets }
    }

    fn run(&self, sample: &Sample, row: &mut Row) -> Result<(), TransferError> {
        let started = Clock::now();
        let feasible = sample.verdict == Verdict::Feasible;
        let start = if feasible { Start::IfPromising } else { Start::Anyway };
        let parameters = self.parameters(sample.parameters);
        // Where no code is expected to correct the errors, the machines say so.
        let code = choose_among(self.libraries, &parameters).unwrap_or(0);
        let (Some(library), Some(ground)) = (self.libraries.get(code), self.grounds.get(code)) else {
            return Err(TransferError::Aborted(Abort::Host("code: expected at least one")));
        };
        let config = Config {
            parameters,
            policy: Policy::Exact,
            committed: false,
            budget: None,
            effort: Effort::default(),
            target_fer: None,
        };
        let stage = Stage::on(library, ground.clone(), config, self.proof, start)?;
        let spare = self.memory.lock().ok().and_then(|mut memory| memory.pop());
        let mut memory = spare.unwrap_or_default();
        memory.fit(&stage)?;
        let draw = Draw::new(self.seed, sample.index);
        let began = Clock::now();
        let source = Simulated::new(&parameters.nsm, stage.rounds() as u64, draw.pairs);
        Portions::new(source).fill(&mut memory.rounds)?;
        row.source_s = began.elapsed().as_secs_f32();
        let run = memory.run(&stage, &stage.planner()?, draw.choice, draw.sources, started)?;
        // After a panic it is dropped instead.
        if let Ok(mut spare) = self.memory.lock() {
            spare.push(memory);
        }
        row.code_bits = stage.code_bits() as u64;
        self.record(sample, &run, row)
    }

    fn record(&self, sample: &Sample, run: &Run, row: &mut Row) -> Result<(), TransferError> {
        row.phase = run.last.name().into();
        row.duration_s = run.seconds as f32;
        row.sifting_s = run.times.sifting as f32;
        row.reconciliation_s = run.times.reconciliation as f32;
        row.amplification_s = run.times.amplification as f32;
        row.leakage_bits = run.leaked;
        row.frame_errors = run.decodings.failed_first;
        if run.decodings.blocks > 0 {
            row.rounds = (run.decodings.attempts as f64 / run.decodings.blocks as f64) as f32;
        }
        if let Some(estimate) = run.estimate
            && estimate.tested > 0
        {
            row.qber_observed = estimate.observed() as f32;
        }
        if let Some(surplus) = self.surplus(sample, run) {
            row.margin = (surplus / sample.parameters.record().num_pairs as f64) as f32;
            row.clearance = self.clearance(sample, run, surplus) as f32;
        }
        match &run.end {
            Ok(completed) => {
                row.f = efficiency(&completed.amplified, sample).map_or(f32::NAN, |f| f as f32);
                row.detail.clear();
                if let Some(failure) = completed.failure {
                    row.outcome = Outcome::Failed;
                    row.error_code = failure_name(failure).into();
                    row.detail = describe(failure);
                } else {
                    row.outcome = Outcome::Succeeded;
                    row.key_length = completed.amplified.length as u64;
                    row.net_efficiency = row.margin.max(0.0);
                }
            }
            Err(abort) if is_result(abort) => {
                row.outcome = Outcome::Failed;
                row.error_code = abort.name().into();
                row.detail = abort.to_string();
            }
            Err(abort) => return Err(TransferError::Aborted(*abort)),
        }
        Ok(())
    }

    /// Rounds that both detected and none disclosed.
    fn kept(&self, run: &Run) -> f64 {
        let both = run.both_detected as f64;
        both - (both * self.targets.record().test_fraction).floor()
    }

    /// The least of what the run had to keep above 0, in bits of each bit of a set: of `surplus`, and of what correcting a
    /// bit would cost more at the threshold of the error rate than at the estimate's bound. Not below -f: that is the cost
    /// where outcomes are random.
    fn clearance(&self, sample: &Sample, run: &Run, surplus: f64) -> f64 {
        let efficiency = self.targets.record().efficiency;
        let left = surplus / (0.5 * self.kept(run)).max(1.0);
        let below = run.estimate.map_or(left, |estimate| {
            let forecast = Forecast::of(&sample.parameters, &self.targets);
            let limit = forecast.qber_threshold(self.proof, &self.targets);
            efficiency * (entropy(limit.min(0.5)) - entropy(estimate.upper.min(0.5)))
        });
        left.min(below).max(-efficiency)
    }

    /// What is left of the min-entropy after leak and overheads, in bits. Of a run that ended before its blocks
    /// were planned: with the rounds that were detected, and f h(Q) for the leak, f as planned and Q the sample's bound.
    fn surplus(&self, sample: &Sample, run: &Run) -> Option<f64> {
        let record = sample.parameters.record();
        let pairs = record.num_pairs as f64;
        // Bob ends a transfer before his sets if not even a tag can be afforded.
        if run.end.is_ok() || matches!(run.last, Topic::Sets | Topic::Reconciliation | Topic::Amplification) {
            return run.surplus_bits();
        }
        if matches!(run.end, Err(Abort::Count(_))) {
            return None;
        }
        let targets = self.targets.record();
        let kept = self.kept(run);
        let bound = run.estimate.map_or(sample.parameters.coincidences().qber, |found| found.upper);
        let leak = targets.efficiency * entropy(bound.min(0.5)) * 0.5 * kept + TAG_BITS as f64;
        let memory = sample.parameters.memory();
        let bits = self.proof.min_entropy(memory, self.targets.epsilon(), pairs, kept, 0.5 * kept);
        Some(Budget::new(bits, leak, self.targets.epsilon_pa()).surplus_bits())
    }
}

impl Execute for Runner<'_> {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        let mut row = self.foretold(sample);
        if sample.verdict != Verdict::Feasible && !self.runs_infeasible {
            row.outcome = Outcome::Skipped;
            row.error_code = "infeasible".into();
            return Ok(row);
        }
        self.run(sample, &mut row).map_err(|error| Fault(error.to_string()))?;
        Ok(row)
    }
}

/// Whether `abort` follows from what happened to the pairs, and is not the machinery's.
const fn is_result(abort: &Abort) -> bool {
    matches!(
        abort,
        Abort::Rate(_)
            | Abort::Budget(_)
            | Abort::Count(_)
            | Abort::Contract(_)
            | Abort::EntropyDepleted(_)
            | Abort::QberThreshold(_)
    )
}

fn describe(failure: Failure) -> String {
    match failure {
        Failure::DecodingFailed { blocks } => format!("{blocks} blocks were not decoded"),
        Failure::HashMismatch => "decoded to a string with another tag".into(),
    }
}

/// Bits sent to correct errors over n h(Q), Q by the model. `None` if no errors are expected.
fn efficiency(amplified: &Amplified, sample: &Sample) -> Option<f64> {
    let set_bits = amplified.reconciled.sifted.set_bits as f64;
    let least = set_bits * entropy(sample.parameters.coincidences().qber);
    let [receipt, _] = &amplified.reconciled.receipts;
    let sent = receipt.disclosed().reconciliation(receipt.policy()).0 as f64;
    (least > 0.0).then_some(sent / least)
}
