//! Sum-product over `f32`.
//!
//! The check-node rule is tanh(out/2) = product of tanh(in/2) over the other edges. With
//! e = exp(-|in|), tanh(|in|/2) = (1 - e)/(1 + e): numerators and denominators are multiplied apart,
//! so that an edge costs one exponential, one division and one logarithm. Both functions are the
//! polynomials below on every target, and nothing is fused: a seed gives one result everywhere.

use super::Arithmetic;
use super::kernel::{Job, Rule};
use crate::code::Layers;
use crate::decode::Outcome;

const LANES: usize = 16;
/// Largest outgoing |LLR|: ln(2 / 2^-22), where 1 - tanh is still exact to a bit of `f32`.
const FLOOR: f32 = 2.384_185_8e-7;

/// The exact check-node rule in `f32`; LLRs in nats.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SumProduct;

impl Arithmetic for SumProduct {
    const KNOWN: f32 = 1.0e6;

    fn quantise(&self, nats: f32) -> f32 {
        nats
    }

    #[inline(always)]
    fn signed(llr: f32, bit: bool) -> f32 {
        f32::from_bits(llr.to_bits() ^ u32::from(bit) << 31)
    }

    #[inline(always)]
    fn magnitude(llr: f32) -> f32 {
        f32::from_bits(llr.to_bits() & 0x7fff_ffff)
    }
}

#[derive(Clone, Copy, Debug)]
struct Ratio<const L: usize> {
    numerator: [f32; L],
    denominator: [f32; L],
}

/// Of an edge: |tanh| of its input, the product over the edges before it, and the input's sign.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Slot<const L: usize> {
    own: Ratio<L>,
    before: Ratio<L>,
    sign: [u32; L],
}

#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Running<const L: usize> {
    product: Ratio<L>,
    sign: [u32; L],
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
    type Message = f32;
    type Posterior = f32;
    type Slot<const L: usize> = Slot<L>;
    type Running<const L: usize> = Running<L>;

    #[inline(always)]
    fn slot<const L: usize>() -> Slot<L> {
        Slot { own: Ratio::ONE, before: Ratio::ONE, sign: [0; L] }
    }

    #[inline(always)]
    fn subtract(posterior: f32, message: f32) -> f32 {
        posterior - message
    }

    #[inline(always)]
    fn add(posterior: f32, message: f32) -> f32 {
        posterior + message
    }

    #[inline(always)]
    fn is_one(posterior: f32) -> u8 {
        u8::from(posterior < 0.0)
    }

    #[inline(always)]
    fn begin<const L: usize>(signs: &[u8; L]) -> Running<L> {
        let mut sign = [0; L];
        for i in 0..L {
            sign[i] = u32::from(signs[i]) << 24;
        }
        Running { product: Ratio::ONE, sign }
    }

    #[inline(always)]
    fn absorb<const L: usize>(
        &self,
        mut running: Running<L>,
        slot: &mut Slot<L>,
        incoming: &[f32; L],
    ) -> Running<L> {
        // One array written per loop, stored whole: what the vectoriser keeps in registers.
        let (mut sign, mut e, mut own) = ([0; L], [0.0; L], Ratio::ONE);
        for i in 0..L {
            sign[i] = incoming[i].to_bits() & 0x8000_0000;
        }
        for i in 0..L {
            running.sign[i] ^= sign[i];
        }
        for i in 0..L {
            e[i] = exp_minus(f32::from_bits(incoming[i].to_bits() & 0x7fff_ffff));
        }
        for i in 0..L {
            own.numerator[i] = 1.0 - e[i];
        }
        for i in 0..L {
            own.denominator[i] = 1.0 + e[i];
        }
        *slot = Slot { own, before: running.product, sign };
        running.product = running.product.times(&own);
        running
    }

    #[inline(always)]
    fn turn<const L: usize>(running: Running<L>) -> Running<L> {
        Running { product: Ratio::ONE, ..running }
    }

    #[inline(always)]
    fn emit<const L: usize>(
        &self,
        mut running: Running<L>,
        slot: &Slot<L>,
        outgoing: &mut [f32; L],
    ) -> Running<L> {
        let others = slot.before.times(&running.product);
        let mut out = [0.0; L];
        for i in 0..L {
            let (n, d) = (others.numerator[i], others.denominator[i]);
            let llr = ln((d + n) / (d - n).max(d * FLOOR));
            out[i] = f32::from_bits(llr.to_bits() ^ slot.sign[i] ^ running.sign[i]);
        }
        *outgoing = out;
        running.product = running.product.times(&slot.own);
        running
    }

    #[inline(always)]
    fn run_in_lanes<G: Layers>(&self, job: Job<'_, Self, G>) -> Outcome {
        job.iterate_cyclic::<LANES>(self)
    }
}

/// exp(-x) for x >= 0; exactly 1 at 0. Relative error 3e-7, and 1e-7 x from the rounding of x log2 e.
#[inline(always)]
fn exp_minus(x: f32) -> f32 {
    // 1.5 * 2^23: adding it rounds to the nearest integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let y = (x * core::f32::consts::LOG2_E).min(120.0);
    let shifted = y + ROUND;
    let f = y - (shifted - ROUND);
    let exponent = shifted.to_bits().wrapping_sub(ROUND.to_bits());
    let mut p = -0.001_340_043_1;
    p = p * f + 0.009_666_373;
    p = p * f - 0.055_503_33;
    p = p * f + 0.240_223_48;
    p = p * f - core::f32::consts::LN_2;
    p = p * f + 1.0;
    p * f32::from_bits(127u32.wrapping_sub(exponent) << 23)
}

/// ln(x) for normal x > 0, to 4e-7 absolute plus rounding; exactly 0 at 1.
#[inline(always)]
fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let bits = x.to_bits();
    let exponent = (bits.wrapping_sub(SQRT_HALF) as i32) >> 23;
    let z = f32::from_bits(bits.wrapping_sub((exponent as u32) << 23)) - 1.0;
    let mut p = 0.117_080_875;
    p = p * z - 0.184_968_89;
    p = p * z + 0.204_937_88;
    p = p * z - 0.249_368_68;
    p = p * z + 0.333_174_35;
    let square = z * z;
    exponent as f32 * core::f32::consts::LN_2 + (z - 0.5 * square + square * z * p)
}

#[cfg(test)]
mod tests {
    use super::{exp_minus, ln};

    #[test]
    fn elementary_functions_are_accurate() {
        for i in 0..200_000u32 {
            let x = i as f32 * 1e-4;
            let want = libm::exp(-f64::from(x));
            assert!(
                (f64::from(exp_minus(x)) - want).abs() <= (4e-7 + 1.5e-7 * f64::from(x)) * want,
                "exp(-{x})"
            );
        }
        for i in 1..200_000u32 {
            let x = i as f32 * i as f32 * 2e-4;
            let want = libm::log(f64::from(x));
            assert!((f64::from(ln(x)) - want).abs() <= 6e-7 + 2e-7 * want.abs(), "ln({x})");
        }
        assert_eq!(exp_minus(0.0), 1.0);
        assert_eq!(ln(1.0), 0.0);
        assert!(exp_minus(1e6) < 1e-30);
    }
}
