//! The samples of an iteration.
//!
//! In: models, a guardrail, iteration number. Out: inputs that can be run, near where the clearance may be 0 and little is
//! known, of both strategies by turns as they gain; and which of them are not worth a run.

use std::time::Instant;

use caligo_surrogate::acquire::{Arm, Choice, Search, Straddle, choose, doubt};
use caligo_surrogate::reduce::{self, Field, Reduction};
use caligo_surrogate::{GpError, Points};
use serde::{Deserialize, Serialize};

use super::data::STRATEGIES;
use super::model::{Model, spread};
use super::train::Trained;
use crate::campaign::space::{AXES, DIMENSIONS, Inputs, Space, TABLE, code, numbers};
use crate::channel::mix;
use crate::config::Strategy;
use crate::config::campaign::{Acquisition, Campaign};

/// What becomes of a suggestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It is run.
    Run,
    /// Its failure is foretold: it is not run.
    Skip,
    /// Its failure is foretold, and it is run to see whether that is right.
    Audit,
}

/// A sample to come.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suggestion {
    /// As they are recorded: the strategy's code is the last.
    pub inputs: Inputs,
    /// Expected clearance, bits a bit of a set, those before it in the batch taken for seen.
    pub mean: f64,
    /// Its deviation.
    pub deviation: f64,
    /// The acquisition function's value.
    pub value: f64,
    /// What the probability of success is at most by the guardrail, if there is one.
    pub probability: Option<f64>,
    /// What becomes of it.
    pub decision: Decision,
}

/// The samples of an iteration, and what was thought about them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Iteration {
    /// From 0.
    pub number: u64,
    /// Samples that the models had seen.
    pub seen: u64,
    /// Part of the space that they expect to call wrong, by strategy: `baseline`, `blind`.
    pub doubt: [Option<f64>; 2],
    /// Whether the guardrail was asked.
    pub guarded: bool,
    /// The samples.
    pub suggestions: Vec<Suggestion>,
    /// Seconds that it took to choose them. A measurement.
    pub seconds: f64,
}

/// Keeps what is drawn here apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"suggest ");

/// Candidates of a strategy; points by which [`Iteration::doubt`] is judged.
const CANDIDATES: u64 = 2048;

/// Most points that are drawn for a strategy to find so many where it is open how runs end.
const DRAWN: u64 = 1 << 18;

/// Most covariances that are reckoned for it.
const WORK: u64 = 200_000_000;

/// Inputs at `coordinates` that a sample can have.
fn snapped(space: &Space, strategy: Strategy, model: &Model, coordinates: &[f64]) -> Inputs {
    let mut numbers = space.axes.map(|axis| axis.low);
    model.scaling().inputs_at(coordinates, &mut numbers);
    let mut inputs = [code(strategy); DIMENSIONS];
    for (((input, axis), dimension), number) in inputs.iter_mut().zip(&space.axes).zip(&TABLE).zip(numbers) {
        let number = if dimension.quantity.range().whole { number.round() } else { number };
        *input = (number.clamp(axis.low, axis.high) as f32).clamp(axis.low as f32, axis.high as f32);
    }
    inputs
}

/// Points of `campaign`'s space, spread evenly by `seed`, at which the sign of `model` is open, and out of how many drawn: where
/// few are, more are drawn. A model without a whole tells of too few points a second to leave any out.
fn open(campaign: &Campaign, model: &Model, seed: u64) -> (Points, u64) {
    /// Beyond so many deviations nothing is open.
    const REACH: f64 = 4.0;
    /// Points by which the largest deviation is judged.
    const FEW: usize = 256;
    let first = model.coordinates(&spread(&campaign.space, seed, 0..CANDIDATES));
    let Some(gp) = model.exact() else { return (first, CANDIDATES) };
    let few: Vec<usize> = (0..first.len().min(FEW)).collect();
    let largest = gp.predict(&first.select(&few)).iter().map(|at| at.deviation()).fold(0.0, f64::max);
    let most = (WORK / gp.len() as u64).clamp(CANDIDATES, DRAWN);
    let (mut points, mut drawn) = (first.clone(), 0);
    let mut found = Points::new(model.scaling().dimension());
    loop {
        for (point, mean) in points.rows().zip(gp.means(&points)) {
            drawn += 1;
            if mean.abs() < REACH * largest {
                found.push(point);
            }
            if found.len() as u64 == CANDIDATES {
                return (found, drawn);
            }
        }
        if drawn + CANDIDATES > most {
            // Where nothing is open any longer, one looks all over.
            let too_few = (found.len() as u64) < campaign.active.batch;
            return if too_few { (first, CANDIDATES) } else { (found, drawn) };
        }
        points = model.coordinates(&spread(&campaign.space, seed, drawn..drawn + CANDIDATES));
    }
}

/// Part of the space that `model` expects to call wrong, by its points that are [`open`].
fn expected_error(campaign: &Campaign, model: &Model, (points, drawn): &(Points, u64)) -> f64 {
    let said = model.local().predict(points, campaign.models.neighbours as usize);
    doubt(&said) * points.len() as f64 / *drawn as f64
}

/// A batch by the straddle.
fn straddled(
    campaign: &Campaign,
    models: &[(Strategy, &Model)],
    candidates: &[Points],
    straddle: Straddle,
    seed: u64,
) -> Result<Vec<Choice>, GpError> {
    let space = &campaign.space;
    let ends = |model: &Model| -> Vec<(f64, f64)> {
        let at = |ends: [f64; AXES]| model.coordinates(&Points::of([ends])).row(0).to_vec();
        at(space.axes.map(|axis| axis.low)).into_iter().zip(at(space.axes.map(|axis| axis.high))).collect()
    };
    let bounds: Vec<_> = models.iter().map(|(_, model)| ends(model)).collect();
    let mut arms: Vec<Arm<'_>> = models
        .iter()
        .zip(bounds.iter().zip(candidates))
        .map(|((_, model), (bounds, candidates))| Arm { local: model.local().clone(), bounds, candidates })
        .collect();
    let search = Search {
        batch: campaign.active.batch as usize,
        straddle,
        neighbours: campaign.models.neighbours as usize,
        seed,
        ..Search::default()
    };
    let snap = |arm: usize, coordinates: &[f64]| {
        let Some((strategy, model)) = models.get(arm) else { return coordinates.to_vec() };
        let inputs = snapped(space, *strategy, model, coordinates);
        model.coordinates(&Points::of([numbers(&inputs)])).row(0).to_vec()
    };
    choose(&mut arms, search, &snap)
}

/// Chooses the samples of iteration `number`; the guardrail is asked if `guarded`.
///
/// # Errors
/// [`GpError`] if no model can be made where one looks.
pub fn suggest(
    campaign: &Campaign,
    trained: &Trained,
    number: u64,
    guarded: bool,
) -> Result<Iteration, GpError> {
    let began = Instant::now();
    let space = &campaign.space;
    let seed = mix(mix(campaign.seed ^ PHASE).wrapping_add(number + 1));
    let models: Vec<(Strategy, &Model)> = STRATEGIES
        .iter()
        .filter(|strategy| space.strategies.contains(strategy))
        .filter_map(|&strategy| Some((strategy, trained.model(strategy)?)))
        .collect();
    let open: Vec<_> = models.iter().map(|(_, model)| open(campaign, model, seed)).collect();
    let straddled = |straddle: Straddle| {
        let points = spread(space, seed, 0..CANDIDATES);
        let candidates: Vec<_> = models.iter().map(|(_, model)| model.coordinates(&points)).collect();
        straddled(campaign, &models, &candidates, straddle, seed)
    };
    let chosen = match campaign.active.acquisition {
        Acquisition::UncertaintyReduction => {
            let mut fields = Vec::with_capacity(models.len());
            for ((_, model), (points, drawn)) in models.iter().zip(&open) {
                let drawn = *drawn as usize;
                fields.push(Field { exact: model.exact(), local: model.local(), points, drawn });
            }
            let with = Reduction {
                batch: campaign.active.batch as usize,
                neighbours: campaign.models.neighbours as usize,
                ..Reduction::default()
            };
            reduce::choose(&fields, with)?
        }
        Acquisition::Straddle => straddled(Straddle::Fixed(1.96))?,
        Acquisition::RandomisedStraddle => straddled(Straddle::Randomised)?,
    };
    let first = number * campaign.active.batch;
    let suggestion = |(place, choice): (usize, Choice)| {
        let (strategy, model) = models.get(choice.arm)?;
        let inputs = snapped(space, *strategy, model, &choice.point);
        let probability = trained.guardrail.as_ref().map(|forest| forest.at_most(&inputs.map(f64::from)));
        let foretold = probability.is_some_and(|p| 1.0 - p > campaign.active.skip_above);
        let drawn = mix(mix(campaign.seed ^ PHASE ^ 1).wrapping_add(first + place as u64));
        let audited = ((drawn >> 11) as f64) < campaign.active.audit * (1u64 << 53) as f64;
        let decision = match (guarded && foretold, audited) {
            (false, _) => Decision::Run,
            (true, false) => Decision::Skip,
            (true, true) => Decision::Audit,
        };
        Some(Suggestion {
            inputs,
            mean: choice.at.mean,
            deviation: choice.at.deviation(),
            value: choice.value,
            probability,
            decision,
        })
    };
    let suggestions = chosen.into_iter().enumerate().filter_map(suggestion).collect();
    let doubt = STRATEGIES.map(|strategy| {
        let place = models.iter().position(|(of, _)| *of == strategy)?;
        Some(expected_error(campaign, models.get(place)?.1, open.get(place)?))
    });
    let seen = trained.models.iter().flatten().map(|model| model.samples().len() as u64).sum();
    Ok(Iteration { number, seen, doubt, guarded, suggestions, seconds: began.elapsed().as_secs_f64() })
}
