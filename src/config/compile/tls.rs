//! Certificates and keys: read once while compiling, so that `embedgate check` finds what `embedgate run` would stumble over.

use std::path::Path;

use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};

use super::context::At;
use crate::config::{
    raw,
    spec::{TlsFiles, UpstreamTls},
};

/// `listen.tls`.
pub(super) fn pairs(raw: &raw::OneOrMany<raw::Tls>, at: &At<'_>) -> Option<Vec<TlsFiles>> {
    let places: Vec<At<'_>> = match raw {
        raw::OneOrMany::Many(all) => (0..all.len()).map(|index| at.index(index)).collect(),
        raw::OneOrMany::One(_) => vec![at.clone()],
    };
    if places.is_empty() {
        at.report("names no certificate; leave it out for cleartext");
    }
    let all: Vec<_> = raw
        .all()
        .iter()
        .zip(&places)
        .map(|(one, at)| pair(one, at))
        .collect();
    all.into_iter().collect()
}

/// `upstream_tls`.
pub(super) fn upstream(raw: &raw::UpstreamTls, at: &At<'_>) -> Option<UpstreamTls> {
    let ca = raw.ca.as_ref().map(|path| {
        (
            certificates(path, &at.key("ca")).is_some(),
            at.resolve(path),
        )
    });
    let pair = match (&raw.certificate, &raw.key) {
        (Some(certificate), Some(key)) => checked(certificate, key, at).map(Some),
        (None, None) => Some(None),
        (Some(_), None) => missing(at, "key"),
        (None, Some(_)) => missing(at, "certificate"),
    };
    let name = raw
        .server_name
        .as_ref()
        .filter(|name| ServerName::try_from(name.as_str()).is_err());
    if let Some(name) = name {
        at.key("server_name")
            .report(format!("`{name}` is not a host name or an IP address"));
    }
    let (certificate, key) = pair?.map(|files| (files.certificate, files.key)).unzip();
    Some(UpstreamTls {
        ca: ca.map(|(_, path)| path),
        certificate,
        key,
        server_name: raw.server_name.clone(),
    })
}

fn missing<T>(at: &At<'_>, key: &str) -> Option<T> {
    at.key(key)
        .report("is required: a client certificate is `certificate` and `key`");
    None
}

fn pair(raw: &raw::Tls, at: &At<'_>) -> Option<TlsFiles> {
    let certificate = at.key("certificate").require(
        raw.certificate.as_ref(),
        "PEM file with the certificate chain",
    );
    let key = at
        .key("key")
        .require(raw.key.as_ref(), "PEM file with the private key");
    checked(certificate?, key?, at)
}

fn checked(certificate: &Path, key: &Path, at: &At<'_>) -> Option<TlsFiles> {
    let chain = certificates(certificate, &at.key("certificate"));
    let private = private_key(key, &at.key("key"));
    let (chain, private) = (chain?, private?);
    let certified = CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider());
    at.key("key").accept(certified.map_err(|error| {
        if matches!(error, rustls::Error::InconsistentKeys(_)) {
            "the private key does not belong to the certificate".to_owned()
        } else {
            format!("not usable: {error}")
        }
    }))?;
    Some(TlsFiles {
        certificate: at.resolve(certificate),
        key: at.resolve(key),
    })
}

/// The certificates of a PEM file, at least one.
pub(super) fn certificates(path: &Path, at: &At<'_>) -> Option<Vec<CertificateDer<'static>>> {
    let text = at.read(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let chain = at
        .accept(read.map_err(|error| format!("{}: no PEM certificate: {error}", path.display())))?;
    if chain.is_empty() {
        at.report(format!("{}: holds no PEM certificate", path.display()));
        return None;
    }
    Some(chain)
}

fn private_key(path: &Path, at: &At<'_>) -> Option<PrivateKeyDer<'static>> {
    let text = zeroize::Zeroizing::new(at.read(path)?);
    at.accept(
        PrivateKeyDer::from_pem_slice(&text)
            .map_err(|_| format!("{}: holds no PEM private key", path.display())),
    )
}
