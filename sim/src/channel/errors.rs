//! Errors of a binary symmetric channel, 1024 at a time.

use alloc::vec;
use alloc::vec::Vec;
use core::array;

use caligo_core::bits::{clear_tail, words_for};
use caligo_engine::dispatch;
use rand_core::Rng;

use super::mix;

/// Words drawn together.
pub const LANES: usize = 16;

/// `bits` errors: each bit is a one with probability `q`, independently. NaN counts as 0.
///
/// A uniform number is drawn for each bit, one binary digit of 1024 at a time, and compared with `q` until no bit is
/// undecided: about eleven draws, whatever `q` is. The probability is exact for `q` of at least 2^-75, else less by 2^-128
/// at most. The stream is not that of [`super::flip`].
pub fn errors(bits: usize, q: f64, rng: &mut impl Rng) -> Vec<u64> {
    let mut words = vec![0; words_for(bits)];
    let generators = Generators::new(rng);
    if dispatch::portable() {
        fill(&mut words, digits(q), generators);
    } else {
        fill_dispatched(&mut words, digits(q), generators);
    }
    clear_tail(&mut words, bits);
    words
}

/// 128 binary digits of `q` after the point, none if it is 1 or more.
pub fn digits(q: f64) -> Option<u128> {
    // Of NaN, too, the maximum is 0.
    let scaled = q.max(0.0) * (1u128 << 64) as f64;
    let below = (scaled - libm::floor(scaled)) * (1u128 << 64) as f64;
    (scaled < (1u128 << 64) as f64).then_some(u128::from(scaled as u64) << 64 | u128::from(below as u64))
}

#[cfg_attr(
    not(target_arch = "wasm32"),
    multiversion::multiversion(targets(
        "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
        "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
    ))
)]
fn fill_dispatched(words: &mut [u64], digits: Option<u128>, generators: Generators) {
    fill(words, digits, generators);
}

#[inline(always)]
fn fill(words: &mut [u64], digits: Option<u128>, mut generators: Generators) {
    for words in words.chunks_mut(LANES) {
        let below = generators.below(digits, &[u64::MAX; LANES]);
        words.copy_from_slice(&below[..words.len()]);
    }
}

/// Generators xoshiro256++ side by side (D. Blackman, S. Vigna, Scrambled linear pseudorandom number generators, ACM
/// TOMS 47, 2021).
pub struct Generators {
    state: [[u64; LANES]; 4],
}

impl Generators {
    /// Generators seeded by `rng`.
    pub fn new(rng: &mut impl Rng) -> Self {
        let state = [(); 4].map(|()| {
            let key = rng.next_u64();
            array::from_fn(|lane| mix(key.wrapping_add(lane as u64)))
        });
        Self { state }
    }

    #[inline(always)]
    fn draw(&mut self, lane: usize) -> u64 {
        let [a, b, c, d] = &mut self.state;
        let draw = a[lane].wrapping_add(d[lane]).rotate_left(23).wrapping_add(a[lane]);
        let shifted = b[lane] << 17;
        c[lane] ^= a[lane];
        d[lane] ^= b[lane];
        b[lane] ^= c[lane];
        a[lane] ^= d[lane];
        c[lane] ^= shifted;
        d[lane] = d[lane].rotate_left(45);
        draw
    }

    /// Uniform bits.
    #[inline(always)]
    pub fn uniform(&mut self) -> [u64; LANES] {
        let mut words = [0; LANES];
        for lane in 0..LANES {
            words[lane] = self.draw(lane);
        }
        words
    }

    /// Each bit of `among` is kept with the probability whose digits these are: uniform numbers are compared with it
    /// until none is undecided, so that few bits take few draws and none take none.
    #[inline(always)]
    pub fn below(&mut self, digits: Option<u128>, among: &[u64; LANES]) -> [u64; LANES] {
        let Some(mut digits) = digits else { return *among };
        let (mut below, mut open) = ([0; LANES], *among);
        let mut undecided = digits != 0 && among.iter().fold(0, |rest, word| rest | word) != 0;
        while undecided {
            let one = ((digits >> 127) as u64).wrapping_neg();
            digits <<= 1;
            let mut rest = 0;
            for lane in 0..LANES {
                let draw = self.draw(lane);
                below[lane] |= open[lane] & one & !draw;
                open[lane] &= draw ^ !one;
                rest |= open[lane];
            }
            // A number whose digits were those of the probability is not below it.
            undecided = rest != 0 && digits != 0;
        }
        below
    }
}

#[cfg(test)]
mod tests {
    use caligo_core::bits::{count_ones, distance, get};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::SeedableRng;

    use super::*;
    use crate::channel::{random_bits, stream};

    /// One bit at a time: the digits of its uniform number as far as its group needs them, and a comparison.
    fn naive(bits: usize, q: f64, rng: &mut impl Rng) -> Vec<bool> {
        let digits = digits(q).unwrap();
        let state = Generators::new(rng).state;
        let mut generators: Vec<_> = (0..LANES)
            .map(|lane| {
                let seed: Vec<u8> = state.iter().flat_map(|words| words[lane].to_le_bytes()).collect();
                Xoshiro256PlusPlus::from_seed(seed.try_into().unwrap())
            })
            .collect();
        let mut errors = Vec::new();
        while errors.len() < bits {
            let mut numbers = [[0u128; 64]; LANES];
            let mut drawn = 0;
            let undecided = |numbers: &[[u128; 64]; LANES], drawn: u32| {
                let known = !u128::MAX.checked_shr(drawn).unwrap_or(0);
                digits & !known != 0 && numbers.iter().flatten().any(|&number| number == digits & known)
            };
            while digits != 0 && undecided(&numbers, drawn) {
                for (numbers, generator) in numbers.iter_mut().zip(&mut generators) {
                    let draw = generator.next_u64();
                    for (i, number) in numbers.iter_mut().enumerate() {
                        *number |= u128::from(draw >> i & 1) << (127 - drawn);
                    }
                }
                drawn += 1;
            }
            errors.extend(numbers.iter().flatten().map(|&number| number < digits));
        }
        errors.truncate(bits);
        errors
    }

    #[test]
    fn errors_equal_comparisons_bit_by_bit() {
        for (i, q) in [0.0, 1e-6, 0.03, 0.08, 0.25, 0.5, 0.7, 0.999].into_iter().enumerate() {
            for bits in [1, 63, 64, 1000, 1024, 4096, 5000] {
                let rng = || stream(i as u64, bits as u64);
                let got = errors(bits, q, &mut rng());
                let got: Vec<bool> = (0..bits).map(|i| get(&got, i)).collect();
                assert!(got == naive(bits, q, &mut rng()), "{q}, {bits} bits");
            }
        }
    }

    #[test]
    fn dispatch_changes_nothing() {
        let [mut a, mut b] = [[0; 100], [0; 100]];
        let digits = digits(0.11);
        fill(&mut a, digits, Generators::new(&mut stream(1, 1)));
        fill_dispatched(&mut b, digits, Generators::new(&mut stream(1, 1)));
        assert_eq!(a, b);
    }

    #[test]
    fn digits_are_those_of_the_probability() {
        assert_eq!(digits(0.5), Some(1 << 127));
        assert_eq!(digits(0.75), Some(3 << 126));
        for q in [0.08, 1.0 / 3.0, 1e-3, 1e-22, 1.0 - f64::EPSILON / 2.0] {
            assert_eq!(digits(q).unwrap() as f64, q * 128f64.exp2(), "{q}");
        }
        assert_eq!([1.0, 2.0, f64::INFINITY].map(digits), [None; 3]);
        assert_eq!([0.0, -0.0, -1e-20, -1.0, f64::NAN, 1e-40].map(digits), [Some(0); 6]);
        assert_eq!(errors(70, 1.0, &mut stream(1, 1)), [u64::MAX, 63]);
    }

    #[test]
    fn errors_have_the_asked_rate() {
        let bits = 1 << 20;
        for q in [0.001, 0.03, 0.08, 0.11, 0.4, 0.9] {
            let ones = count_ones(&errors(bits, q, &mut stream(7, 2))) as f64;
            let (mean, sigma) = (bits as f64 * q, (bits as f64 * q * (1.0 - q)).sqrt());
            assert!((ones - mean).abs() < 5.0 * sigma, "{q}: {ones} of {bits}");
        }
    }

    /// Whether `ones` of `bits` is what happens with probability `p`, to five standard deviations.
    fn plausible(ones: usize, bits: usize, p: f64) -> bool {
        (ones as f64 - bits as f64 * p).abs() < 5.0 * (bits as f64 * p * (1.0 - p)).sqrt()
    }

    #[test]
    fn bits_are_independent_of_each_other() {
        let (words, q) = (1 << 14, 0.11);
        let drawn = errors(64 * words, q, &mut stream(7, 3));
        // Of two independent bits, one differs from the other with probability 2q(1 - q).
        let differ = 2.0 * q * (1.0 - q);
        for lag in 1..64 {
            // Places in one word, and the same place in words of one group and of the next.
            let places = drawn.iter().map(|word| (word ^ word.rotate_right(lag)).count_ones() as usize).sum();
            assert!(plausible(places, 64 * words, differ), "places {lag} apart");
            let apart = distance(&drawn, &drawn[lag as usize..]);
            assert!(plausible(apart, 64 * (words - lag as usize), differ), "words {lag} apart");
        }
        for place in 0..64 {
            let ones = drawn.iter().filter(|&word| word >> place & 1 == 1).count();
            assert!(plausible(ones, words, q), "place {place}");
        }
        // Nor of the frame drawn from the same stream before.
        let mut rng = stream(7, 4);
        let frame = random_bits(64 * words, &mut rng);
        assert!(plausible(distance(&frame, &errors(64 * words, q, &mut rng)), 64 * words, 0.5));
    }
}
