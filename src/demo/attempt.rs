//! The "try to tamper" panel: what a curious viewer, a thief of links or a foreign page would send.

use http::Method;
use serde_json::{Value, json};

/// One thing to try.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// Its name in addresses.
    pub id: &'static str,
    /// What is tried.
    pub title: &'static str,
    /// Why somebody would.
    pub story: &'static str,
    /// The refusal code that must answer; `ok` where the answer is a good one.
    pub expect: &'static str,
    /// Whether the refusal can also be looked at in the dashboard's frame.
    pub framed: bool,
    craft: fn(&Target<'_>) -> Shot,
}

/// Who tries, against whom.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The tenant that the viewer belongs to.
    pub tenant: u32,
    /// The tenant whose figures the viewer would like to see.
    pub other: u32,
    /// The foreign page's address.
    pub foreign: &'a str,
}

/// Which token goes along.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Bearer {
    /// One whose payload names another tenant, under the old signature.
    Edited,
    /// One that ended a quarter of an hour ago.
    Expired,
    /// One of a viewer who exists for this attempt only, so that the others keep their quota.
    Fresh,
    /// None.
    None,
    /// What the host page signed.
    Valid,
}

/// A request to send, as often as it says or until it is refused.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub target: String,
    /// Token.
    pub bearer: Bearer,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON body.
    pub body: Option<Value>,
    /// How often.
    pub times: u32,
}

impl Attempt {
    /// The attempt of a name.
    pub fn find(id: &str) -> Option<&'static Self> {
        ATTEMPTS.iter().find(|attempt| attempt.id == id)
    }

    /// The request.
    pub fn shot(&self, target: &Target<'_>) -> Shot {
        (self.craft)(target)
    }

    /// What the page shows before it is tried.
    pub fn card(&self) -> Value {
        json!({"id": self.id, "title": self.title, "story": self.story, "expect": self.expect, "framed": self.framed})
    }
}

impl Shot {
    fn get(target: impl Into<String>, bearer: Bearer) -> Self {
        Self {
            method: Method::GET,
            target: target.into(),
            bearer,
            headers: vec![],
            body: None,
            times: 1,
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// As a browser would load it into a frame of that page.
    fn framed_by(self, page: &str) -> Self {
        self.header("Sec-Fetch-Dest", "iframe")
            .header("Sec-Fetch-Mode", "navigate")
            .header("Sec-Fetch-Site", "cross-site")
            .header("Referer", format!("{page}/"))
    }
}

/// All of them, in the order of the page.
pub const ATTEMPTS: &[Attempt] = &[
    Attempt {
        id: "honest",
        title: "An honest request",
        story: "For comparison: the viewer's own figures, narrowed by a filter that viewers may set.",
        expect: "ok",
        framed: false,
        craft: |_| Shot::get("/api/accounts?region=Europe", Bearer::Valid),
    },
    Attempt {
        id: "filter",
        title: "Change the filter in the address",
        story: "The BI server would believe it.",
        expect: "param_locked",
        framed: true,
        craft: |target| {
            Shot::get(
                format!("/dashboard/overview?tenant_id={}", target.other),
                Bearer::Valid,
            )
        },
    },
    Attempt {
        id: "disguise",
        title: "Disguise the filter's name",
        story: "Encoded, in capitals, with brackets: some servers fold these into the same name.",
        expect: "param_locked",
        framed: false,
        craft: |target| {
            Shot::get(
                format!("/api/accounts?TENANT%5FID[]={}", target.other),
                Bearer::Valid,
            )
        },
    },
    Attempt {
        id: "body",
        title: "Hide another tenant in a POST body",
        story: "The same filter, where a careless gateway does not look.",
        expect: "param_locked",
        framed: false,
        craft: |target| Shot {
            method: Method::POST,
            body: Some(json!({"tenant_id": target.other, "region": "Europe"})),
            ..Shot::get("/api/query", Bearer::Valid)
        },
    },
    Attempt {
        id: "edited",
        title: "Edit the token",
        story: "The payload now says the other tenant; the signature is the old one.",
        expect: "token_invalid",
        framed: true,
        craft: |_| Shot::get("/dashboard/overview", Bearer::Edited),
    },
    Attempt {
        id: "expired",
        title: "Reuse an old link",
        story: "Properly signed, but its time is over.",
        expect: "token_expired",
        framed: true,
        craft: |_| Shot::get("/dashboard/overview", Bearer::Expired),
    },
    Attempt {
        id: "none",
        title: "Come without a token",
        story: "Only the address, as found in a bookmark.",
        expect: "token_missing",
        framed: false,
        craft: |_| Shot::get("/api/accounts", Bearer::None),
    },
    Attempt {
        id: "payroll",
        title: "Open another dashboard",
        story: "It exists, and the token does not grant it.",
        expect: "resource_denied",
        framed: true,
        craft: |_| Shot::get("/dashboard/payroll", Bearer::Valid),
    },
    Attempt {
        id: "download",
        title: "Download everything as CSV",
        story: "The route is there; the token lacks the scope.",
        expect: "scope_denied",
        framed: false,
        craft: |_| Shot::get("/api/accounts.csv", Bearer::Valid),
    },
    Attempt {
        id: "admin",
        title: "Ask for the admin page",
        story: "The BI server has one. It is not on the surface, so it does not exist.",
        expect: "route_denied",
        framed: true,
        craft: |_| Shot::get("/admin", Bearer::Valid),
    },
    Attempt {
        id: "path",
        title: "Sneak past with an odd path",
        story: "Read here as one page, read by the BI server as another.",
        expect: "path_ambiguous",
        framed: false,
        craft: |_| Shot::get("/assets/..%2Fadmin", Bearer::Valid),
    },
    Attempt {
        id: "foreign",
        title: "Frame it on a foreign page",
        story: "A valid link, embedded where nobody allowed it.",
        expect: "origin_denied",
        framed: false,
        craft: |target| Shot::get("/dashboard/overview", Bearer::Valid).framed_by(target.foreign),
    },
    Attempt {
        id: "window",
        title: "Open it in a window of its own",
        story: "Outside of any frame there is no host page to answer for it.",
        expect: "top_level_denied",
        framed: false,
        craft: |_| {
            Shot::get("/dashboard/overview", Bearer::Valid)
                .header("Sec-Fetch-Dest", "document")
                .header("Sec-Fetch-Mode", "navigate")
                .header("Sec-Fetch-Site", "none")
        },
    },
    Attempt {
        id: "flood",
        title: "Go too fast",
        story: "A script that reloads as quickly as it can. A hundred a minute are allowed.",
        expect: "rate_limited",
        framed: false,
        craft: |_| Shot {
            times: 130,
            ..Shot::get("/api/accounts", Bearer::Fresh)
        },
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::refusal::Refusal;

    #[test]
    fn every_attempt_expects_a_code_of_the_closed_list() {
        for attempt in ATTEMPTS.iter().filter(|attempt| attempt.expect != "ok") {
            assert!(
                Refusal::ALL
                    .iter()
                    .any(|refusal| refusal.code() == attempt.expect),
                "{}",
                attempt.id
            );
        }
    }

    #[test]
    fn names_are_distinct_and_frames_are_pages() {
        let target = Target {
            tenant: 999,
            other: 777,
            foreign: "http://foreign",
        };
        for attempt in ATTEMPTS {
            let namesakes = ATTEMPTS.iter().filter(|other| other.id == attempt.id);
            assert_eq!(namesakes.count(), 1, "{}", attempt.id);
            let shot = attempt.shot(&target);
            assert!(
                !attempt.framed
                    || (shot.method == Method::GET && !shot.target.starts_with("/api/")),
                "{}",
                attempt.id
            );
        }
    }
}
