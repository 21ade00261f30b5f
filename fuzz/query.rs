//! A query that is passed on pair by pair means the same, splits only at `&`, and names fold idempotently.
#![no_main]

use embedgate::gate::query::{self, Query};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let folded = query::fold(text);
    if text.len() < 512 {
        assert_eq!(query::fold(&folded), folded);
    }
    let Ok(read) = Query::parse(text) else { return };
    let (mut passed, mut pushed) = (String::new(), String::new());
    for pair in read.pairs() {
        query::pass(&mut passed, pair);
        query::push(
            &mut pushed,
            &pair.name,
            pair.value.as_deref().unwrap_or_default(),
        );
    }
    assert!(passed.is_ascii() && !passed.contains([';', '?', '#', ' ']));
    let again = Query::parse(&passed).expect("what was passed is read");
    let written = Query::parse(&pushed).expect("what was pushed is read");
    assert_eq!(again.pairs().len(), read.pairs().len());
    assert_eq!(written.pairs().len(), read.pairs().len());
    for ((pair, passed), pushed) in read.pairs().iter().zip(again.pairs()).zip(written.pairs()) {
        assert_eq!((&pair.name, &pair.value), (&passed.name, &passed.value));
        assert_eq!(pair.name, pushed.name);
        assert_eq!(
            Some(pair.value.as_deref().unwrap_or_default()),
            pushed.value.as_deref()
        );
    }
});
