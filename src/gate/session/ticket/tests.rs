use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use crate::gate::token::{NoCache, RawToken, signed, testing};

const NOW: UnixTime = UnixTime(testing::ISSUED);

fn sealer() -> Sealer {
    Sealer::new(&[&[7; 32]], Duration::from_hours(8), None).unwrap()
}

fn issuers() -> [Arc<Issuer>; 1] {
    [Arc::new(testing::issuer("HS256"))]
}

fn readable() -> Map<String, Value> {
    let Value::Object(members) = json!({ "resource": { "dashboard": 42 }, "params": {} }) else {
        unreachable!()
    };
    members
}

fn ticket(until: i64) -> String {
    let grant = testing::signed("viewer-7", Some("acme"));
    sealer()
        .ticket("reports", &grant, readable(), NOW.plus(until), NOW)
        .unwrap()
}

fn open(text: &str, site: &str, now: UnixTime) -> Result<Opened, Refusal> {
    sealer().open_ticket(text, site, &issuers(), now, &NoCache)
}

#[test]
fn a_front_end_reads_its_payload_and_we_its_grant() {
    let text = ticket(600);
    assert!(Sealer::is_ticket(&text));
    let payload = text.split('.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(
        payload,
        json!({ "resource": { "dashboard": 42 }, "params": {}, "exp": NOW.plus(600).0 })
    );
    let opened = open(&text, "reports", NOW).ok().unwrap();
    let grant = testing::signed("viewer-7", Some("acme"));
    assert!(opened.signed.grants_as(&grant));
}

#[test]
fn it_ends_by_its_own_time_and_with_its_session() {
    let text = ticket(600);
    assert!(open(&text, "reports", NOW.plus(599)).is_ok());
    assert_eq!(
        open(&text, "reports", NOW.plus(600)).err(),
        Some(Refusal::TokenExpired)
    );
    // A ticket made of a session keeps the session's beginning, however often that is repeated.
    let seven_hours_on = NOW.plus(7 * 3600);
    let session = sealer()
        .seal("reports", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    let session = sealer()
        .open(&session, "reports", &issuers(), seven_hours_on, &NoCache)
        .ok()
        .unwrap();
    let late = sealer()
        .ticket(
            "reports",
            &session.signed,
            readable(),
            seven_hours_on.plus(36_000),
            seven_hours_on,
        )
        .unwrap();
    assert!(open(&late, "reports", NOW.plus(8 * 3600 - 1)).is_ok());
    assert!(open(&late, "reports", NOW.plus(8 * 3600)).is_err());
    let opened = open(&late, "reports", seven_hours_on).ok().unwrap();
    assert_eq!(opened.signed.session_began(), Some(NOW));
}

#[test]
fn it_is_no_token_no_cookie_and_another_sites_nothing() {
    let text = ticket(600);
    assert!(open(&text, "other", NOW).is_err());
    assert!(signed(RawToken::new(&text), &issuers(), &NoCache).is_err());
    let sealed = text.rsplit('.').next().unwrap();
    let as_cookie = sealer().open(sealed, "reports", &issuers(), NOW, &NoCache);
    assert!(as_cookie.is_err());
    let cookie = sealer()
        .seal("reports", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    let (open_part, _) = text.rsplit_once('.').unwrap();
    assert!(open(&format!("{open_part}.{cookie}"), "reports", NOW).is_err());
}

#[test]
fn its_readable_part_cannot_be_changed() {
    let text = ticket(600);
    let payload =
        json!({ "resource": { "dashboard": 42 }, "params": {}, "exp": NOW.plus(60_000).0 });
    let forged = URL_SAFE_NO_PAD.encode(payload.to_string());
    let parts: Vec<&str> = text.split('.').collect();
    let forged = format!("{}.{forged}.{}", parts[0], parts[2]);
    assert_eq!(
        open(&forged, "reports", NOW).err(),
        Some(Refusal::TokenInvalid)
    );
}

proptest! {
    #[test]
    fn no_changed_ticket_opens(at in 0_usize..400, to in "[A-Za-z0-9._-]") {
        let text = ticket(600);
        let at = at % text.len();
        let mut changed = text.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != text);
        prop_assert!(open(&changed, "reports", NOW).is_err());
    }
}
