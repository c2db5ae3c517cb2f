//! Fits a process and predicts, for benches/surrogate/compare.py: reads lines of numbers, the value last, from two files.
//! Prints seconds, errors and hyperparameters as JSON.

use std::time::Instant;

use caligo_surrogate::fit::{Effort, fit};
use caligo_surrogate::gp::log_likelihood;
use caligo_surrogate::scores::{negative_log_density, root_mean_square};
use caligo_surrogate::{Gp, Points};

fn read(path: &str) -> Result<(Points, Vec<f64>), Box<dyn std::error::Error>> {
    let (mut rows, mut values) = (Vec::new(), Vec::new());
    for line in std::fs::read_to_string(path)?.lines() {
        let mut numbers = line.split(',').map(str::parse).collect::<Result<Vec<f64>, _>>()?;
        values.extend(numbers.pop());
        rows.push(numbers);
    }
    Ok((Points::of(&rows), values))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut files = std::env::args().skip(1);
    let (Some(training), Some(test)) = (files.next(), files.next()) else {
        return Err("usage: fit TRAINING.csv TEST.csv".into());
    };
    let (points, values) = read(&training)?;
    let (queries, truth) = read(&test)?;
    let began = Instant::now();
    let hyper = fit(&points, &values, Effort::default())?;
    let gp = Gp::new(&points, &values, hyper, None)?;
    let fitted = began.elapsed().as_secs_f64();
    let began = Instant::now();
    let said = gp.predict(&queries);
    let predicted = began.elapsed().as_secs_f64();
    let likelihood = log_likelihood(&points, &values, gp.hyper(), None)?;
    println!(
        "{{\"fit\":{fitted},\"predict\":{predicted},\"rmse\":{},\"nlpd\":{},\"likelihood\":{likelihood}}}",
        root_mean_square(&said, &truth),
        negative_log_density(&said, &truth, gp.hyper().noise)
    );
    Ok(())
}
