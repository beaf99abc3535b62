//! Compiled components, kept between runs, with what is known of saving their
//! instances.
//!
//! A component of objects is instrumented before it is compiled, so that instances
//! can be saved; one that cannot be is compiled as it is, and the reason is kept too.
//!
//! ```text
//! bytes ─ merged() ─ instrument() ─┬─► instrumented ─► compiled ─┬─► a file: manifest or reason, code
//!                                  └─ refused: as it was ────────┘
//! ```
//!
//! Invariants:
//!
//! * A file's name holds the digest of its content together with the key of the
//!   component it was compiled from. Code that was damaged, or belongs to another
//!   component, is never run.
//! * What was checked is what is run: the file is read once.
//! * A file is not removed for its size while a process uses what was loaded from it:
//!   that holds a shared lock on it.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, Result, anyhow, bail};
use component_snapshot::runtime::Accessors;
use component_snapshot::{Manifest, instrument};
use sha2::{Digest, Sha256};
use wasmtime::component::Component;

use super::component::World;
use super::data_segments;
use super::engine::Host;

const EXTENSION: &str = "cwasm";

/// What is kept before the files that were not used for longest are removed: some
/// hundred edits of a script.
const BYTES_MAX: u64 = 512 << 20;

/// What stands before the reason why a component was not instrumented.
const REFUSED: &str = "refused ";

/// A component that was compiled.
pub struct Compiled {
    pub component: Component,
    /// How its instances are saved, or why they cannot be.
    pub saving: Result<Accessors, String>,
    /// As long as this is open, the file is not removed for its size.
    pub in_use: Option<File>,
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
    bytes_max: u64,
}

impl ComponentCache {
    /// A cache in `dir`, which is created when something is first kept there.
    pub fn new(dir: PathBuf) -> ComponentCache {
        let bytes_max = BYTES_MAX;
        ComponentCache { dir, bytes_max }
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
        let in_use = kept.inspect_err(|error| {
            let (dir, error) = (self.dir.display(), format!("{error:#}"));
            tracing::warn!(%dir, error, "cannot keep the compiled component");
        });
        Compiled::new(component, &about, in_use.ok())
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

    fn keep(&self, key: &str, content: &[u8]) -> Result<File> {
        fs::create_dir_all(&self.dir)?;
        // Written aside and renamed, so that no other process reads half of it.
        let mut file = tempfile::NamedTempFile::new_in(&self.dir)?;
        file.write_all(content)?;
        file.as_file().lock_shared()?;
        let file = file.persist(self.dir.join(name(key, content)))?;
        self.make_room();
        Ok(file)
    }

    /// Removes what was not used for longest and is not in use, until the rest is
    /// little enough.
    fn make_room(&self) {
        let entries = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| {
            let is_code = entry.path().extension().is_some_and(|it| it == EXTENSION);
            let about = entry.metadata().ok().filter(|_| is_code)?;
            Some((about.modified().ok()?, about.len(), entry.path()))
        });
        let mut files: Vec<_> = files.collect();
        files.sort();
        let mut bytes: u64 = files.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, of_file, path) in files {
            if bytes <= self.bytes_max {
                break;
            }
            let is_free = || File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_free() && fs::remove_file(&path).is_ok() {
                bytes -= of_file;
            }
        }
    }
}

/// Instruments a component if it can be, and compiles it. Says what the cache keeps
/// about it.
fn compile(host: &Host, bytes: &[u8], world: World) -> Result<(Component, String)> {
    let bytes = &data_segments::merged(bytes);
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
    fn new(component: Component, about: &str, in_use: Option<File>) -> Result<Compiled> {
        let saving = match about.strip_prefix(REFUSED) {
            Some(reason) => Err(reason.into()),
            None => Ok(Accessors::find(&component, Manifest::parse(about)?)?),
        };
        Ok(Compiled {
            component,
            saving,
            in_use,
        })
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
    let mut opened = File::open(file)?;
    opened.lock_shared()?;
    let mut content = Vec::new();
    opened.read_to_end(&mut content)?;
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
    // It was used now; a cache that is only read has no such order.
    let _ = opened.set_modified(SystemTime::now());
    Compiled::new(component, about, Some(opened))
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
    #[test]
    fn what_was_not_used_for_longest_makes_room_unless_it_is_in_use() {
        let (dir, host) = (tempfile::tempdir().unwrap(), Host::new().unwrap());
        let mut cache = ComponentCache::new(dir.path().into());
        let bytes = b"\0asm\x0d\0\x01\0";
        let key = |number: usize| number.to_string().repeat(64);
        let load = |cache: &ComponentCache, number| {
            cache
                .compiled(&host, bytes, &key(number), World::Object)
                .unwrap()
        };
        let in_use = load(&cache, 1);
        let one_file = fs::metadata(&cached(dir.path())[0]).unwrap().len();
        cache.bytes_max = 3 * one_file;
        let age = |number: usize, seconds: u64| {
            let time = SystemTime::now() - std::time::Duration::from_secs(seconds);
            let file = File::options()
                .append(true)
                .open(&cache.kept(&key(number))[0]);
            file.unwrap().set_modified(time).unwrap();
        };
        let there = || (1..=5).filter(|it| !cache.kept(&key(*it)).is_empty());
        drop((load(&cache, 2), load(&cache, 3)));
        age(1, 300);
        age(2, 200);
        age(3, 100);
        drop(load(&cache, 4));
        assert_eq!(there().collect::<Vec<_>>(), [1, 3, 4]);
        // Its use makes it the newest.
        drop(load(&cache, 3));
        age(4, 50);
        drop(load(&cache, 5));
        assert_eq!(there().collect::<Vec<_>>(), [1, 3, 5]);
        drop(in_use);
        drop(load(&cache, 2));
        assert!(cache.kept(&key(1)).is_empty());
    }
}
