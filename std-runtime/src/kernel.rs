//! Decoding on a host: the core's kernels compiled for several instruction sets and chosen at run
//! time, and the tiers that combine them.
//!
//! In: a pattern, a received frame, an error rate, a syndrome. Out: a decision and an
//! [`Outcome`]. Memory is allocated once per [`Engine`].

use std::fmt;

use caligo_core::code::{Code, LengthError};
use caligo_core::decode::{
    Arithmetic, Corrected, Decoder, Doubt, Layout, Outcome, Rule, Schedule, SumProduct, Workspace,
};
use caligo_core::llr::{self, Rates};
use caligo_core::puncture::Pattern;
use multiversion::multiversion;
use serde::Serialize;
use zeroize::Zeroize;

/// Which arithmetics decode a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    /// 8-bit corrected min-sum, at most 40 iterations.
    Fast,
    /// 8-bit first, then f32 sum-product where that failed.
    #[default]
    Balanced,
    /// f32 sum-product, at most 100 iterations; where that failed, 16 positions in doubt are guessed in turn.
    Precise,
}

impl Tier {
    /// Iterations of each stage when none are asked for.
    pub const fn default_iterations(self) -> u16 {
        match self {
            Self::Fast => 40,
            Self::Balanced | Self::Precise => 100,
        }
    }

    /// Positions guessed after a failure when no number is asked for.
    pub const fn default_guesses(self) -> u16 {
        match self {
            Self::Fast | Self::Balanced => 0,
            Self::Precise => 16,
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Precise => "precise",
        })
    }
}

/// Iterations of the 8-bit pass of [`Tier::Balanced`], and of a guess.
const FIRST_PASS: u16 = 40;

/// What an engine does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Which arithmetics.
    pub tier: Tier,
    /// Order of updates.
    pub schedule: Schedule,
    /// Iterations of the last stage, if not the tier's.
    pub max_iterations: Option<u16>,
    /// Positions guessed after a failure, if not the tier's number.
    pub guesses: Option<u16>,
}

type Words<'a, A> = Workspace<'a, A, Vec<<A as Rule>::Message>, Vec<<A as Rule>::Posterior>>;

/// A decoder with its memory.
#[derive(Debug)]
pub struct Engine<'a> {
    integer_first: bool,
    integer: Option<(Decoder<Corrected>, Words<'a, Corrected>, Vec<i16>)>,
    float: Option<(Decoder<SumProduct>, Words<'a, SumProduct>, Vec<f32>)>,
    doubts: Vec<Doubt>,
    /// The 8-bit workspace holds a guess, and no state to go on from.
    guessed: bool,
}

impl<'a> Engine<'a> {
    /// An engine for `code`.
    ///
    /// # Errors
    /// [`LengthError`] never occurs for a validated code; it is passed on rather than unwrapped.
    pub fn new(code: &Code<'a>, effort: Effort) -> Result<Self, LengthError> {
        let Effort { tier, schedule, .. } = effort;
        let layout = Layout::of(code, schedule);
        let last = effort.max_iterations.unwrap_or(tier.default_iterations());
        let guesses = effort.guesses.unwrap_or(tier.default_guesses());
        let integer = if tier == Tier::Precise && guesses == 0 {
            None
        } else {
            let max_iterations = if tier == Tier::Fast { last } else { FIRST_PASS.min(last) };
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
        Ok(Self { integer_first: tier != Tier::Precise, integer, float, doubts, guessed: false })
    }

    /// Decodes `frame` as received over a channel of error rates `rates` to the string with `syndrome`.
    /// Iterations are summed over the stages.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn decode(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        rates: &Rates<'_>,
        syndrome: &[u64],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        self.stages(Start::Cold, &Input { pattern, frame, rates, syndrome }, decision)
    }

    /// Goes on from the last run, of the same frame and syndrome, after more positions have become known or the
    /// error rates have: all messages stay.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn resume(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        rates: &Rates<'_>,
        syndrome: &[u64],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        self.stages(Start::Hot, &Input { pattern, frame, rates, syndrome }, decision)
    }

    fn stages(
        &mut self,
        start: Start,
        input: &Input<'_>,
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let mut outcome = Outcome { converged: false, iterations: 0, unsatisfied: 0 };
        let mut spent = 0u16;
        let Self { integer, float, .. } = self;
        if let Some((decoder, work, priors)) = integer.as_mut().filter(|_| self.integer_first) {
            let start = if self.guessed { Start::Cold } else { start };
            self.guessed = false;
            outcome = run(decoder, work, priors, start, input, decision)?;
            if outcome.converged {
                return Ok(outcome);
            }
            spent = outcome.iterations;
        }
        if let Some((decoder, work, priors)) = float {
            outcome = run(decoder, work, priors, start, input, decision)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        if !outcome.converged && !self.doubts.is_empty() {
            outcome = self.guess(input, decision)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        Ok(Outcome { iterations: spent, ..outcome })
    }

    /// The last stage says where the doubts are; the 8-bit decoder tries them.
    fn guess(&mut self, input: &Input<'_>, decision: &mut [u64]) -> Result<Outcome, LengthError> {
        let Some((decoder, work, priors)) = &mut self.integer else {
            return Ok(Outcome { converged: false, iterations: 0, unsatisfied: 0 });
        };
        let found = match &mut self.float {
            Some((_, work, priors)) => work.doubts(input.syndrome, priors, decision, &mut self.doubts)?,
            None => work.doubts(input.syndrome, priors, decision, &mut self.doubts)?,
        };
        self.guessed = true;
        llr::with_rates(&decoder.arithmetic, input.pattern, input.frame, input.rates, priors)?;
        run_guesses(decoder, work, priors, &self.doubts[..found], input.syndrome, decision)
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
    Cold,
    Hot,
}

/// What is decoded.
struct Input<'i> {
    pattern: &'i Pattern<'i>,
    frame: &'i [u64],
    rates: &'i Rates<'i>,
    syndrome: &'i [u64],
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

/// Priors, with the messages of the last run or without; run.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
fn run<A: Arithmetic>(
    decoder: &Decoder<A>,
    work: &mut Words<'_, A>,
    priors: &mut [A::Posterior],
    start: Start,
    input: &Input<'_>,
    decision: &mut [u64],
) -> Result<Outcome, LengthError> {
    llr::with_rates(&decoder.arithmetic, input.pattern, input.frame, input.rates, priors)?;
    match start {
        Start::Cold => work.load(priors)?,
        Start::Hot => work.reload(priors)?,
    }
    decoder.run(input.syndrome, work, decision)
}

/// Runs that take each doubt for known.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
fn run_guesses<A: Arithmetic>(
    decoder: &Decoder<A>,
    work: &mut Words<'_, A>,
    priors: &[A::Posterior],
    doubts: &[Doubt],
    syndrome: &[u64],
    decision: &mut [u64],
) -> Result<Outcome, LengthError> {
    decoder.run_guessing(syndrome, work, priors, doubts, decision)
}
