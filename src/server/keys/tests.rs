use super::*;
use crate::config::remote::{Remote, Trust};
use crate::gate::token::jwk::JwkRules;

fn place() -> Arc<Place> {
    let source = KeySource {
        place: Remote::parse("https://idp.example.com/jwks", Trust::default()).unwrap(),
        issuer: None,
        rules: JwkRules::default(),
        refresh: Duration::from_mins(10),
        roots: 0,
    };
    Place::new(&Arc::from("idp"), &Arc::new(source), None)
}

/// The generation of the ring that a place has before any fetch.
const NONE: u64 = 0;

fn ended(place: &Place, number: u64) {
    place.end(number, Outcome::Unchanged, UnixTime(1));
}

#[tokio::test(start_paused = true)]
async fn requests_share_one_fetch_and_strangers_cannot_force_more() {
    let place = place();
    let begun = Instant::now();
    assert_eq!(place.ask(NONE, begun), Some(1));
    assert_eq!(place.ask(NONE, begun), Some(1), "the same one");
    let first = place.begin();
    assert_eq!(place.ask(NONE, begun), Some(1), "under way");
    ended(&place, first);
    assert_eq!(place.ask(NONE, begun + PAUSE / 2), None, "one just before");
    let timed = place.begin();
    assert_eq!(
        place.ask(NONE, begun + PAUSE / 2),
        Some(timed),
        "under way anyhow"
    );
    ended(&place, timed);
    assert_eq!(place.ask(NONE, begun + PAUSE), Some(timed + 1));
    let fruitful = place.begin();
    place.end(fruitful, Outcome::Changed, UnixTime(1));
    assert_eq!(
        place.ask(NONE, begun + PAUSE),
        Some(fruitful + 1),
        "a provider that rotates twice in a row"
    );
}

#[tokio::test(start_paused = true)]
async fn keys_are_asked_for_anew_where_a_fetch_began_before() {
    let place = place();
    let timed = place.begin();
    // What this one brings may be older than the key that the request names.
    assert_eq!(place.ask(NONE, Instant::now()), Some(timed + 1));
    ended(&place, timed);
    assert!(place.is_asked());
}

#[tokio::test(start_paused = true)]
async fn who_was_judged_by_older_keys_is_judged_again_and_causes_no_fetch() {
    let place = place();
    let fetch = place.begin();
    let ring = Arc::new(KeyRing::from(crate::gate::token::KeySet::new()));
    let now = Instant::now();
    lock(&place.state).ring = Some(Arc::clone(&ring));
    place.end(fetch, Outcome::Changed, UnixTime(1));
    let number = place.ask(ring.generation() ^ 1, now).unwrap();
    assert!(place.wait(number, now).await, "at once");
    assert!(!place.is_asked());
    // So the next key that is unknown is fetched without a pause.
    assert_eq!(place.ask(ring.generation(), now), Some(fetch + 1));
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_fetch_or_after_a_while() {
    let place = place();
    let until = Instant::now() + PATIENCE;
    assert!(!place.wait(1, until).await, "nothing came");
    assert_eq!(Instant::now(), until);
    let number = place.begin();
    let waiting = place.wait(number, Instant::now() + PATIENCE);
    let (came, ()) = tokio::join!(waiting, async { ended(&place, number) });
    assert!(came);
    assert_eq!(place.waiting.load(Ordering::Relaxed), 0);
    place.waiting.store(MOST_WAITING, Ordering::Relaxed);
    let now = Instant::now();
    assert!(!place.wait(9, now + PATIENCE).await);
    assert_eq!(Instant::now(), now, "a crowd is not let in");
}

#[test]
fn a_source_that_is_only_asked_more_often_keeps_its_keys() {
    let place = place();
    let ring = Arc::new(KeyRing::from(crate::gate::token::KeySet::new()));
    lock(&place.state).ring = Some(ring);
    let mut source = KeySource::clone(&place.source);
    source.refresh = Duration::from_secs(30);
    assert!(place.bequeath(&source).is_some());
    source.rules = JwkRules::new(&["ES256"], false).unwrap();
    assert!(place.bequeath(&source).is_none(), "read by other rules");
}

#[test]
fn outcomes_are_counted_where_they_are_named() {
    assert!(
        Outcome::ALL
            .iter()
            .enumerate()
            .all(|(at, outcome)| outcome.index() == at)
    );
}
