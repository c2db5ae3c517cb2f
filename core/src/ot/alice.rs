//! The party with two strings: she tells bases, syndromes, tags and seeds, for both sets alike.

mod reveals;
mod sifting;
mod transfer;

use core::fmt;
use core::mem;

use super::blocks::{Shape, padding_words};
use super::contract::{Amplified, Detected, Estimated, Sifted};
use super::{Abort, Aborted, BATCH, Effect, Event, GONE, Instant, NsmViolation, Setup, Step, Terms};
use crate::bits::words_for;
use crate::leakage::{self, Disclosure, LeakBits, Ledger, Permit, Receipt};
use crate::qber::Estimate;
use crate::reconcile::plan::Planner;
use crate::sift::Record;
use crate::spans::rows;
use crate::wire::{self, Kind, Message, Plain};

/// Alice's memory, the caller's.
pub struct AliceMemory<'m> {
    /// What her detectors recorded.
    pub record: Record<'m>,
    /// [`Alice::words`] words. They are zeros when the machine is gone.
    pub words: &'m mut [u64],
    /// Padding that may be revealed, if errors are corrected blindly: [`Alice::padding_words`] words, else none. They are
    /// zeros when the machine is gone.
    pub padding: &'m mut [u64],
    /// Where her strings go; each has at least one word, and no string is longer than fits.
    pub strings: [&'m mut [u64]; 2],
}

impl fmt::Debug for AliceMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AliceMemory").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Her memory, wiped when the machine is gone: the strings too, unless they are done.
struct Held<'m> {
    memory: AliceMemory<'m>,
    done: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory.words.fill(0);
        self.memory.padding.fill(0);
        if !self.done {
            self.memory.strings.iter_mut().for_each(|string| string.fill(0));
        }
    }
}

/// Strings of a bit a round, each in words of their own.
struct Rows<'w> {
    /// Bob's report, then rounds that both detected, then those of them that were not disclosed; at the end pairs that
    /// Bob wanted in the last round.
    common: &'w mut [u64],
    /// Rounds that are disclosed; at the end pairs that Bob wants in this round.
    sample: &'w mut [u64],
    /// The two sets; before that, Bob's bases and outcomes in the sample.
    sets: [&'w mut [u64]; 2],
    /// Her bits in the two sets; before that, her bases and outcomes in the sample.
    strings: [&'w mut [u64]; 2],
    seed: &'w mut [u64],
    /// Rows of a frame.
    punctured: &'w mut [u64],
    shortened: &'w mut [u64],
    frame: &'w mut [u64],
    payload: &'w mut [u64],
    syndrome: &'w mut [u64],
}

/// Rows of a bit a round, and of a bit of a frame.
const ROWS: [usize; 2] = [7, 5];

/// What she does, with what the phases before have promised.
#[derive(Debug)]
enum Phase {
    Greeting,
    AwaitGreeting,
    AwaitCommitment,
    /// Detections come, up to bit `at`; committed to and opened, or before the bases.
    AwaitReport {
        opened: Option<Opened>,
        at: usize,
    },
    /// Delta t passes.
    Barrier {
        fixed: Instant,
        digest: Option<[u64; 4]>,
    },
    Bases {
        then: AfterBases,
        part: u8,
        at: usize,
    },
    AwaitOpening {
        opened: Opened,
    },
    Draw {
        detected: Detected,
        drawn: usize,
    },
    Sample {
        detected: Detected,
        size: usize,
        at: usize,
    },
    /// Bob's bases (part 0) and outcomes (part 1) in the sample.
    AwaitTest {
        detected: Detected,
        size: usize,
        part: u8,
        at: usize,
    },
    Outcomes {
        estimated: Estimated,
        size: usize,
        at: usize,
    },
    AwaitSets {
        estimated: Estimated,
        part: u8,
        at: usize,
    },
    Blocks {
        course: Course,
        number: u32,
        shape: Shape,
    },
    /// Pairs of blocks that Bob wants more of, up to bit `at`.
    AwaitWanted {
        course: Course,
        round: u8,
        at: usize,
    },
    Reveal {
        course: Course,
        reveal: Reveal,
    },
    Tag {
        course: Course,
        set: usize,
    },
    Seed {
        amplified: Amplified,
        set: usize,
        at: usize,
    },
    Finished {
        amplified: Amplified,
    },
    Over,
}

/// The sets, and what has been sent of them.
#[derive(Debug)]
struct Course {
    sifted: Sifted,
    /// Blocks of each set sent so far.
    blocks: u32,
    /// Rounds of reveals: as many as the block sent has that may need most.
    rounds: u8,
    /// Pairs of reveals.
    reveals: u32,
}

/// What is revealed next: `count` positions of a pair of blocks.
#[derive(Debug)]
struct Reveal {
    round: u8,
    pair: usize,
    shape: Shape,
    count: u16,
    /// The leave for the second block, once the first is told.
    second: Option<Permit>,
}

/// What follows the bases.
#[derive(Debug)]
enum AfterBases {
    /// Detections are known.
    Test(Detected),
    /// They are committed to.
    Opening(Opened),
}

/// A commitment as far as it is known, when it came, and when the bases were told.
#[derive(Clone, Copy, Debug)]
struct Opened {
    digest: [u64; 4],
    nonce: [u64; 4],
    fixed: Instant,
    told: Instant,
}

impl Phase {
    const fn name(&self) -> &'static str {
        match self {
            Self::Greeting | Self::AwaitGreeting => "greeting",
            Self::AwaitCommitment | Self::AwaitReport { .. } | Self::AwaitOpening { .. } => {
                "taking detections"
            }
            Self::Barrier { .. } => "waiting for Delta t to pass",
            Self::Bases { .. } => "telling bases",
            Self::Draw { .. } | Self::Sample { .. } | Self::AwaitTest { .. } | Self::Outcomes { .. } => {
                "estimating the error rate"
            }
            Self::AwaitSets { .. } => "taking sets",
            Self::AwaitWanted { .. } => "taking pairs wanted",
            Self::Blocks { .. } | Self::Reveal { .. } | Self::Tag { .. } | Self::Seed { .. } => "sending",
            Self::Finished { .. } | Self::Over => "done",
        }
    }

    const fn is_waiting(&self) -> bool {
        matches!(
            self,
            Self::AwaitGreeting
                | Self::AwaitCommitment
                | Self::AwaitReport { .. }
                | Self::AwaitOpening { .. }
                | Self::AwaitTest { .. }
                | Self::AwaitSets { .. }
                | Self::AwaitWanted { .. }
        )
    }

    /// Whether bases have not been told, all of them.
    const fn is_before_bases(&self) -> bool {
        matches!(
            self,
            Self::Greeting
                | Self::AwaitGreeting
                | Self::AwaitCommitment
                | Self::AwaitReport { opened: None, .. }
                | Self::Barrier { .. }
                | Self::Bases { .. }
        )
    }
}

/// A transfer done.
#[derive(Debug)]
pub struct AliceDone {
    /// Lengths, and all that they follow from.
    pub amplified: Amplified,
}

/// Alice's machine for one transfer.
pub struct Alice<'m> {
    setup: Setup<'m>,
    terms: Terms<'m>,
    planner: &'m dyn Planner,
    held: Held<'m>,
    phase: Phase,
    /// When the last round was over.
    last_round: Instant,
    /// Books of the sample, with no budget for anything else; of the sets.
    sample_books: Option<Ledger>,
    books: [Option<Ledger>; 2],
    sent: u32,
    received: u32,
    deadline: Instant,
    estimate: Option<Estimate>,
}

impl fmt::Debug for Alice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alice").field("phase", &self.phase.name()).finish_non_exhaustive()
    }
}

impl<'m> Alice<'m> {
    /// Words of [`AliceMemory::words`] for `rounds` rounds and a code of `n` bits.
    pub const fn words(rounds: usize, n: usize) -> usize {
        ROWS[0] * words_for(rounds) + ROWS[1] * words_for(n)
    }

    /// Words of [`AliceMemory::padding`] for sets of at most `blocks` blocks, if errors are corrected blindly.
    pub const fn padding_words(setup: &Setup<'_>, blocks: usize) -> usize {
        2 * blocks * padding_words(setup)
    }

    /// A machine that begins at `now`, after the rounds: their last was over at `last_round`.
    ///
    /// # Errors
    /// [`Abort::Host`] if memory or terms do not fit, [`Abort::Infeasible`] if no string could be secure.
    pub fn new(
        setup: Setup<'m>,
        terms: Terms<'m>,
        planner: &'m dyn Planner,
        memory: AliceMemory<'m>,
        last_round: Instant,
        now: Instant,
    ) -> Result<Self, Abort> {
        let held = Held { memory, done: false };
        let record = held.memory.record;
        terms.check(&setup, record.rounds)?;
        if !record.is_whole() {
            return Err(Abort::Host("record: expected as many words as its rounds need"));
        }
        if held.memory.words.len() < Self::words(record.rounds, setup.code.n()) {
            return Err(Abort::Host("words: expected Alice::words(rounds, n)"));
        }
        if held.memory.strings.iter().any(|string| string.is_empty()) {
            return Err(Abort::Host("strings: expected at least one word each"));
        }
        held.memory.words.fill(0);
        held.memory.padding.fill(0);
        Ok(Self {
            setup,
            terms,
            planner,
            held,
            phase: Phase::Greeting,
            last_round,
            sample_books: Some(Ledger::new(terms.policy, LeakBits(0))),
            books: [None, None],
            sent: 0,
            received: 0,
            deadline: Instant(now.0.saturating_add(setup.timeout_us)),
            estimate: None,
        })
    }

    /// When to poll at the latest: Delta t has passed, or the peer's time is up.
    pub const fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Barrier { fixed, .. } => Instant(fixed.0.saturating_add(self.terms.delta_t_us())),
            _ => self.deadline,
        }
    }

    /// Bits charged so far, to each set.
    pub fn spent(&self) -> [LeakBits; 2] {
        if let Phase::Seed { amplified, .. } | Phase::Finished { amplified } = &self.phase {
            return amplified.reconciled.receipts.each_ref().map(Receipt::total);
        }
        self.books.each_ref().map(|books| books.as_ref().map_or(LeakBits(0), Ledger::spent))
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, AliceDone> {
        let spent = self.spent();
        let result = self.turn(now, event, out).and_then(|effect| match effect {
            Some(effect) => Ok(Some(effect)),
            None => self.next(now, out),
        });
        match result {
            Ok(Some(effect)) => Step::Next(self, effect),
            Ok(None) => match mem::replace(&mut self.phase, Phase::Over) {
                Phase::Finished { amplified } => {
                    self.held.done = true;
                    Step::Done(AliceDone { amplified })
                }
                _ => Step::Abort(Aborted { reason: GONE, spent, send: 0, estimate: self.estimate }),
            },
            Err(reason) => {
                let send = match reason {
                    Abort::Peer(_) => 0,
                    _ => wire::encode(out, self.sent, &Plain::Abort { reason: reason.code() }).unwrap_or(0),
                };
                Step::Abort(Aborted { reason, spent, send, estimate: reason.estimate().or(self.estimate) })
            }
        }
    }

    fn turn(&mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Result<Option<Effect>, Abort> {
        match event {
            Event::Poll if self.phase.is_waiting() && now >= self.deadline => Err(Abort::Timeout),
            Event::Poll => Ok(None),
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = self.timeout(now);
                if let Message::Plain(Plain::Abort { reason }) = message {
                    return Err(Abort::Peer(reason));
                }
                self.receive(now, &message).map(|()| None)
            }
            Event::Entropy(words) => self.supply(words, out).map(|sent| sent.map(Effect::Send)),
            Event::Cancel => Err(Abort::Cancelled),
            Event::Decoded { .. } => Err(Abort::Host("event: expected one of Alice's")),
        }
    }

    const fn timeout(&self, now: Instant) -> Instant {
        Instant(now.0.saturating_add(self.setup.timeout_us))
    }

    /// Why a frame of `kind` has no place here.
    fn misplaced(phase: &Phase, kind: Kind) -> Abort {
        let of_bob = matches!(
            kind,
            Kind::DetectionCommitment
                | Kind::DetectionReport
                | Kind::CommitmentOpening
                | Kind::TestBases
                | Kind::TestOutcomes
                | Kind::IndexLists
                | Kind::PairsWanted
        );
        let detections = matches!(kind, Kind::DetectionCommitment | Kind::DetectionReport);
        if of_bob && phase.is_before_bases() {
            Abort::Nsm(NsmViolation::Early(kind))
        } else if detections && !phase.is_before_bases() {
            Abort::Nsm(NsmViolation::Late(kind))
        } else {
            Abort::PhaseOrder { kind, phase: phase.name() }
        }
    }

    fn receive(&mut self, now: Instant, message: &Message<'_>) -> Result<(), Abort> {
        let phase = mem::replace(&mut self.phase, Phase::Over);
        self.phase = self.sift(phase, now, message)?;
        Ok(())
    }

    fn supply(&mut self, words: &[u64], out: &mut [u8]) -> Result<Option<usize>, Abort> {
        let wanted = self.wanted().ok_or(Abort::Host("entropy: none was asked for"))?;
        if words.len() < wanted {
            return Err(Abort::Host("entropy: expected as many words as asked for"));
        }
        let words = &words[..wanted];
        let phase = mem::replace(&mut self.phase, Phase::Over);
        let (phase, sent) = match phase {
            Phase::Draw { detected, drawn } => (self.draw(detected, drawn, words)?, None),
            phase => {
                let (phase, sent) = self.transfer(phase, words, out)?;
                (phase, Some(sent))
            }
        };
        self.phase = phase;
        Ok(sent)
    }

    /// Words of entropy that the phase waits for.
    fn wanted(&self) -> Option<usize> {
        match &self.phase {
            Phase::Draw { detected, drawn } => {
                let left = self.terms.sample_size(detected.common) - drawn;
                (left > 0).then_some((left + left / 32 + 1).min(BATCH))
            }
            Phase::Blocks { shape, .. } => Some(words_for(shape.punctured.into()).max(1)),
            Phase::Tag { .. } => Some(1),
            Phase::Seed { amplified, at, .. } => {
                Some(words_for((amplified.seed_bits - at).min(self.terms.chunk_bits)))
            }
            _ => None,
        }
    }

    fn next(&mut self, now: Instant, out: &mut [u8]) -> Result<Option<Effect>, Abort> {
        if let Phase::Barrier { fixed, digest } = self.phase {
            if now < self.deadline() {
                return Ok(Some(Effect::Idle));
            }
            self.phase = self.pass(now, fixed, digest)?;
        }
        if let Some(words) = self.wanted() {
            return Ok(Some(Effect::Entropy(words)));
        }
        if self.phase.is_waiting() {
            return Ok(Some(Effect::Idle));
        }
        if let Phase::Finished { .. } = self.phase {
            return Ok(None);
        }
        let phase = mem::replace(&mut self.phase, Phase::Over);
        let (phase, sent) = self.tell(phase, out)?;
        self.phase = phase;
        self.deadline = self.timeout(now);
        Ok(Some(Effect::Send(sent)))
    }

    fn plain(&mut self, message: &Plain<'_>, out: &mut [u8]) -> Result<usize, Abort> {
        Ok(wire::encode_next(out, &mut self.sent, message)?)
    }
}

/// The rows of `words` for a record of `rounds` rounds.
fn rows_of<'w>(words: &'w mut [u64], rounds: usize, setup: &Setup<'_>) -> Result<Rows<'w>, Abort> {
    let ([common, sample, a, b, x, y, seed], rest) = rows(words, words_for(rounds))?;
    let ([punctured, shortened, frame, payload, syndrome], _) = rows(rest, words_for(setup.code.n()))?;
    Ok(Rows {
        common,
        sample,
        sets: [a, b],
        strings: [x, y],
        seed,
        punctured,
        shortened,
        frame,
        payload,
        syndrome: &mut syndrome[..words_for(setup.code.m())],
    })
}

fn charge(books: &mut Option<Ledger>, disclosure: Disclosure) -> Result<Permit, Abort> {
    leakage::charge(books, disclosure, Abort::Host("ledger: gone"))
}
