//! What models learn from.
//!
//! In: rows. Out: for each strategy the inputs, excess and clearances of samples that were run; for the guardrail all of them,
//! and which succeeded. Samples that were not run are not looked at: what was foretold teaches nothing. Of the design a tenth,
//! drawn by the seed, is kept apart for validation.

use caligo_surrogate::Points;

use super::chance::{SEEN, excess, seen};
use crate::campaign::rows::{Outcome, Row};
use crate::campaign::space::{DIMENSIONS, code, numbers};
use crate::campaign::store::StoreError;
use crate::channel::mix;
use crate::config::Strategy;

/// Strategies that have a model.
pub const STRATEGIES: [Strategy; 2] = [Strategy::Baseline, Strategy::Blind];

/// One part of the design in so many is kept apart.
const APART: u64 = 10;

/// Keeps what is drawn here apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"validate");

/// Samples of one strategy.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    /// Inputs, eight numbers each, and the ninth the excess.
    pub inputs: Points,
    /// Clearances, unless something else is to be learnt.
    pub values: Vec<f64>,
}

impl Default for Samples {
    fn default() -> Self {
        Self { inputs: Points::new(SEEN), values: Vec::new() }
    }
}

impl Samples {
    /// How many.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// One more: `value` of `row`.
    pub fn push(&mut self, row: &Row, value: f32) {
        self.inputs.push(&seen(&numbers(&row.inputs), excess(row)));
        self.values.push(value.into());
    }

    /// Both, one after the other.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        let mut all = self.clone();
        more.inputs.rows().for_each(|row| all.inputs.push(row));
        all.values.extend(&more.values);
        all
    }
}

/// Samples of both strategies, and how they ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Inputs, the strategy's code the ninth.
    pub inputs: Points,
    /// The excess of each.
    pub excess: Vec<f64>,
    /// Whether they succeeded.
    pub succeeded: Vec<bool>,
}

impl Default for Ended {
    fn default() -> Self {
        Self { inputs: Points::new(DIMENSIONS), excess: Vec::new(), succeeded: Vec::new() }
    }
}

/// What models learn from, or are tried on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Part {
    /// By strategy, in the order of [`STRATEGIES`].
    pub samples: [Samples; 2],
    /// All that were run.
    pub ended: Ended,
}

impl Part {
    /// One more, if it was run.
    pub fn push(&mut self, row: &Row) {
        let succeeded = match row.outcome {
            Outcome::Succeeded => true,
            Outcome::Failed => false,
            Outcome::Skipped | Outcome::Infrastructure => return,
        };
        self.ended.inputs.push(&row.inputs.map(f64::from));
        self.ended.excess.push(excess(row));
        self.ended.succeeded.push(succeeded);
        let [.., kind] = row.inputs;
        let of = STRATEGIES.iter().position(|&strategy| code(strategy) == kind);
        if let Some(samples) = of.and_then(|of| self.samples.get_mut(of))
            && row.clearance.is_finite()
        {
            samples.push(row, row.clearance);
        }
    }

    /// Both, one after the other.
    #[must_use]
    pub fn with(&self, more: &Self) -> Self {
        let [a, b] = &self.samples;
        let [c, d] = &more.samples;
        let mut ended = self.ended.clone();
        more.ended.inputs.rows().for_each(|row| ended.inputs.push(row));
        ended.excess.extend(&more.ended.excess);
        ended.succeeded.extend(&more.ended.succeeded);
        Self { samples: [a.with(c), b.with(d)], ended }
    }
}

/// A design's samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// To learn from.
    pub training: Part,
    /// To be tried on.
    pub apart: Part,
}

impl Data {
    /// Of the rows of a design that was drawn from `seed`.
    ///
    /// # Errors
    /// Those of the rows.
    pub fn of(rows: impl Iterator<Item = Result<Row, StoreError>>, seed: u64) -> Result<Self, StoreError> {
        let mut data = Self::default();
        for row in rows {
            let row = row?;
            let apart = mix(mix(seed ^ PHASE).wrapping_add(row.index)).is_multiple_of(APART);
            if apart { data.apart.push(&row) } else { data.training.push(&row) }
        }
        Ok(data)
    }
}
