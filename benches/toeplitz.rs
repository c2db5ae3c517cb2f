//! Privacy amplification of 10^6 bits to 2 · 10^5 on one core. The host's path must take less than 50 ms and
//! aims at 10 ms. `cargo bench -p caligo-benches --bench toeplitz`.

use caligo_core::amplify::{Multiplier, Portable, Toeplitz};
use caligo_runtime::amplify::Host;
use caligo_runtime::channel;
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};

const HASH: Toeplitz = Toeplitz { input_bits: 1_000_000, output_bits: 200_000 };

fn apply(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, multiplier: &impl Multiplier) {
    let mut rng = channel::stream(4, 0);
    let seed = channel::random_bits(HASH.seed_bits(), &mut rng);
    let input = channel::random_bits(HASH.input_bits, &mut rng);
    let mut output = vec![0; HASH.output_bits.div_ceil(64)];
    let mut scratch = vec![0; HASH.scratch_words()];
    group.bench_function(name, |b| {
        b.iter(|| HASH.apply(multiplier, &seed, &input, &mut output, &mut scratch));
    });
}

fn toeplitz(c: &mut Criterion) {
    let mut group = c.benchmark_group("toeplitz 1000000 to 200000");
    group.throughput(Throughput::Elements(HASH.input_bits as u64)).sample_size(20);
    apply(&mut group, "host, goal 10 ms", &Host);
    apply(&mut group, "portable", &Portable);
    group.finish();
}

criterion_group!(benches, toeplitz);
criterion_main!(benches);
