//! The demo's accounts, through a dataset's filter.

use embedgate::demo::accounts::ACCOUNTS;
use serde_json::{Value as Json, json};

use super::store::Filter;

pub(super) const COLUMNS: [&str; 6] = ["tenant", "name", "region", "plan", "seats", "revenue"];

/// The rows that a dataset shows for any of some external values.
pub(crate) fn of(filter: Filter, values: &[String]) -> Vec<Json> {
    let keeps = |tenant: &str| {
        values.iter().any(|value| match filter {
            Filter::Equal => value == tenant,
            Filter::Optional => value.is_empty() || value == tenant,
            Filter::Several => value.split(',').any(|one| one == tenant),
            Filter::Unused => true,
        })
    };
    let kept = ACCOUNTS.iter().filter(|one| keeps(&one.tenant.to_string()));
    kept.map(|one| {
        json!([
            one.tenant.to_string(),
            one.name,
            one.region,
            one.plan,
            one.seats,
            one.revenue
        ])
    })
    .collect()
}
