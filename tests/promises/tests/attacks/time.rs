//! Does an object take time from its neighbours?

use promises::{Attack, Neighbour, Site};

use crate::turn;

/// Never ends by itself.
const ENDLESS: &str =
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t";

#[tokio::test]
async fn neighbours_hardly_notice_fifty_statements_without_end() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 50, async |client, attacker, _| {
        client
            .harass(&format!("/fixture/slow-{attacker}/sql"), ENDLESS)
            .await;
    });
    neighbour.holds_beside(attack).await;
}

/// Nobody can know yet that these objects are slow.
#[tokio::test]
async fn neighbours_hardly_notice_slow_first_statements_of_fresh_objects() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let statement = ENDLESS.replace("FROM t)", "FROM t LIMIT 300000)");
    let attack = Attack::of(&abide, 8, move |client, attacker, count| {
        let statement = statement.clone();
        async move {
            let object = format!("fresh-{attacker}-{count}");
            assert_eq!(client.ask_sql(&object, &statement).await.number(), 300_000);
        }
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_scans_of_large_tables() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    for attacker in 0..4 {
        let path = format!("/fixture/large-{attacker}/fill?rows=200000");
        assert_eq!(abide.post(&path, "").await.number(), 200_000);
    }
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 16, async |client, attacker, _| {
        // What stands in no index, so that each row is looked at.
        let scan = "SELECT count(*) FROM big WHERE what LIKE '%9'";
        let object = format!("large-{}", attacker % 4);
        assert_eq!(client.ask_sql(&object, scan).await.number(), 20_000);
    });
    neighbour.holds_beside(attack).await;
}

/// One step of SQLite that takes long, between two of which nobody can stop it.
#[tokio::test]
async fn neighbours_hardly_notice_functions_of_sql_that_work_long() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 8, async |client, attacker, count| {
        let trim =
            "SELECT length(trim(printf('%.*c', 9000, 'b'), printf('%.*c', 8999, 'a') || 'b'))";
        let path = format!("/fixture/trims-{attacker}-{count}/sql");
        client.harass(&path, trim).await;
    });
    neighbour.holds_beside(attack).await;
}

/// Group by group of large strings, none of which is like another.
#[tokio::test]
async fn neighbours_hardly_notice_big_sorts() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 4, async |client, attacker, _| {
        let path = format!("/fixture/sorts-{attacker}/sql");
        client.harass(&path, crate::space::big_sort(200)).await;
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_objects_that_spin() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\ncpu_ms_max = 60000").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 16, async |client, attacker, _| {
        client
            .harass(&format!("/fixture/spins-{attacker}/spin"), "")
            .await;
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_objects_that_yield_for_ever() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\ncpu_ms_max = 60000").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 16, async |client, attacker, _| {
        let how = ["yield-for-ever", "yield-for-ever-at-once"][attacker % 2];
        client
            .harass(&format!("/fixture/yields-{attacker}/{how}"), "")
            .await;
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_a_storm_of_traps() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 16, async |client, attacker, _| {
        let path = format!("/fixture/traps-{attacker}/trap");
        client.get(&path).await.is_error("reset", "");
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_chatty_objects_whose_log_nobody_reads() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    abide.stall_log();
    let attack = Attack::of(&abide, 8, async |client, attacker, _| {
        let path = format!("/fixture/chats-{attacker}/print-for?ms=100");
        client.harass(&path, "").await;
    });
    neighbour.holds_beside(attack).await;
}

/// One event has many objects woken, again and again.
#[tokio::test]
async fn neighbours_hardly_notice_an_object_that_wakes_thousands() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\nidle_timeout_ms = 300").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 1, async |client, _, count| {
        // Others each time.
        let bytes = count % 500;
        let path = format!("/fixture/caller/ask-of-long-names?count=2000&bytes={bytes}");
        client.harass(&path, "").await;
    });
    neighbour.holds_beside(attack).await;
}
