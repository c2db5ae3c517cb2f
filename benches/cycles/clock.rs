//! Time, and how many cycles it is.

use std::hint::black_box;
use std::time::Instant;

/// Cycles of `work(true)` less those of `work(false)`, and cycles per nanosecond: of many runs in turn the least time,
/// the highest clock.
pub(crate) fn least<E>(mut work: impl FnMut(bool) -> Result<(), E>) -> Result<(f64, f64), E> {
    let (mut without, mut with, mut clock) = (f64::INFINITY, f64::INFINITY, 0f64);
    for _ in 0..40 {
        clock = clock.max(gigahertz());
        for (subject, least) in [(false, &mut without), (true, &mut with)] {
            let start = Instant::now();
            work(subject)?;
            *least = least.min(start.elapsed().as_secs_f64() * 1e9);
        }
    }
    Ok(((with - without) * clock, clock))
}

/// By a chain of additions and exclusive ors, each of which waits for the one before, take one
/// cycle each.
fn gigahertz() -> f64 {
    const PAIRS: u32 = 200_000;
    let (a, b) = (black_box(0x9e37_79b9_7f4a_7c15_u64), black_box(0x2545_f491_4f6c_dd1d));
    let mut x = black_box(1u64);
    let start = Instant::now();
    for _ in 0..PAIRS {
        x = x.wrapping_add(a) ^ b;
    }
    black_box(x);
    f64::from(2 * PAIRS) / (start.elapsed().as_secs_f64() * 1e9)
}
