//! Vector instructions of WebAssembly for the bit-sliced decoder. A module is compiled with them or without; the page
//! chooses.

use core::arch::wasm32::{
    i64x2_replace_lane, i64x2_shl, u64x2_extract_lane, u64x2_shr, u64x2_splat, v128, v128_and, v128_andnot,
    v128_bitselect, v128_or, v128_xor,
};

use caligo_core::decode::sliced::lanes::Lanes;

/// Two frames in a vector of simd128.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simd128;

impl Lanes for Simd128 {
    type Plane = v128;
    const FRAMES: usize = 2;

    #[inline(always)]
    fn splat(self, word: u64) -> v128 {
        u64x2_splat(word)
    }
    #[inline(always)]
    fn and(self, a: v128, b: v128) -> v128 {
        v128_and(a, b)
    }
    #[inline(always)]
    fn or(self, a: v128, b: v128) -> v128 {
        v128_or(a, b)
    }
    #[inline(always)]
    fn xor(self, a: v128, b: v128) -> v128 {
        v128_xor(a, b)
    }
    #[inline(always)]
    fn and_not(self, a: v128, b: v128) -> v128 {
        v128_andnot(b, a)
    }
    #[inline(always)]
    fn select(self, mask: v128, a: v128, b: v128) -> v128 {
        v128_bitselect(a, b, mask)
    }
    #[inline(always)]
    fn rotate_right(self, a: v128, by: u32) -> v128 {
        // Shifts take their distance modulo 64.
        v128_or(u64x2_shr(a, by), i64x2_shl(a, by.wrapping_neg()))
    }
    #[inline(always)]
    fn word(self, plane: &v128, frame: usize) -> u64 {
        if frame == 0 { u64x2_extract_lane::<0>(*plane) } else { u64x2_extract_lane::<1>(*plane) }
    }
    #[inline(always)]
    fn set_word(self, plane: &mut v128, frame: usize, word: u64) {
        *plane = if frame == 0 {
            i64x2_replace_lane::<0>(*plane, word as i64)
        } else {
            i64x2_replace_lane::<1>(*plane, word as i64)
        };
    }
}
