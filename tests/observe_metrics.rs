//! The metrics: names and labels of the contract, and one update per request.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "test helpers may panic"
)]

#[path = "observe/support.rs"]
#[expect(dead_code, reason = "shared with the tests of the audit trail")]
mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use embedgate::{
    gate::{refusal::Refusal, request::UnixTime},
    observe::{
        audit::Audit,
        metrics::{CacheFigures, ClusterFigures, ConfigFacts, IssuerKeys, LimitScope, Sources},
        record::Record,
        request_id::RequestId,
    },
};
use http::{Method, StatusCode};
use support::Bench;

/// Name → labels, as product.md has them (process_* apart).
const CONTRACT: [(&str, &str, &[&str]); 32] = [
    ("audit_records_total", "counter", &["result"]),
    ("build_info", "gauge", &["version"]),
    ("certificate_expiry_timestamp_seconds", "gauge", &["name"]),
    ("cluster_clock_offset_seconds", "gauge", &[]),
    ("cluster_exchanges_total", "counter", &["result"]),
    ("cluster_up", "gauge", &[]),
    ("cluster_wait_seconds_total", "counter", &[]),
    ("config_last_reload_timestamp_seconds", "gauge", &[]),
    ("config_reloads_total", "counter", &["result"]),
    ("connections", "gauge", &[]),
    ("danger_settings", "gauge", &[]),
    ("issuer_key_fetches_total", "counter", &["issuer", "result"]),
    ("issuer_keys", "gauge", &["issuer"]),
    (
        "issuer_keys_last_fetch_timestamp_seconds",
        "gauge",
        &["issuer"],
    ),
    ("limit_keys", "gauge", &["scope", "site"]),
    ("rate_limited_total", "counter", &["scope", "site"]),
    ("refusals_total", "counter", &["code", "site"]),
    ("request_duration_seconds", "histogram", &["route", "site"]),
    ("requests_in_flight", "gauge", &[]),
    (
        "requests_total",
        "counter",
        &["method", "route", "site", "status"],
    ),
    ("revocations", "gauge", &[]),
    ("tls_handshakes_total", "counter", &["result"]),
    (
        "token_verifications_total",
        "counter",
        &["issuer", "result"],
    ),
    ("upstream_duration_seconds", "histogram", &["site"]),
    ("upstream_up", "gauge", &["site"]),
    ("verification_cache_entries", "gauge", &[]),
    ("verification_cache_hits_total", "counter", &[]),
    ("verification_cache_misses_total", "counter", &[]),
    ("websockets", "gauge", &[]),
    ("process_cpu_seconds_total", "counter", &[]),
    ("process_open_fds", "gauge", &[]),
    ("process_resident_memory_bytes", "gauge", &[]),
];

/// A gateway in which everything has happened once.
fn busy() -> Bench {
    let bench = Bench::new(|_| Audit::off());
    let metrics = bench.observer.metrics();
    metrics.connect(Sources {
        cache: Some(Box::new(|| CacheFigures {
            entries: 3,
            hits: 20,
            misses: 4,
        })),
        cluster: Some(Box::new(|| {
            Some(ClusterFigures {
                up: true,
                exchanges: vec![("answered", 9), ("skipped", 1)],
                waited: Duration::from_millis(8),
                offset: -1,
            })
        })),
        connections: Some(Box::new(|| 7)),
        handshakes: Some(Box::new(|| [("ok", 1), ("failed", 0), ("timeout", 0)])),
        issuers: Some(Box::new(|| {
            vec![
                IssuerKeys {
                    issuer: "app".into(),
                    keys: 2,
                    fetches: vec![],
                    fetched: None,
                },
                IssuerKeys {
                    issuer: "idp".into(),
                    keys: 3,
                    fetches: vec![("changed", 1), ("unreachable", 2)],
                    fetched: Some(1_764_000_000),
                },
            ]
        })),
        limit_keys: Some(Box::new(|| {
            vec![("reports".into(), LimitScope::Viewer, 12)]
        })),
        revocations: Some(Box::new(|| 2)),
        upstreams: Some(Box::new(|| {
            vec![
                ("reports".into(), true),
                ("legacy".into(), false),
                ("reports".into(), true),
            ]
        })),
        websockets: Some(Box::new(|| 5)),
    });
    let facts = ConfigFacts {
        certificates: vec![("edge.pem".into(), 1_800_000_000)],
        dangers: 1,
    };
    metrics.configured(facts, UnixTime(1_764_000_000));
    metrics.reloaded(true);
    let mut record = bench.begin(1);
    record.upstream_time(Duration::from_millis(3));
    record.refuse(&Refusal::RateLimited.into());
    record.limited(LimitScope::Viewer);
    record.status(StatusCode::TOO_MANY_REQUESTS);
    drop(record);
    bench
}

/// Family → (type, label names), and every sample line.
fn parse(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            name.clone_into(&mut current);
            assert!(
                families
                    .insert(current.clone(), (kind.to_owned(), BTreeSet::new()))
                    .is_none(),
                "{name} twice"
            );
        } else if let Some(rest) = line.strip_prefix("# HELP ") {
            assert!(
                rest.split_once(' ')
                    .is_some_and(|(_, help)| help.len() > 10),
                "{line}"
            );
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(series.starts_with(&current), "{line} under {current}");
            value.parse::<f64>().unwrap();
            let labels = series
                .split_once('{')
                .map_or("", |(_, labels)| labels.trim_end_matches('}'));
            let names = labels
                .split("\",")
                .filter_map(|label| label.split_once('='))
                .map(|(name, _)| name.to_owned());
            families
                .get_mut(&current)
                .unwrap()
                .1
                .extend(names.filter(|name| name != "le"));
        }
    }
    families
}

#[test]
fn names_types_and_labels_are_those_of_the_contract() {
    let found = parse(&busy().observer.metrics().render().unwrap());
    for (name, kind, labels) in CONTRACT {
        let name = if name.starts_with("process_") {
            name.to_owned()
        } else {
            format!("embedgate_{name}")
        };
        let labels = labels.iter().map(ToString::to_string).collect();
        assert_eq!(found.get(&name), Some(&(kind.to_owned(), labels)), "{name}");
    }
    for name in found.keys().filter(|name| !name.starts_with("process_")) {
        assert!(
            CONTRACT
                .iter()
                .any(|(known, ..)| name.strip_prefix("embedgate_") == Some(known)),
            "{name} is not in the contract"
        );
    }
}

#[test]
fn no_series_stands_twice() {
    let text = busy().observer.metrics().render().unwrap();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(
            seen.insert(line.rsplit_once(' ').unwrap().0.to_owned()),
            "{line}"
        );
    }
}

#[test]
fn promtool_finds_no_fault() {
    let Ok(mut promtool) = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
    else {
        println!("promtool is not installed: not checked");
        return;
    };
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(busy().observer.metrics().render().unwrap().as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_request_is_counted_once() {
    let bench = busy();
    let labels = "site=\"reports\",route=\"/reports/{id}\"";
    assert_eq!(
        bench.metric(&format!(
            "embedgate_requests_total{{{labels},method=\"GET\",status=\"429\"}}"
        )),
        1
    );
    assert_eq!(
        bench.metric(&format!(
            "embedgate_request_duration_seconds_count{{{labels}}}"
        )),
        1
    );
    assert_eq!(
        bench.metric("embedgate_refusals_total{site=\"reports\",code=\"rate_limited\"}"),
        1
    );
    assert_eq!(
        bench.metric("embedgate_rate_limited_total{site=\"reports\",scope=\"viewer\"}"),
        1
    );
    assert_eq!(
        bench.metric("embedgate_upstream_duration_seconds_count{site=\"reports\"}"),
        1
    );
    assert_eq!(bench.metric("embedgate_upstream_up{site=\"reports\"}"), 1);
    assert_eq!(bench.metric("embedgate_verification_cache_hits_total"), 20);
    assert_eq!(bench.metric("embedgate_connections"), 7);
    assert_eq!(bench.metric("embedgate_websockets"), 5);
}

#[test]
fn strangers_and_hangups_have_their_series() {
    let bench = Bench::new(|_| Audit::off());
    let odd = Method::from_bytes(b"PROPFIND").unwrap();
    let mut stranger = Record::begin(
        &bench.observer,
        tokio::time::Instant::now(),
        RequestId::new(1),
        [192, 0, 2, 1].into(),
        &odd,
    );
    stranger.refuse(&Refusal::SiteUnknown.into());
    stranger.status(StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(bench.metric("embedgate_requests_in_flight"), 1);
    drop(stranger);
    drop(bench.begin(2));
    assert_eq!(bench.metric("embedgate_requests_in_flight"), 0);
    assert_eq!(
        bench.metric(
            "embedgate_requests_total{site=\"none\",route=\"none\",method=\"other\",status=\"421\"}"
        ),
        1
    );
    assert_eq!(
        bench.metric("embedgate_refusals_total{site=\"none\",code=\"site_unknown\"}"),
        1
    );
    assert_eq!(bench.metric("embedgate_requests_total{site=\"reports\",route=\"/reports/{id}\",method=\"GET\",status=\"499\"}"), 1);
}

#[test]
fn a_refused_token_is_counted() {
    let bench = Bench::new(|_| Audit::off());
    let mut record = bench.begin(1);
    record.refuse(&Refusal::TokenExpired.into());
    drop(record);
    assert_eq!(
        bench.metric("embedgate_token_verifications_total{issuer=\"app\",result=\"expired\"}"),
        1
    );
}

#[test]
fn series_survive_a_reload_and_sites_do_not_share_them() {
    let mut bench = Bench::new(|_| Audit::off());
    let series = "embedgate_requests_total{site=\"reports\",route=\"/reports/{id}\",method=\"GET\",status=\"200\"}";
    bench.serve(1);
    // The same site in the next generation: other allocations, a route more.
    bench.site = support::site("reports", &["/reports/{id}", "/new", "/static/*"]);
    bench.metrics = bench.observer.metrics().for_site(&bench.site);
    bench.serve(2);
    assert_eq!(bench.metric(series), 2);
    // `a` + `bc` and `ab` + `c` are different pairs.
    for (site, route) in [("a", "bc"), ("ab", "c")] {
        bench.site = support::site(site, &["/"]);
        bench.metrics = bench.observer.metrics().for_site(&bench.site);
        let mut record = bench.begin(3);
        record.route(&Arc::new(support::route(route)));
        record.status(StatusCode::OK);
        drop(record);
        let series = format!(
            "embedgate_requests_total{{site=\"{site}\",route=\"{route}\",method=\"GET\",status=\"200\"}}"
        );
        assert_eq!(bench.metric(&series), 1, "{series}");
    }
}

#[test]
fn a_route_that_the_table_does_not_know_is_counted_by_name() {
    let bench = Bench::new(|_| Audit::off());
    let mut record = bench.begin(1);
    record.route(&Arc::new(support::route("/reports/{id}")));
    record.status(StatusCode::OK);
    drop(record);
    assert_eq!(bench.metric("embedgate_requests_total{site=\"reports\",route=\"/reports/{id}\",method=\"GET\",status=\"200\"}"), 1);
}
