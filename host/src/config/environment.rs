//! What `env` and `env_from` say: the environment of a class's code.

use std::collections::BTreeMap;
use std::ffi::OsString;

use toml::{Spanned, Value};

use super::{Code, ConfigError, Origin};
use crate::environment::Environment;

/// Finds a variable in the environment of this process.
pub(super) type Process<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// What a table says of the environment.
pub(super) struct Said<'a> {
    pub env: &'a BTreeMap<Spanned<String>, Spanned<Value>>,
    pub env_from: &'a [Spanned<String>],
    pub env_from_optional: &'a [Spanned<String>],
}

impl Said<'_> {
    /// The environment of `whose` code, for example `class "counter"`.
    pub(super) fn of(
        &self,
        whose: &str,
        process: Process,
        origin: &Origin,
    ) -> Result<Environment, ConfigError> {
        let mut environment = Environment::default();
        let mut add = |name: &Spanned<String>, value| {
            let added = environment.add(name.get_ref(), value);
            added.map_err(|why| refused(whose, name, &why, origin))
        };
        for (name, value) in self.env {
            let Value::String(text) = value.get_ref() else {
                let why = format!(
                    "the value of variable {} is no text; write it in quotation marks",
                    name.get_ref()
                );
                return Err(refused(whose, name, &why, origin));
            };
            add(name, text.clone())?;
        }
        let required = self.env_from.iter().map(|name| (name, true));
        let optional = self.env_from_optional.iter().map(|name| (name, false));
        for (name, required) in required.chain(optional) {
            // A name that no process can have is refused as one, not as missing.
            let found = match name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
                true => Some(OsString::new()),
                false => process(name.get_ref()),
            };
            match found.map(OsString::into_string) {
                Some(Ok(value)) => add(name, value)?,
                Some(Err(_)) => {
                    let why = format!("the value of variable {} is not UTF-8", name.get_ref());
                    return Err(refused(whose, name, &why, origin));
                }
                None if required => {
                    let why = format!(
                        "variable {0} is not in the environment of abide; start it with {0}=…, \
                         or name it in env_from_optional",
                        name.get_ref()
                    );
                    return Err(refused(whose, name, &why, origin));
                }
                None => {}
            }
        }
        Ok(environment)
    }

    /// Fails where a Worker's code has a binding of the same name.
    pub(super) fn check_bindings(
        &self,
        whose: &str,
        code: &Code,
        origin: &Origin,
    ) -> Result<(), ConfigError> {
        let Code::Worker(worker) = code else {
            return Ok(());
        };
        let names = self.env.keys().chain(self.env_from);
        let mut names = names.chain(self.env_from_optional);
        match names.find(|name| worker.binds(name.get_ref())) {
            Some(name) => {
                let why = format!(
                    "the name {} is a variable's and a binding's",
                    name.get_ref()
                );
                Err(refused(whose, name, &why, origin))
            }
            None => Ok(()),
        }
    }
}

/// Adds what is not said already.
pub(super) fn add_under(said: &mut Environment, other: &Environment) -> Result<(), String> {
    for (name, value) in other.variables() {
        if !said.variables().iter().any(|(known, _)| known == name) {
            said.add(name, value.clone())?;
        }
    }
    Ok(())
}

fn refused(whose: &str, name: &Spanned<String>, why: &str, origin: &Origin) -> ConfigError {
    let line = origin.line(name.span().start);
    origin.error(line, &format!("{whose}: {why}"))
}
