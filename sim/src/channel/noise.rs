//! Errors as real keys have them: of other rates by class and by value, drifting, in bursts, on biased keys.
//!
//! In: a description of the noise and a seeded generator. Out: Alice's key, the errors in Bob's, and a class for
//! each position. The same on every platform.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits::{self, words_for};
use rand_core::Rng;

use super::{below, flip, random_bits, uniform};

/// Most classes; a class is one byte.
pub const MAX_CLASSES: usize = 256;
/// Steps in which the error rate drifts over a key.
const DRIFT_STEPS: usize = 1024;

/// Positions that share their error rates: those of one basis, detector or intensity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Class {
    /// Share of the positions, relative to the other classes' weights.
    pub weight: f64,
    /// P(error | Alice's bit is 0) and P(error | Alice's bit is 1).
    pub rate: [f64; 2],
}

impl Class {
    /// A class whose errors do not depend on the value.
    pub const fn symmetric(weight: f64, qber: f64) -> Self {
        Self { weight, rate: [qber; 2] }
    }
}

/// A description of noise, checked when it was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Noise {
    classes: Vec<Class>,
    ones: f64,
    drift: f64,
    bursts: u32,
    burst_length: u32,
}

/// Why a description was refused.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NoiseError {
    /// No class, or more than a byte can name.
    #[error("classes: expected 1 to {MAX_CLASSES}, found {0}")]
    Classes(usize),
    /// A weight is no positive number, or the sum of all is not finite.
    #[error("class {class}: expected a positive, finite weight, found {found}")]
    Weight {
        /// The class.
        class: usize,
        /// Its weight.
        found: f64,
    },
    /// An error rate is out of range.
    #[error("class {class}: expected an error rate from 0 to below 0.5, found {found}")]
    Rate {
        /// The class.
        class: usize,
        /// Its rate.
        found: f64,
    },
    /// The relative drift is out of range.
    #[error("drift: expected 0 to 1, found {0}")]
    Drift(f64),
    /// The drift leads to an error rate that is out of range.
    #[error("drift: expected an error rate below 0.5 at the end, found {0}")]
    DriftEnd(f64),
    /// The probability of a one is out of range.
    #[error("ones: expected a probability between 0 and 1, found {0}")]
    Ones(f64),
}

/// What noise made of a key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draw {
    /// Alice's key, packed.
    pub alice: Vec<u64>,
    /// One where Bob's key differs, packed.
    pub errors: Vec<u64>,
    /// Class of each position; empty if there is only one.
    pub classes: Vec<u8>,
}

impl Noise {
    /// Noise of `classes`, numbered from 0 in this order, on unbiased keys, without drift or bursts.
    ///
    /// # Errors
    /// [`NoiseError`] names the first number out of range.
    pub fn new(classes: Vec<Class>) -> Result<Self, NoiseError> {
        if !(1..=MAX_CLASSES).contains(&classes.len()) {
            return Err(NoiseError::Classes(classes.len()));
        }
        let mut sum = 0.0;
        for (class, &Class { weight, rate }) in classes.iter().enumerate() {
            sum += weight;
            if weight.is_nan() || weight <= 0.0 || !f64::is_finite(sum) {
                return Err(NoiseError::Weight { class, found: weight });
            }
            if let Some(&found) = rate.iter().find(|rate| !(0.0..0.5).contains(*rate)) {
                return Err(NoiseError::Rate { class, found });
            }
        }
        Ok(Self { classes, ones: 0.5, drift: 0.0, bursts: 0, burst_length: 0 })
    }

    /// Noise of one error rate for all.
    ///
    /// # Errors
    /// [`NoiseError::Rate`] unless `qber` is from 0 to below 0.5.
    pub fn uniform(qber: f64) -> Result<Self, NoiseError> {
        Self::new(vec![Class::symmetric(1.0, qber)])
    }

    /// With a key of which each bit is one with probability `ones`.
    ///
    /// # Errors
    /// [`NoiseError::Ones`] unless it is above 0 and below 1.
    pub fn with_ones(self, ones: f64) -> Result<Self, NoiseError> {
        if ones > 0.0 && ones < 1.0 { Ok(Self { ones, ..self }) } else { Err(NoiseError::Ones(ones)) }
    }

    /// With error rates that drift linearly from `1 - drift` times their value at the first bit to `1 + drift`
    /// times at the last.
    ///
    /// # Errors
    /// [`NoiseError::Drift`] unless `drift` is from 0 to 1; [`NoiseError::DriftEnd`] if a rate reaches 0.5.
    pub fn with_drift(self, drift: f64) -> Result<Self, NoiseError> {
        if !(0.0..=1.0).contains(&drift) {
            return Err(NoiseError::Drift(drift));
        }
        let end = self.peak() * (1.0 + drift);
        if end < 0.5 { Ok(Self { drift, ..self }) } else { Err(NoiseError::DriftEnd(end)) }
    }

    /// With `count` bursts of `length` bits (at most the key's), anywhere, in which every second bit is flipped
    /// on average, whatever its class and value.
    #[must_use]
    pub fn with_bursts(self, count: u32, length: u32) -> Self {
        Self { bursts: count, burst_length: length, ..self }
    }

    /// The classes.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The highest error rate before drift.
    fn peak(&self) -> f64 {
        self.classes.iter().flat_map(|class| class.rate).fold(0.0, f64::max)
    }

    /// Draws a key of `bits` bits, its errors and its classes: a function of the generator's seed.
    pub fn draw(&self, bits: usize, rng: &mut impl Rng) -> Draw {
        let alice = self.draw_key(bits, rng);
        let classes = self.draw_classes(bits, rng);
        let mut errors = self.draw_errors(bits, &alice, &classes, rng);
        for _ in 0..self.bursts {
            let length = (self.burst_length as usize).min(bits);
            let start = below(rng, (bits - length) as u64 + 1) as usize;
            for i in bits::ones(&random_bits(length, rng)) {
                toggle(&mut errors, start + i);
            }
        }
        Draw { alice, errors, classes }
    }

    fn draw_key(&self, bits: usize, rng: &mut impl Rng) -> Vec<u64> {
        if self.ones == 0.5 {
            return random_bits(bits, rng);
        }
        let mut key = vec![0; words_for(bits)];
        for i in 0..bits {
            if uniform(rng) < self.ones {
                toggle(&mut key, i);
            }
        }
        key
    }

    fn draw_classes(&self, bits: usize, rng: &mut impl Rng) -> Vec<u8> {
        if self.classes.len() == 1 {
            return Vec::new();
        }
        let ends: Vec<f64> = self
            .classes
            .iter()
            .scan(0.0, |sum, class| {
                *sum += class.weight;
                Some(*sum)
            })
            .collect();
        let last = ends.len() - 1;
        (0..bits)
            .map(|_| {
                let at = uniform(rng) * ends[last];
                // The product may be rounded up to the sum.
                ends.partition_point(|&end| end <= at).min(last) as u8
            })
            .collect()
    }

    /// Errors at the highest rate, thinned out where the rate is lower.
    fn draw_errors(&self, bits: usize, alice: &[u64], classes: &[u8], rng: &mut impl Rng) -> Vec<u64> {
        let peak = self.peak();
        let mut errors = vec![0; words_for(bits)];
        let steps = if self.drift > 0.0 { DRIFT_STEPS.min(bits) } else { 1 };
        for step in 0..steps {
            let (from, to) = (bits * step / steps, bits * (step + 1) / steps);
            let middle = (step as f64 + 0.5) / steps as f64;
            let qber = peak * (1.0 + self.drift * (2.0 * middle - 1.0));
            let mut candidates = vec![0; words_for(to - from)];
            flip(&mut candidates, to - from, qber, rng);
            for i in bits::ones(&candidates).map(|i| from + i) {
                let class = classes.get(i).map_or(0, |&class| usize::from(class));
                let rate = self.classes[class].rate[usize::from(bits::get(alice, i))];
                if rate == peak || uniform(rng) * peak < rate {
                    toggle(&mut errors, i);
                }
            }
        }
        errors
    }
}

fn toggle(words: &mut [u64], i: usize) {
    words[i / 64] ^= 1 << (i % 64);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::stream;

    const BITS: usize = 1 << 20;

    /// Whether `count` of `total` is within 5 standard deviations of probability `p`.
    #[track_caller]
    fn assert_rate(count: usize, total: usize, p: f64) {
        let (count, total) = (count as f64, total as f64);
        let sigma = (total * p * (1.0 - p)).sqrt();
        assert!((count - total * p).abs() <= 5.0 * sigma, "{count} of {total}, expected {p}");
    }

    /// Errors and positions in `range` for which `of` holds, given the class and Alice's bit.
    fn tally(draw: &Draw, range: std::ops::Range<usize>, of: impl Fn(u8, bool) -> bool) -> (usize, usize) {
        let chosen =
            range.filter(|&i| of(draw.classes.get(i).copied().unwrap_or(0), bits::get(&draw.alice, i)));
        chosen.fold((0, 0), |(errors, all), i| (errors + usize::from(bits::get(&draw.errors, i)), all + 1))
    }

    fn draw(noise: &Noise) -> Draw {
        noise.draw(BITS, &mut stream(1, 0))
    }

    #[test]
    fn classes_are_drawn_by_weight_and_have_their_rates() {
        let classes = vec![
            Class { weight: 6.0, rate: [0.01, 0.02] },
            Class { weight: 3.0, rate: [0.3, 0.05] },
            Class::symmetric(1.0, 0.0),
        ];
        let draw = draw(&Noise::new(classes.clone()).unwrap());
        for (number, class) in classes.iter().enumerate() {
            let members = tally(&draw, 0..BITS, |c, _| usize::from(c) == number).1;
            assert_rate(members, BITS, class.weight / 10.0);
            for value in [false, true] {
                let (errors, all) = tally(&draw, 0..BITS, |c, bit| usize::from(c) == number && bit == value);
                assert_rate(errors, all, class.rate[usize::from(value)]);
            }
        }
    }

    #[test]
    fn every_class_occurs() {
        let noise = Noise::new(vec![Class::symmetric(0.1, 0.02); MAX_CLASSES]).unwrap();
        let draw = draw(&noise);
        for number in 0..=u8::MAX {
            assert_rate(tally(&draw, 0..BITS, |c, _| c == number).1, BITS, 1.0 / 256.0);
        }
    }

    #[test]
    fn rates_follow_the_value_on_a_biased_key() {
        let noise = Noise::new(vec![Class { weight: 1.0, rate: [0.0185, 0.0325] }]).unwrap();
        let draw = draw(&noise.with_ones(0.45).unwrap());
        assert_rate(bits::count_ones(&draw.alice), BITS, 0.45);
        for (value, rate) in [(false, 0.0185), (true, 0.0325)] {
            let (errors, all) = tally(&draw, 0..BITS, |_, bit| bit == value);
            assert_rate(errors, all, rate);
        }
        assert!(draw.classes.is_empty());
    }

    #[test]
    fn rates_drift_linearly_in_every_class() {
        let classes = vec![Class::symmetric(1.0, 0.05), Class::symmetric(2.0, 0.02)];
        let draw = draw(&Noise::new(classes.clone()).unwrap().with_drift(0.8).unwrap());
        for quarter in 0..4 {
            let range = BITS / 4 * quarter..BITS / 4 * (quarter + 1);
            let factor = 1.0 + 0.8 * (quarter as f64 / 2.0 - 0.75);
            for (number, class) in classes.iter().enumerate() {
                let (errors, all) = tally(&draw, range.clone(), |c, _| usize::from(c) == number);
                assert_rate(errors, all, class.rate[0] * factor);
            }
        }
    }

    #[test]
    fn half_a_burst_is_wrong() {
        let draw = draw(&Noise::uniform(0.0).unwrap().with_bursts(1, 1 << 16));
        let errors: Vec<usize> = bits::ones(&draw.errors).collect();
        assert!(errors.last().unwrap() - errors[0] < 1 << 16);
        assert_rate(errors.len(), 1 << 16, 0.5);
        // A burst is cut to the key, and may be empty.
        let noise = Noise::uniform(0.0).unwrap();
        assert_eq!(noise.clone().with_bursts(1, u32::MAX).draw(10, &mut stream(1, 0)).errors.len(), 1);
        assert_eq!(noise.with_bursts(3, 0).draw(10, &mut stream(1, 0)).errors, [0]);
    }

    #[test]
    fn a_draw_is_a_function_of_seed_and_index() {
        let noise = Noise::new(vec![Class::symmetric(1.0, 0.05), Class { weight: 2.0, rate: [0.01, 0.02] }])
            .and_then(|noise| noise.with_ones(0.4))
            .and_then(|noise| noise.with_drift(0.5))
            .unwrap()
            .with_bursts(2, 100);
        let draw = |seed, index| noise.draw(5000, &mut stream(seed, index));
        assert_eq!(draw(3, 4), draw(3, 4));
        for (seed, index) in [(3, 5), (4, 4)] {
            let (one, other) = (draw(3, 4), draw(seed, index));
            assert_ne!(one.alice, other.alice);
            assert_ne!(one.errors, other.errors);
            assert_ne!(one.classes, other.classes);
        }
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let new = |weight, a, b| Noise::new(vec![Class::symmetric(1.0, 0.1), Class { weight, rate: [a, b] }]);
        for weight in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(new(weight, 0.1, 0.1), Err(NoiseError::Weight { class: 1, .. })), "{weight}");
        }
        for rate in [-0.1, 0.5, f64::NAN, f64::INFINITY] {
            assert!(matches!(new(1.0, rate, 0.1), Err(NoiseError::Rate { class: 1, .. })), "{rate}");
            assert!(matches!(new(1.0, 0.1, rate), Err(NoiseError::Rate { class: 1, .. })), "{rate}");
            assert!(matches!(Noise::uniform(rate), Err(NoiseError::Rate { class: 0, .. })), "{rate}");
        }
        for ones in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(
                matches!(Noise::uniform(0.1).unwrap().with_ones(ones), Err(NoiseError::Ones(_))),
                "{ones}"
            );
        }
        for drift in [-0.1, 1.1, f64::NAN] {
            assert!(matches!(Noise::uniform(0.1).unwrap().with_drift(drift), Err(NoiseError::Drift(_))));
        }
        assert_eq!(Noise::uniform(0.3).unwrap().with_drift(1.0), Err(NoiseError::DriftEnd(0.6)));
        assert_eq!(Noise::new(Vec::new()), Err(NoiseError::Classes(0)));
        assert_eq!(Noise::new(vec![Class::symmetric(1.0, 0.1); 257]), Err(NoiseError::Classes(257)));
        assert_eq!(
            Noise::new(vec![Class::symmetric(f64::MAX, 0.1); 2]),
            Err(NoiseError::Weight { class: 1, found: f64::MAX })
        );
    }
}
