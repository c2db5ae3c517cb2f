//! Privacy amplification with the processor's carry-less products.

use caligo_core::amplify::{Multiplier, Portable, Toeplitz};
use caligo_core::code::LengthError;
use multiversion::multiversion;
use multiversion::target::match_target;
use zeroize::Zeroizing;

use crate::dispatch;

/// Hashes as [`Toeplitz::apply`] does, with the instructions [`dispatch`] allows and scratch of its own, wiped
/// at the end.
///
/// # Errors
/// [`LengthError`] if `seed`, `input` or `output` does not have exactly the words its bits need.
pub fn apply(hash: Toeplitz, seed: &[u64], input: &[u64], output: &mut [u64]) -> Result<(), LengthError> {
    // Lengths are checked later: what is allocated must not be more than the buffers call for.
    let mut scratch = Zeroizing::new(vec![0; hash.scratch_words().min(2 * output.len())]);
    if dispatch::portable() {
        hash.apply(&Portable, seed, input, output, &mut scratch)
    } else {
        hash.apply(&Host, seed, input, output, &mut scratch)
    }
}

/// The widest carry-less products this machine has: four at a time (VPCLMULQDQ with AVX-512), one at a time
/// (PCLMULQDQ), or [`Portable`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host;

impl Multiplier for Host {
    const BLOCK: usize = if cfg!(target_arch = "x86_64") { BLOCK } else { Portable::BLOCK };

    fn add_block(&self, window: &[u64], input: &[u64], output: &mut [u64]) {
        four_at_a_time(window, input, output);
    }
}

/// Three rows of eight products: there is one more place than words.
const BLOCK: usize = 23;

#[multiversion(targets("x86_64+avx+avx2+avx512f+avx512dq+avx512vl+pclmulqdq+vpclmulqdq"))]
fn four_at_a_time(window: &[u64], input: &[u64], output: &mut [u64]) {
    match_target! {
        "x86_64+avx512f+avx512dq+vpclmulqdq" => x86_64::four_at_a_time(window, input, output),
        _ => one_at_a_time(window, input, output),
    }
}

#[multiversion(targets("x86_64+sse2+sse4.1+pclmulqdq"))]
fn one_at_a_time(window: &[u64], input: &[u64], output: &mut [u64]) {
    match_target! {
        "x86_64+sse4.1+pclmulqdq" => x86_64::one_at_a_time(window, input, output),
        _ => Portable.add_block(window, input, output),
    }
}

#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel;

    #[test]
    fn every_instruction_set_adds_the_same_blocks() {
        for inputs in 1..=BLOCK {
            for outputs in 1..=BLOCK {
                let mut rng = channel::stream(inputs as u64, outputs as u64);
                let mut draw = |words: usize| channel::random_bits(64 * words, &mut rng);
                let (window, input, before) = (draw(inputs + outputs), draw(inputs), draw(outputs));
                let [mut want, mut one, mut four] = [before.clone(), before.clone(), before];
                Portable.add_block(&window, &input, &mut want);
                one_at_a_time(&window, &input, &mut one);
                four_at_a_time(&window, &input, &mut four);
                assert_eq!((&one, &four), (&want, &want), "{inputs} to {outputs} words");
            }
        }
    }
}
