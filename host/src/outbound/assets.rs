//! The static files of a Worker: which of them answers a request, of a client or of
//! an object?
//!
//! As at Cloudflare: `/about` is `about.html` or `about/`, and each file has one
//! address, to which its others lead, and one spelling of it: what guards an address
//! guards the file. Links in the folder lead nowhere outside of it.
//!
//! ```text
//! path ─ _redirects ─┬─► another address
//!                    └─► path ─ find(), but for .assetsignore ─► file ─ _headers ─► answer
//! ```

mod headers;
mod ignored;
mod redirects;
mod rules;

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::{Dir, File};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, LOCATION,
};
use hyper::{Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256};
use url::Url;

pub use self::rules::{Rules, files as files_of_rules};

use self::redirects::Redirect;
use super::redirect::Redirects;
use crate::object::body::{Body, BodySource};
use crate::object::error::ObjectError;
use crate::object::event::{Request, Response};

/// As at Cloudflare: no static file is larger.
const FILE_BYTES_MAX: u64 = 25 << 20;

/// With this an address begins at which an object finds them.
pub const SCHEME: &str = "assets:";

/// How often an object is led on before it gets an error.
const FOLLOWED_MAX: usize = 20;

/// A larger file reaches an object in chunks of this size.
const CHUNK_BYTES: usize = 64 << 10;

const REVALIDATED: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// What the address of a file has encoded: what `encodeURIComponent` encodes between
/// slashes.
const IN_ADDRESS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    pub directory: PathBuf,
    pub html: HtmlHandling,
    pub missing: NotFound,
    pub first: WorkerFirst,
    pub rules: Arc<Rules>,
}

/// Which address an HTML file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlHandling {
    /// `/about` for `about.html`, `/about/` for `about/index.html`.
    Auto,
    /// Always with a slash at the end.
    Slash,
    /// Never.
    NoSlash,
    /// That of the file.
    Exact,
}

/// What a browser gets that looks for a page that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// What the Worker says.
    Worker,
    /// The nearest `404.html`.
    Page,
    /// `index.html`, which knows all addresses.
    SinglePage,
}

/// Which requests the Worker gets even where there is a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkerFirst {
    Never,
    Always,
    /// Paths with `*` for anything; those that begin with `!` are exceptions.
    Where(Vec<String>),
}

impl HtmlHandling {
    pub const CHOICES: &str =
        "auto-trailing-slash, force-trailing-slash, drop-trailing-slash and none";

    pub fn of(word: &str) -> Option<HtmlHandling> {
        Some(match word {
            "auto-trailing-slash" => HtmlHandling::Auto,
            "force-trailing-slash" => HtmlHandling::Slash,
            "drop-trailing-slash" => HtmlHandling::NoSlash,
            "none" => HtmlHandling::Exact,
            _ => return None,
        })
    }
}

impl NotFound {
    pub const CHOICES: &str = "single-page-application, 404-page and none";

    pub fn of(word: &str) -> Option<NotFound> {
        Some(match word {
            "none" => NotFound::Worker,
            "404-page" => NotFound::Page,
            "single-page-application" => NotFound::SinglePage,
            _ => return None,
        })
    }
}

impl WorkerFirst {
    pub fn takes(&self, path: &str) -> bool {
        let WorkerFirst::Where(patterns) = self else {
            return *self == WorkerFirst::Always;
        };
        let (except, wanted): (Vec<_>, Vec<_>) = patterns
            .iter()
            .partition(|pattern| pattern.starts_with('!'));
        let any = |patterns: Vec<&String>| {
            let mut patterns = patterns.into_iter();
            patterns.any(|pattern| matches(pattern.trim_start_matches('!'), path))
        };
        any(wanted) && !any(except)
    }
}

/// Does a path match a pattern in which `*` stands for anything?
fn matches(pattern: &str, path: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, between)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in between {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// What is found for a path.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// A file, below the folder.
    File(String, StatusCode),
    /// The address that the file has.
    Elsewhere(String),
}

/// What somebody asks for.
pub struct Wanted {
    pub method: Method,
    /// Without a port.
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    /// A page that is not there is answered as configured.
    pub is_page: bool,
    /// What is known of it already: `if-none-match`.
    pub known: Option<HeaderValue>,
}

/// A whole answer, before anybody takes it.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub content: Bytes,
    /// Where the content can be read once more.
    file: Option<File>,
}

impl Assets {
    /// What answers, if there is something.
    pub async fn answer(&self, wanted: Wanted) -> Option<Answer> {
        let assets = self.clone();
        let looking = tokio::task::spawn_blocking(move || {
            let mut answer = assets.look(&wanted)?;
            let (host, path) = (&wanted.host, &wanted.path);
            assets.rules.change(&mut answer.headers, host, path);
            Some(answer)
        });
        looking.await.ok().flatten()
    }

    fn look(&self, wanted: &Wanted) -> Option<Answer> {
        let query = wanted.query.as_deref();
        let inside = match self.rules.redirect(&wanted.path) {
            Some(Redirect::To(place, status)) => return Some(sent_on(&place, query, status)),
            Some(Redirect::Inside(place)) => Some(place),
            None => None,
        };
        let path = match &inside {
            Some(place) => place.split(['?', '#']).next().unwrap_or_default(),
            None => &wanted.path,
        };
        let dir = Dir::open_ambient_dir(&self.directory, ambient_authority()).ok()?;
        let path = decoded(path)?;
        let found = self.find(&path, wanted.is_page, |file| is_file(&dir, file));
        let answer = match found {
            Some(Found::Elsewhere(place)) => Some(redirect(&place, query)),
            Some(Found::File(..)) if inside.is_none() && encoded(&path) != wanted.path => {
                Some(redirect(&path, query))
            }
            Some(Found::File(..)) if !matches!(wanted.method, Method::GET | Method::HEAD) => {
                Some(Answer::not_allowed())
            }
            Some(Found::File(file, status)) => {
                answer_of(&dir, &file, status, wanted.known.as_ref())
            }
            None => None,
        };
        // The rule says that it is no matter of the Worker's.
        answer.or_else(|| {
            let nothing = || Answer::empty(StatusCode::NOT_FOUND, HeaderMap::default());
            inside.is_some().then(nothing)
        })
    }

    /// Answers an object. What is not there is an answer too.
    pub async fn fetch(
        &self,
        request: Request,
        redirects: Redirects,
    ) -> Result<Response, ObjectError> {
        let Request {
            method,
            url: address,
            headers,
            ..
        } = request;
        let refused = |why: &str| ObjectError::type_error(format!("the address {address:?} {why}"));
        let mut url = Url::parse(&address).map_err(|error| refused(&error.to_string()))?;
        if !matches!(&*method, "GET" | "HEAD") {
            return Ok(Answer::not_allowed().into());
        }
        let mut headers = headers.iter();
        let known = headers.find(|(name, _)| *name == IF_NONE_MATCH.as_str());
        let known = known.and_then(|(_, value)| HeaderValue::from_bytes(value).ok());
        for _ in 0..FOLLOWED_MAX {
            let wanted = Wanted {
                method: Method::GET,
                host: url.host_str().unwrap_or_default().into(),
                path: url.path().into(),
                query: url.query().map(Into::into),
                is_page: true,
                known: known.clone(),
            };
            let answer = self.answer(wanted).await;
            let mut answer = answer
                .unwrap_or_else(|| Answer::empty(StatusCode::NOT_FOUND, HeaderMap::default()));
            let place = answer.headers.get(LOCATION);
            let place = place.and_then(|it| it.to_str().ok());
            let place = place.map(|place| url.join(place)).transpose();
            let place = place.map_err(|error| refused(&error.to_string()))?;
            match (place, redirects) {
                (Some(place), Redirects::Follow) if place.host_str() == url.host_str() => {
                    url = place;
                }
                (Some(place), Redirects::Error) => {
                    return Err(refused(&format!("sends the client to {place}")));
                }
                // What lies on another host is for the client to get.
                _ => {
                    if method == "HEAD" {
                        (answer.content, answer.file) = (Bytes::new(), None);
                    }
                    return Ok(answer.into());
                }
            }
        }
        Err(refused("leads on and on"))
    }

    /// What there is for a decoded path.
    fn find(&self, path: &str, is_page: bool, is_file: impl Fn(&str) -> bool) -> Option<Found> {
        let whole = path.strip_prefix('/')?;
        let mut segments = whole.split('/');
        if segments.any(|it| matches!(it, "." | "..")) || whole.contains(['\\', '\0']) {
            return None;
        }
        let there = |file: &str| !self.rules.hides(file) && is_file(file);
        let found = match self.html {
            HtmlHandling::Exact => {
                let file = match whole.ends_with('/') || whole.is_empty() {
                    true => format!("{whole}index.html"),
                    false => whole.into(),
                };
                there(&file).then_some(Found::File(file, StatusCode::OK))
            }
            html => find_html(whole, html, there),
        };
        found.or_else(|| match self.missing {
            _ if !is_page => None,
            NotFound::Worker => None,
            NotFound::SinglePage => {
                there("index.html").then(|| Found::File("index.html".into(), StatusCode::OK))
            }
            NotFound::Page => {
                let mut folder = whole;
                loop {
                    folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
                    let page = match folder {
                        "" => "404.html".into(),
                        folder => format!("{folder}/404.html"),
                    };
                    if there(&page) {
                        return Some(Found::File(page, StatusCode::NOT_FOUND));
                    }
                    if folder.is_empty() {
                        return None;
                    }
                }
            }
        })
    }
}

/// The file for a path without its first slash, where each HTML file has one address.
fn find_html(whole: &str, html: HtmlHandling, there: impl Fn(&str) -> bool) -> Option<Found> {
    let file = |file: String| Some(Found::File(file, StatusCode::OK));
    let to = |place: &str| Some(Found::Elsewhere(format!("/{place}")));
    // The address of `<stem>.html`, and of `<stem>/index.html`.
    let of_page = |stem: &str| match html {
        HtmlHandling::Slash => format!("{stem}/"),
        _ => stem.into(),
    };
    let of_index = |stem: &str| match html {
        _ if stem.is_empty() => String::new(),
        HtmlHandling::NoSlash => stem.into(),
        _ => format!("{stem}/"),
    };
    if let Some(stem) = whole.strip_suffix(".html") {
        let is_index = stem == "index" || stem.ends_with("/index");
        return match there(whole) {
            false => None,
            true if is_index => to(&of_index(
                stem.trim_end_matches("index").trim_end_matches('/'),
            )),
            true => to(&of_page(stem)),
        };
    }
    if !whole.is_empty() && !whole.ends_with('/') && there(whole) {
        return file(whole.into());
    }
    let stem = whole.strip_suffix('/').unwrap_or(whole);
    let folder = stem.strip_suffix("/index");
    let folder = folder.or((stem == "index").then_some(""));
    if let Some(folder) = folder
        && there(&format!("{stem}.html"))
    {
        return to(&of_index(folder));
    }
    let page = (!stem.is_empty()).then(|| format!("{stem}.html"));
    let page = page.filter(|page| there(page));
    let index = match stem {
        "" => "index.html".into(),
        stem => format!("{stem}/index.html"),
    };
    let index = Some(index).filter(|index| there(index));
    let here = |address: &str, found: String| match address == whole {
        true => file(found),
        false => to(address),
    };
    match (page, index) {
        // With both, each is at its own address.
        (Some(page), Some(index)) if html == HtmlHandling::Auto => match whole.ends_with('/') {
            true => file(index),
            false => file(page),
        },
        (Some(page), _) => here(&of_page(stem), page),
        (None, Some(index)) => here(&of_index(stem), index),
        (None, None) => None,
    }
}

fn is_file(dir: &Dir, file: &str) -> bool {
    dir.metadata(Path::new(file)).is_ok_and(|it| it.is_file())
}

/// A path as the folder has it: with one slash where there are several.
fn decoded(path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let mut plain = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !plain.ends_with('/') {
            plain.push(letter);
        }
    }
    Some(plain)
}

fn encoded(path: &str) -> String {
    utf8_percent_encode(path, IN_ADDRESS).to_string()
}

fn redirect(place: &str, query: Option<&str>) -> Answer {
    let mut location = encoded(place);
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(LOCATION, location);
    }
    Answer::empty(StatusCode::TEMPORARY_REDIRECT, headers)
}

/// As a rule says. The query goes along unless the rule has one.
fn sent_on(place: &str, query: Option<&str>, status: StatusCode) -> Answer {
    let (whole, fragment) = match place.split_once('#') {
        Some((whole, fragment)) => (whole, format!("#{fragment}")),
        None => (place, String::new()),
    };
    let location = match query {
        Some(query) if !whole.contains('?') => format!("{whole}?{query}{fragment}"),
        _ => place.into(),
    };
    let mut headers = HeaderMap::new();
    if let Ok(location) = HeaderValue::from_str(&location) {
        headers.insert(LOCATION, location);
    }
    Answer::empty(status, headers)
}

fn answer_of(
    dir: &Dir,
    file: &str,
    status: StatusCode,
    known: Option<&HeaderValue>,
) -> Option<Answer> {
    let mut opened = dir.open(file).ok()?;
    let mut content = Vec::new();
    let read = (&mut opened)
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut content);
    if read.ok()? as u64 > FILE_BYTES_MAX {
        tracing::warn!(
            file,
            "a static file is larger than {FILE_BYTES_MAX} bytes, and not served"
        );
        return None;
    }
    let digest = Sha256::digest(&content);
    let digest: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let etag = format!("\"{digest}\"");
    let is_known = known
        .and_then(|known| known.to_str().ok())
        .is_some_and(|known| {
            known
                .split(',')
                .any(|it| it.trim().trim_start_matches("W/") == etag)
        });
    let mut headers = HeaderMap::new();
    headers.insert(ETAG, HeaderValue::from_str(&etag).ok()?);
    headers.insert(CACHE_CONTROL, REVALIDATED);
    if is_known && status == StatusCode::OK {
        return Some(Answer::empty(StatusCode::NOT_MODIFIED, headers));
    }
    if let Some(kind) = content_type(file) {
        headers.insert(CONTENT_TYPE, kind);
    }
    Some(Answer {
        status,
        headers,
        content: content.into(),
        file: opened.rewind().is_ok().then_some(opened),
    })
}

fn content_type(file: &str) -> Option<HeaderValue> {
    let of_cloudflare = match Path::new(file).extension()?.to_str()? {
        "mjs" => Some("text/javascript; charset=utf-8"),
        "map" => Some("application/json; charset=utf-8"),
        "xml" => Some("application/xml"),
        _ => None,
    };
    if let Some(kind) = of_cloudflare {
        return Some(HeaderValue::from_static(kind));
    }
    let kind = mime_guess::from_path(file).first()?;
    let is_text = kind.type_() == mime_guess::mime::TEXT
        || [("application", "json"), ("application", "javascript")]
            .contains(&(kind.type_().as_str(), kind.subtype().as_str()));
    let text = match is_text {
        true => format!("{kind}; charset=utf-8"),
        false => kind.to_string(),
    };
    HeaderValue::from_str(&text).ok()
}

impl Answer {
    fn not_allowed() -> Answer {
        let headers = HeaderMap::from_iter([(ALLOW, HeaderValue::from_static("GET, HEAD"))]);
        Answer::empty(StatusCode::METHOD_NOT_ALLOWED, headers)
    }

    fn empty(status: StatusCode, headers: HeaderMap) -> Answer {
        Answer {
            status,
            headers,
            content: Bytes::new(),
            file: None,
        }
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Response {
        let fields = answer.headers.iter();
        let bytes = answer.content.len();
        Response {
            status: answer.status.as_u16(),
            headers: fields
                .map(|(name, value)| (name.as_str().into(), value.as_bytes().into()))
                .collect(),
            body: match answer.file {
                // Nobody shall keep much in memory that he does not read.
                Some(file) if bytes > CHUNK_BYTES => Body::Stream(chunks(file, bytes)),
                _ => Body::Bytes(answer.content),
            },
        }
    }
}

/// So much of a file, as it is read.
fn chunks(file: File, bytes: usize) -> BodySource {
    let read = async |(mut file, left): (File, usize)| {
        if left == 0 {
            return Ok(None);
        }
        let reading = tokio::task::spawn_blocking(move || {
            let mut chunk = vec![0; left.min(CHUNK_BYTES)];
            file.read_exact(&mut chunk).map(|()| (chunk, file))
        });
        match reading.await.map_err(std::io::Error::other).flatten() {
            Ok((chunk, file)) => {
                let left = left - chunk.len();
                Ok(Some((Bytes::from(chunk), (file, left))))
            }
            Err(error) => {
                tracing::warn!(%error, "a static file cannot be read any more");
                Err(ObjectError::type_error("the file cannot be read any more"))
            }
        }
    };
    Box::pin(futures::stream::try_unfold((file, bytes), read))
}

#[cfg(test)]
mod tests {
    //! Each file has one address, and nothing else has any.

    use super::*;

    const FILES: [&str; 9] = [
        "index.html",
        "about.html",
        "docs/index.html",
        "both.html",
        "both/index.html",
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
        };
        let path = decoded(path).unwrap();
        match assets.find(&path, is_page, |file| FILES.contains(&file)) {
            Some(Found::File(file, StatusCode::OK)) => file,
            Some(Found::File(file, status)) => format!("{} {file}", status.as_u16()),
            Some(Found::Elsewhere(place)) => format!("→ {place}"),
            None => "Worker".into(),
        }
    }

    #[test]
    fn a_path_leads_to_a_file_or_to_the_address_of_one() {
        let check = |path: &str, expected: [&str; 4]| {
            use HtmlHandling::{Auto, Exact, NoSlash, Slash};
            for (html, expected) in [Auto, Slash, NoSlash, Exact].into_iter().zip(expected) {
                let found = found(html, NotFound::Worker, path, true);
                assert_eq!(found, expected, "{path} with {html:?}");
            }
        };
        let everywhere = |path: &str, expected: &str| check(path, [expected; 4]);
        everywhere("/", "index.html");
        everywhere("/a%20b.txt", "a b.txt");
        check("//index.html", ["→ /", "→ /", "→ /", "index.html"]);
        check("/index.html", ["→ /", "→ /", "→ /", "index.html"]);
        check("/index", ["→ /", "→ /", "→ /", "Worker"]);
        check(
            "/about",
            ["about.html", "→ /about/", "about.html", "Worker"],
        );
        check("/about/", ["→ /about", "about.html", "→ /about", "Worker"]);
        check(
            "/about.html",
            ["→ /about", "→ /about/", "→ /about", "about.html"],
        );
        check(
            "/docs",
            ["→ /docs/", "→ /docs/", "docs/index.html", "Worker"],
        );
        check(
            "/docs/",
            [
                "docs/index.html",
                "docs/index.html",
                "→ /docs",
                "docs/index.html",
            ],
        );
        check("/both", ["both.html", "→ /both/", "both.html", "Worker"]);
        check(
            "/both/",
            ["both/index.html", "both.html", "→ /both", "both/index.html"],
        );
        for path in ["/nothing", "/../about", "/docs/%2e%2e/about", "/_headers"] {
            everywhere(path, "Worker");
        }
    }

    #[test]
    fn a_browser_that_finds_no_page_gets_what_is_configured() {
        let check = |missing, path: &str, expected: &str| {
            assert_eq!(
                found(HtmlHandling::Auto, missing, path, true),
                expected,
                "{path}"
            );
            assert_eq!(
                found(HtmlHandling::Auto, missing, path, false),
                "Worker",
                "{path}"
            );
        };
        check(NotFound::SinglePage, "/rooms/1", "index.html");
        check(NotFound::Page, "/rooms/1", "404 404.html");
        check(NotFound::Page, "/docs/x", "404 docs/404.html");
        check(NotFound::Worker, "/docs/x", "Worker");
    }

    #[test]
    fn the_worker_comes_first_where_it_says_so() {
        let first = |patterns: &[&str]| {
            WorkerFirst::Where(patterns.iter().map(|it| (*it).into()).collect())
        };
        assert!(first(&["/api/*"]).takes("/api/x/y"));
        assert!(!first(&["/api/*"]).takes("/apis"));
        assert!(!first(&["/api/*", "!/api/docs/*"]).takes("/api/docs/x"));
        assert!(first(&["/a*c"]).takes("/abc") && !first(&["/a*c"]).takes("/abcd"));
        assert!(WorkerFirst::Always.takes("/") && !WorkerFirst::Never.takes("/"));
    }
    #[tokio::test]
    async fn rules_lead_elsewhere_change_headers_and_hide_files() {
        let folder = tempfile::tempdir().unwrap();
        for (file, content) in [
            (
                "_redirects",
                "/old /new?k=1 301\n/app/* /page 200\n/gone /nowhere 200\n/far/* https://far.example/:splat\n/local/* /:splat",
            ),
            ("_headers", "/app/*\n  x-app: yes\n/page\n  ! etag\n"),
            (".assetsignore", "*.map\n"),
            ("page.html", "<p>"),
            ("x.map", "{}"),
        ] {
            std::fs::write(folder.path().join(file), content).unwrap();
        }
        let (rules, wrong) = Rules::of(folder.path());
        assert_eq!(wrong, [""; 0]);
        let assets = Assets {
            directory: folder.path().into(),
            html: HtmlHandling::Auto,
            missing: NotFound::Worker,
            first: WorkerFirst::Never,
            rules: Arc::new(rules),
        };
        let answered = async |path: &str, query: Option<&str>, name: &str| {
            let wanted = Wanted {
                method: Method::GET,
                host: "h.example".into(),
                path: path.into(),
                query: query.map(Into::into),
                is_page: true,
                known: None,
            };
            let Some(answer) = assets.answer(wanted).await else {
                return "Worker".into();
            };
            let value = answer.headers.get(name).map(|it| it.to_str().unwrap());
            format!("{} {}", answer.status.as_u16(), value.unwrap_or("-"))
        };
        assert_eq!(
            answered("/old", Some("q=2"), "location").await,
            "301 /new?k=1"
        );
        assert_eq!(
            answered("/far/a", Some("q=2"), "location").await,
            "302 https://far.example/a?q=2"
        );
        assert_eq!(answered("/app/x", None, "x-app").await, "200 yes");
        assert_eq!(answered("/page", None, "etag").await, "200 -");
        assert_eq!(answered("/gone", None, "x").await, "404 -");
        for hidden in ["/x.map", "/_headers", "/.assetsignore", "/other"] {
            assert_eq!(answered(hidden, None, "x").await, "Worker", "{hidden}");
        }
        // Other spellings get past no rule, nor past what is the Worker's.
        for page in ["/%70age", "/%2Fpage", "//page", "/page%2f"] {
            assert_eq!(
                answered(page, None, "location").await,
                "307 /page",
                "{page}"
            );
        }
        assert_eq!(
            answered("/local//o.example", None, "location").await,
            "302 /o.example"
        );
    }
}
