//! One exchange: at most one token that is to be burnt, and the quotas that are to be charged; one script, which Redis runs as a whole.
//!
//! The time is Redis's own, so that gateways whose clocks differ count alike.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use smallvec::SmallVec;

use super::{Names, Pace, Turn};
use crate::gate::{
    request::UnixTime,
    single_use::{Burn, Burning},
};

/// A script and the name that Redis knows it by.
#[derive(Clone, Debug)]
pub struct Script {
    /// Lua.
    pub text: &'static str,
    /// SHA-1 of the text, in hex.
    pub sha: String,
}

/// What is asked.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    keys: SmallVec<[String; 5]>,
    numbers: SmallVec<[i64; 10]>,
    burns: bool,
}

/// What Redis answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// Redis's time, in microseconds since 1970.
    pub now: u64,
    burn: Option<Burn>,
    turns: SmallVec<[Turn; 3]>,
}

/// What Redis says to a gateway that connects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Greeting {
    /// Redis's time, in seconds since 1970.
    pub now: UnixTime,
    /// Whether the installation has the same secret.
    pub kin: bool,
}

impl Script {
    /// Of a text.
    pub fn new(text: &'static str) -> Self {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let hex = hash.as_ref().iter().map(|byte| format!("{byte:02x}"));
        Self {
            text,
            sha: hex.collect(),
        }
    }
}

impl Ask {
    /// Asks whether a token is used for the first time. With `goes_on` the request goes on if it is not (a session stands in for it), and so is
    /// charged; without, a copy of a token that is dead uses up nobody's quota.
    pub fn burn(names: &Names, token: &Burning<'_>, goes_on: bool) -> Self {
        let mut ask = Self {
            burns: true,
            ..Self::default()
        };
        ask.keys.push(names.began());
        ask.keys.push(names.used(token));
        let longest = |time: UnixTime| time.0.clamp(-FAR, FAR);
        ask.numbers.push(1);
        ask.numbers.push(longest(token.issued));
        ask.numbers.push(longest(token.until.plus(GRACE)));
        ask.numbers.push(i64::from(goes_on));
        ask
    }

    /// Asks for nothing yet.
    pub fn nothing() -> Self {
        let mut ask = Self::default();
        ask.numbers.extend([0; 4]);
        ask
    }

    /// Charges one request to a key, after what was asked for before: who is refused by one quota is not charged to the next.
    pub fn charge(&mut self, key: &str, pace: Pace) {
        let number = |micros: u64| i64::try_from(micros).unwrap_or(i64::MAX);
        self.keys.push(key.to_owned());
        self.numbers
            .extend([number(pace.step()), number(pace.whole())]);
    }

    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether a token is to be burnt.
    pub fn burns(&self) -> bool {
        self.burns
    }

    /// `KEYS` of the script.
    pub fn keys(&self) -> &[String] {
        &self.keys
    }

    /// `ARGV` of the script.
    pub fn numbers(&self) -> &[i64] {
        &self.numbers
    }

    /// Reads what the script returned; `None`: that is no answer to this.
    pub fn read(&self, reply: &[i64]) -> Option<Answer> {
        let [now, burn, turns @ ..] = reply else {
            return None;
        };
        let burn = match (self.burns, burn) {
            (false, 0) => None,
            (true, 1) => Some(Burn::First),
            (true, 2) => Some(Burn::Again),
            _ => return None,
        };
        let turns: SmallVec<[Turn; 3]> = turns.iter().copied().map(Turn::read).collect();
        let asked = self.numbers.len().checked_sub(4)?.checked_div(2)?;
        let stopped = burn == Some(Burn::Again) || matches!(turns.last(), Some(Turn::Refused(_)));
        let whole = turns.len() == asked || (turns.len() < asked && stopped);
        let now = u64::try_from(*now).ok()?;
        whole.then_some(Answer { now, burn, turns })
    }
}

impl Answer {
    /// Whether the token was burnt, by a gateway whose clock stands at `now`.
    ///
    /// A clock that is so far behind that it accepts tokens which Redis has forgotten already cannot tell: then nothing must be used.
    pub fn burn(&self, now: UnixTime) -> Option<Burn> {
        let slow = self.offset(now) < -SLOWEST;
        self.burn.map(|burn| if slow { Burn::Full } else { burn })
    }

    /// By how many seconds a gateway's clock is ahead of Redis's.
    pub fn offset(&self, now: UnixTime) -> i64 {
        let theirs = i64::try_from(self.now.div_euclid(1_000_000)).unwrap_or(i64::MAX);
        now.0.saturating_sub(theirs)
    }

    /// What became of the charges, in their order; none after one that was refused.
    pub fn turns(&self) -> &[Turn] {
        &self.turns
    }
}

impl Greeting {
    /// Reads what [`GREET`] returned.
    pub fn read(reply: &[i64]) -> Option<Self> {
        match reply {
            [now, kin] => Some(Self {
                now: UnixTime(*now),
                kin: *kin == 1,
            }),
            _ => None,
        }
    }
}

/// Seconds for which a used token is remembered beyond its end: by so much the clocks of gateways may be behind Redis's.
const GRACE: i64 = 600;
/// The most that a gateway's clock may be behind where tokens open one page; less than [`GRACE`], and than that again for what is on its way.
const SLOWEST: i64 = 540;
/// Times beyond this stand for ever: ten thousand years, which a Lua number counts exactly in milliseconds.
const FAR: i64 = 253_402_300_800;

/// A memory that begins counts from five seconds later: what was used before by a gateway or an issuer whose clock is that far ahead is not new to it.
///
/// `KEYS`: for a token [`Names::began`] and [`Names::used`]; then one per charge. `ARGV`: 1 where there is a token, when it was issued, until when it
/// is remembered (Unix seconds), 1 to go on if it was used; then per charge what one request and what all of them take (microseconds).
/// Returns the time in microseconds; 0 without a token, 1 for its first use, 2 for any other; then per charge what is owed, or the wait below zero.
pub const SCRIPT: &str = r"
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local answer, key = {now, 0}, 1
if ARGV[1] == '1' then
  local began = redis.call('GET', KEYS[1])
  if not began then
    began = string.format('%.0f', clock[1] + 5)
    redis.call('SET', KEYS[1], began)
  end
  began = tonumber(began) or clock[1] + 5
  local keep = math.max(ARGV[3] * 1000 - math.floor(now / 1000), 1000)
  if tonumber(ARGV[2]) > began and redis.call('SET', KEYS[2], '1', 'NX', 'PX', string.format('%.0f', keep)) then
    answer[2] = 1
  else
    answer[2] = 2
    if ARGV[4] ~= '1' then return answer end
  end
  key = 3
end
local argument = 5
while KEYS[key] do
  local step, whole = tonumber(ARGV[argument]), tonumber(ARGV[argument + 1])
  local known = tonumber(redis.call('GET', KEYS[key]) or now) or now
  local start = math.min(math.max(known, now), now + whole)
  local owed = start + step - now
  if owed > whole then
    answer[#answer + 1] = whole - owed
    return answer
  end
  redis.call('SET', KEYS[key], string.format('%.0f', now + owed), 'PX', string.format('%.0f', math.ceil(owed / 1000)))
  answer[#answer + 1] = owed
  key, argument = key + 1, argument + 2
end
return answer
";

/// `KEYS`: [`Names::began`], [`Names::check`]. `ARGV`: [`Names::fingerprint`], the gateway's time in seconds (a
/// memory that begins is no older than that, within ten minutes). It writes, so that a replica refuses it and a node of a Redis Cluster
/// that has other keys says who has these. Returns the time in seconds, and 1 where the fingerprint is the one that all others have.
pub const GREET: &str = r"
local clock = redis.call('TIME')
local here = math.min(math.max(tonumber(ARGV[2]), clock[1] + 0), clock[1] + 600)
redis.call('SET', KEYS[1], string.format('%.0f', here + 5), 'NX')
redis.call('SET', KEYS[2], ARGV[1], 'NX')
return {tonumber(clock[1]), redis.call('GET', KEYS[2]) == ARGV[1] and 1 or 0}
";

/// Adds records. `KEYS`: [`Names::revoked`], [`Names::due`], [`Names::changes`]. `ARGV`: how many changes are kept to be pushed; then for each its id,
/// the record, until when it is kept (Unix seconds), and 1 if it replaces what is there (a revocation never does, so that what was taken back
/// stays so). Returns how many were new.
pub const RECORD: &str = r"
local new = 0
for at = 2, #ARGV, 4 do
  local id, record = ARGV[at], ARGV[at + 1]
  local put = ARGV[at + 3] == '1' and 'HSET' or 'HSETNX'
  if redis.call(put, KEYS[1], id, record) == 1 or put == 'HSET' then
    new = new + 1
    redis.call('ZADD', KEYS[2], ARGV[at + 2], id)
    redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[1], '*', 'id', id, 'record', record)
  end
end
return new
";

/// Forgets records whose time is over. `KEYS`: [`Names::revoked`], [`Names::due`]. `ARGV`: the most at once. Returns how many.
pub const PURGE: &str = r"
local clock = redis.call('TIME')
local over = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', clock[1] - 600, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(over) do
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
end
return #over
";

#[cfg(test)]
mod tests {
    use std::{num::NonZeroU32, time::Duration};

    use proptest::prelude::*;

    use super::*;
    use crate::gate::limit::Quota;

    fn names() -> Names {
        Names::new("t", b"secret").unwrap()
    }

    fn pace() -> Pace {
        Pace::of(Quota {
            count: NonZeroU32::new(3).unwrap(),
            period: Duration::from_mins(1),
        })
    }

    fn token() -> Burning<'static> {
        Burning {
            issuer: "app",
            token_id: "t-1",
            issued: UnixTime(1_764_000_000),
            until: UnixTime(1_764_000_300),
        }
    }

    #[test]
    fn keys_and_numbers_stand_as_the_script_reads_them() {
        let mut ask = Ask::nothing();
        assert!(ask.is_empty() && !ask.burns());
        ask.charge("a", pace());
        assert_eq!((ask.keys().len(), ask.is_empty()), (1, false));
        assert_eq!(ask.numbers(), [0, 0, 0, 0, 20_000_000, 60_000_000]);
        let mut ask = Ask::burn(&names(), &token(), true);
        ask.charge("a", pace());
        let [began, used, charged] = ask.keys() else {
            panic!("{ask:?}");
        };
        assert_eq!((began.as_str(), charged.as_str()), ("{t}:began", "a"));
        assert!(used.starts_with("{t}:u:"));
        assert_eq!(
            ask.numbers()[..4],
            [1, 1_764_000_000, 1_764_000_300 + GRACE, 1]
        );
        let endless = Burning {
            issued: UnixTime(i64::MIN),
            until: UnixTime(i64::MAX),
            ..token()
        };
        let ask = Ask::burn(&names(), &endless, false);
        assert_eq!(ask.numbers(), [1, -FAR, FAR, 0]);
    }

    #[test]
    fn an_answer_fits_what_was_asked() {
        let mut plain = Ask::nothing();
        plain.charge("a", pace());
        plain.charge("b", pace());
        let mut burning = Ask::burn(&names(), &token(), false);
        burning.charge("a", pace());
        for (ask, reply, good) in [
            (&plain, &[5, 0, 1, 2][..], true),
            (&plain, &[5, 0, -1][..], true),
            (&plain, &[5, 0, 1, -2][..], true),
            (&plain, &[5, 0, 1][..], false),
            (&plain, &[5, 0][..], false),
            (&plain, &[5, 1, 1, 2][..], false),
            (&plain, &[5, 0, 1, 2, 3][..], false),
            (&plain, &[-5, 0, 1, 2][..], false),
            (&plain, &[5][..], false),
            (&plain, &[][..], false),
            (&burning, &[5, 1, 7][..], true),
            (&burning, &[5, 2][..], true),
            (&burning, &[5, 2, 7][..], true),
            (&burning, &[5, 0, 7][..], false),
            (&burning, &[5, 1][..], false),
            (&burning, &[5, 3, 7][..], false),
        ] {
            assert_eq!(ask.read(reply).is_some(), good, "{reply:?}");
        }
    }

    #[test]
    fn a_clock_far_behind_uses_no_token() {
        let ask = Ask::burn(&names(), &token(), false);
        let answer = ask.read(&[1_764_000_000_000_000, 1]).unwrap();
        let at = |seconds: i64| answer.burn(UnixTime(1_764_000_000 + seconds));
        assert_eq!(at(0), Some(Burn::First));
        assert_eq!(at(3600), Some(Burn::First));
        assert_eq!(at(-SLOWEST), Some(Burn::First));
        assert_eq!(at(-SLOWEST - 1), Some(Burn::Full));
        assert_eq!(answer.offset(UnixTime(1_764_000_007)), 7);
    }

    #[test]
    fn greetings_are_read() {
        let kin = |reply: &[i64]| Greeting::read(reply).map(|greeting| greeting.kin);
        assert_eq!(kin(&[1_764_000_000, 1]), Some(true));
        assert_eq!(kin(&[1_764_000_000, 0]), Some(false));
        assert_eq!(kin(&[1]), None);
    }

    #[test]
    fn a_script_is_known_by_its_sha1() {
        assert_eq!(
            Script::new("return 1").sha,
            "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
        );
    }

    proptest! {
        #[test]
        fn no_reply_makes_it_panic(reply in proptest::collection::vec(any::<i64>(), 0..8), burns: bool, charges in 0_usize..4) {
            let mut ask = if burns { Ask::burn(&names(), &token(), false) } else { Ask::nothing() };
            for _ in 0..charges {
                ask.charge("a", pace());
            }
            if let Some(answer) = ask.read(&reply) {
                prop_assert!(answer.turns().len() <= charges);
                prop_assert_eq!(answer.burn(UnixTime(0)).is_some(), burns);
            }
        }
    }
}
