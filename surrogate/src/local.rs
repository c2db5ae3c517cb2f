//! A process of many points, seen from the nearest of them (Vecchia 1988; Datta et al. 2016, "nearest-neighbour Gaussian
//! process").
//!
//! In: points, values, hyperparameters, where one looks. Out: the exact process of the nearest points alone, in the metric of
//! the length scales, which all that is asked there may share. Time of a look grows with the number of points, not with its
//! cube; with at most as many points as neighbours it is the exact process.

use rayon::prelude::*;

use crate::gp::{Covariances, Gp, GpError, Prediction};
use crate::matern::{Hyper, Scaled};
use crate::points::Points;

/// Points and values that processes are made of where one looks.
#[derive(Clone, Debug)]
pub struct Local {
    points: Points,
    scaled: Scaled,
    values: Vec<f64>,
    hyper: Hyper,
    mean: f64,
}

impl Local {
    /// Of `values` at `points`, around the constant `mean`.
    ///
    /// # Errors
    /// [`GpError`] if they do not belong together.
    pub fn new(points: Points, values: Vec<f64>, hyper: Hyper, mean: f64) -> Result<Self, GpError> {
        if points.len() != values.len() || points.is_empty() || !points.are_finite() {
            return Err(GpError::Data { least: 1, points: points.len(), values: values.len() });
        }
        if hyper.lengths.len() != points.dimension() || !hyper.is_valid() {
            return Err(GpError::Hyper { expected: points.dimension(), found: hyper });
        }
        let scaled = Scaled::new(&points, &hyper.lengths);
        Ok(Self { points, scaled, values, hyper, mean })
    }

    /// Points.
    pub const fn len(&self) -> usize {
        self.scaled.len()
    }

    /// Whether there are none: never.
    pub const fn is_empty(&self) -> bool {
        self.scaled.len() == 0
    }

    /// Hyperparameters of the process.
    pub const fn hyper(&self) -> &Hyper {
        &self.hyper
    }

    /// Adds a value. Neither mean nor hyperparameters change.
    pub fn push(&mut self, point: &[f64], value: f64) {
        self.points.push(point);
        self.values.push(value);
        self.scaled.push(point, &self.hyper.lengths);
    }

    /// The `count` nearest points to `point`, in the order of their numbers. Of equally distant ones the earlier.
    pub fn neighbours(&self, point: &[f64], count: usize) -> Vec<usize> {
        let n = self.len();
        if count >= n {
            return (0..n).collect();
        }
        let other = Scaled::new(&Points::of([point]), &self.hyper.lengths);
        let mut squares = vec![0.0; n];
        self.scaled.squares(0, &other, 0, &mut squares);
        let mut order: Vec<usize> = (0..n).collect();
        let nearer = |&a: &usize, &b: &usize| squares[a].total_cmp(&squares[b]).then(a.cmp(&b));
        order.select_nth_unstable_by(count, nearer);
        order.truncate(count);
        order.sort_unstable();
        order
    }

    /// The process of the `count` points nearest to `point`.
    ///
    /// # Errors
    /// [`GpError::IllConditioned`].
    pub fn around(&self, point: &[f64], count: usize) -> Result<Gp, GpError> {
        let places = self.neighbours(point, count);
        let values: Vec<f64> = places.iter().map(|&i| self.values[i]).collect();
        Gp::new(&self.points.select(&places), &values, self.hyper.clone(), Some(self.mean))
    }

    /// The function at each of `points`, each by its own `count` neighbours; where these have a singular covariance, as if
    /// nothing had been seen.
    pub fn predict(&self, points: &Points, count: usize) -> Vec<Prediction> {
        let of = |i: usize| {
            let point = points.row(i);
            let unseen = Prediction { mean: self.mean, variance: self.hyper.signal };
            self.around(point, count).map_or(unseen, |gp| gp.slopes(point).at)
        };
        (0..points.len()).into_par_iter().map(of).collect()
    }

    /// The function at each of `points`, by its own `count` neighbours, and its covariances between each of those at `places`
    /// and all of them, by the neighbours of the former.
    ///
    /// # Errors
    /// [`GpError::IllConditioned`].
    pub fn covariances(
        &self,
        points: &Points,
        places: &dyn Fn(&[Prediction]) -> Vec<usize>,
        count: usize,
    ) -> Result<Covariances, GpError> {
        let at = self.predict(points, count);
        let places = places(&at);
        let of = |&place: &usize| {
            let point = points.row(place);
            Ok(self.around(point, count)?.covariances_of(point, points))
        };
        let between = places.par_iter().map(of).collect::<Result<_, GpError>>()?;
        Ok(Covariances { at, places, between })
    }
}
