//! Decoders of the blocks in flight: jobs in, decisions out, in the order of the jobs whatever the threads.

use std::sync::Mutex;

use caligo_core::bits::words_for;
use caligo_core::code::{Code, LengthError};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::Pattern;
use caligo_core::reconcile::Job;
use caligo_core::reconcile::estimate::Class;
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::kernel::{Effort, Engine, Input};

/// A job of its own memory.
struct Owned {
    slot: usize,
    first: bool,
    frame: Zeroizing<Vec<u64>>,
    punctured: Vec<u64>,
    known: Vec<u64>,
    syndrome: Vec<u64>,
    rates: OwnedRates,
    doubts: usize,
}

enum OwnedRates {
    Uniform(f64),
    Classes { classes: Vec<u8>, taken: Vec<u64>, rates: Vec<Class> },
}

impl OwnedRates {
    fn borrow(&self) -> Rates<'_> {
        match self {
            Self::Uniform(qber) => Rates::Uniform(*qber),
            Self::Classes { classes, taken, rates } => Rates::Classes { classes, taken, rates },
        }
    }
}

impl Owned {
    fn pattern(&self, n: usize) -> Result<Pattern<'_>, LengthError> {
        let found = self.punctured.len();
        Pattern::from_masks(n, &self.punctured, &self.known).map_err(|_| LengthError {
            what: "job pattern",
            expected: n,
            found,
        })
    }

    fn of(slot: usize, job: &Job<'_>) -> Self {
        Self {
            slot,
            first: job.first,
            frame: Zeroizing::new(job.frame.to_vec()),
            punctured: job.pattern.punctured().to_vec(),
            known: job.pattern.shortened().to_vec(),
            syndrome: job.syndrome.to_vec(),
            rates: match job.rates {
                Rates::Uniform(qber) => OwnedRates::Uniform(qber),
                Rates::Classes { classes, taken, rates } => OwnedRates::Classes {
                    classes: classes.to_vec(),
                    taken: taken.to_vec(),
                    rates: rates.to_vec(),
                },
            },
            doubts: job.doubts,
        }
    }
}

/// A job's answer.
#[derive(Debug)]
pub struct Decision {
    /// Slot of the job.
    pub slot: usize,
    /// How it ended.
    pub outcome: Outcome,
    /// The decision, n bits.
    pub frame: Zeroizing<Vec<u64>>,
    /// Positions the decoder is least sure of, as many as were asked for.
    pub doubts: Vec<u16>,
}

/// Whether a decoder goes on from where it was after a reveal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// From nothing: what was believed wrongly is forgotten.
    Cold,
    /// From its messages, with the revealed positions frozen.
    #[default]
    Hot,
}

/// Engines: one for each block that needed more than one round, the others shared.
pub struct Decoders<'a> {
    code: Code<'a>,
    effort: Effort,
    restart: Restart,
    jobs: Vec<Owned>,
    idle: Mutex<Vec<Engine<'a>>>,
    /// By slot.
    kept: Vec<Mutex<Option<Engine<'a>>>>,
}

impl std::fmt::Debug for Decoders<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoders").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl<'a> Decoders<'a> {
    /// Decoders for `slots` blocks in flight.
    pub fn new(code: Code<'a>, effort: Effort, restart: Restart, slots: usize) -> Self {
        let kept = (0..slots).map(|_| Mutex::new(None)).collect();
        Self { code, effort, restart, jobs: Vec::new(), idle: Mutex::new(Vec::new()), kept }
    }

    /// Takes a job.
    pub fn add(&mut self, slot: usize, job: &Job<'_>) {
        self.jobs.push(Owned::of(slot, job));
    }

    /// Whether there are jobs.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Decodes all jobs in this thread.
    ///
    /// # Errors
    /// [`LengthError`] if a job is of another code.
    pub fn run(&mut self) -> Result<Vec<Decision>, LengthError> {
        let jobs = std::mem::take(&mut self.jobs);
        self.decode(&jobs)
    }

    /// Decodes the first `most` jobs in the threads of the pool.
    ///
    /// # Errors
    /// [`LengthError`] if a job is of another code.
    pub fn run_parallel(&mut self, most: usize) -> Result<Vec<Decision>, LengthError> {
        let jobs: Vec<Owned> = self.jobs.drain(..most.min(self.jobs.len())).collect();
        // A few batches for each thread, since they do not take the same time.
        let batch = jobs.len().div_ceil(4 * rayon::current_num_threads()).max(8);
        let decisions: Result<Vec<_>, _> = jobs.par_chunks(batch).map(|jobs| self.decode(jobs)).collect();
        Ok(decisions?.into_iter().flatten().collect())
    }

    fn engine(&self) -> Result<Engine<'a>, LengthError> {
        let idle = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        idle.map_or_else(|| Engine::new(&self.code, self.effort), Ok)
    }

    fn give_back(&self, engine: Engine<'a>) {
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(engine);
        }
    }

    /// All together first, then one by one those that need more, by the engine that knows them.
    fn decode(&self, jobs: &[Owned]) -> Result<Vec<Decision>, LengthError> {
        let n = self.code.n();
        let patterns: Vec<Pattern<'_>> = jobs.iter().map(|job| job.pattern(n)).collect::<Result<_, _>>()?;
        let rates: Vec<Rates<'_>> = jobs.iter().map(|job| job.rates.borrow()).collect();
        let inputs: Vec<Input<'_>> = jobs
            .iter()
            .zip(patterns.iter().zip(&rates))
            .map(|(job, (pattern, rates))| Input {
                pattern,
                frame: &job.frame,
                rates,
                syndrome: &job.syndrome,
            })
            .collect();
        let new: Vec<Input<'_>> =
            inputs.iter().zip(jobs).filter(|(_, job)| job.first).map(|(input, _)| *input).collect();
        let mut frames = Zeroizing::new(vec![0; new.len() * words_for(n)]);
        let mut outcomes = vec![Outcome { converged: false, iterations: 0, unsatisfied: 0 }; new.len()];
        let mut engine = self.engine()?;
        engine.first_pass(&new, &mut frames, &mut outcomes)?;
        self.give_back(engine);
        let mut tried = outcomes.iter().zip(frames.chunks_exact(words_for(n)));
        jobs.iter()
            .zip(&inputs)
            .map(|(job, input)| match if job.first { tried.next() } else { None } {
                Some((&outcome, frame)) if outcome.converged => {
                    let frame = Zeroizing::new(frame.to_vec());
                    Ok(Decision { slot: job.slot, outcome, frame, doubts: Vec::new() })
                }
                tried => self.decode_further(job, input, tried.map(|(&outcome, _)| outcome)),
            })
            .collect()
    }

    /// The stages after the first pass, or the next round of a block.
    fn decode_further(
        &self,
        job: &Owned,
        input: &Input<'_>,
        tried: Option<Outcome>,
    ) -> Result<Decision, LengthError> {
        let mut frame = Zeroizing::new(vec![0; words_for(self.code.n())]);
        let place = self.kept.get(job.slot);
        let kept = place.and_then(|place| place.lock().ok()?.take());
        let resumes = kept.is_some() && tried.is_none();
        let mut engine = kept.map_or_else(|| self.engine(), Ok)?;
        let outcome = match tried {
            Some(outcome) => engine.go_on(outcome, input, &mut frame)?,
            None if resumes => engine.resume(input, &mut frame)?,
            None => engine.decode(input, &mut frame)?,
        };
        let doubts = if outcome.converged || job.doubts == 0 {
            Vec::new()
        } else {
            engine.least_reliable(input.pattern, &frame, job.doubts)?
        };
        match place.and_then(|place| place.lock().ok()) {
            Some(mut place) if self.restart == Restart::Hot && !outcome.converged => *place = Some(engine),
            _ => self.give_back(engine),
        }
        Ok(Decision { slot: job.slot, outcome, frame, doubts })
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.frame.zeroize();
        if let OwnedRates::Classes { classes, .. } = &mut self.rates {
            classes.zeroize();
        }
    }
}
