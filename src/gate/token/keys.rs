//! Issuers and their keys; a key's algorithm is fixed here, never by the token.

use std::{fmt, sync::Arc, time::Duration};

use aws_lc_rs::{rsa, signature as sig};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

use super::claims::ClaimNames;

/// Whoever signs viewer tokens.
#[derive(Debug)]
pub struct Issuer {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// The `iss` claim that its tokens must carry, where named.
    pub iss: Option<Box<str>>,
    /// The `aud` claim that its tokens must carry, where named.
    pub audience: Option<Box<str>>,
    /// The longest allowed `exp - iat` (`exp - now` without `iat`).
    pub max_lifetime: Duration,
    /// Tolerance for clocks that differ.
    pub leeway: Duration,
    /// Its keys.
    pub keys: KeySet,
    /// How its claims are named.
    pub claims: ClaimNames,
    /// Changes whenever the keys or rules do: remembered verifications of an earlier generation are never found again.
    pub generation: u64,
}

impl Issuer {
    /// Whether both stand for the same issuer with the same keys and rules.
    pub(in crate::gate) fn same(&self, other: &Self) -> bool {
        self.generation == other.generation && self.name == other.name
    }
}

/// The keys of one issuer, each bound to one algorithm, picked by `kid`.
#[derive(Default)]
pub struct KeySet {
    keys: Vec<Key>,
}

/// One key. No `Debug`: it may be a secret.
pub(super) struct Key {
    kid: Option<Box<str>>,
    name: &'static str,
    algorithm: Algorithm,
    verifier: DecodingKey,
}

/// Why key material was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not one of the accepted algorithms.
    #[error(
        "`{0}` is not an accepted algorithm (HS256, HS384, HS512, RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA)"
    )]
    Algorithm(String),
    /// Two keys with one `kid`, or several keys of which one has none.
    #[error("{0}")]
    Kid(String),
    /// The key does not fit the algorithm.
    #[error("the key is not usable with {algorithm}: {why}")]
    Material {
        /// The algorithm's name.
        algorithm: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A shared secret shorter than the hash (RFC 7518 section 3.2).
    #[error("a secret for {algorithm} needs at least {needed} bytes, this one has {found}")]
    Short {
        /// The algorithm's name.
        algorithm: &'static str,
        /// Bytes needed.
        needed: usize,
        /// Bytes found.
        found: usize,
    },
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl KeySet {
    /// An empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a key: `material` is the shared secret for HMAC, else a PEM public key (SPKI, for RSA also PKCS#1).
    /// One key may go without a `kid`; of several, each has its own.
    pub fn add(
        &mut self,
        kid: Option<&str>,
        algorithm: &str,
        material: &[u8],
    ) -> Result<(), KeyError> {
        let (name, algorithm) = accepted(algorithm)?;
        self.admit_kid(kid)?;
        let key = match algorithm.family() {
            AlgorithmFamily::Hmac => secret(name, material).map(DecodingKey::from_secret)?,
            family @ (AlgorithmFamily::Ec | AlgorithmFamily::Ed | AlgorithmFamily::Rsa) => {
                public_key(name, algorithm, family, material)?
            }
        };
        self.keys.push(Key {
            kid: kid.map(Into::into),
            name,
            algorithm,
            verifier: key,
        });
        Ok(())
    }

    /// How many keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The keys that a token may be checked with: of exactly this algorithm, and of this `kid` where both sides name one.
    /// (A set with a key that has no `kid` has only that key.)
    pub(super) fn candidates<'k>(
        &'k self,
        kid: Option<&'k str>,
        algorithm: &'k str,
    ) -> impl Iterator<Item = &'k Key> {
        self.keys.iter().filter(move |key| {
            key.name == algorithm
                && kid
                    .zip(key.kid.as_deref())
                    .is_none_or(|(wanted, own)| wanted == own)
        })
    }

    fn admit_kid(&self, kid: Option<&str>) -> Result<(), KeyError> {
        let problem = match kid {
            Some("") => "a `kid` must not be empty".to_owned(),
            None if !self.is_empty() => "several keys need a `kid` each".to_owned(),
            Some(kid) if self.keys.iter().any(|key| key.kid.as_deref() == Some(kid)) => {
                format!("two keys have the `kid` `{kid}`")
            }
            Some(_) if self.keys.iter().any(|key| key.kid.is_none()) => {
                "several keys need a `kid` each".to_owned()
            }
            None | Some(_) => return Ok(()),
        };
        Err(KeyError::Kid(problem))
    }
}

impl Key {
    /// Whether the signature (base64url text) over the message is this key's. Only here does `jsonwebtoken` touch a token.
    pub(super) fn verifies(&self, signature: &str, message: &str) -> bool {
        matches!(
            jsonwebtoken::crypto::verify(
                signature,
                message.as_bytes(),
                &self.verifier,
                self.algorithm
            ),
            Ok(true)
        )
    }
}

/// Reads the name of an algorithm; the list is closed.
pub(super) fn accepted(name: &str) -> Result<(&'static str, Algorithm), KeyError> {
    let known = ALGORITHMS.iter().find(|(known, _)| *known == name);
    known
        .copied()
        .ok_or_else(|| KeyError::Algorithm(name.to_owned()))
}

/// Checks a shared secret. Text that is a public key is refused: whoever can read it could sign (RFC 8725 section 2.1).
pub(super) fn secret<'m>(name: &'static str, material: &'m [u8]) -> Result<&'m [u8], KeyError> {
    let needed = match name {
        "HS384" => 48,
        "HS512" => 64,
        _ => 32,
    };
    if find(material, b"-----BEGIN").is_some() || material.starts_with(b"ssh-") {
        return Err(material_error(
            name,
            "it is a public or private key, and a shared secret is wanted",
        ));
    }
    if material.len() < needed {
        return Err(KeyError::Short {
            algorithm: name,
            needed,
            found: material.len(),
        });
    }
    Ok(material)
}

fn public_key(
    name: &'static str,
    algorithm: Algorithm,
    family: AlgorithmFamily,
    material: &[u8],
) -> Result<DecodingKey, KeyError> {
    let begins = material
        .windows(10)
        .filter(|window| window == b"-----BEGIN")
        .count();
    let labelled = find(material, b"-----BEGIN PUBLIC KEY-----").is_some()
        || (family == AlgorithmFamily::Rsa
            && find(material, b"-----BEGIN RSA PUBLIC KEY-----").is_some());
    if begins != 1 || !labelled {
        return Err(material_error(
            name,
            "exactly one PEM block `PUBLIC KEY` is wanted",
        ));
    }
    let key = match family {
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(material),
        AlgorithmFamily::Ed => DecodingKey::from_ed_pem(material),
        AlgorithmFamily::Hmac | AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(material),
    }
    .map_err(|_| material_error(name, "the PEM block holds another kind of key, or none"))?;
    fits(name, algorithm, family, &key)?;
    Ok(key)
}

/// Checks what the PEM reader does not: that the bytes are a point of this very curve, or a modulus of a sound size.
fn fits(
    name: &'static str,
    algorithm: Algorithm,
    family: AlgorithmFamily,
    key: &DecodingKey,
) -> Result<(), KeyError> {
    let bytes = key
        .try_get_as_bytes()
        .map_err(|_| material_error(name, "unreadable key"))?;
    let scheme: &'static dyn sig::VerificationAlgorithm = match (family, algorithm) {
        (AlgorithmFamily::Ec, Algorithm::ES256) => &sig::ECDSA_P256_SHA256_FIXED,
        (AlgorithmFamily::Ec, _) => &sig::ECDSA_P384_SHA384_FIXED,
        (AlgorithmFamily::Ed, _) => &sig::ED25519,
        (AlgorithmFamily::Hmac | AlgorithmFamily::Rsa, _) => return modulus_fits(name, bytes),
    };
    sig::ParsedPublicKey::new(scheme, bytes)
        .map(drop)
        .map_err(|_| material_error(name, "not a public key of its curve"))
}

fn modulus_fits(name: &'static str, bytes: &[u8]) -> Result<(), KeyError> {
    let key = rsa::PublicKey::from_der(bytes)
        .map_err(|_| material_error(name, "not an RSA public key"))?;
    let modulus = key.modulus();
    let digits = modulus.big_endian_without_leading_zero();
    let unused = digits.first().map_or(0, |first| first.leading_zeros());
    let bits = u32::try_from(digits.len().saturating_mul(8))
        .unwrap_or(u32::MAX)
        .saturating_sub(unused);
    if !(2048..=8192).contains(&bits) {
        return Err(material_error(
            name,
            &format!("the modulus has {bits} bits; 2048 to 8192 are accepted"),
        ));
    }
    Ok(())
}

fn material_error(algorithm: &'static str, why: &str) -> KeyError {
    KeyError::Material {
        algorithm,
        why: why.to_owned(),
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}

const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
];

#[cfg(test)]
mod tests;
