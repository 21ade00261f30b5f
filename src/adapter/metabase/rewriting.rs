//! What becomes of Metabase's replies: layouts pruned to what the viewer may know, pages with nothing of the inner host in them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    layout::Layout,
    learn::Learnt,
    prune::{Keep, prune},
    settings::Around,
    shell,
    spec::{Kind, Lens, Unmapped, Uuid},
};
use crate::{
    adapter::exchange::{Known, Want},
    gate::{
        param::{Mode, ParamSpec},
        policy::Denial,
        refusal::Refusal,
    },
};

/// How the body of a reply is rewritten. It outlives the request that it was planned for, so it owns what it needs.
#[derive(Debug)]
pub enum Rewriting {
    /// The layout of a signed item.
    Layout(Box<Pruning>),
    /// The layout of a public link: read anew, judged anew, and remembered.
    Public {
        /// The link.
        uuid: Uuid,
        /// As for a signed item.
        pruning: Box<Pruning>,
        /// How long what is learnt may be remembered.
        valid_for: Duration,
    },
    /// The HTML of a page.
    Shell {
        /// [`Around::public_url`].
        public_url: Box<str>,
        /// [`Around::page`].
        page: Box<str>,
        /// [`Around::extra`].
        extra: Vec<Box<str>>,
        /// [`Around::geojson`].
        geojson: Vec<Box<str>>,
        /// [`Around::inner`].
        inner: Vec<Box<str>>,
    },
}

/// What a layout is pruned by.
#[derive(Debug)]
pub struct Pruning {
    /// What it is the layout of.
    pub kind: Kind,
    /// The site's parameters.
    pub params: Vec<ParamSpec>,
    /// Their modes here.
    pub modes: Vec<Mode>,
    /// Those that this viewer may set.
    pub open: Vec<usize>,
    /// Those whose list of values may stand in the layout.
    pub safe: Vec<usize>,
    /// What becomes of cards that a locked parameter does not reach.
    pub unmapped: Unmapped,
    /// What was learnt of it where nothing is hidden, if it was.
    pub known: Option<Known>,
}

/// What a reply's body became.
#[derive(Debug)]
pub struct Rewritten {
    /// The body; or why nobody gets one.
    pub body: Result<Vec<u8>, Denial>,
    /// What was learnt from it on the way.
    pub learnt: Option<(Want, Known)>,
}

impl Rewriting {
    /// Rewrites a body.
    ///
    /// Refused are, as `upstream_failed`, what has no single reading, and, as `resource_denied`, a dashboard that is not fit to be shown.
    pub fn run(self, body: &[u8]) -> Rewritten {
        match self {
            Self::Layout(pruning) => Rewritten {
                body: pruning.signed(body),
                learnt: None,
            },
            Self::Public {
                uuid,
                pruning,
                valid_for,
            } => {
                let layout = match Layout::read(body, pruning.kind, pruning.lens()) {
                    Ok(layout) => layout,
                    Err(why) => {
                        return Rewritten {
                            body: Err(unreadable(why)),
                            learnt: None,
                        };
                    }
                };
                let body = pruning.prune(body, &layout);
                // Learnt also where it is refused: from now on its queries are, too. What was seen of lists of values holds for the layout that it was
                // seen with, and not a second longer for being asked for.
                let learnt = (!pruning.knows(&layout)).then(|| {
                    let known = Learnt::layout(layout, Vec::new(), valid_for);
                    (Want::MetabasePublic(uuid), known)
                });
                Rewritten { body, learnt }
            }
            Self::Shell {
                public_url,
                page,
                extra,
                geojson,
                inner,
            } => {
                let inner: Vec<&str> = inner.iter().map(|name| &**name).collect();
                let around = Around {
                    public_url: &public_url,
                    page: &page,
                    extra: &extra,
                    geojson: &geojson,
                    inner: &inner,
                };
                Rewritten {
                    body: shell::rewrite(body, &around).map_err(unreadable),
                    learnt: None,
                }
            }
        }
    }
}

impl Pruning {
    fn lens(&self) -> Lens<'_> {
        Lens {
            params: &self.params,
            modes: &self.modes,
        }
    }

    /// By what was learnt where nothing is hidden, else by the very document: then nothing is known of coverage.
    fn signed(&self, body: &[u8]) -> Result<Vec<u8>, Denial> {
        if let Some(Known::Metabase(learnt)) = &self.known {
            let (layout, _) = learnt.fit()?;
            return self.prune(body, layout);
        }
        let layout = Layout::read_open(body, self.kind, self.lens()).map_err(unreadable)?;
        self.prune(body, &layout)
    }

    fn knows(&self, layout: &Layout) -> bool {
        let known = match &self.known {
            Some(Known::Metabase(learnt)) => learnt.found(),
            Some(Known::Superset(_)) | None => None,
        };
        known == Some(layout)
    }

    fn prune(&self, body: &[u8], layout: &Layout) -> Result<Vec<u8>, Denial> {
        layout
            .fit()
            .map_err(|why| Denial::because(Refusal::ResourceDenied, why.to_string()))?;
        let keep = Keep {
            layout,
            open: &self.open,
            safe: &self.safe,
            unmapped: self.unmapped,
        };
        prune(body, &keep).map_err(unreadable)
    }
}

/// What a page needs to know of a query that failed: that it did, and why in Metabase's words for viewers. Not the stack, the SQL and the parameters that may
/// stand beside it. `None` for what is no such failure.
pub fn failure(json: &[u8]) -> Option<Vec<u8>> {
    #[derive(Deserialize, Serialize)]
    struct Failure {
        status: Box<str>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<str>>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error_type: Option<Box<str>>,
    }
    let failure: Failure = serde_json::from_slice(json).ok()?;
    (*failure.status == *"failed").then(|| serde_json::to_vec(&failure).ok())?
}

fn unreadable(why: impl std::fmt::Display) -> Denial {
    Denial::because(Refusal::UpstreamFailed, why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_failure_nothing_but_the_words_for_viewers_stays() {
        let stays =
            |json: &str| failure(json.as_bytes()).map(|out| String::from_utf8(out).unwrap());
        let whole = r#"{"via":[1],"error":"No.","json_query":{"a":1},"status":"failed","error_type":"invalid-query","stacktrace":[]}"#;
        let short = r#"{"status":"failed","error":"No.","error_type":"invalid-query"}"#;
        assert_eq!(stays(whole).as_deref(), Some(short));
        let bare = r#"{"status":"failed"}"#;
        assert_eq!(stays(bare).as_deref(), Some(bare));
        for none in [
            "",
            "\"No.\"",
            "{}",
            r#"{"status":"completed","error":"x"}"#,
            r#"{"status":"failed","error":{"sql":"select"}}"#,
            r#"{"status":"failed","status":"failed"}"#,
            r#"{"status":"failed"} x"#,
        ] {
            assert_eq!(stays(none), None, "{none}");
        }
    }
}
