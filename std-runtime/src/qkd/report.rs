//! What key distributions came to, in figures. Keys of the JSON form are a contract: added to, never renamed.

use std::collections::BTreeMap;

use caligo_core::leakage::{Disclosed, LeakBits};
use caligo_core::limits::entropy;
use caligo_core::qkd::Role;
use caligo_core::qkd::contract::{Amplified, Estimated, Sifted};
use serde::Serialize;

use super::Stage;
use super::local::Run;
use crate::channel::pairs::{Compared, Counts, ErrorFigures};
use crate::config::Strategy;
use crate::kernel::Tier;
use crate::session::report::{self as session, ByKind, policy_name};

/// Figures of one key distribution, or of many: counts and bits are sums over runs, as far as each came.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Runs.
    pub runs: u64,
    /// Those that gave a key.
    pub succeeded: u64,
    /// Those of them whose keys differ. Expected none; `null` where one party's key is not known.
    pub wrong: Option<u64>,
    /// Length of the code in bits.
    pub code: usize,
    /// How errors were corrected.
    pub strategy: Strategy,
    /// How disclosures were charged.
    pub policy: &'static str,
    /// Decoder; `null` where it is the other party's own choice.
    pub decoder: Option<Tier>,
    /// Bits of a key, mean over runs that gave one; `null` if none did, as are the next two.
    pub length: Option<f64>,
    /// Least.
    pub length_least: Option<u64>,
    /// Greatest.
    pub length_most: Option<u64>,
    /// Key bits over rounds, runs without a key included.
    pub secret_fraction_per_pair: f64,
    /// Key bits over rounds detected by both in equal bases; `null` without such.
    pub secret_fraction_per_sifted: Option<f64>,
    /// What is left of the budget before it is cut to whole bits, over rounds, of runs that gave a key.
    pub margin: Option<f64>,
    /// Errors over test rounds; `null` if there were none.
    pub qber_observed: Option<f64>,
    /// Error rate of the device's model.
    pub qber_expected: f64,
    /// Test rounds of either basis.
    pub tests: Tests,
    /// Rounds of every phase.
    pub counts: Phases,
    /// Bits disclosed.
    pub leakage: Leakage,
    /// What lengths are made of.
    pub budget: BudgetFigures,
    /// Syndromes and reveals over verified bits times h(QBER) as corrected; `null` where that is 0.
    pub f: Option<f64>,
    /// log2 of the greatest bound on the chance that keys differ; `null` if no key was given.
    pub undetected_log2: Option<f64>,
    /// Runs that ended early, by name.
    pub aborts: BTreeMap<&'static str, u64>,
    /// Why the first of each name did.
    pub reasons: BTreeMap<&'static str, String>,
}

/// Errors in test rounds, with 95 % intervals.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Tests {
    /// Basis Z.
    pub z: ErrorFigures,
    /// Basis X.
    pub x: ErrorFigures,
}

/// Rounds and bits, phase by phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Phases {
    /// All rounds.
    pub rounds: u64,
    /// Those in which Alice's detectors clicked; `null` in Bob's report: he does not count them.
    pub alice_detected: Option<u64>,
    /// Those in which Bob's did.
    pub bob_detected: u64,
    /// Those in which both did.
    pub both_detected: u64,
    /// Those of them with equal bases.
    pub sifted: u64,
    /// Both in basis Z.
    pub sifted_z: u64,
    /// Both in basis X.
    pub sifted_x: u64,
    /// Disclosed test rounds.
    pub tested: u64,
    /// Errors among them.
    pub errors: u64,
    /// Bits of sifted keys.
    pub key_bits: u64,
    /// Blocks, those left out included.
    pub blocks: u64,
    /// Bits of blocks left out.
    pub dropped: u64,
    /// Verified bits.
    pub verified: u64,
}

/// Bits disclosed by runs that gave a key.
#[derive(Clone, Debug, Serialize)]
pub struct Leakage {
    /// As charged under the policy.
    pub charged: u64,
    /// The parts of it by the exact policy, and the sample, which is paid for by its removal.
    pub by_kind: ByKind,
}

/// Parts of the length, in bits, means over runs that gave a key; `null` if none did.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct BudgetFigures {
    /// Bound of the errors that basis X would have shown among key bits of Z.
    pub phase_error_z: Option<f64>,
    /// Of those that Z would have shown among key bits of X.
    pub phase_error_x: Option<f64>,
    /// What nobody else knows of the sifted key.
    pub min_entropy_bits: Option<f64>,
    /// Bits left out.
    pub dropped_bits: Option<f64>,
    /// Syndromes, reveals, tags.
    pub leak_bits: Option<f64>,
    /// 2 log2(1/epsilon_sec).
    pub hashing_bits: Option<f64>,
    /// What is left.
    pub surplus_bits: Option<f64>,
}

/// Sums over runs.
#[derive(Clone, Debug)]
pub struct Summary {
    runs: u64,
    succeeded: u64,
    wrong: u64,
    counts: Counts,
    tested: [Compared; 2],
    /// Rounds of runs that gave a key.
    rounds: u64,
    phases: Phases,
    corrected: f64,
    lengths: u64,
    least: u64,
    most: u64,
    charged: u64,
    disclosed: Disclosed,
    /// phase_error_z and _x, min-entropy, dropped, leak, hashing, surplus.
    budget: [f64; 7],
    undetected_log2: f64,
    aborts: BTreeMap<&'static str, (u64, String)>,
    code: usize,
    strategy: Strategy,
    policy: &'static str,
    decoder: Tier,
    expected: f64,
}

impl Summary {
    /// Of no runs yet.
    pub fn new(stage: &Stage<'_>) -> Self {
        let config = stage.config();
        Self {
            runs: 0,
            succeeded: 0,
            wrong: 0,
            counts: Counts::default(),
            tested: [Compared::default(); 2],
            rounds: 0,
            phases: Phases::default(),
            corrected: 0.0,
            lengths: 0,
            least: u64::MAX,
            most: 0,
            charged: 0,
            disclosed: Disclosed::NONE,
            budget: [0.0; 7],
            undetected_log2: f64::NEG_INFINITY,
            aborts: BTreeMap::new(),
            code: stage.code_bits(),
            strategy: config.parameters.strategy,
            policy: policy_name(config.policy),
            decoder: config.effort.tier,
            expected: config.parameters.device.coincidences().qber,
        }
    }

    /// Adds a run.
    pub fn add(&mut self, run: &Run) {
        self.count(&run.counts, run.tested);
        match &run.end {
            Ok(completed) => {
                self.wrong += u64::from(!completed.equal);
                self.complete(&completed.amplified, &completed.reconciliation);
            }
            Err(ended) => {
                let (count, _) = self.aborts.entry(ended.name).or_insert_with(|| (0, ended.reason.clone()));
                *count += 1;
            }
        }
    }

    fn count(&mut self, counts: &Counts, tested: Option<[Compared; 2]>) {
        self.runs += 1;
        self.counts += *counts;
        let Some(tested) = tested else { return };
        self.tested = [self.tested[0] + tested[0], self.tested[1] + tested[1]];
        let disclosed = tested[0] + tested[1];
        self.phases.tested += disclosed.rounds;
        self.phases.errors += disclosed.differ;
        self.phases.key_bits += counts.sifted().rounds - disclosed.rounds;
    }

    fn complete(&mut self, amplified: &Amplified, reconciliation: &session::Report) {
        let (reconciled, budget) = (&amplified.reconciled, &amplified.budget);
        let verified = reconciled.verified_bits as u64;
        self.succeeded += 1;
        self.rounds += reconciled.estimated.sifted.detected.rounds as u64;
        self.phases.blocks += u64::from(reconciled.blocks);
        self.phases.verified += verified;
        self.phases.dropped += reconciled.estimated.key_bits() as u64 - verified;
        self.corrected += verified as f64 * reconciliation.qber_observed.unwrap_or(0.0);
        let length = amplified.length as u64;
        self.lengths += length;
        (self.least, self.most) = (self.least.min(length), self.most.max(length));
        self.charged += reconciled.receipt.total().0;
        self.disclosed += reconciled.receipt.disclosed();
        // The sample has books of its own.
        self.disclosed.sample = LeakBits(self.disclosed.sample.0 + reconciled.estimated.estimate.sampled);
        let [z, x] = reconciled.estimated.phase_errors;
        let parts = [
            z,
            x,
            budget.min_entropy_bits,
            budget.dropped_bits,
            budget.leak_bits,
            budget.hashing_bits,
            budget.surplus_bits(),
        ];
        self.budget.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        self.undetected_log2 = self.undetected_log2.max(reconciled.undetected_log2);
    }

    /// The figures.
    pub fn report(&self) -> Report {
        let some = self.succeeded > 0;
        let mean = |sum: f64| some.then(|| sum / self.succeeded as f64);
        let [phase_error_z, phase_error_x, min_entropy, dropped, leak, hashing, surplus] =
            self.budget.map(mean);
        let disclosed = &self.disclosed;
        let reveal = disclosed.padding_exact.0 + disclosed.payload_revealed.0;
        let tested = self.tested[0] + self.tested[1];
        let sifted = self.counts.sifted().rounds;
        let verified = self.phases.verified as f64;
        let noise = verified * entropy(self.corrected / verified.max(1.0));
        Report {
            runs: self.runs,
            succeeded: self.succeeded,
            wrong: Some(self.wrong),
            code: self.code,
            strategy: self.strategy,
            policy: self.policy,
            decoder: Some(self.decoder),
            length: mean(self.lengths as f64),
            length_least: some.then_some(self.least),
            length_most: some.then_some(self.most),
            secret_fraction_per_pair: self.lengths as f64 / (self.counts.rounds.max(1)) as f64,
            secret_fraction_per_sifted: (sifted > 0).then(|| self.lengths as f64 / sifted as f64),
            margin: some.then(|| self.budget[6] / self.rounds.max(1) as f64),
            qber_observed: (tested.rounds > 0).then(|| tested.differ as f64 / tested.rounds as f64),
            qber_expected: self.expected,
            tests: Tests { z: self.tested[0].into(), x: self.tested[1].into() },
            counts: Phases {
                rounds: self.counts.rounds,
                alice_detected: Some(self.counts.alice_clicks),
                bob_detected: self.counts.bob_clicks,
                both_detected: self.counts.coincidences(),
                sifted,
                sifted_z: self.counts.z.rounds,
                sifted_x: self.counts.x.rounds,
                ..self.phases
            },
            leakage: Leakage {
                charged: self.charged,
                by_kind: ByKind {
                    syndrome: disclosed.syndrome_exact.0,
                    reveal,
                    tag: disclosed.tag.0,
                    sample: disclosed.sample.0,
                },
            },
            budget: BudgetFigures {
                phase_error_z,
                phase_error_x,
                min_entropy_bits: min_entropy,
                dropped_bits: dropped,
                leak_bits: leak,
                hashing_bits: hashing,
                surplus_bits: surplus,
            },
            f: (noise > 0.0).then(|| (disclosed.syndrome_exact.0 + reveal) as f64 / noise),
            undetected_log2: self.undetected_log2.is_finite().then_some(self.undetected_log2),
            aborts: self.aborts.iter().map(|(name, (count, _))| (*name, *count)).collect(),
            reasons: self.aborts.iter().map(|(name, (_, reason))| (*name, reason.clone())).collect(),
        }
    }
}

impl Report {
    /// One run that gave a key, as far as the party in `role` knows it, whose detectors clicked `clicks` times.
    pub fn of_party(
        stage: &Stage<'_>,
        role: Role,
        clicks: u64,
        amplified: &Amplified,
        reconciliation: &session::Report,
    ) -> Self {
        let mut summary = Summary::new(stage);
        let estimated = &amplified.reconciled.estimated;
        summary.count(&counts(estimated, clicks), Some(tested(estimated)));
        summary.complete(amplified, reconciliation);
        let mut report = summary.report();
        report.wrong = None;
        // Alice's word, which Bob follows.
        report.strategy = reconciliation.strategy;
        match role {
            Role::Alice => report.decoder = None,
            Role::Bob => report.counts.alice_detected = None,
        }
        report
    }
}

/// Test rounds of basis Z, and of X.
pub(super) fn tested(estimated: &Estimated) -> [Compared; 2] {
    estimated.bases.map(|basis| Compared { rounds: basis.tested, differ: basis.errors })
}

/// What one party has counted of all rounds: errors among them it cannot.
fn counts(estimated: &Estimated, clicks: u64) -> Counts {
    let Sifted { detected, sifted: [z, x], .. } = &estimated.sifted;
    let uncompared = |rounds: usize| Compared { rounds: rounds as u64, differ: 0 };
    Counts {
        rounds: detected.rounds as u64,
        alice_clicks: clicks,
        bob_clicks: detected.reported as u64,
        z: uncompared(*z),
        x: uncompared(*x),
        different: uncompared(detected.common - z - x),
    }
}
