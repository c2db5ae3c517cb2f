//! Keyed permutations of 0 to n - 1, without a table.

use crate::channel::mix;

/// Rounds of the Feistel network: four make a pseudorandom permutation where its halves are wide (Luby and Rackoff
/// 1988), and halves of a few bits need more.
const ROUNDS: usize = 8;

/// A permutation of 0 to n - 1: an unbalanced Feistel network over the next power of two, walked along its cycle until
/// it is below n again (Black and Rogaway 2002), which takes less than two steps on average.
#[derive(Clone, Debug)]
pub struct Permutation {
    keys: [u64; ROUNDS],
    len: u64,
    /// Bits of the lower part, and of the upper one.
    bits: [u32; 2],
}

impl Permutation {
    /// The permutation of 0 to `len` - 1 that `key` chooses.
    pub(super) fn new(key: u64, len: u64) -> Self {
        let bits = u64::BITS - len.saturating_sub(1).leading_zeros();
        Self {
            keys: std::array::from_fn(|round| mix(key.wrapping_add(round as u64))),
            len,
            bits: [bits.div_ceil(2), bits / 2],
        }
    }

    /// Where `index`, less than n, goes.
    pub(super) fn of(&self, index: u64) -> u64 {
        let mut at = index;
        loop {
            at = self.step(at);
            // Cycles close: one that began below n comes back there.
            if at < self.len || self.len == 0 {
                return at;
            }
        }
    }

    fn step(&self, at: u64) -> u64 {
        let [low_bits, high_bits] = self.bits;
        let mask = |bits: u32| (1u64 << bits) - 1;
        let (mut low, mut high) = (at & mask(low_bits), at >> low_bits);
        for pair in self.keys.as_chunks::<2>().0 {
            let [first, second] = *pair;
            low ^= mix(high ^ first) & mask(low_bits);
            high ^= mix(low ^ second) & mask(high_bits);
        }
        high << low_bits | low
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_once() {
        for len in (1..70).chain([100, 1000, 1023, 1024, 1025, 30_000]) {
            for key in 0..3 {
                let permutation = Permutation::new(key, len);
                let mut seen = vec![false; len as usize];
                for index in 0..len {
                    let at = permutation.of(index) as usize;
                    assert!(!std::mem::replace(&mut seen[at], true), "{len} {key}: {at} twice");
                }
            }
        }
    }

    /// 1/n of all go nowhere, one on average; and where each goes is spread evenly over keys.
    #[test]
    fn keys_choose() {
        for len in [5, 64, 1000] {
            let fixed: usize = (0..2000)
                .map(|key| {
                    let permutation = Permutation::new(key, len);
                    (0..len).filter(|&i| permutation.of(i) == i).count()
                })
                .sum();
            assert!((1800..2200).contains(&fixed), "{len}: {fixed}");
        }
        let mut counts = [0; 10];
        (0..10_000).for_each(|key| counts[Permutation::new(key, 10).of(3) as usize] += 1);
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }
}
