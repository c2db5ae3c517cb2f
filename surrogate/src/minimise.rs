//! A smooth function in a box: projected quasi-Newton steps with limited memory (Byrd, Lu, Nocedal and Zhu 1995, with the
//! active bounds held and the others left free).

/// Steps that the inverse Hessian is built of.
const MEMORY: usize = 8;

/// How to search.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Evaluations at most.
    pub evaluations: usize,
    /// Ends where no free component of the gradient is larger.
    pub gradient: f64,
    /// Ends where a step gains less, relative to the value.
    pub gain: f64,
}

/// Where it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Minimum {
    /// The point.
    pub at: Vec<f64>,
    /// The value there.
    pub value: f64,
    /// Evaluations made.
    pub evaluations: usize,
}

/// A minimum of `f` in `bounds`, from `start`: `f` writes its gradient and gives its value, which may be infinite or no
/// number where it has none.
pub fn minimise(
    f: &mut dyn FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    bounds: &[(f64, f64)],
    options: Options,
) -> Minimum {
    let clamp = |x: &mut [f64]| {
        x.iter_mut().zip(bounds).for_each(|(x, &(low, high))| *x = x.max(low).min(high));
    };
    let d = start.len();
    let mut at = start.to_vec();
    clamp(&mut at);
    let mut gradient = vec![0.0; d];
    let mut value = f(&at, &mut gradient);
    let mut evaluations = 1;
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let (mut next, mut next_gradient) = (at.clone(), gradient.clone());
    while evaluations < options.evaluations && value.is_finite() {
        let free: Vec<bool> = (0..d)
            .map(|k| {
                let (low, high) = bounds[k];
                !(at[k] <= low && gradient[k] >= 0.0 || at[k] >= high && gradient[k] <= 0.0)
            })
            .collect();
        let steepest = (0..d).filter(|&k| free[k]).map(|k| gradient[k].abs()).fold(0.0, f64::max);
        if steepest <= options.gradient {
            break;
        }
        let mut direction = descent(&gradient, &free, &pairs);
        if dot(&direction, &gradient) >= -1e-12 * norm(&direction) * norm(&gradient) {
            pairs.clear();
            direction = descent(&gradient, &free, &pairs);
        }
        // Without curvature a step of length one at most.
        let mut length = if pairs.is_empty() { (1.0 / norm(&direction)).min(1.0) } else { 1.0 };
        let mut found = None;
        while evaluations < options.evaluations {
            for k in 0..d {
                next[k] = at[k] + length * direction[k];
            }
            clamp(&mut next);
            let moved: f64 = (0..d).map(|k| gradient[k] * (next[k] - at[k])).sum();
            if moved >= 0.0 {
                break;
            }
            let there = f(&next, &mut next_gradient);
            evaluations += 1;
            if there <= value + 1e-4 * moved {
                found = Some(there);
                break;
            }
            length *= if there.is_finite() { 0.4 } else { 0.1 };
            if length < 1e-10 {
                break;
            }
        }
        let Some(there) = found else {
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            continue;
        };
        let step: Vec<f64> = (0..d).map(|k| next[k] - at[k]).collect();
        let change: Vec<f64> = (0..d).map(|k| next_gradient[k] - gradient[k]).collect();
        if dot(&step, &change) > 1e-10 * norm(&step) * norm(&change) {
            if pairs.len() == MEMORY {
                pairs.remove(0);
            }
            pairs.push((step, change));
        }
        let gain = value - there;
        std::mem::swap(&mut at, &mut next);
        std::mem::swap(&mut gradient, &mut next_gradient);
        value = there;
        if gain <= options.gain * value.abs().max(1.0) {
            break;
        }
    }
    Minimum { at, value, evaluations }
}

/// Minus the inverse Hessian times the gradient, over the free components (Nocedal 1980).
fn descent(gradient: &[f64], free: &[bool], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let held = |v: &[f64]| -> Vec<f64> {
        v.iter().zip(free).map(|(&v, &free)| if free { v } else { 0.0 }).collect()
    };
    let mut q = held(gradient);
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(step, change)| (held(step), held(change)))
        .filter(|(step, change)| dot(step, change) > 0.0)
        .collect();
    let mut parts = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let part = dot(step, &q) / dot(step, change);
        q.iter_mut().zip(change).for_each(|(q, y)| *q -= part * y);
        parts.push(part);
    }
    if let Some((step, change)) = pairs.last() {
        let scale = dot(step, change) / dot(change, change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((step, change), part) in pairs.iter().zip(parts.iter().rev()) {
        let back = part - dot(change, &q) / dot(step, change);
        q.iter_mut().zip(step).for_each(|(q, s)| *q += back * s);
    }
    q.iter_mut().for_each(|q| *q = -*q);
    q
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: Options = Options { evaluations: 500, gradient: 1e-9, gain: 0.0 };

    /// Rosenbrock (1960): the minimum is at (1, 1).
    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        gradient[0] = -2.0 * a - 400.0 * x[0] * b;
        gradient[1] = 200.0 * b;
        a * a + 100.0 * b * b
    }

    #[test]
    fn the_valley_is_followed_to_its_end() {
        let found = minimise(&mut rosenbrock, &[-1.2, 1.0], &[(-5.0, 5.0); 2], OPTIONS);
        assert!(found.at.iter().all(|x| (x - 1.0).abs() < 1e-6), "{found:?}");
        assert!(found.evaluations < 120, "{found:?}");
    }

    #[test]
    fn bounds_hold_and_the_rest_moves_on() {
        let found = minimise(&mut rosenbrock, &[-1.2, 1.0], &[(-5.0, 0.5), (-5.0, 5.0)], OPTIONS);
        assert_eq!(found.at[0], 0.5);
        assert!((found.at[1] - 0.25).abs() < 1e-6, "{found:?}");
        let outside = minimise(&mut rosenbrock, &[9.0, 9.0], &[(-5.0, 0.5), (-5.0, 5.0)], OPTIONS);
        assert!((outside.value - 0.25).abs() < 1e-9, "{outside:?}");
    }

    #[test]
    fn a_value_that_is_no_number_is_stepped_back_from() {
        // The logarithm ends at 0.
        let mut f = |x: &[f64], gradient: &mut [f64]| {
            gradient[0] = 1.0 - 1e-3 / x[0];
            x[0] - 1e-3 * x[0].ln()
        };
        let found = minimise(&mut f, &[2.0], &[(-1.0, 5.0)], OPTIONS);
        assert!((found.at[0] - 1e-3).abs() < 1e-6, "{found:?}");
        let mut never = |_: &[f64], _: &mut [f64]| f64::NAN;
        assert!(minimise(&mut never, &[1.0], &[(0.0, 2.0)], OPTIONS).value.is_nan());
    }
}
