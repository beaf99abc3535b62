//! How does Go source become a component?
//!
//! The bindings are generated into a copy of the guest's module, stock Go
//! compiles that to a core module for WASI preview 1, and wit-component makes a
//! component of it with the preview-1 adapter. Only Go itself is an external
//! tool; which version is said by the `toolchain` line of the guest's go.mod.
//!
//! The version is exact, because the module that bindings run on
//! (guest-sdks/go/runtime) leans on unexported names of Go's runtime.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow};
use wit_bindgen_core::Files;
use wit_bindgen_core::wit_parser::{Resolve, WorldId};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

use crate::{Folders, inputs, tool};

const INSTALL: &str = "install Go 1.26 or newer from https://go.dev/dl";
/// The path under which generated bindings import the runtime module.
const RUNTIME: &str = "go.bytecodealliance.org/pkg";
/// Go's runtime module uses names of Go's own runtime, which the linker refuses
/// otherwise.
const LINKER_FLAGS: &str = "-ldflags=-s -w -checklinkname=0";

pub fn build(folders: &Folders) -> Result<PathBuf> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(&folders.wit)?;
    let world = resolve.select_world(&[package], Some("durable-object"))?;

    let module = folders.work.join("module");
    let manifest = write_module(folders, &module, &mut resolve, world)?;
    let core = folders.work.join("core.wasm");
    compile(
        &module,
        &core,
        &toolchain(&manifest)?,
        &folders.go_runtime(),
    )?;

    let built = folders.work.join("component.wasm");
    fs::write(&built, component_of(fs::read(&core)?, &resolve, world)?)?;
    Ok(built)
}

/// Puts the generated bindings and the guest's files together; returns go.mod.
fn write_module(
    folders: &Folders,
    module: &Path,
    resolve: &mut Resolve,
    world: WorldId,
) -> Result<String> {
    if module.exists() {
        fs::remove_dir_all(module)?;
    }
    let mut files = Files::default();
    let generator = wit_bindgen_go::Opts {
        format: wit_bindgen_go::Format::False,
        quiet: true,
        ..Default::default()
    };
    generator.build().generate(resolve, world, &mut files)?;
    for (name, contents) in files.iter() {
        let path = module.join(name);
        fs::create_dir_all(path.parent().unwrap_or(module))?;
        fs::write(path, with_signed_handles(contents))?;
    }
    copy(&folders.guest, module)?;
    let manifest = module.join("go.mod");
    fs::read_to_string(&manifest).with_context(|| format!("cannot read {}", manifest.display()))
}

/// wit-bindgen-go 0.63.0 passes a future unsigned where it takes the place of a
/// list's length in another case of its variant, as `end` of a body does.
fn with_signed_handles(bindings: &[u8]) -> Vec<u8> {
    let bindings = String::from_utf8_lossy(bindings);
    let mut signed = String::with_capacity(bindings.len());
    let mut is_future = false;
    for piece in bindings.split_inclusive('(') {
        signed += match piece {
            "uint32(" if is_future => "int32(",
            piece => piece,
        };
        let name = piece.rsplit('.').next();
        is_future = name.is_some_and(|name| name.starts_with("LiftFuture"));
    }
    signed.into_bytes()
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in inputs::entries(from)? {
        let target = to.join(entry.file_name().unwrap_or_default());
        if entry.is_dir() {
            copy(&entry, &target)?;
        } else {
            fs::copy(&entry, &target)
                .with_context(|| format!("cannot copy {}", entry.display()))?;
        }
    }
    Ok(())
}

/// The version of Go that go.mod asks for, for example `go1.26.8`.
fn toolchain(manifest: &str) -> Result<String> {
    let version = manifest
        .lines()
        .find_map(|line| line.strip_prefix("toolchain "));
    version.map(|version| version.trim().to_string()).ok_or_else(|| {
        anyhow!("go.mod has no toolchain line; add for example `toolchain go1.26.8`, so that every machine builds alike")
    })
}

fn compile(module: &Path, core: &Path, toolchain: &str, runtime: &Path) -> Result<()> {
    let go = |arguments: &[&str]| {
        let mut go = Command::new("go");
        // Go runs the named version, and fetches it first where it is another one.
        go.env("GOTOOLCHAIN", toolchain);
        go.envs([
            ("GOOS", "wasip1"),
            ("GOARCH", "wasm"),
            ("GOFLAGS", ""),
            ("GOWORK", "off"),
        ]);
        go.current_dir(module).args(arguments);
        go
    };
    let replace = format!("-replace={RUNTIME}={}", runtime.display());
    tool::run(&mut go(&["mod", "edit", &replace]), INSTALL)?;
    let arguments = [
        "build",
        "-mod=mod",
        "-buildvcs=false",
        "-trimpath",
        "-buildmode=c-shared",
        LINKER_FLAGS,
        "-o",
    ];
    tool::run(go(&arguments).arg(core).arg("."), INSTALL)?;
    Ok(())
}

/// Wraps a core module of WASI preview 1.
fn component_of(mut core: Vec<u8>, resolve: &Resolve, world: WorldId) -> Result<Vec<u8>> {
    use wasi_preview1_component_adapter_provider::{
        WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    };
    embed_component_metadata(&mut core, resolve, world, StringEncoding::UTF8, false)?;
    ComponentEncoder::default()
        .module(&core)?
        .adapter(
            WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
            WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
        )?
        .validate(true)
        .encode()
}
