//! Compiled components, kept between runs, with what is known of saving their
//! instances.
//!
//! A component of objects is instrumented before it is compiled, so that instances
//! can be saved; one that cannot be is compiled as it is, and the reason is kept too.
//!
//! ```text
//! bytes ─ instrument() ─┬─► instrumented ─► compiled ─┬─► a file: manifest or reason, code
//!                       └─ refused: as it was ────────┘
//! ```
//!
//! Invariants:
//!
//! * A file's name holds the digest of its content together with the key of the
//!   component it was compiled from. Code that was damaged, or belongs to another
//!   component, is never run.
//! * What was checked is what is run: the file is read once.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use component_snapshot::runtime::Accessors;
use component_snapshot::{Manifest, instrument};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::component::World;
use super::engine::Host;

const EXTENSION: &str = "cwasm";

/// What stands before the reason why a component was not instrumented.
const REFUSED: &str = "refused ";

/// A component that was compiled.
pub struct Compiled {
    pub component: Component,
    /// How its instances are saved, or why they cannot be.
    pub saving: Result<Accessors, String>,
}

/// What a file of the cache holds.
struct Content {
    /// A manifest, or a reason behind `REFUSED`.
    about: String,
    code: Vec<u8>,
}

/// Where compiled components are kept between runs.
pub struct ComponentCache {
    dir: PathBuf,
}

impl ComponentCache {
    /// A cache in `dir`, which is created when something is first kept there.
    pub fn new(dir: PathBuf) -> ComponentCache {
        ComponentCache { dir }
    }

    /// The compiled form of `bytes`, whose key is `key`.
    pub(super) fn compiled(
        &self,
        host: &Host,
        bytes: &[u8],
        key: &str,
        world: World,
    ) -> Result<Compiled> {
        for kept in self.kept(key) {
            match open(host, &kept, key) {
                Ok(compiled) => return Ok(compiled),
                Err(error) => {
                    let error = format!("{error:#}");
                    let file = kept.display();
                    tracing::warn!(%file, error, "a cached component is of no use; compiling anew");
                    let _ = fs::remove_file(&kept);
                }
            }
        }
        tracing::info!(bytes = bytes.len(), "compiling a component, once");
        let (component, about) = compile(host, bytes, world)?;
        let content = component.serialize().map_err(anyhow::Error::from);
        let kept = content.and_then(|code| {
            let about = about.clone();
            self.keep(key, &Content { about, code }.to_bytes())
        });
        if let Err(error) = kept {
            let (dir, error) = (self.dir.display(), format!("{error:#}"));
            tracing::warn!(%dir, error, "cannot keep the compiled component");
        }
        Compiled::new(component, &about)
    }

    /// The files that say they are of this key: one, unless somebody put others
    /// there.
    fn kept(&self, key: &str) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let is_of_key = |file: &PathBuf| {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with(key) && name.ends_with(EXTENSION)
        };
        files.map(|file| file.path()).filter(is_of_key).collect()
    }

    fn keep(&self, key: &str, content: &[u8]) -> Result<()> {
        fs::create_dir_all(&self.dir)?;
        // Written aside and renamed, so that no other process reads half of it.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(content)?;
        file.persist(self.dir.join(name(key, content)))?;
        Ok(())
    }
}

/// Instruments a component if it can be, and compiles it. Says what the cache keeps
/// about it.
fn compile(host: &Host, bytes: &[u8], world: World) -> Result<(Component, String)> {
    let compile = |bytes: &[u8]| Component::from_binary(&host.engine, bytes);
    let reason = match world {
        World::Gateway => "a gateway has nothing to be kept".into(),
        World::Object => match instrument(bytes) {
            Ok(instrumented) => match compile(&instrumented.bytes) {
                Ok(component) => return Ok((component, instrumented.manifest.to_string())),
                Err(error) => format!("its instrumented form cannot be compiled: {error:#}"),
            },
            Err(refused) => refused.to_string(),
        },
    };
    let component = compile(bytes).map_err(anyhow::Error::from)?;
    Ok((component, format!("{REFUSED}{reason}")))
}

impl Compiled {
    fn new(component: Component, about: &str) -> Result<Compiled> {
        let saving = match about.strip_prefix(REFUSED) {
            Some(reason) => Err(reason.into()),
            None => Ok(Accessors::find(&component, Manifest::parse(about)?)?),
        };
        Ok(Compiled { component, saving })
    }
}

impl Content {
    fn to_bytes(&self) -> Vec<u8> {
        let about_len = self.about.len() as u64;
        let parts = [&about_len.to_le_bytes(), self.about.as_bytes(), &self.code];
        parts.concat()
    }

    /// What was written, as text and as code.
    fn parts(bytes: &[u8]) -> Result<(&str, &[u8])> {
        let short = || anyhow!("it is too short");
        let (about_len, rest) = bytes.split_first_chunk().ok_or_else(short)?;
        let about_len = usize::try_from(u64::from_le_bytes(*about_len))?;
        let (about, code) = rest.split_at_checked(about_len).ok_or_else(short)?;
        Ok((std::str::from_utf8(about)?, code))
    }
}

fn name(key: &str, content: &[u8]) -> String {
    let digest = Sha256::new_with_prefix(key)
        .chain_update(content)
        .finalize();
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{key}-{digest}.{EXTENSION}")
}

fn open(host: &Host, file: &Path, key: &str) -> Result<Compiled> {
    let content = fs::read(file)?;
    if file.file_name() != Some(name(key, &content).as_ref()) {
        bail!("it is not what was put there");
    }
    let (about, code) = Content::parts(&content)?;
    // SAFETY: the name says that `keep` made this content, for an engine of this
    // configuration.
    let component = unsafe { Component::deserialize(&host.engine, code) };
    let component = component
        .map_err(anyhow::Error::from)
        .context("it cannot be loaded")?;
    Compiled::new(component, about)
}

#[cfg(test)]
mod tests {
    //! Code that is not what was put into the cache is never run.

    use super::*;

    fn cached(dir: &Path) -> Vec<PathBuf> {
        let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
        let mut files: Vec<_> = files.collect();
        files.sort();
        files
    }

    #[test]
    fn a_file_that_was_damaged_or_swapped_is_compiled_anew() {
        let (dir, host) = (tempfile::tempdir().unwrap(), Host::new().unwrap());
        let cache = ComponentCache::new(dir.path().into());
        let (one, other) = ("1".repeat(64), "2".repeat(64));
        let bytes = b"\0asm\x0d\0\x01\0";
        cache.compiled(&host, bytes, &one, World::Object).unwrap();
        cache.compiled(&host, bytes, &other, World::Object).unwrap();
        let files = cached(dir.path());
        assert_eq!(files.len(), 2);
        let check = |what: &str| {
            let refused = open(&host, &files[0], &one).map(drop).expect_err(what);
            assert!(
                refused.to_string().contains("not what was put there"),
                "{what}"
            );
            cache.compiled(&host, bytes, &one, World::Object).unwrap();
            assert_eq!(cached(dir.path()), files, "{what}");
            open(&host, &files[0], &one).expect(what);
        };

        let whole = fs::read(&files[0]).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&files[0], damaged).unwrap();
            check("a flipped bit");
        }
        fs::write(&files[0], &whole[..whole.len() / 2]).unwrap();
        check("half of it");
        fs::write(&files[0], b"").unwrap();
        check("nothing");

        // The code of one component under the name of another.
        let theirs = files[1].file_name().unwrap().to_str().unwrap();
        let swapped = dir.path().join(theirs.replacen(&other, &one, 1));
        fs::copy(&files[1], &swapped).unwrap();
        assert!(open(&host, &swapped, &one).is_err());
        fs::remove_file(&files[0]).unwrap();
        cache.compiled(&host, bytes, &one, World::Object).unwrap();
        assert_eq!(cached(dir.path()), files);
    }
}
