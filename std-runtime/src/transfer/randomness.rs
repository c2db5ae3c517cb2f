//! Whether strings look random: ones, runs, and bits equal to those some places before.
//!
//! In: strings of bits. Out: counts that add up over strings, and standard deviations from what fair coins give.

use caligo_core::bits::{self, words_for};
use serde::Serialize;

/// Distances at which bits are compared.
pub const LAGS: [usize; 4] = [1, 2, 7, 64];

/// Counts over strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Randomness {
    bits: u64,
    ones: u64,
    /// Pairs of bits at each distance, and how many of them are equal.
    pairs: [u64; LAGS.len()],
    equal: [u64; LAGS.len()],
}

/// Standard deviations from fair coins. `None` where there is nothing to judge by.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Bits of all strings.
    pub bits: u64,
    /// Ones.
    pub ones: u64,
    /// Monobit: ones above half of the bits.
    pub monobit_sigmas: Option<f64>,
    /// Runs of equal bits above their number for as many ones (Wald and Wolfowitz 1940, as in NIST SP 800-22).
    pub runs_sigmas: Option<f64>,
    /// Serial correlation: pairs of equal bits above half of them.
    pub serial: Vec<Serial>,
}

/// Serial correlation at one distance.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Serial {
    /// Distance in bits.
    pub lag: usize,
    /// Standard deviations.
    pub sigmas: Option<f64>,
}

impl Randomness {
    /// Adds the first `len` bits of `string`; bits behind them are zeros.
    pub fn add(&mut self, string: &[u64], len: usize) {
        let string = &string[..words_for(len).min(string.len())];
        self.bits += len as u64;
        self.ones += bits::count_ones(string) as u64;
        for (lag, (pairs, equal)) in LAGS.into_iter().zip(self.pairs.iter_mut().zip(&mut self.equal)) {
            let compared = len.saturating_sub(lag);
            let mut differ = 0;
            for (w, word) in string.iter().enumerate().take(words_for(compared)) {
                let used = (compared - w * 64).min(64);
                let later = shifted(string, w, lag);
                differ += u64::from(((word ^ later) << (64 - used)).count_ones());
            }
            *pairs += compared as u64;
            *equal += compared as u64 - differ;
        }
    }

    /// Adds the counts of other strings.
    pub fn merge(&mut self, other: &Self) {
        self.bits += other.bits;
        self.ones += other.ones;
        for i in 0..LAGS.len() {
            self.pairs[i] += other.pairs[i];
            self.equal[i] += other.equal[i];
        }
    }

    /// What the counts say.
    pub fn figures(&self) -> Figures {
        let part = self.ones as f64 / self.bits as f64;
        // Neighbours differ with probability 2 p (1 - p) where ones have probability p.
        let (pairs, differ) = (self.pairs[0] as f64, (self.pairs[0] - self.equal[0]) as f64);
        let expected = 2.0 * part * (1.0 - part);
        let runs = (differ - pairs * expected) / (pairs.sqrt() * expected);
        let serial = |(i, lag)| Serial { lag, sigmas: balance(self.equal[i], self.pairs[i]) };
        Figures {
            bits: self.bits,
            ones: self.ones,
            monobit_sigmas: balance(self.ones, self.bits),
            runs_sigmas: runs.is_finite().then_some(runs),
            serial: LAGS.into_iter().enumerate().map(serial).collect(),
        }
    }
}

impl Figures {
    /// The greatest deviation; infinite where one is missing.
    pub fn worst(&self) -> f64 {
        let serial = self.serial.iter().map(|serial| serial.sigmas);
        let all = [self.monobit_sigmas, self.runs_sigmas].into_iter().chain(serial);
        all.map(|sigmas| sigmas.map_or(f64::INFINITY, f64::abs)).fold(0.0, f64::max)
    }
}

/// Word `w` of the string without its first `lag` bits, at most 64.
fn shifted(string: &[u64], w: usize, lag: usize) -> u64 {
    let next = string.get(w + 1).copied().unwrap_or(0);
    if lag == 64 { next } else { string[w] >> lag | next << (64 - lag) }
}

/// Standard deviations of `count` of `all` above one half.
fn balance(count: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| (2.0 * count as f64 - all as f64) / (all as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::{random_bits, stream};

    fn naive(string: &[u64], len: usize) -> Randomness {
        let bit = |i: usize| bits::get(string, i);
        let mut counts = Randomness { bits: len as u64, ..Randomness::default() };
        counts.ones = (0..len).filter(|&i| bit(i)).count() as u64;
        for (k, lag) in LAGS.into_iter().enumerate() {
            counts.pairs[k] = len.saturating_sub(lag) as u64;
            counts.equal[k] = (lag..len).filter(|&i| bit(i) == bit(i - lag)).count() as u64;
        }
        counts
    }

    #[test]
    fn counts_are_those_of_single_bits() {
        let mut sum = [Randomness::default(); 2];
        for len in [1, 2, 63, 64, 65, 128, 129, 1000, 4096] {
            let string = random_bits(len, &mut stream(5, len as u64));
            let mut counts = Randomness::default();
            counts.add(&string, len);
            assert_eq!(counts, naive(&string, len), "{len}");
            sum[0].add(&string, len);
            sum[1].merge(&counts);
        }
        assert_eq!(sum[0], sum[1]);
    }

    /// Each figure tells a string made to fail it from a random one.
    #[test]
    fn what_is_not_random_is_seen() {
        let len = 1 << 16;
        let figures = |string: &[u64]| {
            let mut counts = Randomness::default();
            counts.add(string, len);
            counts.figures()
        };
        let random = random_bits(len, &mut stream(6, 0));
        assert!(figures(&random).worst() < 4.0);
        let biased: Vec<u64> = random.iter().map(|word| word | 1).collect();
        assert!(figures(&biased).monobit_sigmas.unwrap() > 3.0);
        let alternating = vec![0xaaaa_aaaa_aaaa_aaaa; len / 64];
        let alternating = figures(&alternating);
        assert!(alternating.monobit_sigmas == Some(0.0) && alternating.runs_sigmas.unwrap() > 100.0);
        let repeated = vec![random[0]; len / 64];
        assert!(figures(&repeated).serial[3].sigmas.unwrap() > 100.0);
        assert_eq!(Randomness::default().figures().worst(), f64::INFINITY);
    }
}
