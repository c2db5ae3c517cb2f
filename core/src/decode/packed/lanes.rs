//! Four messages to a word: the arithmetic of [`Packed`](super::Packed) on 64 checks of a layer at a time.
//!
//! What takes most instructions is generic and never inlined: so it is compiled where it is called, for speed if that crate is,
//! and has all registers for itself.

use crate::decode::{Arithmetic, Corrected};

/// 64 lanes of a byte: byte j of word w is lane w + 16 j, so that a turn is another word and a rotation of it.
pub(super) type Lanes = [u32; 16];
/// 64 lanes of 16 bits: halves of word w are lanes w and w + 32, then w + 16 and w + 48.
pub(super) type Wide = [Lanes; 2];
const OFFSET: u32 = Corrected::STANDARD.offset() as u32 * ONES;
const KNOWN: u32 = Corrected::KNOWN as u32;

const ONES: u32 = 0x0101_0101;
/// The top bit of each byte: a message's sign, or room for a carry.
const TOP: u32 = 0x80 * ONES;
pub(super) const MAGNITUDE: u32 = 0x7f * ONES;
pub(super) const HALVES: u32 = 0x0001_0001;
const LOW_BYTES: u32 = 0xff * HALVES;
/// A message of zero: messages are kept with 128 added.
pub(super) const NOTHING: u32 = TOP;
/// What is added to an input, so that its top bit says that it is not negative.
pub(super) const INPUT: u32 = 0x8000 * HALVES;
/// What is added to a posterior: an input's bias and a message's.
const POSTERIOR: u32 = INPUT + 0x80 * HALVES;

/// Priors of 64 lanes: what is known, and what was received where anything was.
#[derive(Clone, Copy)]
pub(super) struct Prior {
    pub(super) channel: u32,
    pub(super) known: u64,
    pub(super) zeros: u64,
    pub(super) ones: u64,
}

/// Bits of lanes as [`Wide`] has them, word 0's in bits 0 and 16.
#[inline(always)]
pub(super) const fn halves_of(word: u64) -> [u32; 2] {
    let (low, high) = (word as u32, (word >> 32) as u32);
    [low & 0xffff | high << 16, low >> 16 | high & 0xffff_0000]
}

/// Bit 7 of each lane.
#[inline(always)]
pub(super) fn spread_signs(word: u64) -> Lanes {
    let ([mut even, mut odd], mut out) = (halves_of(word), Lanes::default());
    for lane in &mut out {
        *lane = (even & HALVES) << 7 | (odd & HALVES) << 15;
        (even, odd) = (even >> 1, odd >> 1);
    }
    out
}

/// The inverse of [`halves_of`].
#[inline(always)]
pub(super) fn word_of([even, odd]: [u32; 2]) -> u64 {
    u64::from(even >> 16 | odd & 0xffff_0000) << 32 | u64::from(even & 0xffff | odd << 16)
}

/// A word of messages, turned.
#[inline(always)]
pub(super) fn message_at(lanes: &Lanes, at: usize) -> u32 {
    lanes[at & 15].rotate_right(8 * (at as u32 >> 4))
}

/// Values of prior and messages, which are those of one or two checks.
#[inline(never)]
pub(super) fn sum(
    prior: Prior,
    (lanes, turn): (&Lanes, usize),
    second: impl Fn(usize) -> Option<u32>,
    values: &mut Lanes,
) {
    let ([mut even_zeros, mut odd_zeros], [mut even_ones, mut odd_ones]) =
        (halves_of(prior.zeros), halves_of(prior.ones));
    for (w, out) in values.iter_mut().enumerate() {
        let signed = |zeros: u32, ones: u32| {
            prior.channel.wrapping_mul((zeros & HALVES).wrapping_sub(ones & HALVES)).wrapping_add(INPUT)
        };
        let add = |message: u32| {
            let (even, odd) = (message & LOW_BYTES, message >> 8 & LOW_BYTES);
            (even.wrapping_sub(0x80 * HALVES), odd.wrapping_sub(0x80 * HALVES))
        };
        let (mut even, mut odd) = (signed(even_zeros, even_ones), signed(odd_zeros, odd_ones));
        let first = add(message_at(lanes, w + turn));
        (even, odd) = (even.wrapping_add(first.0), odd.wrapping_add(first.1));
        if let Some(message) = second(w) {
            let second = add(message);
            (even, odd) = (even.wrapping_add(second.0), odd.wrapping_add(second.1));
        }
        *out = value(even, odd);
        (even_zeros, even_ones) = (even_zeros >> 1, even_ones >> 1);
        (odd_zeros, odd_ones) = (odd_zeros >> 1, odd_ones >> 1);
    }
}

/// Sets lanes to the largest magnitude where `known`, negative where `ones`.
#[inline(never)]
pub(super) fn hold(values: &mut Lanes, known: u64, ones: u64) {
    for ((value, known), one) in values.iter_mut().zip(spread_signs(known)).zip(spread_signs(ones)) {
        let magnitude = known - (known >> 7);
        *value = *value & !(magnitude | known) | magnitude | one & known;
    }
}

/// Posteriors before there are messages.
pub(super) fn load_prior(wide: &mut Wide, prior: Prior) {
    let Prior { channel, known, zeros, ones } = prior;
    *wide = [[POSTERIOR; 16]; 2];
    for (amount, mask) in [(channel, !known), (KNOWN, known)] {
        for ((lanes, zeros), ones) in wide.iter_mut().zip(halves_of(zeros & mask)).zip(halves_of(ones & mask))
        {
            for (w, lane) in lanes.iter_mut().enumerate() {
                let signs = (zeros >> w & HALVES).wrapping_sub(ones >> w & HALVES);
                *lane = lane.wrapping_add(amount.wrapping_mul(signs));
            }
        }
    }
}

/// An edge's way forth: `before` becomes what is `last` before it, and itself.
#[inline(never)]
pub(super) fn absorb<const W: usize>(
    signs: &mut [u32; W],
    values: &[u32; W],
    last: &[u32; W],
    before: &mut [u32; W],
) {
    let pairs = signs.as_chunks_mut::<2>().0.iter_mut().zip(values.as_chunks::<2>().0);
    let chains = last.as_chunks::<2>().0.iter().zip(before.as_chunks_mut::<2>().0);
    // Two at a time, which an optimiser for size would not do.
    for (([sign, other_sign], [value, other]), ([last, other_last], [before, other_before])) in
        pairs.zip(chains)
    {
        *sign ^= value;
        *before = box_plus(*last, value & MAGNITUDE);
        *other_sign ^= other;
        *other_before = box_plus(*other_last, other & MAGNITUDE);
    }
}

/// An edge's way back: `messages` of what is `before` it and `running` behind it, and its values into that.
#[inline(never)]
pub(super) fn emit<const W: usize>(
    messages: &mut [u32; W],
    running: &mut [u32; W],
    signs: &[u32; W],
    before: &[u32; W],
) {
    let word = |message: &mut u32, running: &mut u32, sign: u32, before: u32| {
        let value = *message;
        *message = signed(box_plus(before, *running), value ^ sign);
        *running = box_plus(*running, value & MAGNITUDE);
    };
    let pairs = messages.as_chunks_mut::<2>().0.iter_mut().zip(running.as_chunks_mut::<2>().0);
    let given = signs.as_chunks::<2>().0.iter().zip(before.as_chunks::<2>().0);
    for (([a, b], [running_a, running_b]), ([sign_a, sign_b], [before_a, before_b])) in pairs.zip(given) {
        word(a, running_a, *sign_a, *before_a);
        word(b, running_b, *sign_b, *before_b);
    }
}

/// Where value and message together are negative. With the input itself it would be the same: a message of a check of
/// three does not reach 127, where inputs are clamped.
#[inline(always)]
pub(super) fn decide(values: &Lanes, messages: &Lanes) -> u64 {
    let mut signs = [0; 2];
    let halves = values.as_chunks::<8>().0.iter().zip(messages.as_chunks::<8>().0);
    for (signs, (values, messages)) in signs.iter_mut().zip(halves) {
        for (value, message) in values.iter().zip(messages) {
            let value = signed(value & MAGNITUDE, *value);
            // The top bit is the carry out of the sum, in which both have 128 added.
            let half = (value & message) + ((value ^ message) >> 1 & MAGNITUDE);
            *signs = *signs >> 1 | !half & TOP;
        }
    }
    let [first, second] = signs.map(u32::to_le_bytes);
    let bytes = first.into_iter().zip(second).enumerate();
    bytes.fold(0, |word, (i, (low, high))| word | u64::from(u16::from_le_bytes([low, high])) << (16 * i))
}

/// Inputs and messages of a check of shift `shift` are posteriors: lane i is variable i + shift.
#[inline(always)]
pub(super) fn add_messages(wide: &mut Wide, messages: &Lanes, shift: u16) {
    let words = usize::from(shift % 16);
    let [even, odd] = wide;
    let ((even_b, even_a), (odd_b, odd_a)) = (even.split_at_mut(words), odd.split_at_mut(words));
    let (a, b) = messages.split_at(16 - words);
    match shift / 16 {
        0 => (add_part::<0>(even_a, odd_a, a), add_part::<8>(even_b, odd_b, b)),
        1 => (add_part::<8>(even_a, odd_a, a), add_part::<16>(even_b, odd_b, b)),
        2 => (add_part::<16>(even_a, odd_a, a), add_part::<24>(even_b, odd_b, b)),
        _ => (add_part::<24>(even_a, odd_a, a), add_part::<0>(even_b, odd_b, b)),
    };
}

/// `messages` stand `BY` bits further left in the words of variables.
#[inline(never)]
fn add_part<const BY: u32>(even: &mut [u32], odd: &mut [u32], messages: &[u32]) {
    for ((even, odd), message) in even.iter_mut().zip(odd).zip(messages) {
        let message = message.rotate_left(BY);
        *even = even.wrapping_add(message & LOW_BYTES);
        *odd = odd.wrapping_add(message >> 8 & LOW_BYTES);
    }
}

/// Inputs of a check of shift `shift` into `wide`, and their values in place of the messages.
#[inline(always)]
pub(super) fn subtract_messages(wide: &mut Wide, messages: &mut Lanes, shift: u16) {
    let words = usize::from(shift % 16);
    let [even, odd] = wide;
    let ((even_b, even_a), (odd_b, odd_a)) = (even.split_at_mut(words), odd.split_at_mut(words));
    let (a, b) = messages.split_at_mut(16 - words);
    match shift / 16 {
        0 => (subtract_part::<0>(even_a, odd_a, a), subtract_part::<8>(even_b, odd_b, b)),
        1 => (subtract_part::<8>(even_a, odd_a, a), subtract_part::<16>(even_b, odd_b, b)),
        2 => (subtract_part::<16>(even_a, odd_a, a), subtract_part::<24>(even_b, odd_b, b)),
        _ => (subtract_part::<24>(even_a, odd_a, a), subtract_part::<0>(even_b, odd_b, b)),
    };
}

#[inline(never)]
fn subtract_part<const BY: u32>(even: &mut [u32], odd: &mut [u32], messages: &mut [u32]) {
    for ((even, odd), message) in even.iter_mut().zip(odd).zip(messages) {
        let turned = message.rotate_left(BY);
        *even = even.wrapping_sub(turned & LOW_BYTES);
        *odd = odd.wrapping_sub(turned >> 8 & LOW_BYTES);
        *message = value(*even, *odd).rotate_right(BY);
    }
}

/// Sign and magnitude, at most 127, of four inputs.
#[inline(always)]
fn value(even: u32, odd: u32) -> u32 {
    let low = even & LOW_BYTES | (odd & LOW_BYTES) << 8;
    let high = even >> 8 & LOW_BYTES | odd & !LOW_BYTES;
    let sign = !high & TOP;
    // All ones where negative: then the complement is the magnitude less one.
    let ones = (sign << 1).wrapping_sub(sign >> 7);
    let (low, high) = (low ^ ones, high ^ ones);
    // Its top bit is set where it is 128.
    let magnitude = (low & MAGNITUDE) + (sign >> 7);
    let over = ((high & MAGNITUDE).wrapping_add(MAGNITUDE) | low | magnitude) & TOP;
    (magnitude | (over - (over >> 7))) & MAGNITUDE | sign
}

/// Messages of these magnitudes, negative where the top bit of `sign` is set.
#[inline(always)]
pub(super) fn signed(magnitude: u32, sign: u32) -> u32 {
    let sign = sign & TOP;
    let ones = sign - (sign >> 7);
    ((magnitude ^ ones) | TOP) - ones
}

/// a [+] b on magnitudes below 128.
#[inline(always)]
fn box_plus(a: u32, b: u32) -> u32 {
    let difference = (a | TOP) - b;
    let larger = difference & TOP;
    let low = a - (difference & (larger - (larger >> 7)));
    let sum = a + b;
    low + correction(sum) - correction(sum - 2 * low)
}

/// max(0, c(0) - x/4).
#[inline(always)]
fn correction(x: u32) -> u32 {
    let room = (TOP | OFFSET) - ((x >> 2) & (0x3f * ONES));
    let fits = room & TOP;
    room & (fits - (fits >> 7))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [`Corrected`]'s rule on integers.
    fn naive_box_plus(a: i32, b: i32) -> i32 {
        let offset = i32::from(Corrected::STANDARD.offset());
        let correction = |x: i32| (offset - x / 4).max(0);
        a.min(b) + correction(a + b) - correction((a - b).abs())
    }

    #[test]
    fn box_plus_of_four_is_that_of_one() {
        for a in 0..128u32 {
            for b in 0..128u32 {
                // Others beside it, so that a carry would be seen.
                let (x, y) = ([a, b, 127, a], [b, a, b, 0]);
                let pack = |lanes: [u32; 4]| lanes.iter().rev().fold(0, |word, lane| word << 8 | lane);
                let expected = [0, 1, 2, 3].map(|i| naive_box_plus(x[i] as i32, y[i] as i32) as u8);
                assert_eq!(box_plus(pack(x), pack(y)).to_le_bytes(), expected, "{a} {b}");
            }
        }
    }

    #[test]
    fn values_are_clamped_inputs() {
        for x in i32::from(i16::MIN)..=i32::from(i16::MAX) {
            let byte = |x: i32| (x.unsigned_abs().min(127) | u32::from(x < 0) << 7) as u8;
            let lane = |x: i32| (x + 0x8000) as u32;
            for other in [0, -1, 127, -128, 32_767, -32_768] {
                let (even, odd) = (lane(x) | lane(other) << 16, lane(other) | lane(x) << 16);
                let expected = [x, other, other, x].map(byte);
                assert_eq!(value(even, odd).to_le_bytes(), expected, "{x} {other}");
            }
        }
    }

    #[test]
    fn messages_are_signed_magnitudes() {
        for magnitude in 0..128u32 {
            for sign in [0, 0x80, 0x8000, 0x80_8000, TOP] {
                let negative = |i: u32| sign >> (8 * i + 7) & 1 == 1;
                let message = |i| if negative(i) { 128 - magnitude } else { 128 + magnitude };
                let expected = [0, 1, 2, 3].map(|i| message(i) as u8);
                // Bits below the top one are not looked at.
                assert_eq!(signed(magnitude * ONES, sign | (0x55 * ONES)).to_le_bytes(), expected);
            }
        }
    }

    #[test]
    fn words_of_bits_are_lanes() {
        for i in 0..64 {
            let word = 1u64 << i;
            let expected = 0x80 << (8 * (i / 16));
            assert_eq!(spread_signs(word)[i % 16], expected);
            assert_eq!(spread_signs(word).iter().filter(|&&lane| lane != 0).count(), 1);
            assert_eq!(word_of(halves_of(word)), word);
        }
    }
}
