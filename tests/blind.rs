//! Oblivious transfers whose errors are corrected blindly, under the assumption that Alice is honest but curious.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use caligo_core::leakage::LeakBits;
use caligo_core::ot::{Abort, Aborted, Correction, SemiHonestAlice};
use caligo_core::rank::prefix_ranks;
use caligo_core::wire::{Disclosing, Kind, Message, Plain, Span, Strategy};
use caligo_tests::transfer::{Case, Faults, From, Ground, faithful, kind, kinds, message};
use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};

const SMALL: u64 = 20_000;

/// Blocks are planned by the error rate that they have, so that many need reveals.
fn case(choice: bool, seed: u64) -> Case {
    let mut case = Case::good(SMALL, choice, seed).blind();
    case.targets.test_fraction = 0.0;
    case.device.detector_error = 0.012;
    case
}

/// The pairs wanted in a frame of Bob's.
fn wanted(frame: &[u8]) -> Option<(u8, Vec<bool>)> {
    let Message::Plain(Plain::PairsWanted(Span { part, offset: 0, bits })) = message(frame) else {
        return None;
    };
    Some((part, (0..bits.len()).map(|i| bits.get(i)).collect()))
}

#[test]
fn bob_has_the_string_of_his_choice_more_often_than_one_way() {
    let mut ground = Ground::default();
    let mut believed = [0; 2];
    for seed in 0..16 {
        let blind = Case { deferred: seed % 4 > 1, ..case(seed % 2 == 1, seed) };
        let mut one_way = Case { correction: Correction::OneWay, target_fer: 0.3, ..blind };
        one_way.device.strategy = Strategy::Baseline;
        for (believed, case) in believed.iter_mut().zip([blind, one_way]) {
            let ended = ground.run(&case, &mut faithful);
            *believed += usize::from(case.check(&ended));
        }
    }
    assert!(believed[0] > 13 && believed[0] > believed[1] + 3, "{believed:?}");
}

/// How often Bob speaks, in what kinds and how long, depends neither on his choice nor on what he decodes; each pair is
/// revealed alike, and in rounds that he asked for it.
#[test]
fn transcripts_have_as_many_requests_as_the_plan_has_steps() {
    let mut ground = Ground::default();
    let mut reveals = 0;
    for seed in 0..4 {
        let mut lengths = Vec::new();
        for choice in [false, true] {
            let case = case(choice, 100 + seed);
            let ended = ground.run(&case, &mut faithful);
            case.check(&ended);
            let reconciled = &ended.alice.as_ref().unwrap().amplified.reconciled;
            let blocks = reconciled.blocks as usize;
            let steps = ended.sent[0].iter().filter_map(|frame| match message(frame) {
                Message::Disclosing(Disclosing::BlindInit(s)) => Some((s.block, usize::from(s.request))),
                _ => None,
            });
            let steps: Vec<_> = steps.collect();
            assert_eq!(steps.len(), 2 * blocks);
            assert!(steps.chunks(2).all(|pair| pair[0].1 == pair[1].1));
            let rounds = steps.iter().map(|(_, steps)| *steps).max().unwrap();
            assert!(rounds > 1);
            let asked: Vec<_> = ended.sent[1].iter().filter_map(|frame| wanted(frame)).collect();
            assert_eq!(asked.len(), rounds);
            let mut expected = Vec::new();
            for (round, (part, pairs)) in asked.iter().enumerate() {
                assert_eq!((usize::from(*part), pairs.len()), (round % 2, blocks));
                for pair in (0..blocks).filter(|&pair| pairs[pair]) {
                    assert!(round < steps[2 * pair].1);
                    expected.extend([2 * pair as u32, 2 * pair as u32 + 1]);
                }
            }
            let told = ended.sent[0].iter().filter_map(|frame| match message(frame) {
                Message::Disclosing(Disclosing::BlindReveal(reveal)) => {
                    Some((reveal.block, reveal.values.len()))
                }
                _ => None,
            });
            let told: Vec<_> = told.collect();
            assert_eq!(told.iter().map(|(block, _)| *block).collect::<Vec<_>>(), expected);
            assert!(told.chunks(2).all(|pair| pair[0].1 == pair[1].1 && pair[0].1 > 0));
            assert_eq!(told.len(), 2 * reconciled.reveals as usize);
            reveals += told.len();
            let last = kinds(&ended.sent[1]);
            assert_eq!(&last[last.len() - 2..], [Kind::IndexLists, Kind::PairsWanted]);
            assert!(kinds(&ended.sent[0]).ends_with(&[Kind::Verify, Kind::ToeplitzSeed]));
            lengths.push(ended.sent[1].iter().map(Vec::len).collect::<Vec<_>>());
        }
        assert_eq!(lengths[0], lengths[1]);
    }
    assert!(reveals > 8, "{reveals}");
}

/// What the frames disclose, read off their bytes: rank H - rank H_P of each block, its fall by reveals for either set, and a
/// tag; the same for both sets.
#[test]
fn books_are_what_the_frames_disclose() {
    let mut ground = Ground::default();
    let (code, order) = (ground.setup().code, ground.setup().order);
    let prefixes = prefix_ranks(&code, order.puncture().iter().copied().map(usize::from));
    let leak =
        |punctured: usize, known: usize| (code.m() - prefixes[punctured]).min(code.n() - punctured - known);
    let mut reveals = 0;
    for seed in 0..3 {
        let case = case(seed % 2 == 1, 200 + seed);
        let ended = ground.run(&case, &mut faithful);
        case.check(&ended);
        let reconciled = &ended.alice.as_ref().unwrap().amplified.reconciled;
        let mut blocks = Vec::new();
        let (mut disclosed, mut begun) = ([0; 2], 0);
        for frame in &ended.sent[0] {
            match message(frame) {
                Message::Disclosing(Disclosing::BlindInit(s)) => {
                    let (punctured, known) = (usize::from(s.punctured), usize::from(s.shortened));
                    blocks.push((punctured, known));
                    disclosed[s.block as usize % 2] += leak(punctured, known);
                    begun += leak(punctured, known);
                    assert_eq!(blocks.len(), s.block as usize + 1);
                }
                Message::Disclosing(Disclosing::BlindReveal(reveal)) => {
                    reveals += 1;
                    blocks[reveal.block as usize].0 -= reveal.values.len();
                    // Known positions are as shortened ones.
                    blocks[reveal.block as usize].1 += reveal.values.len();
                }
                Message::Disclosing(Disclosing::Verify(tag)) => disclosed[tag.from as usize] += 64,
                _ => {}
            }
        }
        let after: usize = blocks.iter().map(|&(punctured, known)| leak(punctured, known)).sum();
        let revealed = after - begun;
        disclosed.iter_mut().for_each(|bits| *bits += revealed);
        for (receipt, disclosed) in reconciled.receipts.iter().zip(disclosed) {
            assert_eq!(receipt.total().0, disclosed as u64);
            assert!(receipt.total() <= receipt.cap());
        }
    }
    assert!(reveals > 4, "{reveals}");
}

/// The budget ends a transfer before the first frame of a pair that it does not cover.
#[test]
fn reveals_past_the_budget_are_not_sent() {
    let mut ground = Ground::default();
    let run = |ground: &mut Ground, cap| ground.run(&Case { cap, ..case(true, 301) }, &mut faithful);
    let whole = run(&mut ground, u64::MAX).alice.unwrap().amplified.reconciled;
    assert!(whole.reveals > 0);
    let (leak, revealed) = (whole.leak().0, whole.receipts[0].disclosed().padding_exact.0);
    assert!(run(&mut ground, leak).alice.is_ok());
    // Syndromes and tag alone are afforded, and no reveal.
    let ended = run(&mut ground, leak - revealed);
    let Err(Aborted { reason: Abort::Budget(budget), spent, .. }) = ended.alice else { panic!("{ended:?}") };
    assert!(budget.attempted > LeakBits(0) && spent[0] == spent[1] && spent[0].0 <= leak - revealed);
    let of = |set| {
        let told = ended.sent[0].iter().filter(|frame| {
            matches!(message(frame), Message::Disclosing(Disclosing::BlindReveal(r)) if r.block % 2 == set)
        });
        told.count()
    };
    assert_eq!(of(0), of(1));
    assert!(!kinds(&ended.sent[0]).contains(&Kind::Verify) && ended.wiped);
}

/// A Bob who asks for what he did not want before.
#[test]
fn requests_must_be_some_of_those_before() {
    let mut ground = Ground::default();
    let mut refused = 0;
    for seed in 400..406 {
        let mut first = None;
        let ended = ground.run(&case(false, seed), &mut |from, _, mut frame| {
            if let (From::Bob, Kind::PairsWanted) = (from, kind(&frame)) {
                let (_, pairs) = wanted(&frame).unwrap();
                if first.is_some() {
                    // Fewer than eight pairs.
                    *frame.last_mut().unwrap() = (1 << pairs.len()) - 1;
                }
                first.get_or_insert(pairs);
            }
            vec![frame]
        });
        if !first.unwrap().iter().all(|wanted| *wanted) {
            let expected = "pairs: expected some of those wanted in the round before";
            assert_eq!(ended.alice.unwrap_err().reason, Abort::Contradiction(expected));
            refused += 1;
        }
    }
    assert!(refused > 0);
}

/// Strategy and assumption go together.
#[test]
fn blind_is_refused_without_the_assumption() {
    let mut ground = Ground::default();
    let good = Case::good(SMALL, true, 500);
    for (strategy, correction, allowed) in [
        (Strategy::Baseline, Correction::OneWay, true),
        (Strategy::Blind, Correction::BlindUnder(SemiHonestAlice), true),
        (Strategy::Blind, Correction::OneWay, false),
        (Strategy::Baseline, Correction::BlindUnder(SemiHonestAlice), false),
        (Strategy::Symmetric, Correction::BlindUnder(SemiHonestAlice), false),
        (Strategy::Symmetric, Correction::OneWay, false),
    ] {
        let mut case = Case { correction, ..good };
        case.device.strategy = strategy;
        let ended = ground.run(&case, &mut faithful);
        assert_eq!(ended.bob.is_ok(), allowed, "{strategy:?} {correction:?}");
        if !allowed {
            assert!(matches!(ended.alice, Err(Aborted { reason: Abort::Host(_), .. })));
            assert!(ended.sent.iter().all(Vec::is_empty));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever is done to a few frames: no panic, both come to an end, Bob does not believe a wrong string, and after his
    /// sets he sends nothing but requests.
    #[test]
    fn tampering_never_makes_bob_believe_a_wrong_string(
        seed in 0..1000u64,
        choice: bool,
        faults in proptest::collection::vec((any::<bool>(), 0..50usize, any::<usize>(), 0..7u8), 0..4),
    ) {
        let case = Case { deferred: seed % 2 == 1, ..case(choice, seed) };
        let mut tamper = Faults::new(&faults);
        let ended = Ground::default().run(&case, &mut |from, i, frame| tamper.frame(from, i, frame));
        prop_assert!(ended.wiped);
        if let (Ok(bob), false) = (&ended.bob, tamper.seeds) {
            prop_assert!(!bob.believes() || ended.is(choice));
        }
        let mut after = ended.sent[1].iter().skip_while(|frame| kind(frame) != Kind::IndexLists);
        prop_assert!(after.all(|frame| matches!(kind(frame), Kind::IndexLists | Kind::PairsWanted | Kind::Abort)));
        let sets = ended.sent[1].iter().filter(|frame| kind(frame) == Kind::IndexLists).count();
        if sets == 2 * (SMALL as usize).div_ceil(8192) {
            prop_assert!(ended.sent[1].last().map(|frame| kind(frame)) != Some(Kind::Abort));
        }
        if faults.is_empty() {
            case.check(&ended);
        }
    }
}
