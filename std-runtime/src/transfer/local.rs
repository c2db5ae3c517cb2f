//! Both machines in one process, over a channel that never fails, in simulated time: waiting costs nothing.
//!
//! In: rounds, Bob's choice, both parties' randomness. Out: a [`Run`], a function of these alone but for its seconds.
//! Memory is allocated once a [`Worker`].

use std::time::Instant as Clock;

use caligo_core::bits;
use caligo_core::ot::contract::Amplified;
use caligo_core::ot::{Abort, Aborted, Alice, AliceDone, Bob, BobConfig, BobDone, Failure, Instant};

use super::drive::{Desk, Side, Talked, ends, talk};
use super::randomness::Randomness;
use super::store::{AliceStore, BobStore};
use super::{Stage, TransferError};
use crate::channel::pairs::Rounds;
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
    /// Frames that Alice sent, and Bob.
    pub frames: [u64; 2],
    /// Bytes of them.
    pub bytes: [u64; 2],
    /// Simulated time from the last round to the end, in microseconds.
    pub simulated_us: u64,
    /// Seconds it took this thread, source included. A measurement.
    pub seconds: f64,
    /// Its end, or why it ended early.
    pub end: Result<Completed, Abort>,
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

/// Runs transfers one after the other in the same memory.
#[derive(Debug)]
pub struct Worker<'a> {
    /// What the detectors record. Filled before each run.
    pub rounds: Rounds,
    stage: &'a Stage<'a>,
    planner: LibraryPlanner<'a>,
    alice: AliceStore,
    bob: BobStore,
    desks: [Desk<'a>; 2],
    length: usize,
}

impl<'a> Worker<'a> {
    /// Memory for `stage`'s transfers.
    ///
    /// # Errors
    /// None once the library is loaded.
    pub fn new(stage: &'a Stage<'a>) -> Result<Self, TransferError> {
        let setup = stage.setup(TIMEOUT_US)?;
        // No block is decoded twice, so none keeps its decoder.
        let decoders = Decoders::new(setup.code, stage.config().effort, Restart::Cold, 0);
        Ok(Self {
            rounds: Rounds::silent(stage.rounds()),
            stage,
            planner: stage.planner()?,
            alice: AliceStore::new(&setup, stage.rounds()),
            bob: BobStore::new(&setup, stage.rounds()),
            desks: [Desk::new(Source::System, None), Desk::new(Source::System, Some(decoders))],
            length: 0,
        })
    }

    /// Runs a transfer of what is in [`rounds`](Self::rounds), begun at `started`.
    ///
    /// # Errors
    /// If a machine cannot begin, or there is no entropy. An abort is no error.
    pub fn run(&mut self, choice: bool, sources: [Source; 2], started: Clock) -> Result<Run, TransferError> {
        self.forget();
        let Met { alice, bob, simulated_us, frames, bytes } = self.meet(choice, sources)?;
        let end = ends(alice, bob).map(|(alice, bob)| self.compare(choice, alice.amplified, &bob));
        let alice_detected = bits::count_ones(&self.rounds.alice.clicked) as u64;
        let seconds = started.elapsed().as_secs_f64();
        Ok(Run { choice, alice_detected, frames, bytes, simulated_us, seconds, end })
    }

    /// Lets both machines talk.
    fn meet(&mut self, choice: bool, [hers, his]: [Source; 2]) -> Result<Met, TransferError> {
        let setup = self.stage.setup(TIMEOUT_US)?;
        let (terms, now) = (self.stage.terms(), Instant(0));
        let [alice_desk, bob_desk] = &mut self.desks;
        alice_desk.clear(hers);
        bob_desk.clear(his);
        let memory = self.alice.memory(self.rounds.alice.record(self.rounds.len));
        let alice =
            Alice::new(setup, terms, &self.planner, memory, now, now).map_err(TransferError::Aborted)?;
        let memory = self.bob.memory(self.rounds.bob.record(self.rounds.len));
        let config = BobConfig { choice, efficiencies: None };
        let bob = Bob::new(setup, terms, config, memory, now).map_err(TransferError::Aborted)?;
        let (mut alice, mut bob) = (Side::new(alice, alice_desk), Side::new(bob, bob_desk));
        let Talked { us: simulated_us, bytes } =
            talk(&mut alice, &mut bob, |_, frame, deliver| deliver(frame))?;
        let frames = [alice.desk.frames, bob.desk.frames];
        Ok(Met { alice: alice.end, bob: bob.end, simulated_us, frames, bytes })
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

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.rounds.wipe();
    }
}

/// How both machines ended, and what it took.
struct Met {
    alice: Option<Result<AliceDone, Aborted>>,
    bob: Option<Result<BobDone, Aborted>>,
    simulated_us: u64,
    frames: [u64; 2],
    bytes: [u64; 2],
}
