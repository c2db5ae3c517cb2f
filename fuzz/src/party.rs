//! One machine and what must hold of it after every event: events in, effects out, and a panic if it does not.

use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::reconcile::{Abort, Effect, Event, Instant, Machine, Released, Step};
use caligo_core::verify::TAG_BITS;
use caligo_core::wire::{self, Disclosing, Hello, MAX_FRAME, Message};

use crate::ground::{M, N};

/// How a machine ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// Done: blocks, bits charged.
    Done(u32, LeakBits),
    /// Aborted.
    Aborted(Abort),
}

/// What a machine's frames showed, counted from the frames.
#[derive(Clone, Copy, Debug, Default)]
struct Shown {
    blocks: usize,
    payload: usize,
    revealed: usize,
    tags: usize,
}

impl Shown {
    fn add(&mut self, message: &Message<'_>) {
        match message {
            Message::Disclosing(Disclosing::Syndrome(s) | Disclosing::BlindInit(s)) => {
                self.blocks += 1;
                self.payload += N - usize::from(s.punctured) - usize::from(s.shortened);
            }
            Message::Disclosing(Disclosing::BlindReveal(r) | Disclosing::SymmetricReveal(r)) => {
                self.revealed += r.values.len();
            }
            Message::Disclosing(Disclosing::Verify(_)) => self.tags += 1,
            _ => {}
        }
    }

    /// Least and most bits that `policy` may charge for it.
    fn bounds(&self, policy: Policy) -> (usize, usize) {
        let (tags, syndromes) = (TAG_BITS * self.tags, M * self.blocks);
        match policy {
            Policy::Exact => (tags, tags + self.payload.min(syndromes + self.revealed)),
            _ => (tags + syndromes, tags + syndromes + self.revealed),
        }
    }
}

/// One machine.
pub struct Party<M> {
    /// The machine, until it ends.
    pub machine: Option<M>,
    /// How it ended.
    pub end: Option<End>,
    /// Frames it sent.
    pub sent: Vec<Vec<u8>>,
    /// How many of them the peer was given or has lost.
    pub passed: usize,
    /// Frames it accepted: the sequence number it expects next.
    pub accepted: u32,
    /// Blocks it released.
    pub released: Vec<Released>,
    hello: Hello,
    spent: LeakBits,
    shown: Shown,
    out: Vec<u8>,
}

impl<M: Machine> Party<M> {
    /// `machine`, for the session that `hello` proposes.
    pub fn new(machine: M, hello: Hello) -> Self {
        Self {
            machine: Some(machine),
            end: None,
            sent: Vec::new(),
            passed: 0,
            accepted: 0,
            released: Vec::new(),
            hello,
            spent: LeakBits(0),
            shown: Shown::default(),
            out: vec![0; MAX_FRAME],
        }
    }

    /// Frames sent that the peer has not seen.
    pub fn waiting(&self) -> &[Vec<u8>] {
        &self.sent[self.passed..]
    }

    /// One event, one step; `None` if it is over.
    pub fn give(&mut self, now: Instant, event: Event<'_>) -> Option<Effect> {
        let machine = self.machine.take()?;
        let late = matches!(event, Event::Poll) && now >= machine.deadline();
        let received = matches!(event, Event::Received(_));
        match machine.on(now, event, &mut self.out) {
            Step::Next(machine, effect) => {
                assert!(!late, "polled past the deadline, and goes on");
                self.accepted += u32::from(received);
                self.charged(machine.spent());
                self.machine = Some(machine);
                self.note(effect);
                let (least, most) = self.shown.bounds(self.hello.policy);
                let spent = self.spent.0 as usize;
                let shows = self.shown.blocks + self.shown.tags > 0;
                assert!(
                    !shows || (least..=most).contains(&spent),
                    "{spent} bits charged for {:?}",
                    self.shown
                );
                Some(effect)
            }
            Step::Done(finished) => {
                assert!(received || finished.send > 0, "done out of nothing");
                self.charged(finished.receipt.total());
                assert_eq!(finished.blocks as usize, self.released.len());
                let end = self.released.last().map(|block| block.start + block.payload);
                assert!(
                    end.is_none_or(|end| end == self.hello.key_bits as usize),
                    "done, but not with all of the key"
                );
                self.end = Some(End::Done(finished.blocks, finished.receipt.total()));
                self.push(finished.send);
                None
            }
            Step::Abort(aborted) => {
                let reason = aborted.reason;
                assert_eq!(late, reason == Abort::Timeout);
                let broken = ["slots: changed from outside", "ledger: gone", "words: too few"];
                assert!(!matches!(reason, Abort::Host(what) if broken.contains(&what)), "{reason}");
                self.charged(aborted.spent);
                self.end = Some(End::Aborted(reason));
                assert_eq!(aborted.send == 0, matches!(reason, Abort::Peer(_)));
                self.push(aborted.send);
                None
            }
        }
    }

    fn charged(&mut self, spent: LeakBits) {
        assert!(spent >= self.spent, "charges were taken back");
        assert!(spent.0 <= self.hello.cap, "{} bits of {} charged", spent.0, self.hello.cap);
        self.spent = spent;
    }

    fn note(&mut self, effect: Effect) {
        match effect {
            Effect::Send(length) => self.push(length),
            Effect::Released(block) => {
                let before = self.released.last();
                assert_eq!(block.block as usize, self.released.len());
                assert!(before.is_none_or(|before| block.start == before.start + before.payload));
                assert!(block.payload > 0 && block.start + block.payload <= self.hello.key_bits as usize);
                assert!(block.errors as usize <= block.payload && block.rounds > 0);
                self.released.push(block);
            }
            _ => {}
        }
    }

    /// What is sent is well formed and numbered.
    fn push(&mut self, length: usize) {
        if length > 0 {
            let frame = self.out[..length].to_vec();
            match wire::decode(&frame, self.sent.len() as u32) {
                Ok(message) => self.shown.add(&message),
                Err(error) => panic!("sent what the peer refuses: {error}"),
            }
            self.sent.push(frame);
        }
    }
}
