//! Rate selection: from an error rate and a target frame error rate to a pattern (p, s).
//!
//! The efficiency a code reaches depends on the rate, so no constant f will do. A [`RateTable`] holds,
//! for patterns of falling rate, the largest QBER at which the measured frame error rate stays below
//! each of three targets; between rows p and s are interpolated and rounded towards the lower rate.

use core::fmt;

use libm::{ceil, floor, log};

use crate::limits;

#[cfg(feature = "large-codes")]
pub mod table_16384;
pub mod table_4096;
#[cfg(feature = "large-codes")]
pub mod table_65536;
#[cfg(feature = "large-codes")]
pub mod table_8192;

/// Frame error rates a row gives thresholds for.
pub const TARGETS: [f64; 3] = [0.1, 0.01, 0.001];

/// One measured pattern. Either p or s is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePoint {
    /// Punctured positions.
    pub p: u16,
    /// Shortened positions.
    pub s: u16,
    /// Largest QBER for each of [`TARGETS`].
    pub qber: [f32; 3],
}

/// Measured thresholds of a code, by falling rate and rising QBER.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateTable<'a> {
    /// Code length.
    pub n: usize,
    /// Checks.
    pub m: usize,
    /// Rows.
    pub points: &'a [RatePoint],
}

/// A pattern's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Punctured positions.
    pub p: usize,
    /// Shortened positions.
    pub s: usize,
}

/// Why no rate could be selected.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum RateError {
    /// QBER or target frame error rate outside its range.
    OutOfRange {
        /// What was given.
        what: &'static str,
    },
    /// The table ends below this QBER.
    TooNoisy {
        /// Largest QBER the table reaches at the target.
        limit: f64,
    },
}

impl fmt::Display for RateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutOfRange { what } => f.write_str(what),
            Self::TooNoisy { limit } => {
                write!(f, "QBER: expected at most {limit:.4}, where the rate table of this code ends")
            }
        }
    }
}

impl core::error::Error for RateError {}

impl RateTable<'_> {
    /// The highest rate whose threshold at frame error rate `fer` is at least `qber`.
    ///
    /// Targets between the measured ones are interpolated in log FER against QBER, targets below
    /// 10^-3 extrapolated down to 10^-6.
    ///
    /// # Errors
    /// [`RateError`] if `qber` is not in [0, 1/2), `fer` not in [1e-6, 0.5], or the table ends before.
    pub fn select(&self, qber: f64, fer: f64) -> Result<Selection, RateError> {
        if !(0.0..0.5).contains(&qber) {
            return Err(RateError::OutOfRange { what: "QBER: expected a number in [0, 0.5)" });
        }
        if !(1e-6..=0.5).contains(&fer) {
            return Err(RateError::OutOfRange {
                what: "target frame error rate: expected a number in [1e-6, 0.5]",
            });
        }
        let mut before: Option<(&RatePoint, f64)> = None;
        for point in self.points {
            let threshold = threshold(point, fer);
            if threshold >= qber {
                let Some((above, low)) = before else {
                    return Ok(Selection { p: point.p.into(), s: point.s.into() });
                };
                let part = ((qber - low) / (threshold - low)).clamp(0.0, 1.0);
                let between = |a: u16, b: u16| f64::from(a) + part * (f64::from(b) - f64::from(a));
                return Ok(Selection {
                    p: floor(between(above.p, point.p)) as usize,
                    s: ceil(between(above.s, point.s)) as usize,
                });
            }
            before = Some((point, threshold));
        }
        Err(RateError::TooNoisy { limit: before.map_or(0.0, |(_, q)| q) })
    }

    /// The pattern for a block that carries only `payload` bits, by shortening: the full block's
    /// efficiency at `qber` and `fer`, worsened as the exact limit worsens with the length.
    ///
    /// # Errors
    /// As [`RateTable::select`]; [`RateError::OutOfRange`] if `payload` is 0 or more than n.
    pub fn select_short(&self, qber: f64, fer: f64, payload: usize) -> Result<Selection, RateError> {
        let full = self.select(qber, fer)?;
        let max_p = self.points.iter().map(|point| usize::from(point.p)).max().unwrap_or(0);
        short(self.n, self.m, full, qber, fer, payload, max_p)
    }
}

/// Leak added to an almost empty block, relative.
const SHORT_MARGIN: f64 = 0.25;

/// Shrinks `full` to a block of `payload` bits; at most `max_p` positions are punctured.
///
/// # Errors
/// [`RateError::OutOfRange`] if `payload` is 0 or more than n.
pub fn short(
    n: usize,
    m: usize,
    full: Selection,
    qber: f64,
    fer: f64,
    payload: usize,
    max_p: usize,
) -> Result<Selection, RateError> {
    if payload == 0 || payload > n {
        return Err(RateError::OutOfRange { what: "payload: expected 1 to n bits" });
    }
    if full.p > m || full.p + full.s >= n {
        return Err(RateError::OutOfRange { what: "full block: expected p <= m and p + s < n" });
    }
    // Below this rate limits are meaningless and the table is at its end anyway.
    let q = qber.max(1e-3);
    let full_payload = n - full.p - full.s;
    let limit = |bits| limits::converse_leak(bits, q, fer.min(0.1)).unwrap_or(m as f64);
    // A frame mostly shortened and punctured falls behind the limit by more than a full one does: measured,
    // and well fitted by the square of the part that is missing.
    let missing = 1.0 - payload as f64 / full_payload as f64;
    let margin = 1.0 + SHORT_MARGIN * missing * missing;
    let leak = (m - full.p) as f64 * limit(payload) / limit(full_payload) * margin;
    let p = (m as f64 - ceil(leak)).max(0.0).min(max_p.min(n - payload) as f64) as usize;
    Ok(Selection { p, s: n - payload - p })
}

/// QBER at frame error rate `fer`: log FER is piecewise linear in QBER, and the last piece goes on.
fn threshold(point: &RatePoint, fer: f64) -> f64 {
    let [a, b, c] = point.qber.map(f64::from);
    let decades = -log(fer) / core::f64::consts::LN_10;
    let q = if decades <= 2.0 { a + (b - a) * (decades - 1.0) } else { b + (c - b) * (decades - 2.0) };
    q.max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: RateTable<'static> = RateTable {
        n: 4096,
        m: 2048,
        points: &[
            RatePoint { p: 1000, s: 0, qber: [0.046875, 0.03125, 0.025] },
            RatePoint { p: 0, s: 0, qber: [0.1, 0.09375, 0.075] },
            RatePoint { p: 0, s: 400, qber: [0.15, 0.125, 0.1] },
        ],
    };

    #[test]
    fn selection_interpolates_and_rounds_to_the_lower_rate() {
        assert_eq!(TABLE.select(0.0, 0.1), Ok(Selection { p: 1000, s: 0 }));
        assert_eq!(TABLE.select(0.0625, 0.01), Ok(Selection { p: 500, s: 0 }));
        assert_eq!(TABLE.select(0.10938, 0.01), Ok(Selection { p: 0, s: 201 }));
        assert!(matches!(TABLE.select(0.16, 0.1), Err(RateError::TooNoisy { .. })));
    }

    #[test]
    fn a_rarer_failure_never_raises_the_rate() {
        let mut last = usize::MAX;
        for fer in [0.5, 0.1, 0.03, 0.01, 0.003, 1e-3, 1e-4] {
            let Ok(Selection { p, s: 0 }) = TABLE.select(0.05, fer) else { panic!("{fer}") };
            assert!(p <= last);
            last = p;
        }
    }

    #[test]
    fn a_short_block_leaks_more_per_bit() -> Result<(), RateError> {
        let full = TABLE.select(0.05, 0.01)?;
        let mut last = (2048 - full.p) as f64 / (4096 - full.p) as f64;
        for payload in [3000, 2000, 1000, 300] {
            let Selection { p, s } = TABLE.select_short(0.05, 0.01, payload)?;
            assert_eq!(p + s + payload, 4096);
            let leak = (2048 - p) as f64 / payload as f64;
            assert!(leak > last, "{payload}");
            last = leak;
        }
        assert!(TABLE.select_short(0.05, 0.01, 0).is_err());
        Ok(())
    }

    #[test]
    fn nonsense_is_refused() {
        for q in [-1.0, 0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(TABLE.select(q, 0.01), Err(RateError::OutOfRange { .. })));
        }
        assert!(TABLE.select(0.01, 0.0).is_err());
        assert!(TABLE.select(0.01, f64::NAN).is_err());
    }
}
