//! Measures the rate table: for patterns of falling rate, the QBER at which the frame error rate meets
//! each target.
//!
//! In: a library, a tier, a seed. Out: a pure function of them: rows of thresholds and the
//! measurements they were interpolated from.

use caligo_core::bits::words_for;
use caligo_core::limits;
use caligo_core::puncture::{self, PatternError};
use caligo_core::rate::{Selection, TARGETS};
use serde::Serialize;

use crate::kernel::{Effort, Tier};
use crate::matrix::library::{Library, LibraryError};
use crate::montecarlo::{self, Run};

/// The curve is followed down to this frame error rate, or as far as the frames allow.
const LOWEST: f64 = 7e-4;
/// Points of one curve at most.
const POINTS: usize = 40;

/// One measured point of a curve.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Decoder.
    pub decoder: Tier,
    /// Punctured positions.
    pub punctured: usize,
    /// Shortened positions.
    pub shortened: usize,
    /// Error rate.
    pub qber: f64,
    /// Frames.
    pub frames: u64,
    /// Frame errors.
    pub frame_errors: u64,
    /// Undetected ones.
    pub undetected: u64,
    /// Iterations per frame.
    pub iterations_mean: f64,
    /// Leak over n' h(Q).
    pub f: f64,
}

/// Thresholds of one pattern.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Punctured positions.
    pub p: usize,
    /// Shortened positions.
    pub s: usize,
    /// QBER at each of [`TARGETS`].
    pub qber: [f64; 3],
}

/// Why a table could not be measured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalibrateError {
    /// The library.
    #[error("{0}")]
    Library(#[from] LibraryError),
    /// A pattern.
    #[error("{0}")]
    Pattern(#[from] PatternError),
    /// A buffer.
    #[error("{0}")]
    Length(#[from] caligo_core::code::LengthError),
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thoroughness {
    /// Frames at most for one point.
    pub frames: u64,
    /// Frame errors after which a point is done.
    pub errors: u64,
    /// Percents of rate from one pattern to the next.
    pub step: usize,
}

/// The patterns of a mother code's table: rates of at most .96 to .52, .90 among them, the mother itself, and shortening
/// to a rate of about .25.
pub fn sizes(n: usize, m: usize, step: usize) -> Vec<Selection> {
    let step = step.max(1);
    let highest = 90 + 6 / step * step;
    let punctured = (52..=highest as u32)
        .rev()
        .step_by(step)
        .map(|percent| Selection { p: puncture::punctured_for(n, m, f64::from(percent) / 100.0), s: 0 });
    let parts = 16 / step;
    let shortened = (0..=parts).map(|i| Selection { p: 0, s: i * n / 3 / parts.max(1) });
    punctured.chain(shortened).collect()
}

/// Measures all [`sizes`]; `report` is told every point.
///
/// # Errors
/// [`CalibrateError`] if a pattern does not fit the library.
pub fn table(
    library: &Library,
    tier: Tier,
    thoroughness: Thoroughness,
    seed: u64,
    mut report: impl FnMut(&Point),
) -> Result<Vec<Row>, CalibrateError> {
    let code = library.code()?;
    let order = library.order()?;
    let words = words_for(code.n());
    let mut rows: Vec<Row> = Vec::new();
    for Selection { p, s } in sizes(code.n(), code.m(), thoroughness.step) {
        let (mut a, mut b) = (vec![0; words], vec![0; words]);
        let pattern = order.pattern(p, s, &mut a, &mut b)?;
        let leak = library.rank() - library.padding_rank(p);
        let payload = pattern.payload();
        // Where any code has a frame error rate of a tenth: the curve begins above that.
        let mut qber = limits::inverse_entropy(leak as f64 / payload as f64);
        while limits::converse_fer(payload, qber, leak as f64) > 0.1 {
            qber *= 0.995;
        }
        let mut curve: Vec<(f64, f64)> = Vec::new();
        let lowest = libm::log(LOWEST.max(0.6 / thoroughness.frames as f64));
        while curve.len() < POINTS && curve.last().is_none_or(|c| c.1 > lowest) {
            let run = Run {
                code,
                pattern,
                leak,
                qber,
                effort: Effort { tier, ..Effort::default() },
                frames: thoroughness.frames,
                errors: thoroughness.errors,
                seed,
            };
            let tally = montecarlo::run(&run, |_| {})?;
            report(&Point {
                decoder: tier,
                punctured: p,
                shortened: s,
                qber,
                frames: tally.frames,
                frame_errors: tally.frame_errors,
                undetected: tally.undetected,
                iterations_mean: tally.iterations as f64 / tally.frames.max(1) as f64,
                f: limits::efficiency(leak as f64, payload, qber),
            });
            // The table makes a promise: one standard deviation to the safe side.
            let errors = tally.frame_errors as f64;
            let fer = (errors + errors.sqrt()).max(0.5) / tally.frames.max(1) as f64;
            curve.push((qber, libm::log(fer)));
            qber = next(&curve);
        }
        let qber = TARGETS.map(|target| at(&curve, libm::log(target)));
        // More redundancy never bears less noise: what noise in the measurement says otherwise is smoothed.
        let floor = rows.last().map_or([0.0; 3], |row| row.qber);
        rows.push(Row { p, s, qber: [0, 1, 2].map(|i| f64::max(qber[i], floor[i])) });
    }
    Ok(rows)
}

/// The next QBER: to about 0.4 of the frame error rate. Above a tenth the curve still bends, so steps are
/// short there.
fn next(curve: &[(f64, f64)]) -> f64 {
    match *curve {
        [.., (q0, l0), (q1, l1)] => {
            let longest = if l1 < -2.3 { 0.1 } else { 0.025 };
            let step = 0.9 * (q0 - q1) / (l0 - l1).max(0.05);
            q1 - step.clamp(0.01 * q1, longest * q1)
        }
        [.., (q, _)] => 0.98 * q,
        [] => 0.0,
    }
}

/// QBER at log frame error rate `target`, linear between the two points around it.
fn at(curve: &[(f64, f64)], target: f64) -> f64 {
    let below = curve.iter().position(|&(_, l)| l <= target);
    match (below, curve) {
        (Some(0), [first, ..]) => first.0,
        (Some(i), _) => {
            let ((q0, l0), (q1, l1)) = (curve[i - 1], curve[i]);
            q1 + (q0 - q1) * (target - l1) / (l0 - l1)
        }
        // Not reached: extend the last piece, but never above what was seen.
        (None, [.., (q0, l0), (q1, l1)]) if l0 > l1 => {
            (q1 - (l1 - target) * (q0 - q1) / (l0 - l1)).clamp(0.0, *q1)
        }
        (None, _) => 0.0,
    }
}

/// The Rust source of a table module: rows measured with each tier.
pub fn rust(n: usize, m: usize, command: &str, tables: &[(Tier, Vec<Row>)]) -> String {
    use std::fmt::Write;
    let mut text = format!(
        "//! Rate tables of the mother code of {n} bits.\n//!\n//! Generated by `{command}`; do not edit. Measured with \
         the layered schedule.\n\nuse super::{{RatePoint, RateTable}};\n\n\
         const fn r(p: u16, s: u16, qber: [f32; 3]) -> RatePoint {{\n    RatePoint {{ p, s, qber }}\n}}\n\n"
    );
    for (tier, rows) in tables {
        let (name, doc) = match tier {
            Tier::Precise => ("PRECISE", "f32 sum-product, 100 iterations, then 16 guesses."),
            Tier::Balanced => {
                ("BALANCED", "Integer min-sum, then f32 sum-product, 100 iterations, then guesses.")
            }
            Tier::Fast => ("FAST", "Integer min-sum, 40 iterations, then guesses."),
        };
        let _ = write!(
            text,
            "/// {doc}\npub const {name}: RateTable<'static> = RateTable {{ n: {n}, m: {m}, points: \
             &{name}_POINTS }};\n\n#[rustfmt::skip]\nstatic {name}_POINTS: [RatePoint; {}] = [\n",
            rows.len()
        );
        for row in rows {
            let [a, b, c] = row.qber;
            let _ = writeln!(text, "    r({}, {}, [{a:.5}, {b:.5}, {c:.5}]),", row.p, row.s);
        }
        text.push_str("];\n\n");
    }
    text.truncate(text.len() - 1);
    text
}
