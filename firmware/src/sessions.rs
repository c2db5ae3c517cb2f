//! Whole sessions: both machines in one image, over a line that carries bytes one way and the other.

use caligo_core::code::{Code, mother_4096};
use caligo_core::leakage::Policy;
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_core::rate::{RateError, Selection};
use caligo_core::reconcile::block::Slot;
use caligo_core::reconcile::estimate::Class;
use caligo_core::reconcile::plan::{Plan, Planner};
use caligo_core::reconcile::{
    Alice, AliceConfig, AliceMemory, Bob, BobMemory, Effect, Event, Finished, Instant, Machine, Masking,
    Setup, Step, Terms, fingerprint,
};
use caligo_core::wire::{Hello, Strategy};

use crate::random::Random;
use crate::{Decode, Digest, Host, Job, Line, Work};

const N: usize = 4096;
/// Blocks in flight.
const WINDOW: usize = 2;
/// Bits of a key: three to six blocks.
const KEY_BITS: usize = 12_288;
const KEY: usize = KEY_BITS / 64;
/// Bytes of the longest frame: a request for padding, or a syndrome of 2048 bits with its header.
const FRAME: usize = 512;
/// Words of entropy asked for at once: a block's padding.
const ENTROPY: usize = N / 64;

/// The patterns of the blocks, decided beforehand: a rate, and what is revealed after each failure.
struct Fixed {
    punctured: usize,
    qber: f64,
    steps: [usize; 8],
}

impl Planner for Fixed {
    fn plan(&self, _qber: Option<f64>, left: usize) -> Result<Plan, RateError> {
        // The last block may be shorter: what is missing is shortened.
        let payload = (N - self.punctured).min(left);
        let size = Selection { p: self.punctured, s: N - self.punctured - payload };
        Ok(Plan::new(size, Some(self.qber), self.steps))
    }
}

/// Memory of both parties and of the line between them.
pub struct Sessions {
    alice_key: [u64; KEY],
    bob_sent: [u64; KEY],
    bob_key: [u64; KEY],
    alice_words: [u64; Alice::words(N, WINDOW)],
    bob_words: [u64; Bob::words(N, WINDOW)],
    alice_scratch: [u64; N / 64],
    bob_scratch: [u64; N / 64],
    decision: [u64; N / 64],
    to_bob: Serial,
    to_alice: Serial,
}

/// What a serial line has taken and not yet delivered: frames, each behind its length in two bytes.
struct Serial {
    bytes: [u8; 2 * FRAME],
    used: usize,
    carried: u64,
}

impl Serial {
    const fn new() -> Self {
        Self { bytes: [0; 2 * FRAME], used: 0, carried: 0 }
    }

    fn send(&mut self, frame: &[u8]) -> Option<()> {
        let room = self.bytes.get_mut(self.used..self.used + 2 + frame.len())?;
        let (length, body) = room.split_at_mut_checked(2)?;
        length.iter_mut().zip((frame.len() as u16).to_be_bytes()).for_each(|(to, from)| *to = from);
        body.iter_mut().zip(frame).for_each(|(to, from)| *to = *from);
        self.used += 2 + frame.len();
        self.carried += 2 + frame.len() as u64;
        Some(())
    }

    /// The next frame, if there is one: how many bytes of `frame` it fills.
    fn receive(&mut self, frame: &mut [u8]) -> Option<usize> {
        let (length, _) = self.bytes.get(..self.used)?.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let body = self.bytes.get(2..2 + length)?;
        frame.get_mut(..length)?.iter_mut().zip(body).for_each(|(to, from)| *to = *from);
        let taken = 2 + length;
        for at in taken..self.used {
            let byte = self.bytes.get(at).copied()?;
            *self.bytes.get_mut(at - taken)? = byte;
        }
        self.used -= taken;
        Some(length)
    }
}

/// What a party's turn came to.
enum Turn<M> {
    Waits(M),
    Ends(Finished),
}

/// Everything a party needs beside its machine.
struct Desk<'d> {
    line: &'d mut Serial,
    entropy: Random,
    decoder: &'d mut dyn Decode,
    decision: &'d mut [u64; N / 64],
    received: &'d [u64],
    released: u64,
    verified: u64,
    iterations: u64,
}

impl Desk<'_> {
    /// Gives `event` to the machine and performs what follows until it waits. `None` if it aborts.
    fn turn<M: Machine, H: Host>(
        &mut self,
        mut machine: M,
        event: Event<'_>,
        host: &mut H,
    ) -> Option<Turn<M>> {
        let mut out = [0; FRAME];
        let mut entropy = [0; ENTROPY];
        host.begin();
        let mut step = machine.on(Instant(0), event, &mut out);
        host.end(Work::Machine, 1);
        loop {
            let effect = match step {
                Step::Next(next, effect) => {
                    machine = next;
                    effect
                }
                Step::Done(finished) => {
                    if finished.send > 0 {
                        self.line.send(out.get(..finished.send)?)?;
                    }
                    return Some(Turn::Ends(finished));
                }
                Step::Abort(_) => return None,
            };
            let next = match effect {
                Effect::Idle => return Some(Turn::Waits(machine)),
                Effect::Send(length) => {
                    self.line.send(out.get(..length)?)?;
                    Event::Poll
                }
                Effect::Entropy(words) => {
                    let words = entropy.get_mut(..words)?;
                    self.entropy.fill(words);
                    Event::Entropy(words)
                }
                Effect::Agreed(_) => Event::Key { key: self.received, classes: &[] },
                Effect::Decode(slot) => {
                    let job = machine.job(slot)?;
                    host.begin();
                    // One rate for all positions: Bob does not learn others.
                    let Rates::Uniform(qber) = job.rates else { return None };
                    let frame = Job { pattern: &job.pattern, frame: job.frame, syndrome: job.syndrome, qber };
                    let outcome = self.decoder.decode(frame, self.decision)?;
                    host.end(self.decoder.work(), outcome.iterations.into());
                    self.iterations += u64::from(outcome.iterations);
                    Event::Decoded { slot, outcome, decision: self.decision, doubts: &[] }
                }
                Effect::Released(block) => {
                    self.released += 1;
                    self.verified += u64::from(block.failure.is_none());
                    Event::Poll
                }
                Effect::Sampled { .. } => Event::Poll,
            };
            host.begin();
            step = machine.on(Instant(0), next, &mut out);
            host.end(Work::Machine, 1);
        }
    }
}

impl Sessions {
    pub(crate) const fn new() -> Self {
        Self {
            alice_key: [0; KEY],
            bob_sent: [0; KEY],
            bob_key: [0; KEY],
            alice_words: [0; Alice::words(N, WINDOW)],
            bob_words: [0; Bob::words(N, WINDOW)],
            alice_scratch: [0; N / 64],
            bob_scratch: [0; N / 64],
            decision: [0; N / 64],
            to_bob: Serial::new(),
            to_alice: Serial::new(),
        }
    }

    pub(crate) fn run<H: Host>(
        &mut self,
        decoder: &mut dyn Decode,
        host: &mut H,
        blind: bool,
        rate: u64,
        punctured: usize,
        ppm: u32,
    ) -> bool {
        let name = if blind { "blind" } else { "baseline" };
        let line = Line::new()
            .text("session, ")
            .text(name)
            .text(decoder.name())
            .text(", rate .")
            .number(rate)
            .text(": ");
        let Some(end) = self.reconcile(decoder, host, blind, rate, punctured, ppm) else {
            line.text("failed").end(host);
            return false;
        };
        let line = line.text("blocks ").number(end.blocks).text(", verified ").number(end.verified);
        let line = line.text(", disclosed ").number(end.charged).text(" bits, iterations ");
        let line = line.number(end.iterations).text(", bytes ").number(end.bytes);
        line.text(", key ").hex(end.key).end(host);
        end.alike
    }

    fn reconcile<H: Host>(
        &mut self,
        decoder: &mut dyn Decode,
        host: &mut H,
        blind: bool,
        rate: u64,
        punctured: usize,
        ppm: u32,
    ) -> Option<End> {
        let mut random = Random::new(rate << 1 | u64::from(blind));
        random.fill(&mut self.alice_key);
        for (bob, alice) in self.bob_sent.iter_mut().zip(&self.alice_key) {
            *bob = alice ^ random.errors(ppm);
        }
        (self.to_bob, self.to_alice) = (Serial::new(), Serial::new());
        let code = Code::Qc(mother_4096::CODE);
        let order = order_4096::ORDER;
        let print = fingerprint(&code, &order);
        let setup =
            Setup { code, order, masking: Masking { rank: N / 2, independent: None }, timeout_us: 1_000_000 };
        let strategy = if blind { Strategy::Blind } else { Strategy::Baseline };
        // Blind begins with less and reveals in small steps; baseline with a margin, and two steps if that was not enough.
        let leak = N / 2 - punctured;
        let step = if blind { leak / 16 } else { leak / 8 };
        let steps = if blind { [step; 8] } else { [step, 2 * step, 0, 0, 0, 0, 0, 0] };
        let first = punctured + if blind { leak / 8 } else { 0 };
        let planner = Fixed { punctured: first, qber: f64::from(ppm) / 1e6, steps };
        let hello = Hello {
            strategy,
            policy: Policy::Exact,
            rounds: 9,
            target_fer_ppm: 1000,
            window: WINDOW as u16,
            key_bits: KEY_BITS as u32,
            sample_bits: 0,
            code: print,
            permutation: 0,
            cap: u64::MAX,
        };
        let config = AliceConfig {
            hello,
            planner: &planner,
            qber: Some(planner.qber),
            sample_margin: None,
            adapt: false,
        };
        let (mut alice_slots, mut bob_slots) = ([Slot::default(); WINDOW], [Slot::default(); WINDOW]);
        let memory = AliceMemory {
            key: &self.alice_key,
            slots: &mut alice_slots,
            words: &mut self.alice_words,
            scratch: &mut self.alice_scratch,
        };
        let alice = Alice::new(setup, &config, memory, Instant(0)).ok()?;
        let mut rates = [Class::default()];
        let memory = BobMemory {
            key: &mut self.bob_key,
            classes: &mut [],
            rates: &mut rates,
            slots: &mut bob_slots,
            words: &mut self.bob_words,
            scratch: &mut self.bob_scratch,
        };
        let terms = Terms {
            strategy: Some(strategy),
            key_bits: KEY_BITS as u32,
            code: print,
            cap: u64::MAX,
            learn: false,
        };
        let bob = Bob::new(setup, terms, memory, Instant(0)).ok()?;
        // Alice needs no decoder; `turn` has one place for it, so the two take turns with it.
        let mut end = End::default();
        let mut parties = (Some(alice), Some(bob));
        let (mut frame, mut seeds) = ([0; FRAME], Random::new(rate << 8 | 0xe5));
        let mut first = true;
        while parties.0.is_some() || parties.1.is_some() {
            let before = self.to_bob.carried + self.to_alice.carried;
            while let Some(machine) = parties.0.take() {
                let event = match self.to_alice.receive(&mut frame) {
                    Some(length) => Event::Received(frame.get(..length)?),
                    None if first => Event::Poll,
                    None => {
                        parties.0 = Some(machine);
                        break;
                    }
                };
                first = false;
                let mut desk = Desk::new(&mut self.to_bob, seeds.next(), decoder, &mut self.decision, &[]);
                match desk.turn(machine, event, host)? {
                    Turn::Waits(machine) => parties.0 = Some(machine),
                    Turn::Ends(finished) => end.charged = finished.receipt.total().0,
                }
            }
            while let Some(machine) = parties.1.take() {
                let Some(length) = self.to_bob.receive(&mut frame) else {
                    parties.1 = Some(machine);
                    break;
                };
                let event = Event::Received(frame.get(..length)?);
                let mut desk =
                    Desk::new(&mut self.to_alice, seeds.next(), decoder, &mut self.decision, &self.bob_sent);
                let turn = desk.turn(machine, event, host)?;
                end.iterations += desk.iterations;
                end.blocks += desk.released;
                end.verified += desk.verified;
                if let Turn::Waits(machine) = turn {
                    parties.1 = Some(machine);
                }
            }
            if self.to_bob.carried + self.to_alice.carried == before && parties.0.is_some() {
                return None;
            }
        }
        end.bytes = self.to_bob.carried + self.to_alice.carried;
        let mut digest = Digest::default();
        digest.add(&self.bob_key);
        end.key = digest.value();
        end.alike = self.alice_key == self.bob_key && end.blocks == end.verified;
        Some(end)
    }
}

impl<'d> Desk<'d> {
    fn new(
        line: &'d mut Serial,
        seed: u64,
        decoder: &'d mut dyn Decode,
        decision: &'d mut [u64; N / 64],
        received: &'d [u64],
    ) -> Self {
        let entropy = Random::new(seed);
        Self { line, entropy, decoder, decision, received, released: 0, verified: 0, iterations: 0 }
    }
}

/// How a session ended.
#[derive(Default)]
struct End {
    blocks: u64,
    verified: u64,
    charged: u64,
    iterations: u64,
    bytes: u64,
    key: u64,
    alike: bool,
}
