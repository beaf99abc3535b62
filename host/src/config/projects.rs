//! What does the wrangler file say of a folder that `abide.toml` names as `source`?
//!
//! What `abide.toml` says itself comes first; what cannot be is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::wrangler::{self, Asked, WorkerClass};
use super::{ClassConfig, Code, Config, ConfigError};

/// The Cloudflare projects of a configuration, by their folders.
#[derive(Default)]
pub(super) struct Projects(RefCell<BTreeMap<PathBuf, Rc<Config>>>);

impl Projects {
    /// What the wrangler file of a folder says, if there is one.
    pub fn of(&self, folder: &Path, asked: &Asked) -> Result<Option<Rc<Config>>, ConfigError> {
        if let Some(known) = self.0.borrow().get(folder) {
            return Ok(Some(known.clone()));
        }
        let file = wrangler::find(folder).filter(|_| !is_of_other_language(folder));
        let Some(file) = file else {
            return Ok(None);
        };
        let project = Rc::new(wrangler::read(&file, asked)?);
        let mut projects = self.0.borrow_mut();
        projects.insert(folder.into(), project.clone());
        Ok(Some(project))
    }

    /// Adds what is no class's own: static files, migrations, and what is to be told.
    pub fn add_to(self, config: &mut Config) {
        let projects = self.0.into_inner();
        let has_own_migrations = !config.migrations.is_empty();
        for (folder, project) in &projects {
            config.notes.extend(project.notes.iter().cloned());
            let left_out = unserved(project, &config.classes);
            config.notes.extend(left_out.iter().map(|class| {
                let WorkerClass { name, wanted_by } = class;
                format!(
                    "{wanted_by}: class {name:?} is not served; write [classes.{name}] with the \
                     same source"
                )
            }));
            let is_gateway = |gateway: &ClassConfig| gateway.code.path() == folder;
            match &project.assets {
                Some(assets) if config.gateway.as_ref().is_some_and(is_gateway) => {
                    config.assets = Some(assets.clone());
                }
                Some(_) => config.notes.push(format!(
                    "{}: \"assets\" come before a gateway, so they are not served; write [gateway] \
                     with this folder as source",
                    folder.display()
                )),
                None => {}
            }
            if has_own_migrations || project.migrations.is_empty() {
                continue;
            }
            // Their tags and classes would meet those of others.
            match projects.len() == 1 && left_out.is_empty() {
                true => config.migrations = project.migrations.clone(),
                false => config.notes.push(format!(
                    "{}: \"migrations\" have no effect, because this is not the only wrangler file \
                     or not all of its classes are served; write those that change data as \
                     [[migrations]]",
                    folder.display()
                )),
            }
        }
    }
}

/// Is this a folder that is built by other tools, whatever else lies in it?
fn is_of_other_language(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    let is_python = has("pyproject.toml") || has("requirements.txt");
    has("Cargo.toml") || has("go.mod") || is_python && !has("package.json")
}

/// The classes of a project that are not among these.
fn unserved(project: &Config, classes: &[ClassConfig]) -> Vec<WorkerClass> {
    let code = project.gateway.as_ref().map(|it| &it.code);
    let Some(Code::Worker(worker)) = code else {
        return Vec::new();
    };
    let is_served = |wanted: &WorkerClass| {
        let mut classes = classes.iter();
        classes.any(|class| class.name == wanted.name && Some(&class.code) == code)
    };
    let wanted = worker.classes.iter().filter(|wanted| !is_served(wanted));
    wanted.cloned().collect()
}

#[cfg(test)]
mod tests {
    //! A folder with a wrangler file is what that file says, but for what is said beside it.

    use super::*;

    const WRANGLER: &str = r#"{
        "main": "index.js",
        "vars": { "MODE": "live", "MAX": 3 },
        "kv_namespaces": [{ "binding": "CACHE", "id": "1" }],
        "assets": { "directory": "public", "binding": "ASSETS" },
        "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
        "migrations": [{ "tag": "v1", "new_classes": ["Room"] }],
    }"#;

    fn read(toml: &str) -> Result<Config, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("public")).unwrap();
        std::fs::write(path("index.js"), "").unwrap();
        std::fs::write(path("wrangler.jsonc"), WRANGLER).unwrap();
        let asked = Asked {
            environment: None,
            developing: false,
            process: &|_| None,
        };
        let file = Path::new("abide.toml");
        let config = Config::parse(toml, file, folder.path(), &asked);
        config.map_err(|error| error.to_string())
    }

    const BOTH: &str = "[classes.Room]\nsource = \".\"\n[gateway]\nsource = \".\"\n";

    #[test]
    fn a_folder_is_what_its_wrangler_file_says() {
        let config = read(BOTH).unwrap();
        let room = &config.classes[0];
        let Code::Worker(worker) = &room.code else {
            panic!("{:?}", room.code);
        };
        assert_eq!(config.gateway.as_ref().unwrap().code, room.code);
        for part in [
            "\"ROOM\":{\"class\":\"Room\"}",
            "\"sql\":false",
            "\"ASSETS\"",
        ] {
            assert!(worker.settings.contains(part), "{}", worker.settings);
        }
        let mut variables = room.environment.variables().to_vec();
        variables.sort();
        let expected = [("MAX", "3"), ("MODE", "live")];
        assert_eq!(
            variables,
            expected.map(|(name, value)| (name.into(), value.into()))
        );
        assert_eq!(room.outbound, crate::outbound::allowed::Allowed::public());
        assert!(
            config
                .assets
                .is_some_and(|it| it.directory.ends_with("public"))
        );
        let tags: Vec<_> = config.migrations.iter().map(|it| &*it.tag).collect();
        assert_eq!(tags, ["v1"]);
        assert!(config.notes.iter().any(|note| note.contains("\"CACHE\"")));
    }

    #[test]
    fn what_stands_beside_it_comes_first() {
        let config = read(&format!(
            "{BOTH}[[migrations]]\ntag = \"own\"\nnew_classes = [\"Room\"]\n"
        ));
        assert_eq!(config.unwrap().migrations[0].tag, "own");
        let room = "[classes.Room]\nsource = \".\"\noutbound = []\nlimits = { cpu_ms_max = 50 }\n\
                    env = { MODE = \"test\", MORE = \"1\" }\n";
        let config = read(room).unwrap();
        let room = &config.classes[0];
        assert_eq!(room.limits.cpu_ms_max, 50);
        assert_eq!(room.outbound, crate::outbound::allowed::Allowed::default());
        let variables = room.environment.variables().iter();
        let shown: Vec<_> = variables
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(shown, ["MODE=test", "MORE=1", "MAX=3"]);
        let taken = read(&format!("{BOTH}env = {{ ROOM = \"x\" }}\n")).unwrap_err();
        assert!(
            taken.contains("abide.toml:5") && taken.contains("a variable's and a binding's"),
            "{taken}"
        );
    }

    #[test]
    fn what_cannot_be_is_told() {
        let config = read("[classes.Room]\nsource = \".\"\n").unwrap();
        assert!(config.assets.is_none() && config.gateway.is_none());
        let told = |config: &Config, part: &str| config.notes.iter().any(|it| it.contains(part));
        assert!(
            told(&config, "\"assets\" come before a gateway"),
            "{:?}",
            config.notes
        );
        let other = "[classes.Other]\ncomponent = \"o.wasm\"\n[gateway]\nsource = \".\"\n";
        let config = read(other).unwrap();
        assert!(
            told(&config, "class \"Room\" is not served"),
            "{:?}",
            config.notes
        );
        assert!(told(&config, "\"migrations\" have no effect"));
        assert!(config.migrations.is_empty() && config.assets.is_some());
    }
}
