//! `embedgate check`, `token`, `schema` and usage: what they print, and the exit codes 0, 64 and 78.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use embedgate::{
    config::Snapshot,
    gate::{
        refusal::Refusal,
        token::{self, Issuer, NoCache, RawToken, Signed},
    },
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn embedgate(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_embedgate"))
        .args(args)
        .env("EMBEDGATE_SESSION_SECRET", SECRET)
        .env("EMBEDGATE_APP_SECRET", SECRET)
        .output()
        .unwrap()
}

fn said(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn example(name: &str) -> String {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(name);
    path.to_str().unwrap().to_owned()
}

fn minimal() -> String {
    example("minimal.toml")
}

/// A configuration in a folder of its own.
fn written(text: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("embedgate.toml");
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Verifies a token as the gateway would.
fn verified(config: &str, token: &str) -> Result<Arc<Signed>, Refusal> {
    let env = |_: &str| Some(SECRET.to_owned());
    let path = Path::new(config);
    let snapshot = Snapshot::parse(
        &fs::read_to_string(path).unwrap(),
        path.parent().unwrap(),
        &env,
    )
    .unwrap();
    let issuers: Vec<Arc<Issuer>> = snapshot
        .issuers
        .iter()
        .map(|entry| Arc::clone(&entry.issuer))
        .collect();
    token::signed(RawToken::new(token.trim()), &issuers, &NoCache)
}

#[test]
fn check_says_what_it_found() {
    assert_eq!(
        said(&embedgate(&["check", "--config", &minimal()])),
        (0, "ok: 1 site, 2 routes, 1 issuer\n".into(), String::new())
    );
}

#[test]
fn check_prints_every_fault_and_exits_78() {
    let (_folder, path) = written("[listen]\nadress = \"127.0.0.1:1\"\n[log]\nlevel = \"loud\"\n");
    let (code, out, err) = said(&embedgate(&["check", "--config", &path]));
    assert_eq!((code, out.as_str()), (78, ""));
    let lines: Vec<&str> = err.lines().collect();
    assert_eq!(
        lines,
        [
            format!("{path}:1: site: is required: at least one [site.NAME]"),
            format!("{path}:2: listen.adress: unknown key; did you mean `address`?"),
            format!(
                "{path}:4: log.level: `loud` is not one of `debug`, `error`, `info`, `trace`, `warn`"
            ),
        ]
    );
}

#[test]
fn check_names_the_dangers() {
    let text = fs::read_to_string(minimal()).unwrap();
    let (_folder, path) = written(&text.replace("[listen]", "[listen]\ndanger_cleartext = true"));
    let (code, out, _) = said(&embedgate(&["check", "--config", &path]));
    assert_eq!(
        (code, out.as_str()),
        (
            0,
            "ok: 1 site, 2 routes, 1 issuer; 1 danger: listen.danger_cleartext\n"
        )
    );
}

#[test]
fn usage_errors_exit_64_and_help_exits_0() {
    for args in [
        &[][..],
        &["dance"],
        &["check"],
        &["check", "--config"],
        &["token", "--config", "x"],
        &["check", "--config", "x", "y"],
    ] {
        assert_eq!(embedgate(args).status.code(), Some(64), "{args:?}");
    }
    for args in [
        &["--help"][..],
        &["--version"],
        &["check", "--help"],
        &["help", "token"],
    ] {
        let (code, out, err) = said(&embedgate(args));
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        assert!(out.contains("embedgate"), "{args:?}");
    }
}

#[test]
fn a_token_is_what_the_gateway_accepts() {
    let config = minimal();
    let args = [
        "token",
        "--config",
        &config,
        "--issuer",
        "app",
        "--sub",
        "viewer-7",
        "--resource",
        "report:q3",
        "--tenant",
        "acme",
    ];
    let more = [
        "--param",
        "tenant_id=999",
        "--scope",
        "view download",
        "--origin",
        "http://localhost:5005",
        "--ttl",
        "2m",
    ];
    let (code, out, err) = said(&embedgate(&[&args[..], &more].concat()));
    assert_eq!((code, err.as_str()), (0, ""));
    let signed = verified(&config, &out).unwrap();
    let claims = signed.claims();
    assert_eq!(
        (&*claims.viewer, claims.tenant.as_deref()),
        ("viewer-7", Some("acme"))
    );
    assert_eq!(claims.resources[0].to_string(), "report:q3");
    assert_eq!(claims.params["tenant_id"], serde_json::json!(999));
    assert!(claims.scope.contains("download"));
    assert!(claims.origin.is_some());
    assert_eq!(claims.token_id.as_deref().map(str::len), Some(32));
    assert_eq!(claims.expires.0 - claims.issued_at.unwrap().0, 120);
}

#[test]
fn a_token_that_fits_into_no_session_is_signed_with_a_warning() {
    let text = fs::read_to_string(minimal()).unwrap();
    let (_folder, strict) =
        written(&text.replace("[site.reports]\n", "[site.reports]\nsingle_use = true\n"));
    let list = format!("region={}", "us-west,".repeat(500));
    for (config, param, says) in [
        (minimal(), "tenant_id=999", ""),
        (minimal(), &*list, "so its page loads earn none"),
        (strict, &*list, "which the site refuses"),
    ] {
        let args = [
            "token",
            "--config",
            &config,
            "--issuer",
            "app",
            "--sub",
            "v",
            "--resource",
            "report:q3",
            "--param",
            param,
        ];
        let (code, out, err) = said(&embedgate(&args));
        assert_eq!(code, 0);
        assert!(verified(&config, &out).is_ok());
        assert!(err.contains(says), "{err}");
        assert_eq!(err.is_empty(), says.is_empty(), "{err}");
        if !says.is_empty() {
            assert!(
                err.starts_with("embedgate: warning: ") && err.contains("3800"),
                "{err}"
            );
        }
    }
}

#[test]
fn a_private_key_signs_for_an_issuer_with_a_public_one() {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let text = fs::read_to_string(minimal()).unwrap();
    let text = text.replace("algorithm = \"HS256\"", "algorithm = \"ES256\"");
    let (folder, path) = written(&text.replace(
        "secret    = { env = \"EMBEDGATE_APP_SECRET\" }",
        "public_key = \"app.pub\"\naudience = \"embedgate\"",
    ));
    fs::write(folder.path().join("app.pub"), pair.public_key_pem()).unwrap();
    let key = folder.path().join("app.key");
    fs::write(&key, pair.serialize_pem()).unwrap();
    let args = [
        "token",
        "--config",
        &path,
        "--issuer",
        "app",
        "--sub",
        "v",
        "--resource",
        "report:q3",
    ];
    let (code, _, err) = said(&embedgate(&args));
    assert_eq!(
        (code, err.as_str()),
        (
            64,
            "embedgate: issuer `app` has no shared secret to sign with; give the private key with --key FILE\n"
        )
    );
    let (code, out, err) = said(&embedgate(
        &[&args[..], &["--key", key.to_str().unwrap()]].concat(),
    ));
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(&*verified(&path, &out).unwrap().claims().viewer, "v");
}

#[test]
fn a_token_that_cannot_be_is_a_usage_error() {
    let config = minimal();
    let base = [
        "token",
        "--config",
        &config,
        "--issuer",
        "app",
        "--sub",
        "v",
        "--resource",
        "report:q3",
    ];
    for (more, problem) in [
        (
            &["--ttl", "1h"][..],
            "--ttl 1h is longer than max_lifetime = \"10m\" of issuer `app`",
        ),
        (
            &["--ttl", "soon"],
            "--ttl `soon` is not a duration such as \"10m\" (units: ms, s, m, h, d)",
        ),
        (
            &["--resource", "q3"],
            "`q3` is not a resource, such as dashboard:42",
        ),
        (
            &["--param", "region"],
            "`region` is not a parameter, such as region=us-west",
        ),
        (
            &["--param", "a=1", "--param", "a=2"],
            "parameter `a` is given twice; write a list as a='[1, 2]'",
        ),
        (
            &["--origin", "app.example.com"],
            "`app.example.com` is not an origin, such as https://app.example.com",
        ),
        (
            &["--kid", "x"],
            "issuer `app` has no shared secret of kid `x` to sign with; give the private key with --key FILE",
        ),
    ] {
        let (code, _, err) = said(&embedgate(&[&base[..], more].concat()));
        assert_eq!(
            (code, err),
            (64, format!("embedgate: {problem}\n")),
            "{more:?}"
        );
    }
}

#[test]
fn the_schema_is_json_and_knows_the_tables() {
    let (code, out, _) = said(&embedgate(&["schema"]));
    assert_eq!(code, 0);
    let schema: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(schema["additionalProperties"], false);
    for table in [
        "listen", "admin", "log", "audit", "session", "cache", "issuer", "site",
    ] {
        assert!(schema["properties"][table].is_object(), "{table}");
    }
    assert!(!out.contains("null"), "TOML has no null");
}

#[test]
fn keys_at_a_url_are_asked_for_by_nobody_but_the_running_gateway() {
    let text = fs::read_to_string(minimal()).unwrap();
    let own = "algorithm = \"HS256\"\nsecret    = { env = \"EMBEDGATE_APP_SECRET\" }";
    assert!(text.contains(own));
    let fetched = text.replace(own, "jwks = \"https://keys.nowhere.invalid/jwks?key=hush\"");
    let (_folder, path) = written(&fetched);
    let (code, out, err) = said(&embedgate(&["check", "--config", &path]));
    assert_eq!((code, err.as_str()), (0, ""), "{out}");

    let sign = ["--issuer", "app", "--sub", "v", "--resource", "report:q3"];
    let (code, out, _) = said(&embedgate(
        &[&["token", "--config", &minimal()][..], &sign].concat(),
    ));
    assert_eq!(code, 0);
    let url = "https://localhost/reports/q3";
    let asked = ["--site", "reports", "--token", out.trim(), "GET", url];
    let (code, out, _) = said(&embedgate(
        &[&["explain", "--config", &path][..], &asked].concat(),
    ));
    assert_eq!(code, 0);
    assert!(
        out.contains("are fetched at run time from https://keys.nowhere.invalid/jwks;"),
        "{out}"
    );
    assert!(!out.contains("hush"), "{out}");
    let (code, _, err) = said(&embedgate(
        &[&["token", "--config", &path][..], &sign].concat(),
    ));
    assert_eq!(code, 64);
    assert!(err.contains("has no shared secret"), "{err}");
}
