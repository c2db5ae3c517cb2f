//! From rounds to two sets.

use super::{AfterBases, Alice, Course, Opened, Phase, charge, rows_of};
use crate::bits::words_for;
use crate::leakage::{Disclosure, Ledger};
use crate::ot::blocks::{Shape, survey};
use crate::ot::contract::{Detected, Estimated, Sifted};
use crate::ot::{Abort, CommitmentMismatch, Correction, Instant};
use crate::qber::Disclosed;
use crate::sift::{draw, gather};
use crate::spans::{cut, paste, paste_span};
use crate::wire::{self, Disclosing, Message, Plain, Span};

impl Alice<'_> {
    /// What a message of Bob's makes of the phase.
    pub(super) fn sift(&mut self, phase: Phase, now: Instant, message: &Message<'_>) -> Result<Phase, Abort> {
        let rounds = self.held.memory.record.rounds;
        let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
        // Nothing before Bob's word is earlier than the rounds themselves.
        let fixed = now.max(self.last_round);
        Ok(match (phase, message) {
            (Phase::AwaitGreeting, Message::Plain(Plain::Agreement(theirs))) => {
                if let Some(what) = self.terms.agreement().difference(theirs) {
                    return Err(Abort::Synchronisation(what));
                }
                if self.terms.committed {
                    Phase::AwaitCommitment
                } else {
                    Phase::AwaitReport { opened: None, at: 0 }
                }
            }
            (Phase::AwaitCommitment, Message::Plain(Plain::DetectionCommitment { digest })) => {
                Phase::Barrier { fixed, digest: Some(*digest) }
            }
            (Phase::AwaitOpening { opened }, Message::Plain(Plain::CommitmentOpening { nonce })) => {
                Phase::AwaitReport { opened: Some(Opened { nonce: *nonce, ..opened }), at: 0 }
            }
            (Phase::AwaitReport { opened, at }, Message::Plain(Plain::DetectionReport(span))) => {
                let at = paste_span(span, 0, rows.common, rounds, at)?;
                match opened {
                    _ if at < rounds => Phase::AwaitReport { opened, at },
                    None => Phase::Barrier { fixed, digest: None },
                    Some(opened) => {
                        if self.terms.commitment(opened.nonce, rows.common) != opened.digest {
                            return Err(Abort::Commitment(CommitmentMismatch));
                        }
                        let detected = self.detected(opened.fixed, opened.told)?;
                        self.test(detected)?
                    }
                }
            }
            (Phase::AwaitTest { detected, size, part: 0, at }, Message::Plain(Plain::TestBases(span))) => {
                let at = paste_span(span, 0, rows.sets[0], size, at)?;
                let (part, at) = if at < size { (0, at) } else { (1, 0) };
                Phase::AwaitTest { detected, size, part, at }
            }
            (
                Phase::AwaitTest { detected, size, part: 1, at },
                Message::Disclosing(Disclosing::TestOutcomes { offset, bits }),
            ) => {
                let at = paste(bits, *offset, rows.sets[1], size, at)?;
                if at < size {
                    return Ok(Phase::AwaitTest { detected, size, part: 1, at });
                }
                let record = &self.held.memory.record;
                gather(record.bases, rows.sample, rows.strings[0]);
                gather(record.bits, rows.sample, rows.strings[1]);
                let words = words_for(size);
                let disclosed = Disclosed {
                    sampled: size,
                    bases: [&rows.strings[0][..words], &rows.sets[0][..words]],
                    outcomes: [&rows.strings[1][..words], &rows.sets[1][..words]],
                };
                let estimated =
                    Estimated::check(&self.terms, detected, rows.sample, rows.common, Some(disclosed))?;
                self.estimate = estimated.estimate;
                Phase::Outcomes { estimated, size, at: 0 }
            }
            (Phase::AwaitSets { estimated, part, at }, Message::Plain(Plain::IndexLists(span))) => {
                let at = paste_span(span, part, rows.sets[usize::from(part)], rounds, at)?;
                match part {
                    _ if at < rounds => Phase::AwaitSets { estimated, part, at },
                    0 => Phase::AwaitSets { estimated, part: 1, at: 0 },
                    _ => self.settle(estimated)?,
                }
            }
            (Phase::AwaitWanted { course, round, at }, Message::Plain(Plain::PairsWanted(span))) => {
                self.wanted_pairs(course, round, at, span)?
            }
            (phase, message) => return Err(Self::misplaced(&phase, message.kind())),
        })
    }

    /// Rounds that both detected, out of Bob's report.
    fn detected(&mut self, fixed: Instant, told: Instant) -> Result<Detected, Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds, &self.setup)?;
        // The report stays in the row of the seed while both are looked at.
        rows.seed.copy_from_slice(rows.common);
        rows.common.iter_mut().zip(record.clicked).for_each(|(common, clicked)| *common &= clicked);
        Detected::check(&self.terms, rows.seed, rows.common, fixed, told)
    }

    /// Delta t has passed.
    pub(super) fn pass(
        &mut self,
        now: Instant,
        fixed: Instant,
        digest: Option<[u64; 4]>,
    ) -> Result<Phase, Abort> {
        let then = match digest {
            None => AfterBases::Test(self.detected(fixed, now)?),
            Some(digest) => AfterBases::Opening(Opened { digest, nonce: [0; 4], fixed, told: now }),
        };
        Ok(Phase::Bases { then, part: 0, at: 0 })
    }

    /// Detections are known and so are the bases: the error rate is next, if it is estimated.
    fn test(&mut self, detected: Detected) -> Result<Phase, Abort> {
        if self.terms.sample_size(detected.common) > 0 {
            return Ok(Phase::Draw { detected, drawn: 0 });
        }
        let rows = rows_of(self.held.memory.words, detected.rounds, &self.setup)?;
        let estimated = Estimated::check(&self.terms, detected, rows.sample, rows.common, None)?;
        Ok(Phase::AwaitSets { estimated, part: 0, at: 0 })
    }

    /// Draws rounds to be disclosed, out of all that both detected.
    pub(super) fn draw(&mut self, detected: Detected, drawn: usize, words: &[u64]) -> Result<Phase, Abort> {
        let size = self.terms.sample_size(detected.common);
        let rows = rows_of(self.held.memory.words, detected.rounds, &self.setup)?;
        let drawn = drawn + draw(rows.common, rows.sample, size - drawn, words);
        if drawn < size {
            return Ok(Phase::Draw { detected, drawn });
        }
        // Whole again, as the contract looks at it.
        rows.common.iter_mut().zip(&*rows.sample).for_each(|(common, sample)| *common |= sample);
        Ok(Phase::Sample { detected, size, at: 0 })
    }

    /// Sends what is due, one frame at a time.
    pub(super) fn tell(&mut self, phase: Phase, out: &mut [u8]) -> Result<(Phase, usize), Abort> {
        let (record, chunk) = (self.held.memory.record, self.terms.chunk_bits);
        let rounds = record.rounds;
        match phase {
            Phase::Greeting => {
                let agreement = self.terms.agreement();
                Ok((Phase::AwaitGreeting, self.plain(&Plain::Agreement(agreement), out)?))
            }
            Phase::Bases { then, part, at } => {
                let string = if part == 0 { record.clicked } else { record.bases };
                let bits = cut(string, rounds, at, chunk)?;
                let span = Span { part, offset: at as u32, bits };
                let sent = self.plain(&Plain::BasisReveal(span), out)?;
                let at = at + bits.len();
                let phase = match (then, part) {
                    (then, _) if at < rounds => Phase::Bases { then, part, at },
                    (then, 0) => Phase::Bases { then, part: 1, at: 0 },
                    (AfterBases::Test(detected), _) => self.test(detected)?,
                    (AfterBases::Opening(opened), _) => Phase::AwaitOpening { opened },
                };
                Ok((phase, sent))
            }
            Phase::Sample { detected, size, at } => {
                let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
                let bits = cut(rows.sample, rounds, at, chunk)?;
                let message = Plain::TestSample(Span { part: 0, offset: at as u32, bits });
                let sent = wire::encode_next(out, &mut self.sent, &message)?;
                let at = at + bits.len();
                if at < rounds {
                    return Ok((Phase::Sample { detected, size, at }, sent));
                }
                Ok((Phase::AwaitTest { detected, size, part: 0, at: 0 }, sent))
            }
            Phase::Outcomes { estimated, size, at } => {
                let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
                let bits = cut(rows.strings[1], size, at, chunk)?;
                let permit = charge(&mut self.sample_books, Disclosure::Sample { bits: bits.len() as u64 })?;
                let message = Disclosing::TestOutcomes { offset: at as u32, bits };
                let sent = wire::disclose_next(out, &mut self.sent, permit, &message)?;
                let at = at + bits.len();
                if at < size {
                    return Ok((Phase::Outcomes { estimated, size, at }, sent));
                }
                Ok((Phase::AwaitSets { estimated, part: 0, at: 0 }, sent))
            }
            Phase::Reveal { course, reveal } => self.reveal(course, reveal, out),
            _ => Err(crate::ot::GONE),
        }
    }

    /// Both sets are known: what they will disclose is found out, and afforded, before any of it leaves.
    fn settle(&mut self, estimated: Estimated) -> Result<Phase, Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds, &self.setup)?;
        let kept = rows.common;
        kept.iter_mut().zip(&*rows.sample).for_each(|(kept, sample)| *kept &= !sample);
        let sifted = Sifted::check(&self.terms, estimated, kept, [&*rows.sets[0], &*rows.sets[1]])?;
        let (qber, set_bits) = (sifted.estimated.qber, sifted.set_bits);
        let masks = [rows.punctured, rows.shortened];
        let survey = survey(&self.setup, &self.terms, self.planner, qber, set_bits, masks)?;
        sifted.affords(survey.leak)?;
        let cap = sifted.cap(&self.terms);
        if survey.leak > cap {
            let spent = crate::leakage::LeakBits(0);
            return Err(Abort::Budget(crate::leakage::BudgetExceeded { attempted: survey.leak, spent, cap }));
        }
        let correction = self.terms.correction;
        let padding = Self::padding_words(&self.setup, survey.blocks as usize);
        if correction != Correction::OneWay && self.held.memory.padding.len() < padding {
            return Err(Abort::Host("padding: expected Alice::padding_words(setup, blocks) words"));
        }
        for (set, string) in rows.sets.iter().zip(rows.strings) {
            string.fill(0);
            gather(record.bits, set, string);
        }
        self.books = [(); 2].map(|()| Some(Ledger::new(self.terms.policy, cap)));
        let (shape, _) = Shape::plan(&self.setup, correction, self.planner, qber, 0, set_bits)?;
        // Counted as they are sent: what Bob has seen is what tags and rounds refer to, whatever a planner says twice.
        let course = Course { sifted, blocks: 0, rounds: 0, reveals: 0 };
        Ok(Phase::Blocks { course, number: 0, shape })
    }
}
