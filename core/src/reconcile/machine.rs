//! What both machines have in common, for hosts that serve either.

use super::{Alice, Bob, Event, Instant, Job, Step};
use crate::leakage::{Disclosed, LeakBits};

/// Either machine.
pub trait Machine: Sized {
    /// See [`Alice::on`], [`Bob::on`].
    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self>;
    /// When the peer's time is up.
    fn deadline(&self) -> Instant;
    /// See [`Alice::spent`], [`Bob::spent`].
    fn spent(&self) -> LeakBits;
    /// See [`Alice::disclosed`], [`Bob::disclosed`].
    fn disclosed(&self) -> Disclosed;
    /// A slot's decoding job.
    fn job(&mut self, slot: usize) -> Option<Job<'_>>;
}

impl Machine for Alice<'_> {
    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self> {
        Alice::on(self, now, event, out)
    }

    fn deadline(&self) -> Instant {
        Alice::deadline(self)
    }

    fn spent(&self) -> LeakBits {
        Alice::spent(self)
    }

    fn disclosed(&self) -> Disclosed {
        Alice::disclosed(self)
    }

    fn job(&mut self, _slot: usize) -> Option<Job<'_>> {
        None
    }
}

impl Machine for Bob<'_> {
    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self> {
        Bob::on(self, now, event, out)
    }

    fn deadline(&self) -> Instant {
        Bob::deadline(self)
    }

    fn spent(&self) -> LeakBits {
        Bob::spent(self)
    }

    fn disclosed(&self) -> Disclosed {
        Bob::disclosed(self)
    }

    fn job(&mut self, slot: usize) -> Option<Job<'_>> {
        Bob::job(self, slot)
    }
}
