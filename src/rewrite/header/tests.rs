use super::*;
use crate::{
    gate::param::{Lock, ParamSpec, Scalar, Type, Value},
    rewrite::{
        cookie::{CookiePolicy, filter},
        judge::tests::{int, integer, one, spec},
    },
};

fn fields(list: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_str(value).unwrap(),
        );
    }
    headers
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn hop_by_hop_fields_go_and_what_connection_names() {
    let mut headers = fields(&[
        ("Connection", "close, X-Hop"),
        ("Connection", "X-Other"),
        ("X-Hop", "1"),
        ("X-Other", "1"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Authorization", "Basic x"),
        ("Proxy-Connection", "close"),
        ("TE", "gzip"),
        ("Trailer", "X"),
        ("Transfer-Encoding", "chunked"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "x"),
        ("Accept", "*/*"),
    ]);
    strip_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["accept"]);
}

#[test]
fn connection_cannot_name_away_what_was_judged() {
    let mut headers = fields(&[
        (
            "Connection",
            "Content-Type, cookie, host, referer, te, , \"odd\"",
        ),
        ("Content-Type", "application/json"),
        ("Cookie", "a=b"),
        ("TE", "trailers"),
    ]);
    strip_hop_by_hop(&mut headers);
    assert_eq!(names(&headers), ["content-type", "cookie", "te"]);
}

#[test]
fn what_a_client_must_not_say_goes() {
    let spoofed = [
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Prefix",
        "X-Forwarded",
        "X-Real-IP",
        "X-Request-Id",
        "X-Correlation-Id",
        "traceparent",
        "tracestate",
        "baggage",
        "Via",
        "Authorization",
        "Proxy-Authorization",
        "X-Original-URL",
        "X-Original-Host",
        "X-Rewrite-URL",
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X_Forwarded_For",
        "X_User",
        "x_real_ip",
        "Content_Length",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "X-Host",
        "X-Envoy-Original-Path",
        "X-Embedgate-Session",
        "X_Embedgate_Session",
        "X-Remote-User",
        "X-B3-TraceId",
        "Expect",
        "X-Viewer",
    ];
    let kept = [
        "Accept",
        "Accept-Encoding",
        "Content-Type",
        "Content-Length",
        "User-Agent",
        "Sec-Fetch-Site",
        "X-CSRFToken",
        "X-Requested-With",
        "If-None-Match",
        "Range",
    ];
    let mut headers = HeaderMap::new();
    for name in spoofed.iter().chain(&kept) {
        headers.append(
            HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_static("1"),
        );
    }
    strip_client(&mut headers, &[HeaderName::from_static("x-viewer")]);
    let mut expected = kept.map(str::to_ascii_lowercase);
    expected.sort();
    assert_eq!(names(&headers), expected);
}

#[test]
fn a_referer_is_cut_to_its_origin() {
    for (before, after) in [
        (
            "https://bi.example.com/r?embed_token=secret",
            Some("https://bi.example.com/"),
        ),
        ("https://bi.example.com/", Some("https://bi.example.com/")),
        ("https://bi.example.com", None),
        ("/r?embed_token=secret", None),
        ("about:blank", None),
    ] {
        let mut headers = fields(&[("Referer", before)]);
        strip_client(&mut headers, &[]);
        assert_eq!(
            headers.get("referer").map(|value| value.to_str().unwrap()),
            after,
            "{before}"
        );
    }
}

#[test]
fn says_who_asks() {
    let mut headers = fields(&[
        ("Forwarded", "for=evil"),
        ("Forwarded", "for=worse"),
        ("X-Forwarded-For", "evil"),
    ]);
    let (request_id, traceparent) = (
        HeaderValue::from_static("r1"),
        HeaderValue::from_static("00-1-2-01"),
    );
    let mut forwarded = Forwarded {
        client: "192.0.2.7".parse().unwrap(),
        host: "bi.example.com:8443",
        secure: true,
        request_id: &request_id,
        traceparent: &traceparent,
    };
    set_forwarded(&mut headers, &forwarded);
    assert_eq!(
        headers,
        fields(&[
            (
                "forwarded",
                "for=192.0.2.7;proto=https;host=\"bi.example.com:8443\""
            ),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "bi.example.com:8443"),
            ("x-forwarded-proto", "https"),
            ("x-request-id", "r1"),
            ("traceparent", "00-1-2-01"),
        ])
    );
    forwarded.client = "2001:db8::1".parse().unwrap();
    forwarded.host = "[::1]:80";
    forwarded.secure = false;
    set_forwarded(&mut headers, &forwarded);
    assert_eq!(
        headers["forwarded"],
        "for=\"[2001:db8::1]\";proto=http;host=\"[::1]:80\""
    );
    assert_eq!(headers["x-forwarded-for"], "2001:db8::1");
}

fn bound(
    mode: Mode,
    value: Option<Value>,
    place: Place,
    headers: &mut HeaderMap,
) -> Result<(), Refusal> {
    let params = [ParamSpec {
        list: true,
        ..spec("tenant", mode)
    }];
    let bindings = Bindings {
        params: &params,
        values: &[value],
        locks: &[Lock { param: 0, place }],
    };
    bind(headers, bindings).map_err(|denial| denial.refusal)
}

fn many(texts: &[&str]) -> Value {
    Value::Many(
        texts
            .iter()
            .map(|text| Scalar {
                text: (*text).into(),
                kind: Type::String,
            })
            .collect(),
    )
}

#[test]
fn a_bound_field_is_ours_alone() {
    let name = HeaderName::from_static("x-tenant");
    let mut headers = fields(&[("X-Tenant", "evil"), ("X-Tenant", "worse")]);
    assert_eq!(
        bound(
            Mode::Locked,
            Some(many(&["a", "b c"])),
            Place::Header(name.clone()),
            &mut headers
        ),
        Ok(())
    );
    assert_eq!(headers, fields(&[("x-tenant", "a, b c")]));
    for odd in [many(&["a,b", "c"]), one(" a"), one("a ")] {
        assert_eq!(
            bound(
                Mode::Locked,
                Some(odd),
                Place::Header(name.clone()),
                &mut headers
            ),
            Err(Refusal::ParamInvalid)
        );
    }
    assert_eq!(
        bound(
            Mode::Locked,
            Some(one("zoë")),
            Place::Header(name.clone()),
            &mut headers
        ),
        Ok(())
    );
    assert_eq!(headers["x-tenant"].as_bytes(), "zoë".as_bytes());
    assert_eq!(
        bound(
            Mode::Locked,
            None,
            Place::Header(name.clone()),
            &mut headers
        ),
        Err(Refusal::ParamMissing)
    );
    assert_eq!(
        bound(
            Mode::Disabled,
            None,
            Place::Header(name.clone()),
            &mut headers
        ),
        Err(Refusal::ParamDisabled)
    );
    let mut own = fields(&[("X-Tenant", "mine")]);
    assert_eq!(
        bound(
            Mode::Enabled,
            Some(one("preset")),
            Place::Header(name),
            &mut own
        ),
        Ok(())
    );
    assert_eq!(own["x-tenant"], "mine");
    let place = Place::Header(HeaderName::from_static("x-tenant"));
    let mut twice = fields(&[("X-Tenant", "mine"), ("X-Tenant", "yours")]);
    assert_eq!(
        bound(Mode::Enabled, None, place, &mut twice),
        Err(Refusal::ParamInvalid)
    );
}

#[test]
fn a_bound_cookie_is_ours_alone() {
    let mut headers = fields(&[
        ("Cookie", "a=1; tenant=evil; TENANT=evil"),
        ("Cookie", "tenant[]=worse"),
    ]);
    assert_eq!(
        bound(
            Mode::Locked,
            Some(many(&["x y", "z"])),
            Place::Cookie("tenant".into()),
            &mut headers
        ),
        Ok(())
    );
    assert_eq!(headers, fields(&[("cookie", "a=1; tenant=x%20y%2Cz")]));
    assert_eq!(
        bound(
            Mode::Enabled,
            None,
            Place::Cookie("tenant".into()),
            &mut headers
        ),
        Ok(())
    );
    assert_eq!(headers, fields(&[("cookie", "a=1")]));
    assert_eq!(
        bound(
            Mode::Locked,
            Some(many(&["a,b", "z"])),
            Place::Cookie("tenant".into()),
            &mut headers
        ),
        Err(Refusal::ParamInvalid)
    );
}

#[test]
fn nothing_is_bound_where_nothing_is_asked() {
    let params = [integer("tenant", Mode::Locked)];
    let mut headers = fields(&[("Cookie", "a=1")]);
    let before = headers.clone();
    bind(
        &mut headers,
        Bindings {
            params: &params,
            values: &[Some(int("1"))],
            locks: &[],
        },
    )
    .unwrap();
    filter(
        &mut headers,
        &CookiePolicy::Frame {
            only: None,
            secure: true,
        },
    );
    assert_eq!(headers, before);
}
