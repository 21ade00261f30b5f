//! Sessions on the wire, in cookies or for the page's script: given at a page load with a token, sealed afresh, taken away; and the redirect that takes
//! the token out of the URL.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::body::Body;
use crate::gate::{
    policy::{Denial, HINT, Permit, Via},
    query::{self, Query},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    session::{
        Carrier, GrantTag, Jar, Opening, Placing, Sealer, TooLarge, carrier::SESSION_HEADER,
    },
    token::VerificationCache,
};

/// What a request is to a session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Occasion {
    /// A call: it goes on by one.
    Call,
    /// A call by which a token opens one.
    Earning,
    /// A page load: a token opens one by it, and a page is shown.
    Loading,
}

impl Occasion {
    /// Whether a token opens a session by it.
    pub(super) fn opens(self) -> bool {
        self != Self::Call
    }
}

/// What a response owes its viewer.
#[derive(Default)]
pub(super) struct Owed {
    cookies: Vec<HeaderValue>,
    /// A sealed session for the page's script.
    sealed: Option<String>,
    when: When,
    /// A grant that should have become a session, and did not fit.
    pub(super) too_large: Option<TooLarge>,
}

/// With which answers they go.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
enum When {
    /// Any: the token was burnt for this session, which is all that its viewer has now.
    Always,
    /// Any that is no refusal of ours.
    #[default]
    Answered,
    /// One that shows a page.
    Good,
}

impl Owed {
    /// For a page load with a token, or a session that wants a fresh seal.
    pub(super) fn of(
        permit: &Permit,
        sealer: Option<&Sealer>,
        occasion: Occasion,
        req: &RequestView<'_>,
        cache: &impl VerificationCache,
    ) -> Self {
        let site = permit.site();
        let sealer = sealer.filter(|_| site.sessions);
        let (Some(sealer), Some(viewer)) = (sealer, permit.viewer()) else {
            return Self::default();
        };
        let by_script = site.carrier == Carrier::Script;
        let begins = match viewer.via {
            Via::Token { .. } if occasion.opens() => true,
            // Each page is given its session.
            Via::Session { .. } if by_script && occasion == Occasion::Loading => false,
            Via::Session { renew: true, .. } => false,
            Via::Session { .. } | Via::Token { .. } => return Self::default(),
        };
        let value = if begins {
            let opening = Opening {
                // A ticket carries the beginning of its session on: what it opens ends no later.
                began: viewer.signed.session_began().unwrap_or(req.now),
                network: site.sharing.network.map(|masks| masks.network(req.client)),
            };
            match sealer.seal(&site.name, &viewer.signed, opening, req.now) {
                Ok(value) => Some(value),
                Err(large) => {
                    return Self {
                        too_large: Some(large),
                        ..Self::default()
                    };
                }
            }
        } else {
            sealer.renew(&site.name, &viewer.signed, req.now)
        };
        let Some(value) = value else {
            return Self::default();
        };
        if by_script {
            return Self {
                sealed: Some(value),
                when: if begins { When::Good } else { When::Answered },
                ..Self::default()
            };
        }
        // A page load heals what cannot be read.
        let jar = Jar::read(req.headers).unwrap_or_default();
        let frames = by_browser(req);
        let tag = GrantTag::of(&site.name, &viewer.signed);
        let holding =
            |other: &str| sealer.holding(other, &site.name, &site.issuers, req.now, cache);
        let (placing, when) = if begins {
            (jar.begin(tag, value.len(), frames, holding), When::Good)
        } else {
            (jar.renew(tag, value.len(), holding), When::Answered)
        };
        Self {
            cookies: cookies(&placing, &value),
            when,
            ..Self::default()
        }
    }

    /// From now on they go with any answer.
    pub(super) fn always(&mut self) {
        self.when = When::Always;
    }

    /// The session for a page that is being loaded: its markup brings it, no header field does.
    pub(super) fn take_sealed(&mut self) -> Option<String> {
        self.sealed.take()
    }

    /// Whether there is a session to go on by.
    pub(super) fn is_some(&self) -> bool {
        !self.cookies.is_empty()
    }

    /// Adds them to an answer; `refused` says that it is a refusal of ours.
    pub(super) fn pay(self, status: StatusCode, refused: bool, headers: &mut HeaderMap) {
        let due = match self.when {
            When::Always => true,
            When::Answered => !refused,
            When::Good => !refused && (status.is_success() || status.is_redirection()),
        };
        if let Some(sealed) = self.sealed.filter(|_| due)
            && let Ok(mut value) = HeaderValue::try_from(sealed)
        {
            value.set_sensitive(true);
            headers.insert(&SESSION_HEADER, value);
            // What is read again from a cache would take the page back to this session.
            let nobody = HeaderValue::from_static("private, no-store");
            headers.insert(header::CACHE_CONTROL, nobody);
        }
        if due {
            for cookie in self.cookies {
                headers.append(header::SET_COOKIE, cookie);
            }
        }
    }
}

/// Waits for the time at which a token was issued, by an issuer whose clock is ahead of ours by its leeway at most: it is used up no sooner, so that a
/// memory which begins later knows of every token that is dated after its beginning.
pub(super) async fn until(issued: UnixTime, now: UnixTime) {
    let early = u64::try_from(issued.0.saturating_sub(now.0)).unwrap_or(0);
    if early > 0 {
        tokio::time::sleep(Duration::from_secs(early)).await;
    }
}

/// Whether a browser asks: it may load several frames at once, and keeps their sessions beside one another.
pub(super) fn by_browser(req: &RequestView<'_>) -> bool {
    req.headers.contains_key("sec-fetch-dest")
}

/// Where a site takes tokens with a session only, a grant that does not fit into one is worth nothing.
pub(super) fn refused(large: TooLarge) -> Denial {
    let why = format!(
        "the site takes tokens with a session only, and this grant is too large for one: {large}"
    );
    Denial::because(Refusal::TokenInvalid, why)
}

fn cookies(placing: &Placing, value: &str) -> Vec<HeaderValue> {
    let Placing { set, gone } = placing;
    let set = set.iter().map(|name| format!("{name}={value}{ATTRIBUTES}"));
    let gone = gone
        .iter()
        .map(|name| format!("{name}={ATTRIBUTES}; Max-Age=0"));
    let all = set.chain(gone).filter_map(|text| {
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    });
    all.collect()
}

/// What every cookie of ours is set with.
const ATTRIBUTES: &str = "; Path=/; Secure; HttpOnly; SameSite=None; Partitioned";

/// Takes a token out of the URL (RFC 9110 section 15.4.4): the same path and query without it, and the session instead, which the address names by its tag
/// (in a browser, unless the path says it).
pub(super) fn redirect(
    path: &str,
    query: &Query<'_>,
    dropped: &[Box<str>],
    tag: Option<GrantTag>,
) -> Option<Response<Body>> {
    let mut rest = String::new();
    for pair in query.pairs() {
        let folded = query::fold(&pair.name);
        if dropped.iter().all(|name| *query::fold(name) != *folded) {
            query::pass(&mut rest, pair);
        }
    }
    if let Some(tag) = tag {
        query::push(&mut rest, HINT, &tag.to_string());
    }
    let location = if rest.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{rest}")
    };
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_str(&location).ok()?);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}
