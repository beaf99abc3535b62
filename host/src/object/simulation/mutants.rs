//! Faults that the simulation can be given, and whether it finds them.

use super::{plan_of, run};

/// A promise that is broken on purpose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutant {
    ReleasesBeforeDurable,
    SaysTwice,
    LosesUndoneReplies,
    ProofWaitsBehindChunk,
    SectionIgnoresNewcomers,
    SectionKeepsOutItsOwn,
    EventsOvertakeWaits,
    TwoEnterARound,
    AbsentBlocksQueue,
    CalledIsNotWoken,
    TrapCommits,
    WaitsEndBeforeTheCommit,
    CommitsWhenPreempted,
    IgnoresFailedSync,
    KeepsUnproven,
    IdleWhileBackgroundRuns,
    BlockedTooEarly,
    SectionUnnoticed,
    ToldUnnoticed,
    ForgetsMail,
    FullStaysAsleep,
}

/// Each of them is found within so many runs.
const SEEDS_MAX: u64 = 5_000;

/// The checker finds `mutant`, and says something with `words` of it.
fn check(mutant: Mutant, words: &str) {
    let found = (0..SEEDS_MAX).find_map(|seed| {
        let fault = run(plan_of(seed), seed, Some(mutant)).err()?;
        Some((seed, fault))
    });
    let (seed, fault) = found.unwrap_or_else(|| panic!("{mutant:?} is not found"));
    assert!(fault.contains(words), "seed {seed}: {mutant:?}: {fault}");
}

#[test]
fn output_before_its_commit_is_durable_is_found() {
    check(Mutant::ReleasesBeforeDurable, "which is not durable");
}

#[test]
fn output_that_is_said_twice_is_found() {
    check(Mutant::SaysTwice, "twice");
}

#[test]
fn a_reply_lost_with_its_turn_is_found() {
    check(Mutant::LosesUndoneReplies, "waits though");
}

#[test]
fn a_proof_that_waits_behind_a_chunk_is_found() {
    check(Mutant::ProofWaitsBehindChunk, "Proof");
}

#[test]
fn an_event_that_enters_a_section_is_found() {
    check(Mutant::SectionIgnoresNewcomers, "a section holds it back");
}

#[test]
fn an_event_that_its_section_keeps_out_is_found() {
    check(Mutant::SectionKeepsOutItsOwn, "Within");
}

#[test]
fn an_event_that_overtakes_waits_is_found() {
    check(Mutant::EventsOvertakeWaits, "");
}

#[test]
fn two_that_enter_in_a_round_are_found() {
    check(Mutant::TwoEnterARound, "in the round of");
}

#[test]
fn one_that_is_called_and_blocks_the_queue_is_found() {
    check(Mutant::AbsentBlocksQueue, "");
}

#[test]
fn one_that_is_called_and_not_woken_is_found() {
    check(Mutant::CalledIsNotWoken, "");
}

#[test]
fn a_failed_turn_that_is_committed_is_found() {
    check(Mutant::TrapCommits, "a turn that failed");
}

#[test]
fn a_wait_that_ends_before_what_was_written_is_committed_is_found() {
    check(Mutant::WaitsEndBeforeTheCommit, "goes on before");
}

#[test]
fn a_commit_in_the_middle_of_a_turn_is_found() {
    check(Mutant::CommitsWhenPreempted, "in its middle");
}

#[test]
fn a_failed_sync_that_is_ignored_is_found() {
    check(Mutant::IgnoresFailedSync, "not durable");
}

#[test]
fn what_is_kept_after_a_failed_sync_is_found() {
    check(Mutant::KeepsUnproven, "after a failed sync");
}

#[test]
fn leaving_while_something_runs_is_found() {
    check(Mutant::IdleWhileBackgroundRuns, "");
}

#[test]
fn a_limit_that_strikes_early_is_found() {
    check(Mutant::BlockedTooEarly, "already");
}

#[test]
fn a_section_that_lasts_too_long_is_found() {
    check(Mutant::SectionUnnoticed, "a section lasts");
}

#[test]
fn an_instance_that_does_not_leave_when_told_is_found() {
    check(Mutant::ToldUnnoticed, "leaving lasts");
}

#[test]
fn an_event_that_comes_as_its_object_leaves_is_found() {
    check(Mutant::ForgetsMail, "no answer");
}

#[test]
fn an_object_that_stays_asleep_after_a_slow_sync_is_found() {
    check(Mutant::FullStaysAsleep, "");
}
