//! The frame policy: what a browser says about where a page stands, and what follows from it.
//!
//! Three lines of defence, of which this is the second: the CSP directive holds in the browser whatever headers it sends or withholds; Fetch Metadata,
//! `Origin` and `Referer` are judged here, so that a refused page is not even computed; the credential decides who sees what. None of these headers is
//! *required*, since privacy settings withhold them, but what they say is held against the request, and what cannot be read counts as foreign.

mod shown;

use std::collections::HashMap;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{ACCEPT, ORIGIN, REFERER},
};

use super::{Ancestor, Ancestors, Origin, Scheme, Seen, header};
use crate::gate::{refusal::Refusal, request::RequestView};

/// The frame policy of a site.
#[derive(Debug)]
pub struct FramePolicy {
    /// For viewers whose tenant has no list of its own.
    pub site: Ancestors,
    /// Lists of tenants; each replaces the site's.
    pub tenants: HashMap<Box<str>, Ancestors>,
    /// All of them together: for pages that are loaded before anybody knows the viewer (Superset).
    pub anyone: Ancestors,
    /// Whether pages may be opened outside a frame.
    pub top_level: bool,
}

/// What a request says about where its page stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Embedding {
    /// `frame-ancestors …` for the response.
    pub directive: HeaderValue,
    /// The origin to answer with in CORS, where the request is cross-origin and allowed.
    pub cors: Option<HeaderValue>,
    /// Whether that origin may send, and is sent, the viewer's cookies.
    pub credentials: bool,
    /// Whether the page may tell its whole address to the site itself: it names a session and holds no token.
    pub tells_address: bool,
}

impl FramePolicy {
    /// A policy of the site's list and those of its tenants (in order, so that the union is the same at every start).
    pub fn new(
        site: Vec<Ancestor>,
        tenants: Vec<(Box<str>, Vec<Ancestor>)>,
        top_level: bool,
    ) -> Self {
        let of_tenants = tenants.iter().flat_map(|(_, entries)| entries);
        let anyone = site.iter().chain(of_tenants).cloned().collect();
        let lists = tenants
            .into_iter()
            .map(|(tenant, entries)| (tenant, Ancestors::new(entries)));
        Self {
            site: Ancestors::new(site),
            tenants: lists.collect(),
            anyone: Ancestors::new(anyone),
            top_level,
        }
    }

    /// The list that holds for a tenant, or for pages of nobody yet.
    pub fn ancestors(&self, viewer: bool, tenant: Option<&str>) -> &Ancestors {
        match tenant.and_then(|tenant| self.tenants.get(tenant)) {
            Some(own) => own,
            None if viewer => &self.site,
            None => &self.anyone,
        }
    }

    /// Judges `Sec-Fetch-*`, `Referer` and `Origin` (Fetch Metadata; never *required*, since a browser may withhold them: CSP holds then).
    ///
    /// * Every page load in a frame: a `Referer` or `Origin` must be the site's own or an ancestor's.
    /// * A page load outside a frame (`Sec-Fetch-Dest: document`): only where the route (`top_level`) or the site permits it; whoever links there is free to.
    /// * Everything else (scripts, `fetch`): a foreign `Origin` or `Referer` is refused, and so is a cross-site request that hides both. On public routes
    ///   (`viewer` is false) reading is free for anybody, as there is nothing to protect; yet CORS is answered for ancestors only.
    /// * `narrowed`, the origin that the token names, must be one of the ancestors, and is then the only one.
    ///
    /// `Origin: null` is foreign, except beside `Sec-Fetch-Site: same-origin`: pages under `Referrer-Policy: no-referrer` send that.
    ///
    /// # Errors
    /// `origin_denied`, also where one of these headers is repeated; `top_level_denied`.
    pub fn judge(
        &self,
        req: &RequestView<'_>,
        viewer: bool,
        tenant: Option<&str>,
        narrowed: Option<&Origin>,
        top_level: bool,
    ) -> Result<Embedding, Refusal> {
        let ancestors = self.ancestors(viewer, tenant);
        if narrowed.is_some_and(|origin| !ancestors.covers(origin)) {
            return Err(Refusal::OriginDenied);
        }
        let told = Told::read(req.headers).ok_or(Refusal::OriginDenied)?;
        let around = Around {
            req,
            ancestors,
            narrowed,
        };
        let origin = around.standing(told.origin, told.same_origin(), Seen::origin);
        let referer = around.standing(told.referer, false, Seen::url);
        let page = Page::of(&told, req);
        if page == Page::TopLevel && !(top_level || self.top_level) {
            return Err(Refusal::TopLevelDenied);
        }
        let foreign = match page {
            Page::Framed => origin == Standing::Foreign || referer == Standing::Foreign,
            Page::None if !viewer && req.method.is_safe() => false,
            Page::None => {
                let hidden = origin == Standing::Unsaid && referer == Standing::Unsaid;
                let foreign = origin == Standing::Foreign || referer == Standing::Foreign;
                foreign || (hidden && told.cross_origin())
            }
            Page::TopLevel => origin == Standing::Foreign,
            Page::Unsaid => {
                let linked = referer == Standing::Foreign && !(top_level || self.top_level);
                origin == Standing::Foreign || linked
            }
        };
        if foreign {
            return Err(Refusal::OriginDenied);
        }
        let cors = told.origin.filter(|_| origin == Standing::Ancestor);
        Ok(Embedding {
            directive: around.directive(),
            cors: cors.cloned(),
            credentials: false,
            tells_address: false,
        })
    }

    /// State-changing requests under a session must come from the site itself: `Sec-Fetch-Site: same-origin`, or an `Origin` that is the site's own.
    /// Where both are there they must agree (`Origin: null` beside `same-origin` does).
    ///
    /// # Errors
    /// `csrf_denied`, also where the browser says nothing at all.
    pub fn judge_write(&self, req: &RequestView<'_>) -> Result<(), Refusal> {
        let told = Told::read(req.headers).ok_or(Refusal::CsrfDenied)?;
        let own = told.origin.map(|origin| {
            let null = told.same_origin() && origin == "null";
            null || read(origin, Seen::origin).is_some_and(|seen| is_own(&seen, req))
        });
        let itself = match told.site {
            Some(_) => told.same_origin() && own != Some(false),
            None => own == Some(true),
        };
        if itself {
            Ok(())
        } else {
            Err(Refusal::CsrfDenied)
        }
    }
}

impl FramePolicy {
    /// The handshake of a WebSocket under a session must have the site's own `Origin` (RFC 6455 section 10.2): every browser sends it, and no page can choose it.
    /// `Sec-Fetch-Site` is not asked: browsers differ in whether they send it here.
    ///
    /// # Errors
    /// `csrf_denied`, also where there is no `Origin`, or it is `null`.
    pub fn judge_handshake(&self, req: &RequestView<'_>) -> Result<(), Refusal> {
        let told = Told::read(req.headers).ok_or(Refusal::CsrfDenied)?;
        let seen = told.origin.and_then(|origin| read(origin, Seen::origin));
        if seen.is_some_and(|seen| is_own(&seen, req)) {
            Ok(())
        } else {
            Err(Refusal::CsrfDenied)
        }
    }
}

/// Path and query of the page of this very origin that asks, where they hold a word.
pub(in crate::gate) fn own_referer<'a>(req: &RequestView<'a>, word: &str) -> Option<&'a str> {
    let mut values = req.headers.get_all(REFERER).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let text = value.to_str().ok().filter(|text| text.contains(word))?;
    if !is_own(&Seen::url(text)?, req) {
        return None;
    }
    let (_, rest) = text.split_once("://")?;
    rest.get(rest.find('/')?..)
}

/// The headers that tell where a request comes from, each at most once.
struct Told<'h> {
    dest: Option<&'h HeaderValue>,
    mode: Option<&'h HeaderValue>,
    origin: Option<&'h HeaderValue>,
    referer: Option<&'h HeaderValue>,
    site: Option<&'h HeaderValue>,
}

impl<'h> Told<'h> {
    /// Nothing where a header is repeated: who wrote the second one?
    fn read(headers: &'h HeaderMap) -> Option<Self> {
        let once = |name: &HeaderName| {
            let mut values = headers.get_all(name).iter();
            let first = values.next();
            values.next().is_none().then_some(first)
        };
        Some(Self {
            dest: once(&SEC_FETCH_DEST)?,
            mode: once(&SEC_FETCH_MODE)?,
            origin: once(&ORIGIN)?,
            referer: once(&REFERER)?,
            site: once(&SEC_FETCH_SITE)?,
        })
    }

    fn same_origin(&self) -> bool {
        self.site.is_some_and(|site| site == "same-origin")
    }

    /// Whether the browser says that another origin asked; an unknown word counts as that.
    fn cross_origin(&self) -> bool {
        self.site.is_some_and(|site| site != "none") && !self.same_origin()
    }
}

/// What a request loads.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Page {
    /// A page in a frame.
    Framed,
    /// No page: a script, an image, an answer to `fetch`.
    None,
    /// A page in a tab of its own.
    TopLevel,
    /// A page, and the browser does not say where (it leaves Fetch Metadata out over cleartext).
    Unsaid,
}

impl Page {
    fn of(told: &Told<'_>, req: &RequestView<'_>) -> Self {
        let navigates = told.mode.is_some_and(|mode| mode == "navigate");
        let silent = told.mode.is_none() && told.site.is_none();
        match told.dest.map(HeaderValue::as_bytes) {
            Some(b"document") => Self::TopLevel,
            Some(b"embed" | b"fencedframe" | b"frame" | b"iframe" | b"object") => Self::Framed,
            Some(_) if navigates => Self::Framed,
            None if navigates || (silent && wants_html(req)) => Self::Unsaid,
            Some(_) | None => Self::None,
        }
    }
}

fn wants_html(req: &RequestView<'_>) -> bool {
    let accepts = |value: &HeaderValue| {
        let ranges = value.as_bytes().split(|byte| matches!(byte, b',' | b';'));
        ranges
            .map(<[u8]>::trim_ascii)
            .any(|range| range.eq_ignore_ascii_case(b"text/html"))
    };
    matches!(*req.method, Method::GET | Method::HEAD)
        && req.headers.get_all(ACCEPT).iter().any(accepts)
}

/// How a header's origin stands to the site.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Standing {
    /// One of the frame ancestors that hold for this request.
    Ancestor,
    /// Any other, also one that cannot be read.
    Foreign,
    /// The site's own.
    Own,
    /// The header is absent.
    Unsaid,
}

/// The origins around a request: its own, and who may embed it.
struct Around<'a> {
    req: &'a RequestView<'a>,
    ancestors: &'a Ancestors,
    narrowed: Option<&'a Origin>,
}

impl Around<'_> {
    fn standing<'h>(
        &self,
        value: Option<&'h HeaderValue>,
        null_is_own: bool,
        parse: fn(&'h str) -> Option<Seen<'h>>,
    ) -> Standing {
        let Some(value) = value else {
            return Standing::Unsaid;
        };
        if null_is_own && value == "null" {
            return Standing::Own;
        }
        let Some(seen) = read(value, parse) else {
            return Standing::Foreign;
        };
        if is_own(&seen, self.req) {
            return Standing::Own;
        }
        let admitted = match self.narrowed {
            Some(only) => seen.is(only),
            None => self.ancestors.admits(&seen),
        };
        if admitted {
            Standing::Ancestor
        } else {
            Standing::Foreign
        }
    }

    fn directive(&self) -> HeaderValue {
        match self.narrowed {
            Some(only) => header(format!("frame-ancestors {only}")),
            None => self.ancestors.directive().clone(),
        }
    }
}

fn read<'h>(value: &'h HeaderValue, parse: fn(&'h str) -> Option<Seen<'h>>) -> Option<Seen<'h>> {
    parse(value.to_str().ok()?)
}

fn is_own(seen: &Seen<'_>, req: &RequestView<'_>) -> bool {
    let scheme = if req.secure {
        Scheme::Https
    } else {
        Scheme::Http
    };
    seen.scheme == scheme && seen.authority() == req.host.authority(req.secure)
}

static SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
static SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
static SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests;
