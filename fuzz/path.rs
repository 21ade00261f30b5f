//! A path that is read has one spelling, and decodes to what the client wrote, without new structure.
#![no_main]

use embedgate::gate::path::{self, NormalPath};
use libfuzzer_sys::fuzz_target;
use percent_encoding::percent_decode_str;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(decoded) = path::decode(text) {
        assert!(!decoded.contains(['/', '\\', '%', ';']) && !decoded.chars().any(char::is_control));
        if let Some(segment) = path::segment(&decoded) {
            assert_eq!(path::decode(&segment).as_deref(), Ok(&*decoded));
        }
    }
    let Ok(path) = NormalPath::parse(text) else {
        return;
    };
    let again = NormalPath::parse(path.as_str()).expect("a canonical path is read");
    assert_eq!(again.as_str(), path.as_str());
    let decoded = percent_decode_str(path.as_str())
        .decode_utf8()
        .expect("UTF-8");
    assert_eq!(
        decoded,
        percent_decode_str(text).decode_utf8().expect("UTF-8")
    );
    assert!(decoded.starts_with('/') && !decoded.contains("//"));
    assert!(!decoded.contains(['\\', '%', ';']) && !decoded.chars().any(char::is_control));
    assert!(
        decoded
            .split('/')
            .all(|segment| segment != "." && segment != "..")
    );
    assert!(path.as_str().parse::<http::uri::PathAndQuery>().is_ok());
});
