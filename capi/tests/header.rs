//! The committed header is what `cbindgen` makes of the crate.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::{env, fs};

#[test]
fn the_header_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut made = Vec::new();
    cbindgen::generate_with_config(root, config).unwrap().write(&mut made);
    // Sections of Rust's documentation that C has no use for.
    let made = String::from_utf8(made).unwrap();
    let mut text = String::new();
    for line in made.lines().filter(|line| line.trim() != "// # Safety") {
        text += line.trim_end();
        text.push('\n');
    }
    let path = root.join("include/caligo.h");
    if env::var_os("CALIGO_WRITE_GOLDEN").is_some() {
        fs::write(&path, &text).unwrap();
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "{}: expected what cbindgen makes; CALIGO_WRITE_GOLDEN=1 cargo test -p caligo-capi --test header writes it",
        path.display()
    );
}
