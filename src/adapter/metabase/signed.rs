//! Signed embeds: our token in the browser's address, a Metabase token of our minting in every call.

use http::{HeaderValue, StatusCode, header};

use super::{
    Ask, Metabase, Outbound, Plan, Sending, TELLTALE, claims, denied, file_of, filters,
    filters::{Extras, Filters, Rules, objects::Locks},
    format_of,
    layout::{Layout, Source},
    learn::LAYOUT_LIMIT,
    learnt, number_in, open_to, page,
    rewriting::{Pruning, Rewriting},
    send,
    spec::{Item, Kind, Lens, Unmapped, Values},
    tiles,
};
use crate::{
    adapter::{Answer, Replying},
    gate::{param::Mode, path, policy::Denial, query, refusal::Refusal},
};

/// A request to a signed embed.
pub(super) struct Signed<'a, 'b, 'r, 'p> {
    metabase: &'a Metabase,
    ask: &'a Ask<'b, 'r, 'p>,
    item: Item,
    modes: Vec<Mode>,
    token: String,
}

impl Metabase {
    /// What a request to a signed embed is about, with a token of Metabase's minted for it.
    pub(super) fn signed<'a, 'b, 'r, 'p>(
        &'a self,
        ask: &'a Ask<'b, 'r, 'p>,
    ) -> Result<Signed<'a, 'b, 'r, 'p>, Denial> {
        let item = self.item(ask.permit)?;
        let modes = self.spec.modes(&item, &self.params);
        let lens = Lens {
            params: &self.params,
            modes: &modes,
        };
        let token = self
            .mint()?
            .token(&item, lens, ask.permit.granted(), ask.req.now)?;
        Ok(Signed {
            metabase: self,
            ask,
            item,
            modes,
            token,
        })
    }
}

impl Signed<'_, '_, '_, '_> {
    /// What goes upstream, with what it is about.
    fn sent(&self, outbound: Outbound) -> Plan {
        send(Outbound {
            resource: Some(self.item.to_string()),
            ..outbound
        })
    }

    fn lens(&self) -> Lens<'_> {
        Lens {
            params: &self.metabase.params,
            modes: &self.modes,
        }
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            lens: self.lens(),
            granted: self.ask.permit.granted(),
        }
    }

    fn extras(&self) -> Extras<'_> {
        Extras {
            drop: &self.ask.permit.site().dropped,
            ..Extras::default()
        }
    }

    /// Metabase serves the same page for whatever stands in its path, and tells it on: a token has no business there.
    pub(super) fn page(&self) -> Result<Plan, Denial> {
        let segment = self.ask.matched.capture("token").unwrap_or_default();
        if self.item.kind == Kind::Question
            && let Some((token, format)) = file_of(segment)
        {
            self.may_download()?;
            return file(self.ask, &format!("/api/embed/card/{token}/query/{format}"));
        }
        let target = format!("/embed/{}/{PLACEHOLDER}", self.item.kind.as_str());
        Ok(self.sent(page(&target, self.metabase.shell(self.ask))))
    }

    fn may_download(&self) -> Result<(), Denial> {
        if !self.metabase.spec.downloads {
            return Err(Refusal::RouteDenied.into());
        }
        if claims(self.ask.permit)?.scope.contains("download") {
            return Ok(());
        }
        Err(Refusal::ScopeDenied.into())
    }

    pub(super) fn layout(&self) -> Plan {
        let path = format!("/api/embed/{}/{}", self.item.kind.in_api(), self.token);
        let known = self.ask.known.cloned();
        let pruning = Pruning {
            kind: self.item.kind,
            params: self.metabase.params.clone(),
            modes: self.modes.clone(),
            open: open_to(self.lens(), self.ask.permit),
            // What the author of the dashboard wrote into a list, the author publishes.
            safe: open_to(self.lens(), self.ask.permit),
            unmapped: self.unmapped(),
            known,
        };
        let rewriting = Box::new(Rewriting::Layout(Box::new(pruning)));
        self.sent(Outbound {
            reply: Replying::Rewrite(rewriting, LAYOUT_LIMIT),
            ..outbound(path)
        })
    }

    pub(super) fn query(&self) -> Result<Plan, Denial> {
        let filters = self.slugs(self.extras())?;
        let target = format!("{}?{}", self.card()?, filters.to_query());
        Ok(self.sent(result(target)))
    }

    pub(super) fn export(&self) -> Result<Plan, Denial> {
        if !self.metabase.spec.downloads {
            return Err(Refusal::RouteDenied.into());
        }
        let format = format_of(self.ask.matched)?;
        let filters = self.slugs(self.extras())?;
        let target = format!("{}/{format}?{}", self.card()?, filters.to_query());
        let reply = if format == "api" {
            Replying::Without(TELLTALE)
        } else {
            Replying::Good
        };
        Ok(self.sent(Outbound {
            export: true,
            reply,
            ..outbound(target)
        }))
    }

    pub(super) fn batch(&self) -> Result<Plan, Denial> {
        let filters = self.slugs(Extras {
            cards: true,
            ..self.extras()
        })?;
        for (dashcard, card) in filters.cards() {
            self.served(*dashcard, *card)?;
        }
        let target = format!(
            "/api/embed/dashboard/{}/card-query-batch?{}",
            self.token,
            filters.to_query()
        );
        Ok(self.sent(result(target)))
    }

    fn slugs(&self, extras: Extras<'_>) -> Result<Filters, Denial> {
        filters::slugs::read(self.ask.req.query, self.rules(), extras)
    }

    /// The path of a card's result, with our token in it; the card must be one that may be served.
    fn card(&self) -> Result<String, Denial> {
        let pivot = if self
            .ask
            .permit
            .route()
            .pattern
            .starts_with("/api/embed/pivot/")
        {
            "pivot/"
        } else {
            ""
        };
        let token = &self.token;
        match self.item.kind {
            Kind::Dashboard => {
                let dashcard = number_in(self.ask.matched, "dashcard")?;
                let card = number_in(self.ask.matched, "card")?;
                self.served(dashcard, card)?;
                Ok(format!(
                    "/api/embed/{pivot}dashboard/{token}/dashcard/{dashcard}/card/{card}"
                ))
            }
            Kind::Question => {
                if self.ask.known.is_some() {
                    learnt(self.ask)?.fit()?;
                }
                Ok(format!("/api/embed/{pivot}card/{token}/query"))
            }
        }
    }

    /// Whether a card may be served, where an API key lets us know. (Metabase itself refuses cards that are not on the dashboard.)
    fn served(&self, dashcard: u64, card: u64) -> Result<(), Denial> {
        if self.ask.known.is_none() {
            return Ok(());
        }
        let (layout, _) = learnt(self.ask)?.fit()?;
        if layout.serves(dashcard, card, self.unmapped()) {
            Ok(())
        } else {
            Err(denied(
                "a card that a locked parameter does not reach, or none of this dashboard's",
            ))
        }
    }

    fn unmapped(&self) -> Unmapped {
        self.metabase.spec.unmapped
    }

    /// A list of values: of an open parameter, and only where it was seen to keep to the locked ones.
    pub(super) fn values(&self) -> Result<Plan, Denial> {
        if self.metabase.spec.values == Values::Deny {
            return Err(Refusal::RouteDenied.into());
        }
        let (layout, kept) = learnt(self.ask)?.fit()?;
        let id = capture(self.ask, "param")?;
        let param = filters::values::target(&id, layout, self.rules())?;
        let (below, remapped) = below(self.ask)?;
        if !self.lists(layout, (&id, param), kept, remapped) {
            return Err(denied(
                "a list of values that does not keep to the locked parameters",
            ));
        }
        let id = path::segment(&id).ok_or(Refusal::RouteDenied)?;
        let (kind, token) = (self.item.kind.in_api(), &self.token);
        let mut target = format!("/api/embed/{kind}/{token}/params/{id}/{below}");
        let query = filters::values::signed(
            self.ask.req.query,
            layout,
            self.rules(),
            &self.ask.permit.site().dropped,
            remapped,
        )?;
        if !query.is_empty() {
            target.push('?');
            target.push_str(&query);
        }
        Ok(self.sent(result(target)))
    }

    /// A label (`remapped`) is told for whatever value is named: no list shows whether that keeps to the locked parameters, so the version must be known to.
    fn lists(
        &self,
        layout: &Layout,
        (id, param): (&str, usize),
        kept: &[usize],
        remapped: bool,
    ) -> bool {
        let list = layout
            .parameter(id)
            .is_some_and(|parameter| parameter.values == Source::List);
        let seen = kept.contains(&param) && (!remapped || self.metabase.spec.locks_everywhere());
        list || seen || self.lens().locked().next().is_none()
    }

    pub(super) fn tile(&self) -> Result<Plan, Denial> {
        let target = tiles::target(
            self.ask,
            (self.item.kind, &self.token),
            self.rules(),
            self.extras(),
            Locks::InToken,
        )?;
        let target = format!("/api/embed/tiles/{target}");
        Ok(self.sent(tiles::picture(outbound(target))))
    }
}

/// A question's page that is a file leads to its export: ours, where Metabase would name the host that it thinks it has.
pub(super) fn file(ask: &Ask<'_, '_, '_>, path: &str) -> Result<Plan, Denial> {
    let site = ask.permit.site();
    let mut location = format!("{}{path}", site.prefix);
    let mut rest = String::new();
    for pair in ask.req.query.pairs() {
        let folded = query::fold(&pair.name);
        if site.dropped.iter().all(|name| query::fold(name) != folded) {
            query::pass(&mut rest, pair);
        }
    }
    if !rest.is_empty() {
        location.push('?');
        location.push_str(&rest);
    }
    let mut answer = Answer::json(StatusCode::FOUND, Vec::new());
    answer.headers.remove(header::CONTENT_TYPE);
    let location = HeaderValue::try_from(location).map_err(|_| Refusal::RequestMalformed)?;
    answer.headers.insert(header::LOCATION, location);
    Ok(answer.into())
}

/// What follows the parameter in the path of a list of values, and whether it translates one value.
pub(super) fn below(ask: &Ask<'_, '_, '_>) -> Result<(String, bool), Denial> {
    let pattern = &*ask.permit.route().pattern;
    if pattern.ends_with("/remapping") {
        return Ok(("remapping".to_owned(), true));
    }
    if pattern.ends_with("/{text}") {
        let text = capture(ask, "text")?;
        let text = path::segment(&text).ok_or(Refusal::RouteDenied)?;
        return Ok((format!("search/{text}"), false));
    }
    Ok(("values".to_owned(), false))
}

/// A capture, decoded.
pub(super) fn capture(ask: &Ask<'_, '_, '_>, name: &str) -> Result<String, Denial> {
    let raw = ask.matched.capture(name).ok_or(Refusal::RouteDenied)?;
    Ok(path::decode(raw)?.into_owned())
}

/// A call without anything that the client said but a few harmless header fields.
pub(super) fn outbound(target: String) -> Outbound {
    Outbound {
        target: Some(target),
        keep: Some(&super::KEPT),
        body: Sending::Nothing,
        reply: Replying::Good,
        no_store: true,
        ..Outbound::default()
    }
}

/// A result, without what it tells of its query.
pub(super) fn result(target: String) -> Outbound {
    Outbound {
        reply: Replying::Without(TELLTALE),
        ..outbound(target)
    }
}

/// Stands for a token in the path of a page: three parts, as Metabase expects, and nothing in them.
const PLACEHOLDER: &str = "e30.e30.e30";
