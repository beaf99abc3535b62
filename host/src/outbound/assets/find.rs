//! Which file does a path lead to, or which address has the file that it names?
//!
//! As at Cloudflare each HTML file has one address, to which its others lead. What lies
//! at an address without a detour is `served`; a detour leads only to where the very file
//! is served.

use hyper::StatusCode;

use super::{Assets, HtmlHandling, NotFound};

/// What is found for a path.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// A file, below the folder.
    File(String, StatusCode),
    /// The address that the file has.
    Elsewhere(String),
}

/// How a path may end that stands for an HTML file; what is left is its stem.
const ENDS: [&str; 4] = ["/index.html", "/index", "/", ".html"];

impl Assets {
    /// What there is for a decoded path.
    pub(super) fn find(
        &self,
        path: &str,
        is_page: bool,
        is_file: impl Fn(&str) -> bool,
    ) -> Option<Found> {
        if !path.starts_with('/') || path.contains(['\\', '\0']) {
            return None;
        }
        if path.split('/').any(|it| matches!(it, "." | "..")) {
            return None;
        }
        let there = |path: &str| {
            let file = path.strip_prefix('/').unwrap_or(path);
            let is_name = !file.is_empty() && !file.ends_with('/');
            is_name && !self.hides(file) && is_file(file)
        };
        let found = match self.html {
            HtmlHandling::Exact => there(path).then(|| file(path)),
            html => find_html(path, html, &there),
        };
        found.or_else(|| match is_page {
            true => self.instead(path, there),
            false => None,
        })
    }

    /// What is answered where there is nothing.
    fn instead(&self, path: &str, there: impl Fn(&str) -> bool) -> Option<Found> {
        match self.missing {
            NotFound::Worker => None,
            NotFound::SinglePage => there("/index.html").then(|| file("/index.html")),
            NotFound::Page => {
                let slashes = path.rmatch_indices('/').map(|(at, _)| &path[..at]);
                let mut pages = slashes.map(|folder| format!("{folder}/404.html"));
                let page = pages.find(|page| there(page))?;
                Some(Found::File(page[1..].into(), StatusCode::NOT_FOUND))
            }
        }
    }
}

fn file(path: &str) -> Found {
    let below = path.strip_prefix('/').unwrap_or(path);
    Found::File(below.into(), StatusCode::OK)
}

/// The file for a path where each HTML file has one address.
fn find_html(path: &str, html: HtmlHandling, there: &impl Fn(&str) -> bool) -> Option<Found> {
    let (stem, end) = parts(path);
    let found = find_ended(path, (stem, end), html, there);
    found.or_else(|| match end {
        // What looks like the name of a page may be the stem of one.
        ".html" => find_ended(path, (path, ""), html, there),
        _ => None,
    })
}

fn find_ended(
    path: &str,
    (stem, end): (&str, &str),
    html: HtmlHandling,
    there: &impl Fn(&str) -> bool,
) -> Option<Found> {
    let itself = || there(path).then(|| file(path));
    let leads_to = |found: &str, address: String| {
        let is_there = there(found) && !there(&address);
        let leads = is_there && served(&address, html, there).as_deref() == Some(found);
        leads.then_some(Found::Elsewhere(address))
    };
    let to_page = || match stem {
        "" => None,
        stem => leads_to(&format!("{stem}.html"), address_of_page(stem, html)),
    };
    let to_index = || leads_to(&format!("{stem}/index.html"), address_of_index(stem, html));
    // The file that is named comes before the other of the same stem.
    let first = match end {
        "" | "/" => served(path, html, there).map(|served| file(&served)),
        "/index" => itself(),
        "/index.html" => to_index().or_else(itself),
        _ => to_page().or_else(itself),
    };
    first.or_else(to_index).or_else(to_page)
}

/// A path's stem, and how it ends.
fn parts(path: &str) -> (&str, &'static str) {
    let mut ends = ENDS.iter();
    let found = ends.find_map(|end| Some((path.strip_suffix(end)?, *end)));
    found.unwrap_or((path, ""))
}

/// The address of `<stem>.html`.
fn address_of_page(stem: &str, html: HtmlHandling) -> String {
    match html {
        HtmlHandling::Slash => format!("{stem}/"),
        _ => stem.into(),
    }
}

/// The address of `<stem>/index.html`.
fn address_of_index(stem: &str, html: HtmlHandling) -> String {
    match html {
        HtmlHandling::NoSlash if !stem.is_empty() => stem.into(),
        _ => format!("{stem}/"),
    }
}

/// What lies at an address without a detour.
fn served(path: &str, html: HtmlHandling, there: &impl Fn(&str) -> bool) -> Option<String> {
    let folder = path.strip_suffix('/');
    let page = |stem: &str| format!("{stem}.html");
    let index = |stem: &str| format!("{stem}/index.html");
    let candidates = match (folder, html) {
        (Some(""), _) => vec![index("")],
        (Some(folder), HtmlHandling::Auto) => vec![index(folder)],
        (Some(folder), HtmlHandling::Slash) => vec![index(folder), page(folder)],
        (Some(_), _) => vec![],
        (None, HtmlHandling::Auto) => vec![path.into(), page(path)],
        (None, HtmlHandling::NoSlash) => vec![path.into(), page(path), index(path)],
        (None, _) => vec![path.into()],
    };
    candidates.into_iter().find(|candidate| there(candidate))
}

#[cfg(test)]
mod tests {
    //! Each file has one address, and nothing else has any.

    use std::path::PathBuf;
    use std::sync::Arc;

    use super::super::WorkerFirst;
    use super::super::address::decoded;
    use super::*;

    const FILES: [&str; 11] = [
        "index.html",
        "about.html",
        "docs/index.html",
        "both.html",
        "both/index.html",
        "exact.html.html",
        "named/index",
        "a b.txt",
        "docs/404.html",
        "404.html",
        "_headers",
    ];

    fn found(html: HtmlHandling, missing: NotFound, path: &str, is_page: bool) -> String {
        let assets = Assets {
            directory: PathBuf::new(),
            html,
            missing,
            first: WorkerFirst::Never,
            rules: Arc::default(),
            left_out: None,
        };
        let path = decoded(path);
        match assets.find(&path, is_page, |file| FILES.contains(&file)) {
            Some(Found::File(file, StatusCode::OK)) => file,
            Some(Found::File(file, status)) => format!("{} {file}", status.as_u16()),
            Some(Found::Elsewhere(place)) => format!("→ {place}"),
            None => "Worker".into(),
        }
    }

    /// With auto-, force-, drop-trailing-slash and none.
    fn check(path: &str, expected: [&str; 4]) {
        use HtmlHandling::{Auto, Exact, NoSlash, Slash};
        for (html, expected) in [Auto, Slash, NoSlash, Exact].into_iter().zip(expected) {
            let found = found(html, NotFound::Worker, path, true);
            assert_eq!(found, expected, "{path} with {html:?}");
        }
    }

    #[test]
    fn a_path_leads_to_a_file_or_to_the_address_of_one() {
        let everywhere = |path: &str, expected: &str| check(path, [expected; 4]);
        everywhere("/a%20b.txt", "a b.txt");
        everywhere("/named/index", "named/index");
        for path in ["/nothing", "/../about", "/docs/%2e%2e/about", "/_headers"] {
            everywhere(path, "Worker");
        }
        check("/", ["index.html", "index.html", "index.html", "Worker"]);
        check("//index.html", ["→ /", "→ /", "→ /", "index.html"]);
        check("/index.html", ["→ /", "→ /", "→ /", "index.html"]);
        check("/index", ["→ /", "→ /", "→ /", "Worker"]);
    }

    #[test]
    fn a_page_has_one_address() {
        let (page, slash) = ("→ /about", "→ /about/");
        check("/about", ["about.html", slash, "about.html", "Worker"]);
        check("/about/", [page, "about.html", page, "Worker"]);
        check("/about.html", [page, slash, page, "about.html"]);
        check("/about/index", [page, slash, page, "Worker"]);
        check("/about/index.html", [page, slash, page, "Worker"]);
        let (page, slash) = ("exact.html.html", "→ /exact.html/");
        check("/exact.html", [page, slash, page, "Worker"]);
    }

    #[test]
    fn a_folder_has_one_address() {
        let (index, slash, none) = ("docs/index.html", "→ /docs/", "→ /docs");
        check("/docs", [slash, slash, index, "Worker"]);
        check("/docs/", [index, index, none, "Worker"]);
        check("/docs.html", [slash, slash, none, "Worker"]);
        check("/docs/index", [slash, slash, none, "Worker"]);
        check("/docs/index.html", [slash, slash, none, index]);
    }

    #[test]
    fn a_page_and_a_folder_of_one_name_have_an_address_each() {
        let (page, index) = ("both.html", "both/index.html");
        check("/both", [page, "→ /both/", page, "Worker"]);
        check("/both/", [index, index, "→ /both", "Worker"]);
        check("/both.html", ["→ /both", page, "→ /both", page]);
        check("/both/index.html", ["→ /both/", "→ /both/", index, index]);
        check("/both/index", ["→ /both/", "→ /both/", "→ /both", "Worker"]);
    }

    #[test]
    fn who_finds_no_page_gets_what_is_configured() {
        let check = |missing, path: &str, expected: &str| {
            let found = |is_page| found(HtmlHandling::Auto, missing, path, is_page);
            assert_eq!(found(true), expected, "{path}");
            assert_eq!(found(false), "Worker", "{path}");
        };
        check(NotFound::SinglePage, "/rooms/1", "index.html");
        check(NotFound::Page, "/rooms/1", "404 404.html");
        check(NotFound::Page, "/docs/x", "404 docs/404.html");
        check(NotFound::Page, "/docs/x/", "404 docs/404.html");
        check(NotFound::Worker, "/docs/x", "Worker");
    }
}
