//! One block's frame, as either party holds it: what is punctured, what is known, and what is revealed next.
//!
//! In: a plan's (p, s), key bits, disclosures. Out: a syndrome, values to reveal, a decoding job. The state
//! machine of a block is [`State`]; who sends what follows from it in [`super::Alice`] and [`super::Bob`].

use super::plan::Plan;
use super::{Abort, Failure, Masking, Released, Setup};
use crate::bits;
use crate::leakage::Disclosure;
use crate::puncture::Order;
use crate::wire::{Bits, MAX_POSITIONS};

/// Where a block stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The slot is free.
    #[default]
    Free,
    /// Alice: a disclosure is to be sent. Bob: a job is to be given to the decoder.
    Due,
    /// Alice: waiting for Bob's response. Bob: the decoder works.
    Waiting,
    /// Bob: the response is to be sent.
    Answer,
    /// Bob: waiting for a reveal, after he has said that he needs one.
    Needing,
    /// Alice: the block is to be given up. Then `Failed`.
    GivingUp,
    /// Decoded, to be verified.
    Closed,
    /// Left out.
    Failed(Failure),
}

/// One block's counters. Its bits are in the words beside it, see `Frame`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Slot {
    pub(super) state: State,
    pub(super) block: u32,
    pub(super) start: usize,
    pub(super) payload: usize,
    pub(super) plan: Plan,
    pub(super) rounds: u32,
    pub(super) revealed: u32,
    pub(super) payload_revealed: usize,
    pub(super) errors: u32,
    pub(super) iterations: u32,
    /// Iterations since the last response.
    pub(super) recent: u16,
    /// Bob: the decoder converged in the last round.
    pub(super) converged: bool,
    /// It converged before, to a wrong string.
    pub(super) wrong: bool,
    /// Reveals so far.
    pub(super) reveals: u8,
    /// Alice: the next reveal is what Bob asked for, not what the order says.
    pub(super) by_request: bool,
}

impl Slot {
    /// The block as it ended.
    pub(super) fn released(&self) -> Released {
        Released {
            block: self.block,
            start: self.start,
            payload: self.payload,
            failure: if let State::Failed(failure) = self.state { Some(failure) } else { None },
            caught: self.wrong,
            errors: self.errors,
            rounds: self.rounds,
            revealed: self.revealed,
            iterations: self.iterations,
            qber: self.plan.qber,
            punctured: self.plan.punctured.into(),
            shortened: self.plan.shortened.into(),
        }
    }

    /// How many positions the plan reveals next; 0 if no more.
    pub(super) fn next_step(&self) -> usize {
        self.plan.steps().get(usize::from(self.reveals)).copied().unwrap_or(0).into()
    }

    /// How many positions Bob names after a failure, for a code of `m` checks: as the plan says, or, where no
    /// error rate is known, the same share of all that has leaked.
    pub(super) fn request(&self, m: usize) -> usize {
        let request = usize::from(self.plan.request);
        if self.plan.qber.is_some() {
            return request;
        }
        let leaked = m.saturating_sub(self.plan.punctured.into()).max(1);
        (request + request * self.revealed as usize / leaked).min(MAX_POSITIONS)
    }

    /// How it fails when nothing more is revealed.
    pub(super) const fn failure(&self) -> Failure {
        if self.wrong { Failure::Verification } else { Failure::Decoding }
    }
}

/// One block's bits: seven rows of n bits.
pub(super) struct Frame<'s> {
    /// Values: Alice's frame, or what Bob received and knows.
    pub(super) values: &'s mut [u64],
    /// Bob: values as received, for the count of errors.
    pub(super) received: &'s mut [u64],
    /// Positions still punctured.
    pub(super) punctured: &'s mut [u64],
    /// Positions whose value both know.
    pub(super) known: &'s mut [u64],
    /// Positions that carried no payload at first.
    pub(super) taken: &'s mut [u64],
    /// Positions to be revealed next.
    pub(super) wanted: &'s mut [u64],
    /// Alice: scratch. Bob: the syndrome.
    pub(super) syndrome: &'s mut [u64],
    n: usize,
}

/// Rows of a [`Frame`].
pub(super) const ROWS: usize = 7;

/// The frame of slot `slot` in a machine's words.
pub(super) fn frame_of<'s>(words: &'s mut [u64], setup: &Setup<'_>, slot: usize) -> Result<Frame<'s>, Abort> {
    Frame::of(words, setup.code.n(), slot).ok_or(Abort::Host("words: too few"))
}

impl<'s> Frame<'s> {
    /// Slot `slot` of `words`.
    fn of(words: &'s mut [u64], n: usize, slot: usize) -> Option<Self> {
        let row = bits::words_for(n);
        let words = words.get_mut(slot * ROWS * row..(slot + 1) * ROWS * row)?;
        let (values, rest) = words.split_at_mut_checked(row)?;
        let (received, rest) = rest.split_at_mut_checked(row)?;
        let (punctured, rest) = rest.split_at_mut_checked(row)?;
        let (known, rest) = rest.split_at_mut_checked(row)?;
        let (taken, rest) = rest.split_at_mut_checked(row)?;
        let (wanted, syndrome) = rest.split_at_mut_checked(row)?;
        Some(Self { values, received, punctured, known, taken, wanted, syndrome, n })
    }

    /// Lays out a fresh frame: masks from the order, bits of `key` from `start` on, `padding` on the punctured
    /// positions (zeros for who does not know it). Its payload.
    pub(super) fn lay(
        &mut self,
        order: &Order<'_>,
        plan: &Plan,
        key: &[u64],
        start: usize,
        padding: Option<&[u64]>,
    ) -> Result<usize, Abort> {
        let pattern =
            order.pattern(plan.punctured.into(), plan.shortened.into(), self.punctured, self.known)?;
        let payload = pattern.payload();
        let p = bits::words_for(pattern.p());
        let scratch = self.wanted.get_mut(..bits::words_for(payload)).zip(self.syndrome.get_mut(..p));
        let (scratch, none) = scratch.ok_or(Abort::Host("words: too few"))?;
        scratch.fill(0);
        bits::copy(key, start, scratch, 0, payload);
        none.fill(0);
        pattern.scatter(scratch, padding.unwrap_or(none), self.values)?;
        for (taken, (p, k)) in self.taken.iter_mut().zip(self.punctured.iter().zip(&*self.known)) {
            *taken = p | k;
        }
        self.received.iter_mut().zip(&*self.values).for_each(|(received, value)| *received = *value);
        self.wanted.fill(0);
        Ok(payload)
    }

    /// Overwrites what was secret.
    pub(super) fn wipe(&mut self) {
        self.values.fill(0);
        self.received.fill(0);
        self.wanted.fill(0);
        self.syndrome.fill(0);
    }

    /// Marks the next `count` positions to be revealed: padding in reverse of puncturing, then payload in the
    /// order of shortening. How many there were.
    pub(super) fn want_next(&mut self, order: &Order<'_>, plan: &Plan, count: usize) -> usize {
        self.wanted.fill(0);
        let prefix = order.puncture().get(..plan.punctured.into()).unwrap_or_default();
        let mut marked = 0;
        for &position in prefix.iter().rev().chain(order.shorten()) {
            if marked == count {
                break;
            }
            let position = usize::from(position);
            if !bits::get(self.known, position) && !bits::get(self.wanted, position) {
                bits::set(self.wanted, position, true);
                marked += 1;
            }
        }
        marked
    }

    /// Marks `positions`, which must ascend strictly, lie below `n` and not be known yet.
    pub(super) fn want(&mut self, n: usize, positions: impl Iterator<Item = u16>) -> Result<(), Abort> {
        const REFUSED: Abort =
            Abort::Contradiction("positions: expected ascending ones that are not known yet");
        self.wanted.fill(0);
        let mut next = 0;
        for position in positions.map(usize::from) {
            if position < next || position >= n || bits::get(self.known, position) {
                return Err(REFUSED);
            }
            bits::set(self.wanted, position, true);
            next = position + 1;
        }
        Ok(())
    }

    /// Marks those of `positions` that lie below `n` and are not known yet.
    pub(super) fn want_any(&mut self, n: usize, positions: &[u16]) -> Result<(), Abort> {
        self.wanted.fill(0);
        for position in positions.iter().copied().map(usize::from) {
            if position >= n || bits::get(self.known, position) {
                return Err(Abort::Host("doubts: expected positions that are not known yet"));
            }
            bits::set(self.wanted, position, true);
        }
        Ok(())
    }

    /// Whether some of the payload stays unknown once the wanted positions are revealed.
    pub(super) fn leaves_payload(&self, slot: &Slot) -> bool {
        let wanted = self.wanted.iter().zip(&*self.punctured).map(|(w, p)| (w & !p).count_ones() as usize);
        slot.payload_revealed + wanted.sum::<usize>() < slot.payload
    }

    /// Writes the payload of `decision` to `key` from `start` on; how many of its bits were received wrong.
    pub(super) fn correct(&mut self, decision: &[u64], key: &mut [u64], start: usize) -> u32 {
        let (mut errors, mut at) = (0, start);
        let mut left = self.n;
        for ((taken, received), decision) in self.taken.iter().zip(&*self.received).zip(decision) {
            let used = left.min(bits::WORD_BITS);
            left -= used;
            let payload = !taken & u64::MAX.unbounded_shr((bits::WORD_BITS - used) as u32);
            errors += ((decision ^ received) & payload).count_ones();
            let count = payload.count_ones() as usize;
            bits::copy(&[bits::extract(*decision, payload)], 0, key, at, count);
            at += count;
        }
        errors
    }

    /// Writes the values of the wanted positions, ascending, to the syndrome's row; how many.
    pub(super) fn gather_wanted(&mut self) -> usize {
        self.syndrome.fill(0);
        let mut count = 0;
        for position in bits::ones(self.wanted) {
            bits::set(self.syndrome, count, bits::get(self.values, position));
            count += 1;
        }
        count
    }

    /// Takes the values of the wanted positions.
    pub(super) fn learn(&mut self, values: &Bits<'_>) {
        for (i, position) in bits::ones(self.wanted).enumerate() {
            bits::set(self.values, position, values.get(i));
        }
        self.settle();
    }

    /// The wanted positions are known from now on.
    pub(super) fn settle(&mut self) {
        for ((wanted, known), punctured) in self.wanted.iter().zip(&mut *self.known).zip(&mut *self.punctured)
        {
            *known |= wanted;
            *punctured &= !wanted;
        }
        self.wanted.fill(0);
    }

    /// What the syndrome of a fresh frame discloses.
    pub(super) fn syndrome_disclosure(&self, masking: &Masking<'_>, m: usize, payload: usize) -> Disclosure {
        let exact = (masking.rank - masking.masked(self.punctured).min(masking.rank)).min(payload);
        Disclosure::Syndrome { bits: m as u64, exact: exact as u64 }
    }

    /// What revealing the wanted positions discloses, and how many of them are payload.
    pub(super) fn reveal_disclosure(&mut self, masking: &Masking<'_>, slot: &Slot) -> (Disclosure, usize) {
        let wanted = bits::count_ones(self.wanted);
        let before = masking.masked(self.punctured);
        let mut padding = 0;
        for (p, w) in self.punctured.iter_mut().zip(&*self.wanted) {
            padding += (*p & w).count_ones() as usize;
            *p &= !w;
        }
        let after = masking.masked(self.punctured);
        let payload = wanted - padding;
        let leak = |masked: usize, revealed: usize| {
            (masking.rank - masked.min(masking.rank) + revealed).min(slot.payload)
        };
        let exact = leak(after, slot.payload_revealed + payload) - leak(before, slot.payload_revealed);
        let disclosure =
            Disclosure::Reveal { padding: padding as u64, payload: payload as u64, exact: exact as u64 };
        (disclosure, payload)
    }
}
