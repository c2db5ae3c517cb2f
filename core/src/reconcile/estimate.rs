//! Error rates by class and by value, learnt from the blocks that were verified.
//!
//! In: Bob's bit, its class, whether it was wrong. Out: P(error | class, Bob's bit), what the decoder's LLRs are made
//! of, and the error rate of a symmetric channel with the same entropy, what blocks are planned by.

use crate::limits;

/// What is known of one class of positions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Class {
    /// Errors among Bob's zeros and among his ones.
    pub errors: [u64; 2],
    /// Bob's zeros and ones.
    pub total: [u64; 2],
    /// Estimated P(error | Bob's bit).
    pub rate: [f64; 2],
}

/// Bits by which an estimate leans on the rate of all classes together.
const WEIGHT: f64 = 500.0;
/// Least rate taken for true: none is known to be lower from so few bits.
const LEAST: f64 = 1e-4;

/// Tallies of all classes.
#[derive(Debug)]
pub struct Estimate<'m> {
    classes: &'m mut [Class],
}

impl<'m> Estimate<'m> {
    /// Goes on with the tallies in `classes`.
    pub const fn over(classes: &'m mut [Class]) -> Self {
        Self { classes }
    }

    /// Number of classes.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Whether there are no classes at all.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The classes.
    pub fn classes(&self) -> &[Class] {
        self.classes
    }

    /// One position: Bob had `bit`, and it was wrong or not. An unknown class is ignored.
    pub fn add(&mut self, class: u8, bit: bool, wrong: bool) {
        if let Some(class) = self.classes.get_mut(usize::from(class)) {
            class.total[usize::from(bit)] += 1;
            class.errors[usize::from(bit)] += u64::from(wrong);
        }
    }

    /// Bits seen.
    pub fn bits(&self) -> u64 {
        self.classes.iter().map(|c| c.total[0] + c.total[1]).sum()
    }

    /// Computes the rates from the tallies.
    pub fn update(&mut self) {
        let bits = self.bits();
        if bits == 0 {
            return;
        }
        let errors: u64 = self.classes.iter().map(|c| c.errors[0] + c.errors[1]).sum();
        let all = (errors as f64 + 0.5) / (bits as f64 + 1.0);
        for class in self.classes.iter_mut() {
            for ((rate, errors), total) in class.rate.iter_mut().zip(class.errors).zip(class.total) {
                let (errors, total) = (errors as f64, total as f64);
                *rate = ((errors + WEIGHT * all) / (total + WEIGHT)).clamp(LEAST, 0.5);
            }
        }
    }

    /// Error rate of a symmetric channel with the entropy of this one, from the rates last computed; `None` before
    /// any bit was seen.
    pub fn effective(&self) -> Option<f64> {
        let bits = self.bits();
        if bits == 0 {
            return None;
        }
        let entropy: f64 = self
            .classes
            .iter()
            .flat_map(|c| c.total.iter().zip(&c.rate))
            .map(|(&total, &rate)| total as f64 * limits::entropy(rate))
            .sum();
        Some(limits::inverse_entropy(entropy / bits as f64))
    }
}

/// A sampled error rate is taken so many standard deviations higher: its one-sided 95 % interval.
pub const SAMPLE_DEVIATIONS: f64 = 1.645;

/// Upper end of a one-sided interval of `deviations` standard deviations for a rate seen to be `rate` over `bits`
/// bits (Wilson 1927), below 1/2.
pub fn upper(rate: f64, bits: f64, deviations: f64) -> f64 {
    let z = deviations * deviations / bits.max(1.0);
    let spread = deviations * libm::sqrt(rate * (1.0 - rate) / bits.max(1.0) + z / (4.0 * bits.max(1.0)));
    ((rate + z / 2.0 + spread) / (1.0 + z)).min(0.499)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_follow_class_and_value() {
        let mut classes = [Class::default(); 2];
        let mut estimate = Estimate::over(&mut classes);
        assert_eq!(estimate.effective(), None);
        for i in 0..400_000u32 {
            let (class, bit) = ((i % 2) as u8, i % 4 < 2);
            // Class 0: 1 % at zeros, 3 % at ones. Class 1: 5 %.
            let every = if class == 1 {
                20
            } else if bit {
                33
            } else {
                100
            };
            estimate.add(class, bit, (i / 4) % every == 0);
        }
        estimate.add(9, true, true);
        estimate.update();
        let [a, b] = [estimate.classes()[0].rate, estimate.classes()[1].rate];
        for (found, want) in [(a[0], 0.01), (a[1], 0.0303), (b[0], 0.05), (b[1], 0.05)] {
            assert!((found / want - 1.0).abs() < 0.02, "{found} for {want}");
        }
        let mean = 0.25 * (limits::entropy(0.01) + limits::entropy(0.0303) + 2.0 * limits::entropy(0.05));
        let effective = estimate.effective().unwrap_or(0.0);
        assert!((effective / limits::inverse_entropy(mean) - 1.0).abs() < 0.01, "{effective}");
        // Mixing is never free: the entropy of the mean rate is higher.
        assert!(effective < 0.0351);
    }
}
