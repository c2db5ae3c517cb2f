//! Syndrome decoding by belief propagation: a schedule times an arithmetic.
//!
//! * [`Schedule::Layered`] (default) updates posteriors after every layer of z checks;
//!   [`Schedule::Flooding`] once per iteration.
//! * [`SumProduct`] (feature `f32`) is the reference: `f32`, the exact check-node rule. [`Corrected`] keeps 8-bit
//!   messages: min-sum with a linear correction of the pairwise box-plus; integers only, so that it
//!   gives the same bits on every target.
//! * [`Packed`] and [`Compact`] are for small cores, with words of 32 bits. [`Packed`] gives the bits of [`Corrected`] in
//!   half the memory. [`Compact`] keeps two bits an edge: a third of the memory, but at equal frame error rates it takes an
//!   error rate 6 % lower than [`Corrected`] at rate 1/2, 11 % at .7, 20 % at .8.
//!
//! A decoder works in a [`Workspace`] over the caller's memory. [`Workspace::load`] is a cold start;
//! [`Workspace::reload`] is a hot start, with the messages of the last run and priors in which positions disclosed
//! since are known. Where a run has failed, [`Workspace::doubts`] and [`Decoder::run_guessing`] try single bits.

mod compact;
mod corrected;
mod guess;
mod kernel;
mod packed;
pub mod sliced;
#[cfg(feature = "f32")]
mod sum_product;
mod workspace;

pub use compact::Compact;
pub use corrected::Corrected;
pub use guess::Doubt;
pub use kernel::Rule;
pub use packed::Packed;
#[cfg(feature = "f32")]
pub use sum_product::SumProduct;
pub use workspace::{Layout, Workspace};

use crate::bits::{WORD_BITS, words_for};
use crate::code::{Code, LengthError, check_length};

/// Order in which checks are updated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Schedule {
    /// Posteriors are updated after every layer. Converges in about half the iterations.
    #[default]
    Layered,
    /// All checks see the posteriors of the iteration before.
    Flooding,
}

/// How a run ended. Not reaching the syndrome is an outcome, not an error. The default is no decision after no work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the decision satisfies every check.
    pub converged: bool,
    /// Iterations done in this run.
    pub iterations: u16,
    /// Checks not satisfied at the end.
    pub unsatisfied: u32,
}

/// Message representation and check-node rule: `SumProduct` or [`Corrected`].
pub trait Arithmetic: Copy + Rule {
    /// Posterior of a position whose value is known to be 0: the messages of a column of up to 157 checks do
    /// not change its sign.
    const KNOWN: Self::Posterior;
    /// Posterior of a position of which nothing is known.
    const UNKNOWN: Self::Posterior;

    /// The LLR `nats` (natural logarithm, >= 0) in this arithmetic's units.
    fn quantise(&self, nats: f32) -> Self::Posterior;
    /// `llr` for bit 0, `-llr` for bit 1.
    fn signed(llr: Self::Posterior, bit: bool) -> Self::Posterior;
    /// |llr|.
    fn magnitude(llr: Self::Posterior) -> f32;
}

/// A belief-propagation decoder.
///
/// ```
/// use caligo_core::code::{Code, mother_4096};
/// use caligo_core::decode::{Corrected, Decoder, Layout, Schedule, Workspace};
///
/// let code = Code::from(mother_4096::CODE);
/// const LAYOUT: Layout = Layout::of(&Code::Qc(mother_4096::CODE), Schedule::Layered);
/// let mut messages = [0i8; LAYOUT.messages];
/// let mut posteriors = [0i16; LAYOUT.posteriors];
/// let mut work = Workspace::new(&code, Schedule::Layered, &mut messages[..], &mut posteriors[..])?;
///
/// // Bob's string differs from Alice's (all zero, so her syndrome is zero) in one position.
/// let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: 20 };
/// let mut llr = [24i16; 4096];
/// llr[17] = -24;
/// work.load(&llr)?;
/// let mut decision = [0u64; 64];
/// let outcome = decoder.run(&[0; 32], &mut work, &mut decision)?;
/// assert!(outcome.converged);
/// assert_eq!(decision, [0; 64]);
/// # Ok::<(), caligo_core::code::LengthError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decoder<A> {
    /// Check-node rule.
    pub arithmetic: A,
    /// Iterations after which a run gives up.
    pub max_iterations: u16,
}

impl<A: Arithmetic> Decoder<A> {
    /// Runs until the decision meets `syndrome` (m bits) or the iterations are used up, and writes
    /// the decision (n bits). The schedule is the workspace's.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the workspace's code.
    #[inline(always)]
    pub fn run<M, P>(
        &self,
        syndrome: &[u64],
        work: &mut Workspace<'_, A, M, P>,
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError>
    where
        M: AsMut<[A::Message]>,
        P: AsMut<[A::Posterior]>,
    {
        let code = *work.code();
        check_length("syndrome words", words_for(code.m()), syndrome.len())?;
        check_length("decision words", words_for(code.n()), decision.len())?;
        Ok(match code {
            Code::Qc(qc) => kernel::run(self, &qc, syndrome, work, decision),
            Code::Sparse(sparse) => kernel::run(self, &sparse, syndrome, work, decision),
        })
    }

    /// [`Decoder::run`] for codes of circulants of 64 and [`Schedule::Layered`] alone: the same bits by a small part of the
    /// program, for hosts that have no other codes.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the workspace's code, or the code or schedule is another.
    #[inline(never)]
    pub fn run_words<M, P>(
        &self,
        syndrome: &[u64],
        work: &mut Workspace<'_, A, M, P>,
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError>
    where
        M: AsMut<[A::Message]>,
        P: AsMut<[A::Posterior]>,
    {
        let code = *work.code();
        check_length("syndrome words", words_for(code.m()), syndrome.len())?;
        check_length("decision words", words_for(code.n()), decision.len())?;
        match code {
            Code::Qc(qc) if qc.z() == WORD_BITS && work.schedule() == Schedule::Layered => {
                Ok(kernel::run_words(self, &qc, syndrome, work, decision))
            }
            _ => {
                Err(LengthError { what: "circulants of a layered run", expected: WORD_BITS, found: code.z() })
            }
        }
    }
}
