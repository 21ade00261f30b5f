//! What Metabase's answers cost: the sieve over a result of 1 MB.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::{fmt::Write, hint::black_box};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use embedgate::rewrite::sieve::Sieve;

/// Rows as a table has them, and the query at the end.
fn result(bytes: usize) -> String {
    let mut text = String::from(r#"{"data":{"rows":["#);
    let mut row = 0_u32;
    while text.len() < bytes {
        let comma = if row > 0 { "," } else { "" };
        write!(
            text,
            r#"{comma}[{row},"Gizmo","Müller & Söhne \"Nord\"",{}.25,"2026-03-{:02}T00:00:00Z",null]"#,
            row * 7,
            row % 28 + 1
        )
        .unwrap();
        row += 1;
    }
    text.push_str(r#"],"cols":[{"name":"id"},{"name":"category"}]},"json_query":{"parameters":[{"id":"5aefc725","value":["acme"]}]},"status":"completed"}"#);
    text
}

fn sieve(c: &mut Criterion) {
    let text = result(1_000_000);
    let mut group = c.benchmark_group("sieve");
    group.throughput(Throughput::Bytes(text.len().try_into().unwrap()));
    for (name, chunk) in [("1 MB in 16 KiB", 16_384), ("1 MB in 1 KiB", 1024)] {
        let mut out = Vec::new();
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut sieve = Sieve::new(&["json_query"]);
                for chunk in black_box(text.as_bytes()).chunks(chunk) {
                    out.clear();
                    sieve.push(chunk, &mut out).unwrap();
                    black_box(&out);
                }
                sieve.finish().unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, sieve);
criterion_main!(benches);
