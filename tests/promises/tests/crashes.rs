//! Does everything that was acknowledged survive `kill -9`?

use std::collections::BTreeMap;
use std::time::Duration;

use promises::{Ledger, Site};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::workload::{Load, Shape, check, seed};

const ROUNDS: u32 = 30;

#[tokio::test]
async fn slow_thirty_kills_lose_nothing_that_was_acknowledged_and_invent_nothing() {
    let seed = seed();
    let mut chance = StdRng::seed_from_u64(seed);
    // Objects also fall asleep and wake between the kills.
    let site = Site::fixture("[limits]\nidle_timeout_ms = 50");
    let shape = Shape {
        clients: 16,
        counters: 24,
        archives: 8,
        payload_bytes_max: 60_000,
        errors_expected: false,
    };
    let mut counts = BTreeMap::new();
    let mut acknowledged = 0;
    for round in 1..=ROUNDS {
        let abide = site.serve();
        let load = Load::begin(
            &abide,
            &shape,
            Ledger::holding(&counts),
            seed ^ u64::from(round) << 32,
            || 0,
        );
        tokio::time::sleep(Duration::from_millis(chance.random_range(20..600))).await;
        abide.kill();
        let ledger = load.end().await;

        let abide = site.serve();
        counts = check(&abide, &ledger, u64::MAX).await;
        acknowledged = ledger.acknowledged();
        // Every other round goes on with the server that has read everything.
        if round % 2 == 0 {
            abide.kill();
        }
    }
    println!("{acknowledged} acknowledged increments survived {ROUNDS} kills");
    assert!(
        acknowledged > 1000,
        "so few requests prove nothing: {acknowledged}"
    );
}

#[tokio::test]
async fn a_kill_between_two_answers_keeps_both_objects() {
    let site = Site::fixture("");
    let abide = site.serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    assert_eq!(abide.post("/fixture/b/add-in-sql", "").await.number(), 1);
    abide.kill();
    let abide = site.serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 2);
    assert_eq!(abide.post("/fixture/b/add-in-sql", "").await.number(), 2);
}

/// A body that reveals writes is an acknowledgement, chunk by chunk.
#[tokio::test]
async fn a_kill_amid_a_streamed_answer_keeps_what_its_chunks_revealed() {
    let site = Site::fixture("");
    let abide = site.serve();
    let mut stream = abide
        .open("/fixture/a/stream-of-writes?chunks=100000&ms=0")
        .await;
    let lines = String::from_utf8(stream.read(2000).await.expect("chunks")).expect("text");
    abide.kill();
    let seen: u64 = lines
        .rsplit('\n')
        .nth(1)
        .expect("a whole line")
        .parse()
        .expect("a number");
    let kept = site.serve().get("/fixture/a/read").await.number();
    assert!(
        kept >= seen,
        "the client saw {seen}, the object holds {kept}"
    );
}
