//! Does an alarm run when it is due, as often as it must, and never without its data?

use std::time::{Duration, Instant, SystemTime};

use promises::{Abide, Site, until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::seed;

const SLEEPY: &str = "[limits]\nidle_timeout_ms = 50";

async fn runs(abide: &Abide, object: &str) -> String {
    abide.get(&format!("/clock/{object}/runs")).await.ok()
}

/// Waits until the handler has run so often.
async fn ran(abide: &Abide, object: &str, times: usize) -> String {
    // Who asks while a handler fails may fail with it.
    until("the handler has run", async || {
        let answer = abide.get(&format!("/clock/{object}/runs")).await;
        answer.status == 200 && answer.text().lines().count() >= times
    })
    .await;
    runs(abide, object).await
}

/// What the handler finds in each run, when its runs follow this plan and the alarm is
/// set for now.
async fn check(plan: &str, expected: &str) {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "ann", 0, plan).await;
    let expected = expected.replace("; ", "\n") + "\n";
    assert_eq!(ran(&abide, "ann", expected.lines().count()).await, expected);
    // It does not run once more.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runs(&abide, "ann").await, expected);
}

async fn set(abide: &Abide, object: &str, in_ms: i64, plan: &str) -> u64 {
    let url = format!("/clock/{object}/set?in={in_ms}&plan={plan}&also=set");
    abide.get(&url).await.number()
}

fn now_ms() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("it is after 1970");
    since.as_millis() as u64
}

#[tokio::test]
async fn an_alarm_wakes_an_object_that_sleeps_at_its_time_and_once() {
    let abide = Site::alarm_clock(SLEEPY).serve();
    let time_ms = set(&abide, "ann", 1_500, "").await;
    assert_eq!(abide.get("/clock/ann/time").await.number(), time_ms);
    assert_eq!(runs(&abide, "ann").await, "");
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let found = runs(&abide, "ann").await;
    assert!(
        found.is_empty() || now_ms() >= time_ms,
        "it is not time yet"
    );
    assert_eq!(ran(&abide, "ann", 1).await, "0 false ann none\n");
    assert!(now_ms() >= time_ms);
    assert_eq!(abide.get("/clock/ann/scheduled").await.number(), time_ms);
    assert_eq!(abide.get("/clock/ann/get").await.ok(), "none");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(runs(&abide, "ann").await, "0 false ann none\n");
}

#[tokio::test]
async fn a_time_that_has_passed_runs_at_once() {
    let abide = Site::alarm_clock("").serve();
    assert_eq!(abide.get("/clock/ann/set-at?at=1").await.ok(), "set");
    ran(&abide, "ann", 1).await;
}

#[tokio::test]
async fn times_that_are_none_and_classes_without_a_handler_are_refused() {
    let abide = Site::alarm_clock("").serve();
    for at in ["0", "-5"] {
        let refusal = abide.get(&format!("/clock/ann/set-at?at={at}")).await;
        refusal.is_error(
            "exception",
            "setAlarm() cannot be called with an alarm time <= 0",
        );
    }
    assert_eq!(abide.get("/clock/ann/get").await.ok(), "none");
    let abide = Site::fixture("").serve();
    let refusal = abide.get("/fixture/ann/set-alarm").await;
    refusal.is_error(
        "exception",
        "Your Durable Object class must have an alarm() handler in order to call setAlarm()",
    );
}

#[tokio::test]
async fn an_alarm_that_is_set_anew_or_deleted_does_not_run() {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "moved", 400, "").await;
    let later_ms = set(&abide, "moved", 3_600_000, "").await;
    set(&abide, "deleted", 400, "").await;
    abide.get("/clock/deleted/delete").await.ok();
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(abide.get("/clock/moved/time").await.number(), later_ms);
    assert_eq!(abide.get("/clock/deleted/get").await.ok(), "none");
    for object in ["moved", "deleted"] {
        assert_eq!(runs(&abide, object).await, "", "{object}");
    }
}

#[tokio::test]
async fn a_failure_is_tried_again_and_keeps_what_it_wrote() {
    for failure in ["fail", "trap", "abort"] {
        let abide = Site::alarm_clock("").serve();
        // One that is set for now may be set for a millisecond later.
        let time_ms = set(&abide, "ann", 200, &format!("put,{failure};")).await;
        assert_eq!(
            ran(&abide, "ann", 1).await,
            "0 false ann none\n",
            "{failure}"
        );
        let begin = Instant::now();
        // While it waits it is the same alarm.
        assert_eq!(abide.get("/clock/ann/time").await.number(), time_ms);
        let also = abide.get("/clock/ann/also").await.ok();
        assert_eq!(also, if failure == "fail" { "put" } else { "set" });
        let both = "0 false ann none\n1 true ann none\n";
        assert_eq!(ran(&abide, "ann", 2).await, both, "{failure}");
        let waited = begin.elapsed();
        assert!(
            waited > Duration::from_millis(1_500),
            "{failure}: {waited:?}"
        );
        assert_eq!(abide.get("/clock/ann/scheduled").await.number(), time_ms);
        assert_eq!(abide.get("/clock/ann/get").await.ok(), "none");
    }
}

#[tokio::test]
async fn a_section_that_fails_is_tried_again() {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "ann", 0, "fail-section;").await;
    // Whoever waits then gets its error.
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let both = "0 false ann none\n1 true ann none\n";
    assert_eq!(ran(&abide, "ann", 2).await, both);
}

#[tokio::test]
async fn an_abort_may_ask_for_no_retry() {
    check("abort-for-good", "0 false ann none").await;
}

#[tokio::test]
async fn what_the_handler_sets_runs_next_and_is_not_taken_for_the_one_that_runs() {
    check("set:0;", "0 false ann none; 0 false ann none").await;
    check(
        "sleep:200,set:0,sleep:200;",
        "0 false ann none; 0 false ann none",
    )
    .await;
    // It replaces the retry.
    check("set:0,fail;", "0 false ann none; 0 false ann none").await;
    check("roll-back-a-set", "0 false ann none").await;
}

#[tokio::test]
async fn what_the_handler_deletes_is_not_tried_again() {
    check("delete,fail", "0 false ann none").await;
    check("set:0,delete,fail", "0 false ann none").await;
}

#[tokio::test]
async fn a_handler_that_deletes_everything_deletes_its_alarm() {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "ann", 0, "delete-all,put,fail").await;
    until("the handler has run", async || {
        abide.get("/clock/ann/also").await.ok() == "put"
    })
    .await;
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    assert_eq!(runs(&abide, "ann").await, "");
    assert_eq!(abide.get("/clock/ann/get").await.ok(), "none");
}

#[tokio::test]
async fn a_retry_that_is_deleted_does_not_run() {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "ann", 0, "fail").await;
    ran(&abide, "ann", 1).await;
    assert_eq!(abide.get("/clock/ann/get").await.ok(), "set");
    abide.get("/clock/ann/delete").await.ok();
    tokio::time::sleep(Duration::from_millis(3_000)).await;
    assert_eq!(runs(&abide, "ann").await, "0 false ann none\n");
}

#[tokio::test]
async fn a_handler_that_leaves_a_transaction_open_fails() {
    let abide = Site::alarm_clock("").serve();
    set(&abide, "ann", 0, "leave-a-transaction-open;").await;
    assert_eq!(
        ran(&abide, "ann", 2).await,
        "0 false ann none\n1 true ann none\n"
    );
}

#[tokio::test]
async fn a_handler_that_takes_too_long_fails() {
    let abide = Site::alarm_clock("[limits]\nalarm_ms_max = 300").serve();
    set(&abide, "ann", 0, "sleep:60000;").await;
    assert_eq!(
        ran(&abide, "ann", 2).await,
        "0 false ann none\n1 true ann none\n"
    );
    assert!(
        abide
            .log()
            .contains("Alarm exceeded its allowed execution time")
    );
}

#[tokio::test]
async fn a_constructor_that_fails_delays_the_alarm_uncounted() {
    let site = Site::alarm_clock(SLEEPY);
    let abide = site.serve();
    abide.get("/clock/ann/set?in=300&unborn=1&plan=").await.ok();
    let begin = Instant::now();
    // It must not be asked meanwhile: that would wake it too.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(ran(&abide, "ann", 1).await, "0 false ann none\n");
    assert!(begin.elapsed() > Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_turn_that_is_undone_sets_no_alarm() {
    let abide = Site::alarm_clock("").serve();
    assert_eq!(abide.get("/clock/ann/set-then-trap").await.status, 500);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(abide.get("/clock/ann/get").await.ok(), "none");
    assert_eq!(runs(&abide, "ann").await, "");
}

#[tokio::test]
async fn retries_go_on_after_a_kill() {
    let site = Site::alarm_clock("");
    let abide = site.serve();
    set(&abide, "ann", 0, "fail;fail;").await;
    ran(&abide, "ann", 2).await;
    abide.kill();
    let abide = site.serve();
    let all = "0 false ann none\n1 true ann none\n2 true ann none\n";
    assert_eq!(ran(&abide, "ann", 3).await, all);
}

#[tokio::test]
async fn an_alarm_that_ran_when_the_server_was_killed_runs_again() {
    let site = Site::alarm_clock("");
    let abide = site.serve();
    set(&abide, "ann", 0, "sleep:60000;").await;
    ran(&abide, "ann", 1).await;
    abide.kill();
    let abide = site.serve();
    assert_eq!(
        ran(&abide, "ann", 2).await,
        "0 false ann none\n0 false ann none\n"
    );
}

/// Serves `o0` to `o199`, whose alarms became due while no server ran.
async fn serve_with_overdue_alarms() -> (Site, Abide) {
    for lead_ms in [1_500, 6_000, 24_000] {
        let lead = Duration::from_millis(lead_ms);
        let site = Site::alarm_clock("");
        let abide = site.serve();
        let begin = Instant::now();
        for n in 0..200 {
            set(&abide, &format!("o{n}"), lead_ms as i64, "").await;
        }
        abide.kill();
        // On a busy machine the first ones may have run before the last were set.
        if begin.elapsed() < lead {
            tokio::time::sleep(lead).await;
            let abide = site.serve();
            return (site, abide);
        }
    }
    panic!("200 alarms could not be set within 24 seconds");
}

#[tokio::test]
async fn overdue_alarms_run_at_the_start_once_each_under_their_names() {
    let (_site, abide) = serve_with_overdue_alarms().await;
    for n in 0..200 {
        let (object, found) = (format!("o{n}"), ran(&abide, &format!("o{n}"), 1).await);
        assert_eq!(found, format!("0 false {object} none\n"));
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    for n in 0..200 {
        assert_eq!(
            abide.get(&format!("/clock/o{n}/run-count")).await.number(),
            1
        );
    }
}

/// The answers that came are promises; of the others, data and alarm are both there or
/// neither is.
#[tokio::test]
async fn slow_a_kill_at_any_time_leaves_data_and_alarm_or_neither() {
    let mut chance = StdRng::seed_from_u64(seed());
    let site = Site::alarm_clock("");
    for round in 0..12 {
        let abide = site.serve();
        let client = abide.client();
        let sets = tokio::spawn(async move {
            let mut acknowledged = 0;
            for n in 0.. {
                let url = format!("/clock/r{round}-{n}/set?in=0&also=set&plan=");
                match client.try_post(&url).await {
                    Ok(_) => acknowledged = n + 1,
                    Err(_) => break,
                }
            }
            acknowledged
        });
        tokio::time::sleep(Duration::from_millis(chance.random_range(20..300))).await;
        abide.kill();
        let acknowledged: usize = sets.await.expect("it ends with the server");
        let abide = site.serve();
        // One more may have come to be without an answer.
        for n in 0..=acknowledged {
            let object = format!("r{round}-{n}");
            let has_data = abide.get(&format!("/clock/{object}/also")).await.ok() == "set";
            assert!(has_data || n == acknowledged, "{object} lost its data");
            match has_data {
                true => drop(ran(&abide, &object, 1).await),
                false => {
                    let is_set = abide.get(&format!("/clock/{object}/get")).await.ok();
                    assert_eq!(is_set, "none", "{object}");
                }
            }
        }
    }
}

#[tokio::test]
async fn an_index_that_was_lost_or_damaged_is_made_anew() {
    let site = Site::alarm_clock("");
    let index = site.data().join("alarms.sqlite");
    let losses: [&dyn Fn(); 2] = [
        &|| std::fs::remove_file(&index).expect("it is there"),
        &|| std::fs::write(&index, "no database").expect("it is there"),
    ];
    for (round, lose) in losses.into_iter().enumerate() {
        let abide = site.serve();
        for n in 0..50 {
            set(&abide, &format!("r{round}-{n}"), 1_500, "").await;
        }
        abide.kill();
        lose();
        let _ = std::fs::remove_file(index.with_extension("sqlite-wal"));
        let abide = site.serve();
        for n in 0..50 {
            ran(&abide, &format!("r{round}-{n}"), 1).await;
        }
        abide.says("looked for alarms in all databases").await;
        assert!(abide.stop().await.success());
    }
}

#[tokio::test]
async fn objects_whose_alarms_are_not_due_have_no_instance() {
    let abide = Site::alarm_clock(SLEEPY).serve();
    set(&abide, "first", 3_600_000, "").await;
    let before = mappings(&abide);
    for n in 0..300 {
        set(&abide, &format!("o{n}"), 3_600_000, "").await;
    }
    // An instance takes at least one.
    until("the objects have left", async || {
        mappings(&abide) < before + 100
    })
    .await;
}

/// They wait for something, and need no more than to be left alone.
#[tokio::test]
async fn alarms_do_not_wait_for_objects_that_are_slow_to_wake() {
    let abide = Site::alarm_clock(SLEEPY).serve();
    for n in 0..40 {
        let url = format!("/clock/slow-{n}/set?in=3000&plan=&slow=20000");
        abide.get(&url).await.number();
    }
    // Due when all of those are, and fetched behind them.
    let due_ms = set(&abide, "quick", 3_500, "").await;
    ran(&abide, "quick", 1).await;
    let late_ms = now_ms().saturating_sub(due_ms);
    assert!(late_ms < 15_000, "the alarm was {late_ms} ms late");
}

/// Mappings in the memory of the process.
fn mappings(abide: &Abide) -> usize {
    let path = format!("/proc/{}/maps", abide.pid());
    let maps = std::fs::read_to_string(path).expect("the server runs");
    maps.lines().count()
}

#[tokio::test]
async fn slow_thousands_that_are_overdue_do_not_stall_requests() {
    let site = Site::alarm_clock(SLEEPY);
    let abide = site.serve();
    let begin = now_ms();
    for n in 0..3_000 {
        set(&abide, &format!("o{n}"), 20_000, "").await;
    }
    abide.kill();
    let left = (begin + 40_000).saturating_sub(now_ms());
    tokio::time::sleep(Duration::from_millis(left)).await;
    let abide = site.serve();
    let mut took = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        abide.get("/clock/other/get").await.ok();
        took.push(begin.elapsed());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    took.sort();
    println!("median {:?}, slowest {:?}", took[100], took[199]);
    assert!(took[180] < Duration::from_millis(100), "{:?}", took[180]);
    for n in 0..3_000 {
        ran(&abide, &format!("o{n}"), 1).await;
    }
}
