//! Cliffs that are known, instead of transfers: what a search for them finds can be held against the truth.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "of tests")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use caligo_core::security::{Forecast, TargetRecord, Targets};
use caligo_runtime::campaign::batch::Sample;
use caligo_runtime::campaign::cliff::ask::ask;
use caligo_runtime::campaign::cliff::chance::excess;
use caligo_runtime::campaign::cliff::file::{MODELS, load};
use caligo_runtime::campaign::merge::recorded;
use caligo_runtime::campaign::pipeline::Conduct;
use caligo_runtime::campaign::rows::{Outcome, Row};
use caligo_runtime::campaign::run::{Options, Part, run};
use caligo_runtime::campaign::sample::{Execute, Fault};
use caligo_runtime::campaign::space::Inputs;
use caligo_runtime::campaign::state::Begin;
use caligo_runtime::channel::mix;
use caligo_runtime::config::Strategy;
use caligo_runtime::config::campaign::Campaign;
use tempfile::TempDir;

/// Fingerprint of no code.
pub const CODE: u64 = 7;

/// A clearance that is known, instead of a transfer, with some noise: deviations, in bits.
pub struct Known(pub fn(&Inputs) -> f64, pub f64);

/// Noise that hardly shows.
pub const LITTLE: f64 = 7e-4;

impl Execute for Known {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        let mut row = Row::new(sample.index, sample.draw, sample.inputs);
        // A function of the sample: twelve uniform numbers less six have variance 1.
        let seed = mix(sample.index ^ u64::from(sample.inputs[3].to_bits()) << 32);
        let uniform = |k: u64| (mix(seed.wrapping_add(k)) >> 11) as f64 / (1u64 << 53) as f64;
        let noise = self.1 * ((0..12).map(uniform).sum::<f64>() - 6.0);
        row.margin = ((self.0)(&sample.inputs) + noise) as f32;
        row.clearance = row.margin;
        row.feasibility = "feasible".into();
        row.qber_expected = 0.01;
        if row.margin > 0.0 {
            row.outcome = Outcome::Succeeded;
            row.net_efficiency = row.margin;
        } else {
            row.error_code = "entropy_depleted".into();
        }
        Ok(row)
    }
}

/// The same of an estimate of the error rate that shows too many errors or too few, of which each costs what planned blocks cost.
pub struct Chancy(pub fn(&Inputs) -> f64);

/// What an error more costs, bits a bit.
pub const COST: f64 = 1.5;

impl Execute for Chancy {
    fn execute(&self, sample: &Sample) -> Result<Row, Fault> {
        let mut row = Known(self.0, LITTLE).execute(sample)?;
        let forecast = Forecast::of(&sample.parameters, &Targets::new(TargetRecord::default()).unwrap());
        let (rate, tested) = (forecast.coincidences.qber, forecast.test_bits);
        let deviations = (f64::from(row.margin) - (self.0)(&sample.inputs)) / LITTLE;
        row.qber_expected = rate as f32;
        row.qber_observed = (rate + deviations * (rate * (1.0 - rate) / tested).sqrt()).max(0.0) as f32;
        row.clearance = ((self.0)(&sample.inputs) - COST * excess(&row)) as f32;
        row.margin = row.clearance;
        let succeeded = row.clearance > 0.0;
        (row.outcome, row.error_code) = if succeeded {
            (Outcome::Succeeded, String::new())
        } else {
            (Outcome::Failed, "qber_threshold".into())
        };
        Ok(row)
    }
}

fn decade(inputs: &Inputs, axis: usize) -> f64 {
    f64::from(inputs[axis]).log10()
}

/// Curved, in three dimensions of eight; blind has a little more.
pub fn curved(inputs: &Inputs) -> f64 {
    let pairs = decade(inputs, 7) - 5.0;
    let fidelity = 20.0 * (f64::from(inputs[3]) - 0.95);
    0.1 * (fidelity + 0.5 * pairs - 0.3 * pairs * pairs - f64::from(inputs[0])) + 0.01 * f64::from(inputs[8])
}

/// Sharp: a step of the same place, rounded off over a twentieth of the range.
pub fn sharp(inputs: &Inputs) -> f64 {
    0.1 * (curved(inputs) / 0.01).tanh()
}

/// One direction counts forty times as much as another.
pub fn anisotropic(inputs: &Inputs) -> f64 {
    0.2 * (f64::from(inputs[3]) - 0.95) * 20.0 + 0.005 * (decade(inputs, 7) - 5.0)
}

/// Eight dimensions vary, three of which count at most.
pub fn campaign(samples: u64, phase3: &str) -> Campaign {
    let text = format!(
        "phase1: {{ target_samples: {samples}, sampler: {{ infeasible: run }} }}
phase3: {{ batch_size: 8, refit_every: 3, {phase3} }}
parameters: {{ storage_noise_r: [0, 1], storage_rate_nu: [1e-4, 1e-2], channel_fidelity: [0.9, 1], num_pairs: [1e4, 1e6] }}
"
    );
    Campaign::parse(&text, Path::new("c.yaml")).unwrap()
}

/// A folder with the design's samples.
pub fn designed(campaign: &Campaign, known: &dyn Execute) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { conduct: Conduct::new(2), begin: Begin::Resume, part: Part::WHOLE };
    run(dir.path(), campaign, CODE, known, options, &AtomicBool::new(false), &mut |_| {}).unwrap();
    dir
}

/// Part of 4000 points whose sign a model of `dir` calls wrong.
pub fn wrong(dir: &Path, campaign: &Campaign, f: fn(&Inputs) -> f64) -> f64 {
    let (state, _) = recorded(dir).unwrap();
    let trained = load(&dir.join(MODELS), &state.config_hash, &campaign.models).unwrap().unwrap();
    let (mut count, mut bad) = (0.0, 0.0);
    for i in 0..4000_u32 {
        let unit: [f64; 9] = std::array::from_fn(|k| {
            (f64::from(i + 1) * [2.0_f64, 3.0, 5.0, 7.0, 11.0, 13.0, 17.0, 19.0, 23.0][k].sqrt()).fract()
        });
        let strategy = if i % 2 == 0 { Strategy::Baseline } else { Strategy::Blind };
        let inputs = campaign.space.inputs(&unit, strategy);
        let answer = ask(trained.model(strategy).unwrap(), campaign, &inputs);
        count += 1.0;
        bad += f64::from(u8::from((answer.clearance > 0.0) != (f(&inputs) > 0.0)));
    }
    bad / count
}
