//! Random forests of two classes (Breiman 2001) that give probabilities: the mean of the leaves' frequencies, calibrated by
//! what the trees say of points that they were not grown on.
//!
//! In: points, which of them succeeded, a seed. Out: probability of success elsewhere. Every split chooses among features
//! drawn for it. The calibration is the isotonic one (Zadrozny and Elkan 2002), each step with one success and one failure
//! added (Laplace), so that no finite evidence makes anything certain.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Draws;
use crate::points::Points;

/// How to grow a forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Trees.
    pub trees: usize,
    /// Points of a leaf at least.
    pub leaf: usize,
    /// Features tried for a split; 0 for the root of their number, rounded up.
    pub features: usize,
    /// Points a tree is grown on at most.
    pub points: usize,
    /// Of all that is drawn.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { trees: 128, leaf: 2, features: 0, points: 20_000, seed: 0 }
    }
}

/// Why there is no forest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected points and as many labels of both classes; found {points} points, {labels} labels, {positive} positive"
)]
pub struct ForestError {
    /// Points.
    pub points: usize,
    /// Labels.
    pub labels: usize,
    /// Those that are true.
    pub positive: usize,
}

/// A node: a question, or an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Node {
    /// Whether the feature is at most the value; then the next node, else the one at `right`.
    Split { feature: u32, at: f64, right: u32 },
    /// Probability of success.
    Leaf(f64),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Tree(Vec<Node>);

impl Tree {
    fn probability(&self, point: &[f64]) -> f64 {
        let mut node = 0;
        loop {
            match self.0.get(node) {
                Some(&Node::Split { feature, at, right }) => {
                    let value = point.get(feature as usize).copied().unwrap_or(f64::NAN);
                    // Right nodes come later, so that the walk ends.
                    node = if value <= at { node + 1 } else { (right as usize).max(node + 1) };
                }
                Some(&Node::Leaf(probability)) => return probability,
                None => return 0.5,
            }
        }
    }
}

/// A step of the calibration: up to which raw value, and what it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Step {
    to: f64,
    probability: f64,
    /// Upper end of its one-sided 97.7 % interval.
    most: f64,
}

/// Trees and their calibration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    dimension: usize,
    trees: Vec<Tree>,
    steps: Vec<Step>,
}

impl Forest {
    /// Grows a forest on `points`, of which those with a true label succeeded.
    ///
    /// # Errors
    /// [`ForestError`] if there are not both classes, or lengths differ.
    pub fn grow(points: &Points, labels: &[bool], options: Options) -> Result<Self, ForestError> {
        let positive = labels.iter().filter(|&&label| label).count();
        if points.len() != labels.len() || positive == 0 || positive == labels.len() {
            return Err(ForestError { points: points.len(), labels: labels.len(), positive });
        }
        let grown: Vec<(Tree, Vec<bool>)> = (0..options.trees.max(1) as u64)
            .into_par_iter()
            .map(|number| grow(points, labels, options, number))
            .collect();
        // What the trees that have not seen a point say of it.
        let unseen = |i: usize| {
            let by =
                || grown.iter().filter(|(_, seen)| !seen[i]).map(|(tree, _)| tree.probability(points.row(i)));
            let count = by().count();
            (count > 0).then(|| (by().sum::<f64>() / count as f64, labels[i]))
        };
        let told: Vec<(f64, bool)> = (0..labels.len()).into_par_iter().filter_map(unseen).collect();
        let trees = grown.into_iter().map(|(tree, _)| tree).collect();
        Ok(Self { dimension: points.dimension(), trees, steps: isotonic(told) })
    }

    /// Features of a point.
    pub const fn dimension(&self) -> usize {
        self.dimension
    }

    /// Mean frequency of success in the leaves.
    pub fn raw(&self, point: &[f64]) -> f64 {
        let sum: f64 = self.trees.iter().map(|tree| tree.probability(point)).sum();
        sum / self.trees.len().max(1) as f64
    }

    /// Probability of success.
    pub fn probability(&self, point: &[f64]) -> f64 {
        let raw = self.raw(point);
        self.step(raw).map_or(raw, |step| step.probability)
    }

    /// What the probability of success is at most, as far as it is known: the upper end of a one-sided 97.7 % interval (Wilson
    /// 1927) of the frequency that the calibration saw.
    pub fn at_most(&self, point: &[f64]) -> f64 {
        let raw = self.raw(point);
        self.step(raw).map_or(1.0, |step| step.most)
    }

    fn step(&self, raw: f64) -> Option<&Step> {
        let at = self.steps.partition_point(|step| step.to < raw);
        self.steps.get(at).or(self.steps.last())
    }
}

fn grow(points: &Points, labels: &[bool], options: Options, number: u64) -> (Tree, Vec<bool>) {
    let mut draws = Draws::new(options.seed, number);
    let n = labels.len();
    let mut places: Vec<usize> = (0..n.min(options.points.max(1))).map(|_| draws.below(n)).collect();
    let mut seen = vec![false; n];
    places.iter().for_each(|&i| seen[i] = true);
    let mut nodes = Vec::new();
    split(&mut nodes, &mut places, points, labels, options, &mut draws, 0);
    (Tree(nodes), seen)
}

/// Deepest tree: beyond it a leaf is what it is.
const DEPTH: usize = 48;

fn split(
    nodes: &mut Vec<Node>,
    places: &mut [usize],
    points: &Points,
    labels: &[bool],
    options: Options,
    draws: &mut Draws,
    depth: usize,
) {
    let positive = places.iter().filter(|&&i| labels[i]).count();
    let leaf = Node::Leaf(positive as f64 / places.len().max(1) as f64);
    let pure = positive == 0 || positive == places.len();
    let cut = if pure || depth == DEPTH { None } else { question(places, points, labels, options, draws) };
    let Some((feature, at)) = cut else { return nodes.push(leaf) };
    let mut middle = 0;
    for k in 0..places.len() {
        if points.row(places[k])[feature] <= at {
            places.swap(k, middle);
            middle += 1;
        }
    }
    let place = nodes.len();
    nodes.push(leaf);
    let (left, right) = places.split_at_mut(middle);
    split(nodes, left, points, labels, options, draws, depth + 1);
    nodes[place] = Node::Split { feature: feature as u32, at, right: nodes.len() as u32 };
    split(nodes, right, points, labels, options, draws, depth + 1);
}

/// The feature and value that leave the least Gini impurity, of features drawn until one divides the points.
fn question(
    places: &[usize],
    points: &Points,
    labels: &[bool],
    options: Options,
    draws: &mut Draws,
) -> Option<(usize, f64)> {
    let d = points.dimension();
    let tries = if options.features == 0 { (d as f64).sqrt().ceil() as usize } else { options.features };
    let leaf = options.leaf.max(1);
    let mut features: Vec<usize> = (0..d).collect();
    draws.shuffle(&mut features);
    let positive = places.iter().filter(|&&i| labels[i]).count() as f64;
    let n = places.len();
    let mut best: Option<(f64, usize, f64)> = None;
    for (tried, &feature) in features.iter().enumerate() {
        if tried >= tries && best.is_some() {
            break;
        }
        let mut values: Vec<(f64, bool)> =
            places.iter().map(|&i| (points.row(i)[feature], labels[i])).collect();
        values.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut left = 0.0;
        for k in 1..n {
            left += f64::from(u8::from(values[k - 1].1));
            if values[k - 1].0 >= values[k].0 || k < leaf || n - k < leaf {
                continue;
            }
            // Sum of squared counts over size: the larger, the purer.
            let (a, b) = (k as f64, (n - k) as f64);
            let right = positive - left;
            let pure =
                (left * left + (a - left) * (a - left)) / a + (right * right + (b - right) * (b - right)) / b;
            if best.is_none_or(|(most, ..)| pure > most + 1e-12) {
                let middle = 0.5 * (values[k - 1].0 + values[k].0);
                // Between neighbouring numbers there may be none.
                let at = if middle < values[k].0 { middle } else { values[k - 1].0 };
                best = Some((pure, feature, at));
            }
        }
    }
    best.map(|(_, feature, at)| (feature, at))
}

/// Upper end of the one-sided 97.7 % interval of a frequency.
fn wilson(successes: f64, points: f64) -> f64 {
    const Z: f64 = 2.0;
    let (p, z) = (successes / points, Z * Z / points);
    let centre = p + 0.5 * z;
    (centre + Z * (p * (1.0 - p) / points + 0.25 * z / points).sqrt()) / (1.0 + z)
}

/// Pools adjacent violators: raw values to a frequency that does not fall (Ayer et al. 1955).
fn isotonic(mut told: Vec<(f64, bool)>) -> Vec<Step> {
    told.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Value up to which, successes, points.
    let mut blocks: Vec<(f64, f64, f64)> = Vec::new();
    for equal in told.chunk_by(|a, b| a.0 == b.0) {
        let successes = equal.iter().filter(|(_, label)| *label).count() as f64;
        blocks.push((equal[0].0, successes, equal.len() as f64));
        while let [.., a, b] = blocks.as_slice()
            && a.1 * b.2 >= b.1 * a.2
        {
            let pooled = (b.0, a.1 + b.1, a.2 + b.2);
            blocks.truncate(blocks.len() - 2);
            blocks.push(pooled);
        }
    }
    let (mut least, mut most) = (0.0_f64, 0.0_f64);
    let step = |(to, successes, points): (f64, f64, f64)| {
        // What was added may turn the order of small blocks round.
        least = least.max((successes + 1.0) / (points + 2.0));
        most = most.max(wilson(successes, points));
        Step { to, probability: least, most }
    };
    blocks.into_iter().map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upper_ends_are_those_of_the_quadratic() {
        // No success in n points: z^2/(n + z^2).
        assert!((wilson(0.0, 100.0) - 0.038_461_5).abs() < 1e-6, "{}", wilson(0.0, 100.0));
        // The p with |5/50 - p| = z sqrt(p (1 - p)/50).
        let p = wilson(5.0, 50.0);
        assert!(((p - 0.1) - 2.0 * (p * (1.0 - p) / 50.0).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn isotonic_frequencies_do_not_fall() {
        let told = vec![(0.1, false), (0.2, true), (0.3, false), (0.6, true), (0.6, false), (0.9, true)];
        let steps = isotonic(told);
        assert!(steps.windows(2).all(|w| w[0].to < w[1].to && w[0].probability <= w[1].probability));
        // Pooled: {.1}: 0 of 1, {.2, .3}: 1 of 2 with {.6}: 1 of 2, {.9}: 1 of 1.
        let expected = [(0.1, 1.0 / 3.0), (0.6, 0.5), (0.9, 2.0 / 3.0)];
        assert_eq!(steps.len(), expected.len());
        for (step, (to, probability)) in steps.iter().zip(expected) {
            assert_eq!(step.to, to);
            assert!((step.probability - probability).abs() < 1e-15);
            assert!(step.most > step.probability);
        }
    }
}
