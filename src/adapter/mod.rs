//! What embedgate knows about each kind of BI server.
//!
//! The shell knows one [`Adapter`] and no kinds: it asks what must be learnt before a request can be planned ([`Adapter::wants`]), learns it
//! ([`Adapter::begin`], [`Adapter::resume`]), and gets a [`Plan`]: an answer, or what goes upstream and what becomes of the reply.

pub mod exchange;
pub mod metabase;
pub mod secret;
pub mod superset;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use self::{
    exchange::{ExchangeError, Known, Pending, Reply, Step, Want},
    metabase::Metabase,
    superset::Superset,
};
use crate::gate::{
    policy::{Denial, Permit},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    resource::Resource,
    route::{Route, RouteMatch},
    session::Sealer,
};

/// One site's kind of BI server.
pub enum Adapter {
    /// Nothing is known: the configuration declares the surface, plain rules say the rest.
    Generic,
    /// Metabase.
    Metabase(Box<Metabase>),
    /// Apache Superset, CalabiIQ.
    Superset(Box<Superset>),
}

/// Everything that a plan depends on.
#[derive(Clone, Copy)]
pub struct Ask<'a, 'r, 'p> {
    /// What was permitted.
    pub permit: &'a Permit,
    /// The head of the request.
    pub req: &'a RequestView<'a>,
    /// The route, and what its pattern captured.
    pub matched: &'a RouteMatch<'r, 'p>,
    /// The whole body, where [`Adapter::needs_body`] says so.
    pub body: Option<&'a [u8]>,
    /// What was learnt, where [`Adapter::wants`] said so.
    pub known: Option<&'a Known>,
    /// What seals sessions, where there is one.
    pub sealer: Option<&'a Sealer>,
}

/// What becomes of a request.
pub enum Plan {
    /// We answer it ourselves.
    Answer(Box<Answer>),
    /// It goes upstream.
    Send(Box<Outbound>),
}

/// An answer of our own.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its header fields, but for those that every response of ours carries.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
    /// The refusal that the audit trail records, where it is one in the words of the BI server.
    pub refusal: Option<Refusal>,
}

impl Answer {
    /// A JSON document that nobody stores.
    pub fn json(status: StatusCode, body: Vec<u8>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self {
            status,
            headers,
            body,
            refusal: None,
        }
    }
}

/// What goes upstream, as far as the adapter says so.
#[derive(Default)]
pub struct Outbound {
    /// Path and query below the upstream's prefix; `None`: the site's plain rules make it.
    pub target: Option<String>,
    /// The only header fields of the client that pass; `None`: all but those that never do.
    pub keep: Option<&'static [HeaderName]>,
    /// Header fields that never pass.
    pub remove: &'static [HeaderName],
    /// Header fields that are set.
    pub set: Vec<(HeaderName, HeaderValue)>,
    /// The body.
    pub body: Sending,
    /// What it is about, for the audit trail: `dashboard:42`.
    pub resource: Option<String>,
    /// Whether the viewer takes a file away: the audit trail says so.
    pub export: bool,
    /// Whether nobody may keep what a viewer gets, not even the viewer's own browser: where one address shows each viewer something else.
    pub no_store: bool,
    /// What becomes of the reply's body.
    pub reply: Replying,
    /// Whether the reply must come whole and without content coding: something of ours goes into it.
    pub whole: bool,
    /// Whether it is a page that learns its session later: where a script carries sessions, it gets one without.
    pub learns_session: bool,
}

/// The body that goes upstream.
#[derive(Default)]
pub enum Sending {
    /// The client's, by the site's plain rules.
    #[default]
    Client,
    /// None.
    Nothing,
    /// One of the adapter's making.
    Own(Vec<u8>),
}

/// What becomes of the body of a reply.
///
/// Unless all of it passes, the target may hold what the client must not see (a token that was minted for this request), so nothing passes that may
/// repeat it: redirects, other headers that name an address, the upstream's own words about a failure.
#[derive(Default)]
pub enum Replying {
    /// It passes as it is where the request succeeded; a failure is told in our words.
    Good,
    /// As [`Replying::Without`], and with members of our own (`"name":value`) at the beginning of the object that it is.
    Instead(&'static [&'static str], Box<str>),
    /// It passes as it is.
    #[default]
    Pass,
    /// It passes as it is, where it is of this media type; an error without its words, anything else not at all.
    Only(&'static str),
    /// It passes without the JSON members of these names, at any depth, however long it is.
    Without(&'static [&'static str]),
    /// It is read whole, up to a limit in bytes, and rewritten.
    Rewrite(Box<metabase::Rewriting>, usize),
}

impl Outbound {
    /// Takes from the client's header fields what does not pass. To be done before the shell adds its own.
    pub fn narrow(&self, headers: &mut HeaderMap) {
        if let Some(keep) = self.keep {
            let strange: Vec<HeaderName> = headers
                .keys()
                .filter(|name| !keep.contains(name))
                .cloned()
                .collect();
            for name in strange {
                headers.remove(name);
            }
        }
        for name in self.remove {
            headers.remove(name);
        }
    }

    /// Sets the adapter's own header fields, and those that go with its body.
    pub fn dress(&mut self, headers: &mut HeaderMap) {
        for (name, value) in self.set.drain(..) {
            headers.insert(name, value);
        }
        if !matches!(self.body, Sending::Client) {
            headers.remove(header::CONTENT_LENGTH);
            headers.remove(header::TRANSFER_ENCODING);
        }
        if let Sending::Own(body) = &self.body {
            headers.remove(header::CONTENT_ENCODING);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        if self.whole || !matches!(self.reply, Replying::Good | Replying::Pass) {
            headers.insert(
                header::ACCEPT_ENCODING,
                HeaderValue::from_static("identity"),
            );
            for name in PARTIAL {
                headers.remove(name);
            }
        }
    }
}

/// What asks for a part of a response, or for none: nothing that could be rewritten.
const PARTIAL: [HeaderName; 6] = [
    header::RANGE,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
];

impl Adapter {
    /// Whether a request to this route must be read whole before it can be planned.
    pub fn needs_body(&self, route: &Route) -> bool {
        match self {
            Self::Generic => false,
            Self::Metabase(_) => Metabase::needs_body(route),
            Self::Superset(_) => Superset::needs_body(route),
        }
    }

    /// What must be learnt from the upstream before a request can be planned.
    ///
    /// # Errors
    /// What the request is refused for already.
    pub fn wants(
        &self,
        permit: &Permit,
        matched: &RouteMatch<'_, '_>,
    ) -> Result<Option<Want>, Denial> {
        match self {
            Self::Generic => Ok(None),
            Self::Metabase(metabase) => metabase.wants(permit, matched),
            Self::Superset(superset) => Ok(superset.wants(permit)?.map(Want::SupersetDashboard)),
        }
    }

    /// Whether the body says what a request is about, where its head does not.
    pub fn is_told_by_body(&self, route: &Route) -> bool {
        match self {
            Self::Generic | Self::Superset(_) => false,
            Self::Metabase(_) => Metabase::is_told_by_body(route),
        }
    }

    /// What a request is about, as far as anybody can tell: of several sessions, those that grant it come first. `body` is there only where
    /// [`Self::is_told_by_body`] says so.
    pub fn about(&self, matched: &RouteMatch<'_, '_>, body: Option<&[u8]>) -> Option<Resource> {
        match self {
            Self::Generic | Self::Superset(_) => {
                let rule = matched.route.resource.as_ref()?;
                let id = rule.id(&matched.captures).ok()?;
                Some(Resource::new(&rule.kind, &id))
            }
            Self::Metabase(_) => Metabase::about(matched, body),
        }
    }

    /// What is learnt at start and again and again, whether anybody asks or not: so that what is wrong is known before it is met.
    pub fn standing(&self) -> Vec<Want> {
        match self {
            Self::Generic | Self::Superset(_) => Vec::new(),
            Self::Metabase(metabase) => metabase.standing(),
        }
    }

    /// Begins to learn something.
    ///
    /// # Errors
    /// What is wanted is no concern of this adapter's, or a call cannot be made.
    pub fn begin(&self, want: &Want, now: UnixTime) -> Result<Step, ExchangeError> {
        match (self, want) {
            (Self::Superset(superset), Want::SupersetDashboard(dashboard)) => {
                Ok(superset.begin(dashboard))
            }
            (Self::Metabase(metabase), want) => metabase.begin(want, now),
            (Self::Generic | Self::Superset(_), _) => Err(ExchangeError::STRAY),
        }
    }

    /// Takes the reply to the last call.
    ///
    /// # Errors
    /// Where the upstream refuses us, or answers something else than expected.
    pub fn resume(
        &self,
        pending: Pending,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        match self {
            Self::Generic => Err(ExchangeError::STRAY),
            Self::Metabase(metabase) => metabase.resume(pending, reply, now),
            Self::Superset(superset) => superset.resume(pending, reply, now),
        }
    }

    /// What becomes of an admitted request.
    ///
    /// # Errors
    /// What it is refused for.
    pub fn plan(&self, ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        match self {
            Self::Generic => Ok(Plan::Send(Box::default())),
            Self::Metabase(metabase) => metabase.plan(ask),
            Self::Superset(superset) => superset.answer_or_plan(ask),
        }
    }

    /// What is known of an outbound request before anything was learnt (`embedgate explain`).
    pub fn sketch(&self) -> Outbound {
        match self {
            Self::Generic => Outbound::default(),
            Self::Metabase(_) => metabase::sketch(),
            Self::Superset(superset) => superset.sketch(),
        }
    }

    /// Whether a page that was opened with a token in its query is opened again without: the adapter's pages know nothing of it.
    pub fn takes_token_out(&self) -> bool {
        match self {
            Self::Generic | Self::Metabase(_) => true,
            Self::Superset(_) => false,
        }
    }
}

impl From<Answer> for Plan {
    fn from(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }
}
