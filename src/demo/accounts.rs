//! The sample BI server's data: the accounts of three tenants, in one table.

use serde_json::{Value, json};

/// One row.
#[derive(Clone, Copy, Debug)]
pub struct Account {
    /// Whose row it is.
    pub tenant: u32,
    /// The customer's name.
    pub name: &'static str,
    /// Where it is.
    pub region: &'static str,
    /// What it pays for.
    pub plan: &'static str,
    /// How many people use it.
    pub seats: u32,
    /// What it pays a month.
    pub revenue: u32,
    /// Growth a month, in tenths of a percent.
    pub growth: i32,
}

/// The tenants: number and name.
pub const TENANTS: [(u32, &str); 3] = [
    (999, "Aurora Foods"),
    (777, "Baltic Freight"),
    (555, "Cobalt Labs"),
];

/// The whole table, as the BI server sees it.
pub const ACCOUNTS: [Account; 16] = [
    row(
        999,
        "Harbour Street Bakery",
        "Europe",
        "Business",
        42,
        3_150,
        24,
    ),
    row(
        999,
        "Green Basket Co-op",
        "Europe",
        "Business",
        64,
        4_480,
        31,
    ),
    row(
        999,
        "Sunrise Canteens",
        "Americas",
        "Enterprise",
        210,
        12_600,
        18,
    ),
    row(999, "Little Fig Deli", "Europe", "Starter", 6, 240, -9),
    row(
        999,
        "Mesa Verde Produce",
        "Americas",
        "Business",
        38,
        2_850,
        42,
    ),
    row(
        999,
        "Kumo Noodle House",
        "Asia-Pacific",
        "Starter",
        12,
        480,
        65,
    ),
    row(
        999,
        "Tidewater Fish Market",
        "Americas",
        "Business",
        27,
        2_025,
        12,
    ),
    row(
        777,
        "Nordkap Shipping",
        "Europe",
        "Enterprise",
        340,
        20_400,
        9,
    ),
    row(
        777,
        "Riga Container Line",
        "Europe",
        "Enterprise",
        180,
        10_800,
        -14,
    ),
    row(
        777,
        "Gdańsk Cold Storage",
        "Europe",
        "Business",
        55,
        4_125,
        27,
    ),
    row(
        777,
        "Pacific Lighterage",
        "Asia-Pacific",
        "Business",
        31,
        2_325,
        38,
    ),
    row(777, "Saimaa Timber Haul", "Europe", "Starter", 9, 360, 5),
    row(
        555,
        "Helix Instruments",
        "Americas",
        "Enterprise",
        125,
        8_750,
        36,
    ),
    row(555, "Quiet Room Acoustics", "Europe", "Starter", 7, 280, 11),
    row(
        555,
        "Parallax Optics",
        "Asia-Pacific",
        "Business",
        48,
        3_600,
        47,
    ),
    row(
        555,
        "Fieldnote Sensors",
        "Americas",
        "Business",
        33,
        2_475,
        -6,
    ),
];

/// Months back from the last one, and how good such a month usually is, in percent.
const MONTHS: [(&str, i32, u32); 12] = [
    ("Jan", 11, 91),
    ("Feb", 10, 88),
    ("Mar", 9, 97),
    ("Apr", 8, 102),
    ("May", 7, 106),
    ("Jun", 6, 101),
    ("Jul", 5, 94),
    ("Aug", 4, 90),
    ("Sep", 3, 104),
    ("Oct", 2, 109),
    ("Nov", 1, 105),
    ("Dec", 0, 100),
];

const fn row(
    tenant: u32,
    name: &'static str,
    region: &'static str,
    plan: &'static str,
    seats: u32,
    revenue: u32,
    growth: i32,
) -> Account {
    Account {
        tenant,
        name,
        region,
        plan,
        seats,
        revenue,
        growth,
    }
}

/// The rows of a tenant, or of everybody where none is named: the careless part.
pub fn rows(tenant: Option<&str>, region: Option<&str>) -> Vec<Account> {
    let tenant = tenant.and_then(|text| text.parse::<u32>().ok());
    let region = region.filter(|region| !region.is_empty());
    let wanted = |account: &&Account| {
        tenant.is_none_or(|id| id == account.tenant)
            && region.is_none_or(|name| name == account.region)
    };
    ACCOUNTS.iter().filter(wanted).copied().collect()
}

/// What a dashboard draws.
pub fn report(rows: &[Account]) -> Value {
    let owners: Vec<&str> = TENANTS
        .iter()
        .filter(|(id, _)| rows.iter().any(|row| row.tenant == *id))
        .map(|(_, name)| *name)
        .collect();
    let table: Vec<Value> = rows
        .iter()
        .map(|row| json!({"tenant": row.tenant, "name": row.name, "region": row.region, "plan": row.plan, "seats": row.seats, "revenue": row.revenue}))
        .collect();
    json!({"owners": owners, "rows": table, "months": MONTHS.map(|(name, ..)| name), "revenue": revenue_by_month(rows)})
}

/// The same as CSV.
pub fn csv(rows: &[Account]) -> String {
    let lines = rows.iter().map(|row| {
        format!(
            "{},{},{},{},{},{}\n",
            row.tenant, row.name, row.region, row.plan, row.seats, row.revenue
        )
    });
    std::iter::once("tenant,name,region,plan,seats,revenue\n".to_owned())
        .chain(lines)
        .collect()
}

fn revenue_by_month(rows: &[Account]) -> Vec<f64> {
    let then = |row: &Account, back: i32| {
        f64::from(row.revenue) / (1.0 + f64::from(row.growth) / 1000.0).powi(back)
    };
    let month = |(_, back, season): (&str, i32, u32)| {
        (rows.iter().map(|row| then(row, back)).sum::<f64>() * f64::from(season) / 100.0).round()
    };
    MONTHS.into_iter().map(month).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusts_whatever_tenant_it_is_told() {
        assert!(rows(Some("999"), None).iter().all(|row| row.tenant == 999));
        assert_eq!(rows(None, None).len(), ACCOUNTS.len());
        assert_eq!(rows(Some("x"), None).len(), ACCOUNTS.len());
        assert_eq!(rows(Some("777"), Some("Europe")).len(), 4);
    }

    #[test]
    fn the_last_month_is_the_revenue_of_the_table() {
        let rows = rows(Some("777"), None);
        let total: u32 = rows.iter().map(|row| row.revenue).sum();
        assert_eq!(
            revenue_by_month(&rows).last().copied(),
            Some(f64::from(total))
        );
    }
}
