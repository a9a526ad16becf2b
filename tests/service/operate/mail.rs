//! Mail against a server that speaks SMTP.

use std::sync::Arc;

use snaphold::server::catalog::Role;
use snaphold::server::config::{Smtp, SmtpTls};
use snaphold::server::operate::{Mailer, Notifier};

use super::clock::SECOND;
use super::smtp_server::SmtpServer;
use super::{Office, completed, failed, private};

const DAY: i64 = 86_400 * SECOND;

fn config(server: &SmtpServer, tls: SmtpTls) -> Smtp {
    Smtp {
        host: server.address.ip().to_string(),
        port: Some(server.address.port()),
        tls,
        username: None,
        password_file: None,
        from: "Snaphold <snaphold@example.com>".into(),
        to: vec!["ops@example.com".into()],
        owners: true,
    }
}

fn mailer(office: &Office, smtp: &Smtp) -> Arc<Mailer> {
    Arc::new(Mailer::new(office.catalog.clone(), smtp, None, private(), office.metrics.clone()).unwrap())
}

async fn states(office: &Office) -> Vec<(String, String, i64)> {
    let mails = office.catalog.mails(&office.account, 99).await.unwrap();
    let mut states: Vec<_> = mails.into_iter().map(|mail| (mail.recipient, mail.status, mail.attempts)).collect();
    states.sort();
    states
}

#[tokio::test]
async fn owners_and_operators_get_mail_of_what_went_wrong() {
    let office = Office::open().await;
    office.catalog.add_user(&office.account, "ann@example.org", "hash", Role::Owner).await.unwrap();
    office.catalog.add_user(&office.account, "bob@example.org", "hash", Role::Viewer).await.unwrap();
    let gone = office.catalog.add_user(&office.account, "eve@example.org", "hash", Role::Owner).await.unwrap();
    office.catalog.change_user(&gone.id, "hash", Role::Owner, true).await.unwrap();

    let server = SmtpServer::start(&["451 later"]);
    let smtp = config(&server, SmtpTls::None);
    let notifier = Notifier::new(office.catalog.clone(), Some(&smtp), Some("https://snap.example.com".into()));
    let notices = office.notices(notifier);
    office.ended("snapshot", completed()).await;
    let job = office.ended("snapshot", failed()).await;
    assert_eq!(notices.tell_ended().await.unwrap(), 2);

    let mailer = mailer(&office, &smtp);
    assert_eq!(mailer.send_due().await.unwrap(), 2);
    let (one, both) = (server.taken().len(), states(&office).await);
    assert_eq!(one, 1, "{both:?}");
    assert_eq!(mailer.send_due().await.unwrap(), 0);
    office.world.pass(DAY);
    assert_eq!(mailer.send_due().await.unwrap(), 1);
    office.world.pass(DAY);
    assert_eq!(mailer.send_due().await.unwrap(), 0);

    let mut taken = server.taken();
    taken.sort_by(|one, two| one.to.cmp(&two.to));
    let to: Vec<&str> = taken.iter().map(|mail| mail.to[0].as_str()).collect();
    assert_eq!(to, ["<ann@example.org>", "<ops@example.com>"]);
    for mail in &taken {
        assert!(mail.from.contains("SNAPHOLD@EXAMPLE.COM"), "{mail:?}");
        let text = &mail.text;
        for words in ["Subject: [Snaphold] Snapshot of books failed (shop)", "does not answer", &job.id, "https://snap"]
        {
            assert!(text.contains(words), "{words:?} is not in {text}");
        }
        assert!(text.contains("Message-ID: <m") && text.contains("Date: "), "{text}");
    }
}

#[tokio::test]
async fn mail_that_is_refused_for_good_is_not_tried_again() {
    let office = Office::open().await;
    let server = SmtpServer::start(&["550 no such user"]);
    let smtp = config(&server, SmtpTls::None);
    office.ended("restore", failed()).await;
    office.notices(Notifier::new(office.catalog.clone(), Some(&smtp), None)).tell_ended().await.unwrap();
    let mailer = mailer(&office, &smtp);
    for _ in 0..4 {
        mailer.send_due().await.unwrap();
        office.world.pass(DAY);
    }
    assert_eq!(states(&office).await, [("ops@example.com".into(), "given_up".into(), 1)]);
    assert_eq!((server.taken().len(), server.connections()), (0, 1));
}

#[tokio::test]
async fn nothing_is_sent_in_the_clear_where_tls_is_wanted() {
    let office = Office::open().await;
    let server = SmtpServer::start(&[]);
    let smtp = config(&server, SmtpTls::Starttls);
    office.ended("restore", completed()).await;
    office.notices(Notifier::new(office.catalog.clone(), Some(&smtp), None)).tell_ended().await.unwrap();
    let mailer = mailer(&office, &smtp);
    for _ in 0..6 {
        mailer.send_due().await.unwrap();
        office.world.pass(DAY);
    }
    assert_eq!(states(&office).await, [("ops@example.com".into(), "given_up".into(), 4)]);
    assert!(server.taken().is_empty());
}

#[tokio::test]
async fn a_name_with_a_line_break_makes_no_header() {
    let office = Office::open().await;
    let server = SmtpServer::start(&[]);
    let smtp = config(&server, SmtpTls::None);
    let job = office.ended("snapshot", failed()).await;
    let mut event = snaphold::server::operate::Event::of_job(&job).remove(0);
    event.instance = Some("books\r\nBcc: eve@example.org\r\n\r\nhello".into());
    Notifier::new(office.catalog.clone(), Some(&smtp), None).tell(&event).await.unwrap();
    mailer(&office, &smtp).send_due().await.unwrap();
    let taken = server.taken();
    let head = taken[0].text.split("\n\n").next().unwrap();
    assert!(!head.lines().any(|line| line.starts_with("Bcc")), "{head}");
    assert_eq!(taken[0].to.len(), 1);
}
