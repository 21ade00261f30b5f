use std::{
    collections::HashMap,
    sync::Mutex,
    sync::atomic::{AtomicUsize, Ordering},
};

use proptest::prelude::*;

use super::*;
use crate::gate::{
    origin::Origin,
    token::{NoCache, testing},
};

const NOW: UnixTime = UnixTime(testing::ISSUED);

fn sealer(secrets: &[&[u8]]) -> Sealer {
    Sealer::new(
        secrets,
        Duration::from_hours(8),
        Some(Duration::from_mins(30)),
    )
    .unwrap()
}

fn issuers() -> [Arc<Issuer>; 1] {
    [Arc::new(testing::issuer("HS256"))]
}

/// Counts look-ups that find something.
#[derive(Default)]
struct Memory {
    entries: Mutex<HashMap<TokenDigest, Arc<Signed>>>,
    hits: AtomicUsize,
}

impl VerificationCache for Memory {
    fn get(&self, digest: &TokenDigest) -> Option<Arc<Signed>> {
        let found = self.entries.lock().unwrap().get(digest).cloned();
        self.hits
            .fetch_add(usize::from(found.is_some()), Ordering::Relaxed);
        found
    }

    fn put(&self, digest: TokenDigest, signed: &Arc<Signed>) {
        self.entries
            .lock()
            .unwrap()
            .insert(digest, Arc::clone(signed));
    }
}

#[test]
fn what_was_sealed_opens_as_the_same_grant() {
    let sealer = sealer(&[&[7; 32]]);
    let signed = testing::signed("viewer-7", Some("acme"));
    let value = sealer.seal("reports", &signed, NOW, NOW).unwrap();
    let opened = sealer
        .open(&value, "reports", &issuers(), NOW, &NoCache)
        .ok()
        .unwrap();
    assert_eq!(
        format!("{:?}", opened.signed.claims()),
        format!("{:?}", signed.claims())
    );
    assert_eq!(
        (opened.began, opened.ends, opened.renew),
        (NOW, NOW.plus(8 * 3600), false)
    );
    assert!(
        value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'),
        "{value}"
    );
}

#[test]
fn refuses_what_is_not_ours() {
    type Case<'a> = (&'a str, &'a Sealer, &'a str, &'a [Arc<Issuer>], &'a str);

    let ours = sealer(&[&[7; 32]]);
    let value = ours
        .seal("reports", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    let mut other_issuer = testing::issuer("HS256");
    other_issuer.name = Arc::from("other");
    let mut version = URL_SAFE_NO_PAD.decode(&value).unwrap();
    version[0] = 1;
    let version = URL_SAFE_NO_PAD.encode(version);
    let cut = value.get(..value.len() - 4).unwrap();
    let table: [Case<'_>; 7] = [
        (&value, &ours, "other", &issuers(), "another site's"),
        (
            &value,
            &sealer(&[&[8; 32]]),
            "reports",
            &issuers(),
            "another secret's",
        ),
        (
            &value,
            &ours,
            "reports",
            &[Arc::new(other_issuer)],
            "an issuer that is gone",
        ),
        (&value, &ours, "reports", &[], "no issuer"),
        (cut, &ours, "reports", &issuers(), "cut"),
        (&version, &ours, "reports", &issuers(), "an earlier version"),
        (&"A".repeat(3801), &ours, "reports", &issuers(), "too long"),
    ];
    for (value, sealer, site, issuers, what) in table {
        let cache = Memory::default();
        assert_eq!(
            sealer.open(value, site, issuers, NOW, &cache).err(),
            Some(Refusal::SessionInvalid),
            "{what}"
        );
        assert!(cache.entries.lock().unwrap().is_empty(), "{what}");
    }
}

#[test]
fn a_session_dies_by_lifetime_and_by_idleness_not_with_the_token() {
    let sealer = sealer(&[&[7; 32]]);
    let signed = testing::signed("v", None);
    let hour = 3600;
    let fresh = sealer.seal("s", &signed, NOW, NOW).unwrap();
    let renewed = sealer
        .seal("s", &signed, NOW, NOW.plus(8 * hour - 60))
        .unwrap();
    let table = [
        (&fresh, -60, Ok(false)),
        (&fresh, -61, Err(Refusal::SessionInvalid)),
        (&fresh, 0, Ok(false)),
        (&fresh, 449, Ok(false)),
        (&fresh, 450, Ok(true)),
        (&fresh, 1799, Ok(true)),
        (&fresh, 1800, Err(Refusal::SessionExpired)),
        (&renewed, 8 * hour - 1, Ok(false)),
        (&renewed, 8 * hour, Err(Refusal::SessionExpired)),
    ];
    for (value, after, wanted) in table {
        let found = sealer
            .open(value, "s", &issuers(), NOW.plus(after), &NoCache)
            .map(|opened| opened.renew);
        assert_eq!(found, wanted, "{after}");
    }
}

#[test]
fn a_remembered_session_still_expires() {
    let sealer = sealer(&[&[7; 32]]);
    let cache = Memory::default();
    let value = sealer
        .seal("s", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    assert!(sealer.open(&value, "s", &issuers(), NOW, &cache).is_ok());
    assert!(
        sealer
            .open(&value, "s", &issuers(), NOW.plus(60), &cache)
            .is_ok()
    );
    assert_eq!(cache.hits.load(Ordering::Relaxed), 1);
    assert_eq!(
        sealer
            .open(&value, "s", &issuers(), NOW.plus(1800), &cache)
            .err(),
        Some(Refusal::SessionExpired)
    );
    assert_eq!(
        sealer.open(&value, "other", &issuers(), NOW, &cache).err(),
        Some(Refusal::SessionInvalid)
    );
}

#[test]
fn an_earlier_secret_opens_and_is_renewed() {
    let value = sealer(&[&[7; 32]])
        .seal("s", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    let rotated = sealer(&[&[8; 32], &[7; 32]]);
    assert!(
        rotated
            .open(&value, "s", &issuers(), NOW, &NoCache)
            .ok()
            .unwrap()
            .renew
    );
    let value = rotated
        .seal("s", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    assert!(
        !rotated
            .open(&value, "s", &issuers(), NOW, &NoCache)
            .ok()
            .unwrap()
            .renew
    );
}

#[test]
fn a_secret_that_was_withdrawn_opens_nothing_not_even_from_the_cache() {
    let cache = Memory::default();
    let before = sealer(&[&[7; 32], &[8; 32]]);
    let value = before
        .seal("s", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    assert!(before.open(&value, "s", &issuers(), NOW, &cache).is_ok());
    assert_eq!(
        sealer(&[&[8; 32]])
            .open(&value, "s", &issuers(), NOW, &cache)
            .err(),
        Some(Refusal::SessionInvalid)
    );
}

#[test]
fn a_renewed_session_keeps_its_beginning() {
    let sealer = sealer(&[&[7; 32]]);
    let token = testing::signed("v", None);
    let value = sealer.seal("s", &token, NOW, NOW).unwrap();
    let opened = sealer
        .open(&value, "s", &issuers(), NOW.plus(1000), &NoCache)
        .ok()
        .unwrap();
    assert!(opened.renew);
    let value = sealer.renew("s", &opened.signed, NOW.plus(1000)).unwrap();
    let again = sealer
        .open(&value, "s", &issuers(), NOW.plus(2500), &NoCache)
        .ok()
        .unwrap();
    assert_eq!((again.began, again.ends), (opened.began, opened.ends));
    assert_eq!(
        sealer.renew("s", &token, NOW),
        None,
        "a token is no session"
    );
}

#[test]
fn a_session_keeps_its_id_and_the_key_that_vouches_for_it() {
    let sealer = sealer(&[&[7; 32]]);
    let claims = testing::signed("v", None).claims().clone();
    let token = Signed::sealed(
        Arc::new(testing::issuer("HS256")),
        claims,
        Some("k1".into()),
    );
    assert_eq!((token.session_id(), token.kid()), (None, Some("k1")));
    let open = |value: &str, now| {
        let opened = sealer.open(value, "s", &issuers(), now, &NoCache);
        opened.ok().unwrap().signed
    };
    let [one, another] = [(); 2].map(|()| sealer.seal("s", &token, NOW, NOW).unwrap());
    let first = open(&one, NOW);
    assert_ne!(first.session_id(), open(&another, NOW).session_id());
    let later = NOW.plus(1000);
    let renewed = sealer.renew("s", &first, later).unwrap();
    let ticket = sealer.ticket("s", &first, serde_json::Map::new(), later.plus(60), later);
    let ticket = sealer
        .open_ticket(&ticket.unwrap(), "s", &issuers(), later, &NoCache)
        .ok()
        .unwrap()
        .signed;
    // What a ticket opens is the same session, too.
    let reopened = sealer.seal("s", &ticket, NOW, later).unwrap();
    for signed in [&open(&renewed, later), &ticket, &open(&reopened, later)] {
        assert_eq!(signed.session_id(), first.session_id());
        assert_eq!(signed.kid(), Some("k1"));
    }
}

#[test]
fn refuses_bad_secrets() {
    let lifetime = Duration::from_hours(8);
    assert!(Sealer::new(&[], lifetime, None).is_err());
    assert!(Sealer::new(&[&[7; 31]], lifetime, None).is_err());
    assert!(Sealer::new(&[&[7; 32], &[7; 31]], lifetime, None).is_err());
    assert!(Sealer::new(&[&[7; 32], &[7; 32]], lifetime, None).is_err());
}

#[test]
fn without_an_idle_limit_only_the_lifetime_counts() {
    let sealer = Sealer::new(&[&[7; 32]], Duration::from_hours(8), None).unwrap();
    let value = sealer
        .seal("s", &testing::signed("v", None), NOW, NOW)
        .unwrap();
    assert_eq!(
        sealer
            .open(&value, "s", &issuers(), NOW.plus(7 * 3600), &NoCache)
            .map(|opened| opened.renew),
        Ok(false)
    );
    assert_eq!(
        sealer
            .open(&value, "s", &issuers(), NOW.plus(8 * 3600), &NoCache)
            .err(),
        Some(Refusal::SessionExpired)
    );
}

#[test]
fn a_longer_lifetime_raises_no_session_that_could_not_be_sealed_afresh() {
    let of_hours = |hours| Sealer::new(&[&[7; 32]], Duration::from_hours(hours), None).unwrap();
    let (short, long) = (of_hours(8), of_hours(30 * 24));
    let token = testing::signed("v", None);
    let value = short.seal("s", &token, NOW, NOW).unwrap();
    let open = |sealer: &Sealer, value: &str, hours: i64| {
        let opened = sealer.open(value, "s", &issuers(), NOW.plus(hours * 3600), &NoCache);
        opened.map(|opened| opened.signed)
    };
    // A revocation of its viewer lasts as long as the session could live when it was made: eight hours.
    let late = open(&long, &value, 9);
    assert_eq!(late.err(), Some(Refusal::SessionExpired));
    let alive = open(&long, &value, 7).ok().unwrap();
    let afresh = long.renew("s", &alive, NOW.plus(7 * 3600)).unwrap();
    assert!(open(&long, &afresh, 9).is_ok());
    assert_eq!(
        open(&short, &afresh, 9).err(),
        Some(Refusal::SessionExpired),
        "a shorter one counts at once"
    );
}

#[test]
fn the_origin_that_narrows_a_frame_survives_the_seal() {
    let sealer = sealer(&[&[7; 32]]);
    for text in [
        "https://app.example.com",
        "http://localhost:8080",
        "https://[2001:db8::1]:8443",
    ] {
        let mut claims = testing::signed("v", None).claims().clone();
        claims.origin = Some(Origin::parse(text).unwrap());
        let signed = Signed::sealed(Arc::new(testing::issuer("HS256")), claims, None);
        let value = sealer.seal("s", &signed, NOW, NOW).unwrap();
        let opened = sealer.open(&value, "s", &issuers(), NOW, &NoCache);
        let origin = opened.ok().unwrap().signed.claims().origin.clone();
        assert_eq!(origin, Origin::parse(text), "{text}");
    }
}

#[test]
fn a_grant_too_large_for_a_cookie_is_not_sealed() {
    let sealer = sealer(&[&[7; 32]]);
    let mut claims = testing::signed("v", None).claims().clone();
    claims.params.insert("list".into(), vec!["x"; 1000].into());
    let signed = Signed::sealed(Arc::new(testing::issuer("HS256")), claims, None);
    assert!(
        matches!(sealer.seal("s", &signed, NOW, NOW), Err(TooLarge { size }) if size > LONGEST_COOKIE)
    );
}

proptest! {
    #[test]
    fn one_changed_byte_breaks_the_seal(at in any::<prop::sample::Index>(), byte in 0x21_u8..0x7f) {
        let sealer = sealer(&[&[7; 32]]);
        let value = sealer.seal("s", &testing::signed("v", None), NOW, NOW).unwrap();
        let mut changed = value.clone().into_bytes();
        let at = at.index(changed.len());
        changed[at] = byte;
        let changed = String::from_utf8(changed).unwrap();
        prop_assert_eq!(sealer.open(&changed, "s", &issuers(), NOW, &NoCache).is_ok(), changed == value);
    }

    #[test]
    fn numbers_survive_the_seal(number in any::<f64>().prop_filter("finite", |n| n.is_finite()), viewer in "[^\\p{Cc}]{1,40}") {
        let sealer = sealer(&[&[7; 32]]);
        let mut claims = testing::signed("v", None).claims().clone();
        claims.params.insert("n".into(), number.into());
        claims.viewer = viewer.into();
        let signed = Signed::sealed(Arc::new(testing::issuer("HS256")), claims, None);
        let value = sealer.seal("s", &signed, NOW, NOW).unwrap();
        let opened = sealer.open(&value, "s", &issuers(), NOW, &NoCache).ok().unwrap();
        prop_assert_eq!(&opened.signed.claims().params, &signed.claims().params);
        prop_assert_eq!(&opened.signed.claims().viewer, &signed.claims().viewer);
    }
}
