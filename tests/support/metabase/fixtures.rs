//! What the stand-in holds when it starts.
//!
//! Ids say what belongs together: dashboard 42 has the parameters `a0420001…` and the public link `d0000000-0000-4000-8000-000000000042`; question 6
//! has `b0060001…` and `c0000000-0000-4000-8000-000000000006`. Unless said otherwise an item is published for embedding with `organization_id` locked,
//! and has a public link too.
//!
//! | dashboard | what it is for |
//! | --- | --- |
//! | 10 | contract's example and token vectors: text parameter `tenant` locked (`acme`, `acorp`, `zenith`), `category` open; dashcard 31, card 44 |
//! | 42 | everything that works: see [`MAIN`] |
//! | 43 | dashcard 122 has no mapping at all; dashcard 123 has one for its card, none for its series |
//! | 44 | dashcard 132 carries an `action` |
//! | 45 | the open parameter `pick` is mapped to the template tag of the locked `organization_id` |
//! | 46 | the locked `tenant` is `string/starts-with`: `ac` is two tenants |
//! | 47 | not published, no public link |
//! | 48 | archived |
//! | 49 | no `organization_id` at all |
//! | 50 | `embedding_params` locks `ghost`, a slug that the dashboard does not have |
//!
//! | question | what it is for |
//! | --- | --- |
//! | 5 | token vector: `region`, `plan` open, nothing locked |
//! | 6 | native: tags `organization_id` (number, locked), `region` (field filter), `plan` (text, default `Business`), `note` (text, disabled) |
//! | 7 | MBQL: `organization_id` locked, `region`, `plan`, `account`, `name` open |
//! | 8 | pivot table |
//! | 9 | map, for tiles |
//! | 11 | the tag `price` is required |
//! | 12 | its SQL is broken |
//! | 13 | not published |
//! | 14 | values from a typed list (`tier`) and from another question (`owner`) |
//! | 15 | archived |
//! | 201 | stands on dashboard 42, and has a public link of its own |

use serde_json::json;

use super::{
    data::{ID, LATITUDE, LONGITUDE, NAME, ORGANIZATION, PLAN, REGION, REVENUE, SEATS, TENANT},
    store::{
        Behaviour, Card, Dashboard, Dashcard, Embedding, Mode, Parameter, Query, Shape, Source,
        Store, Tag, field, filter_tag, variable_tag,
    },
};

/// The embedding secret: its 64 characters are the key.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
/// An administrator's API key.
pub(crate) const API_KEY: &str = "mb_standin_administrator_0123456789";
/// An API key that may do nothing.
pub(crate) const WEAK_KEY: &str = "mb_standin_nobody_0123456789";
/// An administrator's session.
pub(crate) const ADMIN_SESSION: &str = "5e551000-0000-4000-8000-000000000001";
/// The setting `site-url`: a name that must never reach a browser.
pub(crate) const SITE_URL: &str = "http://metabase.inner.example:3000";
/// The version, wherever it stands.
pub(crate) const VERSION: &str = "v0.58.29-standin";

/// The dashboard of everything that works. Parameters: `organization_id` locked, `region`, `plan` (linked to both), `min_seats`, `account` (a key with
/// labels), `tier` (a typed list), `owner` (a list of another question), `name` (contains) open, `internal` disabled, `unlisted` without a policy.
/// Dashcards: 101 table (card 201), 102 native (202), 103 pivot (203), 104 map (204), 105 with a series (205, 206), 106 text, 107 with an inline
/// parameter (207), 108 the table again on the second tab, clicking through to another public link.
pub(crate) const MAIN: u64 = 42;

/// A dashboard's public link.
pub(crate) fn dashboard_link(id: u64) -> String {
    format!("d0000000-0000-4000-8000-{id:012}")
}

/// A question's public link.
pub(crate) fn question_link(id: u64) -> String {
    format!("c0000000-0000-4000-8000-{id:012}")
}

/// A public action, which writes.
pub(crate) const ACTION_LINK: &str = "a0000000-0000-4000-8000-000000000001";
/// A public document.
pub(crate) const DOCUMENT_LINK: &str = "e0000000-0000-4000-8000-000000000001";

/// The id of a dashboard's parameter by its number.
pub(crate) fn on_dashboard(dashboard: u64, number: u64) -> String {
    format!("a{dashboard:03}{number:04}")
}

/// The id of a question's parameter by its number.
pub(crate) fn on_question(question: u64, number: u64) -> String {
    format!("b{question:03}{number:04}")
}

/// Columns of the table of accounts.
const TABLE: [usize; 7] = [ID, ORGANIZATION, NAME, REGION, PLAN, SEATS, REVENUE];

/// The store as it is at the start.
pub(crate) fn store() -> Store {
    Store {
        behaviour: Behaviour::default(),
        site_url: SITE_URL.into(),
        secret: Some(SECRET.into()),
        embedding: true,
        sharing: true,
        sdk_origins: vec![],
        cors_localhost: true,
        api_keys: vec![(API_KEY.into(), true), (WEAK_KEY.into(), false)],
        session: ADMIN_SESSION.into(),
        dashboards: dashboards(),
        cards: [on_dashboards(), questions()].concat(),
    }
}

fn on_dashboards() -> Vec<Card> {
    let rows =
        |id, name, columns: &[usize]| Card::new(id, name, "table", Shape::Rows(columns.into()));
    let mut sql = rows(202, "Accounts by SQL", &TABLE);
    let mut seats = tag("min_seats", "number", SEATS);
    (seats.default, seats.widget) = (Some(json!(10)), "number/>=".into());
    let plain = tag("organization_id", "number", ORGANIZATION);
    sql.query = Query::Native(vec![plain, tag("region", "dimension", REGION), seats]);
    let mut map = Card::new(
        204,
        "Where they are",
        "map",
        Shape::Rows(vec![NAME, LATITUDE, LONGITUDE]),
    );
    map.settings = json!({"map.type": "pin", "map.latitude_column": "LATITUDE", "map.longitude_column": "LONGITUDE"});
    let mut all = rows(201, "All accounts", &TABLE);
    all.public_uuid = Some(question_link(201));
    vec![
        rows(44, "Accounts of a tenant", &[TENANT, NAME, PLAN, SEATS]),
        all,
        sql,
        Card::new(
            203,
            "Revenue by region and plan",
            "pivot",
            Shape::Summary(vec![REGION, PLAN]),
        ),
        map,
        Card::new(205, "Revenue by plan", "line", Shape::Summary(vec![PLAN])),
        Card::new(
            206,
            "Revenue by organization",
            "line",
            Shape::Summary(vec![ORGANIZATION]),
        ),
        rows(207, "Plans", &[NAME, PLAN]),
        rows(208, "Orphan", &TABLE),
        rows(209, "Everybody", &[TENANT]),
    ]
}

fn tag(name: &str, kind: &str, column: usize) -> Tag {
    Tag {
        name: name.into(),
        kind: kind.into(),
        column,
        widget: "string/=".into(),
        default: None,
        required: false,
    }
}

/// The usual policy.
fn policy(open: &[&str]) -> Embedding {
    let open = open.iter().map(|slug| (*slug, Mode::Enabled));
    let mut all = vec![("organization_id", Mode::Locked)];
    all.extend(open);
    Embedding::on(&all)
}

fn plain(id: u64, name: &str) -> Dashboard {
    Dashboard {
        id,
        name: name.into(),
        parameters: vec![
            Parameter::new(&on_dashboard(id, 1), "organization_id", "number/="),
            Parameter::new(&on_dashboard(id, 2), "region", "string/="),
        ],
        dashcards: vec![],
        tabs: vec![],
        embedding: policy(&["region"]),
        public_uuid: Some(dashboard_link(id)),
        archived: false,
    }
}

/// A dashcard whose card has `organization_id` and `region` mapped.
fn mapped(dashboard: u64, id: u64, card: u64) -> Dashcard {
    Dashcard::new(id, Some(card))
        .map(&on_dashboard(dashboard, 1), None, field(61))
        .map(&on_dashboard(dashboard, 2), None, field(63))
}

fn dashboards() -> Vec<Dashboard> {
    let mut unmapped = plain(43, "Cards that the lock does not reach");
    unmapped.dashcards = vec![
        mapped(43, 121, 201),
        Dashcard::new(122, Some(208)),
        mapped(43, 123, 205),
    ];
    unmapped.dashcard(123).series = vec![206];

    let mut acting = plain(44, "With an action");
    acting.dashcards = vec![mapped(44, 131, 201), Dashcard::new(132, None)];
    acting.dashcard(132).action = Some(
        json!({"id": 7, "name": "Delete account", "type": "query", "model_id": 201, "parameters": [{"id": "id", "type": "number/="}]}),
    );

    let mut shared = plain(45, "Two parameters, one template tag");
    shared
        .parameters
        .push(Parameter::new(&on_dashboard(45, 3), "pick", "number/="));
    shared.embedding = policy(&["region", "pick"]);
    shared.dashcards = vec![
        Dashcard::new(141, Some(202))
            .map(&on_dashboard(45, 1), None, variable_tag("organization_id"))
            .map(&on_dashboard(45, 3), None, variable_tag("organization_id")),
    ];

    let mut prefix = plain(46, "A lock that is no exact match");
    prefix.parameters = vec![Parameter::new(
        &on_dashboard(46, 1),
        "tenant",
        "string/starts-with",
    )];
    prefix.embedding = Embedding::on(&[("tenant", Mode::Locked)]);
    prefix.dashcards =
        vec![Dashcard::new(151, Some(44)).map(&on_dashboard(46, 1), None, field(69))];

    let mut hidden = plain(47, "Not published");
    hidden.dashcards = vec![mapped(47, 161, 201)];
    (hidden.embedding.enabled, hidden.public_uuid) = (false, None);

    let mut archived = plain(48, "Archived");
    archived.dashcards = vec![mapped(48, 171, 201)];
    archived.archived = true;

    let mut open = plain(49, "Nothing to lock");
    open.parameters.remove(0);
    open.embedding = Embedding::on(&[("region", Mode::Enabled)]);
    open.dashcards = vec![Dashcard::new(181, Some(201)).map(&on_dashboard(49, 2), None, field(63))];

    let mut ghost = plain(50, "A lock on nothing");
    ghost.embedding.params.push(("ghost".into(), Mode::Locked));
    ghost.dashcards = vec![mapped(50, 191, 201)];

    vec![
        vectors(),
        whole(),
        unmapped,
        acting,
        shared,
        prefix,
        hidden,
        archived,
        open,
        ghost,
    ]
}

/// Dashboard 10.
fn vectors() -> Dashboard {
    let mut out = plain(10, "Tenant");
    let (tenant, category) = (on_dashboard(10, 1), on_dashboard(10, 2));
    out.parameters = vec![
        Parameter::new(&tenant, "tenant", "string/="),
        Parameter::new(&category, "category", "string/="),
    ];
    out.embedding = Embedding::on(&[("tenant", Mode::Locked), ("category", Mode::Enabled)]);
    let card = Dashcard::new(31, Some(44)).map(&tenant, None, field(69));
    out.dashcards = vec![card.map(&category, None, field(64))];
    out
}

fn whole() -> Dashboard {
    let id = |number| on_dashboard(MAIN, number);
    let parameter = |number, slug, kind| Parameter::new(&id(number), slug, kind);
    let mut plan = parameter(3, "plan", "string/=");
    plan.filtering = vec![id(1), id(2)];
    let mut name = parameter(9, "name", "string/contains");
    name.options = Some(json!({"case-sensitive": false}));
    let mut out = plain(MAIN, "Accounts");
    out.parameters.extend([
        plan,
        parameter(4, "min_seats", "number/>="),
        parameter(5, "account", "id"),
        parameter(6, "tier", "string/=").source(tiers()),
        parameter(7, "owner", "string/=").source(Source::Card {
            id: 209,
            column: TENANT,
        }),
        parameter(8, "internal", "number/>="),
        name,
        parameter(10, "unlisted", "string/="),
    ]);
    out.embedding = policy(&[
        "region",
        "plan",
        "min_seats",
        "account",
        "tier",
        "owner",
        "name",
    ]);
    out.embedding
        .params
        .push(("internal".into(), Mode::Disabled));
    out.tabs = vec![(1, "Overview".into()), (2, "Details".into())];
    let mut line = full(105, 205);
    line.series = vec![206];
    let line = line
        .map(&id(1), Some(206), field(61))
        .map(&id(2), Some(206), field(63));
    let mut text =
        Dashcard::new(106, None).map(&id(1), None, json!(["text-tag", "organization_id"]));
    text.settings = json!({"virtual_card": {"display": "text", "archived": false}, "text": "Accounts of {{organization_id}}"});
    let mut inline = full(107, 207);
    inline.inline = vec![id(3), id(1)];
    let mut clicking = full(108, 201);
    clicking.tab = Some(2);
    clicking.settings = json!({"click_behavior": {
        "type": "link", "linkType": "url", "linkTemplate": format!("/public/dashboard/{}", dashboard_link(43)),
        "parameterMapping": {id(1): {"id": id(1), "source": {"type": "column", "id": "ORGANIZATION_ID"}, "target": {"type": "parameter", "id": id(1)}}},
    }});
    out.dashcards = vec![
        full(101, 201),
        Dashcard::new(102, Some(202))
            .map(&id(1), None, variable_tag("organization_id"))
            .map(&id(2), None, filter_tag("region"))
            .map(&id(4), None, variable_tag("min_seats")),
        full(103, 203),
        full(104, 204),
        line,
        text,
        inline,
        clicking,
    ];
    out
}

/// A dashcard of [`MAIN`] with every parameter mapped.
fn full(dashcard: u64, card: u64) -> Dashcard {
    let fields = [
        (1, 61),
        (2, 63),
        (3, 64),
        (4, 65),
        (5, 60),
        (6, 64),
        (7, 69),
        (8, 66),
        (9, 62),
        (10, 62),
    ];
    let one = Dashcard::new(dashcard, Some(card));
    fields.iter().fold(one, |one, (number, column)| {
        one.map(&on_dashboard(MAIN, *number), None, field(*column))
    })
}

fn tiers() -> Source {
    Source::Static(vec![
        json!(["Starter", "Small"]),
        json!(["Business", "Medium"]),
        json!(["Enterprise", "Large: ask Cobalt"]),
    ])
}

fn questions() -> Vec<Card> {
    let organization =
        |id| Parameter::new(&on_question(id, 1), "organization_id", "number/=").target(field(61));
    let region = |id| Parameter::new(&on_question(id, 2), "region", "string/=").target(field(63));
    let plan = |id| Parameter::new(&on_question(id, 3), "plan", "string/=").target(field(64));
    let question = |id, name, display, shape| {
        let mut card = Card::new(id, name, display, shape);
        card.parameters = vec![organization(id), region(id), plan(id)];
        card.embedding = policy(&["region", "plan"]);
        card.public_uuid = Some(question_link(id));
        card
    };
    let table = || Shape::Rows(TABLE.into());

    let mut open = question(5, "Revenue by region", "bar", Shape::Summary(vec![REGION]));
    open.parameters.remove(0);
    open.embedding = Embedding::on(&[("region", Mode::Enabled), ("plan", Mode::Enabled)]);

    let mut mbql = question(7, "Accounts, by clicks", "table", table());
    let mut name = Parameter::new(&on_question(7, 5), "name", "string/contains").target(field(62));
    name.options = Some(json!({"case-sensitive": false}));
    mbql.parameters.extend([
        Parameter::new(&on_question(7, 4), "account", "id").target(field(60)),
        name,
    ]);
    mbql.embedding = policy(&["region", "plan", "account", "name"]);

    let mut map = question(
        9,
        "Map of accounts",
        "map",
        Shape::Rows(vec![NAME, LATITUDE, LONGITUDE]),
    );
    map.settings = json!({"map.type": "pin", "map.latitude_column": "LATITUDE", "map.longitude_column": "LONGITUDE"});

    let mut broken = question(12, "Broken SQL", "table", table());
    broken.query = Query::Broken;

    let mut hidden = question(13, "Unpublished question", "table", table());
    (hidden.embedding.enabled, hidden.public_uuid) = (false, None);

    let mut lists = question(14, "Lists", "table", table());
    lists.parameters.extend([
        Parameter::new(&on_question(14, 4), "tier", "string/=")
            .target(field(64))
            .source(tiers()),
        Parameter::new(&on_question(14, 5), "owner", "string/=")
            .target(field(69))
            .source(Source::Card {
                id: 209,
                column: TENANT,
            }),
    ]);
    lists.embedding = policy(&["region", "plan", "tier", "owner"]);

    let mut archived = question(15, "Archived question", "table", table());
    archived.archived = true;

    vec![
        open,
        native(),
        mbql,
        question(8, "Pivot", "pivot", Shape::Summary(vec![REGION, PLAN])),
        map,
        required(),
        broken,
        hidden,
        lists,
        archived,
    ]
}

/// Question 6.
fn native() -> Card {
    let mut card = Card::new(6, "Accounts, by SQL", "table", Shape::Rows(TABLE.into()));
    let mut plan = tag("plan", "text", PLAN);
    plan.default = Some(json!("Business"));
    card.query = Query::Native(vec![
        tag("organization_id", "number", ORGANIZATION),
        tag("region", "dimension", REGION),
        plan,
        tag("note", "text", NAME),
    ]);
    let parameter = |number, slug, kind, target| {
        Parameter::new(&on_question(6, number), slug, kind).target(target)
    };
    let mut plan = parameter(3, "plan", "category", variable_tag("plan"));
    plan.default = Some(json!("Business"));
    card.parameters = vec![
        parameter(
            1,
            "organization_id",
            "number/=",
            variable_tag("organization_id"),
        ),
        parameter(2, "region", "string/=", filter_tag("region")),
        plan,
        parameter(4, "note", "category", variable_tag("note")),
    ];
    card.embedding = policy(&["region", "plan"]);
    card.embedding.params.push(("note".into(), Mode::Disabled));
    card.public_uuid = Some(question_link(6));
    card
}

/// Question 11.
fn required() -> Card {
    let mut card = Card::new(11, "Needs a price", "table", Shape::Rows(TABLE.into()));
    let mut price = tag("price", "number", REVENUE);
    price.required = true;
    card.query = Query::Native(vec![tag("organization_id", "number", ORGANIZATION), price]);
    card.parameters = vec![
        Parameter::new(&on_question(11, 1), "organization_id", "number/=")
            .target(variable_tag("organization_id")),
        Parameter::new(&on_question(11, 2), "price", "number/=").target(variable_tag("price")),
    ];
    card.embedding = policy(&["price"]);
    card.public_uuid = Some(question_link(11));
    card
}

/// Names every account: whoever finds all of them in an answer has seen too much.
pub(crate) fn everything() -> Vec<&'static str> {
    embedgate::demo::accounts::ACCOUNTS
        .iter()
        .map(|one| one.name)
        .collect()
}
