//! Heads on the upstream's wire: a request written, a response read strictly. Framing belongs to the wire alone.

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};

use super::FramingError;
use super::chunked::Chunked;

/// A request to an upstream; the path is already what the upstream shall see.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query in origin form, without the upstream's prefix (the wire prepends it).
    pub target: &'a str,
    /// Header fields. Hop-by-hop and framing fields, `Host` and `Expect` among them are ignored: the wire writes its own.
    pub headers: &'a HeaderMap,
    /// Ask for this protocol (`websocket`); a 101 then becomes a tunnel.
    pub upgrade: Option<&'a HeaderValue>,
}

/// How long a request body will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Not known: chunked.
    Chunked,
    /// Known.
    Exact(u64),
    /// There is none.
    None,
}

impl Outgoing<'_> {
    /// Writes the head of the request.
    ///
    /// # Errors
    ///
    /// The target is not a plain path: an embedded space or line end would start a second request.
    pub fn write(
        &self,
        authority: &str,
        prefix: &str,
        length: Length,
        out: &mut BytesMut,
    ) -> Result<(), FramingError> {
        if !self.target.starts_with('/') || !self.target.bytes().all(|b| (0x21..=0x7e).contains(&b))
        {
            return Err(FramingError::Target);
        }
        out.reserve(512);
        out.extend_from_slice(self.method.as_str().as_bytes());
        out.extend_from_slice(b" ");
        out.extend_from_slice(prefix.as_bytes());
        out.extend_from_slice(self.target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        out.extend_from_slice(authority.as_bytes());
        for (name, value) in self.headers {
            if !is_ours(name) {
                field(out, name.as_str(), value.as_bytes());
            }
        }
        if let Some(protocol) = self.upgrade {
            field(out, "connection", b"upgrade");
            field(out, "upgrade", protocol.as_bytes());
        }
        self.frame(length, out);
        out.extend_from_slice(b"\r\n\r\n");
        Ok(())
    }

    fn frame(&self, length: Length, out: &mut BytesMut) {
        match length {
            Length::Chunked => field(out, "transfer-encoding", b"chunked"),
            Length::Exact(n) => field(out, "content-length", n.to_string().as_bytes()),
            Length::None => {
                if matches!(*self.method, Method::POST | Method::PUT | Method::PATCH) {
                    field(out, "content-length", b"0");
                }
            }
        }
    }
}

fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
}

/// Fields of one connection, which end here in both directions (RFC 9110 section 7.6.1), and those that frame a message.
fn is_ours(name: &HeaderName) -> bool {
    // `HeaderName`'s equality is cheap for known names; the two unknown ones are compared by their first byte first.
    match *name {
        header::CONNECTION
        | header::CONTENT_LENGTH
        | header::EXPECT
        | header::HOST
        | header::TE
        | header::TRAILER
        | header::TRANSFER_ENCODING
        | header::UPGRADE => true,
        _ => matches!(name.as_str(), "keep-alive" | "proxy-connection"),
    }
}

/// A response head and how its body ends.
#[derive(Debug)]
pub struct Incoming {
    /// The status.
    pub status: StatusCode,
    /// End-to-end fields; `Content-Length` only where no body comes with it (HEAD, 304), `Connection` and `Upgrade` only of a 101, as far as it has them.
    pub headers: HeaderMap,
    /// How the body ends.
    pub framing: Framing,
    /// Whether another request may follow on this connection.
    pub keep_alive: bool,
}

impl Incoming {
    /// Whether the connection has switched to the protocol that was asked for.
    pub fn is_switch(&self) -> bool {
        self.status == StatusCode::SWITCHING_PROTOCOLS
    }
}

/// How a response body ends.
#[derive(Debug)]
pub enum Framing {
    /// With its last chunk.
    Chunked(Chunked),
    /// It has ended, or never was.
    Done,
    /// After so many bytes.
    Length(u64),
    /// With the connection.
    UntilClose,
}

/// Takes a response head out of the buffer, once it is complete. `seen` is where the last attempt stopped.
///
/// # Errors
///
/// Whatever two parsers could read in two ways, and heads above 64 KiB or 128 fields.
pub fn read(
    buffer: &mut BytesMut,
    seen: &mut usize,
    method: &Method,
) -> Result<Option<Incoming>, FramingError> {
    if !may_be_complete(buffer, seen) {
        return within_limit(buffer);
    }
    let mut fields = [httparse::EMPTY_HEADER; FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(end) = parsed.parse(buffer)? else {
        return within_limit(buffer);
    };
    if end > HEAD {
        return Err(FramingError::TooLarge);
    }
    let (Some(status), Some(version)) = (parsed.code, parsed.version) else {
        return Err(FramingError::Head);
    };
    let status = StatusCode::from_u16(status).map_err(|_| FramingError::Head)?;
    let start = buffer.as_ptr().addr();
    let mut places = smallvec::SmallVec::<[Place; 24]>::new();
    for field in parsed.headers.iter() {
        let name = field.name.as_ptr().addr().wrapping_sub(start);
        let value = field.value.as_ptr().addr().wrapping_sub(start);
        places.push(Place {
            name: (name, name.wrapping_add(field.name.len())),
            value: (value, value.wrapping_add(field.value.len())),
        });
    }
    *seen = 0;
    let head = buffer.split_to(end).freeze();
    Sorting::new(version, places.len())
        .sort(&head, &places, status, method)
        .map(Some)
}

fn within_limit(buffer: &BytesMut) -> Result<Option<Incoming>, FramingError> {
    if buffer.len() > HEAD {
        return Err(FramingError::TooLarge);
    }
    Ok(None)
}

/// A head cannot end where no line does; so what comes in small pieces is not parsed again and again.
fn may_be_complete(buffer: &BytesMut, seen: &mut usize) -> bool {
    let fresh = buffer.get(*seen..).unwrap_or_default();
    *seen = buffer.len();
    fresh.contains(&b'\n')
}

/// Where a field lies in the head.
struct Place {
    name: (usize, usize),
    value: (usize, usize),
}

/// Fields on their way from the wire to the map, the ones that frame the message set aside.
struct Sorting {
    headers: HeaderMap,
    length: Option<u64>,
    chunked: bool,
    keep_alive: bool,
    /// Names that `Connection` declared to be of this hop only.
    hop: Option<String>,
    /// The protocol switched to; means something with a 101 only.
    upgrade: Option<HeaderValue>,
    /// There were several `Upgrade`.
    torn: bool,
}

impl Sorting {
    fn new(version: u8, fields: usize) -> Self {
        Self {
            headers: HeaderMap::with_capacity(fields),
            length: None,
            chunked: false,
            keep_alive: version == 1,
            hop: None,
            upgrade: None,
            torn: false,
        }
    }

    fn sort(
        mut self,
        head: &Bytes,
        places: &[Place],
        status: StatusCode,
        method: &Method,
    ) -> Result<Incoming, FramingError> {
        for place in places {
            let name = head.get(place.name.0..place.name.1).unwrap_or_default();
            let name = HeaderName::from_bytes(name).map_err(|_| FramingError::Head)?;
            let value = HeaderValue::from_maybe_shared(head.slice(place.value.0..place.value.1))
                .map_err(|_| FramingError::Head)?;
            self.put(name, value)?;
        }
        let switches = self.drop_hop();
        if status == StatusCode::SWITCHING_PROTOCOLS {
            self.switch(switches)?;
        }
        let framing = self.framing(status, method)?;
        Ok(Incoming {
            status,
            keep_alive: self.keep_alive && !matches!(framing, Framing::UntilClose),
            headers: self.headers,
            framing,
        })
    }

    fn put(&mut self, name: HeaderName, value: HeaderValue) -> Result<(), FramingError> {
        match name {
            header::CONNECTION => self.connection(&value)?,
            header::CONTENT_LENGTH => self.content_length(&value)?,
            header::TRANSFER_ENCODING => {
                // Anything but one plain `chunked` would need a decoder that we do not have, or a guess.
                if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(FramingError::Conflict);
                }
                self.chunked = true;
            }
            header::UPGRADE => {
                self.torn = self.upgrade.is_some();
                self.upgrade = Some(value);
            }
            _ if is_ours(&name) => {}
            _ => {
                self.headers.append(name, value);
            }
        }
        Ok(())
    }

    fn connection(&mut self, value: &HeaderValue) -> Result<(), FramingError> {
        let value = value.to_str().map_err(|_| FramingError::Head)?;
        for token in value.split(',').map(str::trim) {
            if token.eq_ignore_ascii_case("close") {
                self.keep_alive = false;
            } else if !token.eq_ignore_ascii_case("keep-alive") {
                let hop = self.hop.get_or_insert_default();
                hop.push_str(token);
                hop.push(',');
            }
        }
        Ok(())
    }

    fn content_length(&mut self, value: &HeaderValue) -> Result<(), FramingError> {
        let digits = value.as_bytes();
        if digits.is_empty() || digits.len() > 18 || !digits.iter().all(u8::is_ascii_digit) {
            return Err(FramingError::Conflict);
        }
        let length = digits.iter().fold(0u64, |sum, digit| {
            sum.saturating_mul(10)
                .saturating_add(u64::from(digit.saturating_sub(b'0')))
        });
        if self.length.is_some_and(|known| known != length) {
            return Err(FramingError::Conflict);
        }
        self.length = Some(length);
        Ok(())
    }

    /// Whether `upgrade` was among what `Connection` declared.
    fn drop_hop(&mut self) -> bool {
        let Some(hop) = self.hop.take() else {
            return false;
        };
        let mut upgrade = false;
        for name in hop.split(',').filter(|name| !name.is_empty()) {
            if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
                upgrade |= name == header::UPGRADE;
                self.headers.remove(name);
            }
        }
        upgrade
    }

    /// A 101 keeps what says that it switches, and has no body: one with a length would be read by some as what follows, by others as the tunnel.
    fn switch(&mut self, said: bool) -> Result<(), FramingError> {
        if self.torn || self.chunked || self.length.is_some_and(|length| length > 0) {
            return Err(FramingError::Conflict);
        }
        if said {
            let upgrade = HeaderValue::from_static("upgrade");
            self.headers.insert(header::CONNECTION, upgrade);
        }
        if let Some(protocol) = self.upgrade.take() {
            self.headers.insert(header::UPGRADE, protocol);
        }
        Ok(())
    }

    /// RFC 9112 section 6.3, without its leniency.
    fn framing(&mut self, status: StatusCode, method: &Method) -> Result<Framing, FramingError> {
        if self.chunked && self.length.is_some() {
            return Err(FramingError::Conflict);
        }
        let bodiless = status.is_informational() || status == StatusCode::NO_CONTENT;
        if method == Method::HEAD || status == StatusCode::NOT_MODIFIED {
            if let Some(length) = self.length {
                self.headers
                    .insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
            return Ok(Framing::Done);
        }
        if bodiless {
            return Ok(Framing::Done);
        }
        if self.chunked {
            return Ok(Framing::Chunked(Chunked::default()));
        }
        Ok(match self.length {
            Some(0) => Framing::Done,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        })
    }
}

/// The largest response head.
pub(super) const HEAD: usize = 64 * 1024;
const FIELDS: usize = 128;

#[cfg(test)]
mod tests;
