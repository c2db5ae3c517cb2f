//! Frames as received, to be decoded as often as one likes: what speed is measured on.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits::words_for;
use caligo_core::code::LengthError;
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::Pattern;
use caligo_core::rate::RateError;
use caligo_engine::dispatch::Path;
use caligo_engine::{Effort, Engine, Input};

use crate::channel;
use crate::matrix::library::Library;
use crate::session::local::SessionError;

/// Frames of the mother code at its own rate, nothing punctured or shortened.
pub struct Frames<'a> {
    engine: Engine<'a>,
    qber: f64,
    n: usize,
    masks: Vec<u64>,
    sent: Vec<u64>,
    received: Vec<u64>,
    syndromes: Vec<u64>,
    decisions: Vec<u64>,
    outcomes: Vec<Outcome>,
}

impl<'a> Frames<'a> {
    /// So many frames at error rate `qber`; frame i is drawn from (`seed`, i).
    ///
    /// # Errors
    /// [`SessionError`] if the error rate is none.
    pub fn new(
        library: &'a Library,
        path: Path,
        effort: Effort,
        qber: f64,
        seed: u64,
        count: usize,
    ) -> Result<Self, SessionError> {
        if !(0.0..0.5).contains(&qber) {
            return Err(RateError::OutOfRange { what: "QBER: expected a number in [0, 0.5)" }.into());
        }
        let code = library.code()?;
        let (n, m) = (words_for(code.n()), words_for(code.m()));
        let engine = Engine::on(path, &code, effort)?;
        let (mut sent, mut syndromes) = (Vec::with_capacity(count * n), vec![0; count * m]);
        let mut received = Vec::with_capacity(count * n);
        for (index, syndrome) in syndromes.chunks_exact_mut(m).enumerate() {
            let mut rng = channel::stream(seed, index as u64);
            let mut frame = channel::random_bits(code.n(), &mut rng);
            code.syndrome(&frame, syndrome)?;
            sent.extend_from_slice(&frame);
            channel::flip(&mut frame, code.n(), qber, &mut rng);
            received.extend_from_slice(&frame);
        }
        Ok(Self {
            engine,
            qber,
            n: code.n(),
            masks: vec![0; n],
            sent,
            received,
            decisions: vec![0; count * n],
            outcomes: vec![Outcome::default(); count],
            syndromes,
        })
    }

    /// Decodes them, `together` at a call: how many came out as they were sent.
    ///
    /// # Errors
    /// [`LengthError`] never occurs.
    pub fn decode(&mut self, together: usize) -> Result<usize, LengthError> {
        let words = words_for(self.n);
        let checks = self.syndromes.len() / self.outcomes.len().max(1);
        let rates = Rates::Uniform(self.qber);
        let pattern = Pattern::from_masks(self.n, &self.masks, &self.masks).map_err(|_| LengthError {
            what: "masks",
            expected: words,
            found: self.masks.len(),
        })?;
        let inputs: Vec<Input<'_>> = self
            .received
            .chunks_exact(words)
            .zip(self.syndromes.chunks_exact(checks.max(1)))
            .map(|(frame, syndrome)| Input { pattern: &pattern, frame, rates: &rates, syndrome })
            .collect();
        let together = together.max(1);
        let outcomes = self.outcomes.chunks_mut(together);
        let decisions = self.decisions.chunks_mut(together * words);
        for ((inputs, decisions), outcomes) in inputs.chunks(together).zip(decisions).zip(outcomes) {
            self.engine.decode_all(inputs, decisions, outcomes)?;
        }
        let pairs = self.decisions.chunks_exact(words).zip(self.sent.chunks_exact(words));
        Ok(pairs.filter(|(decision, sent)| decision == sent).count())
    }
}
