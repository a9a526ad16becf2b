//! Care of what a service stores.

use serde_json::json;

use snaphold::error::Result;
use snaphold::ops::gc::GcReport;
use snaphold::ops::verify::{ReadData, VerifyReport};
use snaphold::service::{DrillOutcome, GcRequest, Stats};

use super::{Remote, only_here};
use crate::cli::backend::Care;
use crate::cli::progress::Teller;

impl Care for Remote {
    fn drill(&self, spec: &str, component: Option<&str>, query: Option<&str>, teller: &Teller) -> Result<DrillOutcome> {
        let id = self.id(spec)?;
        self.run(&["snapshots", &id, "drill"], &json!({ "component": component, "query": query }), teller)
    }

    fn gc(&self, request: GcRequest, teller: &Teller) -> Result<GcReport> {
        let GcRequest { dry_run, grace_ns, full } = request;
        if dry_run {
            return Err(only_here("--dry-run"));
        }
        if grace_ns.is_some() {
            return Err(only_here("--grace"));
        }
        self.run(&["gc"], &json!({ "full": full }), teller)
    }

    fn verify(&self, read_data: ReadData, teller: &Teller) -> Result<VerifyReport> {
        let read_data = match read_data {
            ReadData::None => None,
            ReadData::All => Some("all".to_string()),
            ReadData::Part { n, of } => Some(format!("{n}/{of}")),
        };
        self.run(&["verify"], &json!({ "read_data": read_data }), teller)
    }

    fn stats(&self, instance: Option<&str>, _teller: &Teller) -> Result<Stats> {
        let query: Vec<(&str, &str)> = instance.map(|name| ("instance", name)).into_iter().collect();
        self.client.get(&["stats"], &query)
    }
}
