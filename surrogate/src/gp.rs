//! Exact Gaussian processes with a constant mean and noise (Rasmussen and Williams 2006, chapter 2).
//!
//! In: points, values, hyperparameters. Out: what they say of the function elsewhere, and how likely they are. The mean is the
//! one of largest likelihood (generalised least squares) unless it is given. Time grows with the cube of the number of
//! points, memory with its square.

mod extend;

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt;
use faer::linalg::cholesky::llt::factor::LltRegularization;
use faer::linalg::matmul::matmul;
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Accum, Mat, MatMut, MatRef, Par, Spec};
use rayon::prelude::*;

use crate::matern::{Hyper, Scaled, correlation, correlation_and_slope};
use crate::points::Points;

/// Why there is no process.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GpError {
    /// Points and values do not belong together.
    #[error(
        "expected as many values as points, at least {least}, all of them numbers; found {points} and {values}"
    )]
    Data {
        /// How many are needed.
        least: usize,
        /// Points.
        points: usize,
        /// Values.
        values: usize,
    },
    /// The hyperparameters are no positive numbers, or of another dimension.
    #[error(
        "expected {expected} length scales and two variances, all positive, found lengths {:?}, signal {}, noise {}",
        found.lengths, found.signal, found.noise
    )]
    Hyper {
        /// Dimension of the points.
        expected: usize,
        /// What was given.
        found: Hyper,
    },
    /// The covariance matrix is singular to working precision.
    #[error("the covariance of {points} points is singular, even with {jitter:e} of the signal added")]
    IllConditioned {
        /// Points.
        points: usize,
        /// The largest jitter that was tried, over the signal's variance.
        jitter: f64,
    },
}

/// The function at one point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Its mean.
    pub mean: f64,
    /// Its variance, without noise.
    pub variance: f64,
}

impl Prediction {
    /// Square root of the variance.
    pub fn deviation(self) -> f64 {
        self.variance.sqrt()
    }
}

/// The same with its slopes.
#[derive(Clone, Debug, PartialEq)]
pub struct Slopes {
    /// The function.
    pub at: Prediction,
    /// Derivative of the mean by each coordinate.
    pub mean: Vec<f64>,
    /// Derivative of the variance by each coordinate.
    pub variance: Vec<f64>,
}

/// A function at some points, and how some of them hang together with all.
#[derive(Clone, Debug, PartialEq)]
pub struct Covariances {
    /// The function at each point.
    pub at: Vec<Prediction>,
    /// Which points.
    pub places: Vec<usize>,
    /// Covariances of each of them with all points.
    pub between: Vec<Vec<f64>>,
}

/// What is tried, over the signal's variance, before a matrix is called singular.
const JITTERS: [f64; 4] = [0.0, 1e-10, 1e-8, 1e-6];

/// Points that are predicted together.
const TOGETHER: usize = 64;

/// A process that has seen some points.
#[derive(Clone, Debug)]
pub struct Gp {
    hyper: Hyper,
    mean: f64,
    points: Scaled,
    /// Lower triangle, column by column.
    factor: Vec<f64>,
    weights: Vec<f64>,
    jitter: f64,
}

impl Gp {
    /// The process that has seen `values` at `points`.
    ///
    /// # Errors
    /// [`GpError`].
    pub fn new(points: &Points, values: &[f64], hyper: Hyper, mean: Option<f64>) -> Result<Self, GpError> {
        check(points, values, &hyper, 1)?;
        let scaled = Scaled::new(points, &hyper.lengths);
        let (factor, jitter) = factor(&scaled, &hyper)?;
        let n = values.len();
        let (mean, weights) = weigh(&factor, n, values, mean);
        Ok(Self { hyper, mean, points: scaled, factor, weights, jitter })
    }

    /// Points seen.
    pub const fn len(&self) -> usize {
        self.points.len()
    }

    /// Whether none were: never.
    pub const fn is_empty(&self) -> bool {
        self.points.len() == 0
    }

    /// Its hyperparameters.
    pub const fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// The constant mean.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// What had to be added to the diagonal, over the signal's variance.
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    fn lower(&self) -> MatRef<'_, f64> {
        MatRef::from_column_major_slice(&self.factor, self.len(), self.len())
    }

    /// Covariances of the points seen with point `j` of `others`.
    fn covariances_with(&self, others: &Scaled, j: usize, to: &mut [f64]) {
        self.points.squares(0, others, j, to);
        to.iter_mut().for_each(|value| *value = self.hyper.signal * correlation(*value));
    }

    /// The function at each of `points`.
    pub fn predict(&self, points: &Points) -> Vec<Prediction> {
        let (others, starts) = self.blocks(points);
        let block = |&start: &usize| self.block(&others, start).0;
        starts.par_iter().flat_map_iter(block).collect()
    }

    /// The mean of the function at each of `points`: time grows with the number of points seen, not with its square.
    pub fn means(&self, points: &Points) -> Vec<f64> {
        let (others, starts) = self.blocks(points);
        let block = |&start: &usize| {
            let mut column = vec![0.0; self.len()];
            let of = |j| {
                self.covariances_with(&others, j, &mut column);
                self.mean + dot(&column, &self.weights)
            };
            (start..others.len().min(start + TOGETHER)).map(of).collect::<Vec<f64>>()
        };
        starts.par_iter().flat_map_iter(block).collect()
    }

    /// The function at each of `points`, and its covariances between each of those at `places` and all of them.
    pub fn covariances(&self, points: &Points, places: &dyn Fn(&[Prediction]) -> Vec<usize>) -> Covariances {
        let (others, starts) = self.blocks(points);
        let blocks: Vec<_> = starts.par_iter().map(|&start| self.block(&others, start)).collect();
        let (mut at, mut columns) = (Vec::with_capacity(points.len()), Vec::with_capacity(blocks.len()));
        for (said, block) in blocks {
            at.extend(said);
            columns.push(block);
        }
        let places = places(&at);
        let n = self.len();
        let of = |places: &[usize]| {
            let mut some = Vec::with_capacity(n * places.len());
            places.iter().for_each(|&i| {
                some.extend_from_slice(&columns[i / TOGETHER][i % TOGETHER * n..][..n]);
            });
            let some = MatRef::from_column_major_slice(&some, n, places.len());
            let mut found = vec![Vec::with_capacity(points.len()); places.len()];
            for block in &columns {
                let count = block.len() / n;
                let mut explained = Mat::<f64>::zeros(count, places.len());
                let block = MatRef::from_column_major_slice(block, n, count);
                matmul(explained.as_mut(), Accum::Replace, block.transpose(), some, 1.0, Par::Seq);
                found.iter_mut().enumerate().for_each(|(k, row)| row.extend(explained.col(k).iter()));
            }
            let mut squares = vec![0.0; points.len()];
            for (row, &i) in found.iter_mut().zip(places) {
                others.squares(0, &others, i, &mut squares);
                for (value, &square) in row.iter_mut().zip(&squares) {
                    *value = self.hyper.signal * correlation(square) - *value;
                }
            }
            found
        };
        let between = places.par_chunks(TOGETHER).flat_map_iter(of).collect();
        Covariances { at, places, between }
    }

    /// Covariances of the function at `point` with it at each of `points`.
    pub(crate) fn covariances_of(&self, point: &[f64], points: &Points) -> Vec<f64> {
        let n = self.len();
        let centre = Scaled::new(&Points::of([point]), &self.hyper.lengths);
        let mut known = vec![0.0; n];
        self.covariances_with(&centre, 0, &mut known);
        for lower in [true, false] {
            let right = MatMut::from_column_major_slice_mut(&mut known, n, 1);
            if lower {
                solve_lower_triangular_in_place(self.lower(), right, Par::Seq);
            } else {
                solve_upper_triangular_in_place(self.lower().transpose(), right, Par::Seq);
            }
        }
        let others = Scaled::new(points, &self.hyper.lengths);
        let mut found = vec![0.0; points.len()];
        others.squares(0, &centre, 0, &mut found);
        let mut column = vec![0.0; n];
        for (j, value) in found.iter_mut().enumerate() {
            self.covariances_with(&others, j, &mut column);
            *value = self.hyper.signal * correlation(*value) - dot(&column, &known);
        }
        found
    }

    /// Scaled points, and where blocks of them begin.
    fn blocks(&self, points: &Points) -> (Scaled, Vec<usize>) {
        (Scaled::new(points, &self.hyper.lengths), (0..points.len()).step_by(TOGETHER).collect())
    }

    /// The function at a block of points, and the inverse factor times their covariances with what was seen.
    fn block(&self, others: &Scaled, start: usize) -> (Vec<Prediction>, Vec<f64>) {
        let n = self.len();
        let count = TOGETHER.min(others.len() - start);
        let mut columns = vec![0.0; n * count];
        let mut means = Vec::with_capacity(count);
        for (j, column) in columns.chunks_exact_mut(n).enumerate() {
            self.covariances_with(others, start + j, column);
            means.push(self.mean + dot(column, &self.weights));
        }
        let right = MatMut::from_column_major_slice_mut(&mut columns, n, count);
        solve_lower_triangular_in_place(self.lower(), right, Par::Seq);
        let of =
            |(column, mean): (&[f64], f64)| Prediction { mean, variance: self.left(dot(column, column)) };
        (columns.chunks_exact(n).zip(means).map(of).collect(), columns)
    }

    /// What is left of the signal's variance once `explained` is known.
    fn left(&self, explained: f64) -> f64 {
        (self.hyper.signal - explained).max(1e-14 * self.hyper.signal)
    }

    /// The function at `point`, with its slopes.
    pub fn slopes(&self, point: &[f64]) -> Slopes {
        let n = self.len();
        let other = Scaled::new(&Points::of([point]), &self.hyper.lengths);
        let mut column = vec![0.0; n];
        self.points.squares(0, &other, 0, &mut column);
        let mut slopes = vec![0.0; n];
        for (value, slope) in column.iter_mut().zip(&mut slopes) {
            let (c, s) = correlation_and_slope(*value);
            (*value, *slope) = (self.hyper.signal * c, self.hyper.signal * s);
        }
        let mean = self.mean + dot(&column, &self.weights);
        // The covariance matrix's inverse times the covariances.
        let mut known = column.clone();
        let right = MatMut::from_column_major_slice_mut(&mut known, n, 1);
        solve_lower_triangular_in_place(self.lower(), right, Par::Seq);
        let variance = self.left(dot(&known, &known));
        let right = MatMut::from_column_major_slice_mut(&mut known, n, 1);
        solve_upper_triangular_in_place(self.lower().transpose(), right, Par::Seq);
        let d = point.len();
        let (mut by_mean, mut by_variance) = (vec![0.0; d], vec![0.0; d]);
        for k in 0..d {
            let centre = other.columns()[k][0];
            let (mut of_mean, mut of_variance) = (0.0, 0.0);
            for (i, &seen) in self.points.columns()[k].iter().enumerate() {
                // Derivative of a covariance by the scaled coordinate.
                let slope = slopes[i] * (seen - centre);
                of_mean += slope * self.weights[i];
                of_variance += slope * known[i];
            }
            by_mean[k] = of_mean / self.hyper.lengths[k];
            by_variance[k] = -2.0 * of_variance / self.hyper.lengths[k];
        }
        Slopes { at: Prediction { mean, variance }, mean: by_mean, variance: by_variance }
    }

    /// Means of the function at `points`, and the covariance of all of them, row by row.
    pub fn joint(&self, points: &Points) -> (Vec<f64>, Vec<f64>) {
        let (n, count) = (self.len(), points.len());
        let others = Scaled::new(points, &self.hyper.lengths);
        let mut columns = vec![0.0; n * count];
        let mut means = Vec::with_capacity(count);
        for (j, column) in columns.chunks_exact_mut(n).enumerate() {
            self.covariances_with(&others, j, column);
            means.push(self.mean + dot(column, &self.weights));
        }
        let right = MatMut::from_column_major_slice_mut(&mut columns, n, count);
        solve_lower_triangular_in_place(self.lower(), right, Par::Seq);
        let mut covariance = vec![0.0; count * count];
        for (i, row) in covariance.chunks_exact_mut(count.max(1)).enumerate() {
            others.squares(0, &others, i, row);
            for (j, value) in row.iter_mut().enumerate() {
                let explained = dot(&columns[i * n..(i + 1) * n], &columns[j * n..(j + 1) * n]);
                *value = self.hyper.signal * correlation(*value) - explained;
            }
        }
        (means, covariance)
    }

    /// Ratio of the largest to the smallest pivot of the covariance matrix, a lower bound of its condition.
    pub fn condition(&self) -> f64 {
        let n = self.len();
        let pivots = (0..n).map(|i| self.factor[i * n + i].powi(2));
        let (low, high) = pivots.fold((f64::INFINITY, 0.0_f64), |(low, high), p| (low.min(p), high.max(p)));
        high / low
    }
}

/// Logarithm of the likelihood of `values` at `points`, with the mean that makes it largest. Its derivatives by the
/// logarithms of the length scales, of the signal and of the noise go into `gradient`, if there is one.
///
/// # Errors
/// [`GpError`].
pub fn log_likelihood(
    points: &Points,
    values: &[f64],
    hyper: &Hyper,
    gradient: Option<&mut [f64]>,
) -> Result<f64, GpError> {
    check(points, values, hyper, 2)?;
    let n = values.len();
    let scaled = Scaled::new(points, &hyper.lengths);
    let (factor, jitter) = factor(&scaled, hyper)?;
    let (mean, weights) = weigh(&factor, n, values, None);
    let fit: f64 = values.iter().zip(&weights).map(|(value, weight)| (value - mean) * weight).sum();
    let determinant: f64 = (0..n).map(|i| factor[i * n + i].ln()).sum();
    let likelihood = -0.5 * fit - determinant - 0.5 * n as f64 * std::f64::consts::TAU.ln();
    let Some(gradient) = gradient else { return Ok(likelihood) };
    // The mean's own derivative is zero where it is best, so that it counts as held.
    let mut inverse = Mat::<f64>::zeros(n, n);
    let mut memory = MemBuffer::new(llt::inverse::inverse_scratch::<f64>(n, Par::Seq));
    let lower = MatRef::from_column_major_slice(&factor, n, n);
    llt::inverse::inverse(inverse.as_mut(), lower, Par::Seq, MemStack::new(&mut memory));
    let d = points.dimension();
    let column = |j: usize| {
        let mut squares = vec![0.0; n - j];
        scaled.squares(j, &scaled, j, &mut squares);
        // By the signal, by the noise, by each length.
        let mut sums = vec![0.0; d + 2];
        let mut pulls = vec![0.0; n - j];
        for (offset, (&square, pull)) in squares.iter().zip(&mut pulls).enumerate() {
            let i = j + offset;
            let (c, s) = correlation_and_slope(square);
            let weight = weights[i] * weights[j] - inverse[(i, j)];
            // The lower triangle stands for both.
            let both = if offset == 0 { 0.5 } else { 1.0 };
            sums[d] += both * weight * hyper.signal * c;
            *pull = both * weight * hyper.signal * s;
        }
        sums[d] += 0.5 * (weights[j] * weights[j] - inverse[(j, j)]) * jitter * hyper.signal;
        sums[d + 1] = 0.5 * (weights[j] * weights[j] - inverse[(j, j)]) * hyper.noise;
        for (sum, values) in sums.iter_mut().zip(scaled.columns()) {
            let centre = values[j];
            *sum = values[j..].iter().zip(&pulls).map(|(v, pull)| pull * (v - centre) * (v - centre)).sum();
        }
        sums
    };
    let sums: Vec<Vec<f64>> = (0..n).into_par_iter().map(column).collect();
    gradient.fill(0.0);
    for sums in sums {
        gradient.iter_mut().zip(sums).for_each(|(total, sum)| *total += sum);
    }
    Ok(likelihood)
}

fn check(points: &Points, values: &[f64], hyper: &Hyper, least: usize) -> Result<(), GpError> {
    let numbers = points.are_finite() && values.iter().all(|value| value.is_finite());
    if points.len() != values.len() || values.len() < least || !numbers {
        return Err(GpError::Data { least, points: points.len(), values: values.len() });
    }
    if hyper.lengths.len() != points.dimension() || !hyper.is_valid() {
        return Err(GpError::Hyper { expected: points.dimension(), found: hyper.clone() });
    }
    Ok(())
}

/// The lower factor of the covariance of noisy values at `points`, and what had to be added.
fn factor(points: &Scaled, hyper: &Hyper) -> Result<(Vec<f64>, f64), GpError> {
    let n = points.len();
    for jitter in JITTERS {
        let mut matrix = vec![0.0; n * n];
        matrix.par_chunks_exact_mut(n).enumerate().for_each(|(j, column)| {
            let below = &mut column[j..];
            points.squares(j, points, j, below);
            below.iter_mut().for_each(|value| *value = hyper.signal * correlation(*value));
            below[0] = hyper.signal * (1.0 + jitter) + hyper.noise;
        });
        let mut memory =
            MemBuffer::new(llt::factor::cholesky_in_place_scratch::<f64>(n, Par::Seq, Spec::default()));
        let done = llt::factor::cholesky_in_place(
            MatMut::from_column_major_slice_mut(&mut matrix, n, n),
            LltRegularization::default(),
            Par::Seq,
            MemStack::new(&mut memory),
            Spec::default(),
        );
        if done.is_ok() && (0..n).all(|i| matrix[i * n + i].is_finite() && matrix[i * n + i] > 0.0) {
            return Ok((matrix, jitter));
        }
    }
    Err(GpError::IllConditioned { points: n, jitter: JITTERS[JITTERS.len() - 1] })
}

/// The mean, if none is given, and the inverse covariance times what is left of `values`.
fn weigh(factor: &[f64], n: usize, values: &[f64], mean: Option<f64>) -> (f64, Vec<f64>) {
    let lower = MatRef::from_column_major_slice(factor, n, n);
    let mut both = values.to_vec();
    both.resize(2 * n, 1.0);
    let right = MatMut::from_column_major_slice_mut(&mut both, n, 2);
    solve_lower_triangular_in_place(lower, right, Par::Seq);
    let right = MatMut::from_column_major_slice_mut(&mut both, n, 2);
    solve_upper_triangular_in_place(lower.transpose(), right, Par::Seq);
    let (of_values, of_ones) = both.split_at(n);
    let mean = mean.unwrap_or_else(|| of_values.iter().sum::<f64>() / of_ones.iter().sum::<f64>());
    (mean, of_values.iter().zip(of_ones).map(|(value, one)| value - mean * one).collect())
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Eight sums, so that additions need not wait for each other.
    let mut sums = [0.0; 8];
    let (whole, rest) = (a.chunks_exact(8), a.chunks_exact(8).remainder());
    let tail: f64 = rest.iter().zip(&b[a.len() - rest.len()..]).map(|(a, b)| a * b).sum();
    for (a, b) in whole.zip(b.chunks_exact(8)) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f64>() + tail
}
