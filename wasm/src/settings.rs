//! Settings as numbers.

use caligo_core::leakage::Policy;
use caligo_engine::Tier;
use caligo_sim::Strategy;
use caligo_sim::block::{BlockError, Settings};
use wasm_bindgen::JsError;

/// Error rate; 0 baseline, 1 blind, 2 symmetric; rate; rounds; whether the error rate is known; 0 fast, 1 balanced, 2 precise;
/// seed; 0 exact, 1 syndrome cap, 2 conservative; budget. What is not given is 0.
pub(crate) fn read(numbers: &[f64]) -> Result<Settings, JsError> {
    let &[qber, strategy, rate, rounds, known, tier, seed, policy, budget] = numbers else {
        return Err(JsError::new("settings"));
    };
    Ok(Settings {
        qber,
        strategy: [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric][place(strategy)],
        rate: (rate > 0.0).then_some(rate),
        rounds: (rounds > 0.0).then_some(rounds as u8),
        known: known > 0.0,
        tier: [Tier::Fast, Tier::Balanced, Tier::Precise][place(tier)],
        seed: u64::from(seed as u32),
        policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative][place(policy)],
        budget: (budget > 0.0).then_some(budget as u64),
    })
}

/// In a list of three.
fn place(number: f64) -> usize {
    (number as usize).min(2)
}

/// A name for the page, which has the sentence.
pub(crate) fn refusal(error: &BlockError) -> JsError {
    JsError::new(match error {
        BlockError::Qber => "qber",
        BlockError::Rate => "rate",
        BlockError::NoRate(_) => "no-rate",
        _ => "session",
    })
}
