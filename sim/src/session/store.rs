//! The machines' memory on a host, wiped when it is dropped.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits::words_for;
use caligo_core::reconcile::block::Slot;
use caligo_core::reconcile::estimate::Class;
use caligo_core::reconcile::{Alice, AliceMemory, Bob, BobMemory};
use zeroize::Zeroize;

use crate::Key;

/// Blocks of `n` bits in flight on a host: 256, or fewer of a longer code, so that memory is the same. Half of them
/// share a tag.
pub fn window(n: usize) -> u16 {
    const BITS: usize = 256 * 4096;
    (BITS / n.max(1)).clamp(16, 256) as u16
}

/// Words of scratch for tags over half a window, and for the sample.
fn scratch(n: usize, window: u16, bits: usize) -> Vec<u64> {
    vec![0; words_for(bits).min(words_for(n) * usize::from(window / 2)).max(1)]
}

/// Alice's memory.
pub struct AliceStore {
    key: Key,
    slots: Vec<Slot>,
    words: Vec<u64>,
    scratch: Vec<u64>,
}

impl AliceStore {
    /// Memory for `key`, in the agreed permutation, a code of `n` bits and `window` blocks in flight.
    pub fn new(key: Key, n: usize, window: u16) -> Self {
        let scratch = scratch(n, window, key.bits);
        let window = usize::from(window);
        Self { key, slots: vec![Slot::default(); window], words: vec![0; Alice::words(n, window)], scratch }
    }

    /// What the machine borrows.
    pub fn memory(&mut self) -> AliceMemory<'_> {
        AliceMemory {
            key: &self.key.words,
            slots: &mut self.slots,
            words: &mut self.words,
            scratch: &mut self.scratch,
        }
    }
}

impl Drop for AliceStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.scratch.zeroize();
    }
}

/// Bob's memory.
pub struct BobStore {
    key: Key,
    classes: Vec<u8>,
    rates: Vec<Class>,
    slots: Vec<Slot>,
    words: Vec<u64>,
    scratch: Vec<u64>,
}

impl BobStore {
    /// Memory for a key of `bits` bits, `classes` classes (0 for no side information), a code of `n` bits and `window`
    /// blocks in flight.
    pub fn new(bits: usize, classes: usize, n: usize, window: u16) -> Self {
        let scratch = scratch(n, window, bits);
        let window = usize::from(window);
        Self {
            key: Key::zeros(bits),
            classes: vec![0; if classes > 0 { bits } else { 0 }],
            rates: vec![Class::default(); classes.max(1)],
            slots: vec![Slot::default(); window],
            words: vec![0; Bob::words(n, window)],
            scratch,
        }
    }

    /// What the machine borrows.
    pub fn memory(&mut self) -> BobMemory<'_> {
        BobMemory {
            key: &mut self.key.words,
            classes: &mut self.classes,
            rates: &mut self.rates,
            slots: &mut self.slots,
            words: &mut self.words,
            scratch: &mut self.scratch,
        }
    }

    /// The key as the machine left it, in the agreed permutation.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// What was learnt about the error rates.
    pub fn rates(&self) -> &[Class] {
        &self.rates
    }
}

impl Drop for BobStore {
    fn drop(&mut self) {
        self.words.zeroize();
        self.scratch.zeroize();
        self.classes.zeroize();
    }
}

impl core::fmt::Debug for AliceStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("AliceStore").finish_non_exhaustive()
    }
}

impl core::fmt::Debug for BobStore {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("BobStore").finish_non_exhaustive()
    }
}
