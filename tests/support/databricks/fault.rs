//! What goes wrong, when a test says so.

use std::time::Duration;

use serde_json::Value as Json;

use super::{
    super::wire::{Answer, Lost},
    Step, Workspace,
};

/// One way to go wrong.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    /// The answer, if it is JSON, changed.
    Edited(fn(&mut Json)),
    /// 200 without a body.
    Empty,
    /// 200, called JSON, and none.
    Garbage,
    /// No answer within an hour.
    Hang,
    /// 200 and JSON that does not end within so many bytes.
    Huge(u64),
    /// The step is done, and the connection closed without an answer.
    Lost,
    /// A status, with `Retry-After`.
    Later(u16, String),
    /// 200 and a page to log in, as gateways and captive portals send it.
    Login,
    /// 302 to an address.
    Moved(String),
    /// The right answer, after a while.
    Slow(Duration),
    /// A status.
    Status(u16),
    /// Half of the right answer, and the end of the connection.
    Truncated,
    /// The right answer, called something else.
    Typed(String),
}

impl Fault {
    /// Those that no client may take for an answer, but for the slow ones.
    pub(crate) fn every() -> Vec<Self> {
        vec![
            Self::Empty,
            Self::Garbage,
            Self::Huge(64 * 1024 * 1024),
            Self::Lost,
            Self::Later(429, "1".into()),
            Self::Later(503, "1".into()),
            Self::Login,
            Self::Moved("/login".into()),
            Self::Status(429),
            Self::Status(500),
            Self::Status(502),
            Self::Status(503),
            Self::Truncated,
            Self::Typed("text/html".into()),
        ]
    }

    /// Reads one: `503`, `429:2` (with `Retry-After: 2`), `slow:500` (milliseconds), `huge:BYTES`, `moved:URL`, `typed:TYPE`, or a name alone.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        Some(match name {
            "empty" => Self::Empty,
            "garbage" => Self::Garbage,
            "hang" => Self::Hang,
            "huge" => Self::Huge(value.parse().ok()?),
            "lost" => Self::Lost,
            "login" => Self::Login,
            "moved" => Self::Moved(value.into()),
            "slow" => Self::Slow(Duration::from_millis(value.parse().ok()?)),
            "truncated" => Self::Truncated,
            "typed" => Self::Typed(value.into()),
            status if value.is_empty() => Self::Status(status.parse().ok()?),
            status => Self::Later(status.parse().ok()?, value.into()),
        })
    }

    /// What is answered without the step being done, where that is so.
    pub(super) fn instead(&self) -> Option<Answer> {
        Some(match self {
            Self::Empty => Answer::of("application/json", vec![]),
            Self::Garbage => Answer::of(
                "application/json",
                b"{\"access_token\":\"eyJ0eXAi\",\"scope\":}".to_vec(),
            ),
            Self::Hang => {
                let mut answer = failed(504);
                answer.delay = Duration::from_hours(1);
                answer
            }
            Self::Huge(bytes) => {
                Answer::of("application/json", b"{\"access_token\":\"".to_vec()).followed_by(*bytes)
            }
            Self::Later(status, when) => failed(*status).with("Retry-After", when),
            Self::Login => login(),
            Self::Moved(place) => Answer::text(302, "").with("Location", place),
            Self::Status(status) => failed(*status),
            Self::Edited(_) | Self::Lost | Self::Slow(_) | Self::Truncated | Self::Typed(_) => {
                return None;
            }
        })
    }

    /// What becomes of the answer.
    pub(super) fn spoil(&self, answer: &mut Answer) {
        match self {
            Self::Edited(change) => {
                if let Ok(mut body) = serde_json::from_slice(&answer.body) {
                    change(&mut body);
                    answer.body = body.to_string().into_bytes();
                }
            }
            Self::Lost => answer.lost = Some(Lost::All),
            Self::Slow(delay) => answer.delay = *delay,
            Self::Truncated => answer.lost = Some(Lost::Half),
            Self::Typed(kind) => {
                answer
                    .headers
                    .retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
                answer.headers.push(("Content-Type".into(), kind.clone()));
            }
            Self::Empty
            | Self::Garbage
            | Self::Hang
            | Self::Huge(_)
            | Self::Later(..)
            | Self::Login
            | Self::Moved(_)
            | Self::Status(_) => {}
        }
    }
}

/// The next fault of a step, which is used up by it.
pub(super) fn next(workspace: &mut Workspace, step: Step) -> Option<Fault> {
    workspace.faults.retain(|(_, _, left)| *left > 0);
    let mut all = workspace.faults.iter_mut();
    let (_, fault, left) = all.find(|(one, ..)| *one == step)?;
    *left -= 1;
    Some(fault.clone())
}

/// A page to log in.
pub(super) fn login() -> Answer {
    Answer::of(
        "text/html; charset=utf-8",
        b"<!doctype html><title>Sign in</title><form method=post action=/login><input name=user></form>".to_vec(),
    )
}

fn failed(status: u16) -> Answer {
    let code = match status {
        429 => "REQUEST_LIMIT_EXCEEDED",
        503 => "TEMPORARILY_UNAVAILABLE",
        _ => "INTERNAL_ERROR",
    };
    super::api::failed(status, code, "Something is wrong at the workspace.")
}
