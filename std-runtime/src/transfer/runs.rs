//! Many transfers in one process, on all threads and in constant memory.
//!
//! In: a [`Stage`], pairs, a seed. Out: a [`Summary`]. Run i of a simulation is a function of (seed, i), and runs are
//! added up in their order, so that threads change nothing.

use std::sync::Mutex;
use std::time::Instant as Clock;

use rand_core::Rng;
use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};

use super::local::{Run, Worker};
use super::report::Summary;
use super::{Stage, TransferError};
use crate::channel::pairs::{Portions, Recorded, Rounds, Simulated};
use crate::channel::stream;
use crate::entropy;
use crate::session::local::Source;

/// Runs between two additions, for each worker.
const GROUP: u64 = 64;

/// Which transfers to run.
#[derive(Debug)]
pub struct Runs {
    /// How many.
    pub count: u64,
    /// Seed of what is simulated, choices included.
    pub seed: u64,
    /// Bob's choice; random if none.
    pub choice: Option<bool>,
    /// A recording, instead of the simulated source: each run takes the rounds after those of the one before. Then the
    /// parties' randomness is the operating system's.
    pub recording: Option<Recorded>,
}

/// What is drawn for one run.
#[derive(Debug)]
pub(crate) struct Draw {
    /// Seed of the pairs.
    pub(crate) pairs: u64,
    /// Bob's choice.
    pub(crate) choice: bool,
    /// Both parties' randomness.
    pub(crate) sources: [Source; 2],
}

impl Draw {
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        /// Keeps these seeds apart from whatever else is drawn from the same seed.
        const PHASE: u64 = u64::from_be_bytes(*b"transfer");
        let mut rng = stream(seed ^ PHASE, index);
        let pairs = rng.next_u64();
        let choice = rng.next_u64() >> 63 == 1;
        let sources = [0, 1].map(|party| Source::Seeded(Box::new(stream(rng.next_u64(), party))));
        Self { pairs, choice, sources }
    }
}

/// Indices of runs, with the pairs of those that are recorded.
struct Supply {
    next: u64,
    recording: Option<Portions<Recorded>>,
}

impl Supply {
    /// The next index below `end`; recorded rounds come with it.
    fn take(&mut self, end: u64, rounds: &mut Rounds) -> Result<Option<u64>, TransferError> {
        if self.next == end {
            return Ok(None);
        }
        if let Some(recording) = &mut self.recording {
            recording.fill(rounds)?;
        }
        self.next += 1;
        Ok(Some(self.next - 1))
    }
}

/// Runs all of them. If it is only one, `single` is given its strings; `progress` is told how many more are done.
///
/// # Errors
/// [`TransferError`] if there are no pairs, or a machine cannot begin. Aborts are counted, not returned.
pub fn run(
    stage: &Stage<'_>,
    runs: Runs,
    single: impl FnOnce(&Worker<'_>, &Run),
    progress: impl Fn(u64) + Sync,
) -> Result<Summary, TransferError> {
    let Runs { count, seed, choice, recording } = runs;
    let recorded = recording.is_some();
    let supply = Mutex::new(Supply { next: 0, recording: recording.map(Portions::new) });
    let threads = (rayon::current_num_threads() as u64).min(count).max(1);
    let mut workers: Vec<Worker<'_>> = (0..threads).map(|_| Worker::new(stage)).collect::<Result<_, _>>()?;
    let mut summary = Summary::new(stage);
    let (mut done, mut single) = (0, Some(single));
    while done < count {
        let end = (done + GROUP * threads).min(count);
        let one = |worker: &mut Worker<'_>| -> Result<Option<(u64, Run)>, TransferError> {
            let started = Clock::now();
            let taken = supply.lock().map(|mut supply| supply.take(end, &mut worker.memory.rounds));
            // Only a panic of another thread poisons the lock, and that one is told.
            let Some(index) = taken.unwrap_or(Ok(None))? else { return Ok(None) };
            let mut draw = Draw::new(seed, index);
            if recorded {
                draw.sources = [entropy::system(), entropy::system()];
            } else {
                let rounds = stage.rounds() as u64;
                let source = Simulated::new(&stage.config().parameters.nsm, rounds, draw.pairs);
                Portions::new(source).fill(&mut worker.memory.rounds)?;
            }
            let run = worker.run(choice.unwrap_or(draw.choice), draw.sources, started)?;
            progress(1);
            Ok(Some((index, run)))
        };
        let all = |worker: &mut Worker<'_>| std::iter::from_fn(|| one(worker).transpose()).collect();
        let groups: Vec<Vec<(u64, Run)>> = workers.par_iter_mut().map(all).collect::<Result<_, _>>()?;
        if count == 1
            && let (Some(single), Some(worker)) = (single.take(), workers.first())
            && let Some((_, run)) = groups.iter().flatten().next()
        {
            single(worker, run);
        }
        let mut group: Vec<(u64, Run)> = groups.into_iter().flatten().collect();
        group.sort_by_key(|(index, _)| *index);
        group.iter().for_each(|(index, run)| summary.add(*index, run));
        done = end;
    }
    Ok(summary)
}
