//! How fast this machine decodes.

use caligo_engine::Effort;
use caligo_engine::dispatch::Path;
use caligo_sim::frames::Frames;
use caligo_sim::matrix::library::Library;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// Frames at rate 1/2.
#[wasm_bindgen]
pub struct Speed(Frames<'static>);

impl Speed {
    pub(crate) fn of(library: &'static Library, qber: f64, seed: u32, count: usize) -> Result<Self, JsError> {
        Frames::new(library, Path::chosen(), Effort::default(), qber, seed.into(), count)
            .map(Self)
            .map_err(|_| JsError::new("qber"))
    }
}

#[wasm_bindgen]
impl Speed {
    /// Decodes them, `together` at a call: how many came out right.
    ///
    /// # Errors
    /// Never.
    pub fn decode(&mut self, together: usize) -> Result<usize, JsError> {
        self.0.decode(together).map_err(|_| JsError::new("session"))
    }
}
