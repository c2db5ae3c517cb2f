//! The feasibility kernel beside the core's formulas in double precision.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use caligo_runtime::campaign::batch::{Batch, Sampler};
use caligo_runtime::campaign::feasibility::{Columns, Kernel};
use caligo_runtime::config::campaign::Campaign;

fn campaign(text: &str) -> Campaign {
    Campaign::parse(text, Path::new("c.yaml")).unwrap()
}

fn batch(campaign: &Campaign) -> Batch {
    let mut batch = Batch::default();
    Sampler::new(campaign).fill(0..campaign.samples, &mut batch);
    batch
}

fn columns(batch: &Batch) -> Columns<'_> {
    std::array::from_fn(|d| &batch.columns[d][..])
}

/// All kinds of campaigns: documents' ranges, good devices, bad memories, both proofs, both meanings of N.
const CAMPAIGNS: [&str; 8] = [
    "",
    "phase1: { sampler: { proof: max_bound } }",
    "parameters: { pairs: emitted }",
    "parameters: { pairs: emitted }\nphase1: { sampler: { proof: max_bound, method: sobol } }",
    "parameters: { channel_fidelity: [0.95, 1], detection_eff_eta: [0.1, 1], storage_rate_nu: [1e-4, 0.2] }",
    "parameters: { channel_fidelity: [0.97, 1], detector_error: [0, 0.01], storage_noise_r: [0, 0.5], \
     detection_eff_eta: [0.01, 1] }\nphase1: { sampler: { proof: max_bound } }",
    "parameters: { storage_noise_r: [0, 0.1], storage_rate_nu: [0.1, 1], num_pairs: [1, 1e9], \
     channel_fidelity: [0.9, 1] }",
    "parameters: { storage_rate_nu: { range: [0, 1], scale: linear }, dark_count_prob: { range: [0, 0.5], scale: \
     linear }, num_pairs: [1e4, 1e12] }\nsecurity: { epsilon: 0.4, epsilon_pa: 0.6, efficiency: 1, test_fraction: 0 }",
];

#[test]
fn verdicts_are_the_cores() {
    for text in CAMPAIGNS {
        let mut campaign = campaign(text);
        campaign.samples = 20_000;
        let (batch, kernel) = (batch(&campaign), Kernel::new(&campaign));
        let mut counts = [0; 5];
        for (row, &verdict) in batch.verdicts.iter().enumerate() {
            let inputs = batch.inputs(row).unwrap();
            assert_eq!(verdict, kernel.exact(&inputs), "{text}: {inputs:?}");
            counts[verdict as usize] += 1;
        }
        let doubtful = kernel.doubtful(columns(&batch));
        println!("{counts:?} {doubtful} {text}");
        assert!(doubtful * 500 < batch.len(), "{text}: {doubtful}");
    }
}
