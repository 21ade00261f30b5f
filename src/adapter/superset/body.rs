//! `POST /api/v1/chart/data`: what a chart asks for, pinned to its dashboard and bounded.
//!
//! Rows are locked by the rules of the guest token, which Superset adds to every query it builds. This is the second fence: which dashboard, which
//! datasets, what kind of result, how many queries and rows. The body that goes on is written anew from the parts that were understood.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::value::RawValue;

use super::{
    coverage::Coverage,
    json::{Object, is_strict},
    spec::SupersetSpec,
    surface::PAGE_PARAMS,
};
use crate::gate::{policy::Denial, query::Query, refusal::Refusal, resource::Scopes};

/// What the body is held against.
pub(super) struct Fence<'a> {
    pub(super) dashboard: u64,
    pub(super) coverage: &'a Coverage,
    pub(super) scope: &'a Scopes,
    pub(super) spec: &'a SupersetSpec,
}

/// A chart request as it may go on.
#[derive(Debug)]
pub struct Pinned {
    /// The media type to send.
    pub content_type: HeaderValue,
    /// The body to send.
    pub body: Vec<u8>,
    /// Whether the answer will be a file to keep: CSV or Excel.
    pub export: bool,
}

/// How a chart request is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Media {
    /// By a form that opens in a new window: exports.
    Form,
    /// By script.
    Json,
}

impl Media {
    /// The media type of a request; anything but the two that the page uses is refused.
    ///
    /// # Errors
    /// `body_unsupported`.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Denial> {
        if headers.contains_key(header::CONTENT_ENCODING) {
            return Err(because(Refusal::BodyUnsupported, "content-encoding"));
        }
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let (Some(value), None) = (types.next(), types.next()) else {
            return Err(because(Refusal::BodyUnsupported, "content-type"));
        };
        let text = value.to_str().unwrap_or_default().to_ascii_lowercase();
        let (kind, parameters) = text.split_once(';').unwrap_or((&text, ""));
        if !matches!(
            parameters.trim(),
            "" | "charset=utf-8" | "charset=\"utf-8\""
        ) {
            return Err(because(Refusal::BodyUnsupported, "charset"));
        }
        match kind.trim() {
            "application/json" => Ok(Self::Json),
            "application/x-www-form-urlencoded" => Ok(Self::Form),
            _ => Err(because(Refusal::BodyUnsupported, "content-type")),
        }
    }

    /// The value to send.
    pub(super) fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        })
    }
}

impl Fence<'_> {
    /// The body to send instead.
    ///
    /// # Errors
    /// `body_unsupported` and `request_malformed` for what has no single reading; `resource_denied` for another dashboard, dataset or kind of result;
    /// `scope_denied` for an export without scope `download`.
    pub(super) fn pass(&self, media: Media, body: &[u8]) -> Result<Pinned, Denial> {
        let (body, export) = match media {
            Media::Json => self.request(body)?,
            Media::Form => {
                // The form also holds the viewer's token and a CSRF token; both stay here.
                let payload = form_field(body, "form_data")?
                    .ok_or_else(|| because(Refusal::RequestMalformed, "form_data"))?;
                let (checked, export) = self.request(payload.as_bytes())?;
                let escaped = utf8_percent_encode(&checked, NON_ALPHANUMERIC);
                (format!("form_data={escaped}"), export)
            }
        };
        Ok(Pinned {
            content_type: media.content_type(),
            body: body.into_bytes(),
            export,
        })
    }

    /// The request written anew, and whether it is an export.
    fn request(&self, body: &[u8]) -> Result<(String, bool), Denial> {
        if !is_strict(body) {
            return Err(because(
                Refusal::BodyUnsupported,
                "JSON with a single reading was expected",
            ));
        }
        let object: Object<'_> = serde_json::from_slice(body)
            .map_err(|_| because(Refusal::BodyUnsupported, "not an object"))?;
        let mut out = Writer::new(body.len());
        let (mut datasource, mut dashboard, mut queries) = (false, false, false);
        let mut export = false;
        for (name, raw) in &object.0 {
            match &**name {
                "datasource" => {
                    out.pair(name, &self.datasource(raw)?);
                    datasource = true;
                }
                "form_data" => {
                    out.pair(name, &self.form_data(raw)?);
                    dashboard = true;
                }
                "queries" => {
                    out.pair(name, &self.queries(raw)?);
                    queries = true;
                }
                "result_format" => {
                    export = self.format(raw)?;
                    out.pair(name, raw.get());
                }
                "result_type" => {
                    result_type(raw)?;
                    out.pair(name, raw.get());
                }
                "force" => out.pair(name, raw.get()),
                // Superset reads `templateParams` too, for SQL Lab, and a cache time that a viewer has no business to set.
                _ => {}
            }
        }
        let missing = if !datasource {
            "datasource"
        } else if !dashboard {
            "form_data"
        } else if !queries {
            "queries"
        } else {
            return Ok((out.end(), export));
        };
        Err(because(Refusal::RequestMalformed, missing))
    }

    fn datasource(&self, raw: &RawValue) -> Result<String, Denial> {
        let bad = || because(Refusal::RequestMalformed, "datasource");
        let object: Object<'_> = serde_json::from_str(raw.get()).map_err(|_| bad())?;
        let mut dataset = None;
        let mut table = false;
        for (name, raw) in &object.0 {
            match &**name {
                "id" => dataset = number(unquoted(raw.get())),
                "type" => table = raw.get() == "\"table\"",
                _ => {}
            }
        }
        let dataset = dataset.filter(|_| table).ok_or_else(bad)?;
        if !self.coverage.holds(dataset) {
            return Err(Denial::because(
                Refusal::ResourceDenied,
                format!("dataset {dataset}"),
            ));
        }
        Ok(format!("{{\"id\":{dataset},\"type\":\"table\"}}"))
    }

    fn form_data(&self, raw: &RawValue) -> Result<String, Denial> {
        let object: Object<'_> = serde_json::from_str(raw.get())
            .map_err(|_| because(Refusal::RequestMalformed, "form_data"))?;
        let mut pinned = false;
        let mut out = Writer::new(raw.get().len());
        for (name, raw) in &object.0 {
            match &**name {
                "dashboardId" => {
                    if number(unquoted(raw.get())) != Some(self.dashboard) {
                        return Err(because(Refusal::ResourceDenied, "dashboardId"));
                    }
                    out.pair(name, &self.dashboard.to_string());
                    pinned = true;
                }
                "url_params" => out.pair(name, &page_params(raw)?),
                _ => out.pair(name, raw.get()),
            }
        }
        if pinned {
            Ok(out.end())
        } else {
            Err(because(Refusal::ResourceDenied, "dashboardId"))
        }
    }

    fn queries(&self, raw: &RawValue) -> Result<String, Denial> {
        let list: Vec<&RawValue> = serde_json::from_str(raw.get())
            .map_err(|_| because(Refusal::RequestMalformed, "queries"))?;
        if list.is_empty() || list.len() > self.spec.max_queries {
            return Err(because(Refusal::RequestMalformed, "number of queries"));
        }
        let mut out = String::with_capacity(raw.get().len());
        for (position, query) in list.into_iter().enumerate() {
            out.push(if position == 0 { '[' } else { ',' });
            out.push_str(&self.one_query(query)?);
        }
        out.push(']');
        Ok(out)
    }

    fn one_query(&self, raw: &RawValue) -> Result<String, Denial> {
        let object: Object<'_> = serde_json::from_str(raw.get())
            .map_err(|_| because(Refusal::RequestMalformed, "queries"))?;
        let mut out = Writer::new(raw.get().len());
        for (name, raw) in &object.0 {
            match (&**name, raw.get()) {
                ("url_params", _) => {
                    out.pair(name, &page_params(raw)?);
                    continue;
                }
                (_, "null") => {}
                ("annotation_layers", _) => annotations(raw)?,
                ("datasource", _) => {
                    return Err(because(Refusal::ResourceDenied, "datasource of a query"));
                }
                ("result_type", _) => result_type(raw)?,
                ("row_limit", text)
                    if number(unquoted(text)).is_none_or(|rows| rows > self.spec.max_rows) =>
                {
                    return Err(because(Refusal::RequestMalformed, "row_limit"));
                }
                _ => {}
            }
            out.pair(name, raw.get());
        }
        Ok(out.end())
    }

    /// Whether the format is that of an export.
    fn format(&self, raw: &RawValue) -> Result<bool, Denial> {
        match raw.get() {
            "\"json\"" => Ok(false),
            "\"csv\"" | "\"xlsx\"" if self.scope.contains("download") => Ok(true),
            "\"csv\"" | "\"xlsx\"" => Err(because(Refusal::ScopeDenied, "download")),
            _ => Err(because(Refusal::RequestMalformed, "result_format")),
        }
    }
}

/// `dashboard_id`, `form_data` and `force` of the query, which the page sends along and Superset's Jinja may read.
///
/// # Errors
/// `resource_denied`, `request_malformed`.
pub(super) fn pin_query(dashboard: u64, query: &Query<'_>) -> Result<(), Denial> {
    let mut seen = [false; 3];
    for pair in query.pairs() {
        let value = pair.value.as_deref().unwrap_or_default();
        let (slot, good) = match &*pair.name {
            "dashboard_id" => (0, number(value) == Some(dashboard)),
            "force" => (1, matches!(value, "true" | "false")),
            "form_data" => (2, is_slice(value)),
            _ => continue,
        };
        let twice = seen
            .get_mut(slot)
            .is_none_or(|seen| std::mem::replace(seen, true));
        if twice || !good {
            let refusal = if slot == 0 && !twice {
                Refusal::ResourceDenied
            } else {
                Refusal::RequestMalformed
            };
            return Err(Denial::because(refusal, pair.name.clone().into_owned()));
        }
    }
    Ok(())
}

/// A field of a urlencoded form.
///
/// # Errors
/// `body_unsupported` where the form cannot be read, or the field stands twice.
pub fn form_field<'a>(body: &'a [u8], field: &str) -> Result<Option<Cow<'a, str>>, Denial> {
    let unreadable = || because(Refusal::BodyUnsupported, "form");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let form = Query::parse(text).map_err(|_| unreadable())?;
    let mut found = form.pairs().iter().filter(|pair| pair.name == field);
    let value = found
        .next()
        .map(|pair| pair.value.clone().unwrap_or_default());
    if found.next().is_some() {
        return Err(unreadable());
    }
    Ok(value)
}

fn because(refusal: Refusal, detail: &'static str) -> Denial {
    Denial::because(refusal, detail)
}

/// What charts, tables and filters ask for. Not `samples` and `drill_detail` (whole rows), nor `query` (SQL).
fn result_type(raw: &RawValue) -> Result<(), Denial> {
    match raw.get() {
        "\"columns\"" | "\"full\"" | "\"post_processed\"" | "\"results\"" | "\"timegrains\"" => {
            Ok(())
        }
        _ => Err(because(Refusal::ResourceDenied, "result_type")),
    }
}

/// Annotations of other charts, and annotation layers, are read without row-level rules; formulas are drawn by the page.
fn annotations(raw: &RawValue) -> Result<(), Denial> {
    let layers: Vec<Object<'_>> = serde_json::from_str(raw.get())
        .map_err(|_| because(Refusal::RequestMalformed, "annotation_layers"))?;
    let kind = |name: &str| matches!(name, "annotationType" | "sourceType");
    let formula = |text: &str| matches!(text, "\"FORMULA\"" | "\"\"" | "null");
    let harmless = layers
        .iter()
        .flat_map(|layer| &layer.0)
        .filter(|(name, _)| kind(name))
        .all(|(_, raw)| formula(raw.get()));
    let named = layers.iter().all(|layer| {
        layer
            .0
            .iter()
            .any(|(name, raw)| name == "annotationType" && raw.get() == "\"FORMULA\"")
    });
    if harmless && named {
        Ok(())
    } else {
        Err(because(Refusal::ResourceDenied, "annotation_layers"))
    }
}

/// The page copies its query into every body (`url_params`), where Jinja may read it: only what the page's own query may hold goes on.
/// (On CalabiIQ the page's query also holds the viewer's token.)
fn page_params(raw: &RawValue) -> Result<String, Denial> {
    if raw.get() == "null" {
        return Ok("null".to_owned());
    }
    let object: Object<'_> = serde_json::from_str(raw.get())
        .map_err(|_| because(Refusal::RequestMalformed, "url_params"))?;
    let mut out = Writer::new(raw.get().len());
    for (name, raw) in object
        .0
        .iter()
        .filter(|(name, _)| PAGE_PARAMS.contains(&&**name))
    {
        out.pair(name, raw.get());
    }
    Ok(out.end())
}

/// `{"slice_id":7}` (or null) and nothing else.
fn is_slice(value: &str) -> bool {
    let object = || serde_json::from_str::<Object<'_>>(value).ok();
    is_strict(value.as_bytes())
        && object().is_some_and(|object| {
            object.0.iter().all(|(name, raw)| {
                name == "slice_id" && (raw.get() == "null" || number(raw.get()).is_some())
            })
        })
}

/// Digits without a sign or leading zeros.
pub(super) fn number(text: &str) -> Option<u64> {
    let plain =
        text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

/// The content of a JSON string that holds no escapes; other texts as they are.
fn unquoted(text: &str) -> &str {
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text)
}

/// Writes an object.
struct Writer(String);

impl Writer {
    fn new(capacity: usize) -> Self {
        Self(String::with_capacity(capacity))
    }

    fn pair(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '{' } else { ',' });
        // A string always serialises.
        self.0
            .push_str(&serde_json::to_string(name).unwrap_or_default());
        self.0.push(':');
        self.0.push_str(value);
    }

    fn end(mut self) -> String {
        self.0.push_str(if self.0.is_empty() { "{}" } else { "}" });
        self.0
    }
}

#[cfg(test)]
mod tests;
