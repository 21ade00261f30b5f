//! What a revocation costs in memory: measured, so that `revocations.max` can be chosen.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use embedgate::gate::{
    request::UnixTime,
    revocation::{Facets, Revocation, RevocationId, Revocations, Subject},
};

const NOW: UnixTime = UnixTime(1_764_000_000);

/// Resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().nth(1))
        .unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

#[test]
fn an_entry_takes_some_350_bytes() {
    const ENTRIES: usize = 200_000;
    let index = Revocations::new();
    let before = resident();
    for number in 0..ENTRIES {
        let viewer = format!("viewer-{number:08}@example.com");
        let facets = Facets {
            viewer: Some(&viewer),
            ..Facets::default()
        };
        let made = NOW.plus(i64::try_from(number).unwrap() / 100);
        index.add(Revocation {
            id: RevocationId::fresh(made).unwrap(),
            subject: Subject::new(facets).unwrap(),
            reason: "left the company".into(),
            made,
            until: made.plus(8 * 3600),
        });
    }
    let each = (resident() - before) / ENTRIES;
    assert_eq!(index.len(), ENTRIES);
    assert!((100..450).contains(&each), "{each} bytes each");
}
