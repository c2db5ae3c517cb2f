//! `instructions KERNEL`: runs a kernel on fixed inputs, the second time inside [`counted`], which is where callgrind
//! counts (`scripts/instructions.sh`). Prints the instruction set that dispatch has chosen.

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;

use caligo_benches::frames;
use caligo_core::amplify::Toeplitz;
use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::Outcome;
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_core::security::{NsmParameters, NsmRecord, Pairs};
use caligo_core::verify;
use caligo_runtime::channel::pairs::{BATCH, Counts, Simulated};
use caligo_runtime::kernel::{Effort, Engine, Input, Tier};
use caligo_runtime::{amplify, channel, dispatch};

type Work = Box<dyn FnMut() -> Result<(), Box<dyn Error>>>;

fn main() -> ExitCode {
    let kernel = std::env::args().nth(1).unwrap_or_default();
    // What is done once, such as asking for the processor's features, is done outside.
    match work(&kernel).and_then(|mut work| work().and_then(|()| counted(&mut work))) {
        Ok(()) => {
            println!("{}", path());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {kernel}: {error}");
            ExitCode::FAILURE
        }
    }
}

#[inline(never)]
fn counted(work: &mut Work) -> Result<(), Box<dyn Error>> {
    work()
}

fn path() -> &'static str {
    if dispatch::portable() {
        return "portable";
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") {
            return "avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "avx2";
        }
    }
    "baseline"
}

fn work(kernel: &str) -> Result<Work, Box<dyn Error>> {
    let fast = Effort { tier: Tier::Fast, ..Effort::default() };
    Ok(match kernel {
        "syndrome" => {
            let (code, frame) = (Code::from(mother_4096::CODE), frames(1, 0.05, 1)?);
            let mut syndrome = [0; 32];
            Box::new(move || {
                code.syndrome(black_box(&frame[0].received), &mut syndrome)?;
                black_box(&syndrome);
                Ok(())
            })
        }
        "sliced-swift" => decode(8, 0.05, fast)?,
        "sliced-sturdy" => decode(8, 0.08, fast)?,
        "corrected" => decode(1, 0.05, Effort { without_first_pass: true, ..fast })?,
        "sum-product" => {
            decode(1, 0.05, Effort { tier: Tier::Precise, guesses: Some(0), ..Effort::default() })?
        }
        "tag" => {
            let message = channel::random_bits(1 << 16, &mut channel::stream(3, 0));
            Box::new(move || {
                black_box(verify::tag(black_box(&message), 1 << 16, 0x1234_5678_9abc_def1));
                Ok(())
            })
        }
        "toeplitz" => {
            let hash = Toeplitz { input_bits: 100_000, output_bits: 20_000 };
            let mut rng = channel::stream(4, 0);
            let seed = channel::random_bits(hash.seed_bits(), &mut rng);
            let input = channel::random_bits(hash.input_bits, &mut rng);
            let mut output = vec![0; hash.output_bits.div_ceil(64)];
            Box::new(move || {
                amplify::apply(hash, &seed, black_box(&input), &mut output)?;
                black_box(&output);
                Ok(())
            })
        }
        "errors" => Box::new(|| {
            black_box(channel::errors(4096, black_box(0.08), &mut channel::stream(5, 0)));
            Ok(())
        }),
        "pairs" => {
            let parameters = NsmParameters::new(NsmRecord { pairs: Pairs::Emitted, ..NsmRecord::default() })?;
            let source = Simulated::new(&parameters, BATCH as u64, 5);
            Box::new(move || {
                black_box(Counts::of(&source.batch(black_box(0))));
                Ok(())
            })
        }
        _ => return Err("no such kernel".into()),
    })
}

/// `count` frames at `qber`, all of which converge: an arithmetic is counted by itself.
fn decode(count: u64, qber: f64, effort: Effort) -> Result<Work, Box<dyn Error>> {
    let frames = frames(count, qber, 2)?;
    let mut engine = Engine::new(&Code::from(mother_4096::CODE), effort)?;
    let mut decisions = vec![0; 64 * frames.len()];
    let mut outcomes = vec![Outcome { converged: false, iterations: 0, unsatisfied: 0 }; frames.len()];
    Ok(Box::new(move || {
        let (mut punctured, mut shortened) = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(0, 0, &mut punctured, &mut shortened)?;
        let rates = Rates::Uniform(qber);
        let inputs: Vec<_> = frames
            .iter()
            .map(|frame| Input {
                pattern: &pattern,
                frame: &frame.received,
                rates: &rates,
                syndrome: &frame.syndrome,
            })
            .collect();
        engine.decode_all(&inputs, &mut decisions, &mut outcomes)?;
        if outcomes.iter().all(|outcome| outcome.converged) { Ok(()) } else { Err("not decoded".into()) }
    }))
}
