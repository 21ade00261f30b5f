//! The host of a request (RFC 9110 section 7.2): one reading or none.

use std::borrow::Cow;

use super::refusal::Refusal;

/// A host as a client named it: lower case, no trailing dot, port apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Host<'a> {
    name: Cow<'a, str>,
    port: Option<u16>,
}

impl<'a> Host<'a> {
    /// Reads `host[:port]`.
    ///
    /// # Errors
    /// `request_malformed` for anything but a DNS name, an IPv4 address or a bracketed IPv6 address with an optional port.
    pub fn parse(_text: &'a str) -> Result<Self, Refusal> {
        Err(Refusal::RequestMalformed)
    }

    /// The name, lower case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port, where one was given.
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}
