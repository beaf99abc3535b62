//! Random calls, in an instance that sleeps now and then and in one that never does.

use std::fs::File;

use component_snapshot::runtime::{Check, Packed, Saving, Snapshot};

use crate::world::{Guest, Live};

/// Memory that is read and written at random, which also grows, and a global.
const SCRAMBLER: &str = r#"
(component
  (core module $module
    (memory 3 40)
    (global $sum (mut i64) (i64.const 1))
    (data (i32.const 5000) "what was there before")
    (data (i32.const 150000) "and here")
    (func (export "write") (param $at i32) (param $value i64) (result i64)
      (local.set $at (i32.rem_u (local.get $at) (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 8))))
      (global.set $sum (i64.add (i64.rotl (global.get $sum) (i64.const 5)) (i64.load (local.get $at))))
      (i64.store (local.get $at) (local.get $value))
      (global.get $sum))
    (func (export "fill") (param $at i32) (param $length i32) (param $value i32) (result i32)
      (local.set $at (i32.rem_u (local.get $at) (i32.shl (memory.size) (i32.const 16))))
      (if (i32.gt_u (i32.add (local.get $at) (local.get $length)) (i32.shl (memory.size) (i32.const 16)))
        (then (local.set $length (i32.sub (i32.shl (memory.size) (i32.const 16)) (local.get $at)))))
      (memory.fill (local.get $at) (local.get $value) (local.get $length))
      (local.get $length))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "digest") (result i64) (local $at i32) (local $digest i64)
      (local.set $digest (global.get $sum))
      (loop $next
        (local.set $digest (i64.add
          (i64.mul (local.get $digest) (i64.const 6364136223846793005))
          (i64.load (local.get $at))))
        (local.set $at (i32.add (local.get $at) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $at) (i32.shl (memory.size) (i32.const 16)))))
      (local.get $digest)))
  (core instance $instance (instantiate $module))
  (func (export "write") (param "at" u32) (param "value" u64) (result u64)
    (canon lift (core func $instance "write")))
  (func (export "fill") (param "at" u32) (param "length" u32) (param "value" u32) (result u32)
    (canon lift (core func $instance "fill")))
  (func (export "grow") (param "pages" u32) (result u32) (canon lift (core func $instance "grow")))
  (func (export "digest") (result u64) (canon lift (core func $instance "digest"))))
"#;

const STEPS: usize = 400;

/// Numbers that look random (SplitMix64). The same seed gives the same run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}

#[tokio::test]
async fn an_instance_that_sleeps_at_random_is_never_told_from_one_that_does_not() {
    // One seed, to see a run again: `SEED=7 cargo test --test snapshots soak`.
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => vec![1, 2, 3],
    };
    let guest = Guest::new(SCRAMBLER);
    for seed in seeds {
        run(&guest, seed).await;
    }
}

async fn run(guest: &Guest, seed: u64) {
    let mut dice = Dice(seed);
    let mut sleeper = guest.start().await;
    let mut twin = guest.start().await;
    let base = guest.base().await;
    for step in 0..STEPS {
        let (kind, at, value) = (dice.below(20), dice.roll() as u32, dice.roll());
        let (length, pages) = (dice.below(20_000) as u32, dice.below(3) as u32);
        let answers = async |instance: &mut Live<'_>| match kind {
            0..14 => instance.call::<_, u64>("write", (at, value)).await,
            14..17 => instance
                .call::<_, u32>("fill", (at, length, value as u32 % 3))
                .await
                .into(),
            17 => instance.call::<_, u32>("grow", (pages,)).await.into(),
            _ => instance.call::<_, u64>("digest", ()).await,
        };
        let (one, other) = (answers(&mut sleeper).await, answers(&mut twin).await);
        assert_eq!(one, other, "seed {seed}, step {step}");
        if dice.below(4) == 0 {
            let saving = Saving {
                compare_with: (dice.below(3) == 0).then_some(&base),
                gap_pages_max: dice.below(4) as u32,
            };
            let snapshot = sleeper.try_save(saving).await.unwrap();
            let snapshot = kept(snapshot, &mut dice);
            sleeper = guest.wake(&snapshot).await.unwrap();
        }
    }
    let digest = sleeper.call::<_, u64>("digest", ()).await;
    assert_eq!(
        digest,
        twin.call::<_, u64>("digest", ()).await,
        "seed {seed}"
    );
}

/// The snapshot after it was kept somewhere.
fn kept(snapshot: Snapshot, dice: &mut Dice) -> Snapshot {
    let way = dice.below(4);
    match way {
        0 => snapshot,
        1 => Packed::new(&snapshot).unwrap().unpack().unwrap(),
        _ => {
            let mut file: File = tempfile::tempfile().unwrap();
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
