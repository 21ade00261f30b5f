//! The audit trail: every request leaves exactly one record, or the loss is counted.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "test helpers may panic"
)]

#[path = "observe/support.rs"]
mod support;

use std::{collections::HashMap, fs, os::unix::fs::PermissionsExt as _, time::Duration};

use embedgate::{
    gate::{policy::Denial, refusal::Refusal},
    observe::{
        audit::{Audit, AuditSettings},
        metrics::LimitScope,
    },
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;
use support::{Bench, Mood, Moody, eventually};

const CLOSE: Duration = Duration::from_secs(5);

fn lines(text: &str) -> Vec<Value> {
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "a torn line at the end"
    );
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Request numbers and how often each was recorded.
fn ids(text: &str) -> HashMap<u128, usize> {
    let mut seen = HashMap::new();
    for line in lines(text) {
        *seen
            .entry(u128::from_str_radix(line["request_id"].as_str().unwrap(), 16).unwrap())
            .or_default() += 1;
    }
    seen
}

#[test]
fn every_request_of_every_thread_is_in_the_file_after_close() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    let bench = Bench::to_file(&path);
    std::thread::scope(|scope| {
        for thread in 0..4_u128 {
            let bench = &bench;
            scope.spawn(move || (0..2_500).for_each(|n| bench.serve(thread * 2_500 + n)));
        }
    });
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
    let seen = ids(&fs::read_to_string(&path).unwrap());
    assert_eq!(seen.len(), 10_000);
    assert!(seen.values().all(|times| *times == 1));
    assert_eq!(
        (bench.audited("written"), bench.audited("dropped")),
        (10_000, 0)
    );
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
}

#[test]
fn records_appear_without_being_asked_for() {
    let writer = Moody::new(Mood::Working);
    let bench = Bench::to_writer(writer.clone(), &AuditSettings::default());
    bench.serve(1);
    eventually("the record is written within a tick or two", || {
        writer.text().ends_with('\n')
    });
}

#[test]
fn each_end_of_a_request_has_its_outcome() {
    let writer = Moody::new(Mood::Working);
    let bench = Bench::to_writer(writer.clone(), &AuditSettings::default());
    drop(bench.begin(1)); // hung up before there was a response
    let mut refused = bench.begin(2);
    refused.refuse(&Denial::because(Refusal::ParamLocked, "tenant_id"));
    refused.refuse(&Refusal::UpstreamFailed.into());
    refused.status(StatusCode::FORBIDDEN);
    drop(refused);
    let mut unreachable = bench.begin(3);
    unreachable.refuse(&Refusal::UpstreamUnavailable.into());
    drop(unreachable);
    let mut broken = bench.begin(4);
    broken.status(StatusCode::OK);
    broken.broken();
    broken.finish();
    drop(broken);
    bench.serve(5);
    assert_eq!(bench.metric("embedgate_requests_in_flight"), 0);
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
    let found = lines(&writer.text());
    let outcomes: Vec<_> = found
        .iter()
        .map(|line| line["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(
        outcomes,
        ["aborted", "refused", "failed", "failed", "allowed"]
    );
    assert_eq!(
        (&found[1]["code"], &found[1]["detail"]),
        (&Value::from("param_locked"), &Value::from("tenant_id"))
    );
    assert_eq!(
        (&found[0]["status"], &found[4]["status"]),
        (&Value::Null, &Value::from(200))
    );
    assert_eq!(
        (&found[4]["action"], &found[4]["route"]),
        (&Value::from("view"), &Value::from("/reports/{id}"))
    );
}

#[test]
fn what_does_not_fit_is_counted_and_the_rest_is_written() {
    let writer = Moody::new(Mood::Blocked);
    let bench = Bench::to_writer(
        writer.clone(),
        &AuditSettings {
            buffer: 8 * 1024,
            ..AuditSettings::default()
        },
    );
    (0..1_000).for_each(|id| bench.serve(id));
    let dropped = bench.audited("dropped");
    assert!(dropped > 900, "{dropped}");
    assert!(bench.observer.audit().ready(), "records are not required");
    writer.set(Mood::Working);
    assert_eq!(bench.observer.audit().close(CLOSE), dropped);
    let written = lines(&writer.text()).len();
    assert_eq!(u64::try_from(written).unwrap() + dropped, 1_000);
    assert_eq!(bench.audited("written") + dropped, 1_000);
}

#[test]
fn required_records_shut_the_door_before_one_is_lost() {
    let writer = Moody::new(Mood::Blocked);
    let settings = AuditSettings {
        buffer: 8 * 1024,
        required: true,
        ..AuditSettings::default()
    };
    let bench = Bench::to_writer(writer.clone(), &settings);
    let mut admitted = 0_usize;
    // Two hundred requests are let in while there is room, and end after it is full.
    let open: Vec<_> = (0..200).map(|id| bench.begin(id)).collect();
    while bench.observer.audit().ready() {
        bench.serve(1_000);
        admitted += 1;
        assert!(admitted < 100);
    }
    drop(open);
    let mut refused = bench.begin(2_000);
    refused.refuse(&Refusal::Overloaded.into());
    drop(refused);
    assert_eq!(
        bench.audited("dropped"),
        1,
        "only what was refused for want of room"
    );
    writer.set(Mood::Working);
    eventually("the door opens again", || bench.observer.audit().ready());
    assert_eq!(bench.observer.audit().close(CLOSE), 1);
    assert_eq!(lines(&writer.text()).len(), 200 + admitted);
    assert!(!bench.observer.audit().ready(), "closed");
}

#[test]
fn a_failed_write_shuts_the_door_and_is_tried_again() {
    let writer = Moody::new(Mood::Short(40));
    let bench = Bench::to_writer(
        writer.clone(),
        &AuditSettings {
            required: true,
            ..AuditSettings::default()
        },
    );
    bench.serve(1);
    eventually("the failure is noticed", || !bench.observer.audit().ready());
    bench.serve(2);
    assert!(bench.audited("failed") >= 1);
    writer.set(Mood::Working);
    eventually("the door opens again", || bench.observer.audit().ready());
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
    assert_eq!(
        ids(&writer.text()),
        HashMap::from([(1, 1), (2, 1)]),
        "each once, the torn line continued"
    );
}

#[test]
fn a_dead_writer_is_not_believed_in() {
    let writer = Moody::new(Mood::Panicking);
    let bench = Bench::to_writer(
        writer,
        &AuditSettings {
            required: true,
            ..AuditSettings::default()
        },
    );
    bench.serve(1);
    eventually("the death is noticed", || !bench.observer.audit().ready());
    bench.serve(2);
    assert_eq!(bench.audited("dropped"), 2);
    assert_eq!(bench.observer.audit().close(CLOSE), 2);
}

#[test]
fn closing_does_not_wait_for_a_target_that_hangs() {
    for mood in [Mood::Blocked, Mood::Failing] {
        let writer = Moody::new(mood);
        let bench = Bench::to_writer(writer.clone(), &AuditSettings::default());
        (0..3).for_each(|id| bench.serve(id));
        let began = tokio::time::Instant::now();
        assert_eq!(
            bench.observer.audit().close(Duration::from_millis(200)),
            3,
            "{mood:?}"
        );
        assert!(began.elapsed() < CLOSE);
        writer.set(Mood::Failing);
    }
}

#[test]
fn a_renamed_file_is_left_alone_and_a_new_one_begun() {
    let dir = tempfile::tempdir().unwrap();
    let (path, old) = (
        dir.path().join("audit.jsonl"),
        dir.path().join("audit.jsonl.1"),
    );
    let bench = Bench::to_file(&path);
    bench.serve(1);
    eventually("the first record", || bench.audited("written") == 1);
    fs::rename(&path, &old).unwrap();
    bench.serve(2);
    eventually("the second record", || bench.audited("written") == 2);
    fs::remove_file(&path).unwrap();
    bench.observer.audit().reopen();
    eventually(
        "asked to, it opens a new file even with nothing to write",
        || path.exists(),
    );
    bench.serve(3);
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
    assert_eq!(
        ids(&fs::read_to_string(&old).unwrap()),
        HashMap::from([(1, 1)])
    );
    assert_eq!(
        ids(&fs::read_to_string(&path).unwrap()),
        HashMap::from([(3, 1)])
    );
}

#[test]
fn a_directory_that_is_gone_is_waited_for_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, away) = (dir.path().join("logs"), dir.path().join("away"));
    fs::create_dir(&logs).unwrap();
    let path = logs.join("audit.jsonl");
    let bench = Bench::to_file(&path);
    fs::rename(&logs, &away).unwrap();
    bench.observer.audit().reopen();
    bench.serve(1);
    let began = tokio::time::Instant::now();
    eventually("two failures", || bench.audited("failed") >= 2);
    assert!(
        began.elapsed() > Duration::from_millis(50),
        "not in a hot loop"
    );
    fs::create_dir(&logs).unwrap();
    eventually("the record", || bench.audited("written") == 1);
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
    let seen = ids(&fs::read_to_string(&path).unwrap());
    assert_eq!(seen, HashMap::from([(1, 1)]));
}

#[test]
fn a_line_torn_by_a_crash_does_not_swallow_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit.jsonl");
    fs::write(&path, "{\"time\":\"2025-11").unwrap();
    let bench = Bench::to_file(&path);
    bench.serve(7);
    bench.observer.audit().close(CLOSE);
    let text = fs::read_to_string(&path).unwrap();
    let (torn, rest) = text.split_once('\n').unwrap();
    assert_eq!(
        (torn, ids(rest)),
        ("{\"time\":\"2025-11", HashMap::from([(7, 1)]))
    );
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_start() {
    let metrics = embedgate::observe::metrics::Metrics::new().unwrap();
    let output = embedgate::observe::audit::AuditOutput::File("/nonexistent/audit.jsonl".into());
    assert!(
        Audit::open(
            &AuditSettings {
                output,
                ..AuditSettings::default()
            },
            metrics.audit()
        )
        .is_err()
    );
}

#[test]
fn a_token_in_the_referer_is_not_recorded() {
    let writer = Moody::new(Mood::Working);
    let bench = Bench::to_writer(writer.clone(), &AuditSettings::default());
    let mut record = bench.begin(1);
    let referer = HeaderValue::from_static("https://app.example.com/page?embed_token=eyJhbGciOi");
    record.origin(&HeaderMap::from_iter([(header::REFERER, referer)]));
    record.limited(LimitScope::Viewer);
    drop(record);
    bench.observer.audit().close(CLOSE);
    assert!(!writer.text().contains("eyJ"), "{}", writer.text());
    assert_eq!(
        lines(&writer.text())[0]["origin"],
        "https://app.example.com"
    );
}

#[test]
fn a_viewer_is_named_but_neither_token_nor_value_is() {
    for values in [false, true] {
        let writer = Moody::new(Mood::Working);
        let settings = AuditSettings {
            values,
            ..AuditSettings::default()
        };
        let bench = Bench::to_writer(writer.clone(), &settings);
        let (viewer, token) = support::viewer(&bench.site);
        let mut record = bench.begin(1);
        record.viewer(&viewer);
        record.refuse(&Denial::because(Refusal::ParamLocked, "organization_id"));
        drop(record);
        bench.observer.audit().close(CLOSE);
        let text = writer.text();
        let line = &lines(&text)[0];
        let named = [
            &line["viewer"],
            &line["tenant"],
            &line["token_id"],
            &line["resource"],
            &line["locked"][0],
        ];
        assert_eq!(
            named,
            ["viewer-7", "acme", "b1c", "dashboard:42", "organization_id"]
        );
        assert!(token.split('.').all(|part| !text.contains(part)), "{text}");
        assert_eq!(text.contains("987654"), values, "{text}");
        assert!(!text.contains("4711"), "not a locked one: {text}");
        let judged = "embedgate_token_verifications_total{issuer=\"app\",result=\"valid\"}";
        assert_eq!(bench.metric(judged), 1);
    }
}

#[test]
fn without_a_trail_nothing_is_refused() {
    let bench = Bench::new(|_| Audit::off());
    bench.serve(1);
    assert!(bench.observer.audit().ready());
    assert_eq!(bench.observer.audit().close(CLOSE), 0);
}
