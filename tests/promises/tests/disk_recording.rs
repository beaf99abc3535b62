//! Is the recorder of the disk to be trusted? It records what small programs do, of
//! which everybody knows what a power loss leaves.

use std::collections::BTreeMap;
use std::process::Command;

use promises::{Disk, FlakyDisk, Outcome, Site};

/// Runs a shell script in a recorded folder. `FAULTS` stands for the file of faults.
/// Programs that write through C's stdio are of no use here: the recorder does not
/// see what goes on within the C library.
fn run(script: &str) -> Disk {
    let site = Site::configured("");
    let disk = FlakyDisk::of(&site);
    disk.faults("");
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(script.replace("FAULTS", "$POWER_LOSS_FAULTS"))
        .current_dir(site.data());
    disk.attach(&mut shell);
    let output = shell.output().expect("a shell");
    assert!(output.status.success(), "{script}: {output:?}");
    let recorded = Disk::default().replay(&disk.recording());
    assert_eq!(
        recorded.seen(),
        Disk::of(site.data()).seen(),
        "the recorder missed something of: {script}"
    );
    recorded
}

fn files(expected: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    expected
        .iter()
        .map(|(path, text)| (path.to_string(), text.as_bytes().to_vec()))
        .collect()
}

/// Checks what a power loss after the script leaves for certain.
#[track_caller]
fn check(script: &str, expected: &[(&str, &str)]) {
    assert_eq!(
        run(script).after_power_loss(Outcome::Strict),
        files(expected),
        "after: {script}"
    );
}

#[test]
fn what_was_not_synced_is_gone() {
    check("printf one > a", &[]);
    check("printf one > a; sync -f a; printf two > a", &[("a", "one")]);
    check(
        "printf one > a; sync -f a; printf two >> a",
        &[("a", "one")],
    );
    check(
        "printf one > a; sync -f a; truncate -s 1 a",
        &[("a", "one")],
    );
}

#[test]
fn what_was_synced_is_there() {
    check("printf one > a; sync -f a", &[("a", "one")]);
    check(
        "mkdir -p f/g; printf one > f/g/a; sync -f .",
        &[("f/g/a", "one")],
    );
    check(
        "printf one > a; sync -f a; printf two >> a; sync -d a",
        &[("a", "onetwo")],
    );
    check(
        "printf one > a; sync -f a; printf two >> a; sync a",
        &[("a", "onetwo")],
    );
    check(
        "printf one > a; sync -f a; truncate -s 1 a; sync -d a",
        &[("a", "o")],
    );
    check(
        "printf one > a; sync -f a; dd if=a of=b 2>/dev/null; sync -f b",
        &[("a", "one"), ("b", "one")],
    );
    check(
        "printf one > a; cp a b; sync -f b",
        &[("a", "one"), ("b", "one")],
    );
}

#[test]
fn a_sync_of_a_file_does_not_cover_its_name() {
    check("printf one > a; sync -d a", &[]);
    check("printf one > a; sync -d a; sync .", &[("a", "one")]);
    check("printf one > a; sync .", &[("a", "")]);
    check("printf one > a; sync -f a; mv a b", &[("a", "one")]);
    check("printf one > a; sync -f a; mv a b; sync .", &[("b", "one")]);
    check("printf one > a; sync -f a; rm a", &[("a", "one")]);
    check("printf one > a; sync -f a; rm a; sync .", &[]);
    let folder = "mkdir f; printf one > f/a; sync -f .; rm -r f";
    check(folder, &[("f/a", "one")]);
    check(&format!("{folder}; sync ."), &[]);
}

#[test]
fn what_a_sync_failed_to_write_is_lost() {
    check(
        "printf one > a; sync -f a; printf two >> a
         echo 'sync EIO a' > FAULTS; sync -d a 2>/dev/null && exit 1
         echo > FAULTS; sync -d a; printf three >> a; sync -d a",
        &[("a", "one\0\0\0three")],
    );
}

#[test]
fn a_full_disk_refuses_writes() {
    check(
        "printf one > a; sync -f a
         echo 'write ENOSPC a' > FAULTS; printf two >> a 2>/dev/null && exit 1
         echo 'create ENOSPC b' > FAULTS; (printf two > b) 2>/dev/null && exit 1
         printf two >> a; sync -d a",
        &[("a", "onetwo")],
    );
}

#[test]
fn a_torn_disk_holds_any_part_of_what_was_not_synced() {
    let disk = run("printf one > a; sync -f a; printf %08192d 0 > b; sync -d b; printf %8192s > b");
    let outcomes: Vec<_> = (0..200)
        .map(|seed| disk.after_power_loss(Outcome::Torn(seed)))
        .collect();
    assert!(
        outcomes.iter().all(|files| files["a"] == b"one"),
        "what was synced is always there"
    );
    let b =
        |want: &dyn Fn(Option<&Vec<u8>>) -> bool| outcomes.iter().any(|files| want(files.get("b")));
    assert!(
        b(&|content| content.is_none()),
        "the new name may be missing"
    );
    assert!(
        b(&|content| content.is_some_and(|bytes| *bytes == [b'0'; 8192])),
        "the new content may be missing"
    );
    assert!(
        b(&|content| content.is_some_and(|bytes| *bytes == [b' '; 8192])),
        "the new content may be there"
    );
    assert!(
        b(&|content| content.is_some_and(|bytes| bytes.len() == 8192
            && bytes.contains(&0)
            && bytes.contains(&b' '))),
        "half of the new content may be there"
    );
}
