//! The least plan in which a fault is still found.

use super::script::{Op, Plan};
use super::{Mutant, run};

/// Takes away from `plan` what it does without, and says what it breaks.
pub fn least(mut plan: Plan, seed: u64, mutant: Option<Mutant>) -> (Plan, String) {
    let mut fault = run(plan.clone(), seed, mutant).expect_err("it has a fault");
    loop {
        let smaller = smaller_than(&plan)
            .into_iter()
            .find_map(|plan| Some((run(plan.clone(), seed, mutant).err()?, plan)));
        match smaller {
            Some(found) => (fault, plan) = found,
            None => return (plan, fault),
        }
    }
}

/// All plans that say one thing less.
fn smaller_than(plan: &Plan) -> Vec<Plan> {
    let mut smaller = Vec::new();
    for index in 0..plan.happens.len() {
        let mut one = plan.clone();
        one.happens.remove(index);
        smaller.push(one);
    }
    for (number, ops) in plan.events.iter().enumerate() {
        for ops in shorter_than(ops) {
            let mut one = plan.clone();
            one.events[number] = ops;
            smaller.push(one);
        }
    }
    for constructor in shorter_than(&plan.constructor) {
        let plan = plan.clone();
        smaller.push(Plan {
            constructor,
            ..plan
        });
    }
    smaller
}

/// All scripts without one step; what is not opened is not closed either.
fn shorter_than(ops: &[Op]) -> Vec<Vec<Op>> {
    let mut shorter = Vec::new();
    for index in (0..ops.len()).filter(|index| !closes(ops[*index])) {
        let mut one = ops.to_vec();
        if let (true, Some(end)) = (opens(ops[index]), end_of(ops, index)) {
            one.remove(end);
        }
        one.remove(index);
        shorter.push(one);
    }
    shorter
}

/// Where that ends which is opened at `start`.
fn end_of(ops: &[Op], start: usize) -> Option<usize> {
    let mut depth = 0;
    ops.iter().enumerate().skip(start).find_map(|(index, op)| {
        depth += i32::from(opens(*op)) - i32::from(closes(*op));
        (depth == 0).then_some(index)
    })
}

fn opens(op: Op) -> bool {
    matches!(op, Op::OpenSection | Op::Begin | Op::Savepoint)
}

fn closes(op: Op) -> bool {
    use Op::*;
    matches!(
        op,
        CloseSection | FailSection | Commit | Rollback | Release | Undo
    )
}
