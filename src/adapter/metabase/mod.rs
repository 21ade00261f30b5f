//! Metabase: signed ("static", "guest") embeds whose token is swapped at the edge, and public links that are locked to a viewer's token.

pub mod spec;

pub use spec::{Item, Kind, Lens, MetabaseSpec, PublicLink, Unmapped, Uuid, Values};
