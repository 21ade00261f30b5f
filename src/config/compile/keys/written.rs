//! Keys that the file names one by one: a shared secret, a PEM file, or a JSON Web Key.

use std::{path::Path, sync::Arc};

use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::{super::context::At, Found, rules};
use crate::{
    config::{
        raw,
        secret::{Secret, SecretSource},
        spec::KeyInfo,
        units::Moment,
    },
    gate::token::{
        Key, KeySet,
        jwk::{Jwk, JwkRules},
        key::{KeyError, Validity},
    },
};

/// The key at the top of the table, or those of `keys`.
pub(super) fn keys(raw: &raw::Issuer, at: &At<'_>) -> Option<Found> {
    let rules = rules(raw, true, at);
    let written = written(raw, at)?;
    let mut set = KeySet::new();
    let one = |written: &Written<'_, '_>| written.read(rules.as_ref()?, &mut set);
    let read: Vec<_> = written.iter().map(one).collect();
    let (infos, material) = read
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .unzip();
    Some(Found {
        keys: set.into(),
        infos,
        material,
        source: None,
        unused: Vec::new(),
    })
}

/// A key as written, at the top of the table or in `keys`.
struct Written<'r, 'a> {
    at: At<'a>,
    /// Of several, each has a name.
    several: bool,
    kid: Option<&'r str>,
    algorithm: Option<&'r String>,
    secret: Option<&'r SecretSource>,
    public_key: Option<&'r Path>,
    jwk: Option<&'r raw::JwkSource>,
    not_before: Option<Moment>,
    not_after: Option<Moment>,
}

fn written<'r, 'a>(raw: &'r raw::Issuer, at: &At<'a>) -> Option<Vec<Written<'r, 'a>>> {
    let alone = Written {
        at: at.clone(),
        several: false,
        kid: None,
        algorithm: raw.algorithm.as_ref(),
        secret: raw.secret.as_ref(),
        public_key: raw.public_key.as_deref(),
        jwk: raw.jwk.as_ref(),
        not_before: None,
        not_after: None,
    };
    if raw.keys.is_empty() {
        return Some(vec![alone]);
    }
    if alone.algorithm.is_some()
        || alone.secret.is_some()
        || alone.public_key.is_some()
        || alone.jwk.is_some()
    {
        at.key("keys").report("stands beside `algorithm`, `secret`, `public_key` or `jwk`: move that key into the list, with a `kid`");
        return None;
    }
    let at = at.key("keys");
    let one = |(index, key): (usize, &'r raw::Key)| Written {
        at: at.index(index),
        several: true,
        kid: key.kid.as_deref(),
        algorithm: key.algorithm.as_ref(),
        secret: key.secret.as_ref(),
        public_key: key.public_key.as_deref(),
        jwk: key.jwk.as_ref(),
        not_before: key.not_before,
        not_after: key.not_after,
    };
    Some(raw.keys.iter().enumerate().map(one).collect())
}

impl<'a> Written<'_, 'a> {
    /// Puts the key into the set; what is known about it, and its material.
    fn read(&self, rules: &JwkRules, set: &mut KeySet) -> Option<(KeyInfo, Secret)> {
        let validity = self.validity();
        let (key, secret, material, place) = match self.jwk {
            Some(jwk) => self.jwk(jwk, rules)?,
            None => self.plain()?,
        };
        if self.several && key.kid().is_none() {
            self.at
                .key("kid")
                .require(None::<&()>, "what the token's header names this key by");
            return None;
        }
        let info = KeyInfo {
            kid: key.kid().map(Into::into),
            algorithm: key.algorithm(),
            secret: secret.map(Arc::new),
        };
        if let Err(error) = set.insert(key.within(validity?)) {
            self.blame(&error, &place);
            return None;
        }
        Some((info, material))
    }

    fn validity(&self) -> Option<Validity> {
        let (start, end) = (self.not_before, self.not_after);
        if let (Some(start), Some(end)) = (start, end)
            && end <= start
        {
            self.at
                .key("not_after")
                .report("is not later than `not_before`: the key would never be good");
            return None;
        }
        Some(Validity {
            not_before: start.map(|start| start.0),
            not_after: end.map(|end| end.0),
        })
    }

    /// A shared secret, or a PEM file.
    fn plain(&self) -> Option<(Key, Option<Secret>, Secret, At<'a>)> {
        let place = self.at.key("algorithm");
        let name = place.require(
            self.algorithm,
            "the only algorithm accepted with this key, such as \"HS256\"",
        );
        let algorithm: Option<Algorithm> = name.and_then(|name| {
            place.accept(name.parse().map_err(|_| KeyError::Algorithm(name.clone())))
        });
        let (material, place) = self.material(algorithm)?;
        match Key::new(self.kid, name?, material.expose()) {
            Err(error) => {
                self.blame(&error, &place);
                None
            }
            Ok(key) => {
                let secret = self.secret.map(|_| Secret::new(material.expose().to_vec()));
                Some((key, secret, material, place))
            }
        }
    }

    /// The bytes of a key and the place to blame for them: a shared secret for HS algorithms, else a public key.
    fn material(&self, algorithm: Option<Algorithm>) -> Option<(Secret, At<'a>)> {
        let at = |key: &str| self.at.key(key);
        let shared = algorithm.map(|algorithm| algorithm.family() == AlgorithmFamily::Hmac);
        match (self.secret, self.public_key, shared) {
            (Some(_), Some(_), _) => {
                at("public_key").report("stands beside `secret`: a key is one or the other");
            }
            (None, None, Some(true)) => {
                at("secret").report("is required: the shared secret, such as { env = \"NAME\" }");
            }
            (None, None, Some(false)) => {
                at("public_key").report("is required: PEM file with the public key");
            }
            (None, None, None) => {}
            (Some(_), None, Some(false)) => at("secret").report(
                "a shared secret goes with HS algorithms only; this one needs `public_key`",
            ),
            (None, Some(_), Some(true)) => {
                at("public_key").report("HS algorithms need `secret`, the shared one");
            }
            (Some(source), None, _) => return Some((at("secret").secret(source)?, at("secret"))),
            (None, Some(path), _) => {
                return Some((Secret::new(at("public_key").read(path)?), at("public_key")));
            }
        }
        None
    }

    /// A JSON Web Key. What it says and what the file says of it must be the same.
    fn jwk(
        &self,
        source: &raw::JwkSource,
        rules: &JwkRules,
    ) -> Option<(Key, Option<Secret>, Secret, At<'a>)> {
        let place = self.at.key("jwk");
        if self.secret.is_some() || self.public_key.is_some() {
            place.report("stands beside `secret` or `public_key`: a key has one of them");
            return None;
        }
        let own;
        let rules = match self.algorithm {
            None => rules,
            Some(name) => {
                own = self
                    .at
                    .key("algorithm")
                    .accept(JwkRules::new(&[name], true))?;
                &own
            }
        };
        let (read, material) = match source {
            raw::JwkSource::File(path) => {
                let text = Secret::new(place.read(path)?);
                let read = rules.parse(text.expose());
                (
                    read.map_err(|error| format!("{}: {error}", path.display())),
                    text,
                )
            }
            raw::JwkSource::Inline(members) => {
                if members.get("kty").is_some_and(|kind| kind == "oct") {
                    place.report("a shared secret is never written in the file: use `secret`");
                    return None;
                }
                let read = rules.key(members).map_err(|error| error.to_string());
                let text = serde_json::to_vec(members).unwrap_or_default();
                (read, Secret::new(text))
            }
        };
        let Jwk { key, secret } = place.accept(read)?;
        let secret = secret.map(|secret| Secret::new(secret.to_vec()));
        match (self.kid, key.kid()) {
            (Some(written), Some(own)) if written != own => {
                self.at
                    .key("kid")
                    .report(format!("is not the `kid` of the JSON Web Key, `{own}`"));
                None
            }
            (Some(written), None) => {
                let key = self.at.key("kid").accept(key.named(written))?;
                Some((key, secret, material, place))
            }
            (None | Some(_), _) => Some((key, secret, material, place)),
        }
    }

    fn blame(&self, error: &KeyError, material: &At<'_>) {
        let place = match error {
            KeyError::Algorithm(_) => &self.at.key("algorithm"),
            KeyError::Kid(_) => &self.at.key("kid"),
            KeyError::Material { .. } | KeyError::Short { .. } => material,
        };
        place.report(error.to_string());
    }
}
