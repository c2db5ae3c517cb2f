//! Sessions over links that fail: agreement or a typed abort, never a wrong key, a hang or a panic.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;

use caligo_core::leakage::Policy;
use caligo_core::reconcile::{Abort, Failure, Released};
use caligo_runtime::channel::link::Model;
use caligo_runtime::channel::{self, below, uniform};
use caligo_runtime::config::Strategy;
use caligo_runtime::kernel::{Effort, Tier};
use caligo_runtime::matrix::library::Library;
use caligo_runtime::session::local::{Config, Ground, QberSource};
use caligo_tests::sim::{Case, End, Ended, run};
use rayon::prelude::*;

const STRATEGIES: [Strategy; 3] = [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric];
const POLICIES: [Policy; 3] = [Policy::Exact, Policy::SyndromeCap, Policy::Conservative];

fn quick(strategy: Strategy) -> Config {
    Config {
        effort: Effort { tier: Tier::Fast, max_iterations: Some(20), ..Effort::default() },
        ..Config::of(strategy)
    }
}

/// Session `index` of the suite: keys of one to six blocks, any strategy, prior, policy and budget, and one kind of
/// fault, all of them at once, or none.
fn case(index: u64) -> Case {
    let mut rng = channel::stream(40, index);
    let strategy = STRATEGIES[below(&mut rng, 3) as usize];
    let qber = 0.005 + 0.1 * uniform(&mut rng);
    let bits = 650 + below(&mut rng, 12_000) as usize;
    let guess = (qber * (0.5 + uniform(&mut rng))).min(0.11);
    let source = match below(&mut rng, 4) {
        0 => QberSource::Estimate,
        1 if strategy != Strategy::Baseline => QberSource::Unknown,
        2 => QberSource::Given(guess),
        _ => QberSource::Given(qber),
    };
    let config = Config {
        qber: source,
        policy: POLICIES[below(&mut rng, 3) as usize],
        rounds: 1 + below(&mut rng, 12) as u8,
        budget: (below(&mut rng, 6) == 0).then(|| below(&mut rng, bits as u64)),
        ..quick(strategy)
    };
    let fault = 0.03 * uniform(&mut rng);
    let base = Model {
        latency_us: below(&mut rng, 2000),
        jitter_us: below(&mut rng, 500),
        late_us: 5000,
        ..Model::PERFECT
    };
    let model = match below(&mut rng, 10) {
        0 => Model { loss: fault, ..base },
        1 => Model { duplication: fault, ..base },
        2 => Model { reordering: fault, ..base },
        3 => Model { corruption: fault, ..base },
        4 => Model { truncation: fault, ..base },
        5 => Model { extension: fault, ..base },
        6 => Model { cut_after: Some(below(&mut rng, 30)), ..base },
        7 => Model { cut_at_us: Some(below(&mut rng, 50_000)), ..base },
        8 => {
            let each = fault / 6.0;
            let (loss, duplication, reordering) = (each, each, each);
            Model {
                loss,
                duplication,
                reordering,
                corruption: each,
                truncation: each,
                extension: each,
                ..base
            }
        }
        _ => base,
    };
    // Mostly the same both ways, at times only one.
    let models = match below(&mut rng, 4) {
        0 => [model, base],
        1 => [base, model],
        _ => [model, model],
    };
    let sabotage = if below(&mut rng, 5) == 0 { 0.3 } else { 0.0 };
    let bobs_cap = (below(&mut rng, 12) == 0).then(|| below(&mut rng, bits as u64));
    Case { config, bits, qber, models, sabotage, bobs_cap, seed: (41, index) }
}

/// What `ended` may be counted as; everything else is a failure.
fn judge(case: &Case, ended: &Ended) -> &'static str {
    // Whatever ended first or why: what was released as verified is Alice's.
    assert!(!ended.wrong(), "wrong key: {case:?}");
    // Until Alice has heard of Bob's budget she has disclosed nothing.
    let caps = [case.config.budget, case.bobs_cap];
    let cap = caps.into_iter().flatten().min().unwrap_or(u64::MAX);
    for end in &ended.ends {
        let spent = match end {
            End::Done(finished) => finished.receipt.total(),
            End::Aborted(aborted) => aborted.spent,
        };
        assert!(spent.0 <= cap, "over budget: {case:?}");
    }
    match &ended.ends {
        [End::Done(alice), End::Done(bob)] => {
            assert_eq!(alice.receipt, bob.receipt, "{case:?}");
            assert_eq!((alice.blocks, alice.tags), (bob.blocks, bob.tags), "{case:?}");
            assert_eq!(alice.undetected_log2, bob.undetected_log2, "{case:?}");
            let [hers, his] = &ended.released;
            assert_eq!(hers.len(), alice.blocks as usize, "{case:?}");
            for (a, b) in hers.iter().zip(his) {
                // Bob's counts of errors and iterations may have been corrupted on the way.
                let of = |r: &Released| {
                    (r.block, r.start, r.payload, r.failure, r.revealed, r.punctured, r.shortened)
                };
                assert_eq!(of(a), of(b), "{case:?}");
            }
            let payload: usize = hers.iter().map(|block| block.payload).sum();
            assert_eq!(payload, case.bits - ended.hello.sample_bits as usize, "{case:?}");
            if ended.faults == 0 {
                assert_eq!(hers, his, "{case:?}");
            }
            let failure = |kind| hers.iter().any(|block| block.failure == Some(kind));
            if failure(Failure::Verification) {
                "agreed without a block that did not verify"
            } else if failure(Failure::Decoding) {
                "agreed without a block that did not decode"
            } else if hers.iter().any(|block| block.caught) {
                "agreed after a wrong block was caught"
            } else {
                "agreed"
            }
        }
        // The last frame was lost: no protocol rules that out.
        [End::Aborted(_), End::Done(_)] => {
            assert!(ended.faults > 0, "{case:?}");
            "only Bob is done"
        }
        [End::Done(_), End::Aborted(_)] => panic!("only Alice is done: {case:?}"),
        [End::Aborted(alice), End::Aborted(bob)] => {
            let own = [alice, bob].map(|aborted| aborted.reason);
            // The first cause, not what the peer was told of it.
            let cause = own.iter().find(|r| !matches!(r, Abort::Peer(_) | Abort::Timeout)).unwrap_or(&own[0]);
            assert!(
                ended.faults > 0 || matches!(cause, Abort::Budget(_) | Abort::Rate(_)),
                "{cause:?} {case:?}"
            );
            match cause {
                Abort::Wire(_) => "frame refused",
                Abort::Unexpected(_) => "frame out of place",
                Abort::Contradiction(_) => "contradiction",
                Abort::Disagreement(_) => "disagreement",
                Abort::Budget(_) => "budget",
                Abort::Rate(_) => "no rate",
                Abort::Timeout | Abort::Peer(_) => "timeout",
                other => panic!("{other:?}: {case:?}"),
            }
        }
    }
}

#[test]
fn ten_thousand_sessions_end_in_agreement_or_a_typed_abort() {
    let library = Library::built_in();
    let outcomes: Vec<&str> = (0..10_000u64)
        .into_par_iter()
        .map_init(
            || Ground::of(&library).unwrap(),
            |ground, index| {
                let case = case(index);
                let ended = run(ground, &case.config.planner(&library).unwrap(), &case).unwrap();
                judge(&case, &ended)
            },
        )
        .collect();
    let mut tally = BTreeMap::<&str, u32>::new();
    for outcome in outcomes {
        *tally.entry(outcome).or_default() += 1;
    }
    println!("{tally:#?}");
    for (end, least) in [
        ("agreed", 3000),
        ("agreed after a wrong block was caught", 300),
        ("agreed without a block that did not verify", 30),
        ("agreed without a block that did not decode", 300),
        ("only Bob is done", 10),
        ("frame refused", 300),
        ("contradiction", 10),
        ("disagreement", 10),
        ("budget", 300),
        ("timeout", 300),
    ] {
        assert!(tally.get(end).is_some_and(|&count| count >= least), "{end}: {tally:?}");
    }
}

#[test]
fn a_session_is_a_function_of_its_case() {
    let library = Library::built_in();
    let ground = Ground::of(&library).unwrap();
    for index in 0..20 {
        let case = case(index);
        let [one, other] =
            [0, 1].map(|_| run(&ground, &case.config.planner(&library).unwrap(), &case).unwrap());
        assert_eq!((one.sent, one.released, one.now_us), (other.sent, other.released, other.now_us));
    }
}
