//! One key: prepared once, bound to one algorithm and to its own time; and the ways in which key material is refused.

use aws_lc_rs::{
    digest::{Context, SHA256},
    encoding::{AsDer, PublicKeyX509Der},
    hmac, rsa,
    signature::{self as sig, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm},
};
use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::claims::is_word;
use super::material::{self, OTHER_KIND, pem, secret, strong, unpadded, unusable};
use crate::gate::request::UnixTime;

/// One key. Checked and parsed when it is made, so that a token costs one check and nothing else. No `Debug`: it may be a secret.
pub struct Key {
    kid: Option<Box<str>>,
    name: &'static str,
    algorithm: Algorithm,
    verifier: Verifier,
    validity: Validity,
    /// Stands for everything above.
    mark: [u8; 32],
}

enum Verifier {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

/// When a key is good, by its owner's word; no leeway is given.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Validity {
    /// From this second on.
    pub not_before: Option<UnixTime>,
    /// Until this second, which is the first one without.
    pub not_after: Option<UnixTime>,
}

/// A public key as a JWK holds it: numbers, not an encoding.
#[derive(Clone, Copy, Debug)]
pub(super) enum Numbers<'n> {
    /// A point, both coordinates of full length.
    Ec {
        /// The first coordinate.
        x: &'n [u8],
        /// The second.
        y: &'n [u8],
    },
    /// The encoded point.
    Ed {
        /// 32 bytes.
        x: &'n [u8],
    },
    /// Big-endian.
    Rsa {
        /// The modulus.
        n: &'n [u8],
        /// The exponent.
        e: &'n [u8],
    },
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

impl Validity {
    /// Whether a key is good at a time.
    pub fn covers(self, now: UnixTime) -> bool {
        self.not_before.is_none_or(|start| start <= now)
            && self.not_after.is_none_or(|end| now < end)
    }
}

impl Key {
    /// Of a shared secret (HMAC) or a PEM public key (SPKI, for RSA also PKCS#1).
    ///
    /// # Errors
    /// The material does not fit the algorithm, or the algorithm is not on the list.
    pub fn new(kid: Option<&str>, algorithm: &str, material: &[u8]) -> Result<Self, KeyError> {
        let &Accepted {
            name,
            algorithm,
            scheme,
        } = accepted(algorithm)?;
        match scheme {
            Scheme::Shared(hash) => {
                let secret = secret(name, material)?;
                let verifier = Verifier::Shared(Box::new(hmac::Key::new(hash, secret)));
                Self::made(kid, name, algorithm, verifier, secret)
            }
            Scheme::Point(scheme) => {
                let (_, der) = pem(name, material, &["PUBLIC KEY"])?;
                let key = Some(&der).filter(|der| der.first() == Some(&SEQUENCE));
                let key = key.and_then(|der| ParsedPublicKey::new(scheme, der).ok());
                let key = key.ok_or_else(|| unusable(name, OTHER_KIND))?;
                if algorithm.family() == AlgorithmFamily::Ed {
                    strong(name, &der)?;
                }
                Self::public(kid, name, algorithm, key)
            }
            Scheme::Rsa(scheme) => {
                let (label, der) = pem(name, material, &["PUBLIC KEY", "RSA PUBLIC KEY"])?;
                let key = rsa::PublicKey::from_der(&der).map_err(|_| unusable(name, OTHER_KIND))?;
                // One encoding per key: with another algorithm identifier (RSASSA-PSS) it would be a promise that we do not keep.
                let spki = AsDer::<PublicKeyX509Der<'_>>::as_der(&key)
                    .map_err(|_| unusable(name, OTHER_KIND))?;
                let canonical = if label == "PUBLIC KEY" {
                    spki.as_ref() == der
                } else {
                    key.as_ref() == der
                };
                if !canonical {
                    return Err(unusable(name, OTHER_KIND));
                }
                Self::public(kid, name, algorithm, rsa_key(name, scheme, &key)?)
            }
        }
    }

    /// Of the numbers of a public key.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn of_numbers(
        kid: Option<&str>,
        algorithm: &str,
        numbers: Numbers<'_>,
    ) -> Result<Self, KeyError> {
        let &Accepted {
            name,
            algorithm,
            scheme,
        } = accepted(algorithm)?;
        let key = match (scheme, numbers, algorithm.family()) {
            (Scheme::Point(scheme), Numbers::Ec { x, y }, AlgorithmFamily::Ec) => {
                ParsedPublicKey::new(scheme, [&[UNCOMPRESSED], x, y].concat())
                    .map_err(|_| unusable(name, OFF_CURVE))?
            }
            (Scheme::Point(scheme), Numbers::Ed { x }, AlgorithmFamily::Ed) if x.len() == 32 => {
                strong(name, x)?;
                ParsedPublicKey::new(scheme, x).map_err(|_| unusable(name, OFF_CURVE))?
            }
            (Scheme::Rsa(scheme), Numbers::Rsa { n, e }, _) => {
                let parts = RsaPublicKeyComponents {
                    n: unpadded(n),
                    e: unpadded(e),
                };
                let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&parts)
                    .map_err(|_| unusable(name, NOT_RSA))?;
                // Reading it back is what checks the numbers.
                let key =
                    rsa::PublicKey::from_der(der.as_ref()).map_err(|_| unusable(name, NOT_RSA))?;
                rsa_key(name, scheme, &key)?
            }
            _ => return Err(unusable(name, "it is another kind of key")),
        };
        Self::public(kid, name, algorithm, key)
    }

    /// The same, called by a `kid`.
    ///
    /// # Errors
    /// The `kid` is empty, or nothing that could be revoked.
    pub fn named(self, kid: &str) -> Result<Self, KeyError> {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.mark);
        hash.update(kid.as_bytes());
        Ok(Self {
            mark: finished(hash),
            kid: Some(name(kid)?.into()),
            ..self
        })
    }

    /// The same, good for a time only.
    #[must_use]
    pub fn within(self, validity: Validity) -> Self {
        let mut hash = Context::new(&SHA256);
        hash.update(&self.mark);
        for end in [validity.not_before, validity.not_after] {
            hash.update(&[u8::from(end.is_some())]);
            hash.update(&end.map_or(0, |time| time.0).to_be_bytes());
        }
        Self {
            mark: finished(hash),
            validity,
            ..self
        }
    }

    /// Its `kid`.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The only algorithm that it is used with.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// That algorithm's name, as a token's header has it.
    pub fn algorithm_name(&self) -> &'static str {
        self.name
    }

    /// When it is good.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether the signature over the message is this key's.
    ///
    /// An ECDSA signature `(r, s)` has a twin `(r, n - s)`, which is as good (RFC 7518 section 3.4 asks for no lower half): so nothing may be
    /// remembered, counted or withdrawn by the text of a token.
    pub fn verifies(&self, signature: &[u8], message: &[u8]) -> bool {
        match &self.verifier {
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
            Verifier::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }

    /// Stands for everything that it is: kid, algorithm, material, times. Derived from secrets: never shown.
    pub(super) fn mark(&self) -> &[u8; 32] {
        &self.mark
    }

    fn public(
        kid: Option<&str>,
        name: &'static str,
        algorithm: Algorithm,
        key: ParsedPublicKey,
    ) -> Result<Self, KeyError> {
        let der = AsDer::<PublicKeyX509Der<'_>>::as_der(&key)
            .map_err(|_| unusable(name, "it cannot be written"))?;
        Self::made(kid, name, algorithm, Verifier::Public(key), der.as_ref())
    }

    fn made(
        kid: Option<&str>,
        name: &'static str,
        algorithm: Algorithm,
        verifier: Verifier,
        material: &[u8],
    ) -> Result<Self, KeyError> {
        let kid = kid.map(self::name).transpose()?;
        let mut hash = Context::new(&SHA256);
        hash.update(&[u8::from(kid.is_some())]);
        for field in [
            kid.unwrap_or_default().as_bytes(),
            name.as_bytes(),
            material,
        ] {
            hash.update(&field.len().to_le_bytes());
            hash.update(field);
        }
        Ok(Self {
            kid: kid.map(Into::into),
            name,
            algorithm,
            verifier,
            validity: Validity::default(),
            mark: finished(hash),
        })
    }
}

/// A name by which a key can be revoked, too.
fn name(kid: &str) -> Result<&str, KeyError> {
    let problem = match kid {
        "" => "a `kid` must not be empty",
        _ if is_word(kid) => return Ok(kid),
        _ => "a `kid` must not be blank, longer than 256 characters, or hold a control character",
    };
    Err(KeyError::Kid(problem.into()))
}

fn finished(hash: Context) -> [u8; 32] {
    let mut mark = [0; 32];
    mark.copy_from_slice(hash.finish().as_ref());
    mark
}

/// An accepted algorithm.
pub(super) struct Accepted {
    /// As a token's header has it.
    pub(super) name: &'static str,
    /// The same for `jsonwebtoken`.
    pub(super) algorithm: Algorithm,
    scheme: Scheme,
}

/// Reads the name of an algorithm; the list is closed.
pub(super) fn accepted(name: &str) -> Result<&'static Accepted, KeyError> {
    let known = ALGORITHMS.iter().find(|known| known.name == name);
    known.ok_or_else(|| KeyError::Algorithm(name.to_owned()))
}

/// How an algorithm checks.
#[derive(Clone, Copy)]
enum Scheme {
    /// A point of a curve: ECDSA in the fixed-length form of RFC 7518 section 3.4, or Ed25519.
    Point(&'static dyn VerificationAlgorithm),
    /// RSA of 2048 to 8192 bits; PSS with a salt as long as the hash (RFC 7518 section 3.5).
    Rsa(&'static dyn VerificationAlgorithm),
    /// A shared secret.
    Shared(hmac::Algorithm),
}

fn rsa_key(
    name: &'static str,
    scheme: &'static dyn VerificationAlgorithm,
    key: &rsa::PublicKey,
) -> Result<ParsedPublicKey, KeyError> {
    material::sized(name, key)?;
    ParsedPublicKey::new(scheme, key.as_ref()).map_err(|_| unusable(name, NOT_RSA))
}

const OFF_CURVE: &str = "not a public key of its curve";
const NOT_RSA: &str = "not an RSA public key";

/// The tag of a DER sequence, with which every SPKI begins.
const SEQUENCE: u8 = 0x30;

/// Says that both coordinates of a point follow (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

macro_rules! algorithms {
    ($( $name:ident = $scheme:expr; )+) => {
        static ALGORITHMS: &[Accepted] = &[$( Accepted {
            name: stringify!($name),
            algorithm: Algorithm::$name,
            scheme: $scheme,
        }, )+];
    };
}

algorithms! {
    ES256 = Scheme::Point(&sig::ECDSA_P256_SHA256_FIXED);
    ES384 = Scheme::Point(&sig::ECDSA_P384_SHA384_FIXED);
    EdDSA = Scheme::Point(&sig::ED25519);
    HS256 = Scheme::Shared(hmac::HMAC_SHA256);
    HS384 = Scheme::Shared(hmac::HMAC_SHA384);
    HS512 = Scheme::Shared(hmac::HMAC_SHA512);
    PS256 = Scheme::Rsa(&sig::RSA_PSS_2048_8192_SHA256);
    PS384 = Scheme::Rsa(&sig::RSA_PSS_2048_8192_SHA384);
    PS512 = Scheme::Rsa(&sig::RSA_PSS_2048_8192_SHA512);
    RS256 = Scheme::Rsa(&sig::RSA_PKCS1_2048_8192_SHA256);
    RS384 = Scheme::Rsa(&sig::RSA_PKCS1_2048_8192_SHA384);
    RS512 = Scheme::Rsa(&sig::RSA_PKCS1_2048_8192_SHA512);
}
