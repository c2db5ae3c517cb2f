//! Rounds to sets: what both detected, whether its number is likely, random choices among it.
//!
//! In: one bit a round, packed. Out: the same. Random choices take their randomness as words and say how far they came,
//! so that a caller can fetch more.

use core::fmt;

use crate::bits::{self, WORD_BITS, words_for};
use crate::security::Epsilon;

/// What one party's detectors recorded: three strings of one bit a round.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// Rounds.
    pub rounds: usize,
    /// Whether a detector clicked.
    pub clicked: &'a [u64],
    /// The basis measured in.
    pub bases: &'a [u64],
    /// The outcome; what stands where nothing clicked does not matter.
    pub bits: &'a [u64],
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record").field("rounds", &self.rounds).finish_non_exhaustive()
    }
}

impl Record<'_> {
    /// Whether every string has exactly the words of its rounds.
    pub fn is_whole(&self) -> bool {
        [self.clicked, self.bases, self.bits].iter().all(|string| string.len() == words_for(self.rounds))
    }
}

/// A number of rounds that honest devices would not give.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnlikelyCount {
    /// What was counted.
    pub what: &'static str,
    /// How many there are.
    pub found: f64,
    /// How many there are on average.
    pub expected: f64,
    /// By how much they may differ.
    pub tolerance: f64,
}

impl fmt::Display for UnlikelyCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, expected, tolerance } = self;
        write!(f, "{what}: expected {expected:.0} give or take {tolerance:.0}, found {found}")
    }
}

impl core::error::Error for UnlikelyCount {}

/// Whether `found` of `rounds` rounds is likely where each counts with `probability`: independent rounds are farther
/// from their mean than sqrt(rounds ln(2/epsilon)/2) with probability at most `epsilon` (Hoeffding 1963).
///
/// # Errors
/// [`UnlikelyCount`] if there are too few or too many.
pub fn check_count(
    what: &'static str,
    found: usize,
    rounds: usize,
    probability: f64,
    epsilon: Epsilon,
) -> Result<(), UnlikelyCount> {
    let (found, rounds) = (found as f64, rounds as f64);
    let (expected, tolerance) = (rounds * probability, tolerance(rounds, epsilon));
    if (found - expected).abs() <= tolerance {
        Ok(())
    } else {
        Err(UnlikelyCount { what, found, expected, tolerance })
    }
}

/// sqrt(rounds ln(2/epsilon)/2).
pub fn tolerance(rounds: f64, epsilon: Epsilon) -> f64 {
    libm::sqrt(0.5 * rounds * libm::log(2.0 / epsilon.value()))
}

/// Words of randomness that [`thin`] takes for each word of a mask: 32 binary digits for each of its bits.
pub const THINNING: usize = 32;

/// Keeps each bit of `word` with probability `keep`/2^32.
///
/// 64 numbers of 32 random digits each, their first digits in the first word, are compared with `keep`.
pub fn thin(word: u64, keep: u32, digits: &[u64; THINNING]) -> u64 {
    let (mut below, mut equal) = (0, u64::MAX);
    for (i, digit) in digits.iter().enumerate() {
        if keep >> (31 - i) & 1 == 1 {
            below |= equal & !digit;
            equal &= digit;
        } else {
            equal &= !digit;
        }
    }
    word & below
}

/// Pieces of a mask whose ones are counted beforehand.
const PIECES: usize = 64;

/// Moves ones at random, each as likely, from `from` to `to` until `count` are moved or `entropy` is used up; how many
/// were.
///
/// A word of entropy draws one, or (rarely) none, so that no one is likelier than another.
pub fn draw(from: &mut [u64], to: &mut [u64], count: usize, entropy: &[u64]) -> usize {
    let piece = from.len().div_ceil(PIECES).max(1);
    let mut ones = [0; PIECES];
    for (ones, words) in ones.iter_mut().zip(from.chunks(piece)) {
        *ones = bits::count_ones(words);
    }
    let (mut left, mut drawn) = (ones.iter().sum::<usize>() as u64, 0);
    for &word in entropy {
        if drawn == count || left == 0 {
            break;
        }
        let wide = u128::from(word) * u128::from(left);
        if (wide as u64) < left.wrapping_neg() % left {
            continue;
        }
        let mut rank = (wide >> 64) as usize;
        let mut at = 0;
        while at < PIECES - 1 && rank >= ones[at] {
            rank -= ones[at];
            at += 1;
        }
        let words = from.iter_mut().zip(to.iter_mut()).skip(at * piece);
        for (from, to) in words {
            let here = from.count_ones() as usize;
            if rank < here {
                let one = bits::deposit(1 << rank, *from);
                *from ^= one;
                *to |= one;
                break;
            }
            rank -= here;
        }
        ones[at] -= 1;
        left -= 1;
        drawn += 1;
    }
    drawn
}

/// Writes the bits of `string` in the places of `mask` to `out`, one after the other; how many.
///
/// # Panics
/// If `out` has no room for them.
pub fn gather(string: &[u64], mask: &[u64], out: &mut [u64]) -> usize {
    let mut at = 0;
    for (value, mask) in string.iter().zip(mask) {
        let count = mask.count_ones() as usize;
        bits::copy(&[bits::extract(*value, *mask)], 0, out, at, count);
        at += count;
    }
    bits::clear_tail(out, at);
    at
}

/// Whether every one of `inner` is one of `outer`, and none lies at or past `bits`.
pub fn is_within(inner: &[u64], outer: &[u64], bits: usize) -> bool {
    let tail = inner
        .last()
        .map_or(0, |last| if bits.is_multiple_of(WORD_BITS) { 0 } else { last >> (bits % WORD_BITS) });
    tail == 0 && inner.iter().zip(outer).all(|(i, o)| i & !o == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Words that look random.
    fn words<const N: usize>(mut state: u64) -> [u64; N] {
        core::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (state ^ state >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ z >> 31
        })
    }

    #[test]
    fn every_one_is_drawn_as_often() {
        let mask = [0x8000_0000_0f00_0001, 0, 0x10, 0];
        let mut seen = [0u32; 256];
        for seed in 0..7000 {
            let (mut from, mut to) = (mask, [0; 4]);
            assert_eq!(draw(&mut from, &mut to, 2, &words::<3>(seed * 3)), 2);
            assert_eq!(bits::count_ones(&to), 2);
            for w in 0..4 {
                assert_eq!((from[w] | to[w], from[w] & to[w]), (mask[w], 0));
            }
            bits::ones(&to).for_each(|i| seen[i] += 1);
        }
        assert!(bits::ones(&mask).all(|i| (1800..2200).contains(&seen[i])), "{seen:?}");
    }

    #[test]
    fn drawing_stops_where_ones_or_words_end() {
        let (mut from, mut to) = ([0b111; 130], [0; 130]);
        assert_eq!(draw(&mut from, &mut to, 500, &words::<1000>(1)), 390);
        assert_eq!((from, to), ([0; 130], [0b111; 130]));
        assert_eq!(draw(&mut from, &mut to, 1, &[0]), 0);
        assert_eq!(draw(&mut to, &mut from, 2, &[5]), 1);
        assert_eq!(draw(&mut [], &mut [], 2, &[5]), 0);
    }

    #[test]
    fn thinning_keeps_the_part_asked_for() {
        for keep in [0, 1 << 30, 3 << 30, u32::MAX] {
            let kept: u32 =
                (0..500).map(|i| thin(u64::MAX, keep, &words::<THINNING>(i << 32)).count_ones()).sum();
            let expected = 32000.0 * f64::from(keep) / 4294967296.0;
            assert!((f64::from(kept) - expected).abs() < 400.0, "{keep}: {kept}");
        }
        assert_eq!(thin(0, u32::MAX, &words::<THINNING>(0)), 0);
    }

    #[test]
    fn gathered_bits_keep_their_order() {
        let mut out = [u64::MAX; 2];
        assert_eq!(gather(&[0b1010_0110, 0b11], &[0b1111_0000, 0b10], &mut out), 5);
        assert_eq!(out, [0b1_1010, 0]);
    }

    #[test]
    fn masks_lie_within() {
        assert!(is_within(&[0b100], &[0b110], 3));
        assert!(!is_within(&[0b100], &[0b110], 2));
        assert!(!is_within(&[0b101], &[0b110], 64));
        assert!(is_within(&[], &[], 0));
    }

    #[test]
    fn counts_have_a_tolerance() {
        let epsilon = Epsilon::new(1e-10).unwrap();
        let check = |found| check_count("clicks", found, 20_000, 0.9, epsilon);
        assert!(check(18_000).is_ok() && check(17_520).is_ok() && check(18_480).is_ok());
        let few = check(17_000).unwrap_err();
        assert_eq!((few.found, few.expected), (17_000.0, 18_000.0));
        assert!(check(20_000).is_err());
    }
}
