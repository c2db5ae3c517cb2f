//! Both machines in one process, over a channel that never fails, in simulated time: waiting costs nothing.
//!
//! In: rounds, Bob's choice, both parties' randomness. Out: a [`Run`], a function of these alone but for its seconds.
//! Memory is allocated once a [`Worker`], or once for runs of many stages ([`Memory`]).

use std::cell::Cell;
use std::time::{Duration, Instant as Clock};

use caligo_core::amplify::Toeplitz;
use caligo_core::bits;
use caligo_core::code::LengthError;
use caligo_core::ot::contract::Amplified;
use caligo_core::ot::{
    Abort, Aborted, Alice, AliceDone, Bob, BobConfig, BobDone, Failure, Instant, Primitives, Terms,
};
use caligo_core::qber::Estimate;
use caligo_core::security::Inequality;
use caligo_core::wire::{self, Kind};

use super::drive::{Decodings, Desk, Side, Talked, ends, talk};
use super::randomness::Randomness;
use super::store::{AliceStore, BobStore};
use super::{Stage, TransferError};
use crate::channel::pairs::Rounds;
use crate::entropy;
use crate::kernel::Effort;
use crate::primitives::Host;
use crate::session::decoders::{Decoders, Restart};
use crate::session::local::Source;
use crate::session::planner::LibraryPlanner;

/// How long parties wait for each other, in simulated microseconds.
const TIMEOUT_US: u64 = 30_000_000;

/// What came of a transfer.
#[derive(Debug)]
pub struct Run {
    /// Bob's choice.
    pub choice: bool,
    /// Rounds in which Alice's detectors clicked.
    pub alice_detected: u64,
    /// Rounds in which both sides' detectors clicked.
    pub both_detected: u64,
    /// Frames that Alice sent, and Bob.
    pub frames: [u64; 2],
    /// Bytes of them.
    pub bytes: [u64; 2],
    /// Simulated time from the last round to the end, in microseconds.
    pub simulated_us: u64,
    /// Bob's decoder.
    pub decodings: Decodings,
    /// What the last frame was about.
    pub last: Topic,
    /// What the sample showed, if it had come to that.
    pub estimate: Option<Estimate>,
    /// Bits charged to the set that was charged most.
    pub leaked: u64,
    /// Seconds it took this thread, source included. A measurement.
    pub seconds: f64,
    /// Its parts. A measurement.
    pub times: Times,
    /// Its end, or why it ended early.
    pub end: Result<Completed, Abort>,
}

impl Run {
    /// Bits that are left of the min-entropy after leak and hashing; negative where it did not suffice. `None` if the leak
    /// was not known yet when the run ended.
    pub fn surplus_bits(&self) -> Option<f64> {
        match &self.end {
            Ok(completed) => Some(completed.amplified.budget.surplus_bits()),
            // The two bits that a string each would take are not spent.
            Err(Abort::EntropyDepleted(Inequality::Entropy { spent_bits, min_entropy_bits })) => {
                Some(min_entropy_bits - (spent_bits - 2.0))
            }
            Err(_) => None,
        }
    }
}

/// What a frame is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Topic {
    /// Parameters.
    #[default]
    Agreement,
    /// Who detected which rounds.
    Detection,
    /// Bases.
    Bases,
    /// Rounds that are disclosed.
    Estimation,
    /// The two sets.
    Sets,
    /// Syndromes, reveals, tags.
    Reconciliation,
    /// Seeds of the hashes.
    Amplification,
}

impl Topic {
    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "agreement",
            Self::Detection => "detection",
            Self::Bases => "bases",
            Self::Estimation => "estimation",
            Self::Sets => "sets",
            Self::Reconciliation => "reconciliation",
            Self::Amplification => "amplification",
        }
    }

    /// That of a frame, unless it belongs to no phase.
    fn of(frame: &[u8]) -> Option<Self> {
        Some(match wire::kind(frame)? {
            Kind::Agreement => Self::Agreement,
            Kind::DetectionCommitment | Kind::DetectionReport | Kind::CommitmentOpening => Self::Detection,
            Kind::BasisReveal => Self::Bases,
            Kind::TestSample | Kind::TestBases | Kind::TestOutcomes => Self::Estimation,
            Kind::IndexLists => Self::Sets,
            Kind::Syndrome | Kind::BlindInit | Kind::PairsWanted | Kind::BlindReveal | Kind::Verify => {
                Self::Reconciliation
            }
            Kind::ToeplitzSeed => Self::Amplification,
            _ => return None,
        })
    }
}

/// Seconds of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Times {
    /// Up to the sets.
    pub sifting: f64,
    /// From the sets on, but for hashing.
    pub reconciliation: f64,
    /// Hashing, of both parties.
    pub amplification: f64,
}

/// A transfer that came to its end.
#[derive(Debug)]
pub struct Completed {
    /// Numbers of every phase, as Alice has them.
    pub amplified: Amplified,
    /// Why Bob's string is a random one, if it is.
    pub failure: Option<Failure>,
    /// Whether Bob's string is the one of his choice.
    pub chosen: bool,
    /// Whether it is the other one.
    pub other: bool,
    /// In how many bits it differs from the other one.
    pub other_distance: u64,
    /// Counts of Alice's strings.
    pub randomness: Randomness,
}

/// Memory of transfers that run one after the other.
#[derive(Debug)]
pub struct Memory<'a> {
    /// What the detectors record. Filled before each run.
    pub rounds: Rounds,
    alice: AliceStore,
    bob: BobStore,
    desks: [Desk<'a>; 2],
    /// What Bob's decoders are for, and those that are not in use.
    decodes: Option<Decodes>,
    spare: Vec<(Decodes, Decoders<'a>)>,
    length: usize,
}

/// Length of a code, and with how much effort it is decoded.
type Decodes = (usize, Effort);

/// Runs one stage's transfers in the same memory.
#[derive(Debug)]
pub struct Worker<'a> {
    /// The memory.
    pub memory: Memory<'a>,
    stage: &'a Stage<'a>,
    planner: LibraryPlanner<'a>,
}

impl<'a> Worker<'a> {
    /// Memory for `stage`'s transfers.
    ///
    /// # Errors
    /// None once the library is loaded.
    pub fn new(stage: &'a Stage<'a>) -> Result<Self, TransferError> {
        let mut memory = Memory::default();
        memory.fit(stage)?;
        Ok(Self { memory, stage, planner: stage.planner()? })
    }

    /// Runs a transfer of what is in [`Memory::rounds`], begun at `started`.
    ///
    /// # Errors
    /// If a machine cannot begin, or there is no entropy. An abort is no error.
    pub fn run(&mut self, choice: bool, sources: [Source; 2], started: Clock) -> Result<Run, TransferError> {
        self.memory.run(self.stage, &self.planner, choice, sources, started)
    }
}

impl Default for Memory<'_> {
    /// For transfers of no rounds yet.
    fn default() -> Self {
        Self {
            rounds: Rounds::default(),
            alice: AliceStore::default(),
            bob: BobStore::default(),
            desks: [(); 2].map(|()| Desk::new(entropy::system(), None)),
            decodes: None,
            spare: Vec::new(),
            length: 0,
        }
    }
}

impl<'a> Memory<'a> {
    /// As large as `stage`'s transfers need. What it held is forgotten.
    ///
    /// # Errors
    /// None once the library is loaded.
    pub fn fit(&mut self, stage: &Stage<'a>) -> Result<(), TransferError> {
        let (code, effort) = (stage.library().code()?, stage.config().effort);
        let wanted = (code.n(), effort);
        if self.decodes != Some(wanted) {
            let [_, bob] = &mut self.desks;
            if let (Some(decodes), Some(decoders)) = (self.decodes.take(), bob.decoders.take()) {
                self.spare.push((decodes, decoders));
            }
            let found = self.spare.iter().position(|(decodes, _)| *decodes == wanted);
            let found = found.map(|at| self.spare.swap_remove(at).1);
            // Values revealed are folded into syndromes, so no decoder can go on from where it was.
            bob.decoders = Some(found.unwrap_or_else(|| Decoders::new(code, effort, Restart::Cold, 0)));
            self.decodes = Some(wanted);
        }
        self.forget();
        let setup = stage.setup(TIMEOUT_US)?;
        self.rounds.resize(stage.rounds());
        self.alice.fit(&setup, stage.rounds(), stage.config().parameters.correction);
        self.bob.fit(&setup, stage.rounds());
        Ok(())
    }

    /// Runs a transfer of `stage` with what is in [`rounds`](Self::rounds), begun at `started`. The memory has to fit.
    ///
    /// # Errors
    /// If a machine cannot begin, or there is no entropy. An abort is no error.
    pub fn run(
        &mut self,
        stage: &Stage<'_>,
        planner: &LibraryPlanner<'_>,
        choice: bool,
        sources: [Source; 2],
        started: Clock,
    ) -> Result<Run, TransferError> {
        self.forget();
        let Met { alice, bob, talked, frames, last, times } = self.meet(stage, planner, choice, sources)?;
        let aborted = [
            alice.as_ref().and_then(|end| end.as_ref().err()),
            bob.as_ref().and_then(|end| end.as_ref().err()),
        ];
        let mut estimate = aborted.into_iter().flatten().find_map(|aborted| aborted.estimate);
        let mut leaked =
            aborted.into_iter().flatten().flat_map(|aborted| aborted.spent).max().unwrap_or_default().0;
        let end = ends(alice, bob).map(|(alice, bob)| {
            let reconciled = &alice.amplified.reconciled;
            (estimate, leaked) = (reconciled.sifted.estimated.estimate, reconciled.leak().0);
            self.compare(choice, alice.amplified, &bob)
        });
        let [alice, bob] = [&self.rounds.alice.clicked, &self.rounds.bob.clicked];
        Ok(Run {
            choice,
            alice_detected: bits::count_ones(alice) as u64,
            both_detected: alice.iter().zip(bob).map(|(a, b)| u64::from((a & b).count_ones())).sum(),
            frames,
            bytes: talked.bytes,
            simulated_us: talked.us,
            decodings: self.desks[1].decodings,
            last,
            estimate,
            leaked,
            seconds: started.elapsed().as_secs_f64(),
            times,
            end,
        })
    }

    /// Lets both machines talk.
    fn meet(
        &mut self,
        stage: &Stage<'_>,
        planner: &LibraryPlanner<'_>,
        choice: bool,
        [hers, his]: [Source; 2],
    ) -> Result<Met, TransferError> {
        let began = Clock::now();
        let hashing = Timed::default();
        let setup = stage.setup(TIMEOUT_US)?;
        let (terms, now) = (Terms { primitives: &hashing, ..stage.terms() }, Instant(0));
        let [alice_desk, bob_desk] = &mut self.desks;
        alice_desk.clear(hers);
        bob_desk.clear(his);
        let memory = self.alice.memory(self.rounds.alice.record(self.rounds.len));
        let alice = Alice::new(setup, terms, planner, memory, now, now).map_err(TransferError::Aborted)?;
        let memory = self.bob.memory(self.rounds.bob.record(self.rounds.len));
        let config = BobConfig { choice, efficiencies: None };
        let bob = Bob::new(setup, terms, config, memory, now).map_err(TransferError::Aborted)?;
        let (mut alice, mut bob) = (Side::new(alice, alice_desk), Side::new(bob, bob_desk));
        let (mut last, mut sets) = (Topic::default(), None);
        let talked = talk(&mut alice, &mut bob, |_, frame, deliver| {
            if let Some(topic) = Topic::of(frame) {
                last = topic;
                if topic == Topic::Sets {
                    sets = Some(began.elapsed());
                }
            }
            deliver(frame)
        })?;
        let frames = [alice.desk.frames, bob.desk.frames];
        let (total, amplification) = (began.elapsed(), hashing.spent.get());
        let sifting = sets.unwrap_or(total);
        let times = Times {
            sifting: sifting.as_secs_f64(),
            reconciliation: total.saturating_sub(sifting + amplification).as_secs_f64(),
            amplification: amplification.as_secs_f64(),
        };
        Ok(Met { alice: alice.end, bob: bob.end, talked, frames, last, times })
    }

    /// Sets Bob's string beside Alice's.
    fn compare(&mut self, choice: bool, amplified: Amplified, bob: &BobDone) -> Completed {
        self.length = bob.length;
        let (string, strings) = (self.string(), self.strings());
        let [mine, other] = [choice, !choice].map(|which| strings[usize::from(which)]);
        let mut randomness = Randomness::default();
        strings.into_iter().for_each(|string| randomness.add(string, bob.length));
        Completed {
            chosen: string == mine && bob.length == amplified.length,
            other: string == other,
            other_distance: bits::distance(string, other) as u64,
            amplified,
            failure: bob.failure,
            randomness,
        }
    }

    /// Bits of the last run's strings; none if it ended early.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Alice's strings of the last run.
    pub fn strings(&self) -> [&[u64]; 2] {
        self.alice.strings(self.length)
    }

    /// Bob's string of the last run.
    pub fn string(&self) -> &[u64] {
        self.bob.string(self.length)
    }

    fn forget(&mut self) {
        self.length = 0;
        self.alice.wipe();
        self.bob.wipe();
    }
}

impl Drop for Memory<'_> {
    fn drop(&mut self) {
        self.rounds.wipe();
    }
}

/// How both machines ended, and what it took.
struct Met {
    alice: Option<Result<AliceDone, Aborted>>,
    bob: Option<Result<BobDone, Aborted>>,
    talked: Talked,
    frames: [u64; 2],
    last: Topic,
    times: Times,
}

/// The host's primitives, with the time that hashing takes.
#[derive(Default)]
struct Timed {
    spent: Cell<Duration>,
}

impl Primitives for Timed {
    fn digest(&self, parts: [&[u64]; 2]) -> [u64; 4] {
        Host.digest(parts)
    }

    fn toeplitz(
        &self,
        hash: Toeplitz,
        seed: &[u64],
        input: &[u64],
        output: &mut [u64],
        scratch: &mut [u64],
    ) -> Result<(), LengthError> {
        let began = Clock::now();
        let result = Host.toeplitz(hash, seed, input, output, scratch);
        self.spent.set(self.spent.get() + began.elapsed());
        result
    }
}
