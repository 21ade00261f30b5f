//! Queries: the rows that a question gives under parameters, and the forms in which they go out.

use serde_json::{Map, Value as Json, json};

use super::{
    data::{self, COLUMNS, Filter, REVENUE, Row},
    http::Answer,
    resolve::Applied,
    store::{Behaviour, Card, Clash, Failed, Query, Shape, Tag},
};

/// Why a query gives no rows.
#[derive(Debug)]
pub(super) enum Failure {
    /// The database refuses it.
    Invalid,
    /// A tag without default has no value.
    Missing(String),
}

/// In what form rows are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Format {
    /// What a page asks: JSON, with a limit.
    Page,
    /// JSON of the same form without a limit.
    Api,
    Csv,
    Json,
    Xlsx,
}

impl Format {
    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "api" => Some(Self::Api),
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// How a result is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask {
    pub(super) format: Format,
    pub(super) pivot: bool,
    /// `format_rows`.
    pub(super) formatted: bool,
}

impl Ask {
    pub(super) const PAGE: Self = Self {
        format: Format::Page,
        pivot: false,
        formatted: false,
    };
}

/// Runs a question and answers.
pub(super) fn answer(card: &Card, applied: &[Applied], ask: Ask, behaviour: &Behaviour) -> Answer {
    let table = rows(card, applied, behaviour.clash).map(|rows| shape(card, &rows));
    let mut table = match table {
        Ok(table) => table,
        Err(failure) => return failed(&failure, behaviour),
    };
    if ask.pivot {
        table = pivot(card, applied, behaviour.clash, table);
    }
    let whole = table.rows.len();
    if ask.format == Format::Page {
        table.rows.truncate(behaviour.max_results);
    }
    if ask.formatted {
        table.rows.iter_mut().flatten().for_each(group_digits);
    }
    let file = |kind: &str, end: &str, body: Vec<u8>| {
        let name = card.name.to_lowercase().replace(' ', "_");
        Answer::of(kind, body)
            .with(
                "Content-Disposition",
                &format!("attachment; filename=\"{name}.{end}\""),
            )
            .followed_by(behaviour.export_filler)
    };
    match ask.format {
        Format::Csv => file("text/csv; charset=utf-8", "csv", table.csv().into_bytes()),
        Format::Xlsx => file(
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
            [
                b"PK\x03\x04stand-in, no real workbook\n",
                table.csv().as_bytes(),
            ]
            .concat(),
        ),
        Format::Json => file(
            "application/json",
            "json",
            table.objects().to_string().into_bytes(),
        ),
        Format::Page | Format::Api => {
            let mut body = table.result(applied);
            if table.rows.len() < whole {
                body["data"]["rows_truncated"] = json!(table.rows.len());
            }
            Answer::json(202, &body)
        }
    }
}

/// A query's failure, in the way of the version.
fn failed(failure: &Failure, behaviour: &Behaviour) -> Answer {
    let mut body = match failure {
        Failure::Invalid => json!({
            "status": "failed",
            "error": "An error occurred while running the query.",
            "error_type": "invalid-query",
        }),
        Failure::Missing(tag) => json!({
            "status": "failed",
            "error": format!("You'll need to pick a value for '{tag}' before this query can run."),
            "error_type": "missing-required-parameter",
        }),
    };
    match behaviour.failed {
        Failed::Status400 => Answer::json(400, &body),
        Failed::Status202 => Answer::json(202, &body),
        Failed::Late => {
            body["_status"] = json!(400);
            Answer::json(202, &body)
        }
    }
}

/// The rows of the table that a question's parameters leave.
pub(super) fn rows(card: &Card, applied: &[Applied], clash: Clash) -> Result<Vec<Row>, Failure> {
    let filters = match &card.query {
        Query::Broken => return Err(Failure::Invalid),
        Query::Mbql => applied
            .iter()
            .filter_map(|one| {
                Filter::new(one.field()?, one.kind(), one.value(), one.options()).transpose()
            })
            .collect::<Result<Vec<_>, ()>>(),
        Query::Native(tags) => {
            let mut filters = vec![];
            for tag in tags {
                filters.extend(clauses(tag, applied, clash)?);
            }
            Ok(filters)
        }
    };
    let filters = filters.map_err(|()| Failure::Invalid)?;
    let kept = |row: &Row| filters.iter().all(|filter| filter.keeps(row));
    Ok(data::rows().into_iter().filter(kept).collect())
}

/// What the optional clause of a template tag comes to. Omitted: the default. A value that means nothing takes the default away.
fn clauses(tag: &Tag, applied: &[Applied], clash: Clash) -> Result<Vec<Filter>, Failure> {
    let given: Vec<_> = applied
        .iter()
        .filter(|one| one.tag() == Some(&*tag.name))
        .collect();
    let missing = || Failure::Missing(tag.name.clone());
    let filter = |kind: &str, value: &Json, options: &Json| {
        let made = Filter::new(tag.column, kind, value, options).map_err(|()| Failure::Invalid)?;
        match made {
            None if tag.required => Err(missing()),
            made => Ok(made),
        }
    };
    if given.is_empty() {
        let default = tag.default.as_ref().unwrap_or(&Json::Null);
        return Ok(filter(&tag.widget, default, &Json::Null)?
            .into_iter()
            .collect());
    }
    if tag.kind == "dimension" {
        let each = given
            .iter()
            .map(|one| filter(one.kind(), one.value(), one.options()));
        let each = each.collect::<Result<Vec<_>, _>>()?;
        return Ok(each.into_iter().flatten().collect());
    }
    let one = match clash {
        Clash::First => given.first(),
        Clash::Last => given.last(),
    };
    let value = one.map_or(&Json::Null, |one| one.value());
    Ok(filter(&tag.widget, value, &Json::Null)?
        .into_iter()
        .collect())
}

/// A result: columns and rows.
pub(super) struct Table {
    cols: Vec<Json>,
    pub(super) rows: Vec<Vec<Json>>,
}

/// Puts the kept rows into the form that the question has.
pub(super) fn shape(card: &Card, rows: &[Row]) -> Table {
    match &card.shape {
        Shape::Rows(columns) => Table {
            cols: columns.iter().filter_map(|one| described(*one)).collect(),
            rows: rows.iter().map(|row| pick(row, columns)).collect(),
        },
        Shape::Summary(by) => {
            let mut cols: Vec<_> = by.iter().filter_map(|one| described(*one)).collect();
            for (name, label) in [("count", "Count"), ("sum", "Sum of Revenue")] {
                cols.push(json!({"name": name, "display_name": label, "base_type": "type/Integer", "source": "aggregation"}));
            }
            Table {
                cols,
                rows: summary(by, rows),
            }
        }
    }
}

fn pick(row: &Row, columns: &[usize]) -> Vec<Json> {
    columns
        .iter()
        .map(|one| row.get(*one).cloned().unwrap_or_default())
        .collect()
}

fn summary(by: &[usize], rows: &[Row]) -> Vec<Vec<Json>> {
    let mut groups: Vec<(Vec<Json>, u64, u64)> = vec![];
    for row in rows {
        let key = pick(row, by);
        let revenue = row.get(REVENUE).and_then(Json::as_u64).unwrap_or_default();
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((_, count, sum)) => {
                *count += 1;
                *sum += revenue;
            }
            None => groups.push((key, 1, revenue)),
        }
    }
    let row = |(mut key, count, sum): (Vec<Json>, u64, u64)| {
        key.extend([json!(count), json!(sum)]);
        key
    };
    groups.into_iter().map(row).collect()
}

/// The groups of a pivot table: every one, and the total of each smaller grouping, marked by the column `pivot-grouping`.
fn pivot(card: &Card, applied: &[Applied], clash: Clash, table: Table) -> Table {
    let Shape::Summary(by) = &card.shape else {
        return table;
    };
    let kept = rows(card, applied, clash).unwrap_or_default();
    let mut cols = table.cols;
    cols.insert(
        by.len(),
        json!({"name": "pivot-grouping", "display_name": "pivot-grouping", "base_type": "type/Integer", "source": "breakout"}),
    );
    let mut out = vec![];
    for left_out in 0..1_usize << by.len() {
        let kept_by = |(place, _): &(usize, &usize)| left_out & (1 << place) == 0;
        let some: Vec<_> = by
            .iter()
            .enumerate()
            .filter(kept_by)
            .map(|(_, one)| *one)
            .collect();
        for row in summary(&some, &kept) {
            let mut cells = row.into_iter();
            let cell = |one: (usize, &usize)| {
                if kept_by(&one) {
                    cells.next().unwrap_or_default()
                } else {
                    Json::Null
                }
            };
            let mut line: Vec<_> = by.iter().enumerate().map(cell).collect();
            line.push(json!(left_out));
            line.extend(cells);
            out.push(line);
        }
    }
    Table { cols, rows: out }
}

fn described(column: usize) -> Option<Json> {
    let column = COLUMNS.get(column)?;
    Some(json!({
        "name": column.name, "display_name": column.label, "base_type": column.kind,
        "field_ref": ["field", column.id, null], "id": column.id, "source": "fields",
    }))
}

fn group_digits(cell: &mut Json) {
    let Some(number) = cell.as_u64().filter(|number| *number > 999) else {
        return;
    };
    *cell = json!(format!("{},{:03}", number / 1000, number % 1000));
}

impl Table {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.cols
            .iter()
            .filter_map(|one| one["display_name"].as_str())
    }

    fn csv(&self) -> String {
        let quoted = |text: String| {
            if text.contains([',', '"', '\n']) {
                format!("\"{}\"", text.replace('"', "\"\""))
            } else {
                text
            }
        };
        let head = self.names().map(str::to_owned).collect::<Vec<_>>();
        let cell = |value: &Json| {
            if value.is_null() {
                String::new()
            } else {
                data::text(value)
            }
        };
        let lines = self.rows.iter().map(|row| row.iter().map(cell).collect());
        std::iter::once(head)
            .chain(lines)
            .map(|line| line.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\n")
            .collect()
    }

    fn objects(&self) -> Json {
        let object = |row: &Vec<Json>| {
            let pairs = self.names().map(str::to_owned).zip(row.iter().cloned());
            Json::Object(pairs.collect())
        };
        self.rows.iter().map(object).collect()
    }

    /// The body of a 202, with the parameters as they were applied: locked values too.
    fn result(&self, applied: &[Applied]) -> Json {
        let parameters: Vec<&Map<String, Json>> = applied.iter().map(|one| &one.object).collect();
        json!({
            "data": {
                "rows": self.rows,
                "cols": self.cols,
                "insights": null,
                "requested_timezone": null,
                "results_timezone": "UTC",
            },
            "json_query": {
                "parameters": parameters,
                "middleware": {"js-int-to-string?": true, "ignore-cached-results?": false},
            },
            "status": "completed",
            "row_count": self.rows.len(),
        })
    }
}
