//! How does a component get the exports through which its state can be saved?
//!
//! Everything is appended: no index changes, and no code.
//!
//! * Each core module also exports its mutable globals and its memories.
//! * Start functions no longer run by themselves. They are exported, to be called for
//!   fresh instances and not for woken ones.
//! * One more core module reaches all those globals and memories. What it exports is
//!   lifted and exported by the component; what nested components export of this kind
//!   is exported further, up to the outermost one.
//! * For each imported resource type, two exports put handles in and take them out.

mod accessor;
mod level;
mod lift;
mod module;
pub(crate) mod refused;

use wasm_encoder::{ComponentSectionId, CustomSection, RawSection};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::manifest::{Manifest, SECTION};
use level::{Level, Nested};
use refused::{Reason, Refused};

/// The prefix of the names of what a component's instrumentation exports.
const PREFIX: &str = "snapshot";

/// An instrumented component.
#[derive(Clone, Debug)]
pub struct Instrumented {
    pub bytes: Vec<u8>,
    pub manifest: Manifest,
}

/// Instruments the component in `bytes`. The same bytes always give the same result.
///
/// Fails when `bytes` are no valid component, or when something in it has state that
/// cannot be saved.
pub fn instrument(bytes: &[u8]) -> Result<Instrumented, Refused> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut levels: Vec<Level> = Vec::new();
    // A module is read as a whole when it begins.
    let mut in_module = false;
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        if let (Payload::End(_), false) = (&payload, in_module) {
            let level = levels.pop().expect("what ends has begun");
            let types = validator.types(0).expect("a component has not ended");
            let range = level.range.clone();
            let nested = level.finish(types);
            validator.payload(&payload)?;
            match levels.last_mut() {
                Some(outer) => outer.add_component(nested, &bytes[range]),
                None => return finish(nested?),
            }
            continue;
        }
        validator.payload(&payload)?;
        match &payload {
            Payload::End(_) => in_module = false,
            _ if in_module => {}
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } => return Err(Reason::CoreModule.into()),
            Payload::Version { .. } if levels.is_empty() => levels.push(Level::new(0..bytes.len())),
            Payload::Version { .. } => {}
            Payload::ComponentSection {
                unchecked_range, ..
            } if unchecked_range.end > bytes.len() => {
                let cut = "a component in it is cut off";
                return Err(Reason::Invalid(cut.into()).into());
            }
            Payload::ComponentSection {
                unchecked_range, ..
            } => levels.push(Level::new(unchecked_range.clone())),
            payload => {
                in_module = matches!(payload, Payload::ModuleSection { .. });
                let level = levels.last_mut().expect("a version came first");
                level.add(payload, bytes)?;
            }
        }
    }
    Err(refused::cut())
}

/// Adds the manifest to the outermost component.
fn finish(whole: Nested) -> Result<Instrumented, Refused> {
    let Nested {
        mut encoded,
        manifest,
    } = whole;
    encoded.section(&CustomSection {
        name: SECTION.into(),
        data: manifest.to_string().into_bytes().into(),
    });
    let bytes = encoded.finish();
    check(&bytes)?;
    Ok(Instrumented { bytes, manifest })
}

/// Is the result valid? The types of functions that nested components export can
/// depend on resources that the outer one cannot name.
fn check(bytes: &[u8]) -> Result<(), Refused> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    for payload in Parser::new(0).parse_all(bytes) {
        // Code is not looked at: it is what it was.
        validator
            .payload(&payload?)
            .map_err(|_| Reason::InnerResource)?;
    }
    Ok(())
}

/// A section as it was.
fn raw(id: u8, data: &[u8]) -> RawSection<'_> {
    RawSection { id, data }
}

const CORE_MODULE: u8 = ComponentSectionId::CoreModule as u8;
const COMPONENT: u8 = ComponentSectionId::Component as u8;
