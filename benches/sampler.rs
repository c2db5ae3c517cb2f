//! The simulated channel, one frame of 4096 bits. The goal of `errors` is a fifth of the time of `flip` at an error
//! rate of .08. `cargo bench -p caligo-benches --bench sampler`.

use caligo_runtime::channel;
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

criterion_group!(benches, sampler);
criterion_main!(benches);
