//! Counts of rounds beside what a model expects of them.

use caligo_core::security::sampling::{clopper_pearson_lower, clopper_pearson_upper};
use caligo_core::security::{Epsilon, NsmParameters};
use serde::Serialize;

use super::{Compared, Counts};

/// Figures of a simulation or a recording.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// All rounds.
    pub rounds: u64,
    /// Those in which Alice clicked.
    pub alice_clicks: u64,
    /// Those in which Bob clicked.
    pub bob_clicks: u64,
    /// Those in which both did.
    pub coincidences: u64,
    /// Coincidences over rounds. `None` without rounds.
    pub coincidence_yield: Option<f64>,
    /// Rounds in which both clicked in equal bases.
    pub sifted: u64,
    /// Those over all rounds. `None` without rounds.
    pub sifted_rate: Option<f64>,
    /// Errors in either basis.
    pub qber: ErrorFigures,
    /// Errors where both measured in basis Z.
    pub qber_z: ErrorFigures,
    /// Errors where both measured in basis X.
    pub qber_x: ErrorFigures,
    /// Values that differ where bases do: nothing but chance.
    pub different_bases: ErrorFigures,
    /// What the model expects, if there is one.
    pub expected: Option<ExpectedFigures>,
}

/// An error rate with its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ErrorFigures {
    /// Pairs of values.
    pub bits: u64,
    /// Those that differ.
    pub errors: u64,
    /// Part that differs. `None` without bits, as are the others then.
    pub rate: Option<f64>,
    /// Lower end of its 95 % interval (Clopper and Pearson).
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// What a model expects, and by how many standard deviations the counts are above it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ExpectedFigures {
    /// Y.
    pub coincidence_yield: f64,
    /// Of coincidences among rounds. `None` if the model cannot give the count.
    pub coincidence_sigmas: Option<f64>,
    /// Y/2.
    pub sifted_rate: f64,
    /// Of sifted rounds among all, likewise.
    pub sifted_sigmas: Option<f64>,
    /// Q.
    pub qber: f64,
    /// Of errors among sifted rounds, likewise.
    pub qber_sigmas: Option<f64>,
}

impl Report {
    /// Figures of `counts`, beside those of `model`.
    pub fn of(counts: &Counts, model: Option<&NsmParameters>) -> Self {
        let (coincidences, sifted) = (counts.coincidences(), counts.sifted());
        let rate = |count: u64| (counts.rounds > 0).then(|| count as f64 / counts.rounds as f64);
        let expected = model.map(|model| {
            let expected = model.coincidences();
            ExpectedFigures {
                coincidence_yield: expected.probability,
                coincidence_sigmas: sigmas(coincidences, counts.rounds, expected.probability),
                sifted_rate: expected.sifted_rate(),
                sifted_sigmas: sigmas(sifted.rounds, counts.rounds, expected.sifted_rate()),
                qber: expected.qber,
                qber_sigmas: sigmas(sifted.differ, sifted.rounds, expected.qber),
            }
        });
        Self {
            rounds: counts.rounds,
            alice_clicks: counts.alice_clicks,
            bob_clicks: counts.bob_clicks,
            coincidences,
            coincidence_yield: rate(coincidences),
            sifted: sifted.rounds,
            sifted_rate: rate(sifted.rounds),
            qber: sifted.into(),
            qber_z: counts.z.into(),
            qber_x: counts.x.into(),
            different_bases: counts.different.into(),
            expected,
        }
    }
}

impl From<Compared> for ErrorFigures {
    fn from(compared: Compared) -> Self {
        let Compared { rounds: bits, differ: errors } = compared;
        let side = Epsilon::new(0.025).ok();
        Self {
            bits,
            errors,
            rate: (bits > 0).then(|| errors as f64 / bits as f64),
            low: side.and_then(|side| clopper_pearson_lower(errors, bits, side)),
            high: side.and_then(|side| clopper_pearson_upper(errors, bits, side)),
        }
    }
}

/// Standard deviations of a binomial distribution by which `count` of `all` is above its mean.
fn sigmas(count: u64, all: u64, probability: f64) -> Option<f64> {
    let excess = count as f64 - all as f64 * probability;
    let sigma = (all as f64 * probability * (1.0 - probability)).sqrt();
    if sigma > 0.0 { Some(excess / sigma) } else { (excess == 0.0).then_some(0.0) }
}

#[cfg(test)]
mod tests {
    use caligo_core::security::NsmRecord;

    use super::*;

    #[test]
    fn nothing_counted_is_no_rate() {
        let model = NsmParameters::new(NsmRecord::default()).unwrap();
        let report = Report::of(&Counts::default(), Some(&model));
        assert_eq!((report.coincidence_yield, report.sifted_rate), (None, None));
        assert_eq!((report.qber.rate, report.qber.low, report.qber.high), (None, None, None));
        assert_eq!(report.expected.unwrap().qber_sigmas, Some(0.0));
    }

    #[test]
    fn deviations_are_those_of_a_binomial() {
        assert_eq!(sigmas(60, 100, 0.5), Some(2.0));
        assert_eq!(sigmas(10, 100, 0.2), Some(-2.5));
        assert_eq!((sigmas(5, 5, 1.0), sigmas(4, 5, 1.0), sigmas(0, 0, 0.3)), (Some(0.0), None, Some(0.0)));
    }
}
