//! The standard streams of an instance: what it prints goes to the log, and nothing is
//! there to be read.
//!
//! They are what a language's runtime holds while its object is at rest, together with
//! what waits for them. So they are known by their numbers, to be made again for an
//! instance that wakes, each as what it was.

use std::any::Any;
use std::collections::HashMap;

use component_snapshot::runtime::Handles;
use wasmtime::component::{HasSelf, Linker, Resource, ResourceAny, ResourceTable};
use wasmtime::{Result, StoreContextMut, bail};
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, pipe, subscribe};

use super::context::Context;
use super::log::GuestLog;

/// One of the three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stream {
    Input,
    Output,
    Errors,
}

pub struct StandardStreams {
    output: GuestLog,
    errors: GuestLog,
    /// By the number that a resource has in the instance's table. There are no other
    /// streams, so that a number which is used again is set anew.
    by_number: HashMap<u32, Stream>,
}

impl StandardStreams {
    pub fn new(output: GuestLog, errors: GuestLog) -> StandardStreams {
        StandardStreams {
            output,
            errors,
            by_number: HashMap::new(),
        }
    }

    fn input(&mut self, table: &mut ResourceTable) -> Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(pipe::ClosedInputStream);
        let stream = table.push(stream)?;
        self.by_number.insert(stream.rep(), Stream::Input);
        Ok(stream)
    }

    fn output(
        &mut self,
        table: &mut ResourceTable,
        which: Stream,
    ) -> Result<Resource<DynOutputStream>> {
        let log = match which {
            Stream::Errors => &self.errors,
            Stream::Output | Stream::Input => &self.output,
        };
        let stream = table.push(log.stream())?;
        self.by_number.insert(stream.rep(), which);
        Ok(stream)
    }

    /// Which stream does this pollable wait for? None: something else.
    fn polled(&self, table: &ResourceTable, pollable: u32) -> Option<Stream> {
        let pollable = table.get(&Resource::<DynPollable>::new_borrow(pollable));
        let pollable = std::ptr::from_ref(pollable.ok()?).cast::<()>();
        let is_child = |number: u32, stream: Stream| {
            let is_it = |child: &(dyn Any + Send)| std::ptr::from_ref(child).cast() == pollable;
            match stream {
                Stream::Input => {
                    let stream = Resource::<DynInputStream>::new_borrow(number);
                    table
                        .iter_children(&stream)
                        .is_ok_and(|mut all| all.any(is_it))
                }
                Stream::Output | Stream::Errors => {
                    let stream = Resource::<DynOutputStream>::new_borrow(number);
                    table
                        .iter_children(&stream)
                        .is_ok_and(|mut all| all.any(is_it))
                }
            }
        };
        let mut streams = self.by_number.iter();
        let found = streams.find(|(number, stream)| is_child(**number, **stream));
        found.map(|(_, stream)| *stream)
    }
}

pub fn add_to_linker(linker: &mut Linker<Context>) -> Result<()> {
    stdin::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    stdout::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)?;
    stderr::add_to_linker::<_, HasSelf<Context>>(linker, |context| context)
}

impl Context {
    fn streams(&mut self) -> (&mut StandardStreams, &mut ResourceTable) {
        (&mut self.streams, &mut self.table)
    }
}

impl stdin::Host for Context {
    fn get_stdin(&mut self) -> Result<Resource<DynInputStream>> {
        let (streams, table) = self.streams();
        streams.input(table)
    }
}

impl stdout::Host for Context {
    fn get_stdout(&mut self) -> Result<Resource<DynOutputStream>> {
        let (streams, table) = self.streams();
        streams.output(table, Stream::Output)
    }
}

impl stderr::Host for Context {
    fn get_stderr(&mut self) -> Result<Resource<DynOutputStream>> {
        let (streams, table) = self.streams();
        streams.output(table, Stream::Errors)
    }
}

/// Describes standard streams, and makes them again.
pub struct Again;

/// What a handle is of.
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

impl Stream {
    fn described(self) -> Vec<u8> {
        vec![self as u8]
    }

    fn of_description(description: &[u8]) -> Option<Stream> {
        let all = [Stream::Input, Stream::Output, Stream::Errors];
        all.into_iter()
            .find(|stream| stream.described() == description)
    }
}

impl Handles<Context> for Again {
    fn describe(
        &mut self,
        mut store: StoreContextMut<'_, Context>,
        resource: &str,
        handle: ResourceAny,
    ) -> Result<(ResourceAny, Option<Vec<u8>>)> {
        let by_number = |store: &mut StoreContextMut<'_, Context>, number: u32| {
            store.data().streams.by_number.get(&number).copied()
        };
        let (handle, stream) = match kind(resource) {
            Some(Kind::Input) => {
                let stream = handle.try_into_resource::<DynInputStream>(&mut store)?;
                let which = by_number(&mut store, stream.rep());
                (ResourceAny::try_from_resource(stream, &mut store)?, which)
            }
            Some(Kind::Output) => {
                let stream = handle.try_into_resource::<DynOutputStream>(&mut store)?;
                let which = by_number(&mut store, stream.rep());
                (ResourceAny::try_from_resource(stream, &mut store)?, which)
            }
            Some(Kind::Pollable) => {
                let pollable = handle.try_into_resource::<DynPollable>(&mut store)?;
                let context = store.data();
                let which = context.streams.polled(&context.table, pollable.rep());
                (ResourceAny::try_from_resource(pollable, &mut store)?, which)
            }
            None => (handle, None),
        };
        Ok((handle, stream.map(Stream::described)))
    }

    fn make(
        &mut self,
        mut store: StoreContextMut<'_, Context>,
        resource: &str,
        description: &[u8],
    ) -> Result<ResourceAny> {
        let (streams, table) = store.data_mut().streams();
        match (kind(resource), Stream::of_description(description)) {
            (Some(Kind::Input), Some(Stream::Input)) => {
                let stream = streams.input(table)?;
                ResourceAny::try_from_resource(stream, store)
            }
            (Some(Kind::Output), Some(which @ (Stream::Output | Stream::Errors))) => {
                let stream = streams.output(table, which)?;
                ResourceAny::try_from_resource(stream, store)
            }
            (Some(Kind::Pollable), Some(Stream::Input)) => {
                let stream = streams.input(table)?;
                let pollable = subscribe(table, stream)?;
                ResourceAny::try_from_resource(pollable, store)
            }
            (Some(Kind::Pollable), Some(which)) => {
                let stream = streams.output(table, which)?;
                let pollable = subscribe(table, stream)?;
                ResourceAny::try_from_resource(pollable, store)
            }
            _ => bail!("no handle of type {resource} was ever described so"),
        }
    }
}
