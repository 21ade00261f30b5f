//! The sample BI server. It knows nobody and believes the `tenant_id` that it is sent, like many an internal tool: that is the point.

use http::{HeaderValue, Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;

use super::{
    accounts::{self, ACCOUNTS, Account, TENANTS},
    web::{self, Page},
};

/// Answers the BI server's requests.
pub async fn answer(request: Request<Incoming>) -> Page {
    let mut page = route(request).await;
    let headers = page.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static("sample-bi"));
    headers.insert(
        header::X_FRAME_OPTIONS,
        HeaderValue::from_static("SAMEORIGIN"),
    );
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'self'; style-src 'self'; base-uri 'none'"),
    );
    page
}

async fn route(request: Request<Incoming>) -> Page {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::POST, "/api/query") => query(&web::body(request).await),
        (&Method::GET, "/api/accounts") => web::json(&accounts::report(&asked(&request))),
        (&Method::GET, "/api/accounts.csv") => web::text(web::CSV, accounts::csv(&asked(&request))),
        (&Method::GET, "/dashboard/overview") => {
            web::text(web::HTML, include_str!("pages/dashboard.html"))
        }
        (&Method::GET, "/dashboard/payroll") => {
            web::text(web::HTML, include_str!("pages/payroll.html"))
        }
        (&Method::GET, "/assets/dashboard.css") => {
            web::text(web::CSS, include_str!("pages/dashboard.css"))
        }
        (&Method::GET, "/assets/dashboard.js") => {
            web::text(web::SCRIPT, include_str!("pages/dashboard.js"))
        }
        (&Method::GET, "/admin") => web::text(web::HTML, admin()),
        _ => web::status(StatusCode::NOT_FOUND),
    }
}

fn asked(request: &Request<Incoming>) -> Vec<Account> {
    let query = request.uri().query();
    accounts::rows(
        web::parameter(query, "tenant_id").as_deref(),
        web::parameter(query, "region").as_deref(),
    )
}

fn query(body: &[u8]) -> Page {
    let Ok(asked) = serde_json::from_slice::<Value>(body) else {
        return web::status(StatusCode::BAD_REQUEST);
    };
    let text = |name: &str| {
        asked.get(name).map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    };
    web::json(&accounts::report(&accounts::rows(
        text("tenant_id").as_deref(),
        text("region").as_deref(),
    )))
}

/// Everybody's figures: what a viewer must never reach.
fn admin() -> String {
    let name = |id: u32| {
        TENANTS
            .iter()
            .find(|(tenant, _)| *tenant == id)
            .map_or("", |(_, name)| *name)
    };
    let mut rows = String::new();
    for row in &ACCOUNTS {
        let cells = [name(row.tenant), row.name, row.region]
            .map(|text| ["<td>", text, "</td>"].concat())
            .concat();
        rows.push_str(
            &[
                "<tr>",
                &cells,
                "<td class=\"number\">",
                &row.revenue.to_string(),
                "</td></tr>",
            ]
            .concat(),
        );
    }
    include_str!("pages/admin.html").replace("{{rows}}", &rows)
}
