//! Sessions of the real machines over simulated links.
//!
//! In: a [`Case`]. Out: how both parties ended and every frame they sent, a function of the case alone.

use std::collections::BTreeMap;

use caligo_core::decode::Outcome;
use caligo_core::reconcile::{
    Aborted, Alice, AliceConfig, Bob, Event, Finished, Instant, Machine, Released, Terms,
};
use caligo_core::wire::Hello;
use caligo_runtime::channel::link::{Link, Model};
use caligo_runtime::channel::{self, below, uniform};
use caligo_runtime::keyfile::Key;
use caligo_runtime::session::decoders::{Decision, Decoders};
use caligo_runtime::session::driver::{Driven, KeyInput, drive};
use caligo_runtime::session::local::{Config, Ground, Party, SessionError, Source};
use caligo_runtime::session::planner::LibraryPlanner;
use caligo_runtime::session::store::{AliceStore, BobStore};
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use zeroize::Zeroizing;

/// How long the parties wait for each other, in microseconds.
pub const TIMEOUT_US: u64 = 1_000_000;
/// Blocks in flight.
pub const WINDOW: u16 = 8;
/// Longest time a decoder works, in microseconds.
const DECODING_US: u64 = 3000;
/// More events than any session of these keys has.
const HANG: u32 = 100_000;

/// One session.
#[derive(Clone, Debug)]
pub struct Case {
    /// How to reconcile.
    pub config: Config,
    /// Bits of the keys.
    pub bits: usize,
    /// Their error rate.
    pub qber: f64,
    /// What Alice's and Bob's frames go through.
    pub models: [Model; 2],
    /// Chance that a decoding is answered with a wrong string as if it had converged.
    pub sabotage: f64,
    /// Bob's budget, if it is not Alice's.
    pub bobs_cap: Option<u64>,
    /// Seed and index of all that is random.
    pub seed: (u64, u64),
}

impl Case {
    /// A session over perfect links.
    pub fn clean(config: Config, bits: usize, qber: f64, seed: (u64, u64)) -> Self {
        Self { config, bits, qber, models: [Model::PERFECT; 2], sabotage: 0.0, bobs_cap: None, seed }
    }
}

/// How a party ended.
#[derive(Debug)]
pub enum End {
    /// With a key.
    Done(Finished),
    /// Without one.
    Aborted(Aborted),
}

/// A session that is over.
#[derive(Debug)]
pub struct Ended {
    /// What the parties agreed on, if they got so far.
    pub hello: Hello,
    /// Alice's key.
    pub key: Key,
    /// Bob's key as his machine left it.
    pub corrected: Key,
    /// Ends of Alice and Bob.
    pub ends: [End; 2],
    /// Blocks released to Alice and Bob.
    pub released: [Vec<Released>; 2],
    /// Frames that Alice and Bob sent, in order.
    pub sent: [Vec<Vec<u8>>; 2],
    /// Faults of both links.
    pub faults: u64,
    /// Decodings that were tampered with.
    pub sabotaged: u32,
    /// Simulated time at the end.
    pub now_us: u64,
}

impl Ended {
    /// Whether a block released to Bob as verified differs from Alice's bits.
    pub fn wrong(&self) -> bool {
        let released = self.released.iter().flatten().filter(|block| block.failure.is_none());
        released
            .flat_map(|block| block.start..block.start + block.payload)
            .any(|i| self.key.get(i) != self.corrected.get(i))
    }
}

/// One party's side of the simulation.
struct Side<'a, M> {
    machine: Option<M>,
    host: Party<'a>,
    end: Option<End>,
    link: Link,
    sent: Vec<Vec<u8>>,
}

impl<M: Machine> Side<'_, M> {
    fn on(&mut self, now: u64, event: Event<'_>) -> Result<(), SessionError> {
        let Some(machine) = self.machine.take() else { return Ok(()) };
        let (end, frame) = match drive(machine, Instant(now), event, &mut self.host)? {
            Driven::Idle(machine) => {
                self.machine = Some(machine);
                (None, Vec::new())
            }
            Driven::Done(finished, frame) => (Some(End::Done(finished)), frame),
            Driven::Aborted(aborted, frame) => (Some(End::Aborted(aborted)), frame),
        };
        self.end = end;
        if !frame.is_empty() {
            self.host.frames.push_back(frame);
        }
        while let Some(frame) = self.host.frames.pop_front() {
            self.link.send(now, &frame);
            self.sent.push(frame);
        }
        Ok(())
    }

    fn deadline(&self) -> Option<u64> {
        self.machine.as_ref().map(|machine| machine.deadline().0)
    }
}

/// Decisions under way by the time they are ready.
#[derive(Default)]
struct Work {
    decisions: BTreeMap<(u64, u32), Decision>,
    count: u32,
    sabotaged: u32,
}

impl Work {
    /// Decodes what is to be decoded; each block takes its own time.
    fn take(
        &mut self,
        now: u64,
        decoders: Option<&mut Decoders<'_>>,
        sabotage: f64,
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<(), SessionError> {
        for mut decision in decoders.map_or(Ok(Vec::new()), Decoders::run)? {
            if uniform(rng) < sabotage {
                self.sabotaged += 1;
                let bits = decision.frame.len() as u64 * 64;
                for _ in 0..=below(rng, 4) {
                    let bit = below(rng, bits) as usize;
                    decision.frame[bit / 64] ^= 1 << (bit % 64);
                }
                decision.outcome = Outcome { converged: true, ..decision.outcome };
                decision.doubts.clear();
            }
            self.count += 1;
            self.decisions.insert((now + below(rng, DECODING_US), self.count), decision);
        }
        Ok(())
    }
}

/// Runs `case` to its end.
///
/// # Errors
/// [`SessionError`] if the host cannot answer a machine; the machines' own errors are ends.
///
/// # Panics
/// If the session hangs.
pub fn run(ground: &Ground<'_>, planner: &LibraryPlanner<'_>, case: &Case) -> Result<Ended, SessionError> {
    let mut rng = channel::stream(case.seed.0, case.seed.1);
    let key = Key { words: channel::random_bits(case.bits, &mut rng), bits: case.bits };
    let mut received = Zeroizing::new(key.words.clone());
    channel::flip(&mut received, case.bits, case.qber, &mut rng);
    let links = case.models.map(|model| Link::new(model, rng.next_u64(), 0));

    let setup = ground.setup(TIMEOUT_US)?;
    let n = setup.code.n();
    let hello = case.config.hello(case.bits, WINDOW, ground.fingerprint, 0)?;
    let mut store = AliceStore::new(key.clone(), n, WINDOW);
    let config = AliceConfig {
        hello,
        planner,
        qber: case.config.known_qber(),
        sample_margin: case.config.sample_margin,
        adapt: case.config.adapt,
    };
    let start = SessionError::Aborted;
    let machine = Alice::new(setup, &config, store.memory(), Instant(0)).map_err(start)?;
    let [to_bob, to_alice] = links;
    let mut alice = Side {
        machine: Some(machine),
        host: Party::alice(Source::Seeded(Box::new(channel::stream(case.seed.0, !case.seed.1)))),
        end: None,
        link: to_bob,
        sent: Vec::new(),
    };

    let mut store = BobStore::new(case.bits, 0, n, WINDOW);
    let terms = Terms {
        strategy: Some(hello.strategy),
        key_bits: hello.key_bits,
        code: hello.code,
        cap: case.bobs_cap.unwrap_or(hello.cap),
        learn: case.config.learn,
    };
    let decoders = Decoders::new(setup.code, case.config.effort, case.config.restart, WINDOW.into());
    let mut bob = Side {
        machine: Some(Bob::new(setup, terms, store.memory(), Instant(0)).map_err(start)?),
        host: Party::bob(decoders, KeyInput { key: received, classes: Zeroizing::default() }),
        end: None,
        link: to_alice,
        sent: Vec::new(),
    };

    let mut work = Work::default();
    let mut now = 0;
    alice.on(now, Event::Poll)?;
    for step in 0.. {
        assert!(step < HANG, "hang: {case:?}");
        work.take(now, bob.host.decoders.as_mut(), case.sabotage, &mut rng)?;
        let ready = work.decisions.first_key_value().map(|(&(at, _), _)| at);
        let arrivals = [&alice.link, &bob.link].map(Link::next_arrival);
        let next = arrivals.into_iter().chain([ready, alice.deadline(), bob.deadline()]).flatten().min();
        // Frames under way to a party that is gone are the last thing to happen.
        let Some(next) = next else { break };
        now = now.max(next);
        if let Some(frame) = alice.link.receive(now) {
            bob.on(now, Event::Received(&frame))?;
        } else if let Some(frame) = bob.link.receive(now) {
            alice.on(now, Event::Received(&frame))?;
        } else if ready.is_some_and(|at| at <= now) {
            if let Some((_, Decision { slot, outcome, frame, doubts, .. })) = work.decisions.pop_first() {
                bob.on(now, Event::Decoded { slot, outcome, decision: &frame, doubts: &doubts })?;
            }
        } else {
            alice.on(now, Event::Poll)?;
            bob.on(now, Event::Poll)?;
        }
    }
    let faults = alice.link.faults() + bob.link.faults();
    let (Some(first), Some(second)) = (alice.end, bob.end) else {
        panic!("a machine that waits for nothing: {case:?}");
    };
    Ok(Ended {
        hello,
        ends: [first, second],
        released: [alice.host.record.released, bob.host.record.released],
        sent: [alice.sent, bob.sent],
        faults,
        sabotaged: work.sabotaged,
        now_us: now,
        key,
        corrected: store.key().clone(),
    })
}
