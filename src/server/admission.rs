//! Between the permit and the upstream: the token that is to be burnt, and the limits. One exchange with Redis at most, where gateways share.

use std::{rc::Rc, sync::Arc};

use super::{
    app::{App, Generation},
    cluster::{Heard, Installation, Link},
    failure::Failure,
    session,
};
use crate::{
    config::raw::WithoutRedis,
    gate::{
        cluster::Ask,
        limit::{Due, Verdict},
        policy::{Denial, Permit},
        refusal::Refusal,
        request::UnixTime,
        single_use::{Burn, Burning, SingleUse as _},
    },
};

/// What decides whether a permitted request goes on.
pub(super) struct Decided {
    /// Whether the token was used for the first time; `None`: there is none to burn.
    pub(super) burn: Option<Burn>,
    /// What the limits say.
    pub(super) rate: Result<Verdict, Failure>,
}

/// Asks this gateway's memory, or all gateways' together.
pub(super) async fn decide(
    app: &Arc<App>,
    link: &Rc<Link>,
    generation: &Generation,
    permit: &Permit,
    now: UnixTime,
) -> Decided {
    let burning = permit.burning();
    let now = match &burning {
        Some(token) if token.issued > now => {
            session::until(token.issued, now).await;
            app.clock.now()
        }
        Some(_) | None => now,
    };
    let Some(installation) = &generation.installation else {
        return Decided {
            burn: burning.map(|token| app.burnt.burn(&token, now)),
            rate: Ok(Verdict::Alone),
        };
    };
    let due = match permit.viewer() {
        Some(viewer) => installation.limits.due(permit.site().index, &viewer.signed),
        // Files, and what anybody may have: counted here, and nobody is asked.
        None => Due::default(),
    };
    let mut ask = burning.map_or_else(Ask::nothing, |token| {
        Ask::burn(&installation.spec.names, &token, permit.has_stand_in())
    });
    due.put(&mut ask);
    if ask.is_empty() {
        return Decided {
            burn: None,
            rate: Ok(Verdict::Alone),
        };
    }
    // Whoever was told to wait is told so again, until the time has come.
    if let (None, Err(limited)) = (burning, due.known(|key| link.refused(key))) {
        return Decided {
            burn: None,
            rate: Err(limited.into()),
        };
    }
    match link.exchange(installation, &ask).await {
        Heard::Answer(answer) => Decided {
            burn: answer
                .burn(now)
                .map(|burn| remember(app, installation, burning.as_ref(), burn, now)),
            rate: due
                .judge(answer.turns(), |key, wait| link.refuse(key, wait))
                .map_err(Failure::from),
        },
        Heard::Nothing => Decided {
            burn: burning.map(|token| without(app, installation, &token, now)),
            rate: alone(installation, &due),
        },
    }
}

/// A gateway that burns tokens by itself while Redis is away must know which were burnt before.
fn remember(
    app: &App,
    installation: &Installation,
    token: Option<&Burning<'_>>,
    burn: Burn,
    now: UnixTime,
) -> Burn {
    if let Some(token) = token.filter(|_| installation.spec.local_single_use) {
        let _known = app.burnt.burn(token, now);
    }
    burn
}

/// Nobody can tell whether the token was used elsewhere.
fn without(app: &App, installation: &Installation, token: &Burning<'_>, now: UnixTime) -> Burn {
    if installation.spec.local_single_use {
        app.burnt.burn(token, now)
    } else {
        Burn::Full
    }
}

fn alone(installation: &Installation, due: &Due<'_>) -> Result<Verdict, Failure> {
    match installation.spec.limits {
        WithoutRedis::Refuse if !due.is_empty() => Err(Denial::because(
            Refusal::Overloaded,
            "redis does not answer, and cluster.limits = \"refuse\"",
        )
        .into()),
        WithoutRedis::Local | WithoutRedis::Refuse => Ok(Verdict::Alone),
    }
}
