//! By which session a request goes on: the one that its token opened, the one that its page names, or the one that fits.

use http::Method;
use smallvec::SmallVec;

use super::{
    Denial, Via, Viewer,
    hint::{Hint, hint},
    recognise::in_force,
};
use crate::gate::{
    refusal::Refusal,
    request::RequestView,
    resource::Resource,
    revocation::Revocations,
    session::{Carrier, GrantTag, Jar, Sealer},
    site::Site,
    token::{Signed, VerificationCache},
};

/// The sessions of a request at a site.
pub(super) struct Sessions<'s, C> {
    pub(super) site: &'s Site,
    pub(super) sealer: &'s Sealer,
    pub(super) req: &'s RequestView<'s>,
    /// The session in the body of a page load.
    pub(super) carried: Option<&'s str>,
    pub(super) cache: &'s C,
    pub(super) revocations: &'s Revocations,
}

impl<C: VerificationCache> Sessions<'_, C> {
    /// Beside a token, at a site where a token holds only with the session that it opened. A page load opens it.
    ///
    /// Any session will do that grants the same to the same viewer: whoever has it needs no token, and a fresh token for the same page must not undo what an
    /// earlier one opened. Single use is stricter: each token is burnt by its own first page load, and only the session that it opened itself spares it that.
    ///
    /// # Errors
    /// `token_invalid`: it has no `jti` or `iat`, so nobody could tell whether it was used; `session_invalid`, `session_expired`.
    pub(super) fn beside(&self, token: Viewer, opens: bool) -> Result<Viewer, Denial> {
        let jar = match self.jar() {
            Ok(jar) => jar,
            // A page load heals what cannot be read.
            Err(_) if opens => Jar::default(),
            Err(why) => return Err(why.into()),
        };
        let single_use = self.site.sharing.single_use;
        if single_use {
            identified(&token.signed)?;
        }
        // A ticket was handed out to a session: it opens none. Nobody sees what was asked for ahead, and so that uses nothing up.
        let ahead = single_use && asks_ahead(self.req);
        let opens = opens && !ahead && token.signed.session().is_none();
        let session = self.granting_as(&jar, &token.signed);
        if !opens {
            return session.map(|session| session.instead_of(&token));
        }
        if !single_use {
            return Ok(token);
        }
        match session.ok() {
            Some(session) if session.signed.same_token(&token.signed) => {
                Ok(session.instead_of(&token))
            }
            session => Ok(token.burning(session)),
        }
    }

    /// The sessions that the request brings.
    ///
    /// # Errors
    /// `credential_conflict`, `session_invalid`.
    pub(super) fn jar(&self) -> Result<Jar<'_>, Refusal> {
        self.site.carrier.sessions(self.req.headers, self.carried)
    }

    /// A session that grants exactly what something signed does.
    ///
    /// # Errors
    /// `session_invalid`, `session_expired`, `token_revoked`.
    pub(super) fn granting_as(&self, jar: &Jar<'_>, signed: &Signed) -> Result<Viewer, Denial> {
        let tag = GrantTag::of(&self.site.name, signed);
        self.find(
            jar.of(tag),
            |session| session.grants_as(signed),
            "the token came without the session that it opened",
        )
    }

    /// The session of a request without a token. `about` tells what it is about, as far as its head does.
    ///
    /// * What the page's address says holds: if that session is gone, none takes its place, as it would show the page of one viewer with the rows of
    ///   another.
    /// * Else the sessions that grant what the request is about, and of these the one that began last: what a browser with one cookie would have sent. Nobody
    ///   sees what was not granted to this browser.
    ///
    /// # Errors
    /// `session_invalid`, `session_expired`, `token_revoked`.
    pub(super) fn choose(
        &self,
        jar: &Jar<'_>,
        about: Option<&dyn Fn() -> Option<Resource>>,
    ) -> Result<Viewer, Denial> {
        // A page that carries its session has one.
        let named =
            (self.site.carrier == Carrier::Cookie).then(|| hint(&self.site.prefix, self.req));
        if let Some((tag, hint)) = named.flatten() {
            let named = |session: &Signed| session.session().is_some_and(|times| times.tag == tag);
            let missing = "the session that the page's address names is not there";
            return self
                .find(jar.of(tag), named, missing)
                .map(|viewer| viewer.by(hint));
        }
        let mut alive: SmallVec<[Viewer; 2]> = SmallVec::new();
        let mut why = None;
        for value in jar.values() {
            match self.open(value) {
                Ok(viewer) => alive.push(viewer),
                Err(denial) => note(&mut why, denial),
            }
        }
        let last = alive.pop();
        match last {
            Some(only) if alive.is_empty() => Ok(only),
            Some(last) => {
                alive.push(last);
                let about = about.and_then(|about| about());
                best(alive, about.as_ref()).ok_or_else(|| Refusal::SessionInvalid.into())
            }
            None => Err(why.unwrap_or_else(|| Refusal::SessionInvalid.into())),
        }
    }

    fn find(
        &self,
        values: SmallVec<[&str; 2]>,
        wanted: impl Fn(&Signed) -> bool,
        missing: &'static str,
    ) -> Result<Viewer, Denial> {
        let mut why = Some(Denial::because(Refusal::SessionInvalid, missing));
        for value in values {
            match self.open(value) {
                Ok(viewer) if wanted(&viewer.signed) => return Ok(viewer),
                Ok(_) => {}
                Err(denial) => note(&mut why, denial),
            }
        }
        Err(why.unwrap_or_else(|| Refusal::SessionInvalid.into()))
    }

    fn open(&self, value: &str) -> Result<Viewer, Denial> {
        let (site, req) = (self.site, self.req);
        let opened = self
            .sealer
            .open(value, &site.name, &site.issuers, req.now, self.cache)?;
        in_force(&opened.signed, self.revocations, req.now)?;
        if let Some(masks) = site.sharing.network {
            let sealed = opened.signed.session().and_then(|times| times.network);
            if sealed != Some(masks.network(req.client)) {
                return Err(Denial::because(
                    Refusal::SessionInvalid,
                    "the client is in another network than the one that the session began in",
                ));
            }
        }
        let via = Via::Session {
            ends: opened.ends,
            renew: opened.renew,
        };
        Ok(Viewer::new(opened.signed, via))
    }
}

/// Whether the answer is shown to nobody, now or perhaps ever: link checkers ask for a head, browsers and mail programs fetch what might be opened next
/// (Fetch section 3.1, `Sec-Purpose`; the others say the same under older names).
fn asks_ahead(req: &RequestView<'_>) -> bool {
    let says = |name: &&str| {
        let values = req.headers.get_all(*name).iter();
        let words =
            values.flat_map(|value| value.as_bytes().split(|byte| !byte.is_ascii_alphabetic()));
        let mut words = words.map(<[u8]>::to_ascii_lowercase);
        words.any(|word| matches!(&*word, b"prefetch" | b"prerender" | b"preview"))
    };
    *req.method == Method::HEAD || AHEAD.iter().any(says)
}

/// Whether a token can be told from any other, and from those that were issued before anybody remembered.
fn identified(signed: &Signed) -> Result<(), Denial> {
    let claims = signed.claims();
    let missing = match (&claims.token_id, claims.issued_at) {
        (None, _) => "the token has no `jti`, which a site with single_use needs",
        (Some(_), None) => "the token has no `iat`, which a site with single_use needs",
        (Some(_), Some(_)) => return Ok(()),
    };
    Err(Denial::because(Refusal::TokenInvalid, missing))
}

/// Of several: those that grant what is asked for, where any does; of these the one that began last.
fn best(alive: SmallVec<[Viewer; 2]>, about: Option<&Resource>) -> Option<Viewer> {
    let grants = |viewer: &Viewer| {
        about.is_some_and(|about| viewer.signed.claims().resources.contains(about))
    };
    let rank = |viewer: &Viewer| (grants(viewer), viewer.signed.session_began());
    let mut rest = alive.into_iter();
    let first = rest.next()?;
    Some(rest.fold(first, |best, other| {
        // Browsers send older cookies first (RFC 6265 section 5.4), which tells of those that began in the same second.
        if rank(&other) >= rank(&best) {
            other
        } else {
            best
        }
    }))
}

/// Keeps the reason that says most: that a session is revoked or over, else the one with words for the auditor.
fn note(why: &mut Option<Denial>, denial: Denial) {
    let weight = |denial: &Denial| {
        (
            denial.refusal == Refusal::TokenRevoked,
            denial.refusal == Refusal::SessionExpired,
            denial.detail.is_some(),
        )
    };
    if why
        .as_ref()
        .is_none_or(|known| weight(&denial) > weight(known))
    {
        *why = Some(denial);
    }
}

/// Header fields in which a client says what it asks for.
const AHEAD: &[&str] = &["sec-purpose", "purpose", "x-purpose", "x-moz"];

impl Viewer {
    /// The same by a session: what its token said of the address still holds.
    fn instead_of(mut self, token: &Self) -> Self {
        self.aside.in_query = token.token_in_query();
        self
    }

    fn burning(mut self, stand_in: Option<Self>) -> Self {
        let stand_in = stand_in.map(|session| Box::new(session.instead_of(&self)));
        self.aside.burn = true;
        self.aside.stand_in = stand_in;
        self
    }

    fn by(mut self, hint: Hint) -> Self {
        self.aside.hint = Some(hint);
        self
    }
}
