//! One block before our eyes: nothing changes because somebody looks on, whatever the instructions.

use caligo_core::bits::count_ones;
use caligo_core::code::{Code, mother_4096};
use caligo_core::decode::Schedule;
use caligo_core::leakage::Policy;
use caligo_core::llr::Rates;
use caligo_core::puncture::order_4096;
use caligo_core::wire::Kind;
use caligo_runtime::channel;
use caligo_runtime::config::Strategy;
use caligo_runtime::dispatch::Path;
use caligo_runtime::efficiency::Measurement;
use caligo_runtime::kernel::{Effort, Engine, Input, Stage, Tier};
use caligo_runtime::matrix::library::Library;
use caligo_sim::block::{BlockError, End, Party, Settings, explore, explore_on};

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
const TIERS: [Tier; 3] = [Tier::Fast, Tier::Balanced, Tier::Precise];

fn settings(strategy: Strategy, tier: Tier, qber: f64, seed: u64) -> Settings {
    let (rate, rounds, policy) = (None, None, Policy::Exact);
    Settings { qber, strategy, rate, rounds, known: true, tier, seed, policy, budget: None }
}

/// Made by `scripts/blocks.sh`.
const GOLDEN: &str = include_str!("data/blocks.csv");

#[test]
fn a_hundred_seeds_give_the_recorded_results_by_all_instructions() {
    let library = Library::built_in();
    let mut lines = 0;
    for line in GOLDEN.lines().skip(2) {
        let fields: Vec<&str> = line.split(',').collect();
        let [strategy, tier, qber, seed, end, rounds, iterations, disclosed, digest] = fields[..] else {
            panic!("{line}")
        };
        let strategy = STRATEGIES.into_iter().find(|s| s.to_string() == strategy).unwrap();
        let tier = TIERS.into_iter().find(|t| t.to_string() == tier).unwrap();
        let settings = settings(strategy, tier, qber.parse().unwrap(), seed.parse().unwrap());
        for path in Path::all() {
            let explored = explore_on(path, &library, &settings).unwrap();
            let at = format!("{line} ({})", path.name());
            assert_eq!(matches!(explored.end, End::Verified), end == "verified", "{at}");
            assert_eq!(explored.rounds().to_string(), rounds, "{at}");
            assert_eq!(explored.iterations().to_string(), iterations, "{at}");
            assert_eq!(explored.disclosed.total(Policy::Exact).0.to_string(), disclosed, "{at}");
            assert_eq!(format!("{:016x}", explored.digest()), digest, "{at}");
        }
        lines += 1;
    }
    assert_eq!(lines, 600);
}

#[test]
fn the_session_of_an_efficiency_measurement_does_the_same() {
    // The other strategies plan the last block of a key anew, and a session of one block has no other.
    let library = Library::built_in();
    for strategy in [Strategy::Baseline] {
        for seed in 0..60 {
            let settings = settings(strategy, Tier::Balanced, 0.06, seed);
            let explored = explore(&library, &settings).unwrap();
            let config = settings.config().unwrap();
            let measurement =
                Measurement::new(&library, &config, settings.qber, config.known_qber(), seed).unwrap();
            let row = measurement.row(&measurement.session(0, 1).unwrap());
            assert_eq!(row.frames, 1);
            assert_eq!(row.iterations_mean, f64::from(explored.iterations()), "{strategy} {seed}");
            assert_eq!(row.rounds_mean, f64::from(explored.rounds()), "{strategy} {seed}");
            assert_eq!(row.fer, f64::from(u8::from(explored.end != End::Verified)));
            assert_eq!(Some(row.f_mean), explored.f(Policy::Exact, settings.qber));
        }
    }
}

#[test]
fn the_course_leads_from_the_channels_errors_to_none() {
    let library = Library::built_in();
    for strategy in STRATEGIES {
        for tier in TIERS {
            let explored = explore(&library, &settings(strategy, tier, 0.05, 3)).unwrap();
            assert_eq!(explored.end, End::Verified);
            assert_eq!(explored.differing, 0);
            let (first, last) = (explored.steps.first().unwrap(), explored.steps.last().unwrap());
            assert!(count_ones(&first.wrong) > 0 && count_ones(&first.unsatisfied) > 0);
            assert_eq!((count_ones(&last.wrong), count_ones(&last.unsatisfied)), (0, 0));
            assert!(explored.steps.windows(2).all(|pair| pair[0].iterations < pair[1].iterations));
            let released = explored.released.unwrap();
            assert_eq!(released.iterations, explored.iterations());
            assert_eq!(released.errors as usize, count_ones(&explored.errors));
            // No message after the syndrome goes by without a reason: reveals follow refusals.
            let reveals = explored.messages.iter().filter(|m| {
                m.from == Party::Alice && matches!(m.kind, Kind::BlindReveal | Kind::SymmetricReveal)
            });
            assert_eq!(reveals.count() as u32 + 1, explored.rounds());
        }
    }
}

#[test]
fn the_budget_trips_before_what_would_pass_it() {
    let library = Library::built_in();
    for strategy in STRATEGIES {
        let free = Settings { rounds: Some(10), ..settings(strategy, Tier::Balanced, 0.05, 1) };
        let total = explore(&library, &free).unwrap().disclosed.total(Policy::Exact).0;
        for budget in [total - 1, total / 2, 10] {
            let explored = explore(&library, &Settings { budget: Some(budget), ..free }).unwrap();
            let End::Tripped { prevented, budget: exceeded } = explored.end else {
                panic!("{strategy} {budget}: {:?}", explored.end)
            };
            assert!(exceeded.spent.0 <= budget && exceeded.spent.0 + exceeded.attempted.0 > budget);
            assert_eq!(explored.disclosed.total(Policy::Exact), exceeded.spent);
            assert!(!explored.messages.iter().any(|m| m.kind == prevented && exceeded.spent.0 == 0));
            if budget == total - 1 {
                assert_eq!(prevented, Kind::Verify);
            }
        }
        assert_eq!(explore(&library, &Settings { budget: Some(total), ..free }).unwrap().end, End::Verified);
    }
}

#[test]
fn what_is_out_of_range_is_refused() {
    let library = Library::built_in();
    let good = settings(Strategy::Baseline, Tier::Fast, 0.03, 1);
    for qber in [-0.01, 0.13, f64::NAN, f64::INFINITY] {
        let error = explore(&library, &Settings { qber, ..good }).unwrap_err();
        assert!(matches!(error, BlockError::Qber), "{qber}: {error}");
    }
    for rate in [0.0, 1.0, f64::NAN] {
        let error = explore(&library, &Settings { rate: Some(rate), ..good }).unwrap_err();
        assert!(matches!(error, BlockError::Rate), "{rate}: {error}");
    }
    // The least and the most that is accepted give a result, whatever it is.
    for qber in [0.0, 0.12] {
        for strategy in STRATEGIES {
            for known in [false, true] {
                let settings = Settings { qber, strategy, known, ..good };
                assert!(
                    explore(&library, &settings).is_ok() || (strategy == Strategy::Baseline && qber > 0.1)
                );
            }
        }
    }
}

#[test]
fn a_rate_asked_for_is_the_rate() {
    let library = Library::built_in();
    for rate in [0.4, 0.5, 0.55, 0.7, 0.8] {
        let good = settings(Strategy::Baseline, Tier::Balanced, 0.01, 1);
        let explored = explore(&library, &Settings { rate: Some(rate), ..good }).unwrap();
        assert!((explored.rate - rate).abs() < 1e-3, "{rate}: {}", explored.rate);
    }
}

#[test]
fn looking_on_changes_no_outcome() {
    let code = Code::from(mother_4096::CODE);
    let mut stages = Vec::new();
    for (p, q) in [(0, 0.05), (0, 0.098), (0, 0.104), (900, 0.045)] {
        let (mut a, mut b) = ([0; 64], [0; 64]);
        let pattern = order_4096::ORDER.pattern(p, 0, &mut a, &mut b).unwrap();
        for (index, tier) in (0..12).flat_map(|index| TIERS.map(|tier| (index, tier))) {
            for schedule in [Schedule::Layered, Schedule::Flooding] {
                let mut rng = channel::stream(11, index);
                let sent = channel::random_bits(4096, &mut rng);
                let mut syndrome = vec![0; 32];
                code.syndrome(&sent, &mut syndrome).unwrap();
                let mut received = sent.clone();
                channel::flip(&mut received, 4096, q, &mut rng);
                let rates = Rates::Uniform(q);
                let input = Input { pattern: &pattern, frame: &received, rates: &rates, syndrome: &syndrome };
                let effort = Effort { tier, schedule, ..Effort::default() };
                let (mut plain, mut watched) = (vec![0; 64], vec![0; 64]);
                let outcome = Engine::new(&code, effort).unwrap().decode(&input, &mut plain).unwrap();
                let (mut seen, mut last) = (0, Vec::new());
                let mut watch = |now: &caligo_runtime::kernel::Seen<'_>| {
                    seen += now.iterations;
                    last = now.decision.to_vec();
                    if !stages.contains(&now.stage) {
                        stages.push(now.stage);
                    }
                };
                let mut engine = Engine::new(&code, effort).unwrap();
                let other = engine.decode_watched(&input, &mut watched, &mut watch).unwrap();
                assert_eq!(outcome, other, "p {p} Q {q} {tier} {schedule:?} {index}");
                assert_eq!(seen, outcome.iterations);
                assert!(last == watched && plain == watched);
            }
        }
    }
    for stage in [Stage::FirstPass, Stage::Integer, Stage::Float, Stage::Guess] {
        assert!(stages.contains(&stage), "{stage:?} was never seen");
    }
}
