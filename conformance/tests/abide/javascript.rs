//! Does the probe that Cloudflare's runtime serves keep the same promises here?
//!
//! It is the same file, unchanged, and may lack what it lacks there.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use conformance::run::Lacks;

mod server;

fn main() -> Result<ExitCode> {
    let probe = Path::new(env!("CARGO_MANIFEST_DIR")).join("probe/workerd");
    let lacks =
        std::fs::read_to_string(probe.join("lacks")).context("cannot read probe/workerd/lacks")?;
    let words = lacks.split_whitespace().filter(|word| *word != "--lacks");
    server::test(Lacks(words.map(str::to_owned).collect()), || {
        let classes = [("probe", "Probe"), ("other", "Other")];
        guests::module("conformance-probe", &probe.join("probe.mjs"), &classes)
    })
}
