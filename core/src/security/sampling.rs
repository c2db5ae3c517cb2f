//! What a sample tells about an error rate.
//!
//! In oblivious transfer the estimate decides about correctness alone, so that an exact binomial bound is all
//! it takes; key distribution has to bound the error rate of other positions than those seen, which is what
//! [`serfling_mu`] is for.

use core::f64::consts::PI;

use libm::{exp, expm1, lgamma, log, sqrt};

use super::divergence::{deviance, excess};
use super::parameters::Epsilon;

/// Upper bound of an error rate of which `errors` among `sample` independent bits were seen: true except with
/// probability `epsilon` (Clopper and Pearson 1934). It is the p with
/// P(Binomial(sample, p) <= errors) = epsilon, and 1 where all were errors.
///
/// `None` if there are more errors than bits, or none of either.
///
/// ```
/// use caligo_core::security::{Epsilon, sampling::clopper_pearson_upper};
///
/// let epsilon = Epsilon::new(0.05)?;
/// // The rule of three.
/// assert!(clopper_pearson_upper(0, 1000, epsilon).is_some_and(|p| (p - 0.0029912).abs() < 1e-7));
/// assert_eq!(clopper_pearson_upper(3, 2, epsilon), None);
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
pub fn clopper_pearson_upper(errors: u64, sample: u64, epsilon: Epsilon) -> Option<f64> {
    if sample == 0 || errors > sample {
        return None;
    }
    Some(if errors == sample { 1.0 } else { at_tail(errors, sample - errors, epsilon.value()).0 })
}

/// Lower bound of an error rate, as [`clopper_pearson_upper`]: the p with
/// P(Binomial(sample, p) >= errors) = epsilon, and 0 where no errors were seen.
pub fn clopper_pearson_lower(errors: u64, sample: u64, epsilon: Epsilon) -> Option<f64> {
    if sample == 0 || errors > sample {
        return None;
    }
    Some(if errors == 0 { 0.0 } else { at_tail(sample - errors, errors, epsilon.value()).1 })
}

/// mu = sqrt((n + k)/(n k) · (k + 1)/k · ln(4/epsilon)), by which the error rate of n bits may exceed that of
/// a sample of k others (Tomamichel, Lim, Gisin and Renner 2012, after Serfling 1974). For key distribution:
/// it is large for the samples that oblivious transfer can afford.
///
/// `None` if n or k is 0.
///
/// ```
/// use caligo_core::security::{Epsilon, sampling::serfling_mu};
///
/// let mu = serfling_mu(3600, 400, Epsilon::new(1e-10)?);
/// assert!(mu.is_some_and(|mu| (mu - 0.261).abs() < 5e-4));
/// # Ok::<(), caligo_core::security::ParameterError>(())
/// ```
pub fn serfling_mu(n: u64, k: u64, epsilon: Epsilon) -> Option<f64> {
    if n == 0 || k == 0 {
        return None;
    }
    let (n, k) = (n as f64, k as f64);
    Some(sqrt((1.0 / n + 1.0 / k) * (1.0 + 1.0 / k) * log(4.0 / epsilon.value())))
}

/// (p, 1 - p), each to its own precision, with P(X <= k) = `tail` for X of k + m bits that are 1 with
/// probability p. Needs m > 0 and 0 < tail < 1.
fn at_tail(k: u64, m: u64, tail: f64) -> (f64, f64) {
    if k == 0 {
        let ln_all = log(tail) / m as f64;
        return (-expm1(ln_all), exp(ln_all));
    }
    if tail > 0.5 {
        // The other tail, P(X >= k + 1), is P(m + k - X <= m - 1).
        let (q, p) = at_tail(m - 1, k + 1, 1.0 - tail);
        return (p, q);
    }
    // Where the mean is a whole number k, so is the median: P(X <= k) is at least 1/2 at p = k/n, and p no
    // less. Of p and 1 - p the smaller one is sought, for floating-point numbers are dense near 0.
    let (kf, mf) = (k as f64, m as f64);
    let n = kf + mf;
    if lower_tail(kf, mf, 0.5, 0.5) >= tail {
        let (mut low, mut high) = (0.0, (mf / n).min(0.5));
        while let Some(q) = between(low, high) {
            if lower_tail(kf, mf, 1.0 - q, q) <= tail { low = q } else { high = q }
        }
        (1.0 - low, low)
    } else {
        let (mut low, mut high) = (kf / n, 0.5);
        while let Some(p) = between(low, high) {
            if lower_tail(kf, mf, p, 1.0 - p) <= tail { high = p } else { low = p }
        }
        (high, 1.0 - high)
    }
}

/// A number between two others, if there is one.
fn between(low: f64, high: f64) -> Option<f64> {
    let middle = 0.5 * (low + high);
    (middle > low && middle < high).then_some(middle)
}

/// P(X <= k) for X of n = k + m bits that are 1 with probability p = 1 - q, where k <= n p, k > 0, m > 0.
///
/// It is m/q P(X = k) times the integral of g(u) = (1 + u/p)^k (1 - u/q)^(m - 1) over u from 0 to q. The
/// probability is taken from its saddle point (Loader 2000), the integral by Gauss and Legendre where g is
/// more than e^-45. Neither takes longer for larger n.
fn lower_tail(k: f64, m: f64, p: f64, q: f64) -> f64 {
    if q <= 0.0 {
        return 0.0;
    }
    let n = k + m;
    // k - n p, by the smaller of p and q.
    let off = if p <= q { k - n * p } else { n * q - m };
    let exponent = stirling_error(n)
        - stirling_error(k)
        - stirling_error(m)
        - n * p * deviance(off / (n * p))
        - n * q * deviance(-off / (n * q));
    let point = sqrt(n / (2.0 * PI * k * m)) * exp(exponent);
    let slope = (off + p) / (p * q);
    let ln_g = |u: f64| {
        let flat = if m > 1.0 { (m - 1.0) * excess(-u / q) } else { 0.0 };
        slope * u - k * excess(u / p) - flat
    };
    let mut width = (1.0 / (slope.abs() + sqrt(k) / p + sqrt(m) / q)).min(q);
    while width < q && ln_g(width) > -45.0 {
        width = (2.0 * width).min(q);
    }
    (m / q * point * integral(|u| exp(ln_g(u)), width)).min(1.0)
}

/// Half of the nodes of degree 10 on (-1, 1), and their weights.
const NODES: [(f64, f64); 5] = [
    (0.14887433898163122, 0.29552422471475287),
    (0.4333953941292472, 0.26926671930999635),
    (0.6794095682990244, 0.21908636251598204),
    (0.8650633666889845, 0.1494513491505806),
    (0.9739065285171717, 0.06667134430868814),
];

/// Integral of `f` from 0 to `width` by Gauss and Legendre on 24 panels.
fn integral(f: impl Fn(f64) -> f64, width: f64) -> f64 {
    const PANELS: u32 = 24;
    let half = width / f64::from(2 * PANELS);
    let panel = |i: u32| {
        let centre = half * f64::from(2 * i + 1);
        NODES.iter().map(|&(x, weight)| weight * (f(centre - half * x) + f(centre + half * x))).sum::<f64>()
    };
    half * (0..PANELS).map(panel).sum::<f64>()
}

/// ln n! less Stirling's formula, for n >= 1.
fn stirling_error(n: f64) -> f64 {
    if n < 16.0 {
        return lgamma(n + 1.0) - ((n + 0.5) * log(n) - n + 0.5 * log(2.0 * PI));
    }
    // Bernoulli numbers B_2j / (2j (2j - 1)), for j from 6 down to 1.
    let terms = [-691.0 / 360_360.0, 1.0 / 1188.0, -1.0 / 1680.0, 1.0 / 1260.0, -1.0 / 360.0, 1.0 / 12.0];
    terms.iter().fold(0.0, |sum, term| sum / (n * n) + term) / n
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epsilon(value: f64) -> Epsilon {
        Epsilon::new(value).unwrap()
    }

    fn near(found: f64, expected: f64, tolerance: f64) {
        assert!((found / expected - 1.0).abs() <= tolerance, "{found} is not {expected}");
    }

    fn bounds(errors: u64, sample: u64, value: f64) -> (f64, f64) {
        let bound =
            |side: fn(u64, u64, Epsilon) -> Option<f64>| side(errors, sample, epsilon(value)).unwrap();
        (bound(clopper_pearson_lower), bound(clopper_pearson_upper))
    }

    /// P(X <= k) by definition, in logarithms, for p = 1 - q.
    fn naive_tail(k: u64, n: u64, (p, q): (f64, f64)) -> f64 {
        let factorial = |j: u64| lgamma(j as f64 + 1.0);
        (0..=k)
            .map(|j| {
                let choose = factorial(n) - factorial(j) - factorial(n - j);
                exp(choose + j as f64 * log(p) + (n - j) as f64 * log(q))
            })
            .sum()
    }

    #[test]
    fn bounds_solve_the_binomial_tail() {
        for n in [2, 3, 5, 17, 40, 300, 2000] {
            for k in [1, 2, n / 3, n / 2, n - 2, n - 1].into_iter().filter(|k| (1..n).contains(k)) {
                for value in [1e-12, 1e-6, 0.05, 0.3, 0.5, 0.7, 0.999] {
                    let both = at_tail(k, n - k, value);
                    near(both.0 + both.1, 1.0, 1e-15);
                    near(naive_tail(k, n, both), value, 1e-9);
                    assert_eq!(bounds(k, n, value).1, both.0);
                    assert_eq!(bounds(n - k, n, value).0, both.1);
                }
            }
        }
    }

    /// Errors, sample, epsilon, both bounds. Computed with 50 digits from the continued
    /// fraction of the incomplete beta function.
    #[test]
    fn bounds_at_any_size() {
        for (errors, sample, value, low, high) in TABLE {
            let (found_low, found_high) = bounds(errors, sample, value);
            near(found_low, low, 1e-12);
            near(found_high, high, 1e-12);
        }
    }

    const TABLE: [(u64, u64, f64, f64, f64); 16] = [
        (1, 2, 0.25, 0.13397459621556135, 0.8660254037844386),
        (3, 10, 0.05, 0.0872644339141503, 0.6066242161054134),
        (2, 40, 1e-10, 3.580590609616856e-07, 0.5270123279041576),
        (39, 40, 1e-10, 0.5131412975657121, 0.9999999999975),
        (20, 400, 1e-3, 0.02268272535506728, 0.09296604285426235),
        (5, 1000, 0.025, 0.0016254195175627604, 0.01162947055981215),
        (123, 2048, 1e-6, 0.03815442040042881, 0.08863628567790034),
        (1000, 20000, 1e-10, 0.040782951771999004, 0.06044941342799948),
        (3000, 1000000, 1e-3, 0.00283382126653844, 0.003172866019897464),
        (50, 100000000, 1e-10, 1.7199914689356614e-07, 1.1029858425039274e-06),
        (1, 100000000, 1e-10, 1.00000000005e-18, 2.633397826980812e-07),
        (930000, 100000000, 1e-6, 0.009254443825461324, 0.009345707301951197),
        (50000000, 100000000, 1e-10, 0.4996819279878541, 0.500318072012146),
        (99999990, 100000000, 1e-6, 0.9999996557211986, 0.9999999872318116),
        (11000000, 100000000, 0.3, 0.10998358906040782, 0.11001641497022448),
        (10000000000, 1000000000000, 1e-10, 0.009999367067454287, 0.010000632959310628),
    ];

    #[test]
    fn ends_have_closed_forms() {
        for n in [1, 2, 7, 1000, 100_000_000, u64::MAX] {
            for value in [1e-300, 1e-10, 0.05, 0.5, 0.95] {
                let (low, high) = bounds(0, n, value);
                near(high, -expm1(log(value) / n as f64), 1e-14);
                assert_eq!(low, 0.0);
                let (low, high) = bounds(n, n, value);
                near(low, exp(log(value) / n as f64), 1e-14);
                assert_eq!(high, 1.0);
            }
        }
        assert_eq!(clopper_pearson_upper(0, 0, epsilon(0.1)), None);
        assert_eq!(clopper_pearson_lower(2, 1, epsilon(0.1)), None);
    }

    #[test]
    fn mu_is_that_of_the_literature_page() {
        near(serfling_mu(3600, 400, epsilon(1e-10)).unwrap(), 0.261, 2e-3);
        assert_eq!((serfling_mu(0, 1, epsilon(0.1)), serfling_mu(1, 0, epsilon(0.1))), (None, None));
        assert!(serfling_mu(u64::MAX, u64::MAX, epsilon(0.1)).unwrap() < 1e-8);
    }
}
