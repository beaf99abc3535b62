//! On which folder does a server run: which configuration, which data?

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use tempfile::TempDir;

use crate::abide::{Abide, Refusal};
use crate::{Disk, Language, artifacts};

const DROP_MEMORY: &str = "hibernate = \"drop-memory\"";

/// A configuration and its data, which outlive the processes that serve them.
pub struct Site {
    folder: Arc<TempDir>,
    data: PathBuf,
}

impl Site {
    /// Serves the fixture as class `fixture`, with these settings before it, and
    /// tells clients what went wrong in an object.
    pub fn fixture(settings: &str) -> Site {
        Site::of("fixture", &artifacts::fixture(), settings)
    }

    /// The same, of which an object that is idle keeps nothing in memory.
    pub fn forgetful(settings: &str) -> Site {
        let fixture = artifacts::fixture();
        Site::of("fixture", &fixture, settings).with_class_setting(DROP_MEMORY)
    }

    /// Serves the alarm clock as class `clock`.
    pub fn alarm_clock(settings: &str) -> Site {
        Site::of("clock", &artifacts::alarm_clock(), settings)
    }

    /// Serves the guest in a language as class `guest`.
    pub fn guest(language: Language, settings: &str) -> Site {
        let component = guests::component(language).unwrap_or_else(|error| panic!("{error:#}"));
        Site::of("guest", &component, settings)
    }

    /// Serves the classes `objects`, `old` and `sockets` in JavaScript.
    pub fn javascript(settings: &str) -> Site {
        let component = artifacts::javascript();
        let class = |name| format!("[classes.{name}]\ncomponent = {component:?}\n");
        let classes = ["objects", "old", "sockets"].map(class).concat();
        Site::configured(&format!(
            "show_errors = true\ndata = \"data\"\n{settings}\n{classes}"
        ))
    }

    /// Serves the guest in a language, of which nothing is kept in memory.
    pub fn forgetful_guest(language: Language, settings: &str) -> Site {
        Site::guest(language, settings).with_class_setting(DROP_MEMORY)
    }

    /// Adds a line to the table of the only class, which is the last one.
    fn with_class_setting(self, line: &str) -> Site {
        let config = std::fs::read_to_string(self.config()).expect("it was written");
        self.configure(&format!("{config}{line}\n"));
        self
    }

    fn of(class: &str, component: &Path, settings: &str) -> Site {
        Site::configured(&format!(
            "show_errors = true\ndata = \"data\"\n{settings}\n[classes.{class}]\ncomponent = {component:?}\n"
        ))
    }

    /// Serves what a configuration says; its data belong into the folder `data`.
    pub fn configured(config: &str) -> Site {
        let folder =
            Arc::new(TempDir::with_prefix("abide-promises-").expect("a folder for a test"));
        let site = Site {
            data: folder.path().join("data"),
            folder,
        };
        site.configure(config);
        site
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.config(), config).expect("the test's configuration can be written");
    }

    /// The same configuration on other data.
    pub fn with_data(&self, data: &Path) -> Site {
        let other = Site::configured(
            &std::fs::read_to_string(self.config()).expect("the configuration is there"),
        );
        Site {
            data: data.to_path_buf(),
            ..other
        }
    }

    /// Puts these files, by path, in the place of the data.
    pub fn replace_data(&self, files: &BTreeMap<String, Vec<u8>>) {
        let _ = std::fs::remove_dir_all(&self.data);
        Disk::write(files, &self.data);
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.folder.path().join("abide.toml")
    }

    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Starts a server, which must come up.
    pub fn serve(&self) -> Abide {
        Abide::start(self.command(), self.folder.clone())
    }

    /// Starts a server, which may refuse to serve: then what it said.
    pub fn try_serve(&self) -> Result<Abide, String> {
        Abide::try_start(self.command(), self.folder.clone())
    }

    /// Starts a server under the environment or arguments that `change` adds.
    pub fn serve_with(&self, change: impl FnOnce(&mut Command)) -> Abide {
        let mut command = self.command();
        change(&mut command);
        Abide::start(command, self.folder.clone())
    }

    /// Starts a server, which must refuse to serve.
    pub fn refusal(&self) -> Refusal {
        self.refusal_with(|_| {})
    }

    pub fn refusal_with(&self, change: impl FnOnce(&mut Command)) -> Refusal {
        let mut command = self.command();
        change(&mut command);
        Refusal::of(command)
    }

    /// What `abide objects` is told about this site's data, to be run.
    pub fn objects(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(artifacts::abide());
        command.arg("objects").args(arguments);
        command.arg("--data").arg(&self.data);
        command.env("ABIDE_CACHE", artifacts::cache());
        command
    }

    /// How the server is started, for a test that does it itself.
    pub fn command_of_server(&self) -> Command {
        self.command()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(artifacts::abide());
        command.arg("serve").arg("--config").arg(self.config());
        command
            .args(["--listen", "127.0.0.1:0"])
            .arg("--data")
            .arg(&self.data);
        command.env("ABIDE_CACHE", artifacts::cache());
        command
    }
}
