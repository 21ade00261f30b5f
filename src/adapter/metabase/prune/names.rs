//! Which parameters of a document stay for a viewer, and by which names the others must not show.

use super::Keep;
use crate::adapter::metabase::{
    layout::{LayoutError, Role, document::View, parameters},
    spec::Lens,
};

/// The names of a document's parameters. Sorted, each list.
pub(super) struct Names {
    kept: Vec<Box<str>>,
    safe: Vec<Box<str>>,
    hidden: Vec<Box<str>>,
    hidden_slugs: Vec<Box<str>>,
}

impl Names {
    /// A parameter stays that is in the document under the id and the slug that were learnt of it, and that this viewer may set. What else is in the
    /// document, and what else was learnt, is hidden.
    pub(super) fn of(root: View<'_>, keep: &Keep<'_>) -> Result<Self, LayoutError> {
        let nothing = Lens {
            params: &[],
            modes: &[],
        };
        let own = parameters(root, keep.layout.kind(), nothing)?;
        let (mut kept, mut safe, mut slugs) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in &own {
            let learnt = keep.layout.parameter(&parameter.id);
            let learnt = learnt.filter(|learnt| learnt.slug == parameter.slug);
            let Some(Role::Open(param)) = learnt.map(|learnt| learnt.role) else {
                continue;
            };
            if keep.open.contains(&param) {
                kept.push(parameter.id.clone());
                slugs.push(parameter.slug.clone());
                if keep.safe.contains(&param) {
                    safe.push(parameter.id.clone());
                }
            }
        }
        for list in [&mut kept, &mut safe, &mut slugs] {
            list.sort_unstable();
        }
        let all = || own.iter().chain(keep.layout.parameters());
        let hidden = all().map(|parameter| &parameter.id);
        let hidden_slugs = all().map(|parameter| &parameter.slug);
        Ok(Self {
            hidden: others(hidden, &kept),
            hidden_slugs: others(hidden_slugs, &slugs),
            kept,
            safe,
        })
    }

    /// Whether an id is one that the viewer may set.
    pub(super) fn is_kept(&self, id: &str) -> bool {
        has(&self.kept, id)
    }

    /// Whether an id is of a parameter whose list of values tells nothing secret.
    pub(super) fn is_safe(&self, id: &str) -> bool {
        has(&self.safe, id)
    }

    /// Whether it is the id of a parameter that the viewer must not hear of.
    pub(super) fn is_hidden(&self, id: &str) -> bool {
        has(&self.hidden, id)
    }

    /// Whether it is the slug of such a one.
    pub(super) fn is_hidden_slug(&self, slug: &str) -> bool {
        has(&self.hidden_slugs, slug)
    }
}

fn has(sorted: &[Box<str>], text: &str) -> bool {
    sorted.binary_search_by(|own| (**own).cmp(text)).is_ok()
}

fn others<'a>(all: impl Iterator<Item = &'a Box<str>>, kept: &'a [Box<str>]) -> Vec<Box<str>> {
    let mut others: Vec<_> = all
        .filter(|text| !text.is_empty() && !has(kept, text))
        .cloned()
        .collect();
    others.sort_unstable();
    others.dedup();
    others
}
