//! Whose access ends: a viewer, a tenant, a token, an issuer, a key or a session, and how a grant is compared with that.

use std::hash::{BuildHasher, Hash, Hasher};

use crate::gate::{
    id::SessionId,
    token::{Signed, claims},
};

/// Whose access ends. Names are compared exactly, as the token spells them; issuers by their name in the configuration.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Subject {
    /// Everything by the word of an issuer.
    Issuer(Box<str>),
    /// One token (`jti`), and every session that it opened.
    Jti {
        /// `jti`.
        jti: Box<str>,
        /// Of this issuer only.
        issuer: Option<Box<str>>,
    },
    /// Every token that one key signed, and every session that they opened.
    Kid {
        /// The key's `kid` in the configuration.
        kid: Box<str>,
        /// Of this issuer only.
        issuer: Option<Box<str>>,
    },
    /// One session, however often it is renewed, and the tickets made of it.
    Session(SessionId),
    /// Every viewer of a tenant.
    Tenant {
        /// `tenant`.
        tenant: Box<str>,
        /// Of this issuer only.
        issuer: Option<Box<str>>,
    },
    /// One viewer.
    Viewer {
        /// `sub`.
        viewer: Box<str>,
        /// Of this issuer only.
        issuer: Option<Box<str>>,
        /// Of this tenant only.
        tenant: Option<Box<str>>,
    },
}

/// Why facets are no subject.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unclear {
    /// Two things that are not one.
    #[error(
        "more than one subject: a viewer may be narrowed by `tenant` and `issuer`, a tenant, jti or kid by `issuer`, nothing else goes together"
    )]
    Several,
    /// Nothing.
    #[error("no subject: one of `viewer`, `tenant`, `jti`, `issuer`, `kid`, `session` is wanted")]
    Nothing,
    /// A name that no token can hold.
    #[error("`{0}` is blank, longer than 256 characters, or holds a control character")]
    Name(&'static str),
}

/// What a grant can be told by, each part or none of it: all that a token says, or what a subject asks for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Facets<'a> {
    /// The issuer's name in the configuration.
    pub issuer: Option<&'a str>,
    /// `jti`.
    pub jti: Option<&'a str>,
    /// The `kid` of the key that verified the token.
    pub kid: Option<&'a str>,
    /// The session.
    pub session: Option<SessionId>,
    /// `tenant`.
    pub tenant: Option<&'a str>,
    /// `sub`.
    pub viewer: Option<&'a str>,
}

/// Which facets are named: one bit each. Subjects of one shape are found by one look-up.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Shape(u8);

impl Subject {
    /// The subject that these facets name.
    ///
    /// # Errors
    /// Nothing is named, or what cannot be one subject, or a name that no token can hold (it would deny nobody).
    pub fn new(facets: Facets<'_>) -> Result<Self, Unclear> {
        let Facets {
            issuer,
            jti,
            kid,
            session,
            tenant,
            viewer,
        } = facets;
        for (name, text) in [
            ("issuer", issuer),
            ("jti", jti),
            ("kid", kid),
            ("tenant", tenant),
            ("viewer", viewer),
        ] {
            if text.is_some_and(|text| !claims::is_word(text)) {
                return Err(Unclear::Name(name));
            }
        }
        let own = |text: Option<&str>| text.map(Box::from);
        match (session, jti, kid, viewer, tenant) {
            (Some(session), None, None, None, None) if issuer.is_none() => {
                Ok(Self::Session(session))
            }
            (None, Some(jti), None, None, None) => Ok(Self::Jti {
                jti: jti.into(),
                issuer: own(issuer),
            }),
            (None, None, Some(kid), None, None) => Ok(Self::Kid {
                kid: kid.into(),
                issuer: own(issuer),
            }),
            (None, None, None, Some(viewer), _) => Ok(Self::Viewer {
                viewer: viewer.into(),
                issuer: own(issuer),
                tenant: own(tenant),
            }),
            (None, None, None, None, Some(tenant)) => Ok(Self::Tenant {
                tenant: tenant.into(),
                issuer: own(issuer),
            }),
            (None, None, None, None, None) => {
                let issuer = issuer.ok_or(Unclear::Nothing)?;
                Ok(Self::Issuer(issuer.into()))
            }
            _ => Err(Unclear::Several),
        }
    }

    /// The facets that it names.
    pub fn facets(&self) -> Facets<'_> {
        let none = Facets::default();
        match self {
            Self::Issuer(issuer) => Facets {
                issuer: Some(issuer),
                ..none
            },
            Self::Jti { jti, issuer } => Facets {
                jti: Some(jti),
                issuer: issuer.as_deref(),
                ..none
            },
            Self::Kid { kid, issuer } => Facets {
                kid: Some(kid),
                issuer: issuer.as_deref(),
                ..none
            },
            Self::Session(session) => Facets {
                session: Some(*session),
                ..none
            },
            Self::Tenant { tenant, issuer } => Facets {
                tenant: Some(tenant),
                issuer: issuer.as_deref(),
                ..none
            },
            Self::Viewer {
                viewer,
                issuer,
                tenant,
            } => Facets {
                viewer: Some(viewer),
                issuer: issuer.as_deref(),
                tenant: tenant.as_deref(),
                ..none
            },
        }
    }

    /// What kind of subject it is: the name of its first member.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Issuer(_) => "issuer",
            Self::Jti { .. } => "jti",
            Self::Kid { .. } => "kid",
            Self::Session(_) => "session",
            Self::Tenant { .. } => "tenant",
            Self::Viewer { .. } => "viewer",
        }
    }

    /// Whether it signs or vouches, so that whoever stole it makes new tokens: then nothing ends by itself.
    pub(super) fn signs(&self) -> bool {
        matches!(self, Self::Issuer(_) | Self::Kid { .. })
    }
}

impl<'a> Facets<'a> {
    /// All that a grant can be told by.
    pub fn of(signed: &'a Signed) -> Self {
        let claims = signed.claims();
        Self {
            issuer: Some(&signed.issuer().name),
            jti: claims.token_id.as_deref(),
            kid: signed.kid(),
            session: signed.session_id(),
            tenant: claims.tenant.as_deref(),
            viewer: Some(&claims.viewer),
        }
    }

    pub(super) fn shape(&self) -> Shape {
        let Self {
            issuer,
            jti,
            kid,
            session,
            tenant,
            viewer,
        } = self;
        let named = [
            (ISSUER, issuer.is_some()),
            (JTI, jti.is_some()),
            (KID, kid.is_some()),
            (SESSION, session.is_some()),
            (TENANT, tenant.is_some()),
            (VIEWER, viewer.is_some()),
        ];
        let bits = named.iter().filter(|(_, named)| *named);
        Shape(bits.fold(0, |all, (bit, _)| all | bit))
    }

    /// Only what a shape names; `None` where one of that is not there.
    pub(super) fn cut(&self, shape: Shape) -> Option<Self> {
        let cut = Self {
            issuer: self.issuer.filter(|_| shape.names(ISSUER)),
            jti: self.jti.filter(|_| shape.names(JTI)),
            kid: self.kid.filter(|_| shape.names(KID)),
            session: self.session.filter(|_| shape.names(SESSION)),
            tenant: self.tenant.filter(|_| shape.names(TENANT)),
            viewer: self.viewer.filter(|_| shape.names(VIEWER)),
        };
        (cut.shape() == shape).then_some(cut)
    }

    /// A hash of the shape and of what is named, in a fixed order.
    pub(super) fn hash(&self, state: &impl BuildHasher) -> u64 {
        let mut hasher = state.build_hasher();
        hasher.write_u8(self.shape().0);
        let names = [self.issuer, self.jti, self.kid, self.tenant, self.viewer];
        for name in names.into_iter().flatten() {
            name.hash(&mut hasher);
        }
        if let Some(session) = self.session {
            session.hash(&mut hasher);
        }
        hasher.finish()
    }
}

impl Shape {
    /// Its number, below 64.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its bit in a set of shapes.
    pub(super) fn bit(self) -> u64 {
        1_u64.checked_shl(self.0.into()).unwrap_or(0)
    }

    /// The shapes of a set.
    pub(super) fn all(set: u64) -> impl Iterator<Item = Self> {
        let mut rest = set;
        std::iter::from_fn(move || {
            if rest == 0 {
                return None;
            }
            let lowest = u8::try_from(rest.trailing_zeros()).ok()?;
            rest &= rest.wrapping_sub(1);
            Some(Self(lowest))
        })
    }

    fn names(self, bit: u8) -> bool {
        self.0 & bit != 0
    }
}

const ISSUER: u8 = 1;
const JTI: u8 = 2;
const KID: u8 = 4;
const SESSION: u8 = 8;
const TENANT: u8 = 16;
const VIEWER: u8 = 32;

/// How many shapes there can be.
pub(super) const SHAPES: usize = 64;
