//! `caligo-bundle FILE.wasm DIRECTORY NAME`: writes NAME.js and NAME_bg.wasm for browsers.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use anyhow::{Context, bail};
use wasm_bindgen_cli_support::Bindgen;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [input, directory, name] = &arguments[..] else {
        bail!("expected FILE.wasm DIRECTORY NAME, found {} arguments", arguments.len());
    };
    let name = name.to_str().context("NAME: expected UTF-8")?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(PathBuf::from(input))
        .out_name(name)
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .web(true)?
        .generate(directory)
        .with_context(|| PathBuf::from(input).display().to_string())
}
