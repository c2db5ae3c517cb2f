//! Designs of campaigns: strata, marginals, discrepancy, and that a point is a function of (seed, N, index).
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use caligo_runtime::campaign::batch::{Batch, Sampler};
use caligo_runtime::campaign::design::Design;
use caligo_runtime::campaign::feasibility::Verdict;
use caligo_runtime::campaign::space::DIMENSIONS;
use caligo_runtime::channel;
use caligo_runtime::config::campaign::Campaign;

fn campaign(samples: u64, seed: u64, sampler: &str, rest: &str) -> Campaign {
    let text = format!(
        "phase1: {{ target_samples: {samples}, sampler: {{ seed: {seed}, {sampler} }} }}\nparameters: {{ {rest} }}\n"
    );
    Campaign::parse(&text, Path::new("c.yaml")).unwrap()
}

fn units(samples: u64, seed: u64, method: &str, draw: u64) -> Vec<[f64; DIMENSIONS]> {
    let design = Design::new(&campaign(samples, seed, &format!("method: {method}"), ""));
    let layer = design.layer(draw);
    (0..samples).map(|index| layer.unit(index)).collect()
}

/// Whether the points have one in each of `strata` equal parts of every dimension.
fn stratified(points: &[[f64; DIMENSIONS]], strata: usize) -> bool {
    (0..DIMENSIONS).all(|d| {
        let mut seen = vec![0; strata];
        points.iter().for_each(|point| seen[(point[d] * strata as f64) as usize] += 1);
        seen.iter().all(|&count| count * strata == points.len())
    })
}

#[test]
fn each_stratum_has_one_point() {
    for samples in [1, 2, 3, 7, 10, 100, 1000, 1024, 1025, 10_007] {
        for draw in [0, 1, 17] {
            let points = units(samples, 5, "lhs", draw);
            assert!(stratified(&points, samples as usize), "{samples} {draw}");
            assert!(points.iter().flatten().all(|x| (0.0..1.0).contains(x) && *x > 0.0));
        }
    }
    for samples in [1, 2, 64, 4096] {
        for draw in [0, 1, 5] {
            assert!(stratified(&units(samples, 5, "sobol", draw), samples as usize), "{samples} {draw}");
        }
    }
    // Many strata, at whose borders rounding could do harm.
    let most = Design::new(&campaign(1_000_000_000, 1, "method: lhs", ""));
    let (layer, n) = (most.layer(0), 1e9);
    let strata = |index| layer.unit(index).map(|x| (x * n).floor() as u64);
    let mut seen = std::collections::HashSet::new();
    assert!((0..20_000).map(|i| i * 49_999).all(|index| strata(index).iter().all(|&s| s < 1_000_000_000)));
    assert!((0..20_000).all(|index| seen.insert(strata(index)[4])));
}

#[test]
fn a_point_is_a_function_of_seed_samples_and_index() {
    for method in ["lhs", "sobol"] {
        let points = units(100, 1, method, 0);
        let design = Design::new(&campaign(100, 1, &format!("method: {method}"), ""));
        let layer = design.layer(0);
        assert!((0..100).rev().all(|index| layer.unit(index) == points[index as usize]));
        assert_ne!(units(100, 2, method, 0), points);
        assert_ne!(units(100, 1, method, 1), points);
    }
    assert_ne!(units(101, 1, "lhs", 0)[..100], units(100, 1, "lhs", 0));
    // What replaces points of a sequence is what follows them.
    assert_eq!(units(100, 1, "sobol", 1)[..], units(200, 1, "sobol", 0)[100..]);
}

/// Centred L2 discrepancy (Hickernell 1998), squared.
fn discrepancy(points: &[[f64; DIMENSIONS]]) -> f64 {
    let n = points.len() as f64;
    let away = |x: f64| (x - 0.5).abs();
    let single: f64 = points
        .iter()
        .map(|point| point.iter().map(|&x| 1.0 + 0.5 * away(x) - 0.5 * away(x).powi(2)).product::<f64>())
        .sum();
    let double: f64 = points
        .iter()
        .flat_map(|a| points.iter().map(move |b| (a, b)))
        .map(|(a, b)| {
            let pair = |(&x, &y): (&f64, &f64)| 1.0 + 0.5 * (away(x) + away(y) - (x - y).abs());
            a.iter().zip(b).map(pair).product::<f64>()
        })
        .sum();
    (13.0_f64 / 12.0).powi(DIMENSIONS as i32) - 2.0 / n * single + double / (n * n)
}

#[test]
fn sobol_is_more_even_than_lhs_and_lhs_than_chance() {
    for samples in [128, 200] {
        let mean = |points: &dyn Fn(u64) -> Vec<[f64; DIMENSIONS]>| {
            (0..16).map(|seed| discrepancy(&points(seed))).sum::<f64>() / 16.0
        };
        let sobol = mean(&|seed| units(samples, seed, "sobol", 0));
        let lhs = mean(&|seed| units(samples, seed, "lhs", 0));
        let chance = mean(&|seed| {
            let mut rng = channel::stream(seed, 0);
            (0..samples).map(|_| [(); DIMENSIONS].map(|()| channel::uniform(&mut rng))).collect()
        });
        assert!(sobol < 0.8 * lhs && lhs < 0.8 * chance, "{samples}: {sobol} {lhs} {chance}");
    }
}

#[test]
fn dimensions_are_not_correlated() {
    for method in ["lhs", "sobol"] {
        let n = 2000;
        let points = units(n, 3, method, 0);
        for a in 0..DIMENSIONS {
            for b in 0..a {
                let sum: f64 = points.iter().map(|p| (p[a] - 0.5) * (p[b] - 0.5)).sum();
                let correlation = 12.0 * sum / n as f64;
                assert!(correlation.abs() < 4.5 / (n as f64).sqrt(), "{method} {a} {b}: {correlation}");
            }
        }
    }
}

fn inputs(campaign: &Campaign) -> Batch {
    let mut batch = Batch::default();
    Sampler::new(campaign).fill(0..campaign.samples, &mut batch);
    batch
}

#[test]
fn marginals_are_those_of_the_documents() {
    for sampler in ["method: lhs", "method: sobol"] {
        let batch = inputs(&campaign(4096, 9, sampler, ""));
        let mean =
            |d: usize, f: fn(f64) -> f64| batch.columns[d].iter().map(|&x| f(x.into())).sum::<f64>() / 4096.0;
        for (d, transform, expected, tolerance) in [
            (0, (|x| x) as fn(f64) -> f64, 0.5, 1e-3),
            (1, f64::log10, -2.0, 1e-3),
            (2, f64::log10, 7.0, 1e-3),
            (3, |x| x, 0.75, 1e-3),
            // Variance of Beta(2, 2) over a width of 1/2: 1/80.
            (3, |x| (x - 0.75).powi(2), 1.0 / 80.0, 1e-4),
            (4, f64::log10, -1.5, 1e-3),
            (5, |x| x, 0.05, 1e-4),
            (6, f64::log10, -5.5, 1e-3),
            (7, f64::log10, 5.0, 1e-3),
            (8, |x| x, 0.5, 1e-9),
        ] {
            assert!(
                (mean(d, transform) - expected).abs() < tolerance,
                "{sampler} {d}: {}",
                mean(d, transform)
            );
        }
    }
}

#[test]
fn strategies_are_balanced_and_independent() {
    let two = "strategies: [baseline, blind]";
    for (sampler, samples) in [("method: lhs", 998), ("strategy: stratified", 998), ("method: sobol", 998)] {
        let batch = inputs(&campaign(samples, 4, sampler, two));
        for code in [0.0, 1.0] {
            let rows: Vec<usize> = (0..998).filter(|&row| batch.columns[8][row] == code).collect();
            assert!((497..502).contains(&rows.len()), "{sampler}: {}", rows.len());
            // No strategy has a half of another dimension to itself.
            for d in 0..8 {
                let median = {
                    let mut sorted = batch.columns[d].clone();
                    sorted.sort_by(f32::total_cmp);
                    sorted[499]
                };
                let below = rows.iter().filter(|&&row| batch.columns[d][row] < median).count();
                assert!((180..320).contains(&below), "{sampler} {d}: {below}");
            }
        }
    }
    let alternate = inputs(&campaign(10, 4, "method: lhs", ""));
    assert_eq!(alternate.columns[8], [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
}

/// A campaign of which few points are feasible.
const RARE: &str = "channel_fidelity: [0.8, 1], detection_eff_eta: [0.1, 1]";

#[test]
fn infeasible_points_are_replaced_whatever_the_batch() {
    let record = inputs(&campaign(300, 1, "infeasible: record", RARE));
    let feasible = record.verdicts.iter().filter(|&&v| v == Verdict::Feasible).count();
    assert!((1..100).contains(&feasible), "{feasible}");
    assert!(record.draws.iter().all(|&draw| draw == 0));

    for method in ["lhs", "sobol"] {
        let campaign = campaign(300, 1, &format!("infeasible: replace, method: {method}"), RARE);
        let whole = inputs(&campaign);
        assert!(whole.verdicts.iter().all(|&verdict| verdict == Verdict::Feasible));
        assert!(whole.draws.iter().any(|&draw| draw > 10));
        let sampler = Sampler::new(&campaign);
        let mut part = Batch::default();
        for chosen in [vec![7], vec![250, 3, 7], (100..164).collect()] {
            sampler.fill(chosen.iter().copied(), &mut part);
            assert_eq!(part.indices, chosen);
            for (row, &index) in chosen.iter().enumerate() {
                assert_eq!(part.inputs(row), whole.inputs(index as usize));
                assert_eq!(part.draws[row], whole.draws[index as usize]);
                let sample = part.sample(row, sampler.design().space()).unwrap().unwrap();
                assert_eq!((sample.index, sample.inputs), (index, part.inputs(row).unwrap()));
                assert_eq!(sample.parameters.record().num_pairs, sample.inputs[7] as u64);
            }
        }
        assert!(part.sample(64, sampler.design().space()).is_none());
        // Points that are feasible at once stay.
        if method == "lhs" {
            for row in (0..300).filter(|&row| record.verdicts[row] == Verdict::Feasible) {
                assert_eq!(whole.inputs(row), record.inputs(row));
            }
        }
    }
    // Where nothing is feasible, the design's own points are recorded.
    let never = "channel_fidelity: 0.5";
    let replaced = inputs(&campaign(50, 1, "infeasible: replace, attempts: 3", never));
    assert_eq!(replaced, inputs(&campaign(50, 1, "infeasible: record", never)));
}

/// A point that is repeated is the same, and no more than that.
#[test]
fn points_are_repeated() {
    for method in ["lhs", "sobol"] {
        let once = inputs(&campaign(40, 3, &format!("method: {method}"), ""));
        // The last point has two samples.
        let thrice = inputs(&campaign(119, 3, &format!("method: {method}, repeats: 3"), ""));
        assert_eq!((once.len(), thrice.len()), (40, 119));
        for row in 0..119 {
            assert_eq!(thrice.inputs(row), once.inputs(row / 3), "{method} {row}");
            assert_eq!(thrice.indices[row], row as u64);
        }
        let replaced =
            inputs(&campaign(60, 3, &format!("method: {method}, repeats: 2, infeasible: replace"), ""));
        for row in (0..60).step_by(2) {
            assert_eq!(replaced.inputs(row), replaced.inputs(row + 1));
            assert_eq!(replaced.draws[row], replaced.draws[row + 1]);
        }
    }
}

/// Inputs of samples 0, 1 and 999 of 1000 at seed 42, documents' ranges: they change only with a new schema version.
/// Printed by `cargo test -p caligo-tests --test design golden -- --nocapture`.
#[test]
fn golden_points() {
    for (method, expected) in [("lhs", GOLDEN_LHS), ("sobol", GOLDEN_SOBOL)] {
        let batch = inputs(&campaign(1000, 42, &format!("method: {method}"), ""));
        let found = [0, 1, 999].map(|row| batch.inputs(row).unwrap());
        println!("{method}: {found:?}");
        assert_eq!(found, expected, "{method}");
    }
}

const GOLDEN_LHS: [[f32; DIMENSIONS]; 3] = [
    [0.06798451, 0.0005905344, 71114970.0, 0.76331663, 0.010518091, 0.001168797, 1.9908832e-8, 17688.0, 0.0],
    [0.4096193, 0.009771708, 13635817.0, 0.79209685, 0.049731385, 0.08924153, 5.4505986e-6, 766412.0, 1.0],
    [0.038818028, 0.00046225966, 1265191.0, 0.70170313, 0.10937553, 0.09199202, 6.5482545e-6, 229061.0, 1.0],
];
const GOLDEN_SOBOL: [[f32; DIMENSIONS]; 3] = [
    [0.7822777, 0.0007557064, 67072764.0, 0.95469886, 0.16733705, 0.056376822, 3.7061718e-6, 11234.0, 1.0],
    [0.021466097, 0.77857107, 633874.0, 0.74442846, 0.01785009, 0.039880946, 1.4862236e-6, 580721.0, 0.0],
    [0.3882462, 0.00024521313, 1125097.0, 0.540912, 0.006073439, 0.02548483, 4.3901015e-5, 849192.0, 0.0],
];
