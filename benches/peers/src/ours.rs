//! This project's decoders and encoder. All calls to them are in this file.

use std::hint::black_box;

use anyhow::Context;
use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use clap::ValueEnum;

use crate::peer::{Batch, FRAME, Peer, SYNDROME, Spent, cpu_seconds};

/// The mother code.
pub(crate) fn code() -> Code<'static> {
    Code::from(mother_4096::CODE)
}

/// The widest instruction set that the kernels are compiled for and this machine has.
pub(crate) fn isa() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512vl") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "AVX2";
        }
    }
    "baseline"
}

pub(crate) struct Ours(Engine<'static>);

impl Ours {
    /// The decoder of the tier called `name`.
    pub(crate) fn new(name: &str) -> anyhow::Result<Self> {
        let tier = Tier::from_str(name, false).map_err(anyhow::Error::msg)?;
        Ok(Self(Engine::new(&code(), Effort { tier, ..Effort::default() })?))
    }
}

impl Peer for Ours {
    fn decode(&mut self, batch: Batch<'_>, decisions: &mut [u64]) -> anyhow::Result<Spent> {
        let (mut punctured, mut shortened) = ([0; FRAME], [0; FRAME]);
        let pattern = order_4096::ORDER.pattern(0, 0, &mut punctured, &mut shortened)?;
        let rates = Rates::Uniform(batch.qber);
        let inputs: Vec<_> = batch
            .iter()
            .map(|(frame, syndrome)| Input { pattern: &pattern, frame, rates: &rates, syndrome })
            .collect();
        let mut outcomes = vec![Outcome::default(); inputs.len()];
        let decisions = &mut decisions[..inputs.len() * FRAME];
        let start = cpu_seconds();
        self.0.decode_all(&inputs, decisions, &mut outcomes)?;
        let seconds = cpu_seconds() - start;
        Ok(Spent { seconds, iterations: outcomes.iter().map(|outcome| u64::from(outcome.iterations)).sum() })
    }
}

/// Seconds for the syndromes of `frames`, `turns` times over.
pub(crate) fn encode(frames: &[u64], syndromes: &mut [u64], turns: u64) -> anyhow::Result<f64> {
    let code = code();
    let start = cpu_seconds();
    for _ in 0..turns {
        for (frame, syndrome) in frames.chunks_exact(FRAME).zip(syndromes.chunks_exact_mut(SYNDROME)) {
            code.syndrome(black_box(frame), syndrome).context("encoder")?;
            black_box(syndrome);
        }
    }
    Ok(cpu_seconds() - start)
}
