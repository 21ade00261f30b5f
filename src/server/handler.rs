//! One request, top to bottom: read once, decided by the gate, planned, sent, finished. Whatever happens, [`Gateway::call`] answers and the record tells.

use std::{rc::Rc, sync::Arc};

use http::{HeaderValue, Method, Request, Response, header, request::Parts};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{
    Service,
    admission::{self, Decided},
    app::{App, Generation, SiteRuntime},
    arrival::{self, Arrival},
    body::{Body, RequestBody},
    client_addr::{self, Client},
    cluster::Link,
    conn::ConnInfo,
    cors,
    exchange::Errand,
    failure::Failure,
    granted,
    plan::{self, BodyUse},
    refuse, reply,
    scene::{Next, Payload, Scene, Send},
    session::{self, Occasion, Owed},
    tunnel::{Asked, Guard, Lookout},
    upstream::{Upstreams, Warrant},
    wire::head::Outgoing,
};
use crate::{
    adapter::{
        Ask, Outbound, Plan, Sending,
        exchange::{Known, Want},
    },
    gate::{
        credential::Beside,
        limit::Admitted,
        policy::{self, Checks, Denial, Permit, Viewer},
        refusal::Refusal,
        route::{Access, Action, Route},
        single_use::Burn,
        token::FrontCache,
        websocket,
    },
    observe::record::Record,
    rewrite::{self, header::Forwarded},
};

/// The gateway as one worker thread runs it.
pub struct Gateway {
    app: Arc<App>,
    front: FrontCache,
    link: Rc<Link>,
    upstreams: Rc<Upstreams>,
    tunnels: Rc<Lookout>,
}

impl Service for Gateway {
    async fn call(&self, conn: &ConnInfo, request: Request<Incoming>) -> Response<Body> {
        let generation = self.app.current();
        let (mut parts, body) = request.into_parts();
        let trusted = &generation.snapshot.listen.trusted_proxies;
        let client = client_addr::client(conn.peer.ip(), conn.tls, &parts.headers, trusted);
        let mut record = self.app.record(client.address, &parts.method);
        record.origin(&parts.headers);
        let page = arrival::shows_page(&parts.headers);
        let asking = parts.headers.get(header::ORIGIN).cloned();
        let referer = parts.headers.get(header::REFERER).cloned();
        let head = parts.method == Method::HEAD;
        let upgrade = websocket::is_asked(&parts.headers);
        let mut owed = Owed::default();
        let served = self
            .serve(
                &generation,
                &mut parts,
                body,
                client,
                &mut record,
                &mut owed,
            )
            .await;
        let refused = served.is_err();
        let mut response = served.unwrap_or_else(|failure| {
            refuse::response(
                &failure,
                &mut record,
                &refuse::Asker {
                    page,
                    origin: asking,
                    referer,
                },
            )
        });
        owed.pay(response.status(), refused, response.headers_mut());
        if upgrade && !response.body().is_tunnel() {
            // Whatever the client sends next may be meant for a tunnel that there is not.
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        refuse::finished(response, record, head)
    }
}

impl Gateway {
    /// One worker's gateway.
    pub fn new(app: Arc<App>) -> Self {
        Self {
            tunnels: Lookout::new(&app),
            link: Link::new(&app),
            app,
            front: FrontCache::default(),
            upstreams: Upstreams::new(),
        }
    }

    async fn serve(
        &self,
        generation: &Arc<Generation>,
        parts: &mut Parts,
        body: Incoming,
        client: Client,
        record: &mut Record,
        owed: &mut Owed,
    ) -> Result<Response<Body>, Failure> {
        if !self.app.observer.audit().ready() {
            return Err(Refusal::Overloaded.into());
        }
        let now = self.app.clock.now();
        let (next, here, carried) = {
            let arrival = Arrival::read(parts)?;
            let (site, path) = generation
                .snapshot
                .gate
                .find(&arrival.host, &arrival.path)?;
            let here = generation.site(site).ok_or(Refusal::SiteUnknown)?;
            record.site(site, &here.metrics);
            let mut view = arrival::view(parts, &arrival, &path, client, now);
            let carried = site.carrier.is_carried(&view);
            if carried {
                view.method = &Method::GET;
            }
            if let Some(answer) = cors::preflight(site, &view) {
                return Ok(answer);
            }
            let scene = Scene {
                generation,
                site,
                here,
                view: &view,
                arrival: &arrival,
                carried,
                version: parts.version,
            };
            let next = self.decide(&scene, body, record, owed).await?;
            (next, here, carried)
        };
        if carried {
            arrival::become_page_load(parts);
        }
        match next {
            Next::Answer(answer) => Ok(answer),
            Next::Send(send) => {
                self.send(generation, here, parts, *send, client, record)
                    .await
            }
        }
    }

    /// Everything that needs only the head (and a body that must be read first): the gate, the limits, the plan.
    async fn decide(
        &self,
        scene: &Scene<'_>,
        body: Incoming,
        record: &mut Record,
        owed: &mut Owed,
    ) -> Result<Next, Failure> {
        let Scene { site, view, .. } = *scene;
        let matched = match site.surface.find(view.method, view.path.as_str()) {
            Err(Refusal::MethodDenied) => {
                return Err(Failure::Method(
                    site.surface.allowed_methods(view.path.as_str()),
                ));
            }
            other => other?,
        };
        let route = matched.route;
        record.route(route);
        // Files are free for anybody; pages are made.
        let made = route.no_store || matches!(route.action, Action::Local(_));
        if route.access == Access::Viewer || made {
            scene.generation.limits.address(site.index, view.client)?;
        }
        let handshake = scene.handshake(&matched)?;
        let usage = scene.here.plan.body_use(matched.index);
        // Nobody's body is read before its sender is admitted, unless it is the body that says who that is.
        let (body, brought) = scene.credential(&matched, usage, body).await?;
        let occasion = match handshake {
            Some(_) => Occasion::Call,
            None => scene.occasion(route),
        };
        let held = body.as_ref().ok().and_then(Payload::held);
        let about = || scene.here.adapter.about(&matched, held);
        let beside = Beside {
            form: brought.token.as_deref(),
            session: brought.session.as_ref().map(|(sealed, _)| &**sealed),
            path: matched.path_token(),
            opens: occasion.opens(),
            about: Some(&about),
            ..Beside::default()
        };
        let viewer = self.recognise(scene, route, beside).await?;
        if let Some(viewer) = &viewer {
            record.viewer(viewer);
        }
        if let Some(rule) = &route.resource {
            record.resource(format!("{}:{}", rule.kind, rule.id(&matched.captures)?));
        }
        let permit = policy::decide(site, &matched, viewer, view)?;
        let (admitted, sealed) = self.admit(scene, permit, occasion, record, owed).await?;
        let payload = match (handshake, body) {
            (Some(handshake), _) => Payload::Handshake(handshake),
            (None, Ok(payload)) => payload,
            (None, Err(body)) => scene.payload(&matched, usage, body).await?,
        };
        if let Some(answer) = scene.at_once(&admitted, occasion, owed) {
            return Ok(Next::Answer(answer));
        }
        let want = scene.here.adapter.wants(admitted.permit(), &matched)?;
        let known = self.learn(scene, &admitted, want.as_ref()).await?;
        let plan = scene.here.adapter.plan(&Ask {
            permit: admitted.permit(),
            req: view,
            matched: &matched,
            body: payload.held(),
            known: known.as_ref(),
            sealer: scene.generation.snapshot.sessions.as_deref(),
        })?;
        match plan {
            Plan::Answer(answer) => Ok(Next::Answer(scene.answer(&admitted, *answer, record))),
            Plan::Send(mut outbound) => {
                let hops = brought.session.map_or(0, |(_, hops)| hops);
                let granted = scene.granted(sealed, hops, &mut outbound);
                scene.prepare(admitted, payload, (outbound, granted), record)
            }
        }
    }

    /// The token that is to be burnt, and the limits. With what is admitted comes the session that a page is to carry.
    async fn admit(
        &self,
        scene: &Scene<'_>,
        permit: Permit,
        occasion: Occasion,
        record: &mut Record,
        owed: &mut Owed,
    ) -> Result<(Admitted, Option<String>), Failure> {
        self.owe(scene, &permit, occasion, owed)?;
        let (generation, limits) = (scene.generation, &scene.generation.limits);
        let in_flight = limits.enter(&permit)?;
        let now = scene.view.now;
        let decided = admission::decide(&self.app, &self.link, generation, &permit, now);
        let Decided { burn, rate } = decided.await;
        let permit = match burn {
            Some(burn) => self.settle(scene, permit, burn, occasion, record, owed)?,
            None => permit,
        };
        let loading = occasion == Occasion::Loading;
        let sealed = loading.then(|| owed.take_sealed()).flatten();
        Ok((limits.admit(permit, in_flight, rate?)?, sealed))
    }

    /// Who asks. A token of a key that is not known yet is judged once more, when its issuer's keys have been fetched anew.
    async fn recognise(
        &self,
        scene: &Scene<'_>,
        route: &Route,
        beside: Beside<'_>,
    ) -> Result<Option<Viewer>, Failure> {
        let checks = Checks {
            cache: &self.front.before(&self.app.cache),
            revocations: self.app.revocations.index(),
            sealer: scene.generation.snapshot.sessions.as_deref(),
        };
        let judge = || policy::recognise(scene.site, route, scene.view, beside, &checks);
        let verdict = match judge() {
            Err(denial) if !denial.unknown_kid.is_empty() => {
                if self.app.keys.fresher(&denial.unknown_kid).await {
                    judge()
                } else {
                    Err(denial)
                }
            }
            verdict => verdict,
        };
        Ok(verdict?)
    }

    /// Works out what the answer owes its viewer. Nothing is burnt for a session that cannot be given.
    fn owe(
        &self,
        scene: &Scene<'_>,
        permit: &Permit,
        occasion: Occasion,
        owed: &mut Owed,
    ) -> Result<(), Failure> {
        let site = scene.site;
        *owed = self.owed(scene, permit, occasion);
        if let (Some(large), Some(viewer)) = (owed.too_large, permit.viewer()) {
            let issuer = &viewer.signed.issuer().name;
            self.app.warn_of_size(issuer, &site.name, large);
            if site.sharing.wants_session() {
                return Err(session::refused(large).into());
            }
        }
        Ok(())
    }

    fn owed(&self, scene: &Scene<'_>, permit: &Permit, occasion: Occasion) -> Owed {
        let sealer = scene.generation.snapshot.sessions.as_deref();
        let cache = self.front.before(&self.app.cache);
        Owed::of(permit, sealer, occasion, scene.view, &cache)
    }

    /// Goes on by the token that was burnt, or by the session that it opened before.
    fn settle(
        &self,
        scene: &Scene<'_>,
        permit: Permit,
        burn: Burn,
        occasion: Occasion,
        record: &mut Record,
        owed: &mut Owed,
    ) -> Result<Permit, Failure> {
        match burn {
            Burn::First => owed.always(),
            Burn::Again | Burn::Full => *owed = Owed::default(),
        }
        let permit = policy::settle(permit, burn, scene.view)?;
        if let (Burn::Again, Some(viewer)) = (burn, permit.viewer()) {
            record.viewer(viewer);
            *owed = self.owed(scene, &permit, occasion);
        }
        Ok(permit)
    }

    /// What the adapter must know before it can plan the request.
    async fn learn(
        &self,
        scene: &Scene<'_>,
        admitted: &Admitted,
        want: Option<&Want>,
    ) -> Result<Option<Known>, Failure> {
        let Some(want) = want else {
            return Ok(None);
        };
        let upstream = self.upstreams.of(&scene.here.target);
        let errand = Errand {
            adapter: &scene.here.adapter,
            upstream: &upstream,
            warrant: Warrant::Admitted(admitted),
            clock: self.app.clock,
        };
        let generation = scene.generation.snapshot.generation;
        let known = self.app.knowledge.of(scene.site, generation, want, &errand);
        known.await.map(Some)
    }

    /// Sends what was admitted, and finishes what comes back.
    async fn send(
        &self,
        generation: &Arc<Generation>,
        here: &SiteRuntime,
        parts: &mut Parts,
        send: Send,
        client: Client,
        record: &mut Record,
    ) -> Result<Response<Body>, Failure> {
        let Send {
            admitted,
            target,
            payload,
            mut outbound,
            granted,
        } = send;
        let permit = admitted.permit();
        let host = parts.headers.get(header::HOST).cloned();
        let named = host.as_ref().and_then(|host| host.to_str().ok());
        let host = named
            .or_else(|| parts.uri.authority().map(http::uri::Authority::as_str))
            .unwrap_or_default();
        let (id, traceparent) = (record.id().header(), record.id().traceparent());
        let forwarded = Forwarded {
            client: client.address,
            host,
            secure: client.secure,
            request_id: &id,
            traceparent: &traceparent,
        };
        let handshake = payload
            .handshake()
            .map(|one| (one, Asked::of(parts, client)));
        outbound.narrow(&mut parts.headers);
        here.plan.headers(permit, &mut parts.headers, &forwarded)?;
        let body = self.outbound_body(generation, here, permit, parts, payload, &mut outbound)?;
        outbound.dress(&mut parts.headers);
        let (asked, protocol) = (Instant::now(), websocket::PROTOCOL);
        let outgoing = Outgoing {
            method: &parts.method,
            target: &target,
            headers: &parts.headers,
            upgrade: handshake.as_ref().map(|_| &protocol),
        };
        let answer = self
            .upstreams
            .of(&here.target)
            .send(Warrant::Admitted(&admitted), outgoing, body)
            .await;
        record.upstream_time(asked.elapsed());
        let (mut head, body) = answer?.into_parts();
        let handshake = handshake.filter(|_| body.is_tunnel());
        if let Some((handshake, _)) = &handshake {
            let confirmed = handshake.confirm(&head.headers);
            confirmed.map_err(|why| Denial::because(Refusal::UpstreamFailed, why))?;
        }
        rewrite::response::finish(
            &mut head,
            &here.rules,
            permit.embedding(),
            plan::keep(permit, &outbound),
        )?;
        let body = reply::finish(
            &self.app,
            permit.site(),
            generation.snapshot.generation,
            std::mem::take(&mut outbound.reply),
            (&parts.method, asked),
            &mut head,
            body,
        )
        .await?;
        let mut body = match granted {
            None => body,
            Some(granted) => {
                let place = (&**permit.site(), permit.embedding());
                granted::finish(&granted, place, &parts.method, &mut head, body)?
            }
        };
        let (permit, taken) = admitted.into_parts();
        record.hold(taken);
        if let Some((_, asked)) = handshake {
            reply::switch(&mut head.headers);
            body.guard(Guard::new(&self.tunnels, generation, permit, asked));
        }
        Ok(Response::from_parts(head, body))
    }

    /// The body for the upstream: rewritten, replaced, or as it comes.
    fn outbound_body(
        &self,
        generation: &Generation,
        here: &SiteRuntime,
        permit: &Permit,
        parts: &mut Parts,
        payload: Payload,
        outbound: &mut Outbound,
    ) -> Result<RequestBody, Failure> {
        match &mut outbound.body {
            Sending::Client => {}
            Sending::Nothing => return Ok(RequestBody::empty()),
            Sending::Own(bytes) => return Ok(RequestBody::full(bytes.clone().into())),
        }
        match payload {
            // What would have to be put into a body cannot be.
            Payload::Handshake(_) => match here.plan.body_use(permit.route_index()) {
                BodyUse::Inspect | BodyUse::Rewrite => Err(Refusal::BodyUnsupported.into()),
                BodyUse::Judge | BodyUse::Stream => Ok(RequestBody::empty()),
            },
            Payload::Held(bytes)
                if match here.plan.body_use(permit.route_index()) {
                    BodyUse::Judge => !bytes.is_empty(),
                    BodyUse::Rewrite => true,
                    BodyUse::Inspect | BodyUse::Stream => false,
                } =>
            {
                let bytes = here.plan.rewrite(permit, &mut parts.headers, bytes)?;
                Ok(RequestBody::full(bytes))
            }
            Payload::Held(bytes) if bytes.is_empty() => Ok(RequestBody::empty()),
            Payload::Held(bytes) => Ok(RequestBody::full(bytes)),
            Payload::Passing(body) => {
                let pause = generation.snapshot.listen.body_timeout;
                Ok(RequestBody::stream(body, permit.route().body_limit, pause)?)
            }
        }
    }
}
