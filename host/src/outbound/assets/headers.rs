//! `_headers`: which headers does an answer of static files get, or lose?
//!
//! ```text
//! /docs/*
//!   X-Robots-Tag: noindex
//!   ! Cache-Control
//! ```

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::rules::{Pattern, Stood, Wrong, filled, lines};

/// As at Cloudflare.
const RULES_MAX: usize = 100;

/// Where a message ends, and what becomes of its connection.
const OF_SERVER: [&str; 8] = [
    "connection",
    "content-length",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[derive(Debug, Default)]
pub struct Headers {
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    line: usize,
    text: String,
    pattern: Pattern,
    set: Vec<(HeaderName, String)>,
    unset: Vec<HeaderName>,
}

impl Headers {
    pub fn read(text: &str) -> (Headers, Vec<Wrong>) {
        let mut wrong = Vec::new();
        let mut rules: Vec<Rule> = Vec::new();
        // Whether lines belong to a rule: to the newest.
        let mut is_within = false;
        for (line, text) in lines(text, &mut wrong) {
            let mut refuse = |why: String| wrong.push(Wrong { line, why });
            if text.starts_with('/') || text.split(' ').next().is_some_and(|it| it.contains("://"))
            {
                is_within = false;
                if rules.len() == RULES_MAX {
                    refuse(format!("there are more than {RULES_MAX} rules"));
                    break;
                }
                match Pattern::of(text) {
                    Ok(pattern) => {
                        // The later of two rules for the same counts.
                        rules.retain(|rule| rule.text != text);
                        rules.push(Rule {
                            line,
                            text: text.into(),
                            pattern,
                            set: Vec::new(),
                            unset: Vec::new(),
                        });
                        is_within = true;
                    }
                    Err(why) => refuse(why),
                }
                continue;
            }
            let Some(rule) = rules.last_mut().filter(|_| is_within) else {
                refuse("a path must come before its headers".into());
                continue;
            };
            if let Err(why) = rule.read(text) {
                refuse(why);
            }
        }
        let (good, empty): (Vec<_>, Vec<_>) = rules
            .into_iter()
            .partition(|rule| !rule.set.is_empty() || !rule.unset.is_empty());
        wrong.extend(empty.into_iter().map(|rule| Wrong {
            line: rule.line,
            why: format!("{} has no headers", rule.text),
        }));
        wrong.sort_by_key(|wrong| wrong.line);
        (Headers { rules: good }, wrong)
    }

    /// What several rules set is one after the other; what was there before gives way.
    pub fn change(&self, headers: &mut HeaderMap, host: &str, path: &str) {
        let mut ours = HeaderMap::new();
        for rule in &self.rules {
            let Some(stood) = rule.pattern.matches(host, path) else {
                continue;
            };
            for name in &rule.unset {
                headers.remove(name);
                ours.remove(name);
            }
            for (name, value) in rule.values(&stood) {
                headers.remove(name);
                ours.append(name, value);
            }
        }
        for (name, value) in &ours {
            headers.append(name, value.clone());
        }
    }
}

impl Rule {
    fn read(&mut self, text: &str) -> Result<(), String> {
        let named = |name: &str| {
            let name = HeaderName::try_from(name.trim());
            let name = name.map_err(|_| format!("{text:?} names no header"))?;
            match OF_SERVER.contains(&name.as_str()) {
                true => Err(format!("{name} is for the server alone to say")),
                false => Ok(name),
            }
        };
        let Some((name, value)) = text.split_once(':') else {
            let Some(name) = text.strip_prefix("! ") else {
                return Err(format!(
                    "{text:?} is neither \"name: value\" nor \"! name\""
                ));
            };
            self.unset.push(named(name)?);
            return Ok(());
        };
        let (name, value) = (named(name)?, value.trim());
        if value.is_empty() || HeaderValue::from_str(value).is_err() {
            return Err(format!("{text:?} has no value that can be sent"));
        }
        match self.set.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = format!("{known}, {value}"),
            None => self.set.push((name, value.into())),
        }
        Ok(())
    }

    fn values(&self, stood: &Stood) -> impl Iterator<Item = (&HeaderName, HeaderValue)> {
        self.set.iter().filter_map(|(name, value)| {
            let value = HeaderValue::from_str(&filled(value, stood)).ok()?;
            Some((name, value))
        })
    }
}

#[cfg(test)]
mod tests {
    //! Rules are read, and change headers, as at Cloudflare.

    use super::*;

    fn changed(text: &str, path: &str) -> String {
        let mut headers = HeaderMap::new();
        headers.insert("etag", HeaderValue::from_static("1"));
        headers.insert("cache-control", HeaderValue::from_static("public"));
        Headers::read(text)
            .0
            .change(&mut headers, "a.example", path);
        let mut shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}={}", value.to_str().unwrap()))
            .collect();
        shown.sort();
        shown.join(" ")
    }

    #[test]
    fn every_rule_that_matches_changes_headers() {
        let text = "# all\n/*\n  X-All: 1\n  Cache-Control: no-store\n\n/docs/:page\n  X-All: 2\n  \
                    x-page: see :page\n  ! ETag\nhttps://other.example/*\n  x-other: 1\n\
                    https://a.example/*\n  link: <a>\n  Link: <b>\n";
        assert_eq!(
            changed(text, "/"),
            "cache-control=no-store etag=1 link=<a>, <b> x-all=1"
        );
        assert_eq!(
            changed(text, "/docs/x"),
            "cache-control=no-store link=<a>, <b> x-all=1 x-all=2 x-page=see x"
        );
        // The later of two rules for one path counts.
        let twice = "/a\n  a: 1\n/a\n  b: 2";
        assert_eq!(changed(twice, "/a"), "b=2 cache-control=public etag=1");
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        let wrong = |text: &str| {
            let wrong = Headers::read(text).1;
            let wrong: Vec<_> = wrong
                .iter()
                .map(|wrong| format!("{} {}", wrong.line, wrong.why))
                .collect();
            wrong.join("\n")
        };
        assert_eq!(
            wrong("x: 1\n/a\n/b\n  c\n  d e: 1\n  f:\n  g: 1"),
            "1 a path must come before its headers\n2 /a has no headers\n4 \"c\" is neither \
             \"name: value\" nor \"! name\"\n5 \"d e: 1\" names no header\n6 \"f:\" has no value \
             that can be sent"
        );
        let length = wrong("/a\n b: 1\n Content-Length: 1");
        assert_eq!(length, "3 content-length is for the server alone to say");
        assert!(wrong("/a\n b: 1\n ! Transfer-Encoding").contains("the server alone"));
        let many = "/x\n a: 1\n".repeat(RULES_MAX + 1);
        let many: String = many
            .split("/x")
            .enumerate()
            .map(|(at, it)| format!("{it}/{at}"))
            .collect();
        assert!(wrong(&many).contains("more than 100 rules"));
    }
}
