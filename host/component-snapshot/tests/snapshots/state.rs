//! Memories, globals and start functions.

use component_snapshot::runtime::{Packed, Saving};

use crate::world::Guest;

/// Counts in globals of all types, and in memory.
const COUNTER: &str = r#"
(component
  (core module $module
    (memory 1)
    (global $i32 (mut i32) (i32.const -1))
    (global $i64 (mut i64) (i64.const -2))
    (global $f32 (mut f32) (f32.const 0.5))
    (global $f64 (mut f64) (f64.const -0.25))
    (data (i32.const 100) "begin")
    (func (export "count") (result f64)
      (global.set $i32 (i32.add (global.get $i32) (i32.const 1)))
      (global.set $i64 (i64.add (global.get $i64) (i64.const 3)))
      (global.set $f32 (f32.add (global.get $f32) (f32.const 0.5)))
      (global.set $f64 (f64.mul (global.get $f64) (f64.const -2)))
      (f64.add (global.get $f64)
        (f64.add (f64.promote_f32 (global.get $f32))
          (f64.add (f64.convert_i64_s (global.get $i64)) (f64.convert_i32_s (global.get $i32))))))
    (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
    (func (export "peek") (param i32) (result i64) (i64.load (local.get 0)))
    (func (export "poke") (param i32 i64) (result i64)
      (i64.store (local.get 0) (local.get 1)) (local.get 1)))
  (core instance $instance (instantiate $module))
  (func (export "count") (result f64) (canon lift (core func $instance "count")))
  (func (export "grow") (param "pages" u32) (result u32) (canon lift (core func $instance "grow")))
  (func (export "peek") (param "at" u32) (result u64) (canon lift (core func $instance "peek")))
  (func (export "poke") (param "at" u32) (param "value" u64) (result u64)
    (canon lift (core func $instance "poke"))))
"#;

const PAGE: u32 = 1 << 16;

#[tokio::test]
async fn a_woken_instance_has_the_globals_and_the_memory_of_the_one_that_was_saved() {
    let guest = Guest::new(COUNTER);
    let mut one = guest.start().await;
    one.call::<_, f64>("count", ()).await;
    one.call::<_, u32>("grow", (2_u32,)).await;
    one.call::<_, u64>("poke", (96_u32, 5_u64)).await;
    one.call::<_, u64>("poke", (3 * PAGE - 8, 6_u64)).await;
    let snapshot = one.save().await;

    let mut other = guest.wake(&snapshot).await.unwrap();
    for _ in 0..3 {
        let count = other.call::<_, f64>("count", ()).await;
        assert_eq!(count, one.call("count", ()).await);
    }
    for at in [0_u32, 96, 100, PAGE, 3 * PAGE - 8] {
        let peek = other.call::<_, u64>("peek", (at,)).await;
        assert_eq!(peek, one.call("peek", (at,)).await, "at {at}");
    }
    assert_eq!(other.call::<_, u32>("grow", (0_u32,)).await, 3);
    assert!(other.try_call::<_, u64>("peek", (3 * PAGE,)).await.is_err());
}

#[tokio::test]
async fn only_what_was_written_is_saved() {
    let guest = Guest::new(COUNTER);
    let mut one = guest.start().await;
    one.call::<_, u32>("grow", (100_u32,)).await;
    one.call::<_, u64>("peek", (50 * PAGE,)).await;
    one.call::<_, u64>("poke", (PAGE / 2, 1_u64)).await;
    let snapshot = one.save().await;
    // The page that was written, and the first one, which the accessors need.
    assert!(
        snapshot.content_len() <= 2 * 4096,
        "{}",
        snapshot.content_len()
    );

    // A woken one needs no page that it did not have before.
    let mut other = guest.wake(&snapshot).await.unwrap();
    let again = other.save().await;
    assert_eq!(again.content_len(), snapshot.content_len());
}

#[tokio::test]
async fn a_comparison_finds_the_same_as_the_kernel_and_not_what_is_as_it_was() {
    let guest = Guest::new(COUNTER);
    let base = guest.base().await;
    let mut one = guest.start().await;
    one.call::<_, u32>("grow", (1_u32,)).await;
    let before = one.call::<_, u64>("peek", (100_u32,)).await;
    one.call::<_, u64>("poke", (100_u32, 0_u64)).await;
    one.call::<_, u64>("poke", (100_u32, before)).await;
    one.call::<_, u64>("poke", (PAGE + 4096, 7_u64)).await;
    one.call::<_, u64>("poke", (8192_u32, 8_u64)).await;
    let saving = Saving {
        compare_with: Some(&base),
        ..Saving::default()
    };
    let snapshot = one.try_save(saving).await.unwrap();
    assert_eq!(snapshot.content_len(), 2 * 4096);
    let mut other = guest.wake(&snapshot).await.unwrap();
    for at in [100_u32, PAGE + 4096, 8192] {
        assert_eq!(
            other.call::<_, u64>("peek", (at,)).await,
            one.call::<_, u64>("peek", (at,)).await
        );
    }
}

#[tokio::test]
async fn a_packed_snapshot_is_small_and_the_same() {
    let guest = Guest::new(COUNTER);
    let mut one = guest.start().await;
    for page in 0_u32..16 {
        one.call::<_, u64>("poke", (page * 4096, 77_u64)).await;
    }
    let snapshot = one.save().await;
    let packed = Packed::new(&snapshot).unwrap();
    assert!(packed.bytes() < 1000, "{}", packed.bytes());
    let mut other = guest.wake(&packed.unpack().unwrap()).await.unwrap();
    for page in 0_u32..16 {
        assert_eq!(other.call::<_, u64>("peek", (page * 4096,)).await, 77);
    }
}

/// Two modules with start functions: the second one reads what the first one wrote.
const STARTED: &str = r#"
(component
  (core module $first
    (memory (export "memory") 1)
    (func $start (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 7))))
    (start $start))
  (core module $second
    (import "first" "memory" (memory 1))
    (global $seen (mut i32) (i32.const 0))
    (func $start (global.set $seen (i32.add (global.get $seen) (i32.load (i32.const 0)))))
    (func (export "seen") (result i32) (global.get $seen))
    (func (export "memory") (result i32) (i32.load (i32.const 0)))
    (start $start))
  (core instance $first (instantiate $first))
  (core instance $second (instantiate $second (with "first" (instance $first))))
  (func (export "seen") (result u32) (canon lift (core func $second "seen")))
  (func (export "memory") (result u32) (canon lift (core func $second "memory"))))
"#;

#[tokio::test]
async fn start_functions_run_in_order_for_fresh_instances_and_not_for_woken_ones() {
    let guest = Guest::new(STARTED);
    let mut one = guest.start().await;
    assert_eq!(one.call::<_, u32>("seen", ()).await, 7);
    let snapshot = one.save().await;
    let mut other = guest.wake(&snapshot).await.unwrap();
    assert_eq!(other.call::<_, u32>("seen", ()).await, 7);
    assert_eq!(other.call::<_, u32>("memory", ()).await, 7);
}

/// One component inside another one, twice, beside a module of the outer one.
const NESTED: &str = r#"
(component
  (component $inner
    (core module $module
      (global $count (mut i32) (i32.const 0))
      (func (export "count") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (global.get $count)))
    (core instance $instance (instantiate $module))
    (func (export "count") (result u32) (canon lift (core func $instance "count"))))
  (core module $module
    (memory 2)
    (func (export "count") (result i32)
      (i32.store (i32.const 70000) (i32.add (i32.load (i32.const 70000)) (i32.const 100)))
      (i32.load (i32.const 70000))))
  (core instance $instance (instantiate $module))
  (instance $one (instantiate $inner))
  (instance $two (instantiate $inner))
  (export "test:host/one" (instance $one))
  (export "test:host/two" (instance $two))
  (func (export "count") (result u32) (canon lift (core func $instance "count"))))
"#;

#[tokio::test]
async fn nested_components_are_saved_each_for_itself() {
    let guest = Guest::new(NESTED);
    let mut one = guest.start().await;
    assert_eq!(one.call_inner("test:host/one", "count").await, 1);
    assert_eq!(one.call_inner("test:host/one", "count").await, 2);
    assert_eq!(one.call_inner("test:host/two", "count").await, 1);
    assert_eq!(one.call::<_, u32>("count", ()).await, 100);
    let snapshot = one.save().await;
    let mut other = guest.wake(&snapshot).await.unwrap();
    assert_eq!(other.call_inner("test:host/one", "count").await, 3);
    assert_eq!(other.call_inner("test:host/two", "count").await, 2);
    assert_eq!(other.call::<_, u32>("count", ()).await, 200);
}

#[tokio::test]
async fn a_snapshot_of_another_component_is_refused() {
    let snapshot = Guest::new(COUNTER).start().await.save().await;
    let guest = Guest::new(NESTED);
    let error = guest.wake(&snapshot).await.err().expect("an error");
    assert_eq!(error.to_string(), "the snapshot is of another component");
}
