use super::*;
use crate::gate::token::testing;

#[test]
fn accepts_each_algorithm_with_its_own_kind_of_key() {
    for (name, _) in ALGORITHMS {
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

#[test]
fn refuses_a_public_key_as_a_shared_secret() {
    for name in ["RS256", "ES256", "EdDSA"] {
        let pair = testing::pair(name);
        for material in [&pair.public, &pair.private] {
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
