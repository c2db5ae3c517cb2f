//! Verdicts on 10^5 points of a campaign with the documents' ranges: the kernel must take less than 1 ms on one core.
//! `core` is its scalar twin in double precision, on a hundredth of the points; `design` draws the points.
//! `cargo bench -p caligo-benches --bench feasibility`.

use std::path::Path;

use caligo_core::security::Proof;
use caligo_runtime::campaign::batch::{Batch, Sampler};
use caligo_runtime::campaign::feasibility::{Columns, Kernel};
use caligo_runtime::config::campaign::Campaign;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const POINTS: u64 = 100_000;

fn feasibility(c: &mut Criterion) {
    let mut campaign = Campaign::parse("", Path::new("")).expect("defaults");
    campaign.samples = POINTS;
    let mut batch = Batch::default();
    Sampler::new(&campaign).fill(0..POINTS, &mut batch);
    let mut group = c.benchmark_group("feasibility");
    for proof in Proof::ALL {
        campaign.proof = proof;
        let kernel = Kernel::new(&campaign);
        let columns: Columns<'_> = std::array::from_fn(|d| &batch.columns[d][..]);
        println!("{}: {} of {POINTS} points are left to the core", proof.name(), kernel.doubtful(columns));
        let mut verdicts = Vec::new();
        group.throughput(Throughput::Elements(POINTS));
        group.bench_function(BenchmarkId::new("kernel, goal 1 ms", proof.name()), |b| {
            b.iter(|| kernel.verdicts(columns, &mut verdicts));
        });
        let inputs: Vec<_> = (0..1000).filter_map(|row| batch.inputs(row * 100)).collect();
        group.throughput(Throughput::Elements(inputs.len() as u64)).sample_size(20);
        group.bench_function(BenchmarkId::new("core", proof.name()), |b| {
            b.iter(|| inputs.iter().map(|inputs| kernel.exact(inputs) as u64).sum::<u64>());
        });
    }
    for (name, method) in [("lhs", "lhs"), ("sobol", "sobol")] {
        let text = format!("phase1: {{ target_samples: {POINTS}, sampler: {{ method: {method} }} }}");
        let sampler = Sampler::new(&Campaign::parse(&text, Path::new("")).expect("in range"));
        group.throughput(Throughput::Elements(1000)).sample_size(20);
        group.bench_function(BenchmarkId::new("design", name), |b| {
            b.iter(|| sampler.fill(0..1000, &mut batch));
        });
    }
    group.finish();
}

criterion_group!(benches, feasibility);
criterion_main!(benches);
