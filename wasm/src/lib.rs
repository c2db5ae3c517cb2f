//! What the page's worker calls. Numbers in, numbers and typed arrays out: tables are rows of numbers, bit strings are bytes,
//! least significant bit first. Names and meanings are in `web/js/wasm.js`.

mod block;
mod montecarlo;
mod settings;
mod speed;

use std::cell::OnceCell;

use caligo_engine::dispatch::Path;
use caligo_sim::matrix::library::Library;
use wasm_bindgen::prelude::wasm_bindgen;

thread_local! {
    /// The one code of the page.
    static LIBRARY: OnceCell<&'static Library> = const { OnceCell::new() };
}

fn library() -> &'static Library {
    LIBRARY.with(|cell| *cell.get_or_init(|| Box::leak(Box::new(Library::built_in()))))
}

fn bytes(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The instructions this module was compiled for.
#[wasm_bindgen]
pub fn instructions() -> String {
    Path::chosen().name().to_owned()
}
