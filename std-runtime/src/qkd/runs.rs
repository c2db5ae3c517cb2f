//! Many key distributions in one process, on all threads.
//!
//! In: a [`Stage`], pairs, a seed. Out: a [`Summary`]. Run i of a simulation is a function of (seed, i), and runs are added
//! up in their order, so that threads change nothing.

use rand_core::Rng;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::local::{Randomness, Run};
use super::report::Summary;
use super::{QkdError, Stage};
use crate::channel::pairs::{Recorded, Rounds, Simulated};
use crate::channel::stream;

/// Keeps these seeds apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"key dist");

/// Runs between two additions.
const GROUP: u64 = 64;

impl Stage<'_> {
    /// Run `index` of a simulation seeded with `seed`, and nothing else.
    ///
    /// # Errors
    /// [`QkdError`] if a host's part fails.
    pub fn simulate(&self, seed: u64, index: u64, parallel: bool) -> Result<Run, QkdError> {
        let mut rng = stream(seed ^ PHASE, index);
        let (pairs, parties) = (rng.next_u64(), rng.next_u64());
        let source = Simulated::of(&self.config().parameters.device, self.rounds() as u64, pairs);
        let rounds = Rounds::first(source, self.rounds())?;
        self.run(&rounds, Randomness::Seeded(parties), parallel, &mut |_, frame| vec![frame])
    }

    /// One run over a recording of as many rounds, which are forgotten afterwards.
    ///
    /// # Errors
    /// [`QkdError`] if the recording or a host's part fails.
    pub fn recorded(&self, recording: Recorded, randomness: Randomness) -> Result<Run, QkdError> {
        let mut rounds = Rounds::first(recording, self.rounds())?;
        let run = self.run(&rounds, randomness, true, &mut |_, frame| vec![frame]);
        rounds.wipe();
        run
    }

    /// Runs `count` simulations. `last` is given the one of highest index; `progress` is told how many more are done.
    ///
    /// # Errors
    /// [`QkdError`] if a host's part fails. Runs that end early are counted.
    pub fn simulate_all(
        &self,
        seed: u64,
        count: u64,
        last: impl FnOnce(&Run),
        progress: impl Fn(u64) + Sync,
    ) -> Result<Summary, QkdError> {
        let mut summary = Summary::new(self);
        let mut from = 0;
        let mut kept = None;
        while from < count {
            let to = (from + GROUP).min(count);
            let run = |index| {
                let run = self.simulate(seed, index, count == 1);
                progress(1);
                run
            };
            let runs: Vec<Run> = if count == 1 {
                vec![run(0)?]
            } else {
                (from..to).into_par_iter().map(run).collect::<Result<_, _>>()?
            };
            runs.iter().for_each(|run| summary.add(run));
            kept = runs.into_iter().next_back();
            from = to;
        }
        if let Some(run) = kept {
            last(&run);
        }
        Ok(summary)
    }
}
