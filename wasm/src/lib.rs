//! What the page's worker calls. Numbers in, numbers and typed arrays out: tables are rows of numbers, bit strings are bytes,
//! least significant bit first. Names and meanings are in `web/js/wasm.js`.
//!
//! In a browser there is no standard library, for its panics carry the means to say what happened, to nobody: a tenth of the
//! module. A panic ends the module's work all the same, and the page says so.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod block;
mod montecarlo;
#[cfg(target_arch = "wasm32")]
mod runtime;
mod settings;
#[cfg(feature = "speed")]
mod speed;

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use caligo_engine::dispatch::Path;
use caligo_sim::matrix::library::Library;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::block::Block;
use crate::montecarlo::MonteCarlo;

/// What everything begins with: it has the one code of the page.
#[wasm_bindgen]
pub struct Page {
    library: &'static Library,
}

#[wasm_bindgen]
impl Page {
    /// Once for a module: what it holds is never freed.
    #[wasm_bindgen(constructor)]
    #[expect(clippy::new_without_default, reason = "JavaScript's `new`")]
    pub fn new() -> Self {
        Self { library: Box::leak(Box::new(Library::built_in())) }
    }

    /// The instructions this module was compiled for.
    pub fn instructions(&self) -> String {
        Path::chosen().name().to_owned()
    }

    /// Reconciles a block.
    ///
    /// # Errors
    /// The name of a refusal.
    pub fn block(&self, numbers: &[f64]) -> Result<Block, JsError> {
        Block::explored(self.library, &settings::read(numbers)?)
    }

    /// Counts many blocks; nothing is counted yet.
    ///
    /// # Errors
    /// The name of a refusal.
    pub fn count(&self, numbers: &[f64]) -> Result<MonteCarlo, JsError> {
        MonteCarlo::of(self.library, &settings::read(numbers)?)
    }

    /// So many frames at rate 1/2, with the balanced decoder.
    ///
    /// # Errors
    /// If the error rate is none.
    #[cfg(feature = "speed")]
    pub fn speed(&self, qber: f64, seed: u32, count: usize) -> Result<speed::Speed, JsError> {
        speed::Speed::of(self.library, qber, seed, count)
    }
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}
