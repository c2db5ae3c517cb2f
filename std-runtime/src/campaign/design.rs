//! Space-filling designs without memory: point i of N is a function of (seed, N, i).
//!
//! In: a campaign, an index. Out: a point of the unit cube, its inputs. Any worker can so make any point, in any order.

mod permutation;
mod sobol;

use crate::campaign::space::{DIMENSIONS, Inputs, Space};
use crate::channel::mix;
use crate::config::Strategy;
use crate::config::campaign::Campaign;
use permutation::Permutation;

/// How points are spread over the unit cube.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// One point in each of N strata of every dimension (McKay, Beckman and Conover 1979).
    LatinHypercube,
    /// A Sobol sequence in nine dimensions, scrambled (Owen 1995).
    Sobol,
}

/// Which sample has which strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// In turn.
    Alternate,
    /// By the ninth coordinate, equal parts of which belong to each.
    Stratified,
}

/// What becomes of a point that is infeasible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Infeasible {
    /// It is recorded, without a run.
    Record,
    /// The next feasible one takes its place: see [`Design::layer`].
    Replace,
    /// It is run: the machines begin without prospects, and end it themselves.
    Run,
}

/// Keeps the design apart from whatever else is drawn from the same seed.
const PHASE: u64 = u64::from_be_bytes(*b"design  ");

/// Binary digits of a point's place inside its stratum.
const JITTER_BITS: u32 = 20;

/// The design of a campaign.
#[derive(Clone, Debug)]
pub struct Design {
    seed: u64,
    points: u64,
    repeats: u64,
    method: Method,
    assignment: Assignment,
    space: Space,
}

impl Design {
    /// The design of `campaign`.
    pub fn new(campaign: &Campaign) -> Self {
        Self {
            seed: campaign.seed,
            points: campaign.samples.div_ceil(campaign.repeats.max(1)),
            repeats: campaign.repeats.max(1),
            method: campaign.method,
            assignment: campaign.assignment(),
            space: campaign.space.clone(),
        }
    }

    /// Points. Each has as many samples as the campaign repeats it.
    pub const fn points(&self) -> u64 {
        self.points
    }

    /// Where points lie.
    pub const fn space(&self) -> &Space {
        &self.space
    }

    /// The points of draw `draw`: 0 is the design itself, 1, 2 and so on are what takes the place of infeasible points.
    /// With the Latin hypercube each draw is another one, with the Sobol sequence as many points that follow.
    pub fn layer(&self, draw: u64) -> Layer {
        let key = |draw: u64, dimension: usize| {
            mix(mix(mix(self.seed ^ PHASE).wrapping_add(draw)).wrapping_add(dimension as u64))
        };
        match self.method {
            Method::LatinHypercube => Layer::LatinHypercube {
                samples: self.points,
                permutations: std::array::from_fn(|d| Permutation::new(key(draw, d), self.points)),
                jitter: std::array::from_fn(|d| key(draw, d + DIMENSIONS)),
            },
            Method::Sobol => {
                let first = u128::from(self.points) * u128::from(draw);
                Layer::Sobol { first, seed: mix(self.seed ^ PHASE) }
            }
        }
    }

    /// The strategy of point `index`, at `unit`.
    pub fn strategy(&self, index: u64, unit: &[f64; DIMENSIONS]) -> Strategy {
        let of = &self.space.strategies;
        let [.., last] = *unit;
        let at = match self.assignment {
            Assignment::Alternate => (index % of.len().max(1) as u64) as usize,
            Assignment::Stratified => (last * of.len() as f64) as usize,
        };
        of.get(at).or(of.last()).copied().unwrap_or(Strategy::Baseline)
    }

    /// The inputs of sample `index` in `layer`.
    pub fn inputs(&self, layer: &Layer, index: u64) -> Inputs {
        let point = index / self.repeats;
        let unit = layer.unit(point);
        self.space.inputs(&unit, self.strategy(point, &unit))
    }
}

/// N points of the unit cube.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there are only a few at a time, on the stack")]
pub enum Layer {
    /// Of a Latin hypercube.
    LatinHypercube {
        /// N.
        samples: u64,
        /// Index to stratum.
        permutations: [Permutation; DIMENSIONS],
        /// Keys of the places inside strata.
        jitter: [u64; DIMENSIONS],
    },
    /// Of the scrambled Sobol sequence.
    Sobol {
        /// Where in the sequence it begins.
        first: u128,
        /// Key of the scrambling.
        seed: u64,
    },
}

impl Layer {
    /// Point `index`, each coordinate above 0 and below 1. From N on, indices count as N - 1 in a hypercube.
    pub fn unit(&self, index: u64) -> [f64; DIMENSIONS] {
        match self {
            Self::LatinHypercube { samples, permutations, jitter } => std::array::from_fn(|d| {
                let stratum = permutations[d].of(index.min(samples.saturating_sub(1)));
                let inside = mix(jitter[d].wrapping_add(index)) >> (64 - JITTER_BITS);
                // With at most 2^30 strata the sum is exact, and dividing it does not leave the stratum.
                let place = stratum as f64 + (inside as f64 + 0.5) / f64::from(1u32 << JITTER_BITS);
                place / *samples as f64
            }),
            Self::Sobol { first, seed } => {
                let at = first + u128::from(index);
                // 2^32 points have 32 digits; what follows is another scrambling.
                let key = mix(seed.wrapping_add((at >> 32) as u64));
                std::array::from_fn(|d| {
                    let digits = sobol::scramble(sobol::point(at as u32, d), mix(key.wrapping_add(d as u64)));
                    (f64::from(digits) + 0.5) / (1u64 << 32) as f64
                })
            }
        }
    }
}
