//! Does an object take memory, disk or places from its neighbours?

use std::os::unix::process::CommandExt;
use std::path::Path;

use futures::future::join_all;
use promises::{Attack, Neighbour, Site};

use crate::turn;

/// Sorts so many strings of 1.8 MB.
pub fn big_sort(strings: u32) -> String {
    format!(
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t LIMIT {strings})
         SELECT count(*) FROM t GROUP BY n || hex(zeroblob(900000)) LIMIT 1"
    )
}

#[tokio::test]
async fn neighbours_hardly_notice_objects_that_hoard_memory() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 8, async |client, attacker, _| {
        let object = format!("/fixture/hoards-{attacker}");
        client
            .harass(&format!("{object}/hoard?bytes=60000000"), "")
            .await;
        client.harass(&format!("{object}/trap"), "").await;
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_large_results() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let fill = "/fixture/large/fill?rows=300000";
    assert_eq!(abide.post(fill, "").await.number(), 300_000);
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 8, async |client, _, _| {
        client
            .harass("/fixture/large/sql", "SELECT n, what FROM big")
            .await;
    });
    neighbour.holds_beside(attack).await;
}

#[tokio::test]
async fn neighbours_hardly_notice_cursors_that_nobody_closes() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    for attacker in 0..8 {
        let path = format!("/fixture/leaks-{attacker}/fill?rows=1000");
        assert_eq!(abide.post(&path, "").await.number(), 1_000);
    }
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 8, async |client, attacker, _| {
        // More than may be open: what is refused does not end the attack.
        client
            .harass(
                &format!("/fixture/leaks-{attacker}/leak-cursors?count=70"),
                "",
            )
            .await;
        client
            .harass(&format!("/fixture/leaks-{attacker}/entry?bytes=100000"), "")
            .await;
    });
    neighbour.holds_beside(attack).await;
}

/// An event that leaks a cursor goes on meanwhile, so that the object is never quiet.
#[tokio::test]
async fn a_cursor_that_nobody_closes_does_not_let_an_object_take_the_disk() {
    let _turn = turn().await;
    let site = Site::fixture("[limits]\nstorage_bytes_max = 8388608");
    let abide = site.serve();
    abide.post("/fixture/a/fill?rows=1000", "").await.ok();
    let (client, holder) = (abide.client(), abide.client());
    let leaking = tokio::spawn(async move { client.get("/fixture/a/leak-and-hold").await });
    promises::until("the cursor is open", async || {
        holder.get("/fixture/a/events").await.number() > 2
    })
    .await;
    // A host may refuse writes, or end the cursor.
    for _ in 0..200 {
        abide.post("/fixture/a/entry?bytes=500000", "").await;
    }
    let bytes = bytes_below(site.data());
    abide.get("/fixture/a/release").await;
    let _ = leaking.await;
    println!("the data take {bytes} bytes");
    assert!(
        bytes < 40_000_000,
        "100 MB of overwrites left {bytes} bytes"
    );
}

/// Sorting what does not fit into the memory of an object is its affair alone.
#[tokio::test]
async fn a_big_sort_does_not_take_the_memory_of_the_machine() {
    let _turn = turn().await;
    let abide = Site::fixture("[limits]\nmemory_bytes_max = 33554432").serve();
    assert_eq!(abide.get("/fixture/a/events").await.number(), 1);
    let before = abide.resident_bytes_at_most();
    let _ = abide.ask_sql("a", &big_sort(500)).await;
    let grown = abide.resident_bytes_at_most() - before;
    println!("a sort of 900 MB took {grown} bytes at most");
    assert!(grown < 400_000_000, "a sort of 900 MB took {grown} bytes");
}

/// One event goes on for ever while others of the object stream their answers. The pools
/// that they take from grow with the peak, ever less; 300 bytes left of each would be 19 MB.
#[tokio::test]
async fn streamed_answers_leave_nothing_behind_while_another_event_goes_on() {
    let _turn = turn().await;
    let abide = Site::fixture("").serve();
    let mut events = abide.open("/fixture/a/stream?chunks=1000000&ms=1000").await;
    assert!(events.next().await.is_ok_and(|line| line.is_some()));
    let stream_often = async |times: usize| {
        let many = (0..16).map(|_| async {
            for _ in 0..times / 16 {
                assert_eq!(
                    abide.get("/fixture/a/stream?chunks=1&ms=0").await.ok(),
                    "1\n"
                );
            }
        });
        join_all(many).await;
    };
    stream_often(64_000).await;
    let resident_bytes = abide.resident_bytes();
    stream_often(64_000).await;
    let grown = abide.resident_bytes().saturating_sub(resident_bytes);
    println!("64,000 streamed answers left {grown} bytes");
    assert!(
        grown < 6_000_000,
        "64,000 streamed answers left {grown} bytes"
    );
}

/// More objects want to be live than may be, and those that are have work.
#[tokio::test]
async fn neighbours_hardly_notice_thousands_that_wait_for_a_place() {
    let _turn = turn().await;
    raise_open_files();
    let abide = Site::fixture("").serve_with(|command| {
        // SAFETY: only a system call that may be made between fork and exec.
        unsafe { command.pre_exec(|| limit_open_files(9_000, 9_000)) };
    });
    // The neighbours have work too, or they would be asked to make room.
    let busy = Attack::of(&abide, 2, async |client, neighbour, _| {
        let name = ["neighbour", "writing-neighbour"][neighbour];
        client
            .harass(&format!("/fixture/{name}/sleep?ms=50000"), "")
            .await;
    });
    let neighbour = Neighbour::alone(&abide).await;
    let attack = Attack::of(&abide, 3_000, async |client, attacker, _| {
        let path = format!("/fixture/crowd-{attacker}/sleep?ms=30000");
        client.harass(&path, "").await;
    });
    // Until all have come.
    tokio::time::sleep(std::time::Duration::from_secs(8)).await;
    neighbour.holds_beside(attack).await;
    drop(busy);
}

fn raise_open_files() {
    limit_open_files(20_000, 20_000).expect("this test needs 20,000 open files (ulimit -n)");
}

fn limit_open_files(soft: u64, hard: u64) -> std::io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the call only reads the structure.
    match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
