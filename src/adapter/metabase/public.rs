//! Public links, locked: Metabase asks nobody who they are, so we do, and what it would take from anybody is written anew.

use http::{HeaderValue, header};

use super::{
    Ask, Metabase, Outbound, Plan, PublicLink, Sending, TELLTALE, denied, file_of, filters,
    filters::{Extras, Filters, Rules, objects::Locks},
    format_of,
    layout::Layout,
    learn::LAYOUT_LIMIT,
    learnt, number_in, open_to, page,
    rewriting::{Pruning, Rewriting},
    send,
    signed::{below, capture, file, outbound, result},
    spec::{Kind, Unmapped, Uuid, Values},
    surface::PUBLIC_QUESTION_PAGE,
    tiles,
};
use crate::{
    adapter::Replying,
    gate::{path, policy::Denial, refusal::Refusal},
    rewrite::{body, decode},
};

/// A request to a public link.
pub(super) struct Public<'a, 'b, 'r, 'p> {
    metabase: &'a Metabase,
    ask: &'a Ask<'b, 'r, 'p>,
    uuid: Uuid,
    link: &'a PublicLink,
}

impl Metabase {
    /// What a request to a public link is about.
    pub(super) fn public<'a, 'b, 'r, 'p>(
        &'a self,
        ask: &'a Ask<'b, 'r, 'p>,
    ) -> Result<Public<'a, 'b, 'r, 'p>, Denial> {
        let (uuid, link) = self.link(ask.permit, ask.matched)?;
        Ok(Public {
            metabase: self,
            ask,
            uuid,
            link,
        })
    }
}

impl Public<'_, '_, '_, '_> {
    /// What goes upstream, with what it is about.
    fn sent(&self, outbound: Outbound) -> Plan {
        let (kind, uuid) = (self.link.kind.as_str(), &self.uuid);
        send(Outbound {
            resource: Some(format!("{kind}:{uuid}")),
            ..outbound
        })
    }

    fn rules(&self) -> Rules<'_> {
        Rules {
            lens: self.metabase.public_lens(),
            granted: self.ask.permit.granted(),
        }
    }

    fn extras(&self) -> Extras<'_> {
        Extras {
            drop: &self.ask.permit.site().dropped,
            ..Extras::default()
        }
    }

    pub(super) fn page(&self) -> Result<Plan, Denial> {
        let segment = self.ask.matched.capture("uuid").unwrap_or_default();
        if *self.ask.permit.route().pattern == *PUBLIC_QUESTION_PAGE
            && let Some((_, format)) = file_of(segment)
        {
            self.may_download()?;
            return file(
                self.ask,
                &format!("/api/public/card/{}/query/{format}", self.uuid),
            );
        }
        let target = format!("/public/{}/{}", self.link.kind.as_str(), self.uuid);
        Ok(self.sent(page(&target, self.metabase.shell(self.ask))))
    }

    fn may_download(&self) -> Result<(), Denial> {
        if !(self.metabase.spec.downloads && self.link.downloads) {
            return Err(Refusal::RouteDenied.into());
        }
        if super::claims(self.ask.permit)?.scope.contains("download") {
            return Ok(());
        }
        Err(Refusal::ScopeDenied.into())
    }

    pub(super) fn layout(&self) -> Plan {
        let lens = self.metabase.public_lens();
        let pruning = Pruning {
            kind: self.link.kind,
            params: lens.params.to_vec(),
            modes: lens.modes.to_vec(),
            open: open_to(lens, self.ask.permit),
            safe: self.link.safe_values.clone(),
            // Of a public link nothing is served that is not filtered.
            unmapped: Unmapped::Deny,
            known: self.ask.known.cloned(),
        };
        let rewriting = Rewriting::Public {
            uuid: self.uuid.clone(),
            pruning: Box::new(pruning),
            valid_for: self.metabase.spec.layout_ttl,
        };
        let path = format!("/api/public/{}/{}", self.link.kind.in_api(), self.uuid);
        self.sent(Outbound {
            reply: Replying::Rewrite(Box::new(rewriting), LAYOUT_LIMIT),
            ..outbound(path)
        })
    }

    pub(super) fn query(&self) -> Result<Plan, Denial> {
        let layout = self.fit()?;
        let filters = self.filters(layout, Locks::Appended)?;
        // An export repeats what the result says that it was asked: that is what this viewer set, and nothing of what is locked.
        let own = self.filters(layout, Locks::InToken)?;
        let asked = format!(r#""json_query":{{"parameters":{}}}"#, own.to_json());
        Ok(self.sent(Outbound {
            reply: Replying::Instead(TELLTALE, asked.into()),
            ..outbound(format!("{}?{}", self.card(layout)?, filters.to_query()))
        }))
    }

    /// Of a dashboard by POST, of a question by GET.
    pub(super) fn export(&self) -> Result<Plan, Denial> {
        self.may_download()?;
        let layout = self.fit()?;
        let format = format_of(self.ask.matched)?;
        let mut target = format!("{}/{format}", self.card(layout)?);
        let (mut sent, mut set) = (Sending::Nothing, Vec::new());
        match self.link.kind {
            Kind::Dashboard => {
                let form = self.posted(layout)?.to_form();
                sent = Sending::Own(form.into_bytes());
                let media = HeaderValue::from_static(filters::export::MEDIA);
                set.push((header::CONTENT_TYPE, media));
            }
            Kind::Question => {
                target.push('?');
                target.push_str(&self.filters(layout, Locks::Appended)?.to_query());
            }
        }
        let reply = if format == "api" {
            Replying::Without(TELLTALE)
        } else {
            Replying::Good
        };
        Ok(self.sent(Outbound {
            body: sent,
            set,
            export: true,
            reply,
            ..outbound(target)
        }))
    }

    pub(super) fn tile(&self) -> Result<Plan, Denial> {
        let target = tiles::target(
            self.ask,
            (self.link.kind, self.uuid.as_str()),
            self.rules(),
            self.extras(),
            Locks::Appended,
        )?;
        let target = format!("/api/public/tiles/{target}");
        Ok(self.sent(tiles::picture(outbound(target))))
    }

    fn filters(&self, layout: &Layout, locks: Locks) -> Result<Filters, Denial> {
        filters::objects::from_query(
            self.ask.req.query,
            layout,
            self.rules(),
            self.extras(),
            locks,
        )
    }

    fn posted(&self, layout: &Layout) -> Result<Filters, Denial> {
        let headers = self.ask.req.headers;
        let media = body::media(headers)?;
        let sent = self.ask.body.unwrap_or_default();
        let limit = self.ask.permit.route().body_limit;
        let plain = decode::inflate(headers, sent.to_vec().into(), limit)?;
        filters::export::read(self.ask.req.query, (&media, &plain), layout, self.rules())
    }

    /// The path of a card's result; the card must be one that the locked parameters reach.
    fn card(&self, layout: &Layout) -> Result<String, Denial> {
        let pivot = if self
            .ask
            .permit
            .route()
            .pattern
            .starts_with("/api/public/pivot/")
        {
            "pivot/"
        } else {
            ""
        };
        let uuid = &self.uuid;
        match self.link.kind {
            Kind::Dashboard => {
                let dashcard = number_in(self.ask.matched, "dashcard")?;
                let card = number_in(self.ask.matched, "card")?;
                if !layout.serves(dashcard, card, Unmapped::Deny) {
                    return Err(denied(
                        "a card that a locked parameter does not reach, or none of this dashboard's",
                    ));
                }
                Ok(format!(
                    "/api/public/{pivot}dashboard/{uuid}/dashcard/{dashcard}/card/{card}"
                ))
            }
            Kind::Question => {
                if layout.places().iter().any(|place| !place.is_covered()) {
                    return Err(denied("a question that a locked parameter does not reach"));
                }
                Ok(format!("/api/public/{pivot}card/{uuid}/query"))
            }
        }
    }

    fn fit(&self) -> Result<&Layout, Denial> {
        learnt(self.ask)?.fit().map(|(layout, _)| layout)
    }

    pub(super) fn values(&self) -> Result<Plan, Denial> {
        let safe = &self.link.safe_values;
        if self.link.values == Values::Deny && safe.is_empty() {
            return Err(Refusal::RouteDenied.into());
        }
        let (layout, kept) = learnt(self.ask)?.fit()?;
        let id = capture(self.ask, "param")?;
        let param = filters::values::target(&id, layout, self.rules())?;
        if !kept.contains(&param) && !safe.contains(&param) {
            return Err(denied(
                "a list of values that does not keep to the locked parameters",
            ));
        }
        let id = path::segment(&id).ok_or(Refusal::RouteDenied)?;
        let (below, _) = below(self.ask)?;
        let query = filters::values::public(
            self.ask.req.query,
            layout,
            self.rules(),
            &self.ask.permit.site().dropped,
        )?;
        Ok(self.sent(result(format!(
            "/api/public/{}/{}/params/{id}/{below}?{query}",
            self.link.kind.in_api(),
            self.uuid
        ))))
    }
}
