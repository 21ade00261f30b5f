//! Failing upstreams, metrics, the audit trail, shutdown: what the operator relies on.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Duration,
};

use crate::support::{
    self, Answer, Gateway, Upstream, client::connect, eventually, gateway, gateway::bearer, get,
    token,
};
use serde_json::{Value, json};

#[test]
fn an_upstream_that_is_not_there_is_unavailable_and_one_that_breaks_off_failed() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = Gateway::generic(free, "");
    let reply = get(
        gateway.address,
        "/api/default",
        &[("Authorization", &bearer())],
    );
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (503, "upstream_unavailable")
    );
    assert!(
        !reply.text().contains("127.0.0.1") && !reply.text().contains("refused"),
        "{reply:?}"
    );

    let broken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = broken.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in broken.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _read = stream.read(&mut head);
            let _wrote = stream.write_all(b"HTTP/9.9 what\r\n\r\n");
        }
    });
    let gateway = Gateway::generic(address, "");
    let reply = get(
        gateway.address,
        "/api/default",
        &[("Authorization", &bearer())],
    );
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (502, "upstream_failed")
    );
}

#[test]
fn a_silent_upstream_times_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = gateway::generic(silent.local_addr().unwrap(), "").replace(
        "kind = \"generic\"",
        "kind = \"generic\"\ntimeouts = { response = \"200ms\" }",
    );
    let gateway = Gateway::start(&text);
    let reply = get(
        gateway.address,
        "/api/default",
        &[("Authorization", &bearer())],
    );
    assert_eq!(
        (reply.status, reply.code().as_str()),
        (504, "upstream_timeout")
    );
}

#[test]
fn a_redirect_stays_inside_or_is_refused() {
    let upstream = Upstream::start(|seen| {
        let to = seen
            .target
            .split_once("to=")
            .map_or("", |(_, rest)| rest.split('&').next().unwrap_or_default());
        let to = to
            .replace("%3A", ":")
            .replace("%2F", "/")
            .replace("SELF", seen.all("host")[0]);
        Answer::html("").status(302).with("location", &to)
    });
    let gateway = Gateway::generic(upstream.address, "");
    let ask = |to: &str| {
        get(
            gateway.address,
            &format!("/api/default?to={to}"),
            &[("Authorization", &bearer())],
        )
    };
    assert_eq!(ask("/reports/q3").header("location"), Some("/reports/q3"));
    assert_eq!(
        ask("http://SELF/reports/q3").header("location"),
        Some("/reports/q3")
    );
    for foreign in [
        "https://evil.example/",
        "//evil.example/",
        "http:evil.example",
    ] {
        let reply = ask(foreign);
        assert_eq!(
            (reply.code().as_str(), reply.header("location")),
            ("upstream_failed", None),
            "{foreign}"
        );
    }
}

#[test]
fn every_decision_is_one_line_of_the_trail_and_one_count() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let upstream = Upstream::plain();
    let text = gateway::generic(upstream.address, "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", trail.display()),
    );
    let gateway = Gateway::start(&text);
    // A value that no time, duration or request id happens to hold.
    let good = token(&json!({ "tenant": "acme", "params": { "tenant_id": 9_876_543_210_i64 } }));
    let bearer = format!("Bearer {good}");
    let replies = [
        get(
            gateway.address,
            "/reports/q3?secret=1",
            &[("Authorization", &bearer)],
        ),
        get(
            gateway.address,
            "/reports/q3?tenant_id=1",
            &[("Authorization", &bearer)],
        ),
        get(gateway.address, "/admin", &[]),
    ];
    let metrics = get(gateway.admin.unwrap(), "/metrics", &[("Host", "localhost")]);
    for line in [
        "embedgate_requests_total{site=\"reports\",route=\"/reports/{id}\",method=\"GET\",status=\"200\"} 1",
        "embedgate_refusals_total{site=\"reports\",code=\"param_locked\"} 1",
        "embedgate_refusals_total{site=\"reports\",code=\"route_denied\"} 1",
        "embedgate_token_verifications_total{issuer=\"app\",result=\"valid\"} 2",
    ] {
        assert!(metrics.text().contains(line), "{line}\n{}", metrics.text());
    }
    for private in ["viewer-7", "acme", "secret", good.as_str()] {
        assert!(!metrics.text().contains(private), "{private}");
    }
    gateway.stop();
    let text = std::fs::read_to_string(&trail).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        !text.contains(&good) && !text.contains("secret") && !text.contains("9876543210"),
        "{text}"
    );
    for (line, reply) in lines.iter().zip(&replies) {
        assert_eq!(line["request_id"], reply.header("x-request-id").unwrap());
        assert_eq!(line["status"], reply.status);
    }
    assert_eq!(
        (
            &lines[0]["outcome"],
            &lines[0]["viewer"],
            &lines[0]["tenant"]
        ),
        (&json!("allowed"), &json!("viewer-7"), &json!("acme"))
    );
    assert_eq!(
        (&lines[1]["outcome"], &lines[1]["code"]),
        (&json!("refused"), &json!("param_locked"))
    );
    assert_eq!(lines[0]["locked"], json!(["tenant_id"]));
    assert_eq!(lines[2]["route"], Value::Null);
}

/// Answers by the query of the request: whole, empty, cut short, or without end.
fn moody_upstream() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = |mut stream: TcpStream| {
        let mut head = [0; 4096];
        let length = stream.read(&mut head).unwrap_or(0);
        let head = String::from_utf8_lossy(head.get(..length).unwrap_or_default()).into_owned();
        let target = head.split(' ').nth(1).unwrap_or_default();
        let text = match target.split(['?', '&']).nth(1) {
            Some("empty") => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            Some("cut") => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab",
            Some("endless") => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            _ if head.starts_with("HEAD ") => {
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n"
            }
            _ => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345",
        };
        let mut sent = stream.write_all(text.as_bytes());
        while text.contains("chunked") && sent.is_ok() {
            sent = stream.write_all(b"3\r\nabc\r\n");
        }
    };
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || answer(stream));
        }
    });
    address
}

#[test]
fn the_trail_tells_a_whole_answer_from_one_that_broke_off_or_was_left() {
    let folder = tempfile::tempdir().unwrap();
    let trail = folder.path().join("audit.jsonl");
    let text = gateway::generic(moody_upstream(), "").replace(
        "output = \"off\"",
        &format!("output = \"{}\"", trail.display()),
    );
    let gateway = Gateway::start(&text);
    for (method, query) in [
        ("GET", "whole"),
        ("HEAD", "whole"),
        ("GET", "empty"),
        ("GET", "cut"),
        ("GET", "endless"),
    ] {
        let mut stream = connect(gateway.address);
        let head = format!(
            "{method} /reports/q3?{query} HTTP/1.1\r\nHost: bi.example.com\r\nAuthorization: {}\r\nConnection: close\r\n\r\n",
            bearer()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The client of the endless answer leaves in its middle, all others read to the end.
        let most = if query == "endless" { 4096 } else { u64::MAX };
        let _cut = stream.take(most).read_to_end(&mut Vec::new());
        let admin = gateway.admin.unwrap();
        eventually("the request is over", || {
            get(admin, "/metrics", &[("Host", "localhost")])
                .text()
                .contains("\nembedgate_requests_in_flight 0\n")
        });
    }
    gateway.stop();
    let text = std::fs::read_to_string(&trail).unwrap();
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut found: Vec<_> = lines
        .map(|line| {
            (
                line["outcome"].as_str().unwrap().to_owned(),
                line["bytes"].as_u64().unwrap(),
            )
        })
        .collect();
    let (left, bytes) = found.pop().unwrap();
    assert!(left == "aborted" && bytes > 0, "{left} {bytes}");
    let expected = [
        ("allowed", 5),
        ("allowed", 0),
        ("allowed", 0),
        ("failed", 2),
    ];
    assert_eq!(
        found,
        expected.map(|(outcome, bytes)| (outcome.to_owned(), bytes))
    );
}

#[test]
fn shutdown_lets_a_request_finish_and_takes_no_new_one() {
    let (entered, inside) = mpsc::channel();
    let entered = std::sync::Mutex::new(entered);
    let upstream = Upstream::start(move |_| {
        entered.lock().unwrap().send(()).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        Answer::json("{\"done\":true}")
    });
    let gateway = Gateway::generic(upstream.address, "");
    let address = gateway.address;
    let under_way =
        std::thread::spawn(move || get(address, "/api/default", &[("Authorization", &bearer())]));
    inside.recv_timeout(Duration::from_secs(5)).unwrap();
    gateway.stop();
    assert_eq!(under_way.join().unwrap().text(), "{\"done\":true}");
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn the_admin_side_shows_policy_without_secrets_and_writes_for_nobody() {
    let upstream = Upstream::plain();
    let gateway = Gateway::generic(upstream.address, "");
    let admin = gateway.admin.unwrap();
    let ask = |path: &str| get(admin, path, &[("Host", "localhost")]);
    assert_eq!(ask("/livez").status, 200);
    assert_eq!(ask("/readyz").status, 200);
    let sites = ask("/v1/sites");
    assert_eq!(
        sites.json()["sites"]["reports"]["params"]["tenant_id"],
        "locked"
    );
    assert!(!sites.text().contains("secret"), "{}", sites.text());
    let reload = support::send(admin, b"POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(matches!(reload.status, 403 | 404), "{reload:?}");
    let rebound = get(admin, "/metrics", &[("Host", "evil.example")]);
    assert!(rebound.status >= 400, "{rebound:?}");
}
