//! Whatever policies an upstream sends, one per line: exactly one frame-ancestors is in force, ours, and nothing changes the second time.
#![no_main]

use embedgate::rewrite::csp;
use http::{HeaderMap, HeaderValue, header::CONTENT_SECURITY_POLICY};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let ours = HeaderValue::from_static("frame-ancestors https://app.example.com");
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(CONTENT_SECURITY_POLICY, value);
        }
    }
    csp::enforce(&mut headers, &ours);
    let mut found = 0;
    for field in headers.get_all(CONTENT_SECURITY_POLICY) {
        let text = field.to_str().expect("ASCII");
        for directive in text.split([',', ';']) {
            if directive
                .trim()
                .to_ascii_lowercase()
                .split_ascii_whitespace()
                .next()
                == Some("frame-ancestors")
            {
                assert_eq!(directive.trim(), ours.to_str().unwrap());
                found += 1;
            }
        }
    }
    assert_eq!(found, 1);
    let once = headers.clone();
    csp::enforce(&mut headers, &ours);
    assert_eq!(once, headers);
});
