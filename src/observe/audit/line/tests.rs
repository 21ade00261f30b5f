use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::gate::param::Type;

fn line() -> Line<'static> {
    Line {
        time: Duration::from_millis(1_764_000_000_042),
        id: RequestId::new(0x1234),
        site: Some("reports"),
        route: Some("/reports/{id}"),
        viewer: Some("viewer-7"),
        tenant: Some("acme"),
        token_id: Some("b1c"),
        session: SessionId::parse("000000000000000000000000000000ab"),
        resource: Some("report:q3"),
        granted: &[],
        action: Some("view"),
        outcome: Outcome::Allowed,
        refusal: None,
        detail: None,
        status: Some(200),
        bytes: 10_240,
        duration: Duration::from_micros(12_034),
        client: IpAddr::from([192, 0, 2, 7]),
        origin: Some("https://app.example.com"),
        params: &[],
        values: None,
    }
}

fn param(name: &str, mode: Mode) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: name.into(),
        mode,
        kind: Type::String,
        list: false,
        all: None,
    }
}

fn read(line: &Line<'_>) -> Value {
    let bytes = line.write();
    assert_eq!(
        bytes.iter().position(|byte| *byte == b'\n'),
        Some(bytes.len() - 1),
        "one line"
    );
    assert!(bytes.ends_with(b"}\n"));
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn a_record_has_every_field_of_the_contract() {
    let found = read(&line());
    let expected = json!({
        "time": "2025-11-24T16:00:00.042Z", "request_id": "00000000000000000000000000001234", "site": "reports",
        "route": "/reports/{id}", "viewer": "viewer-7", "tenant": "acme", "token_id": "b1c", "session": "000000000000000000000000000000ab", "resource": "report:q3",
        "action": "view", "outcome": "allowed", "code": null, "detail": null, "status": 200, "bytes": 10240,
        "duration_ms": 12.034, "client": "192.0.2.7", "origin": "https://app.example.com", "locked": []
    });
    assert_eq!(found, expected);
    let keys = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&found), keys(&expected), "order");
}

#[test]
fn what_is_unknown_is_null() {
    let found = read(&Line {
        site: None,
        route: None,
        viewer: None,
        resource: None,
        status: None,
        refusal: Some(Refusal::SiteUnknown),
        outcome: Outcome::Refused,
        ..line()
    });
    for key in ["site", "route", "viewer", "resource", "status"] {
        assert_eq!(found[key], Value::Null, "{key}");
    }
    assert_eq!(
        (&found["code"], &found["outcome"]),
        (&json!("site_unknown"), &json!("refused"))
    );
}

#[test]
fn without_a_resource_of_the_route_the_granted_ones_are_named() {
    let granted = [
        Resource::new("dashboard", "42"),
        Resource::new("report", "q\"3"),
    ];
    let found = read(&Line {
        resource: None,
        granted: &granted,
        ..line()
    });
    assert_eq!(found["resource"], "dashboard:42 report:q\"3");
}

#[test]
fn locked_parameters_are_named_and_their_values_only_on_request() {
    let params = [
        param("tenant_id", Mode::Locked),
        param("region", Mode::Enabled),
        param("year", Mode::Locked),
    ];
    let held = json!({"tenant_id": 99, "region": "eu", "year": ["20\u{7}26"]});
    let found = read(&Line {
        params: &params,
        ..line()
    });
    assert_eq!(found["locked"], json!(["tenant_id", "year"]));
    assert_eq!(found.get("values"), None);
    let found = read(&Line {
        params: &params,
        values: held.as_object(),
        ..line()
    });
    assert_eq!(
        found["values"],
        json!({"tenant_id": 99, "year": ["20\u{7}26"]})
    );
}

#[test]
fn addresses_are_canonical() {
    for (address, text) in [
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("255.0.10.1", "255.0.10.1"),
    ] {
        assert_eq!(
            read(&Line {
                client: address.parse().unwrap(),
                ..line()
            })["client"],
            text
        );
    }
}

#[test]
fn times_and_durations_are_exact() {
    for (millis, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399_999, "2000-02-28T23:59:59.999Z"),
        (4_102_444_800_001, "2100-01-01T00:00:00.001Z"),
    ] {
        assert_eq!(
            read(&Line {
                time: Duration::from_millis(millis),
                ..line()
            })["time"],
            text
        );
    }
    for (micros, text) in [(0, "0.000"), (999, "0.999"), (1_000_001, "1000.001")] {
        let bytes = Line {
            duration: Duration::from_micros(micros),
            ..line()
        }
        .write();
        assert!(
            String::from_utf8(bytes.to_vec())
                .unwrap()
                .contains(&format!("\"duration_ms\":{text},")),
            "{micros}"
        );
    }
}

proptest! {
    #[test]
    fn any_text_is_one_line_of_json_and_comes_back(viewer in ".*", detail in "[\u{0}-\u{a0}]*", bytes: u64) {
        let found = read(&Line { viewer: Some(&viewer), detail: Some(&detail), bytes, ..line() });
        prop_assert_eq!(found["viewer"].as_str(), Some(viewer.as_str()));
        prop_assert_eq!(found["detail"].as_str(), Some(detail.as_str()));
        prop_assert_eq!(found["bytes"].as_u64(), Some(bytes));
    }

    #[test]
    fn no_control_character_reaches_a_terminal(viewer in ".*") {
        let line = Line { viewer: Some(&viewer), ..line() }.write();
        let text = String::from_utf8(line.to_vec()).unwrap();
        prop_assert!(!text.trim_end_matches('\n').chars().any(char::is_control));
    }
}
