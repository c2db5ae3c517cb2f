//! Any events in any order: no panic, no disclosure past the budget, no machine outlives its deadline.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::VecDeque;

use caligo_core::bits;
use caligo_core::decode::Outcome;
use caligo_core::reconcile::{Alice, AliceConfig, Bob, Effect, Event, Instant, Machine, Step, Terms};
use caligo_core::wire::{self, MAX_FRAME};
use caligo_runtime::channel;
use caligo_runtime::config::Strategy;
use caligo_runtime::kernel::{Effort, Tier};
use caligo_runtime::keyfile::Key;
use caligo_runtime::matrix::library::Library;
use caligo_runtime::session::decoders::{Decision, Decoders};
use caligo_runtime::session::local::{Config, Ground, QberSource};
use caligo_runtime::session::store::{AliceStore, BobStore};
use caligo_tests::sim::{TIMEOUT_US, WINDOW};
use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, any, prop_oneof, proptest};
use proptest::strategy::Strategy as _;

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
const BITS: usize = 2500;

/// Something that happens to a machine, sensible or not.
#[derive(Clone, Debug)]
enum Action {
    /// What an honest host would do next, so many times.
    Serve(u8),
    /// A poll so many microseconds later.
    Poll(u32),
    /// The peer's next frame comes with a bit flipped.
    Flip(usize),
    /// The peer's next frame is lost.
    Lose,
    /// A frame of any kind and body comes with the right sequence number.
    Forge(u8, Vec<u8>),
    /// Any bytes come.
    Frame(Vec<u8>),
    Entropy(Vec<u64>),
    Key(usize, Vec<u8>),
    Decoded {
        slot: usize,
        converged: bool,
        words: usize,
        doubts: Vec<u16>,
    },
    Cancel,
}

fn action() -> impl proptest::strategy::Strategy<Value = Action> {
    let decoded = (0..10usize, any::<bool>(), 62..66usize, vec(0..5000u16, 0..9));
    prop_oneof![
        60 => (1..30u8).prop_map(Action::Serve),
        2 => any::<u32>().prop_map(|us| Action::Poll(us >> 12)),
        2 => any::<usize>().prop_map(Action::Flip),
        1 => Just(Action::Lose),
        2 => (1..20u8, vec(any::<u8>(), 0..80)).prop_map(|(kind, body)| Action::Forge(kind, body)),
        1 => vec(any::<u8>(), 0..100).prop_map(Action::Frame),
        1 => vec(any::<u64>(), 0..70).prop_map(Action::Entropy),
        1 => (0..200usize, vec(any::<u8>(), 0..3)).prop_map(|(words, classes)| Action::Key(words, classes)),
        2 => decoded.prop_map(|(slot, converged, words, doubts)| {
            Action::Decoded { slot, converged, words, doubts }
        }),
        1 => Just(Action::Cancel),
    ]
}

/// A machine that any event is thrown at.
struct Target<M> {
    machine: Option<M>,
    bob: bool,
    effect: Effect,
    out: Vec<u8>,
    inbox: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    received: u32,
    left_out: bool,
    done: bool,
    cap: u64,
}

impl<M: Machine> Target<M> {
    fn new(machine: M, bob: bool, cap: u64) -> Self {
        Self {
            machine: Some(machine),
            bob,
            effect: Effect::Idle,
            out: vec![0; MAX_FRAME],
            inbox: VecDeque::new(),
            sent: Vec::new(),
            received: 0,
            left_out: false,
            done: false,
            cap,
        }
    }

    fn on(&mut self, now: u64, event: Event<'_>) {
        let Some(machine) = self.machine.take() else { return };
        self.received += u32::from(matches!(event, Event::Received(_)));
        let (length, spent) = match machine.on(Instant(now), event, &mut self.out) {
            Step::Next(machine, effect) => {
                self.machine = Some(machine);
                self.effect = effect;
                self.left_out |= matches!(effect, Effect::Released(block) if block.failure.is_some());
                (if let Effect::Send(length) = effect { length } else { 0 }, 0)
            }
            Step::Done(finished) => {
                self.done = true;
                (finished.send, finished.receipt.total().0)
            }
            Step::Abort(aborted) => (aborted.send, aborted.spent.0),
        };
        assert!(spent <= self.cap);
        if length > 0 {
            self.sent.push(self.out[..length].to_vec());
        }
    }
}

/// What both hosts share.
struct World<'a> {
    now: u64,
    received: Vec<u64>,
    decoders: Decoders<'a>,
    decisions: VecDeque<Decision>,
}

impl World<'_> {
    fn serve<M: Machine>(&mut self, target: &mut Target<M>) {
        match target.effect {
            Effect::Entropy(words) => target.on(self.now, Event::Entropy(&vec![0x5555; words])),
            Effect::Agreed(_) => target.on(self.now, Event::Key { key: &self.received, classes: &[] }),
            Effect::Decode(slot) => {
                if let Some(job) = target.machine.as_mut().and_then(|machine| machine.job(slot)) {
                    self.decoders.add(slot, &job);
                    self.decisions.extend(self.decoders.run().unwrap());
                }
                target.on(self.now, Event::Poll);
            }
            Effect::Idle => {
                if let Some(frame) = target.inbox.pop_front() {
                    target.on(self.now, Event::Received(&frame));
                } else if target.bob
                    && let Some(Decision { slot, outcome, frame, doubts, .. }) = self.decisions.pop_front()
                {
                    let event = Event::Decoded { slot, outcome, decision: &frame, doubts: &doubts };
                    target.on(self.now, event);
                } else {
                    target.on(self.now, Event::Poll);
                }
            }
            _ => target.on(self.now, Event::Poll),
        }
    }

    fn act<M: Machine>(&mut self, target: &mut Target<M>, action: &Action) {
        self.now += 1;
        match action {
            Action::Serve(times) => (0..*times).for_each(|_| self.serve(target)),
            Action::Poll(us) => {
                self.now += u64::from(*us);
                target.on(self.now, Event::Poll);
            }
            Action::Flip(at) => {
                if let Some(mut frame) = target.inbox.pop_front() {
                    let bit = at % (frame.len() * 8);
                    frame[bit / 8] ^= 1 << (bit % 8);
                    target.on(self.now, Event::Received(&frame));
                }
            }
            Action::Lose => drop(target.inbox.pop_front()),
            Action::Forge(kind, body) => {
                let mut frame = vec![wire::VERSION, *kind, 0, 0];
                frame.extend(target.received.to_be_bytes());
                frame.extend((body.len() as u32).to_be_bytes());
                frame.extend(body);
                target.on(self.now, Event::Received(&frame));
            }
            Action::Frame(bytes) => target.on(self.now, Event::Received(bytes)),
            Action::Entropy(words) => target.on(self.now, Event::Entropy(words)),
            Action::Key(words, classes) => {
                target.on(self.now, Event::Key { key: &vec![3; *words], classes });
            }
            Action::Decoded { slot, converged, words, doubts } => {
                let outcome = Outcome { converged: *converged, iterations: 3, unsatisfied: 0 };
                let decision = vec![!0; *words];
                target.on(self.now, Event::Decoded { slot: *slot, outcome, decision: &decision, doubts });
            }
            Action::Cancel => target.on(self.now, Event::Cancel),
        }
    }
}

/// Gives `actions` to Alice (true) or Bob, then serves both honestly and lets their time run out. Whether each came to
/// its end with a key.
fn throw(library: &Library, config: &Config, actions: &[(bool, Action)]) -> [bool; 2] {
    let ground = Ground::of(library).unwrap();
    let planner = config.planner(library).unwrap();
    let mut rng = channel::stream(42, 0);
    let key = channel::random_bits(BITS, &mut rng);
    let mut received = key.clone();
    channel::flip(&mut received, BITS, 0.03, &mut rng);
    let setup = ground.setup(TIMEOUT_US).unwrap();
    let n = setup.code.n();
    let hello = config.hello(BITS, WINDOW, ground.fingerprint, 0).unwrap();
    let sent = Key { words: key.clone(), bits: BITS };
    let (mut hers, mut his) = (AliceStore::new(sent, n, WINDOW), BobStore::new(BITS, 0, n, WINDOW));
    let qber = config.known_qber();
    let alice = AliceConfig { hello, planner: &planner, qber, sample_margin: None, adapt: config.adapt };
    let mut alice =
        Target::new(Alice::new(setup, &alice, hers.memory(), Instant(0)).unwrap(), false, hello.cap);
    let (strategy, learn) = (None, config.learn);
    let terms = Terms { strategy, key_bits: hello.key_bits, code: hello.code, cap: hello.cap, learn };
    let mut bob = Target::new(Bob::new(setup, terms, his.memory(), Instant(0)).unwrap(), true, hello.cap);
    let mut world = World {
        now: 0,
        received,
        decoders: Decoders::new(setup.code, config.effort, config.restart, WINDOW.into()),
        decisions: VecDeque::new(),
    };
    let honest = [(true, Action::Serve(20)), (false, Action::Serve(20))];
    for (alices, action) in actions.iter().chain(honest.iter().cycle().take(60)) {
        if *alices {
            world.act(&mut alice, action);
        } else {
            world.act(&mut bob, action);
        }
        bob.inbox.extend(alice.sent.drain(..));
        alice.inbox.extend(bob.sent.drain(..));
    }
    world.now += TIMEOUT_US;
    alice.on(world.now, Event::Poll);
    bob.on(world.now, Event::Poll);
    assert!(alice.machine.is_none() && bob.machine.is_none(), "a machine outlives its deadline");
    let (done, left_out) = ([alice.done, bob.done], alice.left_out || bob.left_out);
    drop((alice, bob));
    assert!(!done[0] || done[1], "only Alice is done");
    let kept = hello.sample_bits as usize..BITS;
    let equal = |i| his.key().get(i) == bits::get(&key, i);
    assert!(!done[1] || left_out || kept.into_iter().all(equal), "wrong key");
    done
}

fn config(strategy: Strategy, known: bool, rounds: u8, budget: Option<u64>) -> Config {
    Config {
        qber: if known { QberSource::Given(0.03) } else { Config::of(strategy).qber },
        effort: Effort { tier: Tier::Fast, max_iterations: Some(20), ..Effort::default() },
        rounds,
        budget,
        ..Config::of(strategy)
    }
}

#[test]
fn honest_hosts_come_to_a_key() {
    for strategy in STRATEGIES {
        for known in [false, true] {
            assert_eq!(throw(&Library::built_in(), &config(strategy, known, 9, None), &[]), [true; 2]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_events_end_in_a_key_or_an_abort(
        actions in vec((any::<bool>(), action()), 0..50),
        strategy in 0..3usize,
        known in any::<bool>(),
        rounds in 1..12u8,
        budget in proptest::option::of(0..2500u64),
    ) {
        throw(&Library::built_in(), &config(STRATEGIES[strategy], known, rounds, budget), &actions);
    }
}
