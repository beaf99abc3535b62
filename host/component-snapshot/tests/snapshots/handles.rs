//! Handles, and what keeps an instance from being saved.

use component_snapshot::runtime::NotNow;

use crate::world::Guest;

/// Opens things, keeps their handles, and reads and drops them by index.
const KEEPER: &str = r#"
(component
  (import "test:host/things@0.1.0" (instance $things
    (export "thing" (type $thing (sub resource)))
    (export "open" (func (param "number" u32) (result (own $thing))))
    (export "read" (func (param "thing" (borrow $thing)) (result u32)))))
  (alias export $things "thing" (type $thing))
  (core func $open (canon lower (func $things "open")))
  (core func $read (canon lower (func $things "read")))
  (core func $drop (canon resource.drop $thing))
  (type $numbers (stream u32))
  (core func $stream (canon stream.new $numbers))
  (core func $set (canon waitable-set.new))
  (core module $module
    (import "host" "open" (func $open (param i32) (result i32)))
    (import "host" "read" (func $read (param i32) (result i32)))
    (import "host" "drop" (func $drop (param i32)))
    (import "host" "stream" (func $stream (result i64)))
    (import "host" "set" (func $set (result i32)))
    (memory 1)
    (func (export "open") (param i32) (result i32) (call $open (local.get 0)))
    (func (export "read") (param i32) (result i32) (call $read (local.get 0)))
    (func (export "drop") (param i32) (result i32) (call $drop (local.get 0)) (i32.const 0))
    (func (export "stream") (result i64) (call $stream))
    (func (export "set") (result i32) (call $set)))
  (core instance $instance (instantiate $module
    (with "host" (instance
      (export "open" (func $open))
      (export "read" (func $read))
      (export "drop" (func $drop))
      (export "stream" (func $stream))
      (export "set" (func $set))))))
  (func (export "open") (param "number" u32) (result u32)
    (canon lift (core func $instance "open")))
  (func (export "read") (param "handle" u32) (result u32)
    (canon lift (core func $instance "read")))
  (func (export "drop") (param "handle" u32) (result u32)
    (canon lift (core func $instance "drop")))
  (func (export "stream") (result u64) (canon lift (core func $instance "stream")))
  (func (export "set") (result u32) (canon lift (core func $instance "set"))))
"#;

#[tokio::test]
async fn handles_are_made_again_at_their_indices() {
    let guest = Guest::new(KEEPER);
    let mut one = guest.start().await;
    for number in [40_u32, 41, 42, 43, 44] {
        one.call::<_, u32>("open", (number,)).await;
    }
    // Gaps: the indices 1, 3 and 4 are free again.
    for handle in [3_u32, 1, 4] {
        one.call::<_, u32>("drop", (handle,)).await;
    }
    let snapshot = one.save().await;
    assert_eq!(
        one.call::<_, u32>("read", (2_u32,)).await,
        41,
        "it keeps what it has"
    );

    let mut other = guest.wake(&snapshot).await.unwrap();
    assert_eq!(other.call::<_, u32>("read", (2_u32,)).await, 41);
    assert_eq!(other.call::<_, u32>("read", (5_u32,)).await, 44);
    assert!(other.try_call::<_, u32>("read", (3_u32,)).await.is_err());
    assert_eq!(
        other.store.data().dropped.len(),
        3,
        "what filled the gaps is gone"
    );
    assert!(other.store.data_mut().things.iter_mut().count() == 2);
}

#[tokio::test]
async fn saving_leaves_the_order_of_free_indices_as_it_was() {
    let guest = Guest::new(KEEPER);
    let mut one = guest.start().await;
    let mut never_saved = guest.start().await;
    for instance in [&mut one, &mut never_saved] {
        for number in 0_u32..5 {
            instance.call::<_, u32>("open", (number,)).await;
        }
        for handle in [3_u32, 1] {
            instance.call::<_, u32>("drop", (handle,)).await;
        }
    }
    one.save().await;
    for number in 5_u32..9 {
        let index = one.call::<_, u32>("open", (number,)).await;
        assert_eq!(index, never_saved.call::<_, u32>("open", (number,)).await);
    }
}

#[tokio::test]
async fn a_handle_that_cannot_be_made_again_keeps_its_instance_awake() {
    let guest = Guest::new(KEEPER);
    let mut one = guest.start().await;
    one.call::<_, u32>("open", (1_u32,)).await;
    let unlucky = one.call::<_, u32>("open", (13_u32,)).await;
    let thing = "test:host/things@0.1.0#thing".to_string();
    assert_eq!(one.reason().await, NotNow::Handle(thing));
    assert_eq!(one.call::<_, u32>("read", (unlucky,)).await, 13);
    one.call::<_, u32>("drop", (unlucky,)).await;
    one.save().await;
}

#[tokio::test]
async fn too_many_handles_keep_an_instance_awake() {
    let guest = Guest::new(KEEPER);
    let mut one = guest.start().await;
    for number in 100_u32..164 {
        one.call::<_, u32>("open", (number,)).await;
    }
    let snapshot = one.save().await;
    let last = one.call::<_, u32>("open", (164_u32,)).await;
    assert_eq!(one.reason().await, NotNow::TooManyHandles);
    assert_eq!(one.call::<_, u32>("read", (last,)).await, 164);
    let mut other = guest.wake(&snapshot).await.unwrap();
    assert_eq!(other.call::<_, u32>("read", (64_u32,)).await, 163);
}

#[tokio::test]
async fn a_stream_or_a_waitable_set_keeps_an_instance_awake() {
    let guest = Guest::new(KEEPER);
    let mut one = guest.start().await;
    one.call::<_, u64>("stream", ()).await;
    assert_eq!(one.reason().await, NotNow::Busy);
    let mut one = guest.start().await;
    one.call::<_, u32>("set", ()).await;
    let reason = one.reason().await;
    assert!(
        [NotNow::Busy, NotNow::UnknownHandle].contains(&reason),
        "{reason}"
    );
}
