//! A token opens one page, at whichever of three gateways.

use std::sync::{
    Barrier,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::json;

use crate::{
    redis_server::Redis,
    support::{Answer, Upstream, browser::Browser, gateway, token},
    world::Member,
};

const PAGE: &str = "/reports/q3";

/// A link, with a token of now.
fn link(name: &str) -> String {
    let token = token(&json!({ "jti": name }));
    format!("{PAGE}?embed_token={token}")
}

fn upstream() -> Upstream {
    Upstream::start(|_| Answer::html("<p>q3</p>"))
}

/// Gateways at a Redis that has remembered for long.
fn start(
    redis: &Redis,
    count: usize,
    upstream: &Upstream,
    limits: &str,
    cluster: &str,
) -> Vec<Member> {
    let members = Member::several(count, upstream, "single_use = true", limits, cluster);
    assert!(redis.command("SET {embedgate}:began 1").starts_with("+OK"));
    gateway::next_second();
    members
}

fn cluster(redis: &Redis, more: &str) -> String {
    format!("redis = \"{}\"\ntimeout = \"2s\"\n{more}", redis.url())
}

#[test]
fn exactly_one_of_many_page_loads_at_once_wins() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = upstream();
    let members = start(&redis, 3, &upstream, "", &cluster(&redis, ""));
    for round in 0..5 {
        let link = link(&format!("t-{round}"));
        let won = AtomicUsize::new(0);
        let start = Barrier::new(9);
        std::thread::scope(|scope| {
            for thread in 0..9 {
                let (members, link, won, start) = (&members, &link, &won, &start);
                scope.spawn(move || {
                    start.wait();
                    let mut browser = Browser::default();
                    let reply = browser.load(members[thread % 3].gateway.address, link);
                    match (reply.status, reply.code().as_str()) {
                        (200, _) => won.fetch_add(1, Ordering::Relaxed),
                        (401, _) => 0,
                        other => panic!("{other:?} {reply:?}"),
                    };
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "round {round}");
    }
}

#[test]
fn the_browser_that_won_goes_on_at_any_gateway_and_reloads() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = upstream();
    let limits = "[site.reports.limits]\nviewer = \"100/h\"\n";
    let members = start(&redis, 2, &upstream, limits, &cluster(&redis, ""));
    let [first, second] = [members[0].gateway.address, members[1].gateway.address];
    let link = link("t-1");
    let mut browser = Browser::default();
    assert_eq!(browser.load(first, &link).status, 200);
    assert_eq!(browser.fetch(second, PAGE, PAGE).status, 200);
    assert_eq!(
        browser.load(second, &link).status,
        200,
        "a reload, elsewhere"
    );
    assert_eq!(Browser::default().load(second, &link).status, 401, "a copy");
    let asked: i64 = members.iter().map(Member::exchanges).sum();
    let answered = upstream.seen().len();
    assert!(
        asked <= 2 * 3 + 1,
        "one exchange for each request: {asked}, {answered}"
    );
}

#[test]
fn without_redis_no_token_is_used_and_sessions_go_on() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = upstream();
    let short = cluster(&redis, "").replace("2s", "200ms");
    let members = start(&redis, 2, &upstream, "", &short);
    let address = members[0].gateway.address;
    let mut browser = Browser::default();
    assert_eq!(browser.load(address, &link("t-1")).status, 200);
    redis.pause();
    let token = link("t-2");
    for _ in 0..3 {
        let refused = Browser::default().load(address, &token);
        assert_eq!(refused.status, 503, "{refused:?}");
    }
    assert_eq!(browser.fetch(address, PAGE, PAGE).status, 200);
    redis.resume();
    for member in &members {
        member.connected();
    }
    let late = Browser::default()
        .load(members[1].gateway.address, &token)
        .status;
    assert!(
        late == 200 || late == 401,
        "it was refused, perhaps burnt by what Redis read when it went on: {late}"
    );
    assert_eq!(browser.load(address, &link("t-3")).status, 200);
}

#[test]
fn a_danger_key_lets_each_gateway_decide_alone() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = upstream();
    let danger = cluster(&redis, "danger_local_single_use = true");
    let members = start(&redis, 2, &upstream, "", &danger);
    let [first, second] = [members[0].gateway.address, members[1].gateway.address];
    let before = link("t-0");
    assert_eq!(Browser::default().load(first, &before).status, 200);
    redis.kill();
    for member in &members {
        member.noticed();
    }
    let token = link("t-1");
    let load = |address| Browser::default().load(address, &token).status;
    assert_eq!([load(first), load(first), load(second)], [200, 401, 200]);
    assert_eq!(
        Browser::default().load(first, &before).status,
        401,
        "what this gateway burnt while Redis was there, it remembers"
    );
}

#[test]
fn a_redis_that_lost_its_memory_makes_no_token_new() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = upstream();
    let members = start(&redis, 2, &upstream, "", &cluster(&redis, ""));
    let link = link("t-1");
    let load = |member: &Member| {
        Browser::default()
            .load(member.gateway.address, &link)
            .status
    };
    assert_eq!(load(&members[0]), 200);
    redis.kill();
    for member in &members {
        member.noticed();
    }
    redis.run();
    for member in &members {
        member.connected();
        assert_eq!(load(member), 401);
    }
    redis.command("FLUSHALL");
    assert_eq!(load(&members[0]), 401);
}
