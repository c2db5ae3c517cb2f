//! Mbit/s of balanced decoding at rate 1/2 and a QBER of 5 %, one frame at a call and 64, by each of this machine's instruction
//! sets: lines of path, frames at a call, median. Time is the processor's, where Linux tells it, for others may be at work.
//! `scripts/web.sh speed` sets them beside a browser's.

use std::error::Error;
use std::time::{Duration, Instant};

use caligo_engine::Effort;
use caligo_engine::dispatch::Path;
use caligo_sim::frames::Frames;
use caligo_sim::matrix::library::Library;

const FRAMES: usize = 256;
/// Of one measurement: Linux counts some processes' time by ticks of up to 10 ms.
const LEAST: Duration = Duration::from_millis(250);

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
            for _ in 0..9 {
                let (start, busy) = (Instant::now(), processor());
                let (mut decoded, mut time) = (0, Duration::ZERO);
                while time < LEAST {
                    if frames.decode(together)? != FRAMES {
                        return Err("a frame was not decoded".into());
                    }
                    decoded += FRAMES;
                    let wall = start.elapsed();
                    time = processor().zip(busy).map_or(wall, |(now, then)| now.saturating_sub(then));
                }
                speeds.push((decoded * 4096) as f64 / time.as_secs_f64() / 1e6);
            }
            speeds.sort_by(f64::total_cmp);
            println!("{} {together} {:.1}", path.name(), speeds[speeds.len() / 2]);
        }
    }
    Ok(())
}
