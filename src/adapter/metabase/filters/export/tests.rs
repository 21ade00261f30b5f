use super::*;
use crate::adapter::metabase::filters::testing::{layout, pair, world};

const OURS: &str = r#"{"id":"5aefc7","value":["acme"]},{"id":"bead02","value":["gold"]}]"#;

fn export(query: &str, media: &Media, body: &str) -> Result<String, Refusal> {
    let query = Query::parse(query).unwrap();
    read(&query, (media, body.as_bytes()), &layout(), world().rules())
        .map(|filters| filters.to_form())
        .map_err(|denial| denial.refusal)
}

/// Rows 107, 134; B14: whatever the body was, upstream gets one form.
#[test]
fn forms_and_documents_become_one_form() {
    let theirs = r#"[{"id":"c0ffee","type":"string/!=","value":["a"]}]"#;
    let written = pair(
        "parameters",
        &format!(r#"[{{"id":"c0ffee","value":["a"]}},{OURS}"#),
    );
    let form = format!(
        "{}&format_rows=true&dashboard_load_id=1",
        pair("parameters", theirs)
    );
    let json =
        format!(r#"{{"parameters":{theirs},"format_rows":true,"ignore_cache":true,"other":{{}}}}"#);
    let expected = Ok(format!("{written}&format_rows=true"));
    assert_eq!(export("", &Media::Form, &form), expected);
    assert_eq!(export("", &Media::Json, &json), expected);
    let bare = Ok(pair("parameters", &format!("[{OURS}")));
    assert_eq!(export("", &Media::Form, ""), bare);
    assert_eq!(export("", &Media::Other, ""), bare);
    assert_eq!(
        export("ignore_cache=true&format_rows=false", &Media::Json, "{}"),
        bare
    );
}

#[test]
fn one_body_and_one_reading_of_it() {
    let lock = r#"[{"id":"5aefc7","value":"acorp"}]"#;
    for (query, media, body, expected) in [
        (
            "",
            Media::Form,
            pair("parameters", lock),
            Refusal::ParamLocked,
        ),
        (
            "",
            Media::Json,
            format!(r#"{{"parameters":{lock}}}"#),
            Refusal::ParamLocked,
        ),
        (
            "parameters=%5B%5D",
            Media::Form,
            pair("parameters", "[]"),
            Refusal::RequestMalformed,
        ),
        (
            "parameters=%5B%5D",
            Media::Json,
            "{}".into(),
            Refusal::RequestMalformed,
        ),
        (
            "parameters[]=%5B%5D",
            Media::Form,
            String::new(),
            Refusal::RequestMalformed,
        ),
        (
            "tenant=acorp",
            Media::Form,
            String::new(),
            Refusal::ParamLocked,
        ),
        (
            "",
            Media::Form,
            "parameters=%5B%5D&parameters=%5B%5D".into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Form,
            "parameters[]=%5B%5D".into(),
            Refusal::RequestMalformed,
        ),
        ("", Media::Form, "tenant=acorp".into(), Refusal::ParamLocked),
        (
            "",
            Media::Form,
            "parameters=[ ]".into(),
            Refusal::BodyUnsupported,
        ),
        (
            "",
            Media::Form,
            "parameters=%ff".into(),
            Refusal::BodyUnsupported,
        ),
        (
            "",
            Media::Form,
            "format_rows=1".into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Json,
            r#"{"parameters":"[]"}"#.into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Json,
            r#"{"parameters":null}"#.into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Json,
            r#"{"parameters":{}}"#.into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Json,
            r#"{"parameters":[],"parameters":[]}"#.into(),
            Refusal::BodyUnsupported,
        ),
        (
            "",
            Media::Json,
            r#"{"parameters":[],"Parameters":[]}"#.into(),
            Refusal::RequestMalformed,
        ),
        (
            "",
            Media::Json,
            r#"{"tenant":"acorp"}"#.into(),
            Refusal::ParamLocked,
        ),
        (
            "",
            Media::Json,
            r#"{"5aefc7":"acorp"}"#.into(),
            Refusal::ParamLocked,
        ),
        (
            "",
            Media::Json,
            r#"{"format_rows":"true"}"#.into(),
            Refusal::RequestMalformed,
        ),
        ("", Media::Json, "[]".into(), Refusal::BodyUnsupported),
        ("", Media::Json, String::new(), Refusal::BodyUnsupported),
        (
            "",
            Media::Json,
            format!(r#"{{"{}":1}}"#, "a".repeat(300)),
            Refusal::BodyUnsupported,
        ),
        (
            "",
            Media::Multipart("x".into()),
            "--x--".into(),
            Refusal::BodyUnsupported,
        ),
        (
            "",
            Media::Other,
            "parameters=%5B%5D".into(),
            Refusal::BodyUnsupported,
        ),
    ] {
        assert_eq!(
            export(query, &media, &body),
            Err(expected),
            "{query} {media:?} {body}"
        );
    }
    let invalid = read(
        &Query::parse("").unwrap(),
        (&Media::Json, b"\xff"),
        &layout(),
        world().rules(),
    );
    assert_eq!(invalid.unwrap_err().refusal, Refusal::BodyUnsupported);
}
