//! Limits of one-way reconciliation over a binary symmetric channel, asymptotic and at finite length.
//!
//! n is the number of payload bits, Q the error rate, leak the number of syndrome bits.

use libm::{exp, log, log1p, log2, sqrt};

/// Binary entropy h(Q) in bits; 0 at and outside the ends of [0, 1].
///
/// ```
/// assert!((caligo_core::limits::entropy(0.05) - 0.286397).abs() < 1e-6);
/// ```
pub fn entropy(q: f64) -> f64 {
    if q <= 0.0 || q >= 1.0 {
        return 0.0;
    }
    -(q * log2(q) + (1.0 - q) * log2(1.0 - q))
}

/// Varentropy v(Q) = Q (1 - Q) log2^2((1 - Q)/Q) in bits squared.
pub fn varentropy(q: f64) -> f64 {
    if q <= 0.0 || q >= 1.0 {
        return 0.0;
    }
    let l = log2((1.0 - q) / q);
    q * (1.0 - q) * l * l
}

/// Error rate Q in [0, 1/2] with h(Q) = `h`.
///
/// ```
/// assert!((caligo_core::limits::inverse_entropy(0.5) - 0.11002786).abs() < 1e-8);
/// ```
pub fn inverse_entropy(h: f64) -> f64 {
    let (mut low, mut high) = (0.0, 0.5);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if entropy(middle) < h { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// Efficiency f = leak / (n h(Q)); infinite where h(Q) = 0.
pub fn efficiency(leak: f64, n: usize, q: f64) -> f64 {
    leak / (n as f64 * entropy(q))
}

/// Least leak in bits, as a real number, with which any code reaches frame error rate `fer`: the exact
/// converse. The receiver's best list of 2^leak error patterns is filled by ascending weight;
/// 1 - FER is at most its probability.
///
/// `None` unless 0 < Q < 1/2, 0 < FER < 1 and n > 0.
pub fn converse_leak(n: usize, q: f64, fer: f64) -> Option<f64> {
    if n == 0 || !(q > 0.0 && q < 0.5 && fer > 0.0 && fer < 1.0) {
        return None;
    }
    let mut rest = 1.0 - fer;
    let mut listed = f64::NEG_INFINITY;
    for shell in shells(n, q) {
        let probability = exp(shell.ln_probability);
        if probability >= rest {
            let part = log(rest / probability) + shell.ln_count;
            return Some(ln_add(listed, part) / core::f64::consts::LN_2);
        }
        rest -= probability;
        listed = ln_add(listed, shell.ln_count);
    }
    Some(n as f64)
}

/// Least frame error rate any code of `leak` syndrome bits reaches: the converse read the other way. 0 unless
/// 0 < Q < 1/2.
pub fn converse_fer(n: usize, q: f64, leak: f64) -> f64 {
    if !(q > 0.0 && q < 0.5) {
        return 0.0;
    }
    let room = leak * core::f64::consts::LN_2;
    let mut listed = f64::NEG_INFINITY;
    let mut success = 0.0;
    for shell in shells(n, q) {
        let next = ln_add(listed, shell.ln_count);
        if next > room {
            let left = room + log1p(-exp(listed - room));
            success += exp(shell.ln_probability + left - shell.ln_count);
            break;
        }
        success += exp(shell.ln_probability);
        listed = next;
    }
    (1.0 - success).clamp(0.0, 1.0)
}

/// Random-coding union bound: a code of `leak` syndrome bits exists with
/// FER <= sum over w of P(w) min(1, 2^-leak V(w)), V the volume of the ball of radius w. 0 unless
/// 0 < Q < 1/2.
pub fn achievable_fer(n: usize, q: f64, leak: f64) -> f64 {
    if !(q > 0.0 && q < 0.5) {
        return 0.0;
    }
    let room = leak * core::f64::consts::LN_2;
    let mut ball = f64::NEG_INFINITY;
    shells(n, q)
        .map(|shell| {
            ball = ln_add(ball, shell.ln_count);
            exp(shell.ln_probability + (ball - room).min(0.0))
        })
        .sum()
}

/// Least whole number of syndrome bits with which [`achievable_fer`] is at most `fer`.
///
/// `None` unless 0 < Q < 1/2 and 0 < FER < 1, or where even n bits are too few for the bound.
pub fn achievable_leak(n: usize, q: f64, fer: f64) -> Option<usize> {
    if !(q > 0.0 && q < 0.5 && fer > 0.0 && fer < 1.0) || achievable_fer(n, q, n as f64) > fer {
        return None;
    }
    let (mut low, mut high) = (0, n);
    while low < high {
        let middle = low + (high - low) / 2;
        if achievable_fer(n, q, middle as f64) <= fer { high = middle } else { low = middle + 1 }
    }
    Some(high)
}

/// Normal approximation of the least leak in bits:
/// n h + sqrt(n v) z - (1/2) log2 n, z the upper `fer` quantile of the normal distribution.
pub fn normal_leak(n: usize, q: f64, fer: f64) -> f64 {
    let n = n as f64;
    n * entropy(q) + sqrt(n * varentropy(q)) * upper_quantile(fer) - 0.5 * log2(n)
}

/// z with P(N(0, 1) > z) = `p`, by bisection.
fn upper_quantile(p: f64) -> f64 {
    let (mut low, mut high) = (-40.0, 40.0);
    for _ in 0..80 {
        let middle = 0.5 * (low + high);
        if 0.5 * libm::erfc(middle / core::f64::consts::SQRT_2) > p { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The error patterns of one weight.
struct Shell {
    ln_count: f64,
    ln_probability: f64,
}

fn shells(n: usize, q: f64) -> impl Iterator<Item = Shell> {
    let (ln_q, ln_p) = (log(q), log1p(-q));
    let mut ln_count = 0.0;
    (0..=n).map(move |w| {
        if w > 0 {
            ln_count += log((n - w + 1) as f64 / w as f64);
        }
        Shell { ln_count, ln_probability: ln_count + w as f64 * ln_q + (n - w) as f64 * ln_p }
    })
}

/// ln(exp(a) + exp(b)).
fn ln_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if high == f64::NEG_INFINITY { high } else { high + log1p(exp(low - high)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    #[test]
    fn unit_checks_of_the_literature_page() {
        close(entropy(0.05), 0.286397, 5e-7);
        close(varentropy(0.05), 0.85713, 5e-6);
        close(inverse_entropy(0.5), 0.11002786, 5e-9);
        close(converse_fer(4096, 0.1, 2048.0), 0.013206, 5e-7);
        close(achievable_fer(4096, 0.1, 2048.0), 0.014406, 5e-7);
        close(converse_fer(2048, 0.05, 640.0), 0.076737, 5e-7);
        close(achievable_fer(2048, 0.05, 640.0), 0.083834, 5e-7);
    }

    /// Rows of the published table: n, Q, FER, least leak by the converse, by the normal
    /// approximation.
    #[test]
    fn finite_length_table() {
        for (n, q, fer, converse, normal) in [
            (2048, 0.01, 0.1, 197.19044, 198.21950),
            (2048, 0.02, 0.001, 395.37617, 394.09902),
            (2048, 0.11, 0.01, 1115.26721, 1117.68655),
            (4096, 0.01, 0.01, 422.77365, 423.13595),
            (4096, 0.03, 0.001, 959.50974, 959.42277),
            (4096, 0.05, 0.1, 1242.44864, 1243.01658),
        ] {
            let least = converse_leak(n, q, fer).unwrap_or(f64::NAN);
            close(least, converse, 5e-5);
            close(normal_leak(n, q, fer), normal, 5e-5);
            close(converse_fer(n, q, least), fer, 1e-9);
        }
    }

    #[test]
    fn achievable_leak_is_the_first_that_suffices() {
        for (n, q, fer) in [(4096, 0.1, 0.014406), (2048, 0.05, 0.083834), (1000, 0.02, 1e-3)] {
            let least = achievable_leak(n, q, fer).unwrap();
            assert!(achievable_fer(n, q, least as f64) <= fer);
            assert!(achievable_fer(n, q, least as f64 - 1.0) > fer);
            let converse = converse_leak(n, q, fer).unwrap();
            assert!((0.0..6.5).contains(&(least as f64 - converse)), "{least} {converse}");
        }
        assert_eq!(achievable_leak(3, 0.3, 1e-9), None);
    }

    #[test]
    fn nonsense_has_no_limit() {
        for (n, q, fer) in [(0, 0.1, 0.1), (9, 0.0, 0.1), (9, 0.5, 0.1), (9, f64::NAN, 0.1), (9, 0.1, 0.0)] {
            assert_eq!(converse_leak(n, q, fer), None);
            assert_eq!(achievable_leak(n, q, fer), None);
        }
    }
}
