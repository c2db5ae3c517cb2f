//! Sum-product decoding as textbooks write it: flooding, f64, tanh rule, one edge at a time.

use caligo_core::code::Code;

use crate::peer::{Batch, FRAME, Peer, Spent, cpu_seconds, llrs};

/// Edges in order of checks.
pub(crate) struct Textbook {
    /// First edge of each check, and the number of edges.
    first: Vec<usize>,
    variable: Vec<usize>,
    to_check: Vec<f64>,
    to_variable: Vec<f64>,
    max_iterations: u64,
}

impl Textbook {
    pub(crate) fn new(code: &Code<'_>, max_iterations: u64) -> Self {
        let (mut first, mut variable) = (vec![0], Vec::new());
        for check in 0..code.m() {
            code.neighbours(check, |v| variable.push(v));
            first.push(variable.len());
        }
        let edges = variable.len();
        Self { first, variable, to_check: vec![0.0; edges], to_variable: vec![0.0; edges], max_iterations }
    }

    /// u = 2 artanh of the product of tanh(v/2) over the other edges, with the sign of the syndrome's bit.
    fn update_checks(&mut self, syndrome: &[u64]) {
        for check in 0..self.first.len() - 1 {
            let edges = self.first[check]..self.first[check + 1];
            let sign = if syndrome[check / 64] >> (check % 64) & 1 == 1 { -1.0 } else { 1.0 };
            let mut before = sign;
            for e in edges.clone() {
                self.to_check[e] = (self.to_check[e] / 2.0).tanh();
                self.to_variable[e] = before;
                before *= self.to_check[e];
            }
            let mut behind = 1.0;
            for e in edges.rev() {
                let product: f64 = self.to_variable[e] * behind;
                self.to_variable[e] = 2.0 * product.clamp(-1.0 + 1e-15, 1.0 - 1e-15).atanh();
                behind *= self.to_check[e];
            }
        }
    }

    /// Iterations until the decision in `posterior` meets the syndrome, or all of them.
    fn run(&mut self, prior: &[f64], syndrome: &[u64], posterior: &mut [f64]) -> u64 {
        for (message, &v) in self.to_check.iter_mut().zip(&self.variable) {
            *message = prior[v];
        }
        for iteration in 1..=self.max_iterations {
            self.update_checks(syndrome);
            posterior.copy_from_slice(prior);
            for (message, &v) in self.to_variable.iter().zip(&self.variable) {
                posterior[v] += message;
            }
            if self.meets(syndrome, posterior) {
                return iteration;
            }
            for (e, &v) in self.variable.iter().enumerate() {
                self.to_check[e] = posterior[v] - self.to_variable[e];
            }
        }
        self.max_iterations
    }

    fn meets(&self, syndrome: &[u64], posterior: &[f64]) -> bool {
        self.first.windows(2).enumerate().all(|(check, edges)| {
            let ones = self.variable[edges[0]..edges[1]].iter().filter(|&&v| posterior[v] < 0.0).count();
            ones as u64 % 2 == syndrome[check / 64] >> (check % 64) & 1
        })
    }
}

impl Peer for Textbook {
    fn decode(&mut self, batch: Batch<'_>, decisions: &mut [u64]) -> anyhow::Result<Spent> {
        let (mut prior, mut posterior) = (vec![0.0; FRAME * 64], vec![0.0; FRAME * 64]);
        let mut spent = Spent::default();
        for ((received, syndrome), decision) in batch.iter().zip(decisions.chunks_exact_mut(FRAME)) {
            llrs(received, batch.qber, &mut prior);
            let start = cpu_seconds();
            let iterations = self.run(&prior, syndrome, &mut posterior);
            spent += Spent { seconds: cpu_seconds() - start, iterations };
            for (word, bits) in decision.iter_mut().zip(posterior.chunks_exact(64)) {
                *word = bits.iter().rev().fold(0, |word, &llr| word << 1 | u64::from(llr < 0.0));
            }
        }
        Ok(spent)
    }
}
