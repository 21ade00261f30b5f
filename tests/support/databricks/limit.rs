//! Dashboard loads a second.

use std::collections::VecDeque;

use super::{Step, now};

/// Milliseconds.
const WINDOW: i64 = 1000;

/// When the loads of the last second were let through, by step.
#[derive(Default)]
pub(super) struct Windows(Vec<(Step, VecDeque<i64>)>);

impl Windows {
    /// Lets a load through, unless there were too many within the last second.
    pub(super) fn admit(&mut self, step: Step, most: usize) -> bool {
        let now = now();
        let known = self.0.iter().position(|(one, _)| *one == step);
        let place = known.unwrap_or_else(|| {
            self.0.push((step, VecDeque::new()));
            self.0.len() - 1
        });
        let Some((_, times)) = self.0.get_mut(place) else {
            return false;
        };
        while times.front().is_some_and(|at| *at <= now - WINDOW) {
            times.pop_front();
        }
        let admitted = times.len() < most;
        if admitted {
            times.push_back(now);
        }
        admitted
    }
}

/// The most of these times within any second.
pub(super) fn peak(times: &[i64]) -> usize {
    let mut window = VecDeque::new();
    let mut most = 0;
    for at in times {
        while window.front().is_some_and(|first| *first <= at - WINDOW) {
            window.pop_front();
        }
        window.push_back(*at);
        most = most.max(window.len());
    }
    most
}
