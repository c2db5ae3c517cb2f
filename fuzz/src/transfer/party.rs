//! One machine of a transfer with its host: events in, frames and jobs out.

use caligo_core::ot::{Aborted, Effect, Event, Instant, Machine, Step};
use caligo_core::wire::{self, MAX_FRAME};

use crate::ground::Random;

/// One machine with its host.
pub(super) struct Party<M: Machine> {
    pub(super) machine: Option<M>,
    pub(super) end: Option<Result<M::Done, Aborted>>,
    pub(super) sent: Vec<Vec<u8>>,
    /// How many of them the peer was given or has lost.
    pub(super) passed: usize,
    /// Frames it accepted: the sequence number it expects next.
    pub(super) accepted: u32,
    random: Random,
    /// Jobs not answered.
    pub(super) jobs: Vec<usize>,
    /// By how much the host's next answer is longer, or shorter, than it should be.
    pub(super) lie: Option<i8>,
    out: Vec<u8>,
}

impl<M: Machine> Party<M> {
    pub(super) fn new(machine: M, random: Random) -> Self {
        Self {
            machine: Some(machine),
            end: None,
            sent: Vec::new(),
            passed: 0,
            accepted: 0,
            random,
            jobs: Vec::new(),
            lie: None,
            out: vec![0; MAX_FRAME],
        }
    }

    /// Gives an event and answers effects until the machine is idle or at its end.
    pub(super) fn give(&mut self, now: u64, event: Event<'_>) {
        let (mut first, mut entropy): (_, Option<Vec<u64>>) = (Some(event), None);
        while let Some(machine) = self.machine.take() {
            let event = match (first.take(), &entropy) {
                (Some(event), _) => event,
                (None, Some(words)) => Event::Entropy(words),
                (None, None) => Event::Poll,
            };
            let received = matches!(event, Event::Received(_));
            let (machine, effect) = match machine.on(Instant(now), event, &mut self.out) {
                Step::Next(machine, effect) => (machine, effect),
                Step::Done(done) => {
                    self.end = Some(Ok(done));
                    return;
                }
                Step::Abort(aborted) => {
                    self.note(aborted.send);
                    self.end = Some(Err(aborted));
                    return;
                }
            };
            self.machine = Some(machine);
            self.accepted += u32::from(received);
            entropy = None;
            match effect {
                Effect::Idle => return,
                Effect::Send(length) => {
                    assert!(length > 0, "an empty frame");
                    self.note(length);
                }
                Effect::Entropy(words) => {
                    assert!(words > 0, "no entropy asked for");
                    let words = words.saturating_add_signed(self.lie.take().unwrap_or(0).into());
                    entropy = Some((0..words).map(|_| self.random.word()).collect());
                }
                Effect::Decode(block) => {
                    assert!(!self.jobs.contains(&block), "one job at a time");
                    self.jobs.push(block);
                }
            }
        }
    }

    fn note(&mut self, length: usize) {
        if length > 0 {
            let frame = self.out[..length].to_vec();
            let sequence = self.sent.len() as u32;
            assert!(wire::decode(&frame, sequence).is_ok(), "a frame of its own is refused");
            self.sent.push(frame);
        }
    }

    pub(super) fn waiting(&self) -> Option<&Vec<u8>> {
        self.sent.get(self.passed)
    }
}
