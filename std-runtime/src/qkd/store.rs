//! The memory of key distribution's machines on a host, wiped when it is dropped.

use caligo_core::bits::words_for;
use caligo_core::qkd::{AmplifyingMemory, Sifting, SiftingMemory};
use caligo_core::sift::Record;
use zeroize::Zeroize;

use crate::keyfile::Key;

/// A party's memory for sifting.
pub struct SiftingStore {
    words: Vec<u64>,
    key: Vec<u64>,
}

impl SiftingStore {
    /// Memory for `rounds` rounds.
    pub fn new(rounds: usize) -> Self {
        Self { words: vec![0; Sifting::words(rounds)], key: vec![0; words_for(rounds)] }
    }

    /// What a machine borrows, for what the party's detectors recorded.
    pub fn memory<'m>(&'m mut self, record: Record<'m>) -> SiftingMemory<'m> {
        SiftingMemory { record, words: &mut self.words, key: &mut self.key }
    }

    /// The sifted key, of `bits` bits.
    pub fn key(&self, bits: usize) -> Key {
        Key { words: self.key[..words_for(bits).min(self.key.len())].to_vec(), bits }
    }
}

impl Drop for SiftingStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.key.zeroize();
    }
}

/// A party's memory for privacy amplification. Seeds are public.
pub struct AmplifyingStore {
    seed: Vec<u64>,
    key: Key,
}

impl AmplifyingStore {
    /// Memory for whatever is hashed from `verified`: no key is longer, and no seed than both.
    pub fn new(verified: &Key) -> Self {
        Self { seed: vec![0; 2 * verified.words.len()], key: Key::zeros(verified.bits) }
    }

    /// What a machine borrows to hash `verified`. The host's hash brings its own scratch.
    pub fn memory<'m>(&'m mut self, verified: &'m Key) -> AmplifyingMemory<'m> {
        let Self { seed, key } = self;
        AmplifyingMemory { verified: &verified.words, seed, scratch: &mut [], key: &mut key.words }
    }

    /// The key, of `length` bits.
    pub fn into_key(mut self, length: usize) -> Key {
        self.key.words.truncate(words_for(length));
        self.key.bits = length;
        self.key
    }
}

impl std::fmt::Debug for SiftingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SiftingStore").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for AmplifyingStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmplifyingStore").finish_non_exhaustive()
    }
}
