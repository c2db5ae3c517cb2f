//! Blocks of carry-less products in SSE and AVX-512 registers.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_cvtsi128_si64, _mm_extract_epi64,
    _mm512_clmulepi64_epi128, _mm512_extracti64x2_epi64, _mm512_set_epi64, _mm512_set1_epi64,
    _mm512_setzero_si512, _mm512_unpackhi_epi64, _mm512_unpacklo_epi64, _mm512_xor_si512,
};

use caligo_core::amplify::schoolbook;

use super::BLOCK;

#[target_feature(enable = "sse2,sse4.1,pclmulqdq")]
pub(super) fn one_at_a_time(window: &[u64], input: &[u64], output: &mut [u64]) {
    let word = |word: u64| _mm_cvtsi64_si128(word as i64);
    schoolbook(window, input, output, |a, b| halves(_mm_clmulepi64_si128::<0>(word(a), word(b))));
}

#[target_feature(enable = "sse2,sse4.1")]
fn halves(v: __m128i) -> (u64, u64) {
    (_mm_cvtsi128_si64(v) as u64, _mm_extract_epi64::<1>(v) as u64)
}

/// Words in a register.
const LANES: usize = 8;

/// A product at place p is added to words p and p + 1. Eight words of the window times one of the input are
/// eight products, at consecutive places: those of even lanes and those of odd lanes are summed apart.
#[target_feature(enable = "avx512f,avx512dq,vpclmulqdq")]
pub(super) fn four_at_a_time(window: &[u64], input: &[u64], output: &mut [u64]) {
    // With room for whole registers at the ends.
    let mut words = [0; 2 * BLOCK + LANES];
    words[..window.len()].copy_from_slice(window);
    // The first word lies below the output.
    let mut sums = [0; BLOCK + 1 + LANES];
    for place in (0..=output.len()).step_by(LANES) {
        let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let windows = words[place..][..input.len() + LANES - 1].windows(LANES).rev();
        for (t, &v) in windows.zip(input) {
            let (t, v) = (load(t), _mm512_set1_epi64(v as i64));
            even = _mm512_xor_si512(even, _mm512_clmulepi64_epi128::<0>(t, v));
            odd = _mm512_xor_si512(odd, _mm512_clmulepi64_epi128::<1>(t, v));
        }
        add(&mut sums[place..][..LANES], _mm512_unpacklo_epi64(even, odd));
        add(&mut sums[place + 1..][..LANES], _mm512_unpackhi_epi64(even, odd));
    }
    for (out, sum) in output.iter_mut().zip(&sums[1..]) {
        *out ^= sum;
    }
}

/// Eight words of `t`.
#[target_feature(enable = "avx512f")]
fn load(t: &[u64]) -> __m512i {
    let t = |lane: usize| t[lane] as i64;
    _mm512_set_epi64(t(7), t(6), t(5), t(4), t(3), t(2), t(1), t(0))
}

/// Adds eight words to `sums`.
#[target_feature(enable = "avx512f,avx512dq,sse4.1")]
fn add(sums: &mut [u64], v: __m512i) {
    let pairs = [
        halves(_mm512_extracti64x2_epi64::<0>(v)),
        halves(_mm512_extracti64x2_epi64::<1>(v)),
        halves(_mm512_extracti64x2_epi64::<2>(v)),
        halves(_mm512_extracti64x2_epi64::<3>(v)),
    ];
    for (sums, (low, high)) in sums.chunks_exact_mut(2).zip(pairs) {
        sums[0] ^= low;
        sums[1] ^= high;
    }
}
