//! A session as Alice wants it: structs and numbers of C → what the core takes.

use caligo_core::leakage::Policy;
use caligo_core::reconcile::fingerprint;
use caligo_core::reconcile::plan::{Goal, MAX_ROUNDS, TablePlanner};
use caligo_core::wire::{Hello, MAX_FRAME, MAX_POSITIONS, Strategy};

use crate::codec::{CALIGO_FRAME_BITS, CODE, ORDER, table};
use crate::decoder::CaligoDecoderKind;
use crate::status::CaligoStatus;

/// Bytes of the longest frame: `out` has at least so many.
pub const CALIGO_MAX_FRAME: usize = 16396;
/// Most positions of a symmetric request.
pub const CALIGO_MAX_POSITIONS: usize = 4096;

// A header takes literals only.
const _: () = assert!(CALIGO_MAX_FRAME == MAX_FRAME && CALIGO_MAX_POSITIONS == MAX_POSITIONS);

/// One syndrome at a rate for the known error rate; more is revealed where that fails.
pub const CALIGO_STRATEGY_BASELINE: u32 = 0;
/// A high rate, and padding revealed until Bob decodes.
pub const CALIGO_STRATEGY_BLIND: u32 = 1;
/// The same, and Bob names the positions.
pub const CALIGO_STRATEGY_SYMMETRIC: u32 = 2;

/// What the syndrome tells about the payload, private padding taken off.
pub const CALIGO_POLICY_EXACT: u32 = 0;
/// Whole syndromes, and payload revealed.
pub const CALIGO_POLICY_SYNDROME_CAP: u32 = 1;
/// Whole syndromes and everything revealed, padding too.
pub const CALIGO_POLICY_CONSERVATIVE: u32 = 2;

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
pub(crate) const POLICIES: [Policy; 3] = [Policy::Exact, Policy::SyndromeCap, Policy::Conservative];

pub(crate) fn strategy_number(strategy: Strategy) -> u32 {
    STRATEGIES.iter().position(|known| *known == strategy).unwrap_or_default() as u32
}

pub(crate) fn policy_number(policy: Policy) -> u32 {
    POLICIES.iter().position(|known| *known == policy).unwrap_or_default() as u32
}

/// A session as Alice wants it. Begin with `caligo_config_init`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CaligoConfig {
    /// One of `CALIGO_STRATEGY_...`.
    pub strategy: u32,
    /// One of `CALIGO_POLICY_...`.
    pub policy: u32,
    /// The decoder that Bob has: the rate is chosen for it.
    pub decoder: u32,
    /// Bits of the key, 1 to 2^32 - 1.
    pub key_bits: u32,
    /// Of these, the first so many are disclosed to estimate the error rate, and are no key any more: 0 to 32768.
    pub sample_bits: u32,
    /// Blocks in flight, 2 or more. Memory grows with it.
    pub window: u16,
    /// Disclosures of a block at most, the syndrome included: 1 to 64.
    pub rounds: u8,
    /// Whether verified blocks teach the error rate to the next ones.
    pub adapt: bool,
    /// Error rate, 0 <= `qber` < 1/2; negative if none is known, which baseline takes only with a sample.
    pub qber: f64,
    /// Frame error rate aimed at, 1e-6 to 0.5: of the first decoding (baseline), of the last (others).
    pub target_fer: f64,
    /// Most bits that may be charged; the session ends before a disclosure that would pass it.
    pub budget: u64,
    /// Microseconds after which a silent peer is given up.
    pub timeout_us: u64,
    /// Seed of the public permutation by which the hosts order the key, for Bob to know; 0 for none.
    pub permutation: u64,
}

/// The defaults of `strategy` for a key of `key_bits` bits of error rate `qber` (negative: none known).
///
/// # Safety
/// `config` is null or valid for writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn caligo_config_init(
    config: *mut CaligoConfig,
    strategy: u32,
    key_bits: u32,
    qber: f64,
) -> CaligoStatus {
    // SAFETY: the caller's.
    let Some(config) = (unsafe { config.as_mut() }) else { return CaligoStatus::Null };
    let Some(known) = STRATEGIES.get(strategy as usize) else { return CaligoStatus::Range };
    let Goal { rounds, target_fer, .. } = Goal::of(*known, CALIGO_FRAME_BITS);
    *config = CaligoConfig {
        strategy,
        policy: CALIGO_POLICY_EXACT,
        decoder: CaligoDecoderKind::Integer as u32,
        key_bits,
        sample_bits: 0,
        window: 16,
        rounds,
        adapt: strategy != CALIGO_STRATEGY_BASELINE,
        qber,
        target_fer,
        budget: u64::MAX,
        timeout_us: 30_000_000,
        permutation: 0,
    };
    CaligoStatus::Ok
}

/// What of a configuration is checked here: the machine checks the rest.
pub(crate) struct Checked {
    pub(crate) hello: Hello,
    pub(crate) planner: TablePlanner<'static>,
    pub(crate) qber: Option<f64>,
}

impl CaligoConfig {
    pub(crate) fn checked(&self) -> Result<Checked, CaligoStatus> {
        let strategy = *STRATEGIES.get(self.strategy as usize).ok_or(CaligoStatus::Range)?;
        let policy = *POLICIES.get(self.policy as usize).ok_or(CaligoStatus::Range)?;
        let kind = CaligoDecoderKind::of(self.decoder).ok_or(CaligoStatus::Range)?;
        let qber = if self.qber < 0.0 { None } else { Some(self.qber) };
        let known = qber.is_none_or(|qber| (0.0..0.5).contains(&qber));
        let wanted = (1e-6..=0.5).contains(&self.target_fer);
        let rounds = (1..=MAX_ROUNDS).contains(&self.rounds.into());
        let blind = strategy == Strategy::Baseline && qber.is_none() && self.sample_bits == 0;
        if !known || !wanted || !rounds || blind || self.key_bits == 0 || self.window < 2 {
            return Err(CaligoStatus::Range);
        }
        let hello = Hello {
            strategy,
            policy,
            rounds: self.rounds,
            target_fer_ppm: rounded(self.target_fer * 1e6),
            window: self.window,
            key_bits: self.key_bits,
            sample_bits: self.sample_bits,
            code: fingerprint(&CODE, &ORDER),
            permutation: self.permutation,
            cap: self.budget,
        };
        let (rounds, target_fer) = (self.rounds, self.target_fer);
        let goal = Goal { rounds, target_fer, ..Goal::of(strategy, CALIGO_FRAME_BITS) };
        let planner = TablePlanner { goal, table: table(kind), order: ORDER };
        Ok(Checked { hello, planner, qber })
    }
}

/// To the nearest whole number, of a positive one.
fn rounded(value: f64) -> u32 {
    (value + 0.5) as u32
}
