//! The memory of a transfer's machines on a host, allocated once for many transfers and wiped after each.

use caligo_core::bits::words_for;
use caligo_core::ot::{Alice, AliceMemory, Block, Bob, BobMemory, Correction, Setup};
use caligo_core::sift::Record;
use zeroize::Zeroize;

/// Words of a string: none is longer than a set, and no set has more than half of the rounds.
const fn string_words(rounds: usize) -> usize {
    words_for(rounds.div_ceil(2))
}

/// Blocks have at least so many bits, as a part of the code's length: more blocks than that are refused.
const LEAST_PAYLOAD: usize = 8;

/// Blocks of a set at most.
fn most_blocks(setup: &Setup<'_>, rounds: usize) -> usize {
    rounds / 2 / (setup.code.n() / LEAST_PAYLOAD).max(1) + 8
}

/// Alice's memory.
#[derive(Default)]
pub struct AliceStore {
    words: Vec<u64>,
    padding: Vec<u64>,
    strings: [Vec<u64>; 2],
}

/// Bob's memory.
#[derive(Default)]
pub struct BobStore {
    words: Vec<u64>,
    blocks: Vec<Block>,
    syndromes: Vec<u64>,
    string: Vec<u64>,
}

impl AliceStore {
    /// Memory for `rounds` rounds.
    pub fn new(setup: &Setup<'_>, rounds: usize, correction: Correction) -> Self {
        let mut store = Self::default();
        store.fit(setup, rounds, correction);
        store
    }

    /// As large as `rounds` rounds need. What it held must have been wiped.
    pub fn fit(&mut self, setup: &Setup<'_>, rounds: usize, correction: Correction) {
        let padding = match correction {
            Correction::OneWay => 0,
            Correction::BlindUnder(_) => Alice::padding_words(setup, most_blocks(setup, rounds)),
        };
        self.words.resize(Alice::words(rounds, setup.code.n()), 0);
        self.padding.resize(padding, 0);
        self.strings.iter_mut().for_each(|string| string.resize(string_words(rounds), 0));
    }

    /// What a machine borrows, for what her detectors recorded.
    pub fn memory<'m>(&'m mut self, record: Record<'m>) -> AliceMemory<'m> {
        let [first, second] = &mut self.strings;
        AliceMemory { record, words: &mut self.words, padding: &mut self.padding, strings: [first, second] }
    }

    /// Her strings, `length` bits each.
    pub fn strings(&self, length: usize) -> [&[u64]; 2] {
        self.strings.each_ref().map(|string| &string[..words_for(length).min(string.len())])
    }

    /// Forgets the strings; the machine has wiped the rest.
    pub fn wipe(&mut self) {
        self.strings.iter_mut().for_each(|string| string[..].zeroize());
    }
}

impl BobStore {
    /// Memory for `rounds` rounds.
    pub fn new(setup: &Setup<'_>, rounds: usize) -> Self {
        let mut store = Self::default();
        store.fit(setup, rounds);
        store
    }

    /// As large as `rounds` rounds need. What it held must have been wiped.
    pub fn fit(&mut self, setup: &Setup<'_>, rounds: usize) {
        let blocks = most_blocks(setup, rounds);
        self.words.resize(Bob::words(rounds, setup.code.n()), 0);
        self.blocks.resize(blocks, Block::default());
        self.syndromes.resize(blocks * words_for(setup.code.m()), 0);
        self.string.resize(string_words(rounds), 0);
    }

    /// What a machine borrows, for what his detectors recorded.
    pub fn memory<'m>(&'m mut self, record: Record<'m>) -> BobMemory<'m> {
        BobMemory {
            record,
            words: &mut self.words,
            blocks: &mut self.blocks,
            syndromes: &mut self.syndromes,
            string: &mut self.string,
        }
    }

    /// His string, of `length` bits.
    pub fn string(&self, length: usize) -> &[u64] {
        &self.string[..words_for(length).min(self.string.len())]
    }

    /// Forgets the string; the machine has wiped the rest.
    pub fn wipe(&mut self) {
        self.string[..].zeroize();
    }
}

impl Drop for AliceStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.padding.zeroize();
        self.strings.zeroize();
    }
}

impl Drop for BobStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.syndromes.zeroize();
        self.string.zeroize();
    }
}

impl std::fmt::Debug for AliceStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AliceStore").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for BobStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BobStore").finish_non_exhaustive()
    }
}
