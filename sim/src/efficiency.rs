//! What interactive reconciliation costs: sessions of the real machines over simulated keys.
//!
//! In: a strategy, rounds, error rates. Out: one [`Row`] for each, a pure function of the run: session i is drawn
//! from (seed, i).

use alloc::boxed::Box;

use caligo_core::bits;
use caligo_core::limits;
use caligo_core::reconcile::plan::Planner;
#[cfg(feature = "parallel")]
use rayon::prelude::*;
use zeroize::Zeroizing;

use crate::interval::clopper_pearson;
use crate::matrix::library::Library;
use crate::session::driver::KeyInput;
use crate::session::local::{Config, QberSource, Session, SessionError, Source};
use crate::{Key, Strategy, channel};

/// Blocks of a session: half a window, which share one tag.
const SESSION_BLOCKS: u64 = 128;

/// What was measured at one error rate.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Row {
    /// Strategy.
    pub strategy: Strategy,
    /// Disclosures of a block at most.
    pub rounds: u8,
    /// Error rate of the channel.
    pub qber: f64,
    /// Error rate the blocks were planned for; `null` for none.
    pub prior: Option<f64>,
    /// Blocks.
    pub frames: u64,
    /// Bits of payload of a block.
    pub payload: usize,
    /// Bits disclosed (syndrome less padding, reveals) over all payload bits times h(Q).
    pub f_mean: f64,
    /// The same with tags, one for every 128 blocks.
    pub f_with_tag: f64,
    /// Blocks left out, over blocks.
    pub fer: f64,
    /// Lower end of its 95 % Clopper-Pearson interval.
    pub fer_low: f64,
    /// Upper end.
    pub fer_high: f64,
    /// Decoding attempts per block.
    pub rounds_mean: f64,
    /// Bits revealed after the syndrome, per block.
    pub revealed_mean: f64,
    /// Iterations per block.
    pub iterations_mean: f64,
    /// Blocks that decoded to a wrong string and were found by their tag.
    pub caught: u64,
    /// Wrong blocks that were released as verified.
    pub undetected: u64,
    /// Least f of any one-way code of this payload at a frame error rate of 10^-3.
    pub f_one_way_limit: Option<f64>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    frames: u64,
    failed: u64,
    payload: u64,
    leak: u64,
    tags: u64,
    rounds: u64,
    revealed: u64,
    iterations: u64,
    caught: u64,
    undetected: u64,
}

impl Tally {
    /// Both counts together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            failed: self.failed + other.failed,
            payload: self.payload + other.payload,
            leak: self.leak + other.leak,
            tags: self.tags + other.tags,
            rounds: self.rounds + other.rounds,
            revealed: self.revealed + other.revealed,
            iterations: self.iterations + other.iterations,
            caught: self.caught + other.caught,
            undetected: self.undetected + other.undetected,
        }
    }
}

/// What is measured at one error rate. Nothing is learnt on the way.
pub struct Measurement<'a> {
    library: &'a Library,
    config: Config,
    qber: f64,
    prior: Option<f64>,
    payload: usize,
    seed: u64,
}

impl<'a> Measurement<'a> {
    /// Sessions at error rate `qber`, planned for `prior`.
    ///
    /// # Errors
    /// [`SessionError`] if no rate fits or the strategy needs a prior and has none.
    pub fn new(
        library: &'a Library,
        config: &Config,
        qber: f64,
        prior: Option<f64>,
        seed: u64,
    ) -> Result<Self, SessionError> {
        let config = Config {
            qber: prior.map_or(QberSource::Unknown, QberSource::Given),
            adapt: false,
            learn: false,
            budget: None,
            ..*config
        };
        let n = library.code()?.n();
        let plan = config.planner(library)?.plan(prior, usize::MAX)?;
        let payload = n - usize::from(plan.punctured) - usize::from(plan.shortened);
        Ok(Self { library, config, qber, prior, payload, seed })
    }

    /// Session `index`, of so many `blocks`.
    ///
    /// # Errors
    /// [`SessionError`] if a machine aborts.
    pub fn session(&self, index: u64, blocks: u64) -> Result<Tally, SessionError> {
        session(self.library, &self.config, self.qber, blocks as usize * self.payload, self.seed, index)
    }

    /// The figures of a tally.
    pub fn row(&self, tally: &Tally) -> Row {
        let Self { config, qber, prior, payload, .. } = *self;
        let noise = tally.payload as f64 * limits::entropy(qber);
        let blocks = tally.frames.max(1) as f64;
        let (fer_low, fer_high) = clopper_pearson(tally.failed, tally.frames, 0.95);
        Row {
            strategy: config.strategy,
            rounds: config.rounds,
            qber,
            prior,
            frames: tally.frames,
            payload,
            f_mean: tally.leak as f64 / noise,
            f_with_tag: (tally.leak + tally.tags) as f64 / noise,
            fer: tally.failed as f64 / blocks,
            fer_low,
            fer_high,
            rounds_mean: tally.rounds as f64 / blocks,
            revealed_mean: tally.revealed as f64 / blocks,
            iterations_mean: tally.iterations as f64 / blocks,
            caught: tally.caught,
            undetected: tally.undetected,
            f_one_way_limit: limits::converse_leak(payload, qber, 1e-3)
                .map(|leak| leak / (payload as f64 * limits::entropy(qber))),
        }
    }
}

/// Measures `frames` blocks at error rate `qber`, planned for `prior`.
///
/// # Errors
/// [`SessionError`] if no rate fits or the strategy needs a prior and has none.
pub fn measure(
    library: &Library,
    config: &Config,
    qber: f64,
    prior: Option<f64>,
    frames: u64,
    seed: u64,
    progress: impl Fn(u64) + Send + Sync,
) -> Result<Row, SessionError> {
    let measurement = Measurement::new(library, config, qber, prior, seed)?;
    let tally = sum(frames.div_ceil(SESSION_BLOCKS), |index| {
        let blocks = SESSION_BLOCKS.min(frames - index * SESSION_BLOCKS);
        let tally = measurement.session(index, blocks);
        progress(blocks);
        tally
    })?;
    Ok(measurement.row(&tally))
}

type Tallied = Result<Tally, SessionError>;

#[cfg(feature = "parallel")]
fn sum(sessions: u64, tally: impl Fn(u64) -> Tallied + Send + Sync) -> Tallied {
    (0..sessions).into_par_iter().map(tally).try_reduce(Tally::default, |a, b| Ok(a.plus(b)))
}

#[cfg(not(feature = "parallel"))]
fn sum(sessions: u64, tally: impl Fn(u64) -> Tallied) -> Tallied {
    (0..sessions).map(tally).try_fold(Tally::default(), |a, b| Ok(a.plus(b?)))
}

fn session(
    library: &Library,
    config: &Config,
    qber: f64,
    bits: usize,
    seed: u64,
    index: u64,
) -> Result<Tally, SessionError> {
    let mut rng = channel::stream(seed, index);
    let alice = Key { words: channel::random_bits(bits, &mut rng), bits };
    let mut key = Zeroizing::new(alice.words.clone());
    channel::flip(&mut key, bits, qber, &mut rng);
    let session = Session {
        library,
        config,
        source: Source::Seeded(Box::new(rng)),
        parallel: false,
        permutation: index,
    };
    let input = KeyInput { key, classes: Zeroizing::default() };
    let outcome = session.run(alice.clone(), input, 0, |_| {})?;
    let disclosed = outcome.finished.receipt.disclosed();
    let mut tally = Tally {
        leak: disclosed.reconciliation(caligo_core::leakage::Policy::Exact).0,
        tags: disclosed.tag.0,
        ..Tally::default()
    };
    for block in &outcome.record.released {
        let wrong = || {
            let range = block.start..block.start + block.payload;
            range.into_iter().any(|i| bits::get(&alice.words, i) != outcome.key.get(i))
        };
        tally.frames += 1;
        tally.failed += u64::from(block.failure.is_some());
        tally.payload += block.payload as u64;
        tally.rounds += u64::from(block.rounds);
        tally.revealed += u64::from(block.revealed);
        tally.iterations += u64::from(block.iterations);
        tally.caught += u64::from(block.caught);
        tally.undetected += u64::from(block.failure.is_none() && wrong());
    }
    Ok(tally)
}
