//! A revocation made at one gateway is in force at all of them, whatever happens to Redis, and so is its end.

use std::{net::SocketAddr, path::Path};

use serde_json::{Value, json};

use crate::{
    redis_server::Redis,
    support::{
        Gateway, Upstream,
        client::Reply,
        eventually, send, token,
        websocket::{Peers, open},
    },
    world::{Member, secrets, text},
};

const ADMIN: &str = "admin-token-0123456789";

/// One that keeps its revocations in a file, where there is one.
fn start(upstream: &Upstream, redis: &Redis, file: Option<&Path>) -> Member {
    serve(upstream.address, "", redis, file)
}

fn serve(upstream: SocketAddr, more: &str, redis: &Redis, file: Option<&Path>) -> Member {
    let cluster = format!("redis = \"{}\"\ntimeout = \"2s\"", redis.url());
    let mut text = text(upstream, "", more, &cluster)
        .replace("[admin]", "[admin]\ntoken = { env = \"ADMIN\" }");
    if let Some(file) = file {
        text = format!("[revocations]\nfile = \"{}\"\n{text}", file.display());
    }
    let gateway = Gateway::start_with(&text, &|name| match name {
        "ADMIN" => Some(ADMIN.to_owned()),
        name => secrets(name),
    });
    Member { gateway }
}

fn several(count: usize, upstream: &Upstream, redis: &Redis) -> Vec<Member> {
    let members: Vec<Member> = (0..count).map(|_| start(upstream, redis, None)).collect();
    members.iter().for_each(Member::connected);
    members
}

fn admin(member: &Member, method: &str, path: &str, body: &str) -> Reply {
    let length = body.len();
    let text = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    send(member.gateway.admin.unwrap(), text.as_bytes())
}

fn revoke(member: &Member, viewer: &str) -> Value {
    let wanted = json!({ "viewer": viewer, "reason": "a test" });
    let made = admin(member, "POST", "/v1/revocations", &wanted.to_string());
    assert_eq!(made.status, 201, "{made:?}");
    made.json()
}

fn take_back(member: &Member, made: &Value) -> u16 {
    let id = made["id"].as_str().unwrap();
    admin(member, "DELETE", &format!("/v1/revocations/{id}"), "").status
}

fn is_denied(member: &Member, viewer: &str) -> bool {
    let reply = member.ask(viewer);
    match (reply.status, reply.code().as_str()) {
        (200, _) => false,
        (401, "token_revoked") => true,
        other => panic!("{other:?}"),
    }
}

fn all_deny(members: &[Member], viewer: &str) {
    for member in members {
        eventually("it is denied", || is_denied(member, viewer));
    }
}

fn all_let_in(members: &[Member], viewer: &str) {
    for member in members {
        eventually("it is let in", || !is_denied(member, viewer));
    }
}

#[test]
fn what_one_gateway_revokes_and_takes_back_the_others_do_too() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let members = several(3, &upstream, &redis);
    let made = revoke(&members[0], "ada");
    assert_eq!(made["shared"], true);
    assert!(is_denied(&members[0], "ada"), "at once where it was made");
    all_deny(&members, "ada");
    assert!(!is_denied(&members[1], "bob"));
    assert_eq!(
        take_back(&members[2], &made),
        204,
        "by another than made it"
    );
    all_let_in(&members, "ada");
    assert_eq!(take_back(&members[1], &made), 404);
}

#[test]
fn what_one_gateway_revokes_ends_websockets_at_the_others() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let peers = Peers::start();
    let route = r#"
[[site.reports.routes]]
path = "/ws/{rest}"
websocket = true
danger_unread_messages = true
"#;
    let members = [(); 2].map(|()| serve(peers.address, route, &redis, None));
    members.iter().for_each(Member::connected);
    let mut sockets = ["ada", "bob"].map(|viewer| {
        let bearer = format!("Bearer {}", token(&json!({ "sub": viewer })));
        let fields = [("Authorization", &*bearer)];
        open(members[1].gateway.address, "/ws/echo", &fields)
    });
    let [ada, bob] = &mut sockets;
    for socket in [&mut *ada, &mut *bob] {
        socket.text("hello");
        socket.expect_text("hello");
    }
    revoke(&members[0], "ada");
    let (code, reason) = ada.frame().expect("a Close").close();
    assert_eq!((code, reason.as_str()), (1008, "token_revoked"));
    bob.text("still here");
    bob.expect_text("still here");
}

#[test]
fn redis_holds_no_name_and_a_forged_record_is_none() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let members = several(2, &upstream, &redis);
    let made = revoke(&members[0], "ada-lovelace");
    all_deny(&members, "ada-lovelace");
    let held = redis.command("HGETALL {embedgate}:revoked")
        + &redis.command("XRANGE {embedgate}:changes - +");
    assert!(held.contains(made["id"].as_str().unwrap()));
    assert!(!held.contains("lovelace"), "{held}");
    // Who writes to Redis without the secret neither takes back nor revokes.
    let id = made["id"].as_str().unwrap();
    redis.command(&format!("HSET {{embedgate}}:revoked {id} forged"));
    redis.command(&format!(
        "XADD {{embedgate}}:changes * id {id} record forged"
    ));
    redis.command("XADD {embedgate}:changes * id 0 nonsense 1");
    let other = revoke(&members[1], "bob");
    all_deny(&members, "bob");
    all_deny(&members, "ada-lovelace");
    assert_eq!(take_back(&members[0], &other), 204);
    all_let_in(&members, "bob");
}

#[test]
fn while_redis_is_away_the_last_known_holds_and_then_all_learn_all() {
    let Some(mut redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let members = several(3, &upstream, &redis);
    let before = revoke(&members[0], "before");
    all_deny(&members, "before");
    redis.kill();
    members.iter().for_each(Member::noticed);
    all_deny(&members, "before");
    let meanwhile = revoke(&members[1], "meanwhile");
    assert_eq!(meanwhile["shared"], false);
    assert!(is_denied(&members[1], "meanwhile"));
    assert!(!is_denied(&members[2], "meanwhile"));
    assert_eq!(
        take_back(&members[0], &before),
        503,
        "the others would give it back"
    );
    assert!(is_denied(&members[0], "before"));
    // It comes back with nothing in its memory: it is given all of it again.
    redis.run();
    members.iter().for_each(Member::connected);
    all_deny(&members, "meanwhile");
    let late = start(&upstream, &redis, None);
    late.connected();
    assert!(is_denied(&late, "before") && is_denied(&late, "meanwhile"));
    assert_eq!(take_back(&members[2], &before), 204);
    all_let_in(&members, "before");
    eventually("the late one too", || !is_denied(&late, "before"));
}

#[test]
fn a_redis_that_hangs_holds_nobody_up() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let members = several(2, &upstream, &redis);
    revoke(&members[0], "before");
    all_deny(&members, "before");
    redis.pause();
    assert!(is_denied(&members[1], "before"));
    let made = revoke(&members[0], "meanwhile");
    assert_eq!(made["shared"], false);
    assert!(is_denied(&members[0], "meanwhile"));
    members.iter().for_each(Member::noticed);
    redis.resume();
    members.iter().for_each(Member::connected);
    all_deny(&members, "meanwhile");
}

#[test]
fn who_was_away_learns_what_was_made_and_taken_back_meanwhile() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("revocations.jsonl");
    let one = start(&upstream, &redis, None);
    let two = start(&upstream, &redis, Some(&file));
    one.connected();
    two.connected();
    let first = revoke(&one, "first");
    eventually("it is denied", || is_denied(&two, "first"));
    two.gateway.stop();
    assert_eq!(take_back(&one, &first), 204);
    revoke(&one, "second");
    // The file as a restart finds it; the name itself stays with this process.
    let kept = folder.path().join("kept.jsonl");
    std::fs::copy(&file, &kept).unwrap();
    let two = start(&upstream, &redis, Some(&kept));
    two.connected();
    assert!(
        !is_denied(&two, "first"),
        "not put back by the one that was away"
    );
    assert!(!is_denied(&one, "first"));
    assert!(is_denied(&two, "second"));
    two.gateway.stop();
    drop((one, redis));
    // What was learnt is on the disk: without Redis the last known holds.
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(
        text.contains("second") && text.contains("removed"),
        "{text}"
    );
}

#[test]
fn revocations_that_are_over_are_forgotten_by_redis() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let upstream = Upstream::plain();
    let members = several(1, &upstream, &redis);
    let made = revoke(&members[0], "ada");
    let held = || redis.command("HLEN {embedgate}:revoked").contains(":1\r\n");
    assert!(held());
    let id = made["id"].as_str().unwrap();
    redis.command(&format!("ZADD {{embedgate}}:due 1 {id}"));
    // Purged whenever a gateway connects.
    let other = start(&upstream, &redis, None);
    other.connected();
    assert!(!held());
    assert!(is_denied(&members[0], "ada") && !is_denied(&other, "ada"));
}
