//! What the sessions in `tests/` do not reach.

use super::block::Slot;
use super::estimate::Class;
use super::plan::{Plan, Planner};
use super::*;
use crate::code::SparseCode;
use crate::leakage::{Disclosure, Ledger, Policy};
use crate::rate::Selection;
use crate::wire::{Bits, Disclosing, Hello, Plain, Reveal, Strategy, Syndrome};

#[test]
fn an_error_rate_that_was_read_is_sent_on_unchanged() {
    assert!((0..=500_000).all(|ppm| to_ppm(from_ppm(ppm)) == ppm));
}

#[test]
fn no_rounds_are_one() {
    let size = plan::Size { n: 8, m: 2, puncturable: 1 };
    for strategy in [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric] {
        let goal = plan::Goal { strategy, rounds: 0, target_fer: 0.01, modulated: 0, shortened: 0 };
        let plan = plan::plan(&goal, size, Some(0.02), 8, |_, _, _| Ok(Selection { p: 0, s: 0 }));
        assert!(plan.is_ok_and(|plan| plan.steps().is_empty()), "{strategy:?}");
    }
}

const HELLO: Hello = Hello {
    strategy: Strategy::Blind,
    policy: Policy::Exact,
    rounds: 2,
    target_fer_ppm: 1000,
    window: 2,
    key_bits: 8,
    sample_bits: 0,
    code: 0,
    permutation: 0,
    cap: u64::MAX,
};
const NOW: Instant = Instant(0);

/// Runs `test` on a code of eight bits and two checks.
fn with_setup(test: impl FnOnce(Setup<'_>)) {
    let code = SparseCode::new(8, &[0, 4, 8], &[0, 1, 2, 3, 4, 5, 6, 7]).map(Code::from);
    let order = Order::new(8, &[0], &[0, 1, 2, 3, 4, 5, 6, 7], &mut [0]);
    let (Ok(code), Ok(order)) = (code, order) else { panic!("valid tables") };
    test(Setup { code, order, masking: Masking { rank: 2, independent: None }, timeout_us: 1 });
}

fn next<M>(step: Step<M>) -> (M, Effect) {
    if let Step::Next(machine, effect) = step { (machine, effect) } else { panic!("it ended") }
}

fn sent(effect: Effect, out: &[u8]) -> &[u8] {
    if let Effect::Send(length) = effect { &out[..length] } else { panic!("{effect:?}") }
}

/// Reveals `0` positions after a failure.
struct Revealing(usize);

impl Planner for Revealing {
    fn plan(&self, _: Option<f64>, _: usize) -> Result<Plan, RateError> {
        Ok(Plan::new(Selection { p: 0, s: 0 }, None, [self.0]))
    }
}

#[test]
fn alice_gives_up_a_block_whose_payload_would_all_be_revealed() {
    for (count, kind) in [(7, Kind::BlindReveal), (8, Kind::Abandon)] {
        with_setup(|setup| {
            let planner = Revealing(count);
            let config =
                AliceConfig { hello: HELLO, planner: &planner, qber: None, sample_margin: None, adapt: true };
            let (mut slots, mut words, mut scratch) = ([Slot::default(); 2], [0; Alice::words(8, 2)], [0]);
            let memory = AliceMemory {
                key: &[0b1011_0010],
                slots: &mut slots,
                words: &mut words,
                scratch: &mut scratch,
            };
            let Ok(alice) = Alice::new(setup, &config, memory, NOW) else { panic!("valid") };
            let (mut out, mut frame) = ([0; 64], [0; 64]);
            let (alice, _) = next(alice.on(NOW, Event::Poll, &mut out));
            let length = wire::encode(&mut frame, 0, &Plain::Hello(HELLO)).unwrap_or(0);
            let (alice, effect) = next(alice.on(NOW, Event::Received(&frame[..length]), &mut out));
            assert_eq!(effect, Effect::Entropy(1));
            let (alice, _) = next(alice.on(NOW, Event::Entropy(&[0]), &mut out));
            let nack = Plain::BlindNack { block: 0, iterations: 1 };
            let length = wire::encode(&mut frame, 1, &nack).unwrap_or(0);
            let (_, effect) = next(alice.on(NOW, Event::Received(&frame[..length]), &mut out));
            let message = wire::decode(sent(effect, &out), 2).map(|message| message.kind());
            assert_eq!(message, Ok(kind));
        });
    }
}

#[test]
fn bob_refuses_a_reveal_of_all_the_payload() {
    for (count, goes_on) in [(7, true), (8, false)] {
        with_setup(|setup| {
            let terms = Terms { strategy: None, key_bits: 8, code: HELLO.code, cap: u64::MAX, learn: false };
            let (mut key, mut rates, mut slots) = ([0], [Class::default()], [Slot::default(); 2]);
            let (mut words, mut scratch) = ([0; Bob::words(8, 2)], [0]);
            let memory = BobMemory {
                key: &mut key,
                classes: &mut [],
                rates: &mut rates,
                slots: &mut slots,
                words: &mut words,
                scratch: &mut scratch,
            };
            let Ok(bob) = Bob::new(setup, terms, memory, NOW) else { panic!("valid") };
            let (mut out, mut frame) = ([0; 64], [0; 64]);
            let length = wire::encode(&mut frame, 0, &Plain::Hello(HELLO)).unwrap_or(0);
            let (bob, _) = next(bob.on(NOW, Event::Received(&frame[..length]), &mut out));
            let (bob, _) = next(bob.on(NOW, Event::Key { key: &[0], classes: &[] }, &mut out));
            let mut tell = |number, disclosure, message| {
                let charged = Ledger::new(Policy::Exact, LeakBits(u64::MAX)).charge(disclosure);
                let Ok((_, permit)) = charged else { panic!("no budget is too small here") };
                let length = wire::disclose(&mut frame, number, permit, &message).unwrap_or(0);
                (frame, length)
            };
            let Ok(syndrome) = Bits::of(&[1], 2) else { panic!("two bits") };
            let init = Syndrome { block: 0, punctured: 0, shortened: 0, qber_ppm: 0, request: 0, syndrome };
            let init = tell(1, Disclosure::Syndrome { bits: 2, exact: 2 }, Disclosing::BlindInit(init));
            let (bob, effect) = next(bob.on(NOW, Event::Received(&init.0[..init.1]), &mut out));
            assert_eq!(effect, Effect::Decode(0));
            let outcome = Outcome { converged: false, iterations: 1, unsatisfied: 1 };
            let failed = Event::Decoded { slot: 0, outcome, decision: &[0], doubts: &[] };
            let (bob, _) = next(bob.on(NOW, failed, &mut out));
            let Ok(values) = Bits::of(&[0], count) else { panic!("eight bits") };
            let bits = count as u64;
            let reveal = Disclosing::BlindReveal(Reveal { block: 0, values });
            let reveal = tell(2, Disclosure::Reveal { padding: 0, payload: bits, exact: bits }, reveal);
            match bob.on(NOW, Event::Received(&reveal.0[..reveal.1]), &mut out) {
                Step::Next(mut bob, Effect::Decode(0)) => assert!(goes_on && bob.job(0).is_some()),
                Step::Abort(Aborted { reason: Abort::Contradiction(_), .. }) => assert!(!goes_on),
                step => panic!("{step:?}"),
            }
        });
    }
}
