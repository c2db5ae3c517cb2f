//! Hyperparameters: the mode of their posterior.
//!
//! In: points, values. Out: hyperparameters of a process over them. Values are taken relative to their own spread. The prior of
//! a length scale is log-normal and grows with the square root of the dimension (Hvarfner, Hellsten and Nardi 2024), so that
//! a coordinate that explains nothing gets a long one; a search in a box from several starts finds the mode, first with few
//! points, then with all that may be used.

use crate::Draws;
use crate::gp::{GpError, log_likelihood};
use crate::matern::Hyper;
use crate::minimise::{Minimum, Options, minimise};
use crate::points::Points;

/// How to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Points used at most: time grows with their cube.
    pub points: usize,
    /// Points that all starts but the best are judged by.
    pub few: usize,
    /// Starts.
    pub starts: usize,
    /// Evaluations of a start.
    pub evaluations: usize,
    /// Of what is drawn: starts, and which points.
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { points: 2500, few: 400, starts: 4, evaluations: 60, seed: 0 }
    }
}

/// Where the logarithm of a quantity lies.
#[derive(Clone, Copy)]
struct Prior {
    mean: f64,
    deviation: f64,
    low: f64,
    high: f64,
}

impl Prior {
    fn cost(self, x: f64) -> (f64, f64) {
        let t = (x - self.mean) / self.deviation;
        (0.5 * t * t, t / self.deviation)
    }
}

/// Of length scales, over a coordinate's standard deviation.
fn length_prior(dimension: usize) -> Prior {
    Prior {
        mean: 2f64.sqrt() + 0.5 * (dimension.max(1) as f64).ln(),
        deviation: 3f64.sqrt(),
        low: 0.02f64.ln(),
        high: 1e3f64.ln(),
    }
}

/// Of the signal's variance, over that of the values.
const SIGNAL: Prior = Prior { mean: 0.0, deviation: 1.5, low: -4.6, high: 6.9 };

/// Of the noise's variance, over that of the values.
const NOISE: Prior = Prior { mean: -5.0, deviation: 2.0, low: -13.8, high: 0.7 };

fn priors(dimension: usize) -> Vec<Prior> {
    let mut priors = vec![length_prior(dimension); dimension];
    priors.extend([SIGNAL, NOISE]);
    priors
}

/// Mean and variance.
fn spread(values: &[f64]) -> (f64, f64) {
    let n = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    // Equal values have no scale of their own.
    (mean, if variance > 0.0 { variance } else { 1.0 })
}

fn hyper(x: &[f64], variance: f64) -> Hyper {
    let (lengths, rest) = x.split_at(x.len() - 2);
    Hyper {
        lengths: lengths.iter().map(|x| x.exp()).collect(),
        signal: rest[0].exp() * variance,
        noise: rest[1].exp() * variance,
    }
}

/// Hyperparameters that fit nothing in particular: the prior's centre, for values of this spread.
pub fn prior(points: &Points, values: &[f64]) -> Hyper {
    let x: Vec<f64> = priors(points.dimension()).iter().map(|prior| prior.mean).collect();
    hyper(&x, spread(values).1)
}

/// Minus the logarithm of the posterior of the hyperparameters whose logarithms are `x`, but for a constant, of values with
/// variance 1; infinite where the covariance is singular.
fn cost(points: &Points, values: &[f64], x: &[f64], gradient: &mut [f64]) -> f64 {
    let Ok(likelihood) = log_likelihood(points, values, &hyper(x, 1.0), Some(gradient)) else {
        return f64::INFINITY;
    };
    let mut cost = -likelihood;
    for ((prior, &x), gradient) in priors(points.dimension()).iter().zip(x).zip(gradient.iter_mut()) {
        let (value, slope) = prior.cost(x);
        cost += value;
        *gradient = slope - *gradient;
    }
    cost
}

/// The hyperparameters that `values` at `points` make most likely.
///
/// # Errors
/// [`GpError`] if there are not two points, or no start has a regular covariance.
pub fn fit(points: &Points, values: &[f64], effort: Effort) -> Result<Hyper, GpError> {
    fit_from(points, values, &[], effort)
}

/// The same, with `known` hyperparameters as one more start.
///
/// # Errors
/// As [`fit`].
pub fn fit_from(points: &Points, values: &[f64], known: &[&Hyper], effort: Effort) -> Result<Hyper, GpError> {
    let centre = prior(points, values);
    // Whatever can be said against the data is said here.
    log_likelihood(points, values, &centre, None)?;
    let (mean, variance) = spread(values);
    let mut order: Vec<usize> = (0..values.len()).collect();
    if values.len() > effort.few {
        Draws::new(effort.seed, 0).shuffle(&mut order);
    }
    let part = |count: usize| {
        let places = &order[..count.min(order.len())];
        let scaled = places.iter().map(|&i| (values[i] - mean) / variance.sqrt()).collect::<Vec<_>>();
        (points.select(places), scaled)
    };
    let priors = priors(points.dimension());
    let bounds: Vec<(f64, f64)> = priors.iter().map(|prior| (prior.low, prior.high)).collect();
    let of_known = |known: &&Hyper| {
        let lengths = known.lengths.iter().copied();
        lengths.chain([known.signal / variance, known.noise / variance]).map(f64::ln).collect::<Vec<_>>()
    };
    let drawn = |start: usize| -> Vec<f64> {
        let mut draws = Draws::new(effort.seed, start as u64);
        // The first is the prior's centre.
        let spread = if start == 0 { 0.0 } else { 0.7 };
        priors.iter().map(|prior| prior.mean + spread * prior.deviation * draws.normal()).collect()
    };
    let fitting = known.iter().filter(|known| known.lengths.len() == points.dimension() && known.is_valid());
    let starts: Vec<Vec<f64>> = fitting.map(of_known).chain((0..effort.starts.max(1)).map(drawn)).collect();
    let search = |(points, values): &(Points, Vec<f64>), start: &[f64], evaluations: usize| {
        let options = Options { evaluations, gradient: 1e-3, gain: 1e-6 };
        minimise(&mut |x, gradient| cost(points, values, x, gradient), start, &bounds, options)
    };
    let few = part(effort.few);
    let found: Vec<Minimum> = starts.iter().map(|start| search(&few, start, effort.evaluations)).collect();
    // The first of equal ones.
    let best =
        found.iter().filter(|found| found.value.is_finite()).min_by(|a, b| a.value.total_cmp(&b.value));
    let Some(best) = best else {
        return Err(GpError::IllConditioned { points: values.len().min(effort.few), jitter: 0.0 });
    };
    if values.len().min(effort.points) <= effort.few {
        return Ok(hyper(&best.at, variance));
    }
    let all = search(&part(effort.points), &best.at, effort.evaluations);
    Ok(hyper(if all.value.is_finite() { &all.at } else { &best.at }, variance))
}
