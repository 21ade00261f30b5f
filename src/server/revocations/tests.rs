use std::{fs, os::unix::fs::PermissionsExt};

use super::*;
use crate::gate::revocation::{Facets, Subject};

const NOW: UnixTime = UnixTime(1_764_000_000);

fn revocation(viewer: &str, until: i64) -> Revocation {
    let facets = Facets {
        viewer: Some(viewer),
        ..Facets::default()
    };
    Revocation {
        id: RevocationId::fresh(NOW).unwrap(),
        subject: Subject::new(facets).unwrap(),
        reason: "test".into(),
        made: NOW,
        until: NOW.plus(until),
    }
}

fn open(path: &Path, now: UnixTime) -> Result<Ledger, LedgerError> {
    let spec = RevocationsSpec {
        file: Some(path.to_owned()),
        max: 10_000,
    };
    Ledger::open(&spec, now)
}

/// The viewers that a log brings back.
fn viewers(path: &Path, now: UnixTime) -> Vec<String> {
    let ledger = open(path, now).unwrap();
    let all = ledger.index().list(None, 10_000);
    let mut all: Vec<_> = all
        .iter()
        .map(|one| one.subject.facets().viewer.unwrap().to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn what_was_acknowledged_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let ledger = open(&path, NOW).unwrap();
    let [a, b, c] = [("a", 60), ("b", 60), ("c", 10)].map(|(name, life)| revocation(name, life));
    for one in [&a, &b, &c] {
        ledger.revoke(one.clone(), NOW).unwrap();
        ledger.revoke(one.clone(), NOW).unwrap();
    }
    assert!(ledger.remove(b.id).unwrap() && !ledger.remove(b.id).unwrap());
    assert!(ledger.is_durable());
    drop(ledger);
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(
        text.lines().count(),
        4,
        "known ones are not written twice: {text}"
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(viewers(&path, NOW), ["a", "c"]);
    assert_eq!(viewers(&path, NOW.plus(10)), ["a"]);
}

#[test]
fn a_torn_last_line_is_cut_off_and_the_rest_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    open(&path, NOW)
        .unwrap()
        .revoke(revocation("a", 60), NOW)
        .unwrap();
    let good = fs::read(&path).unwrap();
    let line = Entry::Made(revocation("b", 60)).write();
    let mut torn: Vec<Vec<u8>> = (1..line.len())
        .map(|cut| line.as_bytes()[..cut].to_vec())
        .collect();
    torn.push(vec![0; 100]);
    torn.push([&[0; 100][..], &line.as_bytes()[100..]].concat());
    for tail in torn {
        fs::write(&path, [&good[..], &tail].concat()).unwrap();
        let ledger = open(&path, NOW).unwrap();
        assert_eq!(
            fs::read(&path).unwrap(),
            good,
            "{}",
            String::from_utf8_lossy(&tail)
        );
        ledger.revoke(revocation("c", 60), NOW).unwrap();
        drop(ledger);
        assert_eq!(viewers(&path, NOW), ["a", "c"]);
    }
}

#[test]
fn a_corrupt_line_is_named_and_nothing_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let line = |name| Entry::Made(revocation(name, 60)).write();
    for (text, wrong) in [
        (format!("{}nonsense\n{}", line("a"), line("b")), 2),
        (format!("{}\n{}", line("a"), line("b")), 2),
        (format!("nonsense\n{}", line("b")), 1),
        (format!("{}nonsense\n", line("a")), 2),
        (format!("{}\0\0\0\n{}", line("a"), line("b")), 2),
        (
            format!("{}{}\n{}", line("a"), "x".repeat(20_000), line("b")),
            2,
        ),
        (line("a").replace("viewer", "viewers"), 1),
    ] {
        fs::write(&path, &text).unwrap();
        let error = open(&path, NOW).err().unwrap();
        assert!(
            matches!(error, LedgerError::Corrupt { line, .. } if line == wrong),
            "{error} {text}"
        );
        assert!(
            error
                .to_string()
                .contains(&format!("revocations.jsonl:{wrong}: ")),
            "{error}"
        );
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            text,
            "it is left as it is"
        );
    }
}

#[test]
fn a_file_that_is_no_log_is_never_cut() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mistaken");
    for text in [
        "a secret that stands alone in its file",
        "{\"keys\":[]}",
        "{\"identity\":1}",
        "[listen]",
        "x",
        " ",
        "k\0ey\n",
    ] {
        fs::write(&path, text).unwrap();
        let opened = open(&path, NOW);
        assert!(
            matches!(opened, Err(LedgerError::Corrupt { line: 1, .. })),
            "{text}"
        );
        assert!(peek(&path, NOW).is_err(), "{text}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text, "it is left alone");
    }
}

#[test]
fn one_gateway_alone_has_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let first = open(&path, NOW).unwrap();
    assert!(matches!(open(&path, NOW), Err(LedgerError::Locked { .. })));
    drop(first);
    assert!(open(&path, NOW).is_ok());
}

#[test]
fn a_log_of_what_is_over_is_written_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let long: String = (0..1500)
        .map(|number| {
            Entry::Made(revocation(
                &number.to_string(),
                if number < 10 { 600 } else { 60 },
            ))
            .write()
        })
        .collect();
    fs::write(&path, long).unwrap();
    fs::write(
        folder.path().join("revocations.jsonl.new"),
        "left by a crash",
    )
    .unwrap();
    let ledger = open(&path, NOW).unwrap();
    ledger.tidy(NOW);
    let lines = || fs::read_to_string(&path).unwrap().lines().count();
    assert_eq!(lines(), 1500, "all of them are in force");
    ledger.tidy(NOW.plus(60));
    assert_eq!((lines(), ledger.index().len()), (10, 10));
    assert!(!folder.path().join("revocations.jsonl.new").exists());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    ledger.revoke(revocation("new", 600), NOW).unwrap();
    assert_eq!(lines(), 11, "it goes on in the new file");
    assert!(matches!(open(&path, NOW), Err(LedgerError::Locked { .. })));
    drop(ledger);
    assert_eq!(viewers(&path, NOW).len(), 11);
}

#[test]
fn what_cannot_be_written_is_in_force_and_what_cannot_be_taken_back_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let ledger = open(&path, NOW).unwrap();
    let first = revocation("a", 60);
    ledger.revoke(first.clone(), NOW).unwrap();
    // A file that can only be read stands for a disk that is full.
    let whole = ledger
        .turn()
        .as_mut()
        .unwrap()
        .replace_file(fs::File::open(&path).unwrap());
    let second = revocation("b", 60);
    let made = ledger.revoke(second.clone(), NOW);
    assert!(matches!(made, Err(Unwritten::Log(_))));
    assert!(ledger.index().get(second.id).is_some());
    assert!(ledger.remove(first.id).is_err());
    assert!(ledger.index().get(first.id).is_some());
    ledger.turn().as_mut().unwrap().replace_file(whole);
    ledger.revoke(revocation("c", 60), NOW).unwrap();
    drop(ledger);
    assert_eq!(viewers(&path, NOW), ["a", "c"]);
}

#[test]
fn a_log_that_was_taken_away_is_noticed_and_written_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let ledger = open(&path, NOW).unwrap();
    ledger.revoke(revocation("a", 60), NOW).unwrap();
    fs::rename(&path, folder.path().join("rotated")).unwrap();
    let made = ledger.revoke(revocation("b", 60), NOW);
    assert!(
        matches!(made, Err(Unwritten::Log(_))),
        "nobody would read it"
    );
    ledger.tidy(NOW);
    ledger.revoke(revocation("c", 60), NOW).unwrap();
    // Another file of that name may be one that somebody restored.
    fs::copy(&path, folder.path().join("copy")).unwrap();
    fs::rename(folder.path().join("copy"), &path).unwrap();
    ledger.tidy(NOW);
    let made = ledger.revoke(revocation("d", 60), NOW);
    assert!(matches!(made, Err(Unwritten::Log(_))));
    assert_eq!(ledger.index().len(), 4, "all are in force");
    drop(ledger);
    assert_eq!(viewers(&path, NOW), ["a", "b", "c"]);
}

#[test]
fn there_are_no_more_than_there_may_be() {
    let spec = RevocationsSpec { file: None, max: 2 };
    let ledger = Ledger::open(&spec, NOW).unwrap();
    assert!(!ledger.is_durable());
    let mut changes = ledger.follow();
    ledger.revoke(revocation("a", 10), NOW).unwrap();
    ledger.revoke(revocation("b", 60), NOW).unwrap();
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let third = revocation("c", 60);
    assert!(matches!(
        ledger.revoke(third.clone(), NOW),
        Err(Unwritten::Full(2))
    ));
    assert!(ledger.index().get(third.id).is_none());
    assert!(!changes.has_changed().unwrap());
    ledger.revoke(third, NOW.plus(10)).unwrap();
}

#[test]
fn looking_into_a_log_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("revocations.jsonl");
    let ledger = open(&path, NOW).unwrap();
    ledger.revoke(revocation("a", 60), NOW).unwrap();
    let mut text = fs::read(&path).unwrap();
    text.extend_from_slice(b"{\"id\":");
    fs::write(&path, &text).unwrap();
    assert_eq!(peek(&path, NOW).unwrap().len(), 1);
    assert_eq!(fs::read(&path).unwrap(), text);
}
