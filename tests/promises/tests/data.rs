//! What lies in the data folder, and who may use it?

use std::path::{Path, PathBuf};

use promises::Site;

fn databases(data: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![data.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                // The host's own.
                path if path == data.join("alarms.sqlite") => {}
                path if path
                    .extension()
                    .is_some_and(|extension| extension == "sqlite") =>
                {
                    found.push(path)
                }
                _ => {}
            }
        }
    }
    found
}

#[tokio::test]
async fn an_object_has_its_database_where_the_documentation_says() {
    let site = Site::fixture("");
    let abide = site.serve();
    let id = abide.get("/fixture/a/id").await.ok();
    assert_eq!(
        databases(site.data()),
        Vec::<PathBuf>::new(),
        "an object that wrote nothing has no file"
    );
    abide.get("/fixture/a/get?key=n").await.ok();
    assert_eq!(
        databases(site.data()),
        Vec::<PathBuf>::new(),
        "an object that only reads has no file"
    );
    abide.get("/fixture/a/add").await.ok();
    assert_eq!(
        databases(site.data()),
        [site
            .data()
            .join(format!("fixture/{}/{id}.sqlite", &id[..2]))]
    );
}

#[tokio::test]
async fn a_write_that_was_rolled_back_leaves_the_object_as_if_untouched() {
    let site = Site::fixture("");
    let abide = site.serve();
    abide
        .get("/fixture/a/write-then-trap")
        .await
        .is_error("reset", "");
    assert_eq!(abide.get("/fixture/a/get?key=n").await.ok(), "(none)");
    abide.kill();
    assert_eq!(
        site.serve().get("/fixture/a/get?key=n").await.ok(),
        "(none)"
    );
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused_and_harms_nothing() {
    let site = Site::fixture("");
    let abide = site.serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    let data = site.data().display().to_string();
    site.refusal().names(&[&data, "--data"]);
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 2);
    abide.kill();
    // A lock that nobody holds any more is no obstacle.
    assert_eq!(site.serve().post("/fixture/a/add", "").await.number(), 3);
}

#[tokio::test]
async fn names_that_look_like_paths_stay_in_the_data_folder() {
    let site = Site::fixture("");
    let abide = site.serve();
    let names = [
        "..%2f..%2fescape",
        "%2fetc%2fpasswd",
        "..x",
        "a%00b",
        "con",
        "%F0%9F%98%80",
    ];
    for name in names {
        let answer = abide.post(&format!("/fixture/{name}/add"), "").await;
        assert_eq!(answer.number(), 1, "{name}");
    }
    assert!(!site.folder().join("escape").exists());
    let outside = databases(site.folder())
        .into_iter()
        .filter(|path| !path.starts_with(site.data()))
        .count();
    assert_eq!(outside, 0);
    assert_eq!(databases(site.data()).len(), names.len());
}

#[tokio::test]
async fn an_object_is_the_same_by_name_and_by_id() {
    let abide = Site::fixture("").serve();
    assert_eq!(abide.post("/fixture/a/add", "").await.number(), 1);
    let id = abide.get("/fixture/a/id").await.ok();
    assert_eq!(id.len(), 64);
    assert_eq!(
        abide
            .post(&format!("/fixture/id:{id}/add"), "")
            .await
            .number(),
        2
    );
    assert_eq!(
        abide
            .post(&format!("/fixture/id:{}/add", id.to_uppercase()), "")
            .await
            .number(),
        3
    );
    assert_eq!(
        abide
            .get(&format!("/fixture/id:{}/id", id.to_uppercase()))
            .await
            .ok(),
        id
    );
    assert_ne!(abide.get("/fixture/b/id").await.ok(), id);
}

#[tokio::test]
async fn an_id_outlives_the_server() {
    let site = Site::fixture("");
    let abide = site.serve();
    let id = abide.get("/fixture/a/id").await.ok();
    abide.kill();
    assert_eq!(site.serve().get("/fixture/a/id").await.ok(), id);
}

#[tokio::test]
async fn an_object_knows_its_name() {
    let abide = Site::fixture("").serve();
    assert_eq!(abide.get("/fixture/a%20b%2Fc/name").await.ok(), "a b/c");
    assert_eq!(
        abide.get("/fixture//name").await.ok(),
        "",
        "the empty name is a name"
    );
    let longest = "n".repeat(1024);
    assert_eq!(
        abide.get(&format!("/fixture/{longest}/name")).await.ok(),
        longest
    );
    assert_eq!(
        abide.get(&format!("/fixture/{longest}n/name")).await.ok(),
        "(none)"
    );
}

/// SQLite opens no file whose path is longer than it likes.
#[tokio::test]
async fn a_data_directory_with_too_long_a_path_is_refused_at_the_start() {
    let site = Site::fixture("");
    let long = |parts: usize| site.folder().join(vec!["d".repeat(100); parts].join("/"));
    let far = site.with_data(&long(5));
    far.refusal()
        .names(&["bytes too long", "\"fixture\"", "--data"]);
    let near = site.with_data(&long(3));
    let abide = near.serve();
    assert_eq!(abide.get("/fixture/a/remember").await.number(), 1);
}
