//! Configuration that changes under a running gateway.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use crate::support::{
    Upstream, client::send, eventually, gateway, gateway::APP, gateway::SESSION, gateway::bearer,
    get,
};
use embedgate::{
    config::Snapshot,
    server::launch::{Launched, launch},
};

const ADMIN: &str = "admin-token-0123456789";

/// A gateway of a file, whose secrets are files, too.
fn start(folder: &Path, upstream: SocketAddr) -> Launched {
    let file = write(folder, upstream);
    launch(Snapshot::load(&file).unwrap(), Some(&file)).unwrap()
}

fn write(folder: &Path, upstream: SocketAddr) -> PathBuf {
    for (name, secret) in [("app", APP), ("session", SESSION), ("admin", ADMIN)] {
        fs::write(folder.join(name), secret).unwrap();
    }
    let text = gateway::generic(upstream, "")
        .replace("{ env = \"APP\" }", "{ file = \"app\" }")
        .replace("{ env = \"SESSION\" }", "{ file = \"session\" }")
        .replace("[admin]", "[admin]\ntoken = { file = \"admin\" }");
    let file = folder.join("gateway.toml");
    fs::write(&file, text).unwrap();
    file
}

fn change(folder: &Path, from: &str, to: &str) {
    let file = folder.join("gateway.toml");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(from), "{from}");
    fs::write(file, text.replace(from, to)).unwrap();
}

fn status(address: SocketAddr, target: &str) -> u16 {
    get(address, target, &[("Authorization", &bearer())]).status
}

#[test]
fn a_changed_file_is_in_force_without_being_asked_and_a_faulty_one_never() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::plain();
    let launched = start(folder.path(), upstream.address);
    let (address, admin) = (launched.address(), launched.admin().unwrap());
    assert_eq!(status(address, "/api/default"), 200);

    change(folder.path(), "\"/api/default\"", "\"/api/other\"");
    eventually("the new route is served", || {
        status(address, "/api/other") == 200
    });
    assert_eq!(status(address, "/api/default"), 404);

    change(folder.path(), "\"/api/other\"", "\"no path\"");
    eventually("the fault is counted", || {
        get(admin, "/metrics", &[("Host", "localhost")])
            .text()
            .contains("embedgate_config_reloads_total{result=\"failed\"} 1")
    });
    assert_eq!(status(address, "/api/other"), 200);
    launched.shutdown();
}

#[test]
fn a_change_between_reading_the_file_and_watching_it_is_not_lost() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::plain();
    let file = write(folder.path(), upstream.address);
    let snapshot = Snapshot::load(&file).unwrap();
    change(folder.path(), "\"/api/default\"", "\"/api/other\"");
    let launched = launch(snapshot, Some(&file)).unwrap();
    eventually("the new route is served", || {
        status(launched.address(), "/api/other") == 200
    });
    launched.shutdown();
}

#[test]
fn a_reload_that_is_asked_for_answers_with_its_faults() {
    let folder = tempfile::tempdir().unwrap();
    let upstream = Upstream::plain();
    let launched = start(folder.path(), upstream.address);
    let admin = launched.admin().unwrap();
    let ask = || {
        let head = format!(
            "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        send(admin, head.as_bytes())
    };
    change(folder.path(), "\"/api/default\"", "\"/api/other\"");
    assert_eq!(ask().status, 200);
    assert_eq!(status(launched.address(), "/api/other"), 200);
    change(folder.path(), "tenant_id = {", "tenant_id = { oops = 1,");
    let refused = ask();
    assert!(refused.status >= 400, "{refused:?}");
    assert!(refused.text().contains("oops"), "{refused:?}");
    assert_eq!(status(launched.address(), "/api/other"), 200);
    launched.shutdown();
}
