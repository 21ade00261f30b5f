use proptest::prelude::*;

use super::*;

const NOW: UnixTime = UnixTime(1_764_000_000);
const BEGAN: UnixTime = UnixTime(1_763_999_999);

fn token<'a>(issuer: &'a str, token_id: &'a str) -> Burning<'a> {
    Burning {
        issuer,
        token_id,
        issued: NOW,
        until: NOW.plus(605),
    }
}

#[test]
fn a_token_is_used_once() {
    let burnt = Burnt::new(10, BEGAN);
    assert_eq!(burnt.burn(&token("app", "a"), NOW), Burn::First);
    for later in [0, 1, 604, 605, 664] {
        assert_eq!(
            burnt.burn(&token("app", "a"), NOW.plus(later)),
            Burn::Again,
            "{later}"
        );
    }
}

#[test]
fn issuers_and_ids_do_not_meet() {
    let burnt = Burnt::new(10, BEGAN);
    for (issuer, id) in [("app", "a"), ("ap", "pa"), ("appa", ""), ("other", "a")] {
        assert_eq!(
            burnt.burn(&token(issuer, id), NOW),
            Burn::First,
            "{issuer} {id}"
        );
    }
}

#[test]
fn what_is_over_is_forgotten_and_makes_room() {
    let burnt = Burnt::new(2, BEGAN);
    assert_eq!(burnt.burn(&token("app", "a"), NOW), Burn::First);
    assert_eq!(burnt.burn(&token("app", "b"), NOW.plus(1)), Burn::First);
    assert_eq!(burnt.burn(&token("app", "c"), NOW.plus(2)), Burn::Full);
    assert_eq!(burnt.burn(&token("app", "a"), NOW.plus(2)), Burn::Again);
    let late = NOW.plus(605 + GRACE);
    let fresh = Burning {
        until: late.plus(605),
        ..token("app", "c")
    };
    assert_eq!(burnt.burn(&fresh, late), Burn::First);
    assert_eq!(burnt.len(), 1);
}

#[test]
fn what_was_issued_before_the_memory_began_counts_as_used() {
    let burnt = Burnt::new(10, BEGAN);
    // Of that very second, nobody can tell whether it was before or after.
    for issued in [BEGAN.plus(-1), BEGAN] {
        let older = Burning {
            issued,
            ..token("app", "a")
        };
        assert_eq!(burnt.burn(&older, NOW), Burn::Again, "{issued:?}");
    }
    assert!(burnt.is_empty());
}

#[test]
fn a_clock_that_jumps_ahead_and_back_makes_nothing_new() {
    let burnt = Burnt::new(10, BEGAN);
    assert_eq!(burnt.burn(&token("app", "a"), NOW), Burn::First);
    let ahead = NOW.plus(36_000);
    let then = Burning {
        issued: ahead,
        until: ahead.plus(605),
        ..token("app", "b")
    };
    assert_eq!(burnt.burn(&then, ahead), Burn::First);
    assert_eq!(burnt.len(), 1, "the first one is forgotten");
    for later in [1, 300, 604] {
        let again = burnt.burn(&token("app", "a"), NOW.plus(later));
        assert_eq!(again, Burn::Again, "{later}");
    }
    let fresh = Burning {
        issued: NOW.plus(1),
        until: NOW.plus(606),
        ..token("app", "c")
    };
    assert_eq!(burnt.burn(&fresh, NOW.plus(1)), Burn::First);
}

#[test]
fn of_many_at_once_one_is_first() {
    let burnt = Burnt::new(1000, BEGAN);
    for round in 0..50 {
        let id = round.to_string();
        let first = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    if burnt.burn(&token("app", &id), NOW) == Burn::First {
                        first.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(first.into_inner(), 1, "{id}");
    }
}

proptest! {
    #[test]
    fn never_twice_and_never_more_than_there_is_room_for(uses in prop::collection::vec((0_u8..20, 0_i64..900), 1..200)) {
        let burnt = Burnt::new(8, BEGAN);
        let mut first = HashSet::new();
        let mut now = NOW;
        for (id, pause) in uses {
            now = now.plus(pause / 30);
            let id = format!("{id}-{}", now.0 / 300);
            let one = Burning { issuer: "app", token_id: &id, issued: now, until: NOW.plus(now.0 - NOW.0 + 300) };
            if burnt.burn(&one, now) == Burn::First {
                prop_assert!(first.insert(id));
            }
            prop_assert!(burnt.len() <= 8);
        }
    }
}
