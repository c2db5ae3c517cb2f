//! A machine in the caller's memory, whichever party's: one event in, one effect out.

use caligo_core::bits::words_for;
use caligo_core::leakage::Policy;
use caligo_core::reconcile::{Abort, Event, Instant, Machine, Masking, Setup};
use caligo_core::wire::MAX_FRAME;

use crate::codec::{CALIGO_FRAME_WORDS, CODE, ORDER};
use crate::effect::{CALIGO_EFFECT_DONE, CaligoEffect, CaligoLedger, effect_of};
use crate::memory::slice_mut;
use crate::status::CaligoStatus;

pub(crate) const fn setup(timeout_us: u64) -> Setup<'static> {
    Setup { code: CODE, order: ORDER, masking: Masking { rank: 2048, independent: None }, timeout_us }
}

/// Words of scratch for tags.
pub(crate) fn scratch_words(key_bits: u32, window: u16) -> usize {
    // A sample is looked at in the same scratch.
    words_for(key_bits as usize).min((CALIGO_FRAME_WORDS * usize::from(window / 2)).max(512))
}

/// A machine in the caller's memory.
pub(crate) struct Host<M> {
    size: usize,
    pub(crate) memory: *mut u8,
    pub(crate) machine: Option<M>,
    pub(crate) policy: Policy,
    /// What is known of the disclosures once the machine is gone.
    pub(crate) ledger: CaligoLedger,
}

impl<M: Machine> Host<M> {
    pub(crate) fn new(size: usize, memory: *mut u8, machine: M, policy: Policy) -> Self {
        Self { size, memory, machine: Some(machine), policy, ledger: CaligoLedger::default() }
    }

    pub(crate) fn deadline(&self) -> u64 {
        self.machine.as_ref().map_or(u64::MAX, |machine| machine.deadline().0)
    }

    /// Lets the machine go. Gives its memory back.
    pub(crate) fn close(&mut self) -> (*mut u8, usize) {
        self.machine = None;
        (self.memory, self.size)
    }

    /// One event. Gives the effect.
    ///
    /// # Safety
    /// As those of the functions below.
    pub(crate) unsafe fn on(
        &mut self,
        now_us: u64,
        event: Event<'_>,
        out: *mut u8,
        out_length: usize,
        effect: *mut CaligoEffect,
    ) -> CaligoStatus {
        // SAFETY: the caller's.
        let (Some(out), Some(effect)) = (unsafe { slice_mut(out, out_length) }, unsafe { effect.as_mut() })
        else {
            return CaligoStatus::Null;
        };
        if out.len() < MAX_FRAME {
            return CaligoStatus::Length;
        }
        let Some(machine) = self.machine.take() else { return CaligoStatus::State };
        let before = machine.disclosed();
        let (machine, found) = effect_of(machine.on(Instant(now_us), event, out));
        self.ledger = match &machine {
            Some(machine) => CaligoLedger::new(&machine.disclosed(), self.policy),
            // After the end the effect has it; an abort leaves what was disclosed before.
            None if found.kind == CALIGO_EFFECT_DONE => found.ledger,
            None => CaligoLedger { charged: found.ledger.charged, ..CaligoLedger::new(&before, self.policy) },
        };
        self.machine = machine;
        *effect = found;
        CaligoStatus::Ok
    }
}

/// What a refused beginning means.
pub(crate) const fn status_of(abort: Abort) -> CaligoStatus {
    match abort {
        Abort::Rate(_) => CaligoStatus::Rate,
        _ => CaligoStatus::Range,
    }
}
