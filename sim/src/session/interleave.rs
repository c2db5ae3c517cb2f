//! A public random permutation of the key: bursts and drift spread over all blocks.

use alloc::vec::Vec;

use caligo_core::bits;

use crate::{Key, channel};

/// Position i of the permuted key is position `permutation[i]` of the key.
pub fn permutation(bits: usize, seed: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..bits as u32).collect();
    channel::shuffle(&mut order, &mut channel::stream(seed, u64::MAX));
    order
}

/// The key in permuted order.
pub fn permuted(key: &Key, permutation: &[u32]) -> Key {
    Key::from_bits(permutation.iter().map(|&i| key.get(i as usize)))
}

/// A permuted key in its natural order, less the positions not kept (a mask over the permuted key).
pub fn unpermuted(key: &Key, permutation: &[u32], kept: &[u64]) -> Key {
    let (mut natural, mut keep) = (Key::zeros(key.bits), Key::zeros(key.bits));
    for (i, &to) in permutation.iter().enumerate() {
        bits::set(&mut natural.words, to as usize, key.get(i));
        bits::set(&mut keep.words, to as usize, bits::get(kept, i));
    }
    Key::from_bits(natural.iter().zip(keep.iter()).filter(|&(_, keep)| keep).map(|(bit, _)| bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_back_gives_the_kept_bits_in_order() {
        let key = Key { words: channel::random_bits(200, &mut channel::stream(1, 1)), bits: 200 };
        let order = permutation(200, 9);
        let mut kept = vec![u64::MAX; 4];
        let dropped = [3, 77, 78, 199];
        dropped.iter().for_each(|&i| bits::set(&mut kept, i, false));
        let back = unpermuted(&permuted(&key, &order), &order, &kept);
        let gone: Vec<usize> = dropped.iter().map(|&i| order[i] as usize).collect();
        let want = Key::from_bits((0..200).filter(|i| !gone.contains(i)).map(|i| key.get(i)));
        assert!(back == want);
        assert!(permutation(200, 9) == order && permutation(200, 10) != order);
    }
}
