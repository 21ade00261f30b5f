//! What ends a WebSocket: revocation by every subject, the end of its grant, a reload, shutdown, silence.

use std::time::{Duration, Instant};

use crate::{
    support::{
        Gateway, client, eventually, gateway,
        gateway::{APP, SESSION, token},
        get, send,
        websocket::{Peers, Socket, open},
    },
    websocket::{by_token, metric, text, trail},
};
use embedgate::{config::Snapshot, gate::token::Signer, server::launch::launch};
use serde_json::{Value, json};

const ADMIN: &str = "admin-token-0123456789";

/// With a writable admin side, and an audit trail where one is wanted.
fn serve(text: &str) -> Gateway {
    let text = text.replace("[admin]", "[admin]\ntoken = { env = \"ADMIN\" }");
    Gateway::start_with(&text, &|name| (name == "ADMIN").then(|| ADMIN.to_owned()))
}

fn post(admin: std::net::SocketAddr, path: &str, body: &str) -> client::Reply {
    let length = body.len();
    let text = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    send(admin, text.as_bytes())
}

fn revoke(gateway: &Gateway, subject: &Value) {
    let mut wanted = subject.clone();
    wanted["reason"] = "a test".into();
    let made = post(
        gateway.admin.unwrap(),
        "/v1/revocations",
        &wanted.to_string(),
    );
    assert_eq!(made.status, 201, "{wanted}: {made:?}");
}

fn session(gateway: &Gateway, token: &str) -> String {
    let target = format!("/reports/q3?embed_token={token}");
    let page = get(gateway.address, &target, &[("Sec-Fetch-Dest", "iframe")]);
    page.session().unwrap_or_else(|| panic!("{page:?}"))
}

fn by_session(gateway: &Gateway, cookie: &str) -> Socket {
    let fields = [("Cookie", cookie), ("Origin", "http://bi.example.com")];
    open(gateway.address, "/ws/echo", &fields)
}

fn works(socket: &mut Socket) {
    socket.text("hello");
    socket.expect_text("hello");
}

/// The Close that comes next, and how long that took.
#[expect(
    clippy::disallowed_methods,
    reason = "the gateway under test lives in real time"
)]
fn closed(socket: &mut Socket) -> ((u16, String), Duration) {
    let began = Instant::now();
    let close = socket.frame().expect("a Close frame").close();
    assert_eq!(socket.rest(), b"", "nothing follows");
    (close, began.elapsed())
}

fn denied(code: &str) -> (u16, String) {
    (1008, code.to_owned())
}

#[test]
fn a_revocation_by_every_subject_ends_tunnels_of_tokens_and_sessions_at_once() {
    let peers = Peers::start();
    let text = text(peers.address, "")
        .replace("workers = 1", "workers = 2")
        .replace(
            "algorithm = \"HS256\"\nsecret = { env = \"APP\" }",
            "keys = [{ kid = \"k1\", algorithm = \"HS256\", secret = { env = \"APP\" } }]",
        );
    let sign = |sub: &str, kid: &str| {
        let mut claims = gateway::claims();
        claims["tenant"] = "acme".into();
        claims["sub"] = sub.into();
        claims["jti"] = format!("t-{sub}").into();
        let signer = Signer::new("HS256", APP.as_bytes(), Some(kid)).unwrap();
        signer.sign(&claims).unwrap()
    };
    for subject in [
        json!({ "viewer": "v1" }),
        json!({ "viewer": "v1", "tenant": "acme", "issuer": "app" }),
        json!({ "tenant": "acme" }),
        json!({ "jti": "t-v1" }),
        json!({ "kid": "k1" }),
        json!({ "issuer": "app" }),
    ] {
        let gateway = serve(&text);
        let token = sign("v1", "k1");
        let cookie = session(&gateway, &token);
        let bearer = format!("Bearer {token}");
        let mut sockets = vec![
            open(gateway.address, "/ws/echo", &[("Authorization", &bearer)]),
            by_session(&gateway, &cookie),
        ];
        // Fresh connections, so both workers have some.
        sockets.extend((0..6).map(|_| by_session(&gateway, &cookie)));
        sockets.iter_mut().for_each(works);
        let all = ["tenant", "kid", "issuer"]
            .iter()
            .any(|name| subject.as_object().unwrap().contains_key(*name));
        let whole = all && subject.get("viewer").is_none();
        let other = format!("Bearer {}", sign("v2", "k1"));
        let mut other = open(gateway.address, "/ws/echo", &[("Authorization", &other)]);
        works(&mut other);
        revoke(&gateway, &subject);
        for mut socket in sockets {
            let (close, took) = closed(&mut socket);
            assert_eq!(close, denied("token_revoked"), "{subject}");
            assert!(took < Duration::from_secs(1), "{subject}: {took:?}");
        }
        if whole {
            assert_eq!(closed(&mut other).0, denied("token_revoked"), "{subject}");
        } else {
            works(&mut other);
        }
    }
}

#[test]
fn a_revoked_session_ends_its_tunnel_alone_and_the_trail_tells_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let peers = Peers::start();
    let text = text(peers.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", path.display()),
    );
    let gateway = serve(&text);
    let token = token(&json!({}));
    let [cookie, another] = [(); 2].map(|()| session(&gateway, &token));
    let seen = get(gateway.address, "/ws/plain", &[("Cookie", &cookie)]);
    assert_eq!(seen.status, 200);
    let mut id = None;
    eventually("the trail names the session", || {
        let lines = trail(&path);
        id = lines
            .iter()
            .rev()
            .find_map(|line| Some(line["session"].as_str()?.to_owned()));
        id.is_some()
    });
    let mut socket = by_session(&gateway, &cookie);
    let mut other = by_session(&gateway, &another);
    works(&mut socket);
    revoke(&gateway, &json!({ "session": id.unwrap() }));
    assert_eq!(closed(&mut socket).0, denied("token_revoked"));
    works(&mut other);
    eventually("the upstream is told", || {
        peers.ends() == [Some((1001, "token_revoked".to_owned()))]
    });
    let page = get(gateway.admin.unwrap(), "/metrics", &[("Host", "localhost")]);
    let line = "embedgate_refusals_total{site=\"reports\",code=\"token_revoked\"} 1\n";
    assert!(page.text().contains(line), "{}", page.text());
    drop((socket, other));
    gateway.stop();
    let lines = trail(&path);
    let line = lines.iter().find(|line| line["code"] == "token_revoked");
    let line = line.unwrap_or_else(|| panic!("{lines:?}"));
    assert_eq!(
        (&line["status"], &line["outcome"]),
        (&json!(101), &json!("allowed"))
    );
    let detail = line["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("revocation 0") && detail.ends_with(" bytes"),
        "{detail}"
    );
}

#[test]
fn a_revocation_in_the_middle_of_a_frame_cuts_the_stream() {
    let peers = Peers::start();
    let gateway = serve(&text(peers.address, ""));
    let mut socket = by_token(&gateway, "half");
    assert_eq!(socket.take(6), [0x82, 126, 0x10, 0, b'x', b'y']);
    revoke(&gateway, &json!({ "viewer": "viewer-7" }));
    assert_eq!(
        socket.rest(),
        b"",
        "no Close that would pass for the frame's payload"
    );
}

#[test]
fn a_flood_is_over_with_the_revocation() {
    let peers = Peers::start();
    let gateway = serve(&text(peers.address, ""));
    let mut socket = by_token(&gateway, "flood");
    assert_eq!(socket.frame().unwrap().payload.len(), 60_000);
    revoke(&gateway, &json!({ "viewer": "viewer-7" }));
    // What was on its way may arrive; more than the sockets hold must not.
    assert!(socket.rest().len() < 32 << 20);
    eventually("the tunnel is gone", || metric(&gateway, "websockets") == 0);
}

#[test]
fn a_tunnel_ends_with_its_token() {
    let peers = Peers::start();
    let text = text(peers.address, "").replace(
        "audience = \"embedgate\"",
        "audience = \"embedgate\"\nleeway = \"0s\"",
    );
    let gateway = serve(&text);
    let short = token(&json!({ "exp": gateway::now() + 2 }));
    let target = format!("/ws/drip?embed_token={short}");
    let mut socket = open(gateway.address, &target, &[]);
    let mut last = None;
    while let Some(frame) = socket.frame() {
        last = Some(frame);
    }
    assert_eq!(last.unwrap().close(), denied("token_expired"));
}

#[test]
fn a_tunnel_ends_with_its_session_or_when_the_client_is_silent_for_its_idle_time() {
    let peers = Peers::start();
    let lives = |life: &str| {
        let secret = "secret = { env = \"SESSION\" }";
        let text = text(peers.address, "").replace(secret, &format!("{secret}\n{life}"));
        serve(&text)
    };
    let gateway = lives("lifetime = \"2s\"\nidle = \"2s\"");
    let cookie = session(&gateway, &token(&json!({})));
    let mut socket = by_session(&gateway, &cookie);
    let close = loop {
        std::thread::sleep(Duration::from_millis(100));
        socket.text("busy");
        match socket.frame() {
            Some(frame) if frame.first == 0x81 => {}
            frame => break frame.unwrap().close(),
        }
    };
    assert_eq!(close, denied("session_expired"));

    let gateway = lives("idle = \"2s\"");
    let cookie = session(&gateway, &token(&json!({})));
    let fields = [("Cookie", &*cookie), ("Origin", "http://bi.example.com")];
    // The upstream goes on talking.
    let mut silent = open(gateway.address, "/ws/drip", &fields);
    let mut busy = by_session(&gateway, &cookie);
    let close = loop {
        works(&mut busy);
        let frame = silent.frame().unwrap();
        if frame.first != 0x89 {
            break frame.close();
        }
    };
    assert_eq!(close, denied("session_expired"));
    works(&mut busy);
}

#[test]
fn silence_and_a_long_life_end_it() {
    let (_peers, gateway) =
        crate::websocket::start("[site.reports.timeouts]\nwebsocket_idle = \"1s\"\n");
    let mut silent = by_token(&gateway, "echo");
    works(&mut silent);
    let (close, took) = closed(&mut silent);
    assert_eq!(close, (1001, "idle".to_owned()));
    assert!(took > Duration::from_millis(900), "{took:?}");
    let mut socket = by_token(&gateway, "drip");
    for _ in 0..10 {
        assert_eq!(socket.frame().unwrap().first, 0x89);
    }

    let (_peers, gateway) =
        crate::websocket::start("[site.reports.timeouts]\nwebsocket_life = \"1s\"\n");
    let mut socket = by_token(&gateway, "drip");
    let mut last = None;
    while let Some(frame) = socket.frame() {
        last = Some(frame);
    }
    assert_eq!(last.unwrap().close(), (1001, "life".to_owned()));
}

#[test]
fn shutdown_tells_them_and_waits_for_the_frame_in_progress() {
    let peers = Peers::start();
    let gateway = serve(&text(peers.address, ""));
    let mut idle = by_token(&gateway, "echo");
    works(&mut idle);
    let mut busy = by_token(&gateway, "tail");
    assert_eq!(busy.take(5), [0x82, 126, 0x10, 0, b'x']);
    let stopping = std::thread::spawn(move || gateway.stop());
    assert_eq!(closed(&mut idle).0, (1001, "shutdown".to_owned()));
    assert_eq!(busy.take(0x0fff), vec![b'x'; 0x0fff]);
    assert_eq!(closed(&mut busy).0, (1001, "shutdown".to_owned()));
    drop((idle, busy));
    stopping.join().unwrap();
    eventually("the upstream is told", || {
        let ends = peers.ends();
        ends.len() == 2
            && ends
                .iter()
                .all(|end| *end == Some((1001, "shutdown".to_owned())))
    });
}

#[test]
fn shutdown_does_not_wait_for_a_client_that_reads_nothing() {
    let peers = Peers::start();
    let gateway = serve(&text(peers.address, ""));
    let _stuck = by_token(&gateway, "flood");
    std::thread::sleep(Duration::from_millis(300));
    let (done, stopped) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        gateway.stop();
        done.send(()).unwrap();
    });
    // The grace period of these tests is five seconds.
    assert!(stopped.recv_timeout(Duration::from_secs(8)).is_ok());
}

#[test]
fn a_reload_ends_what_it_would_not_permit_and_nothing_else() {
    for (from, to, code) in [
        // Nothing that concerns the tunnel.
        ("path = \"/api/export\"", "path = \"/api/exports\"", None),
        (
            "[site.reports.params]",
            "body_limit = \"2MiB\"\n[site.reports.params]",
            None,
        ),
        (
            "path = \"/ws/*\"",
            "path = \"/other/*\"",
            Some("route_denied"),
        ),
        (
            "websocket = true\ndanger_unread_messages = true\n",
            "",
            Some("route_denied"),
        ),
        (
            "websocket = true\n",
            "websocket = true\nscope = \"live\"\n",
            Some("scope_denied"),
        ),
        (
            "websocket = true\n",
            "websocket = true\nresource = \"report:q4\"\n",
            Some("resource_denied"),
        ),
        (
            "hosts = [\"bi.example.com\"]",
            "hosts = [\"other.example.com\"]",
            Some("site_unknown"),
        ),
        (
            "audience = \"embedgate\"",
            "audience = \"else\"",
            Some("token_invalid"),
        ),
        (
            "max_lifetime = \"10m\"",
            "max_lifetime = \"9m\"",
            Some("token_invalid"),
        ),
        (
            "kind = \"generic\"",
            "kind = \"generic\"\nidentity = { X-User = \"viewer\" }",
            Some("route_denied"),
        ),
        (
            "region = { mode = \"enabled\" }",
            "region = { mode = \"locked\" }",
            Some("param_missing"),
        ),
        (
            "kind = \"generic\"",
            "kind = \"generic\"\ntimeouts = { response = \"9s\" }",
            Some("route_denied"),
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let peers = Peers::start();
        for (name, secret) in [("app", APP), ("session", SESSION), ("admin", ADMIN)] {
            std::fs::write(folder.path().join(name), secret).unwrap();
        }
        let text = text(peers.address, "")
            .replace(
                "{ env = \"APP\" }",
                "{ file = \"app\" }\nmax_lifetime = \"10m\"",
            )
            .replace("{ env = \"SESSION\" }", "{ file = \"session\" }")
            .replace("[admin]", "[admin]\ntoken = { file = \"admin\" }");
        let file = folder.path().join("gateway.toml");
        std::fs::write(&file, &text).unwrap();
        let launched = launch(Snapshot::load(&file).unwrap(), Some(&file)).unwrap();
        let bearer = gateway::bearer();
        let mut socket = open(
            launched.address(),
            "/ws/echo",
            &[("Authorization", &bearer)],
        );
        works(&mut socket);
        assert!(text.contains(from), "{from}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
        let reply = post(launched.admin().unwrap(), "/v1/reload", "");
        assert_eq!(reply.status, 200, "{to}: {reply:?}");
        match code {
            None => {
                std::thread::sleep(Duration::from_millis(800));
                works(&mut socket);
            }
            Some(code) => {
                let (close, took) = closed(&mut socket);
                assert_eq!(close, denied(code), "{to}");
                assert!(took < Duration::from_secs(3), "{to}: {took:?}");
            }
        }
        drop(socket);
        launched.shutdown();
    }
}

#[test]
fn a_session_secret_that_is_gone_ends_the_tunnels_of_its_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let peers = Peers::start();
    for (name, secret) in [
        ("app", APP),
        ("session", SESSION),
        ("next", "another-session-secret-0123456789abc"),
    ] {
        std::fs::write(folder.path().join(name), secret).unwrap();
    }
    let text = text(peers.address, "")
        .replace("{ env = \"APP\" }", "{ file = \"app\" }")
        .replace(
            "secret = { env = \"SESSION\" }",
            "secrets = [{ file = \"session\" }]",
        );
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, &text).unwrap();
    let launched = launch(Snapshot::load(&file).unwrap(), Some(&file)).unwrap();
    let token = token(&json!({}));
    let target = format!("/reports/q3?embed_token={token}");
    let page = get(launched.address(), &target, &[("Sec-Fetch-Dest", "iframe")]);
    let cookie = page.session().unwrap();
    let fields = [("Cookie", &*cookie), ("Origin", "http://bi.example.com")];
    let mut socket = open(launched.address(), "/ws/echo", &fields);
    works(&mut socket);
    for (secrets, alive) in [
        ("[{ file = \"next\" }, { file = \"session\" }]", true),
        ("[{ file = \"next\" }]", false),
    ] {
        std::fs::write(&file, text.replace("[{ file = \"session\" }]", secrets)).unwrap();
        launched.reload().unwrap();
        if alive {
            std::thread::sleep(Duration::from_millis(800));
            works(&mut socket);
        } else {
            assert_eq!(closed(&mut socket).0, denied("session_invalid"));
        }
    }
    drop(socket);
    launched.shutdown();
}
