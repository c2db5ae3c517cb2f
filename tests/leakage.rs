//! The leakage formula against brute force on small codes.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::bits;
use caligo_core::code::{Code, SparseCode};
use caligo_core::rank;
use caligo_runtime::channel;
use caligo_runtime::matrix::sparse::SparseMatrix;
use rand_core::Rng;

/// H_min(X | S) in bits for uniform X and padding U: -log2 of the sum over s of max over x of P(x, s).
fn min_entropy(code: &SparseCode<'_>, n: usize, punctured: u64) -> f64 {
    let code = Code::Sparse(*code);
    let mut counts = std::collections::HashMap::<(u64, u64), u32>::new();
    for frame in 0..1u64 << n {
        let mut syndrome = [0];
        code.syndrome(&[frame], &mut syndrome).unwrap();
        *counts.entry((syndrome[0], frame & !punctured)).or_default() += 1;
    }
    let mut best = std::collections::HashMap::<u64, u32>::new();
    for (&(syndrome, _), &count) in &counts {
        let top = best.entry(syndrome).or_default();
        *top = (*top).max(count);
    }
    n as f64 - f64::from(best.values().sum::<u32>()).log2()
}

#[test]
fn leak_is_rank_h_minus_rank_of_the_punctured_columns() {
    let mut masked_less = 0;
    for index in 0..200 {
        let mut rng = channel::stream(11, index);
        let n = 6 + (rng.next_u64() % 5) as usize;
        let m = 2 + (rng.next_u64() % (n as u64 - 3)) as usize;
        let rows = (0..m)
            .map(|_| {
                let mask = rng.next_u64() & rng.next_u64() | 1 << (rng.next_u64() % n as u64);
                (0..n as u32).filter(|&v| mask >> v & 1 == 1).collect()
            })
            .collect();
        let matrix = SparseMatrix::from_rows(n, rows).unwrap();
        let code = matrix.code().unwrap();
        let p = (rng.next_u64() % (n as u64 / 2)) as usize;
        let mut positions: Vec<usize> = (0..n).collect();
        channel::shuffle(&mut positions, &mut rng);
        let punctured = positions[..p].iter().fold(0, |mask, v| mask | 1u64 << v);
        let view = Code::Sparse(code);
        let masked = rank::rank_of(&view, positions[..p].iter().copied());
        let leak = rank::rank(&view) - masked;
        let left = min_entropy(&code, n, punctured);
        assert!((left - (n - p - leak) as f64).abs() < 1e-9, "code {index}: {left} bits left");
        let peeled = rank::peel(&view, positions[..p].iter().copied());
        assert!(peeled <= masked);
        masked_less += usize::from(masked < p);
    }
    assert!(masked_less > 10, "dependent columns occur");
}

#[test]
fn rank_equals_elimination_over_rows() {
    for index in 0..20 {
        let mut rng = channel::stream(12, index);
        let rows: Vec<u64> = (0..20).map(|_| rng.next_u64() & rng.next_u64() & 0xff_ffff).collect();
        let lists = rows.iter().map(|r| bits::ones(&[*r]).map(|v| v as u32).collect()).collect();
        let matrix = SparseMatrix::from_rows(24, lists).unwrap();
        let mut left = rows;
        let mut naive = 0;
        for bit in 0..24 {
            if let Some(at) = left.iter().position(|r| r >> bit & 1 == 1) {
                let pivot = left.swap_remove(at);
                left.iter_mut().filter(|r| **r >> bit & 1 == 1).for_each(|r| *r ^= pivot);
                naive += 1;
            }
        }
        assert_eq!(rank::rank(&matrix.code().unwrap().into()), naive);
    }
}
