//! Whatever page comes in however many pieces, an element of ours comes before everything that runs, as an independent reader of HTML sees it, and all else
//! stays; whatever policies it has, the element runs by one nonce, and nothing runs that did not.
#![no_main]

use embedgate::rewrite::{csp, insert::Insert};
use html5gum::{Token, Tokenizer};
use http::{HeaderMap, HeaderValue, header::CONTENT_SECURITY_POLICY};
use libfuzzer_sys::fuzz_target;

const OURS: &str = "<script nonce=\"b3Vycw==\">1</script>";
const FRESH: &str = "ZnJlc2g=";

fuzz_target!(|data: &[u8]| {
    // The size of the pieces and whether the encoding is known; policies, one per line; an empty line; the page.
    let Some((first, rest)) = data.split_first() else {
        return;
    };
    let mut headers = HeaderMap::new();
    let mut page = rest;
    while let Some(end) = page.iter().position(|byte| *byte == b'\n') {
        let (line, after) = (&page[..end], &page[end + 1..]);
        page = after;
        if line.is_empty() {
            break;
        }
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(CONTENT_SECURITY_POLICY, value);
        }
    }
    policies(headers);
    if page.windows(OURS.len()).any(|part| part == OURS.as_bytes()) {
        // Then nobody can tell which is ours: in earnest it holds a nonce that no page knows.
        return;
    }
    let content_type = if first & 1 == 0 {
        "text/html; charset=utf-8"
    } else {
        "text/html"
    };
    let size = usize::from(first >> 1).max(1);
    let mut insert = Insert::new(OURS.into(), content_type);
    let mut out = Vec::new();
    for part in page.chunks(size) {
        insert.push(part, &mut out);
    }
    insert.finish(&mut out);
    let Some(at) = out
        .windows(OURS.len())
        .position(|part| part == OURS.as_bytes())
    else {
        assert_eq!(out, page);
        return;
    };
    let meta = out[..at].strip_suffix(b"\">").filter(|_| first & 1 == 1);
    let meta = meta.and_then(|before| {
        before
            .windows(15)
            .rposition(|part| part == b"<meta charset=\"")
    });
    let kept = [&out[..at], &out[at + OURS.len()..]].concat();
    if kept != page {
        let meta = meta.expect("nothing else is added");
        assert_eq!([&out[..meta], &out[at + OURS.len()..]].concat(), page);
    }
    if let Ok(text) = std::str::from_utf8(&out) {
        comes_first(text.strip_prefix('\u{feff}').unwrap_or(text));
    }
});

fn comes_first(page: &str) {
    for token in Tokenizer::new(page) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => match tag.name.as_slice() {
                b"html" | b"head" | b"meta" => {}
                name => {
                    let nonce = tag.attributes.get(&b"nonce"[..]);
                    assert_eq!(name, b"script");
                    assert_eq!(nonce.expect("ours").as_slice(), b"b3Vycw==");
                    return;
                }
            },
            Token::String(text) => assert!(text.value.trim_ascii().is_empty(), "{text:?}"),
            Token::EndTag(tag) => panic!("{tag:?} comes before ours"),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    panic!("ours is not there");
}

fn policies(mut headers: HeaderMap) {
    let frames = HeaderValue::from_static("frame-ancestors 'none'");
    csp::enforce(&mut headers, &frames);
    let before = headers.clone();
    let nonce = csp::admit(&mut headers, FRESH);
    let count = |headers: &HeaderMap, text: &str| {
        let fields = headers.get_all(CONTENT_SECURITY_POLICY).iter();
        fields
            .map(|field| field.to_str().expect("ASCII").matches(text).count())
            .sum::<usize>()
    };
    assert_eq!(
        count(&headers, "frame-ancestors"),
        count(&before, "frame-ancestors")
    );
    assert_eq!(
        count(&headers, "connect-src"),
        count(&before, "connect-src")
    );
    if &*nonce != FRESH {
        assert_eq!(before, headers);
    }
    let once = headers.clone();
    assert_eq!(csp::admit(&mut headers, FRESH), nonce);
    assert_eq!(once, headers);
}
