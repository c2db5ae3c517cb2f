//! The covariance function: Matern with smoothness 5/2 of the scaled distance, one length a dimension (Rasmussen and
//! Williams 2006, equation 4.17).

use serde::{Deserialize, Serialize};

use crate::points::Points;

const ROOT_5: f64 = 2.236_067_977_499_79;

/// Hyperparameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hyper {
    /// Length scale of each coordinate.
    pub lengths: Vec<f64>,
    /// Variance of the function.
    pub signal: f64,
    /// Variance of what is observed around it.
    pub noise: f64,
}

impl Hyper {
    /// Whether all are positive numbers.
    pub fn is_valid(&self) -> bool {
        let positive = |value: &f64| value.is_finite() && *value > 0.0;
        self.lengths.iter().all(positive) && positive(&self.signal) && positive(&self.noise)
    }
}

/// Correlation at the scaled distance whose square is `square`.
pub fn correlation(square: f64) -> f64 {
    let s = ROOT_5 * square.sqrt();
    (1.0 + s + s * s / 3.0) * (-s).exp()
}

/// The same, and its slope: minus twice its derivative by `square`, which has no pole at 0.
pub fn correlation_and_slope(square: f64) -> (f64, f64) {
    let s = ROOT_5 * square.sqrt();
    let decay = (-s).exp();
    ((1.0 + s + s * s / 3.0) * decay, 5.0 / 3.0 * (1.0 + s) * decay)
}

/// Points over their length scales, coordinate by coordinate, so that distances to one point are computed in vectors.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scaled {
    len: usize,
    columns: Vec<Vec<f64>>,
}

impl Scaled {
    pub(crate) fn new(points: &Points, lengths: &[f64]) -> Self {
        let column = |k: usize| points.rows().map(|row| row[k] / lengths[k]).collect();
        Self { len: points.len(), columns: (0..points.dimension()).map(column).collect() }
    }

    pub(crate) fn push(&mut self, point: &[f64], lengths: &[f64]) {
        self.len += 1;
        for (column, (value, length)) in self.columns.iter_mut().zip(point.iter().zip(lengths)) {
            column.push(value / length);
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn columns(&self) -> &[Vec<f64>] {
        &self.columns
    }

    /// Squares of the distances of the points `from`, `from` + 1, ... to point `j` of `others`, into `to`.
    pub(crate) fn squares(&self, from: usize, others: &Self, j: usize, to: &mut [f64]) {
        to.fill(0.0);
        for (mine, theirs) in self.columns.iter().zip(&others.columns) {
            let centre = theirs[j];
            for (sum, &value) in to.iter_mut().zip(&mine[from..]) {
                let difference = value - centre;
                *sum += difference * difference;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_closed_form() {
        // (1 + sqrt 5 + 5/3) exp(-sqrt 5) at distance 1.
        assert!((correlation(1.0) - 0.523_994_108_831_820_3).abs() < 1e-15, "{}", correlation(1.0));
        assert_eq!(correlation(0.0), 1.0);
        assert_eq!(correlation_and_slope(0.0), (1.0, 5.0 / 3.0));
        for square in [1e-6, 0.01, 0.5, 1.0, 3.0, 40.0] {
            let step = 1e-3 * square;
            let (value, slope) = correlation_and_slope(square);
            let numeric = (correlation(square + step) - correlation(square - step)) / (2.0 * step);
            assert!((value - correlation(square)).abs() < 1e-15);
            assert!((slope + 2.0 * numeric).abs() < 1e-5 * slope, "{square}: {slope} {numeric}");
        }
    }
}
