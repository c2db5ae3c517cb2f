//! Privacy amplification: a Toeplitz matrix, given by a seed, hashes a key to a shorter one.
//!
//! For input bits x_0 .. x_(n-1) and seed bits s_0 .. s_(n+l-2), output bit j is the sum modulo 2 of
//! s_(n-1+j-i) x_i over all i: bits n-1 .. n+l-2 of the carry-less product seed · input. Two different
//! inputs have one output for a fraction 2^-l of the seeds (H. Krawczyk, LFSR-based hashing and
//! authentication, CRYPTO '94), so the seed may be public if it was drawn uniformly and independently of
//! the input.
//!
//! Only the product's l bits in question are computed: the matrix is cut into squares, each multiplied by
//! three of half its side (the transpose of Karatsuba's product: G. Hanrot, M. Quercia, P. Zimmermann, The
//! middle product algorithm I, AAECC 14, 2004), down to blocks of words that a [`Multiplier`] adds up one
//! product at a time. A square of b words takes about b^1.585 products.
//!
//! ```
//! use caligo_core::amplify::{Portable, Toeplitz};
//!
//! // 100 bits to 10.
//! const HASH: Toeplitz = Toeplitz { input_bits: 100, output_bits: 10 };
//! const SCRATCH: usize = HASH.scratch_words();
//! assert_eq!((HASH.seed_bits(), SCRATCH), (109, 2));
//!
//! let (seed, input) = ([0x0123_4567_89ab_cdef, 0x1357_9bdf_0246], [0xfeed_beef, 0x5_5555_5555]);
//! let (mut output, mut scratch) = ([0], [0; SCRATCH]);
//! HASH.apply(&Portable, &seed, &input, &mut output, &mut scratch)?;
//! # assert_eq!(output[0] >> 10, 0);
//! # Ok::<(), caligo_core::code::LengthError>(())
//! ```

mod middle;

pub use middle::{Multiplier, Portable, schoolbook};

use crate::bits::{self, WORD_BITS, words_for};
use crate::code::{LengthError, check_length};

/// A hash of `input_bits` bits (n) to `output_bits` bits (l).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toeplitz {
    /// Bits of the input, n.
    pub input_bits: usize,
    /// Bits of the output, l.
    pub output_bits: usize,
}

impl Toeplitz {
    /// Bits of the seed, n + l - 1 (0 if n = l = 0).
    pub const fn seed_bits(self) -> usize {
        self.input_bits.saturating_add(self.output_bits).saturating_sub(1)
    }

    /// Words of scratch with which [`Self::apply`] is fastest: twice the words of the shorter of input and
    /// output.
    pub const fn scratch_words(self) -> usize {
        let (input, output) = (words_for(self.input_bits), words_for(self.output_bits));
        2 * if input < output { input } else { output }
    }

    /// Writes the hash of `input` to `output`, all packed as in [`bits`]. The bits of `input` and `seed` past
    /// their ends do not matter; those of `output` become zero. Hashed to no bits, nothing is written; no
    /// bits are hashed to zeros.
    ///
    /// `scratch` may have any length and content. Less than [`Self::scratch_words`] makes squares smaller and
    /// the hash slower, down to one product for each pair of words. What is left in it are sums of words of
    /// the seed, of the input and of the output: it is as secret as the input.
    ///
    /// With [`Portable`] it runs in time independent of seed and input, where integer products do.
    ///
    /// # Errors
    /// [`LengthError`] if `seed`, `input` or `output` does not have exactly the words its bits need.
    pub fn apply(
        self,
        multiplier: &impl Multiplier,
        seed: &[u64],
        input: &[u64],
        output: &mut [u64],
        scratch: &mut [u64],
    ) -> Result<(), LengthError> {
        check_length("seed words", words_for(self.seed_bits()), seed.len())?;
        check_length("input words", words_for(self.input_bits), input.len())?;
        check_length("output words", words_for(self.output_bits), output.len())?;
        output.fill(0);
        let Some((&last, whole)) = input.split_last() else { return Ok(()) };
        if output.is_empty() {
            return Ok(());
        }
        // The product's bit n - 1 is bit `skip` of its word `whole.len()`.
        let skip = (self.input_bits - 1) % WORD_BITS;
        let product = Product { multiplier, seed, whole, last: last & u64::MAX >> (WORD_BITS - 1 - skip) };
        product.add(0, output, scratch);
        let mut beyond = [0];
        if seed.len() > whole.len() + output.len() {
            product.add(output.len(), &mut beyond, scratch);
        }
        if skip > 0 {
            for j in 0..output.len() {
                let above = output.get(j + 1).unwrap_or(&beyond[0]);
                output[j] = output[j] >> skip | above << (WORD_BITS - skip);
            }
        }
        bits::clear_tail(output, self.output_bits);
        Ok(())
    }
}

/// The product of the seed and an input whose last word is apart, as it alone meets the seed's first word
/// with nothing below.
struct Product<'a, M> {
    multiplier: &'a M,
    seed: &'a [u64],
    whole: &'a [u64],
    last: u64,
}

impl<M: Multiplier> Product<'_, M> {
    /// Adds to `output` the product's words from `whole.len() + from` on.
    fn add(&self, from: usize, output: &mut [u64], scratch: &mut [u64]) {
        let Self { multiplier, seed, whole, last } = *self;
        middle::rectangle(multiplier, &seed[from..][..whole.len() + output.len()], whole, output, scratch);
        let (window, output) = if from == 0 {
            multiplier.add_block(&[0, seed[0]], &[last], &mut output[..1]);
            (seed, &mut output[1..])
        } else {
            (&seed[from - 1..], output)
        };
        middle::rectangle(multiplier, &window[..=output.len()], &[last], output, scratch);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::{get, set};

    fn apply(input_bits: usize, output_bits: usize, seed: &[u64], input: &[u64]) -> [u64; 2] {
        let mut output = [u64::MAX; 2];
        let hash = Toeplitz { input_bits, output_bits };
        let words = &mut output[..words_for(output_bits)];
        hash.apply(&Portable, seed, input, words, &mut [u64::MAX; 2]).unwrap();
        output
    }

    #[test]
    fn small_matrices_by_hand() {
        // Seed bits 1 0 1 1: rows 1 0 1 and 1 1 0.
        for (input, want) in [(0b001, 0b11), (0b010, 0b10), (0b100, 0b01), (0b011, 0b01), (0b111, 0b00)] {
            assert_eq!(apply(3, 2, &[0b1101], &[input])[0], want, "{input:b}");
        }
        // One input bit: the seed or nothing. One output bit: a scalar product with the seed backwards.
        assert_eq!(apply(1, 5, &[0b10110], &[1])[0], 0b10110);
        assert_eq!(apply(1, 5, &[0b10110], &[0])[0], 0);
        assert_eq!(apply(5, 1, &[0b10110], &[0b01101])[0], 1);
        assert_eq!(apply(5, 1, &[0b10110], &[0b01100])[0], 0);
        assert_eq!(apply(1, 1, &[1], &[1])[0], 1);
        // Full words: output bit j is the parity of 64 ones.
        assert_eq!(apply(64, 64, &[u64::MAX; 2], &[u64::MAX])[0], 0);
        assert_eq!(apply(63, 64, &[u64::MAX; 2], &[u64::MAX])[0], u64::MAX);
    }

    #[test]
    fn one_input_bit_selects_a_run_of_the_seed() {
        let seed = [0x0123_4567_89ab_cdef, 0xfeed_beef_dead_f00d, 0x9e37_79b9_7f4a_7c15];
        for (n, l) in [(70, 100), (128, 65), (64, 128), (65, 1), (129, 64), (1, 128)] {
            for i in 0..n {
                let mut input = [0; 3];
                set(&mut input, i, true);
                let words = words_for(n + l - 1);
                let output = apply(n, l, &seed[..words], &input[..words_for(n)]);
                for j in 0..l {
                    assert_eq!(get(&output, j), get(&seed, n - 1 + j - i), "{n} to {l}, bits {i}, {j}");
                }
            }
        }
    }

    #[test]
    fn bits_past_the_ends_do_not_matter() {
        let hash = |seed, input| apply(10, 7, &[seed], &[input]);
        let (seed, input) = (0x9e37, 0x2a5);
        assert_eq!(hash(seed, input), hash(seed | u64::MAX << 16, input | u64::MAX << 10));
        assert_eq!(hash(seed, input)[0] >> 7, 0);
    }

    #[test]
    fn empty_strings() {
        assert_eq!(apply(0, 70, &[3, 3], &[]), [0, 0]);
        assert_eq!(apply(70, 0, &[3, 3], &[1, 1]), [u64::MAX; 2]);
        assert_eq!(apply(0, 0, &[], &[]), [u64::MAX; 2]);
        assert_eq!(apply(0, 1, &[], &[])[0], 0);
        assert_eq!(apply(1, 0, &[], &[1]), [u64::MAX; 2]);
    }

    #[test]
    fn wrong_lengths_are_errors() {
        let error = |n, l, seed: usize, input: usize, output: usize| {
            let (mut buffer, mut scratch) = ([0; 4], []);
            Toeplitz { input_bits: n, output_bits: l }
                .apply(&Portable, &[0; 4][..seed], &[0; 4][..input], &mut buffer[..output], &mut scratch)
                .map_err(|error| error.what)
        };
        assert_eq!(error(65, 64, 2, 2, 1), Ok(()));
        assert_eq!(error(65, 64, 3, 2, 1), Err("seed words"));
        assert_eq!(error(65, 64, 2, 1, 1), Err("input words"));
        assert_eq!(error(65, 64, 2, 2, 2), Err("output words"));
        assert_eq!(error(usize::MAX, usize::MAX, 4, 4, 4), Err("seed words"));
    }

    #[test]
    fn different_inputs_collide_for_one_seed_in_2_to_the_l() {
        // The hash is linear, so two inputs collide where their difference hashes to zero.
        let (n, l) = (8, 3);
        let seeds = 1u64 << (n + l - 1);
        for difference in 1..1u64 << n {
            let collisions = (0..seeds).filter(|&seed| apply(n, l, &[seed], &[difference])[0] == 0).count();
            assert_eq!(collisions as u64, seeds >> l, "{difference:b}");
        }
    }

    #[test]
    fn scratch_is_twice_the_shorter_side() {
        let words = |input_bits, output_bits| Toeplitz { input_bits, output_bits }.scratch_words();
        assert_eq!((words(1_000_000, 200_000), words(64, 65), words(5, 0)), (6250, 2, 0));
    }
}
