//! Settings as numbers.

use caligo_core::leakage::Policy;
use caligo_engine::Tier;
use caligo_sim::Strategy;
use caligo_sim::block::{BlockError, Settings};
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

/// What to look at: see [`Settings`]. Numbers that are not given are 0.
#[wasm_bindgen]
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// Error rate.
    pub qber: f64,
    /// 0 baseline, 1 blind, 2 symmetric.
    pub strategy: u8,
    /// Rate.
    pub rate: f64,
    /// Rounds.
    pub rounds: u8,
    /// Whether the error rate is known.
    pub known: bool,
    /// 0 fast, 1 balanced, 2 precise.
    pub tier: u8,
    /// Seed.
    pub seed: u32,
    /// 0 exact, 1 syndrome cap, 2 conservative.
    pub policy: u8,
    /// Budget.
    pub budget: u32,
}

#[wasm_bindgen]
impl Asked {
    /// Nothing asked for yet.
    #[wasm_bindgen(constructor)]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Asked {
    pub(crate) fn settings(&self) -> Settings {
        Settings {
            qber: self.qber,
            strategy: [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric]
                [usize::from(self.strategy.min(2))],
            rate: (self.rate > 0.0).then_some(self.rate),
            rounds: (self.rounds > 0).then_some(self.rounds),
            known: self.known,
            tier: tier(self.tier),
            seed: self.seed.into(),
            policy: [Policy::Exact, Policy::SyndromeCap, Policy::Conservative]
                [usize::from(self.policy.min(2))],
            budget: (self.budget > 0).then_some(self.budget.into()),
        }
    }
}

pub(crate) fn tier(tier: u8) -> Tier {
    [Tier::Fast, Tier::Balanced, Tier::Precise][usize::from(tier.min(2))]
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
