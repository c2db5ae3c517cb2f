//! What models say of a campaign, in numbers.
//!
//! In: a campaign's folder. Out: the device that curves are drawn around, pairs it takes at each error rate, crossings of the
//! cliff, and how samples were chosen. Nothing if there are no models.

use std::fmt::Write;
use std::path::Path;

use caligo_core::security::Quantity;
use caligo_surrogate::fit::fit_from;
use caligo_surrogate::gp::Prediction;
use caligo_surrogate::{Points, Scaling};

use crate::campaign::cliff::active::{ActiveError, Audit, read_iteration};
use crate::campaign::cliff::ask::{Critical, PAIRS, SIDES, critical};
use crate::campaign::cliff::data::{STRATEGIES, Samples};
use crate::campaign::cliff::file::{self, MODELS};
use crate::campaign::cliff::model::{Model, effort, logarithmic};
use crate::campaign::cliff::suggest::Iteration;
use crate::campaign::cliff::train::{LEAST, Trained};
use crate::campaign::rows::{Outcome, Row};
use crate::campaign::run::CampaignError;
use crate::campaign::space::{AXES, DIMENSIONS, Inputs, TABLE, code, numbers};
use crate::campaign::state::{CONFIG, Phase, State, shards_of};
use crate::campaign::store::Store;
use crate::config::Strategy;
use crate::config::campaign::{Campaign, Models};

/// The place of the fidelity among inputs.
pub(super) const FIDELITY: usize = 3;

/// Error rates of the table of critical numbers of pairs.
const QBERS: [f64; 14] =
    [0.005, 0.01, 0.015, 0.02, 0.025, 0.03, 0.035, 0.04, 0.045, 0.05, 0.06, 0.07, 0.08, 0.1];

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub(super) qber: f64,
    pub(super) fidelity: f64,
    /// By strategy.
    pub(super) critical: [Option<Critical>; 2],
}

/// What models say.
#[derive(Debug)]
pub(super) struct Map {
    pub(super) campaign: Campaign,
    pub(super) trained: Trained,
    /// The device that everything is drawn around: medians of the samples that succeeded.
    pub(super) reference: Inputs,
    pub(super) lines: Vec<Line>,
    /// Models of the margin of runs that succeeded, by strategy.
    yields: [Option<Model>; 2],
    pub(super) iterations: Vec<Iteration>,
    /// Rows of samples that models chose.
    pub(super) chosen: Vec<Row>,
    pub(super) audit: Audit,
    /// Of the design and of the chosen: runs, and those within two deviations of the cliff by the final models.
    pub(super) near: [(u64, u64); 2],
}

impl Map {
    /// Of the campaign in `dir`, whose design's rows are in `store`.
    pub(super) fn of(dir: &Path, state: &State, store: &Store) -> Result<Option<Self>, ActiveError> {
        let config = dir.join(CONFIG);
        if !config.exists() || !dir.join(MODELS).exists() {
            return Ok(None);
        }
        let campaign = Campaign::read(&config).map_err(CampaignError::from)?;
        let Some(trained) = file::load(&dir.join(MODELS), &state.config_hash, &campaign.models)? else {
            return Ok(None);
        };
        let mut succeeded: [Vec<f32>; AXES] = Default::default();
        let (mut design, mut good) = (Vec::new(), Vec::new());
        for row in store.rows() {
            let row = row?;
            if row.outcome == Outcome::Succeeded {
                succeeded.iter_mut().zip(row.inputs).for_each(|(column, input)| column.push(input));
            }
            if matches!(row.outcome, Outcome::Succeeded | Outcome::Failed) {
                design.push(row.inputs);
            }
            if row.outcome == Outcome::Succeeded {
                good.push(row);
            }
        }
        let mut reference: Inputs = [0.0; DIMENSIONS];
        for ((input, column), axis) in reference.iter_mut().zip(&mut succeeded).zip(&campaign.space.axes) {
            column.sort_by(f32::total_cmp);
            *input =
                column.get(column.len() / 2).copied().unwrap_or(axis.value(0.5, Quantity::Fidelity.range()));
        }
        let store = Store::look_whole(&shards_of(dir, Phase::Active), &state.config_hash)?;
        let chosen = store.rows().collect::<Result<Vec<_>, _>>()?;
        let (mut iterations, mut audit) = (Vec::new(), Audit::default());
        let mut rows = chosen.as_slice();
        while let Some(iteration) = read_iteration(dir, iterations.len() as u64)? {
            let end = (iteration.number + 1) * campaign.active.batch;
            let (of, rest) = rows.split_at(rows.partition_point(|row| row.index < end));
            audit.add(&iteration, of);
            rows = rest;
            iterations.push(iteration);
        }
        let run: Vec<Inputs> =
            chosen.iter().filter(|row| row.outcome != Outcome::Skipped).map(|row| row.inputs).collect();
        let all = good.iter().chain(chosen.iter().filter(|row| row.outcome == Outcome::Succeeded));
        let yields = STRATEGIES.map(|strategy| yielded(&mut all.clone(), strategy, &campaign));
        let mut map = Self {
            near: [(design.len() as u64, 0), (run.len() as u64, 0)],
            campaign,
            trained,
            reference,
            lines: Vec::new(),
            yields,
            iterations,
            chosen,
            audit,
        };
        map.near[0].1 = map.near_cliff(&design);
        map.near[1].1 = map.near_cliff(&run);
        map.lines = QBERS.iter().filter_map(|&qber| map.line(qber)).collect();
        Ok(Some(map))
    }

    fn near_cliff(&self, inputs: &[Inputs]) -> u64 {
        let mut near = 0;
        for strategy in STRATEGIES {
            let Some(model) = self.trained.model(strategy) else { continue };
            let mut points = Points::new(AXES);
            let of = inputs.iter().filter(|inputs| inputs[AXES] == code(strategy));
            of.for_each(|inputs| points.push(&numbers(inputs)));
            let runs = model.runs(&self.campaign, &points);
            near += runs.iter().filter(|at| at.mean.abs() <= 2.0 * at.deviation()).count() as u64;
        }
        near
    }

    /// The reference with another strategy and other values of some inputs.
    pub(super) fn at(&self, strategy: Strategy, changes: &[(usize, f64)]) -> Inputs {
        let mut inputs = self.reference;
        inputs[AXES] = code(strategy);
        changes.iter().for_each(|&(axis, value)| inputs[axis] = value as f32);
        inputs
    }

    /// Error rate by the model of source and detectors.
    pub(super) fn qber(&self, inputs: &Inputs) -> Option<f64> {
        self.campaign.space.parameters(inputs).ok().map(|parameters| parameters.coincidences().qber)
    }

    /// The fidelity with which the reference has an error rate of `qber`, if it was sampled.
    fn fidelity(&self, qber: f64) -> Option<f64> {
        let axis = self.campaign.space.axes[FIDELITY];
        let of = |fidelity: f64| self.qber(&self.at(Strategy::Baseline, &[(FIDELITY, fidelity)]));
        // It falls with the fidelity.
        let (mut low, mut high) = (axis.low, axis.high);
        if of(low)? < qber || of(high)? > qber {
            return None;
        }
        for _ in 0..40 {
            let middle = f64::midpoint(low, high);
            if of(middle)? > qber { low = middle } else { high = middle }
        }
        Some(f64::midpoint(low, high))
    }

    fn line(&self, qber: f64) -> Option<Line> {
        let fidelity = self.fidelity(qber)?;
        let of = |strategy| {
            let model = self.trained.model(strategy)?;
            Some(critical(model, &self.campaign, &self.at(strategy, &[(FIDELITY, fidelity)])))
        };
        Some(Line { qber, fidelity, critical: STRATEGIES.map(of) })
    }

    /// Values of input `axis` all over its range.
    pub(super) fn steps(&self, axis: usize, count: usize) -> Vec<f64> {
        let of = self.campaign.space.axes[axis];
        let log = of.scale == crate::campaign::space::Scale::Log;
        let at = |i: usize| {
            let part = i as f64 / (count - 1) as f64;
            if log { of.low * (of.high / of.low).powf(part) } else { of.low + part * (of.high - of.low) }
        };
        (0..count).map(at).collect()
    }

    /// The model of the margin of `strategy` where it succeeds.
    pub(super) fn yielded(&self, strategy: Strategy) -> Option<&Model> {
        let of = STRATEGIES.iter().position(|&known| known == strategy)?;
        self.yields[of].as_ref()
    }

    /// What `model`, one of `strategy`, says where input `axis` takes `values`, with the other `changes` to the reference.
    pub(super) fn along(
        &self,
        model: Option<&Model>,
        strategy: Strategy,
        changes: &[(usize, f64)],
        axis: usize,
        values: &[f64],
    ) -> Vec<Prediction> {
        let Some(model) = model else { return Vec::new() };
        let mut points = Points::new(AXES);
        for &value in values {
            let mut row = numbers(&self.at(strategy, changes));
            row[axis] = value;
            points.push(&row);
        }
        model.predict(&points)
    }

    /// Where the clearance crosses 0 along `y` for each value of `x`, by the mean moved by `sides` deviations.
    pub(super) fn crossing(&self, strategy: Strategy, x: usize, y: usize, sides: f64) -> Vec<(f64, f64)> {
        let (xs, ys) = (self.steps(x, 41), self.steps(y, 81));
        let mut line = Vec::new();
        for &at in &xs {
            let said = self.along(self.trained.model(strategy), strategy, &[(x, at)], y, &ys);
            let over: Vec<f64> = said.iter().map(|at| at.mean + sides * at.deviation()).collect();
            for (i, pair) in over.windows(2).enumerate() {
                if (pair[0] > 0.0) != (pair[1] > 0.0) {
                    let part = pair[0] / (pair[0] - pair[1]);
                    line.push((at, ys[i] + part * (ys[i + 1] - ys[i])));
                    break;
                }
            }
        }
        line
    }

    /// The table of critical numbers of pairs as comma-separated values.
    pub(super) fn csv(&self) -> String {
        let mut text = String::from("qber,channel_fidelity,strategy,n_crit,n_crit_low,n_crit_high,n_run\n");
        let cell = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.0}"));
        for line in &self.lines {
            for (strategy, critical) in STRATEGIES.iter().zip(line.critical) {
                let Some(critical) = critical else { continue };
                let ends = [critical.pairs, critical.low, critical.high, critical.run].map(cell).join(",");
                // Writing to a string does not fail.
                let _written = writeln!(text, "{},{:.6},{strategy},{ends}", line.qber, line.fidelity);
            }
        }
        text
    }

    /// The same as an HDF5 file; what is beyond the range is not a number.
    #[cfg(feature = "hdf5")]
    pub(super) fn hdf5(&self, path: &Path) -> Result<(), String> {
        let write = || -> hdf5_metno::Result<()> {
            let file = hdf5_metno::File::create(path)?;
            let column = |group: &hdf5_metno::Group, name: &str, of: &dyn Fn(&Line) -> Option<f64>| {
                let values: Vec<f64> = self.lines.iter().map(|line| of(line).unwrap_or(f64::NAN)).collect();
                group.new_dataset::<f64>().shape(values.len()).create(name)?.write(&values)
            };
            column(&file, "qber", &|line| Some(line.qber))?;
            column(&file, "channel_fidelity", &|line| Some(line.fidelity))?;
            for (of, strategy) in STRATEGIES.iter().enumerate() {
                let group = file.create_group(&strategy.to_string())?;
                column(&group, "n_crit", &|line| line.critical[of]?.pairs)?;
                column(&group, "n_crit_low", &|line| line.critical[of]?.low)?;
                column(&group, "n_crit_high", &|line| line.critical[of]?.high)?;
                column(&group, "n_run", &|line| line.critical[of]?.run)?;
            }
            file.close()
        };
        write().map_err(|error| error.to_string().replace('\n', "; "))
    }

    /// The reference in words.
    pub(super) fn reference_text(&self) -> String {
        let of = |(dimension, input): (&crate::campaign::space::Dimension, &f32)| {
            format!("{} {}", dimension.quantity.name(), short(f64::from(*input)))
        };
        TABLE.iter().zip(&self.reference).map(of).collect::<Vec<_>>().join(", ")
    }
}

/// Three digits.
pub(super) fn short(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e6).contains(&size) {
        format!("{value:.2e}")
    } else if size >= 1000.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.4}")
    }
}

/// A model of the margin of `strategy`, learnt from runs that succeeded.
fn yielded(rows: &mut dyn Iterator<Item = &Row>, strategy: Strategy, campaign: &Campaign) -> Option<Model> {
    /// Hyperparameters are fitted to so many: for a chart.
    const POINTS: u64 = 400;
    let mut samples = Samples::default();
    rows.filter(|row| row.inputs[AXES] == code(strategy)).for_each(|row| samples.push(row, row.margin));
    if samples.len() < LEAST {
        return None;
    }
    let scaling = Scaling::of(&samples.inputs, &logarithmic(&campaign.space));
    let models = Models { training_points: POINTS, ..campaign.models };
    let points = scaling.all(&samples.inputs);
    let hyper = fit_from(&points, &samples.values, &[], effort(&models, campaign.seed)).ok()?;
    Model::new(samples, scaling, hyper, &models).ok()
}

/// Half of a 95 % interval.
pub(super) fn half(at: Prediction) -> f64 {
    SIDES * at.deviation()
}

/// The inputs whose pairs have a section of the cliff.
pub(super) const SECTIONS: [(usize, usize); 4] = [(FIDELITY, PAIRS), (1, 0), (4, FIDELITY), (5, FIDELITY)];
