//! What a dashboard is made of, learnt before anybody may see it: its number, which every path is pinned to, and its datasets, each of which
//! some rule must filter. A dataset without a rule would be served whole.
//!
//! Asked with a guest token that no row meets, so that nothing but structure can come back.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::{
    Superset,
    guest::RlsRule,
    rules::{NOTHING, Rule},
    spec::DashboardId,
    surface::GUEST_TOKEN,
};
use crate::{
    adapter::exchange::{self, Call, ExchangeError, Known, Pending, Reply, Step},
    gate::{policy::Denial, refusal::Refusal, request::UnixTime},
};

/// What is known of a dashboard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Coverage {
    dashboard: Option<u64>,
    datasets: Vec<u64>,
    uncovered: Vec<u64>,
    valid_for: Duration,
}

impl Coverage {
    /// Superset's number of the dashboard, if all that it is made of may be served.
    ///
    /// # Errors
    /// `resource_denied`, with the datasets that no rule covers as the detail.
    pub(super) fn checked(&self, danger_uncovered: bool) -> Result<u64, Denial> {
        let unknown = || because("Superset has no embedded dashboard with this uuid".into());
        let dashboard = self.dashboard.ok_or_else(unknown)?;
        if self.uncovered.is_empty() || danger_uncovered {
            return Ok(dashboard);
        }
        let list: Vec<String> = self.uncovered.iter().map(u64::to_string).collect();
        Err(because(format!(
            "no rule covers dataset {}",
            list.join(", ")
        )))
    }

    /// Whether a dataset belongs to the dashboard: to one of its charts, or to a filter of it.
    pub(super) fn holds(&self, dataset: u64) -> bool {
        self.datasets.binary_search(&dataset).is_ok()
    }

    /// How long this may be remembered.
    pub fn valid_for(&self) -> Duration {
        self.valid_for
    }

    fn unknown() -> Self {
        Self {
            dashboard: None,
            datasets: Vec::new(),
            uncovered: Vec::new(),
            valid_for: UNKNOWN_TTL,
        }
    }

    /// Of dashboard and datasets, held against the rules of the tests.
    #[cfg(test)]
    pub(super) fn of_test(dashboard: u64, datasets: &[u64]) -> Self {
        Self::of(
            dashboard,
            datasets.to_vec(),
            &super::testing::spec().rules,
            Duration::ZERO,
        )
    }

    fn of(dashboard: u64, mut datasets: Vec<u64>, rules: &[Rule], valid_for: Duration) -> Self {
        datasets.sort_unstable();
        datasets.dedup();
        let uncovered = datasets
            .iter()
            .copied()
            .filter(|&dataset| !rules.iter().any(|rule| rule.covers(dataset)))
            .collect();
        Self {
            dashboard: Some(dashboard),
            datasets,
            uncovered,
            valid_for,
        }
    }
}

fn waiting(stage: Stage) -> Pending {
    Pending(exchange::Stage::Superset(stage))
}

/// What the exchange waits for.
#[derive(Debug)]
pub(in crate::adapter) enum Stage {
    /// The datasets of the charts; those of the filters are known.
    Datasets { number: u64, filters: Vec<u64> },
    /// The dashboard's metadata.
    Metadata { dashboard: DashboardId, number: u64 },
    /// The embedded page, which tells the number.
    Page { dashboard: DashboardId },
}

impl Superset {
    /// Begins to learn what a dashboard is made of.
    pub fn begin(&self, dashboard: &DashboardId) -> Step {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        headers.insert(header::REFERER, self.spec.referer.clone());
        let call = Call {
            method: Method::GET,
            path: format!("/embedded/{dashboard}"),
            headers,
            reply_limit: PAGE_LIMIT,
        };
        Step::Call(
            Box::new(call),
            waiting(Stage::Page {
                dashboard: dashboard.clone(),
            }),
        )
    }

    /// Takes the reply to the last call.
    ///
    /// # Errors
    /// Where the upstream refuses us, or answers something else than Superset 4 to 6 would.
    pub fn resume(
        &self,
        pending: Pending,
        reply: Reply<'_>,
        now: UnixTime,
    ) -> Result<Step, ExchangeError> {
        let exchange::Stage::Superset(stage) = pending.0 else {
            return Err(ExchangeError::STRAY);
        };
        match stage {
            Stage::Page { dashboard } => {
                if reply.status == StatusCode::NOT_FOUND {
                    return Ok(Step::Done(Known::Superset(Arc::new(Coverage::unknown()))));
                }
                let number = number_of(expect(PAGE, PAGE_HINT, reply)?)?;
                let call = self.probe(&dashboard, format!("/api/v1/dashboard/{number}"), now)?;
                Ok(Step::Call(
                    call,
                    waiting(Stage::Metadata { dashboard, number }),
                ))
            }
            Stage::Metadata { dashboard, number } => {
                let filters = filter_datasets(expect(METADATA, API_HINT, reply)?, number)?;
                let call = self.probe(
                    &dashboard,
                    format!("/api/v1/dashboard/{number}/datasets"),
                    now,
                )?;
                Ok(Step::Call(
                    call,
                    waiting(Stage::Datasets { number, filters }),
                ))
            }
            Stage::Datasets {
                number,
                mut filters,
            } => {
                filters.extend(chart_datasets(expect(DATASETS, API_HINT, reply)?)?);
                let coverage =
                    Coverage::of(number, filters, &self.spec.rules, self.spec.coverage_ttl);
                Ok(Step::Done(Known::Superset(Arc::new(coverage))))
            }
        }
    }

    fn probe(
        &self,
        dashboard: &DashboardId,
        path: String,
        now: UnixTime,
    ) -> Result<Box<Call>, ExchangeError> {
        let nothing = [RlsRule {
            clause: NOTHING.to_owned(),
            dataset: None,
        }];
        let unsigned = |_| ExchangeError::Unreadable {
            call: METADATA,
            what: "the guest token could not be signed",
        };
        let token = self
            .mint
            .token("embedgate", dashboard, &nothing, now)
            .map_err(unsigned)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::REFERER, self.spec.referer.clone());
        headers.insert(GUEST_TOKEN, token);
        Ok(Box::new(Call {
            method: Method::GET,
            path,
            headers,
            reply_limit: API_LIMIT,
        }))
    }
}

const PAGE: &str = "GET /embedded/<uuid>";
const METADATA: &str = "GET /api/v1/dashboard/<id>";
const DATASETS: &str = "GET /api/v1/dashboard/<id>/datasets";
const PAGE_HINT: &str = "403 means that `referer` is not one of the dashboard's allowed domains";
const API_HINT: &str = "401 means that guest_secret, guest_audience or the clocks differ; 403 that the guest role lacks `can read on Dashboard`";
const PAGE_LIMIT: usize = 4 * 1024 * 1024;
const API_LIMIT: usize = 16 * 1024 * 1024;
/// How long an unknown uuid is remembered: short, for the dashboard may be about to be embedded.
const UNKNOWN_TTL: Duration = Duration::from_secs(10);

fn because(detail: String) -> Denial {
    Denial::because(Refusal::ResourceDenied, detail)
}

fn expect<'a>(
    call: &'static str,
    hint: &'static str,
    reply: Reply<'a>,
) -> Result<&'a str, ExchangeError> {
    if reply.status != StatusCode::OK {
        return Err(ExchangeError::Status {
            call,
            status: reply.status,
            hint,
        });
    }
    std::str::from_utf8(reply.body).map_err(|_| ExchangeError::Unreadable {
        call,
        what: "not UTF-8",
    })
}

fn unreadable(call: &'static str, what: &'static str) -> impl Fn() -> ExchangeError {
    move || ExchangeError::Unreadable { call, what }
}

/// The number in the page's bootstrap data, an HTML attribute that holds JSON.
fn number_of(page: &str) -> Result<u64, ExchangeError> {
    #[derive(Deserialize)]
    struct Bootstrap {
        config: Option<Config>,
        embedded: Embedded,
    }
    #[derive(Deserialize)]
    struct Config {
        #[serde(rename = "GUEST_TOKEN_HEADER_NAME")]
        header: Option<String>,
    }
    #[derive(Deserialize)]
    struct Embedded {
        dashboard_id: u64,
    }
    let missing = unreadable(PAGE, "no bootstrap data that names a dashboard");
    let (_, rest) = page.split_once("data-bootstrap=\"").ok_or_else(&missing)?;
    let (attribute, _) = rest.split_once('"').ok_or_else(&missing)?;
    let bootstrap: Bootstrap = serde_json::from_str(&unescape(attribute)).map_err(|_| missing())?;
    let header = bootstrap.config.and_then(|config| config.header);
    if header.is_some_and(|name| !name.eq_ignore_ascii_case(GUEST_TOKEN.as_str())) {
        return Err(unreadable(
            PAGE,
            "GUEST_TOKEN_HEADER_NAME is not X-GuestToken",
        )());
    }
    Ok(bootstrap.embedded.dashboard_id)
}

/// The entities that Jinja's escaping writes, `&amp;` last.
fn unescape(attribute: &str) -> String {
    attribute
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
}

/// The datasets that the dashboard's filters and display controls read; a filter may use one that no chart does.
fn filter_datasets(reply: &str, number: u64) -> Result<Vec<u64>, ExchangeError> {
    #[derive(Deserialize)]
    struct Answer {
        result: Dashboard,
    }
    #[derive(Deserialize)]
    struct Dashboard {
        id: u64,
        json_metadata: Option<String>,
    }
    let answer: Answer =
        serde_json::from_str(reply).map_err(|_| unreadable(METADATA, "no dashboard")())?;
    if answer.result.id != number {
        return Err(unreadable(METADATA, "another dashboard")());
    }
    let Some(text) = answer
        .result
        .json_metadata
        .filter(|text| !text.trim().is_empty())
    else {
        return Ok(Vec::new());
    };
    let metadata: serde_json::Value = serde_json::from_str(&text)
        .map_err(|_| unreadable(METADATA, "json_metadata is not JSON")())?;
    let lists = ["native_filter_configuration", "chart_customization_config"]
        .into_iter()
        .filter_map(|name| metadata.get(name)?.as_array());
    let targets = lists
        .flatten()
        .filter_map(|filter| filter.get("targets")?.as_array())
        .flatten();
    Ok(targets
        .filter_map(|target| target.get("datasetId")?.as_u64())
        .collect())
}

fn chart_datasets(reply: &str) -> Result<Vec<u64>, ExchangeError> {
    #[derive(Deserialize)]
    struct Answer {
        result: Vec<Dataset>,
    }
    #[derive(Deserialize)]
    struct Dataset {
        id: u64,
    }
    let answer: Answer =
        serde_json::from_str(reply).map_err(|_| unreadable(DATASETS, "no list of datasets")())?;
    Ok(answer
        .result
        .into_iter()
        .map(|dataset| dataset.id)
        .collect())
}

#[cfg(test)]
mod tests;
