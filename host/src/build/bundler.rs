//! Bundles scripts, in one process of Node.js from the first on: most of the time that
//! a bundle takes, it takes to begin.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::Value as Json;

use super::node;
use super::tools::{Resident, Tools};

/// What `guest-sdks/js/build/bundle.mjs` answers.
#[derive(Deserialize)]
pub struct Answer {
    /// Nothing: it could not be bundled.
    pub bundled: Option<Bundled>,
    /// What esbuild says about it, as on a terminal.
    pub said: String,
}

#[derive(Deserialize)]
pub struct Bundled {
    pub script: String,
    /// Which line of which file each line of it is.
    pub map: Json,
    pub sources: Vec<PathBuf>,
}

/// The process ends with the last clone.
#[derive(Clone, Default)]
pub struct Bundler {
    running: Arc<Mutex<Option<Resident>>>,
}

impl Bundler {
    pub fn bundle(&self, sdk: &node::Sdk, tools: &Tools, asked: &Json) -> Result<Answer> {
        let line = asked.to_string();
        let before = tools.times_given_up();
        let mut running = self.running.lock();
        let answer = match running.as_mut().map(|it| it.ask(&line)) {
            Some(Ok(answer)) => answer,
            // It may have been ended since the last bundle.
            Some(Err(_)) | None => {
                tools.check_wanted_since(before)?;
                let started = node::start(tools, sdk, "build/bundle.mjs")?;
                let answer = running.insert(started).ask(&line);
                if answer.is_err() {
                    *running = None;
                    tools.check_wanted_since(before)?;
                }
                answer.context("node ended while it bundled; it says why above")?
            }
        };
        serde_json::from_str(&answer).context("the bundler said nonsense")
    }
}
