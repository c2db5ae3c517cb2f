//! Girth, cycle counts and ACE spectrum of a quasi-cyclic code.
//!
//! A closed walk in the base matrix whose alternating sum of shifts vanishes modulo z lifts to z cycles.
//! Closed, tailless, non-backtracking walks shorter than twice the girth are cycles, each found once
//! from every one of its variables and in both directions.

use serde::Serialize;

use super::base::BaseMatrix;

/// Cycles of one length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spectrum {
    /// Length in edges.
    pub length: usize,
    /// Number of cycles in the Tanner graph.
    pub cycles: u64,
    /// Least ACE, sum of (degree - 2) over the cycle's variables.
    pub least_ace: Option<usize>,
    /// Number of cycles with that ACE.
    pub at_least_ace: u64,
}

/// Spectrum of the cycles of 4, 6 and 8 edges.
///
/// Lengths from twice the girth on would count walks that are not cycles; with a girth of at least 6
/// all three are exact.
pub fn spectrum(base: &BaseMatrix) -> Vec<Spectrum> {
    (2..=4).map(|variables| count(base, variables, usize::MAX)).collect()
}

/// Cycles of `variables` variables whose ACE is at most `ace_limit`.
pub fn count(base: &BaseMatrix, variables: usize, ace_limit: usize) -> Spectrum {
    let mut rows = vec![Vec::new(); base.rows];
    for (column, entries) in base.columns.iter().enumerate() {
        for &(row, shift) in entries {
            rows[row as usize].push((column, shift as usize));
        }
    }
    let mut search = Search { base, rows, variables, ace_limit, by_ace: Vec::new() };
    for (column, entries) in base.columns.iter().enumerate() {
        for &(row, shift) in entries {
            let start = Step { column, row: row as usize, shift: shift as usize };
            let lane = (base.z - start.shift) % base.z;
            search.extend(start, start, lane, 1, entries.len().saturating_sub(2));
        }
    }
    // Found from each of its variables and both ways round.
    let cycles = |walks: u64| walks * base.z as u64 / (2 * variables as u64);
    let least_ace = search.by_ace.iter().position(|&walks| walks > 0);
    Spectrum {
        length: 2 * variables,
        cycles: cycles(search.by_ace.iter().sum()),
        least_ace,
        at_least_ace: least_ace.map_or(0, |ace| cycles(search.by_ace[ace])),
    }
}

#[derive(Clone, Copy)]
struct Step {
    column: usize,
    row: usize,
    shift: usize,
}

struct Search<'a> {
    base: &'a BaseMatrix,
    rows: Vec<Vec<(usize, usize)>>,
    variables: usize,
    ace_limit: usize,
    /// Walks by ACE.
    by_ace: Vec<u64>,
}

impl Search<'_> {
    /// The walk left `first.column` at lane 0 by `first` and came to lane `lane` of row `last.row` by
    /// `last`.
    fn extend(&mut self, first: Step, last: Step, lane: usize, variables: usize, ace: usize) {
        let z = self.base.z;
        for i in 0..self.rows[last.row].len() {
            let (column, shift) = self.rows[last.row][i];
            if (column, shift) == (last.column, last.shift) {
                continue;
            }
            let at = (lane + shift) % z;
            if variables == self.variables {
                let closes = column == first.column && at == 0;
                if closes && (last.row, shift) != (first.row, first.shift) {
                    if self.by_ace.len() <= ace {
                        self.by_ace.resize(ace + 1, 0);
                    }
                    self.by_ace[ace] += 1;
                }
                continue;
            }
            let entries = &self.base.columns[column];
            let ace = ace + entries.len().saturating_sub(2);
            if ace > self.ace_limit {
                continue;
            }
            for &(row, back) in entries {
                let step = Step { column, row: row as usize, shift: back as usize };
                if (step.row, step.shift) != (last.row, shift) {
                    self.extend(first, step, (at + z - step.shift) % z, variables + 1, ace);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts 4-cycles as pairs of columns with two common rows.
    fn naive_four(base: &BaseMatrix) -> u64 {
        let n = base.columns.len() * base.z;
        let mut checks = vec![Vec::new(); n];
        for (column, entries) in base.columns.iter().enumerate() {
            for &(row, shift) in entries {
                for lane in 0..base.z {
                    let variable = column * base.z + (lane + shift as usize) % base.z;
                    checks[variable].push(row as usize * base.z + lane);
                }
            }
        }
        let mut found = 0;
        for a in 0..n {
            for b in 0..a {
                let common = checks[a].iter().filter(|c| checks[b].contains(c)).count() as u64;
                found += common * common.saturating_sub(1) / 2;
            }
        }
        found
    }

    #[test]
    fn counts_agree_with_the_lifted_graph() {
        let base = BaseMatrix {
            z: 64,
            rows: 3,
            columns: vec![
                vec![(0, 0), (1, 0)],
                vec![(0, 5), (1, 5), (2, 9)],
                vec![(0, 1), (1, 2), (2, 40)],
                vec![(1, 7), (2, 45)],
                vec![(0, 3), (2, 7)],
            ],
        };
        let four = count(&base, 2, usize::MAX);
        assert_eq!(four.cycles, naive_four(&base));
        assert!(four.cycles > 0);
        // Columns 0 and 1 close the only low one: ACE 0 + 1.
        assert_eq!(four.least_ace, Some(1));
    }
}
