//! What the tests of filters share: a site, an item with its rules, a viewer's token, a layout.

use super::{Ids, Rules};
use crate::{
    adapter::metabase::spec::Lens,
    gate::{
        param::{Granted, Mode, ParamSpec, Scalar, Type, Value},
        query,
    },
};

pub(in crate::adapter::metabase) const TENANT: usize = 0;
pub(in crate::adapter::metabase) const CATEGORY: usize = 1;
pub(in crate::adapter::metabase) const PRICE: usize = 2;
pub(in crate::adapter::metabase) const PLAN: usize = 3;
pub(in crate::adapter::metabase) const SECRET: usize = 4;
pub(in crate::adapter::metabase) const DAY: usize = 5;
pub(in crate::adapter::metabase) const ORG: usize = 6;
pub(in crate::adapter::metabase) const ACTIVE: usize = 7;

/// A viewer on an item.
#[derive(Clone)]
pub(in crate::adapter::metabase) struct World {
    pub(in crate::adapter::metabase) params: Vec<ParamSpec>,
    pub(in crate::adapter::metabase) modes: Vec<Mode>,
    pub(in crate::adapter::metabase) values: Vec<Option<Value>>,
    pub(in crate::adapter::metabase) all: Vec<usize>,
}

impl World {
    pub(in crate::adapter::metabase) fn rules(&self) -> Rules<'_> {
        Rules {
            lens: Lens {
                params: &self.params,
                modes: &self.modes,
            },
            granted: Granted {
                values: &self.values,
                all: &self.all,
            },
        }
    }

    /// The same, where the token says this of a parameter.
    pub(in crate::adapter::metabase) fn with(mut self, param: usize, value: Option<Value>) -> Self {
        self.values[param] = value;
        self
    }

    /// The same, where the token says "all" of a locked parameter.
    pub(in crate::adapter::metabase) fn with_all(mut self, param: usize) -> Self {
        self.values[param] = None;
        self.all.push(param);
        self
    }

    /// The same, with another type.
    pub(in crate::adapter::metabase) fn typed(mut self, param: usize, kind: Type) -> Self {
        self.params[param].kind = kind;
        self
    }

    /// The same, with another mode on the item.
    pub(in crate::adapter::metabase) fn mode(mut self, param: usize, mode: Mode) -> Self {
        self.modes[param] = mode;
        self
    }
}

/// `tenant` is locked to `acme`, `plan` is preset to `gold`, `category` (a list), `price`, `day` and `active` are the viewer's, `secret` is disabled;
/// `org` is locked at the site and not on this item.
pub(in crate::adapter::metabase) fn world() -> World {
    let params = vec![
        spec("tenant", Mode::Locked, Type::String, true),
        spec("category", Mode::Enabled, Type::String, true),
        spec("price", Mode::Enabled, Type::Integer, false),
        spec("plan", Mode::Enabled, Type::String, false),
        spec("secret", Mode::Disabled, Type::String, false),
        spec("day", Mode::Enabled, Type::Date, false),
        spec("org", Mode::Locked, Type::Integer, false),
        spec("active", Mode::Enabled, Type::Boolean, false),
    ];
    let mut modes: Vec<_> = params.iter().map(|spec| spec.mode).collect();
    modes[ORG] = Mode::Disabled;
    let mut values = vec![None; params.len()];
    values[TENANT] = Some(one("acme", Type::String));
    values[PLAN] = Some(one("gold", Type::String));
    values[ORG] = Some(one("7", Type::Integer));
    World {
        params,
        modes,
        values,
        all: vec![],
    }
}

fn spec(name: &str, mode: Mode, kind: Type, list: bool) -> ParamSpec {
    ParamSpec {
        name: name.into(),
        folded: query::fold(name).into(),
        mode,
        kind,
        list,
        all: Some("all".into()),
    }
}

pub(in crate::adapter::metabase) fn scalar(text: &str, kind: Type) -> Scalar {
    Scalar {
        text: text.into(),
        kind,
    }
}

pub(in crate::adapter::metabase) fn one(text: &str, kind: Type) -> Value {
    Value::One(scalar(text, kind))
}

pub(in crate::adapter::metabase) fn many(texts: &[&str], kind: Type) -> Value {
    Value::Many(texts.iter().map(|text| scalar(text, kind)).collect())
}

/// Ids and types by the index of the parameter; `closed` ones no viewer may set.
pub(super) struct Layout {
    pub(super) ids: Vec<Option<(&'static str, &'static str)>>,
    pub(super) closed: Vec<usize>,
}

impl Ids for Layout {
    fn param(&self, id: &str) -> Option<usize> {
        (0..self.ids.len())
            .find(|param| self.id(*param) == Some(id) && !self.closed.contains(param))
    }

    fn id(&self, param: usize) -> Option<&str> {
        self.ids.get(param)?.map(|(id, _)| id)
    }

    fn kind(&self, param: usize) -> Option<&str> {
        self.ids.get(param)?.map(|(_, kind)| kind)
    }
}

pub(super) fn layout() -> Layout {
    Layout {
        ids: vec![
            Some(("5aefc7", "string/=")),
            Some(("c0ffee", "string/contains")),
            Some(("bead01", "number/=")),
            Some(("bead02", "string/=")),
            Some(("bead03", "string/=")),
            Some(("bead04", "date/single")),
            None,
            Some(("bead05", "boolean/=")),
        ],
        closed: vec![TENANT, SECRET],
    }
}

/// `name=value`, encoded.
pub(super) fn pair(name: &str, value: &str) -> String {
    let mut out = String::new();
    query::push(&mut out, name, value);
    out
}
