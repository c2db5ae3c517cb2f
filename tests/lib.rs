//! What the tests share: naive twins of the core's kernels, and frames to decode.

use caligo_core::amplify::Toeplitz;
use caligo_core::bits::{get, set, words_for};
use caligo_core::code::Code;
use caligo_runtime::channel;

pub mod known;
pub mod sim;
pub mod transfer;

/// Variables of each check.
pub fn checks(code: &Code<'_>) -> Vec<Vec<usize>> {
    (0..code.m())
        .map(|check| {
            let mut row = Vec::new();
            code.neighbours(check, |v| row.push(v));
            row
        })
        .collect()
}

/// Syndrome by definition, one bit at a time.
pub fn naive_syndrome(code: &Code<'_>, frame: &[u64]) -> Vec<u64> {
    let mut syndrome = vec![0; code.m().div_ceil(64)];
    for (check, row) in checks(code).iter().enumerate() {
        let parity = row.iter().filter(|&&v| frame[v / 64] >> (v % 64) & 1 == 1).count() % 2;
        syndrome[check / 64] |= (parity as u64) << (check % 64);
    }
    syndrome
}

/// Toeplitz hash by definition, one bit at a time.
pub fn naive_toeplitz(hash: Toeplitz, seed: &[u64], input: &[u64]) -> Vec<u64> {
    let Toeplitz { input_bits: n, output_bits: l } = hash;
    let mut output = vec![0; words_for(l)];
    for j in 0..l {
        let sum = (0..n).filter(|&i| get(seed, n - 1 + j - i) && get(input, i)).count();
        set(&mut output, j, sum % 2 == 1);
    }
    output
}

/// A random frame, what a binary symmetric channel makes of it, and its syndrome.
pub struct Sample {
    /// Sent.
    pub sent: Vec<u64>,
    /// Received.
    pub received: Vec<u64>,
    /// Syndrome of what was sent.
    pub syndrome: Vec<u64>,
}

/// Sample `index` of a channel of error rate `q`.
///
/// # Panics
/// Never: the buffers fit.
pub fn sample(code: &Code<'_>, q: f64, index: u64) -> Sample {
    let mut rng = channel::stream(20, index);
    let sent = channel::random_bits(code.n(), &mut rng);
    let mut received = sent.clone();
    channel::flip(&mut received, code.n(), q, &mut rng);
    let mut syndrome = vec![0; code.m().div_ceil(64)];
    code.syndrome(&sent, &mut syndrome).expect("buffers fit");
    Sample { sent, received, syndrome }
}

/// Textbook flooding sum-product in f64. Returns the decision and whether it meets the syndrome.
pub fn textbook(code: &Code<'_>, llr: &[f64], syndrome: &[u64], iterations: usize) -> (Vec<u64>, bool) {
    let rows = checks(code);
    let mut messages: Vec<Vec<f64>> = rows.iter().map(|row| vec![0.0; row.len()]).collect();
    let mut decision = vec![0; code.n().div_ceil(64)];
    for _ in 0..iterations {
        let mut posterior = llr.to_vec();
        for (row, message) in rows.iter().zip(&messages) {
            for (&v, m) in row.iter().zip(message) {
                posterior[v] += m;
            }
        }
        for (check, (row, message)) in rows.iter().zip(&mut messages).enumerate() {
            let sign = if syndrome[check / 64] >> (check % 64) & 1 == 1 { -1.0 } else { 1.0 };
            let t: Vec<f64> =
                row.iter().zip(&*message).map(|(&v, m)| ((posterior[v] - m) / 2.0).tanh()).collect();
            for k in 0..row.len() {
                let product: f64 = t.iter().enumerate().filter(|&(j, _)| j != k).map(|(_, t)| t).product();
                message[k] = 2.0 * sign * product.clamp(-1.0 + 1e-13, 1.0 - 1e-13).atanh();
            }
        }
        let mut posterior = llr.to_vec();
        for (row, message) in rows.iter().zip(&messages) {
            for (&v, m) in row.iter().zip(message) {
                posterior[v] += m;
            }
        }
        decision.fill(0);
        for (v, p) in posterior.iter().enumerate() {
            decision[v / 64] |= u64::from(*p < 0.0) << (v % 64);
        }
        if naive_syndrome(code, &decision) == syndrome {
            return (decision, true);
        }
    }
    (decision, false)
}

/// The layered integer decoder by its definition, check by check in scalar arithmetic. Returns
/// posteriors after `iterations` iterations without any early stop.
pub fn naive_integer(
    code: &Code<'_>,
    llr: &[i16],
    syndrome: &[u64],
    iterations: usize,
    (offset, limit): (i32, i32),
) -> Vec<i32> {
    let rows = checks(code);
    let correction = |x: i32| (offset - x.min(255) / 4).max(0);
    let plus = |a: i32, b: i32| {
        let (low, high) = (a.min(b), a.max(b));
        (low + correction(low + high) - correction(high - low)).max(0)
    };
    let mut posterior: Vec<i32> = llr.iter().map(|&l| l.into()).collect();
    let mut messages: Vec<Vec<i32>> = rows.iter().map(|row| vec![0; row.len()]).collect();
    for _ in 0..iterations {
        for (check, (row, message)) in rows.iter().zip(&mut messages).enumerate() {
            let input: Vec<i32> = row.iter().zip(&*message).map(|(&v, m)| posterior[v] - m).collect();
            let clamped: Vec<i32> = input.iter().map(|v| (*v).clamp(-limit, limit)).collect();
            let flip = syndrome[check / 64] >> (check % 64) & 1 == 1;
            for k in 0..row.len() {
                // Both ways from the ends, as the rule is not associative.
                let before = clamped[..k].iter().fold(255, |a, v| plus(a, v.abs()));
                let after = clamped[k + 1..].iter().rev().fold(255, |a, v| plus(a, v.abs()));
                let magnitude = plus(before, after).min(limit);
                let negative = clamped.iter().enumerate().filter(|&(j, v)| j != k && *v < 0).count() % 2 == 1;
                message[k] = if negative == flip { magnitude } else { -magnitude };
            }
            for ((&v, i), m) in row.iter().zip(&input).zip(&*message) {
                posterior[v] = i + m;
            }
        }
    }
    posterior
}
