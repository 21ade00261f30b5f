//! What the stand-in holds and how it behaves: dashboards, questions, parameters, and the points where versions of Metabase differ.

use serde_json::{Value as Json, json};

/// Where versions differ, or where it is not known what they do. The default is a current Metabase, leaky wherever nobody could look.
#[derive(Clone, Debug)]
pub(crate) struct Behaviour {
    /// How a query that fails is told.
    pub(crate) failed: Failed,
    /// What does not exist is a 400, as older middleware made of every exception (`An error occurred.` on public links).
    pub(crate) not_found_400: bool,
    /// Map tiles take the columns in the path, and look at the caller's parameters alone: neither token nor policy counts.
    pub(crate) old_tiles: bool,
    /// `/api/embed/…/field/…` exist.
    pub(crate) field_endpoints: bool,
    /// `card-query-batch` exists.
    pub(crate) batch: bool,
    /// Slugs in messages have a colon.
    pub(crate) colon_slugs: bool,
    /// `…/remapping` exists.
    pub(crate) remapping: bool,
    /// Values of a question's parameters keep to the token's locked ones.
    pub(crate) card_values_locked: bool,
    /// Which of two values for one template tag counts.
    pub(crate) clash: Clash,
    /// Layouts carry `param_values`: whole lists of values.
    pub(crate) param_values: bool,
    /// Answers are compressed for those who accept it.
    pub(crate) gzip: bool,
    /// How many rows a query returns; exports have no such limit.
    pub(crate) max_results: usize,
    /// So many bytes of filler follow a CSV export's rows.
    pub(crate) export_filler: u64,
    /// So many API requests are answered 503 first.
    pub(crate) busy: u32,
}

/// How a query that fails is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failed {
    /// 400.
    Status400,
    /// 202, with `status: "failed"` in the body.
    Status202,
    /// 202, with the status as `_status` in the body: a query that took long.
    Late,
}

/// Which of two values for one template tag counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Clash {
    First,
    Last,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            failed: Failed::Status400,
            not_found_400: false,
            old_tiles: false,
            field_endpoints: true,
            batch: false,
            colon_slugs: false,
            remapping: true,
            card_values_locked: true,
            clash: Clash::Last,
            param_values: false,
            gzip: false,
            max_results: 2000,
            export_filler: 0,
            busy: 0,
        }
    }
}

impl Behaviour {
    /// About v54.
    pub(crate) fn old() -> Self {
        Self {
            failed: Failed::Status202,
            not_found_400: true,
            old_tiles: true,
            colon_slugs: true,
            card_values_locked: false,
            param_values: true,
            ..Self::default()
        }
    }
}

/// Everything that can be edited while the stand-in runs.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) behaviour: Behaviour,
    /// The setting `site-url`: what redirects and pages point to.
    pub(crate) site_url: String,
    /// The setting `embedding-secret-key`.
    pub(crate) secret: Option<String>,
    /// The setting `enable-embedding…`.
    pub(crate) embedding: bool,
    /// The setting `enable-public-sharing`.
    pub(crate) sharing: bool,
    /// The setting `embedding-app-origins-sdk`.
    pub(crate) sdk_origins: Vec<String>,
    /// CORS for localhost: on by default.
    pub(crate) cors_localhost: bool,
    /// API keys, and whether they are an administrator's.
    pub(crate) api_keys: Vec<(String, bool)>,
    /// An administrator's session.
    pub(crate) session: String,
    pub(crate) dashboards: Vec<Dashboard>,
    pub(crate) cards: Vec<Card>,
}

impl Store {
    pub(crate) fn dashboard(&mut self, id: u64) -> &mut Dashboard {
        let found = self.dashboards.iter_mut().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no dashboard {id}"))
    }

    pub(crate) fn card(&mut self, id: u64) -> &mut Card {
        let found = self.cards.iter_mut().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no card {id}"))
    }

    pub(super) fn card_by_id(&self, id: u64) -> Option<&Card> {
        self.cards.iter().find(|one| one.id == id)
    }
}

/// Who decides a parameter of an embedded item; a slug without an entry is refused and hidden.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    Disabled,
    Enabled,
    Locked,
}

impl Mode {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Locked => "locked",
        }
    }
}

/// `enable_embedding` and `embedding_params`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Embedding {
    pub(crate) enabled: bool,
    pub(crate) params: Vec<(String, Mode)>,
}

impl Embedding {
    pub(super) fn on(params: &[(&str, Mode)]) -> Self {
        let params = params.iter().map(|(slug, mode)| ((*slug).into(), *mode));
        Self {
            enabled: true,
            params: params.collect(),
        }
    }

    pub(super) fn mode(&self, slug: &str) -> Option<Mode> {
        let entry = self.params.iter().find(|(known, _)| known == slug)?;
        Some(entry.1)
    }
}

/// Where a parameter's list of values comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// The columns that it is mapped to.
    Column,
    /// A list that somebody typed: `[value]` or `[value, label]`.
    Static(Vec<Json>),
    /// A column of a question, whole.
    Card { id: u64, column: usize },
}

/// A parameter of a dashboard, or of a question (then with a target).
#[derive(Clone, Debug)]
pub(crate) struct Parameter {
    pub(crate) id: String,
    pub(crate) slug: String,
    /// `string/=` and its like.
    pub(crate) kind: String,
    pub(crate) default: Option<Json>,
    pub(crate) source: Source,
    /// `filteringParameters`: ids of those that narrow its values.
    pub(crate) filtering: Vec<String>,
    pub(crate) options: Option<Json>,
    pub(crate) target: Option<Json>,
}

impl Parameter {
    pub(crate) fn new(id: &str, slug: &str, kind: &str) -> Self {
        Self {
            id: id.into(),
            slug: slug.into(),
            kind: kind.into(),
            default: None,
            source: Source::Column,
            filtering: vec![],
            options: None,
            target: None,
        }
    }

    pub(crate) fn target(mut self, target: Json) -> Self {
        self.target = Some(target);
        self
    }

    pub(crate) fn source(mut self, source: Source) -> Self {
        self.source = source;
        self
    }
}

/// `["dimension", ["field", 61, …]]`.
pub(crate) fn field(id: u32) -> Json {
    let kind = super::data::by_id(id).map_or("type/*", |column| column.kind);
    json!(["dimension", ["field", id, {"base-type": kind}], {"stage-number": 0}])
}

/// `["dimension", ["template-tag", "region"]]`: a field filter of a native question.
pub(crate) fn filter_tag(name: &str) -> Json {
    json!(["dimension", ["template-tag", name]])
}

/// `["variable", ["template-tag", "organization_id"]]`.
pub(crate) fn variable_tag(name: &str) -> Json {
    json!(["variable", ["template-tag", name]])
}

/// A template tag of a native question; each stands in an optional clause about one column.
#[derive(Clone, Debug)]
pub(crate) struct Tag {
    pub(crate) name: String,
    /// `text`, `number` or `dimension`.
    pub(crate) kind: String,
    /// The column that its clause compares.
    pub(crate) column: usize,
    /// A `dimension` takes values of this type; the clause of another tag compares like it.
    pub(crate) widget: String,
    pub(crate) default: Option<Json>,
    pub(crate) required: bool,
}

/// What a question asks.
#[derive(Clone, Debug)]
pub(crate) enum Query {
    Mbql,
    Native(Vec<Tag>),
    /// Native, and the database cannot run it.
    Broken,
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) enum Shape {
    /// These columns of every row.
    Rows(Vec<usize>),
    /// Grouped by these columns: count and sum of revenue.
    Summary(Vec<usize>),
}

/// A question.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) display: String,
    pub(crate) query: Query,
    pub(crate) shape: Shape,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) settings: Json,
    pub(crate) embedding: Embedding,
    pub(crate) public_uuid: Option<String>,
    pub(crate) archived: bool,
}

impl Card {
    pub(crate) fn new(id: u64, name: &str, display: &str, shape: Shape) -> Self {
        Self {
            id,
            name: name.into(),
            display: display.into(),
            query: Query::Mbql,
            shape,
            parameters: vec![],
            settings: json!({}),
            embedding: Embedding::default(),
            public_uuid: None,
            archived: false,
        }
    }

    pub(super) fn entity_id(&self) -> String {
        format!("C{:0>20}", self.id)
    }
}

/// One entry of `parameter_mappings`.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    pub(crate) parameter: String,
    pub(crate) card: Option<u64>,
    pub(crate) target: Json,
}

/// A card on a dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Dashcard {
    pub(crate) id: u64,
    /// `None`: a text card, or an action.
    pub(crate) card: Option<u64>,
    pub(crate) series: Vec<u64>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) inline: Vec<String>,
    pub(crate) settings: Json,
    pub(crate) tab: Option<u64>,
    pub(crate) action: Option<Json>,
}

impl Dashcard {
    pub(crate) fn new(id: u64, card: Option<u64>) -> Self {
        Self {
            id,
            card,
            series: vec![],
            mappings: vec![],
            inline: vec![],
            settings: json!({}),
            tab: None,
            action: None,
        }
    }

    /// Adds a mapping for its main card, or another one.
    pub(crate) fn map(mut self, parameter: &str, card: Option<u64>, target: Json) -> Self {
        self.mappings.push(Mapping {
            parameter: parameter.into(),
            card: card.or(self.card),
            target,
        });
        self
    }

    pub(super) fn holds(&self, card: u64) -> bool {
        self.card == Some(card) || self.series.contains(&card)
    }
}

/// A dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Dashboard {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) dashcards: Vec<Dashcard>,
    pub(crate) tabs: Vec<(u64, String)>,
    pub(crate) embedding: Embedding,
    pub(crate) public_uuid: Option<String>,
    pub(crate) archived: bool,
}

impl Dashboard {
    pub(crate) fn dashcard(&mut self, id: u64) -> &mut Dashcard {
        let found = self.dashcards.iter_mut().find(|one| one.id == id);
        found.unwrap_or_else(|| panic!("no dashcard {id}"))
    }

    pub(crate) fn parameter(&mut self, slug: &str) -> &mut Parameter {
        let found = self.parameters.iter_mut().find(|one| one.slug == slug);
        found.unwrap_or_else(|| panic!("no parameter {slug}"))
    }

    pub(super) fn entity_id(&self) -> String {
        format!("D{:0>20}", self.id)
    }

    pub(super) fn by_slug(&self, slug: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|one| one.slug == slug)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|one| one.id == id)
    }
}
