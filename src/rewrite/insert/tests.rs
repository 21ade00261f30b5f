use html5gum::{Token, Tokenizer};
use proptest::prelude::*;

use super::*;

const OURS: &str = "<script nonce=\"bm9uY2U=\">ours()</script>";
const UTF8: &str = "text/html; charset=utf-8";

fn inserted(parts: &[&[u8]], content_type: &str) -> Vec<u8> {
    let mut insert = Insert::new(OURS.into(), content_type);
    let mut out = Vec::new();
    for part in parts {
        insert.push(part, &mut out);
    }
    insert.finish(&mut out);
    out
}

/// Stands for ours in the tables.
fn with(page: &str) -> String {
    page.replace("{}", OURS)
}

#[test]
fn ours_is_the_first_element_of_the_head() {
    for (page, expected) in [
        (
            "<!doctype html><html><head><title>x</title>",
            "<!doctype html><html><head>{}<title>x</title>",
        ),
        (
            "<!DOCTYPE html>\n<html lang=en>\n<HEAD data-a='>' b=\"/>\" c>\n<script>",
            "<!DOCTYPE html>\n<html lang=en>\n<HEAD data-a='>' b=\"/>\" c>{}\n<script>",
        ),
        ("<title>x", "{}<title>x"),
        (
            "<script>upstream()</script>",
            "{}<script>upstream()</script>",
        ),
        ("", "{}"),
        ("text", "{}text"),
        ("  <p>", "{}  <p>"),
        ("<!doctype html><script>", "<!doctype html>{}<script>"),
        ("<!doctype html><body>", "<!doctype html>{}<body>"),
        ("<html><script>", "<html>{}<script>"),
        ("<html><html><head>", "<html>{}<html><head>"),
        ("<head/><script>", "<head/>{}<script>"),
        ("<head><head>", "<head>{}<head>"),
        ("<header>", "{}<header>"),
        ("<heads>", "{}<heads>"),
        ("<h1>", "{}<h1>"),
        ("<htm>", "{}<htm>"),
        ("<html:x>", "{}<html:x>"),
        ("</head><script>", "{}</head><script>"),
        (
            "<base href='https://evil.example/'><script src=x>",
            "{}<base href='https://evil.example/'><script src=x>",
        ),
        ("<plaintext><head>", "{}<plaintext><head>"),
        ("<title><head>", "{}<title><head>"),
        (
            "<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
            "{}<meta http-equiv=Content-Security-Policy content=\"script-src 'none'\">",
        ),
        (
            "<?xml version='1.0'?><html>",
            "<?xml version='1.0'?><html>{}",
        ),
        ("<!><html>", "<!><html>{}"),
        ("<!x><!-><!-x><html>", "<!x><!-><!-x><html>{}"),
        ("<![CDATA[><script>]]>", "<![CDATA[>{}<script>]]>"),
        (
            "<!doctype html PUBLIC \"a>b\"><html>",
            "<!doctype html PUBLIC \"a>{}b\"><html>",
        ),
        ("<html a=x/><head", "<html a=x/>{}<head"),
        ("<html =a><head>", "<html =a><head>{}"),
        ("<html a\"=\">\"><head>", "<html a\"=\">\"><head>{}"),
        ("<html a= ><head>", "<html a= ><head>{}"),
        ("<html a = 'x' b><head>", "<html a = 'x' b><head>{}"),
        ("<html 'a>b'><head>", "<html 'a>{}b'><head>"),
        ("<html", "{}<html"),
        ("\0<html>", "{}\0<html>"),
    ] {
        let found = inserted(&[page.as_bytes()], UTF8);
        assert_eq!(String::from_utf8(found).unwrap(), with(expected), "{page}");
    }
}

#[test]
fn no_comment_hides_a_script_from_it() {
    for (page, expected) in [
        ("<!--<script>--><head>", "<!--<script>--><head>{}"),
        (
            "<!--><script>evil()</script>-->",
            "<!-->{}<script>evil()</script>-->",
        ),
        (
            "<!---><script>evil()</script>-->",
            "<!--->{}<script>evil()</script>-->",
        ),
        ("<!----><script>", "<!---->{}<script>"),
        ("<!----!><script>-->", "<!----!>{}<script>-->"),
        ("<!-- --!><script>-->", "<!-- --!>{}<script>-->"),
        ("<!-- --!-><head>--><head>", "<!-- --!-><head>--><head>{}"),
        ("<!-- -- > --><head>", "<!-- -- > --><head>{}"),
        ("<!-- <!-- --><head>", "<!-- <!-- --><head>{}"),
        ("<!-- <!--> <head>", "<!-- <!--> <head>{}"),
        ("<!-- <!-> --><head>", "<!-- <!-> --><head>{}"),
        ("<!---x--><head>", "<!---x--><head>{}"),
        ("<!-----><head>", "<!-----><head>{}"),
        (
            "<html><!-- never closed <head>",
            "<html>{}<!-- never closed <head>",
        ),
    ] {
        let found = inserted(&[page.as_bytes()], UTF8);
        assert_eq!(String::from_utf8(found).unwrap(), with(expected), "{page}");
    }
}

#[test]
fn encodings_stay_what_they_were() {
    let page = b"<head><meta charset=Shift_JIS>";
    let copied = format!("<head><meta charset=\"Shift_JIS\">{OURS}<meta charset=Shift_JIS>");
    assert_eq!(inserted(&[page], "text/html"), copied.as_bytes());
    let kept = format!("<head>{OURS}<meta charset=Shift_JIS>");
    assert_eq!(
        inserted(&[page], "text/html; Charset=\"UTF-8\""),
        kept.as_bytes()
    );

    let http_equiv =
        b"<head><meta http-equiv=Content-Type content='text/html; charset=windows-1252'>";
    let found = String::from_utf8(inserted(&[http_equiv], "text/html")).unwrap();
    assert!(
        found.starts_with("<head><meta charset=\"windows-1252\"><script"),
        "{found}"
    );

    let late = [&b"<head>"[..], &[b' '; 1100], b"<meta charset=utf-8>"].concat();
    let found = String::from_utf8(inserted(&[&late], "text/html")).unwrap();
    assert!(
        found.starts_with("<head><script"),
        "browsers do not see it either: {found}"
    );

    let strange = b"<meta charset='x\"><script>'>";
    let found = String::from_utf8(inserted(&[strange], "text/html")).unwrap();
    assert!(found.starts_with("<script nonce"), "{found}");

    let marked = b"\xef\xbb\xbf<meta charset=latin1>";
    let found = inserted(&[marked], "text/html");
    assert_eq!(
        found,
        [
            &b"\xef\xbb\xbf"[..],
            OURS.as_bytes(),
            b"<meta charset=latin1>"
        ]
        .concat()
    );
}

#[test]
fn pages_in_utf_16_stay_as_they_are() {
    for (page, content_type) in [
        (&b"\xff\xfe<\0p\0>\0"[..], "text/html"),
        (b"\xfe\xff\0<\0p\0>", UTF8),
        (b"<\0p\0>\0", "text/html; charset=utf-16le"),
        (b"\0<\0p\0>", "text/html;charset=\"Unicode\""),
        (b"\xff", "text/html"),
    ] {
        for size in [1, 2, 100] {
            let parts: Vec<&[u8]> = page.chunks(size).collect();
            assert_eq!(inserted(&parts, content_type), page, "{content_type}");
        }
    }
    let broken = inserted(&[b"\xef\xbb<p>"], "text/html");
    assert!(broken.starts_with(OURS.as_bytes()));
}

#[test]
fn little_is_held_back() {
    let mut insert = Insert::new(OURS.into(), UTF8);
    let mut out = Vec::new();
    insert.push(b"<html><!--", &mut out);
    assert!(out.is_empty());
    let mut pushed = 10;
    while out.is_empty() {
        insert.push(&[b'x'; 1000], &mut out);
        pushed += 1000;
        assert!(pushed < LONGEST_PROLOG + 2000);
    }
    assert!(out.starts_with(format!("<html>{OURS}<!--xxx").as_bytes()));
    assert_eq!(out.len(), pushed + OURS.len());

    let mut insert = Insert::new(OURS.into(), "text/html");
    let mut out = Vec::new();
    insert.push(b"<html><head><p>", &mut out);
    assert!(out.is_empty(), "the page may say yet how it is encoded");
    insert.push(&[b' '; 1024], &mut out);
    assert_eq!(out.len(), 15 + 1024 + OURS.len());
}

#[test]
fn the_script_tells_what_it_must_in_plain_ascii() {
    let script = SessionScript {
        session: Some("c2VhbGVk"),
        prefix: "/b<i",
        dropped: &["tökén</script>".into(), "embed_session".into()],
        next: Some(("/x?a=1&b=\"<!--\u{2028}", 3)),
    };
    let element = script.element("bm9uY2U=");
    assert!(element.is_ascii());
    assert!(element.starts_with("<script nonce=\"bm9uY2U=\">(function (told) {\n'use strict';\n"));
    assert_eq!(element.matches("</script>").count(), 1, "{element}");
    let (_, told) = element.rsplit_once("})({").unwrap();
    let told = format!("{{{}", told.strip_suffix(");</script>").unwrap());
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(told["dropped"][0], "tökén</script>");
    assert_eq!(told["next"], "/x?a=1&b=\"<!--\u{2028}");
    assert!(
        !element.contains("<!--") && !element.contains("//"),
        "{element}"
    );
    assert!(element.len() < 6000, "{}", element.len());
    // Nothing in it stands in another element where it is read by its name, or in a URL.
    assert_eq!(element.matches("c2VhbGVk").count(), 1);
}

/// The first element of a page but for `<html>` and `<head>`, by another reader; and the text before it.
fn first(page: &str) -> (String, String) {
    let mut text = String::new();
    for token in Tokenizer::new(page) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) if matches!(tag.name.as_slice(), b"html" | b"head") => {}
            Token::StartTag(tag) => {
                let nonce = tag.attributes.get(&b"nonce"[..]);
                let nonce =
                    nonce.map(|value| String::from_utf8_lossy(value.as_slice()).into_owned());
                return (nonce.unwrap_or_default(), text);
            }
            Token::EndTag(_) => text.push_str("</>"),
            Token::String(string) => text.push_str(&String::from_utf8_lossy(&string.value)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    (String::new(), text)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn whatever_the_page_ours_comes_first_and_the_rest_stays(
        page in "(<!doctype html>|<!doctype a '>'>|<html|<head|<htm|<script>x</script>|<!--|<!-|<!|-->|--!>|->|>|\"|'|=|/| |\n|a|-|!|</head>|<\\?|<p>|<plaintext>){0,24}",
        size in 1_usize..12,
    ) {
        let parts: Vec<&[u8]> = page.as_bytes().chunks(size).collect();
        let out = String::from_utf8(inserted(&parts, UTF8)).unwrap();
        prop_assert_eq!(&out, &String::from_utf8(inserted(&[page.as_bytes()], UTF8)).unwrap(), "however it is cut");
        prop_assert_eq!(out.replacen(OURS, "", 1), page);
        let (nonce, before) = first(&out);
        prop_assert_eq!(nonce, "bm9uY2U=", "{}", out);
        prop_assert!(before.trim_ascii().is_empty(), "{:?} in {}", before, out);
    }

    #[test]
    fn any_bytes_come_through(page in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..40, encoded in any::<bool>()) {
        let parts: Vec<&[u8]> = page.chunks(size).collect();
        let content_type = if encoded { UTF8 } else { "text/html" };
        let out = inserted(&parts, content_type);
        let at = out.windows(OURS.len()).position(|part| part == OURS.as_bytes());
        let Some(at) = at else {
            prop_assert_eq!(out, page);
            return Ok(());
        };
        let rest = [&out[..at], &out[at + OURS.len()..]].concat();
        prop_assert_eq!(rest, page);
    }
}
