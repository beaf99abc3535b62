//! How long does the disk take to make one append durable?

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::statistics::median;

const APPENDS: usize = 300;
const APPEND_BYTES: usize = 4096;

/// The median time of a 4 KiB append and an `fdatasync`, in microseconds.
pub fn append_and_sync_us(directory: &Path) -> Result<f64> {
    let path = directory.join("sync-probe");
    append_and_sync(&path)
        .with_context(|| format!("cannot measure a sync in {}", directory.display()))
}

fn append_and_sync(path: &Path) -> Result<f64> {
    let mut file = OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .open(path)?;
    let page = [7; APPEND_BYTES];
    let mut times_us = Vec::with_capacity(APPENDS);
    for _ in 0..APPENDS {
        let begun = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        times_us.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    median(&times_us).context("nothing was measured")
}
