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
use caligo_core::llr;
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
        Ok(Self { integer_first: tier != Tier::Precise, integer, float, doubts })
    }

    /// Decodes `frame` as received over a binary symmetric channel of error rate `qber` to the string
    /// with `syndrome`. Iterations are summed over the stages.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn decode(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        qber: f64,
        syndrome: &[u64],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let mut outcome = Outcome { converged: false, iterations: 0, unsatisfied: 0 };
        let mut spent = 0u16;
        if let Some((decoder, work, priors)) = self.integer.as_mut().filter(|_| self.integer_first) {
            outcome = run(decoder, work, priors, pattern, frame, qber, syndrome, decision)?;
            if outcome.converged {
                return Ok(outcome);
            }
            spent = outcome.iterations;
        }
        if let Some((decoder, work, priors)) = &mut self.float {
            outcome = run(decoder, work, priors, pattern, frame, qber, syndrome, decision)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        if !outcome.converged && !self.doubts.is_empty() {
            outcome = self.guess(pattern, frame, qber, syndrome, decision)?;
            spent = spent.saturating_add(outcome.iterations);
        }
        Ok(Outcome { iterations: spent, ..outcome })
    }

    /// The last stage says where the doubts are; the 8-bit decoder tries them.
    fn guess(
        &mut self,
        pattern: &Pattern<'_>,
        frame: &[u64],
        qber: f64,
        syndrome: &[u64],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let Some((decoder, work, priors)) = &mut self.integer else {
            return Ok(Outcome { converged: false, iterations: 0, unsatisfied: 0 });
        };
        let found = match &mut self.float {
            Some((_, work, priors)) => work.doubts(syndrome, priors, decision, &mut self.doubts)?,
            None => work.doubts(syndrome, priors, decision, &mut self.doubts)?,
        };
        llr::three_state(&decoder.arithmetic, pattern, frame, qber, priors)?;
        run_guesses(decoder, work, priors, &self.doubts[..found], syndrome, decision)
    }
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

/// Priors, cold start, run.
#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
fn run<A: Arithmetic>(
    decoder: &Decoder<A>,
    work: &mut Words<'_, A>,
    priors: &mut [A::Posterior],
    pattern: &Pattern<'_>,
    frame: &[u64],
    qber: f64,
    syndrome: &[u64],
    decision: &mut [u64],
) -> Result<Outcome, LengthError> {
    llr::three_state(&decoder.arithmetic, pattern, frame, qber, priors)?;
    work.load(priors)?;
    decoder.run(syndrome, work, decision)
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
