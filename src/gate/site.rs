//! Sites: which host (and path prefix) leads where.

use std::{collections::HashMap, sync::Arc};

use super::{
    credential::Places, host::Host, limit::SiteLimits, origin::FramePolicy, param::ParamSpec,
    path::NormalPath, refusal::Refusal, route::RouteTable, session::Carrier, sharing::Sharing,
    token::Issuer,
};

/// One public host (or host and path prefix) in front of one upstream, with its policy.
#[derive(Debug)]
pub struct Site {
    /// The name in the configuration.
    pub name: Arc<str>,
    /// Position in the snapshot.
    pub index: usize,
    /// Public path prefix: empty, or `/segment…` without a final slash.
    pub prefix: Box<str>,
    /// What is exposed.
    pub surface: RouteTable,
    /// Whose tokens are accepted.
    pub issuers: Vec<Arc<Issuer>>,
    /// Where tokens may stand.
    pub places: Places,
    /// Declared parameters.
    pub params: Vec<ParamSpec>,
    /// Who may embed it.
    pub frame: FramePolicy,
    /// How fast.
    pub limits: SiteLimits,
    /// Whether page loads with a token earn a session.
    pub sessions: bool,
    /// What carries them.
    pub carrier: Carrier,
    /// What stops copies.
    pub sharing: Sharing,
    /// Query parameters that are for the gateway and never pass: places of tokens, the hint at a session.
    pub dropped: Vec<Box<str>>,
}

/// All sites, found by host in constant time, then by the longest prefix.
#[derive(Debug, Default)]
pub struct SiteTable {
    by_host: HashMap<Box<str>, Vec<Arc<Site>>>,
}

impl SiteTable {
    /// Adds a site under its hosts (lower case, with `:port` only where the configuration names one).
    ///
    /// # Errors
    /// The host that is taken already, with the same prefix.
    pub fn add(&mut self, site: &Arc<Site>, hosts: &[String]) -> Result<(), String> {
        for host in hosts {
            let list = self.by_host.entry(host.as_str().into()).or_default();
            if list.iter().any(|other| other.prefix == site.prefix) {
                return Err(host.clone());
            }
            list.push(Arc::clone(site));
            list.sort_by_key(|site| std::cmp::Reverse(site.prefix.len()));
        }
        Ok(())
    }

    /// The site of a request, and the path below its prefix.
    ///
    /// # Errors
    /// `site_unknown` where no site has the host; `route_denied` where none of the host's sites has the prefix.
    pub fn find<'s, 'p>(
        &'s self,
        host: &Host<'_>,
        path: &'p NormalPath<'_>,
    ) -> Result<(&'s Arc<Site>, NormalPath<'p>), Refusal> {
        let sites = self.by_host.get(host.name()).ok_or(Refusal::SiteUnknown)?;
        sites
            .iter()
            .find_map(|site| path.below(&site.prefix).map(|below| (site, below)))
            .ok_or(Refusal::RouteDenied)
    }
}
