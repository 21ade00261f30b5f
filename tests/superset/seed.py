#!/usr/bin/env python3
"""Fills a fresh Superset: two tables, three embedded dashboards, a native filter, the guest role. Writes state.json.

Runs with the state folder as working directory. May run again over the same folder.
"""

import json
import os
import sqlite3
import sys
import time
import uuid

ALLOWED_DOMAIN = "https://gateway.example"  # the constant Referer that the gateway sends
UUIDS = {
    "accounts": "b7b1d3a0-7c55-4f0e-9a3c-0f5e9d2c1a11",  # the dashboard of the tests
    "second": "5d2f6c1e-0d3b-4f6a-8a51-3c9e7b1f2d22",  # covered by the same rule, but not named in the tests' tokens
    "secrets": "e1a94b7d-5f60-4c3a-9b0e-6d8c2f4a7e33",  # built on a dataset that no rule covers
}
ACCOUNTS = [
    (999, 1, "Basic", "Active"),
    (999, 2, "Basic", "Active"),
    (999, 3, "Basic", "Inactive"),
    (777, 4, "Premium", "Inactive"),
    (777, 5, "Premium", "Active"),
]
GUEST_PERMISSIONS = [
    ("can_read", "CurrentUserRestApi"),
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),
    ("can_csv", "Superset"),  # Superset would let every guest export; the gateway asks for scope `download`
    ("can_export", "Dashboard"),  # opens export_as_example, which ignores row-level rules in 6.1.0: the gateway must not
]
COLUMNS = ["tenant_id", "account_id", "plan", "status"]
FILTER_ID = "NATIVE_FILTER-status"

started = time.monotonic()


def say(what):
    print(f"  seed [{time.monotonic() - started:5.1f}s] {what}", flush=True)


def example_tables():
    with sqlite3.connect("examples.db") as tables:
        tables.executescript(
            """
            drop table if exists accounts;
            drop table if exists secrets;
            create table accounts(tenant_id integer, account_id integer primary key, plan text, status text);
            create table secrets(tenant_id integer, note text);
            insert into secrets values (999, 's999'), (777, 's777');
            """
        )
        tables.executemany("insert into accounts values (?, ?, ?, ?)", ACCOUNTS)


def guest_role(security, session, name):
    role = security.find_role(name) or security.add_role(name)
    role.permissions = []
    for permission, view in GUEST_PERMISSIONS:
        security.add_permission_role(role, security.add_permission_view_menu(permission, view))
    session.commit()


def one(session, model, **keys):
    found = session.query(model).filter_by(**keys).one_or_none()
    if found is None:
        found = model(**keys)
        session.add(found)
    return found


def dataset(session, database, owner, name):
    from superset.connectors.sqla.models import SqlaTable

    table = one(session, SqlaTable, table_name=name, database_id=database.id)
    table.database, table.schema, table.owners = database, "main", [owner]
    session.flush()
    table.fetch_metadata()
    session.flush()
    return table


def chart(session, owner, table, name, viz, params):
    from superset.models.slice import Slice

    made = one(session, Slice, slice_name=name)
    made.viz_type, made.datasource_id, made.datasource_type, made.datasource_name = viz, table.id, "table", table.table_name
    made.owners = [owner]
    session.flush()
    made.params = json.dumps(
        {"datasource": f"{table.id}__table", "viz_type": viz, "slice_id": made.id, "adhoc_filters": [], "extra_form_data": {}, **params}
    )
    return made


def raw_table(columns):
    return {
        "query_mode": "raw", "groupby": [], "metrics": [], "all_columns": columns, "percent_metrics": [], "order_by_cols": [],
        "server_page_length": 10, "row_limit": 1000, "order_desc": True, "table_timestamp_format": "smart_date",
        "allow_render_html": True, "show_cell_bars": True, "color_pn": True, "include_search": False,
    }


def layout(title, charts):
    grid = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "children": ["ROW-1"], "parents": ["ROOT_ID"]},
        "HEADER_ID": {"type": "HEADER", "id": "HEADER_ID", "meta": {"text": title}},
        "ROW-1": {
            "type": "ROW", "id": "ROW-1", "children": [f"CHART-{made.id}" for made, _ in charts],
            "parents": ["ROOT_ID", "GRID_ID"], "meta": {"background": "BACKGROUND_TRANSPARENT"},
        },
    }
    for made, width in charts:
        grid[f"CHART-{made.id}"] = {
            "type": "CHART", "id": f"CHART-{made.id}", "children": [], "parents": ["ROOT_ID", "GRID_ID", "ROW-1"],
            "meta": {"width": width, "height": 50, "chartId": made.id, "uuid": str(made.uuid), "sliceName": made.slice_name},
        }
    return json.dumps(grid)


def status_filter(table, charts):
    ids = [made.id for made, _ in charts]
    everywhere = {"rootPath": ["ROOT_ID"], "excluded": []}
    return {
        "chart_configuration": {},
        "global_chart_configuration": {"scope": everywhere, "chartsInScope": ids},
        "cross_filters_enabled": True,
        "refresh_frequency": 0,
        "native_filter_configuration": [
            {
                "id": FILTER_ID, "name": "Status", "type": "NATIVE_FILTER", "filterType": "filter_select",
                "targets": [{"datasetId": table.id, "column": {"name": "status"}}],
                "controlValues": {
                    "enableEmptyFilter": False, "defaultToFirstItem": False, "multiSelect": True,
                    "searchAllOptions": False, "inverseSelection": False,
                },
                "defaultDataMask": {"extraFormData": {}, "filterState": {}, "ownState": {}},
                "cascadeParentIds": [], "scope": everywhere, "chartsInScope": ids, "tabsInScope": [], "description": "",
            }
        ],
    }


def dashboard(session, owner, slug, title, charts, metadata):
    from superset.models.dashboard import Dashboard
    from superset.models.embedded_dashboard import EmbeddedDashboard

    made = one(session, Dashboard, slug=slug)
    made.dashboard_title, made.published, made.owners = title, True, [owner]
    made.slices = [each for each, _ in charts]
    made.position_json, made.json_metadata = layout(title, charts), json.dumps(metadata)
    session.flush()
    embedding = made.embedded[0] if made.embedded else EmbeddedDashboard()
    embedding.uuid, embedding.allow_domain_list = uuid.UUID(UUIDS[slug]), ALLOWED_DOMAIN
    made.embedded = [embedding]
    session.flush()
    return made


def content(app, session, admin):
    from superset.models.core import Database

    database = one(session, Database, database_name="examples")
    database.set_sqlalchemy_uri("sqlite:///examples.db?check_same_thread=false")
    session.flush()
    accounts = dataset(session, database, admin, "accounts")
    secrets = dataset(session, database, admin, "secrets")
    table = chart(session, admin, accounts, "Accounts", "table", raw_table(COLUMNS))
    count = chart(session, admin, accounts, "Account count", "big_number_total", {"metric": "count", "y_axis_format": "SMART_NUMBER"})
    plans = chart(
        session, admin, accounts, "Accounts by plan", "pie",
        {"groupby": ["plan"], "metric": "count", "row_limit": 100, "sort_by_metric": True, "color_scheme": "supersetColors",
         "show_labels": True, "label_type": "key_value", "show_legend": True, "outerRadius": 70, "innerRadius": 30},
    )
    notes = chart(session, admin, secrets, "Secrets", "table", raw_table(["tenant_id", "note"]))
    session.flush()
    all_three = [(table, 6), (count, 2), (plans, 4)]
    boards = {
        "accounts": dashboard(session, admin, "accounts", "Tenant accounts", all_three, status_filter(accounts, all_three)),
        "second": dashboard(session, admin, "second", "Second", [(count, 4)], {}),
        "secrets": dashboard(session, admin, "secrets", "Secrets", [(notes, 6)], {}),
    }
    session.commit()
    return {
        "uuids": UUIDS,
        "dashboards": {name: made.id for name, made in boards.items()},
        "datasets": {"accounts": accounts.id, "secrets": secrets.id},
        "charts": {"table": table.id, "count": count.id, "plans": plans.id, "notes": notes.id},
        "filter": FILTER_ID,
        "referer": ALLOWED_DOMAIN + "/",
        "admin": ["admin", "admin"],
    }


def main():
    example_tables()
    from superset.app import create_app

    app = create_app()
    say("application created")
    with app.app_context():
        import flask_migrate

        flask_migrate.upgrade()
        say("database migrated")
    with app.app_context():
        from flask import g

        from superset import security_manager
        from superset.extensions import appbuilder, db

        appbuilder.add_permissions(update_perms=True)
        security_manager.sync_role_definitions()
        say("roles and permissions")
        admin = security_manager.find_user("admin") or security_manager.add_user(
            "admin", "Ad", "Min", "admin@example.com", security_manager.find_role("Admin"), "admin"
        )
        guest_role(security_manager, db.session, app.config["GUEST_ROLE_NAME"])
        g.user = admin
        state = content(app, db.session, admin)
    with open("state.json", "w", encoding="utf-8") as file:
        json.dump(state, file, indent=1)
    say(f"dashboards {state['dashboards']}, datasets {state['datasets']}")


if __name__ == "__main__":
    sys.exit(main())
