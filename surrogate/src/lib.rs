//! Surrogates of a noisy function and where to look next for its zero: what a search for a cliff needs of statistics.
//!
//! Nothing here knows of protocols, files or clocks. What comes in are points, values and seeds; what goes out are
//! predictions, probabilities and points. Results are a function of these, whatever the number of threads.
//!
//! * [`points`]: rows of numbers, and how inputs become coordinates.
//! * [`matern`]: the covariance function.
//! * [`gp`]: exact Gaussian processes: conditioning, prediction, marginal likelihood.
//! * [`fit`]: hyperparameters by their posterior mode.
//! * [`local`]: the same process seen from the nearest neighbours of where one looks (Vecchia), for many points.
//! * [`acquire`]: the straddle heuristic, and batches of points chosen by it.
//! * [`reduce`]: batches of points that are expected to leave least doubt.
//! * [`forest`]: random forests that give calibrated probabilities.
//! * [`scores`]: how good predictions were.
//! * [`minimise`]: a smooth function in a box.
#![forbid(unsafe_code)]

pub mod acquire;
pub mod fit;
pub mod forest;
pub mod gp;
pub mod local;
pub mod matern;
pub mod minimise;
pub mod points;
pub mod reduce;
pub mod scores;

pub use gp::{Gp, GpError};
pub use matern::Hyper;
pub use points::{Points, Scaling};

/// One step of splitmix64: the generator of all that is drawn here.
pub(crate) const fn mix(z: u64) -> u64 {
    let z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A stream of numbers, a function of its seed.
#[derive(Clone, Debug)]
pub struct Draws(u64);

impl Draws {
    /// The stream `index` of `seed`.
    pub const fn new(seed: u64, index: u64) -> Self {
        Self(mix(mix(seed).wrapping_add(index)))
    }

    /// 64 random bits (Steele, Lea and Flood 2014).
    pub const fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Uniform in [0, 1).
    pub const fn uniform(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Uniform below `bound`, which is at least 1; the bias is below bound/2^64.
    pub const fn below(&mut self, bound: usize) -> usize {
        ((self.word() as u128 * bound as u128) >> 64) as usize
    }

    /// Standard normal (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Permutes `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}
