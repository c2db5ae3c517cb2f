//! Decoding on a host: the core's kernels compiled for several instruction sets and chosen at run
//! time, and the tiers that combine them.
//!
//! In: a pattern, a received frame, an error rate, a syndrome. Out: a decision and an
//! [`Outcome`]. Memory is allocated once per [`Engine`].

use std::fmt;

use caligo_core::code::{Code, LengthError};
use caligo_core::decode::{Corrected, Decoder, Layout, Outcome, Schedule, SumProduct, Workspace};
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
    /// f32 sum-product, at most 100 iterations.
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

/// Iterations of the 8-bit pass of [`Tier::Balanced`].
const FIRST_PASS: u16 = 40;

type Words8<'a> = Workspace<'a, Corrected, Vec<i8>, Vec<i16>>;
type Words32<'a> = Workspace<'a, SumProduct, Vec<f32>, Vec<f32>>;

/// A decoder with its memory.
#[derive(Debug)]
pub struct Engine<'a> {
    integer: Option<(Decoder<Corrected>, Words8<'a>, Vec<i16>)>,
    float: Option<(Decoder<SumProduct>, Words32<'a>, Vec<f32>)>,
}

impl<'a> Engine<'a> {
    /// An engine for `code`; `max_iterations` overrides the last stage's.
    ///
    /// # Errors
    /// [`LengthError`] never occurs for a validated code; it is passed on rather than unwrapped.
    pub fn new(
        code: &Code<'a>,
        tier: Tier,
        schedule: Schedule,
        max_iterations: Option<u16>,
    ) -> Result<Self, LengthError> {
        let layout = Layout::of(code, schedule);
        let last = max_iterations.unwrap_or(tier.default_iterations());
        let integer = match tier {
            Tier::Precise => None,
            Tier::Fast | Tier::Balanced => {
                let max_iterations = if tier == Tier::Fast { last } else { FIRST_PASS.min(last) };
                let work =
                    Workspace::new(code, schedule, vec![0; layout.messages], vec![0; layout.posteriors])?;
                Some((Decoder { arithmetic: Corrected::default(), max_iterations }, work, vec![0; code.n()]))
            }
        };
        let float = match tier {
            Tier::Fast => None,
            Tier::Balanced | Tier::Precise => {
                let work =
                    Workspace::new(code, schedule, vec![0.0; layout.messages], vec![0.0; layout.posteriors])?;
                Some((Decoder { arithmetic: SumProduct, max_iterations: last }, work, vec![0.0; code.n()]))
            }
        };
        Ok(Self { integer, float })
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
        let mut spent = 0;
        if let Some((decoder, work, priors)) = &mut self.integer {
            let outcome = run_integer(decoder, work, priors, pattern, frame, qber, syndrome, decision)?;
            if outcome.converged || self.float.is_none() {
                return Ok(outcome);
            }
            spent = outcome.iterations;
        }
        if let Some((decoder, work, priors)) = &mut self.float {
            let outcome = run_float(decoder, work, priors, pattern, frame, qber, syndrome, decision)?;
            return Ok(Outcome { iterations: outcome.iterations.saturating_add(spent), ..outcome });
        }
        Ok(Outcome { converged: false, iterations: spent, unsatisfied: 0 })
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

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
fn run_integer(
    decoder: &Decoder<Corrected>,
    work: &mut Words8<'_>,
    priors: &mut [i16],
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

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
#[expect(clippy::too_many_arguments, reason = "a kernel's operands")]
fn run_float(
    decoder: &Decoder<SumProduct>,
    work: &mut Words32<'_>,
    priors: &mut [f32],
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
