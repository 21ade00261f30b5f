//! The generic cell rate algorithm in whole microseconds, as the script in Redis computes it; this is what the script is tested against.

use std::time::Duration;

use crate::gate::limit::Quota;

/// A quota in microseconds: what one request takes to be given back, and what all of them take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pace {
    step: u64,
    whole: u64,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Turn {
    /// It passed; the quota is whole again after so many microseconds.
    Passed(u64),
    /// It did not; it would after so many microseconds, never 0.
    Refused(u64),
}

impl Pace {
    /// Of a quota. Where a period cannot be divided, a request comes back less than a microsecond late, never early.
    pub fn of(quota: Quota) -> Self {
        let count = u64::from(quota.count.get());
        let period = u64::try_from(quota.period.as_micros()).unwrap_or(u64::MAX);
        let step = period.min(LONGEST).div_ceil(count).max(1);
        Self {
            step,
            whole: step.saturating_mul(count),
        }
    }

    /// What one request takes to be given back, in microseconds.
    pub fn step(self) -> u64 {
        self.step
    }

    /// What all of them take.
    pub fn whole(self) -> u64 {
        self.whole
    }

    /// Charges one request at a time, where `known` is when the quota would have been whole again; with it, when it will be from now on.
    ///
    /// A time beyond what the quota can owe comes from a clock that was set back: it counts as all that can be owed.
    pub fn charge(self, known: Option<u64>, now: u64) -> (Turn, Option<u64>) {
        let most = now.saturating_add(self.whole);
        let start = known.unwrap_or(now).clamp(now, most);
        let next = start.saturating_add(self.step);
        match next.checked_sub(most) {
            None | Some(0) => (Turn::Passed(next.saturating_sub(now)), Some(next)),
            Some(wait) => (Turn::Refused(wait), None),
        }
    }

    /// Requests that are left when so many microseconds are owed.
    pub fn remaining(self, debt: u64) -> u32 {
        let left = self.whole.saturating_sub(debt).checked_div(self.step);
        left.and_then(|left| u32::try_from(left).ok()).unwrap_or(0)
    }

    /// How long it takes until the quota is whole again when so many requests are left: a request at a time, as the limits of one gateway tell it.
    pub fn reset(self, remaining: u32) -> Duration {
        let given = self.step.saturating_mul(u64::from(remaining));
        Duration::from_micros(self.whole.saturating_sub(given))
    }
}

impl Turn {
    /// As the script says it: what is owed, or how long to wait below zero.
    pub fn read(number: i64) -> Self {
        if number < 0 {
            Self::Refused(number.unsigned_abs())
        } else {
            Self::Passed(number.unsigned_abs())
        }
    }
}

/// A year, in microseconds: a Lua number counts far beyond it exactly.
const LONGEST: u64 = 31_536_000_000_000;

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::{
        Quota as Governed, RateLimiter,
        clock::{Clock, FakeRelativeClock},
        middleware::StateInformationMiddleware,
    };
    use proptest::prelude::*;

    use super::*;

    fn quota(count: u32, period: Duration) -> Quota {
        Quota {
            count: NonZeroU32::new(count).unwrap(),
            period,
        }
    }

    #[test]
    fn a_quota_is_used_up_and_comes_back() {
        let pace = Pace::of(quota(3, Duration::from_mins(1)));
        let (mut known, now) = (None, 1_764_000_000_000_000);
        for owed in [20_000_000, 40_000_000, 60_000_000] {
            let (turn, next) = pace.charge(known, now);
            assert_eq!(turn, Turn::Passed(owed));
            known = next;
        }
        assert_eq!(pace.charge(known, now), (Turn::Refused(20_000_000), None));
        assert_eq!(pace.charge(known, now + 19_999_999).0, Turn::Refused(1));
        assert_eq!(
            pace.charge(known, now + 20_000_000).0,
            Turn::Passed(60_000_000)
        );
        assert_eq!(pace.remaining(60_000_000), 0);
        assert_eq!(pace.remaining(20_000_000), 2);
        assert_eq!(pace.reset(0), Duration::from_mins(1));
    }

    #[test]
    fn a_clock_that_is_set_back_costs_one_period_at_most() {
        let pace = Pace::of(quota(3, Duration::from_mins(1)));
        let now = 1_764_000_000_000_000;
        let (_, known) = pace.charge(None, now + 3_600_000_000);
        assert_eq!(pace.charge(known, now).0, Turn::Refused(20_000_000));
    }

    #[test]
    fn what_cannot_be_divided_is_never_given_back_early() {
        let pace = Pace::of(quota(7, Duration::from_secs(1)));
        assert_eq!((pace.step(), pace.whole()), (142_858, 1_000_006));
        assert_eq!(Pace::of(quota(u32::MAX, Duration::from_secs(1))).step(), 1);
    }

    proptest! {
        /// As many pass as pass at one gateway alone, and as many are left.
        #[test]
        fn it_decides_as_the_limits_of_one_gateway(
            count in 1_u32..40,
            steps in proptest::collection::vec(0_u64..3_000, 1..120),
        ) {
            // A period that divides, so that nanoseconds and microseconds tell the same.
            let period = Duration::from_millis(u64::from(count) * 250);
            let clock = FakeRelativeClock::default();
            clock.advance(Duration::from_secs(1));
            let paced = Governed::with_period(Duration::from_millis(250))
                .unwrap()
                .allow_burst(NonZeroU32::new(count).unwrap());
            let limiter = RateLimiter::direct_with_clock(paced, clock.clone())
                .with_middleware::<StateInformationMiddleware>();
            let pace = Pace::of(quota(count, period));
            let (mut known, mut now) = (None, 1_764_000_000_000_000);
            for step in steps {
                clock.advance(Duration::from_millis(step));
                now += step * 1000;
                let (turn, next) = pace.charge(known, now);
                known = next.or(known);
                match limiter.check() {
                    Ok(state) => {
                        let Turn::Passed(debt) = turn else {
                            return Err(TestCaseError::fail("passes there, not here"));
                        };
                        prop_assert_eq!(pace.remaining(debt), state.remaining_burst_capacity());
                    }
                    Err(until) => {
                        let wait = until.wait_time_from(clock.now()).as_micros();
                        prop_assert_eq!(turn, Turn::Refused(u64::try_from(wait).unwrap()));
                    }
                }
            }
        }
    }
}
