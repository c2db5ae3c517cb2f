//! The clearance of one strategy as a Gaussian process of eight numbers and of what chance did to a run.
//!
//! In: samples, hyperparameters. Out: mean and variance of the clearance anywhere, and what one run there may show. Up to some
//! number of samples the process is exact; one of more is made of the nearest samples of where one looks. GPUs would take the
//! place of [`Gp`] here.

use std::ops::Range;

use caligo_surrogate::fit::Effort;
use caligo_surrogate::gp::Prediction;
use caligo_surrogate::local::Local;
use caligo_surrogate::{Gp, GpError, Hyper, Points, Scaling};
use rayon::prelude::*;

use super::chance::{EXCESS, SEEN, seen, usual};
use super::data::Samples;
use crate::campaign::design::Layer;
use crate::campaign::space::{Scale, Space, numbers};
use crate::config::Strategy;
use crate::config::campaign::{Campaign, Models};

/// A model. One with more samples than are exact has no factor.
#[derive(Clone, Debug)]
pub struct Model {
    scaling: Scaling,
    local: Local,
    exact: Option<Gp>,
    mean: f64,
    neighbours: usize,
    samples: Samples,
}

/// Which of the numbers that models see have a logarithmic scale.
pub fn logarithmic(space: &Space) -> [bool; SEEN] {
    std::array::from_fn(|k| space.axes.get(k).is_some_and(|axis| axis.scale == Scale::Log))
}

/// Points of `space`, spread evenly by `seed`: those of so many that have the numbers `which`.
pub fn spread(space: &Space, seed: u64, which: Range<u64>) -> Points {
    let layer = Layer::Sobol { first: 0, seed };
    let point = |index| numbers(&space.inputs(&layer.unit(index), Strategy::Baseline));
    Points::of(which.into_par_iter().map(point).collect::<Vec<_>>())
}

/// How hyperparameters are searched for.
pub fn effort(models: &Models, seed: u64) -> Effort {
    Effort { points: models.training_points as usize, seed, ..Effort::default() }
}

/// Samples whose mean is that of all: it takes the cube of their number to find it.
const MEAN_OF: usize = 2000;

impl Model {
    /// The model that has seen `samples`.
    ///
    /// # Errors
    /// [`GpError`].
    pub fn new(samples: Samples, scaling: Scaling, hyper: Hyper, models: &Models) -> Result<Self, GpError> {
        let points = scaling.all(&samples.inputs);
        let neighbours = models.neighbours as usize;
        let (exact, mean) = if samples.len() <= models.exact_points as usize {
            let gp = Gp::new(&points, &samples.values, hyper.clone(), None)?;
            let mean = gp.mean();
            (Some(gp), mean)
        } else {
            // Evenly out of all.
            let places: Vec<usize> = (0..MEAN_OF).map(|i| i * samples.len() / MEAN_OF).collect();
            let clearances: Vec<f64> = places.iter().map(|&i| samples.values[i]).collect();
            (None, Gp::new(&points.select(&places), &clearances, hyper.clone(), None)?.mean())
        };
        let local = Local::new(points, samples.values.clone(), hyper, mean)?;
        Ok(Self { scaling, local, exact, mean, neighbours, samples })
    }

    /// The model that has seen `more` too, by the same hyperparameters.
    ///
    /// # Errors
    /// [`GpError`].
    pub fn conditioned(&self, more: &Samples, models: &Models) -> Result<Self, GpError> {
        let samples = self.samples.with(more);
        let (Some(gp), true) = (&self.exact, samples.len() <= models.exact_points as usize) else {
            return Self::new(samples, self.scaling.clone(), self.hyper().clone(), models);
        };
        let points = self.scaling.all(&samples.inputs);
        let gp = gp.extended(&points, &samples.values, None)?;
        let mean = gp.mean();
        let local = Local::new(points, samples.values.clone(), self.hyper().clone(), mean)?;
        Ok(Self {
            scaling: self.scaling.clone(),
            local,
            exact: Some(gp),
            mean,
            neighbours: self.neighbours,
            samples,
        })
    }

    /// What it has seen.
    pub const fn samples(&self) -> &Samples {
        &self.samples
    }

    /// Inputs to coordinates.
    pub const fn scaling(&self) -> &Scaling {
        &self.scaling
    }

    /// Hyperparameters, lengths in standard deviations of the design.
    pub const fn hyper(&self) -> &Hyper {
        self.local.hyper()
    }

    /// The clearance far from all samples.
    pub const fn mean(&self) -> f64 {
        self.mean
    }

    /// Where it is made of neighbours: what they are chosen from.
    pub const fn local(&self) -> &Local {
        &self.local
    }

    /// The whole, if it is exact.
    pub const fn exact(&self) -> Option<&Gp> {
        self.exact.as_ref()
    }

    /// Whether it is exact.
    pub const fn is_exact(&self) -> bool {
        self.exact.is_some()
    }

    /// Ratio of the covariance's largest to its smallest pivot, if it is exact.
    pub fn condition(&self) -> Option<f64> {
        self.exact.as_ref().map(Gp::condition)
    }

    /// The coordinates of `inputs`, eight numbers each and an excess, which is 0 where it is left out.
    pub fn coordinates(&self, inputs: &Points) -> Points {
        // Shorter rows are filled with zeros.
        let mut whole = Points::new(SEEN);
        inputs.rows().for_each(|row| whole.push(row));
        self.scaling.all(&whole)
    }

    /// The clearance, without noise, at each of `inputs`, eight numbers each and an excess, which is 0 where it is left out: the
    /// median of runs.
    pub fn predict(&self, inputs: &Points) -> Vec<Prediction> {
        let points = self.coordinates(inputs);
        match &self.exact {
            Some(gp) => gp.predict(&points),
            None => self.local.predict(&points, self.neighbours),
        }
    }

    /// What one run of `campaign` will show at each of `inputs`, eight numbers each: with the noise, and the excess that is usual
    /// there.
    pub fn runs(&self, campaign: &Campaign, inputs: &Points) -> Vec<Prediction> {
        let mut said = self.predict(inputs);
        said.iter_mut().for_each(|at| at.variance += self.hyper().noise);
        if (0..self.scaling.dimension()).all(|k| self.scaling.input_of(k) != Some(EXCESS)) {
            return said;
        }
        let [mut low, mut high] = [(); 2].map(|()| Points::new(SEEN));
        for row in inputs.rows() {
            let usual = usual(campaign, row);
            low.push(&seen(row, usual[0]));
            high.push(&seen(row, usual[1]));
        }
        for ((at, low), high) in said.iter_mut().zip(self.predict(&low)).zip(self.predict(&high)) {
            at.variance += (0.5 * (high.mean - low.mean)).powi(2);
        }
        said
    }

    /// Length scale of each input, and of the excess, over its standard deviation in the design; `None` of an input that is held.
    pub fn lengths(&self) -> [Option<f64>; SEEN] {
        let mut lengths = [None; SEEN];
        for (k, &length) in self.hyper().lengths.iter().enumerate() {
            if let Some(place) = self.scaling.input_of(k).and_then(|input| lengths.get_mut(input)) {
                *place = Some(length);
            }
        }
        lengths
    }
}
