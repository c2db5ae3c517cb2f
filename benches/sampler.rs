//! The simulated channel, one frame of 4096 bits. The goal of `errors` is a fifth of the time of `flip` at an error
//! rate of .08. The simulated source, one batch of pairs: `rounds` gives both sides' records, `counts` their
//! statistics as well; the goal is 100 million pairs a second. `recording` writes them to memory and reads them again.
//! `cargo bench -p caligo-benches --bench sampler`.

use std::path::Path;

use caligo_core::security::{NsmParameters, NsmRecord, Pairs};
use caligo_runtime::channel;
use caligo_runtime::channel::pairs::{BATCH, Counts, PairSource, Recorded, Recorder, Simulated};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BITS: usize = 4096;

fn sampler(c: &mut Criterion) {
    let mut group = c.benchmark_group("sampler");
    group.throughput(Throughput::Elements(BITS as u64));
    let mut rng = channel::stream(5, 0);
    group.bench_function("random_bits", |b| b.iter(|| channel::random_bits(BITS, &mut rng)));
    for q in [0.01, 0.03, 0.08, 0.11, 0.4] {
        let mut frame = vec![0; BITS / 64];
        group.bench_with_input(BenchmarkId::new("flip", q), &q, |b, &q| {
            b.iter(|| channel::flip(&mut frame, BITS, q, &mut rng));
        });
        group.bench_with_input(BenchmarkId::new("errors", q), &q, |b, &q| {
            b.iter(|| channel::errors(BITS, q, &mut rng));
        });
    }
    group.finish();
}

fn source(pairs: Pairs, efficiency: f64, dark: f64) -> Simulated {
    let record =
        NsmRecord { pairs, detection_eff_eta: efficiency, dark_count_prob: dark, ..NsmRecord::default() };
    Simulated::new(&NsmParameters::new(record).expect("in range"), BATCH as u64, 5)
}

fn pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("pairs");
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, source) in [
        ("heralded .85", source(Pairs::Heralded, 0.85, 1e-6)),
        ("emitted .85", source(Pairs::Emitted, 0.85, 1e-6)),
        ("emitted .001", source(Pairs::Emitted, 1e-3, 1e-5)),
    ] {
        group.bench_with_input(BenchmarkId::new("rounds", name), &source, |b, source| {
            b.iter(|| source.batch(0));
        });
        group.bench_with_input(BenchmarkId::new("counts", name), &source, |b, source| {
            b.iter(|| Counts::of(&source.batch(0)));
        });
    }
    let rounds = source(Pairs::Heralded, 0.85, 1e-6).batch(0);
    let mut file = Vec::new();
    group.bench_function("recording", |b| {
        b.iter(|| {
            file.clear();
            let mut recorder = Recorder::new(&mut file, BATCH as u64).expect("memory");
            recorder.write(&rounds).and_then(|()| recorder.finish()).expect("memory");
            Recorded::new(Path::new("memory"), &file[..]).and_then(|mut recorded| recorded.rounds())
        });
    });
    group.finish();
}

criterion_group!(benches, sampler, pairs);
criterion_main!(benches);
