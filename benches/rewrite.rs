//! What each rewrite costs: query, JSON of 1 KiB and 100 KiB, CSP, header fields, a whole response, a page that is given its session, frames of a tunnel.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{fmt::Write, hint::black_box};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use embedgate::{
    gate::{
        origin::{Embedding, Origin},
        param::{Lock, Mode, ParamSpec, Place, Scalar, Type, Value},
        query::{self, Query},
    },
    rewrite::{
        Bindings,
        cookie::CookiePolicy,
        csp,
        frames::{Frames, Sender},
        header,
        insert::{Insert, SessionScript},
        json,
        location::Prefixes,
        query::QueryPlan,
        response::{self, Keep, ResponseRules},
    },
};
use http::{HeaderMap, HeaderName, HeaderValue, Response};

fn spec(name: &str, mode: Mode, kind: Type) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: query::fold(name).into(),
        mode,
        kind,
        list: false,
        all: None,
    }
}

fn params() -> [ParamSpec; 2] {
    [
        spec("tenant_id", Mode::Locked, Type::Integer),
        spec("region", Mode::Enabled, Type::String),
    ]
}

fn values() -> [Option<Value>; 2] {
    let scalar = Scalar {
        text: "99".into(),
        kind: Type::Integer,
    };
    [Some(Value::One(scalar)), None]
}

fn queries(c: &mut Criterion) {
    let (params, values) = (params(), values());
    let locks = [Lock {
        param: 0,
        place: Place::Query("tenant".into()),
    }];
    let plan = QueryPlan::new(&params, &locks, &["embed_token".into()], None);
    for (name, text) in [
        ("empty", ""),
        ("plain", "page=2&sort=name&region=west"),
        (
            "odd",
            "page=2&q=%28columns%3A%21%28id%29%29&TENANT%5Fid[]=99",
        ),
    ] {
        let query = Query::parse(text).unwrap();
        c.bench_function(&format!("query/{name}"), |b| {
            b.iter(|| plan.rebuild(black_box(&query), &params, &values).unwrap());
        });
    }
}

fn body(length: usize) -> String {
    let mut text = r#"{"datasource":{"id":1,"type":"table"},"filters":[{"field":"region","op":"=","value":"west"}],"rows":["#.to_owned();
    while text.len() < length {
        write!(
            text,
            r#"{{"column":"name {}","value":{}.5,"on":true}},"#,
            text.len(),
            text.len()
        )
        .unwrap();
    }
    text.push_str("null]}");
    text
}

fn bodies(c: &mut Criterion) {
    let (params, values) = (params(), values());
    let locks = [Lock {
        param: 0,
        place: Place::Json {
            at: "/filters/-".into(),
            template: Some(serde_json::json!({"field": "tenant_id", "op": "=", "value": "$value"})),
        },
    }];
    let bindings = Bindings {
        params: &params,
        values: &values,
        locks: &locks,
    };
    let mut group = c.benchmark_group("json");
    for (name, length) in [("1 KiB", 1 << 10), ("100 KiB", 100 << 10)] {
        let text = body(length);
        group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
        group.bench_function(name, |b| {
            b.iter(|| json::apply(black_box(text.as_bytes()), bindings).unwrap());
        });
    }
    group.finish();
}

fn fields(list: &[(&str, &str)]) -> HeaderMap {
    list.iter()
        .map(|(name, value)| {
            (
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            )
        })
        .collect()
}

const REQUEST: &[(&str, &str)] = &[
    ("host", "bi.example.com"),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) Chrome/156.0.0.0",
    ),
    ("accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("accept-encoding", "gzip, deflate, br, zstd"),
    ("accept-language", "en"),
    ("sec-fetch-dest", "iframe"),
    ("sec-fetch-mode", "navigate"),
    ("sec-fetch-site", "cross-site"),
    ("referer", "https://app.example.com/"),
    ("cookie", "__Host-embedgate=AAAABBBBCCCCDDDD"),
    ("connection", "keep-alive"),
    ("authorization", "Bearer a.b.c"),
];

const POLICY: &str = "default-src 'self'; img-src 'self' blob: data:; script-src 'self' 'strict-dynamic' 'nonce-Zm9vYmFy'; style-src 'self' 'unsafe-inline'";

fn heads(c: &mut Criterion) {
    let request = fields(REQUEST);
    let own = [
        HeaderName::from_static("x-guesttoken"),
        HeaderName::from_static("x-viewer"),
    ];
    c.bench_function("header/strip", |b| {
        b.iter_batched_ref(
            || request.clone(),
            |headers| header::strip_client(headers, &own),
            BatchSize::SmallInput,
        );
    });
    let (id, trace) = (
        HeaderValue::from_static("0123456789abcdef0123456789abcdef"),
        HeaderValue::from_static("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"),
    );
    let forwarded = header::Forwarded {
        client: [192, 0, 2, 7].into(),
        host: "bi.example.com",
        secure: true,
        request_id: &id,
        traceparent: &trace,
    };
    c.bench_function("header/set", |b| {
        b.iter_batched_ref(
            || request.clone(),
            |headers| header::set_forwarded(headers, &forwarded),
            BatchSize::SmallInput,
        );
    });
    let ours = HeaderValue::from_static("frame-ancestors https://app.example.com");
    for (name, headers) in [
        ("none", HeaderMap::new()),
        ("nonce", fields(&[("content-security-policy", POLICY)])),
    ] {
        c.bench_function(&format!("csp/{name}"), |b| {
            b.iter_batched_ref(
                || headers.clone(),
                |headers| csp::enforce(headers, &ours),
                BatchSize::SmallInput,
            );
        });
    }
}

fn responses(c: &mut Criterion) {
    let rules = ResponseRules {
        origins: vec![Origin::parse("http://127.0.0.1:3000").unwrap()],
        prefixes: Prefixes::default(),
        cookies: CookiePolicy::Strip,
    };
    let embedding = Embedding {
        directive: HeaderValue::from_static("frame-ancestors https://app.example.com"),
        cors: None,
        credentials: false,
        tells_address: false,
    };
    let api: &[(&str, &str)] = &[
        ("content-type", "application/json"),
        ("content-length", "512"),
        ("date", "Sun, 22 Nov 2026 11:00:00 GMT"),
    ];
    let page: &[(&str, &str)] = &[
        ("server", "gunicorn"),
        ("content-type", "text/html"),
        ("x-frame-options", "SAMEORIGIN"),
        ("content-security-policy", POLICY),
        (
            "access-control-allow-origin",
            "https://tile.openstreetmap.org",
        ),
        ("vary", "Accept-Encoding, Cookie"),
        ("set-cookie", "session=abc; HttpOnly; Path=/; SameSite=Lax"),
    ];
    for (name, list) in [("api", api), ("page", page)] {
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.headers = fields(list);
        c.bench_function(&format!("finish/{name}"), |b| {
            b.iter_batched_ref(
                || parts.clone(),
                |parts| response::finish(parts, &rules, &embedding, Keep::Viewer).unwrap(),
                BatchSize::SmallInput,
            );
        });
    }
}

fn pages(c: &mut Criterion) {
    let script = SessionScript {
        session: Some(&"s".repeat(500)),
        prefix: "",
        dropped: &["embed_token".into(), "embed_session".into()],
        next: None,
    };
    let page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">{}",
        "<p>".repeat(20_000)
    );
    for kind in ["text/html; charset=utf-8", "text/html"] {
        c.bench_function(&format!("page/{kind}"), |b| {
            b.iter(|| {
                let mut headers = fields(&[("content-security-policy", POLICY)]);
                let nonce = csp::admit(&mut headers, "RnJlc2g=");
                let mut insert = Insert::new(script.element(&nonce), kind);
                let mut out = Vec::with_capacity(page.len() + 8192);
                for part in black_box(page.as_bytes()).chunks(16 * 1024) {
                    insert.push(part, &mut out);
                }
                insert.finish(&mut out);
                out
            });
        });
    }
}

/// Sixteen kilobytes of a tunnel: as small messages, and as a part of a large one.
fn frames(c: &mut Criterion) {
    let small = [&[0x81, 0x0e][..], &[b'x'; 14]].concat().repeat(1024);
    let large = [&[0x82, 0x7f, 0, 0, 0, 0, 1, 0, 0, 0][..], &[7; 16 * 1024]].concat();
    for (name, bytes) in [("small", &small), ("large", &large)] {
        c.bench_function(&format!("frames/{name}"), |b| {
            b.iter(|| {
                let mut frames = Frames::of(Sender::Server);
                frames.feed(black_box(bytes)).map(|()| frames)
            });
        });
    }
}

criterion_group!(benches, queries, bodies, heads, pages, responses, frames);
criterion_main!(benches);
