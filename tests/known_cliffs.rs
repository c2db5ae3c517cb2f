//! Wrong calls against samples on functions whose cliff is known: chosen by models, or a Latin hypercube. Prints CSV; some
//! minutes.
//!
//! `cargo run --release -p caligo-tests --example known_cliffs -- docs/results/known_cliffs.svg > docs/results/known_cliffs.csv`
#![allow(clippy::unwrap_used, reason = "of tests")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use caligo_runtime::campaign::cliff::active::{learn, train};
use caligo_runtime::campaign::pipeline::Conduct;
use caligo_runtime::campaign::space::Inputs;
use caligo_runtime::plot::chart::{Axis, Chart, Layer, Shape};
use caligo_tests::known::{CODE, Known, LITTLE, anisotropic, campaign, curved, designed, sharp, wrong};

type Function = (&'static str, &'static str, fn(&Inputs) -> f64, f64);

const FUNCTIONS: [Function; 4] = [
    ("curved", "#0072b2", curved, LITTLE),
    ("sharp", "#d55e00", sharp, LITTLE),
    ("anisotropic", "#009e73", anisotropic, LITTLE),
    ("noisy", "#cc79a7", curved, 0.02),
];
const SEEDS: [u64; 2] = [42, 43];
/// Samples of a hypercube that models begin with.
const FIRST: u64 = 60;
const HYPERCUBES: [u64; 5] = [60, 120, 240, 480, 960];
/// Iterations of eight samples.
const ITERATIONS: [u64; 4] = [4, 8, 15, 30];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let svg = std::env::args().nth(1);
    println!("function,how,samples,seed,wrong");
    let mut curves: BTreeMap<(usize, &str), BTreeMap<u64, f64>> = BTreeMap::new();
    let mut tell = |of: usize, how: &'static str, samples: u64, seed: u64, wrong: f64| {
        println!("{},{how},{samples},{seed},{wrong:.5}", FUNCTIONS[of].0);
        *curves.entry((of, how)).or_default().entry(samples).or_default() += wrong / SEEDS.len() as f64;
    };
    for (of, &(_, _, f, noise)) in FUNCTIONS.iter().enumerate() {
        let known = Known(f, noise);
        for seed in SEEDS {
            for samples in HYPERCUBES {
                let mut campaign = campaign(samples, "");
                campaign.seed = seed;
                let dir = designed(&campaign, &known);
                train(dir.path(), &campaign, CODE)?;
                tell(of, "hypercube", samples, seed, wrong(dir.path(), &campaign, f));
            }
            let mut campaign = campaign(FIRST, "");
            campaign.seed = seed;
            let dir = designed(&campaign, &known);
            for iterations in ITERATIONS {
                campaign.active.iterations = iterations;
                let stop = AtomicBool::new(false);
                learn(dir.path(), &campaign, CODE, &known, Conduct::new(2), &stop, &mut |_| {})?;
                let samples = FIRST + iterations * campaign.active.batch;
                tell(of, "chosen", samples, seed, wrong(dir.path(), &campaign, f));
            }
        }
    }
    let Some(path) = svg else { return Ok(()) };
    let mut chart = Chart::new(
        "Points called wrong, mean of two seeds",
        Axis::log("samples", 50.0, 2000.0),
        Axis::log("part of the points", 1e-4, 0.5),
    );
    for ((of, how), curve) in curves {
        let (name, colour, ..) = FUNCTIONS[of];
        let points = curve.into_iter().map(|(samples, wrong)| (samples as f64, wrong.max(1e-4))).collect();
        let shape = if how == "chosen" { Shape::Line(points) } else { Shape::Dashes(points) };
        chart = chart.with(Layer::new(&format!("{name}, {how}"), colour, shape));
    }
    Ok(std::fs::write(path, chart.svg()?)?)
}
