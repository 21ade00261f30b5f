use proptest::prelude::*;

use super::*;

/// The example of RFC 6455 section 1.3.
const KEY_TEXT: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT_TEXT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

fn good() -> Vec<(&'static str, &'static str)> {
    vec![
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY_TEXT),
    ]
}

fn map(fields: &[(&'static str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, value.parse().unwrap());
    }
    map
}

fn read(headers: &HeaderMap) -> Result<Option<Handshake>, Denial> {
    Handshake::read(&Method::GET, Version::HTTP_11, headers)
}

/// The good handshake with one field in another's place, or one more.
fn with(name: &'static str, value: &str) -> HeaderMap {
    let mut map = map(&good());
    map.insert(name, value.parse().unwrap());
    map
}

fn and(name: &'static str, value: &str) -> HeaderMap {
    let mut map = map(&good());
    map.append(name, value.parse().unwrap());
    map
}

#[test]
fn the_example_of_the_rfc_is_a_handshake_and_its_answer_confirms_it() {
    let handshake = read(&map(&good())).unwrap().unwrap();
    let mut answer = map(&[
        ("upgrade", "WebSocket"),
        ("connection", "keep-alive, Upgrade"),
        ("sec-websocket-accept", ACCEPT_TEXT),
    ]);
    assert_eq!(handshake.confirm(&answer), Ok(()));
    for (name, value) in [
        ("upgrade", "h2c"),
        ("upgrade", "websocket, h2c"),
        ("connection", "close"),
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOO="),
        ("sec-websocket-accept", ""),
    ] {
        let mut wrong = answer.clone();
        wrong.insert(name, value.parse().unwrap());
        assert!(handshake.confirm(&wrong).is_err(), "{name}: {value}");
    }
    answer.append("sec-websocket-accept", ACCEPT_TEXT.parse().unwrap());
    assert!(handshake.confirm(&answer).is_err(), "two of them");
    assert!(handshake.confirm(&HeaderMap::new()).is_err());
}

#[test]
fn variants_that_browsers_and_libraries_send_are_handshakes() {
    for headers in [
        with("upgrade", "WebSocket"),
        with("connection", "keep-alive, Upgrade"),
        with("connection", "upgrade"),
        and("connection", "keep-alive"),
        with("content-length", "0"),
        with(
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        ),
        with("sec-websocket-protocol", "streamlit, token"),
    ] {
        assert!(matches!(read(&headers), Ok(Some(_))), "{headers:?}");
    }
}

#[test]
fn who_does_not_name_websocket_asks_for_nothing() {
    for headers in [
        HeaderMap::new(),
        with("upgrade", "h2c"),
        with("upgrade", "TLS/1.0, HTTP/2.0"),
        with("upgrade", "websockets"),
    ] {
        assert_eq!(read(&headers), Ok(None), "{headers:?}");
    }
}

#[test]
fn whoever_names_it_must_do_so_to_the_letter() {
    for headers in [
        with("upgrade", "websocket, h2c"),
        with("upgrade", "h2c, websocket"),
        with("upgrade", "websocket/13"),
        and("upgrade", "websocket"),
        and("upgrade", "h2c"),
        with("connection", "keep-alive"),
        with("connection", "close, upgrade"),
        with("connection", "upgrade, sec-websocket-key"),
        with("connection", "upgrade, cookie"),
        and("connection", "origin"),
        with("sec-websocket-version", "8"),
        with("sec-websocket-version", "13, 8"),
        and("sec-websocket-version", "13"),
        with("sec-websocket-key", ""),
        with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ"),
        with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZR=="),
        with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZSEh"),
        with("sec-websocket-key", "not base64 at all 24 c=="),
        and("sec-websocket-key", KEY_TEXT),
        with("content-length", "5"),
        with("transfer-encoding", "chunked"),
    ] {
        let refused = read(&headers).unwrap_err().refusal;
        assert_eq!(refused, Refusal::RequestMalformed, "{headers:?}");
    }
    for (method, version) in [
        (Method::POST, Version::HTTP_11),
        (Method::HEAD, Version::HTTP_11),
        (Method::CONNECT, Version::HTTP_11),
        (Method::GET, Version::HTTP_10),
        (Method::GET, Version::HTTP_2),
    ] {
        let read = Handshake::read(&method, version, &map(&good()));
        assert!(read.is_err(), "{method} {version:?}");
    }
    for gone in ["connection", "sec-websocket-version", "sec-websocket-key"] {
        let mut headers = map(&good());
        headers.remove(gone);
        assert!(read(&headers).is_err(), "{gone}");
    }
}

proptest! {
    /// What is not a handshake never becomes a tunnel, and what asks never passes for an ordinary request.
    #[test]
    fn asking_is_a_handshake_or_refused(
        upgrade in prop::collection::vec("(websocket|WebSocket|h2c|[a-z/, ]{0,12})(, (websocket|h2c))?", 0..3),
        connection in prop::collection::vec("(upgrade|keep-alive|close|cookie)(, (Upgrade|te))?", 0..3),
        version in "(13|8|1[0-9])",
    ) {
        let mut headers = HeaderMap::new();
        for value in &upgrade {
            headers.append(UPGRADE, value.parse().unwrap());
        }
        for value in &connection {
            headers.append(CONNECTION, value.parse().unwrap());
        }
        headers.append(SEC_WEBSOCKET_VERSION, version.parse().unwrap());
        headers.append(SEC_WEBSOCKET_KEY, KEY_TEXT.parse().unwrap());
        let outcome = read(&headers);
        prop_assert_eq!(is_asked(&headers), !matches!(outcome, Ok(None)));
        if let Ok(Some(_)) = outcome {
            prop_assert_eq!(upgrade.len(), 1);
            prop_assert!(upgrade[0].trim().eq_ignore_ascii_case("websocket"));
            prop_assert_eq!(version, "13");
        }
    }
}
