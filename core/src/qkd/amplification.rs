//! From a verified key to a secret one, the last conversation of a key distribution.
//!
//! In: verified bits, [`Reconciled`]. Out: the key, and [`Amplified`].

use core::fmt;

use super::contract::{Amplified, Reconciled};
use super::{Abort, Effect, Event, Instant, Machine, Primitives, Role, Step, Terms, aborted};
use crate::amplify::Toeplitz;
use crate::bits::words_for;
use crate::ot::GONE;
use crate::reconcile::Job;
use crate::spans::{cut, paste};
use crate::wire::{self, Kind, Message, Plain};

/// Memory of [`Amplifying`], the caller's.
pub struct AmplifyingMemory<'m> {
    /// The verified bits, in an order that both parties share.
    pub verified: &'m [u64],
    /// Where the seed goes: `words_for` its bits, at most twice the words of the verified bits.
    pub seed: &'m mut [u64],
    /// Scratch of any length, see [`Toeplitz::scratch_words`]. Zeros when the machine is gone.
    pub scratch: &'m mut [u64],
    /// Where the key goes. Zeros unless the machine is done.
    pub key: &'m mut [u64],
}

impl fmt::Debug for AmplifyingMemory<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AmplifyingMemory").finish_non_exhaustive()
    }
}

struct Held<'m> {
    memory: AmplifyingMemory<'m>,
    done: bool,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.memory.scratch.fill(0);
        if !self.done {
            self.memory.key.fill(0);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The seed is sent or comes, up to this bit.
    Seed { at: usize },
    /// Alice: Bob stores his key.
    AwaitAck,
    /// Alice: he has. Bob: all is there.
    Finished,
}

/// A key distribution done.
#[derive(Debug)]
pub struct KeyDone {
    /// The length, and all that it follows from.
    pub amplified: Amplified,
    /// Bytes of `out` still to be sent, after the key is stored: Bob's last word.
    pub send: usize,
}

/// Either party's machine for the last conversation of a key distribution.
pub struct Amplifying<'m> {
    role: Role,
    terms: Terms,
    primitives: &'m dyn Primitives,
    held: Held<'m>,
    /// Taken at the end.
    amplified: Option<Amplified>,
    hash: Toeplitz,
    phase: Phase,
    sent: u32,
    received: u32,
    deadline: Instant,
}

impl fmt::Debug for Amplifying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Amplifying")
            .field("role", &self.role)
            .field("phase", &self.phase)
            .finish_non_exhaustive()
    }
}

impl<'m> Amplifying<'m> {
    /// A machine that begins at `now`.
    ///
    /// # Errors
    /// [`Abort::EntropyDepleted`] if no bit is left, [`Abort::Host`] if memory or terms do not fit.
    pub fn new(
        role: Role,
        terms: Terms,
        primitives: &'m dyn Primitives,
        reconciled: Reconciled,
        memory: AmplifyingMemory<'m>,
        now: Instant,
    ) -> Result<Self, Abort> {
        let held = Held { memory, done: false };
        let amplified = Amplified::check(&terms, reconciled)?;
        let hash = Toeplitz { input_bits: amplified.reconciled.verified_bits, output_bits: amplified.length };
        if held.memory.verified.len() != words_for(hash.input_bits) {
            return Err(Abort::Host("verified: expected as many words as its bits need"));
        }
        if held.memory.seed.len() < words_for(hash.seed_bits()) {
            return Err(Abort::Host("seed: expected room for all its bits"));
        }
        if held.memory.key.len() < words_for(hash.output_bits) {
            return Err(Abort::Host("key: expected room for all its bits"));
        }
        held.memory.seed.fill(0);
        held.memory.key.fill(0);
        let deadline = terms.timeout(now);
        let amplified = Some(amplified);
        let phase = Phase::Seed { at: 0 };
        Ok(Self { role, terms, primitives, held, amplified, hash, phase, sent: 0, received: 0, deadline })
    }

    /// When the peer's time is up.
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Takes `event` at `now`; frames are written to `out`, of at least [`wire::MAX_FRAME`] bytes.
    pub fn on(mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, KeyDone> {
        let ended = match self.turn(now, event, out) {
            Ok(Some(effect)) => return Step::Next(self, effect),
            Ok(None) => self.farewell(out),
            Err(reason) => Err(reason),
        };
        match ended {
            Ok(done) => {
                self.held.done = true;
                Step::Done(done)
            }
            Err(reason) => Step::Abort(aborted(reason, self.sent, out)),
        }
    }

    fn farewell(&mut self, out: &mut [u8]) -> Result<KeyDone, Abort> {
        let amplified = self.amplified.take().ok_or(GONE)?;
        let send = match self.role {
            Role::Alice => 0,
            Role::Bob => wire::encode_next(out, &mut self.sent, &Plain::Ack)?,
        };
        Ok(KeyDone { amplified, send })
    }

    const fn waits(&self) -> bool {
        match self.phase {
            Phase::Seed { .. } => matches!(self.role, Role::Bob),
            Phase::AwaitAck => true,
            Phase::Finished => false,
        }
    }

    /// What is due after `event`; `None` at the end.
    fn turn(&mut self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Result<Option<Effect>, Abort> {
        match event {
            Event::Poll if self.waits() && now >= self.deadline => return Err(Abort::Timeout),
            Event::Poll => {}
            Event::Received(frame) => {
                let message = wire::decode(frame, self.received)?;
                self.received = self.received.wrapping_add(1);
                self.deadline = self.terms.timeout(now);
                self.hear(&message)?;
            }
            Event::Entropy(words) => {
                self.deadline = self.terms.timeout(now);
                return self.tell(words, out).map(|sent| Some(Effect::Send(sent)));
            }
            Event::Cancel => return Err(Abort::Cancelled),
            Event::Decoded { .. } => return Err(Abort::Host("event: expected one of amplification")),
        }
        Ok(match (self.phase, self.role) {
            (Phase::Seed { at }, Role::Alice) => Some(Effect::Entropy(words_for(self.part(at)))),
            (Phase::Finished, _) => None,
            _ => Some(Effect::Idle),
        })
    }

    /// Bits of the seed in the frame that begins at bit `at`.
    fn part(&self, at: usize) -> usize {
        (self.hash.seed_bits() - at).min(self.terms.chunk_bits)
    }

    fn hear(&mut self, message: &Message<'_>) -> Result<(), Abort> {
        let phase = match (self.phase, message) {
            (_, Message::Plain(Plain::Abort { reason })) => return Err(Abort::Peer(*reason)),
            (Phase::Seed { at }, Message::Plain(Plain::ToeplitzSeed { offset, total, bits }))
                if self.role == Role::Bob =>
            {
                let expected = self.hash.seed_bits();
                if *total as usize != expected {
                    return Err(Abort::Synchronisation("length of the key"));
                }
                let at = paste(bits, *offset, self.held.memory.seed, expected, at)?;
                self.whole(at, Phase::Finished)?
            }
            (Phase::AwaitAck, Message::Plain(Plain::Ack)) => Phase::Finished,
            (_, message) => return Err(Self::misplaced(message.kind())),
        };
        self.phase = phase;
        Ok(())
    }

    const fn misplaced(kind: Kind) -> Abort {
        Abort::PhaseOrder { kind, phase: "hashing the key" }
    }

    /// Alice: sends the next part of the seed, which `words` are.
    fn tell(&mut self, words: &[u64], out: &mut [u8]) -> Result<usize, Abort> {
        let (Phase::Seed { at }, Role::Alice) = (self.phase, self.role) else {
            return Err(Abort::Host("entropy: none was asked for"));
        };
        let (part, total) = (self.part(at), self.hash.seed_bits());
        let words = words.get(..words_for(part));
        let words = words.ok_or(Abort::Host("entropy: expected as many words as asked for"))?;
        let place = self.held.memory.seed.get_mut(at / 64..).and_then(|seed| seed.get_mut(..words.len()));
        place.ok_or(GONE)?.copy_from_slice(words);
        let bits = cut(self.held.memory.seed, total, at, self.terms.chunk_bits)?;
        let message = Plain::ToeplitzSeed { offset: at as u32, total: total as u32, bits };
        let sent = wire::encode_next(out, &mut self.sent, &message)?;
        self.phase = self.whole(at + part, Phase::AwaitAck)?;
        Ok(sent)
    }

    /// The seed is known up to bit `at`: once it is whole the key is hashed, and `then` follows.
    fn whole(&mut self, at: usize, then: Phase) -> Result<Phase, Abort> {
        if at < self.hash.seed_bits() {
            return Ok(Phase::Seed { at });
        }
        let memory = &mut self.held.memory;
        self.primitives.toeplitz(
            self.hash,
            &memory.seed[..words_for(self.hash.seed_bits())],
            memory.verified,
            &mut memory.key[..words_for(self.hash.output_bits)],
            memory.scratch,
        )?;
        Ok(then)
    }
}

impl Machine for Amplifying<'_> {
    type Done = KeyDone;

    fn on(self, now: Instant, event: Event<'_>, out: &mut [u8]) -> Step<Self, KeyDone> {
        Amplifying::on(self, now, event, out)
    }

    fn deadline(&self) -> Option<Instant> {
        Some(Amplifying::deadline(self))
    }

    fn job(&mut self, _block: usize) -> Option<Job<'_>> {
        None
    }

    fn last_word(done: &KeyDone) -> usize {
        done.send
    }
}
