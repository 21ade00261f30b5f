//! Ways around a lock in a request body, from header fields to bytes: each is refused, and what is not refused holds the lock once.
#![expect(clippy::unwrap_used, reason = "tests may panic")]

use std::io::Write;

use bytes::Bytes;
use embedgate::{
    gate::{
        param::{Lock, Mode, ParamSpec, Place, Scalar, Type, Value},
        policy::Denial,
        query,
        refusal::Refusal,
    },
    rewrite::{Bindings, body, decode},
};
use http::{HeaderMap, HeaderName, HeaderValue};

type Fields<'a> = &'a [(&'a str, &'a str)];

const LIMIT: u64 = 64 * 1024;

/// What the handler does with a body: media, encoding, judgement. `tenant_id` is locked to 99 in JSON and forms.
fn pass(fields: Fields<'_>, sent: &[u8]) -> Result<String, Refusal> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    let template = serde_json::json!({"col": "tenant_id", "op": "IN", "val": "$value"});
    let json = Place::Json {
        at: "/filters/-".into(),
        template: Some(template),
    };
    rewritten(&headers, sent, &[json, Place::Form("tenant".into())])
        .map_err(|denial| denial.refusal)
}

fn rewritten(headers: &HeaderMap, sent: &[u8], places: &[Place]) -> Result<String, Denial> {
    let params = [ParamSpec {
        name: "tenant_id".into(),
        folded: query::fold("tenant_id").into(),
        mode: Mode::Locked,
        kind: Type::Integer,
        list: true,
        all: None,
    }];
    let values = [Some(Value::Many(vec![Scalar {
        text: "99".into(),
        kind: Type::Integer,
    }]))];
    let locks: Vec<_> = places
        .iter()
        .map(|place| Lock {
            param: 0,
            place: place.clone(),
        })
        .collect();
    let bindings = Bindings {
        params: &params,
        values: &values,
        locks: &locks,
    };
    let media = body::media(headers)?;
    let whole = decode::inflate(headers, Bytes::copy_from_slice(sent), LIMIT)?;
    let out = body::apply(&media, &whole, bindings, &["guest_token".into()])?;
    Ok(String::from_utf8(out).unwrap())
}

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

#[test]
fn an_honest_body_carries_the_lock_once() {
    let locked = r#"{"filters":[{"col":"tenant_id","op":"IN","val":[99]}]}"#;
    assert_eq!(pass(&[JSON], b"{}").as_deref(), Ok(locked));
    assert_eq!(pass(&[JSON], locked.as_bytes()).as_deref(), Ok(locked));
    let zipped = [JSON, ("content-encoding", "gzip")];
    assert_eq!(pass(&zipped, &gzip(b"{}")).as_deref(), Ok(locked));
    assert_eq!(
        pass(&[FORM], b"a=1&guest_token=x&TENANT=99").as_deref(),
        Ok("a=1&tenant=99")
    );
}

#[test]
fn another_value_is_refused_in_every_media() {
    for (fields, sent) in [
        (vec![JSON], &br#"{"tenant_id":777}"#[..]),
        (
            vec![JSON],
            br#"{"filters":[{"col":"tenant_id","op":"IN","val":[777]}]}"#,
        ),
        (
            vec![JSON],
            br#"{"filters":[{"col":"tenant_id","op":"IN","val":[99,777]}]}"#,
        ),
        (
            vec![JSON],
            br#"{"filters":[{"val":[777],"op":"in","col":"TENANT_ID"}]}"#,
        ),
        (
            vec![("content-type", "application/hal+json")],
            br#"{"TENANT%5FID":777}"#,
        ),
        (vec![FORM], b"tenant=777"),
        (vec![FORM], b"tenant%5Fid=777"),
        (vec![FORM], b"tenant=99&tenant=777"),
        (vec![FORM], b"tenant_id%5B%5D=777"),
    ] {
        assert_eq!(
            pass(&fields, sent),
            Err(Refusal::ParamLocked),
            "{fields:?} {}",
            String::from_utf8_lossy(sent)
        );
    }
    let zipped = [JSON, ("content-encoding", "gzip")];
    assert_eq!(
        pass(&zipped, &gzip(br#"{"tenant_id":777}"#)),
        Err(Refusal::ParamLocked)
    );
}

#[test]
fn what_cannot_be_read_with_certainty_is_refused() {
    let wide = utf16(r#"{"tenant_id":777}"#);
    let table: &[(Fields<'_>, &[u8])] = &[
        (&[], b"{}"),
        (&[("content-type", "text/plain")], b"{}"),
        (
            &[("content-type", "multipart/form-data; boundary=x")],
            b"--x--",
        ),
        (
            &[("content-type", "application/json; charset=utf-16")],
            &wide,
        ),
        (&[JSON], &wide),
        (&[JSON, FORM], b"{}"),
        (&[JSON, JSON], b"{}"),
        (&[JSON], b"tenant=99"),
        (&[JSON], b"\xef\xbb\xbf{}"),
        (&[JSON], br#"{"filters":[],"filters":[{"col":"x"}]}"#),
        (&[JSON], br#"{"a":[{"b":1,"b":2}]}"#),
        (&[JSON], br#"{"filters":{}}"#),
        (&[JSON], br#"{"a":1}{"a":2}"#),
        (&[JSON], b"{\"a\":\"\xff\"}"),
        (&[JSON, ("content-encoding", "gzip")], b"{}"),
        (&[JSON, ("content-encoding", "gzip, gzip")], b"{}"),
        (&[JSON, ("content-encoding", "lzma")], b"{}"),
        (&[FORM], b"a=%zz"),
        (&[FORM], b"a=%ff"),
        (&[FORM], b"{\"tenant\": 777}"),
    ];
    for (fields, sent) in table {
        assert_eq!(
            pass(fields, sent),
            Err(Refusal::BodyUnsupported),
            "{fields:?} {}",
            String::from_utf8_lossy(sent)
        );
    }
    let bomb = gzip(&vec![b' '; 1 << 20]);
    assert_eq!(
        pass(&[JSON, ("content-encoding", "gzip")], &bomb),
        Err(Refusal::BodyTooLarge)
    );
}

#[test]
fn a_viewer_cannot_choose_a_media_without_the_lock() {
    let mut headers = HeaderMap::new();
    headers.insert(FORM.0, HeaderValue::from_static(FORM.1));
    let json = Place::Json {
        at: "/tenant_id".into(),
        template: None,
    };
    let denial = rewritten(&headers, b"a=1", &[json]).unwrap_err();
    assert_eq!(denial.refusal, Refusal::BodyUnsupported);
}
