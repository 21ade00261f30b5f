//! Keys that are fetched: the first set, rotation, outages, discovery, and what a provider may not do.

use std::{
    fs,
    io::Write,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use embedgate::{
    config::Snapshot,
    gate::token::Signer,
    server::launch::{Launched, launch},
};
use serde_json::{Value, json};

use crate::{
    pairs,
    support::{
        Answer, Gateway, Upstream,
        client::Reply,
        eventually,
        gateway::{self, claims},
        get,
        upstream::Seen,
    },
};

const APP: &str = "algorithm = \"HS256\"\nsecret = { env = \"APP\" }\naudience = \"embedgate\"";

/// A key of the provider.
struct Key {
    kid: &'static str,
    pair: pairs::Pair,
}

impl Key {
    fn new(kid: &'static str) -> Self {
        let pair = pairs::foreign("ES256");
        Self { kid, pair }
    }

    fn jwk(&self) -> Value {
        let pem = String::from_utf8(self.pair.public.clone()).unwrap();
        let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let der = STANDARD.decode(body).unwrap();
        let point = &der[der.len() - 64..];
        let text = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
        json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": self.kid,
            "x": text(&point[..32]), "y": text(&point[32..]),
        })
    }

    /// `Authorization` for a good token, with some claims changed.
    fn bearer(&self, changes: &Value) -> String {
        let mut claims = claims();
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let signer = Signer::new("ES256", &self.pair.private, Some(self.kid)).unwrap();
        format!("Bearer {}", signer.sign(&claims).unwrap())
    }
}

fn set(keys: &[&Key]) -> Answer {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    Answer::json(&json!({ "keys": keys }).to_string())
}

/// Answers anybody alike.
type Reason = Box<dyn Fn() -> Answer + Send>;
type Script = Box<dyn Fn(&Seen) -> Answer + Send>;

/// A provider whose answer can be changed.
struct Provider {
    upstream: Upstream,
    script: Arc<Mutex<Script>>,
}

impl Provider {
    fn start(script: impl Fn(&Seen) -> Answer + Send + 'static) -> Self {
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let live = Arc::clone(&script);
        let upstream = Upstream::start(move |seen| live.lock().unwrap()(seen));
        Self { upstream, script }
    }

    fn now(&self, script: impl Fn(&Seen) -> Answer + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.upstream.address)
    }

    fn asked(&self) -> usize {
        self.upstream.seen().len()
    }
}

fn down(_: &Seen) -> Answer {
    Answer::json("{}").status(503)
}

/// A gateway whose only issuer is this one.
fn text(upstream: &Upstream, issuer: &str) -> String {
    let text = gateway::generic(upstream.address, "");
    assert!(text.contains(APP));
    text.replace(APP, issuer)
}

fn start(upstream: &Upstream, issuer: &str) -> Gateway {
    Gateway::start(&text(upstream, issuer))
}

fn by_url(provider: &Provider, more: &str) -> String {
    let url = provider.url("/jwks");
    format!("jwks = \"{url}\"\naudience = \"embedgate\"\n{more}")
}

fn ask(gateway: &Gateway, bearer: &str) -> Reply {
    get(
        gateway.address,
        "/api/default",
        &[("Authorization", bearer)],
    )
}

fn admin(gateway: &Gateway, path: &str) -> Reply {
    get(gateway.admin.unwrap(), path, &[("Host", "localhost")])
}

fn ready(gateway: &Gateway) -> bool {
    admin(gateway, "/readyz").status == 200
}

fn until_ready(gateway: &Gateway) {
    eventually("the first set of keys is there", || ready(gateway));
}

/// The value of one series.
fn metric(gateway: &Gateway, series: &str) -> Option<f64> {
    let text = admin(gateway, "/metrics").text().to_owned();
    let line = text.lines().find(|line| line.starts_with(series))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

fn fetches(gateway: &Gateway, result: &str) -> f64 {
    let series =
        format!("embedgate_issuer_key_fetches_total{{issuer=\"app\",result=\"{result}\"}}");
    metric(gateway, &series).unwrap()
}

#[test]
fn readiness_waits_for_the_first_set_and_outlives_an_outage() {
    let (upstream, provider, key) = (Upstream::plain(), Provider::start(down), Key::new("a"));
    let gateway = start(&upstream, &by_url(&provider, "jwks_refresh = \"1s\""));
    eventually("the provider was asked", || {
        fetches(&gateway, "invalid") >= 1.0
    });
    assert!(!ready(&gateway));
    let why = admin(&gateway, "/readyz").json();
    assert_eq!(
        why["reasons"][0],
        "the keys of an issuer have not been fetched yet"
    );
    let jwks = key.jwk().to_string();
    provider.now(move |_| Answer::json(&format!("{{\"keys\":[{jwks}]}}")));
    until_ready(&gateway);
    assert_eq!(ask(&gateway, &key.bearer(&json!({}))).status, 200);
    assert_eq!(
        metric(&gateway, "embedgate_issuer_keys{issuer=\"app\"}"),
        Some(1.0)
    );
    let last = "embedgate_issuer_keys_last_fetch_timestamp_seconds{issuer=\"app\"}";
    assert!(metric(&gateway, last).is_some_and(|time| time > 1e9));

    provider.now(down);
    let before = fetches(&gateway, "invalid");
    eventually("the outage was noticed", || {
        fetches(&gateway, "invalid") > before + 1.0
    });
    assert!(ready(&gateway), "the last good set is kept");
    let other = key.bearer(&json!({"jti": "t-2"}));
    assert_eq!(ask(&gateway, &other).status, 200);
}

#[test]
fn a_token_of_a_brand_new_key_is_accepted_at_once_and_strangers_force_nothing() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let first = set(&[&old]).body;
    let (upstream, provider) = (
        Upstream::plain(),
        Provider::start(move |_| Answer::of("application/json", &first)),
    );
    let gateway = start(&upstream, &by_url(&provider, ""));
    until_ready(&gateway);
    assert_eq!(ask(&gateway, &old.bearer(&json!({}))).status, 200);
    assert_eq!(provider.asked(), 1);

    let second = set(&[&old, &new]).body;
    provider.now(move |_| {
        thread::sleep(Duration::from_millis(200));
        Answer::of("application/json", &second)
    });
    let refused = AtomicUsize::new(0);
    thread::scope(|scope| {
        for viewer in 0..8 {
            let (new, gateway, refused) = (&new, &gateway, &refused);
            scope.spawn(move || {
                let bearer = new.bearer(&json!({"sub": format!("viewer-{viewer}")}));
                if ask(gateway, &bearer).status != 200 {
                    refused.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    assert_eq!(refused.into_inner(), 0, "not one good token");
    assert_eq!(provider.asked(), 2, "one fetch for all of them");

    let stranger = Key::new("made-up");
    for viewer in 0..5 {
        let bearer = stranger.bearer(&json!({"sub": format!("stranger-{viewer}")}));
        assert_eq!(ask(&gateway, &bearer).code(), "token_invalid");
    }
    assert_eq!(
        provider.asked(),
        3,
        "one in vain, no more within ten seconds"
    );
    assert!((fetches(&gateway, "changed") - 2.0).abs() < 0.1);
}

/// Each fetch brings other keys than the one before, so that none of them was for nothing.
#[test]
fn strangers_do_not_make_a_provider_busy_whose_nodes_disagree() {
    let (one, other) = (Key::new("one"), Key::new("other"));
    let sets = [set(&[&one]).body, set(&[&one, &other]).body];
    let turn = AtomicUsize::new(0);
    let provider = Provider::start(move |_| {
        let at = turn.fetch_add(1, Ordering::SeqCst) % 2;
        Answer::of("application/json", &sets[at])
    });
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &by_url(&provider, ""));
    until_ready(&gateway);
    let stranger = Key::new("made-up");
    let began = gateway::now();
    for number in 0.. {
        if gateway::now() > began + 2 {
            break;
        }
        let bearer = stranger.bearer(&json!({ "jti": number.to_string() }));
        assert_eq!(ask(&gateway, &bearer).code(), "token_invalid");
    }
    let asked = provider.asked();
    assert!((2..=5).contains(&asked), "{asked} fetches in three seconds");
    assert_eq!(ask(&gateway, &one.bearer(&json!({}))).status, 200);
}

#[test]
fn the_limit_by_address_comes_before_any_fetch() {
    let key = Key::new("a");
    let body = set(&[&key]).body;
    let provider = Provider::start(move |_| Answer::of("application/json", &body));
    let upstream = Upstream::plain();
    let limited = text(&upstream, &by_url(&provider, "")).replace(
        "[site.reports.params]",
        "[site.reports.limits]\naddress = \"1/h\"\n[site.reports.params]",
    );
    let gateway = Gateway::start(&limited);
    until_ready(&gateway);
    assert_eq!(ask(&gateway, &key.bearer(&json!({}))).status, 200);
    let stranger = Key::new("made-up").bearer(&json!({}));
    assert_eq!(ask(&gateway, &stranger).code(), "rate_limited");
    assert_eq!(provider.asked(), 1);
}

#[test]
fn a_key_that_the_provider_withdraws_is_dead_although_its_tokens_are_remembered() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let (both, one) = (set(&[&old, &new]).body, set(&[&new]).body);
    let provider = Provider::start(move |_| Answer::of("application/json", &both));
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &by_url(&provider, "jwks_refresh = \"1s\""));
    until_ready(&gateway);
    let (of_old, of_new) = (old.bearer(&json!({})), new.bearer(&json!({})));
    for bearer in [&of_old, &of_new, &of_old, &of_new] {
        assert_eq!(ask(&gateway, bearer).status, 200);
    }
    provider.now(move |_| Answer::of("application/json", &one));
    eventually("the old key is gone", || {
        ask(&gateway, &of_old).status == 401
    });
    for _ in 0..5 {
        assert_eq!(ask(&gateway, &of_old).code(), "token_invalid");
        assert_eq!(ask(&gateway, &of_new).status, 200);
    }
    provider.now(|_| Answer::json("{\"keys\":[]}"));
    eventually("all keys are withdrawn", || {
        ask(&gateway, &of_new).status == 401
    });
    assert!(
        ready(&gateway),
        "that is the provider's word, not an outage"
    );
}

#[test]
fn a_provider_is_found_by_discovery_and_its_name_is_what_tokens_carry() {
    let key = Key::new("a");
    let jwks = set(&[&key]).body;
    let provider = Provider::start(|_| Answer::json("{}"));
    let (issuer, uri) = (provider.url("/tenant/"), provider.url("/keys?v=1"));
    let document = json!({ "issuer": issuer, "jwks_uri": uri, "other": [1] }).to_string();
    provider.now(move |seen: &Seen| match seen.target.as_str() {
        "/tenant/.well-known/openid-configuration" => Answer::json(&document),
        "/keys?v=1" => Answer::of("application/json", &jwks),
        _ => Answer::json("{}").status(404),
    });
    let upstream = Upstream::plain();
    let config = |url: &str| format!("issuer_url = \"{url}\"\naudience = \"embedgate\"");
    let gateway = start(&upstream, &config(&issuer));
    until_ready(&gateway);
    assert_eq!(
        ask(&gateway, &key.bearer(&json!({ "iss": issuer }))).status,
        200
    );
    let without = issuer.trim_end_matches('/');
    for iss in [json!(without), json!("x"), json!([issuer]), Value::Null] {
        let bearer = key.bearer(&json!({ "iss": iss }));
        assert_eq!(ask(&gateway, &bearer).code(), "token_invalid", "{iss}");
    }
    gateway.stop();
    // The document must name the very issuer that was configured.
    let other = start(&upstream, &config(without));
    eventually("the provider was asked", || {
        fetches(&other, "invalid") >= 1.0
    });
    assert!(!ready(&other));
}

#[test]
fn a_set_that_has_not_changed_is_not_sent_again() {
    let key = Key::new("a");
    let jwks = set(&[&key]).body;
    let provider = Provider::start(move |seen| {
        let known = seen.all("if-none-match");
        if known == ["\"v1\""] {
            return Answer::json("").status(304);
        }
        assert!(known.is_empty());
        Answer::of("application/json", &jwks).with("etag", "\"v1\"")
    });
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &by_url(&provider, "jwks_refresh = \"1s\""));
    until_ready(&gateway);
    eventually("it was asked for again", || {
        fetches(&gateway, "unchanged") >= 2.0
    });
    assert!((fetches(&gateway, "changed") - 1.0).abs() < 0.1);
    assert_eq!(ask(&gateway, &key.bearer(&json!({}))).status, 200);
    let seen = provider.upstream.last();
    assert_eq!(seen.all("accept-encoding"), ["identity"]);
    assert!(seen.all("authorization").is_empty());
}

/// What a discovery document leads to is no better a place than the configuration may name.
#[test]
fn discovery_leads_nowhere_else() {
    for uri in [
        "http://10.0.0.1/latest/meta-data",
        "http://169.254.169.254/latest/meta-data",
        "http://metadata.internal/keys",
        "file:///etc/passwd",
        "gopher://127.0.0.1/x",
        "//127.0.0.1/keys",
        "/keys",
        "http://user:word@127.0.0.1/keys",
        "",
    ] {
        let provider = Provider::start(|_| Answer::json("{}"));
        let issuer = provider.url("");
        let document = json!({ "issuer": issuer, "jwks_uri": uri }).to_string();
        provider.now(move |_| Answer::json(&document));
        let upstream = Upstream::plain();
        let by_discovery = format!("issuer_url = \"{issuer}\"\naudience = \"embedgate\"");
        let gateway = start(&upstream, &by_discovery);
        eventually("it was refused", || fetches(&gateway, "invalid") >= 1.0);
        assert!(fetches(&gateway, "unreachable") < 0.5, "{uri}");
        assert!(!ready(&gateway), "{uri}");
    }
}

/// A provider that sends a byte now and then: each of them comes in time, all of them together do not.
#[test]
fn a_reply_that_drips_is_given_up() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n";
                let mut sent = stream.write_all(head.as_bytes());
                while sent.is_ok() {
                    thread::sleep(Duration::from_millis(500));
                    sent = stream.write_all(b" ");
                }
            });
        }
    });
    let upstream = Upstream::plain();
    let issuer = format!("jwks = \"http://{address}/\"\naudience = \"embedgate\"");
    let gateway = start(&upstream, &issuer);
    let began = gateway::now();
    while fetches(&gateway, "unreachable") < 0.5 {
        let waited = gateway::now() - began;
        assert!(waited < 15, "{waited} seconds");
        thread::sleep(Duration::from_millis(100));
    }
    assert!(!ready(&gateway));
}

/// "Unchanged" is said of a set that was never in force: the keys that come later must be waited for as eagerly as before.
#[test]
fn a_tag_of_a_set_that_was_not_accepted_is_forgotten() {
    let provider = Provider::start(|seen| {
        if seen.all("if-none-match").is_empty() {
            return Answer::json("{\"keys\":[]}").with("etag", "\"v0\"");
        }
        Answer::json("").status(304)
    });
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &by_url(&provider, "jwks_refresh = \"1h\""));
    eventually("it was asked twice", || provider.asked() >= 2);
    assert!(fetches(&gateway, "unchanged") < 0.5);
    let key = Key::new("a");
    let jwks = set(&[&key]).body;
    provider.now(move |_| Answer::of("application/json", &jwks).with("etag", "\"v1\""));
    until_ready(&gateway);
    assert_eq!(ask(&gateway, &key.bearer(&json!({}))).status, 200);
}

#[test]
fn what_is_no_set_of_keys_changes_nothing() {
    let key = Key::new("a");
    let good = set(&[&key]).body;
    let elsewhere = set(&[&key]).body;
    let provider = Provider::start(move |_| Answer::of("application/json", &good));
    let other = Upstream::start(move |_| Answer::of("application/json", &elsewhere));
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &by_url(&provider, "jwks_refresh = \"1s\""));
    until_ready(&gateway);
    let away = format!("http://{}/", other.address);
    let bad: [(&str, Reason); 7] = [
        (
            "html",
            Box::new(|| Answer::html("<p>down for maintenance</p>")),
        ),
        ("array", Box::new(|| Answer::json("[]"))),
        (
            "names twice",
            Box::new(|| Answer::json("{\"keys\":[],\"keys\":[]}")),
        ),
        (
            "500",
            Box::new(|| Answer::json("{\"keys\":[]}").status(500)),
        ),
        (
            "redirect",
            Box::new(move || Answer::json("").status(302).with("location", &away)),
        ),
        (
            "too large",
            Box::new(|| {
                Answer::json(&format!(
                    "{{\"keys\":[],\"x\":\"{}\"}}",
                    "x".repeat(300_000)
                ))
            }),
        ),
        (
            "compressed",
            Box::new(|| Answer::json("{\"keys\":[]}").with("content-encoding", "gzip")),
        ),
    ];
    for (what, answer) in bad {
        let before = fetches(&gateway, "invalid");
        provider.now(move |_| answer());
        eventually(what, || fetches(&gateway, "invalid") > before);
        let bearer = key.bearer(&json!({ "jti": what }));
        assert_eq!(ask(&gateway, &bearer).status, 200, "{what}");
    }
    assert!(other.seen().is_empty(), "no redirect is followed");
}

fn launched(folder: &Path, text: &str) -> Launched {
    fs::write(folder.join("session"), gateway::SESSION).unwrap();
    let file = folder.join("gateway.toml");
    let text = text.replace("{ env = \"SESSION\" }", "{ file = \"session\" }");
    fs::write(&file, text).unwrap();
    launch(Snapshot::load(&file).unwrap(), Some(&file)).unwrap()
}

#[test]
fn a_reload_loses_no_key_while_the_provider_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new("a");
    let jwks = set(&[&key]).body;
    let provider = Provider::start(move |_| Answer::of("application/json", &jwks));
    let upstream = Upstream::plain();
    let config = text(&upstream, &by_url(&provider, ""));
    let gateway = launched(folder.path(), &config);
    let status = || {
        let bearer = key.bearer(&json!({}));
        get(
            gateway.address(),
            "/api/default",
            &[("Authorization", &bearer)],
        )
        .status
    };
    eventually("keys were fetched", || status() == 200);
    provider.now(down);
    for (from, to) in [
        ("max_connections", "max_connections"),
        (
            "audience = \"embedgate\"",
            "audience = \"embedgate\"\nleeway = \"6s\"",
        ),
        (
            "audience = \"embedgate\"",
            "audience = \"embedgate\"\njwks_refresh = \"30s\"",
        ),
    ] {
        let file = folder.path().join("gateway.toml");
        let changed = config
            .replace("{ env = \"SESSION\" }", "{ file = \"session\" }")
            .replace(from, to);
        fs::write(file, changed).unwrap();
        gateway.reload().unwrap();
        assert_eq!(status(), 200, "{to}");
    }
    gateway.shutdown();
}

#[test]
fn a_set_in_a_file_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Key::new("old"), Key::new("new"));
    let file = folder.path().join("keys.json");
    let upstream = Upstream::plain();
    fs::write(&file, set(&[&old]).body).unwrap();
    let config = text(&upstream, "jwks = \"keys.json\"\naudience = \"embedgate\"");
    let gateway = launched(folder.path(), &config);
    let (of_old, of_new) = (old.bearer(&json!({})), new.bearer(&json!({})));
    let status = |bearer: &str| {
        get(
            gateway.address(),
            "/api/default",
            &[("Authorization", bearer)],
        )
        .status
    };
    assert_eq!((status(&of_old), status(&of_new)), (200, 401));
    fs::write(&file, set(&[&new]).body).unwrap();
    eventually("the new key is known", || status(&of_new) == 200);
    assert_eq!(status(&of_old), 401, "remembered, and its key is gone");
    fs::write(&file, "{").unwrap();
    thread::sleep(Duration::from_millis(2500));
    assert_eq!(status(&of_new), 200, "a broken file changes nothing");
    gateway.shutdown();
}

#[test]
fn a_configured_key_begins_and_ends_by_the_clock() {
    let now = gateway::now();
    let moment = |second: i64| jiff::Timestamp::from_second(second).unwrap();
    let key = |kid: &str, from: i64, until: i64| {
        let (from, until) = (moment(now + from), moment(now + until));
        format!(
            "{{ kid = \"{kid}\", algorithm = \"HS256\", secret = {{ env = \"APP\" }}, not_before = {from}, not_after = \"{until}\" }}"
        )
    };
    let issuer = format!(
        "keys = [{}, {}, {}]\naudience = \"embedgate\"",
        key("past", -60, -30),
        key("soon", 3600, 7200),
        key("brief", -60, 3)
    );
    let upstream = Upstream::plain();
    let gateway = start(&upstream, &issuer);
    let bearer = |kid: &str| {
        let signer = Signer::new("HS256", gateway::APP.as_bytes(), Some(kid)).unwrap();
        format!("Bearer {}", signer.sign(&claims()).unwrap())
    };
    for kid in ["past", "soon", "other"] {
        assert_eq!(ask(&gateway, &bearer(kid)).code(), "token_invalid", "{kid}");
    }
    let brief = bearer("brief");
    assert_eq!(ask(&gateway, &brief).status, 200);
    eventually("a remembered token's key ends", || {
        ask(&gateway, &brief).code() == "token_invalid"
    });
}

#[test]
fn the_admin_side_names_keys_and_shows_none() {
    let pair = pairs::pair("ES256");
    let key = Key { kid: "a", pair };
    let jwks = set(&[&key]).body;
    let provider = Provider::start(move |_| Answer::of("application/json", &jwks));
    let upstream = Upstream::plain();
    let gateway = start(
        &upstream,
        &by_url(&provider, "").replace("/jwks", "/jwks?key=hush"),
    );
    until_ready(&gateway);
    let shown = admin(&gateway, "/v1/sites").json();
    let issuer = &shown["issuers"]["app"];
    assert_eq!(issuer["keys"][0]["kid"], "a");
    assert_eq!(issuer["keys"][0]["algorithm"], "ES256");
    assert_eq!(issuer["keys_total"], 1);
    assert_eq!(issuer["source"], provider.url("/jwks"));
    let text = shown.to_string();
    for secret in ["hush", key.jwk()["x"].as_str().unwrap()] {
        assert!(!text.contains(secret), "{secret}");
    }
}

/// Serves one document over TLS, with a certificate for `localhost` that its own root has signed.
fn over_tls(body: Vec<u8>, folder: &Path) -> std::net::SocketAddr {
    use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
    use std::io::{Read, Write};

    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_key = rcgen::KeyPair::generate().unwrap();
    let root = params.self_signed(&root_key).unwrap();
    fs::write(folder.join("ca.pem"), root.pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let leaf = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let leaf = leaf
        .signed_by(&key, &rcgen::Issuer::new(params, root_key))
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let private = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut tcp in listener.incoming().flatten() {
            let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
            let mut head = [0; 4096];
            if stream.read(&mut head).is_err() {
                continue;
            }
            let length = body.len();
            let head =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
            let _gone = stream.write_all(&[head.as_bytes(), &body].concat());
            let _gone = stream.flush();
        }
    });
    address
}

#[test]
fn keys_come_over_tls_from_whom_the_roots_vouch_for() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::new("a");
    let address = over_tls(set(&[&key]).body, folder.path());
    let upstream = Upstream::plain();
    let issuer = |host: &str, more: &str| {
        let port = address.port();
        format!("jwks = \"https://{host}:{port}/jwks\"\naudience = \"embedgate\"\n{more}")
    };
    let ca = format!("jwks_ca = \"{}/ca.pem\"", folder.path().display());
    let gateway = start(&upstream, &issuer("localhost", &ca));
    until_ready(&gateway);
    assert_eq!(ask(&gateway, &key.bearer(&json!({}))).status, 200);
    gateway.stop();
    for (host, more, what) in [
        ("localhost", "", "a root that is not the system's"),
        (
            "127.0.0.1",
            ca.as_str(),
            "another name than the certificate's",
        ),
    ] {
        let gateway = start(&upstream, &issuer(host, more));
        eventually(what, || fetches(&gateway, "unreachable") >= 1.0);
        assert!(!ready(&gateway), "{what}");
    }
}
