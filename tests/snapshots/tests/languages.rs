//! Is an object of any language that sleeps now and then told from one that never
//! does? In both, the same happens; in the end even their memories are equal.

use component_snapshot::runtime::{Base, Check, Packed, Restoring, Saving, Snapshot};
use guests::Language;
use snapshots::dice::Dice;
use snapshots::guest::Guest;
use snapshots::object::{Event, Object};
use snapshots::outside::Outside;

/// One seed, to see a run again: `SEED=7 cargo test --test languages rust`.
fn seed() -> u64 {
    std::env::var("SEED").map_or(1, |seed| seed.parse().expect("SEED is a number"))
}

/// More steps for a longer run: `STEPS=10000`.
fn steps(default: u64) -> u64 {
    std::env::var("STEPS").map_or(default, |steps| steps.parse().expect("STEPS is a number"))
}

#[tokio::test]
async fn an_object_in_rust_is_the_same_after_it_slept() {
    soak(Language::Rust, 1000).await;
}

#[tokio::test]
async fn an_object_in_go_is_the_same_after_it_slept() {
    soak(Language::Go, 300).await;
}

#[tokio::test]
async fn an_object_in_javascript_is_the_same_after_it_slept() {
    soak(Language::JavaScript, 300).await;
}

#[tokio::test]
async fn an_object_in_python_is_the_same_after_it_slept() {
    soak(Language::Python, 200).await;
}

async fn soak(language: Language, default_steps: u64) {
    let guest = Guest::new(language).unwrap_or_else(|error| panic!("{error:#}"));
    let base = guest.base().await.unwrap();
    let (seed, steps) = (seed(), steps(default_steps));
    let mut dice = Dice::new(seed);
    let worlds = [Outside::new(seed), Outside::new(seed), Outside::new(seed)];
    let mut twin = Object::start(&guest, &worlds[0]).await.unwrap();
    let mut sleeper = Object::start(&guest, &worlds[1]).await.unwrap();
    // It sleeps when the sleeper does, always in the simplest way.
    let mut simple = Object::start(&guest, &worlds[2]).await.unwrap();
    let simply = Saving {
        compare_with: Some(&base),
        ..Saving::default()
    };
    let mut slept = 0;
    for step in 0..steps {
        let events = events(&mut dice);
        let about = || format!("{language:?}, seed {seed}, step {step}: {events:?}");
        let expected = twin.deliver(&events).await.unwrap();
        for object in [&mut sleeper, &mut simple] {
            assert_eq!(
                object.deliver(&events).await.unwrap(),
                expected,
                "{}",
                about()
            );
        }
        if dice.below(2) == 0 {
            let saving = Saving {
                compare_with: (dice.below(4) == 0).then_some(&base),
                gap_pages_max: dice.below(3) as u32,
            };
            let saved = sleeper.save(saving).await;
            let snapshot = saved.unwrap_or_else(|unsaved| panic!("{}: {unsaved}", about()));
            let snapshot = kept(snapshot, &mut dice);
            let restoring = Restoring {
                map_from_bytes: [1, 16 << 10, 256 << 10][dice.below(3) as usize],
            };
            sleeper = Object::wake(&guest, &worlds[1], &snapshot, restoring)
                .await
                .unwrap();
            let snapshot = simple.save(simply).await.unwrap();
            simple = Object::wake(&guest, &worlds[2], &snapshot, restoring)
                .await
                .unwrap();
            slept += 1;
        }
    }
    let sleepers_memory = memory(&mut sleeper, &base).await;
    assert!(
        sleepers_memory == memory(&mut simple, &base).await,
        "{language:?}, seed {seed}"
    );
    let twins_memory = memory(&mut twin, &base).await;
    let different = differences(&sleepers_memory, &twins_memory);
    assert!(
        different < DIFFERENCES_MAX,
        "{language:?}, seed {seed}: {different}"
    );
    println!("{language:?}: slept {slept} times in {steps} steps");
}

/// How much of its memory may differ from that of an object that never slept. Only
/// the numbers of handles do, of which a woken instance gives out the lowest ones
/// first; but runtimes keep tables and lists that are sorted by such numbers.
const DIFFERENCES_MAX: f64 = 0.01;

/// The part of all bytes that differs.
fn differences(one: &[u8], other: &[u8]) -> f64 {
    let different = one
        .iter()
        .zip(other)
        .filter(|(one, other)| one != other)
        .count();
    (different + one.len().abs_diff(other.len())) as f64 / one.len() as f64
}

/// All that the object has, as bytes.
async fn memory(object: &mut Object<'_>, base: &Base) -> Vec<u8> {
    let saving = Saving {
        compare_with: Some(base),
        ..Saving::default()
    };
    let mut bytes = Vec::new();
    object
        .save(saving)
        .await
        .unwrap()
        .write(&mut bytes, b"")
        .unwrap();
    bytes
}

/// What happens next: up to five events at the same time.
fn events(dice: &mut Dice) -> Vec<Event> {
    let mut events: Vec<Event> = (0..=dice.below(4)).map(|_| event(dice)).collect();
    if dice.below(4) == 0 {
        let bare = |path: &str| Event {
            method: "GET",
            path: path.into(),
            body: Vec::new(),
        };
        events.insert(0, bare("wait"));
        events.push(bare("release"));
    }
    events
}

fn event(dice: &mut Dice) -> Event {
    let (method, path) = match dice.below(12) {
        0..3 => ("POST", "echo".into()),
        3..5 => ("POST", "read".into()),
        5 => ("GET", "read".into()),
        6..8 => ("POST", "kv".into()),
        8..10 => ("GET", format!("sleep?ms={}", dice.below(50))),
        10 => ("GET", "started".into()),
        _ => ("GET", "who".into()),
    };
    let body = match method {
        "GET" => Vec::new(),
        _ => (0..dice.below(3)).map(|_| chunk(dice)).collect(),
    };
    Event { method, path, body }
}

fn chunk(dice: &mut Dice) -> Vec<u8> {
    let length = match dice.below(10) {
        0 => dice.below(100_000),
        _ => dice.below(500),
    };
    (0..length).map(|at| b'a' + (at % 26) as u8).collect()
}

/// The snapshot after it was kept somewhere.
fn kept(snapshot: Snapshot, dice: &mut Dice) -> Snapshot {
    let way = dice.below(4);
    match way {
        0 => snapshot,
        1 => Packed::new(&snapshot).unwrap().unpack().unwrap(),
        _ => {
            let mut file = tempfile::tempfile().unwrap();
            snapshot.write(&mut file, b"soak").unwrap();
            let mut snapshot = Snapshot::read(file, b"soak", Check::Everything).unwrap();
            if way == 3 {
                // SAFETY: nobody else has the file, and memories are allocated on demand.
                unsafe { snapshot.map_from_file() };
            }
            snapshot
        }
    }
}
