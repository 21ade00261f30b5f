//! A site, a record of one of its requests, and writers that misbehave on demand.

use std::{
    collections::HashMap,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::Duration,
};

use embedgate::{
    gate::{
        credential::Places,
        limit::SiteLimits,
        origin::{Ancestors, FramePolicy},
        param::{Mode, ParamSpec, Type},
        policy::{Via, Viewer},
        route::{Access, Action, Route, RouteTable},
        session::Carrier,
        sharing::Sharing,
        site::Site,
        token::{self, ClaimNames, Issuer, KeySet, NoCache, RawToken, Signer},
    },
    observe::{
        Observer,
        audit::{Audit, AuditOutput, AuditSettings},
        metrics::{Metrics, SiteMetrics},
        record::Record,
        request_id::RequestId,
    },
};
use http::Method;
use tokio::time::Instant;

/// 2025-11-24T16:00:00Z.
pub(crate) fn clock() -> Duration {
    Duration::from_hours(490_000)
}

pub(crate) fn route(pattern: &str) -> Route {
    Route {
        name: pattern.into(),
        pattern: pattern.into(),
        methods: vec![],
        access: Access::Viewer,
        action: Action::Proxy,
        resource: None,
        scope: "view".into(),
        locks: vec![],
        query_allow: None,
        form_credential: None,
        path_credential: None,
        earns_session: false,
        from_ancestors: false,
        top_level: false,
        body_limit: 0,
        no_store: false,
        unread_body: false,
        websocket: false,
    }
}

pub(crate) fn site(name: &str, patterns: &[&str]) -> Arc<Site> {
    Arc::new(Site {
        name: name.into(),
        index: 0,
        prefix: "".into(),
        surface: RouteTable::build(patterns.iter().map(|pattern| route(pattern)).collect())
            .unwrap(),
        issuers: vec![Arc::new(issuer())],
        places: Places {
            query: vec![],
            bearer: true,
            headers: vec![],
        },
        params: vec![
            param("organization_id", Mode::Locked),
            param("region", Mode::Enabled),
        ],
        frame: FramePolicy {
            site: Ancestors::new(vec![]),
            tenants: HashMap::new(),
            anyone: Ancestors::new(vec![]),
            top_level: false,
        },
        limits: SiteLimits::default(),
        sessions: true,
        carrier: Carrier::Cookie,
        sharing: Sharing::default(),
        dropped: vec![],
    })
}

fn param(name: &str, mode: Mode) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: name.into(),
        mode,
        kind: Type::Integer,
        list: false,
        all: None,
    }
}

const KEY: &[u8] = &[b'k'; 32];

fn issuer() -> Issuer {
    let mut keys = KeySet::new();
    keys.add(None, "HS256", KEY).unwrap();
    Issuer {
        name: "app".into(),
        iss: None,
        audience: None,
        max_lifetime: Duration::from_mins(10),
        leeway: Duration::from_secs(5),
        keys: keys.into(),
        claims: ClaimNames::default(),
        generation: 1,
    }
}

/// A viewer, and the token that says so.
pub(crate) fn viewer(site: &Site) -> (Viewer, String) {
    let now = clock().as_secs();
    let claims = serde_json::json!({
        "sub": "viewer-7", "tenant": "acme", "jti": "b1c", "iat": now, "exp": now + 600, "resource": { "dashboard": 42 },
        "params": { "organization_id": 987_654, "region": 4_711 },
    });
    let text = Signer::new("HS256", KEY, None)
        .unwrap()
        .sign(&claims)
        .unwrap();
    let signed = token::signed(RawToken::new(&text), &site.issuers, &NoCache).unwrap();
    (Viewer::new(signed, Via::Token { in_query: false }), text)
}

/// A gateway with one site.
pub(crate) struct Bench {
    pub(crate) observer: Arc<Observer>,
    pub(crate) site: Arc<Site>,
    pub(crate) metrics: Arc<SiteMetrics>,
}

impl Bench {
    pub(crate) fn new(audit: impl FnOnce(&Metrics) -> Audit) -> Self {
        let metrics = Arc::new(Metrics::new().unwrap());
        let audit = audit(&metrics);
        let site = site("reports", &["/reports/{id}", "/static/*"]);
        let of_site = metrics.for_site(&site);
        Self {
            observer: Arc::new(Observer::new(metrics, audit, clock)),
            site,
            metrics: of_site,
        }
    }

    pub(crate) fn to_file(path: &Path) -> Self {
        Self::new(|metrics| {
            let settings = AuditSettings {
                output: AuditOutput::File(path.into()),
                ..AuditSettings::default()
            };
            Audit::open(&settings, metrics.audit()).unwrap()
        })
    }

    pub(crate) fn to_writer(writer: impl Write + Send + 'static, settings: &AuditSettings) -> Self {
        Self::new(|metrics| Audit::to_writer(Box::new(writer), settings, metrics.audit()).unwrap())
    }

    /// A request on the first route, under a number.
    pub(crate) fn begin(&self, id: u128) -> Record {
        let client = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let mut record = Record::begin(
            &self.observer,
            Instant::now(),
            RequestId::new(id),
            client,
            &Method::GET,
        );
        record.site(&self.site, &self.metrics);
        record.route(self.site.surface.routes().first().unwrap());
        record
    }

    /// A whole request that went well.
    pub(crate) fn serve(&self, id: u128) {
        let mut record = self.begin(id);
        record.status(http::StatusCode::OK);
        record.finish();
    }

    /// The value of one series, 0 where there is none.
    pub(crate) fn metric(&self, series: &str) -> u64 {
        let text = self.observer.metrics().render().unwrap();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.map_or(0, |value| value.parse().unwrap())
    }

    pub(crate) fn audited(&self, result: &str) -> u64 {
        self.metric(&format!(
            "embedgate_audit_records_total{{result=\"{result}\"}}"
        ))
    }
}

/// Waits for something that another thread does, for a few seconds at most.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(5);
    while !done() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mood {
    Blocked,
    Failing,
    Panicking,
    /// Takes so many bytes, then fails.
    Short(usize),
    Working,
}

/// A writer whose mood the test sets, and whose bytes it reads.
#[derive(Clone)]
pub(crate) struct Moody(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<(Mood, Vec<u8>)>,
    changed: Condvar,
}

impl Moody {
    pub(crate) fn new(mood: Mood) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::new((mood, vec![])),
            changed: Condvar::new(),
        }))
    }

    pub(crate) fn set(&self, mood: Mood) {
        self.0.state.lock().unwrap().0 = mood;
        self.0.changed.notify_all();
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.state.lock().unwrap().1.clone()).unwrap()
    }
}

impl Write for Moody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let guard = self.0.state.lock().unwrap();
        let mut state = self
            .0
            .changed
            .wait_while(guard, |(mood, _)| *mood == Mood::Blocked)
            .unwrap();
        match state.0 {
            Mood::Panicking => {
                drop(state);
                std::panic::resume_unwind(Box::new("a writer that dies"))
            }
            Mood::Blocked | Mood::Failing => Err(io::ErrorKind::StorageFull.into()),
            Mood::Short(takes) => {
                state.0 = Mood::Failing;
                let taken = bytes.get(..takes).unwrap_or(bytes);
                state.1.extend_from_slice(taken);
                Ok(taken.len())
            }
            Mood::Working => {
                state.1.extend_from_slice(bytes);
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
