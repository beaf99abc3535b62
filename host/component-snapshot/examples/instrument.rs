//! Instruments a component: `cargo run --example instrument -- IN.wasm OUT.wasm`.

use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = &arguments[..] else {
        eprintln!("instrument: name the component and the file to write");
        return ExitCode::from(2);
    };
    match run(from, to) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instrument: {from}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(from: &str, to: &str) -> Result<(), Box<dyn std::error::Error>> {
    let bytes = std::fs::read(from)?;
    let begin = Instant::now();
    let instrumented = component_snapshot::instrument(&bytes)?;
    eprintln!(
        "{} bytes became {} in {:?}",
        bytes.len(),
        instrumented.bytes.len(),
        begin.elapsed()
    );
    std::fs::write(to, &instrumented.bytes)?;
    print!("{}", instrumented.manifest);
    Ok(())
}
