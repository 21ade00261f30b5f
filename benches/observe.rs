//! What a request's record costs: metrics alone, and with its audit line.
#![expect(clippy::unwrap_used, reason = "a bench may panic")]

#[path = "../tests/observe/support.rs"]
#[expect(dead_code, reason = "shared with the tests")]
mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use embedgate::observe::{
    audit::{Audit, AuditSettings},
    request_id::RequestIds,
};
use support::Bench;

fn record(c: &mut Criterion) {
    let off = Bench::new(|_| Audit::off());
    c.bench_function("record/audit off", |b| b.iter(|| off.serve(1)));
    // The sink takes everything: what is measured is the request's side, up to the copy into the buffer.
    let on = Bench::to_writer(
        std::io::sink(),
        &AuditSettings {
            buffer: 64 << 20,
            ..AuditSettings::default()
        },
    );
    c.bench_function("record/audit on", |b| b.iter(|| on.serve(1)));
    let (viewer, _) = support::viewer(&on.site);
    c.bench_function("record/audit on, of a viewer", |b| {
        b.iter(|| {
            let mut record = on.begin(1);
            record.viewer(&viewer);
            record.status(http::StatusCode::OK);
            record.finish();
        });
    });
}

fn ids(c: &mut Criterion) {
    let ids = RequestIds::new().unwrap();
    c.bench_function("request_id/next", |b| b.iter(|| ids.next()));
    let id = ids.next();
    c.bench_function("request_id/headers", |b| {
        b.iter(|| (id.header(), id.traceparent()));
    });
}

fn scrape(c: &mut Criterion) {
    let patterns: Vec<String> = (0..1_000).map(|n| format!("/r{n}")).collect();
    let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
    let mut bench = Bench::new(|_| Audit::off());
    bench.site = support::site("reports", &patterns);
    bench.metrics = bench.observer.metrics().for_site(&bench.site);
    c.bench_function("record/one of 1000 routes", |b| b.iter(|| bench.serve(1)));
    c.bench_function("metrics/render", |b| {
        b.iter(|| bench.observer.metrics().render().unwrap());
    });
}

criterion_group!(benches, record, ids, scrape);
criterion_main!(benches);
