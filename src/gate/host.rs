//! The host of a request (RFC 9110 section 7.2): one reading or none.

use std::{
    borrow::Cow,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::refusal::Refusal;

/// A host as a client named it: lower case, no trailing dot, port apart.
///
/// IPv6 addresses keep their brackets and stand in their shortest form (RFC 5952), so that the name followed by `:port` is an authority again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `host[:port]`; borrows where the text is lower case already.
    ///
    /// # Errors
    /// `request_malformed` for anything but a DNS name, an IPv4 address or a bracketed IPv6 address with an optional port.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        Self::read(text).ok_or(Refusal::RequestMalformed)
    }

    /// The name, lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// What an origin compares: the name and the effective port (RFC 6454 section 4), given whether the scheme is `https`.
    pub fn authority(&self, secure: bool) -> (&str, u16) {
        let default = if secure { 443 } else { 80 };
        (&self.name, self.port.unwrap_or(default))
    }

    fn read(text: &'a str) -> Option<Self> {
        if text.starts_with('[') {
            return Self::read_ipv6(text);
        }
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, Some(read_port(port)?)),
            None => (text, None),
        };
        let name = name.strip_suffix('.').unwrap_or(name);
        is_name(name).then(|| Self {
            name: lower(name),
            port,
        })
    }

    fn read_ipv6(text: &'a str) -> Option<Self> {
        let end = text.find(']')?.saturating_add(1);
        let (bracketed, rest) = text.split_at_checked(end)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if rest.is_empty() => None,
            None => return None,
        };
        let address: Ipv6Addr = bracketed
            .strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()?;
        let shortest = format!("[{address}]");
        let name = if shortest == bracketed {
            Cow::Borrowed(bracketed)
        } else {
            Cow::Owned(shortest)
        };
        Some(Self { name, port })
    }
}

/// A port between 1 and 65535, in the one way to write it (no sign, no leading zero).
fn read_port(text: &str) -> Option<u16> {
    let one_way = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if one_way { text.parse().ok() } else { None }
}

/// A DNS name of letters, digits and hyphens (RFC 1123 section 2.1), or an IPv4 address in dotted decimal.
fn is_name(name: &str) -> bool {
    if name.len() > 253 || !name.split('.').all(is_label) {
        return false;
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    !looks_numeric(last) || name.parse::<Ipv4Addr>().is_ok()
}

fn is_label(label: &str) -> bool {
    let bytes = label.as_bytes();
    let inner = bytes
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-');
    let ends = bytes.first() != Some(&b'-') && bytes.last() != Some(&b'-');
    inner && ends && matches!(bytes.len(), 1..=63)
}

/// Whether browsers would read the name as an IPv4 number because of its last label (`127.1`, `0x7f000001`).
fn looks_numeric(last: &str) -> bool {
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return true;
    }
    let hex = last.strip_prefix("0x").or_else(|| last.strip_prefix("0X"));
    hex.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn reads_hosts_in_one_way() {
        let table = [
            ("example.com", "example.com", None),
            ("Example.COM", "example.com", None),
            ("example.com.", "example.com", None),
            ("example.com.:8443", "example.com", Some(8443)),
            ("bi:1", "bi", Some(1)),
            (
                "xn--bcher-kva.example:65535",
                "xn--bcher-kva.example",
                Some(65535),
            ),
            ("3com.example", "3com.example", None),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8:0::1]:443", "[2001:db8::1]", Some(443)),
        ];
        for (text, name, port) in table {
            let host = Host::parse(text).expect(text);
            assert_eq!((host.name(), host.port()), (name, port), "{text}");
        }
    }

    #[test]
    fn refuses_what_has_two_readings() {
        let long_label = "a".repeat(64);
        let long_name = format!("{}com", "abcdefg.".repeat(32));
        let table = [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a..",
            ":80",
            "a:",
            "a:0",
            "a:65536",
            "a:080",
            "a:+80",
            "a:8 0",
            "a:80:80",
            "a:b",
            "::1",
            "user@a",
            "user:pw@a",
            "a@b:80",
            " a",
            "a ",
            "a b",
            "a\t",
            "a\r\nb",
            "a%2eb",
            "%61",
            "a/b",
            "a\\b",
            "a?b",
            "a#b",
            "a,b",
            "a;b",
            "bücher.example",
            "ａ.example",
            "a_b",
            "_dmarc.example",
            "-a",
            "a-",
            "a.-b.c",
            "*",
            "*.example.com",
            "127.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "127.0.0.01",
            "256.1.1.1",
            "1.2.3.4.5",
            "a.1",
            "a.0x",
            "[::1",
            "::1]",
            "[]",
            "[::1]x",
            "[::1]:",
            "[::1]80",
            "[::1%25eth0]",
            "[fe80::1%eth0]",
            "[127.0.0.1]",
            "[v1.a]",
            "[::1].",
            "[[::1]]",
            "a\0",
            "localhost:http",
            &long_label,
            &long_name,
        ];
        for text in table {
            assert_eq!(
                Host::parse(text),
                Err(Refusal::RequestMalformed),
                "{text:?}"
            );
        }
    }

    #[test]
    fn allocates_only_to_change_something() {
        for text in ["example.com", "example.com.:80", "127.0.0.1", "[::1]:80"] {
            assert!(
                matches!(Host::parse(text).unwrap().name, Cow::Borrowed(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn an_authority_has_a_port_always() {
        let host = Host::parse("a.example").unwrap();
        assert_eq!(host.authority(true), ("a.example", 443));
        assert_eq!(host.authority(false), ("a.example", 80));
        assert_eq!(
            Host::parse("a.example:81").unwrap().authority(true),
            ("a.example", 81)
        );
    }

    proptest! {
        #[test]
        fn what_is_read_reads_the_same_again(text in "[\\[\\]a-zA-Z0-9:.@%/ _-]{0,24}|\\[[0-9a-fA-F:.]{2,20}\\](:[0-9]{1,6})?|[a-zA-Z0-9.-]{1,12}(:[0-9]{1,6})?") {
            if let Ok(host) = Host::parse(&text) {
                let again = match host.port() {
                    Some(port) => format!("{}:{port}", host.name()),
                    None => host.name().to_owned(),
                };
                prop_assert_eq!(&host, &Host::parse(&again).unwrap());
                prop_assert!(!host.name().bytes().any(|byte| byte.is_ascii_uppercase() || !byte.is_ascii_graphic()));
                prop_assert!(again.parse::<http::uri::Authority>().is_ok());
            }
        }
    }
}
