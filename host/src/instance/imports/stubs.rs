//! `stubs`: ids of other objects. Calls are not served yet and say so.

use wasmtime::Result;
use wasmtime::component::{Access, FutureReader, HasSelf};

use super::types::not_served;
use crate::instance::bindings::durable::object::stubs::{
    Error, Host, HostWithStore, Request, Response, Target,
};
use crate::instance::bindings::durable::object::types::ErrorFlags;
use crate::instance::context::Context;
use crate::instance::wait::wait;
use crate::object::id::IdMaker;

type Answer<T> = std::result::Result<T, Error>;

impl Host for Context {
    fn id_from_name(&mut self, class: String, name: String) -> Result<Answer<String>> {
        Ok(self.ids(&class).map(|ids| ids.from_name(&name).to_string()))
    }

    fn new_unique_id(&mut self, class: String) -> Result<Answer<String>> {
        Ok(self.ids(&class).map(|ids| ids.random().to_string()))
    }

    fn id_from_string(&mut self, class: String, id: String) -> Result<Answer<String>> {
        Ok(self.ids(&class).and_then(|ids| match ids.parse(&id) {
            Ok(id) => Ok(id.to_string()),
            Err(why) => Err(type_error(why.to_string())),
        }))
    }
}

impl Context {
    fn ids(&self, class: &str) -> Answer<&IdMaker> {
        let found = self.around.ids.get(class);
        found.ok_or_else(|| type_error(format!("no class {class:?} is configured")))
    }
}

fn type_error(message: String) -> Error {
    Error {
        name: "TypeError".into(),
        message,
        flags: ErrorFlags::empty(),
    }
}

impl HostWithStore<Context> for HasSelf<Context> {
    fn fetch(
        access: Access<'_, Context, Self>,
        _class: String,
        _target: Target,
        _request: Request,
    ) -> Result<FutureReader<Answer<Response>>> {
        wait(access, async { Ok(Err(not_served("stubs"))) })
    }

    fn call(
        access: Access<'_, Context, Self>,
        _class: String,
        _target: Target,
        _method: String,
        _arguments: Vec<u8>,
    ) -> Result<FutureReader<Answer<Vec<u8>>>> {
        wait(access, async { Ok(Err(not_served("stubs"))) })
    }
}
