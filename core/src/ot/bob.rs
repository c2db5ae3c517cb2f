//! The party with a choice: he reports what he detected, divides the rounds, and from then on is silent, or after he has
//! said which blocks need more.

mod asking;
mod decoding;
mod phase;
mod sifting;

use core::fmt;
use core::mem;

use phase::{AfterReport, Asking, Phase, Silent};

use super::blocks::Block;
use super::contract::Sifted;
use super::{Abort, Aborted, BATCH, Effect, Event, Failure, Instant, NsmViolation, Setup, Step, Terms};
use crate::bits::words_for;
use crate::leakage::{LeakBits, Ledger};
use crate::qber::Estimate;
use crate::sift::{Record, THINNING};
use crate::spans::rows;
use crate::verify::collision_log2;
use crate::wire::{self, Kind, Message, Plain};

/// Bob's memory, the caller's.
pub struct BobMemory<'m> {
    /// What his detectors recorded.
    pub record: Record<'m>,
    /// [`Bob::words`] words. They are zeros when the machine is gone.
    pub words: &'m mut [u64],
    /// One for each block of a set that he is ready to take.
    pub blocks: &'m mut [Block],
    /// A syndrome for each of them: as many times `words_for(m)` words.
    pub syndromes: &'m mut [u64],
    /// Where his string goes.
    pub string: &'m mut [u64],
}

/// What Bob brings beside his record.
#[derive(Clone, Copy)]
pub struct BobConfig {
    /// Which of the two strings he wants.
    pub choice: bool,
    /// How often his detectors click in either basis, where that differs: clicks of the better one are thinned out, so
    /// that what he reports says nothing about his bases. The parameters' efficiency is then that of the worse one.
    pub efficiencies: Option<[f64; 2]>,
}

impl fmt::Debug for BobConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BobConfig").field("efficiencies", &self.efficiencies).finish_non_exhaustive()
    }
}

impl fmt::Debug for BobMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BobMemory").field("record", &self.record).finish_non_exhaustive()
    }
}

/// His memory, wiped when the machine is gone: the string too, unless it is done.
struct Held<'m> {
    memory: BobMemory<'m>,
    choice: bool,
    done: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory.words.fill(0);
        self.memory.blocks.fill(Block::default());
        self.memory.syndromes.fill(0);
        if !self.done {
            self.memory.string.fill(0);
        }
    }
}

/// Strings of a bit a round, each in words of their own.
struct Rows<'w> {
    report: &'w mut [u64],
    /// Rounds that Alice detected, then both, then those of them that were not disclosed.
    common: &'w mut [u64],
    /// Alice's bases; at the end the seed.
    hers: &'w mut [u64],
    /// Rounds that are disclosed; at the end pairs of blocks that he asked for.
    sample: &'w mut [u64],
    /// Rounds with equal bases; before that, his bases in the sample.
    matching: &'w mut [u64],
    /// Rounds with different ones; before that, his outcomes in the sample.
    other: &'w mut [u64],
    /// His bits of the set that he can decode, in the end hers; before that, her outcomes in the sample.
    string: &'w mut [u64],
    scratch: &'w mut [u64],
    /// Rows of a frame.
    punctured: &'w mut [u64],
    shortened: &'w mut [u64],
    frame: &'w mut [u64],
    payload: &'w mut [u64],
    /// Zeros: nothing is known of punctured positions.
    padding: &'w mut [u64],
}

/// Rows of a bit a round, and of a bit of a frame.
const ROWS: [usize; 2] = [8, 5];

/// A transfer done.
#[derive(Debug)]
pub struct BobDone {
    /// The sets, and all that they follow from.
    pub sifted: Sifted,
    /// Bits of his string.
    pub length: usize,
    /// Why his string is a random one, if it is. He alone may know.
    pub failure: Option<Failure>,
}

impl BobDone {
    /// Whether he takes his string for the one he chose.
    pub const fn believes(&self) -> bool {
        self.failure.is_none()
    }

    /// log2 of the bound on the chance that he believes a wrong string.
    pub fn undetected_log2(&self) -> f64 {
        collision_log2(self.sifted.set_bits)
    }
}

/// Bob's machine for one transfer.
pub struct Bob<'m> {
    setup: Setup<'m>,
    terms: Terms<'m>,
    held: Held<'m>,
    /// Basis whose clicks are thinned out, and what part of 2^32 is kept.
    thinned: Option<(bool, u32)>,
    phase: Phase,
    sample_books: Option<Ledger>,
    sent: u32,
    received: u32,
    deadline: Instant,
    estimate: Option<Estimate>,
}

impl fmt::Debug for Bob<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bob").field("phase", &self.phase.name()).finish_non_exhaustive()
    }
}

/// Clocks of two parties differ by one part in so many: bases that come earlier than Delta t by less are on time. It is
/// Alice who has to wait; he only notices where she did not.
const CLOCKS: u64 = 1000;

impl<'m> Bob<'m> {
    /// Words of [`BobMemory::words`] for `rounds` rounds and a code of `n` bits.
    pub const fn words(rounds: usize, n: usize) -> usize {
        ROWS[0] * words_for(rounds) + ROWS[1] * words_for(n)
    }

    /// A machine that begins at `now`, after the rounds.
    ///
    /// # Errors
    /// [`Abort::Host`] if memory or terms do not fit, [`Abort::Infeasible`] if no string could be secure.
    pub fn new(
        setup: Setup<'m>,
        terms: Terms<'m>,
        config: BobConfig,
        memory: BobMemory<'m>,
        now: Instant,
    ) -> Result<Self, Abort> {
        let held = Held { memory, choice: config.choice, done: false };
        let record = held.memory.record;
        terms.check(&setup, record.rounds)?;
        if !record.is_whole() {
            return Err(Abort::Host("record: expected as many words as its rounds need"));
        }
        if held.memory.words.len() < Self::words(record.rounds, setup.code.n()) {
            return Err(Abort::Host("words: expected Bob::words(rounds, n)"));
        }
        if held.memory.syndromes.len() < held.memory.blocks.len() * words_for(setup.code.m()) {
            return Err(Abort::Host("syndromes: expected words_for(m) words for each block"));
        }
        held.memory.words.fill(0);
        held.memory.blocks.fill(Block::default());
        Ok(Self {
            setup,
            terms,
            held,
            thinned: thinning(config.efficiencies)?,
            phase: Phase::AwaitGreeting,
            sample_books: Some(Ledger::new(terms.policy, LeakBits(0))),
            sent: 0,
            received: 0,
            deadline: Instant(now.0.saturating_add(setup.timeout_us)),
            estimate: None,
        })
    }

    /// Whether Alice waits for him, and he for his decoder. Else what he decodes can wait.
    pub const fn owes(&self) -> bool {
        matches!(&self.phase, Phase::Asking(asking) if asking.silent.is_revealed())
    }

    /// When the peer's time is up. Nothing is waited for but the decoder once all frames have come.
    pub const fn deadline(&self) -> Option<Instant> {
        if self.phase.is_waiting() { Some(self.deadline) } else { None }
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, BobDone> {
        // What ends him later, ends him without a word.
        let silent = matches!(self.phase, Phase::Asking(_) | Phase::Silent(_));
        let result = match self.turn(now, event) {
            Ok(Turn::Go) => self.next(now, out),
            result => result,
        };
        match result {
            Ok(Turn::Effect(effect)) => Step::Next(self, effect),
            Ok(Turn::Done(done)) => {
                self.held.done = true;
                Step::Done(done)
            }
            Ok(Turn::Go) => Step::Next(self, Effect::Idle),
            Err(reason) => {
                let send = match reason {
                    Abort::Peer(_) => 0,
                    _ if silent => 0,
                    _ => wire::encode(out, self.sent, &Plain::Abort { reason: reason.code() }).unwrap_or(0),
                };
                let estimate = reason.estimate().or(self.estimate);
                Step::Abort(Aborted { reason, spent: [LeakBits(0); 2], send, estimate })
            }
        }
    }

    fn turn(&mut self, now: Instant, event: Event<'_>) -> Result<Turn, Abort> {
        match event {
            Event::Poll if self.phase.is_waiting() && now >= self.deadline => Err(Abort::Timeout),
            Event::Poll => Ok(Turn::Go),
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = Instant(now.0.saturating_add(self.setup.timeout_us));
                if let Message::Plain(Plain::Abort { reason }) = message {
                    return Err(Abort::Peer(reason));
                }
                let phase = mem::replace(&mut self.phase, Phase::Over);
                self.phase = match phase {
                    Phase::Asking(asking) => self.listen_asking(asking, &message)?,
                    Phase::Silent(silent) => Phase::Silent(self.listen(silent, &message)?),
                    phase => self.sift(phase, now, &message)?,
                };
                Ok(Turn::Go)
            }
            Event::Entropy(words) => {
                let wanted = self.wanted().ok_or(Abort::Host("entropy: none was asked for"))?;
                if words.len() < wanted {
                    return Err(Abort::Host("entropy: expected as many words as asked for"));
                }
                let phase = mem::replace(&mut self.phase, Phase::Over);
                if let Phase::Silent(silent) = phase {
                    return self.finish(silent, &words[..wanted]).map(Turn::Done);
                }
                self.phase = self.randomise(phase, &words[..wanted])?;
                Ok(Turn::Go)
            }
            Event::Decoded { block, outcome, decision } => {
                self.decoded(block, outcome, decision)?;
                Ok(Turn::Go)
            }
            Event::Cancel => Err(Abort::Cancelled),
        }
    }

    /// Words of entropy that the phase waits for.
    fn wanted(&self) -> Option<usize> {
        match &self.phase {
            Phase::Thin { word } => {
                let left = words_for(self.held.memory.record.rounds) - word;
                Some(left.min(BATCH / THINNING) * THINNING)
            }
            Phase::Nonce => Some(4),
            Phase::Truncate { .. } => {
                let left = self.surplus();
                (left > 0).then_some((left + left / 32 + 1).min(BATCH))
            }
            Phase::Silent(silent) if silent.heard_all() && silent.back == silent.blocks() => {
                Some(words_for(silent.length()))
            }
            _ => None,
        }
    }

    fn next(&mut self, now: Instant, out: &mut [u8]) -> Result<Turn, Abort> {
        if let Some(words) = self.wanted() {
            return Ok(Turn::Effect(Effect::Entropy(words)));
        }
        let phase = mem::replace(&mut self.phase, Phase::Over);
        let phase = if let Phase::Truncate { estimated } = phase { self.divide(estimated)? } else { phase };
        if let Phase::Silent(mut silent) = phase {
            let job = self.next_job(&mut silent);
            self.phase = Phase::Silent(silent);
            return Ok(Turn::Effect(job.map_or(Effect::Idle, Effect::Decode)));
        }
        let (phase, job) = match phase {
            Phase::Asking(mut asking) => {
                let job = self.next_job(&mut asking.silent);
                (Phase::Asking(asking), job)
            }
            phase => (phase, None),
        };
        let decodes = matches!(&phase, Phase::Asking(asking) if asking.silent.back < asking.silent.blocks());
        if phase.is_waiting() || decodes {
            self.phase = phase;
            return Ok(Turn::Effect(job.map_or(Effect::Idle, Effect::Decode)));
        }
        let (phase, sent) = self.tell(phase, now, out)?;
        self.phase = phase;
        let waits = if matches!(self.phase, Phase::AwaitBases { .. }) { self.terms.delta_t_us() } else { 0 };
        self.deadline = Instant(now.0.saturating_add(self.setup.timeout_us).saturating_add(waits));
        Ok(Turn::Effect(Effect::Send(sent)))
    }

    /// Why a frame of `kind` has no place here.
    fn misplaced(phase: &Phase, kind: Kind) -> Abort {
        let before = matches!(
            phase,
            Phase::AwaitGreeting
                | Phase::Greeting
                | Phase::Thin { .. }
                | Phase::Nonce
                | Phase::Commitment { .. }
                | Phase::Report { after: AfterReport::Bases, .. }
        );
        if before && kind == Kind::BasisReveal {
            Abort::Nsm(NsmViolation::Early(kind))
        } else {
            Abort::PhaseOrder { kind, phase: phase.name() }
        }
    }
}

enum Turn {
    /// Whatever is due.
    Go,
    Effect(Effect),
    Done(BobDone),
}

/// The better basis, and what part of 2^32 of its clicks is as many as the other's.
fn thinning(efficiencies: Option<[f64; 2]>) -> Result<Option<(bool, u32)>, Abort> {
    let Some([first, second]) = efficiencies else { return Ok(None) };
    if !(first > 0.0 && first <= 1.0 && second > 0.0 && second <= 1.0) {
        return Err(Abort::Host("efficiencies: expected numbers above 0 and at most 1"));
    }
    let keep = first.min(second) / first.max(second);
    Ok((keep < 1.0).then_some((second > first, (keep * 4_294_967_296.0) as u32)))
}

/// The rows of `words` for a record of `rounds` rounds.
fn rows_of<'w>(words: &'w mut [u64], rounds: usize, setup: &Setup<'_>) -> Result<Rows<'w>, Abort> {
    let ([report, common, hers, sample, matching, other, string, scratch], rest) =
        rows(words, words_for(rounds))?;
    let ([punctured, shortened, frame, payload, padding], _) = rows(rest, words_for(setup.code.n()))?;
    Ok(Rows {
        report,
        common,
        hers,
        sample,
        matching,
        other,
        string,
        scratch,
        punctured,
        shortened,
        frame,
        payload,
        padding,
    })
}
