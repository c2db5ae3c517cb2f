//! The party whose key is the reference: she sends syndromes, reveals, tags.

use core::fmt;

use super::block::{Frame, ROWS, Slot, State, frame_of};
use super::estimate::{SAMPLE_DEVIATIONS, upper};
use super::plan::Planner;
use super::{Abort, Aborted, Effect, Event, Finished, Instant, Setup, Step, Undetected, from_ppm, to_ppm};
use crate::bits::{self, words_for};
use crate::leakage::{self, Disclosed, Disclosure, LeakBits, Ledger, Permit};
use crate::verify::{TAG_BITS, tag};
use crate::wire::{self, Bits, Disclosing, Hello, Message, Plain, Reveal, Strategy, Syndrome, Verify};

/// Alice's memory, the caller's.
#[derive(Debug)]
pub struct AliceMemory<'m> {
    /// Her key in the agreed permutation, `key_bits` bits.
    pub key: &'m [u64],
    /// At least the window's number of slots.
    pub slots: &'m mut [Slot],
    /// [`Alice::words`] words.
    pub words: &'m mut [u64],
    /// Scratch for tags: `words_for(key_bits)` words, or fewer: those of half a window of payloads.
    pub scratch: &'m mut [u64],
}

const SLOTS: Abort = Abort::Host("slots: changed from outside");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Greeting,
    AwaitGreeting,
    Sample,
    AwaitSample,
    Blocks,
    AwaitFinish,
}

/// What entropy is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Block,
    Tag { to: u32 },
}

/// Alice's machine for one key.
pub struct Alice<'m> {
    setup: Setup<'m>,
    hello: Hello,
    planner: &'m dyn Planner,
    sample_margin: Option<f64>,
    /// Whether verified blocks inform the next ones.
    adapt: bool,
    memory: AliceMemory<'m>,
    ledger: Option<Ledger>,
    phase: Phase,
    sent: u32,
    received: u32,
    deadline: Instant,
    wanted: Option<Wanted>,
    qber: Option<f64>,
    /// Blocks before this one are released.
    base: u32,
    /// Blocks before this one are begun.
    opened: u32,
    /// First block of the group to be verified next, and the block after its last.
    group: (u32, u32),
    /// First key bit not in any block yet.
    next_bit: usize,
    /// Slots with something to send.
    due: u32,
    /// Tag sent and not answered.
    pending: Option<u32>,
    /// A wrong block is known to lie before this one.
    suspect: Option<u32>,
    /// Blocks verified and not yet told to the host end here.
    verified: u32,
    undetected: Undetected,
    /// What the sample showed, until the host is told.
    sampled: Option<(u32, f64)>,
}

impl fmt::Debug for Alice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alice").field("phase", &self.phase).field("base", &self.base).finish_non_exhaustive()
    }
}

/// What Alice decides about a session.
#[derive(Clone, Copy)]
pub struct AliceConfig<'m> {
    /// Parameters; Bob must agree to them, but may lower the budget.
    pub hello: Hello,
    /// Chooses the blocks' plans.
    pub planner: &'m dyn Planner,
    /// Error rate, if known beforehand.
    pub qber: Option<f64>,
    /// What is added to a sampled error rate; the upper end of its one-sided 95 % interval is taken if `None`.
    pub sample_margin: Option<f64>,
    /// Whether verified blocks inform the next ones.
    pub adapt: bool,
}

impl fmt::Debug for AliceConfig<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AliceConfig").field("hello", &self.hello).finish_non_exhaustive()
    }
}

/// Blocks of `n` bits in the first group where nothing is known of the error rate; groups double from there. Four of 4096
/// bits tell enough of it, and so does one that is longer.
pub const fn first_group(n: usize) -> u32 {
    match (4 * 4096_usize).checked_div(n) {
        Some(blocks) if blocks > 0 => blocks as u32,
        _ => 1,
    }
}

impl<'m> Alice<'m> {
    /// Words of [`AliceMemory::words`] for a code of `n` bits and `window` blocks in flight.
    pub const fn words(n: usize, window: usize) -> usize {
        ROWS * words_for(n) * window
    }

    /// A machine that begins at `now`.
    ///
    /// # Errors
    /// [`Abort::Host`] if memory or parameters do not fit the code.
    pub fn new(
        setup: Setup<'m>,
        config: &AliceConfig<'m>,
        memory: AliceMemory<'m>,
        now: Instant,
    ) -> Result<Self, Abort> {
        let hello = config.hello;
        setup.check(&hello, memory.slots.len())?;
        let window = usize::from(hello.window);
        if memory.words.len() < Self::words(setup.code.n(), window) {
            return Err(Abort::Host("words: expected Alice::words(n, window)"));
        }
        let key_words = words_for(hello.key_bits as usize);
        if memory.key.len() != key_words {
            return Err(Abort::Host("key: expected as many words as its bits need"));
        }
        if memory.scratch.len() < key_words.min(setup.frame_words() * (window / 2)) {
            return Err(Abort::Host("scratch: expected half a window of payloads"));
        }
        memory.slots.fill(Slot::default());
        let mut alice = Self {
            setup,
            hello,
            planner: config.planner,
            sample_margin: config.sample_margin,
            adapt: config.adapt,
            memory,
            ledger: None,
            phase: Phase::Greeting,
            sent: 0,
            received: 0,
            deadline: Instant(now.0.saturating_add(setup.timeout_us)),
            wanted: None,
            qber: config.qber,
            base: 0,
            opened: 0,
            group: (0, 0),
            next_bit: hello.sample_bits as usize,
            due: 0,
            pending: None,
            suspect: None,
            verified: 0,
            undetected: Undetected::default(),
            sampled: None,
        };
        alice.group.1 = alice.group_size();
        Ok(alice)
    }

    /// When the peer's time is up.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The error rate the next block is planned for, if one is known.
    pub const fn qber(&self) -> Option<f64> {
        self.qber
    }

    /// Bits charged so far.
    pub fn spent(&self) -> LeakBits {
        self.ledger.as_ref().map_or(LeakBits(0), Ledger::spent)
    }

    /// What was disclosed so far.
    pub fn disclosed(&self) -> Disclosed {
        self.ledger.as_ref().map_or(Disclosed::NONE, Ledger::disclosed)
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self> {
        let spent = self.spent();
        match self.turn(now, event, out) {
            Ok(Turn::Effect(effect)) => Step::Next(self, effect),
            Ok(Turn::Done) => match self.ledger {
                Some(ledger) => Step::Done(Finished {
                    receipt: ledger.close(),
                    blocks: self.opened,
                    tags: self.undetected.tags,
                    undetected_log2: self.undetected.log2(),
                    send: 0,
                }),
                None => Step::Abort(Aborted { reason: Abort::Host("ledger: gone"), spent, send: 0 }),
            },
            Err(reason) => {
                let send = super::farewell(reason, self.sent, out);
                Step::Abort(Aborted { reason, spent, send })
            }
        }
    }

    fn turn(&mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Result<Turn, Abort> {
        match event {
            Event::Poll if now >= self.deadline => return Err(Abort::Timeout),
            Event::Poll => {}
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = Instant(now.0.saturating_add(self.setup.timeout_us));
                if self.receive(&message)? {
                    return Ok(Turn::Done);
                }
            }
            Event::Entropy(words) => {
                let sent = match self.wanted.take() {
                    Some(Wanted::Block) => self.open(words, out)?,
                    Some(Wanted::Tag { to }) => self.send_tag(to, words, out)?,
                    None => return Err(Abort::Host("entropy: none was asked for")),
                };
                return Ok(Turn::Effect(Effect::Send(sent)));
            }
            Event::Cancel => return Err(Abort::Cancelled),
            Event::Decoded { .. } | Event::Key { .. } => {
                return Err(Abort::Host("event: expected one of Alice's"));
            }
        }
        if self.wanted.is_some() {
            // Asked again until it is given.
            return Ok(Turn::Effect(self.entropy_effect()?));
        }
        self.next(out).map(Turn::Effect)
    }

    fn plain(&mut self, message: &Plain<'_>, out: &mut [u8]) -> Result<usize, Abort> {
        Ok(wire::encode_next(out, &mut self.sent, message)?)
    }

    fn charge(&mut self, disclosure: Disclosure) -> Result<Permit, Abort> {
        leakage::charge(&mut self.ledger, disclosure, Abort::Host("ledger: gone"))
    }

    /// Half a window, or less at first where the error rate is learnt on the way.
    fn group_size(&self) -> u32 {
        let half = u32::from(self.hello.window / 2);
        if self.adapt && self.qber.is_none() { half.min(first_group(self.setup.code.n())) } else { half }
    }

    fn all_opened(&self) -> bool {
        self.next_bit == self.hello.key_bits as usize
    }

    /// Blocks may be begun up to this one: two groups.
    fn limit(&self) -> u32 {
        let size = self.group.1.saturating_sub(self.group.0);
        self.group.0.saturating_add(2 * size).min(self.base + u32::from(self.hello.window))
    }

    fn index(&self, block: u32) -> usize {
        // A window of none is refused before there are blocks.
        (block % u32::from(self.hello.window.max(1))) as usize
    }

    fn state(&self, block: u32) -> Option<State> {
        self.memory.slots.get(self.index(block)).map(|slot| slot.state)
    }

    fn slot(&mut self, block: u32) -> Result<&mut Slot, Abort> {
        if block < self.base || block >= self.opened {
            return Err(Abort::Contradiction("block: expected one in flight"));
        }
        let index = self.index(block);
        self.memory.slots.get_mut(index).ok_or(SLOTS)
    }

    fn frame(&mut self, block: u32) -> Result<Frame<'_>, Abort> {
        let index = self.index(block);
        frame_of(self.memory.words, &self.setup, index)
    }

    /// Whether the session is done.
    fn receive(&mut self, message: &Message<'_>) -> Result<bool, Abort> {
        let unexpected = Abort::Unexpected(message.kind());
        let Message::Plain(message) = message else { return Err(unexpected) };
        match (self.phase, message) {
            (_, Plain::Abort { reason }) => return Err(Abort::Peer(*reason)),
            (Phase::AwaitGreeting, Plain::Hello(theirs)) => {
                if theirs.cap > self.hello.cap || (Hello { cap: self.hello.cap, ..*theirs }) != self.hello {
                    return Err(Abort::Disagreement("session parameters"));
                }
                // The books open with the smaller budget.
                self.hello.cap = theirs.cap;
                self.ledger = Some(Ledger::new(self.hello.policy, LeakBits(theirs.cap)));
                self.phase = if self.hello.sample_bits > 0 { Phase::Sample } else { Phase::Blocks };
            }
            (Phase::AwaitSample, Plain::TestResult { errors, effective_ppm }) => {
                if *errors > self.hello.sample_bits {
                    return Err(Abort::Contradiction("errors: expected at most the sample's bits"));
                }
                let effective = from_ppm(*effective_ppm).unwrap_or(0.0);
                self.qber = Some(match self.sample_margin {
                    Some(margin) => (effective + margin).clamp(0.0, 0.499),
                    None => upper(effective, self.hello.sample_bits.into(), SAMPLE_DEVIATIONS),
                });
                self.sampled = Some((*errors, effective));
                self.phase = Phase::Blocks;
                self.group.1 = self.group.0 + self.group_size();
            }
            (Phase::Blocks, Plain::SyndromeResponse { converged, decoded })
                if self.hello.strategy == Strategy::Baseline =>
            {
                self.response(decoded.block, decoded.iterations, converged.then_some(decoded.errors))?;
                if !converged {
                    self.prepare_next(decoded.block)?;
                }
            }
            (Phase::Blocks, Plain::BlindAck(decoded)) if self.hello.strategy != Strategy::Baseline => {
                self.response(decoded.block, decoded.iterations, Some(decoded.errors))?;
            }
            (Phase::Blocks, Plain::BlindNack { block, iterations })
                if self.hello.strategy == Strategy::Blind =>
            {
                self.response(*block, *iterations, None)?;
                self.prepare_next(*block)?;
            }
            (Phase::Blocks, Plain::SymmetricRequest(request))
                if self.hello.strategy == Strategy::Symmetric =>
            {
                self.response(request.block, request.iterations, None)?;
                let slot = *self.slot(request.block)?;
                let asked = slot.next_step();
                if request.positions.len() > slot.request(self.setup.code.m()) {
                    return Err(Abort::Contradiction(
                        "positions: expected at most as many as the plan asks for",
                    ));
                }
                if asked == 0 || request.positions.is_empty() {
                    return self.due(request.block, State::GivingUp).map(|()| false);
                }
                let n = self.setup.code.n();
                let mut frame = self.frame(request.block)?;
                frame.want(n, request.positions.iter())?;
                let some = frame.leaves_payload(&slot);
                self.slot(request.block)?.by_request = true;
                self.due(request.block, if some { State::Due } else { State::GivingUp })?;
            }
            (Phase::Blocks, Plain::VerifyResponse { matched, effective_ppm }) => {
                let to = self.pending.take().ok_or(unexpected)?;
                self.verdict(to, *matched, *effective_ppm)?;
            }
            (Phase::AwaitFinish, Plain::Ack) => return Ok(true),
            _ => return Err(unexpected),
        }
        Ok(false)
    }

    fn response(&mut self, block: u32, iterations: u16, errors: Option<u16>) -> Result<(), Abort> {
        let slot = self.slot(block)?;
        if slot.state != State::Waiting {
            return Err(Abort::Contradiction("block: expected one that waits for a response"));
        }
        slot.rounds += 1;
        slot.iterations = slot.iterations.saturating_add(iterations.into());
        if let Some(errors) = errors {
            if usize::from(errors) > slot.payload {
                return Err(Abort::Contradiction("errors: expected at most the payload's bits"));
            }
            slot.errors = errors.into();
            slot.state = State::Closed;
        }
        Ok(())
    }

    fn due(&mut self, block: u32, state: State) -> Result<(), Abort> {
        self.slot(block)?.state = state;
        self.due += 1;
        Ok(())
    }

    /// The next reveal in order is prepared, or the block given up.
    fn prepare_next(&mut self, block: u32) -> Result<(), Abort> {
        let order = self.setup.order;
        self.slot(block)?.by_request = false;
        let slot = *self.slot(block)?;
        let mut frame = self.frame(block)?;
        let marked = frame.want_next(&order, &slot.plan, slot.next_step());
        let worth = marked > 0 && frame.leaves_payload(&slot);
        self.due(block, if worth { State::Due } else { State::GivingUp })
    }

    /// A tag up to block `to` matched or not.
    fn verdict(&mut self, to: u32, matched: bool, effective_ppm: u32) -> Result<(), Abort> {
        if matched {
            self.verified = to;
            if self.suspect == Some(to) {
                self.suspect = None;
            }
            if self.adapt
                && to == self.group.1
                && let Some(effective) = from_ppm(effective_ppm)
            {
                let seen = self.memory.slots.get(self.index(to - 1)).ok_or(SLOTS)?;
                self.qber = Some(upper(effective, (seen.start + seen.payload) as f64, 1.0));
            }
            return Ok(());
        }
        if to - self.base == 1 {
            self.suspect = None;
            return self.reopen(self.base);
        }
        self.suspect = Some(to);
        Ok(())
    }

    /// A block that converged to a wrong string is revealed further.
    fn reopen(&mut self, block: u32) -> Result<(), Abort> {
        let slot = self.slot(block)?;
        if slot.state != State::Closed {
            return Err(Abort::Contradiction("verification: a block left out cannot differ"));
        }
        slot.wrong = true;
        slot.errors = 0;
        // In the public order, whatever the strategy: what Bob's decoder was sure of was wrong.
        self.prepare_next(block)
    }

    fn next(&mut self, out: &mut [u8]) -> Result<Effect, Abort> {
        match self.phase {
            Phase::Greeting => {
                self.phase = Phase::AwaitGreeting;
                return self.plain(&Plain::Hello(self.hello), out).map(Effect::Send);
            }
            Phase::Sample => {
                self.phase = Phase::AwaitSample;
                let bits = self.hello.sample_bits;
                let permit = self.charge(Disclosure::Sample { bits: bits.into() })?;
                let words = self.memory.scratch.get_mut(..words_for(bits as usize));
                let words = words.ok_or(Abort::Host("scratch: expected room for the sample"))?;
                words.fill(0);
                bits::copy(self.memory.key, 0, words, 0, bits as usize);
                let message = Disclosing::TestOutcomes { offset: 0, bits: Bits::of(words, bits as usize)? };
                return Ok(Effect::Send(wire::disclose_next(out, &mut self.sent, permit, &message)?));
            }
            Phase::AwaitGreeting | Phase::AwaitSample | Phase::AwaitFinish => return Ok(Effect::Idle),
            Phase::Blocks => {}
        }
        if let Some((errors, effective)) = self.sampled.take() {
            return Ok(Effect::Sampled { errors, bits: self.hello.sample_bits, effective });
        }
        if let Some(effect) = self.release()? {
            return Ok(effect);
        }
        if self.suspect == Some(self.base + 1) {
            // Known by exclusion.
            self.suspect = None;
            self.reopen(self.base)?;
        }
        if self.due > 0 {
            return self.send_due(out).map(Effect::Send);
        }
        if !self.all_opened() && self.opened < self.limit() {
            self.wanted = Some(Wanted::Block);
            return self.entropy_effect();
        }
        if self.pending.is_some() {
            return Ok(Effect::Idle);
        }
        // All that may be begun is begun: a group's end is where it would be whatever came first.
        let end = self.group.1.min(self.opened);
        if self.base == self.opened {
            self.phase = Phase::AwaitFinish;
            let finish = Plain::Finish { blocks: self.opened, leak: self.spent().0 };
            return self.plain(&finish, out).map(Effect::Send);
        }
        let settled = |block| matches!(self.state(block), Some(State::Closed | State::Failed(_)));
        if !(self.base..end).all(settled) {
            return Ok(Effect::Idle);
        }
        let to = match self.suspect {
            // Half of the range that holds a wrong block, but its blocks that were left out prove nothing.
            Some(suspect) => self.base + (suspect - self.base) / 2,
            None => end,
        };
        self.wanted = Some(Wanted::Tag { to: to.max(self.base + 1) });
        self.entropy_effect()
    }

    fn entropy_effect(&mut self) -> Result<Effect, Abort> {
        Ok(Effect::Entropy(match self.wanted {
            Some(Wanted::Block) => {
                let index = self.index(self.opened);
                let left = self.hello.key_bits as usize - self.next_bit;
                let mut plan = self.planner.plan(self.qber, left)?;
                // As Bob will read it.
                plan.qber = from_ppm(to_ppm(plan.qber));
                let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
                *slot = Slot { block: self.opened, plan, ..Slot::default() };
                words_for(plan.punctured.into()).max(1)
            }
            _ => 1,
        }))
    }

    fn open(&mut self, padding: &[u64], out: &mut [u8]) -> Result<usize, Abort> {
        let (index, m) = (self.index(self.opened), self.setup.code.m());
        let plan = self.memory.slots.get(index).ok_or(SLOTS)?.plan;
        let padding = padding.get(..words_for(plan.punctured.into()));
        let padding = padding.ok_or(Abort::Host("entropy: expected as many words as asked for"))?;
        let mut frame = frame_of(self.memory.words, &self.setup, index)?;
        let left = self.hello.key_bits as usize - self.next_bit;
        let (p, s) = (usize::from(plan.punctured), usize::from(plan.shortened));
        if p + s >= self.setup.code.n() || self.setup.code.n() - p - s > left {
            return Err(Abort::Host("plan: expected a payload of at most what is left of the key"));
        }
        let payload = frame.lay(&self.setup.order, &plan, self.memory.key, self.next_bit, Some(padding))?;
        let syndrome = frame.syndrome.get_mut(..words_for(m)).ok_or(Abort::Host("words: too few"))?;
        self.setup.code.syndrome(frame.values, syndrome)?;
        let disclosure = frame.syndrome_disclosure(&self.setup.masking, m, payload);
        let permit = self.charge(disclosure)?;
        let frame = frame_of(self.memory.words, &self.setup, index)?;
        let message = Syndrome {
            block: self.opened,
            punctured: plan.punctured,
            shortened: plan.shortened,
            qber_ppm: to_ppm(plan.qber),
            request: plan.request,
            syndrome: Bits::of(frame.syndrome, m)?,
        };
        let message = match self.hello.strategy {
            Strategy::Baseline => Disclosing::Syndrome(message),
            Strategy::Blind | Strategy::Symmetric => Disclosing::BlindInit(message),
        };
        let length = wire::disclose_next(out, &mut self.sent, permit, &message)?;
        let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        slot.start = self.next_bit;
        slot.payload = payload;
        slot.state = State::Waiting;
        self.next_bit += payload;
        self.opened += 1;
        Ok(length)
    }

    /// The oldest block with something to send.
    fn send_due(&mut self, out: &mut [u8]) -> Result<usize, Abort> {
        let is_due = |state| matches!(state, State::Due | State::GivingUp);
        let due = (self.base..self.opened).find(|&block| self.state(block).is_some_and(is_due));
        let block = due.ok_or(SLOTS)?;
        let index = self.index(block);
        self.due -= 1;
        let entry = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        let slot = *entry;
        if slot.state == State::GivingUp {
            entry.state = State::Failed(slot.failure());
            return self.plain(&Plain::Abandon { block }, out);
        }
        let masking = &self.setup.masking;
        let mut frame = frame_of(self.memory.words, &self.setup, index)?;
        let (disclosure, payload) = frame.reveal_disclosure(masking, &slot);
        let count = frame.gather_wanted();
        frame.settle();
        let permit = self.charge(disclosure)?;
        let frame = frame_of(self.memory.words, &self.setup, index)?;
        let reveal = Reveal { block, values: Bits::of(frame.syndrome, count)? };
        let message = if slot.by_request {
            Disclosing::SymmetricReveal(reveal)
        } else {
            Disclosing::BlindReveal(reveal)
        };
        let length = wire::disclose_next(out, &mut self.sent, permit, &message)?;
        let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        slot.revealed += count as u32;
        slot.reveals += 1;
        slot.payload_revealed += payload;
        slot.state = State::Waiting;
        Ok(length)
    }

    /// Payloads of the blocks from the first unreleased one to `to`, those left out skipped, one after the other.
    fn send_tag(&mut self, to: u32, entropy: &[u64], out: &mut [u8]) -> Result<usize, Abort> {
        let Some(&key) = entropy.first() else {
            return Err(Abort::Host("entropy: expected as many words as asked for"));
        };
        let from = self.base;
        let mut at = 0;
        self.memory.scratch.fill(0);
        for block in from..to {
            let slot = *self.memory.slots.get(self.index(block)).ok_or(SLOTS)?;
            if slot.state == State::Closed {
                if words_for(at + slot.payload) > self.memory.scratch.len() {
                    return Err(Abort::Host("scratch: expected half a window of payloads"));
                }
                bits::copy(self.memory.key, slot.start, self.memory.scratch, at, slot.payload);
                at += slot.payload;
            }
        }
        let value = tag(self.memory.scratch, at, key);
        self.memory.scratch.fill(0);
        let permit = self.charge(Disclosure::Tag { bits: TAG_BITS as u64 })?;
        self.undetected.add(at);
        self.pending = Some(to);
        let message = Disclosing::Verify(Verify { from, to, key, tag: value });
        Ok(wire::disclose_next(out, &mut self.sent, permit, &message)?)
    }

    /// Tells the host the next verified block.
    fn release(&mut self) -> Result<Option<Effect>, Abort> {
        if self.base == self.verified {
            return Ok(None);
        }
        let index = self.index(self.base);
        let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        let released = slot.released();
        slot.state = State::Free;
        frame_of(self.memory.words, &self.setup, index)?.wipe();
        self.base += 1;
        if self.base == self.group.1 {
            let half = u32::from(self.hello.window / 2);
            let size = (2 * (self.group.1 - self.group.0)).min(half);
            self.group = (self.group.1, self.group.1.saturating_add(size));
        }
        Ok(Some(Effect::Released(released)))
    }
}

enum Turn {
    Effect(Effect),
    Done,
}
