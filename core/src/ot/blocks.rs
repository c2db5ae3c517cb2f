//! Blocks of the two sets: the same code, rate and pattern for both.
//!
//! Blocks are numbered 2k for block k of set 0 and 2k + 1 for that of set 1.

use super::{Abort, Setup, Terms};
use crate::leakage::{Disclosure, LeakBits, Ledger};
use crate::puncture::Pattern;
use crate::reconcile::plan::Planner;
use crate::reconcile::{from_ppm, to_ppm};
use crate::verify::TAG_BITS;

/// One block of the set that Bob decodes. His memory has as many as he is ready to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    pub(super) shape: Shape,
    pub(super) state: State,
}

/// Where a block of Bob's stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Its syndrome is there, or not even that.
    #[default]
    Due,
    /// A decoder works on it.
    Waiting,
    /// Decoded, if `converged`.
    Done { converged: bool },
}

/// How a block is filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its first bit in the set.
    pub(super) start: usize,
    pub(super) payload: usize,
    pub(super) punctured: u16,
    pub(super) shortened: u16,
    /// Error rate in millionths.
    pub(super) qber_ppm: u32,
}

impl Shape {
    /// The block of `punctured` and `shortened` positions that begins at `start` of a set of `set_bits` bits.
    pub(super) fn new(
        n: usize,
        (punctured, shortened): (u16, u16),
        qber_ppm: u32,
        start: usize,
        set_bits: usize,
    ) -> Option<Self> {
        let payload = n.checked_sub(usize::from(punctured) + usize::from(shortened))?;
        let fits = payload > 0 && payload <= set_bits - start;
        fits.then_some(Self { start, payload, punctured, shortened, qber_ppm })
    }

    /// The next block by the planner.
    pub(super) fn plan(
        setup: &Setup<'_>,
        planner: &dyn Planner,
        qber: f64,
        start: usize,
        set_bits: usize,
    ) -> Result<Self, Abort> {
        // As Bob will read it.
        let qber_ppm = to_ppm(Some(qber));
        let plan = planner.plan(from_ppm(qber_ppm), set_bits - start)?;
        let size = (plan.punctured, plan.shortened);
        Self::new(setup.code.n(), size, qber_ppm, start, set_bits)
            .ok_or(Abort::Host("plan: expected a payload of at most what is left of the set"))
    }

    pub(super) const fn end(&self) -> usize {
        self.start + self.payload
    }

    pub(super) fn rate(&self) -> f64 {
        from_ppm(self.qber_ppm).unwrap_or(1e-6)
    }

    /// Its pattern, with masks in the caller's rows.
    pub(super) fn pattern<'w>(
        &self,
        setup: &Setup<'_>,
        punctured: &'w mut [u64],
        shortened: &'w mut [u64],
    ) -> Result<Pattern<'w>, Abort> {
        Ok(setup.order.pattern(self.punctured.into(), self.shortened.into(), punctured, shortened)?)
    }
}

/// What a fresh syndrome of `pattern` discloses.
pub(super) fn disclosure(setup: &Setup<'_>, pattern: &Pattern<'_>) -> Disclosure {
    let rank = setup.masking.rank;
    let exact = rank.saturating_sub(setup.masking.masked(pattern.punctured())).min(pattern.payload());
    Disclosure::Syndrome { bits: setup.code.m() as u64, exact: exact as u64 }
}

/// Tag of a set.
pub(super) const TAG: Disclosure = Disclosure::Tag { bits: TAG_BITS as u64 };

/// What either set will be charged for all its blocks and its tag, found out before any of it is sent; and the
/// number of blocks.
pub(super) fn survey(
    setup: &Setup<'_>,
    terms: &Terms<'_>,
    planner: &dyn Planner,
    qber: f64,
    set_bits: usize,
    [punctured, shortened]: [&mut [u64]; 2],
) -> Result<(LeakBits, u32), Abort> {
    let mut ledger = Ledger::new(terms.policy, LeakBits(u64::MAX));
    let (mut at, mut blocks) = (0, 0);
    while at < set_bits {
        let shape = Shape::plan(setup, planner, qber, at, set_bits)?;
        let pattern = shape.pattern(setup, punctured, shortened)?;
        let (charged, _unused) = ledger.charge(disclosure(setup, &pattern))?;
        (ledger, at, blocks) = (charged, shape.end(), blocks + 1);
    }
    let (ledger, _unused) = ledger.charge(TAG)?;
    Ok((ledger.close().total(), blocks))
}
