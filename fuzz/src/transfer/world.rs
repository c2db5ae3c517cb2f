//! Both machines of a transfer and what lies between them. A program of events in; a panic out if a machine does what it
//! must not.

use caligo_core::bits::{self, words_for};
use caligo_core::decode::Outcome;
use caligo_core::leakage::{LeakBits, Receipt};
use caligo_core::ot::{Abort, Alice, AliceDone, Bob, Event};
use caligo_core::verify::TAG_BITS;
use caligo_core::wire::{self, Disclosing, HEADER, Kind, Message, Plain, VERSION};

use super::party::Party;
use super::{BLOCKS, DELTA_T_US, flip};
use crate::ground::{M, N, TIMEOUT_US};
use crate::program::Program;

/// Words of a frame.
const WORDS: usize = words_for(N);
/// Events of a program at most, so that one run stays short.
const MAX_EVENTS: usize = 200;

/// What was done to the transfer.
#[derive(Clone, Copy, Default)]
pub(super) struct Touched {
    /// A party was given something other than the peer's frames in order, or time passed, or a host erred.
    any: bool,
    /// Bob was given a tag or a seed that Alice did not send.
    pub(super) forged: bool,
    /// A decision was not the one of a perfect decoder.
    misled: bool,
}

pub(super) struct World<'a> {
    pub(super) alice: Party<Alice<'a>>,
    pub(super) bob: Party<Bob<'a>>,
    pub(super) touched: Touched,
    pub(super) now: u64,
    pub(super) choice: bool,
    pub(super) rounds: usize,
    /// Alice's bits, by round.
    pub(super) hers: &'a [u64],
    /// Alice's budget.
    pub(super) cap: u64,
    /// Frames looked at, of either party.
    pub(super) seen: [usize; 2],
    /// Bits of Bob's sets told.
    pub(super) told: usize,
    /// Syndromes and bits of tags that Alice sent, of either set.
    pub(super) shown: [usize; 2],
    pub(super) tags: [usize; 2],
    /// How often Delta t may still pass with nobody's time up.
    pub(super) waits: u8,
}

fn kind_of(frame: &[u8]) -> u8 {
    frame.get(1).copied().unwrap_or(0)
}

fn message(frame: &[u8], sequence: usize) -> Option<Message<'_>> {
    wire::decode(frame, sequence as u32).ok()
}

impl World<'_> {
    pub(super) fn run(&mut self, p: &mut Program<'_>) {
        self.alice.give(0, Event::Poll);
        self.bob.give(0, Event::Poll);
        for _ in 0..MAX_EVENTS {
            if p.is_over() {
                break;
            }
            self.event(p);
            self.look();
        }
        self.finish();
    }

    fn event(&mut self, p: &mut Program<'_>) {
        let code = p.byte();
        let to_bob = code & 0x80 == 0;
        match code & 0x7f {
            0 => self.pass(to_bob),
            1 => self.talk(),
            2 => self.decide(p, |_, _| true),
            3 => self.decide(p, |decision, p| {
                (0..=p.below(4)).for_each(|_| flip(decision, p.below(N)));
                true
            }),
            4 => self.decide(p, |_, _| false),
            5 => {
                let (kind, length) = (p.byte(), p.below(300));
                let body = p.bytes(length).to_vec();
                self.forge(to_bob, kind, &body);
            }
            // The next frame, or one of those before, changed in one place or not.
            code @ (6 | 7) => {
                let (sent, passed) = self.lane(to_bob);
                let at = if code == 6 { passed } else { p.byte().into() };
                let Some(frame) = sent.get(at) else { return };
                let (kind, mut body) = (kind_of(frame), frame[HEADER..].to_vec());
                let (place, value) = (p.below(300), p.byte());
                if let Some(byte) = body.get_mut(place) {
                    *byte ^= value;
                }
                if code == 6 {
                    self.skip(to_bob);
                }
                self.forge(to_bob, kind, &body);
            }
            8 => {
                self.touched.any = true;
                self.skip(to_bob);
            }
            9 => {
                let length = p.below(64);
                let frame = p.bytes(length).to_vec();
                self.touched.any = true;
                self.receive(to_bob, &frame);
            }
            10 => {
                self.touched.any = true;
                let lie = Some(p.byte().cast_signed());
                if to_bob { self.bob.lie = lie } else { self.alice.lie = lie }
            }
            11 => self.stray(to_bob, p),
            12 => {
                // Less than a machine waits, or more.
                self.now += u64::from(p.byte()) * TIMEOUT_US / 200;
                self.touched.any = true;
                self.poll();
            }
            13 if self.waits > 0 => {
                self.waits -= 1;
                self.now += DELTA_T_US;
                self.poll();
            }
            _ => {}
        }
    }

    /// Event that no effect asked for.
    fn stray(&mut self, to_bob: bool, p: &mut Program<'_>) {
        self.touched.any = true;
        let words: Vec<u64> = (0..p.below(40)).map(|_| u64::from(p.byte()) * 0x0101_0101_0101_0101).collect();
        let outcome = Outcome { converged: p.byte() & 1 == 0, iterations: 1, unsatisfied: 0 };
        let block = p.below(BLOCKS + 1);
        let event = match p.below(4) {
            0 => Event::Cancel,
            1 => Event::Entropy(&words),
            _ => Event::Decoded { block, outcome, decision: &words },
        };
        if to_bob {
            self.touched.misled |= matches!(event, Event::Decoded { .. });
            self.bob.jobs.retain(|&job| job != block);
            self.bob.give(self.now, event);
        } else {
            self.alice.give(self.now, event);
        }
    }

    fn poll(&mut self) {
        self.alice.give(self.now, Event::Poll);
        self.bob.give(self.now, Event::Poll);
    }

    fn lane(&self, to_bob: bool) -> (&[Vec<u8>], usize) {
        if to_bob { (&self.alice.sent, self.alice.passed) } else { (&self.bob.sent, self.bob.passed) }
    }

    fn skip(&mut self, to_bob: bool) {
        let (sent, passed) = self.lane(to_bob);
        let next = (passed + 1).min(sent.len());
        if to_bob { self.alice.passed = next } else { self.bob.passed = next }
    }

    /// The next genuine frame.
    fn pass(&mut self, to_bob: bool) {
        let waiting = if to_bob { self.alice.waiting() } else { self.bob.waiting() };
        let Some(mut frame) = waiting.cloned() else { return };
        self.skip(to_bob);
        self.number(to_bob, &mut frame);
        self.receive(to_bob, &frame);
    }

    /// All genuine frames, both ways, until there are none.
    fn talk(&mut self) {
        while self.alice.waiting().is_some() || self.bob.waiting().is_some() {
            self.pass(true);
            self.pass(false);
            self.look();
        }
    }

    /// A frame of the fuzzer's own, with the sequence number that is due.
    fn forge(&mut self, to_bob: bool, kind: u8, body: &[u8]) {
        self.touched.any = true;
        let sent = |frame: &Vec<u8>| kind_of(frame) == kind && frame[HEADER..] == *body;
        let binds = kind == Kind::Verify as u8 || kind == Kind::ToeplitzSeed as u8;
        self.touched.forged |= to_bob && binds && !self.alice.sent.iter().any(sent);
        let mut frame = vec![VERSION, kind, 0, 0, 0, 0, 0, 0];
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        self.number(to_bob, &mut frame);
        self.receive(to_bob, &frame);
    }

    fn number(&self, to_bob: bool, frame: &mut [u8]) {
        let number = if to_bob { self.bob.accepted } else { self.alice.accepted };
        frame[4..8].copy_from_slice(&number.to_be_bytes());
    }

    fn receive(&mut self, to_bob: bool, frame: &[u8]) {
        let event = Event::Received(frame);
        if to_bob { self.bob.give(self.now, event) } else { self.alice.give(self.now, event) }
    }

    /// Bits of Alice's in Bob's set `which`, as his frames divide the rounds.
    fn set(&self, which: bool) -> Vec<u64> {
        let mut mask = vec![0; words_for(self.rounds)];
        for (i, frame) in self.bob.sent.iter().enumerate() {
            if let Some(Message::Plain(Plain::IndexLists(span))) = message(frame, i)
                && span.part == u8::from(which)
            {
                for at in (0..span.bits.len()).filter(|&at| span.bits.get(at)) {
                    bits::set(&mut mask, span.offset as usize + at, true);
                }
            }
        }
        let mut set = vec![0; mask.len()];
        for (to, from) in bits::ones(&mask).enumerate() {
            bits::set(&mut set, to, bits::get(self.hers, from));
        }
        set
    }

    /// Answers a job as a perfect decoder would, unless `change` does something to it. Whether it converged.
    fn decide(&mut self, p: &mut Program<'_>, change: impl FnOnce(&mut [u64], &mut Program<'_>) -> bool) {
        if self.bob.jobs.is_empty() {
            return;
        }
        let block = self.bob.jobs.swap_remove(p.below(self.bob.jobs.len()));
        let set = self.set(self.choice);
        let Some(job) = self.bob.machine.as_mut().and_then(|bob| bob.job(block)) else { return };
        assert!(job.pattern.payload() > 0 && job.syndrome.len() == words_for(M));
        // Blocks have the sizes that Alice told, one after the other.
        let sizes = self.alice.sent.iter().enumerate().filter_map(|(i, frame)| match message(frame, i) {
            Some(Message::Disclosing(Disclosing::Syndrome(s))) if s.block % 2 == 0 => {
                Some(N - usize::from(s.punctured) - usize::from(s.shortened))
            }
            _ => None,
        });
        let start: usize = sizes.take(block).sum();
        let payload = job.pattern.payload();
        let mut truth = vec![0; words_for(payload)];
        if start + payload <= self.rounds {
            bits::copy(&set, start, &mut truth, 0, payload);
        }
        let padding = vec![0; words_for(job.pattern.p())];
        let mut decision = [0; WORDS];
        job.pattern.scatter(&truth, &padding, &mut decision).expect("lengths follow from the pattern");
        let converged = change(&mut decision, p);
        let mut decided = vec![0; words_for(payload)];
        job.pattern.gather(&decision, &mut decided).expect("lengths follow from the pattern");
        self.touched.misled |= !converged || decided != truth;
        let outcome = Outcome { converged, iterations: 1, unsatisfied: u32::from(!converged) };
        self.bob.give(self.now, Event::Decoded { block, outcome, decision: &decision });
    }

    /// What must hold after every event.
    fn look(&mut self) {
        for (i, frame) in self.bob.sent.iter().enumerate().skip(self.seen[1]) {
            assert!(self.told < 2 * self.rounds, "Bob spoke after his sets");
            if let Some(Message::Plain(Plain::IndexLists(span))) = message(frame, i) {
                self.told += span.bits.len();
            }
        }
        for (i, frame) in self.alice.sent.iter().enumerate().skip(self.seen[0]) {
            match message(frame, i) {
                Some(Message::Disclosing(Disclosing::Syndrome(s))) => self.shown[(s.block % 2) as usize] += 1,
                Some(Message::Disclosing(Disclosing::Verify(t))) => {
                    self.tags[t.from as usize % 2] += TAG_BITS;
                }
                _ => {}
            }
        }
        self.seen = [self.alice.sent.len(), self.bob.sent.len()];
        let spent = match (&self.alice.machine, &self.alice.end) {
            (Some(machine), _) => machine.spent(),
            (None, Some(Ok(done))) => done.amplified.reconciled.receipts.each_ref().map(Receipt::total),
            (None, Some(Err(aborted))) => aborted.spent,
            (None, None) => [LeakBits(0); 2],
        };
        for ((spent, shown), tags) in spent.iter().zip(self.shown).zip(self.tags) {
            let charged = spent.0 as usize;
            assert!(
                charged >= tags + shown.min(1) && charged <= tags + shown * M,
                "{charged} bits for {shown} syndromes"
            );
            assert!(spent.0 <= self.cap, "{charged} bits charged beyond the budget");
        }
    }

    /// A transfer left alone is brought to its end by a perfect decoder, and must come there.
    fn finish(&mut self) {
        if self.touched.any {
            return;
        }
        for _ in 0..4 {
            self.talk();
            self.now += DELTA_T_US;
            self.poll();
        }
        while !self.bob.jobs.is_empty() {
            self.decide(&mut Program(&[]), |_, _| true);
        }
        self.look();
        let (Some(alice), Some(bob)) = (&self.alice.end, &self.bob.end) else { panic!("no end") };
        let fair = |reason: &Abort| {
            matches!(
                reason,
                Abort::Count(_)
                    | Abort::EntropyDepleted(_)
                    | Abort::QberThreshold(_)
                    | Abort::Budget(_)
                    | Abort::Peer(_)
                    | Abort::Contradiction("blocks: expected no more than there is memory for")
            )
        };
        match (alice, bob) {
            (Ok(AliceDone { amplified }), Ok(bob)) => {
                assert_eq!(bob.length, amplified.length);
                assert_eq!(bob.believes(), !self.touched.misled, "{:?}", bob.failure);
            }
            (alice, bob) => {
                for reason in [alice.as_ref().err(), bob.as_ref().err()].into_iter().flatten() {
                    assert!(fair(&reason.reason), "{reason:?}");
                }
            }
        }
    }
}
