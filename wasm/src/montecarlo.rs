//! Many blocks at one error rate.

use alloc::vec;
use alloc::vec::Vec;

use caligo_sim::block::{BlockError, Settings};
use caligo_sim::efficiency::{Measurement, Tally};
use caligo_sim::matrix::library::Library;
use caligo_sim::session::local::Config;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::settings::refusal;

/// A count that grows.
#[wasm_bindgen]
pub struct MonteCarlo {
    measurement: Measurement<'static>,
    tally: Tally,
    next: u64,
}

impl MonteCarlo {
    pub(crate) fn of(library: &'static Library, settings: &Settings) -> Result<Self, JsError> {
        let config: Config = settings.config().map_err(|error| refusal(&error))?;
        let prior = config.known_qber();
        let measurement = Measurement::new(library, &config, settings.qber, prior, settings.seed)
            .map_err(|error| refusal(&BlockError::from(error)))?;
        Ok(Self { measurement, tally: Tally::default(), next: 0 })
    }
}

#[wasm_bindgen]
impl MonteCarlo {
    /// One session more, of so many blocks.
    ///
    /// # Errors
    /// The name of a refusal.
    pub fn add(&mut self, blocks: u32) -> Result<(), JsError> {
        let tally = self.measurement.session(self.next, blocks.into());
        self.next += 1;
        self.tally = self.tally.plus(tally.map_err(|error| refusal(&BlockError::from(error)))?);
        Ok(())
    }

    /// Frames, frame error rate, ends of its 95 % interval, f, f with tags, one-way limit for f (0 if undefined), rounds,
    /// iterations.
    pub fn row(&self) -> Vec<f64> {
        let row = self.measurement.row(&self.tally);
        vec![
            row.frames as f64,
            row.fer,
            row.fer_low,
            row.fer_high,
            row.f_mean,
            row.f_with_tag,
            row.f_one_way_limit.unwrap_or(0.0),
            row.rounds_mean,
            row.iterations_mean,
        ]
    }
}
