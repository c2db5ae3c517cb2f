//! Strings of a bit a round, in frames of the size that a party likes.

use crate::bits::{WORD_BITS, words_for};
use crate::ot::Abort;
use crate::wire::{Bits, Span};

/// The part of `string`, of `total` bits, from bit `at` on that goes into one frame of `chunk` bits; a multiple of
/// 64 but for the last.
pub(crate) fn cut(string: &[u64], total: usize, at: usize, chunk: usize) -> Result<Bits<'_>, Abort> {
    let len = chunk.min(total.saturating_sub(at));
    let words = string.get(at / WORD_BITS..).ok_or(Abort::Host("words: too few"))?;
    Ok(Bits::of(words, len)?)
}

/// Copies `bits`, which begin at `offset`, to `string` of `total` bits, of which those before `at` have come. Where the
/// next begin.
pub(crate) fn paste(
    bits: &Bits<'_>,
    offset: u32,
    string: &mut [u64],
    total: usize,
    at: usize,
) -> Result<usize, Abort> {
    const REFUSED: Abort = Abort::Contradiction("bits: expected the next ones, whole words up to the last");
    let end = at + bits.len();
    let whole = end == total || bits.len().is_multiple_of(WORD_BITS);
    if offset as usize != at || bits.is_empty() || end > total || !whole {
        return Err(REFUSED);
    }
    let words = string.get_mut(at / WORD_BITS..).and_then(|words| words.get_mut(..words_for(bits.len())));
    bits.copy_to(words.ok_or(Abort::Host("words: too few"))?);
    Ok(end)
}

/// [`paste`] of a span, which must be of part `part`.
pub(crate) fn paste_span(
    span: &Span<'_>,
    part: u8,
    string: &mut [u64],
    total: usize,
    at: usize,
) -> Result<usize, Abort> {
    if span.part != part {
        return Err(Abort::Contradiction("part: expected both, one after the other"));
    }
    paste(&span.bits, span.offset, string, total, at)
}

/// Cuts rows of `row` words each off `words`.
pub(crate) fn rows<const K: usize>(
    words: &mut [u64],
    row: usize,
) -> Result<([&mut [u64]; K], &mut [u64]), Abort> {
    let mut rest = words;
    let mut cut: [&mut [u64]; K] = [(); K].map(|()| <&mut [u64]>::default());
    for slice in &mut cut {
        let (head, tail) =
            core::mem::take(&mut rest).split_at_mut_checked(row).ok_or(Abort::Host("words: too few"))?;
        (*slice, rest) = (head, tail);
    }
    Ok((cut, rest))
}
