//! `abide build`: source in, component out.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::build;

pub fn build(source: &Path, output: Option<PathBuf>, cache: &Path) -> Result<()> {
    let component = build::build(source, cache)?;
    let output = match output {
        Some(output) => output,
        None => format!("{}.wasm", build::class_name(source)?).into(),
    };
    let bytes = fs::copy(&component, &output)
        .with_context(|| format!("cannot write {}; choose --output FILE", output.display()))?;
    println!(
        "abide: built {} ({} KiB)",
        output.display(),
        bytes.div_ceil(1024)
    );
    Ok(())
}
