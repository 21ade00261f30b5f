//! Metabase: signed ("static", "guest") embeds whose token is swapped at the edge, and public links that are locked to a viewer's token.
//!
//! Signed: the browser holds a viewer token of ours; each call upstream carries a Metabase token minted for that call, with the viewer's locked
//! values in it. Public: Metabase asks for no token at all, so we do, and write every query anew with the locked values at its end. Either way the
//! layout that the viewer gets knows nothing of what is locked, and no result tells it.

pub mod filters;
pub mod guest;
pub mod layout;
pub mod learn;
pub mod mint;
pub mod prune;
mod public;
mod rewriting;
pub mod settings;
pub mod shell;
mod signed;
pub mod spec;
pub mod surface;
pub mod tiles;

pub use learn::Learnt;
pub use rewriting::{Pruning, Rewriting, Rewritten, failure};
pub use spec::{Item, ItemId, Kind, Lens, MetabaseSpec, PublicLink, Unmapped, Uuid, Values};
pub use surface::{places, surface};
pub use tiles::MapCard;

use http::{HeaderName, StatusCode, header};

use self::{filters::Ids, layout::Layout, mint::Mint, settings::Around, surface::Use};
use super::{
    Answer, Ask, Outbound, Plan, Replying, Sending,
    exchange::{Known, Want},
};
use crate::gate::{
    param::{Mode, ParamSpec},
    policy::{Denial, Permit},
    refusal::Refusal,
    resource::Resource,
    route::{Action, Route, RouteMatch},
    token::Claims,
};

/// One Metabase site.
pub struct Metabase {
    spec: MetabaseSpec,
    mint: Option<Mint>,
    params: Vec<ParamSpec>,
    /// The site's modes, by the index of its parameters.
    modes: Vec<Mode>,
    /// What the upstream calls itself: no page may tell.
    inner: Vec<Box<str>>,
}

impl Metabase {
    /// Takes the settings, the site's parameters, and what the upstream may call itself (origin, authority, host).
    pub fn new(spec: MetabaseSpec, params: &[ParamSpec], inner: Vec<Box<str>>) -> Self {
        let secret = spec.embedding_secret.as_ref();
        Self {
            mint: secret.map(|secret| Mint::new(secret, spec.token_ttl)),
            spec,
            params: params.to_vec(),
            modes: learn::modes(params),
            inner,
        }
    }

    /// The settings.
    pub fn spec(&self) -> &MetabaseSpec {
        &self.spec
    }

    /// Whether a request to this route must be read whole before it can be planned.
    pub fn needs_body(route: &Route) -> bool {
        route.body_limit > 0 || matches!(route.action, Action::Local(_))
    }

    /// What must be learnt before a request can be planned. Who may not have it learns nothing and asks for nothing.
    pub(super) fn wants(
        &self,
        permit: &Permit,
        matched: &RouteMatch<'_, '_>,
    ) -> Result<Option<Want>, Denial> {
        let Some(used) = surface::use_of(permit.route()) else {
            return Err(Refusal::RouteDenied.into());
        };
        match used {
            Use::Settings => Ok(Some(Want::MetabaseSettings)),
            Use::Values if self.spec.values == Values::Deny => Err(Refusal::RouteDenied.into()),
            Use::Export if !self.spec.downloads => Err(Refusal::RouteDenied.into()),
            Use::Values => self.item(permit).map(Want::MetabaseValues).map(Some),
            Use::Tile => {
                let card = MapCard::signed(self.item(permit)?, matched)?;
                Ok(Some(Want::MetabaseMap(card)))
            }
            Use::PublicTile => {
                let (uuid, link) = self.link(permit, matched)?;
                let card = MapCard::public(uuid, link.kind, matched)?;
                Ok(Some(Want::MetabaseMap(card)))
            }
            Use::Layout | Use::Query | Use::Export | Use::Batch => {
                let item = self.item(permit)?;
                Ok(self
                    .spec
                    .api_key
                    .is_some()
                    .then_some(Want::MetabaseItem(item)))
            }
            Use::PublicQuery | Use::PublicExport | Use::PublicValues => {
                let (uuid, link) = self.link(permit, matched)?;
                let files = self.spec.downloads && link.downloads;
                let lists = link.values == Values::Constrained || !link.safe_values.is_empty();
                if (used == Use::PublicExport && !files) || (used == Use::PublicValues && !lists) {
                    return Err(Refusal::RouteDenied.into());
                }
                Ok(Some(Want::MetabasePublic(uuid)))
            }
            // The layout itself is judged as it passes; only what was seen of lists of values is not in it.
            Use::PublicLayout => {
                let (uuid, link) = self.link(permit, matched)?;
                let probed = link.values == Values::Constrained;
                Ok(probed.then_some(Want::MetabasePublic(uuid)))
            }
            Use::EmbedPage
            | Use::GeoJson
            | Use::GuestPage
            | Use::GuestToken
            | Use::PublicPage
            | Use::Session
            | Use::Static => Ok(None),
        }
    }

    pub(super) fn plan(&self, ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        let Some(used) = surface::use_of(ask.permit.route()) else {
            return Err(Refusal::RouteDenied.into());
        };
        match used {
            Use::Static => Ok(send(Outbound {
                body: Sending::Nothing,
                keep: Some(&KEPT_FOR_FILES),
                ..Outbound::default()
            })),
            Use::GeoJson => self.geojson(ask),
            Use::Settings => self.settings(ask),
            Use::Session => Ok(guest::session()),
            Use::GuestToken => self.guest_token(ask),
            Use::GuestPage => {
                let shell = self.shell(ask);
                Ok(send(Outbound {
                    learns_session: true,
                    ..page("/embed/sdk/v1", shell)
                }))
            }
            Use::EmbedPage => self.signed(ask)?.page(),
            Use::Layout => Ok(self.signed(ask)?.layout()),
            Use::Query => self.signed(ask)?.query(),
            Use::Export => self.signed(ask)?.export(),
            Use::Batch => self.signed(ask)?.batch(),
            Use::Values => self.signed(ask)?.values(),
            Use::Tile => self.signed(ask)?.tile(),
            Use::PublicPage => self.public(ask)?.page(),
            Use::PublicLayout => Ok(self.public(ask)?.layout()),
            Use::PublicQuery => self.public(ask)?.query(),
            Use::PublicExport => self.public(ask)?.export(),
            Use::PublicTile => self.public(ask)?.tile(),
            Use::PublicValues => self.public(ask)?.values(),
        }
    }

    /// What is to be known before anybody asks: the public links.
    pub(super) fn standing(&self) -> Vec<Want> {
        let links = self.spec.public.keys();
        links.cloned().map(Want::MetabasePublic).collect()
    }

    /// Whether layouts of signed embeds are read where nothing is hidden.
    fn reads_by_key(&self) -> bool {
        self.spec.api_key.is_some()
    }

    fn mint(&self) -> Result<&Mint, Denial> {
        self.mint
            .as_ref()
            .ok_or_else(|| Refusal::RouteDenied.into())
    }

    /// The one dashboard or question that a token is about, of the kind that the path says.
    fn item(&self, permit: &Permit) -> Result<Item, Denial> {
        let item = sole(claims(permit)?, kind_of(permit.route()))?;
        let other = |own: &Item| {
            let forms = (own.id, item.id);
            let differ = matches!(
                forms,
                (ItemId::Entity(_), ItemId::Number(_)) | (ItemId::Number(_), ItemId::Entity(_))
            );
            own.kind == item.kind && differ
        };
        let items = &self.spec.items;
        if !items.contains_key(&item) && items.keys().any(other) {
            return Err(denied(
                "an item without rules of its own may be one that has some, by its other name: the rules name numbers, or entity ids",
            ));
        }
        Ok(item)
    }

    /// Whether the body names the item that a request is about.
    pub(super) fn is_told_by_body(route: &Route) -> bool {
        surface::use_of(route) == Some(Use::GuestToken)
    }

    /// What a request is about, where its path names a public link, or its body an item. (A signed embed's says it by its token.)
    pub(super) fn about(matched: &RouteMatch<'_, '_>, body: Option<&[u8]>) -> Option<Resource> {
        if Self::is_told_by_body(matched.route) {
            let (item, _) = guest::wanted(body?).ok()?;
            return Some(Resource::new(item.kind.as_str(), &item.id.to_string()));
        }
        let uuid = link_of(matched)?;
        let kind = kind_of(matched.route);
        Some(Resource::new(kind.as_str(), uuid.as_str()))
    }

    /// The public link of a request, which must be one of the site's, of the kind that the path says, and granted.
    fn link(
        &self,
        permit: &Permit,
        matched: &RouteMatch<'_, '_>,
    ) -> Result<(Uuid, &PublicLink), Denial> {
        let kind = kind_of(permit.route());
        let found = link_of(matched).and_then(|uuid| {
            let link = self.spec.public.get(&uuid)?;
            (link.kind == kind).then_some((uuid, link))
        });
        let (uuid, link) = found.ok_or(Refusal::RouteDenied)?;
        let granted = claims(permit)?
            .resources
            .iter()
            .any(|have| *have.kind == *kind.as_str() && *have.id == *uuid.as_str());
        if granted {
            Ok((uuid, link))
        } else {
            Err(Refusal::ResourceDenied.into())
        }
    }

    fn geojson(&self, ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        let key = ask.matched.capture("key").unwrap_or_default();
        if self.spec.geojson.iter().any(|known| **known == *key) {
            return Ok(send(Outbound {
                keep: Some(&KEPT),
                body: Sending::Nothing,
                target: Some(format!("/api/geojson/{key}")),
                reply: Replying::Good,
                ..Outbound::default()
            }));
        }
        Err(Refusal::RouteDenied.into())
    }

    /// The public settings, filtered; a browser may keep them for a minute. No shared cache: the port of our own address in them is the client's word.
    fn settings(&self, ask: &Ask<'_, '_, '_>) -> Result<Plan, Denial> {
        let learnt = learnt(ask)?;
        let inner: Vec<&str> = self.inner.iter().map(|name| &**name).collect();
        let url = public_url(ask);
        let body = learnt.settings(&self.around(&url, "", &inner))?;
        let mut answer = Answer::json(StatusCode::OK, body.to_vec());
        answer.headers.insert(
            header::CACHE_CONTROL,
            http::HeaderValue::from_static("private, max-age=60"),
        );
        Ok(answer.into())
    }

    fn around<'a>(&'a self, url: &'a str, page: &'a str, inner: &'a [&'a str]) -> Around<'a> {
        Around {
            public_url: url,
            page,
            extra: &self.spec.settings,
            geojson: &self.spec.geojson,
            inner,
        }
    }

    /// How a page is rewritten.
    fn shell(&self, ask: &Ask<'_, '_, '_>) -> Rewriting {
        Rewriting::Shell {
            public_url: public_url(ask).into(),
            page: ask.req.path.as_str().into(),
            extra: self.spec.settings.clone(),
            geojson: self.spec.geojson.clone(),
            inner: self.inner.clone(),
        }
    }
}

impl Ids for Layout {
    fn param(&self, id: &str) -> Option<usize> {
        self.open(id)
    }

    fn id(&self, param: usize) -> Option<&str> {
        self.id_of(param)
    }

    fn kind(&self, param: usize) -> Option<&str> {
        let id = self.id_of(param)?;
        self.parameter(id).map(|parameter| &*parameter.kind)
    }
}

/// The public URL of the site, as the client called it, without a slash at the end.
fn public_url(ask: &Ask<'_, '_, '_>) -> String {
    let scheme = if ask.req.secure { "https" } else { "http" };
    let (host, port) = ask.req.host.authority(ask.req.secure);
    let prefix = &ask.permit.site().prefix;
    match (scheme, port) {
        ("https", 443) | ("http", 80) => format!("{scheme}://{host}{prefix}"),
        (_, port) => format!("{scheme}://{host}:{port}{prefix}"),
    }
}

/// A page of Metabase: asked for without anything that the client said.
fn page(target: &str, shell: Rewriting) -> Outbound {
    Outbound {
        target: Some(target.to_owned()),
        keep: Some(&KEPT),
        body: Sending::Nothing,
        no_store: true,
        reply: Replying::Rewrite(Box::new(shell), PAGE_LIMIT),
        ..Outbound::default()
    }
}

/// What of the client's passes on every route.
pub(super) fn sketch() -> Outbound {
    Outbound {
        keep: Some(&KEPT),
        body: Sending::Nothing,
        ..Outbound::default()
    }
}

fn send(outbound: Outbound) -> Plan {
    Plan::Send(Box::new(outbound))
}

fn claims(permit: &Permit) -> Result<&Claims, Denial> {
    let viewer = permit.viewer().ok_or(Refusal::TokenMissing)?;
    Ok(viewer.signed.claims())
}

/// What was learnt, where it had to be.
fn learnt<'a>(ask: &Ask<'a, '_, '_>) -> Result<&'a Learnt, Denial> {
    match ask.known {
        Some(Known::Metabase(learnt)) => Ok(learnt),
        Some(Known::Superset(_)) | None => Err(Refusal::UpstreamFailed.into()),
    }
}

/// The only item of a kind that a token grants.
fn sole(claims: &Claims, kind: Kind) -> Result<Item, Denial> {
    let mut granted = claims
        .resources
        .iter()
        .filter(|resource| *resource.kind == *kind.as_str());
    match (granted.next(), granted.next()) {
        (Some(one), None) => ItemId::parse(&one.id)
            .map(|id| Item { kind, id })
            .ok_or_else(|| denied("neither a number nor an entity id")),
        (None, _) => Err(denied("the token is not about this kind of thing")),
        (Some(_), Some(_)) => Err(denied("a Metabase token is about one thing")),
    }
}

/// Of which kind a route speaks.
fn kind_of(route: &Route) -> Kind {
    let dashboard = route
        .pattern
        .split('/')
        .any(|segment| segment == "dashboard");
    if dashboard {
        Kind::Dashboard
    } else {
        Kind::Question
    }
}

/// The public link that a path names.
fn link_of(matched: &RouteMatch<'_, '_>) -> Option<Uuid> {
    let text = matched.capture("uuid")?;
    let stem = match file_of(text) {
        Some((stem, _)) if *matched.route.pattern == *surface::PUBLIC_QUESTION_PAGE => stem,
        _ => text,
    };
    Uuid::parse(stem)
}

/// The stem and format of a question's page that is a file.
fn file_of(segment: &str) -> Option<(&str, &'static str)> {
    surface::FILES.iter().find_map(|suffix| {
        Some((
            segment.strip_suffix(suffix)?,
            suffix.trim_start_matches('.'),
        ))
    })
}

/// A format in which results may be taken away, in its one spelling. `api` is the result as a page gets it, without its bound on rows.
fn format_of<'a>(matched: &RouteMatch<'_, 'a>) -> Result<&'a str, Denial> {
    match matched.capture("format") {
        Some(format @ ("api" | "csv" | "json" | "xlsx")) => Ok(format),
        _ => Err(Refusal::RouteDenied.into()),
    }
}

fn number_in(matched: &RouteMatch<'_, '_>, capture: &str) -> Result<u64, Denial> {
    let number = matched.capture(capture).and_then(spec::number);
    number.ok_or_else(|| Refusal::RouteDenied.into())
}

fn denied(why: &'static str) -> Denial {
    Denial::because(Refusal::ResourceDenied, why)
}

/// Which parameters a viewer may set on an item: the open ones that the token does not preset.
fn open_to(lens: Lens<'_>, permit: &Permit) -> Vec<usize> {
    let granted = permit.granted();
    (0..lens.params.len())
        .filter(|param| lens.modes.get(*param) == Some(&Mode::Enabled))
        .filter(|param| granted.of(*param).is_none())
        .collect()
}

/// Header fields of the client that Metabase gets to see.
static KEPT: [HeaderName; 8] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    HeaderName::from_static("x-metabase-client"),
    HeaderName::from_static("x-metabase-embedded"),
    HeaderName::from_static("x-metabase-guest-embed"),
];

/// The same for files, which a browser may have already, or want a part of.
static KEPT_FOR_FILES: [HeaderName; 8] = [
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::RANGE,
    header::USER_AGENT,
];

/// Members of results that tell what a filter was locked to, how the question is asked, or what a column holds over the rows of everybody (its
/// least and greatest values).
const TELLTALE: &[&str] = &["fingerprint", "json_query", "native_form"];
/// The largest HTML page.
const PAGE_LIMIT: usize = 8 * 1024 * 1024;
