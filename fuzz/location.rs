//! Wherever an upstream redirects to: what a browser gets has no authority and no scheme.
#![no_main]

use embedgate::{
    gate::origin::Origin,
    rewrite::location::{Prefixes, inside, keep_inside},
};
use http::{HeaderMap, HeaderValue, header::REFRESH};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let origins = [Origin::parse("http://127.0.0.1:3000").unwrap()];
    for (public, upstream) in [("", ""), ("/bi", "/up"), ("", "/up")] {
        let prefixes = Prefixes {
            hosts: Vec::new(),
            public: public.into(),
            upstream: upstream.into(),
        };
        if let Some(out) = inside(text, &origins, &prefixes) {
            assert!(!out.starts_with("//") && !out.contains('\\'));
            let first = out.split(['/', '?', '#']).next().unwrap_or_default();
            assert!(!first.contains(':'));
        }
        if let Ok(value) = HeaderValue::from_str(text) {
            let mut headers = HeaderMap::new();
            headers.insert(REFRESH, value);
            let _target = keep_inside(&mut headers, &origins, &prefixes);
            if let Some((_, url)) = headers
                .get(REFRESH)
                .and_then(|value| value.to_str().ok()?.split_once("url="))
            {
                assert!(!url.starts_with("//") && !url.contains('\\'));
            }
        }
    }
});
