//! `transactions`: savepoints, and transactions that hold back other events.

use wasmtime::Result;

use crate::instance::bindings::durable::object::transactions::{Host, StorageError};
use crate::instance::context::Context;

type Answer<T> = Result<std::result::Result<T, StorageError>>;

impl Host for Context {
    fn savepoint(&mut self) -> Answer<u64> {
        Ok(self
            .storage(|storage| storage.savepoint())?
            .map_err(Into::into))
    }

    fn begin(&mut self, within: Option<u64>) -> Answer<u64> {
        match self.storage(|storage| storage.begin(within))? {
            Ok(number) => {
                let section = self.enter_section()?;
                self.transaction_sections.push((number, section));
                Ok(Ok(number))
            }
            Err(error) => Ok(Err(error.into())),
        }
    }

    fn commit(&mut self, number: u64) -> Answer<()> {
        let outcome = self.storage(|storage| storage.commit(number))?;
        self.leave_transaction(number, outcome.is_ok())?;
        Ok(outcome.map_err(Into::into))
    }

    fn rollback(&mut self, number: u64) -> Answer<()> {
        let outcome = self.storage(|storage| storage.rollback(number))?;
        self.leave_transaction(number, outcome.is_ok())?;
        Ok(outcome.map_err(Into::into))
    }
}

impl Context {
    fn leave_transaction(&mut self, number: u64, ended: bool) -> Result<()> {
        match self.transaction_sections.last() {
            Some(&(innermost, section)) if ended && innermost == number => {
                self.transaction_sections.pop();
                self.leave_section(section)
            }
            _ => Ok(()), // It was a savepoint, or it is still open.
        }
    }
}
