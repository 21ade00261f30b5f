//! Who the client is: the peer, or whom a trusted proxy in front of us names.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use ipnet::IpNet;

/// The client's address and whether it speaks TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client {
    /// The address to limit and to audit.
    pub address: IpAddr,
    /// Whether the client's connection (to us or to the trusted proxy) is encrypted.
    pub secure: bool,
}

/// Reads `X-Forwarded-For` from the right as long as the speaker is trusted. Headers of an untrusted peer mean nothing.
pub fn client(peer: IpAddr, tls: bool, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let peer = peer.to_canonical();
    if !is_trusted(peer, trusted) {
        return Client {
            address: peer,
            secure: tls,
        };
    }
    Client {
        address: forwarded_for(peer, headers, trusted),
        secure: forwarded_proto(headers).unwrap_or(tls),
    }
}

fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&address))
}

/// The first address from the right that is not one of our proxies. What cannot be read ends the walk: the last
/// trusted speaker stands in for whoever is behind it.
fn forwarded_for(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else {
            return client;
        };
        for item in line.rsplit(',') {
            let Some(address) = address(item.trim()) else {
                return client;
            };
            client = address;
            if !is_trusted(client, trusted) {
                return client;
            }
        }
    }
    client
}

/// `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1` or `[2001:db8::1]:443`.
fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Some(address.ip().to_canonical());
    }
    let bare = text.strip_prefix('[')?.strip_suffix(']')?;
    bare.parse::<IpAddr>().ok().map(|a| a.to_canonical())
}

/// The nearest proxy's word on the scheme; anything but one plain `https` or `http` is no word at all.
fn forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let line = headers.get_all("x-forwarded-proto").iter().next_back()?;
    let nearest = line.to_str().ok()?.rsplit(',').next()?.trim();
    if nearest.eq_ignore_ascii_case("https") {
        return Some(true);
    }
    nearest.eq_ignore_ascii_case("http").then_some(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn read(peer: &str, lines: &[&'static str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("x-forwarded-for", HeaderValue::from_static(line));
        }
        client(peer.parse().unwrap(), false, &headers, &trusted)
            .address
            .to_string()
    }

    #[test]
    fn believes_only_trusted_proxies() {
        let table: &[(&str, &[&str], &str)] = &[
            ("192.0.2.1", &[], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.7"], "192.0.2.1"),
            ("10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("::ffff:10.0.0.1", &["198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1, 198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7, 10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7", "10.0.0.2"], "198.51.100.7"),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.7"], "198.51.100.7"),
            ("10.0.0.1", &["198.51.100.7:1234"], "198.51.100.7"),
            ("10.0.0.1", &["[2001:db8::1]:443"], "2001:db8::1"),
            ("fd00::1", &["2001:db8::1"], "2001:db8::1"),
            ("10.0.0.1", &["junk"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1, junk, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ];
        for (peer, lines, wanted) in table {
            assert_eq!(read(peer, lines), *wanted, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_scheme_comes_from_a_trusted_proxy_alone() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
        let secure = |peer: &str| client(peer.parse().unwrap(), false, &headers, &trusted).secure;
        assert!(secure("10.0.0.1"));
        assert!(!secure("192.0.2.1"));
    }
}
