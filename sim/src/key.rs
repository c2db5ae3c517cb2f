//! A string of key bits.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use caligo_core::bits::{self, words_for};
use zeroize::Zeroize;

/// Largest key in bits; positions are 32-bit.
pub const MAX_BITS: usize = u32::MAX as usize;

/// A string of bits, packed as the core packs them. Wiped when dropped; its content is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// Words, least significant bit first.
    pub words: Vec<u64>,
    /// Length in bits.
    pub bits: usize,
}

impl Drop for Key {
    fn drop(&mut self) {
        self.words.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({} bits)", self.bits)
    }
}

impl Key {
    /// `bits` zeros.
    pub fn zeros(bits: usize) -> Self {
        Self { words: vec![0; words_for(bits)], bits }
    }

    /// Bit `i`.
    ///
    /// # Panics
    /// If `i` is not below the length.
    pub fn get(&self, i: usize) -> bool {
        bits::get(&self.words, i)
    }

    /// A key from single bits.
    pub fn from_bits(values: impl IntoIterator<Item = bool>) -> Self {
        let values = values.into_iter();
        // Room for all of them: growing would leave copies behind.
        let room = values.size_hint().1.unwrap_or(0).min(MAX_BITS);
        let mut key = Self { words: Vec::with_capacity(words_for(room)), bits: 0 };
        for value in values {
            if key.bits.is_multiple_of(64) {
                key.words.push(0);
            }
            if value {
                bits::set(&mut key.words, key.bits, true);
            }
            key.bits += 1;
        }
        key
    }

    /// Its bits, first to last.
    pub fn iter(&self) -> impl Iterator<Item = bool> + '_ {
        (0..self.bits).map(|i| self.get(i))
    }
}
