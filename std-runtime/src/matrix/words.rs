//! Words of low weight that few checks object to: codewords, which no decoder tells from errors, and near-codewords,
//! in which belief propagation gets stuck.
//!
//! In: a base matrix whose first `rows - 1` columns have degree 2 and form a path through the rows, as `peg` builds
//! it; [`Limits`]. Out: the [`Word`]s within them.
//!
//! Lifted, the degree-2 variables are z paths through the checks. Whatever the other variables of a word are, they hit
//! checks of these paths; a word is a choice of them with each hit joined to another on its path, by as many degree-2
//! variables as lie between. The search takes the first variable in lane 0, since lanes are alike, and then one open hit
//! at a time: it is joined to another, or to one of a further variable, or left unsatisfied.

use std::collections::BTreeSet;

use serde::Serialize;

use super::base::BaseMatrix;

/// Hits of a word at most.
const MOST_HITS: usize = 24;

/// What to look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Greatest weight: positions that are not punctured.
    pub weight: usize,
    /// Most unsatisfied checks.
    pub unsatisfied: usize,
    /// Most variables that are not of the path.
    pub variables: usize,
    /// Most checks that those see, with multiplicity; at most 24.
    pub hits: usize,
    /// Rows whose checks puncturing has merged to one: 1, 2, 4, and so on.
    pub merged: usize,
}

/// A word, up to a shift of all lanes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Word {
    /// Positions that are not punctured.
    pub weight: usize,
    /// Unsatisfied checks.
    pub unsatisfied: usize,
    /// `(column, lane)` of the variables that are not of the path, ascending; one of them in lane 0.
    pub variables: Vec<(usize, usize)>,
}

/// All words within `limits`.
pub fn all(base: &BaseMatrix, limits: &Limits) -> BTreeSet<Word> {
    let mut search = Search::new(base, limits);
    for column in base.rows - 1..base.columns.len() {
        // The first column of a word is its lowest.
        search.lowest = column;
        search.begin(column);
    }
    search.found
}

/// The words within `limits` that have a variable of `column`.
pub fn through(base: &BaseMatrix, column: usize, limits: &Limits) -> BTreeSet<Word> {
    let mut search = Search::new(base, limits);
    search.begin(column);
    search.found
}

/// A check that a variable hits, as (path, row).
type Hit = (u16, u16);

#[derive(Clone, Copy)]
struct Open {
    hits: [Hit; MOST_HITS],
    len: usize,
}

impl Open {
    fn as_slice(&self) -> &[Hit] {
        &self.hits[..self.len]
    }

    fn without(mut self, at: usize) -> Self {
        self.len -= 1;
        self.hits[at] = self.hits[self.len];
        self
    }

    /// With the hits of a variable but the one in `row`; `None` if there are too many.
    fn with(mut self, hits: impl Iterator<Item = Hit>, row: Option<u16>) -> Option<Self> {
        for hit in hits.filter(|hit| Some(hit.1) != row) {
            *self.hits.get_mut(self.len)? = hit;
            self.len += 1;
        }
        Some(self)
    }

    /// Hits with no other on their path, and one of them, or else any.
    fn lonely(&self) -> (usize, usize) {
        let hits = self.as_slice();
        let (mut count, mut one) = (0, 0);
        for (i, hit) in hits.iter().enumerate() {
            if !hits.iter().enumerate().any(|(j, other)| j != i && other.0 == hit.0) {
                (count, one) = (count + 1, i);
            }
        }
        (count, one)
    }
}

/// `x` mod `z` for x below 2z: a division would take most of the search.
fn wrapped(x: usize, z: usize) -> usize {
    if x < z { x } else { x - z }
}

struct Search<'a> {
    base: &'a BaseMatrix,
    limits: Limits,
    /// Per row: `(column, shift)` of columns that are not of the path.
    rows: Vec<Vec<(usize, u16)>>,
    /// Per row: path variables before it that are not punctured.
    before: Vec<usize>,
    lowest: usize,
    variables: Vec<(usize, usize)>,
    found: BTreeSet<Word>,
}

impl<'a> Search<'a> {
    fn new(base: &'a BaseMatrix, limits: &Limits) -> Self {
        let mut rows = vec![Vec::new(); base.rows];
        for (column, entries) in base.columns.iter().enumerate().skip(base.rows - 1) {
            for &(row, shift) in entries.iter().filter(|_| entries.len() <= limits.hits) {
                rows[usize::from(row)].push((column, shift));
            }
        }
        // The path variable below row r is the (r + 1)-th.
        let before = (0..base.rows).map(|row| row / limits.merged).collect();
        let (variables, found) = (Vec::new(), BTreeSet::new());
        let limits = Limits { hits: limits.hits.min(MOST_HITS), ..*limits };
        Self { base, limits, rows, before, lowest: 0, variables, found }
    }

    fn begin(&mut self, column: usize) {
        let none = Open { hits: [(0, 0); MOST_HITS], len: 0 };
        let hits = self.base.columns[column].len();
        if let Some(open) = none.with(self.hits(column, 0), None).filter(|_| hits <= self.limits.hits) {
            self.variables.push((column, 0));
            self.go(open, 1, 0, hits);
            self.variables.pop();
        }
    }

    fn hits(&self, column: usize, lane: usize) -> impl Iterator<Item = Hit> + use<'a> {
        let z = self.base.z;
        let entries: &'a [(u16, u16)] = &self.base.columns[column];
        entries.iter().map(move |&(row, shift)| (wrapped(lane + z - usize::from(shift), z) as u16, row))
    }

    /// Path variables between two rows of a path.
    fn between(&self, a: u16, b: u16) -> usize {
        self.before[usize::from(a)].abs_diff(self.before[usize::from(b)])
    }

    fn go(&mut self, open: Open, weight: usize, unsatisfied: usize, hits: usize) {
        let limits = self.limits;
        if open.len == 0 {
            let variables = self.canonical();
            self.found.insert(Word { weight, unsatisfied, variables });
            return;
        }
        let (lonely, at) = open.lonely();
        let more = self.variables.len() < limits.variables && weight < limits.weight;
        // Each lonely hit needs another, or is left unsatisfied.
        let to_come = if more { limits.hits - hits } else { 0 };
        if lonely + unsatisfied > limits.unsatisfied + to_come {
            return;
        }
        if unsatisfied < limits.unsatisfied {
            self.go(open.without(at), weight, unsatisfied + 1, hits);
        }
        let (path, row) = open.hits[at];
        let open = open.without(at);
        for (i, other) in open.as_slice().iter().enumerate().filter(|(_, other)| other.0 == path) {
            let weight = weight + self.between(row, other.1);
            if weight <= limits.weight {
                self.go(open.without(i), weight, unsatisfied, hits);
            }
        }
        if !more {
            return;
        }
        for other in 0..self.base.rows as u16 {
            let weight = weight + 1 + self.between(row, other);
            if weight > limits.weight {
                continue;
            }
            for i in 0..self.rows[usize::from(other)].len() {
                let (column, shift) = self.rows[usize::from(other)][i];
                let variable = (column, wrapped(usize::from(path) + usize::from(shift), self.base.z));
                let hits = hits + self.base.columns[column].len();
                if column < self.lowest || hits > limits.hits || self.variables.contains(&variable) {
                    continue;
                }
                let last = self.variables.len() + 1 == limits.variables;
                let to_come = if last { 0 } else { limits.hits - hits };
                if self.newly_lonely(&open, variable, other) + unsatisfied > limits.unsatisfied + to_come {
                    continue;
                }
                if let Some(open) = open.with(self.hits(column, variable.1), Some(other)) {
                    self.variables.push(variable);
                    self.go(open, weight, unsatisfied, hits);
                    self.variables.pop();
                }
            }
        }
    }

    /// Hits of a variable, but the one in `row`, on paths without an open one.
    fn newly_lonely(&self, open: &Open, (column, lane): (usize, usize), row: u16) -> usize {
        let others = self.hits(column, lane).filter(|hit| hit.1 != row);
        others.filter(|hit| open.as_slice().iter().all(|other| other.0 != hit.0)).count()
    }

    /// The variables, of all shifts that bring one to lane 0 the first.
    fn canonical(&self) -> Vec<(usize, usize)> {
        let z = self.base.z;
        let shifted = self.variables.iter().map(|&(_, to)| {
            let mut all: Vec<_> = self.variables.iter().map(|&(c, lane)| (c, (lane + z - to) % z)).collect();
            all.sort_unstable();
            all
        });
        shifted.min().unwrap_or_default()
    }
}
