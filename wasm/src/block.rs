//! One block.

use alloc::vec;
use alloc::vec::Vec;

use caligo_core::leakage::{Disclosed, Policy};
use caligo_core::limits;
use caligo_core::reconcile::Failure;
use caligo_sim::block::{End, Explored, Party, Settings, explore};
use caligo_sim::matrix::library::Library;
use wasm_bindgen::JsError;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::bytes;
use crate::settings::refusal;

/// A block and what happened to it.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Block {
    explored: Explored,
    qber: f64,
}

/// Charged under each policy, without tags, and the tags.
fn charges(disclosed: &Disclosed) -> [f64; 4] {
    let charge = |policy| disclosed.reconciliation(policy).0 as f64;
    [charge(Policy::Exact), charge(Policy::SyndromeCap), charge(Policy::Conservative), disclosed.tag.0 as f64]
}

impl Block {
    pub(crate) fn explored(library: &Library, settings: &Settings) -> Result<Self, JsError> {
        let explored = explore(library, settings).map_err(|error| refusal(&error))?;
        Ok(Self { explored, qber: settings.qber })
    }
}

#[wasm_bindgen]
impl Block {
    /// n, m, payload, rate, target frame error rate, least disclosure (0 if undefined), noise n' h(Q), iterations, rounds,
    /// bits that differ in the end.
    pub fn facts(&self) -> Vec<f64> {
        let Explored { n, m, payload, rate, target_fer, least, differing, .. } = self.explored;
        vec![
            n as f64,
            m as f64,
            payload as f64,
            rate,
            target_fer,
            least.unwrap_or(0.0),
            payload as f64 * limits::entropy(self.qber),
            self.explored.iterations().into(),
            self.explored.rounds().into(),
            differing as f64,
        ]
    }

    /// 0 verified; 1 not decoded; 2 wrong tag; 3 tripped, kind prevented, attempted, spent, cap; 4 aborted, its code.
    pub fn end(&self) -> Vec<f64> {
        match self.explored.end {
            End::Verified => vec![0.0],
            End::Failed(Failure::Decoding) => vec![1.0],
            End::Failed(Failure::Verification) => vec![2.0],
            End::Tripped { prevented, budget } => {
                let [a, b, c] = [budget.attempted, budget.spent, budget.cap].map(|bits| bits.0 as f64);
                vec![3.0, f64::from(prevented as u8), a, b, c]
            }
            End::Aborted(abort) => vec![4.0, abort.code().into()],
        }
    }

    /// Rows of: sender (0 Alice), kind, bytes, steps before, charged so far: exact, cap, conservative, tags.
    pub fn messages(&self) -> Vec<f64> {
        let rows = self.explored.messages.iter().flat_map(|message| {
            let from = if message.from == Party::Alice { 0.0 } else { 1.0 };
            let head = [from, f64::from(message.kind as u8), message.bytes as f64, message.steps as f64];
            head.into_iter().chain(charges(&message.disclosed))
        });
        rows.collect()
    }

    /// Charged at the end: exact, cap, conservative, tags.
    pub fn charged(&self) -> Vec<f64> {
        charges(&self.explored.disclosed).to_vec()
    }

    /// Rows of: round, stage, iterations, wrong bits, unsatisfied checks.
    pub fn steps(&self) -> Vec<u32> {
        let ones = |words: &[u64]| words.iter().map(|word| word.count_ones()).sum();
        let rows = self.explored.steps.iter().flat_map(|step| {
            [step.round, step.stage as u32, step.iterations, ones(&step.wrong), ones(&step.unsatisfied)]
        });
        rows.collect()
    }

    /// Positions decided wrongly after each step, n bits for each.
    pub fn wrong(&self) -> Vec<u8> {
        self.explored.steps.iter().flat_map(|step| bytes(&step.wrong)).collect()
    }

    /// Checks not satisfied after each step, m bits for each.
    pub fn unsatisfied(&self) -> Vec<u8> {
        self.explored.steps.iter().flat_map(|step| bytes(&step.unsatisfied)).collect()
    }

    /// Punctured positions at first.
    pub fn punctured(&self) -> Vec<u8> {
        bytes(&self.explored.punctured)
    }

    /// Shortened positions at first.
    pub fn shortened(&self) -> Vec<u8> {
        bytes(&self.explored.shortened)
    }

    /// Positions that the channel flipped.
    pub fn errors(&self) -> Vec<u8> {
        bytes(&self.explored.errors)
    }

    /// Of Bob's key: equal for equal keys.
    pub fn digest(&self) -> u64 {
        self.explored.digest()
    }
}
