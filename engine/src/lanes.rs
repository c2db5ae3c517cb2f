//! Vector instructions of x86-64 for the bit-sliced decoder.

use core::arch::x86_64::{__m256i, __m512i};

use bytemuck::{cast, cast_mut};
use caligo_core::decode::sliced::lanes::Lanes;
use pulp::x86::{V3, V4};

/// Eight frames in AVX-512 registers.
#[derive(Clone, Copy, Debug)]
pub struct Zmm(pub V4);

impl Lanes for Zmm {
    type Plane = __m512i;
    const FRAMES: usize = 8;

    #[inline(always)]
    fn splat(self, word: u64) -> __m512i {
        self.0.avx512f._mm512_set1_epi64(word as i64)
    }
    #[inline(always)]
    fn and(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_and_si512(a, b)
    }
    #[inline(always)]
    fn or(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_or_si512(a, b)
    }
    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_xor_si512(a, b)
    }
    #[inline(always)]
    fn and_not(self, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_andnot_si512(a, b)
    }
    #[inline(always)]
    fn rotate_right(self, a: __m512i, by: u32) -> __m512i {
        self.0.avx512f._mm512_rorv_epi64(a, self.splat(by.into()))
    }
    #[inline(always)]
    fn word(self, plane: &__m512i, frame: usize) -> u64 {
        cast::<_, [u64; 8]>(*plane)[frame]
    }
    #[inline(always)]
    fn set_word(self, plane: &mut __m512i, frame: usize, word: u64) {
        cast_mut::<_, [u64; 8]>(plane)[frame] = word;
    }
    // One instruction each, which the compiler does not find by itself.
    #[inline(always)]
    fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi64::<0x96>(a, b, c)
    }
    #[inline(always)]
    fn majority(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi64::<0xe8>(a, b, c)
    }
    #[inline(always)]
    fn select(self, mask: __m512i, a: __m512i, b: __m512i) -> __m512i {
        self.0.avx512f._mm512_ternarylogic_epi64::<0xca>(mask, a, b)
    }
}

/// Four frames in AVX2 registers.
#[derive(Clone, Copy, Debug)]
pub struct Ymm(pub V3);

impl Lanes for Ymm {
    type Plane = __m256i;
    const FRAMES: usize = 4;

    #[inline(always)]
    fn splat(self, word: u64) -> __m256i {
        self.0.avx._mm256_set1_epi64x(word as i64)
    }
    #[inline(always)]
    fn and(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_and_si256(a, b)
    }
    #[inline(always)]
    fn or(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_or_si256(a, b)
    }
    #[inline(always)]
    fn xor(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_xor_si256(a, b)
    }
    #[inline(always)]
    fn and_not(self, a: __m256i, b: __m256i) -> __m256i {
        self.0.avx2._mm256_andnot_si256(a, b)
    }
    #[inline(always)]
    fn rotate_right(self, a: __m256i, by: u32) -> __m256i {
        // A shift by 64 gives 0 here.
        let low = self.0.avx2._mm256_srlv_epi64(a, self.splat(by.into()));
        let high = self.0.avx2._mm256_sllv_epi64(a, self.splat(64 - u64::from(by)));
        self.or(low, high)
    }
    #[inline(always)]
    fn word(self, plane: &__m256i, frame: usize) -> u64 {
        cast::<_, [u64; 4]>(*plane)[frame]
    }
    #[inline(always)]
    fn set_word(self, plane: &mut __m256i, frame: usize, word: u64) {
        cast_mut::<_, [u64; 4]>(plane)[frame] = word;
    }
}
