//! Lists the files of the SDKs and the contract, for the binary to carry.

use std::path::{Path, PathBuf};
use std::{env, fs};

const CARRIED: [&str; 10] = [
    "wit",
    "guest-sdks/rust/Cargo.toml",
    "guest-sdks/rust/src",
    "guest-sdks/rust/macros/Cargo.toml",
    "guest-sdks/rust/macros/src",
    "guest-sdks/js/package.json",
    "guest-sdks/js/package-lock.json",
    "guest-sdks/js/build",
    "guest-sdks/js/src",
    "guest-sdks/js/wit",
];

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for carried in CARRIED {
        println!("cargo::rerun-if-changed=../{carried}");
        list(&root.join(carried), &mut files);
    }
    files.sort();
    let entries: String = files
        .iter()
        .map(|file| {
            let below = file.strip_prefix(&root).expect("listed below the root");
            format!("({below:?}, include_bytes!({:?}) as &[u8]),\n", file)
        })
        .collect();
    let out = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("sdk_files.rs");
    fs::write(out, format!("&[\n{entries}]")).expect("the output folder is writable");
}

fn list(path: &Path, files: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder of the repository");
        for entry in entries {
            list(&entry.expect("a folder of the repository").path(), files);
        }
    } else {
        files.push(path.into());
    }
}
