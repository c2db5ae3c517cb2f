//! Vector instructions of AArch64 for the bit-sliced decoder.

use core::arch::aarch64::uint64x2_t;

use bytemuck::{cast, cast_mut};
use caligo_core::decode::sliced::lanes::Lanes;

/// Two frames in NEON registers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(pub(crate) pulp::aarch64::Neon);

impl Lanes for Neon {
    type Plane = uint64x2_t;
    const FRAMES: usize = 2;

    #[inline(always)]
    fn splat(self, word: u64) -> uint64x2_t {
        self.0.neon.vdupq_n_u64(word)
    }
    #[inline(always)]
    fn and(self, a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        self.0.neon.vandq_u64(a, b)
    }
    #[inline(always)]
    fn or(self, a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        self.0.neon.vorrq_u64(a, b)
    }
    #[inline(always)]
    fn xor(self, a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        self.0.neon.veorq_u64(a, b)
    }
    #[inline(always)]
    fn and_not(self, a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        self.0.neon.vbicq_u64(b, a)
    }
    #[inline(always)]
    fn select(self, mask: uint64x2_t, a: uint64x2_t, b: uint64x2_t) -> uint64x2_t {
        self.0.neon.vbslq_u64(mask, a, b)
    }
    #[inline(always)]
    fn rotate_right(self, a: uint64x2_t, by: u32) -> uint64x2_t {
        // A shift by 64 gives 0 here, and one by less than 0 goes right.
        let by = i64::from(by);
        let right = self.0.neon.vshlq_u64(a, self.0.neon.vdupq_n_s64(-by));
        self.or(right, self.0.neon.vshlq_u64(a, self.0.neon.vdupq_n_s64(64 - by)))
    }
    #[inline(always)]
    fn word(self, plane: &uint64x2_t, frame: usize) -> u64 {
        cast::<_, [u64; 2]>(*plane)[frame]
    }
    #[inline(always)]
    fn set_word(self, plane: &mut uint64x2_t, frame: usize, word: u64) {
        cast_mut::<_, [u64; 2]>(plane)[frame] = word;
    }
}
