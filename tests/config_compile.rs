//! What a good file compiles to.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, time::Duration};

use embedgate::{
    config::{
        AdapterSpec, AuditOutput, ConfigErrors, CookieMode, IdentitySource, Snapshot, UpstreamSpec,
    },
    gate::{
        param::{Lock, Place},
        resource::{IdRule, ResourceRule},
        route::{Access, Route},
        session::Carrier,
    },
};

const HEAD: &str = r#"
[listen]
address = "127.0.0.1:8080"

[session]
secret = { env = "SESSION" }

[issuer.app]
algorithm = "HS256"
secret = { env = "APP" }

[site.a]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:3000"
issuers = ["app"]
"#;

const GENERIC: &str = r#"
kind = "generic"
frame_ancestors = ["https://app.example.com"]

[site.a.params]
tenant_id = { mode = "locked", type = "integer" }
region = { mode = "enabled" }
debug = { mode = "disabled" }

[[site.a.routes]]
path = "/reports/{id}"
"#;

const SUPERSET: &str = r#"
kind = "superset"
frame_ancestors = ["https://app.example.com"]
params = { tenant_id = { mode = "locked", type = "integer" } }

[site.a.superset]
guest_secret = { env = "GUEST" }
rules = [{ clause = "tenant_id = {tenant_id}" }]
"#;

fn parse_at(base: &Path, text: &str) -> Result<Snapshot, ConfigErrors> {
    let env = |name: &str| match name {
        "DEFAULT" => Some("test-guest-secret-change-me".to_owned()),
        _ => Some("0123456789abcdef0123456789abcdef".to_owned()),
    };
    Snapshot::parse(text, base, &env)
}

fn parse(text: &str) -> Snapshot {
    parse_at(Path::new("/nonexistent"), text).unwrap()
}

fn faults(base: &Path, text: &str) -> Vec<String> {
    let errors = parse_at(base, text)
        .err()
        .map(|errors| errors.0)
        .unwrap_or_default();
    errors
        .iter()
        .map(|error| format!("{}: {}", error.key, error.problem))
        .collect()
}

fn routes(snapshot: &Snapshot) -> Vec<&Route> {
    snapshot.sites[0]
        .site
        .surface
        .routes()
        .iter()
        .map(|route| &**route)
        .collect()
}

/// `param → place` of every lock of the first route.
fn locks(routes: &str) -> Vec<(String, Place)> {
    let snapshot = parse(&format!("{HEAD}{GENERIC}{routes}"));
    let site = &snapshot.sites[0].site;
    let named = |lock: &Lock| (site.params[lock.param].name.to_string(), lock.place.clone());
    site.surface.routes()[0].locks.iter().map(named).collect()
}

fn query(param: &str, name: &str) -> (String, Place) {
    (param.into(), Place::Query(name.into()))
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let snapshot = parse(&format!("{HEAD}{GENERIC}"));
    let listen = &snapshot.listen;
    assert_eq!(
        (
            listen.http2,
            listen.max_connections,
            listen.head_limit,
            listen.workers
        ),
        (true, 10_000, 32 * 1024, 0)
    );
    assert_eq!(
        (listen.keep_alive, listen.shutdown_grace),
        (Duration::from_secs(75), Duration::from_secs(30))
    );
    assert!(snapshot.admin.is_none());
    assert_eq!(
        (&snapshot.audit.output, snapshot.audit.buffer),
        (&AuditOutput::Stdout, 8 << 20)
    );
    assert_eq!(snapshot.cache_entries, 100_000);
    let entry = &snapshot.sites[0];
    assert!(entry.site.sessions);
    assert!(matches!(entry.adapter, AdapterSpec::Generic));
    assert_eq!(
        (entry.cookies, entry.kept_cookies.len()),
        (CookieMode::Strip, 0)
    );
    assert_eq!(*entry.site.places.query[0], *"embed_token");
    assert_eq!(entry.upstream.connect_timeout, Duration::from_secs(5));
    let issuer = &snapshot.issuers[0].issuer;
    assert_eq!(
        (issuer.max_lifetime, issuer.leeway),
        (Duration::from_mins(10), Duration::from_secs(5))
    );
    let route = routes(&snapshot)[0];
    assert_eq!(
        (route.access, &*route.scope, route.body_limit),
        (Access::Viewer, "view", 1 << 20)
    );
    assert!(snapshot.dangers.is_empty());
}

#[test]
fn a_parameter_without_a_lock_goes_to_the_query() {
    assert_eq!(
        locks(""),
        [query("region", "region"), query("tenant_id", "tenant_id")]
    );
}

#[test]
fn a_lock_takes_the_place_of_the_default() {
    assert_eq!(
        locks("lock = [{ param = \"tenant_id\", in = \"query\", name = \"tenant\" }]"),
        [query("tenant_id", "tenant"), query("region", "region")]
    );
    assert_eq!(
        locks("lock = [{ param = \"tenant_id\", in = \"path\", name = \"id\" }]")[0],
        ("tenant_id".into(), Place::Path("id".into()))
    );
    assert_eq!(
        locks("danger_unlocked = [\"tenant_id\"]"),
        [query("region", "region")]
    );
}

#[test]
fn a_json_lock_keeps_its_template() {
    let written = "methods = [\"POST\"]\nlock = [{ param = \"tenant_id\", in = \"json\", at = \"/filters/-\", value = { op = \"=\", value = \"$value\" } }]";
    let template = serde_json::json!({ "op": "=", "value": "$value" });
    assert_eq!(
        locks(written)[0],
        (
            "tenant_id".into(),
            Place::Json {
                at: "/filters/-".into(),
                template: Some(template)
            }
        )
    );
}

#[test]
fn a_resource_comes_from_the_path_or_is_literal() {
    for (written, id) in [
        ("report:{id}", IdRule::Capture("id".into())),
        ("report:q3", IdRule::Literal("q3".into())),
    ] {
        let snapshot = parse(&format!("{HEAD}{GENERIC}resource = \"{written}\""));
        assert_eq!(
            routes(&snapshot)[0].resource,
            Some(ResourceRule {
                kind: "report".into(),
                id
            })
        );
    }
}

#[test]
fn upstream_paths_are_put_in_front() {
    let upstream = |url: &str| -> UpstreamSpec {
        parse(&format!("{HEAD}{GENERIC}").replace("http://127.0.0.1:3000", url)).sites[0]
            .upstream
            .clone()
    };
    assert_eq!(
        upstream("https://bi.internal/bianalyst/").prefix,
        "/bianalyst"
    );
    assert_eq!(upstream("https://bi.internal/bianalyst/").port, 443);
    assert_eq!(upstream("http://[::1]:8088").host, "::1");
}

#[test]
fn a_tenant_replaces_the_frame_ancestors_and_anyone_gets_all() {
    let tenant = "[site.a.tenants.acme]\nframe_ancestors = [\"https://portal.acme.example\", \"https://app.example.com\"]\n";
    let snapshot = parse(&format!("{HEAD}{GENERIC}{tenant}"));
    let frame = &snapshot.sites[0].site.frame;
    let said = |viewer, tenant| {
        frame
            .ancestors(viewer, tenant)
            .directive()
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(said(true, None), "frame-ancestors https://app.example.com");
    let acme = said(true, Some("acme"));
    assert!(acme.contains("https://portal.acme.example"), "{acme}");
    let anyone = said(false, None);
    assert_eq!(anyone.matches("https://").count(), 2, "{anyone}");
}

#[test]
fn identity_headers_name_the_viewer() {
    let text = format!(
        "{HEAD}identity = {{ X-Viewer = \"viewer\", X-Org = \"param.tenant_id\" }}\n{GENERIC}"
    );
    let snapshot = parse(&text);
    let (site, identity) = (&snapshot.sites[0].site, &snapshot.sites[0].identity);
    let index = site
        .params
        .iter()
        .position(|param| &*param.name == "tenant_id")
        .unwrap();
    let found: Vec<_> = identity
        .iter()
        .map(|(name, source)| (name.as_str(), *source))
        .collect();
    assert_eq!(
        found,
        [
            ("x-org", IdentitySource::Param(index)),
            ("x-viewer", IdentitySource::Viewer)
        ]
    );
}

#[test]
fn keys_by_kid() {
    let keys = "keys = [{ kid = \"b\", algorithm = \"HS256\", secret = { env = \"B\" } }, { kid = \"a\", algorithm = \"HS256\", secret = { env = \"A\" } }]";
    let text = format!("{HEAD}{GENERIC}")
        .replace("algorithm = \"HS256\"\nsecret = { env = \"APP\" }", keys);
    let snapshot = parse(&text);
    let entry = &snapshot.issuers[0];
    assert_eq!(entry.issuer.keys.now().keys().len(), 2);
    assert_eq!(entry.signing().unwrap().0.kid.as_deref(), Some("b"));
    let twice = faults(Path::new(""), &text.replace("\"a\"", "\"b\""));
    assert_eq!(twice.len(), 1);
    assert!(
        twice[0].starts_with("issuer.app.keys[1].kid: "),
        "{twice:?}"
    );
}

#[test]
fn what_carries_sessions_is_the_sites_own_word_or_the_usual() {
    let carrier = |usual: &str, own: &str| {
        let head = HEAD.replace("[session]", &format!("[session]\n{usual}"));
        parse(&format!("{head}{own}{GENERIC}")).sites[0]
            .site
            .carrier
    };
    let (script, cookie) = ("mode = \"script\"", "session_mode = \"cookie\"");
    assert_eq!(carrier("", ""), Carrier::Cookie);
    assert_eq!(carrier(script, ""), Carrier::Script);
    assert_eq!(carrier(script, cookie), Carrier::Cookie);
    assert_eq!(carrier("", "session_mode = \"script\""), Carrier::Script);
    // Superset has no sessions, so the usual word does not concern it.
    let head = HEAD.replace("[session]", &format!("[session]\n{script}"));
    assert!(!parse(&format!("{head}{SUPERSET}")).sites[0].site.sessions);
}

#[test]
fn superset_brings_its_surface() {
    let snapshot = parse(&format!("{HEAD}{SUPERSET}"));
    let entry = &snapshot.sites[0];
    assert!(!entry.site.sessions);
    assert!(!entry.site.surface.routes().is_empty());
    assert!(
        entry
            .site
            .places
            .headers
            .iter()
            .any(|name| name.as_str() == "x-guesttoken")
    );
    let AdapterSpec::Superset(spec) = &entry.adapter else {
        unreachable!("{:?}", entry.adapter)
    };
    assert_eq!(spec.referer, "http://127.0.0.1:3000/");
    assert_eq!(
        (spec.rules.len(), spec.guest_ttl),
        (1, Duration::from_mins(1))
    );
    assert!(spec.backend.is_none());
}

#[test]
fn superset_keeps_its_token_itself() {
    let script = |at: &str| {
        format!(
            "site.a.{at}: session mode \"script\" cannot go with Superset: its SDK sends a token of its own with every request, in a header, and keeps it \
             without any cookie; leave `sessions` off"
        )
    };
    for (usual, own, at) in [
        ("", "session_mode = \"script\"", "session_mode"),
        (
            "",
            "sessions = true\nsession_mode = \"script\"",
            "session_mode",
        ),
        ("mode = \"script\"", "sessions = true", "sessions"),
    ] {
        let text = format!("{HEAD}{own}{SUPERSET}");
        let text = text.replace("[session]", &format!("[session]\n{usual}"));
        assert_eq!(faults(Path::new(""), &text), [script(at)], "{usual} {own}");
    }
}

#[test]
fn superset_faults() {
    for (from, to, fault) in [
        (
            "[site.a.superset]\nguest_secret = { env = \"GUEST\" }",
            "[site.a.superset]",
            "site.a.superset.guest_secret: is required: Superset's GUEST_TOKEN_JWT_SECRET, such as { env = \"NAME\" }",
        ),
        (
            "\"GUEST\"",
            "\"DEFAULT\"",
            "site.a.superset.guest_secret: is Superset's built-in default, which everybody knows: set GUEST_TOKEN_JWT_SECRET in Superset",
        ),
        (
            "rules = [{ clause = \"tenant_id = {tenant_id}\" }]",
            "",
            "site.a.superset.rules: is required: without a rule Superset shows all rows, such as [{ clause = \"tenant_id = {tenant_id}\" }]",
        ),
        (
            "{ clause = \"tenant_id = {tenant_id}\" }",
            "{ clause = \"deleted = 0\" }",
            "site.a.superset.rules: `tenant_id` is locked but stands in no rule: it would filter nothing",
        ),
        (
            "[site.a.superset]",
            "[site.a.superset]\nservice_key = { env = \"KEY\" }",
            "site.a.superset.issuer: is required beside `service_key`: in whose name the drop-in endpoint signs",
        ),
        (
            "[site.a.superset]",
            "[site.a.superset]\nissuer = \"app\"",
            "site.a.superset.service_key: is required beside `issuer`: what backends show to the drop-in guest-token endpoint",
        ),
        (
            "[site.a.superset]",
            "[site.a.superset]\nservice_key = { env = \"KEY\" }\nissuer = \"other\"",
            "site.a.superset.issuer: `other` is not one of the site's issuers",
        ),
        (
            "[site.a.superset]",
            "[site.a.superset]\ndashboards = [\"7\"]",
            "site.a.superset.dashboards[0]: `7` is not an embed UUID",
        ),
        (
            "[site.a.superset]",
            "[site.a.superset]\nreferer = \"app.example.com\"",
            "site.a.superset.referer: `app.example.com` is not a URL, such as \"https://app.example.com/\"",
        ),
        (
            "kind = \"superset\"",
            "kind = \"superset\"\ncookies = \"frame\"",
            "site.a.cookies: Superset's session cookie would win over the guest token: none of its cookies may pass",
        ),
        (
            "[site.a.superset]",
            "[[site.a.routes]]\npath = \"/x\"\n[site.a.superset]",
            "site.a.routes: goes with kind = \"generic\": the Superset adapter brings its own surface",
        ),
    ] {
        let text = format!("{HEAD}{SUPERSET}");
        assert!(text.contains(from), "{from}");
        assert_eq!(
            faults(Path::new(""), &text.replacen(from, to, 1)),
            [fault],
            "{from} → {to}"
        );
    }
    let bad = faults(
        Path::new(""),
        &format!("{HEAD}{SUPERSET}").replace("{tenant_id}\"", "'{tenant_id}'\""),
    );
    assert_eq!(bad.len(), 1);
    assert!(
        bad[0].starts_with("site.a.superset.rules[0].clause: "),
        "{bad:?}"
    );
}

#[test]
fn the_drop_in_endpoint_signs_with_the_issuers_secret() {
    let keys = "[site.a.superset]\nservice_key = { env = \"KEY\" }\nissuer = \"app\"\ndanger_uncovered_datasets = true";
    let snapshot = parse(&format!("{HEAD}{SUPERSET}").replace("[site.a.superset]", keys));
    let AdapterSpec::Superset(spec) = &snapshot.sites[0].adapter else {
        unreachable!()
    };
    assert_eq!(*spec.backend.as_ref().unwrap().signer.name, *"app");
    assert_eq!(
        snapshot.dangers,
        ["site.a.superset.danger_uncovered_datasets"]
    );
}

#[test]
fn certificates_are_read_while_compiling() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["bi.example.com".to_owned()]).unwrap();
    let other = rcgen::generate_simple_self_signed(vec!["bi.example.com".to_owned()]).unwrap();
    let put = |name: &str, text: String| fs::write(folder.path().join(name), text).unwrap();
    put("edge.pem", made.cert.pem());
    put("edge.key", made.signing_key.serialize_pem());
    put("other.key", other.signing_key.serialize_pem());
    put("empty.pem", String::new());
    let text = |certificate: &str, key: &str| {
        let tls = format!(
            "address = \"0.0.0.0:8443\"\ntls = {{ certificate = \"{certificate}\", key = \"{key}\" }}"
        );
        format!("{HEAD}{GENERIC}").replace("address = \"127.0.0.1:8080\"", &tls)
    };
    let good = parse_at(folder.path(), &text("edge.pem", "edge.key")).unwrap();
    assert_eq!(
        good.listen.tls[0].certificate,
        folder.path().join("edge.pem")
    );
    for (certificate, key, fault) in [
        (
            "edge.pem",
            "other.key",
            "listen.tls.key: the private key does not belong to the certificate",
        ),
        (
            "empty.pem",
            "edge.key",
            "listen.tls.certificate: empty.pem: holds no PEM certificate",
        ),
        (
            "edge.pem",
            "empty.pem",
            "listen.tls.key: empty.pem: holds no PEM private key",
        ),
        (
            "none.pem",
            "edge.key",
            "listen.tls.certificate: none.pem: cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(faults(folder.path(), &text(certificate, key)), [fault]);
    }
    let two = text("edge.pem", "edge.key")
        .replace("tls = {", "tls = [{")
        .replace(
            "edge.key\" }",
            "edge.key\" }, { certificate = \"empty.pem\", key = \"edge.key\" }]",
        );
    assert_eq!(
        faults(folder.path(), &two),
        ["listen.tls[1].certificate: empty.pem: holds no PEM certificate"]
    );
}

#[test]
fn a_secret_file_may_end_in_a_line_break() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("short"),
        "0123456789abcdef0123456789abcde\r\n",
    )
    .unwrap();
    fs::write(
        folder.path().join("long"),
        "0123456789abcdef0123456789abcdef\n",
    )
    .unwrap();
    let text = |name: &str| {
        format!("{HEAD}{GENERIC}")
            .replace("{ env = \"SESSION\" }", &format!("{{ file = \"{name}\" }}"))
    };
    assert!(parse_at(folder.path(), &text("long")).is_ok());
    assert_eq!(
        faults(folder.path(), &text("short")),
        ["session.secret: a session secret needs at least 32 bytes, this one has 31"]
    );
}
