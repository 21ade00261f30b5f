//! One fetch of keys: discovery where there is one, then the set. Bounded in size and time; no redirect is followed.

use std::{rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::super::{
    body::RequestBody,
    tls::TlsError,
    upstream::{Housekeeping, Target, UpstreamError, Upstreams, Warrant},
    wire::head::Outgoing,
};
use crate::{
    config::{KeySource, remote::Remote},
    gate::token::jwk::{self, Jwks, JwksError},
};

/// Why no keys came.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The reply is larger than [`LARGEST`], or broke off.
    #[error("the reply is larger than {LARGEST} bytes, or broke off")]
    Body,
    /// It is compressed although nobody asked for that.
    #[error("the reply has a content encoding")]
    Encoding,
    /// It is no set of keys, or no discovery document of this issuer.
    #[error(transparent)]
    Jwks(#[from] JwksError),
    /// The discovery document leads to a place that is not accepted.
    #[error("`jwks_uri` of the discovery document cannot be used: {0}")]
    Place(&'static str),
    /// Not 200, nor 304 where that was possible.
    #[error("the reply has status {0} (redirects are not followed)")]
    Status(StatusCode),
    /// The roots cannot be used.
    #[error("tls: {0}")]
    Tls(#[from] TlsError),
    /// Nobody there, or not in time.
    #[error("{0}")]
    Upstream(#[from] UpstreamError),
}

impl FetchError {
    /// Whether something came, and was not what it should be.
    pub(super) fn is_invalid(&self) -> bool {
        match self {
            Self::Body | Self::Encoding | Self::Jwks(_) | Self::Place(_) | Self::Status(_) => true,
            Self::Tls(_) | Self::Upstream(_) => false,
        }
    }
}

/// What came.
pub(super) struct Fetched {
    /// The set; `None`: it is the one from before.
    pub(super) set: Option<Jwks>,
    /// For how long it may be taken for fresh, by the server's word.
    pub(super) fresh: Option<Duration>,
}

/// Asks one source again and again, and remembers what saves asking.
pub(super) struct Fetcher {
    source: Arc<KeySource>,
    upstreams: Rc<Upstreams>,
    /// Connections' ends: to the source, and to where discovery leads.
    targets: Vec<(Remote, Arc<Target>)>,
    /// Where discovery led.
    found: Option<Remote>,
    /// What the set in force was called, and where it was.
    tag: Option<(Remote, HeaderValue)>,
}

impl Fetcher {
    pub(super) fn new(source: &Arc<KeySource>, upstreams: &Rc<Upstreams>) -> Self {
        Self {
            source: Arc::clone(source),
            upstreams: Rc::clone(upstreams),
            targets: Vec::new(),
            found: None,
            tag: None,
        }
    }

    /// Fetches. In a hurry, the discovery document is believed to say what it said before.
    ///
    /// # Errors
    /// No keys came; those from before stay.
    pub(super) async fn fetch(&mut self, hurry: bool) -> Result<Fetched, FetchError> {
        let source = Arc::clone(&self.source);
        let Some(issuer) = &source.issuer else {
            return self.set(&source.place).await;
        };
        if let Some(place) = self.found.clone().filter(|_| hurry) {
            match self.set(&place).await {
                Ok(fetched) => return Ok(fetched),
                // Perhaps it has moved.
                Err(_) => self.found = None,
            }
        }
        let document = self.ask(&source.place, None).await?;
        let place = jwk::discovered(&document.body, issuer)?;
        let place = source.place.follow(&place).map_err(FetchError::Place)?;
        self.found = Some(place.clone());
        self.set(&place).await
    }

    async fn set(&mut self, place: &Remote) -> Result<Fetched, FetchError> {
        let known = self.tag.as_ref().filter(|(where_, _)| where_ == place);
        let tag = known.map(|(_, tag)| tag.clone());
        let reply = self.ask(place, tag.as_ref()).await?;
        let fresh = freshness(&reply.headers);
        if reply.status == StatusCode::NOT_MODIFIED {
            return Ok(Fetched { set: None, fresh });
        }
        let set = self.source.rules.set(&reply.body)?;
        // Of a set without keys nothing is remembered: "unchanged" would be said of one that may not be in force.
        let tag = reply.headers.get(header::ETAG).cloned();
        let tag = tag.filter(|_| !set.keys.is_empty());
        self.tag = tag.map(|tag| (place.clone(), tag));
        let set = Some(set);
        Ok(Fetched { set, fresh })
    }

    async fn ask(
        &mut self,
        place: &Remote,
        tag: Option<&HeaderValue>,
    ) -> Result<Reply, FetchError> {
        let target = self.target(place)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPT));
        headers.insert(
            header::ACCEPT_ENCODING,
            HeaderValue::from_static("identity"),
        );
        headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
        if let Some(tag) = tag {
            headers.insert(header::IF_NONE_MATCH, tag.clone());
        }
        let outgoing = Outgoing {
            method: &Method::GET,
            target: &place.target,
            headers: &headers,
            upgrade: None,
        };
        let house = Housekeeping::new();
        let upstream = self.upstreams.of(&target);
        let answer = upstream.send(Warrant::House(&house), outgoing, RequestBody::empty());
        let (head, body) = answer.await?.into_parts();
        match head.status {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if tag.is_some() => {}
            other => return Err(FetchError::Status(other)),
        }
        let coded = head.headers.get(header::CONTENT_ENCODING);
        if coded.is_some_and(|coding| coding != "identity") {
            return Err(FetchError::Encoding);
        }
        let body = body.collect(LARGEST).await.map_err(|_| FetchError::Body)?;
        Ok(Reply {
            status: head.status,
            headers: head.headers,
            body,
        })
    }

    /// Made once for each place: the system's roots are many.
    fn target(&mut self, place: &Remote) -> Result<Arc<Target>, FetchError> {
        let known = self.targets.iter().find(|(known, _)| known == place);
        if let Some((_, target)) = known {
            return Ok(Arc::clone(target));
        }
        let target = Arc::new(Target::new(place.upstream.clone())?);
        let (own, found) = (&self.source.place, &self.found);
        self.targets
            .retain(|(known, _)| known == own || Some(known) == found.as_ref());
        self.targets.push((place.clone(), Arc::clone(&target)));
        Ok(target)
    }
}

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// `Cache-Control: max-age`, less the `Age` (RFC 9111 section 4.2); nothing is fresh where the server says so.
fn freshness(headers: &HeaderMap) -> Option<Duration> {
    let fields = headers.get_all(header::CACHE_CONTROL).iter();
    let text = |value: &HeaderValue| value.to_str().map(str::to_ascii_lowercase).ok();
    let (mut longest, mut never) = (None, false);
    for field in fields.filter_map(text) {
        for directive in field.split(',').map(str::trim) {
            match directive.split_once('=') {
                Some(("max-age", seconds)) => {
                    longest = seconds.trim_matches('"').parse::<u64>().ok();
                }
                None => never |= matches!(directive, "no-cache" | "no-store"),
                Some(_) => {}
            }
        }
    }
    let age = headers
        .get(header::AGE)
        .and_then(|age| age.to_str().ok()?.parse::<u64>().ok());
    let left = longest.map(|longest| longest.saturating_sub(age.unwrap_or(0)));
    let fresh = if never { Some(0) } else { left };
    fresh.map(Duration::from_secs)
}

/// The largest reply, in bytes: a set of keys, or a discovery document.
const LARGEST: usize = 256 * 1024;
const ACCEPT: &str = "application/jwk-set+json, application/json";
const AGENT: &str = concat!("embedgate/", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_is_the_servers_word() {
        for (fields, age, seconds) in [
            (&[][..], None, None),
            (&["max-age=300"][..], None, Some(300)),
            (&["public, Max-Age=300"][..], Some("100"), Some(200)),
            (&["max-age=300"][..], Some("900"), Some(0)),
            (&["public", "max-age=\"60\""][..], None, Some(60)),
            (&["no-store, max-age=300"][..], None, Some(0)),
            (&["no-cache"][..], None, Some(0)),
            (&["max-age=soon"][..], None, None),
            (&["s-maxage=300"][..], None, None),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(header::CACHE_CONTROL, HeaderValue::from_static(field));
            }
            if let Some(age) = age {
                headers.insert(header::AGE, HeaderValue::from_static(age));
            }
            let wanted = seconds.map(Duration::from_secs);
            assert_eq!(freshness(&headers), wanted, "{fields:?} {age:?}");
        }
    }
}
