//! Cycles of the decoders' iterations by instruction set (`scripts/cycles.sh`).
//!
//! * `cycles list`: kernels and paths of this machine.
//! * `cycles time`: CSV of cycles per iteration, by kernel and path; and per instruction of vector units.
//! * `cycles run KERNEL PATH 1`: an iteration after the line `begin`, to be looked at by a tracer; `0`: all but the
//!   iteration.

#[cfg(target_arch = "x86_64")]
mod clock;
#[cfg(target_arch = "x86_64")]
mod kernels;
#[cfg(target_arch = "x86_64")]
mod path;
#[cfg(target_arch = "x86_64")]
mod units;

use std::error::Error;

#[cfg(target_arch = "x86_64")]
use caligo_core::code::LengthError;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    run(&arguments)
}

#[cfg(not(target_arch = "x86_64"))]
fn run(_: &[&str]) -> Result<(), Box<dyn Error>> {
    Err("bounds are known for x86-64 only".into())
}

#[cfg(target_arch = "x86_64")]
fn run(arguments: &[&str]) -> Result<(), Box<dyn Error>> {
    match *arguments {
        ["list"] => {
            for (path, kernel) in cases() {
                println!("{kernel} {}", path.name());
            }
        }
        ["time"] => time()?,
        ["run", kernel, path, iterations @ ("0" | "1")] => {
            let path = path::all().into_iter().find(|p| p.name() == path).ok_or("no such path here")?;
            let mut work = kernels::work(kernel, path)?;
            println!("begin");
            work(1, iterations == "1")?;
        }
        _ => return Err("list, time, or run KERNEL PATH 0|1".into()),
    }
    Ok(())
}

#[cfg(target_arch = "x86_64")]
fn cases() -> impl Iterator<Item = (path::Path, &'static str)> {
    path::all().into_iter().flat_map(|path| kernels::NAMES.map(|kernel| (path, kernel)))
}

/// What a round does besides the iteration goes with the difference.
#[cfg(target_arch = "x86_64")]
fn time() -> Result<(), Box<dyn Error>> {
    const ROUNDS: u16 = 100;
    const UNIT_ROUNDS: u32 = 10_000;
    println!("kernel,path,frames,cycles,ghz");
    for (path, kernel) in cases() {
        let mut work = kernels::work(kernel, path)?;
        let (cycles, ghz) = clock::least(|iterate| work(ROUNDS, iterate))?;
        let (cycles, frames) = (cycles / f64::from(ROUNDS), kernels::frames(kernel, path));
        println!("{kernel},{},{frames},{cycles:.1},{ghz:.3}", path.name());
    }
    for path in path::all() {
        for (name, unit, instructions) in units::UNITS {
            let (cycles, ghz) = clock::least(|some| {
                unit(path, u32::from(some) * UNIT_ROUNDS);
                Ok::<(), LengthError>(())
            })?;
            let cycles = cycles / f64::from(UNIT_ROUNDS) / instructions;
            println!("{name},{},1,{cycles:.3},{ghz:.3}", path.name());
        }
    }
    Ok(())
}
