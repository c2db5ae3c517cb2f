//! How good predictions were.
//!
//! In: predictions, what then happened. Out: the usual figures.

use crate::acquire::normal_tail;
use crate::gp::Prediction;

/// Root of the mean squared error. No number without values.
pub fn root_mean_square(predictions: &[Prediction], values: &[f64]) -> f64 {
    mean(predictions.iter().zip(values).map(|(at, value)| (at.mean - value).powi(2))).sqrt()
}

/// Mean of minus the logarithm of the density that was predicted for each value, with `noise` added to the variances.
pub fn negative_log_density(predictions: &[Prediction], values: &[f64], noise: f64) -> f64 {
    mean(predictions.iter().zip(values).map(|(at, value)| {
        let variance = at.variance + noise;
        0.5 * ((std::f64::consts::TAU * variance).ln() + (value - at.mean).powi(2) / variance)
    }))
}

/// Part of the values that lie in the central interval predicted to hold `level` of them.
pub fn coverage(predictions: &[Prediction], values: &[f64], noise: f64, level: f64) -> f64 {
    mean(predictions.iter().zip(values).map(|(at, value)| {
        let z = (value - at.mean).abs() / (at.variance + noise).sqrt();
        f64::from(u8::from(1.0 - 2.0 * normal_tail(z) <= level))
    }))
}

/// Probability that one of the true ones has a larger score than one of the others, equal scores counted half: the area
/// under the receiver operating characteristic. No number if there are not both.
pub fn area_under_curve(scores: &[f64], labels: &[bool]) -> f64 {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(labels.iter().copied()).collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins, mut positive) = (0.0, 0.0, 0.0);
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let good = equal.iter().filter(|(_, label)| *label).count() as f64;
        let bad = equal.len() as f64 - good;
        wins += good * (below + 0.5 * bad);
        below += bad;
        positive += good;
    }
    wins / (positive * below)
}

/// Mean squared distance of probabilities from what happened (Brier 1950).
pub fn brier(probabilities: &[f64], labels: &[bool]) -> f64 {
    mean(probabilities.iter().zip(labels).map(|(p, &label)| (p - f64::from(u8::from(label))).powi(2)))
}

fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    values.for_each(|value| {
        sum += value;
        count += 1.0;
    });
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_small_cases() {
        let at = |mean, variance| Prediction { mean, variance };
        let predictions = [at(0.0, 1.0), at(1.0, 3.0)];
        assert!((root_mean_square(&predictions, &[1.0, 0.0]) - 1.0).abs() < 1e-15);
        // (ln(2 pi 2) + 1/2 + ln(2 pi 4) + 1/4)/4 at noise 1.
        let expected =
            0.25 * ((std::f64::consts::TAU * 2.0).ln() + 0.5 + (std::f64::consts::TAU * 4.0).ln() + 0.25);
        assert!((negative_log_density(&predictions, &[1.0, 0.0], 1.0) - expected).abs() < 1e-15);
        // At .68 and 1.27 deviations.
        assert_eq!(coverage(&predictions, &[0.68, 1.0 + 1.27 * 3f64.sqrt()], 0.0, 0.5), 0.0);
        assert_eq!(coverage(&predictions, &[0.67, 1.0 + 1.27 * 3f64.sqrt()], 0.0, 0.5), 0.5);
        assert_eq!(coverage(&predictions, &[0.67, 1.0 + 1.27 * 3f64.sqrt()], 0.0, 0.8), 1.0);
        assert_eq!(area_under_curve(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]), 0.75);
        assert_eq!(area_under_curve(&[0.5, 0.5], &[false, true]), 0.5);
        assert!((brier(&[0.8, 0.3], &[true, false]) - 0.065).abs() < 1e-15);
        assert!(
            (normal_tail(1.96) - 0.024_997_895).abs() < 1e-8
                && (normal_tail(-1.0) - 0.841_344_746).abs() < 1e-7
        );
    }
}
