//! The pages with made-up data, by name: what a browser is shown, and what axe looks at.

use maud::{Markup, html};
use snaphold::server::actions::snapshots::Snapshot;
use snaphold::server::console::pages::take::OptionalComponent;
use snaphold::server::console::pages::{
    account, audit, browse, compare, exports, failure, instances, jobs, load, plans, restore, schedule, settings,
    sign_in, snapshot, snapshots, take, tokens, usage, users,
};
use snaphold::server::console::view::*;
use snaphold::service::{Plan, Plans};

use crate::sample;

type Draw = fn(&Shell) -> Markup;

/// Every page, each with an address of its own.
pub const PAGES: &[(&str, Draw)] = &[
    ("sign-in", |shell| sign_in::page(shell.theme, &sign_in::SignIn::default())),
    ("sign-in-wrong", |shell| {
        let filled = Filled::refused(
            vec![("email".into(), "ada@northwind.example".into())],
            "E-mail address or password is wrong",
        );
        sign_in::page(shell.theme, &sign_in::SignIn { filled, ..Default::default() })
    }),
    ("instances", |shell| instances::list(shell, &sample::instances(), &sample::usage())),
    ("instances-none", |shell| instances::list(shell, &[], &UsageView::default())),
    ("add-instance", |shell| with_plans(|plans| instances::add(shell, plans, &Filled::default()))),
    ("add-instance-wrong", |shell| with_plans(|plans| instances::add(shell, plans, &wrong("name", "a b")))),
    ("snapshots", |shell| snapshots::of_instance(shell, &sample::orders(), &listing())),
    ("snapshots-none", |shell| snapshots::of_instance(shell, &sample::empty_instance(), &Default::default())),
    ("snapshots-no-backups", |shell| snapshots::of_instance(shell, &sample::unplanned(), &Default::default())),
    ("snapshots-unfinished", |shell| snapshots::of_instance(shell, &sample::unfinished(), &listing())),
    ("snapshots-no-match", |shell| {
        let filter = SnapshotFilter { kind: "load".into(), ..Default::default() };
        snapshots::of_instance(shell, &sample::orders(), &snapshots::Listing { filter, ..Default::default() })
    }),
    ("backups", |shell| {
        let instances = vec!["orders".into(), "shop".into()];
        snapshots::all(shell, &snapshots::Listing { instances, ..listing() })
    }),
    ("take", |shell| take_form(shell, &Filled::default())),
    ("take-wrong", |shell| take_form(shell, &wrong("retention_days", "-3"))),
    ("snapshot", |shell| snapshot::show(shell, &sample::snapshots()[3])),
    ("snapshot-environment", |shell| snapshot::show(shell, &sample::row(sample::environment_snapshot()))),
    ("snapshot-unavailable", |shell| {
        snapshot::show(shell, &SnapshotRow { available: false, ..sample::snapshots().remove(2) })
    }),
    ("restore", |shell| restore_form(shell, &restore::Planned::Known(&sample::planned()), &Filled::default())),
    ("restore-wrong", |shell| restore_form(shell, &restore::Planned::Later, &wrong("confirm", "restore"))),
    ("restore-refused", |shell| {
        restore_form(shell, &restore::Planned::Refused("no server answers at db.northwind.example"), &Filled::default())
    }),
    ("export", |shell| {
        take::export(
            shell,
            &sample::environment_snapshot(),
            &take::ExportOf { format: "dump".into(), only: Some("table=public.orders".into()), ..Default::default() },
            &[("tar".into(), "it has none".into())],
            &Filled::default(),
        )
    }),
    ("undo", |shell| restore::undo(shell, &one(), &Filled::default())),
    ("clone", |shell| take::clone(shell, &one(), Some("postgres://backup@db/orders"), &Filled::default())),
    ("hold", |shell| take::hold(shell, &sample::snapshots()[3].view, &Filled::default())),
    ("delete", |shell| take::delete(shell, &one(), "7 days", &Filled::default())),
    ("undelete", |shell| take::undelete(shell, &sample::snapshots()[6].view, &Filled::default())),
    ("drill", |shell| take::drill(shell, &one(), &Filled::default())),
    ("compare-choose", |shell| compare::choose(shell, &one(), &others())),
    ("compare", |shell| compare::compare(shell, &others()[1], &one(), &sample::comparison())),
    ("browse", |shell| browse::browse(shell, &one(), &sample::contents(true))),
    ("browse-files", |shell| browse::browse(shell, &one(), &sample::contents(false))),
    ("schedule", |shell| schedule::schedule(shell, &sample::orders(), &sample::policy(), &zones(), &Filled::default())),
    ("schedule-no-backups", |shell| {
        schedule::schedule(shell, &sample::unplanned(), &sample::policy(), &zones(), &Filled::default())
    }),
    ("settings", |shell| with_plans(|plans| settings::settings(shell, &sample::orders(), plans, &Filled::default()))),
    ("settings-wrong", |shell| {
        with_plans(|plans| settings::settings(shell, &sample::orders(), plans, &wrong("source", "x:/y")))
    }),
    ("remove", |shell| settings::remove(shell, &sample::orders(), &Filled::default())),
    ("usage-instance", |shell| {
        let rows = sample::snapshots();
        let views: Vec<&Snapshot> =
            rows.iter().rev().map(|row| &row.view).filter(|view| view.status == "completed").collect();
        usage::instance(shell, &sample::orders(), &sample::usage(), &views)
    }),
    ("usage", |shell| usage::account(shell, &sample::usage())),
    ("usage-none", |shell| usage::account(shell, &UsageView::default())),
    ("jobs", |shell| {
        jobs::list(
            shell,
            &sample::jobs(),
            "",
            &Paging { next: Some("?after=x".into()), first: Some("?".into()), total: None },
        )
    }),
    ("jobs-none", |shell| jobs::list(shell, &[], "open", &Paging::default())),
    ("job", |shell| jobs::show(shell, &sample::job())),
    ("job-failed", |shell| jobs::show(shell, &sample::jobs()[3])),
    ("job-restored", |shell| jobs::show(shell, &sample::jobs()[4])),
    ("job-exported", |shell| jobs::show(shell, &sample::jobs()[5])),
    ("exports", |shell| exports::list(shell, &sample::exports(), None)),
    ("exports-link", |shell| exports::list(shell, &sample::exports(), Some(&sample::link()))),
    ("exports-none", |shell| exports::list(shell, &[], None)),
    ("load", |shell| load::load(shell, &sample::orders(), &Filled::default())),
    ("audit", |shell| audit::list(shell, &sample::audit(), &Paging::default())),
    ("tokens", |shell| tokens::list(shell, &sample::tokens(), None)),
    ("tokens-made", |shell| tokens::list(shell, &sample::tokens(), Some("sh_t00000000000000a4_9f2c1d"))),
    ("tokens-none", |shell| tokens::list(shell, &[], None)),
    ("token-create", |shell| tokens::create(shell, &Filled::default())),
    ("users", |shell| users::list(shell, &sample::users())),
    ("user-disable", |shell| users::disable(shell, &sample::users()[1], true, &Filled::default())),
    ("user-add", |shell| users::add(shell, &wrong("password", ""))),
    ("plans", |shell| with_plans(|plans| plans::list(shell, plans, &[("aurads".into(), 1), ("unlimited".into(), 2)]))),
    ("account", |shell| account::show(shell, &sample::account(), &Filled::default())),
    ("shred", |shell| account::shred(shell, &sample::account(), &Filled::default())),
    ("failure", |shell| failure::failure(shell, Section::Instances, &missing())),
    ("failure-outside", |shell| failure::outside_failure(shell.theme, &missing())),
    ("notice", |shell| {
        let shell = Shell { notice: Some("The snapshot is being taken.".into()), ..shell.clone() };
        jobs::list(&shell, &sample::jobs(), "", &Paging::default())
    }),
];

/// The page of such a name, by someone's rights.
pub fn draw(name: &str, shell: &Shell) -> Markup {
    match PAGES.iter().find(|(page, _)| *page == name) {
        Some((_, draw)) => draw(shell),
        None => html! { ul { @for (page, _) in PAGES { li { a href={ "/preview/" (page) } { (page) } } } } },
    }
}

fn one() -> Snapshot {
    sample::snapshots()[2].view.clone()
}

fn others() -> Vec<Snapshot> {
    sample::snapshots().into_iter().skip(7).map(|row| row.view).collect()
}

fn zones() -> Vec<String> {
    ["America/New_York", "Asia/Tokyo", "Europe/Paris", "UTC"].map(String::from).to_vec()
}

fn wrong(field: &str, value: &str) -> Filled {
    Filled {
        values: vec![(field.into(), value.into())],
        errors: vec![
            (field.into(), "That is not how it is written; write it as shown above".into()),
            (String::new(), "It was not done: see below".into()),
        ],
    }
}

fn missing() -> failure::Failure {
    failure::Failure {
        status: 404,
        message: "There is no such snapshot".into(),
        request: Some("r4f1a9c0012de77b1".into()),
    }
}

fn listing() -> snapshots::Listing {
    let paging = Paging { next: Some("?after=x".into()), first: None, total: Some(1_284) };
    snapshots::Listing { rows: sample::snapshots(), paging, ..Default::default() }
}

fn with_plans(draw: impl Fn(&[&Plan]) -> Markup) -> Markup {
    let plans = Plans::built_in();
    draw(&plans.all().collect::<Vec<_>>())
}

fn take_form(shell: &Shell, filled: &Filled) -> Markup {
    let plans = Plans::built_in();
    let optional = [OptionalComponent { name: "media".into(), bytes: Some(61 << 30) }];
    take::take(shell, &sample::orders(), plans.get("auradb-free").unwrap(), &optional, filled)
}

fn restore_form(shell: &Shell, planned: &restore::Planned<'_>, filled: &Filled) -> Markup {
    restore::form(shell, &sample::environment_snapshot(), &["shop".into(), "orders".into()], planned, filled)
}
