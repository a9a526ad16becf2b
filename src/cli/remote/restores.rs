//! Restores by a service: planned, done, gone back from.

use serde_json::{Value, json};

use snaphold::error::{Error, Result};
use snaphold::ops::Progress;
use snaphold::ops::restore::RestoreReport;
use snaphold::service::{RestoreOutcome, RestoreRequest, ResumeOutcome};

use super::instances::absent;
use super::{Remote, text_of};
use crate::cli::backend::{Instances, Restores, Snapshots};
use crate::cli::confirm::RESTORE;
use crate::cli::progress::Teller;

impl Restores for Remote {
    fn undo_request(&self, instance: &str, no_safety: bool) -> Result<RestoreRequest> {
        let query = [("instance", instance), ("type", "safety"), ("status", "completed")];
        let safety = self.instance(instance).and_then(|_| self.listed(&query, 1))?.into_iter().next();
        let safety = safety.ok_or_else(|| {
            Error::NotFound(format!("instance {instance:?} has no safety snapshot, so there is nothing to undo"))
        })?;
        Ok(RestoreRequest {
            snapshot: safety.id,
            to: Some(instance.to_string()),
            no_safety,
            ..RestoreRequest::default()
        })
    }

    fn plan_restore(&self, request: &RestoreRequest, _teller: &Teller) -> Result<RestoreOutcome> {
        let id = self.id(&request.snapshot)?;
        self.client.post(&["snapshots", &id, "restore", "plan"], &wanted(request)?)
    }

    fn restore(&self, request: &RestoreRequest, confirmed: bool, teller: &Teller) -> Result<RestoreOutcome> {
        let id = self.id(&request.snapshot)?;
        if !confirmed {
            let RestoreOutcome { target, .. } =
                self.client.post(&["snapshots", &id, "restore", "plan"], &wanted(request)?)?;
            return Err(Error::Refused(format!(
                "this would overwrite {target}; type RESTORE to confirm (in a script: --confirm RESTORE)"
            )));
        }
        let mut body = wanted(request)?;
        if let Some(fields) = body.as_object_mut() {
            fields.insert("confirm".into(), RESTORE.into());
            fields.insert("no_safety".into(), request.no_safety.into());
        }
        let result: Value = self.run(&["snapshots", &id, "restore"], &body, teller)?;
        serde_json::from_value(result.clone()).or_else(|_| self.taken_up(request, &id, &result, teller))
    }

    fn resume_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome> {
        self.run(&["instances", instance, "resume"], &json!({}), teller).map_err(|error| absent(error, instance))
    }

    fn abort_restore(&self, instance: &str, teller: &Teller) -> Result<ResumeOutcome> {
        self.run(&["instances", instance, "abort"], &json!({}), teller).map_err(|error| absent(error, instance))
    }
}

fn wanted(request: &RestoreRequest) -> Result<Value> {
    let path = request.path.as_deref().map(text_of).transpose()?;
    Ok(json!({ "to": request.to, "path": path, "component": request.component }))
}

impl Remote {
    /// A restore that another worker completed after the first one had died: it does not know what was written before.
    fn taken_up(&self, request: &RestoreRequest, id: &str, result: &Value, teller: &Teller) -> Result<RestoreOutcome> {
        teller.notice("the service was interrupted and completed the restore later; how much it wrote is not known");
        let snapshot = self.snapshot(id)?;
        let instance = request.to.clone().unwrap_or_else(|| snapshot.instance.clone());
        let target = self.instance(&instance)?.source.unwrap_or_else(|| instance.clone());
        Ok(RestoreOutcome {
            snapshot: id.to_string(),
            target,
            in_place: true,
            instance: Some(instance),
            safety_snapshot: result["safety_snapshot"].as_str().map(str::to_string),
            checks: serde_json::from_value(result["checks"].clone()).unwrap_or_default(),
            report: RestoreReport {
                files: snapshot.files,
                directories: snapshot.directories,
                bytes_total: snapshot.bytes_total,
                ..RestoreReport::default()
            },
        })
    }
}
