//! TLS from clients (names, HTTP/2, reload, time limits) and towards upstreams.

use std::path::Path;
use std::sync::Arc;

use embedgate::server::Running;
use embedgate::server::spec::{ListenSpec, TlsFiles, UpstreamTls};
use embedgate::server::upstream::Target;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::support::{Peer, Setup, connect, ms, until, upstream_spec};

/// A root of our own and the files it signs.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    dir: TempDir,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap();
        let dir = TempDir::new().unwrap();
        std::fs::write(dir.path().join("ca.pem"), root.pem()).unwrap();
        Self {
            root: root.der().clone(),
            issuer: Issuer::new(params, key),
            dir,
        }
    }

    fn files(&self, file: &str, names: &[&str]) -> TlsFiles {
        let names: Vec<_> = names.iter().map(|n| (*n).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let files = TlsFiles {
            certificate: self.path(&format!("{file}.pem")),
            key: self.path(&format!("{file}.key")),
        };
        std::fs::write(&files.certificate, certificate.pem()).unwrap();
        std::fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn roots(&self) -> Arc<rustls::RootCertStore> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        Arc::new(roots)
    }

    fn config(&self, alpn: &[&[u8]]) -> Arc<rustls::ClientConfig> {
        let mut config = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|p| p.to_vec()).collect();
        Arc::new(config)
    }

    async fn try_client(
        &self,
        running: &Running,
        name: &str,
        alpn: &[&[u8]],
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let config = self.config(alpn);
        let tcp = TcpStream::connect(running.address()).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(config).connect(name, tcp).await
    }

    async fn client(&self, running: &Running, name: &str, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        self.try_client(running, name, alpn).await.unwrap()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

fn setup(tls: Vec<TlsFiles>) -> Setup {
    Setup {
        listen: ListenSpec {
            workers: 1,
            tls,
            handshake_timeout: ms(300),
            ..ListenSpec::default()
        },
        ..Setup::default()
    }
}

fn leaf(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned()
}

fn read(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).unwrap()
}

#[tokio::test]
async fn the_certificate_follows_the_name_asked_for() {
    let ca = Authority::new();
    let (a, b) = (
        ca.files("a", &["a.test"]),
        ca.files("b", &["b.test", "*.wild.test"]),
    );
    let (running, seen) = setup(vec![a.clone(), b.clone()]).start();
    for (name, file) in [("a.test", &a), ("b.test", &b), ("x.wild.test", &b)] {
        let stream = ca.client(&running, name, &[]).await;
        assert_eq!(leaf(&stream), read(&file.certificate), "{name}");
        assert_eq!(Peer::new(stream).get("/ok").await.body, "ok");
    }
    assert!(
        ca.try_client(&running, "other.test", &[]).await.is_err(),
        "the default does not fit"
    );
    let conns = seen.conns.lock().unwrap();
    assert!(conns.iter().all(|conn| conn.tls));
    let names: Vec<_> = conns
        .iter()
        .map(|conn| conn.sni.as_deref().unwrap())
        .collect();
    assert_eq!(names, ["a.test", "b.test", "x.wild.test"]);
    assert_eq!(running.metrics().handshakes()[0], ("ok", 3));
}

#[tokio::test]
async fn an_encrypted_connection_is_parked_and_wakes() {
    let ca = Authority::new();
    let (running, _) = setup(vec![ca.files("a", &["a.test"])]).start();
    let mut client = Peer::new(ca.client(&running, "a.test", &[]).await);
    for _ in 0..3 {
        client
            .send("GET /ok HTTP/1.1\r\nhost: a\r\n\r\nGET /ok HT")
            .await;
        assert_eq!(client.answer().await.unwrap().body, "ok");
        until("parked", || running.metrics().parked() == 1).await;
        client.send("TP/1.1\r\nhost: a\r\n\r\n").await;
        assert_eq!(client.answer().await.unwrap().body, "ok");
        until("parked", || running.metrics().parked() == 1).await;
    }
}

/// Browsers and curl do so: the request travels in one segment with the end of the handshake, and is read with it.
#[tokio::test]
async fn a_request_that_comes_with_the_end_of_the_handshake_is_answered() {
    let ca = Authority::new();
    let (running, _) = setup(vec![ca.files("a", &["a.test"])]).start();
    let (config, address) = (ca.config(&[]), running.address());
    let answer = tokio::task::spawn_blocking(move || {
        let name = ServerName::try_from("a.test").unwrap();
        let mut tls = rustls::ClientConnection::new(config, name).unwrap();
        let mut tcp = std::net::TcpStream::connect(address).unwrap();
        tcp.set_read_timeout(Some(ms(5000))).unwrap();
        while tls.is_handshaking() {
            if tls.wants_write() {
                tls.write_tls(&mut tcp).unwrap();
            } else {
                tls.read_tls(&mut tcp).unwrap();
                tls.process_new_packets().unwrap();
            }
        }
        let request = b"GET /ok HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
        std::io::Write::write_all(&mut tls.writer(), request).unwrap();
        let mut together = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut together).unwrap();
        }
        std::io::Write::write_all(&mut tcp, &together).unwrap();
        let mut answer = String::new();
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        let _closed = std::io::Read::read_to_string(&mut stream, &mut answer);
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
}

#[tokio::test]
async fn http2_serves_streams_side_by_side_and_finishes_them_at_shutdown() {
    let ca = Authority::new();
    let (running, seen) = setup(vec![ca.files("a", &["a.test"])]).start();
    let stream = ca.client(&running, "a.test", &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, conn) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let conn = tokio::spawn(conn);
    let request = |path: &str| {
        let uri = format!("https://a.test{path}");
        http::Request::builder()
            .uri(uri)
            .body(Empty::<bytes::Bytes>::new())
            .unwrap()
    };
    let slow = sender.send_request(request("/slow"));
    let slow = tokio::spawn(slow);
    for _ in 0..10 {
        let response = sender.send_request(request("/ok")).await.unwrap();
        assert_eq!(response.collect().await.unwrap().to_bytes(), "ok");
    }
    until("slow is there", || seen.calls() == 11).await;
    running.stop();
    seen.gate.add_permits(1);
    let response = slow.await.unwrap().unwrap();
    assert_eq!(response.collect().await.unwrap().to_bytes(), "slow");
    assert_eq!(running.done().await, 0);
    conn.await.unwrap().unwrap();
}

#[tokio::test]
async fn an_idle_http2_connection_is_sent_away() {
    let ca = Authority::new();
    let mut setup = setup(vec![ca.files("a", &["a.test"])]);
    setup.listen.keep_alive = ms(200);
    let (running, _) = setup.start();
    let stream = ca.client(&running, "a.test", &[b"h2"]).await;
    let (mut sender, conn) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    let conn = tokio::spawn(conn);
    let request = http::Request::builder()
        .uri("https://a.test/ok")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    sender.send_request(request).await.unwrap();
    tokio::time::timeout(crate::support::DEADLINE, conn)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn without_http2_it_is_not_offered() {
    let ca = Authority::new();
    let mut setup = setup(vec![ca.files("a", &["a.test"])]);
    setup.listen.http2 = false;
    let (running, _) = setup.start();
    let stream = ca.client(&running, "a.test", &[b"h2", b"http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_handshake_has_its_time_and_junk_fails() {
    let ca = Authority::new();
    let (running, _) = setup(vec![ca.files("a", &["a.test"])]).start();
    let mut silent = connect(&running).await;
    assert_eq!(silent.rest().await, "");
    let mut junk = connect(&running).await;
    junk.send("GET / HTTP/1.1\r\n\r\n").await;
    junk.rest().await;
    let wanted = [("ok", 0), ("failed", 1), ("timeout", 1)];
    until("both counted", || running.metrics().handshakes() == wanted).await;
}

#[tokio::test]
async fn certificates_are_loaded_again_and_a_broken_one_changes_nothing() {
    let ca = Authority::new();
    let files = ca.files("a", &["a.test"]);
    let old = read(&files.certificate);
    let (running, _) = setup(vec![files.clone()]).start();
    let tls = running.tls().unwrap();
    let expires = tls.certificates()[0].expires.unwrap();
    assert!(expires.0 > 1_700_000_000);
    assert_eq!(tls.certificates()[0].name, "a.pem");
    std::fs::write(&files.key, "junk").unwrap();
    tls.reload(std::slice::from_ref(&files)).unwrap_err();
    assert_eq!(leaf(&ca.client(&running, "a.test", &[]).await), old);
    // A key that belongs to another certificate.
    std::fs::copy(ca.files("b", &["a.test"]).key, &files.key).unwrap();
    tls.reload(std::slice::from_ref(&files)).unwrap_err();
    let files = ca.files("a", &["a.test"]);
    tls.reload(std::slice::from_ref(&files)).unwrap();
    let new = leaf(&ca.client(&running, "a.test", &[]).await);
    assert_eq!(new, read(&files.certificate));
    assert_ne!(new, old);
}

/// An https upstream that wants a certificate of ours and answers once per connection.
async fn secure_upstream(ca: &Authority) -> std::net::SocketAddr {
    let files = ca.files("up", &["bi.internal"]);
    let verifier =
        rustls::server::WebPkiClientVerifier::builder_with_provider(ca.roots(), provider())
            .build()
            .unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![read(&files.certificate)],
            PrivateKeyDer::from_pem_file(&files.key).unwrap(),
        )
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut peer = Peer::new(stream);
                while peer.head().await.is_some() {
                    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nsecret")
                        .await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn an_https_upstream_is_verified_and_shown_our_certificate() {
    let ca = Authority::new();
    let address = secure_upstream(&ca).await;
    let ours = ca.files("client", &["gateway.internal"]);
    let good = UpstreamTls {
        ca: Some(ca.path("ca.pem")),
        certificate: Some(ours.certificate),
        key: Some(ours.key),
        server_name: Some("bi.internal".to_owned()),
    };
    let stranger = Authority::new();
    for (what, tls, wanted) in [
        ("all in order", good.clone(), 200),
        (
            "another name",
            UpstreamTls {
                server_name: Some("x.internal".to_owned()),
                ..good.clone()
            },
            503,
        ),
        (
            "another root",
            UpstreamTls {
                ca: Some(stranger.path("ca.pem")),
                ..good.clone()
            },
            503,
        ),
    ] {
        let mut spec = upstream_spec(address);
        spec.scheme = http::uri::Scheme::HTTPS;
        spec.tls = Some(tls);
        let (running, _) = Setup::to(spec).start();
        let mut client = connect(&running).await;
        assert_eq!(client.get("/a").await.status, wanted, "{what}");
        assert_eq!(client.get("/b").await.status, wanted, "{what}");
    }
    let mut spec = upstream_spec(address);
    spec.scheme = http::uri::Scheme::HTTPS;
    spec.tls = Some(UpstreamTls {
        certificate: None,
        key: None,
        ..good
    });
    let (running, _) = Setup::to(spec).start();
    assert_ne!(
        connect(&running).await.get("/").await.status,
        200,
        "no certificate of ours"
    );
}

#[test]
fn unusable_files_are_named() {
    let ca = Authority::new();
    let mut spec = upstream_spec("127.0.0.1:1".parse().unwrap());
    spec.scheme = http::uri::Scheme::HTTPS;
    spec.tls = Some(UpstreamTls {
        ca: Some(ca.path("absent.pem")),
        ..UpstreamTls::default()
    });
    let error = Target::new(spec).unwrap_err().to_string();
    assert!(error.contains("absent.pem"), "{error}");
}
