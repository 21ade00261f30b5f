//! Who asks: credential, signature or seal, times, revocation.

use std::sync::Arc;

use super::{Denial, Hint, sessions::Sessions};
use crate::gate::{
    credential::{self, Beside, Credential, Found},
    refusal::Refusal,
    request::{RequestView, UnixTime},
    revocation::Revocations,
    route::{Access, Route},
    session::Sealer,
    site::Site,
    token::{self, Signed, Unproven, VerificationCache},
};

/// Who the viewer is and how we know.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// The grant.
    pub signed: Arc<Signed>,
    /// By which credential.
    pub via: Via,
    pub(super) aside: Aside,
}

/// What else is known of how a viewer was recognised.
#[derive(Clone, Debug, Default)]
pub(super) struct Aside {
    /// The token is to be burnt before the request may go on.
    pub(super) burn: bool,
    /// The session by which the request goes on where the token was burnt before.
    pub(super) stand_in: Option<Box<Viewer>>,
    /// What picked the session.
    pub(super) hint: Option<Hint>,
    /// A token stands in the query, although the request goes on by a session.
    pub(super) in_query: bool,
}

impl Viewer {
    /// A viewer by a credential.
    pub fn new(signed: Arc<Signed>, via: Via) -> Self {
        Self {
            signed,
            via,
            aside: Aside::default(),
        }
    }

    /// Whether a token stands in the query.
    pub fn token_in_query(&self) -> bool {
        self.aside.in_query || matches!(self.via, Via::Token { in_query: true })
    }

    /// What picked the session, where an address named it.
    pub fn hint(&self) -> Option<Hint> {
        self.aside.hint
    }
}

/// What a credential is checked with.
pub struct Checks<'a, C> {
    /// Remembered verifications.
    pub cache: &'a C,
    /// What was granted and is denied all the same.
    pub revocations: &'a Revocations,
    /// What opens sessions; `None`: there are none.
    pub sealer: Option<&'a Sealer>,
}

/// By which credential a viewer was recognised.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Via {
    /// A sealed session cookie; whether it should be sealed afresh.
    Session {
        /// When the session ends.
        ends: UnixTime,
        /// Whether the idle timer wants a fresh cookie.
        renew: bool,
    },
    /// A viewer token; whether it stood in the query.
    Token {
        /// It stood in the query.
        in_query: bool,
    },
}

/// Recognises the viewer of a request: credential, signature, times, revocation. On public routes nobody is looked for.
///
/// Only signatures and seals are remembered: times and revocations are looked at on every request.
///
/// A token in the path is part of a page's address and outlives itself there: once it is past its `exp`, a live session that grants exactly the same
/// stands in for it. (A session that grants anything else does not: the request follows its token.)
///
/// Where a site's tokens hold only with the session that they opened ([`Sharing`](crate::gate::sharing::Sharing)), a request with a token goes on by that session; a page
/// load may open one, with single use after the token was burnt.
///
/// A form that brings a session must come from the site's own pages, as a cookie's writing must.
///
/// # Errors
/// `csrf_denied`; the refusals of [`credential::extract`], [`token::signed`], [`token::current`], [`Sealer::open`] and [`Sealer::open_ticket`]; `token_revoked`;
/// `token_missing` where the route needs a viewer.
pub fn recognise<'a>(
    site: &Site,
    route: &Route,
    req: &RequestView<'a>,
    beside: Beside<'a>,
    checks: &Checks<'_, impl VerificationCache>,
) -> Result<Option<Viewer>, Denial> {
    match route.access {
        Access::Deny => return Err(Refusal::RouteDenied.into()),
        Access::Public => return Ok(None),
        Access::Viewer => {}
    }
    let Checks {
        cache,
        revocations,
        sealer,
    } = *checks;
    let sealer = sealer.filter(|_| site.sessions);
    let beside = Beside {
        carrier: site.carrier,
        ..beside
    };
    if beside.session.is_some() {
        site.frame.judge_write(req)?;
    }
    let sessions = sealer.map(|sealer| Sessions {
        site,
        sealer,
        req,
        carried: beside.session,
        cache,
        revocations,
    });
    let found = match credential::extract(&site.places, req, beside)? {
        None => return Err(Refusal::TokenMissing.into()),
        Some(Credential::Sessions(jar)) => {
            let sessions = sessions.ok_or(Refusal::TokenMissing)?;
            return sessions.choose(&jar, beside.about).map(Some);
        }
        Some(Credential::Token(found)) => found,
    };
    match (by_token(site, &found, req.now, sealer, cache), sessions) {
        (Err(Unrecognised::Expired(expired)), Some(sessions)) if found.in_path => {
            in_force(&expired, revocations, req.now)?;
            let stands_in = sessions.granting_as(&sessions.jar()?, &expired);
            stands_in.map(Some).map_err(|denial| {
                if denial.refusal == Refusal::TokenRevoked {
                    denial
                } else {
                    Refusal::TokenExpired.into()
                }
            })
        }
        (Err(why), _) => Err(why.into()),
        (Ok(viewer), sessions) => {
            in_force(&viewer.signed, revocations, req.now)?;
            match sessions {
                _ if !site.sharing.wants_session() => Ok(Some(viewer)),
                Some(sessions) => sessions.beside(viewer, beside.opens).map(Some),
                None => Err(Denial::because(
                    Refusal::SessionInvalid,
                    "tokens of this site need sessions, and there are none",
                )),
            }
        }
    }
}

/// Nothing revokes this grant. The auditor learns what does.
pub(super) fn in_force(
    signed: &Signed,
    revocations: &Revocations,
    now: UnixTime,
) -> Result<(), Denial> {
    match revocations.find(signed, now) {
        None => Ok(()),
        Some(id) => Err(Denial::because(
            Refusal::TokenRevoked,
            format!("revocation {id}"),
        )),
    }
}

/// Why a token does not tell who the viewer is.
enum Unrecognised {
    /// It is past its end, and said this.
    Expired(Arc<Signed>),
    /// It is refused.
    Refused(Refusal),
    /// It proves nothing.
    Unproven(Unproven),
}

impl From<Unrecognised> for Denial {
    fn from(why: Unrecognised) -> Self {
        match why {
            Unrecognised::Expired(_) => Refusal::TokenExpired.into(),
            Unrecognised::Refused(refusal) => refusal.into(),
            Unrecognised::Unproven(unproven) => unproven.into(),
        }
    }
}

/// By a viewer token, or a ticket.
fn by_token(
    site: &Site,
    found: &Found<'_>,
    now: UnixTime,
    sealer: Option<&Sealer>,
    cache: &impl VerificationCache,
) -> Result<Viewer, Unrecognised> {
    let via = Via::Token {
        in_query: found.in_query,
    };
    if Sealer::is_ticket(found.token.expose()) {
        let sealer = sealer.ok_or(Unrecognised::Refused(Refusal::TokenInvalid))?;
        let opened =
            sealer.open_ticket(found.token.expose(), &site.name, &site.issuers, now, cache);
        let signed = opened.map_err(Unrecognised::Refused)?.signed;
        return Ok(Viewer::new(signed, via));
    }
    let signed = token::prove(found.token, &site.issuers, cache).map_err(Unrecognised::Unproven)?;
    match token::current(&signed, now) {
        Err(Refusal::TokenExpired) => Err(Unrecognised::Expired(signed)),
        Err(why) => Err(Unrecognised::Refused(why)),
        Ok(()) => Ok(Viewer::new(signed, via)),
    }
}
