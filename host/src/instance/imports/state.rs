//! `state`: who the object is, and control over its instance.

use wasmtime::Result;

use crate::instance::bindings::durable::object::state::{Error, Host, ResourceLimits};
use crate::instance::context::Context;
use crate::object::error::ObjectError;

const ABORTED: &str = "Application called abort() to reset Durable Object.";

impl Host for Context {
    fn id(&mut self) -> Result<String> {
        Ok(self.parts.identity.id.to_string())
    }

    fn name(&mut self) -> Result<Option<String>> {
        Ok(self.parts.identity.name().map(Into::into))
    }

    fn class_name(&mut self) -> Result<String> {
        Ok(self.parts.identity.class.to_string())
    }

    fn forked_from(&mut self) -> Result<Option<String>> {
        // What does not break the database cannot fail here.
        Ok(self.storage(|storage| storage.origin())?.unwrap_or(None))
    }

    fn limits(&mut self) -> Result<ResourceLimits> {
        let storage_bytes = self
            .storage(|storage| storage.database_size())?
            .unwrap_or(0);
        Ok(ResourceLimits {
            memory_bytes: self.memory.meter.bytes() as u64,
            memory_bytes_max: self.memory.meter.bytes_max() as u64,
            storage_bytes,
            storage_bytes_max: self.parts.storage.lock().storage_bytes_max(),
            cpu_ms_max: self.cpu.ms_max(),
        })
    }

    fn abort(&mut self, reason: Option<String>, retry_alarm: bool) -> Result<()> {
        if !retry_alarm {
            self.alarms.must_not_retry();
        }
        let reason = reason.unwrap_or_else(|| ABORTED.into());
        Err(self.end.reset(reason))
    }

    fn begin_block_concurrency(&mut self) -> Result<u64> {
        self.enter_section()
    }

    fn end_block_concurrency(
        &mut self,
        section: u64,
        outcome: std::result::Result<(), Error>,
    ) -> Result<()> {
        self.leave_section(section)?;
        match outcome {
            Ok(()) => Ok(()),
            Err(error) => Err(self.end.reset_all(ObjectError::from(error).into_reset())),
        }
    }
}
