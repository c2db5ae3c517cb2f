//! Both parties in one process: baseline reconciliation of two keys of any length.
//!
//! In: two keys, a [`Library`], a [`Config`]. Out: Alice's and Bob's reconciled keys and a [`Report`].
//!
//! 1. A public random permutation spreads bursts and drift over the blocks.
//! 2. Optionally a random sample is disclosed, removed from both keys, and gives the error rate.
//! 3. Full blocks and a shortened last one. Alice sends one syndrome a block, masked by private padding
//!    on the punctured positions; Bob decodes.
//! 4. Where decoding fails Alice reveals half of the block's padding, then all of it.
//! 5. One universal-hash tag over all blocks that decoded; where it differs, one tag a block.

use std::sync::atomic::{AtomicU64, Ordering};

use caligo_core::bits::{self, words_for};
use caligo_core::code::{Code, LengthError};
use caligo_core::leakage::{Disclosed, LeakBits, Policy};
use caligo_core::limits;
use caligo_core::puncture::{self, Order, Pattern, PatternError};
use caligo_core::rate::{RateError, Selection};
use rayon::prelude::*;
use zeroize::{Zeroize, Zeroizing};

use crate::entropy;
use crate::kernel::{Effort, Engine};
use crate::keyfile::Key;
use crate::matrix::library::{Library, LibraryError};
use crate::montecarlo::clopper_pearson;

use super::interleave::{permutation, permuted, unpermuted};
use super::report::{ByKind, FailedPart, Leakage, Report};
use super::verification::verify_blocks;

/// Where the error rate comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum QberSource {
    /// It is known.
    Given(f64),
    /// A disclosed sample; the rate is chosen for the upper end of its one-sided 95 % interval.
    Estimate,
}

/// How to reconcile.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Error rate.
    pub qber: QberSource,
    /// Frame error rate the code rate is chosen for.
    pub target_fer: f64,
    /// Efficiency to choose the rate by, instead of the measured table.
    pub efficiency: Option<f64>,
    /// Decoder.
    pub effort: Effort,
    /// Seed of the public permutation; the operating system's entropy if none.
    pub seed: Option<u64>,
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
    #[error("QBER estimated at {estimate:.4} (95 % below {upper:.4}): {source}")]
    Estimated {
        /// Errors over sampled bits.
        estimate: f64,
        /// Upper bound.
        upper: f64,
        /// What the rate table says.
        source: RateError,
    },
    /// The code or its orders.
    #[error("{0}")]
    Library(#[from] LibraryError),
    /// The pattern.
    #[error("{0}")]
    Pattern(#[from] PatternError),
    /// A buffer.
    #[error("{0}")]
    Length(#[from] LengthError),
    /// The operating system gave no entropy.
    #[error("entropy of the operating system: {0}")]
    Entropy(#[from] getrandom::Error),
}

/// Fewest bits a QBER is estimated from.
const MIN_ESTIMATE: usize = 640;
/// Largest sample, in bits.
const MAX_SAMPLE: usize = 1 << 15;

/// The keys and the report.
#[derive(Debug)]
pub struct Reconciled {
    /// Alice's key, less disclosed bits and failed parts.
    pub alice: Key,
    /// Bob's corrected key, the same positions.
    pub bob: Key,
    /// What happened.
    pub report: Report,
}

/// One block's place in the permuted key, and its pattern.
pub(super) struct Block<'a> {
    pub(super) start: usize,
    pub(super) pattern: Pattern<'a>,
}

/// One block as Bob ends it.
pub(super) struct Decoded {
    pub(super) payload: Zeroizing<Vec<u64>>,
    pub(super) converged: bool,
    pub(super) first_failed: bool,
    pub(super) iterations: u64,
    pub(super) disclosed: Disclosed,
}

/// Reconciles `bob` to `alice`. `progress` is told the blocks done and their number.
///
/// # Errors
/// [`SessionError`] if the keys or the configuration do not allow a session. Blocks that fail are no
/// error; the report names them.
pub fn reconcile(
    alice: &Key,
    bob: &Key,
    library: &Library,
    config: &Config,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Reconciled, SessionError> {
    if alice.bits != bob.bits {
        return Err(SessionError::Lengths { alice: alice.bits, bob: bob.bits });
    }
    let permutation = permutation(alice.bits, config.seed)?;
    let (sent, received) = (permuted(alice, &permutation), permuted(bob, &permutation));
    let sampled = sample_size(alice.bits, config)?;
    let (qber, qber_sampled, full) = choose(&sent, &received, sampled, library, config)?;

    let code = library.code()?;
    let order = library.order()?;
    let masks = || (vec![0; words_for(code.n())], vec![0; words_for(code.n())]);
    let (mut full_masks, mut tail_masks) = (masks(), masks());
    let full_pattern = order.pattern(full.p, full.s, &mut full_masks.0, &mut full_masks.1)?;
    let payload = full_pattern.payload();
    let left = alice.bits - sampled;
    let (whole, tail) = (left / payload, left % payload);
    let mut blocks: Vec<Block<'_>> =
        (0..whole).map(|i| Block { start: sampled + i * payload, pattern: full_pattern }).collect();
    if tail > 0 {
        let size = library.select_short(full, qber, config.target_fer, tail)?;
        let pattern = order.pattern(size.p, size.s, &mut tail_masks.0, &mut tail_masks.1)?;
        blocks.push(Block { start: sampled + whole * payload, pattern });
    }

    let done = AtomicU64::new(0);
    let context = Context { library, code, order, qber, sent: &sent, received: &received };
    let decoded: Vec<Decoded> = blocks
        .par_iter()
        .map_init(
            || Engine::new(&code, config.effort),
            |engine, block| {
                let engine = engine.as_mut().map_err(|e| *e)?;
                let result = context.block(engine, block);
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, blocks.len() as u64);
                result
            },
        )
        .collect::<Result<_, SessionError>>()?;

    let mut disclosed = Disclosed { sample: LeakBits(sampled as u64), ..Disclosed::default() };
    for block in &decoded {
        disclosed += block.disclosed;
    }
    let verdict = verify_blocks(&sent, &blocks, &decoded, &mut disclosed)?;

    let mut corrected = received.clone();
    let mut kept = vec![true; alice.bits];
    permutation[..sampled].iter().for_each(|&i| kept[i as usize] = false);
    let mut payload_bits = 0;
    let mut failed = Vec::new();
    for (number, (block, result)) in blocks.iter().zip(&decoded).enumerate() {
        let bits = block.pattern.payload();
        if verdict.good[number] {
            bits::copy(&result.payload, 0, &mut corrected.words, block.start, bits);
            payload_bits += bits;
        } else {
            permutation[block.start..block.start + bits].iter().for_each(|&i| kept[i as usize] = false);
            let reason =
                if result.converged { "verification tag differs" } else { "decoder did not converge" };
            failed.push(FailedPart { block: number, bits, reason });
        }
    }
    // Elsewhere nothing was corrected.
    let errors = bits::distance(&corrected.words, &received.words);
    let bob_key = unpermuted(&corrected, &permutation, &kept);
    let alice_key = Key::from_bits(alice.iter().zip(&kept).filter(|&(_, &k)| k).map(|(b, _)| b));

    let shown = blocks.first().map_or(full_pattern, |block| block.pattern);
    let qber_observed = (payload_bits > 0).then(|| errors as f64 / payload_bits as f64);
    let noise = limits::entropy(qber_observed.unwrap_or(0.0));
    let per_noise = |leak: LeakBits| (noise > 0.0).then(|| leak.0 as f64 / (payload_bits as f64 * noise));
    let frame_errors = decoded
        .iter()
        .zip(&verdict.good)
        .filter(|&(d, &good)| d.first_failed || d.converged && !good)
        .count();
    let report = Report {
        verified: failed.is_empty(),
        payload_bits,
        blocks: blocks.len(),
        frame_errors,
        qber_observed,
        qber_assumed: qber,
        qber_sampled,
        rate: puncture::rate(code.n(), code.m(), shown.p(), shown.s()),
        punctured: shown.p(),
        shortened: shown.s(),
        iterations_mean: decoded.iter().map(|d| d.iterations as f64).sum::<f64>()
            / blocks.len().max(1) as f64,
        leakage: Leakage {
            exact: disclosed.total(Policy::Exact).0,
            syndrome_cap: disclosed.total(Policy::SyndromeCap).0,
            conservative: disclosed.total(Policy::Conservative).0,
            by_kind: ByKind {
                syndrome: disclosed.syndrome_exact.0,
                reveal: disclosed.padding_exact.0 + disclosed.payload_revealed.0,
                tag: disclosed.tag.0,
                sample: disclosed.sample.0,
            },
        },
        f: per_noise(disclosed.reconciliation(Policy::Exact)),
        f_with_tag: per_noise(disclosed.total(Policy::Exact)),
        f_limit: qber_observed
            .and_then(|q| limits::converse_leak(shown.payload(), q, config.target_fer))
            .map(|leak| leak / (shown.payload() as f64 * noise)),
        target_fer: config.target_fer,
        decoder: config.effort.tier,
        undetected_log2: verdict.undetected_log2,
        input_bits: alice.bits,
        failed,
    };
    Ok(Reconciled { alice: alice_key, bob: bob_key, report })
}

struct Context<'a> {
    library: &'a Library,
    code: Code<'a>,
    order: Order<'a>,
    qber: f64,
    sent: &'a Key,
    received: &'a Key,
}

impl Context<'_> {
    fn block(&self, engine: &mut Engine<'_>, block: &Block<'_>) -> Result<Decoded, SessionError> {
        let code = self.code;
        let pattern = &block.pattern;
        let payload_words = words_for(pattern.payload());
        let slice = |key: &Key| {
            let mut words = vec![0; payload_words];
            bits::copy(&key.words, block.start, &mut words, 0, pattern.payload());
            words
        };

        // Alice: the padding is hers alone and new for every block.
        let mut padding = vec![0; words_for(pattern.p())];
        entropy::fill(&mut padding)?;
        bits::clear_tail(&mut padding, pattern.p());
        let mut alice_payload = slice(self.sent);
        let mut alice_frame = vec![0; words_for(code.n())];
        pattern.scatter(&alice_payload, &padding, &mut alice_frame)?;
        let mut syndrome = vec![0; words_for(code.m())];
        code.syndrome(&alice_frame, &mut syndrome)?;
        let mut disclosed = Disclosed { syndrome: LeakBits(code.m() as u64), ..Disclosed::default() };
        // No syndrome tells more about a payload than the payload.
        let exact = |p| (self.library.rank() - self.library.padding_rank(p)).min(pattern.payload()) as u64;
        disclosed.syndrome_exact = LeakBits(exact(pattern.p()));

        // Bob.
        let mut frame = vec![0; words_for(code.n())];
        let mut bob_payload = slice(self.received);
        pattern.scatter(&bob_payload, &vec![0; padding.len()], &mut frame)?;
        bob_payload.zeroize();
        let mut decision = vec![0; frame.len()];
        let mut outcome = engine.decode(pattern, &frame, self.qber, &syndrome, &mut decision)?;
        let mut iterations = u64::from(outcome.iterations);
        let first_failed = !outcome.converged;

        // On failure padding is disclosed, last punctured first.
        for keep in [pattern.p() / 2, 0] {
            if outcome.converged || pattern.p() == 0 {
                break;
            }
            let mut punctured = vec![0; frame.len()];
            self.order.puncture()[..keep].iter().for_each(|&v| bits::set(&mut punctured, v.into(), true));
            let mut known = pattern.shortened().to_vec();
            for (known, (was, still)) in known.iter_mut().zip(pattern.punctured().iter().zip(&punctured)) {
                *known |= was & !still;
            }
            for ((word, &mask), &alice) in frame.iter_mut().zip(&known).zip(&alice_frame) {
                *word = *word & !mask | alice & mask;
            }
            disclosed.padding_revealed = LeakBits((pattern.p() - keep) as u64);
            disclosed.padding_exact = LeakBits(exact(keep) - disclosed.syndrome_exact.0);
            let eased = Pattern::from_masks(code.n(), &punctured, &known)?;
            outcome = engine.decode(&eased, &frame, self.qber, &syndrome, &mut decision)?;
            iterations += u64::from(outcome.iterations);
        }
        let mut payload = Zeroizing::new(vec![0; payload_words]);
        pattern.gather(&decision, &mut payload)?;
        padding.zeroize();
        alice_payload.zeroize();
        alice_frame.zeroize();
        frame.zeroize();
        decision.zeroize();
        Ok(Decoded { payload, converged: outcome.converged, first_failed, iterations, disclosed })
    }
}

/// Bits to disclose for the estimate: a twentieth, in whole bytes, so that packed keys stay whole.
fn sample_size(bits: usize, config: &Config) -> Result<usize, SessionError> {
    match config.qber {
        QberSource::Given(_) => Ok(0),
        QberSource::Estimate if bits < MIN_ESTIMATE => Err(SessionError::TooShort(bits)),
        QberSource::Estimate => Ok((bits / 20 / 8 * 8).min(MAX_SAMPLE)),
    }
}

/// The error rate to assume, the sampled one, and the size of a full block.
fn choose(
    sent: &Key,
    received: &Key,
    sampled: usize,
    library: &Library,
    config: &Config,
) -> Result<(f64, Option<f64>, Selection), SessionError> {
    let select = |qber| library.select(config.effort.tier, qber, config.target_fer, config.efficiency);
    match config.qber {
        QberSource::Given(qber) => Ok((qber, None, select(qber)?)),
        QberSource::Estimate => {
            let errors = (0..sampled).filter(|&i| sent.get(i) != received.get(i)).count();
            let estimate = errors as f64 / sampled as f64;
            let upper = clopper_pearson(errors as u64, sampled as u64, 0.9).1;
            let size = select(upper).map_err(|source| SessionError::Estimated { estimate, upper, source })?;
            Ok((upper, Some(estimate), size))
        }
    }
}
