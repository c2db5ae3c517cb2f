//! Both parties in one process, over a channel that never fails.
//!
//! In: two keys, a [`Library`], a [`Config`], randomness. Out: Bob's key, and both parties' books.

use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use caligo_core::code::LengthError;
use caligo_core::leakage::Policy;
use caligo_core::rate::RateError;
use caligo_core::reconcile::plan::{Goal, MAX_ROUNDS, MODULATION};
use caligo_core::reconcile::{
    Abort, Aborted, Alice, AliceConfig, Bob, Event, Finished, Instant, Job, Machine, Masking, Released,
    Setup, Terms, fingerprint,
};
use caligo_core::wire::Hello;
use caligo_engine::Effort;
use rand_core::Rng;
use rand_xoshiro::Xoshiro256PlusPlus;
use zeroize::Zeroizing;

use crate::matrix::library::{Library, LibraryError};
use crate::{Key, Strategy};

use super::decoders::{Decision, Decoders, Restart};
use super::driver::{Driven, Host, KeyInput, drive};
use super::interleave::permuted;
use super::planner::LibraryPlanner;
use super::report::{Facts, Record};
use super::store::{AliceStore, BobStore, window};

/// Where the error rate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QberSource {
    /// It is known.
    Given(f64),
    /// A disclosed sample; the rate is chosen for the upper end of its one-sided 95 % interval.
    Estimate,
    /// Nothing is known; blocks teach it as they succeed.
    Unknown,
}

/// How to reconcile.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Strategy.
    pub strategy: Strategy,
    /// Error rate.
    pub qber: QberSource,
    /// Share of the key to sample, if it is to be estimated.
    pub sample_fraction: f64,
    /// What is added to the sampled error rate; the upper end of its one-sided 95 % interval is taken if not given.
    pub sample_margin: Option<f64>,
    /// Frame error rate aimed at: of the first decoding (baseline) or of the last (blind, symmetric).
    pub target_fer: f64,
    /// Disclosures of a block at most, the syndrome included.
    pub rounds: u8,
    /// Modulated positions of a blind block with no known error rate, as a fraction of n.
    pub modulation: f64,
    /// Share of them that is shortened and not punctured from the start.
    pub initial_shortening: f64,
    /// Efficiency to choose the rate by, instead of the measured table.
    pub efficiency: Option<f64>,
    /// Whether verified blocks inform the planning of the next ones.
    pub adapt: bool,
    /// Whether verified blocks inform the decoding of the next ones.
    pub learn: bool,
    /// Decoder.
    pub effort: Effort,
    /// What a decoder does after a reveal.
    pub restart: Restart,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Leakage budget in bits.
    pub budget: Option<u64>,
    /// Seed of the public permutation; the operating system's entropy if none.
    pub seed: Option<u64>,
}

impl Config {
    /// What `strategy` does unless told otherwise.
    pub fn of(strategy: Strategy) -> Self {
        let baseline = strategy == Strategy::Baseline;
        // Positions are those of a code that is not known yet.
        let Goal { rounds, target_fer, .. } = Goal::of(strategy.into(), 0);
        Self {
            strategy,
            qber: if baseline { QberSource::Estimate } else { QberSource::Unknown },
            sample_fraction: SAMPLE_FRACTION,
            sample_margin: None,
            target_fer,
            rounds,
            modulation: MODULATION,
            initial_shortening: 0.0,
            efficiency: None,
            adapt: !baseline,
            learn: true,
            effort: Effort::default(),
            restart: Restart::default(),
            policy: Policy::Exact,
            budget: None,
            seed: None,
        }
    }

    /// Bits to disclose for the estimate, in whole bytes, so that packed keys stay whole.
    fn sample_bits(&self, bits: usize) -> Result<usize, SessionError> {
        match self.qber {
            QberSource::Given(_) | QberSource::Unknown => Ok(0),
            QberSource::Estimate if bits < MIN_ESTIMATE => Err(SessionError::TooShort(bits)),
            QberSource::Estimate => {
                let wanted = (bits as f64 * self.sample_fraction) as usize;
                Ok((wanted / 8 * 8).clamp(8, MAX_SAMPLE))
            }
        }
    }

    /// What Alice proposes for a key of `bits` bits.
    ///
    /// # Errors
    /// [`SessionError::TooShort`] if it is to be sampled and is too short for that.
    pub fn hello(
        &self,
        bits: usize,
        window: u16,
        code: u64,
        permutation: u64,
    ) -> Result<Hello, SessionError> {
        Ok(Hello {
            strategy: self.strategy.into(),
            policy: self.policy,
            rounds: self.rounds,
            target_fer_ppm: libm::round(self.target_fer * 1e6) as u32,
            window,
            key_bits: bits as u32,
            sample_bits: self.sample_bits(bits)? as u32,
            code,
            permutation,
            cap: self.budget.unwrap_or(u64::MAX),
        })
    }

    /// The error rate known beforehand.
    pub fn known_qber(&self) -> Option<f64> {
        if let QberSource::Given(qber) = self.qber { Some(qber) } else { None }
    }

    /// A planner for these settings.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn planner<'a>(&self, library: &'a Library) -> Result<LibraryPlanner<'a>, LibraryError> {
        let n = library.code()?.n();
        let modulated = self.modulation * n as f64;
        let goal = Goal {
            strategy: self.strategy.into(),
            rounds: self.rounds.clamp(1, MAX_ROUNDS as u8),
            target_fer: self.target_fer,
            modulated: modulated as usize,
            shortened: (self.initial_shortening * modulated) as usize,
        };
        LibraryPlanner::new(library, goal, self.effort.tier, self.efficiency)
    }

    /// What the report is computed for.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn facts(&self, library: &Library, bits: usize) -> Result<Facts, LibraryError> {
        let code = library.code()?;
        Ok(Facts {
            strategy: self.strategy,
            n: code.n(),
            m: code.m(),
            input_bits: bits,
            // As the peer is told it.
            target_fer: libm::round(self.target_fer * 1e6) / 1e6,
            decoder: Some(self.effort.tier),
        })
    }
}

/// Why a session could not be held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The keys differ in length.
    #[error("keys: expected equal lengths, found {alice} bits (Alice) and {bob} bits (Bob)")]
    Lengths {
        /// Alice's length.
        alice: usize,
        /// Bob's length.
        bob: usize,
    },
    /// Too few bits to sample.
    #[error(
        "keys: expected at least {MIN_ESTIMATE} bits to estimate the QBER from, found {0}; give the QBER instead"
    )]
    TooShort(usize),
    /// No rate fits.
    #[error("{0}")]
    Rate(#[from] RateError),
    /// The sampled error rate is more than the code can correct.
    #[error(
        "QBER estimated at {estimate:.4} from {bits} bits, planned for the upper end of its interval: {source}"
    )]
    Estimated {
        /// Errors over sampled bits.
        estimate: f64,
        /// Sampled bits.
        bits: u32,
        /// What the rate table says.
        source: RateError,
    },
    /// A machine ended the session.
    #[error("session ended: {0}")]
    Aborted(Abort),
    /// The code or its orders.
    #[error("{0}")]
    Library(#[from] LibraryError),
    /// A buffer.
    #[error("{0}")]
    Length(#[from] LengthError),
    /// The operating system gave no entropy.
    #[error("entropy of the operating system: {0}")]
    Entropy(EntropyError),
    /// The channel to the peer.
    #[error("{0}")]
    Channel(String),
    /// A session between hosts that broke after it had disclosed something.
    #[error("{source}; {charged} bits about the key and {sampled} bits of it are disclosed all the same")]
    Broken {
        /// What happened.
        source: Box<SessionError>,
        /// Bits charged.
        charged: u64,
        /// Bits sampled.
        sampled: u64,
    },
}

impl SessionError {
    /// An abort, with what the sample showed if no rate fits it.
    pub fn of(aborted: &Aborted, record: &Record) -> Self {
        match (aborted.reason, record.sampled) {
            (Abort::Rate(source), Some((errors, bits, _))) => {
                Self::Estimated { estimate: f64::from(errors) / f64::from(bits), bits, source }
            }
            (Abort::Rate(error), None) => Self::Rate(error),
            (reason, _) => Self::Aborted(reason),
        }
    }
}

/// Fewest bits a QBER is estimated from.
const MIN_ESTIMATE: usize = 640;
/// Largest sample, in bits.
const MAX_SAMPLE: usize = 1 << 15;
/// Share of a key that is sampled.
const SAMPLE_FRACTION: f64 = 0.05;

/// Why there is no entropy.
pub type EntropyError = String;

/// Where a session's private randomness comes from.
#[derive(Debug)]
pub enum Source {
    /// None: whoever asks is refused.
    None,
    /// The host's, which fills words.
    Host(fn(&mut [u64]) -> Result<(), EntropyError>),
    /// A simulation's generator.
    Seeded(Box<Xoshiro256PlusPlus>),
}

impl Source {
    /// So many words.
    ///
    /// # Errors
    /// If there is none.
    pub fn words(&mut self, count: usize) -> Result<Zeroizing<Vec<u64>>, SessionError> {
        let mut words = Zeroizing::new(vec![0; count]);
        match self {
            Self::None => return Err(SessionError::Entropy("none was given".to_owned())),
            Self::Host(fill) => fill(&mut words).map_err(SessionError::Entropy)?,
            Self::Seeded(rng) => words.iter_mut().for_each(|word| *word = rng.next_u64()),
        }
        Ok(words)
    }
}

/// A party's host: frames into a queue, jobs into decoders.
#[derive(Debug)]
pub struct Party<'a> {
    /// Frames sent and not yet taken.
    pub frames: VecDeque<Vec<u8>>,
    /// Blocks so far.
    pub record: Record,
    /// Bob's decoders.
    pub decoders: Option<Decoders<'a>>,
    /// Bob's key, until it is asked for.
    pub input: Option<KeyInput>,
    source: Source,
}

impl<'a> Party<'a> {
    /// Alice's host.
    pub fn alice(source: Source) -> Self {
        Self { frames: VecDeque::new(), record: Record::default(), decoders: None, input: None, source }
    }

    /// Bob's host, with his key in the agreed permutation.
    pub fn bob(decoders: Decoders<'a>, input: KeyInput) -> Self {
        Self { decoders: Some(decoders), input: Some(input), ..Self::alice(Source::None) }
    }
}

impl Host for Party<'_> {
    fn send(&mut self, frame: &[u8]) -> Result<(), SessionError> {
        self.frames.push_back(frame.to_vec());
        Ok(())
    }

    fn entropy(&mut self, words: usize) -> Result<Zeroizing<Vec<u64>>, SessionError> {
        self.source.words(words)
    }

    fn agreed(&mut self, _hello: &Hello) -> Result<KeyInput, SessionError> {
        self.input.take().ok_or_else(|| SessionError::Channel("key: asked for twice".to_owned()))
    }

    fn decode(&mut self, slot: usize, job: &Job<'_>) {
        if let Some(decoders) = &mut self.decoders {
            decoders.add(slot, job);
        }
    }

    fn sampled(&mut self, errors: u32, bits: u32, effective: f64) {
        self.record.sampled = Some((errors, bits, effective));
    }

    fn released(&mut self, block: Released) {
        self.record.released.push(block);
    }
}

/// How long a machine of this process waits; nothing is ever late.
const NEVER: u64 = u64::MAX;

/// What both machines of a library's code are built on.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    library: &'a Library,
    independent: Option<Vec<u64>>,
    /// Of the code and its orders.
    pub fingerprint: u64,
}

impl<'a> Ground<'a> {
    /// The ground of `library`'s code.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn of(library: &'a Library) -> Result<Self, LibraryError> {
        let fingerprint = fingerprint(&library.code()?, &library.order()?);
        Ok(Self { library, independent: library.independent()?, fingerprint })
    }

    /// What a machine is given, with the time to wait for its peer.
    ///
    /// # Errors
    /// [`LibraryError`] never occurs once the library is loaded.
    pub fn setup(&self, timeout_us: u64) -> Result<Setup<'_>, LibraryError> {
        Ok(Setup {
            code: self.library.code()?,
            order: self.library.order()?,
            masking: Masking { rank: self.library.rank(), independent: self.independent.as_deref() },
            timeout_us,
        })
    }
}

/// A session in one process before it begins.
pub struct Session<'a> {
    /// Code.
    pub library: &'a Library,
    /// How.
    pub config: &'a Config,
    /// Private randomness.
    pub source: Source,
    /// Whether jobs are decoded by all threads of the pool, where there is one (feature `parallel`).
    pub parallel: bool,
    /// Seed of the public permutation, agreed.
    pub permutation: u64,
}

/// What came of it: Bob's key as the machine left it, in the permutation.
pub struct Outcome {
    /// Bob's key.
    pub key: Key,
    /// Blocks.
    pub record: Record,
    /// Alice's end.
    pub finished: Finished,
    /// Blocks, as Bob has them, and his end.
    pub his: (Record, Finished),
    /// Bob's error rates by class and value.
    pub classes: Vec<caligo_core::reconcile::estimate::Class>,
}

impl Session<'_> {
    /// Runs both machines on keys in the agreed permutation. `progress` is told the bits of the blocks released.
    ///
    /// # Errors
    /// [`SessionError`] if a machine aborts.
    pub fn run(
        self,
        alice: Key,
        bob: KeyInput,
        classes: usize,
        mut progress: impl FnMut(u64),
    ) -> Result<Outcome, SessionError> {
        let bits = alice.bits;
        let ground = Ground::of(self.library)?;
        let setup = ground.setup(NEVER)?;
        let n = setup.code.n();
        let planner = self.config.planner(self.library)?;
        let window = window(n);
        let hello = self.config.hello(bits, window, ground.fingerprint, self.permutation)?;
        let config = AliceConfig {
            hello,
            planner: &planner,
            qber: self.config.known_qber(),
            sample_margin: self.config.sample_margin,
            adapt: self.config.adapt,
        };
        let terms = Terms {
            strategy: Some(hello.strategy),
            key_bits: hello.key_bits,
            code: hello.code,
            cap: hello.cap,
            learn: self.config.learn,
        };
        let mut alice_store = AliceStore::new(alice, n, window);
        let mut bob_store = BobStore::new(bits, classes, n, window);
        let decoders = Decoders::new(setup.code, self.config.effort, self.config.restart, window.into());
        let mut alice_host = Party::alice(self.source);
        let mut bob_host = Party::bob(decoders, bob);
        let start = |abort| SessionError::Aborted(abort);
        let mut alice = Some(Alice::new(setup, &config, alice_store.memory(), Instant(0)).map_err(start)?);
        let mut bob = Some(Bob::new(setup, terms, bob_store.memory(), Instant(0)).map_err(start)?);
        let (mut finished, mut his) = (None, None);
        step(&mut alice, Event::Poll, &mut alice_host)?;
        while finished.is_none() {
            let mut moved = false;
            while let Some(frame) = alice_host.frames.pop_front() {
                moved = true;
                his = step(&mut bob, Event::Received(&frame), &mut bob_host)?.or(his);
            }
            while let Some(frame) = bob_host.frames.pop_front() {
                moved = true;
                finished = finished.or(step(&mut alice, Event::Received(&frame), &mut alice_host)?);
            }
            if moved {
                continue;
            }
            progress(bob_host.record.released.last().map_or(0, |block| (block.start + block.payload) as u64));
            let Some(decoders) = bob_host.decoders.as_mut().filter(|d| !d.is_empty()) else {
                return Err(SessionError::Aborted(Abort::Timeout));
            };
            let decisions = decode(decoders, self.parallel)?;
            for Decision { slot, outcome, frame, doubts, .. } in &decisions {
                let event = Event::Decoded { slot: *slot, outcome: *outcome, decision: frame, doubts };
                step(&mut bob, event, &mut bob_host)?;
            }
            if let Some(decoders) = &mut bob_host.decoders {
                decoders.recycle(decisions);
            }
        }
        let (Some(finished), Some(his)) = (finished, his) else {
            return Err(SessionError::Aborted(Abort::Timeout));
        };
        Ok(Outcome {
            key: bob_store.key().clone(),
            record: alice_host.record,
            finished,
            his: (bob_host.record, his),
            classes: bob_store.rates().to_vec(),
        })
    }
}

#[cfg(feature = "parallel")]
fn decode(decoders: &mut Decoders<'_>, parallel: bool) -> Result<Vec<Decision>, LengthError> {
    if parallel { decoders.run_parallel(usize::MAX) } else { decoders.run() }
}

#[cfg(not(feature = "parallel"))]
fn decode(decoders: &mut Decoders<'_>, _: bool) -> Result<Vec<Decision>, LengthError> {
    decoders.run()
}

/// One event; the end, if it has come.
fn step<M: Machine>(
    machine: &mut Option<M>,
    event: Event<'_>,
    host: &mut Party<'_>,
) -> Result<Option<Finished>, SessionError> {
    let Some(running) = machine.take() else {
        return Err(SessionError::Channel("frame after the end".to_owned()));
    };
    match drive(running, Instant(0), event, host)? {
        Driven::Idle(next) => {
            *machine = Some(next);
            Ok(None)
        }
        Driven::Done(finished, frame) => {
            if !frame.is_empty() {
                host.frames.push_back(frame);
            }
            Ok(Some(finished))
        }
        Driven::Aborted(aborted, _) => Err(SessionError::of(&aborted, &host.record)),
    }
}

/// Bob's key and classes in the permutation.
pub fn key_input(bob: &Key, side_info: &[u8], order: &[u32]) -> KeyInput {
    let mut key = permuted(bob, order);
    let classes = if side_info.is_empty() {
        Vec::new()
    } else {
        order.iter().map(|&i| side_info[i as usize]).collect()
    };
    let classes = Zeroizing::new(classes);
    KeyInput { key: Zeroizing::new(core::mem::take(&mut key.words)), classes }
}

/// How many classes there are; 0 without side information.
pub fn class_count(side_info: &[u8]) -> usize {
    side_info.iter().max().map_or(0, |&class| usize::from(class) + 1)
}
