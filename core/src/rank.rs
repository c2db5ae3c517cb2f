//! Rank over GF(2), and which columns of a matrix depend on those before them.

use alloc::vec;
use alloc::vec::Vec;

use crate::bits::{set, words_for, xor_assign};
use crate::code::Code;

/// Row-reduced basis that vectors of a fixed length are added to one by one.
#[derive(Clone, Debug)]
pub struct Basis {
    bits: usize,
    /// By leading bit.
    rows: Vec<Option<Vec<u64>>>,
    rank: usize,
}

impl Basis {
    /// The empty basis of vectors of `bits` bits.
    pub fn new(bits: usize) -> Self {
        Self { bits, rows: vec![None; bits], rank: 0 }
    }

    /// Adds `vector`; whether it was independent of those before it.
    ///
    /// Words past the basis' length are ignored, missing ones are zero.
    pub fn insert(&mut self, vector: &[u64]) -> bool {
        let mut rest = vec![0; words_for(self.bits)];
        for (to, from) in rest.iter_mut().zip(vector) {
            *to = *from;
        }
        crate::bits::clear_tail(&mut rest, self.bits);
        let mut word = 0;
        while word < rest.len() {
            if rest[word] == 0 {
                word += 1;
                continue;
            }
            let lead = word * 64 + rest[word].trailing_zeros() as usize;
            if let Some(row) = &self.rows[lead] {
                xor_assign(&mut rest, row);
            } else {
                self.rows[lead] = Some(rest);
                self.rank += 1;
                return true;
            }
        }
        false
    }

    /// Number of independent vectors so far.
    pub fn rank(&self) -> usize {
        self.rank
    }
}

/// Rank of the parity-check matrix.
pub fn rank(code: &Code<'_>) -> usize {
    rank_of(code, 0..code.n())
}

/// Rank of the columns named by `positions`; positions outside the code are ignored.
pub fn rank_of(code: &Code<'_>, positions: impl IntoIterator<Item = usize>) -> usize {
    prefix_ranks(code, positions).last().copied().unwrap_or(0)
}

/// Rank of the columns named by each prefix of `positions`, the empty one first.
pub fn prefix_ranks(code: &Code<'_>, positions: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let columns = columns(code);
    let mut basis = Basis::new(code.m());
    let mut ranks = vec![0];
    for position in positions {
        if let Some(column) = columns.get(position) {
            basis.insert(column);
        }
        ranks.push(basis.rank());
    }
    ranks
}

/// The columns of the matrix, packed, m bits each.
pub fn columns(code: &Code<'_>) -> Vec<Vec<u64>> {
    let mut columns = vec![vec![0; words_for(code.m())]; code.n()];
    for check in 0..code.m() {
        code.neighbours(check, |v| set(&mut columns[v], check, true));
    }
    columns
}

/// How many of `positions` erasure peeling recovers: a check that sees exactly one of them determines
/// it. A lower bound of [`rank_of`] in linear time, and equal to it where everything peels.
pub fn peel(code: &Code<'_>, positions: impl IntoIterator<Item = usize>) -> usize {
    let (n, m) = (code.n(), code.m());
    let mut erased = vec![false; n];
    for position in positions {
        if let Some(e) = erased.get_mut(position) {
            *e = true;
        }
    }
    let mut checks_of = vec![Vec::new(); n];
    let mut left = vec![0usize; m];
    for check in 0..m {
        code.neighbours(check, |v| {
            checks_of[v].push(check);
            left[check] += usize::from(erased[v]);
        });
    }
    let mut ready: Vec<usize> = (0..m).filter(|&c| left[c] == 1).collect();
    let mut recovered = 0;
    while let Some(check) = ready.pop() {
        if left[check] != 1 {
            continue;
        }
        let mut found = None;
        code.neighbours(check, |v| {
            if erased[v] {
                found = Some(v);
            }
        });
        let Some(variable) = found else { continue };
        erased[variable] = false;
        recovered += 1;
        for &c in &checks_of[variable] {
            left[c] -= 1;
            if left[c] == 1 {
                ready.push(c);
            }
        }
    }
    recovered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependent_vectors_are_found() {
        let mut basis = Basis::new(70);
        assert!(basis.insert(&[0b110, 0]));
        assert!(basis.insert(&[0b011, 1]));
        assert!(!basis.insert(&[0b101, 1]));
        assert!(basis.insert(&[0, 0b100000]));
        assert!(!basis.insert(&[0, 0]));
        assert_eq!(basis.rank(), 3);
    }
}
