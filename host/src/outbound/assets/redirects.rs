//! `_redirects`: where is a request led before a file is looked for?
//!
//! ```text
//! /old        /new           301
//! /blog/*     https://blog.example.com/:splat
//! /app/*      /app/index     200
//! ```
//!
//! With 200 the other path is answered at this one.

use std::collections::HashMap;

use hyper::StatusCode;
use percent_encoding::{CONTROLS, utf8_percent_encode};

use super::rules::{Pattern, Stood, Wrong, filled, lines};

/// As at Cloudflare: rules for one path each, and others.
const FIXED_MAX: usize = 2000;
const OTHERS_MAX: usize = 100;

#[derive(Debug, Default)]
pub struct Redirects {
    fixed: HashMap<String, Rule>,
    others: Vec<(Pattern, Rule)>,
}

#[derive(Debug)]
struct Rule {
    to: String,
    status: StatusCode,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Redirect {
    /// It is told to go there.
    To(String, StatusCode),
    /// It gets what that path has.
    Inside(String),
}

impl Redirects {
    pub fn read(text: &str) -> (Redirects, Vec<Wrong>) {
        let (mut redirects, mut wrong) = (Redirects::default(), Vec::new());
        let mut known: Vec<String> = Vec::new();
        for (line, text) in lines(text, &mut wrong) {
            let words = text.split_whitespace();
            let words: Vec<_> = words.take_while(|word| !word.starts_with('#')).collect();
            let from = as_asked(words[0]);
            let added = match words[1..] {
                _ if known.contains(&from) => Err(format!("{from} has a rule already")),
                [to] => redirects.add(&from, to, "302"),
                [to, status] => redirects.add(&from, to, status),
                _ => Err("a rule is a path, where it leads, and perhaps a status".into()),
            };
            match added {
                Ok(()) => known.push(from),
                Err(why) => wrong.push(Wrong { line, why }),
            }
        }
        (redirects, wrong)
    }

    fn add(&mut self, from: &str, to: &str, status: &str) -> Result<(), String> {
        if !from.starts_with('/') {
            return Err(format!("{from:?} does not begin with a slash"));
        }
        let status = match status {
            "200" | "301" | "302" | "303" | "307" | "308" => status.parse().expect("a status"),
            _ => {
                return Err(format!(
                    "{status:?} is none of 200, 301, 302, 303, 307 and 308"
                ));
            }
        };
        let is_inside = to.starts_with('/') && !to.starts_with("//");
        if status == StatusCode::OK && !is_inside {
            return Err(format!("with 200 it leads to a path, and {to:?} is none"));
        }
        if !is_inside && !to.starts_with("https://") && !to.starts_with("http://") {
            return Err(format!(
                "{to:?} is neither a path nor an address with https://"
            ));
        }
        let is_of_all = from.ends_with('/') || from.ends_with("/*");
        if is_of_all && is_inside && (to.ends_with("/index") || to.ends_with("/index.html")) {
            return Err(format!(
                "{from} to {to} would lead in a circle; for the page of an application write \
                 \"not_found_handling\": \"single-page-application\""
            ));
        }
        let to = to.into();
        if Pattern::is_fixed(from) {
            if self.fixed.len() == FIXED_MAX {
                return Err(format!(
                    "there are more than {FIXED_MAX} rules for one path"
                ));
            }
            self.fixed.insert(from.into(), Rule { to, status });
            return Ok(());
        }
        if self.others.len() == OTHERS_MAX {
            return Err(format!(
                "there are more than {OTHERS_MAX} rules for several paths"
            ));
        }
        self.others.push((Pattern::of(from)?, Rule { to, status }));
        Ok(())
    }

    /// Rules for one path come first.
    pub fn of(&self, path: &str) -> Option<Redirect> {
        if let Some(rule) = self.fixed.get(path) {
            return Some(rule.filled(&Stood::new()));
        }
        let mut others = self.others.iter();
        others.find_map(|(pattern, rule)| Some(rule.filled(&pattern.matches("", path)?)))
    }
}

/// A path as a request has it: without query and fragment, encoded.
fn as_asked(path: &str) -> String {
    let path = path.split(['?', '#']).next().unwrap_or_default();
    utf8_percent_encode(path, CONTROLS).to_string()
}

impl Rule {
    fn filled(&self, stood: &Stood) -> Redirect {
        // A scheme's colon is followed by no letter.
        let mut to = filled(&self.to, stood);
        // What it was filled with leads to no other host.
        if self.to.starts_with('/') {
            to = format!("/{}", to.trim_start_matches(['/', '\\']));
        }
        match self.status {
            StatusCode::OK => Redirect::Inside(to),
            status => Redirect::To(to, status),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Rules are read, and lead, as at Cloudflare.

    use super::*;

    #[test]
    fn rules_lead_elsewhere() {
        let text = "# old\n/old /new 301 # for good\n/a* /b:splat\n/old/:x https://o.example/:x?k=1#f 308\n/app/* \
                    /app 200\n/abc /first\n";
        let (redirects, wrong) = Redirects::read(text);
        assert!(wrong.is_empty());
        let of = |path| match redirects.of(path) {
            Some(Redirect::To(to, status)) => format!("{} {to}", status.as_u16()),
            Some(Redirect::Inside(to)) => format!("= {to}"),
            None => "-".into(),
        };
        assert_eq!(of("/old"), "301 /new");
        assert_eq!(of("/abc"), "302 /first");
        assert_eq!(of("/abd"), "302 /bbd");
        assert_eq!(of("/old/7"), "308 https://o.example/7?k=1#f");
        assert_eq!(of("/old/7/8"), "-");
        assert_eq!(of("/"), "-");
        let (odd, _) = Redirects::read("/q?x=1 /a\n/f#g /b\n/ü /c");
        for path in ["/q", "/f", "/%C3%BC"] {
            assert!(odd.of(path).is_some(), "{path}");
        }
        // Of several the first.
        assert_eq!(of("/app/x"), "302 /bpp/x");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let why = |text: &str| {
            let (redirects, wrong) = Redirects::read(text);
            assert!(redirects.fixed.len() + redirects.others.len() <= 1);
            wrong
                .first()
                .map_or(String::new(), |wrong| wrong.why.clone())
        };
        assert!(why("/a").contains("a rule is a path"));
        assert!(why("a /b").contains("does not begin with a slash"));
        assert!(why("/a /b 404").contains("is none of 200"));
        assert!(why("/a https://x.example/ 200").contains("leads to a path"));
        assert!(why("/a b").contains("neither a path"));
        assert!(why("/* /index.html 200").contains("in a circle"));
        assert!(why("/a /b\n/a /c").contains("a rule already"));
        assert!(why("/*/* /c").contains("more than one *"));
    }
}
