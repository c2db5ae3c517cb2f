//! Either party's host: frames into a queue, randomness noted, jobs decoded at once and before our eyes.

use alloc::borrow::ToOwned;
use alloc::collections::VecDeque;
use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits;
use caligo_core::code::{Code, LengthError};
use caligo_core::decode::Outcome;
use caligo_core::reconcile::{Event, Job, Released};
use caligo_core::wire::{Hello, Kind};
use caligo_engine::dispatch::Path;
use caligo_engine::{Effort, Engine, Input, Seen};
use zeroize::Zeroizing;

use super::Step;
use crate::session::driver::{Host, KeyInput};
use crate::session::local::{SessionError, Source};

/// What a decoder has answered.
pub(super) struct Decided {
    slot: usize,
    outcome: Outcome,
    frame: Vec<u64>,
    doubts: Vec<u16>,
}

impl Decided {
    pub(super) fn converged(&self) -> bool {
        self.outcome.converged
    }

    pub(super) fn event(&self) -> Event<'_> {
        let Self { slot, outcome, frame, doubts } = self;
        Event::Decoded { slot: *slot, outcome: *outcome, decision: frame, doubts }
    }
}

pub(super) struct Side<'a> {
    /// Frames sent and not yet taken.
    pub(super) frames: VecDeque<Vec<u8>>,
    /// The first randomness given: Alice's padding.
    pub(super) drawn: Vec<u64>,
    /// Alice's frame, for comparison.
    pub(super) truth: Vec<u64>,
    pub(super) steps: Vec<Step>,
    pub(super) decided: Option<Decided>,
    pub(super) released: Option<Released>,
    path: Path,
    code: Code<'a>,
    effort: Effort,
    source: Source,
    input: Option<KeyInput>,
    /// With the state of a run that failed, or without.
    engine: Option<Engine<'a>>,
    resumable: bool,
    rounds: u32,
    failure: Option<LengthError>,
}

impl<'a> Side<'a> {
    pub(super) fn new(
        path: Path,
        code: Code<'a>,
        effort: Effort,
        source: Source,
        input: Option<KeyInput>,
    ) -> Self {
        Self {
            frames: VecDeque::new(),
            drawn: Vec::new(),
            truth: Vec::new(),
            steps: Vec::new(),
            decided: None,
            released: None,
            path,
            code,
            effort,
            source,
            input,
            engine: None,
            resumable: false,
            rounds: 0,
            failure: None,
        }
    }

    /// Why a job could not be decoded, if one could not.
    pub(super) fn check(&mut self) -> Result<(), LengthError> {
        self.failure.take().map_or(Ok(()), Err)
    }

    /// The decoders of a session do the same (`Decoders`): what failed is gone on with.
    fn run(&mut self, slot: usize, job: &Job<'_>) -> Result<Decided, LengthError> {
        let Self { path, code, truth, steps, rounds, .. } = self;
        self.effort.patient |= job.patient;
        let engine = match &mut self.engine {
            Some(engine) => engine,
            None => self.engine.insert(Engine::on(*path, code, self.effort)?),
        };
        *rounds += 1;
        let before = steps.last().map_or(0, |step: &Step| step.iterations);
        let mut iterations = before;
        let mut watch = |seen: &Seen<'_>| {
            iterations += u32::from(seen.iterations);
            let wrong = seen.decision.iter().zip(&*truth).map(|(a, b)| a ^ b).collect();
            let mut unsatisfied = vec![0; job.syndrome.len()];
            // Of the code's length, since the decoder took it.
            if code.syndrome(seen.decision, &mut unsatisfied).is_ok() {
                unsatisfied.iter_mut().zip(job.syndrome).for_each(|(word, syndrome)| *word ^= syndrome);
            }
            steps.push(Step { round: *rounds, stage: seen.stage, iterations, wrong, unsatisfied });
        };
        let input =
            Input { pattern: &job.pattern, frame: job.frame, rates: &job.rates, syndrome: job.syndrome };
        let mut frame = vec![0; bits::words_for(code.n())];
        let outcome = if self.resumable && !job.first {
            engine.resume_watched(&input, &mut frame, &mut watch)?
        } else {
            engine.decode_watched(&input, &mut frame, &mut watch)?
        };
        let doubts = if !outcome.converged && job.doubts > 0 {
            engine.least_reliable(input.pattern, &frame, job.doubts)?
        } else {
            Vec::new()
        };
        self.resumable = !outcome.converged;
        Ok(Decided { slot, outcome, frame, doubts })
    }
}

impl Host for Side<'_> {
    fn send(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        self.frames.push_back(frame.to_vec());
        Ok(())
    }

    fn entropy(&mut self, words: usize) -> Result<Zeroizing<Vec<u64>>, SessionError> {
        let words = self.source.words(words)?;
        if self.drawn.is_empty() {
            self.drawn.extend_from_slice(&words);
        }
        Ok(words)
    }

    fn agreed(&mut self, _hello: &Hello) -> Result<KeyInput, SessionError> {
        self.input.take().ok_or_else(|| SessionError::Channel("key: asked for twice".to_owned()))
    }

    fn decode(&mut self, slot: usize, job: &Job<'_>) {
        match self.run(slot, job) {
            Ok(decided) => self.decided = Some(decided),
            Err(error) => self.failure = Some(error),
        }
    }

    fn sampled(&mut self, _errors: u32, _bits: u32, _effective: f64) {}

    fn released(&mut self, block: Released) {
        self.released = Some(block);
    }
}

/// The message that would have followed Bob's `last`, whose decoder `converged`.
pub(super) fn next_after(last: Kind, converged: bool, baseline: bool) -> Kind {
    match last {
        Kind::Hello if baseline => Kind::Syndrome,
        Kind::Hello => Kind::BlindInit,
        Kind::SymmetricRequest => Kind::SymmetricReveal,
        Kind::BlindAck => Kind::Verify,
        Kind::SyndromeResponse if converged => Kind::Verify,
        _ => Kind::BlindReveal,
    }
}
