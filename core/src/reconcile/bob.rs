//! The party who corrects his key: he decodes, says how it went, and checks tags.

use core::fmt;

use super::block::{ROWS, Slot, State, frame_of};
use super::estimate::{Class, Estimate};
use super::plan::{MAX_ROUNDS, Plan};
use super::{
    Abort, Aborted, Effect, Event, Finished, Instant, Job, Setup, Step, Undetected, from_ppm, to_ppm,
};
use crate::bits::{self, words_for};
use crate::decode::Outcome;
use crate::leakage::{self, Disclosed, Disclosure, LeakBits, Ledger};
use crate::limits;
use crate::llr::Rates;
use crate::puncture::Pattern;
use crate::rate::Selection;
use crate::verify::{TAG_BITS, same, tag};
use crate::wire::{
    self, Bits, Decoded, Disclosing, Hello, Message, Plain, Positions, Request, Reveal, Strategy, Syndrome,
    Verify,
};

/// Bob's memory, the caller's. After [`Step::Done`] `key` holds the corrected key.
#[derive(Debug)]
pub struct BobMemory<'m> {
    /// His key, `words_for(key_bits)` words; filled by [`Event::Key`].
    pub key: &'m mut [u64],
    /// Class of each key bit, or empty; filled by [`Event::Key`].
    pub classes: &'m mut [u8],
    /// One entry for each class, at least one.
    pub rates: &'m mut [Class],
    /// At least the window's number of slots.
    pub slots: &'m mut [Slot],
    /// [`Bob::words`] words.
    pub words: &'m mut [u64],
    /// Scratch for tags: `words_for(key_bits)` words, or fewer: those of half a window of payloads.
    pub scratch: &'m mut [u64],
}

const SLOTS: Abort = Abort::Host("slots: changed from outside");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    AwaitGreeting,
    AwaitKey,
    Greeting,
    AwaitSample,
    AnswerSample,
    Blocks,
    Farewell,
}

/// Bob's machine for one key.
pub struct Bob<'m> {
    setup: Setup<'m>,
    terms: Terms,
    hello: Hello,
    memory: BobMemory<'m>,
    estimated: bool,
    ledger: Option<Ledger>,
    phase: Phase,
    sent: u32,
    received: u32,
    deadline: Instant,
    base: u32,
    opened: u32,
    next_bit: usize,
    /// Slots with a job to give or an answer to send.
    due: u32,
    /// Answer to the last tag, not sent yet.
    verdict: Option<bool>,
    /// Blocks verified and not yet told to the host end here.
    verified: u32,
    undetected: Undetected,
    sampled: Option<(u32, f64)>,
}

/// What Bob insists on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Strategy, if he wants a certain one.
    pub strategy: Option<Strategy>,
    /// Length of his key in bits.
    pub key_bits: u32,
    /// Fingerprint of his code.
    pub code: u64,
    /// Most bits that may be charged; the smaller of hers and this holds for both.
    pub cap: u64,
    /// Whether verified blocks teach the decoder the error rates of the next ones.
    pub learn: bool,
}

impl fmt::Debug for Bob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bob").field("phase", &self.phase).field("base", &self.base).finish_non_exhaustive()
    }
}

/// Efficiency assumed where no error rate is known: the decoder is told the error rate at which the bits
/// disclosed so far would do. Too high a rate costs frame errors (at 1.15 one block in eleven at a QBER of 11 %,
/// where 1.3 and 1.5 lose none of 512), too low a one a few thousandths in f.
const MATCHED: f64 = 1.3;

impl<'m> Bob<'m> {
    /// Words of [`BobMemory::words`] for a code of `n` bits and `window` blocks in flight.
    pub const fn words(n: usize, window: usize) -> usize {
        ROWS * words_for(n) * window
    }

    /// A machine that begins at `now`.
    ///
    /// # Errors
    /// [`Abort::Host`] if memory or terms do not fit.
    pub fn new(setup: Setup<'m>, terms: Terms, memory: BobMemory<'m>, now: Instant) -> Result<Self, Abort> {
        if memory.key.len() != words_for(terms.key_bits as usize) {
            return Err(Abort::Host("key: expected as many words as its bits need"));
        }
        if !memory.classes.is_empty() && memory.classes.len() != terms.key_bits as usize {
            return Err(Abort::Host("classes: expected one for each key bit, or none"));
        }
        if memory.rates.is_empty() {
            return Err(Abort::Host("rates: expected at least one class"));
        }
        memory.slots.fill(Slot::default());
        memory.rates.fill(Class::default());
        let hello = Hello {
            strategy: Strategy::Baseline,
            policy: leakage::Policy::Exact,
            rounds: 0,
            target_fer_ppm: 0,
            window: 0,
            key_bits: terms.key_bits,
            sample_bits: 0,
            code: terms.code,
            permutation: 0,
            cap: terms.cap,
        };
        Ok(Self {
            setup,
            terms,
            hello,
            memory,
            estimated: false,
            ledger: None,
            phase: Phase::AwaitGreeting,
            sent: 0,
            received: 0,
            deadline: Instant(now.0.saturating_add(setup.timeout_us)),
            base: 0,
            opened: 0,
            next_bit: 0,
            due: 0,
            verdict: None,
            verified: 0,
            undetected: Undetected::default(),
            sampled: None,
        })
    }

    /// When the peer's time is up.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Bits charged so far.
    pub fn spent(&self) -> LeakBits {
        self.ledger.as_ref().map_or(LeakBits(0), Ledger::spent)
    }

    /// What was disclosed so far.
    pub fn disclosed(&self) -> Disclosed {
        self.ledger.as_ref().map_or(Disclosed::NONE, Ledger::disclosed)
    }

    /// Error rates learnt so far, by class.
    pub fn classes(&self) -> &[Class] {
        self.memory.rates
    }

    /// The job of `slot`, if it has one.
    pub fn job(&mut self, slot: usize) -> Option<Job<'_>> {
        let state = *self.memory.slots.get(slot)?;
        if state.state != State::Waiting {
            return None;
        }
        let (n, m) = (self.setup.code.n(), self.setup.code.m());
        let masking = self.setup.masking;
        let frame = frame_of(self.memory.words, &self.setup, slot).ok()?;
        let leak = masking.rank.saturating_sub(masking.masked(frame.punctured)) + state.payload_revealed;
        let rates = match state.plan.qber {
            _ if self.estimated => Rates::Classes {
                classes: self
                    .memory
                    .classes
                    .get(state.start..state.start + state.payload)
                    .unwrap_or_default(),
                taken: frame.taken,
                rates: self.memory.rates,
            },
            Some(qber) => Rates::Uniform(qber),
            None => {
                let share = leak as f64 / (MATCHED * state.payload as f64);
                Rates::Uniform(limits::inverse_entropy(share.min(1.0)))
            }
        };
        Some(Job {
            block: state.block,
            first: state.reveals == 0,
            patient: self.hello.strategy != Strategy::Baseline,
            frame: frame.values,
            pattern: Pattern::from_masks(n, frame.punctured, frame.known).ok()?,
            syndrome: frame.syndrome.get(..words_for(m))?,
            rates,
            doubts: if self.hello.strategy == Strategy::Symmetric { state.request(m) } else { 0 },
        })
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self> {
        let spent = self.spent();
        match self.turn(now, event, out) {
            Ok(Turn::Effect(effect)) => Step::Next(self, effect),
            Ok(Turn::Done(send)) => match self.ledger {
                Some(ledger) => Step::Done(Finished {
                    receipt: ledger.close(),
                    blocks: self.opened,
                    tags: self.undetected.tags,
                    undetected_log2: self.undetected.log2(),
                    send,
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
        let renewed = Instant(now.0.saturating_add(self.setup.timeout_us));
        match event {
            Event::Poll if now >= self.deadline => return Err(Abort::Timeout),
            Event::Poll => {}
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = renewed;
                self.receive(&message)?;
            }
            Event::Key { key, classes } => self.take_key(key, classes)?,
            Event::Decoded { slot, outcome, decision, doubts } => {
                // Her time does not run while he works.
                self.deadline = renewed;
                self.decoded(slot, outcome, decision, doubts)?;
            }
            Event::Cancel => return Err(Abort::Cancelled),
            Event::Entropy(_) => return Err(Abort::Host("event: expected one of Bob's")),
        }
        self.next(out)
    }

    fn plain(&mut self, message: &Plain<'_>, out: &mut [u8]) -> Result<usize, Abort> {
        Ok(wire::encode_next(out, &mut self.sent, message)?)
    }

    /// Books what Alice disclosed.
    fn charge(&mut self, disclosure: Disclosure) -> Result<(), Abort> {
        leakage::charge(&mut self.ledger, disclosure, Abort::Host("ledger: gone")).map(drop)
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

    fn take_key(&mut self, key: &[u64], classes: &[u8]) -> Result<(), Abort> {
        if self.phase != Phase::AwaitKey {
            return Err(Abort::Host("key: not asked for"));
        }
        if key.len() != self.memory.key.len() || classes.len() != self.memory.classes.len() {
            return Err(Abort::Host("key: expected as many words and classes as there is memory for"));
        }
        if classes.iter().any(|&class| usize::from(class) >= self.memory.rates.len()) {
            return Err(Abort::Host("classes: expected numbers below the number of rates"));
        }
        self.memory.key.copy_from_slice(key);
        bits::clear_tail(self.memory.key, self.terms.key_bits as usize);
        self.memory.classes.copy_from_slice(classes);
        self.phase = Phase::Greeting;
        Ok(())
    }

    fn agree(&mut self, hello: &Hello) -> Result<(), Abort> {
        let terms = self.terms;
        if terms.strategy.is_some_and(|strategy| strategy != hello.strategy) {
            return Err(Abort::Disagreement("strategy"));
        }
        if hello.key_bits != terms.key_bits {
            return Err(Abort::Disagreement("key lengths"));
        }
        if hello.code != terms.code {
            return Err(Abort::Disagreement("code or orders"));
        }
        if hello.rounds == 0 || usize::from(hello.rounds) > MAX_ROUNDS {
            return Err(Abort::Disagreement("rounds: expected 1 to 64"));
        }
        self.setup.check(hello, self.memory.slots.len()).map_err(|abort| match abort {
            // Not this host's: the parameters are hers.
            Abort::Host(what) => Abort::Disagreement(what),
            other => other,
        })?;
        if self.memory.words.len() < Self::words(self.setup.code.n(), hello.window.into()) {
            return Err(Abort::Disagreement("window: too many blocks in flight for his memory"));
        }
        let half = self.setup.frame_words() * usize::from(hello.window / 2);
        if self.memory.scratch.len() < self.memory.key.len().min(half) {
            return Err(Abort::Disagreement("window: too many blocks in flight for his memory"));
        }
        // The smaller budget holds for both.
        self.hello = Hello { cap: hello.cap.min(terms.cap), ..*hello };
        self.ledger = Some(Ledger::new(hello.policy, LeakBits(self.hello.cap)));
        self.next_bit = hello.sample_bits as usize;
        Ok(())
    }

    fn receive(&mut self, message: &Message<'_>) -> Result<(), Abort> {
        let unexpected = Abort::Unexpected(message.kind());
        match (self.phase, message) {
            (_, Message::Plain(Plain::Abort { reason })) => Err(Abort::Peer(*reason)),
            (Phase::AwaitGreeting, Message::Plain(Plain::Hello(hello))) => {
                self.agree(hello)?;
                self.phase = Phase::AwaitKey;
                Ok(())
            }
            (Phase::AwaitSample, Message::Disclosing(Disclosing::TestOutcomes { offset: 0, bits })) => {
                self.sample(bits)
            }
            (Phase::Blocks, Message::Disclosing(message)) => match message {
                Disclosing::Syndrome(s) if self.hello.strategy == Strategy::Baseline => self.open(s),
                Disclosing::BlindInit(s) if self.hello.strategy != Strategy::Baseline => self.open(s),
                Disclosing::BlindReveal(r) => self.revealed(r, false),
                Disclosing::SymmetricReveal(r) => self.revealed(r, true),
                Disclosing::Verify(v) => self.verify(v),
                _ => Err(unexpected),
            },
            (Phase::Blocks, Message::Plain(Plain::Abandon { block })) => {
                let slot = self.slot(*block)?;
                if !matches!(slot.state, State::Needing | State::Closed) {
                    return Err(Abort::Contradiction("block: expected one that needs a reveal"));
                }
                slot.wrong |= slot.state == State::Closed;
                slot.state = State::Failed(slot.failure());
                slot.errors = 0;
                Ok(())
            }
            (Phase::Blocks, Message::Plain(Plain::Finish { blocks, leak })) => {
                if self.next_bit != self.terms.key_bits as usize || self.verified != self.opened {
                    return Err(Abort::Contradiction("finish: expected after the last block"));
                }
                if *blocks != self.opened || *leak != self.spent().0 {
                    return Err(Abort::Disagreement("books: blocks or bits charged differ"));
                }
                self.phase = Phase::Farewell;
                Ok(())
            }
            _ => Err(unexpected),
        }
    }

    fn sample(&mut self, sampled: &Bits<'_>) -> Result<(), Abort> {
        if sampled.len() != self.hello.sample_bits as usize {
            return Err(Abort::Contradiction("sample: expected as many bits as agreed"));
        }
        self.charge(Disclosure::Sample { bits: sampled.len() as u64 })?;
        let mut estimate = Estimate::over(self.memory.rates);
        let mut errors = 0;
        for i in 0..sampled.len() {
            let bit = bits::get(self.memory.key, i);
            let wrong = bit != sampled.get(i);
            errors += u32::from(wrong);
            estimate.add(self.memory.classes.get(i).copied().unwrap_or(0), bit, wrong);
        }
        estimate.update();
        self.estimated = true;
        // As Alice will read it.
        let effective = from_ppm(to_ppm(estimate.effective())).unwrap_or(0.0);
        self.sampled = Some((errors, effective));
        self.phase = Phase::AnswerSample;
        Ok(())
    }

    fn open(&mut self, message: &Syndrome<'_>) -> Result<(), Abort> {
        let (n, m) = (self.setup.code.n(), self.setup.code.m());
        if message.block != self.opened || self.opened - self.base >= self.hello.window.into() {
            return Err(Abort::Contradiction("block: expected the next one, inside the window"));
        }
        if message.syndrome.len() != m {
            return Err(Abort::Contradiction("syndrome: expected one bit for each check"));
        }
        let size = Selection { p: message.punctured.into(), s: message.shortened.into() };
        let left = self.terms.key_bits as usize - self.next_bit;
        if size.p + size.s >= n || n - size.p - size.s > left {
            return Err(Abort::Contradiction(
                "pattern: expected a payload of at most what is left of the key",
            ));
        }
        let index = self.index(self.opened);
        let mut plan = Plan::new(size, from_ppm(message.qber_ppm), []);
        plan.request = message.request.min(wire::MAX_POSITIONS as u16);
        let mut frame = frame_of(self.memory.words, &self.setup, index)?;
        // Punctured positions say nothing yet.
        let payload = frame.lay(&self.setup.order, &plan, self.memory.key, self.next_bit, None)?;
        message.syndrome.copy_to(frame.syndrome);
        let disclosure = frame.syndrome_disclosure(&self.setup.masking, m, payload);
        self.charge(disclosure)?;
        *self.memory.slots.get_mut(index).ok_or(SLOTS)? = Slot {
            state: State::Due,
            block: self.opened,
            start: self.next_bit,
            payload,
            plan,
            ..Slot::default()
        };
        self.due += 1;
        self.next_bit += payload;
        self.opened += 1;
        Ok(())
    }

    fn revealed(&mut self, message: &Reveal<'_>, by_request: bool) -> Result<(), Abort> {
        let slot = *self.slot(message.block)?;
        if slot.reveals + 1 >= self.hello.rounds {
            return Err(Abort::Contradiction("reveal: expected no more disclosures of a block than agreed"));
        }
        let reopened = slot.state == State::Closed && !by_request;
        let asked =
            slot.state == State::Needing && by_request == (self.hello.strategy == Strategy::Symmetric);
        if !reopened && !asked {
            return Err(Abort::Contradiction("reveal: expected one that was asked for"));
        }
        let index = self.index(message.block);
        let mut frame = frame_of(self.memory.words, &self.setup, index)?;
        let count = if by_request {
            bits::count_ones(frame.wanted)
        } else {
            frame.want_next(&self.setup.order, &slot.plan, message.values.len())
        };
        if message.values.is_empty() || count != message.values.len() {
            return Err(Abort::Contradiction("reveal: expected as many values as there are positions for"));
        }
        if !frame.leaves_payload(&slot) {
            return Err(Abort::Contradiction("reveal: expected some of the payload to stay unknown"));
        }
        let (disclosure, payload) = frame.reveal_disclosure(&self.setup.masking, &slot);
        frame.learn(&message.values);
        self.charge(disclosure)?;
        let slot = self.slot(message.block)?;
        slot.wrong |= reopened;
        slot.errors = 0;
        slot.revealed += count as u32;
        slot.payload_revealed += payload;
        slot.reveals = slot.reveals.saturating_add(1);
        slot.state = State::Due;
        self.due += 1;
        Ok(())
    }

    fn decoded(
        &mut self,
        index: usize,
        outcome: Outcome,
        decision: &[u64],
        doubts: &[u16],
    ) -> Result<(), Abort> {
        const REFUSED: Abort = Abort::Host("decoded: expected the answer to a job");
        let (n, m) = (self.setup.code.n(), self.setup.code.m());
        let slot = *self.memory.slots.get(index).ok_or(REFUSED)?;
        if slot.state != State::Waiting || decision.len() != words_for(n) {
            return Err(REFUSED);
        }
        let mut frame = frame_of(self.memory.words, &self.setup, index)?;
        let mut errors = 0;
        if outcome.converged {
            errors = frame.correct(decision, self.memory.key, slot.start);
        } else if self.hello.strategy == Strategy::Symmetric {
            let wanted = doubts.len().min(slot.request(m));
            frame.want_any(n, doubts.get(..wanted).unwrap_or_default())?;
        }
        let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        slot.rounds += 1;
        slot.iterations = slot.iterations.saturating_add(outcome.iterations.into());
        slot.recent = outcome.iterations;
        slot.converged = outcome.converged;
        slot.errors = errors;
        slot.state = State::Answer;
        self.due += 1;
        Ok(())
    }

    fn verify(&mut self, message: &Verify) -> Result<(), Abort> {
        const REFUSED: Abort =
            Abort::Contradiction("tag: expected one over the next blocks, all decoded or left out");
        if self.verdict.is_some()
            || message.from != self.verified
            || message.to <= message.from
            || message.to > self.opened
        {
            return Err(REFUSED);
        }
        let mut at = 0;
        self.memory.scratch.fill(0);
        for block in message.from..message.to {
            let slot = *self.memory.slots.get(self.index(block)).ok_or(SLOTS)?;
            match slot.state {
                State::Closed if words_for(at + slot.payload) <= self.memory.scratch.len() => {
                    bits::copy(self.memory.key, slot.start, self.memory.scratch, at, slot.payload);
                    at += slot.payload;
                }
                State::Failed(_) => {}
                _ => return Err(REFUSED),
            }
        }
        let matched = same(tag(self.memory.scratch, at, message.key), message.tag);
        self.memory.scratch.fill(0);
        self.charge(Disclosure::Tag { bits: TAG_BITS as u64 })?;
        self.undetected.add(at);
        if matched {
            self.verified = message.to;
            for block in message.from..message.to {
                if self.terms.learn {
                    self.learn(block)?;
                }
            }
            Estimate::over(self.memory.rates).update();
        }
        self.verdict = Some(matched);
        Ok(())
    }

    /// A verified block's errors, by class and value.
    fn learn(&mut self, block: u32) -> Result<(), Abort> {
        let index = self.index(block);
        let slot = *self.memory.slots.get(index).ok_or(SLOTS)?;
        if slot.state != State::Closed {
            return Ok(());
        }
        let n = self.setup.code.n();
        let frame = frame_of(self.memory.words, &self.setup, index)?;
        let mut estimate = Estimate::over(self.memory.rates);
        let payload = (0..n).filter(|&i| !bits::get(frame.taken, i));
        for (position, i) in payload.zip(slot.start..) {
            let bit = bits::get(frame.received, position);
            let class = self.memory.classes.get(i).copied().unwrap_or(0);
            estimate.add(class, bit, bit != bits::get(self.memory.key, i));
        }
        self.estimated = true;
        Ok(())
    }

    fn next(&mut self, out: &mut [u8]) -> Result<Turn, Abort> {
        match self.phase {
            Phase::AwaitGreeting | Phase::AwaitSample => return Ok(Turn::Effect(Effect::Idle)),
            Phase::AwaitKey => return Ok(Turn::Effect(Effect::Agreed(self.hello))),
            Phase::Greeting => {
                self.phase = if self.hello.sample_bits > 0 { Phase::AwaitSample } else { Phase::Blocks };
                return self.plain(&Plain::Hello(self.hello), out).map(Turn::send);
            }
            Phase::AnswerSample => {
                if let Some((errors, effective)) = self.sampled.take() {
                    self.phase = Phase::Blocks;
                    let effective_ppm = to_ppm(Some(effective));
                    // Told to the host after it is sent.
                    self.sampled = Some((errors, effective));
                    return self.plain(&Plain::TestResult { errors, effective_ppm }, out).map(Turn::send);
                }
            }
            Phase::Farewell if self.base == self.verified => {
                return self.plain(&Plain::Ack, out).map(Turn::Done);
            }
            Phase::Blocks | Phase::Farewell => {}
        }
        if let Some((errors, effective)) = self.sampled.take() {
            let bits = self.hello.sample_bits;
            return Ok(Turn::Effect(Effect::Sampled { errors, bits, effective }));
        }
        if let Some(matched) = self.verdict.take() {
            let effective_ppm = to_ppm(Estimate::over(self.memory.rates).effective());
            return self.plain(&Plain::VerifyResponse { matched, effective_ppm }, out).map(Turn::send);
        }
        if self.base < self.verified {
            let index = self.index(self.base);
            let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
            let released = slot.released();
            slot.state = State::Free;
            frame_of(self.memory.words, &self.setup, index)?.wipe();
            self.base += 1;
            return Ok(Turn::Effect(Effect::Released(released)));
        }
        if self.due > 0 {
            return self.serve(out).map(Turn::Effect);
        }
        Ok(Turn::Effect(Effect::Idle))
    }

    /// The oldest block with a job to give or an answer to send.
    fn serve(&mut self, out: &mut [u8]) -> Result<Effect, Abort> {
        let is_due = |state| matches!(state, State::Due | State::Answer);
        let due = (self.base..self.opened).find(|&block| self.state(block).is_some_and(is_due));
        let block = due.ok_or(SLOTS)?;
        let index = self.index(block);
        self.due -= 1;
        let slot = self.memory.slots.get_mut(index).ok_or(SLOTS)?;
        if slot.state == State::Due {
            slot.state = State::Waiting;
            return Ok(Effect::Decode(index));
        }
        slot.state = if slot.converged { State::Closed } else { State::Needing };
        let slot = *slot;
        let iterations = slot.recent;
        let decoded = Decoded { block, errors: slot.errors as u16, iterations };
        let sent = match self.hello.strategy {
            Strategy::Baseline => {
                self.plain(&Plain::SyndromeResponse { converged: slot.converged, decoded }, out)?
            }
            _ if slot.converged => self.plain(&Plain::BlindAck(decoded), out)?,
            Strategy::Blind => self.plain(&Plain::BlindNack { block, iterations }, out)?,
            Strategy::Symmetric => {
                let frame = frame_of(self.memory.words, &self.setup, index)?;
                let positions = Positions::ones(frame.wanted)?;
                let request = Plain::SymmetricRequest(Request { block, iterations, positions });
                wire::encode_next(out, &mut self.sent, &request)?
            }
        };
        Ok(Effect::Send(sent))
    }
}

enum Turn {
    Effect(Effect),
    Done(usize),
}

impl Turn {
    const fn send(bytes: usize) -> Self {
        Self::Effect(Effect::Send(bytes))
    }
}
