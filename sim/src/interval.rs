//! Confidence intervals of counted proportions.

use caligo_core::security::Epsilon;
use caligo_core::security::sampling::{clopper_pearson_lower, clopper_pearson_upper};

/// Two-sided Clopper-Pearson interval for a proportion; 0 to 1 if nothing was tried.
pub fn clopper_pearson(successes: u64, trials: u64, confidence: f64) -> (f64, f64) {
    let tail = Epsilon::new((1.0 - confidence) / 2.0).ok();
    let bound = |side: fn(u64, u64, Epsilon) -> Option<f64>| side(successes, trials, tail?);
    (bound(clopper_pearson_lower).unwrap_or(0.0), bound(clopper_pearson_upper).unwrap_or(1.0))
}

#[cfg(test)]
mod tests {
    use super::clopper_pearson;

    #[test]
    fn interval_matches_published_values() {
        // 0 of 30: upper 1 - (0.025)^(1/30). 5 of 100: [.01643, .11283].
        let (low, high) = clopper_pearson(0, 30, 0.95);
        assert!(low == 0.0 && (high - (1.0 - 0.025f64.powf(1.0 / 30.0))).abs() < 1e-9);
        let (low, high) = clopper_pearson(5, 100, 0.95);
        assert!((low - 0.016_43).abs() < 1e-5 && (high - 0.112_83).abs() < 1e-5, "{low} {high}");
        assert_eq!(clopper_pearson(4, 4, 0.95).1, 1.0);
        assert_eq!(clopper_pearson(0, 0, 0.95), (0.0, 1.0));
    }
}
