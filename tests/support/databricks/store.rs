//! What the workspace holds: principals, dashboards and their datasets, and how it behaves.
//!
//! | principal | secret | may run |
//! |---|---|---|
//! | [`BROKER`] | [`SECRET`] | [`SALES`], [`BENCHMARK`], [`DRAFT`] |
//! | [`OTHER`] | [`OTHER_SECRET`] | [`ELSEWHERE`] |
//!
//! | dashboard | published | datasets |
//! |---|---|---|
//! | [`SALES`] | yes, two pages | `accounts` and `regions`, of the tenant that the external value names |
//! | [`BENCHMARK`] | yes | `everybody` (no filter), `commented` (named in a comment only), `optional` (an empty value is everybody), `several` (a list) |
//! | [`DRAFT`] | no | `accounts` |
//! | [`ELSEWHERE`] | yes, but [`BROKER`] may not run it | `accounts` |
//!
//! The rows are the demo's accounts: 7 of tenant 999, 5 of 777, 4 of 555.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Fault, Step, limit::Windows, now, token::Key};

/// The workspace's id.
pub(crate) const WORKSPACE: &str = "1234567890123456";
/// The service principal that embeds.
pub(crate) const BROKER: &str = "0b70ce40-0000-4000-8000-0000000000b0";
pub(crate) const SECRET: &str = "broker-secret-0123456789abcdef0123456789";
/// Another one.
pub(crate) const OTHER: &str = "07e40000-0000-4000-8000-0000000000c1";
pub(crate) const OTHER_SECRET: &str = "other-secret-0123456789abcdef0123456789";

pub(crate) const SALES: &str = "01f0aaaa000000000000000000005a1e";
pub(crate) const BENCHMARK: &str = "01f0bbbb00000000000000000000be0c";
pub(crate) const DRAFT: &str = "01f0cccc0000000000000000000d4af7";
pub(crate) const ELSEWHERE: &str = "01f0dddd00000000000000000000e15e";

/// The pages of [`SALES`]: id, name, the dataset that it shows.
pub(crate) const PAGES: [(&str, &str, &str); 2] = [
    ("ab12cd34", "Overview", "accounts"),
    ("ef56ab78", "Regions", "regions"),
];

const TABLE: &str = "main.sales.accounts";

/// A workspace.
pub(crate) struct Workspace {
    pub(crate) id: String,
    pub(crate) principals: Vec<Principal>,
    pub(crate) dashboards: Vec<Dashboard>,
    /// The setting "approved domains": who may frame dashboards, as CSP sources.
    pub(crate) approved: Vec<String>,
    pub(crate) behaviour: Behaviour,
    /// What goes wrong: step, how, how many times more.
    pub(crate) faults: Vec<(Step, Fault, usize)>,
    pub(crate) key: Key,
    pub(super) issued: Vec<Issue>,
    pub(super) windows: Windows,
}

/// A service principal.
pub(crate) struct Principal {
    /// Its `client_id`.
    pub(crate) id: String,
    /// Those that are good now.
    pub(crate) secrets: Vec<String>,
    /// Wrong secrets since the last right one.
    pub(crate) wrong: u32,
    /// How many times it was locked.
    pub(crate) locks: u32,
    /// Until when it is locked: milliseconds since the epoch.
    pub(crate) locked_until: i64,
    /// Tokens with a lower serial number are dead.
    pub(super) tokens_from: u64,
}

impl Principal {
    pub(crate) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.into(),
            secrets: vec![secret.into()],
            wrong: 0,
            locks: 0,
            locked_until: 0,
            tokens_from: 0,
        }
    }

    /// Locks it from now on.
    pub(crate) fn lock(&mut self, lasting: Duration) {
        let lasting = i64::try_from(lasting.as_millis()).unwrap_or(i64::MAX);
        self.locked_until = now().saturating_add(lasting);
        self.locks += 1;
        self.wrong = 0;
    }
}

/// A dashboard.
pub(crate) struct Dashboard {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) published: bool,
    /// Principals that may run it.
    pub(crate) runners: Vec<String>,
    /// Id, name and dataset of each.
    pub(crate) pages: Vec<(String, String, String)>,
    pub(crate) datasets: Vec<Dataset>,
}

/// One query.
pub(crate) struct Dataset {
    pub(crate) name: String,
    /// What it reads.
    pub(crate) table: String,
    pub(crate) sql: String,
    pub(crate) filter: Filter,
}

/// What a dataset's SQL does with `__aibi_external_value`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Filter {
    /// Rows of the tenant that it names.
    Equal,
    /// The same, but an empty one is everybody: a habit of public samples.
    Optional,
    /// A list of tenants, divided by commas: another habit of theirs.
    Several,
    /// Nothing, wherever it may stand.
    Unused,
}

/// What `tokeninfo` gave.
#[derive(Clone, Debug)]
pub(super) struct Issue {
    pub(super) principal: String,
    pub(super) dashboard: String,
    pub(super) claim: String,
    pub(super) details: Vec<Json>,
    pub(super) scope: String,
    pub(super) extra: Vec<(String, Json)>,
}

/// What differs, or what is not known.
pub(crate) struct Behaviour {
    /// Seconds that a principal's token lives.
    pub(crate) access_ttl: i64,
    /// Seconds that a viewer's token lives.
    pub(crate) scoped_ttl: i64,
    pub(crate) payload: Payload,
    /// Further fields of tokeninfo's answer (texts, numbers, booleans), which the scoped token's request must repeat.
    pub(crate) extra: Vec<(String, Json)>,
    /// Further `authorization_details`, after the dashboard's.
    pub(crate) details: Vec<Json>,
    /// Whether the custom claim must be one that tokeninfo gave to this principal. Whether Databricks checks that is not known.
    pub(crate) remembers: bool,
    /// The most of each counted step within any second.
    pub(crate) loads_per_second: usize,
    /// Which steps count as a dashboard load.
    pub(crate) counted: Vec<Step>,
    /// So many wrong secrets in a row lock a principal …
    pub(crate) lock_after: u32,
    /// … for so long.
    pub(crate) lock_for: Duration,
    /// The status for a token that is wrong, expired or revoked: 401, or 403 as parts of Databricks have it.
    pub(crate) bad_token: u16,
    /// The only `Host` that is answered; none: any.
    pub(crate) host: Option<String>,
    pub(crate) paths: Paths,
    /// How long a step takes.
    pub(crate) latency: Vec<(Step, Duration)>,
    /// Bodies are compressed for whoever accepts it.
    pub(crate) gzip: bool,
}

/// Whether a token's payload has characters that `atob` refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Payload {
    /// Not unless an external value brings them: `~`, `?`, `>` or beyond ASCII.
    Plain,
    /// Always, both `-` and `_`.
    UrlSafe,
}

/// Where the embedded page's own things are. The page itself is documented; **these are guesses**, since Databricks documents none of them.
pub(crate) struct Paths {
    /// Scripts and styles are under it.
    pub(crate) assets: String,
    /// A dashboard's layout: its id follows.
    pub(crate) layout: String,
    /// Runs a dataset: a POST.
    pub(crate) query: String,
    /// Stands before the assets' paths in the page: an absolute address, as the real page may have.
    pub(crate) base: String,
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            assets: "/static/aibi".into(),
            layout: "/api/2.0/aibi-embed/dashboards".into(),
            query: "/api/2.0/aibi-embed/query".into(),
            base: String::new(),
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            access_ttl: 3600,
            scoped_ttl: 3600,
            payload: Payload::Plain,
            extra: vec![],
            details: vec![json!({
                "type": "workspace_rule_set",
                "resource_name": format!("workspaces/{WORKSPACE}/settings/embedding"),
                "grant_rules": [{"permission_set": "permissionSets/settings.reader"}],
            })],
            remembers: true,
            loads_per_second: 20,
            counted: vec![Step::Scoped, Step::Page],
            lock_after: 5,
            lock_for: Duration::from_mins(1),
            bad_token: 401,
            host: None,
            paths: Paths::default(),
            latency: vec![],
            gzip: false,
        }
    }
}

impl Workspace {
    /// The one that is told above.
    pub(crate) fn new() -> Self {
        let sales = Dashboard {
            pages: PAGES.map(|(a, b, c)| (a.into(), b.into(), c.into())).into(),
            ..dashboard(
                SALES,
                "Sales",
                BROKER,
                vec![equal("accounts"), equal("regions")],
            )
        };
        let benchmark = vec![
            dataset(
                "everybody",
                "SELECT * FROM main.sales.accounts",
                Filter::Unused,
            ),
            dataset(
                "commented",
                "SELECT * FROM main.sales.accounts -- WHERE tenant = __aibi_external_value",
                Filter::Unused,
            ),
            dataset(
                "optional",
                "SELECT * FROM main.sales.accounts WHERE __aibi_external_value = '' OR tenant = __aibi_external_value",
                Filter::Optional,
            ),
            dataset(
                "several",
                "SELECT * FROM main.sales.accounts WHERE array_contains(split(__aibi_external_value, ','), tenant)",
                Filter::Several,
            ),
        ];
        let draft = Dashboard {
            published: false,
            ..dashboard(DRAFT, "Draft", BROKER, vec![equal("accounts")])
        };
        Self {
            id: WORKSPACE.into(),
            principals: vec![
                Principal::new(BROKER, SECRET),
                Principal::new(OTHER, OTHER_SECRET),
            ],
            dashboards: vec![
                sales,
                dashboard(BENCHMARK, "Benchmark", BROKER, benchmark),
                draft,
                dashboard(ELSEWHERE, "Elsewhere", OTHER, vec![equal("accounts")]),
            ],
            approved: vec![],
            behaviour: Behaviour::default(),
            faults: vec![],
            key: Key::new(),
            issued: vec![],
            windows: Windows::default(),
        }
    }

    /// A principal; panics where there is none.
    pub(crate) fn principal(&mut self, id: &str) -> &mut Principal {
        let found = self.principals.iter_mut().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no principal {id}"))
    }

    /// A dashboard; panics where there is none.
    pub(crate) fn dashboard(&mut self, id: &str) -> &mut Dashboard {
        let found = self.dashboards.iter_mut().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no dashboard {id}"))
    }

    /// Takes a dashboard from everybody who may run it.
    pub(crate) fn withdraw(&mut self, id: &str) {
        self.dashboard(id).runners.clear();
    }

    /// Ends all tokens that a principal has, viewers' among them.
    pub(crate) fn revoke_tokens(&mut self, id: &str) {
        let from = self.key.serial();
        self.principal(id).tokens_from = from;
    }

    pub(super) fn published(&self, id: &str) -> Option<&Dashboard> {
        self.dashboards
            .iter()
            .find(|one| one.id == id && one.published)
    }
}

fn dashboard(id: &str, title: &str, runner: &str, datasets: Vec<Dataset>) -> Dashboard {
    let page = |one: &Dataset| (format!("p-{}", one.name), title.into(), one.name.clone());
    Dashboard {
        id: id.into(),
        title: title.into(),
        published: true,
        runners: vec![runner.into()],
        pages: datasets.iter().map(page).collect(),
        datasets,
    }
}

fn equal(name: &str) -> Dataset {
    let sql = "SELECT * FROM main.sales.accounts WHERE tenant = __aibi_external_value";
    dataset(name, sql, Filter::Equal)
}

fn dataset(name: &str, sql: &str, filter: Filter) -> Dataset {
    Dataset {
        name: name.into(),
        table: TABLE.into(),
        sql: sql.into(),
        filter,
    }
}
