//! Which mother code serves a key.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_runtime::config::Strategy;
use caligo_runtime::keyfile::Key;
use caligo_runtime::matrix::library::Library;
use caligo_runtime::matrix::mother::Mother;
use caligo_runtime::session::choice::choose;
use caligo_runtime::session::local::{self, Config, QberSource};
use caligo_runtime::{channel, kernel::Tier};

fn config(strategy: Strategy, qber: f64) -> Config {
    Config { qber: QberSource::Given(qber), ..Config::of(strategy) }
}

/// Alice's key and Bob's.
fn keys(bits: usize, qber: f64, seed: u64) -> [Key; 2] {
    let mut rng = channel::stream(seed, 0);
    let sent = channel::random_bits(bits, &mut rng);
    let errors = channel::errors(bits, qber, &mut rng);
    let received = sent.iter().zip(errors).map(|(sent, error)| sent ^ error).collect();
    [sent, received].map(|words| Key { bits, words })
}

#[test]
fn the_code_that_discloses_least_is_chosen() {
    for strategy in [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric] {
        for qber in [0.005, 0.02, 0.05, 0.08] {
            let config = config(strategy, qber);
            let mut last = 0;
            for bits in [1000, 10_000, 100_000, 1_000_000, 10_000_000] {
                let (mother, considered) = choose(bits, &config).unwrap();
                let least = considered.iter().map(|c| c.disclosed).fold(f64::INFINITY, f64::min);
                let chosen = considered.iter().find(|c| c.code == mother.n()).unwrap();
                assert!(chosen.disclosed <= 1.04 * least, "{strategy:?} {qber} {bits}: {considered:?}");
                assert!(chosen.f > 1.0, "{considered:?}");
                // A longer key never has a shorter code, but for what its last block costs.
                if bits == 1000 {
                    assert_eq!(mother, Mother::N4096);
                }
                if bits == 10_000_000 {
                    assert!(mother.n() >= last, "{strategy:?} {qber}: {mother:?} after {last}");
                    assert!(mother > Mother::N8192, "{strategy:?} {qber}: {considered:?}");
                }
                last = mother.n();
            }
        }
    }
}

#[test]
fn what_no_code_corrects_is_refused() {
    assert!(choose(1_000_000, &config(Strategy::Baseline, 0.4)).is_err());
}

/// What was expected is what sessions disclose, but for reveals.
#[test]
fn sessions_disclose_what_was_expected() {
    let (bits, qber) = (300_000, 0.04);
    let [alice, bob] = keys(bits, qber, 1);
    let config = Config { seed: Some(1), ..config(Strategy::Baseline, qber) };
    let (_, considered) = choose(bits, &config).unwrap();
    for (mother, expected) in Mother::ALL.into_iter().zip(&considered) {
        let library = Library::mother(mother);
        let result = local::reconcile(&alice, &bob, &[], &library, &config, |_| {}).unwrap();
        assert!(result.report.verified, "{mother:?}");
        assert!(result.alice.words == result.bob.words && result.bob.bits == bits);
        let disclosed = result.report.leakage.exact as f64;
        assert!((disclosed / expected.disclosed - 1.0).abs() < 0.03, "{mother:?}: {disclosed} {expected:?}");
    }
}

/// The last reveal leaves no padding, however much there is.
#[test]
fn a_wrong_guess_is_survived_with_every_code() {
    let [alice, bob] = keys(100_000, 0.06, 3);
    for mother in Mother::ALL {
        let config = Config { seed: Some(1), ..config(Strategy::Baseline, 0.03) };
        let result = local::reconcile(&alice, &bob, &[], &Library::mother(mother), &config, |_| {}).unwrap();
        assert!(result.report.verified && result.alice.words == result.bob.words, "{mother:?}");
        assert!(result.report.frame_errors > 0, "{mother:?}");
    }
}

#[test]
fn every_tier_decodes_the_longer_codes() {
    let [alice, bob] = keys(70_000, 0.02, 2);
    for tier in [Tier::Fast, Tier::Balanced, Tier::Precise] {
        let mut config = Config { seed: Some(1), ..config(Strategy::Baseline, 0.02) };
        config.effort.tier = tier;
        for mother in Mother::ALL {
            let library = Library::mother(mother);
            let result = local::reconcile(&alice, &bob, &[], &library, &config, |_| {}).unwrap();
            assert!(result.report.verified && result.alice.words == result.bob.words, "{tier:?} {mother:?}");
        }
    }
}
