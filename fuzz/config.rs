//! Whatever the file says, compiling it never panics: it is accepted, or refused with faults that stand in the file.

#![no_main]

use std::path::Path;

use embedgate::config::Snapshot;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let env = |_: &str| Some("0123456789abcdef0123456789abcdef".to_owned());
    match Snapshot::parse(text, Path::new("/nonexistent"), &env) {
        Ok(snapshot) => {
            for (index, entry) in snapshot.sites.iter().enumerate() {
                assert_eq!(entry.site.index, index);
            }
        }
        Err(errors) => {
            let lines = text.matches('\n').count() + 1;
            assert!(!errors.0.is_empty());
            for error in errors.0 {
                assert!((1..=lines).contains(&error.line), "{error}");
            }
        }
    }
});
