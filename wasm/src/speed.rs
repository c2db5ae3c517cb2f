//! How fast this machine decodes.

use caligo_engine::Effort;
use caligo_engine::dispatch::Path;
use caligo_sim::frames::Frames;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::library;
use crate::settings::tier;

/// Frames at rate 1/2.
#[wasm_bindgen]
pub struct Speed(Frames<'static>);

#[wasm_bindgen]
impl Speed {
    /// So many frames.
    ///
    /// # Errors
    /// If the error rate is none.
    #[wasm_bindgen(constructor)]
    pub fn new(qber: f64, of_tier: u8, seed: u32, count: usize) -> Result<Speed, JsError> {
        let effort = Effort { tier: tier(of_tier), ..Effort::default() };
        Frames::new(library(), Path::chosen(), effort, qber, seed.into(), count)
            .map(Self)
            .map_err(|_| JsError::new("qber"))
    }

    /// Decodes them, `together` at a call: how many came out right.
    ///
    /// # Errors
    /// Never.
    pub fn decode(&mut self, together: usize) -> Result<usize, JsError> {
        self.0.decode(together).map_err(|_| JsError::new("session"))
    }
}
