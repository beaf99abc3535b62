//! Builds all guests: `cargo run -p guests`, or some: `cargo run -p guests -- go rust`.

use std::process::ExitCode;

use guests::Language;

fn main() -> ExitCode {
    let mut wanted = Vec::new();
    for name in std::env::args().skip(1) {
        match Language::ALL
            .into_iter()
            .find(|language| language.name() == name)
        {
            Some(language) => wanted.push(language),
            None => {
                let known = Language::ALL.map(Language::name).join(", ");
                eprintln!(
                    "guests: there is no guest in \"{name}\"; name any of {known}, or none to build all"
                );
                return ExitCode::from(2);
            }
        }
    }
    if wanted.is_empty() {
        wanted.extend(Language::ALL);
    }

    let mut failed = false;
    for language in wanted {
        match guests::component(language) {
            Ok(path) => println!("{}", path.display()),
            Err(error) => {
                eprintln!("guests: {error:#}");
                failed = true;
            }
        }
    }
    if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
