//! Whether a transfer would succeed, by the models.
//!
//! In: a model, inputs. Out: the clearance there with its uncertainty, what that means, and how many pairs it would take. Real
//! samples can be run beside it.

use std::ops::Range;

use caligo_surrogate::Points;
use caligo_surrogate::gp::Prediction;
use serde::Serialize;

use super::model::Model;
use super::train::above_zero;
use crate::campaign::space::{Inputs, TABLE, numbers};
use crate::config::campaign::Campaign;

/// Deviations on either side of a 95 % interval.
pub const SIDES: f64 = 1.96;

/// What the interval of one run's clearance says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole 95 % interval is above 0, and the place was sampled.
    Safe,
    /// The whole 95 % interval is below 0.
    Unsafe,
    /// It holds 0, or lies outside of what was sampled: more samples would tell.
    Unclear,
}

impl Verdict {
    /// Of a prediction.
    pub fn of(at: Prediction) -> Self {
        if at.mean > SIDES * at.deviation() {
            Self::Safe
        } else if at.mean < -SIDES * at.deviation() {
            Self::Unsafe
        } else {
            Self::Unclear
        }
    }

    /// In a word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Unsafe => "unsafe",
            Self::Unclear => "unclear",
        }
    }
}

/// Pairs from which on the clearance is above 0. `None`: not within the range that was sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Critical {
    /// By the mean.
    pub pairs: Option<f64>,
    /// By the upper end of the 95 % interval: fewer are expected to fail.
    pub low: Option<f64>,
    /// By its lower end: from there on more than half of all runs are sure to succeed.
    pub high: Option<f64>,
    /// By the lower end of the interval of one run: from there on it is expected to succeed, with 39 chances in 40.
    pub run: Option<f64>,
}

/// What is expected of some inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// What it comes to.
    pub verdict: Verdict,
    /// Expected clearance, bits a bit of a set.
    pub clearance: f64,
    /// Its 95 % interval: where the mean of many runs lies.
    pub interval: (f64, f64),
    /// The 95 % interval of one run, which chance moves about the mean.
    pub run: (f64, f64),
    /// Probability that the clearance of a run is above 0.
    pub probability: f64,
    /// Pairs that it takes, everything else as it is.
    pub critical: Critical,
    /// Inputs outside of what was sampled, in words.
    pub outside: Vec<String>,
}

/// What `model` expects of `inputs` in `campaign`.
pub fn ask(model: &Model, campaign: &Campaign, inputs: &Inputs) -> Answer {
    let nothing = Prediction { mean: 0.0, variance: f64::INFINITY };
    let point = Points::of([numbers(inputs)]);
    let [at, run] =
        [model.predict(&point), model.runs(campaign, &point)].map(|mut said| said.pop().unwrap_or(nothing));
    let outside =
        campaign.space.axes.iter().zip(&TABLE).zip(inputs).filter_map(|((axis, dimension), &input)| {
            let inside = (axis.low as f32..=axis.high as f32).contains(&input);
            let name = dimension.quantity.name();
            (!inside).then(|| format!("{name} is {input}, sampled were {} to {}", axis.low, axis.high))
        });
    let interval = |at: Prediction| (at.mean - SIDES * at.deviation(), at.mean + SIDES * at.deviation());
    let outside: Vec<String> = outside.collect();
    let verdict = match Verdict::of(run) {
        // Nothing that was seen vouches for it.
        Verdict::Safe if !outside.is_empty() => Verdict::Unclear,
        verdict => verdict,
    };
    Answer {
        verdict,
        clearance: at.mean,
        interval: interval(at),
        run: interval(run),
        probability: above_zero(run),
        critical: critical(model, campaign, inputs),
        outside,
    }
}

/// The place of the number of pairs among inputs.
pub const PAIRS: usize = 7;

/// Numbers of pairs that are looked at.
const STEPS: usize = 96;

/// Pairs from which on the clearance is above 0, everything else as in `inputs`.
pub fn critical(model: &Model, campaign: &Campaign, inputs: &Inputs) -> Critical {
    let axis = campaign.space.axes[PAIRS];
    let rows: Vec<_> = (0..=STEPS)
        .map(|step| {
            let mut row = numbers(inputs);
            row[PAIRS] = axis.low * (axis.high / axis.low).powf(step as f64 / STEPS as f64);
            row
        })
        .collect();
    let points = Points::of(&rows);
    let (said, runs) = (model.predict(&points), model.runs(campaign, &points));
    let from = |said: &[Prediction], sides: f64| {
        let over = |at: &Prediction| at.mean + sides * at.deviation();
        let first = said.iter().rposition(|at| over(at) <= 0.0).map_or(0, |last| last + 1);
        let value = rows.get(first)?[PAIRS];
        let Some(before) = first.checked_sub(1) else { return Some(value) };
        // Between the two the clearance is taken for a line over the logarithm.
        let (a, b) = (over(&said[before]), over(&said[first]));
        let part = -a / (b - a);
        Some(rows[before][PAIRS] * (value / rows[before][PAIRS]).powf(part))
    };
    Critical {
        pairs: from(&said, 0.0),
        low: from(&said, SIDES),
        high: from(&said, -SIDES),
        run: from(&runs, -SIDES),
    }
}

/// Indices of the samples of `--verify`, beyond those that are recorded.
pub const fn verification(count: u64) -> Range<u64> {
    const FIRST: u64 = 1 << 40;
    FIRST..FIRST + count
}
