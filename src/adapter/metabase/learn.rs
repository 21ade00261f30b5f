//! What is learnt of a Metabase before its viewers may ask for anything: what a dashboard is made of, whether the locked parameters reach all of it, and
//! which lists of values keep to them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use super::{
    Metabase,
    layout::{Layout, LayoutError, Source},
    settings::{self, Around},
    spec::{Item, Kind, Lens, Uuid, Values},
    tiles,
};
use crate::{
    adapter::exchange::{self, Call, ExchangeError, Known, Pending, Reply, Step, Want},
    gate::{
        param::{Mode, Type},
        path,
        policy::Denial,
        query,
        refusal::Refusal,
        request::UnixTime,
    },
};

/// What was learnt.
#[derive(Debug)]
pub struct Learnt {
    pub(super) what: What,
    valid_for: Duration,
}

#[derive(Debug)]
pub(super) enum What {
    /// There is no such dashboard, question or link, or we may not see it.
    Nothing,
    Layout {
        layout: Layout,
        /// Parameters (by index) whose lists of values keep to the locked ones: seen to do so.
        values: Vec<usize>,
    },
    /// Of a card of which tiles are asked.
    Map(Result<Box<tiles::Map>, tiles::NoMap>),
    Settings {
        raw: Vec<u8>,
        /// As they were filtered before, by our public URL.
        filtered: Mutex<HashMap<String, Arc<[u8]>>>,
    },
}

/// What the exchange waits for.
#[derive(Debug)]
pub(in crate::adapter) enum Stage {
    /// The layout of a signed item, read by API key.
    Full(Item),
    /// What a map is drawn from.
    Map(tiles::Stage),
    /// The layout of a signed item, as a viewer gets it: then its lists of values.
    Open(Item),
    /// Whether one more list of values keeps to one more locked parameter.
    Probe(Box<Probe>),
    /// The layout of a public link.
    Public(Uuid),
    /// The public settings.
    Settings,
}

/// Lists of values under probation.
#[derive(Debug)]
pub(in crate::adapter) struct Probe {
    of: Of,
    layout: Layout,
    /// Open and locked parameters, still to be tried with each other. The last is the one that was asked for.
    pairs: Vec<(usize, usize)>,
    /// Open parameters that no pair has failed yet.
    values: Vec<usize>,
}

/// Whose lists of values they are.
#[derive(Debug)]
enum Of {
    Item(Item),
    Public(Uuid),
}

impl Learnt {
    /// A layout, read on its way to a viewer.
    pub(super) fn layout(layout: Layout, values: Vec<usize>, valid_for: Duration) -> Known {
        let what = What::Layout { layout, values };
        Known::Metabase(Arc::new(Self { what, valid_for }))
    }

    pub(in crate::adapter) fn valid_for(&self) -> Duration {
        self.valid_for
    }

    pub(in crate::adapter) fn warnings(&self) -> Vec<String> {
        match &self.what {
            What::Layout { layout, .. } => {
                let problems = layout.problems().iter().map(ToString::to_string);
                problems.chain(layout.unmapped()).collect()
            }
            What::Map(_) | What::Nothing | What::Settings { .. } => Vec::new(),
        }
    }

    /// The layout, and the parameters whose lists of values may be served.
    ///
    /// # Errors
    /// `resource_denied` where there is none, or where it is not fit to be served.
    pub fn fit(&self) -> Result<(&Layout, &[usize]), Denial> {
        match &self.what {
            What::Layout { layout, values } => {
                layout.fit().map_err(|why| denied(why.to_string()))?;
                Ok((layout, values))
            }
            What::Nothing => Err(denied("Metabase has nothing by this name".into())),
            What::Map(_) | What::Settings { .. } => Err(Refusal::UpstreamFailed.into()),
        }
    }

    /// What may be reported of it (`embedgate check --online`).
    pub fn found(&self) -> Option<&Layout> {
        match &self.what {
            What::Layout { layout, .. } => Some(layout),
            What::Map(_) | What::Nothing | What::Settings { .. } => None,
        }
    }

    /// The settings, filtered for our public URL.
    pub(super) fn settings(&self, around: &Around<'_>) -> Result<Arc<[u8]>, Denial> {
        let What::Settings { raw, filtered } = &self.what else {
            return Err(Refusal::UpstreamFailed.into());
        };
        let lock = || filtered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(around.public_url) {
            return Ok(Arc::clone(known));
        }
        let fresh = settings::filter(raw, around)
            .map_err(|why| Denial::because(Refusal::UpstreamFailed, why.to_string()))?;
        let fresh: Arc<[u8]> = fresh.into();
        let mut filtered = lock();
        if filtered.len() >= MAX_URLS {
            // The port in a URL is the client's word: odd ones shall not keep the usual one out.
            filtered.clear();
        }
        filtered.insert(around.public_url.to_owned(), Arc::clone(&fresh));
        Ok(fresh)
    }
}

impl Metabase {
    /// Begins to learn something.
    pub(in crate::adapter) fn begin(
        &self,
        want: &Want,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let (path, stage, key) = match want {
            Want::MetabaseMap(card) => return self.begin_map(card, now),
            Want::MetabaseItem(item) => {
                let key = self.spec.api_key.as_ref().ok_or(ExchangeError::STRAY)?;
                let path = format!("/api/{}/{}", item.kind.in_api(), item.id);
                (path, Stage::Full(*item), Some(key))
            }
            Want::MetabaseValues(item) => {
                let mint = self.mint().map_err(|_| UNSIGNED)?;
                let token = mint.saying(item, "", now);
                let path = format!("/api/embed/{}/{token}", item.kind.in_api());
                (path, Stage::Open(*item), None)
            }
            Want::MetabasePublic(uuid) => {
                let kind = self.spec.public.get(uuid).ok_or(ExchangeError::STRAY)?.kind;
                let path = format!("/api/public/{}/{uuid}", kind.in_api());
                (path, Stage::Public(uuid.clone()), None)
            }
            Want::MetabaseSettings => ("/api/session/properties".to_owned(), Stage::Settings, None),
            Want::SupersetDashboard(_) => return Err(ExchangeError::STRAY),
        };
        let mut headers = json_wanted();
        if let Some(key) = key {
            let mut value = HeaderValue::from_bytes(key.expose()).map_err(|_| UNSIGNED)?;
            value.set_sensitive(true);
            headers.insert(API_KEY, value);
        }
        Ok(call(path, headers, stage))
    }

    /// Takes the reply to the last call.
    pub(in crate::adapter) fn resume(
        &self,
        pending: Pending,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let exchange::Stage::Metabase(stage) = pending.0 else {
            return Err(ExchangeError::STRAY);
        };
        match stage {
            Stage::Full(item) => self.learnt_item(&item, true, reply, now),
            Stage::Map(stage) => self.resume_map(stage, reply, now),
            Stage::Open(item) => self.learnt_item(&item, false, reply, now),
            Stage::Probe(mut probe) => {
                if let Some((open, _)) = probe.pairs.pop()
                    && !is_empty_list(reply)
                {
                    probe.fail(open);
                }
                Ok(self.probe(probe, now))
            }
            Stage::Public(uuid) => self.learnt_public(uuid, reply, now),
            Stage::Settings => {
                let raw = expect("GET /api/session/properties", reply)?.to_vec();
                let filtered = Mutex::default();
                Ok(done(What::Settings { raw, filtered }, SETTINGS_TTL))
            }
        }
    }

    fn learnt_item(
        &self,
        item: &Item,
        full: bool,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let what = if full { BY_KEY } else { SIGNED };
        if is_absent(reply) {
            return Ok(done(What::Nothing, NOTHING_TTL));
        }
        let body = expect(what, reply)?;
        let modes = self.spec.modes(item, &self.params);
        let lens = Lens {
            params: &self.params,
            modes: &modes,
        };
        let values = Vec::new();
        if full {
            let layout = Layout::read(body, item.kind, lens).map_err(|why| unfit(what, &why))?;
            return Ok(done(What::Layout { layout, values }, self.spec.layout_ttl));
        }
        let layout = Layout::read_open(body, item.kind, lens).map_err(|why| unfit(what, &why))?;
        let values = self.to_be_probed(self.spec.values, &[], &layout, lens);
        let pairs = pairs(&values, lens);
        let probe = Probe {
            of: Of::Item(*item),
            layout,
            pairs,
            values,
        };
        Ok(self.probe(Box::new(probe), now))
    }

    fn learnt_public(
        &self,
        uuid: Uuid,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let link = self.spec.public.get(&uuid).ok_or(ExchangeError::STRAY)?;
        if is_absent(reply) {
            return Ok(done(What::Nothing, NOTHING_TTL));
        }
        let body = expect(PUBLIC, reply)?;
        let layout =
            Layout::read(body, link.kind, self.public_lens()).map_err(|why| unfit(PUBLIC, &why))?;
        let values = if link.kind == Kind::Dashboard {
            self.to_be_probed(link.values, &link.safe_values, &layout, self.public_lens())
        } else {
            // Upstream behaviour: the values of a public question take no constraints at all.
            Vec::new()
        };
        let pairs = pairs(&values, self.public_lens());
        let probe = Probe {
            of: Of::Public(uuid),
            layout,
            pairs,
            values,
        };
        Ok(self.probe(Box::new(probe), now))
    }

    /// The open parameters whose lists may be constrained: from fields, and not declared safe anyway.
    fn to_be_probed(
        &self,
        policy: Values,
        safe: &[usize],
        layout: &Layout,
        lens: Lens<'_>,
    ) -> Vec<usize> {
        if policy == Values::Deny || layout.fit().is_err() {
            return Vec::new();
        }
        let open = layout.parameters().iter().filter_map(|parameter| {
            let param = layout.open(&parameter.id)?;
            (parameter.values == Source::Field && !safe.contains(&param)).then_some(param)
        });
        let most = MAX_PAIRS.checked_div(lens.locked().count());
        open.take(most.unwrap_or(MAX_PROBES).min(MAX_PROBES))
            .collect()
    }

    /// Asks for the values of an open parameter under a locked value that nothing has, one locked parameter at a time: a list that is not empty does not
    /// keep to the lock. (Upstream behaviour: a constraint whose field has no path to the searched one is ignored.)
    fn probe(&self, mut probe: Box<Probe>, now: UnixTime) -> Step {
        while let Some((open, locked)) = probe.pairs.last().copied() {
            if let Some(path) = self.probing(&probe, open, locked, now) {
                return call(path, json_wanted(), Stage::Probe(probe));
            }
            probe.pairs.pop();
            probe.fail(open);
        }
        let Probe { layout, values, .. } = *probe;
        done(What::Layout { layout, values }, self.spec.layout_ttl)
    }

    fn probing(&self, probe: &Probe, open: usize, locked: usize, now: UnixTime) -> Option<String> {
        let spec = self.params.get(locked)?;
        let nobodys = nobodys(spec.kind)?;
        let open = path::segment(probe.layout.id_of(open)?)?;
        match &probe.of {
            Of::Item(item) => {
                let modes = self.spec.modes(item, &self.params);
                let lens = Lens {
                    params: &self.params,
                    modes: &modes,
                };
                // All rows of every other locked parameter: what is left must be this one's doing.
                let said = lens.locked().map(|(param, spec)| {
                    let value = if param == locked { nobodys.json } else { "" };
                    format!("{}:[{value}]", serde_json::Value::from(&*spec.name))
                });
                let said = said.collect::<Vec<_>>().join(",");
                let token = self.mint().ok()?.saying(item, &said, now);
                let kind = item.kind.in_api();
                Some(format!("/api/embed/{kind}/{token}/params/{open}/values"))
            }
            Of::Public(uuid) => {
                let mut constraint = String::new();
                query::push(&mut constraint, probe.layout.id_of(locked)?, nobodys.text);
                Some(format!(
                    "/api/public/dashboard/{uuid}/params/{open}/values?{constraint}"
                ))
            }
        }
    }

    /// The parameters as they are on public links: the site's modes.
    pub(super) fn public_lens(&self) -> Lens<'_> {
        Lens {
            params: &self.params,
            modes: &self.modes,
        }
    }
}

impl Probe {
    fn fail(&mut self, open: usize) {
        self.values.retain(|value| *value != open);
        self.pairs.retain(|(of, _)| *of != open);
    }
}

/// Every open parameter with every locked one.
fn pairs(open: &[usize], lens: Lens<'_>) -> Vec<(usize, usize)> {
    let locked: Vec<usize> = lens.locked().map(|(param, _)| param).collect();
    let with_each = |open: &usize| {
        let open = *open;
        locked.iter().map(move |locked| (open, *locked))
    };
    open.iter().flat_map(with_each).collect()
}

/// A value that no row has: as text, and as JSON.
pub(super) struct Nobodys {
    pub(super) text: &'static str,
    json: &'static str,
}

/// That of a type; `None` where every value of the type may be someone's.
pub(super) fn nobodys(kind: Type) -> Option<Nobodys> {
    let (text, json) = match kind {
        Type::Boolean => return None,
        Type::Date => ("0001-01-01", r#""0001-01-01""#),
        Type::Integer | Type::Number => ("-2147483648", "-2147483648"),
        Type::String => (
            "embedgate-asks-for-nobodys-rows",
            r#""embedgate-asks-for-nobodys-rows""#,
        ),
        Type::Uuid => (
            "00000000-0000-0000-0000-000000000000",
            r#""00000000-0000-0000-0000-000000000000""#,
        ),
    };
    Some(Nobodys { text, json })
}

/// Whether a list of values is there, and empty.
fn is_empty_list(reply: Reply<'_>) -> bool {
    #[derive(serde::Deserialize)]
    struct List {
        values: Vec<serde::de::IgnoredAny>,
    }
    let list = serde_json::from_slice::<List>(reply.body);
    reply.status.is_success() && list.is_ok_and(|list| list.values.is_empty())
}

/// Metabase answers 404 for what is not there; before some version 400 on `/api/embed` and `/api/public`.
pub(super) fn is_absent(reply: Reply<'_>) -> bool {
    matches!(
        reply.status,
        StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN
    )
}

pub(super) fn expect<'a>(what: &'static str, reply: Reply<'a>) -> Result<&'a [u8], ExchangeError> {
    if reply.status == StatusCode::OK {
        return Ok(reply.body);
    }
    Err(ExchangeError::Status {
        call: what,
        status: reply.status,
        hint: "is this Metabase, and does the API key (if any) belong to somebody who may see the item?",
    })
}

pub(super) fn unfit(call: &'static str, why: &LayoutError) -> ExchangeError {
    ExchangeError::Unfit {
        call,
        why: why.to_string(),
    }
}

fn denied(why: String) -> Denial {
    Denial::because(Refusal::ResourceDenied, why)
}

pub(super) fn done(what: What, valid_for: Duration) -> Step {
    Step::Done(Known::Metabase(Arc::new(Learnt { what, valid_for })))
}

pub(super) fn call(path: String, headers: HeaderMap, stage: Stage) -> Step {
    let call = Call {
        method: Method::GET,
        path,
        headers,
        reply_limit: LAYOUT_LIMIT,
    };
    Step::Call(Box::new(call), Pending(exchange::Stage::Metabase(stage)))
}

pub(super) fn json_wanted() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers
}

const UNSIGNED: ExchangeError = ExchangeError::Unreadable {
    call: "the layout of a signed embed",
    what: "a token that could be signed, or an API key that fits a header field",
};
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const BY_KEY: &str = "the layout by API key";
const PUBLIC: &str = "the layout of a public link";
const SIGNED: &str = "the layout of a signed embed";
/// The largest layout.
pub(super) const LAYOUT_LIMIT: usize = 16 * 1024 * 1024;
/// How long the public settings are kept.
const SETTINGS_TTL: Duration = Duration::from_mins(1);
/// How long it is believed that something is not there.
pub(super) const NOTHING_TTL: Duration = Duration::from_secs(5);
/// The most lists of values that one item or link is probed for; further ones are not served.
const MAX_PROBES: usize = 12;
/// The most calls that probing one item or link takes. With the layout it stays below what the shell allows an exchange.
const MAX_PAIRS: usize = 40;
/// The most public URLs of one site that settings are kept for.
const MAX_URLS: usize = 16;

/// What a mode is on public links: an index for each of the site's parameters.
pub(super) fn modes(params: &[crate::gate::param::ParamSpec]) -> Vec<Mode> {
    params.iter().map(|spec| spec.mode).collect()
}

#[cfg(test)]
mod tests;
