//! What a class's code finds in its environment: text values by name. They may be
//! secrets, so that they are shown nowhere.

use std::fmt;

/// Names and values together, as those of a process that others start. Each live
/// object holds a copy.
pub const BYTES_MAX: usize = 64 << 10;
/// More than anybody writes by hand.
pub const VARIABLES_MAX: usize = 256;
pub const NAME_BYTES_MAX: usize = 128;

#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(Vec<(String, String)>);

impl Environment {
    /// Adds a variable, whose value may be anything but text with NUL in it. The
    /// error does not tell the value.
    pub fn add(&mut self, name: &str, value: String) -> Result<(), String> {
        check_name(name)?;
        if self.0.iter().any(|(known, _)| known == name) {
            return Err(format!("variable {name} is given twice; remove one"));
        }
        if value.contains('\0') {
            return Err(format!(
                "the value of variable {name} has a NUL in it, which no environment can carry"
            ));
        }
        if self.0.len() == VARIABLES_MAX {
            return Err(format!(
                "variable {name} is one too many; there may be {VARIABLES_MAX}"
            ));
        }
        let bytes = self.bytes() + name.len() + value.len();
        if bytes > BYTES_MAX {
            return Err(format!(
                "with variable {name} the environment has {bytes} bytes; it may have {BYTES_MAX}"
            ));
        }
        self.0.push((name.into(), value));
        Ok(())
    }

    pub fn variables(&self) -> &[(String, String)] {
        &self.0
    }

    fn bytes(&self) -> usize {
        let sizes = self.0.iter().map(|(name, value)| name.len() + value.len());
        sizes.sum()
    }
}

/// Names as every language and shell can use them.
fn check_name(name: &str) -> Result<(), String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let begins = name.bytes().next().is_some_and(|it| !it.is_ascii_digit());
    if begins && name.len() <= NAME_BYTES_MAX && name.bytes().all(fits) {
        return Ok(());
    }
    Err(format!(
        "{name:?} cannot name a variable; use 1 to {NAME_BYTES_MAX} letters, digits and _, \
         the first no digit"
    ))
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(name, _)| (name, "…"));
        f.debug_map().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    //! What cannot be is refused by name, and no value is shown.

    use super::*;

    #[test]
    fn what_cannot_be_is_refused_without_its_value() {
        let mut environment = Environment::default();
        environment.add("API_KEY", "s3cret".into()).unwrap();
        let long = "s3cret".repeat(BYTES_MAX / 6);
        for (name, value, why) in [
            ("", "s3cret", "cannot name"),
            ("1A", "s3cret", "the first no digit"),
            ("A=B", "s3cret", "letters, digits and _"),
            ("Ä", "s3cret", "letters, digits and _"),
            ("API_KEY", "s3cret", "given twice"),
            ("NUL", "s3cret\0", "NUL"),
            ("LONG", &long, "65536"),
        ] {
            let error = environment.add(name, value.into()).unwrap_err();
            assert!(error.contains(why) && error.contains(name), "{error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        for at in environment.variables().len()..VARIABLES_MAX {
            environment.add(&format!("V{at}"), String::new()).unwrap();
        }
        let error = environment.add("MORE", String::new()).unwrap_err();
        assert!(error.contains("MORE is one too many"), "{error}");
        let shown = format!("{environment:?}");
        assert!(shown.contains("API_KEY") && !shown.contains("s3cret"));
    }
}
