use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::gate::{
    id::SessionId,
    session::Sealer,
    token::{NoCache, testing},
};

const NOW: UnixTime = UnixTime(testing::ISSUED);

/// A token of viewer `v` of tenant `t`, with `jti` `j`, signed by the issuer `app` with the key `k`.
fn token() -> Signed {
    let mut claims = testing::signed("v", Some("t")).claims().clone();
    claims.token_id = Some("j".into());
    Signed::sealed(Arc::new(testing::issuer("HS256")), claims, Some("k".into()))
}

/// The session that this token opened.
fn session() -> Arc<Signed> {
    let sealer = Sealer::new(&[&[7; 32]], Duration::from_hours(8), None).unwrap();
    let value = sealer.seal("s", &token(), NOW, NOW).unwrap();
    let issuers = [Arc::new(testing::issuer("HS256"))];
    let opened = sealer.open(&value, "s", &issuers, NOW, &NoCache);
    opened.ok().unwrap().signed
}

fn revocation(facets: Facets<'_>, until: UnixTime) -> Revocation {
    Revocation {
        id: RevocationId::fresh(NOW).unwrap(),
        subject: Subject::new(facets).unwrap(),
        reason: "test".into(),
        made: NOW,
        until,
    }
}

const NONE: Facets<'_> = Facets {
    issuer: None,
    jti: None,
    kid: None,
    session: None,
    tenant: None,
    viewer: None,
};

/// Every subject that there is: all of these facets, and one of them with another value.
fn subjects() -> Vec<(Facets<'static>, Facets<'static>)> {
    let [app, other] = [Some("app"), Some("other")];
    let viewer = Facets {
        viewer: Some("v"),
        ..NONE
    };
    let tenant = Facets {
        tenant: Some("t"),
        ..NONE
    };
    let jti = Facets {
        jti: Some("j"),
        ..NONE
    };
    let kid = Facets {
        kid: Some("k"),
        ..NONE
    };
    let mut all = vec![
        (
            viewer,
            Facets {
                viewer: other,
                ..NONE
            },
        ),
        (
            tenant,
            Facets {
                tenant: other,
                ..NONE
            },
        ),
        (jti, Facets { jti: other, ..NONE }),
        (kid, Facets { kid: other, ..NONE }),
        (
            Facets {
                issuer: app,
                ..NONE
            },
            Facets {
                issuer: other,
                ..NONE
            },
        ),
        (
            Facets {
                tenant: Some("t"),
                ..viewer
            },
            Facets {
                tenant: other,
                ..viewer
            },
        ),
        (
            Facets {
                tenant: Some("t"),
                issuer: app,
                ..viewer
            },
            Facets {
                tenant: Some("t"),
                issuer: other,
                ..viewer
            },
        ),
    ];
    for main in [viewer, tenant, jti, kid] {
        all.push((
            Facets {
                issuer: app,
                ..main
            },
            Facets {
                issuer: other,
                ..main
            },
        ));
    }
    all
}

#[test]
fn each_subject_denies_its_tokens_and_their_sessions_and_nobody_else() {
    let (token, session) = (token(), session());
    for (ours, other) in subjects() {
        let index = Revocations::new();
        index.add(revocation(other, NOW.plus(60)));
        assert_eq!(index.check(&token, NOW), Ok(()), "{other:?}");
        assert_eq!(index.check(&session, NOW), Ok(()), "{other:?}");
        let made = revocation(ours, NOW.plus(60));
        index.add(made.clone());
        for signed in [&token, &*session] {
            assert_eq!(
                index.check(signed, NOW),
                Err(Refusal::TokenRevoked),
                "{ours:?}"
            );
            assert_eq!(index.find(signed, NOW), Some(made.id), "{ours:?}");
            let last = NOW.plus(59);
            assert_eq!(
                index.check(signed, last),
                Err(Refusal::TokenRevoked),
                "{ours:?}"
            );
            assert_eq!(index.check(signed, NOW.plus(60)), Ok(()), "{ours:?}");
        }
        assert!(index.remove(made.id).is_some());
        assert_eq!(index.check(&token, NOW), Ok(()), "{ours:?}");
    }
}

#[test]
fn a_session_is_denied_by_its_id_and_its_token_is_not() {
    let (one, another) = (session(), session());
    assert_ne!(one.session_id(), another.session_id());
    let index = Revocations::new();
    let session = one.session_id();
    index.add(revocation(Facets { session, ..NONE }, NOW.plus(60)));
    assert_eq!(index.check(&one, NOW), Err(Refusal::TokenRevoked));
    assert_eq!(index.check(&another, NOW), Ok(()));
    assert_eq!(index.check(&token(), NOW), Ok(()));
}

#[test]
fn what_a_grant_does_not_say_is_not_revoked_by_it() {
    let plain = testing::signed("v", None);
    let index = Revocations::new();
    for (facets, _) in subjects() {
        if facets.tenant.or(facets.jti).or(facets.kid).is_some() {
            index.add(revocation(facets, NOW.plus(60)));
        }
    }
    assert_eq!(index.check(&plain, NOW), Ok(()));
}

#[test]
fn of_two_for_one_subject_each_counts_until_it_is_taken_back() {
    let index = Revocations::new();
    let viewer = Facets {
        viewer: Some("v"),
        ..NONE
    };
    let [short, long] = [60, 600].map(|seconds| revocation(viewer, NOW.plus(seconds)));
    assert!(index.add(short.clone()) && index.add(long.clone()));
    assert!(!index.add(short.clone()), "known already");
    assert_eq!(index.len(), 2);
    assert_eq!(index.find(&token(), NOW.plus(60)), Some(long.id));
    assert!(index.remove(long.id).is_some() && index.remove(long.id).is_none());
    assert_eq!(index.find(&token(), NOW), Some(short.id));
    assert_eq!(index.find(&token(), NOW.plus(60)), None);
}

#[test]
fn what_is_over_is_forgotten_and_takes_no_room() {
    let index = Revocations::new();
    for seconds in 1..=100 {
        let viewer = seconds.to_string();
        let facets = Facets {
            viewer: Some(&viewer),
            ..NONE
        };
        index.add(revocation(facets, NOW.plus(seconds)));
    }
    assert_eq!((index.expire(NOW.plus(40)), index.len()), (40, 60));
    assert_eq!(index.list(None, 1000).len(), 60);
    assert_eq!((index.expire(NOW.plus(100)), index.len()), (60, 0));
    assert!(index.is_empty());
    assert_eq!(
        index.used.load(Ordering::Relaxed),
        0,
        "nothing is looked up"
    );
    let held = index.tables.iter().map(|table| table.read().unwrap().len());
    assert_eq!(held.sum::<usize>(), 0);
}

#[test]
fn a_list_comes_in_pages_oldest_first() {
    let index = Revocations::new();
    for made in 0..25 {
        let mut revocation = revocation(
            Facets {
                viewer: Some("v"),
                ..NONE
            },
            NOW.plus(60),
        );
        revocation.id = RevocationId::fresh(NOW.plus(24 - made)).unwrap();
        index.add(revocation);
    }
    let (mut seen, mut after) = (Vec::new(), None);
    loop {
        let page = index.list(after, 10);
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        seen.extend(page.iter().map(|revocation| revocation.id));
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted());
}

#[test]
fn the_longest_life_covers_tokens_leeway_and_sessions() {
    let mut long = testing::issuer("HS256");
    long.max_lifetime = Duration::from_hours(1);
    let issuers = [testing::issuer("HS256"), long];
    let sealer = |hours| Sealer::new(&[&[7; 32]], Duration::from_hours(hours), None).unwrap();
    assert_eq!(longest_life(issuers.iter(), None), 3600 + 10);
    assert_eq!(
        longest_life(issuers.iter(), Some(&sealer(8))),
        8 * 3600 + 60
    );
    assert_eq!(longest_life(std::iter::empty(), None), 0);
}

#[test]
fn an_entry_is_small() {
    assert!(
        size_of::<Revocation>() <= 112,
        "{}",
        size_of::<Revocation>()
    );
    assert!(size_of::<Posting>() <= 16, "{}", size_of::<Posting>());
}

/// A step of a random story.
#[derive(Clone, Debug)]
enum Step {
    Add(usize, i64),
    Remove(usize),
    Wait(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..22_usize, 1..50_i64).prop_map(|(subject, life)| Step::Add(subject, life)),
        (0..40_usize).prop_map(Step::Remove),
        (0..20_i64).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..60)
}

/// Says it slowly: whether a revocation denies a grant.
fn denies(revocation: &Revocation, signed: &Signed, now: UnixTime) -> bool {
    let (asked, all) = (revocation.subject.facets(), Facets::of(signed));
    let same = |asked: Option<&str>, has: Option<&str>| asked.is_none() || asked == has;
    revocation.until > now
        && same(asked.viewer, all.viewer)
        && same(asked.tenant, all.tenant)
        && same(asked.issuer, all.issuer)
        && same(asked.jti, all.jti)
        && same(asked.kid, all.kid)
        && (asked.session.is_none() || asked.session == all.session)
}

proptest! {
    #[test]
    fn the_index_says_what_looking_at_each_entry_says(steps in steps(), eager in any::<bool>()) {
        let (token, session) = (token(), session());
        let (index, mut model, mut now) = (Revocations::new(), Vec::<Revocation>::new(), NOW);
        let subjects: Vec<_> = subjects().into_iter().flat_map(|(one, other)| [one, other]).collect();
        for step in steps {
            match step {
                Step::Add(subject, life) => {
                    let made = revocation(subjects[subject], now.plus(life));
                    model.push(made.clone());
                    prop_assert!(index.add(made));
                }
                Step::Remove(at) if at < model.len() => {
                    let gone = model.swap_remove(at);
                    let found = index.remove(gone.id);
                    prop_assert!(found.is_some() || gone.until <= now);
                }
                Step::Remove(_) => {}
                Step::Wait(seconds) => now = now.plus(seconds),
            }
            if eager {
                index.expire(now);
            }
            for signed in [&token, &*session] {
                let denied = model.iter().any(|revocation| denies(revocation, signed, now));
                prop_assert_eq!(index.check(signed, now).is_err(), denied);
            }
        }
        index.expire(now);
        prop_assert_eq!(index.len(), model.iter().filter(|revocation| revocation.until > now).count());
    }
}

#[test]
fn threads_that_read_see_what_one_adds() {
    let index = Revocations::new();
    let signed = token();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| while index.check(&signed, NOW).is_ok() {});
        for number in 0..1000 {
            let viewer = number.to_string();
            index.add(revocation(
                Facets {
                    viewer: Some(&viewer),
                    ..NONE
                },
                NOW.plus(60),
            ));
        }
        index.add(revocation(
            Facets {
                viewer: Some("v"),
                ..NONE
            },
            NOW.plus(60),
        ));
        reader.join().unwrap();
    });
    let id = SessionId::parse("00112233445566778899aabbccddeeff");
    index.add(revocation(
        Facets {
            session: id,
            ..NONE
        },
        NOW.plus(60),
    ));
    assert_eq!(index.len(), 1002);
}
