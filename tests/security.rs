//! Security formulas: order, monotony, coverage, and that nothing finite makes them fail.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::security::sampling::{clopper_pearson_lower, clopper_pearson_upper, serfling_mu};
use caligo_core::security::source::qber_heuristic;
use caligo_core::security::storage::gamma;
use caligo_core::security::uncertainty::{min_entropy_rate, min_entropy_rate_by};
use caligo_core::security::{
    Arm, Budget, Coincidences, Epsilon, Erven, Forecast, Memory, NsmParameters, NsmRecord, Pairs, Proof,
    Quantity, Relation, TargetRecord, Targets,
};
use caligo_core::wire;
use proptest::prelude::*;
use statrs::distribution::{Beta, ContinuousCDF};

/// Rounding of one formula.
const TINY: f64 = 1e-12;

fn epsilon(value: f64) -> Epsilon {
    Epsilon::new(value).unwrap()
}

fn memory(r: f64) -> Memory {
    Memory::new(r, 1.0).unwrap()
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("finite", |x| x.is_finite())
}

/// Probabilities of all sizes.
fn probability() -> impl Strategy<Value = f64> {
    prop_oneof![0.0..=1.0, (-300.0..0.0).prop_map(|x: f64| 10f64.powf(x)), Just(0.0), Just(1.0)]
}

fn failure() -> impl Strategy<Value = f64> {
    probability().prop_filter("open", |&x| x > 0.0 && x < 1.0)
}

fn record() -> impl Strategy<Value = NsmRecord> {
    let pairs = prop_oneof![Just(Pairs::Heralded), Just(Pairs::Emitted)];
    let devices = (0.25..=1.0, probability(), 0.0..=0.5, probability());
    (probability(), probability(), devices, 1u64..=1_000_000_000_000, pairs).prop_map(
        |(r, nu, (fidelity, eta, error, dark), n, pairs)| NsmRecord {
            storage_noise_r: Some(r),
            storage_rate_nu: nu,
            channel_fidelity: fidelity,
            detection_eff_eta: eta.max(1e-300),
            detector_error: error,
            dark_count_prob: dark,
            num_pairs: n,
            pairs,
            ..NsmRecord::default()
        },
    )
}

fn targets() -> Targets {
    Targets::new(TargetRecord::default()).unwrap()
}

fn length(record: NsmRecord, proof: Proof) -> u64 {
    Forecast::of(&NsmParameters::new(record).unwrap(), &targets()).budget(proof).length()
}

proptest! {
    #[test]
    fn a_better_memory_keeps_more(a in 0.0..=1.0, b in 0.0..=1.0, rate in 0.0..2.0, nu in 0.0..=1.0) {
        let (worse, better) = (memory(f64::min(a, b)), memory(f64::max(a, b)));
        prop_assert!((0.0..=1.0).contains(&worse.capacity()));
        prop_assert!(worse.capacity() <= better.capacity() + TINY);
        prop_assert!(worse.strong_converse(rate) >= better.strong_converse(rate) - TINY);
        prop_assert!(worse.collision_bound() >= better.collision_bound() - TINY);
        prop_assert!(worse.max_bound() >= better.max_bound() - TINY);
        let bounded = |r| Memory::new(r, nu).unwrap().bounded_storage();
        prop_assert!(bounded(worse.noise()) >= bounded(better.noise()) - TINY);
    }

    #[test]
    fn the_exponent_is_a_convex_function_of_the_rate(r in 0.0..=1.0, a in 0.0..2.0, b in 0.0..2.0) {
        let memory = memory(r);
        let (low, high) = (f64::min(a, b), f64::max(a, b));
        let at = |rate| memory.strong_converse(rate);
        prop_assert!(at(low) <= at(high) + TINY);
        prop_assert!(at(high) - at(low) <= high - low + TINY);
        prop_assert!(at(0.5 * (low + high)) <= 0.5 * (at(low) + at(high)) + TINY);
        prop_assert!((0.0..=high + TINY).contains(&at(high)));
        prop_assert_eq!(at(memory.capacity()), 0.0);
        prop_assert!(r >= 1.0 || at(memory.capacity() + 1e-3) > 0.0);
    }

    #[test]
    fn a_larger_memory_knows_more(r in 0.0..=1.0, bits in 0.0..1e6, a in 0.0..1e6, b in 0.0..1e6) {
        let memory = memory(r);
        let [less, more] = [f64::min(a, b), f64::max(a, b)].map(|stored| memory.min_entropy(bits, stored));
        prop_assert!(more <= less + 1e-6 && less <= bits + 1e-6);
        prop_assert!(memory.min_entropy(bits + 1.0, a) >= memory.min_entropy(bits, a) - 1e-6);
    }

    #[test]
    fn bounds_of_one_memory_are_in_order(r in 0.0..=1.0, nu in 0.0..=1.0) {
        let memory = Memory::new(r, nu).unwrap();
        prop_assert!(memory.strong_converse(0.5) <= memory.collision_bound() + TINY);
        prop_assert!(memory.max_bound() >= memory.collision_bound());
        prop_assert!(memory.max_bound() >= memory.erasure_bound());
        prop_assert!((0.0..=0.5).contains(&memory.rational_bound()));
        prop_assert!(memory.rational_bound() <= memory.max_bound());
        prop_assert!(memory.rational_bounded_storage() >= 0.5 * (1.0 - nu) - TINY);
        prop_assert!(memory.rational_bounded_storage() <= memory.bounded_storage().min(0.5));
        // All of it in the memory.
        prop_assert!((self::memory(r).bounded_storage() - memory.max_bound()).abs() <= TINY);
    }

    #[test]
    fn gamma_grows_and_is_inverted(a in -1.5..1.0, b in -1.5..1.0) {
        let (low, high) = (f64::min(a, b), f64::max(a, b));
        prop_assert!(gamma(low) <= gamma(high) + TINY && gamma(low) >= low && gamma(low) >= 0.0);
        if (-1.0..0.5).contains(&low) {
            let y = gamma(low);
            prop_assert!((caligo_core::limits::entropy(y) + y - 1.0 - low).abs() < 1e-12);
        }
    }

    #[test]
    fn more_rounds_and_more_failures_give_a_higher_rate(
        n in 1.0..1e9,
        more in 1.0..100.0,
        value in failure(),
        other in failure(),
    ) {
        let (low, high) = (epsilon(value.min(other)), epsilon(value.max(other)));
        let rate = min_entropy_rate(n, low);
        prop_assert!((0.0..=0.5).contains(&rate));
        prop_assert!(rate <= min_entropy_rate(more * n, low) + TINY);
        prop_assert!(rate <= min_entropy_rate(n, high) + TINY);
        prop_assert!(rate <= min_entropy_rate_by(Relation::AsPrinted, n, low) + TINY);
    }

    #[test]
    fn clopper_pearson_is_monotone_and_symmetric(
        n in 1u64..1_000_000_000,
        part in 0.0..=1.0,
        value in failure(),
        other in failure(),
    ) {
        let k = ((n as f64 * part) as u64).min(n);
        let at = |k, value| {
            let epsilon = epsilon(value);
            (clopper_pearson_lower(k, n, epsilon).unwrap(), clopper_pearson_upper(k, n, epsilon).unwrap())
        };
        let (low, high) = at(k, value);
        prop_assert!((0.0..=1.0).contains(&low) && (0.0..=1.0).contains(&high));
        if value <= 0.5 {
            let seen = k as f64 / n as f64;
            prop_assert!(low <= seen * (1.0 + TINY) && seen <= high * (1.0 + TINY));
        }
        let (mirrored_low, mirrored_high) = at(n - k, value);
        prop_assert!((low + mirrored_high - 1.0).abs() < TINY && (high + mirrored_low - 1.0).abs() < TINY);
        let (small_low, small_high) = at(k, value.min(other));
        let (great_low, great_high) = at(k, value.max(other));
        prop_assert!(small_low <= great_low * (1.0 + TINY) && great_high <= small_high * (1.0 + TINY));
        if k < n {
            let (next_low, next_high) = at(k + 1, value);
            prop_assert!(low <= next_low && high <= next_high);
        }
    }

    #[test]
    fn clopper_pearson_agrees_with_the_beta_quantiles(
        n in 1u64..20_000,
        part in 0.0..=1.0,
        confidence in 0.5..0.9999,
    ) {
        let k = ((n as f64 * part) as u64).min(n);
        let tail = epsilon((1.0 - confidence) / 2.0);
        let quantile = |a: u64, b: u64, p: f64| Beta::new(a as f64, b as f64).unwrap().inverse_cdf(p);
        let low = if k == 0 { 0.0 } else { quantile(k, n - k + 1, tail.value()) };
        let high = if k == n { 1.0 } else { quantile(k + 1, n - k, 1.0 - tail.value()) };
        prop_assert!((clopper_pearson_lower(k, n, tail).unwrap() - low).abs() < 1e-7);
        prop_assert!((clopper_pearson_upper(k, n, tail).unwrap() - high).abs() < 1e-7);
    }

    /// Whatever the numbers are there is a bound, and the tail beyond it is as wanted.
    #[test]
    fn clopper_pearson_of_large_samples(n in 1u64..1 << 40, k in 0u64..1000, value in 1e-12..0.4f64) {
        let (k, p) = (k.min(n), clopper_pearson_upper(k.min(n), n, epsilon(value)).unwrap());
        prop_assert!(p >= k as f64 / n as f64 && p <= 1.0);
        if k == 0 {
            let tail = (n as f64 * (-p).ln_1p()).exp();
            prop_assert!(n == 1 || (tail / value - 1.0).abs() < 1e-6, "{p} {tail} {value}");
        }
    }

    #[test]
    fn mu_falls_with_either_sample(n in 1u64..1_000_000, k in 1u64..1_000_000, value in failure()) {
        let mu = |n, k| serfling_mu(n, k, epsilon(value)).unwrap();
        prop_assert!(mu(n, k) > 0.0 && mu(n + 1, k) <= mu(n, k) && mu(n, k + 1) <= mu(n, k));
    }

    #[test]
    fn noise_of_devices_adds_up(
        fidelity in 0.25..=1.0,
        eta in 0.001..=1.0,
        error in 0.0..=0.5,
        dark in 0.0..=1.0,
        more in 0.0..=1.0,
    ) {
        let arm = Arm { efficiency: eta, error };
        let at = |dark| Coincidences::of(fidelity, Arm::PERFECT, arm, dark);
        let (less, noisier) = (at(dark * more), at(dark));
        prop_assert!((0.0..=1.0).contains(&noisier.probability));
        prop_assert!((0.0..=0.5 + TINY).contains(&noisier.qber));
        prop_assert!(less.qber <= noisier.qber + TINY && less.probability <= noisier.probability + TINY);
        let both = Coincidences::of(fidelity, arm, arm, dark);
        prop_assert!(both.probability <= noisier.probability + TINY);
        // Werner's error rate, then the detector's.
        let werner = 2.0 * (1.0 - fidelity) / 3.0;
        prop_assert!((at(0.0).qber - (werner * (1.0 - error) + error * (1.0 - werner))).abs() < TINY);
        prop_assert!((at(0.0).probability - eta).abs() < TINY);
    }

    #[test]
    fn better_conditions_give_longer_strings(record in record(), other in 0.0..=1.0) {
        for proof in Proof::ALL {
            let (r, nu) = (record.storage_noise_r.unwrap(), record.storage_rate_nu);
            let found = length(record, proof);
            for better in [
                NsmRecord { storage_noise_r: Some(r * other), ..record },
                NsmRecord { storage_rate_nu: nu * other, ..record },
                NsmRecord { channel_fidelity: record.channel_fidelity.max(other), ..record },
            ] {
                prop_assert!(length(better, proof) + 1 + found / 1_000_000_000 >= found, "{better:?}");
            }
        }
    }

    #[test]
    fn a_feasible_run_is_one_whose_inequalities_hold(record in record()) {
        let forecast = Forecast::of(&NsmParameters::new(record).unwrap(), &targets());
        for proof in Proof::ALL {
            let inequalities = forecast.inequalities(proof);
            for inequality in inequalities.iter().chain([&forecast.capacity()]) {
                let (left, right) = inequality.sides();
                prop_assert!(left.is_finite() && right.is_finite(), "{inequality}");
                prop_assert_eq!(inequality.holds(), inequality.margin() > 0.0);
            }
            match forecast.feasible(proof) {
                Ok(budget) => prop_assert!(budget.length() >= 1),
                Err(infeasible) => {
                    prop_assert!(!infeasible.0.holds() && inequalities.contains(&infeasible.0));
                }
            }
        }
        for number in [
            forecast.rounds,
            forecast.test_bits,
            forecast.set_bits,
            forecast.stored,
            forecast.stored_part,
            forecast.min_entropy_rate,
            forecast.unknown_bits,
            forecast.leak_rate,
            forecast.qber_limit,
            forecast.coincidences.probability,
            forecast.coincidences.qber,
        ] {
            prop_assert!(number.is_finite() && number >= 0.0, "{forecast:?}");
        }
    }

    #[test]
    fn nothing_finite_gives_nan(
        (x, y, z) in (finite(), finite(), finite()),
        r in probability(),
        value in failure(),
        k in any::<u64>(),
        n in any::<u64>(),
    ) {
        let (memory, epsilon) = (memory(r), epsilon(value));
        for number in [
            memory.capacity(),
            memory.strong_converse(x),
            memory.min_entropy(x, y),
            memory.collision_rate(),
            memory.max_bound(),
            memory.bounded_storage(),
            gamma(x),
            min_entropy_rate(x, epsilon),
            min_entropy_rate_by(Relation::AsPrinted, x, epsilon),
            qber_heuristic(x, y, z, x),
            Budget::new(x, y, epsilon).surplus_bits(),
            clopper_pearson_upper(k, n, epsilon).unwrap_or(0.0),
            clopper_pearson_lower(k, n, epsilon).unwrap_or(0.0),
            serfling_mu(n, k, epsilon).unwrap_or(0.0),
        ] {
            prop_assert!(!number.is_nan());
        }
        let arm = |efficiency, error| Arm { efficiency, error };
        let coincidences = Coincidences::of(x, arm(y, z), arm(z, x), y);
        prop_assert!((0.0..=1.0).contains(&coincidences.probability));
        prop_assert!((0.0..=1.0).contains(&coincidences.qber));
        let (pairs, rounds, single_pairs) = (x.abs(), y.abs(), z.abs());
        let erven = Erven { pairs, rounds, single_pairs, memory, epsilon, ..Erven::PUBLISHED };
        if let Ok(parts) = erven.length(Relation::NgBertaWehner) {
            prop_assert!(parts.length.is_finite() && parts.zeta.is_finite() && !parts.rate.is_nan());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Where p is true, the bound is below it with probability at most epsilon: by adding up all outcomes.
    #[test]
    fn clopper_pearson_covers(n in 1u64..60, p in 0.0f64..=1.0, value in 1e-6..0.5) {
        let mut point = (1.0 - p).powi(n as i32);
        let (mut missed_above, mut missed_below) = (0.0, 0.0);
        for k in 0..=n {
            if clopper_pearson_upper(k, n, epsilon(value)).unwrap() < p {
                missed_above += point;
            }
            if clopper_pearson_lower(k, n, epsilon(value)).unwrap() > p {
                missed_below += point;
            }
            point *= (n - k) as f64 / (k + 1) as f64 * p / (1.0 - p);
        }
        prop_assert!(p > 0.9999 || missed_above <= value + 1e-9 && missed_below <= value + 1e-9);
    }
}

#[test]
fn parameters_survive_json() {
    let markovian =
        NsmRecord { storage_noise_r: None, storage_coherence_ns: Some(2e6), ..NsmRecord::default() };
    let emitted =
        NsmRecord { pairs: Pairs::Emitted, strategy: wire::Strategy::Symmetric, ..NsmRecord::default() };
    for record in [NsmRecord::default(), markovian, emitted] {
        let parameters = NsmParameters::new(record).unwrap();
        let text = serde_json::to_string(&parameters).unwrap();
        assert_eq!(serde_json::from_str::<NsmParameters>(&text).unwrap(), parameters);
    }
}

#[test]
fn json_has_the_names_of_the_documents_and_is_checked() {
    let text = serde_json::to_value(NsmParameters::new(NsmRecord::default()).unwrap()).unwrap();
    for quantity in [
        Quantity::StorageNoise,
        Quantity::StorageRate,
        Quantity::WaitingTime,
        Quantity::Fidelity,
        Quantity::Efficiency,
        Quantity::DetectorError,
        Quantity::DarkCounts,
        Quantity::Pairs,
    ] {
        assert!(text[quantity.name()].is_number(), "{}", quantity.name());
    }
    assert_eq!((&text["strategy"], &text["pairs"]), (&"baseline".into(), &"heralded".into()));
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = text.clone();
        changed[key] = value;
        serde_json::from_value::<NsmParameters>(changed)
    };
    assert_eq!(with("strategy", "blind".into()).unwrap().record().strategy, wire::Strategy::Blind);
    for (key, value, expected) in [
        ("storage_noise_r", 1.5.into(), "storage_noise_r: expected a number from 0 to 1, found 1.5"),
        ("num_pairs", 0.into(), "num_pairs: expected a whole number from 1 to 1000000000000, found 0"),
        ("storage_coherence_ns", 5.0.into(), "expected storage_noise_r or storage_coherence_ns, found both"),
        ("storage_rate", 1.0.into(), "unknown field `storage_rate`, expected one of"),
    ] {
        let error = with(key, value).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let targets: Targets = serde_json::from_value(serde_json::to_value(targets()).unwrap()).unwrap();
    assert_eq!(targets.record(), TargetRecord::default());
    assert!(serde_json::from_str::<Epsilon>("0").is_err());
}
