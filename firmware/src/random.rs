//! Reproducible random words: splitmix64. A device takes its private randomness from a hardware generator instead.

pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    pub(crate) fn fill(&mut self, words: &mut [u64]) {
        words.iter_mut().for_each(|word| *word = self.next());
    }

    /// A word whose bits are 1 with probability `ppm` millionths.
    pub(crate) fn errors(&mut self, ppm: u32) -> u64 {
        let threshold = ((u64::from(ppm) << 32) / 1_000_000) as u32;
        (0..64).fold(0, |word, i| word | u64::from((self.next() >> 32) as u32 <= threshold) << i)
    }
}
