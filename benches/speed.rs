//! Mbit/s of balanced decoding at rate 1/2 and a QBER of 5 %, one frame at a call and 64, by each of this machine's instruction
//! sets: lines of path, frames at a call, median. Time is the processor's, where Linux tells it, for others may be at work.
//! `scripts/web.sh speed` sets them beside a browser's.

use std::error::Error;
use std::time::{Duration, Instant};

use caligo_runtime::kernel::Effort;
use caligo_runtime::kernel::dispatch::Path;
use caligo_runtime::matrix::library::Library;
use caligo_sim::frames::Frames;

const FRAMES: usize = 256;

/// Time this process was running.
fn processor() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn main() -> Result<(), Box<dyn Error>> {
    let library = Library::built_in();
    for path in Path::all() {
        let mut frames = Frames::new(&library, path, Effort::default(), 0.05, 1, FRAMES)?;
        for together in [1, 64] {
            let mut speeds = Vec::new();
            for _ in 0..21 {
                let (start, busy) = (Instant::now(), processor());
                if frames.decode(together)? != FRAMES {
                    return Err("a frame was not decoded".into());
                }
                let wall = start.elapsed();
                let time = processor().zip(busy).map_or(wall, |(now, then)| now.saturating_sub(then));
                speeds.push((FRAMES * 4096) as f64 / time.as_secs_f64() / 1e6);
            }
            speeds.sort_by(f64::total_cmp);
            println!("{} {together} {:.1}", path.name(), speeds[speeds.len() / 2]);
        }
    }
    Ok(())
}
