//! What makes a whole dashboard or question unfit to be locked.

use super::{Layout, Parameter, Role, Target, document::View, line, place::Connection};
use crate::{
    adapter::metabase::spec::{Kind, Lens},
    gate::param::{ParamSpec, Type},
};

/// Types that match nothing but the very value. `string/!=`, `string/contains` and the like let a locked value name other rows, too.
const EXACT: [&str; 6] = [
    "boolean/=",
    "category",
    "date/single",
    "id",
    "number/=",
    "string/=",
];

/// Judges a layout that was read from `root`; `connections` are in order.
pub(super) fn problems(
    layout: &Layout,
    lens: Lens<'_>,
    connections: &[Connection<'_>],
    root: View<'_>,
) -> Box<[Box<str>]> {
    let mut said = Vec::new();
    for (param, spec) in lens.locked() {
        let own = |parameter: &&Parameter| parameter.role == Role::Locked(param);
        match layout.parameters.iter().find(own) {
            None => said.push(format!(
                "it has no parameter with the slug `{}`, which is locked",
                spec.name
            )),
            Some(parameter) => said.extend(unfit(parameter, spec)),
        }
    }
    said.extend(shared(layout, connections, root));
    if layout.kind == Kind::Question {
        said.extend(adrift(layout));
    }
    said.into_iter()
        .map(|sentence| format!("{}: {sentence}", layout.title).into())
        .collect()
}

/// A type that is not exact, or does not hold the values that the site declares.
fn unfit(parameter: &Parameter, spec: &ParamSpec) -> Option<String> {
    let kind = &*parameter.kind;
    if !EXACT.contains(&kind) {
        return Some(format!(
            "the locked parameter `{}` has the type `{}`, which does not mean one exact value; use {}",
            spec.name,
            line(kind),
            fitting(spec.kind).join(" or ")
        ));
    }
    (!fitting(spec.kind).contains(&kind)).then(|| {
        format!(
            "the locked parameter `{}` is declared as {}, and its type here is `{kind}`; use {}",
            spec.name,
            declared(spec.kind),
            fitting(spec.kind).join(" or ")
        )
    })
}

/// Metabase's types that hold values of a declared type.
fn fitting(kind: Type) -> &'static [&'static str] {
    match kind {
        Type::Boolean => &["boolean/="],
        Type::Date => &["date/single"],
        Type::Integer | Type::Number => &["number/=", "id", "category"],
        Type::String | Type::Uuid => &["string/=", "id", "category"],
    }
}

fn declared(kind: Type) -> &'static str {
    match kind {
        Type::Boolean => "a boolean",
        Type::Date => "a date",
        Type::Integer => "an integer",
        Type::Number => "a number",
        Type::String => "a string",
        Type::Uuid => "a UUID",
    }
}

/// Template tags that a locked parameter shares: only one value goes into a tag, and it may be the other's.
fn shared(layout: &Layout, connections: &[Connection<'_>], root: View<'_>) -> Vec<String> {
    let role = |connection: &Connection<'_>| {
        let parameter = layout.parameters.get(connection.parameter)?;
        Some((parameter, parameter.role))
    };
    let mut said = Vec::new();
    let mut ordered: Vec<_> = connections.iter().collect();
    ordered.sort_unstable();
    for group in ordered.chunk_by(|a, b| (a.place, &a.target) == (b.place, &b.target)) {
        let Some(first) = group.first() else { continue };
        let Target::Tag(tag) = &first.target else {
            continue;
        };
        let all = || group.iter().filter_map(|connection| role(connection));
        let Some((locked, _)) = all().find(|(_, role)| matches!(role, Role::Locked(_))) else {
            continue;
        };
        let rival = all().find(|(parameter, role)| match role {
            Role::Locked(_) | Role::Open(_) => parameter.id != locked.id,
            // Nobody sends these; a default is a value all the same.
            Role::Disabled(_) | Role::Hidden => has_default(root, &parameter.id),
        });
        if let Some((rival, _)) = rival {
            let (dashcard, card) = first.place;
            let at = match dashcard {
                Some(dashcard) => format!(" of card {card} (dashcard {dashcard})"),
                None => String::new(),
            };
            said.push(format!(
                "the locked parameter `{}` and `{}` go into the same template tag `{}`{at}",
                locked.slug,
                line(&rival.slug),
                line(tag)
            ));
        }
    }
    said
}

fn has_default(root: View<'_>, id: &str) -> bool {
    let mut listed = root.get("parameters").into_iter().flat_map(View::elements);
    let own = listed.find(|view| view.get("id").is_some_and(|own| own.says(id)));
    own.is_some_and(|own| own.get("default").is_some())
}

/// A question without a number, or with a locked parameter that filters nothing: there is no part of it that could be left out.
fn adrift(layout: &Layout) -> Vec<String> {
    let Some(place) = layout.places.first() else {
        return vec!["it has no number".to_owned()];
    };
    let sentence = |slug| format!("the locked parameter `{slug}` is connected to nothing");
    place.lacks.iter().map(sentence).collect()
}

#[cfg(test)]
mod tests;
