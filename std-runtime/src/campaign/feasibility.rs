//! Which points of a batch are feasible, many at a time.
//!
//! In: columns of inputs. Out: a [`Verdict`] each: that of `caligo_core::security::Forecast::feasible`. Single precision
//! decides where it is sure to decide as the core does; where an inequality holds or fails by less than its error
//! ([`Kernel::doubtful`]), the core decides.

use std::fmt;

use caligo_core::security::uncertainty::min_entropy_rate;
use caligo_core::security::{Forecast, Inequality, Pairs, Proof, Targets};
use caligo_core::verify::TAG_BITS;
use multiversion::multiversion;

use crate::campaign::space::{self, AXES, DIMENSIONS, Inputs};
use crate::config::campaign::Campaign;
use crate::dispatch;

/// Whether a string of at least one bit would be secure on average, or the first inequality that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verdict {
    /// It would be.
    Feasible,
    /// [`Inequality::Rounds`] fails.
    Rounds,
    /// [`Inequality::Storage`] fails, or the noise is too little: [`Inequality::Noise`].
    Memory,
    /// [`Inequality::Qber`] fails.
    Qber,
    /// [`Inequality::Entropy`] fails.
    Entropy,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Feasible, Self::Rounds, Self::Memory, Self::Qber, Self::Entropy];

    /// Its name in files: `feasible`, or the inequality's.
    pub const fn name(self, proof: Proof) -> &'static str {
        match (self, proof) {
            (Self::Feasible, _) => "feasible",
            (Self::Rounds, _) => "rounds",
            (Self::Memory, Proof::StrongConverse) => "storage",
            (Self::Memory, _) => "noise",
            (Self::Qber, _) => "qber_threshold",
            (Self::Entropy, _) => "entropy",
        }
    }
}

impl From<Inequality> for Verdict {
    fn from(failed: Inequality) -> Self {
        match failed {
            Inequality::Rounds { .. } => Self::Rounds,
            Inequality::Storage { .. } | Inequality::Noise { .. } | Inequality::Capacity { .. } => {
                Self::Memory
            }
            Inequality::Qber { .. } => Self::Qber,
            _ => Self::Entropy,
        }
    }
}

/// Single precision cannot tell.
const DOUBT: u8 = 8;

/// Coefficients of lambda.
const DEGREE: usize = 9;

/// Columns of inputs, all as long as the first.
pub type Columns<'a> = [&'a [f32]; AXES];

/// The inequalities of one campaign in single precision.
#[derive(Clone)]
pub struct Kernel {
    targets: Targets,
    proof: Proof,
    pairs: Pairs,
    numbers: Numbers,
}

/// What of a campaign the inequalities depend on.
#[derive(Clone, Copy, Debug)]
struct Numbers {
    /// Alice's arm loses photons too.
    emitted: bool,
    converse: bool,
    efficiency: f32,
    /// Part of the rounds that is not disclosed.
    kept: f32,
    /// 1 + 2 log2(1/eps): over n, the penalty of lambda.
    penalty: f32,
    /// 1 + log2(1/(2 eps)).
    split: f32,
    /// Bits that a tag, hashing and two bits of output take.
    tail: f32,
    /// lambda as a Chebyshev series in the root of the penalty, 0 to [`KNEE`]'s.
    lambda: [f32; DEGREE],
}

/// Penalty from which on s = 1 is best and lambda = 2 - log2 3 less the penalty: 1/6 - log2(3) + 3/2, where the slope of
/// `caligo_core::security::uncertainty::min_entropy_rate`'s maximum vanishes at its end.
const KNEE: f64 = 1.0 / 6.0 - 1.5849625007211562 + 1.5;

/// 2 - log2 3.
const END: f32 = 0.415_037_5;

/// Relative error that is allowed for, of sums of bits. A test finds less than a third of it.
pub const RELATIVE: f32 = 2e-5;

/// Likewise, of a bound of what a qubit stores, in bits a qubit.
pub const ABSOLUTE: f32 = 2e-6;

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kernel")
            .field("targets", &self.targets)
            .field("proof", &self.proof)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// The kernel of `campaign`.
    pub fn new(campaign: &Campaign) -> Self {
        Self::of(campaign.targets(), campaign.proof, campaign.space.pairs)
    }

    /// The kernel for `targets` by `proof`, where N counts `pairs`.
    pub fn of(targets: &Targets, proof: Proof, pairs: Pairs) -> Self {
        let penalty = 1.0 + 2.0 * targets.epsilon().bits();
        let numbers = Numbers {
            emitted: pairs == Pairs::Emitted,
            converse: proof == Proof::StrongConverse,
            efficiency: targets.record().efficiency as f32,
            kept: (1.0 - targets.test_fraction()) as f32,
            penalty: penalty as f32,
            split: (1.0 + targets.epsilon().hashing_bits()) as f32,
            tail: (TAG_BITS as f64 + 2.0 * targets.epsilon_pa().hashing_bits() + 2.0) as f32,
            lambda: chebyshev(|root| min_entropy_rate(penalty / (root * root), targets.epsilon())),
        };
        Self { targets: *targets, proof, pairs, numbers }
    }

    /// The verdict on each point of `columns`, into `verdicts`, which is made as long.
    pub fn verdicts(&self, columns: Columns<'_>, verdicts: &mut Vec<Verdict>) {
        let codes = self.codes(columns);
        verdicts.clear();
        verdicts.extend(codes.iter().enumerate().map(|(row, &code)| match code {
            0 => Verdict::Feasible,
            1 => Verdict::Rounds,
            2 => Verdict::Memory,
            3 => Verdict::Qber,
            4 => Verdict::Entropy,
            _ => self.exact(&inputs(columns, row)),
        }));
    }

    /// How many points of `columns` the core decides.
    pub fn doubtful(&self, columns: Columns<'_>) -> usize {
        self.codes(columns).iter().filter(|&&code| code >= DOUBT).count()
    }

    /// The core's own verdict on `inputs`, in double precision. Inputs that are no parameters are not feasible.
    pub fn exact(&self, inputs: &Inputs) -> Verdict {
        let Ok(parameters) = space::parameters(inputs, self.pairs) else { return Verdict::Rounds };
        match Forecast::of(&parameters, &self.targets).feasible(self.proof) {
            Ok(_) => Verdict::Feasible,
            Err(infeasible) => infeasible.0.into(),
        }
    }

    fn codes(&self, columns: Columns<'_>) -> Vec<u8> {
        let len = columns.iter().map(|column| column.len()).min().unwrap_or(0);
        let columns = columns.map(|column| column.get(..len).unwrap_or_default());
        let mut codes = vec![0; len];
        if dispatch::portable() {
            judge(&self.numbers, columns, &mut codes);
        } else {
            judge_dispatched(&self.numbers, columns, &mut codes);
        }
        codes
    }
}

fn inputs(columns: Columns<'_>, row: usize) -> Inputs {
    let mut inputs = [0.0; DIMENSIONS];
    for (input, column) in inputs.iter_mut().zip(columns) {
        *input = column.get(row).copied().unwrap_or_default();
    }
    inputs
}

/// The series of `f` on 0 to the root of [`KNEE`], by its values at the zeros of the polynomial that is left out.
fn chebyshev(f: impl Fn(f64) -> f64) -> [f32; DEGREE] {
    let n = DEGREE as f64;
    let angle = |k: usize| std::f64::consts::PI * (k as f64 + 0.5) / n;
    let values: [f64; DEGREE] =
        std::array::from_fn(|k| f(0.5 * libm::sqrt(KNEE) * (1.0 + libm::cos(angle(k)))));
    std::array::from_fn(|j| {
        let sum: f64 = values.iter().enumerate().map(|(k, v)| v * libm::cos(j as f64 * angle(k))).sum();
        (sum * if j == 0 { 1.0 } else { 2.0 } / n) as f32
    })
}

#[multiversion(targets(
    "x86_64+avx+avx2+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+bmi1+bmi2+fma+lzcnt+popcnt",
    "x86_64+avx+avx2+bmi1+bmi2+fma+lzcnt+popcnt",
))]
fn judge_dispatched(numbers: &Numbers, columns: Columns<'_>, codes: &mut [u8]) {
    judge(numbers, columns, codes);
}

/// Points at a time: few enough to stay in the first cache.
const BLOCK: usize = 128;

/// One number of each point of a block.
type Lanes = [f32; BLOCK];

const ZERO: Lanes = [0.0; BLOCK];

#[inline(always)]
fn judge(numbers: &Numbers, columns: Columns<'_>, codes: &mut [u8]) {
    let mut block = [ZERO; AXES];
    for (at, codes) in codes.chunks_mut(BLOCK).enumerate() {
        for (block, column) in block.iter_mut().zip(columns) {
            let from = column.get(at * BLOCK..).unwrap_or_default();
            let len = codes.len().min(from.len());
            block[..len].copy_from_slice(&from[..len]);
        }
        for (code, found) in codes.iter_mut().zip(verdicts(&numbers.sides(&block))) {
            *code = found as u8;
        }
    }
}

/// Right side less left side of an inequality, and the error that is allowed for.
#[derive(Clone, Copy)]
struct Side {
    margin: Lanes,
    error: Lanes,
}

/// The verdicts' numbers, or [`DOUBT`].
#[inline(always)]
fn verdicts(sides: &[Side; 4]) -> [u32; BLOCK] {
    let mut codes = [0; BLOCK];
    // From the last inequality to the first, so that the first that fails, or may fail, has the last word.
    for (side, failed) in sides.iter().rev().zip([4, 3, 2, 1]) {
        for i in 0..BLOCK {
            let code = if side.margin[i] <= 0.0 { failed } else { codes[i] };
            // Whatever is no number is in doubt.
            codes[i] = if side.margin[i].abs() > side.error[i] { code } else { u32::from(DOUBT) };
        }
    }
    codes
}

/// log2 of a number above 0 that is no subnormal.
#[inline(always)]
fn log2(x: f32) -> f32 {
    // x = 2^e m with m from the root of 1/2 to that of 2.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32 >> 23) as f32;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3));
    let t = (m - 1.0) / (m + 1.0);
    let square = t * t;
    // 2/ln 2 times the series of the area tangent.
    let series = 2.885_39
        + square * (0.961_796_7 + square * (0.577_078_04 + square * (0.412_198_58 + square * 0.320_598_9)));
    exponent + t * series
}

/// 1 - h((1 + r)/2), given log2(1 + r) and log2(1 - r).
#[inline(always)]
fn capacity(r: f32, plus: f32, minus: f32) -> f32 {
    0.5 * ((1.0 + r) * plus + (1.0 - r) * minus)
}

/// The x with C(x) = `rate` about, from 1 - (1 - x^2)^(3/4).
#[inline(always)]
fn near(rate: f32) -> f32 {
    let y = 1.0 - rate;
    let fourth = y.sqrt().sqrt();
    (1.0 - y * fourth * (0.35 + 0.65 * fourth.sqrt())).max(0.0).sqrt().min(0.999_999)
}

/// A Newton step from `x` to C(x) = `rate`.
#[inline(always)]
fn newton(x: f32, rate: f32) -> f32 {
    let (plus, minus) = (log2(1.0 + x), log2(1.0 - x));
    let slope = 0.5 * (plus - minus);
    between(x - (capacity(x, plus, minus) - rate) / slope.max(1e-6), 0.999_999_9)
}

/// `x`, or the nearer of 0 and `high`; as compilers vectorise it.
#[inline(always)]
fn between(x: f32, high: f32) -> f32 {
    let x = if x > 0.0 { x } else { 0.0 };
    if x < high { x } else { high }
}

// Each loop over the lanes is short and without a loop or a branch in it: what compilers vectorise.
impl Numbers {
    /// The inequalities, each of which has a meaning where those before it hold.
    #[inline(always)]
    fn sides(&self, block: &[Lanes; AXES]) -> [Side; 4] {
        let [noise, rate, _, fidelity, efficiency, error, dark, pairs] = block;
        let (mut kept, mut stored) = (ZERO, ZERO);
        let mut qber = ZERO;
        // The source's formulas: `caligo_core::security::Coincidences::of`.
        for i in 0..BLOCK {
            let (eta, e_det) = (efficiency[i], error[i]);
            let wrong = (1.0 - fidelity[i]) * (2.0 / 3.0);
            let wrong = wrong * (1.0 - e_det) + e_det * (1.0 - wrong);
            let dark = (1.0 - eta) * dark[i] * (2.0 - dark[i]);
            let (eta_a, dark_a) = if self.emitted { (eta, dark) } else { (1.0, 0.0) };
            let photons = eta_a * eta;
            let random = eta_a * dark + dark_a * (eta + dark);
            let clicks = photons + random;
            qber[i] = (photons * wrong + 0.5 * random) / clicks;
            kept[i] = pairs[i] * clicks * self.kept;
            stored[i] = rate[i] * pairs[i];
        }
        let mut leak = ZERO;
        for i in 0..BLOCK {
            let q = qber[i];
            let entropy = -(q * log2(q.max(1e-30)) + (1.0 - q) * log2(1.0 - q));
            leak[i] = 0.5 * self.efficiency * entropy * kept[i];
        }
        let lambda = self.lambda(&kept);
        let (memory, bits) = if self.converse {
            self.converse(noise, &stored, &kept, &lambda)
        } else {
            max_bound(noise, &stored, &kept, &lambda)
        };
        let mut sides = [Side { margin: ZERO, error: ZERO }, memory, bits, bits];
        let [rounds, _, threshold, entropy] = &mut sides;
        for i in 0..BLOCK {
            let set = 0.5 * kept[i];
            (rounds.margin[i], rounds.error[i]) = (set - 1.0, RELATIVE * set);
            let (left, allowed) = (bits.margin[i] - leak[i], bits.error[i] + RELATIVE * leak[i]);
            (threshold.margin[i], threshold.error[i]) = (left, allowed);
            (entropy.margin[i], entropy.error[i]) = (left - self.tail, allowed + RELATIVE * self.tail);
        }
        sides
    }

    /// lambda, not cut off at 0.
    #[inline(always)]
    fn lambda(&self, kept: &Lanes) -> Lanes {
        let (mut z, mut one, mut two) = (ZERO, ZERO, ZERO);
        for i in 0..BLOCK {
            let place = (self.penalty / kept[i] * (4.0 / KNEE as f32)).sqrt() - 1.0;
            z[i] = if place < 1.0 { place } else { 1.0 };
        }
        // Clenshaw.
        let [constant, rest @ ..] = self.lambda;
        for coefficient in rest.into_iter().rev() {
            for i in 0..BLOCK {
                (one[i], two[i]) = (2.0 * z[i] * one[i] - two[i] + coefficient, one[i]);
            }
        }
        let mut lambda = ZERO;
        for i in 0..BLOCK {
            let penalty = self.penalty / kept[i];
            let curve = z[i] * one[i] - two[i] + constant;
            lambda[i] = if penalty < KNEE as f32 { curve } else { END - penalty };
        }
        lambda
    }

    /// What is unknown less what can be stored, and the min-entropy, with their errors.
    ///
    /// The coin d with h(d) = 1 - R is (1 - x)/2 with C(x) = R, and so the exponent of rates from the capacity to 1 is
    /// D(d || (1 - r)/2) = R - (1 + x)/2 log2(1 + r) - (1 - x)/2 log2(1 - r).
    #[inline(always)]
    fn converse(&self, noise: &Lanes, stored: &Lanes, kept: &Lanes, lambda: &Lanes) -> (Side, Side) {
        let (mut plus, mut minus) = (ZERO, ZERO);
        for i in 0..BLOCK {
            plus[i] = log2(1.0 + noise[i]);
            minus[i] = log2((1.0 - noise[i]).max(1e-30));
        }
        let (mut unknown, mut rate, mut x) = (ZERO, ZERO, ZERO);
        for i in 0..BLOCK {
            unknown[i] = 0.5 * lambda[i] * kept[i] - self.split;
            rate[i] = between(unknown[i] / stored[i], 1.0);
            x[i] = near(rate[i]);
        }
        for _ in 0..3 {
            for i in 0..BLOCK {
                x[i] = newton(x[i], rate[i]);
            }
        }
        let mut memory = Side { margin: ZERO, error: ZERO };
        let mut bits = memory;
        for i in 0..BLOCK {
            let used = stored[i] * capacity(noise[i], plus[i], minus[i]);
            let exponent = rate[i] - 0.5 * ((1.0 + x[i]) * plus[i] + (1.0 - x[i]) * minus[i]);
            let (direct, coded) = (unknown[i] - stored[i] * plus[i], stored[i] * exponent);
            let scale = RELATIVE * (0.25 * kept[i] + self.split) + ABSOLUTE * stored[i];
            (memory.margin[i], memory.error[i]) = (unknown[i] - used, scale + RELATIVE * used);
            bits.margin[i] = if stored[i] <= unknown[i] { direct } else { coded };
            bits.error[i] = scale;
        }
        (memory, bits)
    }
}

/// The min-entropy rate, and the min-entropy, with their errors.
///
/// lambda is below 1/2, and wherever the greater of both bounds is, it is 1 - r.
#[inline(always)]
fn max_bound(noise: &Lanes, stored: &Lanes, kept: &Lanes, lambda: &Lanes) -> (Side, Side) {
    let mut memory = Side { margin: ZERO, error: [RELATIVE; BLOCK] };
    let mut bits = memory;
    for i in 0..BLOCK {
        let (lambda, erased) = (lambda[i], 1.0 - noise[i]);
        let part = between(stored[i] / kept[i], 1.0);
        let rate = (1.0 - part) * lambda + part * if erased < lambda { erased } else { lambda };
        // Where lambda is cut off at 0, nothing is left.
        memory.margin[i] = if lambda < 0.0 { lambda } else { rate };
        bits.margin[i] = 0.5 * kept[i] * memory.margin[i];
        bits.error[i] = 0.5 * kept[i] * RELATIVE;
    }
    (memory, bits)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::campaign::batch::{Batch, Sampler};

    /// What single precision makes of the inequalities lies within a third of the error that is allowed for.
    #[test]
    fn errors_are_allowed_for() {
        let axes = "storage_noise_r: [0.02, 1], channel_fidelity: [0.9, 1], num_pairs: [100, 1e9]";
        for text in ["", axes, "pairs: emitted", "storage_rate_nu: [0.1, 1], detection_eff_eta: [0.3, 1]"] {
            for proof in Proof::ALL {
                let file =
                    format!("parameters: {{ {text} }}\nphase1: {{ sampler: {{ proof: {} }} }}", proof.name());
                let campaign = Campaign::parse(&file, Path::new("c.yaml")).unwrap();
                let (kernel, mut batch) = (Kernel::new(&campaign), Batch::default());
                Sampler::new(&campaign).fill(0..2000, &mut batch);
                let (mut worst, mut compared) = ([0.0_f64; 4], [0; 4]);
                for row in 0..batch.len() {
                    let inputs = batch.inputs(row).unwrap();
                    let block = std::array::from_fn(|d| [inputs[d]; BLOCK]);
                    let sides = kernel.numbers.sides(&block);
                    let parameters = space::parameters(&inputs, campaign.space.pairs).unwrap();
                    let forecast = Forecast::of(&parameters, &kernel.targets);
                    let budget = forecast.budget(proof);
                    let left = budget.min_entropy_bits - forecast.leak_rate * forecast.set_bits;
                    for (k, inequality) in forecast.inequalities(proof).into_iter().enumerate() {
                        // The core cuts what is not known off at 0.
                        let cut = forecast.unknown_bits == 0.0 || forecast.min_entropy_rate == 0.0;
                        if k > 0 && cut {
                            break;
                        }
                        let tail = inequality.sides().0 - forecast.leak_rate * forecast.set_bits;
                        let exact = [inequality.margin(), inequality.margin(), left, left - tail][k];
                        let (found, allowed) = (sides[k].margin[0], sides[k].error[0]);
                        worst[k] = worst[k].max((f64::from(found) - exact).abs() / f64::from(allowed));
                        compared[k] += 1;
                        if !inequality.holds() {
                            break;
                        }
                    }
                }
                println!("{worst:.3?} of {compared:?}, {} {text}", proof.name());
                assert!(worst.iter().all(|&part| part < 0.34), "{worst:?} {text}");
                assert!(compared[2] > 100, "{compared:?} {text}");
            }
        }
    }
}
