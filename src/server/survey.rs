//! `embedgate check --online`: asks the upstreams what is asked at start and on a timer, and tells it.

use std::sync::Arc;

use tokio::runtime::{Builder, LocalOptions};

use super::{
    app,
    clock::Clock,
    exchange::{Errand, learn},
    upstream::{Housekeeping, Target, Upstreams, Warrant},
};
use crate::{
    adapter::exchange::{Known, Want},
    config::{SiteEntry, Snapshot},
};

/// What was asked of one site, and what came of it.
#[derive(Debug)]
pub struct Finding {
    /// The site.
    pub site: Arc<str>,
    /// What was asked for.
    pub want: Want,
    /// What was learnt, or why nothing was.
    pub known: Result<Known, String>,
}

/// Asks every upstream what its adapter wants to know, and what else is wanted of a site; tells each finding as it comes.
///
/// # Errors
/// No runtime, or an upstream's TLS files are unusable.
pub fn survey(
    snapshot: &Snapshot,
    more: &[(usize, Want)],
    mut tell: impl FnMut(Finding),
) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(async {
        for entry in &snapshot.sites {
            let wanted = more
                .iter()
                .filter(|(site, _)| *site == entry.site.index)
                .map(|(_, want)| want.clone());
            site(entry, wanted.collect(), &mut tell).await?;
        }
        Ok(())
    })
}

async fn site(
    entry: &SiteEntry,
    more: Vec<Want>,
    tell: &mut impl FnMut(Finding),
) -> std::io::Result<()> {
    let adapter = app::adapter(entry);
    let wanted = adapter.standing().into_iter().chain(more);
    let target = Target::new(entry.upstream.clone()).map_err(std::io::Error::other)?;
    let (target, upstreams, warrant) = (Arc::new(target), Upstreams::new(), Housekeeping::new());
    for want in wanted {
        let errand = Errand {
            adapter: &adapter,
            upstream: &upstreams.of(&target),
            warrant: Warrant::House(&warrant),
            clock: Clock::system(),
        };
        let known = learn(&want, &errand).await.map_err(|failure| {
            let denial = failure.denial();
            let detail = denial.detail.unwrap_or_default();
            format!("{} {detail}", denial.refusal.code())
        });
        tell(Finding {
            site: Arc::clone(&entry.site.name),
            want,
            known,
        });
    }
    Ok(())
}
