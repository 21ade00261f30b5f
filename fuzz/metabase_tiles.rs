//! Whatever a viewer names as a column of a map, and whatever a layout says of one: a reference is read in one way or not at all, leads to no other table,
//! and names the same column however its options are turned.
#![no_main]

use embedgate::adapter::metabase::tiles::{Column, Drawing};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;

fuzz_target!(|data: &[u8]| {
    if let Ok(text) = std::str::from_utf8(data) {
        reference(text);
    }
    for place in [None, Some((31, 44))] {
        if let Ok(drawing) = Drawing::of(data, place) {
            // Only what says that it is a map is one.
            assert!(drawing.is_none() || mentions(data, b"map"));
        }
    }
});

fn reference(text: &str) {
    let Some(Ok(column)) = (text.len() < 512).then(|| Column::parse(text)) else {
        return;
    };
    assert_eq!(column.as_str(), text);
    let json: Json = serde_json::from_str(text).expect("JSON");
    assert_eq!(json[0], "field");
    assert!(
        json[1].as_u64().is_some_and(|id| id > 0)
            || json[1].as_str().is_some_and(|name| !name.is_empty())
    );
    let options: Vec<_> = json[2].as_object().into_iter().flatten().collect();
    assert!(
        options
            .iter()
            .all(|(name, value)| !name.starts_with("source-field") || value.is_null())
    );

    // The same, in another order and with options that say nothing.
    let mut turned = serde_json::Map::new();
    for (name, value) in options.into_iter().rev() {
        turned.insert(name.clone(), value.clone());
    }
    turned.insert("base-type".into(), "type/Float".into());
    let same = read(&serde_json::json!([json[0], json[1], turned]));
    assert!(column.is_same(&same) && same.is_same(&column));

    // Another column, by its name and by an option that says something.
    let mut other = json.clone();
    other[1] = if json[1].is_string() {
        7.into()
    } else {
        "7".into()
    };
    assert!(!column.is_same(&read(&other)));
    turned.insert("embedgate-fuzz".into(), 1.into());
    let alike = json[2]["embedgate-fuzz"] == 1;
    assert_eq!(
        column.is_same(&read(&serde_json::json!([json[0], json[1], turned]))),
        alike
    );
}

fn read(json: &Json) -> Column {
    Column::parse(&json.to_string()).expect("what is written is read")
}

fn mentions(data: &[u8], word: &[u8]) -> bool {
    // An escape may hide it.
    data.contains(&b'\\') || data.windows(word.len()).any(|part| part == word)
}
