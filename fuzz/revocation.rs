//! What is read as a revocation means one subject, and reads back as the same from the log; nothing panics.
#![no_main]

use embedgate::gate::{
    request::UnixTime,
    revocation::{Entry, RevocationId, Subject, Wanted},
};
use libfuzzer_sys::fuzz_target;

const NOW: UnixTime = UnixTime(1_764_000_000);

fn same(entry: Entry) {
    let line = entry.write();
    assert_eq!(line.find('\n'), Some(line.len() - 1), "one line");
    assert_eq!(
        Entry::read(line.trim_end_matches('\n').as_bytes()),
        Ok(entry)
    );
}

fuzz_target!(|data: &[u8]| {
    if let Ok(entry) = Entry::read(data) {
        same(entry);
    }
    let Ok(wanted) = Wanted::read(data) else {
        return;
    };
    assert_eq!(
        Subject::new(wanted.subject.facets()),
        Ok(wanted.subject.clone())
    );
    let id = RevocationId::parse("00692480007d1f3c5ab9e24f60c8d713").expect("32 digits");
    if let Ok(revocation) = wanted.made(id, NOW, 600) {
        assert!(revocation.until > NOW);
        same(Entry::Made(revocation));
    }
});
