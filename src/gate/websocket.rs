//! WebSocket handshakes (RFC 6455 section 4): a request is one to the letter, or it is refused; and so is its answer.

use aws_lc_rs::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
        TRANSFER_ENCODING, UPGRADE,
    },
};

use super::{policy::Denial, refusal::Refusal};

/// The one protocol that a connection may switch to.
pub const PROTOCOL: HeaderValue = HeaderValue::from_static("websocket");

/// A good handshake of a client. Made by [`Handshake::read`] alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Handshake {
    /// What `Sec-WebSocket-Accept` of the answer must be.
    accept: [u8; ACCEPT],
}

/// Whether a request names `websocket` in `Upgrade`, in any way: then it is a handshake, or nothing.
pub fn is_asked(headers: &HeaderMap) -> bool {
    tokens(headers, &UPGRADE).any(|token| {
        let name = token.split(|byte| *byte == b'/').next();
        name.is_some_and(|name| name.eq_ignore_ascii_case(PROTOCOL.as_bytes()))
    })
}

impl Handshake {
    /// Reads the head of a request; nothing where it does not ask for a WebSocket.
    ///
    /// # Errors
    /// `request_malformed`: it asks, and is no handshake as RFC 6455 section 4.2.1 has it. So is one with a body, with a second protocol to choose from, with
    /// a `Connection` that names anything but `upgrade` and `keep-alive`, or of another version than HTTP/1.1.
    pub fn read(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
    ) -> Result<Option<Self>, Denial> {
        if !is_asked(headers) {
            return Ok(None);
        }
        let key = check(method, version, headers)
            .map_err(|why| Denial::because(Refusal::RequestMalformed, why))?;
        Ok(Some(Self {
            accept: accept(key),
        }))
    }

    /// Whether the head of a 101 answers this handshake (RFC 6455 section 4.1).
    ///
    /// # Errors
    /// Says why not: whoever sent it does not speak WebSocket, or answered another request.
    pub fn confirm(&self, headers: &HeaderMap) -> Result<(), &'static str> {
        let switched = once(headers, &UPGRADE)
            .is_some_and(|value| value.eq_ignore_ascii_case(PROTOCOL.as_bytes()));
        if !switched {
            return Err("the upstream switched to another protocol than websocket");
        }
        if !tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case(b"upgrade")) {
            return Err("the upstream switched without `Connection: upgrade`");
        }
        if once(headers, &SEC_WEBSOCKET_ACCEPT) != Some(&self.accept) {
            return Err("the upstream's Sec-WebSocket-Accept is not of this handshake");
        }
        Ok(())
    }
}

/// The client's key, of a good handshake.
fn check<'h>(
    method: &Method,
    version: Version,
    headers: &'h HeaderMap,
) -> Result<&'h [u8], &'static str> {
    if *method != Method::GET || version != Version::HTTP_11 {
        return Err("a WebSocket handshake is a GET over HTTP/1.1");
    }
    if !once(headers, &UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case(PROTOCOL.as_bytes()))
    {
        return Err("a WebSocket handshake has one `Upgrade`, and no protocol in it but websocket");
    }
    let mut asks = false;
    for token in tokens(headers, &CONNECTION) {
        match token {
            b"" => {}
            token if token.eq_ignore_ascii_case(b"upgrade") => asks = true,
            token if token.eq_ignore_ascii_case(b"keep-alive") => {}
            // What it names would be taken out of the handshake.
            _ => return Err("the handshake's `Connection` names other fields"),
        }
    }
    if !asks {
        return Err("a WebSocket handshake has `Connection: upgrade`");
    }
    let bodiless = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .all(|value| value == "0");
    if !bodiless || headers.contains_key(TRANSFER_ENCODING) {
        return Err("a WebSocket handshake has no body");
    }
    if once(headers, &SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err("the handshake's Sec-WebSocket-Version is not 13");
    }
    let key = once(headers, &SEC_WEBSOCKET_KEY).unwrap_or_default();
    let mut nonce = [0; NONCE];
    match STANDARD.decode_slice(key, &mut nonce) {
        Ok(16) if key.len() == KEY => Ok(key),
        Ok(_) | Err(_) => Err("the handshake's Sec-WebSocket-Key is not 16 bytes of base64"),
    }
}

/// RFC 6455 section 4.2.2, step 5.4. SHA-1 proves here that the answer is of this handshake, and nothing else.
fn accept(key: &[u8]) -> [u8; ACCEPT] {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key);
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let mut text = [0; ACCEPT];
    // 20 bytes are 28 characters; were they not, nothing would be confirmed.
    let _written = STANDARD.encode_slice(hash.finish(), &mut text);
    text
}

/// The only value of a field.
fn once<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first.as_bytes())
}

fn tokens<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
}

/// Characters of `Sec-WebSocket-Accept`.
const ACCEPT: usize = 28;
/// Characters of `Sec-WebSocket-Key`.
const KEY: usize = 24;
/// What 24 characters decode to, at most.
const NONCE: usize = 18;

#[cfg(test)]
mod tests;
