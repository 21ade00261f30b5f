//! Fetching in the background: one task for each source, on the steward's runtime.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::{
        app::App,
        upstream::{UpstreamError, Upstreams},
    },
    Outcome, Place,
    fetch::{FetchError, Fetched, Fetcher},
};
use crate::gate::token::{
    jwk::{JwkError, Jwks},
    keys::{KeyRing, KeySet},
};

/// Fetches keys for every configuration that comes into force, until it is told to stop.
pub(in crate::server) async fn tend(app: &Arc<App>, mut stopped: watch::Receiver<bool>) {
    let upstreams = Upstreams::new();
    let mut tasks = JoinSet::new();
    let mut tended: Vec<(Arc<Place>, tokio::task::AbortHandle)> = Vec::new();
    loop {
        let places = app.keys.all();
        tended.retain(|(place, task)| {
            let still = places.iter().any(|other| Arc::ptr_eq(place, other));
            if !still {
                task.abort();
            }
            still
        });
        for place in places {
            if tended.iter().any(|(other, _)| Arc::ptr_eq(&place, other)) {
                continue;
            }
            let fetcher = Fetcher::new(&place.source, &upstreams);
            let task = Task {
                app: Arc::clone(app),
                place: Arc::clone(&place),
                fetcher,
                failures: 0,
            };
            tended.push((place, tasks.spawn_local(task.run())));
        }
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => return,
            () = app.keys.changed.notified() => {}
            Some(_) = tasks.join_next(), if !tasks.is_empty() => {}
        }
    }
}

/// The care for one source.
struct Task {
    app: Arc<App>,
    place: Arc<Place>,
    fetcher: Fetcher,
    /// Fetches in a row that brought nothing.
    failures: u32,
}

impl Task {
    async fn run(mut self) {
        let mut hurry = false;
        loop {
            let number = self.place.begin();
            let fetched = timeout(PATIENCE, self.fetcher.fetch(hurry)).await;
            let (outcome, fresh) = match fetched {
                Ok(Ok(fetched)) => self.accept(fetched),
                Ok(Err(error)) => (self.fail(&error), None),
                Err(_) => (self.fail(&UpstreamError::Timeout.into()), None),
            };
            self.place.end(number, outcome, self.app.clock.now());
            let ended = Instant::now();
            let next = ended + jittered(self.pause(fresh));
            while Instant::now() < next && !self.place.is_asked() {
                tokio::select! {
                    () = sleep_until(next) => {}
                    () = self.place.wanted.notified() => {}
                }
            }
            sleep_until(ended + BREATH).await;
            hurry = self.place.is_asked();
        }
    }

    /// Puts what came in force.
    fn accept(&mut self, fetched: Fetched) -> (Outcome, Option<Duration>) {
        let Fetched { set, fresh } = fetched;
        let before = self.place.ring();
        let Some(Jwks { keys, unused }) = set else {
            self.recovered();
            return (Outcome::Unchanged, fresh);
        };
        if before.is_none() && keys.is_empty() {
            self.tell(&unused);
            self.failed("it holds no key that can be used");
            return (Outcome::Invalid, None);
        }
        self.recovered();
        let ring = Arc::new(KeyRing::from(keys));
        if before.is_some_and(|before| before.generation() == ring.generation()) {
            return (Outcome::Unchanged, fresh);
        }
        self.tell(&unused);
        let before = self.place.put(&self.app, &ring);
        self.changed(before.as_ref().map(|ring| ring.keys()), ring.keys());
        (Outcome::Changed, fresh)
    }

    fn fail(&mut self, error: &FetchError) -> Outcome {
        self.failed(&error.to_string());
        if error.is_invalid() {
            Outcome::Invalid
        } else {
            Outcome::Unreachable
        }
    }

    /// Tells of the first failure in a row, and of some that follow.
    fn failed(&mut self, why: &str) {
        self.failures = self.failures.saturating_add(1);
        if self.failures.is_power_of_two() {
            let (issuer, url) = (&*self.place.name, &self.place.source.place);
            let known = self.place.ring().map_or(0, |ring| ring.keys().len());
            let failures = self.failures;
            tracing::warn!(issuer, %url, why, failures, known, "keys cannot be fetched; those known stay in force");
        }
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(issuer = &*self.place.name, "keys can be fetched again");
        }
    }

    /// Keys that came and are not used.
    fn tell(&self, unused: &[JwkError]) {
        for why in unused.iter().take(MOST_TOLD) {
            tracing::warn!(issuer = &*self.place.name, %why, "a key is not used");
        }
    }

    fn changed(&self, before: Option<&KeySet>, now: &KeySet) {
        let issuer = &*self.place.name;
        if now.is_empty() {
            tracing::error!(
                issuer,
                "the provider has withdrawn all keys: none of its tokens is accepted"
            );
            return;
        }
        let names = |set: &KeySet| -> BTreeSet<String> {
            let keys = set.all().map(|key| key.kid().unwrap_or("(no kid)"));
            keys.map(|kid| kid.escape_debug().take(64).collect())
                .collect()
        };
        let (before, after) = (before.map(names).unwrap_or_default(), names(now));
        let listed = |names: Vec<&String>| {
            let names: Vec<&str> = names
                .into_iter()
                .take(MOST_TOLD)
                .map(|name| &**name)
                .collect();
            names.join(" ")
        };
        let added = listed(after.difference(&before).collect());
        let gone = listed(before.difference(&after).collect());
        tracing::info!(issuer, keys = now.len(), %added, %gone, "keys fetched");
    }

    fn pause(&self, fresh: Option<Duration>) -> Duration {
        let hungry = self.place.ring().is_none();
        pause(self.place.source.refresh, fresh, self.failures, hungry)
    }
}

/// How long to wait: as the server says within bounds, or longer and longer while nothing comes; never long where there are no keys at all.
fn pause(longest: Duration, fresh: Option<Duration>, failures: u32, hungry: bool) -> Duration {
    if failures == 0 {
        let shortest = SHORTEST.min(longest);
        return fresh.unwrap_or(longest).clamp(shortest, longest);
    }
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let ceiling = if hungry { HUNGRY } else { LONGEST_BACKOFF };
    FIRST_BACKOFF
        .saturating_mul(doubled)
        .min(ceiling)
        .min(longest)
}

/// Up to a quarter shorter, so that many gateways do not ask in step; never longer, so that a bound stays one.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0_u8; 1];
    // Without randomness, the longest jitter.
    let part = aws_lc_rs::rand::fill(&mut random).map_or(u8::MAX, |()| random[0]);
    pause.saturating_sub(pause.saturating_mul(u32::from(part)) / 1024)
}

/// The shortest time between a fetch and the next, whoever asks: a provider whose nodes disagree has changed its keys each time, and then no fetch is in vain.
const BREATH: Duration = Duration::from_secs(1);
/// The longest a fetch may take, discovery and set together.
const PATIENCE: Duration = Duration::from_secs(10);
/// The shortest pause that a server may ask for.
const SHORTEST: Duration = Duration::from_secs(30);
/// The pause after a first failure.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause while there is a set.
const LONGEST_BACKOFF: Duration = Duration::from_mins(1);
/// The longest pause while there is none.
const HUNGRY: Duration = Duration::from_secs(10);
/// Keys named in one line of the log.
const MOST_TOLD: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_longer_and_longer_while_nothing_comes_and_never_too_long() {
        let longest = Duration::from_mins(10);
        for (failures, known, hungry) in [
            (1, 1, 1),
            (2, 2, 2),
            (3, 4, 4),
            (4, 8, 8),
            (5, 16, 10),
            (7, 60, 10),
            (32, 60, 10),
            (u32::MAX, 60, 10),
        ] {
            let found = [false, true].map(|hungry| pause(longest, None, failures, hungry));
            let wanted = [known, hungry].map(Duration::from_secs);
            assert_eq!(found, wanted, "after {failures} failures");
            let often = Duration::from_secs(2);
            assert!(pause(often, None, failures, false) <= often);
        }
    }

    #[test]
    fn a_server_says_when_within_bounds() {
        for (longest, says, wanted) in [
            (600, None, 600),
            (600, Some(300), 300),
            (600, Some(0), 30),
            (600, Some(u64::MAX), 600),
            (5, Some(0), 5),
            (5, Some(60), 5),
        ] {
            let [longest, wanted] = [longest, wanted].map(Duration::from_secs);
            let found = pause(longest, says.map(Duration::from_secs), 0, false);
            assert_eq!(found, wanted, "{longest:?} {says:?}");
        }
    }

    #[test]
    fn jitter_only_ever_shortens() {
        let pause = Duration::from_secs(100);
        for _ in 0..1000 {
            let found = jittered(pause);
            assert!(
                (Duration::from_secs(75)..=pause).contains(&found),
                "{found:?}"
            );
        }
    }
}
