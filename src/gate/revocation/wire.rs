//! Revocations as JSON: what is asked for, what is answered, and the lines of the log. Read strictly: no name twice, no unknown one.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{Facets, NEVER, Revocation, RevocationId, Subject, Unclear};
use crate::gate::{
    id::SessionId,
    request::UnixTime,
    token::{claims, json},
};

/// A revocation that is asked for: `{viewer|tenant|jti|issuer|kid|session, reason, until?}`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Wanted {
    /// Whose access is to end.
    pub subject: Subject,
    /// Why.
    pub reason: Box<str>,
    /// Until when; `None`: as long as it takes.
    pub until: Option<UnixTime>,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Entry {
    /// A revocation was made.
    Made(Revocation),
    /// One was taken back.
    Removed(RevocationId),
}

/// Why JSON is no revocation.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unreadable {
    /// No id.
    #[error("`{0}` is not 32 hexadecimal digits")]
    Id(&'static str),
    /// No object, or one with a name twice.
    #[error("not one JSON object without repeated names")]
    Json,
    /// An unknown member.
    #[error(
        "`{0}` is unknown; known here: `viewer`, `tenant`, `jti`, `issuer`, `kid`, `session`, `reason`, `until`"
    )]
    Member(String),
    /// An end in the past.
    #[error("`until` is over already")]
    Over,
    /// No reason.
    #[error("`reason` is required: 1 to 256 characters, none of them a control character")]
    Reason,
    /// No subject.
    #[error(transparent)]
    Subject(#[from] Unclear),
    /// No text.
    #[error("`{0}` must be text")]
    Text(&'static str),
    /// No time.
    #[error(
        "`{0}` must be a time with its offset (\"2026-01-31T12:00:00Z\") or seconds since 1970, before the year 10000"
    )]
    Time(&'static str),
}

impl Wanted {
    /// Reads the body of a request.
    ///
    /// # Errors
    /// Anything that could mean less, or something else, than it seems to.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        Self::of(&json::object(body).ok_or(Unreadable::Json)?)
    }

    /// As long as nothing is said: everything that was signed or sealed before is dead after `longest` seconds. An issuer or a key stays revoked,
    /// since whoever stole it goes on signing.
    ///
    /// # Errors
    /// It would be over already.
    pub fn made(
        self,
        id: RevocationId,
        now: UnixTime,
        longest: i64,
    ) -> Result<Revocation, Unreadable> {
        let until = self.until.unwrap_or_else(|| {
            if self.subject.signs() {
                NEVER
            } else {
                now.plus(longest).min(NEVER)
            }
        });
        if until <= now {
            return Err(Unreadable::Over);
        }
        Ok(Revocation {
            id,
            subject: self.subject,
            reason: self.reason,
            made: now,
            until,
        })
    }

    fn of(members: &Map<String, Value>) -> Result<Self, Unreadable> {
        if let Some(name) = members.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(Unreadable::Member(name.chars().take(64).collect()));
        }
        let session = text(members, "session")?.map(|text| SessionId::parse(text).ok_or(()));
        let session = session
            .transpose()
            .map_err(|()| Unreadable::Id("session"))?;
        let subject = Subject::new(Facets {
            issuer: text(members, "issuer")?,
            jti: text(members, "jti")?,
            kid: text(members, "kid")?,
            session,
            tenant: text(members, "tenant")?,
            viewer: text(members, "viewer")?,
        })?;
        let reason = text(members, "reason")?.filter(|reason| claims::is_word(reason));
        Ok(Self {
            subject,
            reason: reason.ok_or(Unreadable::Reason)?.into(),
            until: members
                .get("until")
                .map(|value| time(value).ok_or(Unreadable::Time("until")))
                .transpose()?,
        })
    }
}

impl Entry {
    /// Reads a line of the log, without its line break.
    ///
    /// # Errors
    /// It is not a line that [`Self::write`] made.
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        let mut members = json::object(line).ok_or(Unreadable::Json)?;
        if let Some(removed) = members.remove("removed") {
            return match members.keys().next() {
                None => Ok(Self::Removed(id(&removed, "removed")?)),
                Some(name) => Err(Unreadable::Member(name.clone())),
            };
        }
        let mut take = |name| members.remove(name).unwrap_or(Value::Null);
        let (name, made) = (take("id"), take("made"));
        let id = id(&name, "id")?;
        let made = time(&made).ok_or(Unreadable::Time("made"))?;
        let wanted = Wanted::of(&members)?;
        Ok(Self::Made(Revocation {
            id,
            subject: wanted.subject,
            reason: wanted.reason,
            made,
            until: wanted.until.ok_or(Unreadable::Time("until"))?,
        }))
    }

    /// The line, with its line break.
    pub fn write(&self) -> String {
        let mut members;
        match self {
            Self::Made(revocation) => {
                members = revocation.members();
                members.insert("made".into(), revocation.made.0.into());
                members.insert("until".into(), revocation.until.0.into());
            }
            Self::Removed(id) => {
                members = Map::new();
                members.insert("removed".into(), id.to_string().into());
            }
        }
        let mut line = Value::Object(members).to_string();
        line.push('\n');
        line
    }
}

impl Revocation {
    /// As it is shown: times as RFC 3339 writes them.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut members = self.members();
        members.insert("made".into(), date(self.made).into());
        members.insert("until".into(), date(self.until).into());
        members
    }

    fn members(&self) -> Map<String, Value> {
        let Facets {
            issuer,
            jti,
            kid,
            session,
            tenant,
            viewer,
        } = self.subject.facets();
        let mut members = Map::new();
        members.insert("id".into(), self.id.to_string().into());
        for (name, value) in [
            ("viewer", viewer),
            ("tenant", tenant),
            ("jti", jti),
            ("kid", kid),
            ("issuer", issuer),
        ] {
            if let Some(value) = value {
                members.insert(name.into(), value.into());
            }
        }
        if let Some(session) = session {
            members.insert("session".into(), session.to_string().into());
        }
        members.insert("reason".into(), (*self.reason).into());
        members
    }
}

/// Text where there is any; `null` is not "absent" but wrong.
fn text<'m>(
    members: &'m Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'m str>, Unreadable> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Unreadable::Text(name)),
    }
}

fn id(value: &Value, name: &'static str) -> Result<RevocationId, Unreadable> {
    let id = value.as_str().and_then(RevocationId::parse);
    id.ok_or(Unreadable::Id(name))
}

/// RFC 3339 or `NumericDate`, rounded up: it denies rather too long than too short.
fn time(value: &Value) -> Option<UnixTime> {
    let seconds = match value {
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole,
            #[expect(
                clippy::as_conversions,
                clippy::cast_possible_truncation,
                reason = "the guard holds it far below 2^53"
            )]
            (None, Some(fraction)) if (0.0..253_402_300_800.0).contains(&fraction) => {
                fraction.ceil() as i64
            }
            _ => return None,
        },
        // Nothing that RFC 3339 lacks: no name of a zone in brackets.
        Value::String(text) if text.len() <= 40 && !text.contains('[') => {
            let time: Timestamp = text.parse().ok()?;
            let fraction = i64::from(time.subsec_nanosecond() > 0);
            time.as_second().saturating_add(fraction)
        }
        Value::Array(_) | Value::Bool(_) | Value::Null | Value::Object(_) | Value::String(_) => {
            return None;
        }
    };
    (0..=NEVER.0)
        .contains(&seconds)
        .then_some(UnixTime(seconds))
}

fn date(time: UnixTime) -> String {
    Timestamp::from_second(time.0).map_or_else(|_| time.0.to_string(), |time| time.to_string())
}

const KNOWN: &[&str] = &[
    "viewer", "tenant", "jti", "issuer", "kid", "session", "reason", "until",
];

#[cfg(test)]
mod tests;
