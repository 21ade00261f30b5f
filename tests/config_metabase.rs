//! `kind = "metabase"`: what a good file compiles to, and what is wrong with the others.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{path::Path, time::Duration};

use embedgate::{
    adapter::metabase::{Item, ItemId, Kind, MetabaseSpec, Unmapped, Uuid, Values},
    config::{AdapterSpec, ConfigErrors, CookieMode, Snapshot},
    gate::param::Mode,
};

/// Signed embeds.
const SIGNED: &str = r#"
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
kind = "metabase"
issuers = ["app"]
frame_ancestors = ["https://app.example.com"]

[site.a.params]
organization_id = { mode = "locked", type = "integer", all = "staff" }
region = { mode = "enabled" }
plan = { mode = "enabled" }
debug = { mode = "disabled" }

[site.a.metabase]
embedding_secret = { env = "MB" }
"#;

/// A public link, and no signed embeds.
const PUBLIC: &str = r#"[site.a.metabase.public."b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11"]
kind = "dashboard"
"#;

const KEY: &str = "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef";

fn env(name: &str) -> Option<String> {
    Some(match name {
        "MB" => KEY.to_owned(),
        "SHORT" => KEY.chars().take(32).collect(),
        "LONG" => KEY.repeat(2),
        "WORDS" => "z".to_owned() + KEY.get(1..)?,
        "SAME" => "a".repeat(64),
        "SPACES" => "mb_1234567890 1234567890".to_owned(),
        _ => "mb_9876543210987654321098765432".to_owned() + "10",
    })
}

fn parse(text: &str) -> Result<Snapshot, ConfigErrors> {
    Snapshot::parse(text, Path::new("/nonexistent"), &env)
}

fn spec(text: &str) -> MetabaseSpec {
    let snapshot = parse(text).unwrap();
    let AdapterSpec::Metabase(spec) = &snapshot.sites[0].adapter else {
        unreachable!("{:?}", snapshot.sites[0].adapter)
    };
    (**spec).clone()
}

fn faults(text: &str) -> Vec<String> {
    let errors = parse(text).err().map(|errors| errors.0).unwrap_or_default();
    errors
        .iter()
        .map(|error| {
            let key = error.key.strip_prefix("site.a.").unwrap_or(&error.key);
            format!("{key}: {}", error.problem)
        })
        .collect()
}

fn public_only() -> String {
    SIGNED.replace("embedding_secret = { env = \"MB\" }\n", PUBLIC)
}

#[test]
fn a_key_suffices_and_the_rest_has_defaults() {
    let snapshot = parse(SIGNED).unwrap();
    let entry = &snapshot.sites[0];
    assert!(entry.site.sessions);
    assert_eq!(entry.cookies, CookieMode::Strip);
    assert!(!entry.site.surface.routes().is_empty());
    assert_eq!(*entry.site.places.query[0], *"embed_token");
    assert!(entry.site.places.bearer);
    assert!(snapshot.dangers.is_empty());
    let all: Vec<_> = entry
        .site
        .params
        .iter()
        .map(|param| (&*param.name, param.all.as_deref()))
        .collect();
    assert_eq!(
        all,
        [
            ("debug", None),
            ("organization_id", Some("staff")),
            ("plan", None),
            ("region", None)
        ]
    );
    let spec = spec(SIGNED);
    assert_eq!(
        spec.embedding_secret.as_ref().unwrap().expose(),
        KEY.as_bytes(),
        "used as it stands, not decoded, not folded"
    );
    assert_eq!((spec.version, spec.downloads), (None, true));
    assert!(!spec.locks_everywhere());
    assert_eq!(
        (spec.values, spec.unmapped),
        (Values::Constrained, Unmapped::Report)
    );
    assert_eq!(
        (spec.token_ttl, spec.guest_token_ttl, spec.layout_ttl),
        (
            Duration::from_mins(1),
            Duration::from_mins(10),
            Duration::from_secs(30)
        )
    );
    assert!(spec.api_key.is_none() && spec.public.is_empty() && spec.items.is_empty());
}

#[test]
fn every_key_arrives() {
    let keys = "token_ttl = \"2m\"\nversion = 58\ndownloads = false\nvalues = \"deny\"\napi_key = { env = \"KEY\" }\nunmapped = \"deny\"\n\
                guest_token_ttl = \"5m\"\nlayout_ttl = \"0s\"\nsettings = [\"custom-formatting\"]\ngeojson = [\"my_map\"]\n";
    let spec = spec(&format!("{SIGNED}{keys}"));
    assert_eq!(spec.token_ttl, MetabaseSpec::MAX_TOKEN_TTL);
    assert!(spec.locks_everywhere());
    assert!(!spec.downloads);
    assert_eq!((spec.values, spec.unmapped), (Values::Deny, Unmapped::Deny));
    assert!(spec.api_key.is_some());
    assert_eq!(
        (spec.guest_token_ttl, spec.layout_ttl),
        (Duration::from_mins(5), Duration::ZERO)
    );
    assert_eq!(*spec.settings[0], *"custom-formatting");
    assert_eq!(*spec.geojson[0], *"my_map");
}

#[test]
fn an_item_has_the_modes_of_the_site_and_its_own() {
    let items = "[site.a.metabase.dashboards.42]\nparams = { region = \"locked\", plan = \"disabled\" }\ndanger_unlocked = [\"organization_id\"]\n\
                 [site.a.metabase.questions.5]\nparams = { plan = \"locked\" }\n\
                 [site.a.metabase.dashboards.J3kT_fN0-aBcDeFgHiJkL]\nparams = { plan = \"locked\" }\n";
    let snapshot = parse(&format!("{SIGNED}{items}")).unwrap();
    assert_eq!(
        snapshot.dangers,
        ["site.a.metabase.dashboards.42.danger_unlocked"]
    );
    let params = &snapshot.sites[0].site.params;
    let spec = spec(&format!("{SIGNED}{items}"));
    let modes = |kind, id: &str| {
        let id = ItemId::parse(id).unwrap();
        spec.modes(&Item { kind, id }, params)
    };
    let (off, on, locked) = (Mode::Disabled, Mode::Enabled, Mode::Locked);
    // debug, organization_id, plan, region
    assert_eq!(modes(Kind::Dashboard, "42"), [off, off, off, locked]);
    assert_eq!(modes(Kind::Question, "42"), [off, locked, on, on]);
    assert_eq!(modes(Kind::Question, "5"), [off, locked, locked, on]);
    assert_eq!(
        modes(Kind::Dashboard, "J3kT_fN0-aBcDeFgHiJkL"),
        [off, locked, locked, on]
    );
}

#[test]
fn public_links_need_no_key() {
    let spec = spec(&format!(
        "{}values = \"constrained\"\nsafe_values = [\"region\"]\n",
        public_only()
    ));
    assert!(spec.embedding_secret.is_none());
    let uuid = Uuid::parse("b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11").unwrap();
    let link = &spec.public[&uuid];
    assert_eq!(
        (link.kind, link.downloads, link.values),
        (Kind::Dashboard, true, Values::Constrained)
    );
    assert_eq!(link.safe_values, [3], "region");
    let spec = self::spec(&public_only());
    assert_eq!(spec.public[&uuid].values, Values::Deny);
}

#[test]
fn guest_tokens_live_no_longer_than_sessions() {
    let short = SIGNED.replace("[session]", "[session]\nlifetime = \"5m\"");
    assert_eq!(spec(&short).guest_token_ttl, Duration::from_mins(5));
    assert_eq!(
        faults(&format!("{short}guest_token_ttl = \"6m\"\n")),
        ["metabase.guest_token_ttl: `6m` is longer than a session, which ends after 5m"]
    );
}

#[test]
fn without_a_session_table_every_request_brings_its_token() {
    let text = SIGNED.replace("[session]\nsecret = { env = \"SESSION\" }\n", "");
    assert!(!parse(&text).unwrap().sites[0].site.sessions);
    assert_eq!(
        faults(&format!("{text}guest_token_ttl = \"5m\"\n")),
        [
            "metabase.guest_token_ttl: needs sessions: the web component's tokens are handed out to a session; add a [session] table with a secret"
        ]
    );
}

#[test]
fn metabases_own_tokens_come_from_an_issuer_with_its_key() {
    let text = SIGNED.replace(
        "secret = { env = \"APP\" }",
        "secret = { env = \"MB\" }\ndefault_viewer = \"anonymous\"",
    );
    let snapshot = parse(&text).unwrap();
    let issuer = &snapshot.issuers[0].issuer;
    assert_eq!(issuer.claims.viewer_default.as_deref(), Some("anonymous"));
    assert_eq!((&issuer.iss, &issuer.audience), (&None, &None));
    assert_ne!(
        issuer.generation,
        parse(SIGNED).unwrap().issuers[0].issuer.generation
    );
}

#[test]
fn no_secret_is_repeated() {
    for name in ["SHORT", "LONG", "WORDS", "SAME"] {
        let said = faults(&SIGNED.replace("\"MB\"", &format!("\"{name}\""))).join("\n");
        assert!(said.contains("64 hexadecimal"), "{said}");
        assert!(!said.contains("cdef") && !said.contains("aaa"), "{said}");
    }
}

#[test]
fn all_faults_are_said_at_once() {
    let text = SIGNED.replace("\"MB\"", "\"SHORT\"")
        + "token_ttl = \"1h\"\nlayout_ttl = \"1h\"\nversion = 0\nunmapped = \"deny\"\nsettings = [\"version\"]\ngeojson = [\"..\"]\n\
           [site.a.metabase.dashboards.x]\n[site.a.metabase.public.y]\n";
    let said = faults(&text);
    let keys: Vec<&str> = said
        .iter()
        .filter_map(|fault| fault.split(": ").next())
        .collect();
    assert_eq!(
        keys,
        [
            "metabase.embedding_secret",
            "metabase.token_ttl",
            "metabase.layout_ttl",
            "metabase.version",
            "metabase.unmapped",
            "metabase.settings[0]",
            "metabase.geojson[0]",
            "metabase.dashboards.x",
            "metabase.public.y",
            "metabase.public.y.kind",
        ]
    );
}

const NOT_A_KEY: &str = "metabase.embedding_secret: is not Metabase's embedding secret key: that is the 64 hexadecimal characters of its admin page \
                         (Embedding), as they stand there, not decoded; ";

#[test]
fn faults_of_the_site() {
    for (from, to, fault) in [
        (
            "[site.a.metabase]\nembedding_secret = { env = \"MB\" }\n",
            "",
            "metabase: is required: the table with what embedgate needs to sign for Metabase, or the public links to lock",
        ),
        (
            "embedding_secret = { env = \"MB\" }",
            "",
            "metabase.embedding_secret: is required: Metabase's MB_EMBEDDING_SECRET_KEY, such as { env = \"MB_EMBEDDING_SECRET_KEY\" }; or else a public link",
        ),
        (
            "\"MB\"",
            "\"SHORT\"",
            &format!("{NOT_A_KEY}this one has 32"),
        ),
        (
            "\"MB\"",
            "\"LONG\"",
            &format!("{NOT_A_KEY}this one has 128"),
        ),
        (
            "\"MB\"",
            "\"WORDS\"",
            &format!("{NOT_A_KEY}this one has other characters"),
        ),
        (
            "\"MB\"",
            "\"SAME\"",
            &format!("{NOT_A_KEY}this one is a single character repeated: let Metabase make one"),
        ),
        (
            "kind = \"metabase\"",
            "kind = \"metabase\"\nsuperset = {}",
            "superset: goes with kind = \"superset\"",
        ),
        (
            "kind = \"metabase\"",
            "kind = \"metabase\"\ncookies = \"frame\"",
            "cookies: Metabase's embeds need no cookies: none of them may pass, a signed-in person's least of all",
        ),
        (
            "kind = \"metabase\"",
            "kind = \"metabase\"\nupstream_cookies = [\"metabase.DEVICE\"]",
            "upstream_cookies: Metabase's embeds need no cookies: none of them may pass, a signed-in person's least of all",
        ),
        (
            "[site.a.metabase]",
            "[[site.a.routes]]\npath = \"/x\"\n[site.a.metabase]",
            "routes: goes with kind = \"generic\": the Metabase adapter brings its own surface",
        ),
        (
            "all = \"staff\"",
            "all = \"the staff\"",
            "params.organization_id.all: `the staff` is not the name of a scope, such as \"staff\"",
        ),
        (
            "all = \"staff\"",
            "all = \"view\"",
            "params.organization_id.all: `view` is a scope of ordinary viewers: name one of its own, such as \"staff\"",
        ),
        (
            "region = { mode = \"enabled\"",
            "region = { mode = \"enabled\", all = \"staff\"",
            "params.region.all: goes with mode = \"locked\": only a locked parameter must have a value",
        ),
        (
            "kind = \"metabase\"",
            "kind = \"metabase\"\nissuers = []",
            "issuers: is required: names of the issuers whose viewer tokens are accepted",
        ),
    ] {
        let text = SIGNED.replacen(from, to, 1);
        let text = if to.contains("issuers = []") {
            text.replace("issuers = [\"app\"]\n", "")
        } else {
            text
        };
        assert_eq!(faults(&text), [fault], "{from} → {to}");
    }
}

#[test]
fn faults_of_the_table() {
    let mut seen = 0;
    for block in include_str!("config_metabase/faults.txt")
        .split("\n\n")
        .skip(1)
    {
        let (line, fault) = block.trim_start_matches("+ ").split_once("\n= ").unwrap();
        let text = format!("{SIGNED}{line}\n");
        assert_eq!(faults(&text), [fault.trim_end()], "{line}");
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn faults_of_public_links() {
    let good = public_only();
    assert_eq!(faults(&good), [""; 0]);
    for (from, to, fault) in [
        (
            "kind = \"dashboard\"\n",
            "",
            "metabase.public.b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11.kind: is required: \"dashboard\" or \"question\"",
        ),
        (
            "kind = \"dashboard\"\n",
            "kind = \"document\"\n",
            "metabase.public.b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11.kind: `document` is not one of `dashboard`, `question`",
        ),
        (
            "b7b1d3a0-7c55",
            "B7B1D3A0-7c55",
            "metabase.public.B7B1D3A0-7c55-4f0e-9a3c-0f5e9d2c1a11: `B7B1D3A0-7c55-4f0e-9a3c-0f5e9d2c1a11` is not the id of a public link: lower case, with dashes, as in b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11",
        ),
        (
            "organization_id = { mode = \"locked\", type = \"integer\", all = \"staff\" }",
            "",
            "metabase.public: needs a parameter with mode = \"locked\" in the site's params: without one a public link shows everybody everything",
        ),
        (
            "[session]\nsecret = { env = \"SESSION\" }\n",
            "",
            "metabase.public: needs sessions: the page of a public link has no token of its own; add a [session] table with a secret, and leave `sessions` on",
        ),
        (
            "kind = \"metabase\"",
            "kind = \"metabase\"\nsessions = false",
            "metabase.public: needs sessions: the page of a public link has no token of its own; add a [session] table with a secret, and leave `sessions` on",
        ),
        (
            "kind = \"dashboard\"",
            "kind = \"dashboard\"\nsafe_values = [\"organization_id\"]",
            "metabase.public.b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11.safe_values[0]: `organization_id` is not enabled: its values are never listed",
        ),
        (
            "[site.a.metabase.public",
            "[site.a.metabase.dashboards.4]\n[site.a.metabase.public",
            "metabase.dashboards: is about signed embeds: needs `embedding_secret`",
        ),
        (
            "[site.a.metabase.public",
            "[site.a.metabase]\napi_key = { env = \"KEY\" }\n[site.a.metabase.public",
            "metabase.api_key: is about signed embeds: needs `embedding_secret`",
        ),
    ] {
        assert!(good.contains(from), "{from}");
        let text = good
            .replacen("[site.a.metabase]\n", "", 1)
            .replacen(from, to, 1);
        assert_eq!(faults(&text), [fault], "{from} → {to}");
    }
}
