//! From rounds to two sets, and no further word.

use super::{AfterReport, Asking, Bob, CLOCKS, Phase, Silent, rows_of};
use crate::bits::{self, words_for};
use crate::leakage::{self, Disclosure};
use crate::ot::blocks::Shape;
use crate::ot::contract::{Condition, Detected, Estimated, Sifted};
use crate::ot::{Abort, Correction, GONE, Instant, NsmViolation, mask_of, select};
use crate::qber::Disclosed;
use crate::sift::{THINNING, draw, gather, is_within, thin};
use crate::spans::{cut, paste, paste_span};
use crate::wire::{self, Bits, Disclosing, Kind, Message, Plain, Span};

impl Bob<'_> {
    /// What a message of Alice's makes of the phase.
    pub(super) fn sift(&mut self, phase: Phase, now: Instant, message: &Message<'_>) -> Result<Phase, Abort> {
        let rounds = self.held.memory.record.rounds;
        let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
        Ok(match (phase, message) {
            (Phase::AwaitGreeting, Message::Plain(Plain::Agreement(theirs))) => {
                if let Some(what) = self.terms.agreement().difference(theirs) {
                    return Err(Abort::Synchronisation(what));
                }
                Phase::Greeting
            }
            (Phase::AwaitBases { fixed, nonce, part, at }, Message::Plain(Plain::BasisReveal(span))) => {
                let delta_t = self.terms.delta_t_us();
                if now.0 < fixed.0.saturating_add(delta_t - delta_t / CLOCKS) {
                    return Err(Abort::Nsm(NsmViolation::Early(Kind::BasisReveal)));
                }
                let string = if part == 0 { rows.common } else { rows.hers };
                let at = paste_span(span, part, string, rounds, at)?;
                match (part, nonce) {
                    _ if at < rounds => Phase::AwaitBases { fixed, nonce, part, at },
                    (0, _) => Phase::AwaitBases { fixed, nonce, part: 1, at: 0 },
                    (_, nonce) => {
                        let detected = self.detected(fixed, now)?;
                        match nonce {
                            Some(nonce) => Phase::Opening { nonce, detected },
                            None => self.test(detected)?,
                        }
                    }
                }
            }
            (Phase::AwaitSample { detected, at }, Message::Plain(Plain::TestSample(span))) => {
                let at = paste_span(span, 0, rows.sample, rounds, at)?;
                if at < rounds {
                    return Ok(Phase::AwaitSample { detected, at });
                }
                // Looked at before anything is disclosed for it.
                let size = bits::count_ones(rows.sample);
                let fits = size == self.terms.sample_size(detected.common);
                if !fits || !is_within(rows.sample, rows.common, rounds) {
                    return Err(Abort::Contract(Condition::Sample));
                }
                let record = &self.held.memory.record;
                gather(record.bases, rows.sample, rows.matching);
                gather(record.bits, rows.sample, rows.other);
                Phase::Bases { detected, size, at: 0 }
            }
            (
                Phase::AwaitOutcomes { detected, size, at },
                Message::Disclosing(Disclosing::TestOutcomes { offset, bits }),
            ) => {
                let at = paste(bits, *offset, rows.string, size, at)?;
                if at < size {
                    return Ok(Phase::AwaitOutcomes { detected, size, at });
                }
                gather(rows.hers, rows.sample, rows.scratch);
                let words = words_for(size);
                let disclosed = Disclosed {
                    sampled: size,
                    bases: [&rows.scratch[..words], &rows.matching[..words]],
                    outcomes: [&rows.string[..words], &rows.other[..words]],
                };
                let estimated =
                    Estimated::check(&self.terms, detected, rows.sample, rows.common, Some(disclosed))?;
                self.estimate = estimated.estimate;
                self.compare(estimated)?
            }
            (phase, message) => return Err(Self::misplaced(&phase, message.kind())),
        })
    }

    /// Rounds that both detected, out of his report and hers.
    fn detected(&mut self, fixed: Instant, told: Instant) -> Result<Detected, Abort> {
        let rounds = self.held.memory.record.rounds;
        let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
        rows.common.iter_mut().zip(&*rows.report).for_each(|(common, report)| *common &= report);
        // Her clock is the one that counts, and it has been asked whether bases came early.
        let delta_t = self.terms.delta_t_us();
        let told = told.max(Instant(fixed.0.saturating_add(delta_t)));
        Detected::check(&self.terms, rows.report, rows.common, fixed, told)
    }

    fn test(&mut self, detected: Detected) -> Result<Phase, Abort> {
        if self.terms.sample_size(detected.common) > 0 {
            return Ok(Phase::AwaitSample { detected, at: 0 });
        }
        let rows = rows_of(self.held.memory.words, detected.rounds, &self.setup)?;
        let estimated = Estimated::check(&self.terms, detected, rows.sample, rows.common, None)?;
        self.compare(estimated)
    }

    /// Compares bases where nothing was disclosed.
    fn compare(&mut self, estimated: Estimated) -> Result<Phase, Abort> {
        let record = self.held.memory.record;
        let rows = rows_of(self.held.memory.words, record.rounds, &self.setup)?;
        for w in 0..rows.common.len() {
            rows.common[w] &= !rows.sample[w];
            let differ = rows.hers[w] ^ record.bases[w];
            rows.matching[w] = rows.common[w] & !differ;
            rows.other[w] = rows.common[w] & differ;
        }
        Ok(Phase::Truncate { estimated })
    }

    /// By how many rounds the larger set is larger.
    pub(super) fn surplus(&self) -> usize {
        let row = words_for(self.held.memory.record.rounds);
        let count = |from: usize| {
            let words = self.held.memory.words.get(from * row..(from + 1) * row);
            words.map_or(0, bits::count_ones)
        };
        count(MATCHING).abs_diff(count(MATCHING + 1))
    }

    /// What entropy makes of the phase.
    pub(super) fn randomise(&mut self, phase: Phase, words: &[u64]) -> Result<Phase, Abort> {
        let record = self.held.memory.record;
        let after = self.commit_or_report();
        let rows = rows_of(self.held.memory.words, record.rounds, &self.setup)?;
        Ok(match phase {
            Phase::Thin { word } => {
                let (basis, keep) = self.thinned.ok_or(GONE)?;
                let mut at = word;
                for digits in words.as_chunks::<THINNING>().0 {
                    let better = if basis { record.bases[at] } else { !record.bases[at] };
                    let clicks = rows.report[at];
                    rows.report[at] = clicks & !better | thin(clicks & better, keep, digits);
                    at += 1;
                }
                if at < rows.report.len() { Phase::Thin { word: at } } else { after }
            }
            Phase::Nonce => {
                let &[a, b, c, d] = words else { return Err(GONE) };
                Phase::Commitment { nonce: [a, b, c, d] }
            }
            Phase::Truncate { estimated } => {
                let sizes = [bits::count_ones(rows.matching), bits::count_ones(rows.other)];
                let larger = if sizes[0] > sizes[1] { rows.matching } else { rows.other };
                draw(larger, rows.scratch, sizes[0].abs_diff(sizes[1]), words);
                Phase::Truncate { estimated }
            }
            phase => phase,
        })
    }

    const fn commit_or_report(&self) -> Phase {
        if self.terms.committed { Phase::Nonce } else { Phase::Report { after: AfterReport::Bases, at: 0 } }
    }

    /// The sets are equal in size.
    pub(super) fn divide(&mut self, estimated: Estimated) -> Result<Phase, Abort> {
        let rounds = self.held.memory.record.rounds;
        let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
        let sets = [&*rows.matching, &*rows.other];
        let sifted = Sifted::check(&self.terms, estimated, rows.common, sets)?;
        Ok(Phase::Sets { sifted, part: 0, at: 0 })
    }

    /// Sends what is due, one frame at a time.
    pub(super) fn tell(
        &mut self,
        phase: Phase,
        now: Instant,
        out: &mut [u8],
    ) -> Result<(Phase, usize), Abort> {
        let (record, chunk) = (self.held.memory.record, self.terms.chunk_bits);
        let rounds = record.rounds;
        let report = self.commit_or_report();
        let rows = rows_of(self.held.memory.words, rounds, &self.setup)?;
        let sent = &mut self.sent;
        let span = |part, at: usize, bits| Span { part, offset: at as u32, bits };
        Ok(match phase {
            Phase::Greeting => {
                rows.report.copy_from_slice(record.clicked);
                bits::clear_tail(rows.report, rounds);
                let agreement = self.terms.agreement();
                let length = wire::encode_next(out, sent, &Plain::Agreement(agreement))?;
                let phase = if self.thinned.is_some() { Phase::Thin { word: 0 } } else { report };
                (phase, length)
            }
            Phase::Commitment { nonce } => {
                let digest = self.terms.commitment(nonce, rows.report);
                let length = wire::encode_next(out, sent, &Plain::DetectionCommitment { digest })?;
                (Phase::AwaitBases { fixed: now, nonce: Some(nonce), part: 0, at: 0 }, length)
            }
            Phase::Opening { nonce, detected } => {
                let length = wire::encode_next(out, sent, &Plain::CommitmentOpening { nonce })?;
                (Phase::Report { after: AfterReport::Test(detected), at: 0 }, length)
            }
            Phase::Report { after, at } => {
                let bits = cut(rows.report, rounds, at, chunk)?;
                let length = wire::encode_next(out, sent, &Plain::DetectionReport(span(0, at, bits)))?;
                let at = at + bits.len();
                let phase = match after {
                    after if at < rounds => Phase::Report { after, at },
                    AfterReport::Bases => Phase::AwaitBases { fixed: now, nonce: None, part: 0, at: 0 },
                    AfterReport::Test(detected) => self.test(detected)?,
                };
                (phase, length)
            }
            Phase::Bases { detected, size, at } => {
                let bits = cut(rows.matching, size, at, chunk)?;
                let length = wire::encode_next(out, sent, &Plain::TestBases(span(0, at, bits)))?;
                let at = at + bits.len();
                let phase = if at < size {
                    Phase::Bases { detected, size, at }
                } else {
                    Phase::Outcomes { detected, size, at: 0 }
                };
                (phase, length)
            }
            Phase::Outcomes { detected, size, at } => {
                let bits = cut(rows.other, size, at, chunk)?;
                let sample = Disclosure::Sample { bits: bits.len() as u64 };
                let permit = leakage::charge(&mut self.sample_books, sample, Abort::Host("ledger: gone"))?;
                let message = Disclosing::TestOutcomes { offset: at as u32, bits };
                let length = wire::disclose_next(out, sent, permit, &message)?;
                let at = at + bits.len();
                let phase = if at < size {
                    Phase::Outcomes { detected, size, at }
                } else {
                    Phase::AwaitOutcomes { detected, size, at: 0 }
                };
                (phase, length)
            }
            Phase::Sets { sifted, part, at } => {
                // Set c is the one with equal bases.
                let swap = mask_of(self.held.choice != (part == 1));
                let range = at / 64..(at + chunk).min(rounds).div_ceil(64);
                for w in range {
                    rows.scratch[w] = select(swap, rows.matching[w], rows.other[w]);
                }
                let bits: Bits<'_> = cut(rows.scratch, rounds, at, chunk)?;
                let length = wire::encode_next(out, sent, &Plain::IndexLists(span(part, at, bits)))?;
                let at = at + bits.len();
                let phase = match part {
                    _ if at < rounds => Phase::Sets { sifted, part, at },
                    0 => Phase::Sets { sifted, part: 1, at: 0 },
                    _ => {
                        rows.string.fill(0);
                        gather(record.bits, rows.matching, rows.string);
                        let silent = Silent {
                            sifted,
                            number: 0,
                            shape: Shape::default(),
                            tags: [None; 2],
                            seed: (0, 0),
                            seed_bits: None,
                            given: 0,
                            back: 0,
                            rounds: 0,
                            pair: usize::MAX,
                            count: None,
                        };
                        match self.terms.correction {
                            Correction::OneWay => Phase::Silent(silent),
                            Correction::BlindUnder(_) => Phase::Asking(Asking { silent, round: 0, at: 0 }),
                        }
                    }
                };
                (phase, length)
            }
            Phase::Asking(asking) => return self.ask(asking, out),
            _ => return Err(GONE),
        })
    }
}

/// Number of the row of rounds with equal bases; that of the others is next.
const MATCHING: usize = 4;
