//! Whatever cookies either side sends: embedgate's own pass in neither direction, and what a browser gets is fit for a frame, once.
#![no_main]

use embedgate::rewrite::{
    cookie::{self, CookiePolicy},
    location::Prefixes,
};
use http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let policy = CookiePolicy::Frame {
        only: None,
        secure: true,
    };
    let prefixes = Prefixes {
        hosts: Vec::new(),
        public: "/bi".into(),
        upstream: "".into(),
    };
    let mut request = HeaderMap::new();
    request.insert(COOKIE, value.clone());
    cookie::filter(&mut request, &policy);
    for field in request.get_all(COOKIE) {
        for pair in field.as_bytes().split(|byte| *byte == b';') {
            assert!(
                !pair
                    .trim_ascii()
                    .to_ascii_lowercase()
                    .starts_with(b"__host-embedgate=")
            );
        }
    }
    let mut response = HeaderMap::new();
    response.insert(SET_COOKIE, value);
    cookie::fit(&mut response, &policy, &prefixes);
    for field in response.get_all(SET_COOKIE) {
        let text = field.as_bytes();
        let name = text.split(|byte| *byte == b'=').next().unwrap_or_default();
        assert!(!name.trim_ascii().eq_ignore_ascii_case(b"__host-embedgate"));
        let parts = || {
            text.split(|byte| *byte == b';')
                .skip(1)
                .map(<[u8]>::trim_ascii)
        };
        for attribute in [&b"Secure"[..], b"SameSite=None", b"Partitioned"] {
            assert_eq!(parts().filter(|part| *part == attribute).count(), 1);
        }
        assert!(parts().all(|part| !part.to_ascii_lowercase().starts_with(b"domain")));
    }
});
