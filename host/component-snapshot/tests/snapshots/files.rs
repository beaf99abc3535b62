//! A file that is not what was written is refused.

use std::fs::File;
use std::io::Write;

use component_snapshot::runtime::{Check, Snapshot, Unreadable};

use crate::world::Guest;

const SMALL: &str = r#"
(component
  (core module $module
    (memory 1)
    (global $count (mut i32) (i32.const 0))
    (func (export "write") (param i32) (result i32)
      (i32.store (local.get 0) (local.get 0)) (global.set $count (local.get 0)) (local.get 0)))
  (core instance $instance (instantiate $module))
  (func (export "write") (param "at" u32) (result u32) (canon lift (core func $instance "write"))))
"#;

async fn written() -> Vec<u8> {
    let guest = Guest::new(SMALL);
    let mut one = guest.start().await;
    for at in [100_u32, 20_000, 30_000] {
        one.call::<_, u32>("write", (at,)).await;
    }
    let mut bytes = Vec::new();
    one.save().await.write(&mut bytes, b"of one").unwrap();
    bytes
}

fn read(bytes: &[u8], binding: &[u8], check: Check) -> Result<Snapshot, Unreadable> {
    let mut file: File = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Snapshot::read(file, binding, check)
}

#[tokio::test]
async fn what_was_written_is_read_again() {
    let bytes = written().await;
    let snapshot = read(&bytes, b"of one", Check::Everything).unwrap();
    let mut again = Vec::new();
    snapshot.write(&mut again, b"of one").unwrap();
    assert!(again == bytes);
}

#[tokio::test]
async fn a_snapshot_of_something_else_is_refused() {
    let bytes = written().await;
    for binding in [&b"of two"[..], b"", b"of one "] {
        let refusal = read(&bytes, binding, Check::Head);
        assert!(
            matches!(refusal, Err(Unreadable::OtherBinding)),
            "{refusal:?}"
        );
    }
}

#[tokio::test]
async fn a_file_that_was_cut_or_prolonged_is_refused() {
    let bytes = written().await;
    for length in (0..bytes.len()).step_by(97) {
        read(&bytes[..length], b"of one", Check::Head).expect_err("cut");
    }
    let mut long = bytes.clone();
    long.push(0);
    read(&long, b"of one", Check::Head).expect_err("prolonged");
}

#[tokio::test]
async fn each_flipped_bit_is_found() {
    let bytes = written().await;
    let head = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    for at in (0..bytes.len()).filter(|at| *at < 400 || at % 13 == 0) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        read(&damaged, b"of one", Check::Everything).expect_err("damaged");
        if at < head {
            read(&damaged, b"of one", Check::Head).expect_err("a damaged head");
        }
    }
}

/// Whatever is in a head whose checksum is right: it is refused, or an instance is
/// restored from it, or that fails. Nothing panics, and nothing large is allocated.
#[tokio::test]
async fn a_head_that_somebody_made_up_does_no_harm() {
    let guest = Guest::new(SMALL);
    let bytes = written().await;
    let head = u64::from_le_bytes(bytes[16..24].try_into().unwrap()) as usize;
    let mut numbers = 1_u64;
    for round in 0..3000 {
        let mut forged = bytes.clone();
        for _ in 0..=round % 3 {
            numbers = numbers
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let at = 40 + (numbers >> 33) as usize % 100;
            forged[at] = [0, 1, 2, 0x7f, 0xff][(numbers >> 20) as usize % 5];
        }
        forged[36..40].fill(0);
        let checksum = crc32(&forged[..head]);
        forged[36..40].copy_from_slice(&checksum.to_le_bytes());
        if let Ok(snapshot) = read(&forged, b"of one", Check::Head) {
            let _ = guest.wake(&snapshot).await;
        }
    }
}

/// The checksum of the format (CRC-32 of IEEE 802.3), bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    };
    !bytes.iter().fold(!0, step)
}
