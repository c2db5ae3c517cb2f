//! Rows into what is told of them.

use std::collections::BTreeMap;

use crate::campaign::rows::{Outcome, Row};
use crate::campaign::space::{AXES, DIMENSIONS, Inputs, TABLE, code};
use crate::campaign::state::State;
use crate::campaign::store::{Store, StoreError};
use crate::config::Strategy;
use crate::montecarlo::clopper_pearson;

/// Rows that are kept for dots and correlations, of those that succeeded and of those that failed, at most.
const KEPT: u64 = 3000;

/// Bins of a dimension, and of the QBER.
pub(super) const BINS: usize = 12;

/// The QBER of the last bin's end.
pub(super) const MOST_QBER: f64 = 0.15;

/// Runs, and those that succeeded.
#[derive(Clone, Copy, Debug, Default)]
pub struct Share {
    /// Runs.
    pub runs: u64,
    /// Successes.
    pub succeeded: u64,
}

impl Share {
    const fn add(&mut self, succeeded: bool) {
        self.runs += 1;
        self.succeeded += succeeded as u64;
    }

    /// Successes over runs; `None` without runs.
    pub fn value(self) -> Option<f64> {
        (self.runs > 0).then(|| self.succeeded as f64 / self.runs as f64)
    }

    /// Its 95 % interval (Clopper and Pearson).
    pub fn interval(self) -> (f64, f64) {
        if self.runs == 0 { (0.0, 1.0) } else { clopper_pearson(self.succeeded, self.runs, 0.95) }
    }
}

/// Sum and number of a figure's values.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f32) {
        if value.is_finite() {
            self.sum += f64::from(value);
            self.count += 1;
        }
    }

    /// `None` of no values.
    pub fn value(self) -> Option<f64> {
        (self.count > 0).then(|| self.sum / self.count as f64)
    }

    /// All together.
    pub const fn sum(self) -> f64 {
        self.sum
    }
}

/// One strategy's samples.
#[derive(Clone, Copy, Debug, Default)]
pub struct OfStrategy {
    /// Runs that are results.
    pub share: Share,
    /// Net efficiency of those that succeeded.
    pub net_efficiency: Mean,
    /// Length of their strings.
    pub key_length: Mean,
    /// Efficiency of error correction.
    pub f: Mean,
    /// Decoding attempts of a block.
    pub rounds: Mean,
    /// Blocks whose first decoding failed.
    pub frame_errors: u64,
}

/// What rows show.
#[derive(Clone, Debug)]
pub struct Findings {
    /// By strategy.
    pub strategies: BTreeMap<&'static str, OfStrategy>,
    /// By outcome, error code, feasibility.
    pub endings: BTreeMap<(&'static str, String, String), u64>,
    /// Successes in each bin of each dimension.
    pub marginals: [[Share; BINS]; AXES],
    /// Successes in each bin of the expected QBER, up to `MOST_QBER`.
    pub qber: [Share; BINS],
    /// Means of the parts of a run's time.
    pub times: [(&'static str, Mean); 5],
    /// Rows with a result, some of those that succeeded and of those that did not.
    pub succeeded: Vec<Row>,
    /// The latter.
    pub failed: Vec<Row>,
    /// Rows with a margin, and those of them whose predicted margin has another sign.
    pub mistaken: (u64, u64),
    /// Inputs and margin of some rows that have one, at equal distances.
    pub margins: Vec<(Inputs, f32)>,
    /// Ends of the axes as they occur.
    pub ranges: [(f64, f64); AXES],
}

/// The name of a ninth input.
pub(super) fn strategy_name(input: f32) -> &'static str {
    if input == code(Strategy::Blind) { "blind" } else { "baseline" }
}

impl Findings {
    /// Of all rows of `store`.
    ///
    /// # Errors
    /// [`StoreError`] if a shard cannot be read.
    pub fn of(state: &State, store: &Store) -> Result<Self, StoreError> {
        let counts = store.counts();
        let ranges: [(f64, f64); AXES] = std::array::from_fn(|axis| range(state, axis));
        let mut found = Self {
            strategies: BTreeMap::new(),
            endings: BTreeMap::new(),
            marginals: [[Share::default(); BINS]; AXES],
            qber: [Share::default(); BINS],
            times: ["source_s", "sifting_s", "reconciliation_s", "amplification_s", "duration_s"]
                .map(|name| (name, Mean::default())),
            succeeded: Vec::new(),
            failed: Vec::new(),
            mistaken: (0, 0),
            margins: Vec::new(),
            ranges,
        };
        let every = [counts.succeeded, counts.failed].map(|count| count.div_ceil(KEPT).max(1));
        let every_margin = (counts.succeeded + counts.failed).div_ceil(2 * KEPT).max(1);
        let mut seen = [0; 2];
        for row in store.rows() {
            let row = row?;
            found.add(&row);
            if row.margin.is_finite() && found.mistaken.0.is_multiple_of(every_margin) {
                found.margins.push((row.inputs, row.margin));
            }
            let (which, kept) = match row.outcome {
                Outcome::Succeeded => (0, &mut found.succeeded),
                Outcome::Failed => (1, &mut found.failed),
                _ => continue,
            };
            if seen[which] % every[which] == 0 {
                // Words are counted, and not needed again.
                kept.push(Row { detail: String::new(), ..row });
            }
            seen[which] += 1;
        }
        Ok(found)
    }

    fn add(&mut self, row: &Row) {
        let key = (row.outcome.name(), row.error_code.clone(), row.feasibility.clone());
        *self.endings.entry(key).or_default() += 1;
        let times = [row.source_s, row.sifting_s, row.reconciliation_s, row.amplification_s, row.duration_s];
        self.times.iter_mut().zip(times).for_each(|((_, mean), time)| mean.add(time));
        // Points that were not run cannot succeed: they count as what they are.
        let succeeded = match row.outcome {
            Outcome::Succeeded => true,
            Outcome::Failed | Outcome::Skipped => false,
            Outcome::Infrastructure => return,
        };
        for (axis, bins) in self.marginals.iter_mut().enumerate() {
            let (low, high) = self.ranges[axis];
            let value = f64::from(row.inputs[axis]);
            let part = if is_log(axis) {
                (value / low).ln() / (high / low).ln()
            } else {
                (value - low) / (high - low)
            };
            if let Some(bin) = bins.get_mut(((part * BINS as f64) as usize).min(BINS - 1)) {
                bin.add(succeeded);
            }
        }
        let bin = f64::from(row.qber_expected) / MOST_QBER * BINS as f64;
        if let Some(bin) = self.qber.get_mut(bin as usize) {
            bin.add(succeeded);
        }
        let [.., code] = row.inputs;
        let of = self.strategies.entry(strategy_name(code)).or_default();
        of.share.add(succeeded);
        of.frame_errors += row.frame_errors;
        of.f.add(row.f);
        of.rounds.add(row.rounds);
        if succeeded {
            of.net_efficiency.add(row.net_efficiency);
            of.key_length.add(row.key_length as f32);
        }
        if row.margin.is_finite() && row.margin_predicted.is_finite() {
            self.mistaken.0 += 1;
            self.mistaken.1 += u64::from((row.margin > 0.0) != (row.margin_predicted > 0.0));
        }
    }

    /// Rank correlation (Spearman 1904) of each input with the margin, over [`margins`](Self::margins), whose number it
    /// comes with. `None` where either does not vary.
    pub fn correlations(&self) -> ([Option<f64>; DIMENSIONS], usize) {
        let margins = ranks(&self.margins.iter().map(|(_, margin)| *margin).collect::<Vec<_>>());
        let of = |d: usize| {
            let inputs = ranks(&self.margins.iter().map(|(inputs, _)| inputs[d]).collect::<Vec<_>>());
            correlation(&inputs, &margins)
        };
        (std::array::from_fn(of), self.margins.len())
    }
}

/// Whether a dimension's values are drawn, and shown, by their logarithm.
pub(super) fn is_log(axis: usize) -> bool {
    TABLE.get(axis).is_some_and(|dimension| dimension.axis.scale.name() == "log")
}

/// The ends of a dimension, out of the campaign's configuration.
fn range(state: &State, axis: usize) -> (f64, f64) {
    let Some(dimension) = TABLE.get(axis) else { return (0.0, 1.0) };
    let value = state.config.map().get(&format!("parameters.{}", dimension.quantity.name()));
    let ends = value.and_then(|value| {
        let at = |i: usize| value.get("range")?.get(i)?.as_f64();
        value.as_f64().map(|held| (held, held)).or_else(|| Some((at(0)?, at(1)?)))
    });
    let (low, high) = ends.unwrap_or((dimension.axis.low, dimension.axis.high));
    if low < high { (low, high) } else { (low * 0.9 - 1e-12, high * 1.1 + 1e-12) }
}

/// Ranks from 0; equal values have the mean of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut ranks, mut before) = (vec![0.0; values.len()], 0);
    for group in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let rank = before as f64 + 0.5 * (group.len() - 1) as f64;
        group.iter().for_each(|&i| ranks[i] = rank);
        before += group.len();
    }
    ranks
}

/// Pearson's, of two columns of equal length.
fn correlation(x: &[f64], y: &[f64]) -> Option<f64> {
    let n = x.len() as f64;
    let mean = |values: &[f64]| values.iter().sum::<f64>() / n;
    let (mx, my) = (mean(x), mean(y));
    let sum = |f: &dyn Fn(f64, f64) -> f64| x.iter().zip(y).map(|(x, y)| f(x - mx, y - my)).sum::<f64>();
    let (xx, yy, xy) = (sum(&|x, _| x * x), sum(&|_, y| y * y), sum(&|x, y| x * y));
    (xx > 0.0 && yy > 0.0).then(|| xy / (xx * yy).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_of_equal_values_are_equal() {
        assert_eq!(ranks(&[3.0, 1.0, 2.0, 1.0]), [3.0, 0.5, 2.0, 0.5]);
        assert_eq!(ranks(&[]), [] as [f64; 0]);
    }

    /// Spearman's formula 1 - 6 sum d^2/(n (n^2 - 1)), where no values are equal.
    #[test]
    fn correlation_is_spearmans() {
        let (x, y) = ([1.0, 2.0, 3.0, 4.0, 5.0], [20.0, 10.0, 40.0, 30.0, 50.0]);
        let found = correlation(&ranks(&x), &ranks(&y)).unwrap();
        assert!((found - (1.0 - 6.0 * 4.0 / (5.0 * 24.0))).abs() < 1e-12, "{found}");
        assert_eq!(correlation(&[1.0, 1.0], &[1.0, 2.0]), None);
    }
}
