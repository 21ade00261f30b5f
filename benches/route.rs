//! Reading a request head and finding its route: the time must not depend on the number of routes.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::gate::{
    host::Host,
    path::NormalPath,
    query::{self, Query},
    route::{Access, Action, Route, RouteTable},
};
use http::Method;

fn route(pattern: &str) -> Route {
    Route {
        name: pattern.into(),
        pattern: pattern.into(),
        methods: vec![],
        access: Access::Viewer,
        action: Action::Proxy,
        resource: None,
        scope: "view".into(),
        locks: vec![],
        query_allow: None,
        form_credential: None,
        path_credential: None,
        earns_session: false,
        from_ancestors: false,
        top_level: false,
        body_limit: 0,
        no_store: false,
        unread_body: false,
        websocket: false,
    }
}

/// Three kinds of routes in equal parts, beside each other and below each other.
fn table(count: usize) -> RouteTable {
    let patterns = (0..count).map(|number| match number % 3 {
        0 => format!("/api/v1/area{number}/reports/{{id}}"),
        1 => format!("/api/v1/area{number}/*"),
        _ => format!("/api/v1/reports/{{id}}/part{number}"),
    });
    RouteTable::build(patterns.map(|pattern| route(&pattern)).collect()).unwrap()
}

fn lookup(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("route");
    for count in [10, 10_000] {
        let table = table(count);
        let cases = [
            ("literal_and_capture", "/api/v1/area3/reports/42"),
            ("rest", "/api/v1/area4/static/app.js"),
            ("backtrack", "/api/v1/reports/42/part5"),
            ("none", "/api/v1/reports/42/nothing"),
        ];
        for (name, path) in cases {
            group.bench_function(format!("{name}/{count}"), |bencher| {
                bencher.iter(|| table.find(black_box(&Method::GET), black_box(path)).is_ok());
            });
        }
    }
    group.finish();
}

fn parse(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.bench_function("path", |bencher| {
        bencher.iter(|| NormalPath::parse(black_box("/api/v1/dashboard/42/charts")).is_ok());
    });
    group.bench_function("path_escaped", |bencher| {
        bencher.iter(|| NormalPath::parse(black_box("/api/v1/caf%c3%a9/42/charts")).is_ok());
    });
    group.bench_function("host", |bencher| {
        bencher.iter(|| Host::parse(black_box("bi.example.com:8443")).is_ok());
    });
    group.bench_function("query", |bencher| {
        let text = "q=(columns:!(id,slug))&region=us-west&page=2";
        bencher.iter(|| Query::parse(black_box(text)).is_ok());
    });
    group.bench_function("fold_plain", |bencher| {
        bencher.iter(|| query::fold(black_box("tenant_id")).len());
    });
    group.bench_function("fold_alias", |bencher| {
        bencher.iter(|| query::fold(black_box("Tenant%5FID[]")).len());
    });
    group.finish();
}

criterion_group!(benches, lookup, parse);
criterion_main!(benches);
