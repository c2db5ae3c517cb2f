//! Decoders of the blocks in flight: jobs in, decisions out, in the order of the jobs whatever the threads.

use alloc::vec;
use alloc::vec::Vec;
#[cfg(not(feature = "parallel"))]
use core::cell::{BorrowMutError, RefCell, RefMut};
#[cfg(feature = "parallel")]
use std::sync::Mutex;

use caligo_core::bits::words_for;
use caligo_core::code::{Code, LengthError};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::Pattern;
use caligo_core::reconcile::Job;
use caligo_core::reconcile::estimate::Class;
use caligo_engine::{Effort, Engine, Input};
#[cfg(feature = "parallel")]
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

/// A job of its own memory, which later jobs use again.
#[derive(Default)]
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

/// Error rates; uniform where there are none by class.
#[derive(Default)]
struct OwnedRates {
    uniform: f64,
    classes: Vec<u8>,
    taken: Vec<u64>,
    rates: Vec<Class>,
}

impl OwnedRates {
    fn set(&mut self, rates: &Rates<'_>) {
        let (uniform, classes, taken, rates): (_, &[u8], &[u64], &[Class]) = match *rates {
            Rates::Uniform(qber) => (qber, &[], &[], &[]),
            Rates::Classes { classes, taken, rates } => (0.0, classes, taken, rates),
        };
        self.uniform = uniform;
        replace(&mut self.classes, classes);
        replace(&mut self.taken, taken);
        replace(&mut self.rates, rates);
    }

    fn get(&self) -> Rates<'_> {
        if self.taken.is_empty() {
            Rates::Uniform(self.uniform)
        } else {
            Rates::Classes { classes: &self.classes, taken: &self.taken, rates: &self.rates }
        }
    }
}

fn replace<T: Copy>(memory: &mut Vec<T>, by: &[T]) {
    memory.clear();
    memory.extend_from_slice(by);
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

    fn set(&mut self, slot: usize, job: &Job<'_>) {
        self.slot = slot;
        self.first = job.first;
        self.doubts = job.doubts;
        replace(&mut self.frame, job.frame);
        replace(&mut self.punctured, job.pattern.punctured());
        replace(&mut self.known, job.pattern.shortened());
        replace(&mut self.syndrome, job.syndrome);
        self.rates.set(&job.rates);
    }
}

/// A job's answer.
#[derive(Debug, Default)]
pub struct Decision {
    /// Slot of the job.
    pub slot: usize,
    /// Whether nothing had been tried on its block before.
    pub first: bool,
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
    spare_jobs: Vec<Owned>,
    spare_decisions: Vec<Decision>,
    idle: Mutex<Vec<Engine<'a>>>,
    /// By slot.
    kept: Vec<Mutex<Option<Engine<'a>>>>,
}

/// In one thread.
#[cfg(not(feature = "parallel"))]
struct Mutex<T>(RefCell<T>);

#[cfg(not(feature = "parallel"))]
impl<T> Mutex<T> {
    fn new(value: T) -> Self {
        Self(RefCell::new(value))
    }

    fn lock(&self) -> Result<RefMut<'_, T>, BorrowMutError> {
        self.0.try_borrow_mut()
    }
}

impl core::fmt::Debug for Decoders<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Decoders").field("jobs", &self.jobs.len()).finish_non_exhaustive()
    }
}

impl<'a> Decoders<'a> {
    /// Decoders for `slots` blocks in flight.
    pub fn new(code: Code<'a>, effort: Effort, restart: Restart, slots: usize) -> Self {
        let kept = (0..slots).map(|_| Mutex::new(None)).collect();
        Self {
            code,
            effort,
            restart,
            jobs: Vec::new(),
            spare_jobs: Vec::new(),
            spare_decisions: Vec::new(),
            idle: Mutex::new(Vec::new()),
            kept,
        }
    }

    /// Takes a job.
    pub fn add(&mut self, slot: usize, job: &Job<'_>) {
        let mut owned = self.spare_jobs.pop().unwrap_or_default();
        owned.set(slot, job);
        self.jobs.push(owned);
        // One strategy's engines serve a session.
        self.effort.patient |= job.patient;
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
        let mut decisions = self.memory(self.jobs.len());
        self.decode(&self.jobs, &mut decisions)?;
        self.spare_jobs.append(&mut self.jobs);
        Ok(decisions)
    }

    /// Decodes the first `most` jobs in the threads of the pool.
    ///
    /// # Errors
    /// [`LengthError`] if a job is of another code.
    #[cfg(feature = "parallel")]
    pub fn run_parallel(&mut self, most: usize) -> Result<Vec<Decision>, LengthError> {
        let count = most.min(self.jobs.len());
        let mut decisions = self.memory(count);
        let jobs = &self.jobs[..count];
        // A few batches for each thread, since they do not take the same time.
        let batch = count.div_ceil(4 * rayon::current_num_threads()).max(8);
        jobs.par_chunks(batch)
            .zip(decisions.par_chunks_mut(batch))
            .try_for_each(|(jobs, decisions)| self.decode(jobs, decisions))?;
        self.spare_jobs.extend(self.jobs.drain(..count));
        Ok(decisions)
    }

    /// Takes decisions back whose memory may be used again.
    pub fn recycle(&mut self, decisions: Vec<Decision>) {
        self.spare_decisions = decisions;
    }

    fn memory(&mut self, count: usize) -> Vec<Decision> {
        let mut decisions = core::mem::take(&mut self.spare_decisions);
        decisions.resize_with(count, Decision::default);
        decisions
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
    fn decode(&self, jobs: &[Owned], decisions: &mut [Decision]) -> Result<(), LengthError> {
        let (n, words) = (self.code.n(), words_for(self.code.n()));
        let patterns: Vec<Pattern<'_>> = jobs.iter().map(|job| job.pattern(n)).collect::<Result<_, _>>()?;
        let rates: Vec<Rates<'_>> = jobs.iter().map(|job| job.rates.get()).collect();
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
        let mut frames = Zeroizing::new(vec![0; new.len() * words]);
        let mut outcomes = vec![Outcome::default(); new.len()];
        let mut engine = self.engine()?;
        engine.first_pass(&new, &mut frames, &mut outcomes)?;
        self.give_back(engine);
        let mut tried = outcomes.iter().zip(frames.chunks_exact(words));
        for ((job, input), decision) in jobs.iter().zip(&inputs).zip(decisions) {
            decision.slot = job.slot;
            decision.first = job.first;
            decision.doubts.clear();
            decision.frame.resize(words, 0);
            match if job.first { tried.next() } else { None } {
                Some((&outcome, frame)) if outcome.converged => {
                    decision.outcome = outcome;
                    decision.frame.copy_from_slice(frame);
                }
                tried => self.decode_further(job, input, tried.map(|(&outcome, _)| outcome), decision)?,
            }
        }
        Ok(())
    }

    /// The stages after the first pass, or the next round of a block.
    fn decode_further(
        &self,
        job: &Owned,
        input: &Input<'_>,
        tried: Option<Outcome>,
        decision: &mut Decision,
    ) -> Result<(), LengthError> {
        let frame = &mut decision.frame;
        let place = self.kept.get(job.slot);
        let kept = place.and_then(|place| place.lock().ok()?.take());
        let resumes = kept.is_some();
        let mut engine = kept.map_or_else(|| self.engine(), Ok)?;
        let outcome = match tried {
            Some(outcome) => engine.go_on(outcome, input, frame)?,
            None if resumes => engine.resume(input, frame)?,
            None => engine.decode(input, frame)?,
        };
        if !outcome.converged && job.doubts > 0 {
            decision.doubts = engine.least_reliable(input.pattern, frame, job.doubts)?;
        }
        decision.outcome = outcome;
        match place.and_then(|place| place.lock().ok()) {
            Some(mut place) if self.restart == Restart::Hot && !outcome.converged => *place = Some(engine),
            _ => self.give_back(engine),
        }
        Ok(())
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.rates.classes.zeroize();
    }
}
