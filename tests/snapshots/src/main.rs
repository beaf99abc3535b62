//! Measures how objects fall asleep and wake: `cargo run --release -p snapshots`, for all
//! languages, or for those that are named.

use std::time::Duration;

use component_snapshot::runtime::{Check, Packed, Restoring, Saving, Snapshot};
use guests::Language;
use snapshots::guest::Guest;
use snapshots::object::{Event, Object};
use snapshots::outside::Outside;

/// How often each thing is measured.
const ROUNDS: usize = 200;
/// What an object keeps in its memory, and how often that is measured.
const HEAPS_MIB: [usize; 3] = [1, 8, 64];
const HEAP_ROUNDS: usize = 30;

#[tokio::main(flavor = "current_thread")]
async fn main() -> wasmtime::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for language in Language::ALL {
        if wanted.is_empty() || wanted.iter().any(|name| name == language.name()) {
            measure(language).await?;
        }
    }
    Ok(())
}

async fn measure(language: Language) -> wasmtime::Result<()> {
    println!("\n{}", language.name());
    let guest = Guest::new(language).map_err(wasmtime::Error::from_anyhow)?;
    let outside = Outside::new(1);

    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.begin();
        guest.instantiate(&outside).await?;
        times.end();
    }
    times.print("instantiated");
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.begin();
        let mut object = Object::start(&guest, &outside).await?;
        object.deliver(&[count()]).await?;
        times.end();
    }
    times.print("fresh, first event answered");

    let mut object = Object::start(&guest, &outside).await?;
    let mut times = Times::default();
    for _ in 0..ROUNDS {
        times.begin();
        object.deliver(&[count()]).await?;
        times.end();
    }
    times.print("awake, event answered");

    let base = guest.base().await?;
    let compared = Saving {
        compare_with: Some(&base),
        ..Saving::default()
    };
    for (name, saving) in [
        ("saved", Saving::default()),
        ("saved by comparison", compared),
    ] {
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            times.begin();
            object.save(saving).await?;
            times.end();
        }
        times.print(&format!("{name}: {}", size(&object.save(saving).await?)));
    }
    for gap_pages_max in [2, 4, 16, 64] {
        let saving = Saving {
            gap_pages_max,
            ..Saving::default()
        };
        let snapshot = object.save(saving).await?;
        println!(
            "  gaps of {gap_pages_max} pages filled: {}",
            size(&snapshot)
        );
        wake_from_file(&guest, &outside, &snapshot).await?;
    }
    let snapshot = object.save(Saving::default()).await?;
    println!("  no gaps filled: {}", size(&snapshot));
    wake_from_file(&guest, &outside, &snapshot).await?;
    wake_from_ram(&guest, &outside, &snapshot).await?;
    for mebibytes in HEAPS_MIB {
        measure_heap(&guest, &outside, mebibytes).await?;
    }
    Ok(())
}

/// An object that keeps so much in its memory.
async fn measure_heap(guest: &Guest, outside: &Outside, mebibytes: usize) -> wasmtime::Result<()> {
    let mut object = Object::start(guest, outside).await?;
    let keep = Event {
        method: "POST",
        path: "read".into(),
        body: vec![vec![b'x'; mebibytes << 20]],
    };
    object.deliver(&[keep]).await?;
    let mut times = Times::default();
    for _ in 0..HEAP_ROUNDS {
        times.begin();
        object.save(Saving::default()).await?;
        times.end();
    }
    let snapshot = object.save(Saving::default()).await?;
    times.print(&format!("{mebibytes} MiB kept, saved: {}", size(&snapshot)));
    let file = tempfile::NamedTempFile::new()?;
    snapshot.write(&mut file.as_file(), b"bench")?;
    let mut times = Times::default();
    for _ in 0..HEAP_ROUNDS {
        times.begin();
        let mut snapshot = Snapshot::read(file.reopen()?, b"bench", Check::Head)?;
        // SAFETY: nobody writes the file, and memories are allocated on demand.
        unsafe { snapshot.map_from_file() };
        let mut object = Object::wake(guest, outside, &snapshot, Restoring::default()).await?;
        object.deliver(&[count()]).await?;
        times.end();
    }
    times.print(&format!("{mebibytes} MiB kept, first event answered"));
    Ok(())
}

/// The event that is measured: it counts in the database.
fn count() -> Event {
    Event {
        method: "POST",
        path: "kv".into(),
        body: Vec::new(),
    }
}

async fn wake_from_file(
    guest: &Guest,
    outside: &Outside,
    snapshot: &Snapshot,
) -> wasmtime::Result<()> {
    const NEVER: usize = usize::MAX;
    let file = tempfile::NamedTempFile::new()?;
    snapshot.write(&mut file.as_file(), b"bench")?;
    for (name, map_from_bytes, check) in [
        ("read", NEVER, Check::Head),
        ("read and checked", NEVER, Check::Everything),
        ("mapped from 256 KiB", 256 << 10, Check::Head),
        ("mapped from 64 KiB", 64 << 10, Check::Head),
        ("mapped", 0, Check::Head),
    ] {
        let (mut times, mut ready) = (Times::default(), Times::default());
        for _ in 0..ROUNDS {
            times.begin();
            ready.begin();
            let mut snapshot = Snapshot::read(file.reopen()?, b"bench", check)?;
            // SAFETY: nobody writes the file, and memories are allocated on demand.
            unsafe { snapshot.map_from_file() };
            let restoring = Restoring { map_from_bytes };
            let mut object = Object::wake(guest, outside, &snapshot, restoring).await?;
            ready.end();
            object.deliver(&[count()]).await?;
            times.end();
        }
        ready.print(&format!("  {name}: ready"));
        times.print(&format!("  {name}: first event answered"));
    }
    Ok(())
}

async fn wake_from_ram(
    guest: &Guest,
    outside: &Outside,
    snapshot: &Snapshot,
) -> wasmtime::Result<()> {
    let packed = Packed::new(snapshot)?;
    println!("  packed: {} KiB", packed.bytes() >> 10);
    let (mut plain_times, mut packed_times) = (Times::default(), Times::default());
    for _ in 0..ROUNDS {
        plain_times.begin();
        let mut object = Object::wake(guest, outside, snapshot, Restoring::default()).await?;
        object.deliver(&[count()]).await?;
        plain_times.end();
        packed_times.begin();
        let snapshot = packed.unpack()?;
        let mut object = Object::wake(guest, outside, &snapshot, Restoring::default()).await?;
        object.deliver(&[count()]).await?;
        packed_times.end();
    }
    plain_times.print("  in RAM: first event answered");
    packed_times.print("  packed in RAM: first event answered");
    Ok(())
}

fn size(snapshot: &Snapshot) -> String {
    format!(
        "{} KiB in {} pieces",
        snapshot.content_len() >> 10,
        snapshot.ranges()
    )
}

/// How much of a processor something takes each time. Unlike the time that passes, it
/// does not tell what else the machine does.
#[derive(Default)]
struct Times {
    begun: Duration,
    all: Vec<Duration>,
}

impl Times {
    fn begin(&mut self) {
        self.begun = processor_time();
    }

    fn end(&mut self) {
        self.all.push(processor_time() - self.begun);
    }

    fn print(mut self, what: &str) {
        self.all.sort_unstable();
        let at = |percent: usize| self.all[(self.all.len() - 1) * percent / 100].as_micros();
        println!("  {what}: {} µs (p99 {} µs)", at(50), at(99));
    }
}

/// Of this thread, which does everything.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
