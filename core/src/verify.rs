//! Universal hashing for verification: a polynomial over GF(2^64).
//!
//! The message m_1 .. m_k of 64-bit words (the last one padded with zeros) and its length in bits L
//! are hashed to m_1 x^(k+1) + ... + m_k x^2 + L x with the key x. Two different messages of at most
//! k words collide for at most k + 1 of the 2^64 keys. The key must be fresh, uniform, and sent only
//! after the receiver's errors are fixed; a known key, or one from a public seed, voids the bound.

use crate::bits::WORD_BITS;
use crate::carryless;

/// Bits of a tag.
pub const TAG_BITS: usize = 64;

/// Tag of the first `bits` bits of `message` under `key`. Bits past the end must be zero.
///
/// Runs in time independent of key and message content.
///
/// ```
/// use caligo_core::verify::tag;
/// assert_ne!(tag(&[1, 2], 128, 0x1234_5678_9abc_def1), tag(&[1, 3], 128, 0x1234_5678_9abc_def1));
/// ```
pub fn tag(message: &[u64], bits: usize, key: u64) -> u64 {
    let words = bits.div_ceil(WORD_BITS);
    let sum = message.iter().take(words).fold(0, |sum, word| multiply(sum ^ word, key));
    multiply(sum ^ bits as u64, key)
}

/// Bound on the chance that different messages of `bits` bits have one tag.
pub fn collision(bits: usize) -> f64 {
    const KEYS: f64 = (1u128 << TAG_BITS) as f64;
    (bits.div_ceil(WORD_BITS) + 1) as f64 / KEYS
}

/// log2 of [`collision`].
pub fn collision_log2(bits: usize) -> f64 {
    libm::log2((bits.div_ceil(WORD_BITS) + 1) as f64) - TAG_BITS as f64
}

/// Whether two tags are equal, in constant time.
pub fn same(a: u64, b: u64) -> bool {
    // The difference is folded to one bit before it is looked at.
    let d = core::hint::black_box(a ^ b);
    (d | d.wrapping_neg()) >> 63 == 0
}

/// Product in GF(2^64) modulo x^64 + x^4 + x^3 + x + 1.
fn multiply(a: u64, b: u64) -> u64 {
    let (low, high) = carryless::product(a, b);
    // x^64 = x^4 + x^3 + x + 1, twice: what the first folding pushes past bit 63 is at most 4 bits.
    let fold = |v: u64| v ^ v << 1 ^ v << 3 ^ v << 4;
    let over = high >> 63 ^ high >> 61 ^ high >> 60;
    low ^ fold(high) ^ fold(over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_laws_hold() {
        let (a, b, c) = (0xfeed_face_cafe_beef, 0x8000_0000_0000_001b, 0x0123_4567_89ab_cdef);
        assert_eq!(multiply(a, multiply(b, c)), multiply(multiply(a, b), c));
        assert_eq!(multiply(a, b ^ c), multiply(a, b) ^ multiply(a, c));
        assert_eq!(multiply(a, 1), a);
        // x^63 * x = x^64 = x^4 + x^3 + x + 1.
        assert_eq!(multiply(1 << 63, 2), 0x1b);
        // The order of the multiplicative group: a^(2^64 - 1) = 1, by 64 squarings.
        let frobenius = (0..64).fold(a, |v, _| multiply(v, v));
        assert_eq!(frobenius, a);
    }

    #[test]
    fn length_is_part_of_the_message() {
        assert_ne!(tag(&[5], 63, 77), tag(&[5], 64, 77));
        assert_ne!(tag(&[5], 64, 77), tag(&[5, 0], 128, 77));
    }

    #[test]
    fn comparison_is_exact() {
        assert!(same(7, 7));
        for i in 0..64 {
            assert!(!same(7, 7 ^ (1 << i)));
        }
    }
}
