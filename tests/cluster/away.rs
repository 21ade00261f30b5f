//! Redis is killed, restarted and paused under load: requests go on, in time.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use crate::{redis_server::Redis, support::Upstream, world::Member};

/// Every answer and how long it took, while `meanwhile` runs and members are asked without a pause.
#[expect(clippy::disallowed_methods, reason = "real time is measured")]
fn under_load(members: &[Member], meanwhile: impl FnOnce()) -> Vec<(u16, Duration)> {
    let (done, answers) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for (index, member) in members.iter().enumerate() {
            let (done, answers) = (&done, &answers);
            scope.spawn(move || {
                let mut turn = 0;
                while !done.load(Ordering::Relaxed) {
                    turn += 1;
                    let began = Instant::now();
                    let reply = member.ask(&format!("viewer-{index}-{turn}"));
                    let took = began.elapsed();
                    answers.lock().unwrap().push((reply.status, took));
                }
            });
        }
        meanwhile();
        done.store(true, Ordering::Relaxed);
    });
    answers.into_inner().unwrap()
}

fn pause() {
    std::thread::sleep(Duration::from_millis(600));
}

const LIMITS: &str = "[site.reports.limits]\nviewer = \"3/h\"\nsite = \"1000000/h\"\n";

#[test]
fn requests_go_on_while_redis_is_killed_restarted_and_paused() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"200ms\"", redis.url());
    let members = Member::several(3, &upstream, "", LIMITS, &cluster);
    let late =
        |member: &Member| member.metric("embedgate_cluster_exchanges_total{result=\"late\"}");
    let answers = under_load(&members, || {
        pause();
        redis.kill();
        pause();
        redis.run();
        pause();
        redis.pause();
        pause();
        redis.resume();
        pause();
    });
    assert!(answers.len() > 50, "{}", answers.len());
    let wrong: Vec<_> = answers
        .iter()
        .filter(|(status, _)| *status != 200)
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let slow = |limit: u64| {
        let limit = Duration::from_millis(limit);
        answers.iter().filter(|(_, took)| *took >= limit).count()
    };
    assert_eq!(
        slow(1500),
        0,
        "nobody waits for much longer than the time limit"
    );
    for member in &members {
        member.connected();
        let late = late(member);
        assert!(late <= 4, "the first few wait, nobody after them: {late}");
    }
}

#[test]
fn the_quota_of_each_gateway_holds_while_redis_is_away() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(2, &upstream, "", LIMITS, &cluster);
    assert_eq!(members[0].ask("ada").status, 200);
    redis.kill();
    for member in &members {
        member.noticed();
    }
    let passed = |member: &Member| (0..5).filter(|_| member.ask("ada").status == 200).count();
    assert_eq!(
        passed(&members[0]),
        2,
        "what passed before is not forgotten"
    );
    assert_eq!(passed(&members[1]), 3);
    assert_eq!(members[0].metric("embedgate_cluster_up"), 0);
    redis.run();
    members[0].connected();
    assert_eq!(members[0].metric("embedgate_cluster_up"), 1);
}

#[test]
fn limits_can_refuse_while_redis_is_away() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!(
        "redis = \"{}\"\ntimeout = \"5s\"\nlimits = \"refuse\"",
        redis.url()
    );
    let members = Member::several(1, &upstream, "", LIMITS, &cluster);
    assert_eq!(members[0].ask("ada").status, 200);
    redis.kill();
    members[0].noticed();
    let refused = members[0].ask("ada");
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (503, "overloaded")
    );
    let readiness = members[0].readiness();
    assert_eq!(readiness["status"], "ready");
    assert_eq!(readiness["degraded"][0], "redis does not answer");
}

#[test]
fn a_gateway_starts_without_redis_and_finds_it_later() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    redis.kill();
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let member = Member::start(&upstream, "", LIMITS, &cluster);
    member.noticed();
    assert_eq!(member.ask("ada").status, 200);
    redis.run();
    member.connected();
    for expected in [200, 200, 200, 429] {
        assert_eq!(member.ask("ada").status, expected);
    }
}

#[test]
fn scripts_that_redis_has_forgotten_are_told_again() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let cluster = format!("redis = \"{}\"\ntimeout = \"5s\"", redis.url());
    let members = Member::several(1, &upstream, "", LIMITS, &cluster);
    assert_eq!(members[0].ask("ada").status, 200);
    assert!(redis.command("SCRIPT FLUSH").starts_with("+OK"));
    for expected in [200, 200, 429] {
        assert_eq!(members[0].ask("ada").status, expected);
    }
    assert_eq!(
        members[0].metric("embedgate_cluster_exchanges_total{result=\"answered\"}"),
        4
    );
}
