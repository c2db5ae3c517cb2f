//! From rounds to a sifted key and its error rates. Both parties' machine: it tells what its role says, and hears the rest.
//!
//! In: a record. Out: key bits, and [`Estimated`].

use core::fmt;
use core::mem;

use super::contract::{Detected, Estimated, Sifted};
use super::{Abort, Effect, Event, Instant, Machine, Role, Step, Terms, aborted};
use crate::bits::{self, words_for};
use crate::leakage::{self, Disclosure, LeakBits, Ledger};
use crate::ot::{BATCH, GONE};
use crate::qber::Disclosed;
use crate::reconcile::Job;
use crate::sift::{Record, draw, gather};
use crate::spans::{cut, paste, paste_span, rows};
use crate::wire::{self, Disclosing, Kind, Message, Plain, Span};

/// Memory of [`Sifting`], the caller's.
pub struct SiftingMemory<'m> {
    /// What the party's detectors recorded.
    pub record: Record<'m>,
    /// [`Sifting::words`] words. They are zeros when the machine is gone.
    pub words: &'m mut [u64],
    /// Where the sifted key goes: as many words as a row of the record. Zeros unless the machine is done.
    pub key: &'m mut [u64],
}

impl fmt::Debug for SiftingMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SiftingMemory").field("record", &self.record).finish_non_exhaustive()
    }
}

/// The memory, wiped when the machine is gone: the key too, unless it is done.
struct Held<'m> {
    memory: SiftingMemory<'m>,
    done: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory.words.fill(0);
        if !self.done {
            self.memory.key.fill(0);
        }
    }
}

/// Strings of a bit a round, each in words of their own.
struct Rows<'w> {
    /// Bob's report.
    report: &'w mut [u64],
    /// The peer's bases.
    theirs: &'w mut [u64],
    /// Alice's clicks, then rounds with equal bases, then those of them that were not disclosed.
    sifted: &'w mut [u64],
    sample: &'w mut [u64],
    /// Own outcomes in the sample; before that, rounds to draw from.
    own: &'w mut [u64],
    /// The peer's.
    other: &'w mut [u64],
    /// Bases of both in the sample.
    bases: &'w mut [u64],
}

const ROWS: usize = 7;

fn rows_of(words: &mut [u64], rounds: usize) -> Result<Rows<'_>, Abort> {
    let ([report, theirs, sifted, sample, own, other, bases], _) = rows(words, words_for(rounds))?;
    Ok(Rows { report, theirs, sifted, sample, own, other, bases })
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Agreement,
    Report,
    Clicks,
    Bases,
    Sample,
    Outcomes,
}

/// Who tells what, in this order.
const ITEMS: [(Role, Item); 9] = [
    (Role::Alice, Item::Agreement),
    (Role::Bob, Item::Agreement),
    (Role::Bob, Item::Report),
    (Role::Alice, Item::Clicks),
    (Role::Alice, Item::Bases),
    (Role::Bob, Item::Bases),
    (Role::Alice, Item::Sample),
    (Role::Bob, Item::Outcomes),
    (Role::Alice, Item::Outcomes),
];

impl Item {
    const fn name(self) -> &'static str {
        match self {
            Self::Agreement => "greeting",
            Self::Report | Self::Clicks => "comparing detections",
            Self::Bases => "comparing bases",
            Self::Sample | Self::Outcomes => "estimating the error rate",
        }
    }
}

/// Where it stands.
#[derive(Clone, Copy, Debug)]
enum Phase {
    /// At this bit of an item.
    Item { index: usize, at: usize },
    /// Alice: so many rounds of a basis are drawn.
    Draw { basis: bool, drawn: usize },
}

/// Index in [`ITEMS`] of the sample, which is drawn first.
const SAMPLE: usize = 6;

/// Sifting done.
#[derive(Debug)]
pub struct SiftingDone {
    /// Error rates, and all that they follow from.
    pub estimated: Estimated,
}

/// Either party's machine for the first conversation of a key distribution.
pub struct Sifting<'m> {
    role: Role,
    terms: Terms,
    held: Held<'m>,
    phase: Phase,
    sifted: Option<Sifted>,
    /// Books of the sample, with no budget for anything else.
    books: Option<Ledger>,
    sent: u32,
    received: u32,
    deadline: Instant,
}

impl fmt::Debug for Sifting<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sifting")
            .field("role", &self.role)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl<'m> Sifting<'m> {
    /// Words of [`SiftingMemory::words`] for `rounds` rounds.
    pub const fn words(rounds: usize) -> usize {
        ROWS * words_for(rounds)
    }

    /// A machine that begins at `now`, after the rounds.
    ///
    /// # Errors
    /// [`Abort::Host`] if memory or terms do not fit, [`Abort::Infeasible`] if no key is to be expected.
    pub fn new(role: Role, terms: Terms, memory: SiftingMemory<'m>, now: Instant) -> Result<Self, Abort> {
        let held = Held { memory, done: false };
        let record = held.memory.record;
        terms.check(record.rounds)?;
        if !record.is_whole() {
            return Err(Abort::Host("record: expected as many words as its rounds need"));
        }
        if held.memory.words.len() < Self::words(record.rounds) {
            return Err(Abort::Host("words: expected Sifting::words(rounds)"));
        }
        if held.memory.key.len() < words_for(record.rounds) {
            return Err(Abort::Host("key: expected as many words as the rounds need"));
        }
        held.memory.words.fill(0);
        Ok(Self {
            role,
            terms,
            held,
            phase: Phase::Item { index: 0, at: 0 },
            sifted: None,
            books: Some(Ledger::new(terms.policy, LeakBits(0))),
            sent: 0,
            received: 0,
            deadline: terms.timeout(now),
        })
    }

    /// When the peer's time is up.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, SiftingDone> {
        let ended = match self.turn(now, event).and_then(|()| self.next(now, out)) {
            Ok(Some(effect)) => return Step::Next(self, effect),
            Ok(None) => self.finish(),
            Err(reason) => Err(reason),
        };
        match ended {
            Ok(estimated) => {
                self.held.done = true;
                Step::Done(SiftingDone { estimated })
            }
            Err(reason) => Step::Abort(aborted(reason, self.sent, out)),
        }
    }

    /// The item it is at, and whether it hears it.
    fn item(&self) -> Option<(Item, bool)> {
        let Phase::Item { index, .. } = self.phase else { return None };
        ITEMS.get(index).map(|&(role, item)| (item, role != self.role))
    }

    fn turn(&mut self, now: Instant, event: Event<'_>) -> Result<(), Abort> {
        match event {
            Event::Poll => match self.item() {
                Some((_, true)) if now >= self.deadline => Err(Abort::Timeout),
                _ => Ok(()),
            },
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = self.terms.timeout(now);
                if let Message::Plain(Plain::Abort { reason }) = message {
                    return Err(Abort::Peer(reason));
                }
                self.hear(&message)
            }
            Event::Entropy(words) => self.draw(words),
            Event::Cancel => Err(Abort::Cancelled),
            Event::Decoded { .. } => Err(Abort::Host("event: expected one of sifting")),
        }
    }

    fn misplaced(&self, kind: Kind) -> Abort {
        let phase = match (self.phase, self.item()) {
            (Phase::Draw { .. }, _) => "drawing a sample",
            (_, Some((item, _))) => item.name(),
            (_, None) => "done",
        };
        Abort::PhaseOrder { kind, phase }
    }

    fn hear(&mut self, message: &Message<'_>) -> Result<(), Abort> {
        let misplaced = self.misplaced(message.kind());
        let (Phase::Item { index, at }, Some((item, true))) = (self.phase, self.item()) else {
            return Err(misplaced);
        };
        let rounds = self.held.memory.record.rounds;
        let rows = rows_of(self.held.memory.words, rounds)?;
        let mut total = rounds;
        let at = match (item, message) {
            (Item::Agreement, Message::Plain(Plain::Agreement(theirs))) => {
                if let Some(what) = self.terms.agreement().difference(theirs) {
                    return Err(Abort::Synchronisation(what));
                }
                total
            }
            (Item::Report, Message::Plain(Plain::DetectionReport(span))) => {
                paste_span(span, 0, rows.report, rounds, at)?
            }
            (Item::Clicks, Message::Plain(Plain::BasisReveal(span))) => {
                paste_span(span, 0, rows.sifted, rounds, at)?
            }
            (Item::Bases, Message::Plain(Plain::BasisReveal(span))) => {
                paste_span(span, 1, rows.theirs, rounds, at)?
            }
            (Item::Sample, Message::Plain(Plain::TestSample(span))) => {
                paste_span(span, 0, rows.sample, rounds, at)?
            }
            (Item::Outcomes, Message::Disclosing(Disclosing::TestOutcomes { offset, bits })) => {
                total = self.sampled();
                let rows = rows_of(self.held.memory.words, rounds)?;
                paste(bits, *offset, rows.other, total, at)?
            }
            _ => return Err(misplaced),
        };
        self.advance(index, at, total)
    }

    /// Rounds to be disclosed.
    fn sampled(&self) -> usize {
        self.sifted.as_ref().map_or(0, |sifted| sifted.tested.iter().sum())
    }

    /// The item stands at bit `at` of `total`; what its end brings.
    fn advance(&mut self, index: usize, at: usize, total: usize) -> Result<(), Abort> {
        if at < total {
            self.phase = Phase::Item { index, at };
            return Ok(());
        }
        self.phase = Phase::Item { index: index + 1, at: 0 };
        match index + 1 {
            SAMPLE => self.compare()?,
            7 => self.disclose()?,
            _ => {}
        }
        Ok(())
    }

    /// All bases are known.
    fn compare(&mut self) -> Result<(), Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds)?;
        if self.role == Role::Alice {
            rows.sifted.copy_from_slice(record.clicked);
        }
        rows.sifted.iter_mut().zip(&*rows.report).for_each(|(sifted, report)| *sifted &= report);
        let detected = Detected::check(record.rounds, rows.report, rows.sifted)?;
        for ((sifted, own), theirs) in rows.sifted.iter_mut().zip(record.bases).zip(&*rows.theirs) {
            *sifted &= !(own ^ theirs);
        }
        self.sifted = Some(Sifted::check(&self.terms, detected, rows.sifted, record.bases)?);
        if self.role == Role::Alice {
            self.begin_drawing(false)?;
        }
        Ok(())
    }

    /// The sample is known: it is looked at before anything is disclosed for it.
    fn disclose(&mut self) -> Result<(), Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds)?;
        let sifted = self.sifted.as_ref().ok_or(GONE)?;
        sifted.admits(rows.sample, rows.sifted, record.bases)?;
        gather(record.bits, rows.sample, rows.own);
        gather(record.bases, rows.sample, rows.bases);
        Ok(())
    }

    fn begin_drawing(&mut self, basis: bool) -> Result<(), Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds)?;
        for ((pool, sifted), bases) in rows.own.iter_mut().zip(&*rows.sifted).zip(record.bases) {
            *pool = sifted & if basis { *bases } else { !bases };
        }
        self.phase = Phase::Draw { basis, drawn: 0 };
        Ok(())
    }

    /// Rounds of `basis` that are to be drawn.
    fn wanted_of(&self, basis: bool) -> usize {
        self.sifted.as_ref().map_or(0, |sifted| sifted.tested[usize::from(basis)])
    }

    /// Words of entropy that the phase waits for.
    fn wanted(&self) -> Option<usize> {
        let Phase::Draw { basis, drawn } = self.phase else { return None };
        let left = self.wanted_of(basis).saturating_sub(drawn);
        Some((left + left / 32 + 1).min(BATCH))
    }

    fn draw(&mut self, words: &[u64]) -> Result<(), Abort> {
        let wanted = self.wanted().ok_or(Abort::Host("entropy: none was asked for"))?;
        let Phase::Draw { basis, drawn } = self.phase else { return Err(GONE) };
        let words = words.get(..wanted).ok_or(Abort::Host("entropy: expected as many words as asked for"))?;
        let size = self.wanted_of(basis);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds)?;
        let drawn = drawn + draw(rows.own, rows.sample, size - drawn, words);
        match basis {
            basis if drawn < size => self.phase = Phase::Draw { basis, drawn },
            false => self.begin_drawing(true)?,
            true => self.phase = Phase::Item { index: SAMPLE, at: 0 },
        }
        Ok(())
    }

    /// What is due: entropy, a frame, or nothing before one comes. `None` at the end.
    fn next(&mut self, now: Instant, out: &mut [u8]) -> Result<Option<Effect>, Abort> {
        if let Some(words) = self.wanted() {
            return Ok(Some(Effect::Entropy(words)));
        }
        match self.item() {
            None => Ok(None),
            Some((_, true)) => Ok(Some(Effect::Idle)),
            Some((item, false)) => {
                let number = self.sent;
                let told = self.tell(item, out);
                if told.is_err() {
                    // A frame that does not leave has no number: the abort has it.
                    self.sent = number;
                }
                self.deadline = self.terms.timeout(now);
                Ok(Some(Effect::Send(told?)))
            }
        }
    }

    /// Sends one frame of `item`.
    fn tell(&mut self, item: Item, out: &mut [u8]) -> Result<usize, Abort> {
        let Phase::Item { index, at } = self.phase else { return Err(GONE) };
        let (record, chunk) = (self.held.memory.record, self.terms.chunk_bits);
        let total = if item == Item::Outcomes { self.sampled() } else { record.rounds };
        let rows = rows_of(self.held.memory.words, record.rounds)?;
        let offset = at as u32;
        let sent = &mut self.sent;
        let (length, told) = match item {
            Item::Agreement => {
                let agreement = Plain::Agreement(self.terms.agreement());
                (wire::encode_next(out, sent, &agreement)?, total)
            }
            Item::Report | Item::Clicks | Item::Bases | Item::Sample => {
                if item == Item::Report && at == 0 {
                    rows.report.copy_from_slice(record.clicked);
                    bits::clear_tail(rows.report, record.rounds);
                }
                let string = match item {
                    Item::Report => &*rows.report,
                    Item::Sample => &*rows.sample,
                    Item::Clicks => record.clicked,
                    _ => record.bases,
                };
                let bits = cut(string, total, at, chunk)?;
                let span = Span { part: u8::from(item == Item::Bases), offset, bits };
                let message = match item {
                    Item::Report => Plain::DetectionReport(span),
                    Item::Sample => Plain::TestSample(span),
                    _ => Plain::BasisReveal(span),
                };
                (wire::encode_next(out, sent, &message)?, bits.len())
            }
            Item::Outcomes => {
                let bits = cut(rows.own, total, at, chunk)?;
                let sample = Disclosure::Sample { bits: bits.len() as u64 };
                let permit = leakage::charge(&mut self.books, sample, Abort::Host("ledger: gone"))?;
                let message = Disclosing::TestOutcomes { offset, bits };
                (wire::disclose_next(out, sent, permit, &message)?, bits.len())
            }
        };
        self.advance(index, at + told, total)?;
        Ok(length)
    }

    /// Both outcomes are known: error rates, and the key without what was disclosed.
    fn finish(&mut self) -> Result<Estimated, Abort> {
        let sampled = self.sampled();
        let SiftingMemory { record, words, key } = &mut self.held.memory;
        let rows = rows_of(words, record.rounds)?;
        let words = words_for(sampled);
        let disclosed = Disclosed {
            sampled,
            bases: [&rows.bases[..words]; 2],
            outcomes: [&rows.own[..words], &rows.other[..words]],
        };
        let sifted = mem::take(&mut self.sifted).ok_or(GONE)?;
        let estimated = Estimated::check(&self.terms, sifted, &disclosed)?;
        rows.sifted.iter_mut().zip(&*rows.sample).for_each(|(kept, sample)| *kept &= !sample);
        key.fill(0);
        gather(record.bits, rows.sifted, key);
        Ok(estimated)
    }
}

impl Machine for Sifting<'_> {
    type Done = SiftingDone;

    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, SiftingDone> {
        Sifting::on(self, now, event, out)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(Sifting::deadline(self))
    }

    fn job(&mut self, _block: usize) -> Option<Job<'_>> {
        None
    }
}
