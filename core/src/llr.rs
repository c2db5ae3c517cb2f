//! Log-likelihood ratios of a frame: LLR = ln P(bit = 0) / P(bit = 1), positive where 0 is likelier.
//!
//! Three states: payload positions carry the channel's LLR ln((1 - Q)/Q) with the sign of the received
//! bit, punctured positions 0, shortened positions a value no message can overturn.

use crate::bits::{WORD_BITS, words_for};
use crate::code::{LengthError, check_length};
use crate::decode::Arithmetic;
use crate::puncture::Pattern;

/// Largest channel LLR in nats, that of an error rate of 3.4e-4. A QBER below it (0 included) is
/// treated as this: a stronger belief would only make a wrong bit harder to correct.
pub const MAX_CHANNEL_LLR: f64 = 8.0;

/// ln((1 - Q)/Q) for an error rate 0 <= Q <= 1/2, at most [`MAX_CHANNEL_LLR`]; 0 for anything else.
///
/// ```
/// assert!((caligo_core::llr::channel_llr(0.1) - 2.1972).abs() < 1e-4);
/// ```
pub fn channel_llr(qber: f64) -> f64 {
    if !(0.0..=0.5).contains(&qber) {
        return 0.0;
    }
    libm::log((1.0 - qber) / qber).min(MAX_CHANNEL_LLR)
}

/// Error rates of a payload.
#[derive(Clone, Copy, Debug)]
pub enum Rates<'a> {
    /// One for all.
    Uniform(f64),
    /// By class and by the received bit: P(error | class, bit).
    Classes {
        /// Class of each payload bit, in order; empty if all are of class 0.
        classes: &'a [u8],
        /// Mask (n bits) of the positions that carry no payload.
        taken: &'a [u64],
        /// Rates of each class.
        rates: &'a [crate::reconcile::estimate::Class],
    },
}

/// [`three_state`] with error rates that differ by position. A class that is not listed says nothing (LLR 0).
///
/// # Errors
/// [`LengthError`] if `frame` or `llr` do not fit the pattern.
#[inline(always)]
pub fn with_rates<A: Arithmetic>(
    arithmetic: &A,
    pattern: &Pattern<'_>,
    frame: &[u64],
    rates: &Rates<'_>,
    llr: &mut [A::Posterior],
) -> Result<(), LengthError> {
    let (classes, taken, rates) = match *rates {
        Rates::Uniform(qber) => return three_state(arithmetic, pattern, frame, qber, llr),
        Rates::Classes { classes, taken, rates } => (classes, taken, rates),
    };
    // By class and received bit: ones carry a rate of their own, and the negative sign.
    let mut table = [[A::UNKNOWN; 2]; 256];
    for (class, out) in rates.iter().zip(&mut table) {
        *out = signed_pair(arithmetic, class.rate);
    }
    fill::<A>(pattern, frame, table[0], llr)?;
    check_length("mask words", frame.len(), taken.len())?;
    if classes.is_empty() {
        return Ok(());
    }
    let mut classes = classes.iter();
    for (w, (&taken, &word)) in taken.iter().zip(frame).enumerate() {
        let off = pattern.punctured()[w] | pattern.shortened()[w];
        for (i, out) in llr.iter_mut().skip(w * WORD_BITS).take(WORD_BITS).enumerate() {
            if taken >> i & 1 == 1 {
                continue;
            }
            let class = classes.next().copied().unwrap_or(0);
            if off >> i & 1 == 0 {
                *out = table[usize::from(class)][(word >> i & 1) as usize];
            }
        }
    }
    Ok(())
}

fn signed_pair<A: Arithmetic>(arithmetic: &A, rates: [f64; 2]) -> [A::Posterior; 2] {
    let strength = |rate| arithmetic.quantise(channel_llr(rate) as f32);
    [A::signed(strength(rates[0]), false), A::signed(strength(rates[1]), true)]
}

/// The three states, with `channel[b]` for a received payload bit b.
#[cfg_attr(target_arch = "wasm32", inline(never))]
#[cfg_attr(not(target_arch = "wasm32"), inline(always))]
fn fill<A: Arithmetic>(
    pattern: &Pattern<'_>,
    frame: &[u64],
    channel: [A::Posterior; 2],
    llr: &mut [A::Posterior],
) -> Result<(), LengthError> {
    check_length("frame words", words_for(pattern.n()), frame.len())?;
    check_length("LLRs", pattern.n(), llr.len())?;
    let known = [A::signed(A::KNOWN, false), A::signed(A::KNOWN, true)];
    let masks = frame.iter().zip(pattern.punctured()).zip(pattern.shortened());
    for (chunk, ((&word, &punctured), &shortened)) in llr.chunks_mut(WORD_BITS).zip(masks) {
        for (i, out) in chunk.iter_mut().enumerate() {
            let one = word >> i & 1 == 1;
            let known = if one { known[1] } else { known[0] };
            let channel = if one { channel[1] } else { channel[0] };
            let unpunctured = if shortened >> i & 1 == 1 { known } else { channel };
            *out = if punctured >> i & 1 == 1 { A::UNKNOWN } else { unpunctured };
        }
    }
    Ok(())
}

/// Writes the LLRs of `frame` as received under `pattern`; shortened positions are known to hold the
/// frame's bits. The channel is binary symmetric with error rate `qber`.
///
/// # Errors
/// [`LengthError`] if `frame` or `llr` do not fit the pattern.
#[inline(always)]
pub fn three_state<A: Arithmetic>(
    arithmetic: &A,
    pattern: &Pattern<'_>,
    frame: &[u64],
    qber: f64,
    llr: &mut [A::Posterior],
) -> Result<(), LengthError> {
    fill::<A>(pattern, frame, signed_pair(arithmetic, [qber, qber]), llr)
}
