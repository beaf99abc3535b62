//! What does a new object's folder begin with?

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, anyhow, bail};

use super::{Workshop, rust, sdk};
use crate::config::check_class_name;

/// What a new object does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Counter,
    Chat,
}

/// What it is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dialect {
    Rust,
    JavaScript,
    TypeScript,
}

/// Path below the folder, and content, in which NAME stands for the object's.
type Template = &'static [(&'static str, &'static str)];

macro_rules! of_repository {
    ($path:literal) => {
        include_str!(concat!("../../../", $path))
    };
}

const RUST: Template = &[
    (
        "Cargo.toml",
        of_repository!("guest-sdks/rust/template/Cargo.toml"),
    ),
    (
        "src/lib.rs",
        of_repository!("guest-sdks/rust/template/src/lib.rs"),
    ),
    (
        ".gitignore",
        of_repository!("guest-sdks/rust/template/gitignore"),
    ),
];

// The templates in JavaScript are the examples, or differ from them only in types.
const JS_IGNORE: (&str, &str) = (
    ".gitignore",
    of_repository!("guest-sdks/js/template/gitignore"),
);
const TS_CONFIG: (&str, &str) = (
    "tsconfig.json",
    of_repository!("examples/chat/js/tsconfig.json"),
);
const TS_PACKAGE: (&str, &str) = (
    "package.json",
    of_repository!("examples/chat/js/package.json"),
);
const JS_PACKAGE: (&str, &str) = (
    "package.json",
    of_repository!("examples/counter/js/package.json"),
);
const PAGE: (&str, &str) = (
    "src/page.html",
    of_repository!("examples/chat/js/src/page.html"),
);
const COUNTER: (&str, &str) = (
    "wrangler.jsonc",
    of_repository!("examples/counter/js/wrangler.jsonc"),
);
const CHAT: (&str, &str) = (
    "wrangler.jsonc",
    of_repository!("examples/chat/js/wrangler.jsonc"),
);

const COUNTER_JS: Template = &[
    JS_PACKAGE,
    COUNTER,
    (
        "src/index.js",
        of_repository!("examples/counter/js/src/index.js"),
    ),
    JS_IGNORE,
];
const COUNTER_TS: Template = &[
    TS_PACKAGE,
    TS_CONFIG,
    COUNTER,
    (
        "src/index.ts",
        of_repository!("guest-sdks/js/template/counter/src/index.ts"),
    ),
    JS_IGNORE,
];
const CHAT_JS: Template = &[
    JS_PACKAGE,
    CHAT,
    (
        "src/index.js",
        of_repository!("guest-sdks/js/template/chat/src/index.js"),
    ),
    PAGE,
    JS_IGNORE,
];
const CHAT_TS: Template = &[
    TS_PACKAGE,
    TS_CONFIG,
    CHAT,
    (
        "src/index.ts",
        of_repository!("examples/chat/js/src/index.ts"),
    ),
    (
        "src/files.d.ts",
        of_repository!("examples/chat/js/src/files.d.ts"),
    ),
    PAGE,
    JS_IGNORE,
];

/// Makes a folder with an object. The folder's name becomes the object's.
pub fn new(folder: &Path, dialect: Dialect, kind: Kind, workshop: &Workshop) -> Result<()> {
    let shown = folder.display();
    let template = match (dialect, kind) {
        (Dialect::Rust, Kind::Counter) => RUST,
        (Dialect::Rust, Kind::Chat) => {
            bail!("there is no template of a chat in Rust; examples/chat/rust is one to copy")
        }
        (Dialect::JavaScript, Kind::Counter) => COUNTER_JS,
        (Dialect::JavaScript, Kind::Chat) => CHAT_JS,
        (Dialect::TypeScript, Kind::Counter) => COUNTER_TS,
        (Dialect::TypeScript, Kind::Chat) => CHAT_TS,
    };
    let Some(name) = folder.file_name() else {
        bail!("{shown} is no name of a new folder; abide new makes one, for example: my-object");
    };
    let name = name.to_string_lossy();
    check(&name)?;
    if folder.exists() {
        bail!("{shown} is there already; choose another name, or remove it");
    }
    if dialect == Dialect::Rust {
        // Without it the folder would be half of one.
        sdk::rust(&workshop.cache)?;
    }
    for (path, content) in template {
        let file = folder.join(path);
        let cannot = || format!("cannot write {}", file.display());
        fs::create_dir_all(file.parent().unwrap_or(folder)).with_context(cannot)?;
        let content = match *path {
            "package.json" => named(content, &name),
            "wrangler.jsonc" => with_main(&named(content, &name), dialect),
            path if path.ends_with(".toml") || path.ends_with(".rs") => {
                content.replace("NAME", &name)
            }
            _ => (*content).into(),
        };
        fs::write(&file, content).with_context(cannot)?;
    }
    match dialect {
        Dialect::Rust => rust::find_sdk(folder, workshop),
        Dialect::JavaScript | Dialect::TypeScript => Ok(()),
    }
}

/// The file of an example with the name of another.
fn named(content: &str, name: &str) -> String {
    let own = ["chat", "counter"].map(|own| format!("\"name\": \"{own}\""));
    let [chat, counter] = &own;
    let new = format!("\"name\": \"{name}\"");
    content.replacen(chat, &new, 1).replacen(counter, &new, 1)
}

/// What packages cannot be called.
const TAKEN: [&str; 10] = [
    "test",
    "core",
    "std",
    "alloc",
    "proc-macro",
    "build",
    "deps",
    "examples",
    "incremental",
    // The SDK, which it needs.
    "durable-object",
];

/// Words of Rust, which packages cannot be called either.
const WORDS: &str = "abstract as async await become box break const continue crate do dyn else enum \
                     extern false final fn for gen if impl in let loop macro match mod move mut \
                     override priv pub ref return self static struct super trait true try type \
                     typeof unsafe unsized use virtual where while yield";

/// A class has the name, so it must suit a URL, and a package.
fn check(name: &str) -> Result<()> {
    let is_plain =
        |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    let begins_well = name.starts_with(|letter: char| letter.is_ascii_lowercase());
    if !begins_well || !name.chars().all(is_plain) {
        bail!(
            "an object cannot be named {name:?}; take lower-case letters, digits and -, \
             beginning with a letter, for example my-object"
        );
    }
    if TAKEN.contains(&name) || WORDS.split_whitespace().any(|word| word == name) {
        bail!("a package cannot be named {name:?}; choose another name");
    }
    check_class_name(name).map_err(|why| anyhow!(why))?;
    Ok(())
}

/// The wrangler file of an example for its other dialect.
fn with_main(content: &str, dialect: Dialect) -> String {
    let (wanted, other) = match dialect {
        Dialect::TypeScript => ("src/index.ts", "src/index.js"),
        Dialect::JavaScript | Dialect::Rust => ("src/index.js", "src/index.ts"),
    };
    content.replace(other, wanted)
}

#[cfg(test)]
mod tests {
    //! A name that would not work later is refused now.

    use super::*;

    #[test]
    fn a_name_suits_a_url_and_a_package() {
        for good in ["counter", "my-object", "a1"] {
            check(good).unwrap_or_else(|error| panic!("{error}"));
        }
        let long = "a".repeat(65);
        for bad in [
            "", "1st", "My", "a_b", "a b", "ä", "..", "-a", "test", "std", "fn", "async", &long,
        ] {
            let error = check(bad).expect_err(bad).to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }
}
