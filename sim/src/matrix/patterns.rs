//! The hybrid puncturing order of the mother code.
//!
//! In: a base matrix whose degree-2 columns form a path through the rows, and a seed. Out: one nested
//! order for puncturing and one for shortening.
//!
//! Every path variable joins two checks; puncturing it merges them into one super-check.
//! * Regime A, untainted: every other column of the path. No check sees two punctured variables, until
//!   every check sees one: there the regime saturates.
//! * Regime B: the path's remaining columns, so that pairs merge to fours, fours to eights, and so on.
//!   Super-checks stay of equal size, which is what keeps the thresholds at the full levels close to
//!   the mother code's. The order within a level is random.
//!
//! Punctured path variables never close a cycle, so their columns are independent at every prefix.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::code::{Code, CodeError};
use caligo_core::rank;

use super::base::BaseMatrix;
use crate::channel::{shuffle, stream};

/// Seed of the committed orders.
pub const ORDER_SEED: u64 = 1;

/// The orders and how they came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Positions in the order of puncturing.
    pub puncture: Vec<u16>,
    /// Positions in the order of shortening.
    pub shorten: Vec<u16>,
    /// Length of the untainted prefix.
    pub untainted: usize,
    /// Whether the untainted prefix is maximal: no further variable is untainted.
    pub saturated: bool,
}

/// Builds the orders. The same matrix and seed give the same orders.
///
/// # Errors
/// [`CodeError`] if the matrix does not describe a code.
pub fn build(base: &BaseMatrix, seed: u64) -> Result<Orders, CodeError> {
    let tables = base.tables();
    let code = Code::from(tables.code()?);
    let path = path(base);
    let (puncture, shorten) = orders(&path, code.n(), seed);
    let untainted = levels(&path).next().map_or(0, |level| level.len() * base.z);
    let saturated = is_saturated(&code, &puncture[..untainted]);
    Ok(Orders { puncture, shorten, untainted, saturated })
}

/// Base columns of degree 2 that join row k to row k + 1, with k and the circulant size.
pub fn path(base: &BaseMatrix) -> Path {
    let columns = (0..base.columns.len()).filter(|&c| is_link(base, c));
    Path { z: base.z, links: columns.map(|c| (c, base.columns[c][0].0.into())).collect() }
}

/// What [`path`] finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    z: usize,
    /// Column, and the first of the rows it joins.
    links: Vec<(usize, usize)>,
}

/// The order of puncturing and the order of shortening of a code of `n` bits.
pub fn orders(path: &Path, n: usize, seed: u64) -> (Vec<u16>, Vec<u16>) {
    let mut rng = stream(seed, 0);
    let mut puncture = Vec::new();
    for level in levels(path) {
        let mut level: Vec<u16> = level
            .iter()
            .flat_map(|&c| (c * path.z..(c + 1) * path.z).map(|position| position as u16))
            .collect();
        shuffle(&mut level, &mut rng);
        puncture.extend(level);
    }
    let mut shorten: Vec<u16> = (0..n).map(|i| i as u16).collect();
    shuffle(&mut shorten, &mut rng);
    (puncture, shorten)
}

/// Columns of each level. Column k joins rows k and k + 1; with runs of `run` rows it is the middle of one.
fn levels(path: &Path) -> impl Iterator<Item = Vec<usize>> {
    let runs = core::iter::successors(Some(2), |run| Some(2 * run));
    runs.take_while(|run| run / 2 <= path.links.len()).map(|run| {
        let middle = path.links.iter().filter(move |link| (link.1 + 1) % run == run / 2);
        middle.map(|link| link.0).collect()
    })
}

/// Length of the longest prefix of `order` whose columns are independent.
pub fn independent_prefix(code: &Code<'_>, order: &[u16]) -> usize {
    let ranks = rank::prefix_ranks(code, order.iter().map(|&v| v.into()));
    ranks.windows(2).take_while(|pair| pair[0] < pair[1]).count()
}

/// A degree-2 column between neighbouring rows with equal shifts.
fn is_link(base: &BaseMatrix, column: usize) -> bool {
    matches!(base.columns[column][..], [(a, x), (b, y)] if b == a + 1 && x == y)
}

fn is_saturated(code: &Code<'_>, punctured: &[u16]) -> bool {
    let mut is_punctured = vec![false; code.n()];
    punctured.iter().for_each(|&v| is_punctured[usize::from(v)] = true);
    let mut blocked = vec![false; code.n()];
    for check in 0..code.m() {
        let mut sees = false;
        code.neighbours(check, |v| sees |= is_punctured[v]);
        if sees {
            code.neighbours(check, |v| blocked[v] = true);
        }
    }
    blocked.into_iter().all(|b| b)
}
