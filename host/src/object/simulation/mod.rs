//! Does an object keep its promises, whatever happens in whatever order?
//!
//! A seeded simulation of one object in virtual time. The modules that decide are
//! the real ones: mailbox, admission, deadlines, output gate, stack of transactions.
//! What they are driven by is a small model of its own: `world` of the object's task,
//! the committer and the clock, `turn` and `instance` of the event loop, `outlet`,
//! `disk`, and `guest` of the object's code, which runs the scripts of a `Plan`.
//!
//! ```text
//! seed ─► Plan ─► World: what happens next? ─► turns ─► Checker: a promise is broken?
//! ```
//!
//! `SIMULATION_SEED=7 cargo test -p abide simulation` runs one seed, and
//! `SIMULATION_SEEDS=100000` more of them than usual. A fault is told with the least
//! plan in which it is found.
//!
//! Each promise has a `Mutant` that breaks it: a checker that has never found a fault
//! is not trusted.

mod checker;
mod dice;
mod disk;
mod guest;
mod instance;
mod mutants;
mod order;
mod outlet;
mod patience;
mod script;
mod shrink;
mod turn;
mod world;

use dice::Dice;
use mutants::Mutant;
use script::Plan;
use world::World;

/// Runs in the usual test: some seconds of work.
const SEEDS: u64 = 5_000;

/// Runs what `plan` says; what it leaves open is decided by `seed`.
fn run(plan: Plan, seed: u64, mutant: Option<Mutant>) -> Result<(), String> {
    World::new(plan, Dice::new(seed), mutant).run_until_quiet()
}

fn plan_of(seed: u64) -> Plan {
    Plan::random(&mut Dice::new(!seed))
}

fn number_from(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("it is a number"))
}

#[test]
fn an_object_keeps_its_promises_whatever_happens() {
    let seeds = match number_from("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number_from("SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        if let Err(fault) = run(plan_of(seed), seed, None) {
            let (plan, least) = shrink::least(plan_of(seed), seed, None);
            panic!("SIMULATION_SEED={seed}: {fault}\nleast: {least}\n{plan:?}");
        }
    }
}

#[test]
fn a_seed_always_gives_the_same_run() {
    let run = |seed| {
        format!(
            "{:?}",
            World::new(plan_of(seed), Dice::new(seed), None).trace()
        )
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
