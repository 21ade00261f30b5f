//! The session cookies of one request. Several embeds of one page, of different dashboards, tenants or sites of one host, have one each.
//!
//! The first is `__Host-embedgate`, every further one `__Host-embedgate-<tag>`, by its [`GrantTag`]. As two frames that load at the same time know nothing of
//! each other, a browser gets the first one under both names: if the other's answer takes the plain name from it, it goes on by its own.

use http::{HeaderMap, header::COOKIE};
use smallvec::SmallVec;

use super::GrantTag;
use crate::gate::{credential::SESSION_COOKIE, refusal::Refusal};

/// The session cookies of a request, in order of appearance. No `Debug`: they are secrets.
#[derive(Default)]
pub struct Jar<'a> {
    held: SmallVec<[Held<'a>; 2]>,
}

/// One of them.
#[derive(Clone, Copy)]
struct Held<'a> {
    /// What its name says; `None` under the plain name.
    tag: Option<GrantTag>,
    value: &'a str,
}

/// What a cookie of a request holds, for the site that asks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Holding {
    /// A session of this site, alive: what it grants, and when it began.
    Alive(GrantTag, i64),
    /// A session of this site that is over.
    Over,
    /// Perhaps a session, of another site of this host.
    Other,
    /// Nothing that any gateway with these secrets sealed.
    Nothing,
}

/// Under which names a session's cookie is set, and which cookies of the request go.
#[derive(Debug, Default, Eq, PartialEq)]
pub struct Placing {
    /// Set to the session.
    pub set: SmallVec<[String; 2]>,
    /// Expired.
    pub gone: Vec<String>,
}

impl<'a> Jar<'a> {
    /// Reads the `Cookie` fields (RFC 6265 section 5.4; HTTP/2 may split them).
    ///
    /// # Errors
    /// `credential_conflict`: two different values under one name; `session_invalid`: a value that is not visible ASCII.
    pub fn read(headers: &'a HeaderMap) -> Result<Self, Refusal> {
        let mut jar = Self::default();
        for line in headers.get_all(COOKIE) {
            for cookie in line.as_bytes().split(|byte| *byte == b';') {
                if let Some((tag, value)) = ours(cookie.trim_ascii()) {
                    jar.take(tag, value)?;
                }
            }
        }
        Ok(jar)
    }

    /// Of the one session that a page holds, as often as the request says it.
    ///
    /// # Errors
    /// `credential_conflict`: two different ones; `session_invalid`: one that is not visible ASCII.
    pub(super) fn of_page(values: impl Iterator<Item = &'a [u8]>) -> Result<Self, Refusal> {
        let mut jar = Self::default();
        for value in values {
            jar.take(None, value)?;
        }
        Ok(jar)
    }

    fn take(&mut self, tag: Option<GrantTag>, value: &'a [u8]) -> Result<(), Refusal> {
        if value.is_empty() {
            return Ok(());
        }
        if !value.iter().all(u8::is_ascii_graphic) {
            return Err(Refusal::SessionInvalid);
        }
        let value = str::from_utf8(value).map_err(|_| Refusal::SessionInvalid)?;
        match self.held.iter().find(|held| held.tag == tag) {
            Some(known) if known.value == value => Ok(()),
            Some(_) => Err(Refusal::CredentialConflict),
            // A browser keeps more only if somebody filled it up.
            None if self.held.len() == MOST_READ => Ok(()),
            None => {
                self.held.push(Held { tag, value });
                Ok(())
            }
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Where the session of a tag may be: under its own name, else under the plain one.
    pub fn of(&self, tag: GrantTag) -> SmallVec<[&'a str; 2]> {
        let named = |tag| self.held.iter().find(move |held| held.tag == tag);
        let places = [named(Some(tag)), named(None)];
        let found = places.into_iter().flatten();
        found.map(|held| held.value).collect()
    }

    /// All values, each once, as far as they are looked at when nothing says which is meant.
    pub fn values(&self) -> impl Iterator<Item = &'a str> {
        let seen = |at: usize, held: &Held<'_>| {
            self.held
                .iter()
                .take(at)
                .any(|other| other.value == held.value)
        };
        let once = self.held.iter().enumerate();
        once.filter(move |(at, held)| !seen(*at, held))
            .map(|(_, held)| held.value)
            .take(MOST_TRIED)
    }

    /// Where a session that begins goes: under the plain name, unless another session has it; under both where others may begin at the same moment (`frames`).
    /// `length` is that of its value, `holding` judges a cookie of the request.
    pub fn begin(
        &self,
        tag: GrantTag,
        length: usize,
        frames: bool,
        holding: impl Fn(&str) -> Holding,
    ) -> Placing {
        let judged = self.judged(holding);
        let named = self.held.iter().any(|held| held.tag == Some(tag));
        let plain = judged.iter().find(|one| one.held.tag.is_none());
        let set = match plain.map(|one| one.holding) {
            Some(Holding::Alive(other, _)) if other != tag => {
                SmallVec::from_iter([name(Some(tag))])
            }
            Some(Holding::Other) => SmallVec::from_iter([name(Some(tag))]),
            Some(Holding::Alive(..)) if !named => SmallVec::from_iter([name(None)]),
            _ if !(named || frames) => SmallVec::from_iter([name(None)]),
            Some(_) | None => SmallVec::from_iter([name(None), name(Some(tag))]),
        };
        let gone = surplus(judged, &set, length);
        Placing { set, gone }
    }

    /// Where a session goes that is sealed afresh: where it is. Its second name is not needed any more.
    pub fn renew(
        &self,
        tag: GrantTag,
        length: usize,
        holding: impl Fn(&str) -> Holding,
    ) -> Placing {
        let mut judged = self.judged(holding);
        let plain = judged.iter().any(|one| {
            one.held.tag.is_none() && matches!(one.holding, Holding::Alive(own, _) if own == tag)
        });
        if !plain {
            let set = SmallVec::from_iter([name(Some(tag))]);
            let gone = surplus(judged, &set, length);
            return Placing { set, gone };
        }
        for twin in judged.iter_mut().filter(|one| one.held.tag == Some(tag)) {
            twin.holding = Holding::Over;
        }
        let set = SmallVec::from_iter([name(None)]);
        let gone = surplus(judged, &set, length);
        Placing { set, gone }
    }

    fn judged(&self, holding: impl Fn(&str) -> Holding) -> Vec<Judged<'a>> {
        let judge = |held: &Held<'a>| Judged {
            held: *held,
            holding: holding(held.value),
        };
        self.held.iter().map(judge).collect()
    }
}

/// Whether a cookie's name is one of ours: the upstream never learns of it, nor sets it.
pub fn is_session_cookie(name: &[u8]) -> bool {
    let own = SESSION_COOKIE.as_bytes();
    let Some((start, rest)) = name.split_at_checked(own.len()) else {
        return false;
    };
    start.eq_ignore_ascii_case(own) && matches!(rest.first(), None | Some(b'-'))
}

struct Judged<'a> {
    held: Held<'a>,
    holding: Holding,
}

/// What goes: sessions that are over, and so many others that a browser's `Cookie` field stays within bounds. What cannot be a session of anybody's goes first, then
/// what may be another site's, then the oldest of our own.
fn surplus(mut judged: Vec<Judged<'_>>, set: &[String], length: usize) -> Vec<String> {
    judged.retain(|one| !set.contains(&name(one.held.tag)));
    judged.sort_by_key(|one| match one.holding {
        Holding::Over => (0, 0),
        Holding::Nothing => (1, 0),
        Holding::Other => (2, 0),
        Holding::Alive(_, began) => (3, began),
    });
    let size = |length: usize| length.saturating_add(SESSION_COOKIE.len().saturating_add(12));
    let mut count = judged.len().saturating_add(set.len());
    let kept = judged.iter().map(|one| size(one.held.value.len()));
    let mut bytes = kept
        .sum::<usize>()
        .saturating_add(size(length).saturating_mul(set.len()));
    let mut gone = Vec::new();
    for one in judged {
        if one.holding != Holding::Over && count <= MOST_KEPT && bytes <= MOST_BYTES {
            break;
        }
        count = count.saturating_sub(1);
        bytes = bytes.saturating_sub(size(one.held.value.len()));
        gone.push(name(one.held.tag));
    }
    gone
}

fn name(tag: Option<GrantTag>) -> String {
    tag.map_or_else(
        || SESSION_COOKIE.to_owned(),
        |tag| format!("{SESSION_COOKIE}-{tag}"),
    )
}

/// Tag and value of a cookie that is exactly named as one of ours.
fn ours(cookie: &[u8]) -> Option<(Option<GrantTag>, &[u8])> {
    let rest = cookie.strip_prefix(SESSION_COOKIE.as_bytes())?;
    if let Some(value) = rest.strip_prefix(b"=") {
        return Some((None, value));
    }
    let (tag, value) = rest.strip_prefix(b"-")?.split_at_checked(8)?;
    let tag = GrantTag::parse(str::from_utf8(tag).ok()?)?;
    Some((Some(tag), value.strip_prefix(b"=")?))
}

/// Session cookies that are read at all.
const MOST_READ: usize = 32;

/// Session cookies that are opened where nothing says which one is meant.
const MOST_TRIED: usize = 8;

/// Session cookies that a browser is left with.
const MOST_KEPT: usize = 16;

/// Bytes of session cookies that a browser is left with: well below the default bound of a request head, 32 KiB.
const MOST_BYTES: usize = 12 * 1024;

#[cfg(test)]
mod tests;
