//! Where to look next for a function's zero: where the look is expected to leave least doubt about the sign everywhere
//! (stepwise uncertainty reduction; Bect et al. 2012, Chevalier et al. 2014).
//!
//! In: what is known of one or several functions, points spread over their space. Out: a batch of these points. With p the
//! probability of the sign at a point, doubt is p (1 - p), and what a look at x takes of it on average is
//!
//! E[p (1 - p)] before - after = Phi_2(t, t; rho) - Phi(t)^2, t = mu/sigma, rho = cov(point, x)^2 / (sigma^2 (sigma_x^2 + noise)),
//!
//! since p (1 - p) afterwards is the probability that two functions, drawn from what is then known, differ in sign; before the
//! look they have the correlation rho. Points of a batch are chosen one by one, each as if those before it had been seen where
//! their mean is.

use rayon::prelude::*;

use crate::acquire::{Choice, normal_tail};
use crate::gp::{Gp, GpError, Prediction};
use crate::local::Local;
use crate::points::Points;

/// One function, and points all over where it may be looked at.
#[derive(Debug)]
pub struct Field<'a> {
    /// What is known, as a whole.
    pub exact: Option<&'a Gp>,
    /// What is known, where there is no whole.
    pub local: &'a Local,
    /// Points that doubt is summed over, of which the batch is chosen.
    pub points: &'a Points,
    /// Out of how many: those that were left out are beyond doubt.
    pub drawn: usize,
}

/// How to choose.
#[derive(Clone, Copy, Debug)]
pub struct Reduction {
    /// Points of a batch.
    pub batch: usize,
    /// The most doubtful points of each function, which are considered.
    pub candidates: usize,
    /// Nearest points that stand for all that was seen, where there is no whole.
    pub neighbours: usize,
}

impl Default for Reduction {
    fn default() -> Self {
        Self { batch: 16, candidates: 256, neighbours: 128 }
    }
}

/// A point that may be chosen.
struct Candidate {
    place: usize,
    /// With each point.
    covariances: Vec<f64>,
    /// What a look at it takes of the mean doubt, when so many points of its function had been chosen.
    gain: f64,
    chosen: usize,
}

/// What is known of a function at its points.
struct Known {
    at: Vec<Prediction>,
    drawn: usize,
    noise: f64,
    candidates: Vec<Candidate>,
    chosen: usize,
}

impl Known {
    fn of(field: &Field<'_>, with: Reduction) -> Result<Self, GpError> {
        let most = |at: &[Prediction]| {
            let doubts: Vec<f64> = at.iter().map(|at| doubt(*at)).collect();
            let mut order: Vec<usize> = (0..at.len()).collect();
            order.sort_by(|&a, &b| doubts[b].total_cmp(&doubts[a]).then(a.cmp(&b)));
            order.truncate(with.candidates);
            order
        };
        let of = match field.exact {
            Some(gp) => gp.covariances(field.points, &most),
            None => field.local.covariances(field.points, &most, with.neighbours)?,
        };
        let candidate =
            |(place, covariances)| Candidate { place, covariances, gain: f64::INFINITY, chosen: 0 };
        let candidates = of.places.into_iter().zip(of.between).map(candidate).collect();
        let drawn = field.drawn.max(field.points.len());
        let mut known = Self { at: of.at, drawn, noise: field.local.hyper().noise, candidates, chosen: 0 };
        known.weigh(with.candidates);
        Ok(known)
    }

    /// Reckons the gains of the first `count` candidates.
    fn weigh(&mut self, count: usize) {
        let ts: Vec<f64> = self.at.iter().map(|at| at.mean / at.deviation()).collect();
        let count = count.min(self.candidates.len());
        self.candidates[..count].par_iter_mut().for_each(|candidate| {
            let seen = candidate.covariances[candidate.place].max(0.0) + self.noise;
            let of = |((at, t), covariance): ((&Prediction, &f64), &f64)| {
                less(*t, (covariance * covariance / (at.variance * seen)).min(1.0))
            };
            let sum: f64 = self.at.iter().zip(&ts).zip(&candidate.covariances).map(of).sum();
            (candidate.gain, candidate.chosen) = (sum / self.drawn as f64, self.chosen);
        });
        self.candidates.sort_by(|a, b| b.gain.total_cmp(&a.gain).then(a.place.cmp(&b.place)));
    }

    /// The candidate that takes most. Gains hardly ever grow, so that those that were least stay so.
    fn best(&mut self) -> Option<&Candidate> {
        while self.candidates.first()?.chosen < self.chosen {
            self.weigh(AGAIN);
        }
        self.candidates.first()
    }

    /// Takes the first candidate for seen, and from the candidates.
    fn see(&mut self) -> (usize, Prediction, f64) {
        let Candidate { place, covariances: with, gain, .. } = self.candidates.remove(0);
        let before = self.at[place];
        let seen = with[place].max(0.0) + self.noise;
        for (at, covariance) in self.at.iter_mut().zip(&with) {
            at.variance = (at.variance - covariance * covariance / seen).max(1e-9 * at.variance);
        }
        self.candidates.par_iter_mut().for_each(|other| {
            let part = other.covariances[place] / seen;
            other
                .covariances
                .iter_mut()
                .zip(&with)
                .for_each(|(value, covariance)| *value -= part * covariance);
        });
        self.chosen += 1;
        (place, before, gain)
    }
}

/// Candidates whose gains are reckoned again together.
const AGAIN: usize = 16;

fn doubt(at: Prediction) -> f64 {
    let p = normal_tail(at.mean.abs() / at.deviation());
    p * (1.0 - p)
}

/// Phi_2(t, t; rho) - Phi(t)^2: the integral over the correlation of the density at (t, t), by the angle whose sine it is.
fn less(t: f64, rho: f64) -> f64 {
    /// Gauss and Legendre's abscissas and weights on either side of the middle.
    const RULE: [(f64, f64); 3] = [
        (0.238_619_186_083_196_9, 0.467_913_934_572_691_1),
        (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
        (0.932_469_514_203_152, 0.171_324_492_379_170_36),
    ];
    /// Up to here the value in the middle is enough, to a part in a thousand where anything is left of it.
    const SMALL: f64 = 0.05;
    if t.abs() > 6.0 {
        return 0.0;
    }
    if rho < SMALL {
        return rho * (-t * t / (1.0 + 0.5 * rho)).exp() / std::f64::consts::TAU;
    }
    let half = 0.5 * rho.asin();
    let density = |angle: f64| (-t * t / (1.0 + angle.sin())).exp();
    let sum: f64 =
        RULE.iter().map(|(x, w)| w * (density(half * (1.0 - x)) + density(half * (1.0 + x)))).sum();
    half * sum / std::f64::consts::TAU
}

/// Chooses a batch.
///
/// # Errors
/// [`GpError`] if the covariance is singular wherever one looks.
pub fn choose(fields: &[Field<'_>], with: Reduction) -> Result<Vec<Choice>, GpError> {
    let mut known = fields.iter().map(|field| Known::of(field, with)).collect::<Result<Vec<_>, _>>()?;
    let mut batch = Vec::with_capacity(with.batch);
    while batch.len() < with.batch {
        let gains: Vec<f64> =
            known.iter_mut().map(|known| known.best().map_or(f64::NEG_INFINITY, |best| best.gain)).collect();
        // Of equal ones the first.
        let Some(arm) = (0..gains.len()).rev().max_by(|&a, &b| gains[a].total_cmp(&gains[b])) else { break };
        if gains[arm] == f64::NEG_INFINITY {
            break;
        }
        let (place, at, value) = known[arm].see();
        batch.push(Choice { arm, point: fields[arm].points.row(place).to_vec(), at, value });
    }
    Ok(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_what_the_bivariate_normal_says() {
        // By mpmath's quad of the density at (t, t) over the correlation, 30 digits.
        for (t, rho, expected, allowed) in [
            (0.0, 0.5, 0.083_333_333_333_333_33, 1e-12),
            (0.7, 0.3, 0.031_622_094_756_933_74, 1e-12),
            (1.5, 0.9, 0.039_485_198_571_730_83, 1e-8),
            (1.0, 1.0, 0.133_483_764_331_401_9, 1e-4),
            // Where the value in the middle has to do.
            (-2.0, 0.04, 0.000_126_210_210_556_895_6, 1e-7),
            (0.2, 0.01, 0.001_529_473_224_846_188, 1e-7),
        ] {
            assert!((less(t, rho) - expected).abs() < allowed, "{t} {rho}: {}", less(t, rho));
        }
        assert_eq!((less(7.0, 0.9), less(0.3, 0.0)), (0.0, 0.0));
    }
}
