//! One block, looked at from all sides: what was sent, what it disclosed, what the decoder believed after each iteration.
//!
//! In: [`Settings`]. Out: [`Explored`], a pure function of them: both of the core's machines hold a session over one block,
//! drawn from (seed, 0) as [`crate::efficiency`] draws its sessions.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use caligo_core::bits;
use caligo_core::leakage::{BudgetExceeded, Disclosed, Policy};
use caligo_core::limits;
use caligo_core::puncture;
use caligo_core::rate::RateError;
use caligo_core::reconcile::plan::{Plan, Planner};
use caligo_core::reconcile::{
    Abort, Alice, AliceConfig, Bob, Event, Failure, Instant, Machine, Released, Terms,
};
use caligo_core::wire::{self, Kind};
use caligo_engine::dispatch::Path;
use caligo_engine::{Effort, Stage, Tier};
use zeroize::Zeroizing;

use crate::matrix::library::Library;
use crate::session::driver::{Driven, KeyInput, drive};
use crate::session::local::{Config, Ground, QberSource, SessionError, Source};
use crate::session::store::{AliceStore, BobStore};
use crate::{Key, Strategy, channel};

mod host;

use host::{Side, next_after};

/// Largest error rate that may be asked for.
pub const MAX_QBER: f64 = 0.12;
/// Blocks in flight: as few as a machine takes.
const WINDOW: u16 = 2;

/// What to look at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    /// Error rate of the channel, 0 to [`MAX_QBER`].
    pub qber: f64,
    /// How the block is reconciled.
    pub strategy: Strategy,
    /// Rate of the first syndrome (baseline); chosen by the measured table if none.
    pub rate: Option<f64>,
    /// Disclosures at most, the syndrome included; the strategy's if none.
    pub rounds: Option<u8>,
    /// Whether the parties know the error rate. For baseline they do.
    pub known: bool,
    /// Decoder.
    pub tier: Tier,
    /// Seed of key, errors and private randomness.
    pub seed: u64,
    /// How disclosures are charged.
    pub policy: Policy,
    /// Leakage budget in bits.
    pub budget: Option<u64>,
}

impl Settings {
    /// The session's configuration.
    ///
    /// # Errors
    /// [`BlockError`] if something is out of range.
    pub fn config(&self) -> Result<Config, BlockError> {
        if !(0.0..=MAX_QBER).contains(&self.qber) {
            return Err(BlockError::Qber);
        }
        if self.rate.is_some_and(|rate| !(0.05..=0.95).contains(&rate)) {
            return Err(BlockError::Rate);
        }
        let default = Config::of(self.strategy);
        let known = self.known || self.strategy == Strategy::Baseline;
        Ok(Config {
            qber: if known { QberSource::Given(self.qber) } else { QberSource::Unknown },
            // As the planner divides again.
            efficiency: self.rate.map(|rate| (1.0 - rate) / limits::entropy(self.qber.max(2e-3))),
            rounds: self.rounds.unwrap_or(default.rounds),
            effort: Effort { tier: self.tier, ..Effort::default() },
            adapt: false,
            learn: false,
            policy: self.policy,
            budget: self.budget,
            seed: Some(self.seed),
            ..default
        })
    }
}

/// Why nothing could be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BlockError {
    /// The error rate.
    #[error("QBER: expected a number from 0 to {MAX_QBER}")]
    Qber,
    /// The target rate.
    #[error("rate: expected a number from 0.05 to 0.95")]
    Rate,
    /// No rate of the code serves so many errors.
    #[error("{0}")]
    NoRate(#[from] RateError),
    /// The session.
    #[error("{0}")]
    Session(#[from] SessionError),
}

/// Who sent a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum Party {
    /// The one with the right key.
    Alice,
    /// The one who corrects his.
    Bob,
}

/// A message of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whose.
    pub from: Party,
    /// What it is.
    pub kind: Kind,
    /// Bytes of the frame.
    pub bytes: usize,
    /// What had been disclosed once it was sent.
    pub disclosed: Disclosed,
    /// Iterations looked at before it was sent.
    pub steps: usize,
}

/// What the decoder believed after an iteration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Decoding attempt, from 1.
    pub round: u32,
    /// Which decoder.
    pub stage: Stage,
    /// Iterations so far, all rounds together.
    pub iterations: u32,
    /// Positions decided wrongly (n bits).
    pub wrong: Vec<u64>,
    /// Checks not satisfied (m bits).
    pub unsatisfied: Vec<u64>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum End {
    /// The tag matched.
    Verified,
    /// The block is left out.
    Failed(Failure),
    /// The next disclosure would have passed the budget, and was not made.
    Tripped {
        /// The message that was not sent.
        prevented: Kind,
        /// What it would have cost.
        budget: BudgetExceeded,
    },
    /// Anything else.
    Aborted(Abort),
}

/// A block and all that happened to it.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Positions of the frame.
    pub n: usize,
    /// Checks.
    pub m: usize,
    /// Key bits of the block.
    pub payload: usize,
    /// Rate of the first syndrome.
    pub rate: f64,
    /// Punctured positions at first (n bits).
    pub punctured: Vec<u64>,
    /// Shortened positions at first (n bits).
    pub shortened: Vec<u64>,
    /// Positions that the channel flipped (n bits).
    pub errors: Vec<u64>,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The decoder's course.
    pub steps: Vec<Step>,
    /// The end.
    pub end: End,
    /// The block as Alice released it, if she did.
    pub released: Option<Released>,
    /// Bob's key at the end, `payload` bits.
    pub corrected: Vec<u64>,
    /// Bits of it that differ from Alice's.
    pub differing: usize,
    /// What was disclosed.
    pub disclosed: Disclosed,
    /// Least bits that any code must disclose for this payload, error rate and `target_fer` (exact converse); none where it
    /// is not defined.
    pub least: Option<f64>,
    /// Frame error rate that the plan aimed at.
    pub target_fer: f64,
}

impl Explored {
    /// Decoder iterations, all rounds together.
    pub fn iterations(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.iterations)
    }

    /// Decoding attempts.
    pub fn rounds(&self) -> u32 {
        self.steps.last().map_or(0, |step| step.round)
    }

    /// FNV-1a over Bob's key: two runs with equal digests corrected the same bits.
    pub fn digest(&self) -> u64 {
        let bytes = self.corrected.iter().flat_map(|word| word.to_le_bytes());
        bytes
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }

    /// Bits disclosed for reconciliation over the payload's entropy; none without errors.
    pub fn f(&self, policy: Policy, qber: f64) -> Option<f64> {
        let noise = self.payload as f64 * limits::entropy(qber);
        (noise > 0.0).then(|| self.disclosed.reconciliation(policy).0 as f64 / noise)
    }
}

/// The one plan of the one block.
#[derive(Debug)]
struct Fixed(Plan);

impl Planner for Fixed {
    fn plan(&self, _: Option<f64>, _: usize) -> Result<Plan, RateError> {
        Ok(self.0)
    }
}

/// Holds the session.
///
/// # Errors
/// [`BlockError`] if a setting is out of range or no rate fits. A block that fails and a budget that does not suffice are
/// no errors.
pub fn explore(library: &Library, settings: &Settings) -> Result<Explored, BlockError> {
    explore_on(Path::chosen(), library, settings)
}

/// The same by the instructions of `path`.
///
/// # Errors
/// As [`explore`].
pub fn explore_on(path: Path, library: &Library, settings: &Settings) -> Result<Explored, BlockError> {
    let config = settings.config()?;
    let ground = Ground::of(library).map_err(SessionError::from)?;
    let setup = ground.setup(u64::MAX).map_err(SessionError::from)?;
    let (n, m) = (setup.code.n(), setup.code.m());
    let plan = config.planner(library).map_err(SessionError::from)?.plan(config.known_qber(), usize::MAX)?;
    let (p, s) = (usize::from(plan.punctured), usize::from(plan.shortened));
    let payload = n - p - s;

    let mut rng = channel::stream(settings.seed, 0);
    let alice_key = Key { words: channel::random_bits(payload, &mut rng), bits: payload };
    let mut received = Zeroizing::new(alice_key.words.clone());
    channel::flip(&mut received, payload, settings.qber, &mut rng);
    let (mut punctured, mut shortened) = (vec![0; bits::words_for(n)], vec![0; bits::words_for(n)]);
    let pattern = setup
        .order
        .pattern(p, s, &mut punctured, &mut shortened)
        .map_err(|error| SessionError::Aborted(Abort::Pattern(error)))?;
    let flipped: Vec<u64> = alice_key.words.iter().zip(&*received).map(|(a, b)| a ^ b).collect();
    let mut errors = vec![0; bits::words_for(n)];
    pattern.scatter(&flipped, &vec![0; bits::words_for(p)], &mut errors).map_err(SessionError::from)?;

    let hello = config.hello(payload, WINDOW, ground.fingerprint, 0)?;
    let fixed = Fixed(plan);
    let alice_config =
        AliceConfig { hello, planner: &fixed, qber: config.known_qber(), sample_margin: None, adapt: false };
    let terms = Terms {
        strategy: Some(hello.strategy),
        key_bits: hello.key_bits,
        code: hello.code,
        cap: hello.cap,
        learn: false,
    };
    let mut alice_store = AliceStore::new(alice_key.clone(), n, WINDOW);
    let mut bob_store = BobStore::new(payload, 0, n, WINDOW);
    let mut alice_side = Side::new(path, setup.code, config.effort, Source::Seeded(Box::new(rng)), None);
    let input = KeyInput { key: received, classes: Zeroizing::default() };
    let mut bob_side = Side::new(path, setup.code, config.effort, Source::None, Some(input));
    let mut messages = Vec::new();
    let (end, disclosed) = {
        let start = |abort| SessionError::Aborted(abort);
        let mut alice = Running::Machine(
            Alice::new(setup, &alice_config, alice_store.memory(), Instant(0)).map_err(start)?,
        );
        let mut bob =
            Running::Machine(Bob::new(setup, terms, bob_store.memory(), Instant(0)).map_err(start)?);
        alice.step(Event::Poll, &mut alice_side)?;
        let (mut last, mut converged) = (Kind::Hello, false);
        loop {
            let mut moved = false;
            while let Some(frame) = alice_side.frames.pop_front() {
                moved = true;
                note(&mut messages, Party::Alice, &frame, alice.disclosed(), bob_side.steps.len());
                if bob_side.truth.is_empty() && !alice_side.drawn.is_empty() {
                    let mut truth = vec![0; bits::words_for(n)];
                    let padding = &alice_side.drawn[..bits::words_for(p)];
                    pattern.scatter(&alice_key.words, padding, &mut truth).map_err(SessionError::from)?;
                    bob_side.truth = truth;
                }
                bob.step(Event::Received(&frame), &mut bob_side)?;
            }
            bob_side.check().map_err(SessionError::from)?;
            while let Some(decision) = bob_side.decided.take() {
                moved = true;
                converged = decision.converged();
                bob.step(decision.event(), &mut bob_side)?;
            }
            while let Some(frame) = bob_side.frames.pop_front() {
                moved = true;
                last = note(&mut messages, Party::Bob, &frame, alice.disclosed(), bob_side.steps.len());
                alice.step(Event::Received(&frame), &mut alice_side)?;
            }
            if !moved {
                break;
            }
        }
        let prevented = next_after(last, converged, settings.strategy == Strategy::Baseline);
        (alice.end(prevented, alice_side.released), alice.disclosed())
    };
    let corrected = bob_store.key().words.clone();
    let differing = corrected.iter().zip(&alice_key.words).map(|(a, b)| (a ^ b).count_ones() as usize).sum();
    Ok(Explored {
        n,
        m,
        payload,
        rate: puncture::rate(n, m, p, s),
        punctured,
        shortened,
        errors,
        messages,
        steps: bob_side.steps,
        end,
        released: alice_side.released,
        corrected,
        differing,
        disclosed,
        least: limits::converse_leak(payload, settings.qber, config.target_fer),
        target_fer: config.target_fer,
    })
}

fn note(messages: &mut Vec<Message>, from: Party, frame: &[u8], disclosed: Disclosed, steps: usize) -> Kind {
    let kind = wire::kind(frame).unwrap_or(Kind::Abort);
    messages.push(Message { from, kind, bytes: frame.len(), disclosed, steps });
    kind
}

/// A machine until its end.
enum Running<M> {
    Machine(M),
    Done(Disclosed),
    Aborted(Abort, Disclosed),
}

impl<M: Machine> Running<M> {
    fn step(&mut self, event: Event<'_>, side: &mut Side<'_>) -> Result<(), SessionError> {
        let disclosed = self.disclosed();
        let Self::Machine(machine) = core::mem::replace(self, Self::Done(disclosed)) else {
            // A farewell to who has gone.
            return Ok(());
        };
        let (next, farewell) = match drive(machine, Instant(0), event, side)? {
            Driven::Idle(machine) => (Self::Machine(machine), Vec::new()),
            Driven::Done(finished, frame) => (Self::Done(finished.receipt.disclosed()), frame),
            Driven::Aborted(aborted, frame) => (Self::Aborted(aborted.reason, disclosed), frame),
        };
        *self = next;
        if !farewell.is_empty() {
            side.frames.push_back(farewell);
        }
        Ok(())
    }

    fn disclosed(&self) -> Disclosed {
        match self {
            Self::Machine(machine) => machine.disclosed(),
            Self::Done(disclosed) | Self::Aborted(_, disclosed) => *disclosed,
        }
    }

    /// `prevented`: what would have been sent next; `released`: the block, if it was.
    fn end(&self, prevented: Kind, released: Option<Released>) -> End {
        match self {
            Self::Machine(_) => End::Aborted(Abort::Timeout),
            Self::Aborted(Abort::Budget(budget), _) => End::Tripped { prevented, budget: *budget },
            Self::Aborted(abort, _) => End::Aborted(*abort),
            Self::Done(_) => match released.and_then(|block| block.failure) {
                Some(failure) => End::Failed(failure),
                None => End::Verified,
            },
        }
    }
}
