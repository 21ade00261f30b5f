//! `embedgate check --online` and `embedgate explain`, in front of the stand-in.

use std::process::{Command, Output};

use super::setup::{Scene, dashboard, text};
use crate::support::{
    gateway::{APP, SESSION},
    metabase::{SECRET, fixtures},
};
use serde_json::json;

fn run(config: &str, args: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    std::fs::write(&file, config).unwrap();
    let (command, rest) = args.split_first().unwrap();
    Command::new(env!("CARGO_BIN_EXE_embedgate"))
        .arg(command)
        .arg("--config")
        .arg(&file)
        .args(rest)
        .env("APP", APP)
        .env("SESSION", SESSION)
        .env("MB_SECRET", SECRET)
        .env("MB_KEY", fixtures::API_KEY)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A public link of a dashboard.
fn link(id: u64) -> String {
    format!(
        "[site.reports.metabase.public.\"{}\"]\nkind = \"dashboard\"\nvalues = \"constrained\"\n",
        fixtures::dashboard_link(id)
    )
}

#[test]
fn check_online_names_the_cards_that_the_lock_reaches_and_those_it_does_not() {
    let scene = Scene::signed();
    let good = run(
        &text(scene.metabase.address, &link(42)),
        &["check", "--online"],
    );
    let story = said(&good);
    assert_eq!(good.status.code(), Some(0), "{story}");
    assert!(
        story.contains("ok   card 201 “All accounts” (dashcard 101): locked by organization_id"),
        "{story}"
    );
    assert!(story.contains("kept to the lock when tried"), "{story}");

    let config = text(scene.metabase.address, &format!("{}{}", link(42), link(43)));
    let bad = run(&config, &["check", "--online"]);
    let story = said(&bad);
    assert_eq!(bad.status.code(), Some(1), "{story}");
    assert!(
        story.contains("FAIL card 208 “Orphan” (dashcard 122): not connected to organization_id"),
        "{story}"
    );
    assert!(String::from_utf8_lossy(&bad.stderr).contains("1 of 2 are not as they should be"));
}

#[test]
fn check_online_looks_at_signed_items_by_api_key() {
    let scene = Scene::signed();
    let config = text(scene.metabase.address, "api_key = { env = \"MB_KEY\" }\n");
    let args = ["check", "--online", "--item", "reports=dashboard:43"];
    let story = said(&run(&config, &args));
    assert!(story.contains("FAIL card 206"), "{story}");
    for bad in [
        "dashboard:43",
        "reports=board:43",
        "reports=dashboard:x",
        "other=dashboard:43",
    ] {
        let output = run(&config, &["check", "--online", "--item", bad]);
        assert_eq!(output.status.code(), Some(64), "{bad}");
    }
}

#[test]
fn check_online_tells_that_nobody_answers() {
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let output = run(&text(nowhere, &link(42)), &["check", "--online"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said(&output).contains("FAIL could not be asked: upstream_unavailable"),
        "{output:?}"
    );
}

#[test]
fn explain_shows_what_metabase_would_be_asked_and_no_token() {
    let scene = Scene::signed();
    let config = text(scene.metabase.address, "");
    let token = dashboard(42, &json!({ "organization_id": 999 }));
    let url = |rest: &str| format!("https://bi.example.com/api/embed/dashboard/{token}{rest}");
    let asked = url("/dashcard/101/card/201?region=Europe&ignore_cache=true");
    let story = said(&run(
        &config,
        &["explain", "--site", "reports", "GET", &asked],
    ));
    let upstream = story
        .lines()
        .find(|line| line.starts_with("upstream"))
        .unwrap();
    assert!(
        upstream.contains(
            "(a token minted for this request)/dashcard/101/card/201?parameters=%7B%22region%22%3A"
        ),
        "{upstream}"
    );
    let refused = url("/dashcard/101/card/201?organization_id=5");
    let story = said(&run(
        &config,
        &["explain", "--site", "reports", "GET", &refused],
    ));
    assert!(story.contains("403 param_locked"), "{story}");
    assert!(scene.metabase.seen().is_empty());
}
