//! The nine dimensions of a campaign: eight numbers of a device and its adversary, and the strategy.
//!
//! In: a point of the unit cube. Out: nine `f32`, exactly those that are recorded, and the parameters they stand for.

use caligo_core::security::parameters::Range;
use caligo_core::security::{NsmParameters, NsmRecord, Pairs, ParameterError, Quantity};

use crate::config::Strategy;

/// Dimensions.
pub const DIMENSIONS: usize = 9;

/// Dimensions that are numbers.
pub const AXES: usize = 8;

/// The inputs of one sample: [`TABLE`]'s numbers in its order, then the strategy's [`code`].
pub type Inputs = [f32; DIMENSIONS];

/// The numbers among `inputs`.
pub fn numbers(inputs: &Inputs) -> [f64; AXES] {
    std::array::from_fn(|axis| inputs[axis].into())
}

/// The numbers that vary, with the documents' ranges and scales. A dimension is this or the strategy.
pub const TABLE: [Dimension; AXES] = [
    Dimension {
        quantity: Quantity::StorageNoise,
        unit: "",
        about: "r: a stored qubit is as it was with this probability",
        axis: Axis { low: 0.0, high: 1.0, scale: Scale::Linear },
    },
    Dimension {
        quantity: Quantity::StorageRate,
        unit: "qubits a pair",
        about: "nu: qubits that dishonest Bob can store, over the pairs",
        axis: Axis { low: 1e-4, high: 1.0, scale: Scale::Log },
    },
    Dimension {
        quantity: Quantity::WaitingTime,
        unit: "ns",
        about: "Delta t: waiting time before the bases are told",
        axis: Axis { low: 1e5, high: 1e9, scale: Scale::Log },
    },
    Dimension {
        quantity: Quantity::Fidelity,
        unit: "",
        about: "F: fidelity of a pair with the Bell state",
        axis: Axis { low: 0.5, high: 1.0, scale: Scale::Beta { a: 2, b: 2 } },
    },
    Dimension {
        quantity: Quantity::Efficiency,
        unit: "",
        about: "eta: a photon of one arm is detected with this probability",
        axis: Axis { low: 1e-3, high: 1.0, scale: Scale::Log },
    },
    Dimension {
        quantity: Quantity::DetectorError,
        unit: "",
        about: "e_det: a detected photon is taken for the other value with this probability, on Bob's side",
        axis: Axis { low: 0.0, high: 0.1, scale: Scale::Linear },
    },
    Dimension {
        quantity: Quantity::DarkCounts,
        unit: "",
        about: "P_dark: a detector clicks without a photon, in one round",
        axis: Axis { low: 1e-8, high: 1e-3, scale: Scale::Log },
    },
    Dimension {
        quantity: Quantity::Pairs,
        unit: "pairs",
        about: "N: pairs of a sample",
        axis: Axis { low: 1e4, high: 1e6, scale: Scale::Log },
    },
];

/// A number that varies.
#[derive(Clone, Copy, Debug)]
pub struct Dimension {
    /// Which.
    pub quantity: Quantity,
    /// Its unit; empty for a ratio or a probability.
    pub unit: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Where it lies if nothing else is asked for.
    pub axis: Axis,
}

/// Name of the ninth dimension in tables.
pub const STRATEGY: &str = "strategy";

/// What the ninth input is for `strategy`: 0, 1 or 2.
pub const fn code(strategy: Strategy) -> f32 {
    match strategy {
        Strategy::Baseline => 0.0,
        Strategy::Blind => 1.0,
        Strategy::Symmetric => 2.0,
    }
}

/// The strategy of a ninth input.
pub fn strategy(input: f32) -> Option<Strategy> {
    [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric].into_iter().find(|&s| code(s) == input)
}

/// How a dimension is spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly.
    Linear,
    /// Its logarithm evenly.
    Log,
    /// Between its ends by a beta distribution. Whole shapes make its distribution function a polynomial, which is the
    /// same on every machine.
    Beta {
        /// Shape at the lower end, 1 to [`MAX_SHAPE`].
        a: u8,
        /// Shape at the upper end.
        b: u8,
    },
}

/// Largest shape of a beta distribution.
pub const MAX_SHAPE: u8 = 16;

impl Scale {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Log => "log",
            Self::Beta { .. } => "beta",
        }
    }
}

/// Where a dimension lies and how it is spread. `low` equals `high` where it is held.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axis {
    /// Least value.
    pub low: f64,
    /// Greatest value.
    pub high: f64,
    /// In between.
    pub scale: Scale,
}

impl Axis {
    /// An axis of `quantity`.
    ///
    /// # Errors
    /// What was expected instead.
    pub fn new(quantity: Quantity, low: f64, high: f64, scale: Scale) -> Result<Self, String> {
        let range = quantity.range();
        // Inputs are single-precision numbers, and have to be in range as such.
        let inside = |x: f64| range.contains(x) && range.contains(f64::from(x as f32));
        if !inside(low) || !inside(high) {
            return Err(format!("{range}, as a single-precision number too"));
        }
        if low > high {
            return Err("the lower end first".into());
        }
        match scale {
            Scale::Log if low <= 0.0 => return Err("a lower end above 0, for the scale is log".into()),
            Scale::Beta { a, b } if ![a, b].iter().all(|shape| (1..=MAX_SHAPE).contains(shape)) => {
                return Err(format!("shapes that are whole numbers from 1 to {MAX_SHAPE}"));
            }
            _ => {}
        }
        Ok(Self { low, high, scale })
    }

    /// The value at `unit`, from 0 to 1: the quantile. It grows with `unit`, and is a whole number where `range` asks
    /// for one.
    pub fn value(&self, unit: f64, range: Range) -> f32 {
        let between = |part: f64| self.low + part * (self.high - self.low);
        let value = match self.scale {
            Scale::Linear => between(unit),
            // The same on every platform, which the standard library's functions are not.
            Scale::Log => self.low * libm::exp(unit * libm::log(self.high / self.low)),
            Scale::Beta { a, b } => between(beta_quantile(unit, a, b)),
        };
        let value = if range.whole { libm::round(value) } else { value };
        (value as f32).clamp(self.low as f32, self.high as f32)
    }
}

/// The x in [0, 1] up to which a beta distribution of shapes `a` and `b` has the part `unit`.
fn beta_quantile(unit: f64, a: u8, b: u8) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    // To more than the 24 bits of what is recorded.
    for _ in 0..40 {
        let middle = 0.5 * (low + high);
        if beta_distribution(middle, a, b) < unit { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// P(X <= x): that of n = a + b - 1 uniform numbers at least `a` lie below x.
fn beta_distribution(x: f64, a: u8, b: u8) -> f64 {
    let (a, b) = (u32::from(a), u32::from(b));
    // As x^a times a sum of b terms: choose(a - 1 + j, j) (1 - x)^j.
    let (mut sum, mut term) = (0.0, 1.0);
    for j in 0..b {
        sum += term;
        term *= (1.0 - x) * f64::from(a + j) / f64::from(j + 1);
    }
    let mut power = 1.0;
    for _ in 0..a {
        power *= x;
    }
    power * sum
}

/// Where samples are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct Space {
    /// Numbers, in the order of [`TABLE`].
    pub axes: [Axis; AXES],
    /// Strategies, at least one, each once.
    pub strategies: Vec<Strategy>,
    /// What N counts.
    pub pairs: Pairs,
}

impl Default for Space {
    fn default() -> Self {
        Self {
            axes: TABLE.map(|dimension| dimension.axis),
            strategies: vec![Strategy::Baseline, Strategy::Blind],
            pairs: Pairs::Heralded,
        }
    }
}

impl Space {
    /// The numbers at `unit`, whose ninth coordinate is not looked at, with `strategy`.
    pub fn inputs(&self, unit: &[f64; DIMENSIONS], strategy: Strategy) -> Inputs {
        let mut inputs = [code(strategy); DIMENSIONS];
        for (((input, axis), dimension), &unit) in inputs.iter_mut().zip(&self.axes).zip(&TABLE).zip(unit) {
            *input = axis.value(unit, dimension.quantity.range());
        }
        inputs
    }

    /// The parameters that `inputs` stand for.
    ///
    /// # Errors
    /// [`ParameterError`] names the number that is out of range; none is that [`inputs`](Self::inputs) made.
    pub fn parameters(&self, inputs: &Inputs) -> Result<NsmParameters, ParameterError> {
        parameters(inputs, self.pairs)
    }
}

/// The parameters that `inputs` stand for, where N counts `pairs`.
///
/// # Errors
/// [`ParameterError`] names the number that is out of range.
pub fn parameters(inputs: &Inputs, pairs: Pairs) -> Result<NsmParameters, ParameterError> {
    let [noise, rate, wait, fidelity, efficiency, error, dark, number, kind] = *inputs;
    NsmParameters::new(NsmRecord {
        storage_noise_r: Some(noise.into()),
        storage_coherence_ns: None,
        storage_rate_nu: rate.into(),
        delta_t_ns: Quantity::WaitingTime.check(wait.into())? as u64,
        channel_fidelity: fidelity.into(),
        detection_eff_eta: efficiency.into(),
        detector_error: error.into(),
        dark_count_prob: dark.into(),
        num_pairs: Quantity::Pairs.check(number.into())? as u64,
        pairs,
        strategy: strategy(kind).unwrap_or(Strategy::Baseline).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_invert_the_distribution() {
        for (a, b) in [(1, 1), (2, 2), (5, 1), (1, 7), (16, 16)] {
            for unit in [0.0, 1e-6, 0.01, 0.3, 0.5, 0.77, 0.999, 1.0] {
                let x = beta_quantile(unit, a, b);
                assert!((beta_distribution(x, a, b) - unit).abs() < 1e-9, "{a} {b} {unit}: {x}");
            }
        }
        // 3 x^2 - 2 x^3 and x^5.
        assert!((beta_distribution(0.3, 2, 2) - 0.216).abs() < 1e-15);
        assert!((beta_quantile(0.5, 5, 1) - 0.5_f64.powf(0.2)).abs() < 1e-10);
    }

    /// Parts of the fidelities with a QBER below 11 %: the check values of the literature page.
    #[test]
    fn beta_of_fidelity_is_that_of_the_literature_page() {
        let part = |a, b| 1.0 - beta_distribution((1.0 - 1.5 * 0.11 - 0.5) / 0.5, a, b);
        assert!((part(2, 2) - 0.255).abs() < 5e-4, "{}", part(2, 2));
        assert!((part(5, 1) - 0.865).abs() < 5e-4, "{}", part(5, 1));
    }

    #[test]
    fn every_point_has_parameters() {
        let space = Space::default();
        for unit in [[0.0; 9], [1.0; 9], [0.5; 9], [1.0 - f64::EPSILON; 9]] {
            for &kind in &space.strategies {
                let inputs = space.inputs(&unit, kind);
                let parameters = space.parameters(&inputs).unwrap();
                assert_eq!(f64::from(inputs[3]), parameters.record().channel_fidelity);
                assert_eq!(inputs[7] as u64, parameters.record().num_pairs);
                assert_eq!(strategy(inputs[8]), Some(kind));
            }
        }
        let middle = space.inputs(&[0.5; 9], Strategy::Blind);
        let expected = [0.5, 1e-2, 1e7, 0.75, 0.031622776, 0.05, 3.1622776e-6, 1e5, 1.0];
        for (found, expected) in middle.iter().zip(expected) {
            assert!((found / expected - 1.0).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn axes_are_checked() {
        let refused = |quantity, low, high, scale| Axis::new(quantity, low, high, scale).unwrap_err();
        assert!(refused(Quantity::Efficiency, 0.0, 1.0, Scale::Linear).contains("above 0"));
        assert!(refused(Quantity::Efficiency, 1e-60, 1.0, Scale::Log).contains("single-precision"));
        assert!(refused(Quantity::StorageRate, 0.0, 1.0, Scale::Log).contains("log"));
        assert!(refused(Quantity::StorageRate, 0.5, 0.1, Scale::Linear).contains("first"));
        assert!(refused(Quantity::Pairs, 1e4, 1e5 + 0.5, Scale::Log).contains("whole"));
        assert!(refused(Quantity::Fidelity, 0.5, 1.0, Scale::Beta { a: 0, b: 2 }).contains("shapes"));
        assert!(refused(Quantity::Fidelity, f64::NAN, 1.0, Scale::Linear).contains("0.25"));
        let held = Axis::new(Quantity::Pairs, 2e5, 2e5, Scale::Log).unwrap();
        assert_eq!(held.value(0.3, Quantity::Pairs.range()), 2e5);
    }
}
