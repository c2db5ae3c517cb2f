//! Carry-less products of words: polynomials over GF(2), bit i the coefficient of x^i.

/// Every fourth bit, from the first, second, third or fourth on.
const CLASSES: [u64; 4] =
    [0x1111_1111_1111_1111, 0x2222_2222_2222_2222, 0x4444_4444_4444_4444, 0x8888_8888_8888_8888];

/// Bits of the first factor that are multiplied by integer products.
const LOW: u32 = 60;

/// Product, (low, high). In time independent of the values where integer products are.
///
/// Every fourth bit is multiplied at a time, so that the carries of an integer product stay in the three
/// zeros between and are masked off: 15 bits of `a` meet in one place at most. Its other four bits are
/// added as shifts.
#[inline(always)]
pub(crate) fn product(a: u64, b: u64) -> (u64, u64) {
    let low = a & (u64::MAX >> (u64::BITS - LOW));
    let mut sum = 0u128;
    for class in 0..4 {
        let mut terms = 0u128;
        for i in 0..4 {
            let j = (class + 4 - i) % 4;
            terms ^= u128::from(low & CLASSES[i]) * u128::from(b & CLASSES[j]);
        }
        sum |= terms & (u128::from(CLASSES[class]) << 64 | u128::from(CLASSES[class]));
    }
    for i in LOW..u64::BITS {
        sum ^= u128::from(b & (a >> i & 1).wrapping_neg()) << i;
    }
    (sum as u64, (sum >> 64) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(a: u64, b: u64) -> (u64, u64) {
        let product = (0..64).filter(|i| b >> i & 1 == 1).fold(0u128, |sum, i| sum ^ u128::from(a) << i);
        (product as u64, (product >> 64) as u64)
    }

    #[test]
    fn product_equals_shift_and_xor() {
        let mut x = 0x9e37_79b9_7f4a_7c15u64;
        for _ in 0..2000 {
            let y = x.wrapping_mul(0xd134_2543_de82_ef95).rotate_left(23) ^ 0x1234;
            assert_eq!(product(x, y), naive(x, y));
            x = y;
        }
    }

    #[test]
    fn carries_stay_in_their_gaps() {
        // Full words bring the most carries, and each class and the shifted bits by themselves.
        let full = [u64::MAX, u64::MAX << LOW, u64::MAX >> 4, 1, 1 << 63];
        for a in full.into_iter().chain(CLASSES) {
            for b in full.into_iter().chain(CLASSES) {
                assert_eq!(product(a, b), naive(a, b), "{a:x} {b:x}");
            }
        }
    }
}
