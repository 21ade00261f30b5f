use super::*;

fn parse(text: &str) -> Result<Option<Incoming>, FramingError> {
    parse_for(text, &Method::GET)
}

fn parse_for(text: &str, method: &Method) -> Result<Option<Incoming>, FramingError> {
    read(&mut BytesMut::from(text), &mut 0, method)
}

fn framing(text: &str) -> String {
    match parse(text) {
        Ok(Some(head)) => match head.framing {
            Framing::Chunked(_) => "chunked".to_owned(),
            Framing::Done => "done".to_owned(),
            Framing::Length(n) => n.to_string(),
            Framing::UntilClose => "close".to_owned(),
        },
        Ok(None) => "partial".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn knows_how_a_body_ends() {
    let conflict = FramingError::Conflict.to_string();
    let table: &[(&str, &str)] = &[
        ("content-length: 5\r\n", "5"),
        ("content-length: 0\r\n", "done"),
        ("content-length: 5\r\ncontent-length: 5\r\n", "5"),
        ("content-length: 5\r\ncontent-length: 6\r\n", &conflict),
        ("content-length: 5, 5\r\n", &conflict),
        ("content-length: +5\r\n", &conflict),
        ("content-length: 99999999999999999999\r\n", &conflict),
        ("transfer-encoding: chunked\r\n", "chunked"),
        ("Transfer-Encoding: Chunked\r\n", "chunked"),
        ("transfer-encoding: gzip, chunked\r\n", &conflict),
        (
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            &conflict,
        ),
        (
            "content-length: 5\r\ntransfer-encoding: chunked\r\n",
            &conflict,
        ),
        ("", "close"),
    ];
    for (fields, wanted) in table {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        assert_eq!(framing(&text), *wanted, "{fields:?}");
    }
    for (text, wanted) in [
        ("HTTP/1.1 204 No Content\r\n\r\n", "done"),
        (
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            "done",
        ),
        ("HTTP/1.0 200 OK\r\n\r\n", "close"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "partial"),
        ("HTTP/1.1 200 OK\r\n", "partial"),
    ] {
        assert_eq!(framing(text), wanted, "{text:?}");
    }
}

#[test]
fn refuses_broken_heads() {
    for text in [
        "HTTP/2.0 200 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "HTTP/1.1 99 Low\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\na: b\r\n folded\r\n\r\n",
        "HTTP/1.1 200 OK\r\na : b\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\n\r\n",
        "<html>\r\n\r\n",
    ] {
        assert!(parse(text).is_err(), "{text:?}");
    }
    let huge = format!("HTTP/1.1 200 OK\r\nx: {}", "y".repeat(HEAD));
    assert!(matches!(parse(&huge), Err(FramingError::TooLarge)));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(FIELDS + 1));
    assert!(parse(&many).is_err());
}

#[test]
fn fields_of_the_hop_end_here() {
    let text = "HTTP/1.1 200 OK\r\nConnection: close, X-Private\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
                Upgrade: h2c\r\nTrailer: x\r\nX-Public: 2\r\ncontent-length: 0\r\n\r\n";
    let head = parse(text).unwrap().unwrap();
    assert!(!head.keep_alive);
    let names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    assert_eq!(names, ["x-public"]);
}

#[test]
fn the_answer_to_head_keeps_its_length_and_has_no_body() {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
    let head = parse_for(text, &Method::HEAD).unwrap().unwrap();
    assert!(matches!(head.framing, Framing::Done));
    assert_eq!(head.headers["content-length"], "5");
}

#[test]
fn a_head_in_pieces_reads_like_a_whole_one() {
    let text =
        "HTTP/1.1 200 OK\r\nset-cookie: a=b\r\nset-cookie: c=d\r\ncontent-length: 1\r\n\r\nx";
    let (mut buffer, mut seen) = (BytesMut::new(), 0);
    for (i, byte) in text.bytes().enumerate() {
        buffer.extend_from_slice(&[byte]);
        if let Some(head) = read(&mut buffer, &mut seen, &Method::GET).unwrap() {
            assert_eq!(i, text.len() - 2);
            assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
            assert!(buffer.is_empty());
            return;
        }
    }
    panic!("never complete");
}

fn written(target: &str, headers: &HeaderMap, length: Length) -> Result<String, FramingError> {
    let mut out = BytesMut::new();
    let outgoing = Outgoing {
        method: &Method::POST,
        target,
        headers,
        upgrade: None,
    };
    outgoing.write("bi:3000", "/base", length, &mut out)?;
    Ok(String::from_utf8(out.to_vec()).unwrap())
}

#[test]
fn a_request_carries_our_framing_only() {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("host", "evil"),
        ("content-length", "7"),
        ("transfer-encoding", "chunked"),
        ("connection", "x"),
        ("keep-alive", "1"),
        ("proxy-connection", "x"),
        ("te", "trailers"),
        ("expect", "100-continue"),
        ("upgrade", "h2c"),
        ("accept", "*/*"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(
        written("/a?b", &headers, Length::Exact(3)).unwrap(),
        "POST /base/a?b HTTP/1.1\r\nhost: bi:3000\r\naccept: */*\r\ncontent-length: 3\r\n\r\n"
    );
    let chunked = written("/", &headers, Length::Chunked).unwrap();
    assert!(chunked.ends_with("transfer-encoding: chunked\r\n\r\n"));
    let none = written("/", &headers, Length::None).unwrap();
    assert!(none.ends_with("content-length: 0\r\n\r\n"));
}

#[test]
fn a_target_cannot_become_two_requests() {
    for target in [
        "",
        "a",
        "/a b",
        "/a\r\nX: y",
        "/\0",
        "/ä",
        "http://x/",
        "/a\tb",
    ] {
        let error = written(target, &HeaderMap::new(), Length::None).unwrap_err();
        assert!(matches!(error, FramingError::Target), "{target:?}");
    }
}
