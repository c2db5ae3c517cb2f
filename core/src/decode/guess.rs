//! What to try when belief propagation has failed: one bit at a time, taken for known.
//!
//! A failure near the threshold usually leaves a few wrong bits that hold each other up, a trapping set.
//! Taking one bit that an unsatisfied check sees and that the decoder is least sure of for known, and
//! starting over, breaks such a set in a quarter to a half of the failures. Nothing is disclosed: a guess
//! is right where the syndrome then matches, and verification has the last word as always.

use super::{Arithmetic, Decoder, Outcome, Workspace};
use crate::bits;
use crate::code::{LengthError, check_length};

/// A position in doubt, and what the decoder believed it to be.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Doubt {
    /// Position in the frame.
    pub position: u32,
    /// The decision there.
    pub bit: bool,
    /// |posterior|.
    pub magnitude: f32,
}

impl<A: Arithmetic, M: AsMut<[A::Message]>, P: AsMut<[A::Posterior]>> Workspace<'_, A, M, P> {
    /// After a run that did not converge: the positions of least |posterior| among those that unsatisfied
    /// checks see and that are not punctured (prior not 0), least first. Fills `doubts` and returns how many
    /// there are; `priors` and `decision` are those of the run.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code.
    pub fn doubts(
        &mut self,
        syndrome: &[u64],
        priors: &[A::Posterior],
        decision: &[u64],
        doubts: &mut [Doubt],
    ) -> Result<usize, LengthError> {
        let code = *self.code();
        check_length("syndrome words", bits::words_for(code.m()), syndrome.len())?;
        check_length("LLRs", code.n(), priors.len())?;
        check_length("decision words", bits::words_for(code.n()), decision.len())?;
        let mut found = 0;
        for check in 0..code.m() {
            let mut parity = bits::get(syndrome, check);
            code.neighbours(check, |v| parity ^= bits::get(decision, v));
            if !parity {
                continue;
            }
            code.neighbours(check, |v| {
                if A::magnitude(priors[v]) == 0.0 || doubts[..found].iter().any(|d| d.position == v as u32) {
                    return;
                }
                let doubt = Doubt {
                    position: v as u32,
                    bit: bits::get(decision, v),
                    magnitude: A::magnitude(self.posterior(v)),
                };
                found = insert(doubts, found, doubt);
            });
        }
        Ok(found)
    }

    /// The positions of least |posterior| that are not `known` (n bits), least first: what to ask for when
    /// positions may be disclosed by choice (Kiktenko et al. 2017). Fills `doubts` and returns how many there
    /// are.
    ///
    /// # Errors
    /// [`LengthError`] if a mask does not fit the code.
    pub fn least_reliable(
        &mut self,
        known: &[u64],
        decision: &[u64],
        doubts: &mut [Doubt],
    ) -> Result<usize, LengthError> {
        let n = self.code().n();
        check_length("mask words", bits::words_for(n), known.len())?;
        check_length("decision words", bits::words_for(n), decision.len())?;
        let mut found = 0;
        for v in (0..n).filter(|&v| !bits::get(known, v)) {
            let magnitude = A::magnitude(self.posterior(v));
            if found < doubts.len() || doubts.last().is_some_and(|last| magnitude < last.magnitude) {
                found = insert(
                    doubts,
                    found,
                    Doubt { position: v as u32, bit: bits::get(decision, v), magnitude },
                );
            }
        }
        Ok(found)
    }
}

/// Keeps the first `found` of `doubts` sorted, equal ones in order of arrival; the new number of them.
fn insert(doubts: &mut [Doubt], found: usize, doubt: Doubt) -> usize {
    let at = doubts[..found].partition_point(|d| d.magnitude <= doubt.magnitude);
    if at == doubts.len() {
        return found;
    }
    let found = (found + 1).min(doubts.len());
    doubts[at..found].rotate_right(1);
    doubts[at] = doubt;
    found
}

impl<A: Arithmetic> Decoder<A> {
    /// Takes each doubt in turn for known, first flipped, then as it was, and runs from a cold start each
    /// time, until a run converges. Iterations are summed.
    ///
    /// # Errors
    /// [`LengthError`] if a buffer does not fit the code or a position lies outside it.
    #[inline(always)]
    pub fn run_guessing<M: AsMut<[A::Message]>, P: AsMut<[A::Posterior]>>(
        &self,
        syndrome: &[u64],
        work: &mut Workspace<'_, A, M, P>,
        priors: &[A::Posterior],
        doubts: &[Doubt],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let run =
            |work: &mut Workspace<'_, A, M, P>, decision: &mut [u64]| self.run(syndrome, work, decision);
        guess(work, priors, doubts, decision, run)
    }

    /// [`Decoder::run_guessing`] for what [`Decoder::run_words`] takes.
    ///
    /// # Errors
    /// As there.
    #[inline(always)]
    pub fn run_guessing_words<M: AsMut<[A::Message]>, P: AsMut<[A::Posterior]>>(
        &self,
        syndrome: &[u64],
        work: &mut Workspace<'_, A, M, P>,
        priors: &[A::Posterior],
        doubts: &[Doubt],
        decision: &mut [u64],
    ) -> Result<Outcome, LengthError> {
        let run = |work: &mut Workspace<'_, A, M, P>, decision: &mut [u64]| {
            self.run_words(syndrome, work, decision)
        };
        guess(work, priors, doubts, decision, run)
    }
}

#[inline(always)]
fn guess<'a, A: Arithmetic, M: AsMut<[A::Message]>, P: AsMut<[A::Posterior]>>(
    work: &mut Workspace<'a, A, M, P>,
    priors: &[A::Posterior],
    doubts: &[Doubt],
    decision: &mut [u64],
    run: impl Fn(&mut Workspace<'a, A, M, P>, &mut [u64]) -> Result<Outcome, LengthError>,
) -> Result<Outcome, LengthError> {
    let mut total = Outcome { converged: false, iterations: 0, unsatisfied: u32::MAX };
    for doubt in doubts {
        for bit in [!doubt.bit, doubt.bit] {
            work.load(priors)?;
            work.reveal(doubt.position as usize, bit)?;
            let outcome = run(work, decision)?;
            total = Outcome { iterations: total.iterations.saturating_add(outcome.iterations), ..outcome };
            if total.converged {
                return Ok(total);
            }
        }
    }
    Ok(total)
}
