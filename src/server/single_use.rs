//! Who is asked whether a token was used before: the memory of this process, so far. A store that gateways share is asked here too, within its own time limit.

use crate::gate::{
    request::UnixTime,
    single_use::{Burn, Burning, Burnt, SingleUse as _},
};

/// Where burnt tokens are remembered.
#[derive(Debug)]
pub enum Ashes {
    /// In this process: a token opens one page per gateway.
    Local(Burnt),
}

impl Ashes {
    /// In this process, with room for so many tokens.
    pub fn local(most: usize, now: UnixTime) -> Self {
        Self::Local(Burnt::new(most, now))
    }

    /// Burns a token. No answer in time is [`Burn::Full`]: whoever cannot be sure refuses.
    #[expect(
        clippy::unused_async,
        reason = "a shared store answers over the network"
    )]
    pub async fn burn(&self, token: &Burning<'_>, now: UnixTime) -> Burn {
        match self {
            Self::Local(burnt) => burnt.burn(token, now),
        }
    }
}
