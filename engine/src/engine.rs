//! Decoding on a host: the core's kernels compiled for several instruction sets and chosen at run
//! time, and the tiers that combine them.
//!
//! In: patterns, received frames, error rates, syndromes. Out: decisions and an [`Outcome`] for each. Memory is
//! allocated once per [`Engine`]. No result depends on the instruction set, nor on which frames are decoded
//! together. On wasm32 an engine takes codes of circulants of 64 and the layered schedule only.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits::words_for;
use caligo_core::code::{Code, LengthError, check_length};
use caligo_core::decode::{
    Arithmetic, Corrected, Decoder, Doubt, Layout, Outcome, Rule, Schedule, SumProduct, Workspace,
};
use caligo_core::limits;
use caligo_core::llr::{self, Rates};
use caligo_core::puncture::Pattern;
use zeroize::Zeroize;

use crate::dispatch::{Path, Work};
use crate::first_pass::FirstPass;
use crate::tier::{Effort, TRAPPED, Tier};
use crate::watch::{Seen, Stage, Watch, lend};

/// Most iterations of the 8-bit pass of [`Tier::Balanced`], and of a guess.
const INTEGER_ITERATIONS: u16 = 40;

/// Positions guessed after a failure.
const GUESSES: u16 = 16;

/// A frame to be decoded.
#[derive(Clone, Copy, Debug)]
pub struct Input<'i> {
    /// Its pattern.
    pub pattern: &'i Pattern<'i>,
    /// The frame as received, n bits; known positions hold their values.
    pub frame: &'i [u64],
    /// Error rates of the channel.
    pub rates: &'i Rates<'i>,
    /// The sender's syndrome, m bits.
    pub syndrome: &'i [u64],
}

/// Bits disclosed for each bit of payload.
pub(crate) fn leak_rate(code: &Code<'_>, pattern: &Pattern<'_>) -> f64 {
    code.m().saturating_sub(pattern.p()) as f64 / pattern.payload() as f64
}

type Words<'a, A> = Workspace<'a, A, Vec<<A as Rule>::Message>, Vec<<A as Rule>::Posterior>>;

/// A decoder with its memory.
#[derive(Debug)]
pub struct Engine<'a> {
    path: Path,
    n: usize,
    integer_first: bool,
    first: Option<FirstPass<'a>>,
    integer: Option<(Decoder<Corrected>, Words<'a, Corrected>, Vec<i16>)>,
    float: Option<(Decoder<SumProduct>, Words<'a, SumProduct>, Vec<f32>)>,
    doubts: Vec<Doubt>,
    /// Most unsatisfied checks of a failure after which there are guesses.
    guessed_unsatisfied: u32,
    /// The 8-bit workspace holds a guess, and no state to go on from.
    guessed: bool,
}

impl<'a> Engine<'a> {
    /// An engine for `code`.
    ///
    /// # Errors
    /// [`LengthError`] never occurs for a validated code; it is passed on rather than unwrapped.
    pub fn new(code: &Code<'a>, effort: Effort) -> Result<Self, LengthError> {
        Self::on(Path::chosen(), code, effort)
    }

    /// An engine for `code` that uses the instructions of `path`.
    ///
    /// # Errors
    /// As [`Engine::new`].
    pub fn on(path: Path, code: &Code<'a>, effort: Effort) -> Result<Self, LengthError> {
        let Effort { tier, schedule, .. } = effort;
        let layout = Layout::of(code, schedule);
        let last = effort.max_iterations.unwrap_or(tier.default_iterations());
        let guesses = effort.guesses.unwrap_or(GUESSES);
        let guessed_unsatisfied =
            effort.guesses.map_or(tier.guessed_unsatisfied(effort.patient), |_| u32::MAX);
        let first = if tier == Tier::Precise || schedule == Schedule::Flooding || effort.without_first_pass {
            None
        } else {
            FirstPass::new(path, code, last)
        };
        let integer = if tier == Tier::Precise && guesses == 0 {
            None
        } else {
            let max_iterations = if tier == Tier::Fast { last } else { INTEGER_ITERATIONS.min(last) };
            let work = Workspace::new(code, schedule, vec![0; layout.messages], vec![0; layout.posteriors])?;
            Some((Decoder { arithmetic: Corrected::default(), max_iterations }, work, vec![0; code.n()]))
        };
        let float = if tier == Tier::Fast {
            None
        } else {
            let work =
                Workspace::new(code, schedule, vec![0.0; layout.messages], vec![0.0; layout.posteriors])?;
            Some((Decoder { arithmetic: SumProduct, max_iterations: last }, work, vec![0.0; code.n()]))
        };
        let doubts = vec![Doubt::default(); guesses.into()];
        Ok(Self {
            path,
            n: code.n(),
            integer_first: tier != Tier::Precise,
            first,
            integer,
            float,
            doubts,
            guessed_unsatisfied,
            guessed: false,
        })
    }

    /// Decodes a frame to the string with its syndrome. Iterations are summed over the stages.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn decode(&mut self, input: &Input<'_>, decision: &mut [u64]) -> Result<Outcome, LengthError> {
        let mut outcome = [Outcome::default()];
        self.decode_all(core::slice::from_ref(input), decision, &mut outcome)?;
        Ok(outcome[0])
    }

    /// Decodes many frames, each as [`Engine::decode`] would, in less time. `decisions` are n bits each, one after
    /// the other.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code or the number of frames.
    pub fn decode_all(
        &mut self,
        inputs: &[Input<'_>],
        decisions: &mut [u64],
        outcomes: &mut [Outcome],
    ) -> Result<(), LengthError> {
        self.first_pass(inputs, decisions, outcomes)?;
        let words = decisions.len() / inputs.len().max(1);
        for ((input, decision), outcome) in inputs.iter().zip(decisions.chunks_exact_mut(words)).zip(outcomes)
        {
            if !outcome.converged {
                *outcome = self.stages(Start::Cold(outcome.iterations), input, decision, None)?;
            }
        }
        Ok(())
    }

    /// The bit-sliced pass alone. A frame that has not converged may be handed to [`Engine::go_on`] of any engine.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code or the number of frames.
    pub fn first_pass(
        &mut self,
        inputs: &[Input<'_>],
        decisions: &mut [u64],
        outcomes: &mut [Outcome],
    ) -> Result<(), LengthError> {
        check_length("decision words", inputs.len() * words_for(self.n), decisions.len())?;
        check_length("outcomes", inputs.len(), outcomes.len())?;
        outcomes.fill(Outcome::default());
        match &mut self.first {
            Some(first) => first.run(inputs, decisions, outcomes, None),
            None => Ok(()),
        }
    }

    /// The stages after a first pass that failed after `outcome.iterations`.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn go_on(
        &mut self,
        outcome: Outcome,
        input: &Input<'_>,
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        self.stages(Start::Cold(outcome.iterations), input, decision, None)
    }

    /// Goes on from the last run, of the same frame and syndrome, after more positions have become known or the
    /// error rates have: all messages stay.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn resume(&mut self, input: &Input<'_>, decision: &mut [u64]) -> Result<Outcome, LengthError> {
        self.stages(Start::Hot, input, decision, None)
    }

    /// [`Engine::decode`] before somebody's eyes. The outcome is the same.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn decode_watched(
        &mut self,
        input: &Input<'_>,
        decision: &mut [u64],
        watch: Watch<'_>,
    ) -> Result<Outcome, LengthError> {
        check_length("decision words", words_for(self.n), decision.len())?;
        let mut outcome = [Outcome::default()];
        if let Some(first) = &mut self.first {
            first.run(core::slice::from_ref(input), decision, &mut outcome, Some(&mut *watch))?;
        }
        if outcome[0].converged {
            return Ok(outcome[0]);
        }
        self.stages(Start::Cold(outcome[0].iterations), input, decision, Some(watch))
    }

    /// [`Engine::resume`], likewise.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn resume_watched(
        &mut self,
        input: &Input<'_>,
        decision: &mut [u64],
        watch: Watch<'_>,
    ) -> Result<Outcome, LengthError> {
        self.stages(Start::Hot, input, decision, Some(watch))
    }

    fn stages(
        &mut self,
        start: Start,
        input: &Input<'_>,
        decision: &mut [u64],
        mut watch: Option<Watch<'_>>,
    ) -> Result<Outcome, LengthError> {
        let mut outcome = Outcome::default();
        let mut spent = match start {
            Start::Cold(spent) => spent,
            Start::Hot | Start::On => 0,
        };
        let Self { path, integer, float, .. } = self;
        let path = *path;
        if let Some((decoder, work, priors)) = integer.as_mut().filter(|_| self.integer_first) {
            let start = if self.guessed { Start::Cold(0) } else { start };
            self.guessed = false;
            let watched = lend(&mut watch).map(|watch| (Stage::Integer, watch));
            outcome = run(path, decoder, work, priors, start, input, decision, watched)?;
            spent = spent.saturating_add(outcome.iterations);
            if outcome.converged {
                return Ok(Outcome { iterations: spent, ..outcome });
            }
        }
        if let Some((decoder, work, priors)) = float {
            let watched = lend(&mut watch).map(|watch| (Stage::Float, watch));
            outcome = run(path, decoder, work, priors, start, input, decision, watched)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        let near = outcome.unsatisfied <= self.guessed_unsatisfied;
        if !outcome.converged && near && !self.doubts.is_empty() {
            outcome = self.guess(outcome, input, decision, watch)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        Ok(Outcome { iterations: spent, ..outcome })
    }

    /// The last stage says where the doubts are; the 8-bit decoder tries them.
    ///
    /// Where few checks are left, a trapping set holds on to its errors: one more known bit breaks it twice as often if
    /// the frame is believed less, as if the channel were the noisiest that the code could serve.
    fn guess(
        &mut self,
        failed: Outcome,
        input: &Input<'_>,
        decision: &mut [u64],
        mut watch: Option<Watch<'_>>,
    ) -> Result<Outcome, LengthError> {
        let path = self.path;
        let Some((decoder, work, priors)) = &mut self.integer else {
            return Ok(Outcome::default());
        };
        let found = match &mut self.float {
            Some((_, work, priors)) => work.doubts(input.syndrome, priors, decision, &mut self.doubts)?,
            None => work.doubts(input.syndrome, priors, decision, &mut self.doubts)?,
        };
        self.guessed = true;
        let rates = match *input.rates {
            Rates::Uniform(qber) if failed.unsatisfied <= TRAPPED => {
                Rates::Uniform(qber.max(limits::inverse_entropy(leak_rate(work.code(), input.pattern))))
            }
            rates => rates,
        };
        llr::with_rates(&decoder.arithmetic, input.pattern, input.frame, &rates, priors)?;
        let doubts = &self.doubts[..found];
        // Whoever looks on is shown one after the other.
        let part = if watch.is_some() { 1 } else { doubts.len().max(1) };
        let mut total = Outcome { converged: false, iterations: 0, unsatisfied: u32::MAX };
        for doubts in doubts.chunks(part) {
            let (work, syndrome) = (&mut *work, input.syndrome);
            let outcome = path.call(Guesses { decoder, work, priors, doubts, syndrome, decision })?;
            if let Some(watch) = &mut watch {
                watch(&Seen { stage: Stage::Guess, iterations: outcome.iterations, decision });
            }
            total = Outcome { iterations: total.iterations.saturating_add(outcome.iterations), ..outcome };
            if total.converged {
                break;
            }
        }
        Ok(total)
    }

    /// After a run that failed: the `count` positions the decoder is least sure of, as the last stage left them.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn least_reliable(
        &mut self,
        pattern: &Pattern<'_>,
        decision: &[u64],
        count: usize,
    ) -> Result<Vec<u16>, LengthError> {
        let mut doubts = vec![Doubt::default(); count];
        let found = match (&mut self.float, &mut self.integer) {
            (Some((_, work, _)), _) => work.least_reliable(pattern.shortened(), decision, &mut doubts)?,
            (None, Some((_, work, _))) => work.least_reliable(pattern.shortened(), decision, &mut doubts)?,
            (None, None) => 0,
        };
        Ok(doubts[..found].iter().map(|doubt| doubt.position as u16).collect())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    /// From the priors, after so many iterations of earlier stages.
    Cold(u16),
    /// From the messages of the last run.
    Hot,
    /// From wherever it is.
    On,
}

impl Drop for Engine<'_> {
    /// The signs of priors and posteriors are key bits.
    fn drop(&mut self) {
        if let Some((_, work, priors)) = &mut self.integer {
            work.clear();
            priors.zeroize();
        }
        if let Some((_, work, priors)) = &mut self.float {
            work.clear();
            priors.zeroize();
        }
    }
}

/// Priors, with the messages of the last run or without; run. Whoever looks on is shown every iteration.
#[expect(clippy::too_many_arguments, reason = "one run's operands")]
fn run<A: Arithmetic>(
    path: Path,
    decoder: &Decoder<A>,
    work: &mut Words<'_, A>,
    priors: &mut [A::Posterior],
    start: Start,
    input: &Input<'_>,
    decision: &mut [u64],
    watched: Option<(Stage, Watch<'_>)>,
) -> Result<Outcome, LengthError> {
    // All at once, or one by one.
    let (stage, mut watch) = watched.unzip();
    let most = if watch.is_some() { 1.min(decoder.max_iterations) } else { decoder.max_iterations };
    let part = Decoder { max_iterations: most, ..*decoder };
    let (mut iterations, mut start) = (0, start);
    loop {
        let (work, priors) = (&mut *work, &mut *priors);
        let outcome = path.call(Run { decoder: &part, work, priors, start, input, decision })?;
        iterations += outcome.iterations;
        if let Some((watch, stage)) = watch.as_mut().zip(stage) {
            watch(&Seen { stage, iterations: outcome.iterations, decision });
        }
        if outcome.converged || iterations >= decoder.max_iterations {
            return Ok(Outcome { iterations, ..outcome });
        }
        start = Start::On;
    }
}

/// A run, to be compiled for an instruction set.
struct Run<'r, 'w, A: Arithmetic> {
    decoder: &'r Decoder<A>,
    work: &'r mut Words<'w, A>,
    priors: &'r mut [A::Posterior],
    start: Start,
    input: &'r Input<'r>,
    decision: &'r mut [u64],
}

impl<A: Arithmetic> Work for Run<'_, '_, A> {
    type Output = Result<Outcome, LengthError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self { decoder, work, priors, start, input, decision } = self;
        llr::with_rates(&decoder.arithmetic, input.pattern, input.frame, input.rates, priors)?;
        match start {
            Start::Cold(_) => work.load(priors)?,
            Start::Hot => work.reload(priors)?,
            Start::On => {}
        }
        // A page has one code, and pays for every byte.
        if cfg!(target_arch = "wasm32") {
            decoder.run_words(input.syndrome, work, decision)
        } else {
            decoder.run(input.syndrome, work, decision)
        }
    }
}

/// Runs that take each doubt for known.
struct Guesses<'r, 'w, A: Arithmetic> {
    decoder: &'r Decoder<A>,
    work: &'r mut Words<'w, A>,
    priors: &'r [A::Posterior],
    doubts: &'r [Doubt],
    syndrome: &'r [u64],
    decision: &'r mut [u64],
}

impl<A: Arithmetic> Work for Guesses<'_, '_, A> {
    type Output = Result<Outcome, LengthError>;

    #[inline(always)]
    fn call(self) -> Self::Output {
        let Self { decoder, work, priors, doubts, syndrome, decision } = self;
        if cfg!(target_arch = "wasm32") {
            decoder.run_guessing_words(syndrome, work, priors, doubts, decision)
        } else {
            decoder.run_guessing(syndrome, work, priors, doubts, decision)
        }
    }
}
