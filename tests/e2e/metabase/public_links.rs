//! Locked public links: the configuration of a gateway in front of the stand-in.

use std::net::SocketAddr;

use super::{
    public_setup::{MAIN, is_layout},
    setup::{HOST, Scene},
};
use crate::support::{
    eventually,
    gateway::Gateway,
    metabase::{Behaviour, SECRET, Standin, fixtures},
};

const PARAMS: &str = r#"
organization_id = { mode = "locked", type = "integer", all = "staff" }
region = { mode = "enabled", list = true }
plan = { mode = "enabled", list = true }
min_seats = { mode = "enabled", type = "integer" }
account = { mode = "enabled", type = "integer" }
tier = { mode = "enabled" }
owner = { mode = "enabled" }
name = { mode = "enabled" }
price = { mode = "enabled", type = "integer" }
internal = { mode = "disabled" }
note = { mode = "disabled" }
"#;

/// A configuration of public links, in the making.
pub(crate) struct Links {
    /// The site's parameters.
    pub(crate) params: String,
    /// Keys of the site's table.
    site: String,
    /// Keys of the Metabase table.
    pub(crate) settings: String,
    /// The links' tables, and whatever else stands at the end.
    pub(crate) more: String,
    /// How the stand-in behaves.
    pub(crate) behaviour: Behaviour,
    count: usize,
}

impl Links {
    /// No link yet.
    pub(crate) fn none() -> Self {
        Self {
            params: PARAMS.into(),
            site: String::new(),
            settings: String::new(),
            more: String::new(),
            behaviour: Behaviour::default(),
            count: 0,
        }
    }

    /// Those of everything that works.
    pub(crate) fn usual() -> Self {
        let all = Self::none().dashboard(MAIN, "");
        let questions = [6, 7, 8, 9, 11, 12, 14];
        questions.iter().fold(all, |all, id| all.question(*id, ""))
    }

    /// Adds a dashboard's link, with keys of its own.
    pub(crate) fn dashboard(self, id: u64, keys: &str) -> Self {
        self.link(&fixtures::dashboard_link(id), "dashboard", keys)
    }

    /// Adds a question's link.
    pub(crate) fn question(self, id: u64, keys: &str) -> Self {
        self.link(&fixtures::question_link(id), "question", keys)
    }

    /// Adds any link.
    pub(crate) fn link(mut self, uuid: &str, kind: &str, keys: &str) -> Self {
        let head = format!("[site.reports.metabase.public.\"{uuid}\"]\nkind = \"{kind}\"\n");
        self.more.extend([&head, keys, "\n"]);
        self.count += 1;
        self
    }

    /// With other parameters than the usual.
    pub(crate) fn params(mut self, params: &str) -> Self {
        self.params = params.into();
        self
    }

    /// With keys of the site's table.
    pub(crate) fn site(mut self, keys: &str) -> Self {
        self.site += keys;
        self
    }

    /// With keys of the Metabase table.
    pub(crate) fn settings(mut self, keys: &str) -> Self {
        self.settings += keys;
        self
    }

    /// With tables at the end.
    pub(crate) fn tables(mut self, tables: &str) -> Self {
        self.more += tables;
        self
    }

    /// In front of a Metabase that behaves so.
    pub(crate) fn behaving(mut self, behaviour: Behaviour) -> Self {
        self.behaviour = behaviour;
        self
    }

    /// Starts both, and waits until every link was looked at.
    pub(crate) fn start(self) -> Scene {
        let metabase = Standin::with(self.behaviour.clone());
        self.start_on(metabase)
    }

    /// The same on a stand-in that was edited before.
    pub(crate) fn start_on(self, metabase: Standin) -> Scene {
        let gateway = self.gateway(metabase.address);
        let scene = Scene { metabase, gateway };
        let looked = || {
            scene
                .metabase
                .seen()
                .iter()
                .filter(|one| is_layout(one))
                .count()
        };
        eventually("every link was looked at", || looked() >= self.count);
        scene
    }

    /// Starts the gateway alone, in front of anything.
    pub(crate) fn gateway(&self, upstream: SocketAddr) -> Gateway {
        Gateway::start_with(&self.text(upstream), &|name| {
            (name == "MB_SECRET").then(|| SECRET.to_owned())
        })
    }

    fn text(&self, upstream: SocketAddr) -> String {
        let Self {
            params,
            site,
            settings,
            more,
            ..
        } = self;
        format!(
            r#"
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[audit]
output = "off"
[session]
secret = {{ env = "SESSION" }}
lifetime = "8h"
[issuer.app]
algorithm = "HS256"
secret = {{ env = "APP" }}
audience = "embedgate"
max_lifetime = "10m"
[site.reports]
hosts = ["{HOST}"]
upstream = "http://{upstream}"
kind = "metabase"
issuers = ["app"]
frame_ancestors = ["https://app.example.com"]
top_level = "allow"
{site}
[site.reports.params]
{params}
[site.reports.metabase]
{settings}
{more}
"#
        )
    }
}
