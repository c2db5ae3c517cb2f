//! A goal, an error rate and a key's rest in; a panic out if the plan is none that the machines could follow.

use caligo_core::bits::words_for;
use caligo_core::puncture::order_4096::ORDER;
use caligo_core::rate::table_4096::{BALANCED, FAST, PRECISE};
use caligo_core::reconcile::plan::{Goal, MAX_ROUNDS, Planner, TablePlanner};
use caligo_core::wire::{MAX_POSITIONS, Strategy};

use crate::program::Program;

/// A plan fits the code and what is left of the key, whatever the numbers it is asked with.
pub fn check(bytes: &[u8]) {
    let p = &mut Program(bytes);
    let planner = TablePlanner {
        goal: Goal {
            strategy: [Strategy::Baseline, Strategy::Blind, Strategy::Symmetric][p.below(3)],
            rounds: p.byte(),
            target_fer: number(p),
            modulated: p.short().into(),
            shortened: p.short().into(),
        },
        table: [PRECISE, BALANCED, FAST][p.below(3)],
        order: ORDER,
    };
    let qber = (p.byte() & 3 != 0).then(|| number(p));
    let left = 1 + usize::from(p.short());
    let Ok(plan) = planner.plan(qber, left) else { return };

    let n = ORDER.n();
    let (mut punctured, mut shortened) = (vec![0; words_for(n)], vec![0; words_for(n)]);
    let pattern = ORDER.pattern(plan.punctured.into(), plan.shortened.into(), &mut punctured, &mut shortened);
    assert!(pattern.is_ok_and(|pattern| pattern.payload() <= left), "{plan:?} for {left} bits");
    let rounds = usize::from(planner.goal.rounds).clamp(1, MAX_ROUNDS);
    assert!(plan.steps().len() < rounds, "{plan:?} in {rounds} rounds");
    let fits = |step: u16| (1..=MAX_POSITIONS).contains(&step.into());
    assert!(plan.steps().iter().copied().all(fits));
    assert_eq!(plan.request > 0, planner.goal.strategy == Strategy::Symmetric);
}

/// A share mostly, or any number.
fn number(p: &mut Program<'_>) -> f64 {
    let (kind, high, low) = (p.byte(), p.short(), p.short());
    if kind == 0xff {
        return f32::from_bits(u32::from(high) << 16 | u32::from(low)).into();
    }
    f64::from(high) / 131_072.0
}
