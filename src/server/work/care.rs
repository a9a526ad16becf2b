//! Care of an account's repository: deletion, garbage collection, verify, drills. Each is done again as it is.

use std::collections::BTreeMap;

use crate::error::{Error, Result};
use crate::ops::verify::ReadData;
use crate::service::{GcRequest, Service};

use super::done::{Done, Means};
use super::spec;

pub fn delete(job: &spec::Delete, means: &Means<'_>) -> Result<Done> {
    let grace_ns = job.grace_ns.unwrap_or(means.service.grace_ns());
    match means.service.delete_snapshot(&job.snapshot, grace_ns) {
        Ok(view) => Done::of(means.service, &[&view.instance], &[&view.id])?.with(&view),
        // With no grace time gc may have been quicker.
        Err(Error::NotFound(_)) if means.is_again() => Ok(Done { gone: vec![job.snapshot.clone()], ..Done::default() }),
        Err(error) => Err(error),
    }
}

pub fn gc(job: &spec::Gc, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    let before = statuses(service)?;
    let request = GcRequest { full: job.full, ..GcRequest::default() };
    let report = service.gc(request, means.progress)?;
    let after = statuses(service)?;
    let gone: Vec<String> = before.keys().filter(|id| !after.contains_key(*id)).cloned().collect();
    let changed = after.iter().filter(|(id, now)| before.get(*id).is_some_and(|then| then != *now));
    let changed: Vec<&str> = changed.map(|(id, _)| id.as_str()).collect();
    let instances = changed.iter().copied().chain(gone.iter().map(String::as_str));
    let names: std::collections::BTreeSet<&str> =
        instances.filter_map(|id| before.get(id)).map(|(instance, _)| instance.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Ok(Done { gone: gone.clone(), ..Done::of(service, &names, &changed)?.with(&report)? })
}

/// Each snapshot's instance and whether it is deleted, by its id.
fn statuses(service: &Service) -> Result<BTreeMap<String, (String, bool)>> {
    let catalog = service.catalog()?;
    let status = |snapshot: &crate::service::Snapshot| {
        (snapshot.manifest.id.to_string(), (snapshot.manifest.instance.clone(), snapshot.is_deleted()))
    };
    Ok(catalog.snapshots.iter().map(status).collect())
}

/// What is found wrong is in the result, `"ok": false`: the job has done what it was asked.
pub fn verify(job: &spec::Verify, means: &Means<'_>) -> Result<Done> {
    let read_data = read_data(job.read_data.as_deref())?;
    let report = means.service.verify(read_data, means.progress)?;
    Done::default().with(&report)
}

/// `all`, or the first of three parts: `1/3`.
fn read_data(text: Option<&str>) -> Result<ReadData> {
    let wrong = |text: &str| Error::Usage(format!("{text:?} is no part of the data: write all, or 1/7 for a seventh"));
    match text {
        None => Ok(ReadData::None),
        Some("all") => Ok(ReadData::All),
        Some(text) => {
            let (n, of) = text.split_once('/').ok_or_else(|| wrong(text))?;
            match (n.parse(), of.parse()) {
                (Ok(n), Ok(of)) if (1..=of).contains(&n) => Ok(ReadData::Part { n, of }),
                _ => Err(wrong(text)),
            }
        }
    }
}

/// What is found wrong is in the result, `"proven": false`.
pub fn drill(job: &spec::Drill, means: &Means<'_>) -> Result<Done> {
    let service = means.service;
    let outcome = service.drill(&job.snapshot, job.component.as_deref(), job.query.as_deref(), means.progress)?;
    Done::of(service, &[&outcome.instance], &[&outcome.snapshot])?.with(&outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_the_data_is_one_of_at_least_as_many() {
        assert_eq!(read_data(None).unwrap(), ReadData::None);
        assert_eq!(read_data(Some("all")).unwrap(), ReadData::All);
        assert_eq!(read_data(Some("3/30")).unwrap(), ReadData::Part { n: 3, of: 30 });
        for text in ["", "none", "3", "0/3", "4/3", "1/0", "-1/3", "a/b"] {
            assert!(matches!(read_data(Some(text)), Err(Error::Usage(_))), "{text:?}");
        }
    }
}
