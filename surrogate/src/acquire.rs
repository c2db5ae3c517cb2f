//! Where to look next for a function's zero: the straddle heuristic (Bryan et al. 2005), kappa sigma - |mu|, of the function
//! without its noise.
//!
//! In: what is known of one or several functions, candidates. Out: a batch of points, each chosen as if those before it had
//! been seen where their mean is. That takes no mean away and lowers deviations around them, so that a batch spreads; and
//! since the heuristic can only fall, a candidate is judged again only while it looks best.

use rayon::prelude::*;

use crate::Draws;
use crate::gp::{Gp, GpError, Prediction};
use crate::local::Local;
use crate::minimise::{Options, minimise};
use crate::points::Points;

/// Standard deviations that are straddled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Straddle {
    /// So many: 1.96 in the documents.
    Fixed(f64),
    /// Drawn for each point: the square has a chi-squared distribution with two degrees of freedom (Inatsu et al. 2024).
    Randomised,
}

impl Straddle {
    fn kappa(self, draws: &mut Draws) -> f64 {
        match self {
            Self::Fixed(kappa) => kappa,
            Self::Randomised => (-2.0 * (1.0 - draws.uniform()).ln()).sqrt(),
        }
    }
}

/// Kappa sigma - |mu|.
pub fn straddle(kappa: f64, at: Prediction) -> f64 {
    kappa * at.deviation() - at.mean.abs()
}

/// One function, and where it may be looked at.
#[derive(Debug)]
pub struct Arm<'a> {
    /// What is known.
    pub local: Local,
    /// Ends of each coordinate.
    pub bounds: &'a [(f64, f64)],
    /// Points to begin with, in the bounds.
    pub candidates: &'a Points,
}

/// How to choose.
#[derive(Clone, Copy, Debug)]
pub struct Search {
    /// Points of a batch.
    pub batch: usize,
    /// Which heuristic.
    pub straddle: Straddle,
    /// Nearest points that judge a candidate.
    pub screen: usize,
    /// Nearest points that the gradient is of.
    pub neighbours: usize,
    /// Candidates that are improved by it.
    pub starts: usize,
    /// Evaluations of each.
    pub evaluations: usize,
    /// Of what is drawn.
    pub seed: u64,
}

impl Default for Search {
    fn default() -> Self {
        Self {
            batch: 16,
            straddle: Straddle::Fixed(1.96),
            screen: 48,
            neighbours: 128,
            starts: 6,
            evaluations: 30,
            seed: 0,
        }
    }
}

/// A point of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Choice {
    /// Which function.
    pub arm: usize,
    /// Where.
    pub point: Vec<f64>,
    /// What is expected there, the batch's earlier points taken for seen.
    pub at: Prediction,
    /// The heuristic's value.
    pub value: f64,
}

/// A candidate, and what was known of it when so many points of its arm had been chosen.
#[derive(Clone, Copy)]
struct Judged {
    at: Prediction,
    chosen: usize,
}

/// Chooses a batch. `snap` moves a point of an arm to the nearest that can be run.
///
/// # Errors
/// [`GpError`] if the covariance is singular wherever one looks.
pub fn choose(
    arms: &mut [Arm<'_>],
    search: Search,
    snap: &(dyn Fn(usize, &[f64]) -> Vec<f64> + Sync),
) -> Result<Vec<Choice>, GpError> {
    let judge = |arm: &Arm<'_>| -> Vec<Judged> {
        let all = arm.local.predict(arm.candidates, search.screen);
        all.into_iter().map(|at| Judged { at, chosen: 0 }).collect()
    };
    let mut judged: Vec<Vec<Judged>> = arms.iter().map(judge).collect();
    let mut chosen = vec![0; arms.len()];
    let mut draws = Draws::new(search.seed, 0);
    let mut batch = Vec::with_capacity(search.batch);
    while batch.len() < search.batch {
        let kappa = search.straddle.kappa(&mut draws);
        let starts = best(arms, &mut judged, &chosen, kappa, search);
        if starts.is_empty() {
            break;
        }
        let climb = |&(arm, candidate): &(usize, usize)| -> Result<Choice, GpError> {
            let of = &arms[arm];
            let start = of.candidates.row(candidate);
            let gp = of.local.around(start, search.neighbours)?;
            let top = ascend(&gp, kappa, start, of.bounds, search.evaluations);
            let points = [snap(arm, &top), snap(arm, start)];
            let mut found = Vec::with_capacity(2);
            for point in points {
                // By the neighbours of where it ended.
                let at = of.local.around(&point, search.neighbours)?.slopes(&point).at;
                found.push(Choice { arm, point, at, value: straddle(kappa, at) });
            }
            let second = found.pop();
            let first = found.pop();
            let better = first.filter(|f| second.as_ref().is_none_or(|s| f.value >= s.value)).or(second);
            better.ok_or(GpError::Data { least: 1, points: 0, values: 0 })
        };
        let found: Vec<_> = starts.par_iter().map(climb).collect();
        let mut top: Option<Choice> = None;
        for found in found {
            let found = found?;
            if top.as_ref().is_none_or(|top| found.value > top.value) {
                top = Some(found);
            }
        }
        let Some(top) = top else { break };
        if let Some(arm) = arms.get_mut(top.arm) {
            arm.local.push(&top.point, top.at.mean);
            chosen[top.arm] += 1;
        }
        batch.push(top);
    }
    Ok(batch)
}

/// The best candidates of all arms, no two of them neighbours.
fn best(
    arms: &[Arm<'_>],
    judged: &mut [Vec<Judged>],
    chosen: &[usize],
    kappa: f64,
    search: Search,
) -> Vec<(usize, usize)> {
    let mut order: Vec<(f64, usize, usize)> = judged
        .iter()
        .enumerate()
        .flat_map(|(arm, of)| of.iter().enumerate().map(move |(i, j)| (straddle(kappa, j.at), arm, i)))
        .collect();
    // A heap would do; sorting once is as simple.
    let later = |a: &(f64, usize, usize), b: &(f64, usize, usize)| {
        b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2)))
    };
    order.sort_unstable_by(later);
    let mut starts: Vec<(usize, usize, f64)> = Vec::with_capacity(search.starts);
    let mut next = 0;
    while let Some(&(value, arm, i)) = order.get(next) {
        next += 1;
        // Nothing that follows is better than what was found.
        if starts.len() == search.starts && starts.iter().all(|start| start.2 >= value) {
            break;
        }
        let point = arms[arm].candidates.row(i);
        let now = if judged[arm][i].chosen == chosen[arm] {
            value
        } else {
            let unseen = judged[arm][i].at;
            let at = arms[arm].local.around(point, search.screen).map_or(unseen, |gp| gp.slopes(point).at);
            judged[arm][i] = Judged { at, chosen: chosen[arm] };
            straddle(kappa, at)
        };
        let near = |&(other, j, _): &(usize, usize, f64)| {
            other == arm
                && distance(arms[arm].candidates.row(j), point, &arms[arm].local.hyper().lengths) < 0.25
        };
        match starts.iter().position(near) {
            Some(place) if starts[place].2 < now => starts[place] = (arm, i, now),
            Some(_) => {}
            None => starts.push((arm, i, now)),
        }
        starts.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        starts.truncate(search.starts);
    }
    starts.into_iter().map(|(arm, i, _)| (arm, i)).collect()
}

fn distance(a: &[f64], b: &[f64], lengths: &[f64]) -> f64 {
    a.iter().zip(b).zip(lengths).map(|((a, b), length)| ((a - b) / length).powi(2)).sum::<f64>().sqrt()
}

/// Climbs the straddle of `gp` from `start`.
fn ascend(gp: &Gp, kappa: f64, start: &[f64], bounds: &[(f64, f64)], evaluations: usize) -> Vec<f64> {
    let mut at = start.to_vec();
    // |mu| has no slope where it is 0: rounded off by a part of sigma, then by less.
    for round in [0.1_f64, 0.01] {
        let mut f = |x: &[f64], gradient: &mut [f64]| {
            let slopes = gp.slopes(x);
            let deviation = slopes.at.deviation();
            let size = (slopes.at.mean.powi(2) + round * round * slopes.at.variance).sqrt();
            for (k, gradient) in gradient.iter_mut().enumerate() {
                let by = slopes.at.mean * slopes.mean[k] + 0.5 * round * round * slopes.variance[k];
                *gradient = by / size - kappa * slopes.variance[k] / (2.0 * deviation);
            }
            size - kappa * deviation
        };
        at = minimise(&mut f, &at, bounds, Options { evaluations, gradient: 1e-9, gain: 1e-6 }).at;
    }
    at
}

/// Expected part of the points of `predictions` that the sign of the mean calls wrong.
pub fn doubt(predictions: &[Prediction]) -> f64 {
    let n = predictions.len().max(1) as f64;
    predictions.iter().map(|at| normal_tail(at.mean.abs() / at.deviation())).sum::<f64>() / n
}

/// P(Z > z) of a standard normal Z.
pub fn normal_tail(z: f64) -> f64 {
    0.5 * libm::erfc(z * std::f64::consts::FRAC_1_SQRT_2)
}
