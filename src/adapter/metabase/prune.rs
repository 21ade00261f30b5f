//! A layout as one viewer may see it: without the parameters that are not theirs to set, without the cards that are not served.
//!
//! What is understood is rewritten, what stands anywhere else is searched for the ids of hidden parameters, and everything that stays is the upstream's
//! own text, numbers included.

use std::borrow::Cow;

use super::{
    layout::{
        Dashcard, Layout, LayoutError, Target, card_id, dashcards,
        document::{Document, Shape, View},
    },
    spec::{Kind, Unmapped},
};

mod card;
mod names;
mod plan;
mod scrub;

use card::{Card, Own};
use names::Names;
use plan::Plan;

/// What stays in a layout.
#[derive(Clone, Copy, Debug)]
pub struct Keep<'a> {
    /// What was learnt of the dashboard or question. Read it from the very document where nothing is hidden in it (public links), so that a change since
    /// the last time counts.
    pub layout: &'a Layout,
    /// The site's parameters that this viewer may set: enabled here, and not preset by the token.
    pub open: &'a [usize],
    /// Those whose list of values tells nothing secret: where it comes from stays in the layout.
    pub safe: &'a [usize],
    /// What becomes of cards that a locked parameter does not reach.
    pub unmapped: Unmapped,
}

/// Rewrites what Metabase answers for a dashboard or a question.
///
/// # Errors
/// Where it cannot be read in one way only, and where [`Layout::fit`] says no.
pub fn prune(json: &[u8], keep: &Keep<'_>) -> Result<Vec<u8>, LayoutError> {
    keep.layout.fit()?;
    let document = Document::read(json)?;
    let root = document.root()?;
    if root.shape() != Shape::Object {
        return Err(LayoutError::Shape("object"));
    }
    let names = Names::of(root, keep)?;
    let mut plan = Plan::default();
    match keep.layout.kind() {
        Kind::Dashboard => Dashboard {
            keep,
            names: &names,
            plan: &mut plan,
        }
        .prune(root)?,
        Kind::Question => Card::prune(root, Own::Question, &names, &mut plan),
    }
    Ok(plan.write(root))
}

struct Dashboard<'b> {
    keep: &'b Keep<'b>,
    names: &'b Names,
    plan: &'b mut Plan,
}

impl Dashboard<'_> {
    fn prune(&mut self, root: View<'_>) -> Result<(), LayoutError> {
        for dashcard in dashcards(root)? {
            if self.shows(&dashcard) {
                self.dashcard(&dashcard);
            } else {
                self.plan.drop(dashcard.view);
            }
        }
        for member in root.members() {
            match &*member.name {
                "dashcards" => {}
                "parameters" => self.parameters(member.value),
                "param_fields" => {
                    let kept = |id: &str| self.names.is_kept(id);
                    card::fields(member.value, kept, self.names, self.plan);
                }
                name if is_private(name) => self.plan.cut(&member),
                _ => scrub::member(&member, self.names, &[], self.plan),
            }
        }
        Ok(())
    }

    fn parameters(&mut self, list: View<'_>) {
        for element in list.elements() {
            let id = element.get("id").and_then(View::text);
            if id.is_some_and(|id| self.names.is_kept(&id)) {
                card::parameter(element, true, self.names, self.plan);
            } else {
                self.plan.drop(element);
            }
        }
    }

    /// Whether a dashcard stays. One whose main card is not served goes as a whole.
    fn shows(&self, dashcard: &Dashcard<'_>) -> bool {
        match (dashcard.id, dashcard.main) {
            (Some(id), Ok(Some(card))) => !dashcard.is_action && self.serves(id, card),
            (Some(_), Ok(None)) => !dashcard.is_action,
            (None, _) | (_, Err(_)) => false,
        }
    }

    fn serves(&self, dashcard: u64, card: u64) -> bool {
        let Keep {
            layout, unmapped, ..
        } = self.keep;
        layout.serves(dashcard, card, *unmapped)
    }

    fn dashcard(&mut self, dashcard: &Dashcard<'_>) {
        let view = dashcard.view;
        let (Some(id), Ok(main)) = (dashcard.id, dashcard.main) else {
            return;
        };
        let targets = self.mappings(view, id);
        for member in view.members() {
            match &*member.name {
                "card_id" | "id" | "parameter_mappings" => {}
                "action" | "action_id" => self.plan.cut(&member),
                "card" => {
                    let own = Own::Dashboard(targets.of(main));
                    Card::prune(member.value, own, self.names, self.plan);
                }
                "series" => self.series(member.value, id, &targets),
                "inline_parameters" => card::ids(member.value, self.names, self.plan),
                name if is_private(name) => self.plan.cut(&member),
                _ => scrub::member(&member, self.names, &targets.hidden, self.plan),
            }
        }
    }

    fn series<'a>(&mut self, list: View<'a>, dashcard: u64, targets: &Targets<'a>) {
        for card in list.elements() {
            match card_id(card) {
                Some(id) if self.serves(dashcard, id) => {
                    let own = Own::Dashboard(targets.of(Some(id)));
                    Card::prune(card, own, self.names, self.plan);
                }
                Some(_) | None => self.plan.drop(card),
            }
        }
        if list.shape() != Shape::Array {
            self.plan.put(list, "[]");
        }
    }

    /// Drops what connects a hidden parameter, or a card that is not served; tells what the others go into.
    fn mappings<'a>(&mut self, dashcard: View<'a>, id: u64) -> Targets<'a> {
        let mut targets = Targets::default();
        for list in dashcard
            .members()
            .filter(|member| member.name == "parameter_mappings")
        {
            if list.value.shape() != Shape::Array {
                self.plan.put(list.value, "[]");
            }
            for mapping in list.value.elements() {
                let target = Target::of(mapping.get("target"));
                let card = mapping.get("card_id").map(View::id);
                let parameter = mapping.get("parameter_id").and_then(View::text);
                let kept = parameter.is_some_and(|parameter| self.names.is_kept(&parameter));
                let served = card.is_none_or(|card| card.is_some_and(|card| self.serves(id, card)));
                match (kept && served, card.flatten(), target) {
                    (true, Some(card), Target::Tag(tag)) => targets.kept.push((card, tag)),
                    (false, _, Target::Text(tag)) => targets.hidden.push(tag),
                    _ => {}
                }
                if kept && served {
                    for member in mapping.members() {
                        if !matches!(&*member.name, "card_id" | "parameter_id" | "target") {
                            scrub::member(&member, self.names, &[], self.plan);
                        }
                    }
                } else {
                    self.plan.drop(mapping);
                }
            }
        }
        targets
    }
}

/// What the parameters of a dashcard go into.
#[derive(Default)]
struct Targets<'a> {
    /// Template tags of cards.
    kept: Vec<(u64, Cow<'a, str>)>,
    /// Tags of texts, which hidden parameters go into.
    hidden: Vec<Cow<'a, str>>,
}

impl<'a> Targets<'a> {
    fn of(&self, card: Option<u64>) -> Vec<Cow<'a, str>> {
        let own = self.kept.iter().filter(|(own, _)| Some(*own) == card);
        own.map(|(_, tag)| tag.clone()).collect()
    }
}

/// Whether a member of a dashboard, dashcard or card is none of a viewer's business: who made it, where it lies, under which public link, what its filters
/// may be and last were.
fn is_private(name: &str) -> bool {
    matches!(
        name,
        "embedding_params"
            | "embedding_type"
            | "enable_embedding"
            | "last-edit-info"
            | "last_edit_info"
            | "last_used_param_values"
            | "moderation_reviews"
            | "ordered_cards"
            | "param_values"
            | "public_uuid"
    ) || ["collection", "creator", "made_public"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests;
