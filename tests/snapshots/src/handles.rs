//! Which handles do the runtimes of the four languages hold at rest? Those of their
//! standard streams, and what waits for these.

use component_snapshot::runtime::Handles;
use wasmtime::component::{Resource, ResourceAny, ResourceTable};
use wasmtime::{Result, StoreContextMut, bail};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, pipe, subscribe};

use crate::object::Host;

/// Streams that go nowhere.
pub struct Streams;

impl Handles<Host> for Streams {
    fn describe(
        &mut self,
        _: StoreContextMut<'_, Host>,
        resource: &str,
        handle: ResourceAny,
    ) -> Result<(ResourceAny, Option<Vec<u8>>)> {
        Ok((handle, kind(resource).map(|_| Vec::new())))
    }

    fn make(
        &mut self,
        mut store: StoreContextMut<'_, Host>,
        resource: &str,
        _: &[u8],
    ) -> Result<ResourceAny> {
        let table = &mut store.data_mut().table;
        match kind(resource) {
            Some(Kind::Input) => {
                let stream: DynInputStream = Box::new(pipe::ClosedInputStream);
                let stream = table.push(stream)?;
                ResourceAny::try_from_resource(stream, store)
            }
            Some(Kind::Output) => {
                let stream = output(table)?;
                ResourceAny::try_from_resource(stream, store)
            }
            Some(Kind::Pollable) => {
                let stream = output(table)?;
                let pollable = subscribe(table, stream)?;
                ResourceAny::try_from_resource(pollable, store)
            }
            None => bail!("no handle of type {resource} was ever saved"),
        }
    }
}

fn output(table: &mut ResourceTable) -> Result<Resource<DynOutputStream>> {
    let stream: DynOutputStream = Box::new(pipe::SinkOutputStream);
    Ok(table.push(stream)?)
}

enum Kind {
    Input,
    Output,
    Pollable,
}

fn kind(resource: &str) -> Option<Kind> {
    match resource.split_once('#')? {
        (interface, "input-stream") if interface.starts_with("wasi:io/streams@") => {
            Some(Kind::Input)
        }
        (interface, "output-stream") if interface.starts_with("wasi:io/streams@") => {
            Some(Kind::Output)
        }
        (interface, "pollable") if interface.starts_with("wasi:io/poll@") => Some(Kind::Pollable),
        _ => None,
    }
}
