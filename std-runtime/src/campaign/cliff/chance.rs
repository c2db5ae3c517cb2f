//! What chance does to a run: the sample that estimates the error rate shows more errors than the device makes, or fewer.
//!
//! In: a row; or a campaign and inputs. Out: its excess, h(q) - h(Q) in bits a bit, where q is the rate that the sample showed and
//! Q the device's; or what excess is usual there. Of what differs between runs of equal inputs this is nearly all, and it is
//! known afterwards: models take it for one more input, and see the device's own part.

use caligo_core::limits::entropy;
use caligo_core::security::Forecast;

use crate::campaign::rows::Row;
use crate::campaign::space::{AXES, DIMENSIONS, Inputs, TABLE, code};
use crate::config::Strategy;
use crate::config::campaign::Campaign;

/// The place of the excess among what models see of a sample.
pub const EXCESS: usize = AXES;

/// Numbers that models see of a sample: its eight inputs, its excess.
pub const SEEN: usize = AXES + 1;

/// What models see of `inputs`, the first eight of which count, and of a run's `excess`.
pub fn seen(inputs: &[f64], excess: f64) -> [f64; SEEN] {
    let mut seen = [0.0; SEEN];
    seen.iter_mut().zip(inputs.iter().take(AXES)).for_each(|(to, from)| *to = *from);
    seen[EXCESS] = excess;
    seen
}

/// Excess of the rate `observed` over `expected`.
fn over(observed: f64, expected: f64) -> f64 {
    entropy(observed.clamp(0.0, 0.5)) - entropy(expected.clamp(0.0, 0.5))
}

/// The excess of a run; 0 if it has estimated no error rate.
pub fn excess(row: &Row) -> f64 {
    let (observed, expected) = (f64::from(row.qber_observed), f64::from(row.qber_expected));
    if observed.is_finite() && expected.is_finite() { over(observed, expected) } else { 0.0 }
}

/// The excess of runs of `inputs`, eight numbers, whose estimate is one standard deviation low and high. Both 0 where nothing is
/// tested; a bit either way, so that nothing is sure, of what no device has.
pub fn usual(campaign: &Campaign, inputs: &[f64]) -> [f64; 2] {
    let mut of: Inputs = [code(Strategy::Baseline); DIMENSIONS];
    for ((to, from), dimension) in of.iter_mut().zip(inputs).zip(&TABLE) {
        // Curves are drawn between numbers of pairs too.
        *to = if dimension.quantity.range().whole { from.round() as f32 } else { *from as f32 };
    }
    let Ok(parameters) = campaign.space.parameters(&of) else { return [-1.0, 1.0] };
    let forecast = Forecast::of(&parameters, campaign.targets());
    let (rate, tested) = (forecast.coincidences.qber, forecast.test_bits);
    if tested < 1.0 {
        return [0.0; 2];
    }
    let deviation = (rate * (1.0 - rate) / tested).sqrt();
    [over(rate - deviation, rate), over(rate + deviation, rate)]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn an_excess_is_a_difference_of_entropies() {
        let mut row = Row::new(0, 0, [0.0; DIMENSIONS]);
        // Nothing was estimated.
        assert!(row.qber_observed.is_nan() && excess(&row) == 0.0);
        (row.qber_observed, row.qber_expected) = (0.02, 0.01);
        // h(.02) = .141441, h(.01) = .080793.
        assert!((excess(&row) - 0.060_647).abs() < 1e-5, "{}", excess(&row));
        // More than half of the bits wrong costs no more than half of them.
        (row.qber_observed, row.qber_expected) = (0.9, 0.5);
        assert_eq!(excess(&row), 0.0);
    }

    #[test]
    fn usual_excess_shrinks_with_the_square_root_of_the_sample() {
        let campaign = Campaign::parse("{}", Path::new("c.yaml")).unwrap();
        let mut inputs = [0.5, 1e-2, 1e7, 0.9, 0.5, 0.01, 1e-6, 1e5];
        let [low, high] = usual(&campaign, &inputs);
        // Q = .0759 by the model of source and detectors, 1250 tested: .0075 either way, of a slope of 3.6 bits.
        assert!(low < 0.0 && high > 0.0 && (-low - high).abs() < 0.1 * high, "{low} {high}");
        assert!((0.02..0.035).contains(&high), "{high}");
        (inputs[2], inputs[7]) = (1e7 + 0.3, 1e5 + 0.4);
        assert_eq!(usual(&campaign, &inputs), [low, high]);
        inputs[7] = 1.6e6;
        let [_, less] = usual(&campaign, &inputs);
        assert!((high / less / 4.0 - 1.0).abs() < 0.05, "{high} {less}");
        let nonsense = [0.5, 1e-2, 1e7, 2.0, 0.5, 0.01, 1e-6, 1e5];
        assert_eq!(usual(&campaign, &nonsense), [-1.0, 1.0]);
        // Nobody is tested where nothing is detected.
        (inputs[4], inputs[7]) = (1e-4, 1e4);
        assert_eq!(usual(&campaign, &inputs), [0.0; 2]);
    }
}
