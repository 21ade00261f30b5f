//! How the stand-in of Metabase reads a request, and how it comes to its answer.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value as Json;

pub(crate) use super::super::wire::Seen;
pub(super) use super::super::wire::{Answer, decoded, nonce, pairs};
use super::{State, pages};

impl Seen {
    /// One value of the query, as JSON. Panics unless there is exactly one.
    pub(crate) fn json(&self, key: &str) -> Json {
        let query = self.query();
        let found: Vec<_> = query.iter().filter(|(name, _)| name == key).collect();
        assert_eq!(found.len(), 1, "{key} in {}", self.target);
        let text = found.first().map_or("", |(_, value)| value);
        serde_json::from_str(text).unwrap_or_else(|why| panic!("{why}: {text}"))
    }

    /// The claims of the token in the path.
    pub(crate) fn claims(&self) -> Option<Json> {
        let dotted = |part: &&str| part.starts_with("ey") && part.matches('.').count() == 2;
        super::token::peek(self.path().split('/').find(dotted)?)
    }

    /// The path's segments, leniently; what is searched for stays in one piece.
    pub(super) fn segments(&self) -> Vec<String> {
        self.segments_but("search")
    }

    /// Reads a cookie.
    pub(super) fn cookie(&self, name: &str) -> Option<&str> {
        let all = self
            .all("cookie")
            .into_iter()
            .flat_map(|one| one.split(';'));
        all.filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// Answers a request, with Metabase's headers.
pub(super) fn answer(state: &Arc<Mutex<State>>, seen: Seen) -> Answer {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    let mut answer = super::route::answer(&mut state.store, &seen);
    pages::dress(&state.store, &seen, &mut answer);
    let accepts = seen.all("accept-encoding").concat().contains("gzip");
    if state.store.behaviour.gzip && accepts && answer.filler == 0 && !answer.body.is_empty() {
        answer.compress();
    }
    state.note(seen);
    answer
}
