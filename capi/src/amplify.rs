//! Privacy amplification: a verified key hashed to a secret one.

use caligo_core::amplify::{Portable, Toeplitz};
use caligo_core::bits::words_for;

use crate::memory::{slice, slice_mut};
use crate::status::CaligoStatus;

/// Most bits of a key, and of what it is hashed to.
pub const CALIGO_MAX_TOEPLITZ_BITS: usize = 1 << 30;

const fn toeplitz(input_bits: usize, output_bits: usize) -> Option<Toeplitz> {
    if input_bits > CALIGO_MAX_TOEPLITZ_BITS || output_bits > CALIGO_MAX_TOEPLITZ_BITS {
        return None;
    }
    Some(Toeplitz { input_bits, output_bits })
}

/// Bits of the seed that hashes `input_bits` to `output_bits`: their sum less 1; it takes (bits + 63) / 64 words. 0 if there
/// are more than `CALIGO_MAX_TOEPLITZ_BITS`.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_toeplitz_seed_bits(input_bits: usize, output_bits: usize) -> usize {
    toeplitz(input_bits, output_bits).map_or(0, Toeplitz::seed_bits)
}

/// Words of scratch with which `caligo_toeplitz` is fastest. Less, down to none, only takes longer.
#[unsafe(no_mangle)]
pub extern "C" fn caligo_toeplitz_scratch_words(input_bits: usize, output_bits: usize) -> usize {
    toeplitz(input_bits, output_bits).map_or(0, Toeplitz::scratch_words)
}

/// Privacy amplification: writes the Toeplitz hash of `input` to `output`. Both parties use the same seed, drawn uniformly and
/// independently of the key, by one of them, after Bob has his key: it may then be public, over the authenticated channel.
///
/// How long the output may be is for the host to compute: at most what an adversary cannot know of the input, less what the
/// ledger says was disclosed (`ledger.charged`), less what its security parameter costs.
///
/// Output bit j is the sum modulo 2 of seed bit (n - 1 + j - i) times input bit i over all i below n = `input_bits`. Words are
/// as many as bits need; bits past the ends do not matter, those of `output` become 0. `scratch` holds sums of key words
/// afterwards: it is as secret as the key, and overwritten by the caller.
///
/// # Safety
/// Pointers are null or valid for as many words, and `output` and `scratch` overlap nothing; `scratch` may be null if it has
/// none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_toeplitz(
    seed: *const u64,
    seed_words: usize,
    input: *const u64,
    input_bits: usize,
    output: *mut u64,
    output_bits: usize,
    scratch: *mut u64,
    scratch_words: usize,
) -> CaligoStatus {
    let Some(hash) = toeplitz(input_bits, output_bits) else { return CaligoStatus::Range };
    if seed_words != words_for(hash.seed_bits()) {
        return CaligoStatus::Length;
    }
    // SAFETY: the caller's.
    let (seed, input) = unsafe { (slice(seed, seed_words), slice(input, words_for(input_bits))) };
    // SAFETY: the caller's.
    let output = unsafe { slice_mut(output, words_for(output_bits)) };
    let scratch = if scratch_words == 0 {
        Some(&mut [][..])
    } else {
        // SAFETY: the caller's.
        unsafe { slice_mut(scratch, scratch_words) }
    };
    let (Some(seed), Some(input), Some(output), Some(scratch)) = (seed, input, output, scratch) else {
        return CaligoStatus::Null;
    };
    hash.apply(&Portable, seed, input, output, scratch).map_or(CaligoStatus::Length, |()| CaligoStatus::Ok)
}
