use http::HeaderValue;
use proptest::prelude::*;

use super::*;

fn headers(lines: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in lines {
        headers.append(COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap());
    }
    headers
}

fn tag(text: &str) -> GrantTag {
    GrantTag::parse(text).unwrap()
}

/// Cookies whose value says what they hold: `<tag>.<began>`, `over`, `other`, or nothing.
fn holding(value: &str) -> Holding {
    match value.split_once('.') {
        Some((text, began)) => Holding::Alive(tag(text), began.parse().unwrap()),
        None if value == "over" => Holding::Over,
        None if value == "other" => Holding::Other,
        None => Holding::Nothing,
    }
}

const A: &str = "aaaaaaaa";
const B: &str = "bbbbbbbb";

#[test]
fn finds_the_cookies_that_are_exactly_ours() {
    for (lines, found) in [
        (&["__Host-embedgate=v"][..], Ok(vec!["v"])),
        (
            &[
                "a=b; __Host-embedgate=v ;c=d",
                "__Host-embedgate-aaaaaaaa=w",
            ],
            Ok(vec!["v", "w"]),
        ),
        (&["__Host-embedgate=v; __Host-embedgate=v"], Ok(vec!["v"])),
        (
            &["__Host-embedgate=v; __Host-embedgate-aaaaaaaa=v"],
            Ok(vec!["v"]),
        ),
        (
            &["__Host-embedgate=v; __Host-embedgate=w"],
            Err(Refusal::CredentialConflict),
        ),
        (
            &["__Host-embedgate-aaaaaaaa=v; __Host-embedgate-aaaaaaaa=w"],
            Err(Refusal::CredentialConflict),
        ),
        (&["__Host-embedgate=\u{e9}"], Err(Refusal::SessionInvalid)),
        (
            &[
                "__Host-embedgate=; __Host-embedgate; __Host-embedgateX=v; __Host-embedgate-=v; __Host-embedgate-AAAAAAAA=v; __Host-embedgate-aaaaaaaa0=v; __host-embedgate=v",
            ],
            Ok(vec![]),
        ),
    ] {
        let headers = headers(lines);
        let jar = Jar::read(&headers).map(|jar| jar.values().collect::<Vec<_>>());
        assert_eq!(jar, found, "{lines:?}");
    }
}

#[test]
fn every_spelling_of_our_names_is_ours_alone() {
    for (name, own) in [
        ("__Host-embedgate", true),
        ("__HOST-EMBEDGATE", true),
        ("__Host-embedgate-aaaaaaaa", true),
        ("__host-Embedgate-x", true),
        ("__Host-embedgate-", true),
        ("__Host-embedgates", false),
        ("__Host-embedgat", false),
        ("embedgate", false),
    ] {
        assert_eq!(is_session_cookie(name.as_bytes()), own, "{name}");
    }
}

#[test]
fn a_session_is_looked_for_under_its_own_name_first() {
    let headers = headers(&[
        "__Host-embedgate=plain; __Host-embedgate-bbbbbbbb=b; __Host-embedgate-aaaaaaaa=a",
    ]);
    let jar = Jar::read(&headers).unwrap();
    assert_eq!(jar.of(tag(A)).as_slice(), ["a", "plain"]);
    assert_eq!(jar.of(tag("cccccccc")).as_slice(), ["plain"]);
}

#[test]
fn a_session_goes_where_it_takes_nothing_from_another() {
    let (plain, named) = ("__Host-embedgate", "__Host-embedgate-aaaaaaaa");
    for (cookies, begun, renewed) in [
        ("", &[plain, named][..], &[named][..]),
        ("__Host-embedgate=aaaaaaaa.1", &[plain], &[plain]),
        (
            "__Host-embedgate=aaaaaaaa.1; __Host-embedgate-aaaaaaaa=aaaaaaaa.1",
            &[plain, named],
            &[plain],
        ),
        (
            "__Host-embedgate=bbbbbbbb.1; __Host-embedgate-aaaaaaaa=aaaaaaaa.1",
            &[named],
            &[named],
        ),
        ("__Host-embedgate=bbbbbbbb.1", &[named], &[named]),
        ("__Host-embedgate=other", &[named], &[named]),
        ("__Host-embedgate=over", &[plain, named], &[named]),
        ("__Host-embedgate=junk", &[plain, named], &[named]),
        (
            "__Host-embedgate-bbbbbbbb=bbbbbbbb.1",
            &[plain, named],
            &[named],
        ),
    ] {
        let headers = headers(&[cookies]);
        let jar = Jar::read(&headers).unwrap();
        let placed = jar.begin(tag(A), 400, true, holding);
        assert_eq!(placed.set.as_slice(), begun, "begun beside {cookies}");
        let placed = jar.renew(tag(A), 400, holding);
        assert_eq!(placed.set.as_slice(), renewed, "renewed beside {cookies}");
    }
}

#[test]
fn whoever_says_nothing_of_frames_gets_one_name() {
    for (cookies, name) in [
        ("", "__Host-embedgate"),
        ("__Host-embedgate=over", "__Host-embedgate"),
        ("__Host-embedgate=aaaaaaaa.1", "__Host-embedgate"),
        ("__Host-embedgate=bbbbbbbb.1", "__Host-embedgate-aaaaaaaa"),
        ("__Host-embedgate=other", "__Host-embedgate-aaaaaaaa"),
    ] {
        let headers = headers(&[cookies]);
        let jar = Jar::read(&headers).unwrap();
        let placed = jar.begin(tag(A), 400, false, holding);
        assert_eq!(placed.set.as_slice(), [name], "{cookies}");
    }
}

#[test]
fn what_is_over_goes_and_a_twin_when_it_is_sealed_afresh() {
    let headers = headers(&[
        "__Host-embedgate=aaaaaaaa.1; __Host-embedgate-aaaaaaaa=aaaaaaaa.1; __Host-embedgate-bbbbbbbb=over; __Host-embedgate-cccccccc=other",
    ]);
    let jar = Jar::read(&headers).unwrap();
    let placed = jar.begin(tag(A), 400, true, holding);
    assert_eq!(placed.gone, ["__Host-embedgate-bbbbbbbb"]);
    let mut gone = jar.renew(tag(A), 400, holding).gone;
    gone.sort();
    assert_eq!(
        gone,
        ["__Host-embedgate-aaaaaaaa", "__Host-embedgate-bbbbbbbb"]
    );
}

#[test]
fn the_oldest_go_where_there_are_too_many() {
    let mut lines = vec!["__Host-embedgate=bbbbbbbb.50".to_owned()];
    for at in 0..16 {
        lines.push(format!(
            "__Host-embedgate-0000000{at:x}=0000000{at:x}.{}",
            100 - at
        ));
    }
    lines.push("__Host-embedgate-cccccccc=junk".into());
    let headers = headers(&[&lines.join("; ")]);
    let jar = Jar::read(&headers).unwrap();
    let placed = jar.begin(tag(A), 100, true, holding);
    assert_eq!(placed.set.as_slice(), ["__Host-embedgate-aaaaaaaa"]);
    assert_eq!(
        placed.gone,
        [
            "__Host-embedgate-cccccccc",
            "__Host-embedgate",
            "__Host-embedgate-0000000f"
        ]
    );
    assert_eq!(jar.values().count(), MOST_TRIED);
}

#[test]
fn large_sessions_leave_room_for_fewer() {
    let long = |began: u32| format!("bbbbbbbb.{began:03500}");
    let lines: Vec<String> = (0..4)
        .map(|at| format!("__Host-embedgate-0000000{at}={}", long(at)))
        .collect();
    let headers = headers(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let jar = Jar::read(&headers).unwrap();
    let placed = jar.renew(tag(A), 3500, holding);
    assert_eq!(
        placed.gone,
        ["__Host-embedgate-00000000", "__Host-embedgate-00000001"]
    );
}

proptest! {
    #[test]
    fn never_sets_what_it_expires_and_keeps_within_bounds(
        cookies in prop::collection::vec(("[ab]{1}", 0_i64..1000, 0_usize..4), 0..40), renew: bool, at_once: bool,
    ) {
        let mut lines = Vec::new();
        for (at, (letter, began, kind)) in cookies.iter().enumerate() {
            let own = format!("{letter}{at:07x}");
            let value = match kind { 0 => "over".into(), 1 => "other".into(), 2 => "junk".into(), _ => format!("{own}.{began}") };
            lines.push(if at == 0 { format!("__Host-embedgate={value}") } else { format!("__Host-embedgate-{own}={value}") });
        }
        let headers = headers(&[&lines.join("; ")]);
        let jar = Jar::read(&headers).unwrap();
        let placed = if renew { jar.renew(tag(B), 300, holding) } else { jar.begin(tag(B), 300, at_once, holding) };
        prop_assert!(!placed.set.is_empty());
        prop_assert!(placed.set.iter().all(|name| !placed.gone.contains(name)));
        let left = jar.held.iter().map(|held| name(held.tag)).filter(|name| !placed.gone.contains(name) && !placed.set.contains(name)).count();
        prop_assert!(left + placed.set.len() <= MOST_KEPT);
    }
}
