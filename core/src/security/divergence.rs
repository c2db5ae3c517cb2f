//! Differences of logarithms, computed without the cancellation their definitions suffer.

use libm::log1p;

/// x - ln(1 + x), not negative; infinite for x <= -1.
pub(super) fn excess(x: f64) -> f64 {
    if x <= -1.0 {
        return f64::INFINITY;
    }
    if !(-0.3..=0.4).contains(&x) {
        return x - log1p(x);
    }
    // With t = x / (2 + x), ln(1 + x) = 2 (t + t^3/3 + t^5/5 + ...) and x - 2 t = t x.
    let t = x / (2.0 + x);
    let square = t * t;
    let tail = (1..=12).rev().fold(0.0, |sum, j| (sum + 1.0 / f64::from(2 * j + 1)) * square);
    t * (x - 2.0 * tail)
}

/// (1 + x) ln(1 + x) - x, not negative; 1 for x <= -1.
pub(super) fn deviance(x: f64) -> f64 {
    if x <= -1.0 { 1.0 } else { (x * log1p(x) - excess(x)).max(0.0) }
}

/// Relative entropy D(a || b) = a log2(a/b) + (1 - a) log2((1 - a)/(1 - b)) of two coins, in bits: infinite
/// where only b is 0 or 1. Arguments outside [0, 1] count as its ends.
pub(super) fn divergence(a: f64, b: f64) -> f64 {
    let (a, b) = (a.clamp(0.0, 1.0), b.clamp(0.0, 1.0));
    if a == b {
        return 0.0;
    }
    if b == 0.0 || b == 1.0 {
        return f64::INFINITY;
    }
    let nats = b * deviance((a - b) / b) + (1.0 - b) * deviance((b - a) / (1.0 - b));
    nats / core::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x, x - ln(1 + x), (1 + x) ln(1 + x) - x, computed with 40 digits.
    #[test]
    fn nothing_cancels() {
        for (x, less, more) in [
            (1e-9, 4.999999996666666e-19, 4.999999998333333e-19),
            (-1e-5, 5.000033333583335e-11, 5.000016666750001e-11),
            (0.01, 4.966914683191715e-05, 4.983416169976368e-05),
            (-0.29, 0.05249030894677595, 0.04683188064778908),
            (0.39, 0.06069625285739961, 0.06773220852821454),
            (0.5, 0.09453489189183562, 0.10819766216224658),
            (-0.75, 0.6362943611198906, 0.40342640972002736),
            (1e3, 993.0912452206848, 5915.663534094536),
        ] {
            assert!((excess(x) / less - 1.0).abs() < 2e-15, "{x}: {}", excess(x));
            assert!((deviance(x) / more - 1.0).abs() < 4e-15, "{x}: {}", deviance(x));
        }
    }

    #[test]
    fn ends_are_limits() {
        assert_eq!((excess(-1.0), deviance(-1.0), deviance(-2.0)), (f64::INFINITY, 1.0, 1.0));
        assert_eq!((divergence(0.0, 0.0), divergence(1.0, 1.0)), (0.0, 0.0));
        assert_eq!((divergence(0.5, 0.0), divergence(0.5, 1.0)), (f64::INFINITY, f64::INFINITY));
        assert!((divergence(0.0, 0.25) + libm::log2(0.75)).abs() < 1e-15);
        assert!((divergence(1.0, 0.25) - 2.0).abs() < 1e-15);
        // The pieces of `excess` meet.
        for x in [-0.3, 0.4] {
            let (below, above) = (excess(x - 1e-12), excess(x + 1e-12));
            assert!((below - above).abs() < 1e-11, "{x}");
        }
    }
}
