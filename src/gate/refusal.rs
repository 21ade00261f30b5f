//! The closed list of reasons to turn a request away.

use http::StatusCode;

macro_rules! refusals {
    ($( $(#[doc = $doc:literal])+ $variant:ident = $status:ident, $code:literal, $title:literal, $message:literal; )+) => {
        /// Why a request was turned away: one status, one stable code, public words. Nothing from inside.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[repr(u8)]
        pub enum Refusal { $( $(#[doc = $doc])+ $variant, )+ }

        impl Refusal {
            /// Every refusal there is, in declaration order (metrics register a series for each).
            pub const ALL: &'static [Self] = &[$( Self::$variant, )+];

            /// The HTTP status that carries this refusal.
            pub const fn status(self) -> StatusCode {
                match self { $( Self::$variant => StatusCode::$status, )+ }
            }

            /// The stable machine-readable code: metric label, audit code, problem-details member.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$variant => $code, )+ }
            }

            /// A short human title (RFC 9457 `title`).
            pub const fn title(self) -> &'static str {
                match self { $( Self::$variant => $title, )+ }
            }

            /// One sentence for the person in front of the screen.
            pub const fn message(self) -> &'static str {
                match self { $( Self::$variant => $message, )+ }
            }
        }
    };
}

refusals! {
    /// The body exceeds the limit of the route.
    BodyTooLarge = PAYLOAD_TOO_LARGE, "body_too_large", "Request too large", "The request is larger than this site accepts.";
    /// A body that must be rewritten cannot be read with certainty (media type, charset, encoding, structure).
    BodyUnsupported = UNSUPPORTED_MEDIA_TYPE, "body_unsupported", "Unsupported request body", "The request body has a form that this site does not accept.";
    /// Two different credentials in one request.
    CredentialConflict = BAD_REQUEST, "credential_conflict", "Conflicting credentials", "The request carries more than one credential.";
    /// A state-changing request under a session that does not come from the site itself.
    CsrfDenied = FORBIDDEN, "csrf_denied", "Cross-site request refused", "This action must be started from the page itself.";
    /// The head of the request exceeds the limits.
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", "Request head too large", "The request head is larger than this site accepts.";
    /// Too many requests of this viewer are under way.
    InFlightLimited = TOO_MANY_REQUESTS, "in_flight_limited", "Too many requests at once", "Too many requests are under way. Please wait a moment.";
    /// The path is on the surface, the method is not.
    MethodDenied = METHOD_NOT_ALLOWED, "method_denied", "Method not allowed", "This method is not available here.";
    /// The embedding page is not one of the frame ancestors.
    OriginDenied = FORBIDDEN, "origin_denied", "Embedding not allowed", "This page may not be embedded here.";
    /// More work than can be taken on (connections, audit queue, table of limits).
    Overloaded = SERVICE_UNAVAILABLE, "overloaded", "Overloaded", "The service is busy. Please try again shortly.";
    /// A disabled parameter was sent.
    ParamDisabled = FORBIDDEN, "param_disabled", "Filter not available", "A filter that was sent is not available here.";
    /// A parameter's value is not of its declared type.
    ParamInvalid = FORBIDDEN, "param_invalid", "Filter value not valid", "A filter value is not valid.";
    /// A locked parameter was sent with another value.
    ParamLocked = FORBIDDEN, "param_locked", "Filter is locked", "A filter that was sent is set by the application and cannot be changed.";
    /// The token lacks a locked parameter, or holds an empty value for it.
    ParamMissing = FORBIDDEN, "param_missing", "Filter missing", "The link to this page lacks a required filter. Please ask the application for a new one.";
    /// The path can be read in two ways.
    PathAmbiguous = BAD_REQUEST, "path_ambiguous", "Ambiguous path", "The address of this request is not valid.";
    /// A rate limit is exhausted.
    RateLimited = TOO_MANY_REQUESTS, "rate_limited", "Too many requests", "Too many requests. Please wait a moment.";
    /// The request as such cannot be read.
    RequestMalformed = BAD_REQUEST, "request_malformed", "Malformed request", "The request is not valid.";
    /// The client did not send its request in time.
    RequestTimeout = REQUEST_TIMEOUT, "request_timeout", "Request timed out", "The request took too long to arrive.";
    /// The token does not grant this resource.
    ResourceDenied = FORBIDDEN, "resource_denied", "Not granted", "Access to this content has not been granted.";
    /// The path is not on the surface.
    RouteDenied = NOT_FOUND, "route_denied", "Not found", "There is nothing here.";
    /// The token lacks the scope that the route asks for.
    ScopeDenied = FORBIDDEN, "scope_denied", "Not permitted", "This action has not been granted.";
    /// The session is over.
    SessionExpired = UNAUTHORIZED, "session_expired", "Session expired", "This session has expired. Please reload the page.";
    /// The session cookie is not one of ours, or not for this site.
    SessionInvalid = UNAUTHORIZED, "session_invalid", "Session not valid", "This session is not valid. Please reload the page.";
    /// No site has this host (RFC 9110 section 15.5.20).
    SiteUnknown = MISDIRECTED_REQUEST, "site_unknown", "Unknown site", "This address is not served here.";
    /// The token is past its `exp`.
    TokenExpired = UNAUTHORIZED, "token_expired", "Access expired", "The access to this page has expired. Please reload it.";
    /// The token is not valid: signature, algorithm, issuer, audience or shape.
    TokenInvalid = UNAUTHORIZED, "token_invalid", "Access not valid", "The link to this page is not valid.";
    /// The token lives longer than the issuer may grant.
    TokenLifetime = UNAUTHORIZED, "token_lifetime", "Access not valid", "The link to this page is valid for too long.";
    /// No credential.
    TokenMissing = UNAUTHORIZED, "token_missing", "Access token missing", "This page can only be opened from the application that embeds it.";
    /// The token's `nbf` or `iat` is in the future.
    TokenNotYetValid = UNAUTHORIZED, "token_not_yet_valid", "Access not yet valid", "The link to this page is not valid yet.";
    /// The token was used before and may be used once.
    TokenReplayed = UNAUTHORIZED, "token_replayed", "Link already used", "This link has already been used.";
    /// The token, its viewer, tenant or issuer was revoked.
    TokenRevoked = UNAUTHORIZED, "token_revoked", "Access withdrawn", "The access to this page has been withdrawn.";
    /// A page was opened outside a frame.
    TopLevelDenied = FORBIDDEN, "top_level_denied", "Only available embedded", "This page can only be shown inside the application that embeds it.";
    /// The upstream answered nonsense or broke off.
    UpstreamFailed = BAD_GATEWAY, "upstream_failed", "Upstream failed", "The content could not be loaded. Please try again.";
    /// The upstream did not answer in time.
    UpstreamTimeout = GATEWAY_TIMEOUT, "upstream_timeout", "Upstream timed out", "The content took too long to load. Please try again.";
    /// The upstream cannot be reached.
    UpstreamUnavailable = SERVICE_UNAVAILABLE, "upstream_unavailable", "Upstream unavailable", "The content is not available at the moment. Please try again.";
}

impl Refusal {
    /// Whether the answer carries a challenge (`WWW-Authenticate`, RFC 9110 section 11.6.1): every 401 does.
    pub fn challenges(self) -> bool {
        self.status() == StatusCode::UNAUTHORIZED
    }
}
