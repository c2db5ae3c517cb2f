//! Blocks of the two sets: the same code, rate and pattern for both.
//!
//! Blocks are numbered 2k for block k of set 0 and 2k + 1 for that of set 1.

use super::{Abort, Correction, Setup, Terms};
use crate::bits;
use crate::leakage::{Disclosure, LeakBits, Ledger};
use crate::puncture::Pattern;
use crate::reconcile::plan::{Plan, Planner};
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
    /// How often some of its padding may be revealed.
    pub(super) steps: u8,
    /// Positions revealed so far: the last of those punctured at first.
    pub(super) revealed: u16,
}

impl Shape {
    /// The block of `punctured` and `shortened` positions that begins at `start` of a set of `set_bits` bits.
    pub(super) fn new(
        n: usize,
        (punctured, shortened): (u16, u16),
        (qber_ppm, steps): (u32, u8),
        start: usize,
        set_bits: usize,
    ) -> Option<Self> {
        let payload = n.checked_sub(usize::from(punctured) + usize::from(shortened))?;
        let fits = payload > 0 && payload <= set_bits - start;
        fits.then_some(Self { start, payload, punctured, shortened, qber_ppm, steps, revealed: 0 })
    }

    /// The next block by the planner, with its plan.
    pub(super) fn plan(
        setup: &Setup<'_>,
        correction: Correction,
        planner: &dyn Planner,
        qber: f64,
        start: usize,
        set_bits: usize,
    ) -> Result<(Self, Plan), Abort> {
        // As Bob will read it.
        let qber_ppm = to_ppm(Some(qber));
        let plan = planner.plan(from_ppm(qber_ppm), set_bits - start)?;
        let size = (plan.punctured, plan.shortened);
        let steps = match correction {
            Correction::OneWay => 0,
            Correction::BlindUnder(_) => steps(&plan).count() as u8,
        };
        let shape = Self::new(setup.code.n(), size, (qber_ppm, steps), start, set_bits)
            .ok_or(Abort::Host("plan: expected a payload of at most what is left of the set"))?;
        Ok((shape, plan))
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
        let (p, s) = (usize::from(self.punctured), usize::from(self.shortened));
        setup.order.pattern(p, s, punctured, shortened)?;
        let prefix = setup.order.puncture();
        for &position in prefix.get(p - usize::from(self.revealed)..p).unwrap_or_default() {
            bits::set(punctured, position.into(), false);
            bits::set(shortened, position.into(), true);
        }
        Ok(Pattern::from_masks(setup.code.n(), punctured, shortened)?)
    }

    /// Marks the `count` positions that are revealed next: the last that are still punctured.
    pub(super) fn mark_next(&self, setup: &Setup<'_>, count: u16, mask: &mut [u64]) {
        mask.fill(0);
        let end = usize::from(self.punctured - self.revealed);
        let next = setup.order.puncture().get(end.saturating_sub(count.into())..end);
        next.unwrap_or_default().iter().for_each(|&position| bits::set(mask, position.into(), true));
    }
}

/// How many positions of a block are revealed after its first, second, ... failure: padding alone, as far as there is
/// any.
pub(super) fn steps(plan: &Plan) -> impl Iterator<Item = u16> {
    let mut left = plan.punctured;
    plan.steps().iter().map_while(move |&step| {
        let step = step.min(left);
        left -= step;
        (step > 0).then_some(step)
    })
}

/// Words for the padding of one block.
pub(super) const fn padding_words(setup: &Setup<'_>) -> usize {
    bits::words_for(setup.order.puncture().len())
}

/// What a fresh syndrome of `pattern` discloses.
pub(super) fn disclosure(setup: &Setup<'_>, pattern: &Pattern<'_>) -> Disclosure {
    let rank = setup.masking.rank;
    let exact = rank.saturating_sub(setup.masking.masked(pattern.punctured())).min(pattern.payload());
    Disclosure::Syndrome { bits: setup.code.m() as u64, exact: exact as u64 }
}

/// What revealing the next `count` positions of `shape` discloses.
pub(super) fn reveal_disclosure(
    setup: &Setup<'_>,
    shape: Shape,
    count: u16,
    [punctured, shortened]: [&mut [u64]; 2],
) -> Result<Disclosure, Abort> {
    let rank = setup.masking.rank;
    let mut leak = |revealed: u16| -> Result<usize, Abort> {
        let pattern = Shape { revealed, ..shape }.pattern(setup, punctured, shortened)?;
        Ok(rank.saturating_sub(setup.masking.masked(pattern.punctured())).min(pattern.payload()))
    };
    let exact = leak(shape.revealed + count)? - leak(shape.revealed)?;
    Ok(Disclosure::Reveal { padding: count.into(), payload: 0, exact: exact as u64 })
}

/// Tag of a set.
pub(super) const TAG: Disclosure = Disclosure::Tag { bits: TAG_BITS as u64 };

/// What there will be of either set, found out before any of it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survey {
    /// Blocks.
    pub(super) blocks: u32,
    /// Charged for their syndromes and the tag. Reveals come on top.
    pub(super) leak: LeakBits,
}

/// The survey of sets of `set_bits` bits.
pub(super) fn survey(
    setup: &Setup<'_>,
    terms: &Terms<'_>,
    planner: &dyn Planner,
    qber: f64,
    set_bits: usize,
    [punctured, shortened]: [&mut [u64]; 2],
) -> Result<Survey, Abort> {
    let mut ledger = Ledger::new(terms.policy, LeakBits(u64::MAX));
    let (mut at, mut blocks) = (0, 0);
    while at < set_bits {
        let (shape, _) = Shape::plan(setup, terms.correction, planner, qber, at, set_bits)?;
        let pattern = shape.pattern(setup, punctured, shortened)?;
        let (charged, _unused) = ledger.charge(disclosure(setup, &pattern))?;
        (ledger, at, blocks) = (charged, shape.end(), blocks + 1);
    }
    let (ledger, _unused) = ledger.charge(TAG)?;
    Ok(Survey { blocks, leak: ledger.close().total() })
}
