//! `storage`: the database as a whole.

use tokio::sync::oneshot;
use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use crate::instance::bindings::durable::object::storage::{Host, HostWithStore, StorageError};
use crate::instance::context::Context;
use crate::instance::wait::wait;
use crate::object::outlet::Output;

impl Host for Context {
    fn delete_all(&mut self) -> Result<std::result::Result<(), StorageError>> {
        Ok(self
            .storage(|storage| storage.delete_all())?
            .map_err(Into::into))
    }
}

impl HostWithStore<Context> for HasSelf<Context> {
    fn sync(
        mut access: Access<'_, Context, Self>,
    ) -> Result<FutureReader<std::result::Result<(), StorageError>>> {
        let context = access.get();
        let commit = match context.storage(|storage| storage.sync())? {
            Ok(commit) => commit,
            Err(error) => return wait(access, async move { Ok(Err(error.into())) }),
        };
        let (proof, proven) = oneshot::channel();
        context.parts.outlet.say(commit, Output::Proof(proof));
        wait(access, async move {
            match proven.await {
                Ok(()) => Ok(Ok(())),
                // The gate has failed: the object is about to be reset.
                Err(_) => std::future::pending().await,
            }
        })
    }
}
