use super::*;
use crate::gate::{
    request::UnixTime,
    revocation::{Facets, Subject},
    token::{key::Validity, testing},
};

const ALGORITHMS: [&str; 12] = [
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256",
    "ES384", "EdDSA",
];

#[test]
fn accepts_each_algorithm_with_its_own_kind_of_key() {
    for name in ALGORITHMS {
        let mut keys = KeySet::new();
        keys.add(Some("a"), name, &testing::pair(name).public)
            .unwrap();
        assert_eq!(keys.len(), 1, "{name}");
    }
}

#[test]
fn refuses_an_algorithm_that_is_not_on_the_list() {
    for name in [
        "none", "None", "hs256", "HS1", "ES512", "ES256K", "RSA-OAEP", "dir", "", "HS256 ",
    ] {
        assert!(
            matches!(
                KeySet::new().add(None, name, &[7; 64]),
                Err(KeyError::Algorithm(_))
            ),
            "{name}"
        );
    }
}

#[test]
fn refuses_a_secret_shorter_than_its_hash() {
    for (name, needed) in [("HS256", 32), ("HS384", 48), ("HS512", 64)] {
        assert!(
            KeySet::new().add(None, name, &vec![7; needed]).is_ok(),
            "{name}"
        );
        let error = KeySet::new()
            .add(None, name, &vec![7; needed - 1])
            .unwrap_err();
        assert!(matches!(error, KeyError::Short { .. }), "{name}");
    }
}

/// A key that nobody could revoke by its name is none.
#[test]
fn refuses_a_name_that_no_revocation_can_have() {
    let long = "k".repeat(256);
    for (kid, good) in [
        (long.as_str(), true),
        ("2026/01 \u{e9}", true),
        (&format!("{long}k"), false),
        ("", false),
        (" ", false),
        ("a\nb", false),
        ("a\0", false),
    ] {
        let added = KeySet::new().add(Some(kid), "HS256", &[7; 32]);
        assert_eq!(added.is_ok(), good, "{kid:?}");
        let facets = Facets {
            kid: Some(kid),
            ..Facets::default()
        };
        assert_eq!(Subject::new(facets).is_ok(), good, "{kid:?}");
    }
}

#[test]
fn refuses_a_public_key_as_a_shared_secret() {
    for name in ["RS256", "ES256", "EdDSA"] {
        let pair = testing::pair(name);
        let jwk = br#" {"kty":"EC","crv":"P-256","x":"AAAAAAAAAAAA","y":"AAAAAAAAAAAA"}"#.to_vec();
        for material in [&pair.public, &pair.private, &jwk] {
            assert!(
                matches!(
                    KeySet::new().add(None, "HS256", material),
                    Err(KeyError::Material { .. })
                ),
                "{name}"
            );
        }
    }
}

#[test]
fn refuses_a_key_of_another_kind() {
    let table = [
        ("RS256", "ES256"),
        ("ES256", "RS256"),
        ("ES256", "ES384"),
        ("ES384", "ES256"),
        ("EdDSA", "ES256"),
        ("ES256", "EdDSA"),
        ("RS256", "HS256"),
        ("PS512", "EdDSA"),
    ];
    for (name, other) in table {
        assert!(
            matches!(
                KeySet::new().add(None, name, &testing::pair(other).public),
                Err(KeyError::Material { .. })
            ),
            "{other} for {name}"
        );
    }
}

#[test]
fn refuses_private_keys_and_anything_but_one_pem_block() {
    for name in ["RS256", "ES256", "EdDSA"] {
        let pair = testing::pair(name);
        let twice = [pair.public.as_slice(), pair.public.as_slice()].concat();
        let cut = &pair.public[..pair.public.len() / 2];
        for material in [
            pair.private.as_slice(),
            &twice,
            cut,
            b"",
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        ] {
            assert!(KeySet::new().add(None, name, material).is_err(), "{name}");
        }
    }
}

#[test]
fn refuses_a_small_modulus() {
    let error = KeySet::new()
        .add(None, "RS256", testing::RSA_1024)
        .unwrap_err();
    assert!(error.to_string().contains("1024 bits"), "{error}");
}

#[test]
fn several_keys_need_a_kid_each() {
    let mut keys = KeySet::new();
    keys.add(Some("a"), "HS256", &[7; 32]).unwrap();
    for kid in [Some("a"), Some(""), None] {
        assert!(
            matches!(keys.add(kid, "HS256", &[8; 32]), Err(KeyError::Kid(_))),
            "{kid:?}"
        );
    }
    keys.add(Some("b"), "HS256", &[8; 32]).unwrap();
    let mut lone = KeySet::new();
    lone.add(None, "HS256", &[7; 32]).unwrap();
    assert!(lone.add(Some("b"), "HS256", &[8; 32]).is_err());
}

#[test]
fn shows_no_key_material() {
    let mut keys = KeySet::new();
    keys.add(None, "HS256", b"a-secret-of-thirty-two-bytes-or-more")
        .unwrap();
    assert_eq!(format!("{keys:?}"), "KeySet { keys: 1 }");
}

fn secrets(names: &[&str]) -> KeySet {
    let mut keys = KeySet::new();
    for name in names {
        let secret = format!("{name:*<32}");
        keys.add(Some(name), "HS256", secret.as_bytes()).unwrap();
    }
    keys
}

#[test]
fn a_ring_is_known_by_its_keys_whatever_their_order() {
    let generation = |keys: KeySet| KeyRing::from(keys).generation();
    let one = generation(secrets(&["a", "b"]));
    assert_eq!(one, generation(secrets(&["b", "a"])));
    let mut other = secrets(&["a"]);
    other.add(Some("b"), "HS256", &[7; 32]).unwrap();
    let mut timed = secrets(&["a"]);
    let secret = format!("{:*<32}", "b");
    let key = Key::new(Some("b"), "HS256", secret.as_bytes()).unwrap();
    let until = Validity {
        not_before: None,
        not_after: Some(UnixTime(1)),
    };
    timed.insert(key.within(until)).unwrap();
    for keys in [
        secrets(&[]),
        secrets(&["a"]),
        secrets(&["a", "c"]),
        other,
        timed,
    ] {
        assert_ne!(one, generation(keys));
    }
}

#[test]
fn a_kid_is_found_among_very_many_and_nothing_else_is() {
    let names: Vec<String> = (0..2000).map(|n| format!("key-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let keys = secrets(&names);
    assert_eq!(keys.len(), 2000);
    let found = |kid, algorithm| keys.candidates(kid, algorithm).count();
    assert_eq!(found(Some("key-1999"), "HS256"), 1);
    assert_eq!(found(Some("key-1999"), "HS384"), 0);
    assert_eq!(found(Some("key-2000"), "HS256"), 0);
    assert_eq!(found(None, "HS256"), 4, "few are tried without a name");
}

#[test]
fn a_key_is_good_in_its_own_time_only() {
    for (start, end, now, good) in [
        (None, None, 0, true),
        (Some(10), None, 9, false),
        (Some(10), None, 10, true),
        (None, Some(20), 19, true),
        (None, Some(20), 20, false),
        (Some(10), Some(20), 15, true),
        (Some(10), Some(20), 25, false),
    ] {
        let validity = Validity {
            not_before: start.map(UnixTime),
            not_after: end.map(UnixTime),
        };
        assert_eq!(validity.covers(UnixTime(now)), good, "{validity:?} {now}");
    }
}

#[test]
fn a_pem_block_may_have_company_that_is_no_block_and_one_encoding_only() {
    let public = testing::pair("RS256").public;
    let about = [b"Key of the app\n".as_slice(), &public, b"\n\n"].concat();
    KeySet::new().add(None, "RS256", &about).unwrap();
    let text = String::from_utf8(public).unwrap();
    for broken in [
        text.replace("PUBLIC KEY", "CERTIFICATE"),
        text.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
        text.replace("-----END PUBLIC KEY-----", ""),
        text.replace("-----END PUBLIC KEY-----", "AAAA\n-----END PUBLIC KEY-----"),
    ] {
        let added = KeySet::new().add(None, "RS256", broken.as_bytes());
        assert!(added.is_err(), "{broken}");
    }
}
