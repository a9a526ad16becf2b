//! Two hundred accounts, two workers, and one account that asks for fifty large jobs first: the others' turn comes.

use std::fs;
use std::time::Duration;

use snaphold::server::catalog::{Account, Catalog, Job, JobFilter, JobState};
use snaphold::server::jobs::{Asker, Bench, Jobs, Workers};
use snaphold::server::work::{self, JobSpec};
use snaphold::service::InstanceSpec;
use tokio::runtime::Runtime;

use crate::here::surroundings;
use crate::servers::bench;

const ASKER: Asker<'static> = Asker { actor: "test", request_id: None };

async fn snapshot(jobs: &Jobs, account: &Account, number: u64) -> Job {
    let spec = JobSpec::Snapshot(work::Snapshot {
        instance: "data".into(),
        snapshot: format!("{:016x}", 0xf000_0000_0000_0000 + number),
        description: None,
        retain_ns: None,
        include: Vec::new(),
        skip_unreadable: false,
    });
    jobs.submit(&account.id, &spec, &ASKER).await.unwrap()
}

async fn ended(catalog: &Catalog, accounts: &[Account]) -> Vec<Job> {
    let mut jobs = Vec::new();
    for account in accounts {
        jobs.extend(catalog.jobs(&account.id, &JobFilter::default(), None, 1000).await.unwrap().items);
    }
    jobs
}

/// The longest and the middle time from a job's being asked for to its beginning, milliseconds.
fn waits(jobs: &[&Job]) -> (i64, i64) {
    let mut waits: Vec<i64> = jobs.iter().map(|job| (job.started_us.unwrap() - job.created_us) / 1000).collect();
    waits.sort_unstable();
    (waits[waits.len() / 2], waits[waits.len() - 1])
}

async fn measure(others: usize, large: u64) {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["small", "large"] {
        fs::create_dir(path(name)).unwrap();
    }
    fs::write(path("small/a.txt"), "a text").unwrap();
    let surroundings = surroundings();
    let mut noise = vec![0; 4 << 20];
    for number in 0..24 {
        surroundings.entropy.fill(&mut noise);
        fs::write(path(&format!("large/{number}")), &noise).unwrap();
    }
    let bench = bench(folder.path(), surroundings, 1).await;
    let Bench { catalog, tenants, jobs, .. } = bench.clone();
    let mut accounts = Vec::new();
    for number in 0..=others {
        let id = format!("a{number}");
        let sealed = tenants.create(&id).unwrap();
        let account = catalog.add_account(&id, &id, &sealed).await.unwrap();
        let source = path(if number == 0 { "large" } else { "small" });
        let source = Some(Some(format!("files:{}", source.display())));
        // Every file is read each time, so that each of the large jobs is one.
        let spec = InstanceSpec { source, always_read: Some(true), ..InstanceSpec::default() };
        tenants.service(&id, &sealed).unwrap().add_instance("data", spec).unwrap();
        accounts.push(account);
    }
    for number in 0..large {
        snapshot(&jobs, &accounts[0], number).await;
    }
    for (number, account) in accounts.iter().enumerate().skip(1) {
        snapshot(&jobs, account, 1000 + number as u64).await;
    }
    let workers = Workers::start(&bench, 2);
    let all = loop {
        let all = ended(&catalog, &accounts).await;
        if all.iter().all(|job| job.state.is_over()) {
            break all;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    workers.stop(Duration::from_secs(5)).await;
    assert!(all.iter().all(|job| job.state == JobState::Succeeded));
    let (of_one, of_others): (Vec<&Job>, Vec<&Job>) = all.iter().partition(|job| job.account == "a0");
    let (middle, longest) = waits(&of_others);
    println!(
        "{others} others waited {middle} ms in the middle, {longest} ms at most; the one's jobs {:?} ms",
        waits(&of_one)
    );
    let first_other = of_others.iter().map(|job| job.started_us.unwrap()).min().unwrap();
    let begun_before = of_one.iter().filter(|job| job.started_us.unwrap() < first_other).count();
    println!("{begun_before} of the one's {large} jobs were begun before the first of the others");
    assert!(begun_before <= 2, "all others waited for the one, which had asked first");
    // Never two of the one's at once.
    let mut spans: Vec<(i64, i64)> =
        of_one.iter().map(|job| (job.started_us.unwrap(), job.finished_us.unwrap())).collect();
    spans.sort_unstable();
    assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0));
}

#[test]
fn one_account_does_not_keep_all_workers() {
    Runtime::new().unwrap().block_on(measure(12, 6));
}

#[test]
#[ignore = "long: two hundred accounts"]
fn two_hundred_accounts_have_their_turn_beside_one_with_fifty_large_jobs() {
    Runtime::new().unwrap().block_on(measure(200, 50));
}
