//! Project Wycheproof's vectors for every signature algorithm that is accepted, judged by the gateway's own keys as the vectors say.
//!
//! A vector signs bytes of its own, which are no JSON Web Token: so its signature is judged over these bytes by the very check that a token goes
//! through, and then stands as the third part of a token, where it must never count.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests may panic and tell"
)]

use std::{sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use embedgate::gate::token::{
    ClaimNames, Issuer, Key, KeySet, NoCache, RawToken,
    jwk::{Jwk, JwkRules},
    key::KeyError,
    signed,
};
use serde_json::{Value, json};
use wycheproof::{HashFunction, TestResult, ecdsa, eddsa, mac, rsa_pkcs1_verify, rsa_pss_verify};

/// How many vectors were judged, and how many of them are good.
#[derive(Default)]
struct Tally {
    judged: usize,
    good: usize,
}

impl Tally {
    /// Judges one vector by every writing of its key.
    fn judge(
        &mut self,
        keys: &[Key],
        message: &[u8],
        signature: &[u8],
        wanted: TestResult,
        what: &str,
    ) {
        for key in keys {
            let found = key.verifies(signature, message);
            match wanted {
                TestResult::Valid => assert!(found, "{what}: a good signature is refused"),
                TestResult::Invalid => assert!(!found, "{what}: a bad signature is accepted"),
                TestResult::Acceptable => {}
            }
        }
        self.judged += 1;
        self.good += usize::from(wanted == TestResult::Valid);
    }

    #[track_caller]
    fn told(self, algorithm: &str, least: usize) {
        println!(
            "wycheproof {algorithm}: {} vectors judged, {} of them good",
            self.judged, self.good
        );
        assert!(self.judged >= least, "{algorithm}: {} vectors", self.judged);
        assert!(self.good > 0 && self.good < self.judged, "{algorithm}");
    }
}

/// The signature of a vector as the third part of a token: it covers other bytes, so it proves nothing.
fn is_no_token(key: Key, algorithm: &str, signature: &[u8]) {
    let part = |text: String| URL_SAFE_NO_PAD.encode(text);
    let claims = json!({"sub": "v", "exp": 2_000_000_000, "resource": {"dashboard": 1}});
    let token = format!(
        "{}.{}.{}",
        part(json!({ "alg": algorithm }).to_string()),
        part(claims.to_string()),
        URL_SAFE_NO_PAD.encode(signature)
    );
    let mut keys = KeySet::new();
    keys.insert(key).unwrap();
    let issuer = Issuer {
        name: "app".into(),
        iss: None,
        audience: None,
        max_lifetime: Duration::MAX,
        leeway: Duration::ZERO,
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    };
    assert!(signed(RawToken::new(&token), &[Arc::new(issuer)], &NoCache).is_err());
}

fn jwk(algorithm: &str, mut members: Value) -> Key {
    members["alg"] = algorithm.into();
    let rules = JwkRules::default();
    let Jwk { key, .. } = rules.parse(members.to_string().as_bytes()).unwrap();
    key
}

fn number(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A number in exactly so many bytes.
fn sized(bytes: &[u8], size: usize) -> String {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let digits = bytes.get(zeros..).unwrap();
    number(&[&vec![0; size - digits.len()], digits].concat())
}

#[test]
fn hmac_vectors() {
    for (name, algorithm, least) in [
        (mac::TestName::HmacSha256, "HS256", 32),
        (mac::TestName::HmacSha384, "HS384", 48),
        (mac::TestName::HmacSha512, "HS512", 64),
    ] {
        let (mut tally, mut short) = (Tally::default(), 0);
        for group in mac::TestSet::load(name).unwrap().test_groups {
            for test in group.tests {
                let what = format!("{algorithm} {}", test.tc_id);
                match Key::new(None, algorithm, &test.key) {
                    Ok(key) => {
                        // JWS has whole tags only (RFC 7518 section 3.2), so a truncated one is bad whatever a vector calls it.
                        let whole = group.tag_size == 8 * least;
                        let wanted = if whole {
                            test.result
                        } else {
                            TestResult::Invalid
                        };
                        tally.judge(&[key], &test.msg, &test.tag, wanted, &what);
                        let key = Key::new(None, algorithm, &test.key).unwrap();
                        is_no_token(key, algorithm, &test.tag);
                    }
                    Err(KeyError::Short { found, .. }) => {
                        assert!(found < least, "{what}");
                        short += 1;
                    }
                    Err(other) => panic!("{what}: {other}"),
                }
            }
        }
        println!("wycheproof {algorithm}: {short} vectors have a secret too short to be accepted");
        tally.told(algorithm, 50);
    }
}

#[test]
fn ecdsa_vectors_in_the_fixed_length_form() {
    for (name, algorithm, curve, size) in [
        (
            ecdsa::TestName::EcdsaSecp256r1Sha256P1363,
            "ES256",
            "P-256",
            32,
        ),
        (
            ecdsa::TestName::EcdsaSecp384r1Sha384P1363,
            "ES384",
            "P-384",
            48,
        ),
    ] {
        let mut tally = Tally::default();
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let members = json!({
                "kty": "EC", "crv": curve, "x": sized(&group.key.affine_x, size), "y": sized(&group.key.affine_y, size),
            });
            let keys = || {
                [
                    Key::new(None, algorithm, group.pem.as_bytes()).unwrap(),
                    jwk(algorithm, members.clone()),
                ]
            };
            for test in &group.tests {
                let what = format!("{algorithm} {}: {}", test.tc_id, test.comment);
                tally.judge(&keys(), &test.msg, &test.sig, test.result, &what);
            }
            let [key, _] = keys();
            is_no_token(key, algorithm, &group.tests.first().unwrap().sig);
        }
        tally.told(algorithm, 150);
    }
}

/// The same signatures in DER are no JWS (RFC 7518 section 3.4).
#[test]
fn ecdsa_vectors_in_der_are_refused() {
    for (name, algorithm) in [
        (ecdsa::TestName::EcdsaSecp256r1Sha256, "ES256"),
        (ecdsa::TestName::EcdsaSecp384r1Sha384, "ES384"),
    ] {
        let mut refused = 0;
        for group in ecdsa::TestSet::load(name).unwrap().test_groups {
            let key = Key::new(None, algorithm, group.pem.as_bytes()).unwrap();
            for test in &group.tests {
                let found = key.verifies(&test.sig, &test.msg);
                assert!(!found, "{algorithm} {}: {}", test.tc_id, test.comment);
                refused += 1;
            }
        }
        println!("wycheproof {algorithm} in DER: {refused} vectors refused");
        assert!(refused > 100, "{algorithm}");
    }
}

#[test]
fn eddsa_vectors() {
    let mut tally = Tally::default();
    for group in eddsa::TestSet::load(eddsa::TestName::Ed25519)
        .unwrap()
        .test_groups
    {
        let members = json!({"kty": "OKP", "crv": "Ed25519", "x": number(&group.jwk.x)});
        for test in &group.tests {
            let keys = [
                Key::new(None, "EdDSA", group.pem.as_bytes()).unwrap(),
                jwk("EdDSA", members.clone()),
            ];
            let what = format!("EdDSA {}: {}", test.tc_id, test.comment);
            tally.judge(&keys, &test.msg, &test.sig, test.result, &what);
            let [key, _] = keys;
            is_no_token(key, "EdDSA", &test.sig);
        }
    }
    tally.told("EdDSA", 100);
}

/// The algorithm of a hash; the prefix says which family.
fn of_hash(prefix: &str, hash: HashFunction) -> Option<String> {
    let ours = [
        (HashFunction::Sha2_256, 256),
        (HashFunction::Sha2_384, 384),
        (HashFunction::Sha2_512, 512),
    ];
    let (_, bits) = ours.iter().find(|(known, _)| *known == hash)?;
    Some(format!("{prefix}{bits}"))
}

/// A key's PEM and its numbers; `None` where it is refused because it is small.
fn rsa_keys(algorithm: &str, pem: &str, n: &[u8], e: &[u8], bits: usize) -> Option<[Key; 2]> {
    match Key::new(None, algorithm, pem.as_bytes()) {
        Ok(key) => {
            assert!((2048..=8192).contains(&bits), "{bits}");
            let members = json!({"kty": "RSA", "n": number(n), "e": number(e)});
            Some([key, jwk(algorithm, members)])
        }
        Err(why) => {
            assert!(bits < 2048, "{algorithm} {bits}: {why}");
            None
        }
    }
}

#[test]
fn rsa_pkcs1_vectors() {
    for algorithm in ["RS256", "RS384", "RS512"] {
        let mut tally = Tally::default();
        for name in rsa_pkcs1_verify::TestName::all() {
            for group in rsa_pkcs1_verify::TestSet::load(name).unwrap().test_groups {
                if of_hash("RS", group.hash).as_deref() != Some(algorithm) {
                    continue;
                }
                let (n, e) = (&group.key.n, &group.key.e);
                let Some(keys) = rsa_keys(algorithm, &group.pem, n, e, group.key_size) else {
                    continue;
                };
                for test in &group.tests {
                    let what = format!("{algorithm} {name:?} {}: {}", test.tc_id, test.comment);
                    tally.judge(&keys, &test.msg, &test.sig, test.result, &what);
                }
                let [key, _] = keys;
                is_no_token(key, algorithm, &group.tests.first().unwrap().sig);
            }
        }
        tally.told(algorithm, 400);
    }
}

#[test]
fn rsa_pss_vectors() {
    use rsa_pss_verify::{TestGroupTypeId, TestName, TestSet};

    let (mut other_salt, mut promised) = (0, 0);
    for algorithm in ["PS256", "PS384", "PS512"] {
        let mut tally = Tally::default();
        for name in TestName::all() {
            for group in TestSet::load(name).unwrap().test_groups {
                if of_hash("PS", group.hash).as_deref() != Some(algorithm) {
                    continue;
                }
                let members =
                    json!({"kty": "RSA", "n": number(&group.key.n), "e": number(&group.key.e)});
                let mut keys = vec![jwk(algorithm, members)];
                if group.test_type == TestGroupTypeId::RsaPssVerifyWithParam {
                    // This PEM promises one padding; a key without that promise is what JWS asks for.
                    promised += 1;
                    assert!(Key::new(None, algorithm, group.pem.as_bytes()).is_err());
                } else {
                    keys.push(Key::new(None, algorithm, group.pem.as_bytes()).unwrap());
                }
                // The salt is as long as the hash, which MGF1 uses too (RFC 7518 section 3.5): all else is bad, whatever a vector calls it.
                let bits: usize = algorithm.trim_start_matches("PS").parse().unwrap();
                let masked = group.mgf_hash == Some(group.hash);
                let ours = group.salt_size * 8 == bits && masked;
                let turned = format!("s_len changed to {}", bits / 8);
                for test in &group.tests {
                    let what = format!("{algorithm} {name:?} {}: {}", test.tc_id, test.comment);
                    if ours {
                        tally.judge(&keys, &test.msg, &test.sig, test.result, &what);
                        continue;
                    }
                    // Where another salt is the good one, the bad one may be ours.
                    let wanted = masked && test.comment == turned;
                    let found = keys.iter().all(|key| key.verifies(&test.sig, &test.msg));
                    assert_eq!(found, wanted, "{what}: salt of {} bytes", group.salt_size);
                    other_salt += 1;
                }
            }
        }
        tally.told(algorithm, 40);
    }
    println!(
        "wycheproof PS: {other_salt} vectors of another salt or mask judged by the rules of JWS, {promised} keys with parameters refused as PEM"
    );
    assert!(other_salt > 0 && promised > 0);
}
