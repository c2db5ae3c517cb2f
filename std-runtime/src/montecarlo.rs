//! Monte-Carlo frame error rate of a code, pattern and decoder over a binary symmetric channel.
//!
//! In: a [`Run`]. Out: a [`Tally`], a pure function of the run: frame i is drawn from (seed, i), and
//! frames are counted in rounds of fixed size, whatever the threads.

use std::ops::Range;
use std::time::Instant;

use caligo_core::bits::words_for;
use caligo_core::code::{Code, LengthError};
use caligo_core::decode::Outcome;
use caligo_core::limits;
use caligo_core::llr::Rates;
use caligo_core::puncture::Pattern;
pub use caligo_sim::interval::clopper_pearson;
use rayon::prelude::*;
use serde::Serialize;

use crate::channel;
use crate::kernel::{Effort, Engine, Input, Tier};

/// What to simulate.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Code.
    pub code: Code<'a>,
    /// Pattern.
    pub pattern: Pattern<'a>,
    /// Leak of one frame's syndrome in bits, rank H - rank `H_P`.
    pub leak: usize,
    /// Error rate of the channel; the decoder knows it.
    pub qber: f64,
    /// Decoder.
    pub effort: Effort,
    /// Frames at most.
    pub frames: u64,
    /// Stop after the round in which so many frame errors have been seen.
    pub errors: u64,
    /// Seed.
    pub seed: u64,
}

/// Frames in a round; rounds are the only places where a run may stop early.
const ROUND: u64 = 256;
/// Frames that a thread decodes together; a fraction of a round.
const BATCH: u64 = 64;

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    /// Frames decoded.
    pub frames: u64,
    /// Frames whose decision was not the sender's.
    pub frame_errors: u64,
    /// Frame errors in which the syndrome matched all the same.
    pub undetected: u64,
    /// Iterations, summed over frames.
    pub iterations: u64,
    /// Seconds spent decoding, summed over threads. Not a function of the run.
    pub seconds: f64,
}

impl Tally {
    fn add(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            frame_errors: self.frame_errors + other.frame_errors,
            undetected: self.undetected + other.undetected,
            iterations: self.iterations + other.iterations,
            seconds: self.seconds + other.seconds,
        }
    }
}

/// A tally with its derived figures, as reported.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Code rate of the pattern.
    pub rate: f64,
    /// Punctured positions.
    pub punctured: usize,
    /// Shortened positions.
    pub shortened: usize,
    /// Error rate of the channel.
    pub qber: f64,
    /// Decoder.
    pub decoder: Tier,
    /// Frames decoded.
    pub frames: u64,
    /// Frame errors.
    pub frame_errors: u64,
    /// Frame error rate.
    pub fer: f64,
    /// Lower end of its 95 % Clopper-Pearson interval.
    pub fer_low: f64,
    /// Upper end.
    pub fer_high: f64,
    /// Frame errors with a matching syndrome.
    pub undetected: u64,
    /// Iterations per frame.
    pub iterations_mean: f64,
    /// Leak over n' h(Q); `null` at Q = 0.
    pub f: Option<f64>,
    /// Least f of any code at this frame error rate (at `fer_high` if no error was seen).
    pub f_limit: Option<f64>,
    /// Decoded code bits per second and core, in millions. A measurement, not a function of the seed.
    pub mbit_per_s: f64,
}

/// Runs the simulation; `progress` is told the tally after every round.
///
/// # Errors
/// [`LengthError`] if the pattern does not fit the code.
pub fn run(run: &Run<'_>, mut progress: impl FnMut(&Tally)) -> Result<Tally, LengthError> {
    let mut tally = Tally::default();
    while tally.frames < run.frames && tally.frame_errors < run.errors {
        let last = (tally.frames + ROUND).min(run.frames);
        let batches = (last - tally.frames).div_ceil(BATCH);
        let first = tally.frames;
        tally = (0..batches)
            .into_par_iter()
            .map_init(
                || Simulator::new(run),
                |simulator, batch| match simulator {
                    Ok(simulator) => {
                        let start = first + batch * BATCH;
                        simulator.frames(start..(start + BATCH).min(last))
                    }
                    Err(error) => Err(*error),
                },
            )
            .try_reduce(Tally::default, |a, b| Ok(a.add(b)))?
            .add(tally);
        progress(&tally);
    }
    Ok(tally)
}

struct Simulator<'a> {
    run: Run<'a>,
    engine: Engine<'a>,
    sent: Vec<u64>,
    received: Vec<u64>,
    syndromes: Vec<u64>,
    decisions: Vec<u64>,
    outcomes: Vec<Outcome>,
}

impl<'a> Simulator<'a> {
    fn new(run: &Run<'a>) -> Result<Self, LengthError> {
        let (n, m) = (BATCH as usize * words_for(run.code.n()), BATCH as usize * words_for(run.code.m()));
        Ok(Self {
            run: *run,
            engine: Engine::new(&run.code, run.effort)?,
            sent: vec![0; n],
            received: vec![0; n],
            syndromes: vec![0; m],
            decisions: vec![0; n],
            outcomes: vec![Outcome::default(); BATCH as usize],
        })
    }

    fn frames(&mut self, indices: Range<u64>) -> Result<Tally, LengthError> {
        let Run { code, pattern, qber, seed, .. } = self.run;
        let (n, m) = (words_for(code.n()), words_for(code.m()));
        let count = (indices.end - indices.start) as usize;
        let memory = self.sent.chunks_exact_mut(n).zip(self.received.chunks_exact_mut(n));
        for ((index, (sent, received)), syndrome) in
            indices.zip(memory).zip(self.syndromes.chunks_exact_mut(m))
        {
            let mut rng = channel::stream(seed, index);
            channel::fill(sent, code.n(), &mut rng);
            code.syndrome(sent, syndrome)?;
            let errors = channel::errors(code.n(), qber, &mut rng);
            for ((received, &sent), error) in received.iter_mut().zip(&*sent).zip(errors) {
                *received = sent ^ error;
            }
            // Shortened positions are known without error.
            for ((word, &mask), &original) in received.iter_mut().zip(pattern.shortened()).zip(&*sent) {
                *word = *word & !mask | original & mask;
            }
        }
        let rates = Rates::Uniform(qber);
        let frames = self.received.chunks_exact(n).zip(self.syndromes.chunks_exact(m)).take(count);
        let inputs: Vec<Input<'_>> = frames
            .map(|(frame, syndrome)| Input { pattern: &pattern, frame, rates: &rates, syndrome })
            .collect();
        let start = Instant::now();
        let outcomes = &mut self.outcomes[..count];
        self.engine.decode_all(&inputs, &mut self.decisions[..count * n], outcomes)?;
        let seconds = start.elapsed().as_secs_f64();
        let decisions = self.decisions.chunks_exact(n).zip(self.sent.chunks_exact(n));
        let tally = Tally { seconds, ..Tally::default() };
        Ok(decisions.zip(outcomes).fold(tally, |tally, ((decision, sent), outcome)| {
            let wrong = decision != sent;
            tally.add(Tally {
                frames: 1,
                frame_errors: wrong.into(),
                undetected: (wrong && outcome.converged).into(),
                iterations: outcome.iterations.into(),
                seconds: 0.0,
            })
        }))
    }
}

/// The figures of a tally.
pub fn report(run: &Run<'_>, tally: &Tally) -> Report {
    let (n, m) = (run.code.n(), run.code.m());
    let (p, s, payload) = (run.pattern.p(), run.pattern.s(), run.pattern.payload());
    let frames = tally.frames.max(1) as f64;
    let fer = tally.frame_errors as f64 / frames;
    let (fer_low, fer_high) = clopper_pearson(tally.frame_errors, tally.frames, 0.95);
    let noise = payload as f64 * limits::entropy(run.qber);
    let at = if tally.frame_errors == 0 { fer_high } else { fer };
    Report {
        rate: caligo_core::puncture::rate(n, m, p, s),
        punctured: p,
        shortened: s,
        qber: run.qber,
        decoder: run.effort.tier,
        frames: tally.frames,
        frame_errors: tally.frame_errors,
        fer,
        fer_low,
        fer_high,
        undetected: tally.undetected,
        iterations_mean: tally.iterations as f64 / frames,
        f: (noise > 0.0).then(|| run.leak as f64 / noise),
        f_limit: limits::converse_leak(payload, run.qber, at).map(|leak| leak / noise),
        mbit_per_s: n as f64 * frames / tally.seconds.max(1e-9) / 1e6,
    }
}
