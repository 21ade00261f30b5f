//! What one request is decided by, and what is decided without asking anybody: bodies that must be read first, answers of our own.

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode, Version};
use hyper::body::Incoming;

use super::{
    app::{Generation, SiteRuntime},
    arrival::{self, Arrival},
    body::{Body, RequestBody},
    failure::Failure,
    granted::{self, Granted},
    plan::BodyUse,
    session::{self, Occasion, Owed},
};
use crate::{
    adapter::{Answer, Outbound},
    gate::{
        limit::Admitted,
        policy::{Denial, Hint, Permit, Via},
        request::RequestView,
        route::{Action, Route, RouteMatch},
        session::{Carrier, GrantTag, Jar, carrier::SESSION_HEADER},
        site::Site,
        websocket::Handshake,
    },
    observe::record::Record,
    rewrite::{self, body, form, multipart},
};

/// What was decided on the head of a request: everything that is still to be sent.
pub(super) enum Next {
    /// The answer is here already.
    Answer(Response<Body>),
    /// The upstream is asked.
    Send(Box<Send>),
}

/// A request on its way to the upstream.
pub(super) struct Send {
    pub(super) admitted: Admitted,
    pub(super) target: String,
    pub(super) payload: Payload,
    pub(super) outbound: Box<Outbound>,
    /// What the page's script is given, where one carries sessions.
    pub(super) granted: Option<Granted>,
}

/// The body of a request: passing through, or held because something had to read it.
pub(super) enum Payload {
    /// There is none: the request asks for a WebSocket.
    Handshake(Handshake),
    Held(Bytes),
    Passing(Incoming),
}

impl Payload {
    /// The body, where it is held.
    pub(super) fn held(&self) -> Option<&[u8]> {
        match self {
            Self::Held(bytes) => Some(bytes),
            Self::Handshake(_) | Self::Passing(_) => None,
        }
    }

    /// The handshake, where this is one.
    pub(super) fn handshake(&self) -> Option<Handshake> {
        match self {
            Self::Handshake(handshake) => Some(*handshake),
            Self::Held(_) | Self::Passing(_) => None,
        }
    }
}

/// What a request is decided by.
pub(super) struct Scene<'a> {
    pub(super) generation: &'a Generation,
    pub(super) site: &'a Arc<Site>,
    pub(super) here: &'a SiteRuntime,
    pub(super) view: &'a RequestView<'a>,
    pub(super) arrival: &'a Arrival<'a>,
    /// Whether it is a page load that came as a form, with its session in it.
    pub(super) carried: bool,
    pub(super) version: Version,
}

/// What the body of a request was read for.
#[derive(Default)]
pub(super) struct Brought {
    /// A token.
    pub(super) token: Option<String>,
    /// A session, and over how many pages it came that led on at once.
    pub(super) session: Option<(String, u8)>,
}

impl Scene<'_> {
    /// Whether the request asks for a WebSocket, on a route that may become one. On others it is as if it had not asked.
    pub(super) fn handshake(
        &self,
        matched: &RouteMatch<'_, '_>,
    ) -> Result<Option<Handshake>, Denial> {
        if !matched.route.websocket {
            return Ok(None);
        }
        // What came as a form came with a body.
        let method = if self.carried {
            &Method::POST
        } else {
            self.view.method
        };
        Handshake::read(method, self.version, self.view.headers)
    }

    /// What the request is to a session. No page load can send a header field of ours.
    pub(super) fn occasion(&self, route: &Route) -> Occasion {
        let Self { site, view, .. } = self;
        let called = site.carrier == Carrier::Script && view.headers.contains_key(&SESSION_HEADER);
        let loads = !called && arrival::loads_page(view.method, view.headers);
        match (self.carried || loads, route.earns_session) {
            (true, _) => Occasion::Loading,
            (false, true) => Occasion::Earning,
            (false, false) => Occasion::Call,
        }
    }

    /// What the page is given that is about to be asked for, where it is to carry its session itself.
    pub(super) fn granted(
        &self,
        session: Option<String>,
        hops: u8,
        outbound: &mut Outbound,
    ) -> Option<Granted> {
        let learns = outbound.learns_session && self.site.carrier == Carrier::Script;
        if session.is_none() && !learns {
            return None;
        }
        outbound.whole = true;
        outbound.no_store = true;
        Some(Granted { session, hops })
    }

    /// Reads the body where it must be read, within the route's bound.
    pub(super) async fn payload(
        &self,
        matched: &RouteMatch<'_, '_>,
        usage: BodyUse,
        body: Incoming,
    ) -> Result<Payload, Failure> {
        if usage == BodyUse::Stream
            && matched.route.form_credential.is_none()
            && matched.route.action == Action::Proxy
        {
            return Ok(Payload::Passing(body));
        }
        let pause = self.generation.snapshot.listen.body_timeout;
        let bytes = RequestBody::collect(body, matched.route.body_limit, pause).await?;
        Ok(Payload::Held(bytes))
    }

    /// Reads a body that may bring the credential, and the token in it: a form, on routes that have a place for one there. Or one that tells which of several
    /// sessions is meant.
    pub(super) async fn credential(
        &self,
        matched: &RouteMatch<'_, '_>,
        usage: BodyUse,
        body: Incoming,
    ) -> Result<(Result<Payload, Incoming>, Brought), Failure> {
        if self.carried {
            let pause = self.generation.snapshot.listen.body_timeout;
            let form = RequestBody::collect(body, LONGEST_FORM, pause).await?;
            let brought = Brought {
                token: None,
                session: granted::carried(&form)?,
            };
            // Nothing of it is for the upstream.
            return Ok((Ok(Payload::Held(Bytes::new())), brought));
        }
        let Some(field) = &matched.route.form_credential else {
            let tells = self.here.adapter.is_told_by_body(matched.route);
            if tells && self.has_several_sessions() {
                let payload = self.payload(matched, usage, body).await?;
                return Ok((Ok(payload), Brought::default()));
            }
            return Ok((Err(body), Brought::default()));
        };
        let media = body::media(self.view.headers)?;
        if matches!(media, body::Media::Json | body::Media::Other) {
            return Ok((Err(body), Brought::default()));
        }
        let payload = self.payload(matched, usage, body).await?;
        let token = match (&payload, media) {
            (Payload::Held(bytes), body::Media::Form) => {
                form::field(bytes, field)?.map(std::borrow::Cow::into_owned)
            }
            (Payload::Held(bytes), body::Media::Multipart(boundary)) => {
                multipart::field(bytes, &boundary, field)?.map(str::to_owned)
            }
            _ => None,
        };
        let session = None;
        Ok((Ok(payload), Brought { token, session }))
    }

    /// What embedgate answers itself without asking the adapter: beacons, the redirect that takes a token out of the URL.
    pub(super) fn at_once(
        &self,
        admitted: &Admitted,
        occasion: Occasion,
        owed: &Owed,
    ) -> Option<Response<Body>> {
        let permit = admitted.permit();
        match permit.route().action {
            Action::NoContent => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NO_CONTENT;
                Some(self.own(permit, response))
            }
            Action::Proxy if occasion.opens() && self.leads_on(permit, owed) => {
                self.redirect(permit)
            }
            Action::Local(_) | Action::Proxy => None,
        }
    }

    /// Whether a page is opened again at another address: without the token in its query, or with the name of the session that the page before went on by.
    fn leads_on(&self, permit: &Permit, owed: &Owed) -> bool {
        let Some(viewer) = permit.viewer() else {
            return false;
        };
        // Without a cookie, the address that it leads to would grant nothing: the page's script takes the token out of it.
        let by_cookie = self.site.sessions && self.site.carrier == Carrier::Cookie;
        if !(by_cookie && self.here.adapter.takes_token_out()) {
            return false;
        }
        let session = owed.is_some() || matches!(viewer.via, Via::Session { .. });
        let in_query = viewer.token_in_query() && session;
        let unnamed = viewer.hint() == Some(Hint::Referer);
        in_query || (unnamed && self.has_several_sessions())
    }

    fn has_several_sessions(&self) -> bool {
        if self.site.carrier == Carrier::Script {
            return false;
        }
        let jar = Jar::read(self.view.headers);
        jar.is_ok_and(|jar| jar.values().nth(1).is_some())
    }

    fn redirect(&self, permit: &Permit) -> Option<Response<Body>> {
        let signed = &permit.viewer()?.signed;
        // Only a browser keeps several sessions; where the path holds a token, that tells them apart.
        let named = session::by_browser(self.view) && permit.route().path_credential.is_none();
        let tag = named.then(|| GrantTag::of(&self.site.name, signed));
        let response = session::redirect(
            self.arrival.path.as_str(),
            self.view.query,
            &self.site.dropped,
            tag,
        )?;
        Some(self.own(permit, response))
    }

    /// The adapter's own answer.
    pub(super) fn answer(
        &self,
        admitted: &Admitted,
        answer: Answer,
        record: &mut Record,
    ) -> Response<Body> {
        let permit = admitted.permit();
        if let Some(refusal) = answer.refusal {
            record.refuse(&refusal.into());
        }
        let mut response = Response::new(Body::full(answer.body));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        self.own(permit, response)
    }

    /// What is to be sent, complete but for the header fields.
    pub(super) fn prepare(
        &self,
        admitted: Admitted,
        payload: Payload,
        (mut outbound, granted): (Box<Outbound>, Option<Granted>),
        record: &mut Record,
    ) -> Result<Next, Failure> {
        let target = if let Some(target) = outbound.target.take() {
            target
        } else {
            let plan = &self.here.plan;
            plan.target(admitted.permit(), self.view.path, self.view.query)?
        };
        if outbound.export {
            record.action("download");
        }
        if let Some(resource) = outbound.resource.take() {
            record.resource(resource);
        }
        Ok(Next::Send(Box::new(Send {
            admitted,
            target,
            payload,
            outbound,
            granted,
        })))
    }

    /// What every response of ours carries too.
    pub(super) fn own(&self, permit: &Permit, mut response: Response<Body>) -> Response<Body> {
        rewrite::response::protect(response.headers_mut(), permit.embedding());
        response
    }
}

/// Bytes of a form that brings a session.
const LONGEST_FORM: u64 = 8 * 1024;
