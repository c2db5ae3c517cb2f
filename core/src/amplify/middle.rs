//! Middle words of a carry-less product: a matrix of words times a column of words.
//!
//! A window t of I + O words, an input v of I words and an output of O words belong together: word j of the
//! output is the sum over i of the low half of t_(I+j-i) v_i and the high half of t_(I+j-i-1) v_i. The rows
//! and columns from j0 and i0 on have a window of their own: t from I - i0 - I' + j0 on.

use crate::bits::xor_assign;
use crate::carryless;

/// Products of blocks: what a machine's instructions can make faster.
pub trait Multiplier {
    /// Words of a block's longer side at most, at least 1: where halving a square no longer pays.
    const BLOCK: usize;

    /// Adds to word j of `output` the low halves of t_(I+j-i) v_i and the high halves of t_(I+j-i-1) v_i, for
    /// all words v_i of the `input`, I in number, and t of the `window`. A half is 64 bits of the carry-less
    /// product of two words. `input` and `output` have 1 to [`Self::BLOCK`] words, `window` as many as both.
    fn add_block(&self, window: &[u64], input: &[u64], output: &mut [u64]);
}

/// What [`Multiplier::add_block`] does, one product (low, high) of two words at a time.
#[inline(always)]
pub fn schoolbook(
    window: &[u64],
    input: &[u64],
    output: &mut [u64],
    product: impl Fn(u64, u64) -> (u64, u64),
) {
    for (i, &v) in input.iter().enumerate() {
        let mut words = window[input.len() - 1 - i..].iter();
        let mut above = words.next().map_or(0, |&t| product(t, v).1);
        for (out, &t) in output.iter_mut().zip(words) {
            let (low, high) = product(t, v);
            *out ^= low ^ above;
            above = high;
        }
    }
}

/// Integer products only: any machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Portable;

impl Multiplier for Portable {
    const BLOCK: usize = 4;

    fn add_block(&self, window: &[u64], input: &[u64], output: &mut [u64]) {
        schoolbook(window, input, output, carryless::product);
    }
}

/// Adds the product of any shape, cut into squares as large as shape and scratch allow.
pub(super) fn rectangle<M: Multiplier>(
    multiplier: &M,
    window: &[u64],
    input: &[u64],
    output: &mut [u64],
    scratch: &mut [u64],
) {
    const { assert!(M::BLOCK > 0) };
    let short = input.len().min(output.len());
    let side = side(short.min(scratch.len() / 2), M::BLOCK);
    let step = side.max(M::BLOCK);
    for (i, v) in input.chunks(step).enumerate() {
        let from = input.len() - i * step - v.len();
        for (j, out) in output.chunks_mut(step).enumerate() {
            let t = &window[from + j * step..][..v.len() + out.len()];
            if step == M::BLOCK {
                multiplier.add_block(t, v, out);
            } else if v.len() == step && out.len() == step {
                square(multiplier, t, v, out, scratch);
            } else {
                rectangle(multiplier, t, v, out, scratch);
            }
        }
    }
}

/// The longest side up to `limit` that can be halved until it is `block` at most.
const fn side(limit: usize, block: usize) -> usize {
    let mut halvings = 0;
    while limit >> halvings > block {
        halvings += 1;
    }
    limit >> halvings << halvings
}

/// Adds the product of a square. Of `scratch` it uses less than two sides.
///
/// With halves v = (a, b), out = (c, d) and windows l, m, h at 0, 1/4 and 1/2 of t, c = m a + l b and
/// d = h a + m b: that is c = m (a + b) + (l + m) b and d = m (a + b) + (m + h) a.
fn square<M: Multiplier>(multiplier: &M, t: &[u64], v: &[u64], out: &mut [u64], scratch: &mut [u64]) {
    if v.len() <= M::BLOCK {
        return multiplier.add_block(t, v, out);
    }
    let half = v.len() / 2;
    let (l, m, h) = (&t[..2 * half], &t[half..3 * half], &t[2 * half..]);
    let (a, b) = v.split_at(half);
    let (c, d) = out.split_at_mut(half);
    let (sum, scratch) = scratch.split_at_mut(2 * half);

    let (both, product) = sum.split_at_mut(half);
    add(both, a, b);
    product.fill(0);
    square(multiplier, m, both, product, scratch);
    xor_assign(c, product);
    xor_assign(d, product);

    add(sum, l, m);
    square(multiplier, sum, b, c, scratch);
    add(sum, m, h);
    square(multiplier, sum, a, d, scratch);
}

fn add(sum: &mut [u64], a: &[u64], b: &[u64]) {
    for ((sum, a), b) in sum.iter_mut().zip(a).zip(b) {
        *sum = a ^ b;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_halve_to_blocks() {
        for limit in 0..3000 {
            for block in 1..40 {
                let side = side(limit, block);
                assert!(side <= limit && 2 * side > limit || limit == 0);
                let mut rest = side;
                while rest > block {
                    assert_eq!(rest % 2, 0, "{limit} {block}");
                    rest /= 2;
                }
            }
        }
    }
}
