//! `abide build`: source in, component out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use super::run::{Loader, Purpose, on_workers, say};
use super::serve::no_environment;
use super::stop::Stop;
use crate::build::{self, Profile, Tools, Workshop};
use crate::config::Code;
use crate::config::wrangler::{self, Asked};
use crate::instance::component::World;

pub fn build(
    source: &Path,
    output: Option<PathBuf>,
    environment: Option<&str>,
    cache: &Path,
) -> Result<ExitCode> {
    let code = code(source, environment)?;
    let tools = Tools::default();
    let stop = Stop::listen(tools.clone())?;
    let workshop = Workshop::new(tools, Profile::Release, cache);
    on_workers(Purpose::Serving, async |host| {
        let loader = Loader::new(host, workshop);
        tokio::select! {
            biased;
            code = stop.told() => Ok(code.into()),
            made = make(&loader, source, code, output) => made.map(|()| ExitCode::SUCCESS),
        }
    })
}

/// A folder's Worker, or else whatever it holds.
fn code(source: &Path, environment: Option<&str>) -> Result<Code> {
    let Some(file) = wrangler::find(source) else {
        no_environment(environment, source)?;
        return Ok(Code::Source(source.into()));
    };
    let asked = Asked {
        environment,
        developing: true,
        process: &|name| std::env::var_os(name),
    };
    let config = wrangler::read(&file, &asked)?;
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    let mut classes = config.classes.into_iter();
    let code = classes.next().map(|class| class.code);
    Ok(code.unwrap_or_else(|| Code::Source(source.into())))
}

/// Builds the component, and puts it where it is wanted if a host would take it.
async fn make(loader: &Loader, source: &Path, code: Code, output: Option<PathBuf>) -> Result<()> {
    // What a gateway is made of fits into the world of objects too.
    let built = loader.load_code(&code, World::Object).await?;
    let output = match output {
        Some(output) => output,
        None => format!("{}.wasm", build::class_name(source)?).into(),
    };
    let bytes = fs::copy(&built.file, &output)
        .with_context(|| format!("cannot write {}; choose --output FILE", output.display()))?;
    let classes = match built.component.classes() {
        [] => String::new(),
        classes => format!(", classes {}", classes.join(", ")),
    };
    let (shown, size) = (output.display(), bytes.div_ceil(1024));
    say(&format!("built {shown} ({size} KiB{classes})"));
    Ok(())
}
