//! Frame error rates of the decoder for small cores beside the 8-bit decoder of hosts, on the same frames, with 95 %
//! intervals (Clopper and Pearson 1934): `cargo run --release -p caligo-core --example small_cores -- 20000`.

use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::{Compact, Corrected, Decoder, Layout, Schedule, Workspace};
use caligo_core::limits;
use caligo_core::llr;
use caligo_core::puncture::order_4096;
use caligo_core::security::Epsilon;
use caligo_core::security::sampling::{clopper_pearson_lower, clopper_pearson_upper};

/// Punctured positions and error rates of each code rate.
const POINTS: [(f64, usize, [f64; 3]); 4] = [
    (0.5, 0, [0.077, 0.081, 0.0855]),
    (0.6, 683, [0.049, 0.0525, 0.0555]),
    (0.7, 1170, [0.027, 0.030, 0.0335]),
    (0.8, 1536, [0.012, 0.0135, 0.0165]),
];
const ITERATIONS: u16 = 50;

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let frames: u64 = match std::env::args().nth(1) {
        Some(text) => text.parse().map_err(|_| format!("frames: expected a number, found {text:?}"))?,
        None => 2000,
    };
    let code = Code::from(mother_4096::CODE);
    let layout = Layout::of(&code, Schedule::Layered);
    let mut work =
        Workspace::new(&code, Schedule::Layered, vec![0i8; layout.messages], vec![0i16; layout.posteriors])?;
    let decoder = Decoder { arithmetic: Corrected::default(), max_iterations: ITERATIONS };
    let mut memory = vec![0; Compact::words(&mother_4096::CODE)];
    let mut compact = Compact::new(&mother_4096::CODE, &mut memory)?;
    println!("rate,qber,f,frames,decoder,failures,fer,fer_low,fer_high,iterations");
    for (rate, punctured, qbers) in POINTS {
        let (mut holes, mut known) = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(punctured, 0, &mut holes, &mut known)?;
        for qber in qbers {
            let f = limits::efficiency((code.m() - punctured) as f64, pattern.payload(), qber);
            let threshold = (qber * 2f64.powi(64)) as u64;
            let (mut failures, mut iterations) = ([0u64; 2], [0u64; 2]);
            for index in 0..frames {
                let mut random = Random((index << 16 ^ qber.to_bits()).wrapping_mul(0xd134_2543_de82_ef95));
                let mut frame = [0; 64];
                frame.iter_mut().for_each(|word| *word = random.next());
                let (sent, mut syndrome, mut decision) = (frame, [0; 32], [0; 64]);
                code.syndrome(&sent, &mut syndrome)?;
                for (word, hole) in frame.iter_mut().zip(pattern.punctured()) {
                    let errors = (0..64).fold(0, |e, i| e | u64::from(random.next() < threshold) << i);
                    *word = (*word ^ errors) & !hole;
                }
                let mut priors = [0; 4096];
                llr::three_state(&decoder.arithmetic, &pattern, &frame, qber, &mut priors)?;
                work.load(&priors)?;
                let wide = decoder.run(&syndrome, &mut work, &mut decision)?;
                let wide = (wide, decision == sent);
                let small = compact.run(ITERATIONS, &pattern, &frame, &syndrome, &mut decision)?;
                for (i, (outcome, right)) in [(small, decision == sent), wide].into_iter().enumerate() {
                    failures[i] += u64::from(!right);
                    iterations[i] += u64::from(outcome.iterations);
                }
            }
            for (i, name) in ["compact", "8-bit"].into_iter().enumerate() {
                let tail = Epsilon::new(0.025)?;
                let low = clopper_pearson_lower(failures[i], frames, tail).unwrap_or(0.0);
                let high = clopper_pearson_upper(failures[i], frames, tail).unwrap_or(1.0);
                println!(
                    "{rate},{qber},{f:.4},{frames},{name},{},{:.5},{low:.5},{high:.5},{:.2}",
                    failures[i],
                    failures[i] as f64 / frames as f64,
                    iterations[i] as f64 / frames as f64
                );
            }
        }
    }
    Ok(())
}
