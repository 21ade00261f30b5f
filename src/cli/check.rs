//! `embedgate check`: compiles the configuration, every fault at once; with `--online`, asks the upstreams whether what it promises holds.

use std::fmt::Write as _;

use super::{CheckArgs, Failure};
use crate::{
    adapter::{
        exchange::{Known, Want},
        metabase::{
            Item, ItemId, Kind, Learnt,
            layout::{Place, Role},
        },
    },
    config::{AdapterSpec, Snapshot},
    server::survey::{Finding, survey},
};

/// Prints a summary, or fails with every fault.
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let snapshot = Snapshot::load(&args.config)?;
    super::print(&summary(&snapshot))?;
    if args.online {
        return online(args, &snapshot);
    }
    Ok(())
}

/// Asks the upstreams. Everything is told before anything fails.
fn online(args: &CheckArgs, snapshot: &Snapshot) -> Result<(), Failure> {
    let more = wanted(args, snapshot)?;
    let (mut printed, mut bad, mut asked) = (Ok(()), 0_usize, 0_usize);
    survey(snapshot, &more, |finding| {
        let (text, good) = told(&finding, snapshot);
        asked = asked.saturating_add(1);
        bad = bad.saturating_add(usize::from(!good));
        if printed.is_ok() {
            printed = super::print(text.trim_end());
        }
    })
    .map_err(|error| Failure::Runtime(error.to_string()))?;
    printed?;
    if asked == 0 {
        return super::print("online: there is nothing to ask (public links, --item)");
    }
    if bad > 0 {
        return Err(Failure::Runtime(format!(
            "{bad} of {asked} are not as they should be"
        )));
    }
    Ok(())
}

/// `SITE=KIND:ID`.
fn wanted(args: &CheckArgs, snapshot: &Snapshot) -> Result<Vec<(usize, Want)>, Failure> {
    let mut all = Vec::new();
    for text in &args.item {
        let usage = || {
            Failure::Usage(format!(
                "--item {text}: such as reports=dashboard:42, of a Metabase site with an api_key"
            ))
        };
        let (site, item) = text.split_once('=').ok_or_else(usage)?;
        let (kind, id) = item.split_once(':').ok_or_else(usage)?;
        let kind = match kind {
            "dashboard" => Kind::Dashboard,
            "question" => Kind::Question,
            _ => return Err(usage()),
        };
        let id = ItemId::parse(id).ok_or_else(usage)?;
        let entry = snapshot
            .sites
            .iter()
            .find(|entry| *entry.site.name == *site);
        let entry = entry.ok_or_else(usage)?;
        match &entry.adapter {
            AdapterSpec::Metabase(spec) if spec.api_key.is_some() => {
                all.push((entry.site.index, Want::MetabaseItem(Item { kind, id })));
            }
            AdapterSpec::Generic | AdapterSpec::Metabase(_) | AdapterSpec::Superset(_) => {
                return Err(usage());
            }
        }
    }
    Ok(all)
}

/// A finding in words, and whether it is as it should be.
fn told(finding: &Finding, snapshot: &Snapshot) -> (String, bool) {
    let mut text = format!("\n{}: {}", finding.site, finding.want);
    match &finding.known {
        Err(why) => {
            line(&mut text, "FAIL", &format!("could not be asked: {why}"));
            (text, false)
        }
        Ok(Known::Metabase(learnt)) => {
            let good = layout(learnt, finding, snapshot, &mut text);
            (text, good)
        }
        Ok(Known::Superset(_)) => (text, true),
    }
}

/// Which cards the lock covers.
fn layout(learnt: &Learnt, finding: &Finding, snapshot: &Snapshot, text: &mut String) -> bool {
    let Some(layout) = learnt.found() else {
        line(
            text,
            "FAIL",
            "there is nothing by this name, or it is not shared",
        );
        return false;
    };
    let _infallible = write!(text, "  ({})", layout.title());
    for problem in layout.problems() {
        line(text, "FAIL", &format!("refused: {problem}"));
    }
    let entry = snapshot
        .sites
        .iter()
        .find(|entry| entry.site.name == finding.site);
    let locked = layout
        .parameters()
        .iter()
        .filter_map(|parameter| match parameter.role {
            Role::Locked(param) => entry?.site.params.get(param).map(|spec| &*spec.name),
            Role::Disabled(_) | Role::Hidden | Role::Open(_) => None,
        });
    let locked: Vec<&str> = locked.collect();
    for place in layout.places() {
        if place.is_covered() {
            line(
                text,
                "ok  ",
                &format!("{place}: locked by {}", locked.join(", ")),
            );
        } else {
            let lacks: Vec<&str> = place.lacks.iter().map(|slug| &**slug).collect();
            line(
                text,
                "FAIL",
                &format!("{place}: not connected to {}", lacks.join(", ")),
            );
        }
    }
    let values = learnt.fit().map(|(_, values)| values.len());
    if let Ok(count) = values
        && count > 0
    {
        line(
            text,
            "ok  ",
            &format!(
                "{} kept to the lock when tried",
                counted(count, "list of values")
            ),
        );
    }
    layout.problems().is_empty() && layout.places().iter().all(Place::is_covered)
}

fn line(text: &mut String, mark: &str, what: &str) {
    let _infallible = write!(text, "\n  {mark} {what}");
}

fn summary(snapshot: &Snapshot) -> String {
    let routes = snapshot
        .sites
        .iter()
        .map(|entry| entry.site.surface.routes().len())
        .sum();
    let mut text = format!(
        "ok: {}, {}, {}",
        counted(snapshot.sites.len(), "site"),
        counted(routes, "route"),
        counted(snapshot.issuers.len(), "issuer")
    );
    if !snapshot.dangers.is_empty() {
        let dangers = counted(snapshot.dangers.len(), "danger");
        text = format!("{text}; {dangers}: {}", snapshot.dangers.join(", "));
    }
    text
}

fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
