//! Webhooks against a real receiver: signed, tried again, given up, and never into places that are not public.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use snaphold::server::config::{Span, Webhooks};

use super::clock::SECOND;
use super::receiver::{Answer, Received, Receiver};
use super::{Office, SECRET, completed, parse, private};

const DAY: i64 = 86_400 * SECOND;

fn header<'r>(received: &'r Received, name: &str) -> &'r str {
    received.headers.get(name).unwrap_or_else(|| panic!("{name} is missing")).to_str().unwrap()
}

/// As a receiver verifies it.
fn is_signed(received: &Received, secret: &[u8]) -> bool {
    let text =
        format!("{}.{}.{}", header(received, "webhook-id"), header(received, "webhook-timestamp"), received.body);
    let tag = STANDARD.decode(header(received, "webhook-signature").strip_prefix("v1,").unwrap()).unwrap();
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes(), &tag).is_ok()
}

#[tokio::test]
async fn a_delivery_is_signed_and_tried_again_after_an_error() {
    let office = Office::open().await;
    let receiver = Receiver::start(&[Answer::Status(500)]).await;
    let hook = office.webhook(&receiver.url(), &["snapshot.*"]).await;
    let job = office.ended("snapshot", completed()).await;
    let notices = office.notices(office.notifier());
    assert_eq!(notices.tell_ended().await.unwrap(), 1);

    let deliverer = office.deliverer(private());
    assert_eq!(deliverer.deliver_due().await.unwrap(), 1);
    let waiting = &office.catalog.deliveries(&hook.id, 9).await.unwrap()[0];
    assert_eq!((waiting.status.as_str(), waiting.attempts), ("waiting", 1));
    assert!(waiting.last_error.as_ref().unwrap().contains("500"), "{waiting:?}");
    // Not before its time.
    office.world.pass(14 * SECOND);
    assert_eq!(deliverer.deliver_due().await.unwrap(), 0);
    office.world.pass(4 * SECOND);
    assert_eq!(deliverer.deliver_due().await.unwrap(), 1);
    assert_eq!(office.catalog.deliveries(&hook.id, 9).await.unwrap()[0].status, "delivered");
    office.world.pass(365 * DAY);
    assert_eq!(deliverer.deliver_due().await.unwrap(), 0);

    let received = receiver.received();
    assert_eq!(received.len(), 2);
    assert_eq!(header(&received[0], "webhook-id"), header(&received[1], "webhook-id"));
    assert_ne!(header(&received[0], "webhook-timestamp"), header(&received[1], "webhook-timestamp"));
    for received in &received {
        assert_eq!(received.path, "/hook");
        assert!(is_signed(received, SECRET));
        assert!(!is_signed(received, b"another secret"));
        let mut changed = received.clone();
        changed.body.push(' ');
        assert!(!is_signed(&changed, SECRET));
        let body = parse(&received.body);
        assert_eq!(body["type"], "snapshot.completed");
        assert_eq!(body["data"]["job"]["id"], job.id.as_str());
        assert_eq!(body["data"]["snapshot"]["id"], "00000000000000aa");
        assert_eq!(body["data"]["instance"], "books");
    }
}

#[tokio::test]
async fn nothing_is_posted_after_it_was_given_up() {
    let office = Office::open().await;
    let receiver = Receiver::start(&[Answer::Status(503); 20]).await;
    let hook = office.webhook(&receiver.url(), &["snapshot.completed"]).await;
    office.ended("snapshot", completed()).await;
    office.notices(office.notifier()).tell_ended().await.unwrap();
    let deliverer = office.deliverer(private());
    for _ in 0..10 {
        deliverer.deliver_due().await.unwrap();
        office.world.pass(DAY);
    }
    assert_eq!(receiver.received().len(), 4);
    let given_up = &office.catalog.deliveries(&hook.id, 9).await.unwrap()[0];
    assert_eq!((given_up.status.as_str(), given_up.attempts), ("given_up", 4));
}

#[tokio::test]
async fn gone_is_final_and_so_is_a_webhook_that_was_removed() {
    let office = Office::open().await;
    let receiver = Receiver::start(&[Answer::Status(410)]).await;
    let hook = office.webhook(&receiver.url(), &["snapshot.completed"]).await;
    office.ended("snapshot", completed()).await;
    let notices = office.notices(office.notifier());
    notices.tell_ended().await.unwrap();
    let deliverer = office.deliverer(private());
    deliverer.deliver_due().await.unwrap();
    assert_eq!(office.catalog.deliveries(&hook.id, 9).await.unwrap()[0].status, "given_up");

    office.ended("snapshot", completed()).await;
    notices.tell_ended().await.unwrap();
    office.catalog.remove_webhook(&office.account, &hook.id).await.unwrap();
    office.world.pass(DAY);
    assert_eq!(deliverer.deliver_due().await.unwrap(), 0);
    assert_eq!(receiver.received().len(), 1);
}

#[tokio::test]
async fn redirects_are_not_followed_and_silence_is_not_waited_for() {
    let office = Office::open().await;
    let receiver = Receiver::start(&[Answer::Redirect, Answer::Never]).await;
    let hook = office.webhook(&receiver.url(), &["snapshot.completed"]).await;
    office.ended("snapshot", completed()).await;
    office.notices(office.notifier()).tell_ended().await.unwrap();
    let deliverer = office.deliverer(Webhooks { timeout: Span::seconds(1), ..private() });
    deliverer.deliver_due().await.unwrap();
    let why = || async { office.catalog.deliveries(&hook.id, 9).await.unwrap()[0].last_error.clone().unwrap() };
    assert!(why().await.contains("redirects are not followed"));
    office.world.pass(DAY);
    deliverer.deliver_due().await.unwrap();
    assert!(why().await.contains("did not answer in time"));
    assert!(receiver.received().iter().all(|received| received.path == "/hook"));
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn webhooks_do_not_lead_into_the_services_own_network() {
    let office = Office::open().await;
    let receiver = Receiver::start(&[]).await;
    let port = receiver.address.port();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tls_port = listener.local_addr().unwrap().port();
    let urls = [
        format!("http://127.0.0.1:{port}/"),
        format!("https://127.0.0.1:{tls_port}/"),
        format!("https://localhost:{tls_port}/"),
        format!("https://[::ffff:127.0.0.1]:{tls_port}/"),
    ];
    let mut hooks = Vec::new();
    for url in &urls {
        hooks.push(office.webhook(url, &["snapshot.completed"]).await);
    }
    office.ended("snapshot", completed()).await;
    office.notices(office.notifier()).tell_ended().await.unwrap();
    let deliverer = office.deliverer(Webhooks { allow_private: false, ..private() });
    assert_eq!(deliverer.deliver_due().await.unwrap(), urls.len());
    for hook in &hooks {
        let delivery = &office.catalog.deliveries(&hook.id, 9).await.unwrap()[0];
        let why = delivery.last_error.as_deref().unwrap();
        assert!(why.contains("public internet") || why.contains("https://"), "{}: {why}", hook.url);
    }
    assert!(receiver.received().is_empty());
    // Nobody knocked: a connection of our own is the first that there is.
    let own = tokio::net::TcpStream::connect(("127.0.0.1", tls_port)).await.unwrap();
    assert_eq!(listener.accept().await.unwrap().1, own.local_addr().unwrap());

    // The control: where it is allowed, the same delivery arrives.
    office.world.pass(DAY);
    let allowed = office.deliverer(private());
    office.ended("snapshot", completed()).await;
    office.notices(office.notifier()).tell_ended().await.unwrap();
    allowed.deliver_due().await.unwrap();
    assert!(!receiver.received().is_empty());
}
