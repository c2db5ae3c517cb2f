//! Photon pairs, two lossy arms, noisy detectors: yield and error rate.
//!
//! A pair in a Werner state of fidelity F gives different values in equal bases with probability
//! E_F = 2 (1 - F)/3. Each side measures with two detectors; where both click the value is drawn at random.
//! One error after another makes a * b = a (1 - b) + b (1 - a).

use super::device::{Device, Pairs};
use super::parameters::NsmParameters;

/// One side's arm: channel and detectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Arm {
    /// Probability that its photon is detected.
    pub efficiency: f64,
    /// Probability that a detected photon is taken for the other value.
    pub error: f64,
}

impl Arm {
    /// Loses nothing and errs never.
    pub const PERFECT: Self = Self { efficiency: 1.0, error: 0.0 };

    /// eta + (1 - eta) q0 with q0 = 1 - (1 - dark)^2: probability that a detector of the side clicks in a round
    /// whose pair has left the source.
    pub fn click_probability(&self, dark: f64) -> f64 {
        part(self.efficiency) + self.dark(dark)
    }

    /// (1 - eta) q0: probability that it clicks without its photon.
    fn dark(&self, dark: f64) -> f64 {
        let dark = part(dark);
        (1.0 - part(self.efficiency)) * dark * (2.0 - dark)
    }
}

/// What rounds give in which both sides click.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coincidences {
    /// Y: probability that both sides click, a pair.
    pub probability: f64,
    /// Q: error rate where bases agree.
    pub qber: f64,
}

impl Coincidences {
    /// For pairs of fidelity `fidelity` and detectors that click in the dark with probability `dark` each:
    ///
    /// q0 = 1 - (1 - dark)^2, Y = [eta_A + (1 - eta_A) q0] [eta_B + (1 - eta_B) q0],
    /// Q = [eta_A eta_B E_s + (Y - eta_A eta_B)/2]/Y with E_s = E_F * e_A * e_B
    ///
    /// (the physical model; Werner 1989 for the state). Arguments outside [0, 1] count as its ends. Q is 1/2
    /// where nothing clicks.
    pub fn of(fidelity: f64, alice: Arm, bob: Arm, dark: f64) -> Self {
        let (eta_a, eta_b) = (part(alice.efficiency), part(bob.efficiency));
        let error = then(then(2.0 * (1.0 - part(fidelity)) / 3.0, part(alice.error)), part(bob.error));
        let (dark_a, dark_b) = (alice.dark(dark), bob.dark(dark));
        let photons = eta_a * eta_b;
        let random = eta_a * dark_b + dark_a * (eta_b + dark_b);
        let probability = photons + random;
        let qber = if probability > 0.0 { (photons * error + 0.5 * random) / probability } else { 0.5 };
        Self { probability, qber }
    }

    /// Y/2: rounds a pair in which both click and bases agree.
    pub fn sifted_rate(&self) -> f64 {
        0.5 * self.probability
    }
}

/// a * b: the error rate of two errors in a row.
fn then(a: f64, b: f64) -> f64 {
    a * (1.0 - b) + b * (1.0 - a)
}

impl Device {
    /// Alice's arm and Bob's. The detector error is Bob's; where pairs are heralded, Alice loses nothing.
    pub fn arms(&self) -> [Arm; 2] {
        let p = self.record();
        let bob = Arm { efficiency: p.detection_eff_eta, error: p.detector_error };
        let alice = match p.pairs {
            Pairs::Heralded => Arm::PERFECT,
            Pairs::Emitted => Arm { efficiency: p.detection_eff_eta, error: 0.0 },
        };
        [alice, bob]
    }

    /// What its pairs give.
    pub fn coincidences(&self) -> Coincidences {
        let p = self.record();
        let [alice, bob] = self.arms();
        Coincidences::of(p.channel_fidelity, alice, bob, p.dark_count_prob)
    }

    /// [`qber_heuristic`] of this device.
    pub fn qber_heuristic(&self) -> f64 {
        let p = self.record();
        qber_heuristic(p.channel_fidelity, p.detector_error, p.detection_eff_eta, p.dark_count_prob)
    }
}

impl NsmParameters {
    /// [`Device::arms`].
    pub fn arms(&self) -> [Arm; 2] {
        self.device().arms()
    }

    /// [`Device::coincidences`].
    pub fn coincidences(&self) -> Coincidences {
        self.device().coincidences()
    }

    /// [`Device::qber_heuristic`].
    pub fn qber_heuristic(&self) -> f64 {
        self.device().qber_heuristic()
    }
}

/// (1 - F)/2 + e_det + (1 - eta) P_dark/2, by which a blind session may choose its first rate.
///
/// A rule of thumb, not the physical model ([`Coincidences::of`]): it adds errors up, takes (1 - F)/2 for a
/// Werner state's 2 (1 - F)/3, and does not divide dark counts by the probability of a click. Arguments
/// outside [0, 1] count as its ends.
pub fn qber_heuristic(fidelity: f64, detector_error: f64, efficiency: f64, dark: f64) -> f64 {
    0.5 * (1.0 - part(fidelity)) + part(detector_error) + 0.5 * (1.0 - part(efficiency)) * part(dark)
}

/// `x`, or the nearer end of [0, 1].
fn part(x: f64) -> f64 {
    x.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::super::parameters::NsmRecord;
    use super::*;

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() <= tolerance, "{a} is not {b}");
    }

    /// F, e_det, eta, P_dark, heuristic, Q with loss in Bob's arm, Q with loss in both.
    #[test]
    fn table_of_the_literature_page() {
        for (fidelity, error, eta, dark, heuristic, bob, both) in [
            (0.98, 0.01, 0.85, 1e-6, 0.0200, 0.02307, 0.02307),
            (0.98, 0.01, 0.01, 1e-5, 0.0200, 0.02401, 0.02495),
            (0.98, 0.01, 1e-3, 1e-3, 0.0205, 0.34086, 0.44690),
            (0.75, 0.0, 1.0, 0.0, 0.125, 0.16667, 0.16667),
        ] {
            let record = NsmRecord {
                channel_fidelity: fidelity,
                detector_error: error,
                detection_eff_eta: eta,
                dark_count_prob: dark,
                ..NsmRecord::default()
            };
            let of = |pairs| NsmParameters::new(NsmRecord { pairs, ..record }).unwrap();
            close(of(Pairs::Heralded).qber_heuristic(), heuristic, 1e-5);
            close(of(Pairs::Heralded).coincidences().qber, bob, 5e-6);
            close(of(Pairs::Emitted).coincidences().qber, both, 5e-6);
        }
    }

    #[test]
    fn yield_is_that_of_the_formula() {
        let (alice, bob) = (Arm { efficiency: 0.3, error: 0.02 }, Arm { efficiency: 0.6, error: 0.01 });
        let dark = 0.01;
        let q0 = 1.0 - (1.0 - dark) * (1.0 - dark);
        let expected = (0.3 + 0.7 * q0) * (0.6 + 0.4 * q0);
        let found = Coincidences::of(0.95, alice, bob, dark);
        close(found.probability, expected, 1e-15);
        close(alice.click_probability(dark) * bob.click_probability(dark), expected, 1e-15);
        close(found.sifted_rate(), expected / 2.0, 1e-15);
        let error = then(then(0.1 / 3.0, 0.02), 0.01);
        close(found.qber, (0.18 * error + 0.5 * (expected - 0.18)) / expected, 1e-15);
    }

    #[test]
    fn a_million_pairs_at_both_ends_of_a_long_channel_give_one_coincidence() {
        let lossy = Arm { efficiency: 1e-3, error: 0.0 };
        close(1e6 * Coincidences::of(1.0, lossy, lossy, 0.0).probability, 1.0, 1e-12);
        let nothing = Arm { efficiency: 0.0, error: 0.0 };
        assert_eq!(Coincidences::of(1.0, nothing, lossy, 0.0), Coincidences { probability: 0.0, qber: 0.5 });
    }
}
