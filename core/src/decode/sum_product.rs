//! Sum-product over `f32`, in roots of odds.
//!
//! A belief is r with r^2 = P(bit = 1) / P(bit = 0), e to the -LLR/2. Where log-likelihood ratios are
//! added, beliefs are multiplied, and the check-node rule tanh(out/2) = product of tanh(in/2) over the
//! other edges has tanh(in/2) = (1 - r^2) / (1 + r^2): with n and d the products of numerators and
//! denominators, the odds sent are (d - n) / (d + n). No exponential, no logarithm; one division an
//! edge, and a root by Newton's method. Roots, because sums of LLRs up to 122 then fit into `f32`; a
//! message that would take a posterior beyond is sent in part. Nothing is fused, and
//! IEEE 754 fixes what is left: a seed gives one result everywhere.

use super::Arithmetic;
use super::kernel::{Job, Rule};
use crate::code::Layers;
use crate::decode::Outcome;

const LANES: usize = 64;
/// Least d + n or d - n, as a part of d, 2^-22: |LLR| is at most 15.9, where 1 - tanh is still exact to a bit.
const FLOOR: f32 = f32::from_bits((127 - 22) << 23);
/// Least and greatest posterior of a position that is not known, 2^-88 and 2^88: with a message taken out, |log2| is
/// at most 100, and no product leaves the range of `f32`.
const LEAST: f32 = f32::from_bits((127 - 88) << 23);
const MOST: f32 = f32::from_bits((127 + 88) << 23);
/// Greatest belief that a check looks at, 2^50; its inverse is the least, so that no odds are subnormal, which
/// processors are slow with.
const SEEN: f32 = f32::from_bits((127 + 50) << 23);

/// The exact check-node rule in `f32`; beliefs are roots of the odds of a 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SumProduct;

impl Arithmetic for SumProduct {
    // Nothing that is multiplied with it changes it, nor its inverse.
    const KNOWN: f32 = 0.0;
    const UNKNOWN: f32 = 1.0;

    fn quantise(&self, nats: f32) -> f32 {
        libm::expf(-0.5 * nats)
    }

    #[inline(always)]
    fn signed(root: f32, bit: bool) -> f32 {
        if bit { 1.0 / root } else { root }
    }

    fn magnitude(root: f32) -> f32 {
        2.0 * libm::fabsf(libm::logf(root))
    }
}

/// Products of 1 - odds and of 1 + odds, each scaled alike.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Ratio<const L: usize> {
    numerator: [f32; L],
    denominator: [f32; L],
}

/// Of an edge: its own ratio, and the product over the edges before it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Slot<const L: usize> {
    own: Ratio<L>,
    before: Ratio<L>,
}

impl<const L: usize> Ratio<L> {
    const ONE: Self = Self { numerator: [1.0; L], denominator: [1.0; L] };

    #[inline(always)]
    fn times(mut self, by: &Self) -> Self {
        for i in 0..L {
            self.numerator[i] *= by.numerator[i];
        }
        for i in 0..L {
            self.denominator[i] *= by.denominator[i];
        }
        self
    }
}

impl Rule for SumProduct {
    /// The inverse of the root sent: what is multiplied in to take the message out again.
    type Message = f32;
    type Posterior = f32;
    type Slot<const L: usize> = Slot<L>;
    type Running<const L: usize> = Ratio<L>;
    const NOTHING: f32 = 1.0;

    #[inline(always)]
    fn slot<const L: usize>() -> Slot<L> {
        Slot { own: Ratio::ONE, before: Ratio::ONE }
    }

    #[inline(always)]
    fn subtract(posterior: f32, message: f32) -> f32 {
        posterior * message
    }

    #[inline(always)]
    fn add(posterior: f32, message: f32) -> f32 {
        confined(posterior / message)
    }

    #[inline(always)]
    fn is_one(posterior: f32) -> u8 {
        u8::from(posterior > 1.0)
    }

    #[inline(always)]
    fn begin<const L: usize>(signs: &[u8; L]) -> Ratio<L> {
        let mut numerator = [0.0; L];
        for i in 0..L {
            numerator[i] = f32::from_bits(1f32.to_bits() | u32::from(signs[i]) << 24);
        }
        Ratio { numerator, ..Ratio::ONE }
    }

    #[inline(always)]
    fn absorb<const L: usize>(&self, running: Ratio<L>, slot: &mut Slot<L>, incoming: &[f32; L]) -> Ratio<L> {
        // One array written per loop, stored whole: what the vectoriser keeps in registers.
        let mut own = Ratio::ONE;
        for i in 0..L {
            let (one, odds) = scaled(incoming[i]);
            own.numerator[i] = one - odds;
        }
        for i in 0..L {
            let (one, odds) = scaled(incoming[i]);
            own.denominator[i] = one + odds;
        }
        *slot = Slot { own, before: running };
        running.times(&own)
    }

    #[inline(always)]
    fn turn<const L: usize>(_: Ratio<L>) -> Ratio<L> {
        Ratio::ONE
    }

    #[inline(always)]
    fn emit<const L: usize>(
        &self,
        running: Ratio<L>,
        slot: &Slot<L>,
        incoming: &mut [f32; L],
        outgoing: &mut [f32; L],
    ) -> Ratio<L> {
        let others = slot.before.times(&running);
        let (mut inverse, mut sum) = ([0.0; L], [0.0; L]);
        for i in 0..L {
            let odds = sent(others.numerator[i], others.denominator[i]);
            inverse[i] = cut(inverse_root(odds), incoming[i]);
        }
        for i in 0..L {
            let odds = sent(others.numerator[i], others.denominator[i]);
            sum[i] = confined(incoming[i] * (odds * inverse_root(odds)));
        }
        *outgoing = inverse;
        *incoming = sum;
        running.times(&slot.own)
    }

    #[inline(always)]
    fn run_in_lanes<G: Layers>(&self, job: Job<'_, Self, G>) -> Outcome {
        job.iterate_cyclic::<LANES>(self)
    }
}

// Beliefs are never negative, so that their bits are in the order of their values; and integers compare in one
// instruction where floating-point numbers that may be NaN need three.
#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits().min(b.to_bits()))
}

#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    f32::from_bits(a.to_bits().max(b.to_bits()))
}

/// `root` within [`LEAST`] and [`MOST`], unless it is 0 or infinite: then it is known.
#[inline(always)]
fn confined(root: f32) -> f32 {
    // Infinity wraps to 0 and stays below MOST; then 0 to the end, and stays above LEAST.
    const UP: u32 = f32::INFINITY.to_bits().wrapping_neg();
    let bits = root.to_bits().wrapping_add(UP).min(MOST.to_bits().wrapping_add(UP));
    let bits = bits.wrapping_sub(UP.wrapping_add(1)).max(LEAST.to_bits() - 1);
    f32::from_bits(bits.wrapping_add(1))
}

/// The inverse of a message that was cut so that it takes `before` no further than [`LEAST`] or [`MOST`]: a posterior
/// is the product of its prior and its messages at all times. One that were merely confined would have forgotten some
/// of them when they are taken out again, and end on the wrong side.
#[inline(always)]
fn cut(inverse: f32, before: f32) -> f32 {
    // Bits plus (88 << 23) are those of 2^88 times the number; nothing is to become 0, infinite or subnormal.
    const RANGE: u32 = 88 << 23;
    const INFINITE: u32 = f32::INFINITY.to_bits();
    let least = before.to_bits().max(RANGE).wrapping_sub(RANGE);
    let most = before.to_bits().min(INFINITE - RANGE).wrapping_add(RANGE);
    f32::from_bits(inverse.to_bits().max(least).min(most))
}

/// 1 and the odds, times the power of two that brings the greater of them to [1/2, 1): products over 96 edges stay
/// within the range of `f32`.
#[inline(always)]
fn scaled(root: f32) -> (f32, f32) {
    let root = max(min(root, SEEN), 1.0 / SEEN);
    let odds = root * root;
    let exponent = (odds.to_bits() & 0x7f80_0000).max(1f32.to_bits());
    // The exponent field of 2^-e is 254 less that of 2^e.
    let scale = f32::from_bits((253u32 << 23).wrapping_sub(exponent));
    (scale, odds * scale)
}

/// The odds sent: (d - n) / (d + n), neither less than [`FLOOR`] of d.
#[inline(always)]
fn sent(n: f32, d: f32) -> f32 {
    let least = d * FLOOR;
    max(d - n, least) / max(d + n, least)
}

/// x to the -1/2 for normal x > 0, to 1e-6.
#[inline(always)]
fn inverse_root(x: f32) -> f32 {
    // Half the exponent, its sign changed, with the constant of Lomont (2003); then Newton's step twice, each lifted by
    // half of what it stays below.
    const FIRST: f32 = 1.0 + 8.76e-4;
    const SECOND: f32 = 1.0 + 5.8e-7;
    let y = f32::from_bits(0x5f37_59df_u32.wrapping_sub(x.to_bits() >> 1));
    let y = y * (1.5 * FIRST - 0.5 * FIRST * x * (y * y));
    y * (1.5 * SECOND - 0.5 * SECOND * x * (y * y))
}

#[cfg(test)]
mod tests {
    use super::{
        Arithmetic, LEAST, MOST, Ratio, Rule, Slot, SumProduct, confined, cut, inverse_root, scaled, sent,
    };

    #[test]
    fn inverse_roots_are_accurate() {
        for i in 0..400_000u32 {
            let x = f32::from_bits((100 << 23) + i * 1137);
            let want = 1.0 / libm::sqrt(f64::from(x));
            assert!((f64::from(inverse_root(x)) / want - 1.0).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn one_edge_passes_on_what_it_is_told() {
        for nats in [0.0f32, 1e-3, 0.7, 2.9, 8.0, 12.0] {
            for bit in [false, true] {
                let belief = SumProduct::signed(SumProduct.quantise(nats), bit);
                let (one, odds) = scaled(belief);
                let sent = f64::from(sent(one - odds, one + odds));
                let want = f64::from(if bit { nats } else { -nats });
                // The least bit of 1 - odds.
                let slack = 4e-7 * (1.0 + libm::exp(want.abs()));
                assert!((libm::log(sent) - want).abs() < slack, "{nats} {bit}: {}", libm::log(sent));
            }
        }
    }

    #[test]
    fn a_posterior_is_the_product_of_prior_and_messages_however_firm() {
        let prior = SumProduct.quantise(2.6);
        let (mut posterior, mut messages) = (prior, [1.0f32; 22]);
        let mut largest = 0.0f64;
        for step in 0..20_000u64 {
            let random = step.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            // For a while most say 0, then most say 1: LLRs of 16 from each of 22 checks.
            let (edge, one) =
                (random as usize % 22, (random >> 32) % 8 < if step / 500 % 2 == 0 { 1 } else { 7 });
            let others = Ratio { numerator: [if one { -1.0 } else { 1.0 }], denominator: [1.0] };
            let slot = Slot { own: Ratio::ONE, before: others };
            let mut incoming = [SumProduct::subtract(posterior, messages[edge])];
            let mut outgoing = [0.0];
            SumProduct.emit(Ratio::ONE, &slot, &mut incoming, &mut outgoing);
            (posterior, messages[edge]) = (incoming[0], outgoing[0]);
            let sum = messages.iter().fold(libm::log(prior.into()), |sum, &m| sum - libm::log(m.into()));
            assert!(
                (libm::log(posterior.into()) - sum).abs() < 0.01 + 1e-5 * step as f64,
                "{step} {posterior:e} {sum} {largest}"
            );
            largest = largest.max(sum.abs());
        }
        assert!(largest > 60.0, "{largest}");
    }

    #[test]
    fn known_positions_stay_known_and_others_do_not_become_so() {
        for known in [SumProduct::KNOWN, SumProduct::signed(SumProduct::KNOWN, true)] {
            assert_eq!(confined(known), known);
            for inverse in [1e-3, 1.0, 1e3] {
                let message = cut(inverse, known);
                assert!(message > 0.0 && message < f32::INFINITY, "{message}");
                assert_eq!(SumProduct::subtract(known, message), known);
                assert_eq!(SumProduct::add(known, message), known);
            }
        }
        assert_eq!([confined(1e-30), confined(0.3), confined(1e30)], [LEAST, 0.3, MOST]);
    }
}
