//! What a parameter is connected to on a card: a field, or a template tag of its SQL.

use std::borrow::Cow;

use super::document::{Shape, View};

/// What a mapping, or a question's parameter, points at.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::adapter::metabase) enum Target<'a> {
    /// A field of the query.
    Field,
    /// Nothing that filters: a tag in a text, an empty target, or one of a kind that we do not know.
    Nothing,
    /// A template tag, by a variable or a field filter.
    Tag(Cow<'a, str>),
    /// A tag in the text of a card without data.
    Text(Cow<'a, str>),
}

impl<'a> Target<'a> {
    /// Reads a target: `["variable",["template-tag","t"]]`, `["dimension",["template-tag","t"],…]`, `["dimension",["field",61,…],…]`,
    /// `["text-tag","t"]`.
    pub(in crate::adapter::metabase) fn of(target: Option<View<'a>>) -> Self {
        let mut parts = target.into_iter().flat_map(View::elements);
        let (Some(head), Some(what)) = (parts.next().and_then(View::text), parts.next()) else {
            return Self::Nothing;
        };
        match &*head {
            "text-tag" => what.text().map_or(Self::Nothing, Self::Text),
            "dimension" => reference(what).unwrap_or(Self::Nothing),
            "variable" => match reference(what) {
                Some(Self::Tag(tag)) => Self::Tag(tag),
                _ => Self::Nothing,
            },
            _ => Self::Nothing,
        }
    }
}

/// `["template-tag","t"]`, or `["field", …]` in any of its forms: the number or name may stand second or third.
fn reference(view: View<'_>) -> Option<Target<'_>> {
    let mut parts = view.elements();
    let head = parts.next()?.text()?;
    if head == "template-tag" {
        // Newer ones may hold options between the two.
        let tag = parts.find(|part| part.shape() != Shape::Object)?.text()?;
        return (!tag.is_empty()).then_some(Target::Tag(tag));
    }
    let named = parts.any(|part| match part.shape() {
        Shape::Array => true,
        Shape::Object => false,
        Shape::Scalar => part.id().is_some(),
        Shape::String => !part.says(""),
    });
    named.then_some(Target::Field)
}

/// What can be said about the query of a card, as far as it is shown.
pub(super) struct Tags<'a> {
    /// It is SQL. (Upstream behaviour: only template tags filter it; a parameter that is connected to a field is ignored, as it is after a built question
    /// was rewritten in SQL.)
    native: bool,
    /// Its template tags: these and no others. `None`: they are not shown.
    names: Option<Vec<Cow<'a, str>>>,
}

impl<'a> Tags<'a> {
    pub(super) fn of(card: Option<View<'a>>) -> Self {
        let query = card.and_then(|card| Some((card, card.get("dataset_query")?)));
        let Some((card, query)) = query else {
            return Self {
                native: false,
                names: None,
            };
        };
        let natives: Vec<_> = natives(query).collect();
        let native =
            !natives.is_empty() || query.get("type").is_some_and(|kind| kind.says("native"));
        let names = if natives.is_empty() {
            let is_shown = query.get("query").is_some() || query.get("stages").is_some();
            is_shown.then(Vec::new)
        } else {
            Self::names(card, &natives)
        };
        Self { native, names }
    }

    fn names(card: View<'a>, natives: &[View<'a>]) -> Option<Vec<Cow<'a, str>>> {
        let shown: Vec<_> = natives
            .iter()
            .filter_map(|native| native.get("template-tags"))
            .collect();
        if !shown.is_empty() {
            let members = shown.into_iter().flat_map(View::members);
            return Some(members.map(|member| member.name).collect());
        }
        if natives.iter().copied().any(is_sql) {
            return Some(Vec::new());
        }
        let parameters = card.get("parameters").into_iter().flat_map(View::elements);
        let names: Vec<_> = parameters
            .filter_map(|parameter| match Target::of(parameter.get("target")) {
                Target::Tag(tag) => Some(tag),
                Target::Field | Target::Nothing | Target::Text(_) => None,
            })
            .collect();
        (!names.is_empty()).then_some(names)
    }

    /// Whether what is connected to a target filters the card.
    pub(super) fn take(&self, target: &Target<'_>) -> bool {
        match target {
            Target::Field => !self.native,
            Target::Tag(tag) => {
                let names = self.names.as_ref();
                names.is_none_or(|names| names.iter().any(|name| name == tag))
            }
            Target::Nothing | Target::Text(_) => false,
        }
    }
}

/// The native parts of a query: what holds SQL and its template tags. One in the older form (`native`), any number in the newer (`stages`).
pub(in crate::adapter::metabase) fn natives(query: View<'_>) -> impl Iterator<Item = View<'_>> {
    let stages = query.get("stages").into_iter().flat_map(View::elements);
    let native = |stage: &View<'_>| {
        let kind = stage.get("lib/type");
        kind.is_some_and(|kind| kind.says("mbql.stage/native")) || stage.get("native").is_some()
    };
    query
        .get("native")
        .filter(|native| native.shape() == Shape::Object)
        .into_iter()
        .chain(stages.filter(native))
}

/// Whether a native part shows its SQL; blanked, it is `-`.
fn is_sql(native: View<'_>) -> bool {
    let sql = native.get("query").or_else(|| native.get("native"));
    sql.is_some_and(|sql| !sql.says("-"))
}

/// A template tag as a parameter.
pub(super) struct LegacyTag<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) kind: Cow<'a, str>,
}

/// The template tags of a question that Metabase makes parameters of; not those of snippets and of other cards.
pub(super) fn legacy_tags(card: View<'_>) -> impl Iterator<Item = LegacyTag<'_>> {
    let natives = card.get("dataset_query").into_iter().flat_map(natives);
    let tags = natives.filter_map(|native| native.get("template-tags"));
    tags.flat_map(View::members).filter_map(|member| {
        let text = |name| member.value.get(name).and_then(View::text);
        let kind = match (text("widget-type"), &*text("type")?) {
            (_, "card" | "snippet") | (None, "dimension") => return None,
            (Some(widget), _) => widget,
            (None, "boolean") => "boolean/=".into(),
            (None, "date") => "date/single".into(),
            (None, "number") => "number/=".into(),
            (None, _) => "category".into(),
        };
        Some(LegacyTag {
            id: text("id")?,
            name: member.name.clone(),
            kind,
        })
    })
}
