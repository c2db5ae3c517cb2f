//! A Sobol sequence in nine dimensions, and its scrambling.

use crate::campaign::space::DIMENSIONS;
use crate::channel::mix;

/// Degree, coefficients and first direction numbers of the dimensions after the first one: the first lines of
/// `new-joe-kuo-6.21201` (Joe and Kuo 2008, SIAM J. Sci. Comput. 30, 2635).
const JOE_KUO: [(u32, u32, &[u32]); DIMENSIONS - 1] = [
    (1, 0, &[1]),
    (2, 1, &[1, 3]),
    (3, 1, &[1, 3, 1]),
    (3, 2, &[1, 1, 1]),
    (4, 1, &[1, 1, 3, 3]),
    (4, 4, &[1, 3, 5, 13]),
    (5, 2, &[1, 1, 5, 5, 17]),
    (5, 4, &[1, 1, 5, 5, 5]),
];

/// Direction numbers: digit k of an index adds number k of the dimension, modulo 2 and digit by digit.
static DIRECTIONS: [[u32; 32]; DIMENSIONS] = directions();

const fn directions() -> [[u32; 32]; DIMENSIONS] {
    let mut all = [[0; 32]; DIMENSIONS];
    let mut k = 0;
    while k < 32 {
        // Van der Corput's sequence.
        all[0][k] = 1 << (31 - k);
        k += 1;
    }
    let mut d = 1;
    while d < DIMENSIONS {
        let (degree, coefficients, first) = JOE_KUO[d - 1];
        let degree = degree as usize;
        let mut k = 0;
        while k < 32 {
            all[d][k] = if k < degree {
                first[k] << (31 - k)
            } else {
                let mut next = all[d][k - degree] ^ all[d][k - degree] >> degree;
                let mut j = 1;
                while j < degree {
                    if coefficients >> (degree - 1 - j) & 1 == 1 {
                        next ^= all[d][k - j];
                    }
                    j += 1;
                }
                next
            };
            k += 1;
        }
        d += 1;
    }
    all
}

/// The 32 binary digits of coordinate `dimension` of point `index`, in the order of the sequence (no Gray code).
pub(super) fn point(index: u32, dimension: usize) -> u32 {
    let Some(directions) = DIRECTIONS.get(dimension) else { return 0 };
    let digit = |k: usize| 0u32.wrapping_sub(index >> k & 1);
    directions.iter().enumerate().fold(0, |sum, (k, direction)| sum ^ direction & digit(k))
}

/// `digits` scrambled as Owen 1995 does: each digit is inverted or not, by a hash of those before it.
pub(super) fn scramble(digits: u32, key: u64) -> u32 {
    let mut scrambled = 0;
    for k in 0..32 {
        // The first k digits, and a one before them that tells how many they are.
        let before = (1u64 << 32 | u64::from(digits)) >> (32 - k);
        let inverted = mix(key.wrapping_add(before)) >> 63;
        scrambled |= (digits >> (31 - k) & 1 ^ inverted as u32) << (31 - k);
    }
    scrambled
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Point p is row n of SciPy 1.17's, p = n ^ n >> 1, for it goes through them in the order of the Gray code:
    /// `python3 -c 'from scipy.stats import qmc; print(qmc.Sobol(9, scramble=False, bits=32).random(2048)[n])'`
    #[test]
    fn points_are_those_of_scipy() {
        for (index, expected) in SCIPY {
            for (d, expected) in expected.into_iter().enumerate() {
                assert_eq!(f64::from(point(index, d)) / 4294967296.0, expected, "{index} {d}");
            }
        }
    }

    const SCIPY: [(u32, [f64; DIMENSIONS]); 6] = [
        (1, [0.5; DIMENSIONS]),
        (2, [0.25, 0.75, 0.75, 0.75, 0.25, 0.25, 0.75, 0.25, 0.25]),
        (4, [0.125, 0.625, 0.375, 0.125, 0.125, 0.375, 0.625, 0.625, 0.625]),
        (7, [0.875, 0.875, 0.125, 0.375, 0.875, 0.625, 0.875, 0.375, 0.375]),
        (
            1000,
            [
                0.0927734375,
                0.1611328125,
                0.4501953125,
                0.9091796875,
                0.9931640625,
                0.1630859375,
                0.0166015625,
                0.6396484375,
                0.9990234375,
            ],
        ),
        (
            1337,
            [
                0.61181640625,
                0.07861328125,
                0.13623046875,
                0.86474609375,
                0.93701171875,
                0.08154296875,
                0.23681640625,
                0.01025390625,
                0.99462890625,
            ],
        ),
    ];

    #[test]
    fn scrambling_keeps_what_intervals_share() {
        for key in 0..20 {
            for (a, b) in [(0x1234_5678_u32, 0x1234_0000), (0, 1), (0xffff_ffff, 0x7fff_ffff)] {
                let shared = (a ^ b).leading_zeros();
                assert_eq!((scramble(a, key) ^ scramble(b, key)).leading_zeros(), shared);
            }
        }
        // Each digit is inverted about every second time.
        for k in 0..32 {
            let inverted = (0..1000).filter(|&key| scramble(0, key) >> k & 1 == 1).count();
            assert!((420..580).contains(&inverted), "{k}: {inverted}");
        }
    }
}
