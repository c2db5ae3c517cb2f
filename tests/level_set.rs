//! Batches for a level set, and forests.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_surrogate::acquire::{Arm, Choice, Search, Straddle, choose, doubt, normal_tail, straddle};
use caligo_surrogate::forest::{Forest, Options};
use caligo_surrogate::gp::Gp;
use caligo_surrogate::local::Local;
use caligo_surrogate::reduce::{self, Field, Reduction};
use caligo_surrogate::scores::{area_under_curve, brier};
use caligo_surrogate::{Draws, Hyper, Points};

/// Points of the square from -1 to 1.
fn square(count: usize, seed: u64) -> Points {
    let mut draws = Draws::new(seed, 0);
    Points::of((0..count).map(|_| [2.0 * draws.uniform() - 1.0, 2.0 * draws.uniform() - 1.0]))
}

/// Zero on a circle of radius .7.
fn circle(x: &[f64]) -> f64 {
    x[0].hypot(x[1]) - 0.7
}

fn local(count: usize) -> Local {
    let points = square(count, 3);
    let values: Vec<f64> = points.rows().map(circle).collect();
    let hyper = Hyper { lengths: vec![0.8, 0.8], signal: 0.5, noise: 1e-4 };
    let mean = Gp::new(&points, &values, hyper.clone(), None).unwrap().mean();
    Local::new(points, values, hyper, mean).unwrap()
}

const BOUNDS: [(f64, f64); 2] = [(-1.0, 1.0); 2];

fn stay(_: usize, point: &[f64]) -> Vec<f64> {
    point.to_vec()
}

fn batch(arms: usize, search: Search, snap: &(dyn Fn(usize, &[f64]) -> Vec<f64> + Sync)) -> Vec<Choice> {
    let candidates = square(500, 9);
    let arm = |_| Arm { local: local(12), bounds: &BOUNDS, candidates: &candidates };
    let mut arms: Vec<_> = (0..arms).map(arm).collect();
    choose(&mut arms, search, snap).unwrap()
}

fn least_distance(batch: &[Choice]) -> f64 {
    let pairs = batch.iter().enumerate().flat_map(|(i, a)| batch[..i].iter().map(move |b| (a, b)));
    pairs
        .filter(|(a, b)| a.arm == b.arm)
        .map(|(a, b)| (a.point[0] - b.point[0]).hypot(a.point[1] - b.point[1]))
        .fold(f64::INFINITY, f64::min)
}

#[test]
fn the_first_point_is_the_best_of_all() {
    let found = batch(1, Search { batch: 1, ..Search::default() }, &stay);
    let dense = local(12).predict(&square(20_000, 11), 12);
    let best = dense.into_iter().map(|at| straddle(1.96, at)).fold(f64::MIN, f64::max);
    assert!(found[0].value >= best - 1e-3, "{} against {best}", found[0].value);
    assert_eq!(found[0].value, straddle(1.96, found[0].at));
}

#[test]
fn batches_spread_and_do_not_depend_on_threads() {
    for straddle in [Straddle::Fixed(1.96), Straddle::Randomised] {
        for arms in [1, 2] {
            let search = Search { batch: 16, straddle, ..Search::default() };
            let found = batch(arms, search, &stay);
            assert_eq!(found.len(), 16);
            assert!(least_distance(&found) > 0.08, "{} arms: {}", arms, least_distance(&found));
            assert!(found.iter().all(|c| c.point.iter().all(|x| (-1.0..=1.0).contains(x))));
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            assert_eq!(alone.install(|| batch(arms, search, &stay)), found);
        }
    }
    // Equal functions share the batch.
    let found = batch(2, Search::default(), &stay);
    assert!((6..=10).contains(&found.iter().filter(|c| c.arm == 0).count()));
}

#[test]
fn points_are_those_that_can_be_run() {
    let snap = |_: usize, point: &[f64]| vec![(point[0] * 8.0).round() / 8.0, point[1]];
    let found = batch(1, Search::default(), &snap);
    assert!(found.iter().all(|c| (c.point[0] * 8.0).fract() == 0.0));
}

/// Choosing finds a level set with fewer points than chance.
#[test]
fn the_level_set_is_found_with_fewer_points() {
    let map = square(4000, 21);
    let wrong = |local: &Local| {
        let said = local.predict(&map, 60);
        said.iter().zip(map.rows()).filter(|(at, x)| (at.mean > 0.0) != (circle(x) > 0.0)).count()
    };
    let (mut active, mut chance) = (local(12), local(12));
    let candidates = square(400, 31);
    let mut reduced = local(12);
    for round in 0..4 {
        let mut arms = [Arm { local: active.clone(), bounds: &BOUNDS, candidates: &candidates }];
        let found = choose(&mut arms, Search { batch: 6, seed: round, ..Search::default() }, &stay).unwrap();
        found.iter().for_each(|c| active.push(&c.point, circle(&c.point)));
        let field = Field { exact: None, local: &reduced, points: &candidates, drawn: candidates.len() };
        let found = reduce::choose(&[field], Reduction { batch: 6, ..Reduction::default() }).unwrap();
        found.iter().for_each(|c| reduced.push(&c.point, circle(&c.point)));
        square(6, 100 + round).rows().for_each(|x| chance.push(x, circle(x)));
    }
    let by_reduction = wrong(&reduced);
    let (by_choice, by_chance) = (wrong(&active), wrong(&chance));
    assert!(2 * by_choice < by_chance, "{by_choice} of 4000 against {by_chance}");
    assert!(2 * by_reduction < by_chance, "{by_reduction} of 4000 against {by_chance}");
    let doubts = [&active, &chance].map(|local| doubt(&local.predict(&map, 60)));
    assert!(doubts[0] < doubts[1], "{doubts:?}");
}

/// What a look takes of the doubt, by looks: the process is made anew with each value that may be seen.
#[test]
fn expected_reductions_are_means_over_what_may_be_seen() {
    let points = square(12, 3);
    let values: Vec<f64> = points.rows().map(circle).collect();
    let hyper = Hyper { lengths: vec![0.8, 0.8], signal: 0.5, noise: 0.01 };
    let gp = Gp::new(&points, &values, hyper.clone(), None).unwrap();
    let known = Local::new(points.clone(), values.clone(), hyper.clone(), gp.mean()).unwrap();
    let probes = square(40, 9);
    let doubt = |gp: &Gp| {
        let p = |mean: f64, deviation: f64| normal_tail(mean / deviation);
        let of = gp.predict(&probes).into_iter().map(|at| p(at.mean, at.deviation()));
        of.map(|p| p * (1.0 - p)).sum::<f64>() / probes.len() as f64
    };
    let by_looks = |x: &[f64]| {
        let at = gp.slopes(x).at;
        let deviation = (at.variance + hyper.noise).sqrt();
        let (mut sum, mut weights) = (0.0, 0.0);
        for step in -60..=60 {
            let z = f64::from(step) / 10.0;
            let (mut points, mut values) = (points.clone(), values.clone());
            points.push(x);
            values.push(at.mean + z * deviation);
            let seen = Gp::new(&points, &values, hyper.clone(), Some(gp.mean())).unwrap();
            let weight = (-0.5 * z * z).exp();
            sum += weight * doubt(&seen);
            weights += weight;
        }
        doubt(&gp) - sum / weights
    };
    let gains: Vec<f64> = probes.rows().map(by_looks).collect();
    let most = gains.iter().copied().fold(0.0, f64::max);
    // The whole, and its neighbours when these are all.
    for exact in [Some(&gp), None] {
        let field = Field { exact, local: &known, points: &probes, drawn: probes.len() };
        let with = Reduction { batch: 3, candidates: 40, neighbours: 12 };
        let found = reduce::choose(&[field], with).unwrap();
        assert!((found[0].value - most).abs() < 1e-3 * most, "{} against {most}", found[0].value);
        // Where other points have been left out it is less of them all.
        let drawn = 4 * probes.len();
        let of_more =
            reduce::choose(&[Field { exact, local: &known, points: &probes, drawn }], with).unwrap();
        for (of_more, found) in of_more.iter().zip(&found) {
            assert!(of_more.point == found.point && (4.0 * of_more.value / found.value - 1.0).abs() < 1e-12);
        }
        let place = probes.rows().position(|row| row == found[0].point).unwrap();
        assert!((gains[place] - most).abs() < 1e-3 * most);
        // The second as if the first had been seen where its mean is.
        let (mut more, mut both) = (points.clone(), values.clone());
        more.push(&found[0].point);
        both.push(found[0].at.mean);
        let seen = Gp::new(&more, &both, hyper.clone(), Some(gp.mean())).unwrap();
        let next = Local::new(more, both, hyper.clone(), gp.mean()).unwrap();
        let field = Field { exact: Some(&seen), local: &next, points: &probes, drawn: probes.len() };
        let again = reduce::choose(&[field], Reduction { batch: 1, ..with }).unwrap();
        assert_eq!(found[1].point, again[0].point);
        assert!((found[1].value - again[0].value).abs() < 1e-3 * again[0].value);
        assert!((found[1].at.variance - again[0].at.variance).abs() < 1e-6 && found[1].value < most);
    }
}

#[test]
fn reducing_batches_spread_and_do_not_depend_on_threads() {
    let (known, points) = (local(12), square(500, 9));
    let field = || Field { exact: None, local: &known, points: &points, drawn: points.len() };
    for arms in [1, 2] {
        let fields: Vec<Field<'_>> = (0..arms).map(|_| field()).collect();
        let find = || reduce::choose(&fields, Reduction::default()).unwrap();
        let found = find();
        assert_eq!(found.len(), 16);
        assert!(least_distance(&found) > 0.08, "{arms} arms: {}", least_distance(&found));
        let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(alone.install(find), found);
        // Equal functions share the batch.
        assert!(arms == 1 || found.iter().filter(|c| c.arm == 0).count() == 8);
    }
    // No more than there are.
    let few = square(5, 9);
    let field = Field { exact: None, local: &known, points: &few, drawn: few.len() };
    assert_eq!(reduce::choose(&[field], Reduction::default()).unwrap().len(), 5);
}

/// Success with probability .97 or .03 in a corner of the cube; two of five features matter.
fn corner(count: usize, seed: u64) -> (Points, Vec<bool>, Vec<f64>) {
    let mut draws = Draws::new(seed, 1);
    let (mut points, mut labels, mut truth) = (Points::new(5), Vec::new(), Vec::new());
    for _ in 0..count {
        let x: [f64; 5] = std::array::from_fn(|_| draws.uniform());
        let probability = if x[1] > 0.4 && x[3] < 0.6 { 0.97 } else { 0.03 };
        points.push(&x);
        labels.push(draws.uniform() < probability);
        truth.push(probability);
    }
    (points, labels, truth)
}

#[test]
fn forests_tell_classes_apart_and_know_how_sure_they_are() {
    let (points, labels, _) = corner(3000, 5);
    let forest = Forest::grow(&points, &labels, Options::default()).unwrap();
    let (test, truth, probability) = corner(4000, 6);
    let said: Vec<f64> = test.rows().map(|x| forest.probability(x)).collect();
    // The best that can be had.
    let (auc, best) = (area_under_curve(&said, &truth), area_under_curve(&probability, &truth));
    assert!(auc > best - 0.015, "{auc} of {best}");
    assert!(brier(&said, &truth) < brier(&probability, &truth) + 0.006);
    // Calibrated: of those said to succeed with some probability, as many do.
    for (low, high) in [(0.0, 0.1), (0.9, 1.0)] {
        let among: Vec<usize> = (0..said.len()).filter(|&i| (low..=high).contains(&said[i])).collect();
        let mean = among.iter().map(|&i| said[i]).sum::<f64>() / among.len() as f64;
        let share = among.iter().filter(|&&i| truth[i]).count() as f64 / among.len() as f64;
        assert!(among.len() > 500 && (mean - share).abs() < 0.02, "{low}: {mean} against {share}");
    }
    assert_eq!(forest, Forest::grow(&points, &labels, Options::default()).unwrap());
    assert_ne!(forest, Forest::grow(&points, &labels, Options { seed: 1, ..Options::default() }).unwrap());
}

#[test]
fn forests_need_both_classes() {
    let (points, _, _) = corner(10, 5);
    for labels in [vec![true; 10], vec![false; 10], vec![true, false]] {
        assert!(Forest::grow(&points, &labels, Options::default()).is_err());
    }
    // Nothing is certain by two points.
    let two = Points::of([[0.0], [1.0]]);
    let forest = Forest::grow(&two, &[false, true], Options { leaf: 1, ..Options::default() }).unwrap();
    assert!((0.0..1.0).contains(&forest.probability(&[0.0])) && forest.probability(&[1.0]) < 1.0);
}
