//! What does a component get in place of a part of the contract that it has no right
//! to? The end of its instance.

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

const PACKAGE: &str = "durable:object/";

/// Fills `linker` with whatever of the contract `component` imports, but for these
/// interfaces.
pub fn all_but<T: 'static>(
    given: &[&str],
    component: &Component,
    linker: &mut Linker<T>,
) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (path, import) in component.component_type().imports(engine) {
        let Some(name) = path.strip_prefix(PACKAGE) else {
            continue;
        };
        let name = name.split('@').next().unwrap_or_default();
        let ComponentItem::ComponentInstance(interface) = import.ty else {
            continue;
        };
        if given.contains(&name) {
            continue;
        }
        for (function, export) in interface.exports(engine) {
            if let ComponentItem::ComponentFunc(_) = export.ty {
                let refusal =
                    format!("{name}.{function} is only there for an object, once it runs");
                linker
                    .instance(path)?
                    .func_new(function, move |_, _, _, _| {
                        Err(wasmtime::Error::msg(refusal.clone()))
                    })?;
            }
        }
    }
    Ok(())
}
