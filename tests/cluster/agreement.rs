//! The script that Redis runs decides as the pure ring says, whatever is asked.

use std::{cell::RefCell, num::NonZeroU32, time::Duration};

use embedgate::gate::{
    cluster::{Ask, Names, Pace, SCRIPT, Script},
    limit::Quota,
    request::UnixTime,
    single_use::{Burn, Burning},
};
use proptest::prelude::*;

use crate::redis_server::Redis;

fn run(connection: &mut redis::Connection, ask: &Ask) -> Vec<i64> {
    let mut command = redis::cmd("EVAL");
    command.arg(SCRIPT).arg(ask.keys().len()).arg(ask.keys());
    for number in ask.numbers() {
        command.arg(*number);
    }
    command.query(connection).unwrap()
}

fn connect(redis: &Redis) -> redis::Connection {
    redis::Client::open(redis.url())
        .unwrap()
        .get_connection()
        .unwrap()
}

#[test]
fn redis_counts_as_the_pure_ring_does() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let connection = RefCell::new(connect(&redis));
    let run = |ask: &Ask| run(&mut connection.borrow_mut(), ask);
    let case = RefCell::new(0);
    let quota = (1_u32..12, 1_u64..40).prop_map(|(count, millis)| Quota {
        count: NonZeroU32::new(count).unwrap(),
        period: Duration::from_millis(millis),
    });
    let strategy = (
        proptest::collection::vec(quota, 1..4),
        proptest::collection::vec(0_u64..6, 1..25),
    );
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(60));
    let outcome = runner.run(&strategy, |(quotas, pauses)| {
        *case.borrow_mut() += 1;
        let name = |at: usize| format!("{}-{at}", case.borrow());
        let paces: Vec<Pace> = quotas.into_iter().map(Pace::of).collect();
        let mut known: Vec<Option<u64>> = vec![None; paces.len()];
        for pause in pauses {
            std::thread::sleep(Duration::from_millis(pause));
            let mut ask = Ask::nothing();
            for (at, pace) in paces.iter().enumerate() {
                ask.charge(&name(at), *pace);
            }
            let answer = ask.read(&run(&ask)).unwrap();
            let mut expected = Vec::new();
            for (at, pace) in paces.iter().enumerate() {
                let (turn, next) = pace.charge(known[at], answer.now);
                expected.push(turn);
                if next.is_none() {
                    break;
                }
                known[at] = next;
            }
            prop_assert_eq!(answer.turns(), &*expected);
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn what_redis_keeps_ends_by_itself() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let mut connection = connect(&redis);
    let names = Names::new("t", b"secret").unwrap();
    let quota = Quota {
        count: NonZeroU32::new(3).unwrap(),
        period: Duration::from_mins(1),
    };
    let mut ask = Ask::nothing();
    ask.charge("limit", Pace::of(quota));
    run(&mut connection, &ask);
    let left = |connection: &mut redis::Connection, key: &str| -> i64 {
        redis::cmd("PTTL").arg(key).query(connection).unwrap()
    };
    let limit = left(&mut connection, "limit");
    assert!((1..=20_000).contains(&limit), "{limit}");

    let now =
        i64::try_from(ask.read(&run(&mut connection, &ask)).unwrap().now / 1_000_000).unwrap();
    let token = Burning {
        issuer: "app",
        token_id: "t-1",
        issued: UnixTime(now),
        until: UnixTime(now + 300),
    };
    let ask = Ask::burn(&names, &token, false);
    let burn = |connection: &mut redis::Connection| {
        let answer = ask.read(&run(connection, &ask)).unwrap();
        answer.burn(UnixTime(now)).unwrap()
    };
    assert_eq!(
        burn(&mut connection),
        Burn::Again,
        "a memory that has just begun knows nothing of this second"
    );
    let mut long_ago = redis::cmd("SET");
    long_ago.arg(names.began()).arg(now - 30);
    let _ok: String = long_ago.query(&mut connection).unwrap();
    assert_eq!(burn(&mut connection), Burn::First);
    assert_eq!(burn(&mut connection), Burn::Again);
    let used = left(&mut connection, &names.used(&token));
    assert!((890_000..=900_000).contains(&used), "{used}");
    assert_eq!(left(&mut connection, &names.began()), -1, "for ever");

    let older = Burning {
        token_id: "t-2",
        issued: UnixTime(now - 60),
        ..token
    };
    let ask = Ask::burn(&names, &older, false);
    let answer = ask.read(&run(&mut connection, &ask)).unwrap();
    assert_eq!(
        answer.burn(UnixTime(now)),
        Some(Burn::Again),
        "older than Redis's memory: nobody can tell"
    );
}

#[test]
fn a_dead_token_uses_up_nobodys_quota() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let mut connection = connect(&redis);
    let names = Names::new("t", b"secret").unwrap();
    let pace = Pace::of(Quota {
        count: NonZeroU32::new(3).unwrap(),
        period: Duration::from_hours(1),
    });
    let token = Burning {
        issuer: "app",
        token_id: "t-1",
        issued: UnixTime(i64::MAX),
        until: UnixTime(i64::MAX),
    };
    let charged = |connection: &mut redis::Connection, goes_on| {
        let mut ask = Ask::burn(&names, &token, goes_on);
        ask.charge("k", pace);
        let answer = ask.read(&run(connection, &ask)).unwrap();
        (
            answer.burn(UnixTime(i64::MAX)).unwrap(),
            answer.turns().len(),
        )
    };
    assert_eq!(charged(&mut connection, false), (Burn::First, 1));
    for _ in 0..9 {
        assert_eq!(charged(&mut connection, false), (Burn::Again, 0));
    }
    assert_eq!(charged(&mut connection, true), (Burn::Again, 1));
}

#[test]
fn the_server_knows_the_script_by_the_name_that_we_give_it() {
    let Some(redis) = Redis::start(&[]) else {
        return;
    };
    let mut connection = connect(&redis);
    let sha: String = redis::cmd("SCRIPT")
        .arg("LOAD")
        .arg(SCRIPT)
        .query(&mut connection)
        .unwrap();
    assert_eq!(sha, Script::new(SCRIPT).sha);
}
