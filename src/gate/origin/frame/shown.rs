//! `bind = ["origin"]`: where a request comes from must be shown, not merely not be foreign.

use super::{Around, FramePolicy, Page, Standing, Told};
use crate::gate::{
    origin::{Origin, Seen},
    refusal::Refusal,
    request::RequestView,
};

impl FramePolicy {
    /// Judges a viewer's request beyond [`FramePolicy::judge`]: a page load must say that it stands in an ancestor's page (the token's `origin` alone, where it
    /// names one) or was reached from the site's own pages; everything else must come from the site's own pages. `ancestors` says that
    /// those of frame ancestors will do too.
    ///
    /// A browser says so by `Sec-Fetch-Site`, `Origin` or `Referer`. Whoever is no browser may write there what he likes.
    ///
    /// # Errors
    /// `origin_denied`.
    pub fn judge_shown(
        &self,
        req: &RequestView<'_>,
        tenant: Option<&str>,
        narrowed: Option<&Origin>,
        ancestors: bool,
    ) -> Result<(), Refusal> {
        let told = Told::read(req.headers).ok_or(Refusal::OriginDenied)?;
        let around = Around {
            req,
            ancestors: self.ancestors(true, tenant),
            narrowed,
        };
        let origin = around.standing(told.origin, told.same_origin(), Seen::origin);
        let referer = around.standing(told.referer, false, Seen::url);
        let shows = |standing| origin == standing || referer == standing;
        let own = told.same_origin() || shows(Standing::Own);
        let shown = match Page::of(&told, req) {
            Page::Framed | Page::TopLevel | Page::Unsaid => own || shows(Standing::Ancestor),
            // What `Referer` says of the own page is no match for a browser that says otherwise.
            Page::None if ancestors && shows(Standing::Ancestor) => true,
            Page::None => own && !told.cross_origin(),
        };
        if shown {
            Ok(())
        } else {
            Err(Refusal::OriginDenied)
        }
    }
}

#[cfg(test)]
mod tests;
