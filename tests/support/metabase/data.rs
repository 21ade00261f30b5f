//! The accounts of three tenants as a table, and filters over it.

use embedgate::demo::accounts::ACCOUNTS;
use serde_json::{Value as Json, json};

/// A column of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Column {
    /// The field's id.
    pub(crate) id: u32,
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) kind: &'static str,
}

pub(crate) const ID: usize = 0;
pub(crate) const ORGANIZATION: usize = 1;
pub(crate) const NAME: usize = 2;
pub(crate) const REGION: usize = 3;
pub(crate) const PLAN: usize = 4;
pub(crate) const SEATS: usize = 5;
pub(crate) const REVENUE: usize = 6;
pub(crate) const LATITUDE: usize = 7;
pub(crate) const LONGITUDE: usize = 8;
pub(crate) const TENANT: usize = 9;

/// The table. A column's place is its index in a row; its field id is 60 more.
pub(crate) const COLUMNS: [Column; 10] = [
    column(60, "ID", "ID", "type/Integer"),
    column(61, "ORGANIZATION_ID", "Organization ID", "type/Integer"),
    column(62, "NAME", "Name", "type/Text"),
    column(63, "REGION", "Region", "type/Text"),
    column(64, "PLAN", "Plan", "type/Text"),
    column(65, "SEATS", "Seats", "type/Integer"),
    column(66, "REVENUE", "Revenue", "type/Integer"),
    column(67, "LATITUDE", "Latitude", "type/Float"),
    column(68, "LONGITUDE", "Longitude", "type/Float"),
    column(69, "TENANT", "Tenant", "type/Text"),
];

const fn column(id: u32, name: &'static str, label: &'static str, kind: &'static str) -> Column {
    Column {
        id,
        name,
        label,
        kind,
    }
}

pub(super) fn by_id(id: u32) -> Option<&'static Column> {
    COLUMNS.iter().find(|column| column.id == id)
}

/// The column that a field reference names: `["field", 61, …]`, `["field", "REGION", …]`, `["field-id", 61]`, `61`.
pub(super) fn referred(reference: &Json) -> Option<usize> {
    let parts = reference.as_array();
    let named = match parts {
        Some(parts) if parts.first()?.as_str()?.starts_with("field") => parts.get(1)?,
        Some(_) | None => reference,
    };
    let text = text(named);
    COLUMNS
        .iter()
        .position(|column| column.id.to_string() == text || column.name == text)
}

/// The code of a tenant. Two of them begin alike.
pub(crate) fn tenant(organization: u32) -> &'static str {
    match organization {
        999 => "acme",
        777 => "acorp",
        _ => "zenith",
    }
}

pub(super) type Row = Vec<Json>;

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    let row = |(place, one): (u32, &embedgate::demo::accounts::Account)| {
        vec![
            json!(place),
            json!(one.tenant),
            json!(one.name),
            json!(one.region),
            json!(one.plan),
            json!(one.seats),
            json!(one.revenue),
            json!(f64::from(place) + 10.5),
            json!(f64::from(place) + 20.25),
            json!(tenant(one.tenant)),
        ]
    };
    (1..).zip(&ACCOUNTS).map(row).collect()
}

/// A scalar as text.
pub(super) fn text(value: &Json) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// The values of a parameter. Empty: no filter; that is what `null`, `""`, `[]` and lists of them come to.
pub(super) fn values(value: &Json) -> Vec<Json> {
    let all = value
        .as_array()
        .cloned()
        .unwrap_or_else(|| vec![value.clone()]);
    all.into_iter()
        .filter(|one| !one.is_null() && *one != "")
        .collect()
}

/// One condition.
#[derive(Clone, Debug)]
pub(super) struct Filter {
    pub(super) column: usize,
    /// A parameter type: `string/=`, `number/between`, `id`, …
    pub(super) op: String,
    pub(super) values: Vec<Json>,
    pub(super) any_case: bool,
}

impl Filter {
    /// A filter, unless the value means none.
    ///
    /// # Errors
    /// A number is asked for and something else given: the database refuses the query.
    pub(super) fn new(
        column: usize,
        op: &str,
        value: &Json,
        options: &Json,
    ) -> Result<Option<Self>, ()> {
        let values = values(value);
        if values.is_empty() {
            return Ok(None);
        }
        if numeric(column) && values.iter().any(|one| number(one).is_none()) {
            return Err(());
        }
        Ok(Some(Self {
            column,
            op: op.rsplit('/').next().unwrap_or_default().to_owned(),
            values,
            any_case: options["case-sensitive"] == false,
        }))
    }

    pub(super) fn keeps(&self, row: &Row) -> bool {
        let Some(cell) = row.get(self.column) else {
            return true;
        };
        let any = |is: &dyn Fn(&Json) -> bool| self.values.iter().any(is);
        match self.op.as_str() {
            "!=" => !any(&|one| self.same(cell, one)),
            "contains" => any(&|one| self.fold(cell).contains(&self.fold(one))),
            "does-not-contain" => !any(&|one| self.fold(cell).contains(&self.fold(one))),
            "starts-with" => any(&|one| self.fold(cell).starts_with(&self.fold(one))),
            "ends-with" => any(&|one| self.fold(cell).ends_with(&self.fold(one))),
            ">=" => any(&|one| number(cell) >= number(one)),
            "<=" => any(&|one| number(cell) <= number(one)),
            "between" => {
                let bounds = (self.values.first(), self.values.get(1));
                bounds.0.is_none_or(|low| number(cell) >= number(low))
                    && bounds.1.is_none_or(|high| number(cell) <= number(high))
            }
            _ => any(&|one| self.same(cell, one)),
        }
    }

    fn same(&self, cell: &Json, value: &Json) -> bool {
        if numeric(self.column) {
            return number(cell) == number(value);
        }
        text(cell) == text(value)
    }

    fn fold(&self, value: &Json) -> String {
        let text = text(value);
        if self.any_case {
            text.to_lowercase()
        } else {
            text
        }
    }
}

fn numeric(column: usize) -> bool {
    let kind = COLUMNS.get(column).map(|column| column.kind);
    matches!(kind, Some("type/Integer" | "type/Float"))
}

fn number(value: &Json) -> Option<f64> {
    text(value).trim().parse().ok()
}
