//! One universal-hash tag over all blocks, and block tags where it differs.

use caligo_core::bits;
use caligo_core::leakage::{Disclosed, LeakBits};
use caligo_core::verify;

use super::local::{Block, Decoded};
use crate::entropy;
use crate::keyfile::Key;

/// Which blocks are right.
pub(super) struct Verdict {
    /// Converged and verified.
    pub(super) good: Vec<bool>,
    /// log2 of the bound on the chance that a wrong key verified; none if nothing did.
    pub(super) undetected_log2: Option<f64>,
}

/// One tag over all converged blocks; if it differs, one a block.
pub(super) fn verify_blocks(
    sent: &Key,
    blocks: &[Block<'_>],
    decoded: &[Decoded],
    disclosed: &mut Disclosed,
) -> Result<Verdict, getrandom::Error> {
    let mut good: Vec<bool> = decoded.iter().map(|d| d.converged).collect();
    let total: usize = blocks.iter().zip(&good).filter(|b| *b.1).map(|b| b.0.pattern.payload()).sum();
    if total == 0 {
        return Ok(Verdict { good, undetected_log2: None });
    }
    let (mut alice, mut bob) = (Key::zeros(total), Key::zeros(total));
    let mut at = 0;
    for ((block, result), _) in blocks.iter().zip(decoded).zip(&good).filter(|b| *b.1) {
        let bits = block.pattern.payload();
        bits::copy(&sent.words, block.start, &mut alice.words, at, bits);
        bits::copy(&result.payload, 0, &mut bob.words, at, bits);
        at += bits;
    }
    disclosed.tag += LeakBits(verify::TAG_BITS as u64);
    let undetected_log2 = verify::collision_log2(total);
    if tags_agree(&alice, &bob)? {
        return Ok(Verdict { good, undetected_log2: Some(undetected_log2) });
    }
    // The whole and every part each had a chance of their own.
    let mut chance = undetected_log2.exp2();
    for (number, (block, result)) in blocks.iter().zip(decoded).enumerate() {
        if !good[number] {
            continue;
        }
        let bits = block.pattern.payload();
        let mut part = Key::zeros(bits);
        bits::copy(&sent.words, block.start, &mut part.words, 0, bits);
        let other = Key { words: result.payload.to_vec(), bits };
        disclosed.tag += LeakBits(verify::TAG_BITS as u64);
        chance += verify::collision_log2(bits).exp2();
        if !tags_agree(&part, &other)? {
            good[number] = false;
        }
    }
    Ok(Verdict { good, undetected_log2: Some(chance.log2()) })
}

/// Alice's tag under a fresh key, compared with Bob's.
fn tags_agree(alice: &Key, bob: &Key) -> Result<bool, getrandom::Error> {
    let mut key = [0];
    entropy::fill(&mut key)?;
    let tag = |k: &Key| verify::tag(&k.words, k.bits, key[0]);
    Ok(verify::same(tag(alice), tag(bob)))
}

#[cfg(test)]
mod tests {
    use caligo_core::puncture::Pattern;

    use super::*;
    use crate::channel;

    /// Three blocks of 64 bits, of which `wrong` converged to another string.
    fn verdict(wrong: &[usize], failed: &[usize]) -> (Verdict, Disclosed) {
        let sent = Key { words: channel::random_bits(192, &mut channel::stream(1, 1)), bits: 192 };
        let (punctured, mut shortened) = ([0; 2], [0; 2]);
        shortened[1] = u64::MAX;
        let pattern = Pattern::from_masks(128, &punctured, &shortened).unwrap();
        let blocks: Vec<Block<'_>> = (0..3).map(|i| Block { start: i * 64, pattern }).collect();
        let decoded: Vec<Decoded> = (0..3)
            .map(|i| Decoded {
                payload: vec![sent.words[i] ^ u64::from(wrong.contains(&i)) << 40].into(),
                converged: !failed.contains(&i),
                first_failed: failed.contains(&i),
                iterations: 1,
                disclosed: Disclosed::default(),
            })
            .collect();
        let mut disclosed = Disclosed::default();
        (verify_blocks(&sent, &blocks, &decoded, &mut disclosed).unwrap(), disclosed)
    }

    #[test]
    fn one_tag_accepts_what_is_right() {
        let (verdict, disclosed) = verdict(&[], &[1]);
        assert_eq!(verdict.good, [true, false, true]);
        assert_eq!(disclosed.tag, LeakBits(64));
    }

    #[test]
    fn a_wrong_block_is_found_and_every_tag_charged() {
        let (verdict, disclosed) = verdict(&[2], &[]);
        assert_eq!(verdict.good, [true, true, false]);
        assert!(verdict.undetected_log2 > Some(verify::collision_log2(192)));
        assert_eq!(disclosed.tag, LeakBits(4 * 64));
    }

    #[test]
    fn nothing_to_verify_discloses_nothing() {
        let (verdict, disclosed) = verdict(&[], &[0, 1, 2]);
        assert_eq!((verdict.good, verdict.undetected_log2), (vec![false; 3], None));
        assert_eq!(disclosed.tag, LeakBits(0));
    }
}
