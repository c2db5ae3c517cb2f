//! Gaussian processes against closed forms, finite differences and scikit-learn; hyperparameters; neighbours.

use caligo_surrogate::fit::{Effort, fit, prior};
use caligo_surrogate::gp::{Gp, GpError, log_likelihood};
use caligo_surrogate::local::Local;
use caligo_surrogate::matern::correlation;
use caligo_surrogate::{Draws, Hyper, Points};

fn hyper() -> Hyper {
    Hyper { lengths: vec![0.6, 1.7, 0.9], signal: 2.5, noise: 0.04 }
}

/// The lattice of `tests/data/gaussian.py`.
fn lattice(start: u32, count: u32) -> Points {
    let row = |i: u32| [2.0_f64, 3.0, 5.0].map(|root| 4.0 * (f64::from(i) * root.sqrt()).fract() - 2.0);
    Points::of((start..start + count).map(row))
}

fn function(x: &[f64]) -> f64 {
    (2.0 * x[0]).sin() + 0.5 * x[1] * x[1] - x[2]
}

fn data(count: u32) -> (Points, Vec<f64>) {
    let points = lattice(1, count);
    let values = points.rows().map(function).collect();
    (points, values)
}

#[test]
fn one_point_is_the_closed_form() {
    let hyper = Hyper { lengths: vec![2.0], signal: 3.0, noise: 0.5 };
    let gp = Gp::new(&Points::of([[1.0]]), &[4.0], hyper, Some(1.0)).unwrap();
    let found = gp.predict(&Points::of([[2.0]]))[0];
    let k = 3.0 * correlation(0.25);
    assert!((found.mean - (1.0 + k / 3.5 * 3.0)).abs() < 1e-14, "{found:?}");
    assert!((found.variance - (3.0 - k * k / 3.5)).abs() < 1e-14, "{found:?}");
}

/// Two points: the inverse of a matrix of order two, and the mean by generalised least squares, which is their middle.
#[test]
fn two_points_are_the_closed_form() {
    let hyper = Hyper { lengths: vec![1.0], signal: 1.0, noise: 0.1 };
    let gp = Gp::new(&Points::of([[0.0], [1.0]]), &[2.0, 6.0], hyper.clone(), None).unwrap();
    assert!((gp.mean() - 4.0).abs() < 1e-14);
    let (a, b, k) = (1.1, correlation(1.0), [correlation(0.09), correlation(0.49)]);
    let determinant = a * a - b * b;
    let weights = [(a * -2.0 - b * 2.0) / determinant, (a * 2.0 - b * -2.0) / determinant];
    let found = gp.predict(&Points::of([[0.3]]))[0];
    assert!((found.mean - (4.0 + k[0] * weights[0] + k[1] * weights[1])).abs() < 1e-13, "{found:?}");
    let explained = (a * k[0] * k[0] - 2.0 * b * k[0] * k[1] + a * k[1] * k[1]) / determinant;
    assert!((found.variance - (1.0 - explained)).abs() < 1e-13, "{found:?}");
    let likelihood = log_likelihood(&Points::of([[0.0], [1.0]]), &[2.0, 6.0], &hyper, None).unwrap();
    let fit = -2.0 * weights[0] + 2.0 * weights[1];
    let expected = -0.5 * (fit + determinant.ln()) - std::f64::consts::TAU.ln();
    assert!((likelihood - expected).abs() < 1e-13, "{likelihood} is not {expected}");
}

#[test]
fn posterior_is_that_of_scikit_learn() {
    let (points, values) = data(80);
    let gp = Gp::new(&points, &values, hyper(), Some(0.0)).unwrap();
    let found = gp.predict(&lattice(1001, 20));
    let file = include_str!("data/gaussian.csv");
    let rows: Vec<Vec<f64>> = file
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(',').map(|number| number.parse().unwrap()).collect())
        .collect();
    assert_eq!(rows.len(), found.len());
    for (row, found) in rows.iter().zip(found) {
        assert!((found.mean - row[0]).abs() < 1e-9, "{found:?} is not {row:?}");
        assert!((found.variance - row[1]).abs() < 1e-9, "{found:?} is not {row:?}");
    }
}

#[test]
fn derivatives_of_the_likelihood_are_finite_differences() {
    let (points, values) = data(60);
    let at = |logs: &[f64]| Hyper {
        lengths: logs[..3].iter().map(|x| x.exp()).collect(),
        signal: logs[3].exp(),
        noise: logs[4].exp(),
    };
    let likelihood = |logs: &[f64]| log_likelihood(&points, &values, &at(logs), None).unwrap();
    for logs in [[-0.3, 0.2, 0.0, 0.5, -3.0], [1.0, 2.0, 0.5, -0.5, -1.0], [0.0, 4.0, 0.0, 1.0, -6.0]] {
        let mut gradient = [0.0; 5];
        log_likelihood(&points, &values, &at(&logs), Some(&mut gradient)).unwrap();
        for k in 0..5 {
            let step = 1e-5;
            let (mut up, mut down) = (logs, logs);
            up[k] += step;
            down[k] -= step;
            let numeric = (likelihood(&up) - likelihood(&down)) / (2.0 * step);
            let error = (gradient[k] - numeric).abs();
            assert!(error < 1e-5 * numeric.abs().max(1.0), "{k}: {} is not {numeric}", gradient[k]);
        }
    }
}

#[test]
fn slopes_are_finite_differences_and_joint_predictions_agree() {
    let (points, values) = data(70);
    let gp = Gp::new(&points, &values, hyper(), None).unwrap();
    for point in lattice(501, 6).rows() {
        let slopes = gp.slopes(point);
        let alone = gp.predict(&Points::of([point]))[0];
        assert!(
            (slopes.at.mean - alone.mean).abs() < 1e-11
                && (slopes.at.variance - alone.variance).abs() < 1e-11
        );
        for k in 0..3 {
            let step = 1e-5;
            let (mut up, mut down) = (point.to_vec(), point.to_vec());
            up[k] += step;
            down[k] -= step;
            let (up, down) = (gp.slopes(&up).at, gp.slopes(&down).at);
            let mean = (up.mean - down.mean) / (2.0 * step);
            let variance = (up.variance - down.variance) / (2.0 * step);
            assert!((slopes.mean[k] - mean).abs() < 1e-6, "{k}: {} is not {mean}", slopes.mean[k]);
            assert!(
                (slopes.variance[k] - variance).abs() < 1e-6,
                "{k}: {} is not {variance}",
                slopes.variance[k]
            );
        }
    }
    let many = lattice(502, 150);
    for (mean, at) in gp.means(&many).iter().zip(gp.predict(&many)) {
        assert!((mean - at.mean).abs() < 1e-12);
    }
    let queries = lattice(601, 5);
    let (means, covariance) = gp.joint(&queries);
    for (i, at) in gp.predict(&queries).iter().enumerate() {
        assert!((means[i] - at.mean).abs() < 1e-12 && (covariance[i * 5 + i] - at.variance).abs() < 1e-12);
        for j in 0..5 {
            assert!((covariance[i * 5 + j] - covariance[j * 5 + i]).abs() < 1e-13);
        }
    }
    // Seeing a value at one of them is what its covariance with the others says.
    let (mut more, mut and) = (points.clone(), values.clone());
    more.push(queries.row(0));
    and.push(means[0] + 1.0);
    let after = Gp::new(&more, &and, hyper(), Some(gp.mean())).unwrap().predict(&queries);
    for (i, after) in after.iter().enumerate() {
        let part = covariance[i] / (covariance[0] + hyper().noise);
        assert!((after.mean - means[i] - part).abs() < 1e-9, "{i}");
        assert!((after.variance - (covariance[i * 5 + i] - part * covariance[i])).abs() < 1e-9, "{i}");
    }
}

/// Noise, relevance and signal of a process are found from what it made.
#[test]
fn fitted_hyperparameters_are_near_those_of_the_process() {
    let truth = Hyper { lengths: vec![0.8, 2.0, 1e3], signal: 4.0, noise: 0.05 };
    let points = lattice(1, 400);
    let mut draws = Draws::new(7, 0);
    let mut values = sampled(&points, &truth, &mut draws);
    values.iter_mut().for_each(|value| *value += 10.0);
    let found = fit(&points, &values, Effort { few: 200, ..Effort::default() }).unwrap();
    assert!(
        (found.lengths[0] / 0.8).ln().abs() < 0.25 && (found.lengths[1] / 2.0).ln().abs() < 0.35,
        "{found:?}"
    );
    assert!(found.lengths[2] > 15.0, "explains nothing: {found:?}");
    assert!((found.noise / 0.05).ln().abs() < 0.3 && (found.signal / 4.0).ln().abs() < 0.9, "{found:?}");
    let again = fit(&points, &values, Effort { few: 200, ..Effort::default() }).unwrap();
    assert_eq!(found, again);
}

/// Values of a process at `points`: its covariance's factor, made here by hand, times normal numbers.
fn sampled(points: &Points, hyper: &Hyper, draws: &mut Draws) -> Vec<f64> {
    let n = points.len();
    let covariance = |i: usize, j: usize| {
        let square: f64 =
            (0..3).map(|k| ((points.row(i)[k] - points.row(j)[k]) / hyper.lengths[k]).powi(2)).sum();
        hyper.signal * correlation(square) + if i == j { hyper.noise } else { 0.0 }
    };
    let mut factor = vec![vec![0.0; n]; n];
    for i in 0..n {
        for j in 0..=i {
            let sum: f64 = (0..j).map(|k| factor[i][k] * factor[j][k]).sum();
            let left = covariance(i, j) - sum;
            factor[i][j] = if i == j { left.sqrt() } else { left / factor[j][j] };
        }
    }
    let normals: Vec<f64> = (0..n).map(|_| draws.normal()).collect();
    factor.iter().map(|row| row.iter().zip(&normals).map(|(a, b)| a * b).sum()).collect()
}

#[test]
fn values_that_are_equal_fit_too() {
    let points = lattice(1, 30);
    let values = vec![3.0; 30];
    let hyper = fit(&points, &values, Effort::default()).unwrap();
    let gp = Gp::new(&points, &values, hyper, None).unwrap();
    assert!((gp.predict(&lattice(100, 1))[0].mean - 3.0).abs() < 1e-9);
}

#[test]
fn what_is_seen_later_makes_the_same_process() {
    let (points, values) = data(60);
    let hyper = hyper();
    let whole = Gp::new(&points, &values, hyper.clone(), None).unwrap();
    let queries = lattice(100, 20);
    for first in [1, 44, 60] {
        let places: Vec<usize> = (0..first).collect();
        let before = Gp::new(&points.select(&places), &values[..first], hyper.clone(), None).unwrap();
        let after = before.extended(&points, &values, None).unwrap();
        assert_eq!(after.len(), 60);
        assert!((after.mean() - whole.mean()).abs() < 1e-9);
        for (a, b) in after.predict(&queries).iter().zip(whole.predict(&queries)) {
            assert!((a.mean - b.mean).abs() < 1e-9 && (a.variance - b.variance).abs() < 1e-9, "{a:?} {b:?}");
        }
        assert!((after.condition() / whole.condition() - 1.0).abs() < 1e-6);
    }
    // Less than was seen.
    let few: Vec<usize> = (0..59).collect();
    assert!(matches!(whole.extended(&points.select(&few), &values[..59], None), Err(GpError::Data { .. })));
    // The same point again and hardly any noise: more has to be added.
    let tight = Hyper { noise: 1e-30, ..hyper };
    let places: Vec<usize> = (0..60).chain(0..5).collect();
    let again: Vec<f64> = places.iter().map(|&i| values[i]).collect();
    let before = Gp::new(&points, &values, tight, None).unwrap();
    let after = before.extended(&points.select(&places), &again, None).unwrap();
    assert!(after.jitter() >= before.jitter() && after.mean().is_finite());
}

#[test]
fn neighbours_make_the_exact_process_where_they_are_all() {
    let (points, values) = data(90);
    let exact = Gp::new(&points, &values, hyper(), None).unwrap();
    let local = Local::new(points.clone(), values.clone(), hyper(), exact.mean()).unwrap();
    let queries = lattice(2001, 40);
    let truth = exact.predict(&queries);
    for (at, all) in truth.iter().zip(local.predict(&queries, 90)) {
        assert!((at.mean - all.mean).abs() < 1e-10 && (at.variance - all.variance).abs() < 1e-10);
    }
    // Fewer say less, and nearly the same.
    for (at, few) in truth.iter().zip(local.predict(&queries, 45)) {
        assert!(few.variance >= at.variance - 1e-12);
        assert!((at.mean - few.mean).abs() < 3.0 * few.deviation());
    }
    let near = local.neighbours(points.row(17), 5);
    let distance = |i: usize| -> f64 {
        (0..3).map(|k| ((points.row(i)[k] - points.row(17)[k]) / hyper().lengths[k]).powi(2)).sum()
    };
    let farthest = near.iter().map(|&i| distance(i)).fold(0.0, f64::max);
    assert!(near.contains(&17) && near.windows(2).all(|w| w[0] < w[1]));
    assert_eq!((0..90).filter(|&i| distance(i) <= farthest).count(), 5);
}

#[test]
fn data_that_make_no_process_are_refused() {
    let points = Points::of([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]);
    let refused = |values: &[f64], hyper: Hyper| Gp::new(&points, values, hyper, None).unwrap_err();
    assert!(matches!(refused(&[1.0], hyper()), GpError::Data { points: 2, values: 1, .. }));
    assert!(matches!(refused(&[1.0, f64::NAN], hyper()), GpError::Data { .. }));
    let negative = Hyper { noise: -1.0, ..hyper() };
    assert!(matches!(refused(&[1.0, 2.0], negative), GpError::Hyper { expected: 3, .. }));
    let short = Hyper { lengths: vec![1.0], ..hyper() };
    assert!(refused(&[1.0, 2.0], short).to_string().contains("3 length scales"));
    assert!(matches!(
        fit(&Points::of([[0.0]]), &[1.0], Effort::default()),
        Err(GpError::Data { least: 2, .. })
    ));
    assert_eq!(prior(&points, &[0.0, 2.0]).lengths.len(), 3);
    // The same point so often, and next to no noise: something is added, or it is refused, but it does not panic.
    let same = Points::of(vec![[1.0, 1.0, 1.0]; 50]);
    let tiny = Hyper { noise: 1e-300, ..hyper() };
    let gp = Gp::new(&same, &[1.0; 50], tiny, None);
    assert!(gp.is_err() || gp.unwrap().jitter() > 0.0);
}
