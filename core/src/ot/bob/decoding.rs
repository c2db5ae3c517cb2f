//! From the sets to his string. Nothing here sends.

use super::{Bob, BobDone, Phase, Silent, rows_of};
use crate::amplify::Toeplitz;
use crate::bits::{self, words_for};
use crate::decode::Outcome;
use crate::llr::Rates;
use crate::ot::blocks::{Shape, State};
use crate::ot::{Abort, Failure, Job, mask_of, select};
use crate::spans::paste;
use crate::verify::{same, tag};
use crate::wire::{Disclosing, Message, Plain, Syndrome, Verify};

impl Bob<'_> {
    /// A frame of Alice's after the sets: both sets' are looked at in the same way, and kept only of one.
    pub(super) fn listen(&mut self, mut silent: Silent, message: &Message<'_>) -> Result<Silent, Abort> {
        let complete = silent.number > 0
            && silent.number.is_multiple_of(2)
            && silent.shape.end() == silent.sifted.set_bits;
        let tagged = silent.tags[1].is_some();
        match message {
            Message::Disclosing(Disclosing::Syndrome(message)) if !complete => {
                self.syndrome(&mut silent, message)?;
            }
            Message::Disclosing(Disclosing::Verify(message)) if complete && !tagged => {
                let set = usize::from(silent.tags[0].is_some());
                if *message != (Verify { from: set as u32, to: silent.number, ..*message }) {
                    return Err(Abort::Contradiction(
                        "tag: expected one for each set, the first one's first",
                    ));
                }
                silent.tags[set] = Some((message.key, message.tag));
            }
            Message::Plain(Plain::ToeplitzSeed { offset, total, bits }) if tagged && !silent.heard_all() => {
                self.seed(&mut silent, (*offset, *total), bits)?;
            }
            message => {
                return Err(Self::misplaced(&Phase::Silent(silent), message.kind()));
            }
        }
        Ok(silent)
    }

    fn syndrome(&mut self, silent: &mut Silent, message: &Syndrome<'_>) -> Result<(), Abort> {
        let (n, m) = (self.setup.code.n(), self.setup.code.m());
        let set_bits = silent.sifted.set_bits;
        let second = silent.number % 2 == 1;
        let start = if second { silent.shape.start } else { silent.shape.end() };
        let size = (message.punctured, message.shortened);
        let shape = Shape::new(n, size, message.qber_ppm, start, set_bits);
        let shape =
            shape.ok_or(Abort::Contradiction("pattern: expected a payload that the set still has"))?;
        if message.block != silent.number || message.syndrome.len() != m || message.request != 0 {
            return Err(Abort::Contradiction("syndrome: expected the next block's, one bit for each check"));
        }
        if second && shape != silent.shape {
            return Err(Abort::Contradiction("pattern: expected the same for both sets"));
        }
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        shape.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let index = (silent.number / 2) as usize;
        let words = words_for(m);
        let place = self.held.memory.syndromes.get_mut(index * words..(index + 1) * words);
        let (Some(place), Some(block)) = (place, self.held.memory.blocks.get_mut(index)) else {
            return Err(Abort::Contradiction("blocks: expected no more than there is memory for"));
        };
        // Both are read; the mask keeps one.
        let mine = mask_of(second == self.held.choice);
        for (w, word) in place.iter_mut().enumerate() {
            let theirs = (0..64).fold(0, |word, i| word | u64::from(message.syndrome.get(w * 64 + i)) << i);
            *word = select(mine, *word, theirs);
        }
        block.shape = shape;
        silent.shape = shape;
        silent.number += 1;
        Ok(())
    }

    fn seed(
        &mut self,
        silent: &mut Silent,
        (offset, total): (u32, u32),
        bits: &crate::wire::Bits<'_>,
    ) -> Result<(), Abort> {
        let (set, at) = silent.seed;
        let total = total as usize;
        let length = (total + 1).saturating_sub(silent.sifted.set_bits);
        let fits =
            length > 0 && length <= silent.sifted.set_bits && silent.seed_bits.is_none_or(|t| t == total);
        if !fits {
            return Err(Abort::Contradiction(
                "seed: expected as many bits for both sets as a matrix has diagonals",
            ));
        }
        if words_for(length) > self.held.memory.string.len() {
            return Err(Abort::Host("string: expected room for as many bits as Alice's strings have"));
        }
        silent.seed_bits = Some(total);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        // The seed of the other set goes where it does no harm.
        let string = if self.held.choice == (set == 1) { rows.hers } else { rows.scratch };
        let at = paste(bits, offset, string, total, at)?;
        silent.seed = if at < total { (set, at) } else { (set + 1, 0) };
        Ok(())
    }

    /// The next block whose syndromes have come.
    pub(super) fn next_job(&mut self, silent: &mut Silent) -> Option<usize> {
        if silent.given >= (silent.number / 2) as usize {
            return None;
        }
        let block = self.held.memory.blocks.get_mut(silent.given)?;
        block.state = State::Waiting;
        silent.given += 1;
        Some(silent.given - 1)
    }

    /// The decoding job of `block`, if it is given out and not back.
    pub fn job(&mut self, block: usize) -> Option<Job<'_>> {
        let Phase::Silent(silent) = &self.phase else { return None };
        let found = self.held.memory.blocks.get(block).filter(|found| found.state == State::Waiting)?;
        if block >= silent.given {
            return None;
        }
        let shape = found.shape;
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup).ok()?;
        let pattern = shape.pattern(&self.setup, rows.punctured, rows.shortened).ok()?;
        let payload = rows.payload.get_mut(..words_for(shape.payload))?;
        payload.fill(0);
        bits::copy(rows.string, shape.start, payload, 0, shape.payload);
        pattern.scatter(payload, rows.padding.get(..words_for(pattern.p()))?, rows.frame).ok()?;
        let words = words_for(self.setup.code.m());
        Some(Job {
            block: block as u32,
            first: true,
            frame: rows.frame,
            pattern,
            syndrome: self.held.memory.syndromes.get(block * words..(block + 1) * words)?,
            rates: Rates::Uniform(shape.rate()),
            doubts: 0,
        })
    }

    pub(super) fn decoded(&mut self, block: usize, outcome: Outcome, decision: &[u64]) -> Result<(), Abort> {
        const REFUSED: Abort = Abort::Host("decoded: expected the answer to a job");
        let Phase::Silent(silent) = &mut self.phase else { return Err(REFUSED) };
        let found = self.held.memory.blocks.get_mut(block).ok_or(REFUSED)?;
        if found.state != State::Waiting || decision.len() != words_for(self.setup.code.n()) {
            return Err(REFUSED);
        }
        let shape = found.shape;
        found.state = State::Done { converged: outcome.converged };
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let pattern = shape.pattern(&self.setup, rows.punctured, rows.shortened)?;
        let payload = &mut rows.payload[..words_for(shape.payload)];
        pattern.gather(decision, payload)?;
        bits::copy(payload, 0, rows.string, shape.start, shape.payload);
        silent.back += 1;
        Ok(())
    }

    /// All has come: the string, or if something failed, `random`.
    pub(super) fn finish(&mut self, silent: Silent, random: &[u64]) -> Result<BobDone, Abort> {
        let (length, set_bits) = (silent.length(), silent.sifted.set_bits);
        let rows = rows_of(self.held.memory.words, self.held.memory.record.rounds, &self.setup)?;
        let choice = mask_of(self.held.choice);
        let [first, second] = silent.tags.map(Option::unwrap_or_default);
        let (key, expected) = (select(choice, first.0, second.0), select(choice, first.1, second.1));
        let matched = same(tag(rows.string, set_bits, key), expected);
        let blocks = self.held.memory.blocks.iter().take(silent.back);
        let failed = blocks.filter(|block| block.state == State::Done { converged: false }).count() as u32;
        let hash = Toeplitz { input_bits: set_bits, output_bits: length };
        let output = &mut self.held.memory.string[..words_for(length)];
        self.terms.primitives.toeplitz(
            hash,
            &rows.hers[..words_for(hash.seed_bits())],
            &rows.string[..words_for(set_bits)],
            output,
            rows.scratch,
        )?;
        let failure = match (failed, matched) {
            (0, true) => None,
            (0, false) => Some(Failure::HashMismatch),
            (blocks, _) => Some(Failure::DecodingFailed { blocks }),
        };
        let mask = mask_of(failure.is_some());
        for (word, random) in output.iter_mut().zip(random) {
            *word = select(mask, *word, *random);
        }
        bits::clear_tail(output, length);
        Ok(BobDone { sifted: silent.sifted, length, failure })
    }
}
