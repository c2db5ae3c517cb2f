//! Alice, Bob, the channel between them and Bob's decoder, all in the fuzzer's hand. A program of events in; what
//! became of the session out, and a panic if a machine does what it must not.
//!
//! What must hold whatever comes: [`Party`] has what a single machine owes. Two machines that are done and saw
//! nothing but each other's frames agree on everything. A session that was left alone comes to its end.

use caligo_core::bits::{self, words_for};
use caligo_core::decode::{Corrected, Decoder, Doubt, Layout, Outcome, Schedule, Workspace};
use caligo_core::llr::{self, Rates};
use caligo_core::reconcile::{Abort, Alice, Bob, Effect, Event, Instant, Job};
use caligo_core::wire::{HEADER, Kind, MAX_BODY, VERSION};

use crate::ground::{self, N, Random, TIMEOUT_US};
use crate::party::{End, Party};
use crate::program::Program;

/// Words of a frame.
pub const WORDS: usize = words_for(N);
/// Most slots of either party.
pub const SLOTS: usize = 8;
/// Events of a program at most, so that one run stays short.
const MAX_EVENTS: usize = 400;

/// Bob's key as received.
pub struct Input {
    /// Bits.
    pub key: Vec<u64>,
    /// Class of each of them, or empty.
    pub classes: Vec<u8>,
}

/// What was done to the session.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each may happen alone")]
pub struct Touched {
    /// Alice was given something other than Bob's frames in order.
    alice: bool,
    /// Bob was given something other than Alice's frames in order.
    bob: bool,
    /// A tag or parameters that Alice did not send.
    bound: bool,
    /// Bob left out a block.
    abandoned: bool,
    /// A host broke its contract, stopped, or let time pass.
    host: bool,
}

impl Touched {
    /// Whether a tag of Alice's no longer says that Bob's blocks are right: it was forged, or what is left out
    /// (and so where the next block begins) is no longer the same for both.
    pub fn unbound(self, sent: &[Vec<u8>]) -> bool {
        let abandoned = self.abandoned || sent.iter().any(|frame| kind_of(frame) == Kind::Abandon as u8);
        self.bound || self.bob && abandoned
    }

    const fn any(self) -> bool {
        self.alice || self.bob || self.host
    }
}

/// Both machines and what lies between them.
pub struct World<'a> {
    /// Alice.
    pub alice: Party<Alice<'a>>,
    /// Bob.
    pub bob: Party<Bob<'a>>,
    /// What was done so far.
    pub touched: Touched,
    key: &'a [u64],
    input: &'a Input,
    random: Random,
    now: u64,
    /// First bit of Bob's next block, and its number.
    next_start: usize,
    begun: u32,
    /// By Bob's slots: the decision that a perfect decoder takes.
    truth: [[u64; WORDS]; SLOTS],
    /// Slots with a job not answered.
    jobs: Vec<usize>,
    /// By how much the host's next answer is longer, or shorter, than it should be.
    lie: Option<i8>,
}

#[derive(Clone, Copy, PartialEq)]
enum To {
    Alice,
    Bob,
}

impl<'a> World<'a> {
    /// Both parties before the first event. `key` is Alice's.
    pub fn new(
        alice: Party<Alice<'a>>,
        bob: Party<Bob<'a>>,
        key: &'a [u64],
        input: &'a Input,
        random: Random,
    ) -> Self {
        Self {
            alice,
            bob,
            touched: Touched::default(),
            key,
            input,
            random,
            now: 0,
            next_start: 0,
            begun: 0,
            truth: [[0; WORDS]; SLOTS],
            jobs: Vec::new(),
            lie: None,
        }
    }

    /// Runs `program`.
    pub fn run(&mut self, program: &mut Program<'_>) {
        let effect = self.alice.give(Instant(0), Event::Poll);
        self.settle_alice(effect);
        for _ in 0..MAX_EVENTS {
            if program.is_over() {
                break;
            }
            self.event(program);
        }
        self.finish();
    }

    fn event(&mut self, p: &mut Program<'_>) {
        let code = p.byte();
        let to = if code & 0x80 == 0 { To::Bob } else { To::Alice };
        match code & 0x7f {
            0 => self.pass(to),
            1 => self.talk(),
            2 => self.decide(p, |world, slot, _| world.answer(slot, true, &world.truth[slot].clone(), &[])),
            3 => self.decide(p, |world, slot, p| {
                let mut decision = world.truth[slot];
                (0..=p.below(4)).for_each(|_| flip(&mut decision, p.below(N)));
                world.answer(slot, true, &decision, &[]);
            }),
            4 => self.decide(p, |world, slot, p| {
                let doubts = world.doubts(slot, p);
                world.answer(slot, false, &[0; WORDS], &doubts);
            }),
            5 => self.decide(p, |world, slot, _| world.decode(slot)),
            6 => {
                let (kind, length) = (p.byte(), p.below(300));
                let body = p.bytes(length).to_vec();
                self.forge(to, kind, &body);
            }
            // The next frame, or one of those before, changed in one place or not.
            code @ (7 | 8) => {
                let from = if to == To::Bob {
                    (&self.alice.sent, self.alice.passed)
                } else {
                    (&self.bob.sent, self.bob.passed)
                };
                let at = if code == 7 { from.1 } else { p.byte().into() };
                let Some(frame) = from.0.get(at) else { return };
                let (kind, mut body) = (kind_of(frame), frame[HEADER..].to_vec());
                let (place, value) = (p.below(300), p.byte());
                if let Some(byte) = body.get_mut(place) {
                    *byte ^= value;
                }
                if code == 7 {
                    self.lose(to);
                }
                self.forge(to, kind, &body);
            }
            9 => self.lose(to),
            10 => {
                let length = p.below(64);
                let frame = p.bytes(length).to_vec();
                self.touch(to, kind_of(&frame), &[]);
                self.receive(to, &frame);
            }
            11 => self.lie = Some(p.byte().cast_signed()),
            12 => self.stray(to, p),
            13 => self.poll(to, p.short().into()),
            _ => {}
        }
    }

    /// Event that no effect asked for.
    fn stray(&mut self, to: To, p: &mut Program<'_>) {
        self.touched.host = true;
        let words: Vec<u64> = (0..p.below(40)).map(|_| u64::from(p.byte()) * 0x0101_0101_0101_0101).collect();
        let bytes: Vec<u16> = (0..p.below(20)).map(|_| p.byte().into()).collect();
        let classes: Vec<u8> = bytes.iter().map(|&b| b as u8).collect();
        let event = match p.below(8) {
            0 => Event::Cancel,
            1 => Event::Entropy(&words),
            2 => Event::Key { key: &words, classes: &classes },
            _ => {
                let slot = p.below(SLOTS + 1);
                let outcome = Outcome { converged: p.byte() & 1 == 0, iterations: p.short(), unsatisfied: 0 };
                self.jobs.retain(|&job| job != slot);
                Event::Decoded { slot, outcome, decision: &words, doubts: &bytes }
            }
        };
        let now = Instant(self.now);
        if to == To::Alice {
            let effect = self.alice.give(now, event);
            self.settle_alice(effect);
        } else {
            let effect = self.bob.give(now, event);
            self.settle_bob(effect);
        }
    }

    /// A poll some time from now, whose effect the host forgets.
    fn poll(&mut self, to: To, after: u64) {
        self.touched.host = true;
        self.now += after % (TIMEOUT_US / 4);
        let now = Instant(if after > 60_000 { self.now + TIMEOUT_US } else { self.now });
        if to == To::Alice {
            self.alice.give(now, Event::Poll);
        } else if let Some(Effect::Decode(slot)) = self.bob.give(now, Event::Poll) {
            self.job(slot);
        }
    }

    fn settle_alice(&mut self, mut effect: Option<Effect>) {
        while let Some(done) = effect {
            let mut words = Vec::new();
            let event = match done {
                Effect::Idle => return,
                Effect::Entropy(count) => {
                    let count = self.length(count);
                    words.extend((0..count).map(|_| self.random.word()));
                    Event::Entropy(&words)
                }
                Effect::Agreed(_) | Effect::Decode(_) => panic!("not Alice's: {done:?}"),
                Effect::Send(_) | Effect::Sampled { .. } | Effect::Released(_) => Event::Poll,
            };
            effect = self.alice.give(Instant(self.now), event);
        }
    }

    fn settle_bob(&mut self, mut effect: Option<Effect>) {
        while let Some(done) = effect {
            let mut key = Vec::new();
            let event = match done {
                Effect::Idle => return,
                Effect::Entropy(_) => panic!("not Bob's"),
                Effect::Agreed(hello) => {
                    self.next_start = hello.sample_bits as usize;
                    key.extend(&self.input.key);
                    key.resize(self.length(key.len()), 0);
                    Event::Key { key: &key, classes: &self.input.classes }
                }
                Effect::Decode(slot) => {
                    self.job(slot);
                    Event::Poll
                }
                Effect::Send(_) | Effect::Sampled { .. } | Effect::Released(_) => Event::Poll,
            };
            effect = self.bob.give(Instant(self.now), event);
        }
    }

    /// What the host answers with instead of `right` words.
    fn length(&mut self, right: usize) -> usize {
        let Some(lie) = self.lie.take() else { return right };
        self.touched.host = true;
        right.saturating_add_signed(lie.into())
    }

    /// Takes a job, and what its answer should be.
    fn job(&mut self, slot: usize) {
        let job = self.bob.machine.as_mut().and_then(|bob| bob.job(slot)).expect("a job was announced");
        check_rates(&job);
        if job.first {
            assert_eq!(job.block, self.begun, "blocks begin in order");
            let length = job.pattern.payload();
            let mut payload = vec![0; words_for(length)];
            bits::copy(self.key, self.next_start, &mut payload, 0, length);
            let padding = vec![0; words_for(job.pattern.p())];
            job.pattern
                .scatter(&payload, &padding, &mut self.truth[slot])
                .expect("lengths follow from the pattern");
            self.next_start += length;
            self.begun += 1;
        }
        assert!(!self.jobs.contains(&slot), "one job at a time");
        self.jobs.push(slot);
    }

    /// One of the open jobs is answered.
    fn decide(&mut self, p: &mut Program<'_>, answer: impl FnOnce(&mut Self, usize, &mut Program<'_>)) {
        if !self.jobs.is_empty() {
            let slot = self.jobs.swap_remove(p.below(self.jobs.len()));
            answer(self, slot, p);
        }
    }

    fn answer(&mut self, slot: usize, converged: bool, decision: &[u64], doubts: &[u16]) {
        let outcome = Outcome { converged, iterations: 7, unsatisfied: u32::from(!converged) };
        let event = Event::Decoded { slot, outcome, decision, doubts };
        let effect = self.bob.give(Instant(self.now), event);
        self.settle_bob(effect);
    }

    /// Positions of the program's choice that are not known yet.
    fn doubts(&mut self, slot: usize, p: &mut Program<'_>) -> Vec<u16> {
        let job = self.bob.machine.as_mut().and_then(|bob| bob.job(slot));
        let Some(job) = job else { return Vec::new() };
        let wanted = (0..p.below(job.doubts + 1)).map(|_| p.below(N));
        wanted.filter(|&i| !bits::get(job.pattern.shortened(), i)).map(|i| i as u16).collect()
    }

    /// The core's decoder answers the job.
    fn decode(&mut self, slot: usize) {
        let code = ground::setup().code;
        let layout = Layout::of(&code, Schedule::Layered);
        let (mut messages, mut posteriors) = (vec![0i8; layout.messages], vec![0i16; layout.posteriors]);
        let mut work = Workspace::new(&code, Schedule::Layered, &mut messages[..], &mut posteriors[..])
            .expect("memory by its layout");
        let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: 10 };
        let Some(job) = self.bob.machine.as_mut().and_then(|bob| bob.job(slot)) else { return };
        let (mut prior, mut decision) = ([0; N], [0; WORDS]);
        let mut found = vec![Doubt::default(); job.doubts];
        let decoded = llr::with_rates(&decoder.arithmetic, &job.pattern, job.frame, &job.rates, &mut prior)
            .and_then(|()| work.load(&prior))
            .and_then(|()| decoder.run(job.syndrome, &mut work, &mut decision))
            .and_then(|outcome| {
                let count = work.least_reliable(job.pattern.shortened(), &decision, &mut found)?;
                Ok((outcome.converged, count))
            });
        let (converged, count) = decoded.expect("a job's lengths are right");
        let doubts: Vec<u16> = found[..count].iter().map(|doubt| doubt.position as u16).collect();
        self.answer(slot, converged, &decision, &doubts);
    }

    /// The next genuine frame.
    fn pass(&mut self, to: To) {
        let waiting = if to == To::Bob { self.alice.waiting() } else { self.bob.waiting() };
        let Some(frame) = waiting.first() else { return };
        let mut frame = frame.clone();
        self.skip(to);
        self.number(to, &mut frame);
        if to == To::Bob {
            self.touched.abandoned |= kind_of(&frame) == Kind::Abandon as u8;
        }
        self.receive(to, &frame);
    }

    /// All genuine frames, both ways, until there are none.
    fn talk(&mut self) {
        while !(self.alice.waiting().is_empty() && self.bob.waiting().is_empty()) {
            self.pass(To::Bob);
            self.pass(To::Alice);
        }
    }

    fn skip(&mut self, to: To) {
        if to == To::Bob { self.alice.passed += 1 } else { self.bob.passed += 1 }
    }

    /// The next genuine frame never arrives.
    fn lose(&mut self, to: To) {
        let waiting = if to == To::Bob { self.alice.waiting() } else { self.bob.waiting() };
        if !waiting.is_empty() {
            self.skip(to);
            if to == To::Bob { self.touched.bob = true } else { self.touched.alice = true }
        }
    }

    /// A frame of the fuzzer's own, with the sequence number that is due.
    fn forge(&mut self, to: To, kind: u8, body: &[u8]) {
        let body = &body[..body.len().min(MAX_BODY)];
        self.touch(to, kind, body);
        let mut frame = vec![VERSION, kind, 0, 0, 0, 0, 0, 0];
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        self.number(to, &mut frame);
        self.receive(to, &frame);
    }

    fn touch(&mut self, to: To, kind: u8, body: &[u8]) {
        if to == To::Alice {
            self.touched.alice = true;
            return;
        }
        self.touched.bob = true;
        self.touched.abandoned |= kind == Kind::Abandon as u8;
        let sent = |frame: &Vec<u8>| kind_of(frame) == kind && frame[HEADER..] == *body;
        let binds = kind == Kind::Verify as u8 || kind == Kind::Hello as u8;
        self.touched.bound |= binds && !self.alice.sent.iter().any(sent);
    }

    fn number(&self, to: To, frame: &mut [u8]) {
        let number = if to == To::Bob { self.bob.accepted } else { self.alice.accepted };
        frame[4..8].copy_from_slice(&number.to_be_bytes());
    }

    fn receive(&mut self, to: To, frame: &[u8]) {
        let now = Instant(self.now);
        if to == To::Bob {
            let effect = self.bob.give(now, Event::Received(frame));
            self.settle_bob(effect);
        } else {
            let effect = self.alice.give(now, Event::Received(frame));
            self.settle_alice(effect);
        }
    }

    /// A session left alone is brought to its end by a perfect decoder, and must come there.
    fn finish(&mut self) {
        self.lie = None;
        if !self.touched.any() {
            self.talk();
            while !self.jobs.is_empty() {
                for slot in std::mem::take(&mut self.jobs) {
                    let decision = self.truth[slot];
                    self.answer(slot, true, &decision, &[]);
                }
                self.talk();
            }
            let ends =
                (self.alice.end.expect("Alice comes to an end"), self.bob.end.expect("Bob comes to an end"));
            let fair = |end| match end {
                End::Done(..) => true,
                End::Aborted(reason) => matches!(reason, Abort::Budget(_) | Abort::Peer(_)),
            };
            assert!(fair(ends.0) && fair(ends.1), "{ends:?}");
        }
        if self.touched.alice || self.touched.bob {
            return;
        }
        if let (Some(alice @ End::Done(..)), Some(bob @ End::Done(..))) = (self.alice.end, self.bob.end) {
            assert_eq!(alice, bob);
            assert_eq!(self.alice.released, self.bob.released);
        }
    }
}

fn check_rates(job: &Job<'_>) {
    let fits = |rate: f64| (0.0..=0.5).contains(&rate);
    match job.rates {
        Rates::Uniform(rate) => assert!(fits(rate), "{rate}"),
        Rates::Classes { rates, .. } => assert!(rates.iter().all(|class| class.rate.into_iter().all(fits))),
    }
}

fn kind_of(frame: &[u8]) -> u8 {
    frame.get(1).copied().unwrap_or(0)
}

fn flip(words: &mut [u64], i: usize) {
    words[i / 64] ^= 1 << (i % 64);
}
