//! The static files of a Worker: which of them answers a request, of a client or of
//! an object?
//!
//! As at Cloudflare: `/about` is `about.html` or `about/`, and each file has one
//! address, to which its others lead, and one spelling of it: what guards an address
//! guards the file. Links in the folder lead nowhere outside of it, and what is the
//! project's own (`own`) nobody gets.
//!
//! ```text
//! path ─ _redirects ─┬─► another address
//!                    └─► path ─ find, but for .assetsignore ─► content ─ _headers ─► answer
//! ```

mod address;
mod answer;
mod content;
mod fetch;
mod find;
mod first;
mod headers;
mod ignored;
mod own;
mod redirects;
mod rules;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use hyper::header::HeaderValue;
use hyper::{Method, StatusCode};

pub use self::answer::Answer;
pub use self::content::Content;
pub use self::first::{Turn, WorkerFirst};
pub use self::own::holds;
pub use self::rules::{Rules, files as files_of_rules};

use self::address::{decoded, encoded};
use self::content::{Mark, Source, in_turn};
use self::find::Found;
use self::redirects::Redirect;

/// With this an address begins at which an object finds them.
pub const SCHEME: &str = "assets:";

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    pub directory: PathBuf,
    pub html: HtmlHandling,
    pub missing: NotFound,
    pub first: WorkerFirst,
    pub rules: Arc<Rules>,
    /// A folder among them that nobody gets.
    pub left_out: Option<String>,
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

/// What is answered where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotFound {
    /// What the Worker says.
    Worker,
    /// The nearest `404.html`.
    Page,
    /// `index.html`, which knows all addresses.
    SinglePage,
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

/// What somebody asks for.
pub struct Wanted {
    pub method: Method,
    /// Without a port.
    pub host: String,
    pub path: String,
    pub query: Option<String>,
    pub missing: Missing,
    /// What is known of it already: `if-none-match`.
    pub known: Option<HeaderValue>,
    /// May others get the same answer from a cache?
    pub is_public: bool,
}

/// What becomes of a path where there is nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The Worker is asked.
    Worker,
    /// It is answered as configured, and the Worker is asked where nothing is.
    Configured,
    /// It is answered as configured, or that it is not there.
    Page,
}

/// What a look into the folder brings.
enum Looked {
    Answer(Answer),
    /// A file whose mark takes a while to find.
    Unmarked(Source, File),
}

/// A file that answers.
struct File {
    name: String,
    status: StatusCode,
}

impl Assets {
    /// What answers, if there is something.
    pub async fn answer(&self, wanted: Wanted) -> Option<Answer> {
        let (assets, wanted) = (self.clone(), Arc::new(wanted));
        let asked = wanted.clone();
        let looked = in_turn(move || match assets.look(&asked)? {
            Looked::Answer(answer) => Some(Looked::Answer(assets.ruled(answer, &asked))),
            unmarked => Some(unmarked),
        });
        let (source, file) = match looked.await?? {
            Looked::Answer(answer) => return Some(answer),
            Looked::Unmarked(source, file) => (source, file),
        };
        let (source, mark) = source.find_mark().await?;
        let assets = self.clone();
        in_turn(move || {
            let answer = file.answer(source, mark, &wanted)?;
            Some(assets.ruled(answer, &wanted))
        })
        .await?
    }

    /// With the headers that rules say. They may be many, and the path long.
    fn ruled(&self, mut answer: Answer, wanted: &Wanted) -> Answer {
        let (host, path) = (&wanted.host, &wanted.path);
        self.rules.change(&mut answer.headers, host, path);
        answer
    }

    fn look(&self, wanted: &Wanted) -> Option<Looked> {
        let query = wanted.query.as_deref().filter(|query| !query.is_empty());
        let answered = |answer| Some(Looked::Answer(answer));
        let inside = match self.rules.redirect(&wanted.path) {
            Some(Redirect::To(place, status)) => {
                return answered(Answer::by_rule(&place, query, status));
            }
            Some(Redirect::Inside(place)) => Some(place),
            None => None,
        };
        // Such a rule says that it is no matter of the Worker's.
        let missing = match inside {
            Some(_) => Missing::Page,
            None => wanted.missing,
        };
        let path = match &inside {
            Some(place) => place.split(['?', '#']).next().unwrap_or_default(),
            None => &wanted.path,
        };
        let is_page = missing != Missing::Worker;
        let is_reading = matches!(wanted.method, Method::GET | Method::HEAD);
        let dir = Dir::open_ambient_dir(&self.directory, ambient_authority()).ok();
        let path = decoded(path);
        let found = dir.as_ref().and_then(|dir| {
            let is_file = |file: &str| self.leads_to_file(dir, file);
            self.find(&path, is_page, is_file)
        });
        let looked = match (found, dir) {
            (Some(_), _) if !is_reading => answered(Answer::not_allowed()),
            (Some(Found::Elsewhere(place)), _) => answered(Answer::elsewhere(&place, query)),
            (Some(Found::File(..)), _) if inside.is_none() && encoded(&path) != wanted.path => {
                answered(Answer::elsewhere(&path, query))
            }
            (Some(Found::File(name, status)), Some(dir)) => {
                File { name, status }.read(&dir, wanted)
            }
            _ => None,
        };
        looked.or_else(|| match missing {
            Missing::Page => answered(Answer::not_found()),
            Missing::Worker | Missing::Configured => None,
        })
    }

    /// Nobody gets what is in `data`. Says where that is, if it is among the files.
    pub fn leave_out(&mut self, data: &Path) -> Option<String> {
        self.left_out = own::place_of(data, &self.directory);
        self.left_out.as_ref().map(|_| {
            format!(
                "the data directory {} lies among the static files in {}; nobody gets what is in it",
                data.display(),
                self.directory.display()
            )
        })
    }

    /// Is there a file that somebody may get? Links lead nowhere else: neither out of the
    /// folder nor to what is hidden in it.
    fn leads_to_file(&self, dir: &Dir, file: &str) -> bool {
        let path = Path::new(file);
        let is_file = dir.metadata(path).is_ok_and(|it| it.is_file());
        is_file
            && dir.canonicalize(path).is_ok_and(|real| {
                let real = real.to_string_lossy();
                real == file || !self.hides(&real)
            })
    }

    /// Does nobody get this file?
    fn hides(&self, file: &str) -> bool {
        let left_out = self.left_out.as_deref();
        self.rules.hides(file)
            || own::is_own(file)
            || left_out.is_some_and(|folder| own::is_within(file, folder))
    }
}

impl File {
    fn read(self, dir: &Dir, wanted: &Wanted) -> Option<Looked> {
        let mut source = Source::open(dir, &self.name)?;
        match source.mark().ok()? {
            Some(mark) => self.answer(source, mark, wanted).map(Looked::Answer),
            None => Some(Looked::Unmarked(source, self)),
        }
    }

    fn answer(self, source: Source, mark: Mark, wanted: &Wanted) -> Option<Answer> {
        let is_ok = self.status == StatusCode::OK;
        if is_ok && answer::is_known(&mark, wanted.known.as_ref()) {
            return Some(Answer::unchanged(answer::about(&mark, wanted.is_public)));
        }
        let (content, mark) = source.content(mark, wanted.method != Method::HEAD).ok()?;
        let mut headers = answer::about(&mark, wanted.is_public);
        answer::add_type(&mut headers, &self.name);
        Some(Answer {
            status: self.status,
            headers,
            content,
        })
    }
}

#[cfg(test)]
mod tests {
    //! Rules lead elsewhere, change headers and hide files, and what is answered is what
    //! is configured.

    use super::*;

    /// A folder with these files.
    struct Site {
        _folder: tempfile::TempDir,
        assets: Assets,
    }

    impl Site {
        fn of(files: &[(&str, &str)], missing: NotFound) -> Site {
            let folder = tempfile::tempdir().unwrap();
            for (file, content) in files {
                let file = folder.path().join(file);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, content).unwrap();
            }
            let (rules, wrong) = Rules::of(folder.path());
            assert_eq!(wrong, [""; 0]);
            let assets = Assets {
                directory: folder.path().into(),
                html: HtmlHandling::Auto,
                missing,
                first: WorkerFirst::Never,
                rules: Arc::new(rules),
                left_out: None,
            };
            Site {
                _folder: folder,
                assets,
            }
        }

        async fn answer(&self, method: Method, path: &str, missing: Missing) -> Option<Answer> {
            let (path, query) = match path.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (path, None),
            };
            let wanted = Wanted {
                method,
                host: "h.example".into(),
                path: path.into(),
                query: query.map(Into::into),
                missing,
                known: None,
                is_public: true,
            };
            self.assets.answer(wanted).await
        }

        /// Checks status and a header of what a page gets.
        async fn check(&self, path: &str, name: &str, expected: &str) {
            let answer = self.answer(Method::GET, path, Missing::Configured).await;
            let found = answer.map_or("Worker".into(), |answer| {
                let value = answer.headers.get(name).map(|it| it.to_str().unwrap());
                format!("{} {}", answer.status.as_u16(), value.unwrap_or("-"))
            });
            assert_eq!(found, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn rules_lead_elsewhere_change_headers_and_hide_files() {
        let redirects = "/old /new?k=1 301\n/app/* /page 200\n/gone /nowhere 200\n\
                         /far/* https://far.example/:splat\n/local/* /:splat";
        let files = [
            ("_redirects", redirects),
            ("_headers", "/app/*\n  x-app: yes\n/page\n  ! etag\n"),
            (".assetsignore", "*.map\n"),
            ("page.html", "<p>"),
            ("x.map", "{}"),
        ];
        let site = Site::of(&files, NotFound::Worker);
        site.check("/old?q=2", "location", "301 /new?k=1").await;
        site.check("/far/a?q=2", "location", "302 https://far.example/a?q=2")
            .await;
        site.check("/app/x", "x-app", "200 yes").await;
        site.check("/page", "etag", "200 -").await;
        site.check("/gone", "x", "404 -").await;
        for hidden in ["/x.map", "/_headers", "/.assetsignore", "/other"] {
            site.check(hidden, "x", "Worker").await;
        }
        // Other spellings get past no rule, nor past what is the Worker's.
        for page in ["/%70age", "/%2Fpage", "//page", "/page%2f"] {
            site.check(page, "location", "307 /page").await;
        }
        site.check("/local//o.example", "location", "302 /o.example")
            .await;
    }

    #[tokio::test]
    async fn what_a_rule_leads_to_is_answered_as_configured_where_it_is_not_there() {
        for (missing, status) in [
            (NotFound::SinglePage, 200),
            (NotFound::Page, 404),
            (NotFound::Worker, 404),
        ] {
            let files = [
                ("_redirects", "/inside /nothing 200\n"),
                ("index.html", "<p>the page"),
                ("404.html", "<p>nothing"),
            ];
            let site = Site::of(&files, missing);
            let answer = site.answer(Method::GET, "/inside", Missing::Worker).await;
            let answer = answer.expect("it is no matter of the Worker's");
            assert_eq!(answer.status, status);
            assert_eq!(answer.content.bytes() == 0, missing == NotFound::Worker);
        }
    }

    #[tokio::test]
    async fn only_reading_is_answered() {
        let site = Site::of(&[("about.html", "<p>")], NotFound::Worker);
        for path in ["/about", "/about.html", "/%61bout"] {
            let answer = site.answer(Method::POST, path, Missing::Worker).await;
            assert_eq!(answer.unwrap().status, 405, "{path}");
        }
        let other = site.answer(Method::POST, "/other", Missing::Worker).await;
        assert!(other.is_none());
    }

    #[tokio::test]
    async fn what_is_not_there_has_headers_too() {
        let site = Site::of(&[("_headers", "/*\n  x-all: yes\n")], NotFound::Worker);
        let answer = site.answer(Method::GET, "/other", Missing::Page).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status.as_u16(), answer.headers.len()), (404, 1));
        let not_asked = site.answer(Method::GET, "/other", Missing::Configured);
        assert!(not_asked.await.is_none());
    }

    #[tokio::test]
    async fn nobody_gets_a_project_s_own_files_and_data() {
        let files = [
            (".dev.vars", "SECRET=1"),
            ("wrangler.jsonc", "{}"),
            ("node_modules/x/y.js", "1"),
            ("data/Room/1.sqlite", "rows"),
            ("page.html", "<p>"),
        ];
        let mut site = Site::of(&files, NotFound::Worker);
        let data = site.assets.directory.join("data");
        let note = site.assets.leave_out(&data).expect("it is among the files");
        assert!(note.contains("nobody gets what is in it"), "{note}");
        for (file, _) in &files[..4] {
            site.check(&format!("/{file}"), "x", "Worker").await;
        }
        site.check("/page", "x", "200 -").await;
        let beside = site.assets.directory.join("../elsewhere");
        assert_eq!(site.assets.leave_out(&beside), None);
    }

    #[tokio::test]
    async fn a_link_leads_to_what_may_be_got_alone() {
        let files = [
            (".env", "SECRET=1"),
            (".git/config", "url"),
            (".assetsignore", "*.map\n"),
            ("x.map", "{}"),
            ("data/Room/1.sqlite", "rows"),
            ("v2/page.html", "<p>"),
        ];
        let mut site = Site::of(&files, NotFound::Worker);
        let directory = site.assets.directory.clone();
        site.assets.leave_out(&directory.join("data"));
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("x.txt"), "theirs").unwrap();
        let outside = outside.path().to_str().unwrap();
        let file_outside = format!("{outside}/x.txt");
        for (link, target) in [
            ("newest", "v2"),
            ("a.html", "newest/page.html"),
            ("env.txt", ".env"),
            ("git", ".git"),
            ("map.txt", "x.map"),
            ("rows", "data"),
            ("again.txt", "env.txt"),
            ("out.txt", &*file_outside),
            ("out", outside),
            ("up.txt", "../../../../../../../../etc/hostname"),
            ("loop.txt", "loop.txt"),
            ("nothing.txt", "nowhere"),
        ] {
            std::os::unix::fs::symlink(target, directory.join(link)).unwrap();
        }
        for path in ["/v2/page", "/newest/page", "/a"] {
            site.check(path, "x", "200 -").await;
        }
        for path in [
            "/env.txt",
            "/git/config",
            "/map.txt",
            "/rows/Room/1.sqlite",
            "/again.txt",
            "/out.txt",
            "/out/x.txt",
            "/up.txt",
            "/loop.txt",
            "/nothing.txt",
        ] {
            site.check(path, "x", "Worker").await;
        }
    }

    #[tokio::test]
    async fn names_that_are_no_encoded_text_and_empty_queries_have_one_address_too() {
        let files = [
            ("per%cent.txt", "1"),
            ("100%.txt", "2"),
            ("page.html", "<p>"),
        ];
        let site = Site::of(&files, NotFound::Worker);
        for (path, expected) in [
            ("/per%cent.txt", "307 /per%25cent.txt"),
            ("/per%cent.txt?", "307 /per%25cent.txt"),
            ("/per%cent.txt?a", "307 /per%25cent.txt?a"),
            ("/100%.txt", "307 /100%25.txt"),
            ("/100%25.txt", "200 -"),
            ("/100%25.txt?", "200 -"),
            ("/page.html?", "307 /page"),
            ("/page?", "200 -"),
            ("/%ff", "Worker"),
        ] {
            site.check(path, "location", expected).await;
        }
    }
}
