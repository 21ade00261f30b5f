//! Origins and ancestors that are read are shown and read alike; a directive cannot be broken out of.
#![no_main]

use embedgate::gate::origin::{Ancestor, Ancestors, Origin};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(origin) = Origin::parse(text) {
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin.clone()));
        assert_eq!(Origin::of_url(text), Some(origin.clone()));
        assert!(
            Ancestor::parse(text)
                .expect("an origin is an ancestor")
                .covers(&origin)
        );
    }
    if let Some(origin) = Origin::of_url(text) {
        assert_eq!(Origin::parse(&origin.to_string()), Some(origin));
    }
    let Ok(entry) = Ancestor::parse(text) else {
        return;
    };
    assert_eq!(Ancestor::parse(&entry.to_string()).as_ref(), Ok(&entry));
    let list = Ancestors::new(vec![entry]);
    let directive = list.directive().to_str().expect("ASCII");
    assert_eq!(directive.split(' ').count(), 2);
    assert!(!directive.contains([';', ',', '\'', '"']) && !directive.ends_with('*'));
});
