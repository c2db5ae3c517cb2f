//! How a block begins and how much is revealed after each failure.
//!
//! In: an error rate or none, the bits left, a [`Curve`] of the code. Out: a [`Plan`].

use libm::{ceil, erfc, floor};

use crate::limits;
use crate::puncture::Order;
use crate::rate::{self, RateError, RateTable, Selection};
use crate::wire::{MAX_POSITIONS, Strategy};

/// Most disclosures of a block, the syndrome included.
pub const MAX_ROUNDS: usize = 64;

/// One block's course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Punctured positions at first.
    pub punctured: u16,
    /// Shortened positions.
    pub shortened: u16,
    /// Error rate to decode with, if one is known.
    pub qber: Option<f64>,
    /// Positions asked for after the first failure (symmetric), 0 otherwise. Later requests are as large, or grow
    /// with what has leaked if no error rate is known.
    pub request: u16,
    steps: [u16; MAX_ROUNDS],
    len: u8,
}

impl Default for Plan {
    fn default() -> Self {
        Self { punctured: 0, shortened: 0, qber: None, request: 0, steps: [0; MAX_ROUNDS], len: 0 }
    }
}

impl Plan {
    /// A plan that reveals `steps` positions after the first, second, ... failure; at most
    /// [`MAX_ROUNDS`] - 1 of them are kept, and empty ones skipped.
    pub fn new(size: Selection, qber: Option<f64>, steps: impl IntoIterator<Item = usize>) -> Self {
        let mut plan = Self { punctured: size.p as u16, shortened: size.s as u16, qber, ..Self::default() };
        let steps = steps.into_iter().filter(|&step| step > 0).take(MAX_ROUNDS - 1);
        for (slot, step) in plan.steps.iter_mut().zip(steps) {
            *slot = step.min(u16::MAX.into()) as u16;
            plan.len += 1;
        }
        plan
    }

    /// Positions revealed after each failure.
    pub fn steps(&self) -> &[u16] {
        self.steps.get(..self.len.into()).unwrap_or_default()
    }
}

/// Chooses a block's plan. Called by Alice's machine for every block.
pub trait Planner {
    /// Plan for a block of at most `left` bits (all of them if a full block would carry as many) at error
    /// rate `qber`, if one is known.
    ///
    /// # Errors
    /// [`RateError`] if no rate fits.
    fn plan(&self, qber: Option<f64>, left: usize) -> Result<Plan, RateError>;
}

/// What a strategy is asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Goal {
    /// How.
    pub strategy: Strategy,
    /// Disclosures of a block at most, the syndrome included.
    pub rounds: u8,
    /// Baseline: frame error rate of the first decoding. Others: of the last.
    pub target_fer: f64,
    /// Modulated positions d = p + s of a block with no known error rate.
    pub modulated: usize,
    /// How many of them are shortened and not punctured from the start.
    pub shortened: usize,
}

/// Part of a block with no known error rate that carries no payload, unless somebody asks for another.
pub const MODULATION: f64 = 0.44;

impl Goal {
    /// What `strategy` is asked for, with a code of `n` bits, unless somebody asks for something else.
    pub const fn of(strategy: Strategy, n: usize) -> Self {
        let (rounds, target_fer) = match strategy {
            Strategy::Baseline => (3, 0.01),
            Strategy::Blind => (10, 1e-3),
            Strategy::Symmetric => (32, 1e-3),
        };
        Self { strategy, rounds, target_fer, modulated: (MODULATION * n as f64) as usize, shortened: 0 }
    }
}

/// A code's frame error rate at one error rate as a function of f: the normal quantile z of the frame error rate is
/// linear in f between and beyond three measured points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Curve {
    f: [f64; 3],
}

/// Normal quantiles of the frame error rates .1, .01, .001.
const QUANTILES: [f64; 3] = [1.281_552, 2.326_348, 3.090_232];

/// A block of revealed padding is a little worse than one punctured less from the start: what is revealed first
/// was punctured last, in the places that matter least. Measured at 2 to 3 % in f where frame errors are rare.
const REVEALED: f64 = 0.03;

impl Curve {
    /// The curve through what `select` gives for each of [`rate::TARGETS`]; leaks and payloads are those of
    /// a code of `n` bits and `m` checks.
    ///
    /// # Errors
    /// Those of `select`.
    pub fn new(
        n: usize,
        m: usize,
        qber: f64,
        select: impl Fn(f64) -> Result<Selection, RateError>,
    ) -> Result<Self, RateError> {
        let mut f = [0.0; 3];
        for (f, fer) in f.iter_mut().zip(rate::TARGETS) {
            let size = select(fer)?;
            let payload = n.saturating_sub(size.p + size.s).max(1);
            *f = limits::efficiency(m.saturating_sub(size.p) as f64, payload, qber);
        }
        // Tables are noisy, and a curve must rise.
        f[1] = f[1].max(f[0] * 1.005);
        f[2] = f[2].max(f[1] * 1.003);
        Ok(Self { f })
    }

    /// f at normal quantile `z`.
    fn f(&self, z: f64) -> f64 {
        let [a, b, c] = self.f;
        let [x, y, w] = QUANTILES;
        let f = if z < y { a + (b - a) * (z - x) / (y - x) } else { b + (c - b) * (z - y) / (w - y) };
        f * (1.0 + REVEALED * (z / w).clamp(0.0, 1.0))
    }
}

/// Points of the search for the best rounds.
const GRID: usize = 48;
/// Normal quantile at which the search begins: a first decoding that fails 19 times of 20.
const LOWEST: f64 = -1.65;

fn tail(z: f64) -> f64 {
    0.5 * erfc(z / core::f64::consts::SQRT_2)
}

/// Values of f after each of at most `rounds` disclosures that make the mean f least while the last fails with
/// probability `fer`: dynamic programming over a grid of quantiles. The slots past the last are the last value.
fn best_rounds(curve: &Curve, rounds: usize, fer: f64) -> [f64; MAX_ROUNDS] {
    let (mut low, mut high) = (0.0, 8.0);
    for _ in 0..50 {
        let middle = 0.5 * (low + high);
        if tail(middle) > fer { low = middle } else { high = middle }
    }
    let last = high;
    let z = |k: usize| LOWEST + (last - LOWEST) * k as f64 / GRID as f64;
    let f: [f64; GRID + 1] = core::array::from_fn(|k| curve.f(z(k)));
    let fails: [f64; GRID + 1] = core::array::from_fn(|k| tail(z(k)));
    // cost[k]: what follows a failure at grid point k, weighed by its chance, with so many rounds left.
    let mut cost = [f64::INFINITY; GRID + 1];
    cost[GRID] = 0.0;
    let mut next = [[GRID as u8; GRID + 1]; MAX_ROUNDS];
    let rounds = rounds.clamp(1, MAX_ROUNDS);
    for choice in next.iter_mut().take(rounds - 1) {
        let mut better = cost;
        for k in 0..GRID {
            for j in k + 1..=GRID {
                let total = fails[k] * (f[j] - f[k]) + cost[j];
                if total < better[k] {
                    better[k] = total;
                    choice[k] = j as u8;
                }
            }
            if better[k] == cost[k] {
                choice[k] = GRID as u8;
            }
        }
        cost = better;
    }
    let mut k = GRID;
    for start in 0..GRID {
        if f[start] + cost[start] < f[k] + cost[k] {
            k = start;
        }
    }
    let mut out = [f[GRID]; MAX_ROUNDS];
    for (i, out) in out.iter_mut().enumerate().take(rounds) {
        *out = f[k];
        if k == GRID {
            break;
        }
        let left = rounds - 1 - i;
        if left == 0 {
            break;
        }
        k = usize::from(next[left - 1][k]);
    }
    out
}

/// Dimensions of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Length.
    pub n: usize,
    /// Checks.
    pub m: usize,
    /// Length of the puncturing order.
    pub puncturable: usize,
}

impl Size {
    /// The pattern in which the syndrome leaks `first` bits a bit of payload and, once enough padding is
    /// revealed, `last`, for at most `left` bits of payload.
    fn spread(&self, first: f64, last: f64, left: usize) -> Selection {
        let (n, m) = (self.n as f64, self.m as f64);
        let unshortened = (m - first * n) / (1.0 - first);
        let payload = if unshortened > self.puncturable as f64 {
            n - self.puncturable as f64
        } else {
            (n - unshortened.max(0.0)).min(m / last)
        };
        let payload = (floor(payload) as usize).clamp(1, left.min(self.n - 1).max(1));
        let most = self.puncturable.min(self.n - payload) as f64;
        let p = ceil(m - first * payload as f64).max(0.0).min(most) as usize;
        Selection { p, s: self.n - payload - p }
    }
}

/// Plan by `goal` for a code of `size` whose sizes at (QBER, FER, payload if less than a full block's) `select`
/// knows.
///
/// # Errors
/// [`RateError`] if `select` finds no rate.
pub fn plan(
    goal: &Goal,
    size: Size,
    qber: Option<f64>,
    left: usize,
    select: impl Fn(f64, f64, Option<usize>) -> Result<Selection, RateError>,
) -> Result<Plan, RateError> {
    let Some(qber) = qber else {
        return unknown(goal, size, left);
    };
    // Below this the tables end.
    let q = qber.max(1e-3);
    if goal.strategy == Strategy::Baseline {
        let full = select(qber, goal.target_fer, None)?;
        let short = left < size.n - full.p - full.s;
        let chosen = if short { select(qber, goal.target_fer, Some(left))? } else { full };
        let leak = size.m - chosen.p;
        // The first step mends what bad luck broke, the second a wrong error rate.
        let steps = [leak.div_ceil(8), leak.div_ceil(4).max(chosen.p.saturating_sub(leak.div_ceil(8)))];
        return Ok(Plan::new(
            chosen,
            Some(qber),
            steps.into_iter().take(usize::from(goal.rounds).saturating_sub(1)),
        ));
    }
    let noise = limits::entropy(q);
    let course = |short: Option<usize>| -> Result<_, RateError> {
        let curve = Curve::new(size.n, size.m, q, |fer| select(q, fer, short))?;
        let rounds = best_rounds(&curve, goal.rounds.into(), goal.target_fer);
        let last = rounds[MAX_ROUNDS - 1];
        let first = if goal.strategy == Strategy::Symmetric { curve.f(SYMMETRIC_START) } else { rounds[0] };
        // Never more than the payload itself.
        let pattern = size.spread((first * noise).min(0.95), (last * noise).min(0.97), left);
        Ok((pattern, rounds, first))
    };
    let (mut pattern, mut rounds, mut first) = course(None)?;
    let mut payload = size.n - pattern.p - pattern.s;
    if payload == left {
        (pattern, rounds, first) = course(Some(left))?;
        payload = size.n - pattern.p - pattern.s;
    }
    let bits = |f: f64| f * noise * payload as f64;
    if goal.strategy == Strategy::Symmetric {
        let steps = usize::from(goal.rounds).clamp(1, MAX_ROUNDS) - 1;
        let spare = bits(rounds[MAX_ROUNDS - 1]) - bits(first);
        let request = (ceil(spare / steps.max(1) as f64) as usize).clamp(LEAST_REQUEST, MAX_POSITIONS);
        let plan = Plan::new(pattern, Some(qber), core::iter::repeat_n(request, steps));
        return Ok(Plan { request: request as u16, ..plan });
    }
    let steps = rounds.windows(2).map(|pair| ceil(bits(pair[1])) as usize - ceil(bits(pair[0])) as usize);
    Ok(Plan::new(pattern, Some(qber), steps))
}

/// Fewest positions a symmetric request asks for.
const LEAST_REQUEST: usize = 8;
/// Normal quantile at which a symmetric block begins.
const SYMMETRIC_START: f64 = -2.5;

/// With no error rate known: from the highest rate to the lowest in steps that grow with what has leaked.
fn unknown(goal: &Goal, size: Size, left: usize) -> Result<Plan, RateError> {
    if goal.strategy == Strategy::Baseline {
        return Err(RateError::OutOfRange { what: "QBER: expected one for baseline reconciliation" });
    }
    let modulated = goal.modulated.min(size.puncturable);
    let payload = left.min(size.n - modulated);
    let punctured = modulated - goal.shortened.min(modulated);
    let pattern = Selection { p: punctured, s: size.n - punctured - payload };
    let first = size.m.saturating_sub(punctured).max(1);
    let most = size.m.min(payload).max(first);
    let steps = usize::from(goal.rounds).clamp(1, MAX_ROUNDS) - 1;
    let ratio = libm::pow(most as f64 / first as f64, 1.0 / steps.max(1) as f64);
    let leak = move |i: usize| floor(first as f64 * libm::pow(ratio, i as f64) + 0.5) as usize;
    let plan = Plan::new(pattern, None, (0..steps).map(|i| leak(i + 1) - leak(i)));
    let request = if goal.strategy == Strategy::Symmetric { leak(1) - first } else { 0 };
    Ok(Plan { request: request.max(usize::from(goal.strategy == Strategy::Symmetric)) as u16, ..plan })
}

/// A planner over a measured rate table.
#[derive(Clone, Copy, Debug)]
pub struct TablePlanner<'a> {
    /// Goal.
    pub goal: Goal,
    /// Table.
    pub table: RateTable<'a>,
    /// Orders.
    pub order: Order<'a>,
}

impl Planner for TablePlanner<'_> {
    fn plan(&self, qber: Option<f64>, left: usize) -> Result<Plan, RateError> {
        let size = Size { n: self.table.n, m: self.table.m, puncturable: self.order.puncture().len() };
        plan(&self.goal, size, qber, left, |q, fer, short| match short {
            Some(payload) => self.table.select_short(q, fer, payload),
            None => self.table.select(q, fer),
        })
    }
}
