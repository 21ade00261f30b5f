//! TLS on both sides: certificates by name for clients (reloadable), roots and our own certificate towards upstreams.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{
    ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets, ResolvesServerCert,
};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use thiserror::Error;
use tokio_rustls::TlsAcceptor;

use super::expiry::not_after;
use super::spec::{TlsFiles, UpstreamSpec, UpstreamTls};
use crate::gate::request::UnixTime;

/// Why TLS cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The file holds no certificate.
    #[error("no certificate in {}", .0.display())]
    NoCertificate(PathBuf),
    /// A PEM file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: pem::Error,
    },
    /// The system's roots cannot be read.
    #[error("no trusted root certificates")]
    Roots,
    /// Certificate and key do not fit, or the material is unusable.
    #[error("unusable certificate or key {}", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The upstream's name is not one that a certificate could carry.
    #[error("{0} is not a server name")]
    Name(String),
    /// The TLS library refuses its configuration.
    #[error("tls configuration")]
    Config(#[from] rustls::Error),
}

/// The public side's TLS: what a handshake uses now.
#[derive(Debug)]
pub struct Tls {
    current: ArcSwap<Loaded>,
    http2: bool,
    /// What resumes sessions, where they may be resumed.
    tickets: Option<Arc<dyn ProducesTickets>>,
}

#[derive(Debug)]
struct Loaded {
    config: Arc<ServerConfig>,
    certificates: Vec<Certificate>,
}

/// A certificate in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its file, without directories: a metric label.
    pub name: String,
    /// When it ends, if that can be read.
    pub expires: Option<UnixTime>,
}

impl Tls {
    /// Loads certificates and keys; the first is the one for clients that name no host, or one that none is made for.
    ///
    /// # Errors
    ///
    /// One of the files is unusable; nothing is half loaded.
    pub fn load(files: &[TlsFiles], http2: bool, resumption: bool) -> Result<Self, TlsError> {
        let tickets = resumption.then(aws_lc_rs::Ticketer::new).transpose()?;
        let loaded = Loaded::new(files, http2, tickets.as_ref())?;
        Ok(Self {
            current: ArcSwap::from_pointee(loaded),
            http2,
            tickets,
        })
    }

    /// Loads the files again, for the handshakes to come; on an error the old ones stay in use.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn reload(&self, files: &[TlsFiles]) -> Result<(), TlsError> {
        let put_in_use = self.prepare(files)?;
        put_in_use();
        Ok(())
    }

    /// Loads the files again; what is returned puts them in use.
    ///
    /// # Errors
    ///
    /// As [`Tls::load`].
    pub fn prepare<'a>(&'a self, files: &[TlsFiles]) -> Result<impl FnOnce() + use<'a>, TlsError> {
        let loaded = Arc::new(Loaded::new(files, self.http2, self.tickets.as_ref())?);
        Ok(move || self.current.store(loaded))
    }

    /// The certificates in use.
    pub fn certificates(&self) -> Vec<Certificate> {
        self.current.load().certificates.clone()
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.load().config).into()
    }
}

impl Loaded {
    fn new(
        files: &[TlsFiles],
        http2: bool,
        tickets: Option<&Arc<dyn ProducesTickets>>,
    ) -> Result<Self, TlsError> {
        let provider = provider();
        let mut keys = Vec::with_capacity(files.len());
        let mut certificates = Vec::with_capacity(files.len());
        for files in files {
            let chain = chain(&files.certificate)?;
            certificates.push(Certificate {
                name: label(&files.certificate),
                expires: chain.first().and_then(|leaf| not_after(leaf)),
            });
            let certified = CertifiedKey::from_der(chain, key(&files.key)?, &provider);
            keys.push(Arc::new(certified.map_err(|source| {
                TlsError::Unusable {
                    path: files.certificate.clone(),
                    source,
                }
            })?));
        }
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ByName(keys)));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if http2 {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        if let Some(tickets) = tickets {
            config.ticketer = Arc::clone(tickets);
        } else {
            config.send_tls13_tickets = 0;
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }
}

/// Picks the first certificate that is made for the name the client asks for.
#[derive(Debug)]
struct ByName(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let default = self.0.first();
        if self.0.len() < 2 {
            return default.cloned();
        }
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| name.as_ref().is_some_and(|name| covers(key, name));
        self.0.iter().find(fits).or(default).cloned()
    }
}

fn covers(key: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let Some(leaf) = key.cert.first() else {
        return false;
    };
    ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok())
}

/// How an `https` upstream is reached.
pub(super) fn client(
    spec: &UpstreamSpec,
) -> Result<(Arc<ClientConfig>, ServerName<'static>), TlsError> {
    let default = UpstreamTls::default();
    let tls = spec.tls.as_ref().unwrap_or(&default);
    let mut config = towards(tls)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let name = tls.server_name.as_deref().unwrap_or(&spec.host);
    Ok((Arc::new(config), server_name(name)?))
}

/// A name to expect in a certificate.
pub(super) fn server_name(name: &str) -> Result<ServerName<'static>, TlsError> {
    ServerName::try_from(name.to_owned()).map_err(|_| TlsError::Name(name.to_owned()))
}

/// TLS towards a server: whom we trust, and what we show it.
pub(super) fn towards(tls: &UpstreamTls) -> Result<ClientConfig, TlsError> {
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots(tls)?);
    match (&tls.certificate, &tls.key) {
        (Some(certificate), Some(key_file)) => builder
            .with_client_auth_cert(chain(certificate)?, key(key_file)?)
            .map_err(|source| TlsError::Unusable {
                path: certificate.clone(),
                source,
            }),
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn roots(tls: &UpstreamTls) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    match &tls.ca {
        Some(path) => {
            for root in chain(path)? {
                roots.add(root).map_err(|source| TlsError::Unusable {
                    path: path.clone(),
                    source,
                })?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    if roots.is_empty() {
        return Err(TlsError::Roots);
    }
    Ok(roots)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = |source| TlsError::Read {
        path: path.to_owned(),
        source,
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(read)?
        .collect::<Result<_, _>>()
        .map_err(read)?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(path.to_owned()));
    }
    Ok(chain)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Read {
        path: path.to_owned(),
        source,
    })
}

fn label(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
