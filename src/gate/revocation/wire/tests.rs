use proptest::prelude::*;
use serde_json::json;

use super::*;

const NOW: UnixTime = UnixTime(1_764_000_000);
const SESSION: &str = "00112233445566778899aabbccddeeff";

fn id() -> RevocationId {
    RevocationId::fresh(NOW).unwrap()
}

fn read(body: &Value) -> Result<Wanted, Unreadable> {
    Wanted::read(body.to_string().as_bytes())
}

#[test]
fn each_subject_is_read_and_shown_as_it_was_asked_for() {
    for subject in [
        json!({ "viewer": "v" }),
        json!({ "viewer": "v", "tenant": "t" }),
        json!({ "viewer": "v", "issuer": "i" }),
        json!({ "viewer": "v", "tenant": "t", "issuer": "i" }),
        json!({ "tenant": "t" }),
        json!({ "tenant": "t", "issuer": "i" }),
        json!({ "jti": "j" }),
        json!({ "jti": "j", "issuer": "i" }),
        json!({ "kid": "k" }),
        json!({ "kid": "k", "issuer": "i" }),
        json!({ "issuer": "i" }),
        json!({ "session": SESSION }),
    ] {
        let mut body = subject.clone();
        body["reason"] = "left".into();
        let revocation = read(&body).unwrap().made(id(), NOW, 600).unwrap();
        let shown = Value::Object(revocation.to_json());
        for (name, value) in subject.as_object().unwrap() {
            assert_eq!(shown[name], *value, "{subject}");
        }
        assert_eq!(
            shown.as_object().unwrap().len(),
            subject.as_object().unwrap().len() + 4,
            "{shown}"
        );
        assert!(subject.get(revocation.subject.kind()).is_some(), "{shown}");
        let entry = Entry::Made(revocation);
        assert_eq!(Entry::read(entry.write().trim_end().as_bytes()), Ok(entry));
    }
}

/// A body, and what is said of it.
const WRONG: &[(&str, &str)] = &[
    ("{}", "no subject"),
    (r#"{"until":1}"#, "no subject"),
    (r#"{"viewer":"v"}"#, "`reason` is required"),
    (r#"{"viewer":"v","reason":""}"#, "`reason` is required"),
    (r#"{"viewer":"v","reason":"a\nb"}"#, "`reason` is required"),
    (r#"{"viewer":"v","reason":1}"#, "`reason` must be text"),
    (r#"{"viewer":"v","reason":null}"#, "`reason` must be text"),
    (r#"{"viewer":7,"reason":"r"}"#, "`viewer` must be text"),
    (
        r#"{"viewer":"v","tenant":null,"reason":"r"}"#,
        "`tenant` must be text",
    ),
    (r#"{"viewer":"","reason":"r"}"#, "`viewer` is blank"),
    (
        r#"{"kid":"k\u0007","reason":"r"}"#,
        "`kid` is blank, longer",
    ),
    (r#"{"viewers":"v","reason":"r"}"#, "`viewers` is unknown"),
    (
        r#"{"viewer":"v","reason":"r","sub":"v"}"#,
        "`sub` is unknown",
    ),
    (
        r#"{"viewer":"v","jti":"j","reason":"r"}"#,
        "more than one subject",
    ),
    (
        r#"{"jti":"j","tenant":"t","reason":"r"}"#,
        "more than one subject",
    ),
    (
        r#"{"kid":"k","tenant":"t","reason":"r"}"#,
        "more than one subject",
    ),
    (
        r#"{"kid":"k","jti":"j","reason":"r"}"#,
        "more than one subject",
    ),
    (
        r#"{"session":"S","issuer":"i","reason":"r"}"#,
        "more than one subject",
    ),
    (
        r#"{"session":"S","viewer":"v","reason":"r"}"#,
        "more than one subject",
    ),
    (r#"{"session":"s","reason":"r"}"#, "`session` is not 32"),
    (r#"{"session":"S0","reason":"r"}"#, "`session` is not 32"),
    (
        r#"{"viewer":"v","reason":"r","until":"tomorrow"}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":null}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":"2026-01-31T12:00:00"}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":"2026-01-31T12:00:00+01:00[Europe/Berlin]"}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":-1}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":1e300}"#,
        "`until` must be a time",
    ),
    (
        r#"{"viewer":"v","reason":"r","until":253402207201}"#,
        "`until` must be a time",
    ),
    ("", "not one JSON object"),
    ("[]", "not one JSON object"),
    (r#"{"viewer":"v","reason":"r"} {}"#, "not one JSON object"),
    (
        r#"{"viewer":"v","viewer":"w","reason":"r"}"#,
        "not one JSON object",
    ),
    (r#"{"viewer":"v","reason":"r""#, "not one JSON object"),
];

#[test]
fn what_could_mean_less_than_it_seems_is_refused() {
    for (body, why) in WRONG {
        let body = body.replace("\"S", &format!("\"{SESSION}"));
        let found = Wanted::read(body.as_bytes()).unwrap_err().to_string();
        assert!(found.contains(why), "{body}: {found}");
    }
    let long = "x".repeat(257);
    for body in [
        json!({ "viewer": "v", "reason": long }),
        json!({ "viewer": long, "reason": "r" }),
    ] {
        assert!(read(&body).is_err());
    }
}

#[test]
fn an_end_is_a_date_or_seconds_and_never_too_early() {
    for (until, seconds) in [
        (json!(1_764_000_100), 1_764_000_100),
        (json!(1_764_000_100.2), 1_764_000_101),
        (json!("2025-11-24T16:01:40Z"), 1_764_000_100),
        (json!("2025-11-24T17:01:40+01:00"), 1_764_000_100),
        (json!("2025-11-24T16:01:40.000000001Z"), 1_764_000_101),
        (json!(253_402_207_200_i64), NEVER.0),
    ] {
        let wanted = read(&json!({ "viewer": "v", "reason": "r", "until": until })).unwrap();
        assert_eq!(wanted.until, Some(UnixTime(seconds)), "{until}");
    }
    for until in [NOW.0, NOW.0 - 1, 0] {
        let wanted = read(&json!({ "viewer": "v", "reason": "r", "until": until })).unwrap();
        assert_eq!(
            wanted.made(id(), NOW, 600),
            Err(Unreadable::Over),
            "{until}"
        );
    }
}

#[test]
fn without_an_end_it_lasts_as_long_as_anything_can_live_and_a_thief_of_keys_stays_out() {
    for (subject, until) in [
        ("viewer", NOW.plus(600)),
        ("tenant", NOW.plus(600)),
        ("jti", NOW.plus(600)),
        ("kid", NEVER),
        ("issuer", NEVER),
    ] {
        let wanted = read(&json!({ subject: "x", "reason": "r" })).unwrap();
        let made = wanted.made(id(), NOW, 600).unwrap();
        assert_eq!((made.made, made.until), (NOW, until), "{subject}");
    }
    let wanted = read(&json!({ "viewer": "x", "reason": "r" })).unwrap();
    assert_eq!(wanted.made(id(), NOW, i64::MAX).unwrap().until, NEVER);
}

#[test]
fn a_line_of_the_log_is_one_of_ours_or_none() {
    let id = id();
    let good = json!({ "id": id.to_string(), "viewer": "v", "reason": "r", "made": 1, "until": 2 });
    assert!(Entry::read(good.to_string().as_bytes()).is_ok());
    for change in [
        json!({ "id": "7" }),
        json!({ "made": null }),
        json!({ "until": null }),
        json!({ "reason": "" }),
        json!({ "viewer": "" }),
        json!({ "tenant": 7 }),
        json!({ "more": 1 }),
        json!({ "removed": id.to_string() }),
    ] {
        let mut line = good.clone();
        line.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        assert!(Entry::read(line.to_string().as_bytes()).is_err(), "{line}");
    }
    let removed = Entry::Removed(id);
    assert_eq!(
        Entry::read(removed.write().trim_end().as_bytes()),
        Ok(removed)
    );
    for name in ["id", "made", "until", "reason", "viewer"] {
        let mut line = good.clone();
        line.as_object_mut().unwrap().remove(name);
        assert!(Entry::read(line.to_string().as_bytes()).is_err(), "{line}");
    }
}

proptest! {
    #[test]
    fn what_is_written_is_one_line_and_reads_back(viewer in "\\PC{1,40}", reason in "\\PC{1,40}", tenant in proptest::option::of("\\PC{1,20}"), until in 1_764_000_001_i64..253_402_207_200) {
        let mut body = json!({ "viewer": viewer, "reason": reason, "until": until });
        if let Some(tenant) = tenant {
            body["tenant"] = tenant.into();
        }
        let Ok(wanted) = read(&body) else {
            return Ok(());
        };
        let entry = Entry::Made(wanted.made(id(), NOW, 600).unwrap());
        let line = entry.write();
        prop_assert_eq!(line.bytes().filter(|byte| *byte == b'\n').count(), 1);
        prop_assert_eq!(Entry::read(line.trim_end_matches('\n').as_bytes()), Ok(entry));
    }

    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _read = (Wanted::read(&bytes), Entry::read(&bytes));
    }
}
