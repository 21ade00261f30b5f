//! What comes out of Redis, and where Redis is said to be: read or refused, nothing panics.
#![no_main]

use embedgate::{
    config::cluster::Address,
    gate::{
        cluster::{Ask, Greeting, Names, Pace},
        limit::Quota,
        request::UnixTime,
        single_use::Burning,
    },
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [kind, charges, rest @ ..] = data else {
        return;
    };
    let names = Names::new("t", b"secret").expect("any secret will do");
    let token = Burning {
        issuer: "app",
        token_id: "t-1",
        issued: UnixTime(1_764_000_000),
        until: UnixTime(1_764_000_600),
    };
    let mut ask = if kind % 2 == 0 {
        Ask::nothing()
    } else {
        Ask::burn(&names, &token, kind % 4 == 1)
    };
    let quota = Quota {
        count: 3.try_into().expect("not zero"),
        period: std::time::Duration::from_secs(60),
    };
    let pace = Pace::of(quota);
    for _ in 0..charges % 4 {
        ask.charge("k", pace);
    }
    let (numbers, _) = rest.as_chunks::<8>();
    let reply: Vec<i64> = numbers.iter().map(|bytes| i64::from_le_bytes(*bytes)).collect();
    let _greeting = Greeting::read(&reply);
    if let Some(answer) = ask.read(&reply) {
        assert!(answer.turns().len() <= usize::from(charges % 4));
        assert_eq!(answer.burn(UnixTime(0)).is_some(), ask.burns());
    }
    if let &[known, now, ..] = &*reply {
        let (known, now) = (known.unsigned_abs(), now.unsigned_abs());
        let (_, next) = pace.charge(Some(known), now);
        assert!(next.is_none_or(|next| next >= now && next <= now.saturating_add(pace.whole())));
    }
    assert_eq!(names.strongbox().open("a", rest), None, "nobody forges a record");
    if let Ok(text) = std::str::from_utf8(rest)
        && let Ok(address) = Address::parse(text, 6379)
    {
        assert!(address.node.port > 0 && !address.node.host.is_empty());
        assert!(!text.contains('@'));
    }
});
