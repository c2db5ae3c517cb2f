//! Log-likelihood ratios of a frame: LLR = ln P(bit = 0) / P(bit = 1), positive where 0 is likelier.
//!
//! Three states: payload positions carry the channel's LLR ln((1 - Q)/Q) with the sign of the received
//! bit, punctured positions 0, shortened positions a value no message can overturn.

use crate::bits::words_for;
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
    check_length("frame words", words_for(pattern.n()), frame.len())?;
    check_length("LLRs", pattern.n(), llr.len())?;
    let payload = arithmetic.quantise(channel_llr(qber) as f32);
    let masks = frame.iter().zip(pattern.punctured()).zip(pattern.shortened());
    for (chunk, ((&word, &punctured), &shortened)) in llr.chunks_mut(64).zip(masks) {
        for (i, out) in chunk.iter_mut().enumerate() {
            let known = A::signed(A::KNOWN, word >> i & 1 == 1);
            let channel = A::signed(payload, word >> i & 1 == 1);
            let unpunctured = if shortened >> i & 1 == 1 { known } else { channel };
            *out = if punctured >> i & 1 == 1 { A::Posterior::default() } else { unpunctured };
        }
    }
    Ok(())
}
