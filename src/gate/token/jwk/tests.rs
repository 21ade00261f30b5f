use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::gate::token::testing;

/// The public key of an algorithm as a JWK, by way of its PEM.
fn jwk(algorithm: &str) -> Value {
    use aws_lc_rs::{rsa, signature as sig};

    let pem = String::from_utf8(testing::pair(algorithm).public).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD
        .decode(body)
        .unwrap();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match algorithm {
        "ES256" | "ES384" => {
            let size = if algorithm == "ES256" { 32 } else { 48 };
            let (_, point) = der.split_at(der.len() - 2 * size);
            let (x, y) = point.split_at(size);
            json!({"kty": "EC", "crv": if size == 32 { "P-256" } else { "P-384" }, "x": text(x), "y": text(y)})
        }
        "EdDSA" => {
            let (_, x) = der.split_at(der.len() - 32);
            assert!(sig::ParsedPublicKey::new(&sig::ED25519, x).is_ok());
            json!({"kty": "OKP", "crv": "Ed25519", "x": text(x)})
        }
        _ if algorithm.starts_with("HS") => {
            json!({"kty": "oct", "k": text(&testing::pair(algorithm).public)})
        }
        _ => {
            let key = rsa::PublicKey::from_der(&der).unwrap();
            let (n, e) = (key.modulus(), key.exponent());
            json!({"kty": "RSA", "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero())})
        }
    }
}

/// With some members set; `null` takes one away.
fn with(mut jwk: Value, members: &Value) -> Value {
    for (name, value) in members.as_object().unwrap() {
        if value.is_null() {
            jwk.as_object_mut().unwrap().remove(name);
        } else {
            jwk[name] = value.clone();
        }
    }
    jwk
}

fn set(rules: &JwkRules, keys: &[Value]) -> Jwks {
    let text = json!({ "keys": keys }).to_string();
    rules.set(text.as_bytes()).unwrap()
}

fn published() -> JwkRules {
    JwkRules::default()
}

fn kids(jwks: &Jwks) -> Vec<Option<String>> {
    let keys = jwks.keys.all();
    let mut kids: Vec<_> = keys.map(|key| key.kid().map(str::to_owned)).collect();
    kids.sort();
    kids
}

const ALL: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

#[test]
fn a_jwk_verifies_what_its_pem_verifies() {
    let rules = JwkRules {
        secrets: true,
        ..JwkRules::default()
    };
    for algorithm in ALL {
        let text = with(jwk(algorithm), &json!({"alg": algorithm, "kid": "a"})).to_string();
        let key = rules.parse(text.as_bytes()).unwrap().key;
        let token = testing::token(algorithm, &testing::claims());
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        assert!(key.verifies(&signature, message.as_bytes()), "{algorithm}");
        assert!(!key.verifies(&signature, b"other"), "{algorithm}");
        assert_eq!(key.algorithm_name(), algorithm);
        let pem = Key::new(Some("a"), algorithm, &testing::pair(algorithm).public).unwrap();
        assert_eq!(key.mark(), pem.mark(), "{algorithm}: one key, two writings");
    }
}

#[test]
fn the_algorithm_is_the_keys_or_the_issuers_only_one_that_fits() {
    let rsa = jwk("RS256");
    for (algorithms, alg, found) in [
        (&[][..], Some("RS256"), Some("RS256")),
        (&[], Some("PS512"), Some("PS512")),
        (&[], None, None),
        (&["RS256"], None, Some("RS256")),
        (&["RS256"], Some("RS256"), Some("RS256")),
        (&["RS256"], Some("RS384"), None),
        (&["ES256"], None, None),
        (&["RS256", "PS256"], None, None),
        (&["RS256", "PS256"], Some("PS256"), Some("PS256")),
        (&["RS256", "ES256", "EdDSA"], None, Some("RS256")),
        (&[], Some("ES256"), None),
        (&[], Some("HS256"), None),
        (&[], Some("none"), None),
        (&[], Some("rs256"), None),
        (&[], Some(""), None),
    ] {
        let rules = JwkRules::new(algorithms, false).unwrap();
        let one = with(rsa.clone(), &json!({"kid": "a", "alg": alg}));
        let jwks = set(&rules, &[one]);
        let name = jwks.keys.all().next().map(|key| key.algorithm_name());
        assert_eq!(name, found, "{algorithms:?} {alg:?}");
        assert_eq!(jwks.unused.len(), usize::from(found.is_none()));
    }
}

#[test]
fn what_is_for_something_else_or_unknown_is_skipped() {
    let good = with(jwk("ES256"), &json!({"kid": "good", "alg": "ES256"}));
    for members in [
        json!({"use": "enc"}),
        json!({"key_ops": ["sign"]}),
        json!({"key_ops": []}),
        json!({"kty": "AKP"}),
        json!({"crv": "P-521"}),
        json!({"crv": null}),
        json!({"crv": "secp256k1", "alg": "ES256K"}),
        json!({"alg": "ECDH-ES"}),
        json!({"alg": null}),
    ] {
        let other = with(with(good.clone(), &json!({"kid": "other"})), &members);
        let jwks = set(&published(), &[good.clone(), other]);
        assert_eq!(kids(&jwks), [Some("good".to_owned())], "{members}");
        assert!(matches!(&jwks.unused[..], [JwkError::Skipped(why)] if why.starts_with("`other`")));
    }
    for members in [
        json!({"use": "sig"}),
        json!({"key_ops": ["verify"]}),
        json!({"x5c": ["AA"], "x5t": "AA", "nbf": 1, "exp": 2}),
    ] {
        let jwks = set(&published(), &[with(good.clone(), &members)]);
        assert_eq!(jwks.keys.len(), 1, "{members}");
    }
}

#[test]
fn private_weak_and_broken_keys_are_refused() {
    let (ec, rsa) = (jwk("ES256"), jwk("RS256"));
    let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
    let small = URL_SAFE_NO_PAD.encode([0xff; 128]);
    let table = [
        (ec.clone(), json!({"alg": "ES256", "d": "AA"}), "private"),
        (rsa.clone(), json!({"alg": "RS256", "d": "AA"}), "private"),
        (
            rsa.clone(),
            json!({"alg": "RS256", "p": "AA"}),
            "half private",
        ),
        (jwk("EdDSA"), json!({"alg": "EdDSA", "d": "AA"}), "private"),
        (
            ec.clone(),
            json!({"alg": "ES256", "k": "AA"}),
            "a secret beside",
        ),
        (jwk("HS256"), json!({"alg": "HS256"}), "shared secret"),
        (
            rsa.clone(),
            json!({"alg": "RS256", "n": small}),
            "1024 bits",
        ),
        (rsa.clone(), json!({"alg": "RS256", "e": "AQ"}), "e = 1"),
        (rsa.clone(), json!({"alg": "RS256", "e": "Ag"}), "e = 2"),
        (rsa.clone(), json!({"alg": "RS256", "e": ""}), "no e"),
        (rsa.clone(), json!({"alg": "RS256", "n": ""}), "no n"),
        (rsa.clone(), json!({"alg": "RS256", "n": null}), "n missing"),
        (rsa, json!({"alg": "RS256", "kid": 7}), "kid is a number"),
        (
            ec.clone(),
            json!({"alg": "ES256", "x": zeros}),
            "off the curve",
        ),
        (ec.clone(), json!({"alg": "ES256", "x": "AA"}), "short"),
        (ec.clone(), json!({"alg": "ES256", "x": "AA=="}), "padded"),
        (ec.clone(), json!({"alg": "ES256", "y": 1}), "y is a number"),
        (ec.clone(), json!({"alg": 1}), "alg is a number"),
        (
            ec.clone(),
            json!({"alg": "ES256", "use": 1}),
            "use is a number",
        ),
        (ec.clone(), json!({"alg": "ES256", "kid": ""}), "empty kid"),
        (ec, json!({"kty": null}), "no kind"),
        (jwk("EdDSA"), json!({"alg": "EdDSA", "x": "AA"}), "short"),
    ];
    for (base, members, what) in table {
        let one = with(with(base, &json!({"kid": "a"})), &members);
        let jwks = set(&published(), std::slice::from_ref(&one));
        assert!(jwks.keys.is_empty(), "{what}");
        assert!(
            matches!(&jwks.unused[..], [JwkError::Refused(_)]),
            "{what}: {:?}",
            jwks.unused
        );
        let told = jwks.unused[0].to_string();
        assert!(!told.contains("/w") && told.len() < 300, "{told}");
    }
}

/// For the point of order 1, `R = 1, S = 0` is a signature over everything; and for the others something like it.
#[test]
fn a_point_of_small_order_is_no_key() {
    use aws_lc_rs::signature::{ED25519, ParsedPublicKey};

    let mut one = [0; 32];
    one[0] = 1;
    let mut signature = [0; 64];
    signature[0] = 1;
    let taken = ParsedPublicKey::new(&ED25519, one).unwrap();
    assert!(
        taken.verify_sig(b"anything", &signature).is_ok(),
        "the attack"
    );
    let minus_one: Vec<u8> = [&[0xec], &[0xff; 30][..], &[0x7f]].concat();
    let order_eight = "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU";
    let order_eight = URL_SAFE_NO_PAD.decode(order_eight).unwrap();
    for point in [&[0; 32][..], &one, &minus_one, &order_eight] {
        for sign in [0, 0x80] {
            let mut point = point.to_vec();
            point[31] |= sign;
            let x = URL_SAFE_NO_PAD.encode(&point);
            let members =
                json!({"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "kid": "a", "x": x});
            assert!(set(&published(), &[members]).keys.is_empty(), "{point:?}");
        }
    }
    let text = String::from_utf8(testing::pair("EdDSA").public).unwrap();
    let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    let standard = base64::engine::general_purpose::STANDARD;
    let mut der = standard.decode(body).unwrap();
    der.splice(12.., one);
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        standard.encode(der)
    );
    let refused = Key::new(None, "EdDSA", pem.as_bytes()).err().unwrap();
    assert!(refused.to_string().contains("small order"), "{refused}");
}

#[test]
fn leading_zeros_of_a_modulus_do_not_make_it_another() {
    let plain = with(jwk("RS256"), &json!({"alg": "RS256", "kid": "a"}));
    let digits = URL_SAFE_NO_PAD
        .decode(plain["n"].as_str().unwrap())
        .unwrap();
    let padded = URL_SAFE_NO_PAD.encode([&[0][..], &digits].concat());
    let padded = with(plain.clone(), &json!({ "n": padded }));
    let generation = |one| {
        let set = set(&published(), &[one]).keys;
        crate::gate::token::keys::KeyRing::from(set).generation()
    };
    assert_eq!(generation(plain), generation(padded));
}

#[test]
fn a_kid_that_several_keys_have_is_nobodys() {
    let one = with(jwk("ES256"), &json!({"alg": "ES256", "kid": "same"}));
    let other = with(jwk("RS256"), &json!({"alg": "RS256", "kid": "same"}));
    let apart = with(jwk("EdDSA"), &json!({"alg": "EdDSA", "kid": "apart"}));
    let jwks = set(&published(), &[one.clone(), apart.clone(), other.clone()]);
    assert_eq!(kids(&jwks), [Some("apart".to_owned())]);
    assert_eq!(jwks.unused.len(), 1);
    let twice = set(&published(), &[one.clone(), apart, one.clone()]);
    assert_eq!(twice.keys.len(), 2, "the very same key twice is one");
    let thrice = set(&published(), &[one.clone(), one.clone(), other]);
    assert!(thrice.keys.is_empty());
    let for_encryption = with(jwk("RS256"), &json!({"use": "enc", "kid": "same"}));
    let beside = set(&published(), &[one, for_encryption]);
    assert_eq!(beside.keys.len(), 1, "what is not used takes no name");
}

#[test]
fn a_key_without_kid_must_be_alone() {
    let bare = with(jwk("ES256"), &json!({"alg": "ES256"}));
    let named = with(jwk("EdDSA"), &json!({"alg": "EdDSA", "kid": "a"}));
    assert_eq!(
        kids(&set(&published(), std::slice::from_ref(&bare))),
        [None]
    );
    let both = set(&published(), &[bare.clone(), named]);
    assert_eq!(kids(&both), [Some("a".to_owned())]);
    let foreign = with(jwk("RS256"), &json!({"use": "enc"}));
    assert_eq!(kids(&set(&published(), &[bare, foreign])), [None]);
}

#[test]
fn text_that_is_no_set_is_an_error() {
    let many = format!("{{\"keys\":[{}{{}}]}}", "{},".repeat(MAX_KEYS));
    for text in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[{"kid":"a","kid":"b"}]}"#,
        r#"{"keys":[]} x"#,
        "<html>",
        &many,
    ] {
        assert!(published().set(text.as_bytes()).is_err(), "{text}");
    }
    for text in [r#"{"keys":[]}"#, r#"{"keys":[],"more":{"a":[1]}}"#] {
        assert!(published().set(text.as_bytes()).unwrap().keys.is_empty());
    }
    let strange = published().set(br#"{"keys":[1,"a",null,[],{}]}"#).unwrap();
    assert_eq!(strange.unused.len(), 5);
}

#[test]
fn discovery_is_of_the_very_issuer() {
    let good = r#"{"issuer":"https://a.example","jwks_uri":"https://a.example/k"}"#;
    let found = discovered(good.as_bytes(), "https://a.example");
    assert_eq!(found.unwrap(), "https://a.example/k");
    for (text, issuer) in [
        (good, "https://a.example/"),
        (good, "https://A.example"),
        (good, ""),
        (r#"{"issuer":"https://a.example"}"#, "https://a.example"),
        (
            r#"{"issuer":"https://a.example","jwks_uri":1}"#,
            "https://a.example",
        ),
        (
            r#"{"issuer":"x","issuer":"https://a.example","jwks_uri":"k"}"#,
            "https://a.example",
        ),
        ("[]", "https://a.example"),
        ("", "https://a.example"),
    ] {
        assert!(
            discovered(text.as_bytes(), issuer).is_err(),
            "{text} {issuer}"
        );
    }
}

fn member() -> impl Strategy<Value = (String, Value)> {
    let name = prop::sample::select(vec![
        "alg", "crv", "d", "e", "k", "key_ops", "kid", "kty", "n", "use", "x", "y",
    ]);
    let value = prop_oneof![
        prop::sample::select(vec![
            "RSA", "EC", "OKP", "oct", "P-256", "P-384", "Ed25519", "sig", "enc", "RS256", "ES256",
            "EdDSA", "HS256", "none", "AQAB", "",
        ])
        .prop_map(|text| json!(text)),
        Just(json!(["verify"])),
        Just(Value::Null),
        any::<i32>().prop_map(|number| json!(number)),
        "[A-Za-z0-9_-]{0,90}".prop_map(|text| json!(text)),
    ];
    (name.prop_map(str::to_owned), value)
}

proptest! {
    #[test]
    fn no_members_make_a_key_without_an_algorithm_or_a_private_one(
        entries in prop::collection::vec(prop::collection::vec(member(), 0..9), 0..5),
        base in prop::sample::select(vec!["ES256", "EdDSA", "HS256"]),
        listed in prop::sample::subsequence(vec!["ES256", "EdDSA", "HS256", "RS256"], 0..4),
    ) {
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|members| with(jwk(base), &Value::Object(members.into_iter().collect())))
            .collect();
        let text = json!({ "keys": entries }).to_string();
        let rules = JwkRules::new(&listed, false).unwrap();
        let jwks = rules.set(text.as_bytes()).unwrap();
        for key in jwks.keys.all() {
            prop_assert!(!key.algorithm_name().starts_with("HS"));
            prop_assert!(listed.is_empty() || listed.contains(&key.algorithm_name()));
            let mine = entries.iter().filter(|entry| entry.get("kid").and_then(Value::as_str) == key.kid());
            let usable = |entry: &Value| entry.get("d").is_none() && entry.get("k").is_none()
                && (entry.get("alg").is_some() || !listed.is_empty());
            prop_assert!(mine.clone().any(usable), "{entries:?}");
        }
        let again = rules.set(text.as_bytes()).unwrap();
        prop_assert_eq!(kids(&jwks), kids(&again));
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\{\"keys\":\\[\\{.{0,60}\\}\\]\\}") {
        for input in [bytes.as_slice(), text.as_bytes()] {
            let _set_or_error = published().set(input);
            prop_assert!(discovered(input, "x").is_err());
        }
    }
}
