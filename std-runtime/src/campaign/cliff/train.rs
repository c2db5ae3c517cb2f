//! Models out of samples, with a look at whether they can be trusted.
//!
//! In: a design's samples, those chosen since. Out: twin models, a guardrail, figures of how good they are on samples kept
//! apart, and what had to be done to get there. Where fitted hyperparameters give an implausible model they are replaced by
//! the prior's; then samples far from what the others say are left out; then the last good model stays.

use caligo_surrogate::acquire::normal_tail;
use caligo_surrogate::fit::{fit_from, prior};
use caligo_surrogate::forest::{Forest, Options};
use caligo_surrogate::gp::Prediction;
use caligo_surrogate::scores::{area_under_curve, brier, coverage, negative_log_density, root_mean_square};
use caligo_surrogate::{Hyper, Points, Scaling};
use serde::{Deserialize, Serialize};

use super::chance::{SEEN, seen};
use super::data::{Data, Ended, Part, STRATEGIES, Samples};
use super::model::{Model, effort, logarithmic, spread};
use crate::campaign::space::{AXES, code};
use crate::config::Strategy;
use crate::config::campaign::{Campaign, Models};

/// Fewest samples of a strategy that a model is made of.
pub const LEAST: usize = 20;

/// How good a model is on samples that it has not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Validation {
    /// Samples kept apart.
    pub samples: u64,
    /// Root of the mean squared error of the clearance, bits a bit of a set.
    pub rmse: Option<f64>,
    /// Standard deviation of their clearances: the same of a model that knows nothing.
    pub spread: Option<f64>,
    /// Mean of minus the logarithm of the density.
    pub nlpd: Option<f64>,
    /// Part of clearances inside the central 50 %, 90 % and 95 % intervals.
    pub coverage: [Option<f64>; 3],
    /// Part whose sign the mean has.
    pub signs: Option<f64>,
}

/// The levels of [`Validation::coverage`].
pub const LEVELS: [f64; 3] = [0.5, 0.9, 0.95];

/// How good a guardrail is on samples that it has not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discrimination {
    /// Samples kept apart.
    pub samples: u64,
    /// Area under the receiver operating characteristic.
    pub auc: Option<f64>,
    /// Brier score.
    pub brier: Option<f64>,
    /// Those that would have been skipped, and those of them that succeeded.
    pub skipped: u64,
    /// The latter.
    pub false_skips: u64,
}

/// What is wrong with a model, or was done about it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incident {
    /// Of which strategy.
    pub strategy: String,
    /// What was seen.
    pub seen: String,
    /// What was done.
    pub done: String,
}

/// Both models and the guardrail.
#[derive(Clone, Debug)]
pub struct Trained {
    /// By strategy, in the order of [`STRATEGIES`]; `None` where there are too few samples.
    pub models: [Option<Model>; 2],
    /// Probability of success; `None` if all samples ended the same way.
    pub guardrail: Option<Forest>,
    /// Of each model.
    pub validation: [Validation; 2],
    /// Of the guardrail.
    pub discrimination: Discrimination,
    /// What went wrong on the way.
    pub incidents: Vec<Incident>,
}

/// Keeps what is drawn here apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"training");

/// Clearances that are possible, in bits of each bit of a set: no min-entropy is above 1, and none is below what random outcomes
/// cost at the largest f that is sensible.
pub const POSSIBLE: (f64, f64) = (-3.0, 1.0);

/// Points where a model's plausibility is looked at.
const PROBES: u64 = 512;

impl Trained {
    /// Models of `data`, with `more` samples chosen since, where `before` is the last good training.
    pub fn new(campaign: &Campaign, data: &Data, more: &Part, before: Option<&Self>) -> Self {
        let mut incidents = Vec::new();
        let one = |of: usize, incidents: &mut Vec<Incident>| -> (Option<Model>, Validation) {
            let before = before.and_then(|before| before.models[of].as_ref());
            let known = before.map(Model::hyper);
            let apart = &data.apart.samples[of];
            let training = data.training.samples[of].with(&more.samples[of]);
            if training.len() < LEAST {
                return (None, Validation::default());
            }
            let found = recover(campaign, STRATEGIES[of], &training, apart, known, incidents);
            match found {
                Some((model, validation)) => {
                    // What was kept apart has had its say. Made anew, as by whoever reads it from a file.
                    let (scaling, hyper) = (model.scaling().clone(), model.hyper().clone());
                    let all = Model::new(model.samples().with(apart), scaling, hyper, &campaign.models);
                    let all = all.unwrap_or(model);
                    (Some(all), validation)
                }
                None => (before.cloned(), Validation::default()),
            }
        };
        let ((first, first_told), (second, second_told)) = rayon::join(
            || {
                let mut told = Vec::new();
                (one(0, &mut told), told)
            },
            || {
                let mut told = Vec::new();
                (one(1, &mut told), told)
            },
        );
        incidents.extend(first_told);
        incidents.extend(second_told);
        let learned = data.training.with(more);
        let options = Options { seed: campaign.seed ^ PHASE, ..Options::default() };
        let guardrail = Forest::grow(&learned.ended.inputs, &learned.ended.succeeded, options).ok();
        let discrimination = guardrail
            .as_ref()
            .map_or_else(Discrimination::default, |forest| discriminate(forest, &data.apart, campaign));
        Self {
            models: [first.0, second.0],
            guardrail,
            validation: [first.1, second.1],
            discrimination,
            incidents,
        }
    }

    /// The model of `strategy`.
    pub fn model(&self, strategy: Strategy) -> Option<&Model> {
        let of = STRATEGIES.iter().position(|&known| known == strategy)?;
        self.models[of].as_ref()
    }

    /// The same models having seen `more`.
    #[must_use]
    pub fn conditioned(&self, more: &Part, models: &Models) -> Self {
        let mut next = self.clone();
        for (model, samples) in next.models.iter_mut().zip(&more.samples) {
            if let Some(seen) = model.as_ref().and_then(|model| model.conditioned(samples, models).ok()) {
                *model = Some(seen);
            }
        }
        next
    }
}

/// The first plausible model of `training`.
fn recover(
    campaign: &Campaign,
    strategy: Strategy,
    training: &Samples,
    apart: &Samples,
    known: Option<&Hyper>,
    incidents: &mut Vec<Incident>,
) -> Option<(Model, Validation)> {
    let scaling = Scaling::of(&training.inputs, &logarithmic(&campaign.space));
    let points = scaling.all(&training.inputs);
    let probes = spread(&campaign.space, campaign.seed ^ PHASE, 0..PROBES);
    let attempt = |samples: &Samples, hyper: Hyper| -> Result<(Model, Validation), String> {
        let model = Model::new(samples.clone(), scaling.clone(), hyper, &campaign.models)
            .map_err(|error| error.to_string())?;
        let validation = validate(&model, apart);
        match implausible(&model, &validation, &probes) {
            Some(why) => Err(why),
            None => Ok((model, validation)),
        }
    };
    let known: Vec<&Hyper> = known.into_iter().collect();
    let fitted = fit_from(&points, &training.values, &known, effort(&campaign.models, campaign.seed ^ PHASE));
    let mut tell = |seen: String, done: &str| {
        incidents.push(Incident { strategy: strategy.to_string(), seen, done: done.into() });
    };
    let why = match fitted.map_err(|error| error.to_string()).and_then(|hyper| attempt(training, hyper)) {
        Ok(found) => return Some(found),
        Err(why) => why,
    };
    tell(why, "hyperparameters of the prior instead of fitted ones");
    let fixed = prior(&points, &training.values);
    let why = match attempt(training, fixed.clone()) {
        Ok(found) => return Some(found),
        Err(why) => why,
    };
    let inliers = inliers(training);
    tell(why, &format!("left out {} samples far from the median", training.len() - inliers.len()));
    match attempt(&inliers, fixed) {
        Ok(found) => Some(found),
        Err(why) => {
            tell(why, "kept the last good model");
            None
        }
    }
}

/// Samples whose clearance is within six times the median distance from the median.
fn inliers(samples: &Samples) -> Samples {
    let median = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(0.0)
    };
    let middle = median(samples.values.clone());
    let distance = median(samples.values.iter().map(|clearance| (clearance - middle).abs()).collect());
    let places: Vec<usize> = (0..samples.len())
        .filter(|&i| (samples.values[i] - middle).abs() <= 6.0 * distance.max(1e-9))
        .collect();
    Samples {
        inputs: samples.inputs.select(&places),
        values: places.iter().map(|&i| samples.values[i]).collect(),
    }
}

/// Why `model` is not to be believed.
fn implausible(model: &Model, validation: &Validation, probes: &Points) -> Option<String> {
    /// Pivots whose ratio is beyond this leave no digits.
    const CONDITION: f64 = 1e15;
    /// Fewer samples kept apart say nothing.
    const TELLING: u64 = 10;
    let said = model.predict(probes);
    let (low, high) = POSSIBLE;
    if let Some(at) = said.iter().find(|at| !(low..=high).contains(&at.mean)) {
        return Some(format!(
            "a clearance of {:.3} bits a bit is predicted, expected {low} to {high}",
            at.mean
        ));
    }
    if let (Some(rmse), Some(spread)) = (validation.rmse, validation.spread)
        && validation.samples >= TELLING
        && rmse > 1.2 * spread
    {
        return Some(format!("an error of {rmse:.4} on samples kept apart, whose spread is {spread:.4}"));
    }
    let uncertain = said.iter().map(|at| at.deviation()).sum::<f64>() / said.len().max(1) as f64;
    if uncertain > high - low {
        return Some(format!("a mean deviation of {uncertain:.3} bits a bit"));
    }
    let condition = model.condition().filter(|&condition| condition.is_nan() || condition >= CONDITION)?;
    Some(format!("a covariance whose pivots differ by a factor of {condition:.1e}"))
}

fn finite(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// How good `model` is on samples that it has not seen.
pub fn validate(model: &Model, apart: &Samples) -> Validation {
    let said: Vec<Prediction> = model.predict(&apart.inputs);
    let (clearances, noise) = (&apart.values, model.hyper().noise);
    let n = clearances.len() as f64;
    let mean = clearances.iter().sum::<f64>() / n;
    let signs =
        said.iter().zip(clearances).filter(|(at, clearance)| (at.mean > 0.0) == (**clearance > 0.0)).count();
    Validation {
        samples: clearances.len() as u64,
        rmse: finite(root_mean_square(&said, clearances)),
        spread: finite(
            (clearances.iter().map(|clearance| (clearance - mean).powi(2)).sum::<f64>() / n).sqrt(),
        ),
        nlpd: finite(negative_log_density(&said, clearances, noise)),
        coverage: LEVELS.map(|level| finite(coverage(&said, clearances, noise, level))),
        signs: finite(signs as f64 / n),
    }
}

/// How a map's calls agree with what runs do, each point having been run once or, better, some times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Calls {
    /// Points.
    pub points: u64,
    /// Their runs.
    pub runs: u64,
    /// Part of the runs that end otherwise than their point is called, each point counted once.
    pub wrong: f64,
    /// The least that a map can have: chance decides how runs of one point end. 0 if each was run once.
    pub least: f64,
    /// Part of the runs that end otherwise than a map says that is told the rate that each run's estimate showed.
    pub told: f64,
}

/// How the calls of `model`, that of `strategy`, agree with `ended`, where runs of a point follow each other.
pub fn calls(model: &Model, strategy: Strategy, ended: &Ended) -> Calls {
    let mut points = Points::new(AXES);
    // Runs, and successes.
    let mut found: Vec<[u64; 2]> = Vec::new();
    let mut last: &[f64] = &[];
    let (mut told, mut ends) = (Points::new(SEEN), Vec::new());
    for ((row, &excess), &succeeded) in ended.inputs.rows().zip(&ended.excess).zip(&ended.succeeded) {
        if row[AXES] != f64::from(code(strategy)) {
            continue;
        }
        told.push(&seen(row, excess));
        ends.push(succeeded);
        if row != last {
            points.push(&row[..AXES]);
            found.push([0; 2]);
            last = row;
        }
        if let Some([runs, successes]) = found.last_mut() {
            *runs += 1;
            *successes += u64::from(succeeded);
        }
    }
    let mut calls = Calls { points: points.len() as u64, ..Calls::default() };
    for (at, [runs, successes]) in model.predict(&points).iter().zip(found) {
        let share = successes as f64 / runs as f64;
        calls.runs += runs;
        calls.wrong += if at.mean > 0.0 { 1.0 - share } else { share };
        calls.least += share.min(1.0 - share);
    }
    let missed = model.predict(&told).iter().zip(&ends).filter(|(at, end)| (at.mean > 0.0) != **end).count();
    let of = 1.0 / calls.points.max(1) as f64;
    let told = missed as f64 / calls.runs.max(1) as f64;
    Calls { wrong: calls.wrong * of, least: calls.least * of, told, ..calls }
}

/// How good `forest` is on samples that it has not seen.
pub fn discriminate(forest: &Forest, apart: &Part, campaign: &Campaign) -> Discrimination {
    let labels = &apart.ended.succeeded;
    let said: Vec<f64> = apart.ended.inputs.rows().map(|row| forest.probability(row)).collect();
    let skips = |row: &[f64]| 1.0 - forest.at_most(row) > campaign.active.skip_above;
    let skipped: Vec<bool> = apart
        .ended
        .inputs
        .rows()
        .zip(labels)
        .filter(|(row, _)| skips(row))
        .map(|(_, &label)| label)
        .collect();
    Discrimination {
        samples: labels.len() as u64,
        auc: finite(area_under_curve(&said, labels)),
        brier: finite(brier(&said, labels)),
        skipped: skipped.len() as u64,
        false_skips: skipped.iter().filter(|&&succeeded| succeeded).count() as u64,
    }
}

/// Probability that the clearance is above 0.
pub fn above_zero(at: Prediction) -> f64 {
    normal_tail(-at.mean / at.deviation())
}
