//! Fresh key pairs for every algorithm, made once per process; nothing secret is kept in the repository.

use std::sync::OnceLock;

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};

/// Key material as a configuration would hold it: PEM, or a shared secret (twice the same).
#[derive(Clone)]
pub(crate) struct Pair {
    /// What signs.
    pub(crate) private: Vec<u8>,
    /// What verifies.
    pub(crate) public: Vec<u8>,
}

/// The pair of an algorithm; the same for all algorithms of a family and curve.
pub(crate) fn pair(algorithm: &str) -> Pair {
    static RSA: OnceLock<Pair> = OnceLock::new();
    static P256: OnceLock<Pair> = OnceLock::new();
    static P384: OnceLock<Pair> = OnceLock::new();
    static ED: OnceLock<Pair> = OnceLock::new();
    match algorithm {
        "ES256" => P256
            .get_or_init(|| ec(&ECDSA_P256_SHA256_FIXED_SIGNING))
            .clone(),
        "ES384" => P384
            .get_or_init(|| ec(&ECDSA_P384_SHA384_FIXED_SIGNING))
            .clone(),
        "EdDSA" => ED.get_or_init(ed).clone(),
        _ if algorithm.starts_with("HS") => Pair {
            private: vec![b'k'; 64],
            public: vec![b'k'; 64],
        },
        _ => RSA.get_or_init(rsa).clone(),
    }
}

/// Another pair of the same algorithm on every call.
pub(crate) fn foreign(algorithm: &str) -> Pair {
    match algorithm {
        "ES256" => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
        "ES384" => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
        "EdDSA" => ed(),
        _ if algorithm.starts_with("HS") => Pair {
            private: vec![b'f'; 64],
            public: vec![b'f'; 64],
        },
        _ => rsa(),
    }
}

fn ec(scheme: &'static EcdsaSigningAlgorithm) -> Pair {
    let key = EcdsaKeyPair::generate(scheme).unwrap();
    let private = key.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
    Pair {
        private: pem("PRIVATE KEY", private.as_ref()),
        public: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn ed() -> Pair {
    let key = Ed25519KeyPair::generate().unwrap();
    let private = key.to_pkcs8v1().unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
    Pair {
        private: pem("PRIVATE KEY", private.as_ref()),
        public: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn rsa() -> Pair {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private = AsDer::<Pkcs8V1Der<'_>>::as_der(&key).unwrap();
    let public = AsDer::<PublicKeyX509Der<'_>>::as_der(key.public_key()).unwrap();
    Pair {
        private: pem("PRIVATE KEY", private.as_ref()),
        public: pem("PUBLIC KEY", public.as_ref()),
    }
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = text
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
    .into_bytes()
}
