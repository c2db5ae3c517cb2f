//! Mbit/s of balanced decoding at rate 1/2 and a QBER of 5 %, one frame at a call and 64, by each of this machine's instruction
//! sets: lines of path, frames at a call, median. `scripts/web.sh speed` sets them beside a browser's.

use std::error::Error;
use std::time::Instant;

use caligo_runtime::kernel::Effort;
use caligo_runtime::kernel::dispatch::Path;
use caligo_runtime::matrix::library::Library;
use caligo_sim::frames::Frames;

const FRAMES: usize = 256;

fn main() -> Result<(), Box<dyn Error>> {
    let library = Library::built_in();
    for path in Path::all() {
        let mut frames = Frames::new(&library, path, Effort::default(), 0.05, 1, FRAMES)?;
        for together in [1, 64] {
            let mut speeds = Vec::new();
            for _ in 0..21 {
                let start = Instant::now();
                if frames.decode(together)? != FRAMES {
                    return Err("a frame was not decoded".into());
                }
                speeds.push((FRAMES * 4096) as f64 / start.elapsed().as_secs_f64() / 1e6);
            }
            speeds.sort_by(f64::total_cmp);
            println!("{} {together} {:.1}", path.name(), speeds[speeds.len() / 2]);
        }
    }
    Ok(())
}
