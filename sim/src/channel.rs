//! Seeded channels. Every draw is a function of (seed, index): a frame, or a position of a key.

use alloc::vec;
use alloc::vec::Vec;

pub mod errors;
pub mod link;
pub mod noise;

pub use errors::errors;

use caligo_core::bits::words_for;
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

/// The generator of item `index` of a simulation seeded with `seed`.
pub fn stream(seed: u64, index: u64) -> Xoshiro256PlusPlus {
    let mut bytes = [0; 32];
    // Two rounds of splitmix64 over each of four lanes: neighbouring indices share nothing.
    for (lane, word) in bytes.chunks_exact_mut(8).enumerate() {
        let mixed = mix(mix(seed).wrapping_add(index).wrapping_add((lane as u64) << 56));
        word.copy_from_slice(&mixed.to_le_bytes());
    }
    Xoshiro256PlusPlus::from_seed(bytes)
}

/// One step of splitmix64.
pub fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// Uniform in [0, 1), 53 bits.
pub fn uniform(rng: &mut impl Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// Uniform below `bound` (at least 1), without bias.
pub fn below(rng: &mut impl Rng, bound: u64) -> u64 {
    let reject = bound.wrapping_neg() % bound;
    loop {
        let wide = u128::from(rng.next_u64()) * u128::from(bound);
        if wide as u64 >= reject {
            return (wide >> 64) as u64;
        }
    }
}

/// Shuffles `items` (Fisher-Yates).
pub fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for i in (1..items.len()).rev() {
        items.swap(i, below(rng, i as u64 + 1) as usize);
    }
}

/// `bits` uniform bits.
pub fn random_bits(bits: usize, rng: &mut impl Rng) -> Vec<u64> {
    let mut words = vec![0; words_for(bits)];
    fill(&mut words, bits, rng);
    words
}

/// Makes the first `bits` bits of `words` uniform and the others 0.
pub fn fill(words: &mut [u64], bits: usize, rng: &mut impl Rng) {
    words.fill_with(|| rng.next_u64());
    caligo_core::bits::clear_tail(words, bits);
}

/// Flips each of the first `bits` bits with probability `q`; how many.
pub fn flip(words: &mut [u64], bits: usize, q: f64, rng: &mut impl Rng) -> usize {
    if q <= 0.0 || q.is_nan() {
        return 0;
    }
    let mut flipped = 0;
    if q >= 0.25 {
        for i in 0..bits {
            if uniform(rng) < q {
                words[i / 64] ^= 1 << (i % 64);
                flipped += 1;
            }
        }
        return flipped;
    }
    // Geometric gaps: one draw an error, not one a bit.
    // The same on every platform, which the standard library's logarithm is not.
    let scale = 1.0 / libm::log1p(-q);
    let gap = |rng: &mut _| (libm::log(1.0 - uniform(rng)) * scale) as usize;
    let mut i = gap(rng);
    while i < bits {
        words[i / 64] ^= 1 << (i % 64);
        flipped += 1;
        i = i.saturating_add(1).saturating_add(gap(rng));
    }
    flipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flips_have_the_asked_rate() {
        for q in [0.001, 0.03, 0.11, 0.4] {
            let mut words = vec![0; 1 << 14];
            let bits = words.len() * 64;
            let flipped = flip(&mut words, bits, q, &mut stream(7, 1));
            assert_eq!(flipped, caligo_core::bits::count_ones(&words));
            let sigma = (bits as f64 * q * (1.0 - q)).sqrt();
            assert!((flipped as f64 - bits as f64 * q).abs() < 5.0 * sigma, "{q}: {flipped} of {bits}");
        }
    }

    #[test]
    fn streams_differ_by_seed_and_by_index() {
        let first = |seed, index| stream(seed, index).next_u64();
        assert_ne!(first(1, 0), first(1, 1));
        assert_ne!(first(1, 0), first(0, 1));
        assert_eq!(first(3, 4), first(3, 4));
    }

    #[test]
    fn below_is_below_and_reaches_all() {
        let mut rng = stream(1, 2);
        let mut seen = [0; 7];
        for _ in 0..7000 {
            seen[below(&mut rng, 7) as usize] += 1;
        }
        assert!(seen.iter().all(|&c| (850..1150).contains(&c)), "{seen:?}");
    }
}
