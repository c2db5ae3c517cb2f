//! Tells the linker where the image's memory is.

fn main() {
    let bare = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none");
    println!("cargo::rerun-if-changed=memory.x");
    if bare {
        let here = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-T{here}/memory.x");
    }
}
