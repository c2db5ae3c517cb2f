//! What both machines have in common, for hosts that serve either.

use super::{Alice, AliceDone, Bob, BobDone, Event, Instant, Job, Step};

/// Either machine.
pub trait Machine: Sized {
    /// What it ends with.
    type Done;

    /// See [`Alice::on`], [`Bob::on`].
    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, Self::Done>;
    /// When to poll at the latest, if there is such a moment.
    fn deadline(&self) -> Option<Instant>;
    /// A block's decoding job. Alice has none.
    fn job(&mut self, block: usize) -> Option<Job<'_>>;
    /// Bytes of `out` still to be sent at its end, once what it came to is stored.
    fn last_word(_done: &Self::Done) -> usize {
        0
    }
    /// Whether the peer waits for decisions. See [`Bob::owes`].
    fn owes(&self) -> bool {
        false
    }
}

impl Machine for Alice<'_> {
    type Done = AliceDone;

    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, AliceDone> {
        Alice::on(self, now, event, out)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(Alice::deadline(self))
    }

    fn job(&mut self, _block: usize) -> Option<Job<'_>> {
        None
    }
}

impl Machine for Bob<'_> {
    type Done = BobDone;

    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, BobDone> {
        Bob::on(self, now, event, out)
    }

    fn deadline(&self) -> Option<Instant> {
        Bob::deadline(self)
    }

    fn job(&mut self, block: usize) -> Option<Job<'_>> {
        Bob::job(self, block)
    }

    fn owes(&self) -> bool {
        Bob::owes(self)
    }
}
