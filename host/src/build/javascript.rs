//! Objects in JavaScript and TypeScript: esbuild bundles them, and what the bundle's
//! top level leaves in memory becomes the component. See `instance/script.rs`.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write, stderr};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value as Json, json};

use super::node::{self, Package};
use super::place::Place;
use super::{Built, Failed, Made, Workshop, folder_name};
use crate::config::Code;
use crate::config::wrangler::{self, Asked, Worker, WorkerClass};
use crate::instance::script::{Exports, Script};
use crate::written::Written;

/// Where a folder's module is looked for that names none.
const MAINS: [&str; 8] = [
    "src/index.ts",
    "src/index.js",
    "src/index.mts",
    "src/index.mjs",
    "index.ts",
    "index.js",
    "index.mts",
    "index.mjs",
];

pub fn package_name(source: &Path) -> Result<String> {
    match Package::of(source)?.name {
        // `@scope/name`
        Some(name) => Ok(name.rsplit('/').next().unwrap_or_default().into()),
        None => folder_name(source),
    }
}

/// Builds a folder that no wrangler file describes.
pub fn build_folder(source: &Path, workshop: &Workshop) -> Result<Built> {
    if let Some(worker) = worker_of(source)? {
        return build_worker(&worker, workshop);
    }
    let package = Package::of(source)?;
    let named = package
        .module
        .or(package.main)
        .map(|main| source.join(main));
    let mains = MAINS.map(|main| source.join(main));
    let main = match named {
        Some(main) if main.is_file() => main,
        Some(main) => bail!(
            "{}: there is no file {}, which \"main\" names",
            source.join("package.json").display(),
            main.display()
        ),
        None => match mains.into_iter().find(|main| main.is_file()) {
            Some(main) => main,
            None => bail!(
                "{}: no module with classes; write \"main\": \"src/index.ts\" into its package.json",
                source.display()
            ),
        },
    };
    let sdk = installed(source, workshop)?;
    build(
        source,
        &main,
        &Written::default(),
        Map::new(),
        sdk,
        workshop,
    )
}

/// What a folder's wrangler file says of its Worker, if there is one.
fn worker_of(source: &Path) -> Result<Option<Worker>> {
    let Some(file) = wrangler::find(source) else {
        return Ok(None);
    };
    let asked = Asked {
        environment: None,
        developing: true,
        process: &|name| std::env::var_os(name),
    };
    let config = wrangler::read(&file, &asked)?;
    let code = config.classes.into_iter().next().map(|class| class.code);
    Ok(match code {
        Some(Code::Worker(worker)) => Some(*worker),
        _ => None,
    })
}

/// Builds a Cloudflare project.
pub fn build_worker(worker: &Worker, workshop: &Workshop) -> Result<Built> {
    let settings: Map<String, Json> =
        serde_json::from_str(&worker.settings).context("settings that were written as JSON")?;
    let sdk = installed(&worker.folder, workshop)?;
    if let Some(written) = &worker.own_build {
        written.blamed(run_command(&worker.folder, settings.get("build"), workshop))?;
    }
    let (folder, main, written) = (&worker.folder, &worker.main, &worker.main_written);
    let mut built = build(folder, main, written, settings, sdk, workshop)?;
    if worker.own_build.is_some() {
        built.sources.clear();
    }
    Ok(built)
}

/// The SDK, and the folder's own packages in their place.
fn installed(folder: &Path, workshop: &Workshop) -> Result<node::Sdk> {
    let sdk = node::sdk(&workshop.cache, &workshop.tools)?;
    let place = Place::of(folder, &workshop.cache)?;
    node::install(folder, &place, &workshop.tools)?;
    Ok(sdk)
}

fn build(
    folder: &Path,
    main: &Path,
    written: &Written,
    settings: Map<String, Json>,
    sdk: node::Sdk,
    workshop: &Workshop,
) -> Result<Built> {
    let place = Place::of(folder, &workshop.cache)?;
    let asked = json!({
        "main": std::path::absolute(main)?,
        "folder": std::path::absolute(folder)?,
        "color": stderr().is_terminal(),
        "settings": settings,
    });
    tracing::info!(main = %main.display(), "bundling");
    let answer = workshop.bundler.bundle(&sdk, &workshop.tools, &asked)?;
    let _ = stderr().write_all(answer.said.as_bytes());
    let Some(bundled) = answer.bundled else {
        let summary = format!(
            "esbuild could not bundle {}; it says why above",
            main.display()
        );
        return written.blamed(Err(Failed::new(summary, &answer.said).into()));
    };
    let mut given = BTreeMap::new();
    for name in ["classes", "bindings", "compatibility_flags"] {
        given.insert(name, settings.get(name).cloned().unwrap_or_default());
    }
    given.insert("map", bundled.map);
    let made = Made::Script {
        script: Script {
            template: sdk.template,
            settings: json!(given).to_string(),
            source: bundled.script,
        },
        file: place.dir().join("component.wasm"),
    };
    Ok(Built {
        made,
        sources: bundled.sources,
    })
}

/// Runs the project's own build, which makes what is bundled.
fn run_command(folder: &Path, build: Option<&Json>, workshop: &Workshop) -> Result<()> {
    let part = |name: &str| {
        build
            .and_then(|build| build.get(name))
            .and_then(Json::as_str)
    };
    let Some(command) = part("command") else {
        return Ok(());
    };
    tracing::info!("running {command}");
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", command])
        .current_dir(folder.join(part("cwd").unwrap_or(".")));
    let ended = workshop.tools.run(&mut shell);
    let ended = ended.with_context(|| format!("cannot run {command}"))?;
    if !ended.status.success() {
        return Err(Failed {
            summary: format!("the project's own build failed ({command}); it says why above"),
            said: format!("{}{}", ended.output, ended.said),
        }
        .into());
    }
    Ok(())
}

/// Does the script export what the configuration needs? Fails with what to write.
pub fn check_exports(worker: &Worker, exports: &Exports) -> Result<()> {
    for WorkerClass { name, wanted_by } in &worker.classes {
        if exports.classes.contains(name) {
            continue;
        }
        let main = worker.main.display();
        if exports.others.contains(name) {
            bail!(
                "{wanted_by}: {main} exports {name:?}, which is no class of objects; write it like \
                 class {name} extends DurableObject"
            );
        }
        let free = exports
            .classes
            .iter()
            .filter(|exported| !worker.classes.iter().any(|class| class.name == **exported));
        let meant = free
            .map(|exported| (strsim::jaro_winkler(exported, name), exported))
            .max_by(|one, other| one.0.total_cmp(&other.0));
        let exported = match (meant, exports.classes.as_slice()) {
            (Some((alike, meant)), _) if alike > 0.8 => {
                format!("it exports {meant:?}: is that meant?")
            }
            (_, []) => format!("it exports no class; write export class {name}"),
            (_, classes) => format!(
                "it exports {}; write export class {name}, or export {{ {name} }} from \"…\"",
                classes.join(", ")
            ),
        };
        bail!("{wanted_by}: class {name:?} is not exported by {main}; {exported}");
    }
    Ok(())
}
