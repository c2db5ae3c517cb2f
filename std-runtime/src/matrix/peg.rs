//! Quasi-cyclic progressive edge growth with approximate cycle extrinsic message degree (ACE-PEG).
//!
//! In: a [`Design`] (circulant size, rows, column degrees) and a seed. Out: a [`BaseMatrix`].
//!
//! Degree-2 columns come first and form one path through the base rows, with shift 0. Lifted, that is
//! z paths without any cycle, and puncturing a path variable merges the two checks beside it. Every
//! further circulant goes where it closes the least weight of short cycles of low ACE, counted with
//! all z copies of the circulant in place. Long cycles through the path's degree-2 variables have low
//! ACE however long they are, so the walk follows them deeper than it follows others. Circulants of
//! one column have different shifts: a variable meets each path at most once, and no puncturing can
//! merge two of its checks. Then circulants are taken out and placed again, one at a time; at last those
//! of words of low weight (`words`), of the code as it is and of the code with levels of the path
//! punctured.
//!
//! PEG: Hu, Eleftheriou, Arnold 2005. ACE: Tian, Jones, Villasenor, Wesel 2004.

use caligo_core::puncture::MAX_ORDER_LENGTH;
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use super::base::BaseMatrix;
use super::words::{self, Limits, Word};

/// What to build.
#[derive(Clone, Debug, PartialEq)]
pub struct Design {
    /// Circulant size.
    pub z: usize,
    /// Base rows.
    pub rows: usize,
    /// Degrees and the number of base columns that have them, ascending; degree 2 for `rows - 1`.
    pub degrees: Vec<(usize, usize)>,
    /// Passes of removal and replacement over all circulants.
    pub passes: usize,
    /// Words that the code is to be without; the quick ones first.
    pub unwanted: Vec<Limits>,
}

impl Design {
    /// Whether there is such a code.
    ///
    /// # Errors
    /// What of it cannot be.
    pub fn check(&self) -> Result<(), String> {
        let columns: usize = self.degrees.iter().map(|degree| degree.1).sum();
        let links = self.rows.saturating_sub(1);
        if self.degrees.first() != Some(&(2, links)) {
            return Err(format!("expected {links} columns of degree 2 for {} rows", self.rows));
        }
        if !self.degrees.is_sorted_by(|a, b| a.0 < b.0) {
            return Err("expected ascending degrees".to_owned());
        }
        let most = self.rows.min(self.z / 2);
        if let Some(degree) = self.degrees.iter().map(|degree| degree.0).find(|&degree| degree > most) {
            return Err(format!("degree {degree}: expected at most {most}, for rows and circulants"));
        }
        if columns <= self.rows || columns * self.z > MAX_ORDER_LENGTH {
            return Err(format!(
                "expected from {} to {} columns, found {columns}",
                self.rows + 1,
                MAX_ORDER_LENGTH / self.z
            ));
        }
        Ok(())
    }
}

/// Longest cycle considered, in variables.
const DEPTH: usize = 12;
/// Largest ACE considered for a cycle of so many variables.
const ACE_LIMIT: [usize; DEPTH + 1] = [0, 60, 60, 40, 12, 6, 4, 4, 4, 4, 3, 3, 3];
/// Weight of a cycle of so many variables and ACE 0; it halves with every [`ACE_HALVING`] of ACE.
const LENGTH_WEIGHT: [f64; DEPTH + 1] =
    [0.0, 3e4, 1e4, 100.0, 10.0, 4.0, 2.5, 1.6, 1.0, 0.63, 0.4, 0.25, 0.16];
const ACE_HALVING: f64 = 3.0;
/// Places evaluated with their whole circulant inserted.
const CANDIDATES: usize = 6;
/// Places tried for a circulant of an unwanted word.
const MENDING_CANDIDATES: usize = 16;
/// Weight of its cycles at most, over that where it was.
const MENDED_WEIGHT: f64 = 3.0;

/// Circulants moved at most to be rid of them.
const MENDS: usize = 150;

struct Builder<'a> {
    design: &'a Design,
    degree: Vec<usize>,
    /// Per column: (row, shift).
    columns: Vec<Vec<(usize, usize)>>,
    /// Per row: (column, shift).
    rows: Vec<Vec<(usize, usize)>>,
    rng: Xoshiro256PlusPlus,
}

/// Builds a matrix. The same design and seed give the same matrix.
pub fn build(design: &Design, seed: u64) -> BaseMatrix {
    let mut builder = Builder::new(design, seed);
    builder.place_path();
    builder.grow();
    for _ in 0..design.passes {
        if !builder.refine() {
            break;
        }
    }
    builder.mend();
    builder.base()
}

impl<'a> Builder<'a> {
    fn new(design: &'a Design, seed: u64) -> Self {
        let degree: Vec<usize> =
            design.degrees.iter().flat_map(|&(degree, count)| std::iter::repeat_n(degree, count)).collect();
        Self {
            design,
            columns: vec![Vec::new(); degree.len()],
            degree,
            rows: vec![Vec::new(); design.rows],
            rng: Xoshiro256PlusPlus::seed_from_u64(seed),
        }
    }

    fn insert(&mut self, column: usize, row: usize, shift: usize) {
        self.columns[column].push((row, shift));
        self.rows[row].push((column, shift));
    }

    fn remove(&mut self, column: usize, row: usize, shift: usize) {
        self.columns[column].retain(|&e| e != (row, shift));
        self.rows[row].retain(|&e| e != (column, shift));
    }

    fn place_path(&mut self) {
        for column in 0..self.design.rows - 1 {
            self.insert(column, column, 0);
            self.insert(column, column + 1, 0);
        }
    }

    fn grow(&mut self) {
        for column in self.design.rows - 1..self.degree.len() {
            for _ in 0..self.degree[column] {
                let (row, shift) = self.best_place(column, None);
                self.insert(column, row, shift);
            }
        }
    }

    /// Takes out and replaces every circulant once, in random order; whether anything moved.
    fn refine(&mut self) -> bool {
        let mut all: Vec<(usize, usize, usize)> = (self.design.rows - 1..self.degree.len())
            .flat_map(|c| self.columns[c].iter().map(move |&(r, s)| (c, r, s)))
            .collect();
        for i in (1..all.len()).rev() {
            all.swap(i, (self.rng.next_u64() % (i as u64 + 1)) as usize);
        }
        let mut moved = false;
        for (column, row, shift) in all {
            self.remove(column, row, shift);
            let place = self.best_place(column, Some((row, shift)));
            self.insert(column, place.0, place.1);
            moved |= place != (row, shift);
        }
        moved
    }

    /// Moves circulants of unwanted words until none is left.
    fn mend(&mut self) {
        let base = self.base();
        let mut words: Vec<Word> =
            self.design.unwanted.iter().flat_map(|limits| words::all(&base, limits)).collect();
        for _ in 0..MENDS {
            if words.is_empty() {
                break;
            }
            let word = &words[self.below(words.len())];
            let column = word.variables[self.below(word.variables.len())].0;
            let at = self.below(self.columns[column].len());
            let (row, shift) = self.columns[column][at];
            let here = |word: &Word| word.variables.iter().any(|v| v.0 == column);
            let before = words.iter().filter(|word| here(word)).count();
            let heaviest = MENDED_WEIGHT * self.closed_walks(column, (row, shift));
            self.remove(column, row, shift);
            let mut best = (before, (row, shift), None);
            for place in self.places(column, Some((row, shift))).into_iter().take(MENDING_CANDIDATES) {
                self.insert(column, place.0, place.1);
                if self.closed_walks(column, place) > heaviest {
                    self.remove(column, place.0, place.1);
                    continue;
                }
                let base = self.base();
                let mut found = Vec::new();
                for limits in &self.design.unwanted {
                    found.extend(words::through(&base, column, limits));
                    if found.len() >= best.0 {
                        break;
                    }
                }
                self.remove(column, place.0, place.1);
                if found.len() < best.0 {
                    best = (found.len(), place, Some(found));
                }
                if best.0 == 0 {
                    break;
                }
            }
            self.insert(column, best.1.0, best.1.1);
            if let Some(found) = best.2 {
                words.retain(|word| !here(word));
                words.extend(found);
            }
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.rng.next_u64() % bound as u64) as usize
    }

    /// The place of least added weight among rows with room; `current` wins ties.
    fn best_place(&mut self, column: usize, current: Option<(usize, usize)>) -> (usize, usize) {
        let places = self.places(column, current);
        let mut best = (f64::INFINITY, current.unwrap_or((0, 0)));
        for (row, shift) in current.into_iter().chain(places).take(CANDIDATES) {
            self.insert(column, row, shift);
            let weight = self.closed_walks(column, (row, shift));
            self.remove(column, row, shift);
            if weight < best.0 {
                best = (weight, (row, shift));
            }
        }
        best.1
    }

    /// Places among rows with room, and in the row of `current`, by the weight of the cycles closed, one lane's.
    fn places(&mut self, column: usize, current: Option<(usize, usize)>) -> Vec<(usize, usize)> {
        let (z, rows) = (self.design.z, self.design.rows);
        let cap = self.degree.iter().sum::<usize>().div_ceil(rows);
        let taken: Vec<(usize, usize)> = self.columns[column].clone();
        let free = |row: usize| taken.iter().all(|e| e.0 != row);
        let lowest = (0..rows).filter(|&r| free(r)).map(|r| self.rows[r].len()).min().unwrap_or(0);
        // While growing keep the rows level; when refining a row may fill up to the cap.
        let slack = usize::from(self.degree[column] > 6);
        let bound = if current.is_some() { cap - 1 } else { (lowest + slack).min(cap - 1) };
        let weights = self.open_walks(column);
        let mut places: Vec<(f64, u32, usize, usize)> = Vec::new();
        for row in (0..rows).filter(|&r| free(r)) {
            if self.rows[row].len() > bound && current.map(|c| c.0) != Some(row) {
                continue;
            }
            for shift in (0..z).filter(|s| taken.iter().all(|e| e.1 != *s)) {
                places.push((weights[row * z + shift], self.rng.next_u32(), row, shift));
            }
        }
        places.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        places.into_iter().map(|(_, _, row, shift)| (row, shift)).collect()
    }

    /// For each (row, shift): the weight of the cycles an edge there would close with the edges that
    /// `column` has, by walks from lane 0 of `column`.
    fn open_walks(&self, column: usize) -> Vec<f64> {
        let z = self.design.z;
        let mut ends = vec![0.0; self.design.rows * z];
        let own = self.degree[column] - 2;
        for &(row, shift) in &self.columns[column] {
            let start = (row, (z - shift) % z);
            self.walk(2, own, start, (column, shift), &mut |variables, ace, row, lane| {
                ends[row * z + (z - lane) % z] += weight(variables, ace);
            });
        }
        ends
    }

    /// The weight of the cycles through edge `edge` of `column`, which is in the graph.
    fn closed_walks(&self, column: usize, edge: (usize, usize)) -> f64 {
        let z = self.design.z;
        let own = self.degree[column] - 2;
        let goal = (edge.0, (z - edge.1) % z);
        let mut sum = 0.0;
        for &(row, shift) in self.columns[column].iter().filter(|&&e| e != edge) {
            let start = (row, (z - shift) % z);
            self.walk(2, own, start, (column, shift), &mut |variables, ace, row, lane| {
                if (row, lane) == goal {
                    sum += weight(variables, ace);
                }
            });
        }
        sum
    }

    /// Visits every check that a non-backtracking walk from check `at` (reached by edge `by`) ends in.
    fn walk(
        &self,
        variables: usize,
        ace: usize,
        at: (usize, usize),
        by: (usize, usize),
        visit: &mut impl FnMut(usize, usize, usize, usize),
    ) {
        let z = self.design.z;
        for &(column, shift) in &self.rows[at.0] {
            let ace = ace + self.degree[column] - 2;
            if (column, shift) == by || ace > ACE_LIMIT[variables] {
                continue;
            }
            let lane = (at.1 + shift) % z;
            for &(row, back) in &self.columns[column] {
                if (row, back) == (at.0, shift) {
                    continue;
                }
                let check = (row, (lane + z - back) % z);
                visit(variables, ace, check.0, check.1);
                if variables < DEPTH && ace <= ACE_LIMIT[variables + 1] {
                    self.walk(variables + 1, ace, check, (column, back), visit);
                }
            }
        }
    }

    fn base(&self) -> BaseMatrix {
        let columns = self
            .columns
            .iter()
            .map(|entries| {
                let mut entries: Vec<_> = entries.iter().map(|&(r, s)| (r as u16, s as u16)).collect();
                entries.sort_unstable();
                entries
            })
            .collect();
        BaseMatrix { z: self.design.z, rows: self.design.rows, columns }
    }
}

fn weight(variables: usize, ace: usize) -> f64 {
    LENGTH_WEIGHT[variables] * (-(ace as f64) / ACE_HALVING).exp2()
}
