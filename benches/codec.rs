//! One frame: encoder, decoders and tag. `cargo bench -p caligo-benches`.

use caligo_core::code::{Code, mother_4096};
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_core::verify;
use caligo_runtime::channel;
use caligo_runtime::kernel::{Effort, Engine, Tier};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn encoder(c: &mut Criterion) {
    let code = Code::from(mother_4096::CODE);
    let frame = channel::random_bits(4096, &mut channel::stream(1, 0));
    let mut syndrome = [0; 32];
    let mut group = c.benchmark_group("encoder");
    group.throughput(Throughput::Elements(4096));
    group.bench_function("syndrome", |b| b.iter(|| code.syndrome(&frame, &mut syndrome)));
    group.finish();
}

fn decoders(c: &mut Criterion) {
    let code = Code::from(mother_4096::CODE);
    let mut group = c.benchmark_group("decoder");
    group.throughput(Throughput::Elements(4096));
    for (p, qber) in [(0, 0.02), (0, 0.05), (0, 0.08), (1170, 0.03)] {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let Ok(pattern) = order_4096::ORDER.pattern(p, 0, &mut a, &mut b) else { continue };
        // Sixteen frames in turn, so that no single error pattern decides.
        let frames: Vec<_> = (0..16)
            .map(|i| {
                let mut rng = channel::stream(2, i);
                let sent = channel::random_bits(4096, &mut rng);
                let mut received = sent.clone();
                channel::flip(&mut received, 4096, qber, &mut rng);
                let mut syndrome = [0; 32];
                code.syndrome(&sent, &mut syndrome).map(|()| (received, syndrome))
            })
            .filter_map(Result::ok)
            .collect();
        for tier in [Tier::Fast, Tier::Balanced, Tier::Precise] {
            let Ok(mut engine) = Engine::new(&code, Effort { tier, ..Effort::default() }) else { continue };
            let mut decision = [0; 64];
            let name = BenchmarkId::new(format!("{tier:?}"), format!("p {p} Q {qber}"));
            let mut turn = frames.iter().cycle();
            group.bench_function(name, |b| {
                b.iter(|| {
                    turn.next().map(|(received, syndrome)| {
                        engine.decode(&pattern, received, &Rates::Uniform(qber), syndrome, &mut decision)
                    })
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
    group.bench_function("65536 bits", |b| b.iter(|| verify::tag(&message, 1 << 16, 0x1234_5678_9abc_def1)));
    group.finish();
}

criterion_group!(benches, encoder, decoders, tag);
criterion_main!(benches);
