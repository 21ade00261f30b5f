//! Limits that three gateways count together.

use std::sync::{
    Arc, Barrier,
    atomic::{AtomicUsize, Ordering},
};

use crate::{
    redis_server::Redis,
    support::{Upstream, get},
    world::Member,
};

fn viewer(quota: &str) -> String {
    format!("[site.reports.limits]\nviewer = \"{quota}\"\n")
}

#[test]
fn exactly_as_many_requests_pass_as_the_quota_has() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(3, &upstream, "", &viewer("60/h"), &cluster);
    let members = Arc::new(members);
    let (passed, limited) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let start = Barrier::new(6);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (members, passed, limited, start) = (&members, &passed, &limited, &start);
            scope.spawn(move || {
                start.wait();
                for turn in 0..20 {
                    let reply = members[(thread + turn) % 3].ask("ada");
                    match (reply.status, reply.code().as_str()) {
                        (200, _) => passed.fetch_add(1, Ordering::Relaxed),
                        (429, "rate_limited") => limited.fetch_add(1, Ordering::Relaxed),
                        other => panic!("{other:?}"),
                    };
                }
            });
        }
    });
    assert_eq!(
        (passed.into_inner(), limited.into_inner()),
        (60, 60),
        "not one more, not one less"
    );
    assert_eq!(upstream.seen().len(), 60);
    for member in members.iter() {
        assert_eq!(
            member.ask("bob").status,
            200,
            "another viewer has another quota"
        );
    }
}

#[test]
fn a_client_is_told_what_all_gateways_together_know() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(2, &upstream, "", &viewer("3/min"), &cluster);
    for turn in 0..3 {
        assert_eq!(members[turn % 2].ask("ada").status, 200);
    }
    for member in &members {
        let reply = member.ask("ada");
        assert_eq!(reply.code(), "rate_limited");
        assert_eq!(
            reply.header("ratelimit-policy"),
            Some("\"viewer\";q=3;w=60")
        );
        assert_eq!(reply.header("ratelimit"), Some("\"viewer\";r=0;t=60"));
        let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=20).contains(&seconds), "{seconds}");
    }
}

#[test]
fn who_must_wait_need_not_ask_redis_and_files_never_do() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let more = "[site.reports.limits]\nviewer = \"2/h\"\ntenant = \"9/h\"\nsite = \"99/h\"\n";
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(1, &upstream, "", more, &cluster);
    let member = &members[0];
    for _ in 0..9 {
        assert_eq!(get(member.gateway.address, "/static/a.js", &[]).status, 200);
    }
    assert_eq!(member.exchanges(), 0);
    for expected in [200, 200, 429, 429, 429, 429] {
        assert_eq!(member.ask("ada").status, expected);
    }
    assert_eq!(member.exchanges(), 3, "one each, until one was refused");
}

#[test]
fn what_redis_holds_names_nobody() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(1, &upstream, "", &viewer("3/h"), &cluster);
    assert_eq!(members[0].ask("ada-lovelace").status, 200);
    let keys = redis.command("KEYS *");
    assert!(keys.contains("{embedgate}:l:v:"), "{keys}");
    assert!(!keys.contains("ada") && !keys.contains("reports"), "{keys}");
}

#[test]
fn installations_with_another_prefix_do_not_meet() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = |prefix: &str| {
        format!(
            "redis = \"{}\"\ntimeout = \"5s\"\nprefix = \"{prefix}\"",
            redis.url()
        )
    };
    for prefix in ["one", "two"] {
        let members = Member::several(1, &upstream, "", &viewer("1/h"), &cluster(prefix));
        assert_eq!(members[0].ask("ada").status, 200, "{prefix}");
        assert_eq!(members[0].ask("ada").status, 429, "{prefix}");
    }
}
