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

fn refused(query: &str, media: &Media, bodies: &[(&str, Refusal)]) {
    for (body, expected) in bodies {
        let got = export(query, media, body);
        assert_eq!(got, Err(*expected), "{query} {media:?} {body}");
    }
}

/// B14: whatever a query says besides, it says it in a second place.
#[test]
fn no_filter_stands_in_the_query_of_an_export() {
    for body in ["", "parameters=%5B%5D"] {
        let malformed = [(body, Refusal::RequestMalformed)];
        refused("parameters=%5B%5D", &Media::Form, &malformed);
        refused("parameters[]=%5B%5D", &Media::Form, &malformed);
        refused(
            "tenant=acorp",
            &Media::Form,
            &[(body, Refusal::ParamLocked)],
        );
    }
    let malformed = [("{}", Refusal::RequestMalformed)];
    refused("parameters=%5B%5D", &Media::Json, &malformed);
}

#[test]
fn a_form_has_one_reading() {
    let lock = pair("parameters", r#"[{"id":"5aefc7","value":"acorp"}]"#);
    let twice = "parameters=%5B%5D&parameters=%5B%5D";
    let bodies = [
        (&*lock, Refusal::ParamLocked),
        ("tenant=acorp", Refusal::ParamLocked),
        (twice, Refusal::RequestMalformed),
        ("parameters[]=%5B%5D", Refusal::RequestMalformed),
        ("parameters=%22%5B%5D%22", Refusal::RequestMalformed),
        ("parameters=null", Refusal::RequestMalformed),
        ("format_rows=1", Refusal::RequestMalformed),
        ("parameters=[ ]", Refusal::BodyUnsupported),
        ("parameters=%ff", Refusal::BodyUnsupported),
        ("parameters=%5B%5D\r\n", Refusal::BodyUnsupported),
        ("ü=1", Refusal::BodyUnsupported),
    ];
    refused("", &Media::Form, &bodies);
}

#[test]
fn a_document_has_one_reading() {
    let lock = r#"{"parameters":[{"id":"5aefc7","value":"acorp"}]}"#;
    let long = format!(r#"{{"{}":1}}"#, "a".repeat(300));
    let wide: Vec<_> = (0..100).map(|count| format!("\"a{count}\":1")).collect();
    let wide = format!("{{{}}}", wide.join(","));
    let bodies = [
        (lock, Refusal::ParamLocked),
        (r#"{"tenant":"acorp"}"#, Refusal::ParamLocked),
        (r#"{"5aefc7":"acorp"}"#, Refusal::ParamLocked),
        (r#"{"parameters":"[]"}"#, Refusal::RequestMalformed),
        (r#"{"parameters":null}"#, Refusal::RequestMalformed),
        (r#"{"parameters":{}}"#, Refusal::RequestMalformed),
        (r#"{"Parameters":[]}"#, Refusal::RequestMalformed),
        (r#"{"format_rows":"true"}"#, Refusal::RequestMalformed),
        (r#"{"format_rows":null}"#, Refusal::RequestMalformed),
        (
            r#"{"parameters":[],"parameters":[]}"#,
            Refusal::BodyUnsupported,
        ),
        ("[]", Refusal::BodyUnsupported),
        ("", Refusal::BodyUnsupported),
        (&long, Refusal::BodyUnsupported),
        (&wide, Refusal::BodyUnsupported),
    ];
    refused("", &Media::Json, &bodies);
}

#[test]
fn other_bodies_are_not_read() {
    let unsupported = [("parameters=%5B%5D", Refusal::BodyUnsupported)];
    refused("", &Media::Other, &unsupported);
    refused("", &Media::Multipart("x".into()), &unsupported);
    let nothing = Query::default();
    for media in [Media::Form, Media::Json] {
        let invalid = read(&nothing, (&media, b"\xff"), &layout(), world().rules());
        assert_eq!(invalid.unwrap_err().refusal, Refusal::BodyUnsupported);
    }
}
