//! One card: on a dashboard, in a series, or a question by itself.

use std::borrow::Cow;

use super::{is_private, names::Names, plan::Plan, scrub};
use crate::adapter::metabase::layout::{
    Target,
    document::{Shape, View},
    natives,
};

/// Which of a card's own parameters stay.
pub(super) enum Own<'a> {
    /// On a dashboard: those behind template tags that a parameter of the dashboard goes into, one that stays.
    Dashboard(Vec<Cow<'a, str>>),
    /// They are the question's parameters.
    Question,
}

/// What stays of a card.
pub(super) struct Card<'a, 'b> {
    names: &'b Names,
    plan: &'b mut Plan,
    own: Own<'a>,
    /// The template tags that stay.
    tags: Vec<Cow<'a, str>>,
    /// The ids of its own parameters that stay.
    ids: Vec<Cow<'a, str>>,
}

impl<'a, 'b> Card<'a, 'b> {
    /// Plans what becomes of a card.
    pub(super) fn prune(card: View<'a>, own: Own<'a>, names: &'b Names, plan: &'b mut Plan) {
        let mut this = Self {
            names,
            plan,
            own,
            tags: Vec::new(),
            ids: Vec::new(),
        };
        this.learn(card);
        this.members(card);
    }

    fn learn(&mut self, card: View<'a>) {
        let parameters = card.get("parameters").into_iter().flat_map(View::elements);
        for parameter in parameters {
            if !self.keeps(parameter) {
                continue;
            }
            self.ids.extend(parameter.get("id").and_then(View::text));
            if let Target::Tag(tag) = Target::of(parameter.get("target")) {
                self.tags.push(tag);
            }
        }
        if let Own::Dashboard(tags) = &self.own {
            self.tags.extend(tags.iter().cloned());
            return;
        }
        let natives = card.get("dataset_query").into_iter().flat_map(natives);
        for tag in natives
            .filter_map(|native| native.get("template-tags"))
            .flat_map(View::members)
        {
            let id = tag.value.get("id").and_then(View::text);
            if id.is_some_and(|id| self.names.is_kept(&id)) {
                self.tags.push(tag.name);
            }
        }
    }

    fn keeps(&self, parameter: View<'_>) -> bool {
        let text = |name| parameter.get(name).and_then(View::text);
        let Some(id) = text("id") else {
            return false;
        };
        match &self.own {
            Own::Dashboard(tags) => {
                let slug = text("slug").unwrap_or_default();
                let hidden = self.names.is_hidden(&id) || self.names.is_hidden_slug(&slug);
                match Target::of(parameter.get("target")) {
                    Target::Tag(tag) => !hidden && tags.contains(&tag),
                    Target::Field | Target::Nothing | Target::Text(_) => false,
                }
            }
            Own::Question => self.names.is_kept(&id),
        }
    }

    fn members(&mut self, card: View<'a>) {
        for member in card.members() {
            match &*member.name {
                "id" => {}
                "parameters" => self.parameters(member.value),
                "param_fields" => {
                    let kept = |id: &str| self.ids.iter().any(|own| own == id);
                    fields(member.value, kept, self.names, self.plan);
                }
                "dataset_query" if member.value.shape() == Shape::Object => {
                    self.query(member.value);
                }
                // The query in its older form, as a text; what the columns hold over everybody's rows; mappings of the card, which pages do not use.
                "dataset_query" | "legacy_query" | "parameter_mappings" | "result_metadata" => {
                    self.plan.cut(&member);
                }
                name if is_private(name) => self.plan.cut(&member),
                _ => scrub::member(&member, self.names, &[], self.plan),
            }
        }
    }

    fn parameters(&mut self, list: View<'_>) {
        for element in list.elements() {
            if self.keeps(element) {
                let safe = matches!(self.own, Own::Question);
                parameter(element, safe, self.names, self.plan);
            } else {
                self.plan.drop(element);
            }
        }
        if list.shape() != Shape::Array {
            self.plan.put(list, "[]");
        }
    }

    /// What a page needs of a query: its kind, and the template tags that stay.
    fn query(&mut self, query: View<'_>) {
        for member in query.members() {
            let value = member.value;
            match &*member.name {
                "lib/type" | "type" => {}
                "native" if value.shape() == Shape::Object => self.native(value),
                "query" if value.shape() == Shape::Object => self.built(value),
                "stages" if value.shape() == Shape::Array => {
                    for stage in value.elements() {
                        let kind = stage.get("lib/type");
                        if kind.is_some_and(|kind| kind.says("mbql.stage/native"))
                            || stage.get("native").is_some()
                        {
                            self.native(stage);
                        } else {
                            self.built(stage);
                        }
                    }
                }
                _ if value.shape() == Shape::Scalar => {}
                _ => self.plan.cut(&member),
            }
        }
    }

    fn native(&mut self, native: View<'_>) {
        for member in native.members() {
            let value = member.value;
            match &*member.name {
                "lib/type" => {}
                "native" | "query" if value.says("-") => {}
                "native" | "query" => self.plan.put(value, "\"-\""),
                "template-tags" if value.shape() == Shape::Object => {
                    for tag in value.members() {
                        if !self.tags.contains(&tag.name) {
                            self.plan.cut(&tag);
                        }
                    }
                }
                _ => self.plan.cut(&member),
            }
        }
    }

    /// A query that was built and not written: its table, and how many aggregations and breakouts there are. Not its filters, whose values may be those of
    /// one customer.
    fn built(&mut self, query: View<'_>) {
        for member in query.members() {
            match &*member.name {
                "lib/type" => {}
                "aggregation" | "breakout" if member.value.shape() == Shape::Array => {
                    for element in member.value.elements() {
                        if !is_plain(element) {
                            self.plan.put(element, "[\"count\"]");
                        }
                    }
                }
                _ if member.value.shape() == Shape::Scalar => {}
                _ => self.plan.cut(&member),
            }
        }
    }
}

/// Whether an expression is made of fields and sums, without conditions.
fn is_plain(expression: View<'_>) -> bool {
    let mut parts = expression.elements();
    let Some(head) = parts.next().and_then(View::text) else {
        return false;
    };
    PLAIN.contains(&&*head)
        && parts.all(|part| match part.shape() {
            Shape::Array => is_plain(part),
            Shape::Object | Shape::Scalar | Shape::String => true,
        })
}

/// One parameter that stays.
pub(super) fn parameter(view: View<'_>, may_be_safe: bool, names: &Names, plan: &mut Plan) {
    let id = view.get("id").and_then(View::text).unwrap_or_default();
    let safe = may_be_safe && names.is_safe(&id);
    for member in view.members() {
        match &*member.name {
            "id" | "name" | "sectionId" | "slug" | "target" | "type" => {}
            "filteringParameters" => ids(member.value, names, plan),
            "values_source_config" | "values_source_type" if !safe => plan.cut(&member),
            _ => scrub::member(&member, names, &[], plan),
        }
    }
}

/// A list of ids, of which only those that the viewer may set stay.
pub(super) fn ids(list: View<'_>, names: &Names, plan: &mut Plan) {
    for element in list.elements() {
        if !element.text().is_some_and(|id| names.is_kept(&id)) {
            plan.drop(element);
        }
    }
    if list.shape() != Shape::Array {
        plan.put(list, "[]");
    }
}

/// `param_fields`: fields by the id of a parameter.
pub(super) fn fields(view: View<'_>, kept: impl Fn(&str) -> bool, names: &Names, plan: &mut Plan) {
    for member in view.members() {
        if !kept(&member.name) {
            plan.cut(&member);
            continue;
        }
        scrub::scrub(member.value, names, &[], plan);
    }
    if view.shape() != Shape::Object {
        plan.put(view, "{}");
    }
}

/// What an expression without conditions is made of.
const PLAIN: [&str; 13] = [
    "aggregation",
    "avg",
    "count",
    "cum-count",
    "cum-sum",
    "distinct",
    "field",
    "max",
    "median",
    "min",
    "stddev",
    "sum",
    "var",
];
