//! Oblivious transfers between the real machines, over a naive source, with frames that a test may change.
//!
//! In: a [`Case`] and a [`Tamper`]. Out: how both parties ended, their strings, every frame they sent: a function of the
//! case alone.

use std::collections::VecDeque;

use caligo_core::bits::{get, set, words_for};
use caligo_core::decode::Outcome;
use caligo_core::leakage::{LeakBits, Policy};
use caligo_core::ot::{
    Aborted, Alice, AliceDone, AliceMemory, Block, Bob, BobConfig, BobDone, BobMemory, Correction, Effect,
    Event, Instant, Job, Machine, SemiHonestAlice, Setup, Start, Step, Terms,
};
use caligo_core::reconcile::plan::{Goal, TablePlanner};
use caligo_core::security::{NsmParameters, NsmRecord, Proof, TargetRecord, Targets};
use caligo_core::sift::Record;
use caligo_core::wire::{self, HEADER, Kind, MAX_BITS, MAX_FRAME, Message, Strategy};
use caligo_core::{code, puncture, rate, reconcile};
use caligo_runtime::channel::{self, uniform};
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use caligo_runtime::primitives::Host;
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// How long the parties wait for each other, in microseconds.
pub const TIMEOUT_US: u64 = 1_000_000;
/// How long a frame travels.
pub const LATENCY_US: u64 = 300;
/// Bits of a string in one frame.
pub const CHUNK: usize = 8192;

/// What both parties take the code for.
const CODE: u64 = 0x5eed;

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Device and adversary, rounds included.
    pub device: NsmRecord,
    /// Failures allowed.
    pub targets: TargetRecord,
    /// By which argument lengths are computed.
    pub proof: Proof,
    /// Whether it begins without prospects.
    pub start: Start,
    /// What Bob wants.
    pub choice: bool,
    /// Whether he commits.
    pub committed: bool,
    /// How errors are corrected.
    pub correction: Correction,
    /// How often his detectors click in either basis, if that differs.
    pub efficiencies: Option<[f64; 2]>,
    /// Alice's budget for each set.
    pub cap: u64,
    /// Frame error rate aimed at.
    pub target_fer: f64,
    /// Whether Bob's decoder is done with nothing before all frames have come, and then with the last block first.
    pub deferred: bool,
    /// Seed of all that is random.
    pub seed: u64,
}

impl Case {
    /// Good devices and a small memory, with `rounds` rounds.
    pub fn good(rounds: u64, choice: bool, seed: u64) -> Self {
        let device = NsmRecord {
            storage_noise_r: Some(0.3),
            storage_rate_nu: 0.01,
            channel_fidelity: 0.99,
            detection_eff_eta: 0.9,
            detector_error: 0.0,
            num_pairs: rounds,
            delta_t_ns: 5_000_000,
            ..NsmRecord::default()
        };
        Self {
            device,
            targets: TargetRecord::default(),
            proof: Proof::StrongConverse,
            start: Start::IfPromising,
            choice,
            committed: false,
            correction: Correction::OneWay,
            efficiencies: None,
            cap: u64::MAX,
            target_fer: 1e-3,
            deferred: false,
            seed,
        }
    }

    /// The same, with errors corrected blindly.
    #[must_use]
    pub fn blind(self) -> Self {
        let device = NsmRecord { strategy: Strategy::Blind, ..self.device };
        Self { device, correction: Correction::BlindUnder(SemiHonestAlice), ..self }
    }

    /// What both must agree on.
    ///
    /// # Panics
    /// If the case is out of range.
    pub fn terms(&self) -> Terms<'static> {
        Terms {
            parameters: NsmParameters::new(self.device).expect("in range"),
            targets: Targets::new(self.targets).expect("in range"),
            code: CODE,
            proof: self.proof,
            start: self.start,
            policy: Policy::Exact,
            committed: self.committed,
            correction: self.correction,
            cap: LeakBits(self.cap),
            chunk_bits: CHUNK.min(MAX_BITS),
            primitives: &Host,
        }
    }
}

/// One party's detectors: clicks, bases, bits.
#[derive(Clone, Debug)]
pub struct Detectors {
    /// Rounds.
    pub rounds: usize,
    /// Clicks.
    pub clicked: Vec<u64>,
    /// Bases.
    pub bases: Vec<u64>,
    /// Outcomes.
    pub bits: Vec<u64>,
}

impl Detectors {
    fn new(rounds: usize) -> Self {
        let zeros = || vec![0; words_for(rounds)];
        Self { rounds, clicked: zeros(), bases: zeros(), bits: zeros() }
    }

    /// What a machine is given.
    pub fn record(&self) -> Record<'_> {
        Record { rounds: self.rounds, clicked: &self.clicked, bases: &self.bases, bits: &self.bits }
    }
}

/// Heralded pairs, one round after the other.
pub fn source(case: &Case, rng: &mut Xoshiro256PlusPlus) -> [Detectors; 2] {
    let device = &case.device;
    let rounds = device.num_pairs as usize;
    let (mut alice, mut bob) = (Detectors::new(rounds), Detectors::new(rounds));
    let fidelity = 2.0 * (1.0 - device.channel_fidelity) / 3.0;
    let error = fidelity * (1.0 - device.detector_error) + device.detector_error * (1.0 - fidelity);
    for i in 0..rounds {
        let word = rng.next_u64();
        let [a, b, bit, random] = [0, 1, 2, 3].map(|place| word >> place & 1 == 1);
        let efficiency = case.efficiencies.map_or(device.detection_eff_eta, |both| both[usize::from(b)]);
        let flip = uniform(rng) < error;
        let click = uniform(rng) < efficiency;
        let dark = [(); 2].map(|()| uniform(rng) < device.dark_count_prob);
        set(&mut alice.clicked, i, true);
        set(&mut alice.bases, i, a);
        set(&mut alice.bits, i, bit);
        set(&mut bob.clicked, i, click || dark[0] || dark[1]);
        set(&mut bob.bases, i, b);
        set(&mut bob.bits, i, if click && a == b { bit ^ flip } else { random });
    }
    [alice, bob]
}

/// Who sent a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// Alice.
    Alice,
    /// Bob.
    Bob,
}

/// Frames on their way: from whom, which in a row, and what arrives instead.
pub type Tamper<'t> = &'t mut dyn FnMut(From, usize, Vec<u8>) -> Vec<Vec<u8>>;

/// Everything arrives as it was sent.
pub fn faithful(_: From, _: usize, frame: Vec<u8>) -> Vec<Vec<u8>> {
    vec![frame]
}

/// A transfer that is over.
#[derive(Debug)]
pub struct Ended {
    /// Alice's end.
    pub alice: Result<AliceDone, Aborted>,
    /// Bob's.
    pub bob: Result<BobDone, Aborted>,
    /// Alice's strings.
    pub strings: [Vec<u64>; 2],
    /// Bob's.
    pub string: Vec<u64>,
    /// Frames that Alice and Bob sent.
    pub sent: [Vec<Vec<u8>>; 2],
    /// When frames were sent, in microseconds.
    pub times: [Vec<u64>; 2],
    /// Whether both machines left zeros in their memory.
    pub wiped: bool,
    /// What the detectors recorded.
    pub detectors: [Detectors; 2],
}

impl Ended {
    /// The string of number `which`, cut to Bob's length.
    pub fn is(&self, which: bool) -> bool {
        let words = self.bob.as_ref().map_or(0, |done| words_for(done.length));
        words > 0 && self.strings[usize::from(which)][..words] == self.string[..words]
    }
}

/// Code, planner and decoder for any number of transfers.
pub struct Ground {
    setup: Setup<'static>,
    engine: Engine<'static>,
}

impl std::fmt::Debug for Ground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ground").finish_non_exhaustive()
    }
}

impl Default for Ground {
    fn default() -> Self {
        Self::of(Effort { tier: Tier::Balanced, ..Effort::default() })
    }
}

impl Ground {
    /// One that gives a block up soon: where many fail in the first round and are asked for again.
    pub fn hasty() -> Self {
        Self::of(Effort { tier: Tier::Fast, guesses: Some(0), ..Effort::default() })
    }

    fn of(effort: Effort) -> Self {
        let code = code::Code::from(code::mother_4096::CODE);
        let masking = reconcile::Masking { rank: code.m(), independent: None };
        let order = puncture::order_4096::ORDER;
        Self {
            setup: Setup { code, order, masking, timeout_us: TIMEOUT_US },
            engine: Engine::new(&code, effort).expect("a valid code"),
        }
    }
}

enum Life<M, D> {
    Lives(M),
    Ended(Result<D, Aborted>),
    Moving,
}

/// How it ended, what it has sent, and when.
type Over<D> = (Result<D, Aborted>, Vec<Vec<u8>>, Vec<u64>);

/// A machine with its randomness and what it has sent.
struct Party<M: Machine> {
    life: Life<M, M::Done>,
    rng: Xoshiro256PlusPlus,
    inbox: VecDeque<(u64, Vec<u8>)>,
    decisions: Vec<(usize, Outcome, Vec<u64>)>,
    sent: Vec<Vec<u8>>,
    times: Vec<u64>,
    out: Vec<u8>,
}

impl<M: Machine> Party<M> {
    fn new(machine: Result<M, Aborted>, rng: Xoshiro256PlusPlus) -> Self {
        let life = match machine {
            Ok(machine) => Life::Lives(machine),
            Err(aborted) => Life::Ended(Err(aborted)),
        };
        let out = vec![0; MAX_FRAME];
        Self {
            life,
            rng,
            inbox: VecDeque::new(),
            decisions: Vec::new(),
            sent: Vec::new(),
            times: Vec::new(),
            out,
        }
    }

    /// Gives `event` and answers effects until the machine is idle or gone.
    fn serve(
        &mut self,
        now: u64,
        event: Event<'_>,
        decode: &mut impl FnMut(&Job<'_>) -> (Outcome, Vec<u64>),
        deferred: bool,
    ) {
        let mut entropy = Vec::new();
        let mut decision: Option<(usize, Outcome, Vec<u64>)> = None;
        let mut event = Some(event);
        loop {
            let machine = match std::mem::replace(&mut self.life, Life::Moving) {
                Life::Lives(machine) => machine,
                other => {
                    self.life = other;
                    return;
                }
            };
            let next = match (&decision, event.take()) {
                (_, Some(event)) => event,
                (Some((block, outcome, words)), None) => {
                    Event::Decoded { block: *block, outcome: *outcome, decision: words }
                }
                (None, None) if entropy.is_empty() => Event::Poll,
                (None, None) => Event::Entropy(&entropy),
            };
            let step = machine.on(Instant(now), next, &mut self.out);
            (entropy, decision) = (Vec::new(), None);
            let send = match step {
                Step::Next(mut machine, effect) => {
                    let mut send = 0;
                    let idle = effect == Effect::Idle;
                    match effect {
                        Effect::Send(length) => send = length,
                        Effect::Entropy(words) => entropy = (0..words).map(|_| self.rng.next_u64()).collect(),
                        Effect::Decode(block) => {
                            let job = machine.job(block).expect("a job that was given");
                            let (outcome, words) = decode(&job);
                            self.decisions.push((block, outcome, words));
                        }
                        Effect::Idle if !deferred || machine.deadline().is_none() => {
                            decision = self.decisions.pop();
                        }
                        Effect::Idle => {}
                    }
                    self.life = Life::Lives(machine);
                    if idle && decision.is_none() {
                        return;
                    }
                    send
                }
                Step::Done(done) => {
                    self.life = Life::Ended(Ok(done));
                    0
                }
                Step::Abort(aborted) => {
                    self.life = Life::Ended(Err(aborted));
                    aborted.send
                }
            };
            if send > 0 {
                self.sent.push(self.out[..send].to_vec());
                self.times.push(now);
            }
        }
    }

    fn end(self) -> Over<M::Done> {
        match self.life {
            Life::Ended(end) => (end, self.sent, self.times),
            _ => unreachable!("it has ended"),
        }
    }

    fn lives(&self) -> bool {
        matches!(self.life, Life::Lives(_))
    }
}

/// Disclosures of a block at most, the syndrome included, if errors are corrected blindly.
pub const BLIND_ROUNDS: u8 = 10;

fn planner(setup: &Setup<'static>, strategy: Strategy, target_fer: f64) -> TablePlanner<'static> {
    let rounds = if strategy == Strategy::Blind { BLIND_ROUNDS } else { 1 };
    let goal = Goal { strategy, rounds, target_fer, modulated: 0, shortened: 0 };
    TablePlanner { goal, table: rate::table_4096::BALANCED, order: setup.order }
}

impl Ground {
    /// What machines are built on.
    pub fn setup(&self) -> Setup<'static> {
        self.setup
    }

    /// A planner for `target_fer`, one way.
    pub fn planner(&self, target_fer: f64) -> TablePlanner<'static> {
        planner(&self.setup, Strategy::Baseline, target_fer)
    }

    /// Runs `case`.
    pub fn run(&mut self, case: &Case, tamper: Tamper<'_>) -> Ended {
        let detectors = source(case, &mut channel::stream(case.seed, 0));
        self.run_with(case, detectors, [1, 2].map(|index| channel::stream(case.seed, index)), tamper)
    }

    /// Runs `case` with what `detectors` recorded and the parties' own randomness.
    ///
    /// # Panics
    /// If a machine waits for nothing.
    pub fn run_with(
        &mut self,
        case: &Case,
        detectors: [Detectors; 2],
        [hers, his]: [Xoshiro256PlusPlus; 2],
        tamper: Tamper<'_>,
    ) -> Ended {
        let Self { setup, engine } = self;
        let planner = planner(setup, case.device.strategy, case.target_fer);
        let (n, rounds) = (setup.code.n(), case.device.num_pairs as usize);
        let half = words_for(rounds);
        let (mut alice_words, mut bob_words) =
            (vec![!0; Alice::words(rounds, n)], vec![!0; Bob::words(rounds, n)]);
        let (mut first, mut second, mut string) = (vec![!0; half], vec![!0; half], vec![!0; half]);
        let most = rounds / 1000 + 8;
        let mut padding = vec![!0; Alice::padding_words(setup, most)];
        let mut blocks = vec![Block::default(); most];
        let mut syndromes = vec![0; most * words_for(setup.code.m())];
        let terms = case.terms();
        let memory = AliceMemory {
            record: detectors[0].record(),
            words: &mut alice_words,
            padding: &mut padding,
            strings: [&mut first, &mut second],
        };
        let unbegun = |reason| Aborted { reason, spent: [LeakBits(0); 2], send: 0, estimate: None };
        let alice = Alice::new(*setup, terms, &planner, memory, Instant(0), Instant(0)).map_err(unbegun);
        let memory = BobMemory {
            record: detectors[1].record(),
            words: &mut bob_words,
            blocks: &mut blocks,
            syndromes: &mut syndromes,
            string: &mut string,
        };
        let config = BobConfig { choice: case.choice, efficiencies: case.efficiencies };
        let bob = Bob::new(*setup, Terms { cap: LeakBits(u64::MAX), ..terms }, config, memory, Instant(0))
            .map_err(unbegun);
        let (mut alice, mut bob) = (Party::new(alice, hers), Party::new(bob, his));
        let mut decode = |job: &Job<'_>| {
            let input =
                Input { pattern: &job.pattern, frame: job.frame, rates: &job.rates, syndrome: job.syndrome };
            let mut decision = vec![0; words_for(n)];
            let outcome = engine.decode(&input, &mut decision).expect("buffers fit");
            (outcome, decision)
        };
        let (mut now, mut passed) = (0, [0, 0]);
        loop {
            let came = |inbox: &mut VecDeque<(u64, Vec<u8>)>| {
                inbox.front().is_some_and(|(at, _)| *at <= now).then(|| inbox.pop_front()).flatten()
            };
            let frame = came(&mut alice.inbox);
            let event = frame.as_ref().map_or(Event::Poll, |(_, frame)| Event::Received(frame));
            alice.serve(now, event, &mut decode, case.deferred);
            let frame = came(&mut bob.inbox);
            let event = frame.as_ref().map_or(Event::Poll, |(_, frame)| Event::Received(frame));
            bob.serve(now, event, &mut decode, case.deferred);
            for (i, frame) in alice.sent.iter().enumerate().skip(passed[0]) {
                let frames = tamper(From::Alice, i, frame.clone());
                bob.inbox.extend(frames.into_iter().map(|frame| (now + LATENCY_US, frame)));
            }
            for (i, frame) in bob.sent.iter().enumerate().skip(passed[1]) {
                let frames = tamper(From::Bob, i, frame.clone());
                alice.inbox.extend(frames.into_iter().map(|frame| (now + LATENCY_US, frame)));
            }
            passed = [alice.sent.len(), bob.sent.len()];
            if !alice.lives() && !bob.lives() {
                break;
            }
            let mut next: Vec<u64> = Vec::new();
            if let Life::Lives(machine) = &alice.life {
                next.extend(alice.inbox.front().map(|(at, _)| *at));
                next.push(machine.deadline().0);
            }
            if let Life::Lives(machine) = &bob.life {
                next.extend(bob.inbox.front().map(|(at, _)| *at));
                next.extend(machine.deadline().map(|deadline| deadline.0));
            }
            now = now.max(next.into_iter().min().expect("a machine that waits for something"));
        }
        let (alices, bobs) = (alice.end(), bob.end());
        let wiped =
            alice_words.iter().chain(&padding).chain(&bob_words).chain(&syndromes).all(|word| *word == 0);
        Ended {
            alice: alices.0,
            bob: bobs.0,
            strings: [first, second],
            string,
            sent: [alices.1, bobs.1],
            times: [alices.2, bobs.2],
            wiped,
            detectors,
        }
    }
}

/// Ones that `a` and `b` have in common.
pub fn common(a: &[u64], b: &[u64]) -> usize {
    (0..a.len() * 64).filter(|&i| get(a, i) && get(b, i)).count()
}

/// The kind of a frame.
///
/// # Panics
/// If it is none.
pub fn kind(frame: &[u8]) -> Kind {
    message(frame).kind()
}

/// Kinds of frames in their order, repetitions left out.
pub fn kinds(frames: &[Vec<u8>]) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = frames.iter().map(|frame| kind(frame)).collect();
    kinds.dedup();
    kinds
}

/// What a frame says, whatever its number.
///
/// # Panics
/// If it is none.
pub fn message(frame: &[u8]) -> Message<'_> {
    let sequence = u32::from_be_bytes(frame[4..8].try_into().expect("four bytes"));
    wire::decode(frame, sequence).expect("a frame")
}

impl Case {
    /// Both ended well, and Bob believes his string if and only if it is the one of his choice. Whether he does.
    ///
    /// # Panics
    /// If not.
    pub fn check(&self, ended: &Ended) -> bool {
        let alice = ended.alice.as_ref().expect("no abort");
        let bob = ended.bob.as_ref().expect("no abort");
        assert_eq!(bob.length, alice.amplified.length);
        assert_eq!(bob.believes(), ended.is(self.choice), "{:?}", bob.failure);
        assert!(!ended.is(!self.choice) && ended.wiped);
        for string in ended.strings.iter().chain([&ended.string]) {
            // What was there before was all ones.
            let (words, used) = (words_for(bob.length), bob.length % 64);
            assert!(used == 0 || string[words - 1] >> used == 0);
        }
        bob.believes()
    }
}

/// Who sent a frame (whether Alice), which of theirs, where, and what happens to it, 0 to 6.
pub type Fault = (bool, usize, usize, u8);

/// Does to frames what `faults` say.
#[derive(Debug)]
pub struct Faults<'f> {
    faults: &'f [Fault],
    /// Whether a seed was among them: seeds are authenticated by the host, and nothing else would notice a change.
    pub seeds: bool,
}

impl<'f> Faults<'f> {
    /// Nothing yet.
    pub const fn new(faults: &'f [Fault]) -> Self {
        Self { faults, seeds: false }
    }

    /// What arrives of frame `i` of `from`.
    pub fn frame(&mut self, from: From, i: usize, mut frame: Vec<u8>) -> Vec<Vec<u8>> {
        let alice = from == From::Alice;
        let Some((_, _, at, fault)) =
            self.faults.iter().find(|(hers, number, ..)| *hers == alice && *number == i)
        else {
            return vec![frame];
        };
        self.seeds |= frame[1] == Kind::ToeplitzSeed as u8;
        let change = (at >> 32) as u8 | 1;
        let at = at % frame.len();
        match fault {
            0 => frame[at] ^= change,
            1 => frame.truncate(at),
            2 => return vec![],
            3 => return vec![frame.clone(), frame],
            // The head of a body, where its numbers are.
            4 => {
                let at = (HEADER + at % 16).min(frame.len() - 1);
                frame[at] ^= change;
            }
            5 => frame[1] = change,
            _ => frame[HEADER.min(at)..].fill(0xff),
        }
        vec![frame]
    }
}
