//! From what a caller sent to what a query is told: Metabase's rules for dashboards, and its other ones for questions.

use serde_json::{Map, Value as Json, json};

use super::store::{Card, Dashboard, Dashcard, Query, Tag};

/// One parameter as the query processor gets it; also what `json_query.parameters` echoes.
#[derive(Clone, Debug)]
pub(super) struct Applied {
    /// The merged object: `id`, `type`, `value`, `target`, and whatever survived of the caller's.
    pub(super) object: Map<String, Json>,
}

impl Applied {
    pub(super) fn value(&self) -> &Json {
        self.object.get("value").unwrap_or(&Json::Null)
    }

    pub(super) fn kind(&self) -> &str {
        let kind = self.object.get("type").and_then(Json::as_str);
        kind.unwrap_or("category")
    }

    pub(super) fn options(&self) -> &Json {
        self.object.get("options").unwrap_or(&Json::Null)
    }

    /// The field reference of a `dimension` target.
    pub(super) fn field(&self) -> Option<usize> {
        let target = self.object.get("target")?.as_array()?;
        (target.first()? == "dimension").then_some(())?;
        super::data::referred(target.get(1)?)
    }

    /// The template tag of a target of either kind.
    pub(super) fn tag(&self) -> Option<&str> {
        tag_of(self.object.get("target")?)
    }
}

pub(super) fn tag_of(target: &Json) -> Option<&str> {
    let inner = target.as_array()?.get(1)?.as_array()?;
    (inner.first()? == "template-tag").then_some(())?;
    inner.get(1)?.as_str()
}

/// The caller's `parameters` as objects, the last of two with one id winning.
pub(super) fn entries(parameters: Option<&Json>) -> Result<Vec<Map<String, Json>>, ()> {
    let all = match parameters {
        None | Some(Json::Null) => return Ok(vec![]),
        Some(Json::Array(all)) => all,
        Some(_) => return Err(()),
    };
    let mut out: Vec<Map<String, Json>> = vec![];
    for one in all {
        let Json::Object(object) = one else {
            return Err(());
        };
        out.retain(|known| known.get("id") != object.get("id") || !object.contains_key("id"));
        out.push(object.clone());
    }
    Ok(out)
}

/// A dashboard's parameters for one of its cards: the stored target wins, the caller's `type`, `value` and `options` survive, its `default` does not, and
/// what is not mapped to the card is ignored.
///
/// # Errors
/// An id that the dashboard does not have; a type that may not be sent for the stored one.
pub(super) fn for_dashcard(
    dashboard: &Dashboard,
    dashcard: &Dashcard,
    card: u64,
    entries: &[Map<String, Json>],
) -> Result<Vec<Applied>, ()> {
    let known = |entry: &Map<String, Json>| {
        let id = entry.get("id").and_then(Json::as_str);
        id.is_some_and(|id| dashboard.by_id(id).is_some())
    };
    if !entries.iter().all(known) {
        return Err(());
    }
    let mut out = vec![];
    for parameter in &dashboard.parameters {
        let sent = entries.iter().find(|entry| entry["id"] == *parameter.id);
        let Some(sent) = sent else { continue };
        if let Some(kind) = sent.get("type") {
            let kind = kind.as_str().ok_or(())?;
            if !may_be_sent(kind, &parameter.kind) {
                return Err(());
            }
        }
        let mut mappings = dashcard.mappings.iter();
        let mapping = mappings.find(|one| one.parameter == parameter.id && one.card == Some(card));
        let Some(mapping) = mapping else { continue };
        let mut object = Map::from_iter([("type".to_owned(), json!(parameter.kind))]);
        if let Some(options) = &parameter.options {
            object.insert("options".into(), options.clone());
        }
        object.extend(sent.clone());
        object.remove("default");
        object.insert("id".into(), json!(parameter.id));
        object.insert("target".into(), mapping.target.clone());
        out.push(Applied { object });
    }
    Ok(out)
}

/// A question's parameters: the caller's `target` and `type` win over the stored ones. For native questions the `name`, or else the tag in the target,
/// must be one of its tags and the type allowed for it — nobody asks whether the two agree.
///
/// # Errors
/// No such tag; a type that it does not take.
pub(super) fn for_card(card: &Card, entries: &[Map<String, Json>]) -> Result<Vec<Applied>, ()> {
    let mut out = vec![];
    for sent in entries {
        let stored = card
            .parameters
            .iter()
            .find(|one| sent.get("id").is_some_and(|id| *id == *one.id));
        let mut object = Map::new();
        if let Some(stored) = stored {
            object.insert("id".into(), json!(stored.id));
            object.insert("type".into(), json!(stored.kind));
            if let Some(target) = &stored.target {
                object.insert("target".into(), target.clone());
            }
        }
        object.extend(sent.clone());
        let applied = Applied { object };
        if let Query::Native(tags) = &card.query {
            check(tags, &applied)?;
        }
        out.push(applied);
    }
    Ok(out)
}

fn check(tags: &[Tag], applied: &Applied) -> Result<(), ()> {
    let name = applied.object.get("name").and_then(Json::as_str);
    let of_tag = |name: &str| tags.iter().find(|tag| tag.name == name);
    let tag = name
        .and_then(of_tag)
        .or_else(|| applied.tag().and_then(of_tag))
        .ok_or(())?;
    let kind = applied.kind();
    let takes = match tag.kind.as_str() {
        "dimension" => may_be_sent(kind, &tag.widget),
        "number" => may_be_sent(kind, "number"),
        _ => may_be_sent(kind, "text"),
    };
    takes.then_some(()).ok_or(())
}

/// Whether a value of one type may be sent for a parameter, or a tag's widget, of another.
fn may_be_sent(kind: &str, stored: &str) -> bool {
    if kind == stored {
        return true;
    }
    match kind {
        "string/=" => {
            matches!(stored, "text" | "id" | "category") || stored.starts_with("location/")
        }
        "number/=" | "number" => {
            matches!(stored, "number" | "number/=" | "id" | "category" | "zip")
        }
        "category" => matches!(
            stored,
            "number" | "text" | "date" | "boolean" | "string/=" | "number/="
        ),
        "id" => matches!(stored, "number" | "number/="),
        "text" => matches!(stored, "string/=" | "category"),
        _ => kind.starts_with("date/") && stored == "date/all-options",
    }
}
