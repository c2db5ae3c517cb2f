//! Encoder, decoders and tag. `cargo bench -p caligo-benches --bench codec`.
//!
//! Goals are for one core with AVX-512 that runs a chain of additions at 3.7 GHz; they stand in the names.

use caligo_benches::{Frame, frames};
use caligo_core::code::{Code, LengthError, mother_4096};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_core::verify;
use caligo_runtime::channel;
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn encoder(c: &mut Criterion) {
    let code = Code::from(mother_4096::CODE);
    let frame = channel::random_bits(4096, &mut channel::stream(1, 0));
    let mut syndrome = [0; 32];
    let mut group = c.benchmark_group("encoder");
    group.throughput(Throughput::Elements(4096));
    group.bench_function("syndrome (goal 200 ns)", |b| b.iter(|| code.syndrome(&frame, &mut syndrome)));
    group.finish();
}

/// Frames decoded at one call, so that no single error pattern decides.
const FRAMES: u64 = 64;

/// Punctured positions, error rate, and Mbit/s to reach with `fast`, `balanced`, `precise`.
const POINTS: [(usize, f64, [u32; 3]); 4] = [
    (0, 0.02, [1000, 1000, 150]),
    (0, 0.05, [600, 600, 80]),
    (0, 0.08, [180, 180, 50]),
    (1170, 0.03, [100, 100, 40]),
];

fn decoders(c: &mut Criterion) {
    let code = Code::from(mother_4096::CODE);
    let mut group = c.benchmark_group("decoder");
    group.throughput(Throughput::Elements(4096 * FRAMES));
    for (p, qber, goals) in POINTS {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let Ok(pattern) = order_4096::ORDER.pattern(p, 0, &mut a, &mut b) else { continue };
        let Ok(frames) = frames(FRAMES, qber, 2) else { continue };
        let rates = Rates::Uniform(qber);
        let inputs: Vec<Input<'_>> = frames
            .iter()
            .map(|Frame { received, syndrome }| Input {
                pattern: &pattern,
                frame: received,
                rates: &rates,
                syndrome,
            })
            .collect();
        let mut decisions = vec![0; 64 * inputs.len()];
        let mut outcomes = vec![Outcome::default(); inputs.len()];
        let tiers = [Tier::Fast, Tier::Balanced, Tier::Precise];
        let efforts = tiers.map(|tier| Effort { tier, ..Effort::default() });
        let cases = efforts.iter().zip(goals).map(|(effort, goal)| (effort.tier.to_string(), *effort, goal));
        let corrected = Effort { tier: Tier::Fast, without_first_pass: true, ..Effort::default() };
        for (name, effort, goal) in cases.chain([("8-bit alone".to_owned(), corrected, goals[2] * 2)]) {
            let Ok(mut engine) = Engine::new(&code, effort) else { continue };
            let name = BenchmarkId::new(format!("{name} (goal {goal} Mbit/s)"), format!("p {p} Q {qber}"));
            group.bench_function(name, |b| {
                b.iter(|| -> Result<(), LengthError> {
                    engine.decode_all(&inputs, &mut decisions, &mut outcomes)
                });
            });
        }
    }
    group.finish();
}

fn tag(c: &mut Criterion) {
    let message = channel::random_bits(1 << 16, &mut channel::stream(3, 0));
    let mut group = c.benchmark_group("tag");
    group.throughput(Throughput::Elements(1 << 16));
    group.bench_function("65536 bits (goal 20 us)", |b| {
        b.iter(|| verify::tag(&message, 1 << 16, 0x1234_5678_9abc_def1));
    });
    group.finish();
}

criterion_group!(benches, encoder, decoders, tag);
criterion_main!(benches);
