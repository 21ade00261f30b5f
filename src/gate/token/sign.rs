//! Signs viewer tokens: for `embedgate token`, the demo and tests. The gateway itself only ever verifies them.

use jsonwebtoken::{AlgorithmFamily, EncodingKey, Header};

use super::{
    key::{Accepted, KeyError, accepted},
    material::secret,
};

/// Signs claims with one key. No `Debug`: it holds a secret.
pub struct Signer {
    header: Header,
    name: &'static str,
    key: EncodingKey,
}

impl Signer {
    /// Of a shared secret (HMAC) or a PEM private key (PKCS#8, for RSA also PKCS#1).
    ///
    /// # Errors
    /// As [`super::KeySet::add`].
    pub fn new(algorithm: &str, material: &[u8], kid: Option<&str>) -> Result<Self, KeyError> {
        let &Accepted {
            name, algorithm, ..
        } = accepted(algorithm)?;
        let key = match algorithm.family() {
            AlgorithmFamily::Ec => EncodingKey::from_ec_pem(material),
            AlgorithmFamily::Ed => EncodingKey::from_ed_pem(material),
            AlgorithmFamily::Hmac => Ok(EncodingKey::from_secret(secret(name, material)?)),
            AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(material),
        };
        let key = key.map_err(|error| unusable(name, &error))?;
        let header = Header {
            kid: kid.map(str::to_owned),
            ..Header::new(algorithm)
        };
        Ok(Self { header, name, key })
    }

    /// A compact token with exactly these claims; nothing is added.
    ///
    /// # Errors
    /// The key cannot sign (a public key was given).
    pub fn sign(&self, claims: &serde_json::Value) -> Result<String, KeyError> {
        jsonwebtoken::encode(&self.header, claims, &self.key)
            .map_err(|error| unusable(self.name, &error))
    }
}

fn unusable(algorithm: &'static str, error: &jsonwebtoken::errors::Error) -> KeyError {
    KeyError::Material {
        algorithm,
        why: error.to_string(),
    }
}
