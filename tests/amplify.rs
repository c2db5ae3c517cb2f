//! Toeplitz hashing: portable, by the host's instructions and by definition.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::amplify::{Multiplier, Portable, Toeplitz};
use caligo_core::bits::{get, words_for, xor_assign};
use caligo_runtime::amplify::{self, Host};
use caligo_runtime::channel;
use caligo_tests::naive_toeplitz;
use proptest::prelude::*;

fn draw(hash: Toeplitz, index: u64) -> (Vec<u64>, Vec<u64>) {
    let mut rng = channel::stream(6, index);
    let seed = channel::random_bits(hash.seed_bits(), &mut rng);
    (seed, channel::random_bits(hash.input_bits, &mut rng))
}

fn apply(hash: Toeplitz, by: &impl Multiplier, seed: &[u64], input: &[u64], scratch: usize) -> Vec<u64> {
    let mut output = vec![u64::MAX; words_for(hash.output_bits)];
    hash.apply(by, seed, input, &mut output, &mut vec![u64::MAX; scratch]).unwrap();
    output
}

/// Lengths at and beside multiples of 64, and any.
fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        0usize..300,
        (0usize..48, 0usize..3).prop_map(|(w, d)| (64 * w + d).saturating_sub(1)),
        0usize..3000
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn all_ways_give_the_bits_of_the_definition(n in length(), l in length(), index in any::<u64>(), less in 0usize..400) {
        let hash = Toeplitz { input_bits: n, output_bits: l };
        let (seed, input) = draw(hash, index);
        let want = naive_toeplitz(hash, &seed, &input);
        let full = hash.scratch_words();
        for scratch in [full, full.saturating_sub(less), 0] {
            prop_assert_eq!(&apply(hash, &Portable, &seed, &input, scratch), &want, "portable, {}", scratch);
            prop_assert_eq!(&apply(hash, &Host, &seed, &input, scratch), &want, "host, {}", scratch);
        }
        let mut output = vec![u64::MAX; words_for(l)];
        amplify::apply(hash, &seed, &input, &mut output)?;
        prop_assert_eq!(output, want);
    }

    #[test]
    fn the_hash_is_linear(n in 1usize..20_000, l in 1usize..5000, index in any::<u64>()) {
        let hash = Toeplitz { input_bits: n, output_bits: l };
        let (seed, a) = draw(hash, index);
        let (_, b) = draw(hash, !index);
        let sum = |a: &[u64], b: &[u64]| {
            let mut sum = a.to_vec();
            xor_assign(&mut sum, b);
            sum
        };
        let of = |input: &[u64]| apply(hash, &Host, &seed, input, hash.scratch_words());
        prop_assert_eq!(of(&sum(&a, &b)), sum(&of(&a), &of(&b)));
    }
}

#[test]
fn a_long_key_has_the_same_hash_on_any_machine() {
    let hash = Toeplitz { input_bits: 1_000_003, output_bits: 199_999 };
    let (seed, input) = draw(hash, 0);
    let portable = apply(hash, &Portable, &seed, &input, hash.scratch_words());
    assert_eq!(portable, apply(hash, &Host, &seed, &input, hash.scratch_words()));
    for j in (0..hash.output_bits).step_by(8191).chain([hash.output_bits - 1]) {
        let sum = (0..hash.input_bits)
            .filter(|&i| get(&seed, hash.input_bits - 1 + j - i) && get(&input, i))
            .count();
        assert_eq!(get(&portable, j), sum % 2 == 1, "bit {j}");
    }
}

#[test]
fn two_inputs_collide_as_often_as_they_should() {
    let hash = Toeplitz { input_bits: 500, output_bits: 6 };
    let trials = 1 << 16;
    let mut collisions = 0;
    for index in 0..trials {
        // A few bits apart, in the middle of words and at their ends.
        let (seed, a) = draw(hash, index);
        let mut b = a.clone();
        for i in [0, 63, 64, 300, 499] {
            b[i / 64] ^= 1 << (i % 64);
        }
        let of = |input: &[u64]| apply(hash, &Host, &seed, input, hash.scratch_words());
        collisions += usize::from(of(&a) == of(&b));
    }
    let mean = trials as f64 / 64.0;
    assert!((collisions as f64 - mean).abs() < 5.0 * mean.sqrt(), "{collisions}, expected {mean}");
}
