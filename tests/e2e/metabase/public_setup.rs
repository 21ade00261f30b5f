//! Locked public links: viewers of the stand-in's tenants, every way in which they ask for rows, and what is asked of every answer.

use embedgate::demo::accounts::ACCOUNTS;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::setup::Scene;
use crate::support::{
    client::{Reply, post, send},
    gateway, get,
    metabase::{LEAK, Seen, fixtures},
};

/// The tenant whose rows are the viewer's, and one that is not.
pub(crate) const MINE: u32 = 999;
/// The dashboard of everything that works.
pub(crate) const MAIN: u64 = fixtures::MAIN;

/// Whether a request is for a whole layout, as the gateway asks for it.
pub(crate) fn is_layout(seen: &Seen) -> bool {
    let rest = seen.target.strip_prefix("/api/public/");
    let rest = rest.and_then(|rest| rest.split_once('/'));
    rest.is_some_and(|(kind, uuid)| matches!(kind, "dashboard" | "card") && uuid.len() == 36)
}

/// Whether it is what the gateway asks for itself: layouts, and lists of values under a locked value that nobody has.
fn is_learning(seen: &Seen) -> bool {
    is_layout(seen) || seen.target.ends_with("=-2147483648") || seen.target.contains("nobodys-rows")
}

/// Percent-encodes all of a text.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// The id of a parameter of [`MAIN`].
pub(crate) fn id(number: u64) -> String {
    fixtures::on_dashboard(MAIN, number)
}

/// A dashcard by the link of its dashboard.
pub(crate) fn dashcard(dashboard: u64, dashcard: u64, card: u64) -> String {
    let link = fixtures::dashboard_link(dashboard);
    format!("/api/public/dashboard/{link}/dashcard/{dashcard}/card/{card}")
}

/// The table of [`MAIN`].
pub(crate) fn table() -> String {
    dashcard(MAIN, 101, 201)
}

/// A dashboard's layout.
pub(crate) fn board(id: u64) -> String {
    format!("/api/public/dashboard/{}", fixtures::dashboard_link(id))
}

/// A question by its link.
pub(crate) fn question(id: u64) -> String {
    format!("/api/public/card/{}", fixtures::question_link(id))
}

/// How many accounts of a tenant a text names.
pub(crate) fn named(text: &str, tenant: u32) -> usize {
    let own = ACCOUNTS.iter().filter(|one| one.tenant == tenant);
    own.filter(|one| text.contains(one.name)).count()
}

/// A way in which rows are asked for.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) path: String,
    /// By POST, the filters in a form.
    pub(crate) posts: bool,
    /// The id of the locked parameter.
    pub(crate) lock: String,
    /// The id of `region`.
    pub(crate) region: String,
    /// How many names of the viewer's own accounts the answer has, without filters of the viewer's.
    pub(crate) names: usize,
}

/// Every way: tables, pivots, files; of dashboards and of questions.
pub(crate) fn ways() -> Vec<Way> {
    let on_board = |path: String, posts| Way {
        path,
        posts,
        lock: id(1),
        region: id(2),
        names: 7,
    };
    let asked = |number: u64, path: String, names| Way {
        path,
        posts: false,
        lock: fixtures::on_question(number, 1),
        region: fixtures::on_question(number, 2),
        names,
    };
    let pivot = |path: String| path.replace("/public/", "/public/pivot/");
    let mut all = vec![
        on_board(table(), false),
        on_board(pivot(table()), false),
        asked(6, format!("{}/query", question(6)), 4),
        asked(7, format!("{}/query", question(7)), 7),
        asked(8, pivot(format!("{}/query", question(8))), 0),
    ];
    for format in ["api", "csv", "json", "xlsx"] {
        all.push(on_board(format!("{}/{format}", table()), true));
        all.push(asked(7, format!("{}/query/{format}", question(7)), 7));
    }
    all
}

/// Somebody with a token of one tenant.
pub(crate) struct Viewer<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) tenant: u32,
    pub(crate) token: String,
}

/// What a token grants that grants every link of the fixtures.
pub(crate) fn everything() -> Value {
    let boards = [10, 42, 43, 44, 45, 46, 49].map(fixtures::dashboard_link);
    let asked = [5, 6, 7, 8, 9, 11, 12, 14].map(fixtures::question_link);
    let boards = boards
        .iter()
        .map(|link| json!({"type": "dashboard", "id": link}));
    let asked = asked
        .iter()
        .map(|link| json!({"type": "question", "id": link}));
    boards.chain(asked).collect()
}

impl<'a> Viewer<'a> {
    /// One who may see and take away everything of a tenant.
    pub(crate) fn of(scene: &'a Scene, tenant: u32) -> Self {
        Self::with(scene, tenant, &json!({}))
    }

    /// The viewer that most tests are about.
    pub(crate) fn mine(scene: &'a Scene) -> Self {
        Self::of(scene, MINE)
    }

    /// With some claims changed.
    pub(crate) fn with(scene: &'a Scene, tenant: u32, claims: &Value) -> Self {
        let mut all = json!({
            "resource": null, "resources": everything(), "scope": "view download",
            "params": {"organization_id": tenant},
        });
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let token = gateway::token(&all);
        Self {
            scene,
            tenant,
            token,
        }
    }

    fn outcome(&self, ask: impl FnOnce() -> Reply) -> Outcome {
        self.scene.metabase.forget();
        let reply = ask();
        Outcome {
            reply,
            seen: self.scene.metabase.seen(),
            tenant: self.tenant,
            token: self.token.clone(),
        }
    }

    pub(crate) fn get(&self, target: &str) -> Outcome {
        self.get_with(target, &[])
    }

    pub(crate) fn get_with(&self, target: &str, headers: &[(&str, &str)]) -> Outcome {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.outcome(|| get(self.scene.gateway.address, target, &all))
    }

    pub(crate) fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Outcome {
        let bearer = format!("Bearer {}", self.token);
        let mut all = vec![("Authorization", bearer.as_str())];
        all.extend_from_slice(headers);
        self.outcome(|| post(self.scene.gateway.address, target, &all, body))
    }

    /// Exact bytes; `BEARER` stands for the credential's line.
    pub(crate) fn raw(&self, text: &str) -> Outcome {
        let line = format!("Authorization: Bearer {}\r\n", self.token);
        let text = text.replace("BEARER", &line);
        self.outcome(|| send(self.scene.gateway.address, text.as_bytes()))
    }

    /// Asks in some way, with this text as `parameters`.
    pub(crate) fn ask(&self, way: &Way, parameters: &str) -> Outcome {
        self.keyed(way, &format!("parameters={}", encoded(parameters)))
    }

    /// Asks in some way, with these pairs in the query or the form.
    pub(crate) fn keyed(&self, way: &Way, pairs: &str) -> Outcome {
        if way.posts {
            let form = ("Content-Type", "application/x-www-form-urlencoded");
            return self.post(&way.path, &[form], pairs.as_bytes());
        }
        self.get(&format!("{}?{pairs}", way.path))
    }
}

/// An answer, and what it made the gateway ask.
pub(crate) struct Outcome {
    pub(crate) reply: Reply,
    seen: Vec<Seen>,
    tenant: u32,
    token: String,
}

impl Outcome {
    /// What reached Metabase for the viewer.
    pub(crate) fn asked(&self) -> Vec<&Seen> {
        self.seen.iter().filter(|one| !is_learning(one)).collect()
    }

    /// The one request that reached Metabase for the viewer.
    pub(crate) fn sent(&self) -> &Seen {
        let asked = self.asked();
        assert_eq!(asked.len(), 1, "{}", self.short());
        asked[0]
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.reply.body).into_owned()
    }

    /// In short, for whoever reads that a test failed.
    pub(crate) fn short(&self) -> String {
        let text: String = self.text().chars().take(600).collect();
        let asked: Vec<_> = self.asked().iter().map(|one| &one.target).collect();
        format!("{} {text} after {asked:?}", self.reply.status)
    }

    /// Nothing of another tenant's, of the lock or of the inner server in the answer; nothing of the viewer's credential upstream.
    pub(crate) fn clean(&self) -> &Self {
        let text = format!("{} {:?}", self.text(), self.reply.headers);
        for tenant in [999, 777, 555].iter().filter(|one| **one != self.tenant) {
            assert_eq!(named(&text, *tenant), 0, "of {tenant}: {text}");
        }
        for word in [LEAK, "metabase.inner", fixtures::VERSION, "Jetty"] {
            assert!(!text.contains(word), "{word}: {text}");
        }
        self.tells_of_own_filters();
        assert!(
            !self.seen.iter().any(|one| one.holds(&self.token)),
            "the token went on"
        );
        self
    }

    /// What a result says of its question is what this viewer set, by id and value, and never the lock.
    fn tells_of_own_filters(&self) {
        let text = self.text();
        let asked = serde_json::from_str::<Value>(&text).ok();
        let asked = asked.and_then(|body| body.get("json_query").cloned());
        let told = usize::from(asked.is_some());
        assert_eq!(text.matches("json_query").count(), told, "{text}");
        let Some(asked) = asked else { return };
        assert_eq!(asked.as_object().unwrap().len(), 1, "{asked}");
        let lock = lock_of(self.sent());
        for own in asked["parameters"].as_array().unwrap() {
            let known = |key: &String| matches!(key.as_str(), "id" | "value" | "options");
            assert!(own.as_object().unwrap().keys().all(known), "{own}");
            assert_ne!(own["id"], *lock, "{own}");
        }
    }

    /// Turned away with a code, and Metabase was not asked for anything.
    #[track_caller]
    pub(crate) fn refused(&self, code: &str) -> &Self {
        assert_eq!(self.reply.code(), code, "{}", self.short());
        assert!(self.asked().is_empty(), "{:?}", self.asked());
        self.clean()
    }

    /// Turned away with one of these codes.
    #[track_caller]
    pub(crate) fn refused_as(&self, codes: &[&str]) -> &Self {
        let code = self.reply.code();
        assert!(codes.contains(&code.as_str()), "{}", self.short());
        self.refused(&code)
    }

    /// Served: exactly so many of the viewer's own accounts, nobody else's, by one query that ends in the lock.
    #[track_caller]
    pub(crate) fn harmless(&self, names: usize) -> &Self {
        assert!(matches!(self.reply.status, 200 | 202), "{}", self.short());
        assert_eq!(named(&self.text(), self.tenant), names, "{}", self.text());
        self.locked(&json!([self.tenant])).clean()
    }

    /// The one query ends in the lock, with this value, and says nothing of anything but ids and values.
    #[track_caller]
    pub(crate) fn locked(&self, value: &Value) -> &Self {
        let filters = filters(self.sent());
        let (last, before) = filters.split_last().expect("the lock");
        assert_eq!(
            *last,
            json!({"id": lock_of(self.sent()), "value": value}),
            "{filters:?}"
        );
        for filter in before {
            assert_ne!(filter["id"], last["id"], "{filters:?}");
            let known = |key: &String| matches!(key.as_str(), "id" | "value" | "options");
            assert!(filter.as_object().unwrap().keys().all(known), "{filter}");
        }
        self
    }
}

/// The filters of a request: in its query, or in its form.
pub(crate) fn filters(seen: &Seen) -> Vec<Value> {
    let mut seen = seen.clone();
    if seen.method == "POST" {
        assert_eq!(
            seen.all("content-type"),
            ["application/x-www-form-urlencoded"]
        );
        assert!(!seen.target.contains('?'), "{seen:?}");
        seen.target = format!("/?{}", String::from_utf8_lossy(&seen.body));
    } else {
        assert!(seen.body.is_empty(), "{seen:?}");
    }
    let known = [
        "parameters",
        "format_rows",
        "pivot_results",
        "csv_include_bom",
    ];
    let query = seen.query();
    assert!(
        query.iter().all(|(key, _)| known.contains(&key.as_str())),
        "{query:?}"
    );
    seen.json("parameters").as_array().unwrap().clone()
}

/// The id of the locked parameter of what a request is about.
fn lock_of(seen: &Seen) -> String {
    let is_link = |part: &&str| part.len() == 36 && part.contains("-8000-");
    let link = seen.path().split('/').find(is_link).unwrap();
    let number = link.rsplit('-').next().unwrap().parse().unwrap();
    if seen.path().contains("/dashboard/") {
        fixtures::on_dashboard(number, 1)
    } else {
        fixtures::on_question(number, 1)
    }
}
