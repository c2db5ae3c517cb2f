//! How long it takes to choose a batch, with so many samples of each of two functions: `think SAMPLES`. Prints seconds, by
//! expected reduction of the doubt and by the straddle.

use std::time::Instant;

use caligo_surrogate::acquire::{Arm, Search, choose, doubt};
use caligo_surrogate::local::Local;
use caligo_surrogate::reduce::{self, Field, Reduction};
use caligo_surrogate::{Draws, Hyper, Points};

const DIMENSIONS: usize = 8;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let samples: usize = std::env::args().nth(1).ok_or("usage: think SAMPLES")?.parse()?;
    let mut draws = Draws::new(1, 0);
    let mut spread = |count: usize| {
        let mut point = || -> [f64; DIMENSIONS] { std::array::from_fn(|_| 3.4 * draws.uniform() - 1.7) };
        Points::of((0..count).map(|_| point()).collect::<Vec<_>>())
    };
    let (points, candidates, probes) = (spread(samples), spread(2048), spread(2048));
    let margin = |x: &[f64]| 0.05 * (x[0] + 0.5 * x[1] * x[2] - 0.3 * x[3]).tanh();
    let values: Vec<f64> = points.rows().map(margin).collect();
    let mut lengths = vec![2.0, 3.0, 3.0, 4.0];
    lengths.resize(DIMENSIONS, 30.0);
    let hyper = Hyper { lengths, signal: 0.01, noise: 1e-5 };
    let bounds = [(-1.7, 1.7); DIMENSIONS];
    let local = Local::new(points, values, hyper, 0.0)?;
    let began = Instant::now();
    let fields =
        [(); 2].map(|()| Field { exact: None, local: &local, points: &candidates, drawn: candidates.len() });
    let reducing = reduce::choose(&fields, Reduction::default())?;
    let reduced = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let mut arms = [(); 2].map(|()| Arm { local: local.clone(), bounds: &bounds, candidates: &candidates });
    let straddling = choose(&mut arms, Search::default(), &|_, point| point.to_vec())?;
    let straddled = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let doubts = [(); 2].map(|()| doubt(&local.predict(&probes, 128)));
    println!(
        "{samples} samples of each function: {} points by reduction in {reduced:.2} s, {} by straddle in {straddled:.2} s; \
         expected error {:.4} in {:.2} s",
        reducing.len(),
        straddling.len(),
        doubts[0],
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
