//! The simulated source: its statistics are those of the closed formulas and of a twin that follows every photon.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::ops::Add;

use caligo_core::bits::get;
use caligo_core::security::{NsmParameters, NsmRecord, Pairs};
use caligo_runtime::channel::pairs::{Compared, Counts, Party, Rounds, Simulated};
use caligo_runtime::channel::{stream, uniform};
use rand_core::Rng;

/// F, e_det, eta, P_dark of the literature page.
const TABLE: [(f64, f64, f64, f64); 4] =
    [(0.98, 0.01, 0.85, 1e-6), (0.98, 0.01, 0.01, 1e-5), (0.98, 0.01, 1e-3, 1e-3), (0.75, 0.0, 1.0, 0.0)];

fn parameters((fidelity, error, eta, dark): (f64, f64, f64, f64), pairs: Pairs) -> NsmParameters {
    let record = NsmRecord {
        channel_fidelity: fidelity,
        detector_error: error,
        detection_eff_eta: eta,
        dark_count_prob: dark,
        pairs,
        ..NsmRecord::default()
    };
    NsmParameters::new(record).unwrap()
}

/// Checks that `count` of `all` with probability `p` is within five standard deviations, or six events of a rare kind.
/// Returns its variance and the square of its deviation.
#[track_caller]
fn within(what: &str, count: u64, all: u64, p: f64) -> (f64, f64) {
    let (mean, variance) = (all as f64 * p, all as f64 * p * (1.0 - p));
    let excess = count as f64 - mean;
    let most = if variance > 0.0 { 5.0 * variance.sqrt().max(1.2) } else { 0.0 };
    assert!(excess.abs() <= most + 1e-6, "{what}: {count} of {all}, expected {mean}");
    (variance, excess * excess)
}

/// Chi-square of binomial counts that do not depend on each other.
#[derive(Default)]
struct ChiSquare {
    sum: f64,
    terms: f64,
}

impl ChiSquare {
    #[track_caller]
    fn add(&mut self, what: &str, count: u64, all: u64, p: f64) {
        let (variance, square) = within(what, count, all, p);
        if variance >= 10.0 {
            self.sum += square / variance;
            self.terms += 1.0;
        }
    }

    /// All counts of one simulation.
    #[track_caller]
    fn add_counts(&mut self, what: &str, counts: &Counts, parameters: &NsmParameters) {
        let expected = parameters.coincidences();
        let (rounds, both, sifted) = (counts.rounds, counts.coincidences(), counts.sifted());
        within(what, both, rounds, expected.probability);
        within(what, sifted.rounds, rounds, expected.sifted_rate());
        within(what, sifted.differ, sifted.rounds, expected.qber);
        let dark = parameters.record().dark_count_prob;
        let [alice, bob] = parameters.arms().map(|arm| arm.click_probability(dark));
        self.add(what, counts.bob_clicks, rounds, bob);
        // Alice clicks as often whether Bob does or not.
        self.add(what, both, counts.bob_clicks, alice);
        self.add(what, counts.alice_clicks - both, rounds - counts.bob_clicks, alice);
        self.add(what, sifted.rounds, both, 0.5);
        self.add(what, counts.z.rounds, sifted.rounds, 0.5);
        for (Compared { rounds, differ }, p) in
            [(counts.z, expected.qber), (counts.x, expected.qber), (counts.different, 0.5)]
        {
            self.add(what, differ, rounds, p);
        }
    }

    /// Whether the sum is that of normal deviations, to five standard deviations above and below.
    #[track_caller]
    fn check(&self) {
        let Self { sum, terms } = *self;
        assert!((sum - terms).abs() < 5.0 * (2.0 * terms).sqrt(), "chi-square {sum} of {terms} terms");
    }
}

#[test]
fn the_table_of_the_literature_page_is_measured() {
    let published = [[0.02307, 0.02307], [0.02401, 0.02495], [0.34086, 0.44690], [0.16667, 0.16667]];
    let mut chi = ChiSquare::default();
    for (row, published) in TABLE.into_iter().zip(published) {
        for (pairs, qber) in [Pairs::Heralded, Pairs::Emitted].into_iter().zip(published) {
            let parameters = parameters(row, pairs);
            let counts = Counts::of_simulated(&Simulated::new(&parameters, 1 << 27, 1), |_| {});
            assert_eq!(counts.rounds, 1 << 27);
            assert!((parameters.coincidences().qber - qber).abs() < 5e-6);
            assert!(counts.sifted().rounds > 500);
            chi.add_counts(&format!("{row:?} {pairs:?}"), &counts, &parameters);
        }
    }
    chi.check();
}

#[test]
fn yield_and_error_rate_follow_the_formulas_over_a_grid() {
    let mut chi = ChiSquare::default();
    let mut seed = 0;
    for fidelity in [0.25, 0.8, 1.0] {
        for error in [0.0, 0.02, 0.5] {
            for eta in [1e-3, 0.1, 0.85, 1.0] {
                for dark in [0.0, 1e-5, 0.02, 0.5, 1.0] {
                    for pairs in [Pairs::Heralded, Pairs::Emitted] {
                        let row = (fidelity, error, eta, dark);
                        let parameters = parameters(row, pairs);
                        seed += 1;
                        let counts =
                            Counts::of_simulated(&Simulated::new(&parameters, 1 << 21, seed), |_| {});
                        chi.add_counts(&format!("{row:?} {pairs:?}"), &counts, &parameters);
                    }
                }
            }
        }
    }
    assert!(chi.terms > 1500.0, "{}", chi.terms);
    chi.check();
}

/// What one side's round shows: 0 without a click, else 1 + basis + 2 value.
type Outcomes = [[u64; 5]; 5];

/// One round after the other, photon by photon.
fn twin(parameters: &NsmParameters, rounds: usize, rng: &mut impl Rng) -> Outcomes {
    let p = parameters.record();
    let arms = parameters.arms();
    let mut outcomes = Outcomes::default();
    for _ in 0..rounds {
        let bases = [(); 2].map(|()| uniform(rng) < 0.5);
        // What a perfect measurement of the pair would give.
        let first = uniform(rng) < 0.5;
        let second = if bases[0] == bases[1] {
            first ^ (uniform(rng) < 2.0 * (1.0 - p.channel_fidelity) / 3.0)
        } else {
            uniform(rng) < 0.5
        };
        let mut seen = [0; 2];
        for (side, photon) in [first, second].into_iter().enumerate() {
            let detected = uniform(rng) < arms[side].efficiency;
            let error = uniform(rng) < arms[side].error;
            let dark = [(); 2].map(|()| uniform(rng) < p.dark_count_prob);
            let at_random = uniform(rng) < 0.5;
            let value = match (detected, dark) {
                (true, _) => photon ^ error,
                (false, [false, false]) => continue,
                (false, [true, true]) => at_random,
                (false, [_, one]) => one,
            };
            seen[side] = 1 + usize::from(bases[side]) + 2 * usize::from(value);
        }
        outcomes[seen[0]][seen[1]] += 1;
    }
    outcomes
}

fn outcomes(rounds: &Rounds) -> Outcomes {
    let seen = |party: &Party, i: usize| {
        let [clicked, basis, value] =
            [&party.clicked, &party.bases, &party.bits].map(|words| usize::from(get(words, i)));
        assert!(clicked == 1 || basis + value == 0, "a value without a click");
        clicked * (1 + basis + 2 * value)
    };
    let mut outcomes = Outcomes::default();
    for i in 0..rounds.len {
        outcomes[seen(&rounds.alice, i)][seen(&rounds.bob, i)] += 1;
    }
    outcomes
}

/// Chi-square of two samples from one distribution, and its degrees of freedom. Rare outcomes count as one.
fn homogeneity(one: &Outcomes, other: &Outcomes) -> (f64, f64) {
    let (mut cells, mut rare) = (Vec::new(), (0, 0));
    for (&a, &b) in one.as_flattened().iter().zip(other.as_flattened()) {
        if a + b >= 20 {
            cells.push((a, b));
        } else {
            rare = (rare.0 + a, rare.1 + b);
        }
    }
    cells.push(rare);
    let total = |outcomes: &Outcomes| outcomes.as_flattened().iter().sum::<u64>() as f64;
    let ratio = (total(one) / total(other)).sqrt();
    let terms: Vec<f64> = cells
        .iter()
        .filter(|(a, b)| a + b > 0)
        .map(|&(a, b)| (a as f64 / ratio - b as f64 * ratio).powi(2) / (a + b) as f64)
        .collect();
    (terms.iter().sum(), terms.len() as f64 - 1.0)
}

#[test]
fn outcomes_are_distributed_as_those_of_single_photons() {
    let rows = [
        (0.98, 0.01, 0.85, 1e-3),
        (0.9, 0.03, 0.3, 0.1),
        (0.7, 0.0, 0.6, 0.6),
        (0.25, 0.2, 0.02, 0.02),
        (1.0, 0.5, 1.0, 1.0),
    ];
    for (index, row) in rows.into_iter().enumerate() {
        for pairs in [Pairs::Heralded, Pairs::Emitted] {
            let parameters = parameters(row, pairs);
            let source = Simulated::new(&parameters, 1 << 19, 5);
            let mut ours = Outcomes::default();
            for batch in 0..source.batches() {
                for (sum, more) in
                    ours.as_flattened_mut().iter_mut().zip(outcomes(&source.batch(batch)).as_flattened())
                {
                    *sum += more;
                }
            }
            let theirs = twin(&parameters, 1 << 19, &mut stream(6, index as u64));
            let (chi, freedom) = homogeneity(&ours, &theirs);
            assert!(chi < freedom + 5.0 * (2.0 * freedom).sqrt(), "{row:?} {pairs:?}: {chi} of {freedom}");
        }
    }
}

/// What the test above would notice: half a per cent of fidelity or efficiency.
#[test]
fn the_comparison_of_outcomes_is_sharp() {
    let row = (0.98, 0.01, 0.85, 1e-3);
    let one = twin(&parameters(row, Pairs::Heralded), 1 << 19, &mut stream(6, 0));
    for other in [(0.975, 0.01, 0.85, 1e-3), (0.98, 0.01, 0.845, 1e-3)] {
        let other = twin(&parameters(other, Pairs::Heralded), 1 << 19, &mut stream(6, 1));
        let (chi, freedom) = homogeneity(&one, &other);
        assert!(chi > freedom + 5.0 * (2.0 * freedom).sqrt(), "{chi} of {freedom}");
    }
}

#[test]
fn rounds_do_not_depend_on_each_other() {
    let parameters = parameters((0.9, 0.02, 0.4, 0.01), Pairs::Emitted);
    let [first, second] = [0, 1].map(|index| Simulated::new(&parameters, 1 << 17, 9).batch(index));
    let streams = |rounds: &Rounds| {
        let (a, b) = (&rounds.alice, &rounds.bob);
        let errors: Vec<u64> = (0..a.bits.len())
            .map(|i| a.clicked[i] & b.clicked[i] & !(a.bases[i] ^ b.bases[i]) & (a.bits[i] ^ b.bits[i]))
            .collect();
        [&a.clicked, &a.bases, &a.bits, &b.clicked, &b.bases, &b.bits, &errors].map(Clone::clone)
    };
    let bits =
        |words: &[u64]| (0..64 * words.len()).map(|i| f64::from(u8::from(get(words, i)))).collect::<Vec<_>>();
    // Correlation of one stream with another, some rounds later.
    let correlation = |x: &[f64], y: &[f64]| {
        let n = x.len() as f64;
        let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
        let (mx, my) = (mean(x), mean(y));
        let product: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
        let square = |v: &[f64], m: f64| v.iter().map(|v| (v - m) * (v - m)).sum::<f64>();
        product / (square(x, mx) * square(y, my)).sqrt() * n.sqrt()
    };
    let (here, there) = (streams(&first).map(|s| bits(&s)), streams(&second).map(|s| bits(&s)));
    for x in &here {
        for (y, next) in here.iter().zip(&there) {
            for lag in [1, 63, 64, 65, 1023, 1024, 1025] {
                let sigmas = correlation(&x[..x.len() - lag], &y[lag..]);
                assert!(sigmas.abs() < 5.0, "{lag} rounds later: {sigmas} sigma");
            }
            let sigmas = correlation(x, next);
            assert!(sigmas.abs() < 5.0, "a batch later: {sigmas} sigma");
        }
    }
}

#[test]
fn threads_and_order_change_nothing() {
    let source = Simulated::new(&parameters(TABLE[0], Pairs::Emitted), (1 << 20) + 12_345, 4);
    let counts = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Counts::of_simulated(&source, |_| {}))
    };
    let backwards = (0..source.batches())
        .rev()
        .map(|index| Counts::of(&source.batch(index)))
        .fold(Counts::default(), Add::add);
    assert_eq!([counts(1), counts(2), counts(7)], [backwards; 3]);
    assert_eq!(backwards.rounds, (1 << 20) + 12_345);
}

/// Counts of a seed stay what they are, on every machine and from one version to the next.
#[test]
fn a_seed_names_its_rounds() {
    let counts = |pairs| {
        let source = Simulated::new(&parameters((0.95, 0.01, 0.5, 1e-3), pairs), 1_000_000, 1);
        let Counts { alice_clicks, bob_clicks, z, x, different, .. } = Counts::of_simulated(&source, |_| {});
        let [z, x, different] = [z, x, different].map(|of| (of.rounds, of.differ));
        (alice_clicks, bob_clicks, z, x, different)
    };
    assert_eq!(
        counts(Pairs::Heralded),
        (1_000_000, 501_042, (125_027, 5501), (125_276, 5359), (250_739, 125_419))
    );
    assert_eq!(counts(Pairs::Emitted), (500_880, 500_292, (62346, 2661), (63170, 2845), (125_064, 62219)));
}
