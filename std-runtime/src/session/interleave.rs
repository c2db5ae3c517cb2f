//! A public random permutation of the key: bursts and drift spread over all blocks.

use caligo_core::bits;

use crate::channel;
use crate::entropy;
use crate::keyfile::Key;

/// Position i of the permuted key is position `permutation[i]` of the key.
pub(super) fn permutation(bits: usize, seed: Option<u64>) -> Result<Vec<u32>, getrandom::Error> {
    let seed = if let Some(seed) = seed {
        seed
    } else {
        let mut word = [0];
        entropy::fill(&mut word)?;
        word[0]
    };
    let mut order: Vec<u32> = (0..bits as u32).collect();
    channel::shuffle(&mut order, &mut channel::stream(seed, u64::MAX));
    Ok(order)
}

/// The key in permuted order.
pub(super) fn permuted(key: &Key, permutation: &[u32]) -> Key {
    Key::from_bits(permutation.iter().map(|&i| key.get(i as usize)))
}

/// A permuted key in its natural order, less the positions not kept.
pub(super) fn unpermuted(key: &Key, permutation: &[u32], kept: &[bool]) -> Key {
    let mut natural = Key::zeros(key.bits);
    for (i, &to) in permutation.iter().enumerate() {
        if key.get(i) {
            bits::set(&mut natural.words, to as usize, true);
        }
    }
    Key::from_bits(natural.iter().zip(kept).filter(|&(_, &k)| k).map(|(b, _)| b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permuting_back_gives_the_kept_bits_in_order() {
        let key = Key { words: channel::random_bits(200, &mut channel::stream(1, 1)), bits: 200 };
        let order = permutation(200, Some(9)).unwrap();
        let kept: Vec<bool> = (0..200).map(|i| i % 7 != 3).collect();
        let back = unpermuted(&permuted(&key, &order), &order, &kept);
        let want = Key::from_bits(key.iter().zip(&kept).filter(|&(_, &k)| k).map(|(b, _)| b));
        assert!(back == want);
        assert!(permutation(200, Some(9)).unwrap() == order);
        assert!(permutation(200, None).unwrap() != order);
    }
}
