//! Many key distributions in one process, on all threads.
//!
//! In: a [`Stage`], pairs, a seed. Out: a [`Summary`]. Run i of a simulation is a function of (seed, i), and runs are added
//! up in their order, so that threads change nothing.

use caligo_core::bits::words_for;
use rand_core::Rng;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use zeroize::Zeroize;

use super::local::{Randomness, Run};
use super::report::Summary;
use super::{MAX_ROUNDS, QkdError, Stage};
use crate::channel::pairs::{PairSource, Party, Recorded, Rounds, Simulated, SourceError};
use crate::channel::stream;

/// Keeps these seeds apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"key dist");

/// Runs between two additions.
const GROUP: u64 = 64;

/// All rounds of `source`, about `len` of them. Batches are forgotten once they are copied.
///
/// # Errors
/// Those of the source.
pub fn whole(mut source: impl PairSource, len: u64) -> Result<Rounds, SourceError> {
    let mut all = Rounds::default();
    for Party { clicked, bases, bits } in [&mut all.alice, &mut all.bob] {
        // Growing would leave copies behind. What a header promises beyond any run is not believed.
        let words = words_for(len.min(MAX_ROUNDS) as usize);
        [clicked, bases, bits].into_iter().for_each(|column| column.reserve_exact(words));
    }
    // Batches before the last one are whole words.
    while let Some(mut rounds) = source.rounds()? {
        all.len += rounds.len;
        for (from, to) in columns(&mut rounds).into_iter().zip(columns(&mut all)) {
            to.extend_from_slice(from);
        }
        forget(&mut rounds);
    }
    Ok(all)
}

fn columns(rounds: &mut Rounds) -> [&mut Vec<u64>; 6] {
    let Rounds { alice: a, bob: b, .. } = rounds;
    [&mut a.clicked, &mut a.bases, &mut a.bits, &mut b.clicked, &mut b.bases, &mut b.bits]
}

fn forget(rounds: &mut Rounds) {
    columns(rounds).into_iter().for_each(Zeroize::zeroize);
}

impl Stage<'_> {
    /// Run `index` of a simulation seeded with `seed`, and nothing else.
    ///
    /// # Errors
    /// [`QkdError`] if a host's part fails.
    pub fn simulate(&self, seed: u64, index: u64, parallel: bool) -> Result<Run, QkdError> {
        let mut rng = stream(seed ^ PHASE, index);
        let (pairs, parties) = (rng.next_u64(), rng.next_u64());
        let source = Simulated::of(&self.config().parameters.device, self.rounds() as u64, pairs);
        let rounds = whole(source, self.rounds() as u64)?;
        self.run(&rounds, Randomness::Seeded(parties), parallel, &mut |_, frame| vec![frame])
    }

    /// One run over all of a recording, which is forgotten afterwards.
    ///
    /// # Errors
    /// [`QkdError`] if the recording or a host's part fails.
    pub fn recorded(&self, recording: Recorded, randomness: Randomness) -> Result<Run, QkdError> {
        let len = recording.len();
        let mut rounds = whole(recording, len)?;
        let run = self.run(&rounds, randomness, true, &mut |_, frame| vec![frame]);
        forget(&mut rounds);
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
