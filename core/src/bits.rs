//! Packed bit strings over 64-bit words.
//!
//! Bit `i` is bit `i % 64` (least significant first) of word `i / 64`. Unused high bits of the
//! last word are zero. A word is one circulant's worth of bits, so the quasi-cyclic encoder rotates
//! whole words; `u64` is plain integer arithmetic on 32-bit targets too.

/// Bits in a word.
pub const WORD_BITS: usize = 64;

/// Words needed for `bits` bits.
///
/// ```
/// assert_eq!(caligo_core::bits::words_for(65), 2);
/// ```
pub const fn words_for(bits: usize) -> usize {
    bits.div_ceil(WORD_BITS)
}

/// Bit `i` of `words`; `false` if it lies outside.
#[inline(always)]
pub fn get(words: &[u64], i: usize) -> bool {
    words.get(i / WORD_BITS).is_some_and(|word| word >> (i % WORD_BITS) & 1 == 1)
}

/// Sets bit `i` of `words` to `value`; nothing if it lies outside.
#[inline(always)]
pub fn set(words: &mut [u64], i: usize, value: bool) {
    let mask = 1u64 << (i % WORD_BITS);
    if let Some(word) = words.get_mut(i / WORD_BITS) {
        *word = (*word & !mask) | (u64::from(value) << (i % WORD_BITS));
    }
}

/// Number of ones.
pub fn count_ones(words: &[u64]) -> usize {
    words.iter().map(|w| w.count_ones() as usize).sum()
}

/// Number of positions in which `a` and `b` differ, over their common length.
pub fn distance(a: &[u64], b: &[u64]) -> usize {
    a.iter().zip(b).map(|(x, y)| (x ^ y).count_ones() as usize).sum()
}

/// `a ^= b`, word by word, over their common length.
pub fn xor_assign(a: &mut [u64], b: &[u64]) {
    for (x, y) in a.iter_mut().zip(b) {
        *x ^= y;
    }
}

/// Clears every bit at or after `bits`.
pub fn clear_tail(words: &mut [u64], bits: usize) {
    for word in words.iter_mut().skip(words_for(bits)) {
        *word = 0;
    }
    if !bits.is_multiple_of(WORD_BITS)
        && let Some(last) = words.get_mut(bits / WORD_BITS)
    {
        *last &= (1u64 << (bits % WORD_BITS)) - 1;
    }
}

/// Copies `len` bits from `src` at bit `src_at` to `dst` at bit `dst_at`; other bits of `dst` stay. It ends where either
/// slice does.
pub fn copy(src: &[u64], src_at: usize, dst: &mut [u64], dst_at: usize, len: usize) {
    let mut done = 0;
    while done < len {
        let take = (len - done)
            .min(WORD_BITS - (src_at + done) % WORD_BITS)
            .min(WORD_BITS - (dst_at + done) % WORD_BITS);
        let mask = u64::MAX >> (WORD_BITS - take);
        let from = src.get((src_at + done) / WORD_BITS);
        let Some((from, word)) = from.zip(dst.get_mut((dst_at + done) / WORD_BITS)) else { return };
        let bits = from >> ((src_at + done) % WORD_BITS) & mask;
        let shift = (dst_at + done) % WORD_BITS;
        *word = (*word & !(mask << shift)) | bits << shift;
        done += take;
    }
}

/// Scatters the low bits of `value` to the one-positions of `mask`, lowest first.
#[inline]
pub fn deposit(mut value: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        out |= lowest & (value & 1).wrapping_neg();
        value >>= 1;
        mask ^= lowest;
    }
    out
}

/// Gathers the bits of `value` at the one-positions of `mask` into the low bits, lowest first.
#[inline]
pub fn extract(value: u64, mut mask: u64) -> u64 {
    let mut out = 0;
    let mut at = 0;
    while mask != 0 {
        let lowest = mask & mask.wrapping_neg();
        out |= u64::from(value & lowest != 0) << at;
        at += 1;
        mask ^= lowest;
    }
    out
}

/// The first one at `from` or after it.
pub fn next_one(words: &[u64], from: usize) -> Option<usize> {
    let first = from / WORD_BITS;
    let head = words.get(first)? & u64::MAX << (from % WORD_BITS);
    let rest = words.iter().enumerate().skip(first + 1).map(|(w, &word)| (w, word));
    let (w, word) = core::iter::once((first, head)).chain(rest).find(|(_, word)| *word != 0)?;
    Some(w * WORD_BITS + word.trailing_zeros() as usize)
}

/// Iterates over the positions of the ones, ascending.
pub fn ones(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(w, &word)| {
        let mut rest = word;
        core::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let bit = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(w * WORD_BITS + bit)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copy_moves_exactly_the_named_bits() {
        let src = [0xdead_beef_0123_4567u64, 0x89ab_cdef_0bad_f00d, 0x5555_aaaa_3333_cccc];
        for (from, to, len) in [(0, 0, 192), (3, 70, 100), (63, 1, 65), (64, 64, 64), (10, 10, 0)] {
            let mut dst = [u64::MAX; 3];
            copy(&src, from, &mut dst, to, len);
            for i in 0..192 {
                let want = if (to..to + len).contains(&i) { get(&src, from + i - to) } else { true };
                assert_eq!(get(&dst, i), want, "bit {i} of copy {from}->{to} len {len}");
            }
        }
    }

    #[test]
    fn deposit_and_extract_are_inverse() {
        let mask = 0xf0f0_1234_8000_0001;
        let value = 0b1_0110_1011_0101;
        assert_eq!(extract(deposit(value, mask), mask), value & ((1 << mask.count_ones()) - 1));
    }

    #[test]
    fn clear_tail_keeps_the_head() {
        let mut words = [u64::MAX; 3];
        clear_tail(&mut words, 70);
        assert_eq!(words, [u64::MAX, 0x3f, 0]);
        clear_tail(&mut words, 64);
        assert_eq!(words, [u64::MAX, 0, 0]);
    }
}
