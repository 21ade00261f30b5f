//! What an issuer's keys compile to: PEM, JSON Web Keys, sets in files, places to fetch from. Nothing here asks a network.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::{fs, path::Path, time::Duration};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use embedgate::{
    config::{ConfigErrors, IssuerEntry, Snapshot, remote::Cleartext},
    gate::request::UnixTime,
};
use serde_json::{Value, json};

fn parse(base: &Path, issuer: &str) -> Result<Snapshot, ConfigErrors> {
    let text = format!(
        r#"
[listen]
address = "127.0.0.1:8080"
[session]
secret = {{ env = "SESSION" }}
[issuer.app]
{issuer}
[site.a]
hosts = ["bi.example.com"]
upstream = "http://127.0.0.1:3000"
issuers = ["app"]
kind = "generic"
frame_ancestors = ["https://app.example.com"]
[[site.a.routes]]
path = "/"
"#
    );
    Snapshot::parse(&text, base, &|_| {
        Some("0123456789abcdef0123456789abcdef".into())
    })
}

fn entry(base: &Path, issuer: &str) -> IssuerEntry {
    let snapshot = parse(base, issuer).unwrap();
    snapshot.issuers.into_iter().next().unwrap()
}

fn faults(base: &Path, issuer: &str) -> Vec<String> {
    let errors = parse(base, issuer).err().unwrap();
    errors.0.iter().map(|error| error.problem.clone()).collect()
}

/// A fresh P-256 key as a JWK.
fn ec(kid: &str) -> Value {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let (_, point) = pair.public_key().as_ref().split_at(1);
    let text = |part: &[u8]| URL_SAFE_NO_PAD.encode(part);
    json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "kid": kid, "x": text(&point[..32]), "y": text(&point[32..])})
}

fn inline(jwk: &Value) -> String {
    let members = jwk.as_object().unwrap().iter();
    let members: Vec<String> = members
        .map(|(name, value)| format!("{name} = {value}"))
        .collect();
    format!("{{ {} }}", members.join(", "))
}

fn kids(entry: &IssuerEntry) -> Vec<String> {
    let ring = entry.issuer.keys.now();
    let keys = ring.keys().all();
    let mut kids: Vec<String> = keys
        .map(|key| key.kid().unwrap_or_default().to_owned())
        .collect();
    kids.sort();
    kids
}

#[test]
fn keys_are_fetched_at_run_time_and_not_before() {
    let here = Path::new("/nonexistent");
    let plain = entry(here, "jwks = \"https://keys.nowhere.invalid/jwks?v=1\"");
    let source = plain.source.as_ref().unwrap();
    assert!(plain.issuer.keys.is_fetched() && kids(&plain).is_empty());
    assert_eq!(
        source.place.to_string(),
        "https://keys.nowhere.invalid/jwks"
    );
    assert_eq!(&*source.place.target, "/jwks?v=1");
    assert_eq!(source.refresh, Duration::from_mins(10));
    assert_eq!((plain.issuer.iss.as_deref(), &source.issuer), (None, &None));
    assert!(plain.keys.is_empty() && plain.signing().is_none());

    let issuer = "issuer_url = \"https://idp.example.com/t/\"\naudience = \"embedgate\"\nalgorithms = [\"RS256\"]\njwks_refresh = \"1m\"";
    let found = entry(here, issuer);
    let source = found.source.as_ref().unwrap();
    assert_eq!(
        source.place.to_string(),
        "https://idp.example.com/t/.well-known/openid-configuration"
    );
    assert_eq!(
        found.issuer.iss.as_deref(),
        Some("https://idp.example.com/t/")
    );
    assert_eq!(source.issuer.as_deref(), found.issuer.iss.as_deref());
    assert_eq!(source.rules.algorithms, ["RS256"]);
    assert!(!source.rules.secrets, "what is fetched holds no secret");
}

#[test]
fn cleartext_is_for_this_machine_unless_somebody_signs_for_it() {
    let here = Path::new("/nonexistent");
    let local = parse(here, "jwks = \"http://127.0.0.1:9000/jwks\"").unwrap();
    assert!(local.dangers.is_empty());
    let url = "jwks = \"http://idp.internal/jwks\"";
    assert!(parse(here, url).is_err());
    let snapshot = parse(here, &format!("{url}\ndanger_jwks_cleartext = true")).unwrap();
    assert_eq!(snapshot.dangers, ["issuer.app.danger_jwks_cleartext"]);
    let source = snapshot.issuers[0].source.as_ref().unwrap();
    assert_eq!(source.place.trust.cleartext, Cleartext::Anywhere);
}

#[test]
fn a_jwk_stands_here_or_in_a_file_and_says_its_own_name_and_algorithm() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (ec("one"), ec("other"));
    fs::write(folder.path().join("other.json"), other.to_string()).unwrap();
    let mut bare = ec("x");
    for name in ["kid", "alg"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let keys = format!(
        "keys = [{{ jwk = {} }}, {{ jwk = \"other.json\" }}, {{ kid = \"bare\", algorithm = \"ES256\", jwk = {} }}]",
        inline(&one),
        inline(&bare)
    );
    let found = entry(folder.path(), &keys);
    assert_eq!(kids(&found), ["bare", "one", "other"]);
    assert_eq!(found.keys.len(), 3);
    let alone = entry(folder.path(), &format!("jwk = {}", inline(&one)));
    assert_eq!(kids(&alone), ["one"]);
    for (key, fault) in [
        (
            format!("{{ kid = \"two\", jwk = {} }}", inline(&one)),
            "is not the `kid` of the JSON Web Key, `one`",
        ),
        (
            format!(
                "{{ kid = \"one\", algorithm = \"ES384\", jwk = {} }}",
                inline(&one)
            ),
            "ES256 is not among `algorithms`",
        ),
        (
            format!("{{ jwk = {} }}", inline(&bare)),
            "it names no `alg`, and the issuer names no `algorithms`",
        ),
    ] {
        assert_eq!(faults(folder.path(), &format!("keys = [{key}]")), [fault]);
    }
}

#[test]
fn a_set_in_a_file_is_read_whole_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let write = |keys: &[Value]| {
        let text = json!({ "keys": keys }).to_string();
        fs::write(folder.path().join("keys.json"), text).unwrap();
    };
    let secret =
        json!({"kty": "oct", "alg": "HS256", "kid": "s", "k": URL_SAFE_NO_PAD.encode([7; 32])});
    let mut encrypting = ec("e");
    encrypting["use"] = "enc".into();
    write(&[ec("one"), encrypting.clone(), secret]);
    let issuer = "jwks = \"keys.json\"";
    let found = entry(folder.path(), issuer);
    assert_eq!(kids(&found), ["one", "s"]);
    assert_eq!(found.unused, ["`e`: it is not for signatures (`use`)"]);
    let (key, secret) = found.signing().unwrap();
    assert_eq!(
        (key.kid.as_deref(), secret.expose()),
        (Some("s"), &[7; 32][..])
    );
    assert!(found.source.is_none() && !found.issuer.keys.is_fetched());

    let mut private = ec("p");
    private["d"] = "AA".into();
    for (keys, fault) in [
        (
            vec![ec("one"), private],
            "keys.json: `p`: it is a private key",
        ),
        (
            vec![ec("one"), ec("one")],
            "keys.json: two keys have the `kid` `one`",
        ),
        (vec![encrypting], "keys.json: holds no key that can be used"),
        (vec![], "keys.json: holds no key that can be used"),
    ] {
        write(&keys);
        let found = faults(folder.path(), issuer);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{found:?}");
    }
    fs::write(folder.path().join("keys.json"), "{}").unwrap();
    assert!(faults(folder.path(), issuer)[0].contains("not a JSON Web Key Set"));
}

#[test]
fn a_file_of_keys_is_watched_and_changes_the_generation() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let load = |kid: &str| {
        fs::write(&file, json!({ "keys": [ec(kid)] }).to_string()).unwrap();
        let snapshot = parse(folder.path(), "jwks = \"keys.json\"").unwrap();
        assert_eq!(snapshot.files.len(), 1);
        let issuer = &snapshot.issuers[0].issuer;
        (issuer.generation, issuer.keys.now().generation())
    };
    let (first, second) = (load("a"), load("b"));
    assert!(first.0 != second.0 && first.1 != second.1);
}

#[test]
fn a_key_has_a_beginning_and_an_end_in_either_writing() {
    let keys = "keys = [{ kid = \"a\", algorithm = \"HS256\", secret = { env = \"A\" }, not_before = 2026-11-01T00:00:00Z, not_after = \"2026-11-01T02:00:01+02:00\" }]";
    let found = entry(Path::new("/nonexistent"), keys);
    let ring = found.issuer.keys.now();
    let key = ring.keys().all().next().unwrap();
    let validity = key.validity();
    assert_eq!(validity.not_before, Some(UnixTime(1_793_491_200)));
    assert_eq!(validity.not_after, Some(UnixTime(1_793_491_201)));
}
