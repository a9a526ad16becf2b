//! Mail, by SMTP: what waits in the catalog is sent, and tried again where the mail server did not take it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Message, SmtpTransport, Transport};

use crate::error::{Error, Result};
use crate::server::catalog::{Catalog, Mail};
use crate::server::config::{Smtp, SmtpTls, Webhooks};

use super::metrics::Metrics;
use super::retry::next_try_us;

/// How long the mail server may take for a step.
const STEP_MAX: Duration = Duration::from_secs(20);
/// Mails at once.
const AT_ONCE: i64 = 8;
/// How long a mail is this process's, microseconds.
const LEASE_US: i64 = 300_000_000;

/// Sends mail.
pub struct Mailer {
    catalog: Catalog,
    from: Mailbox,
    transport: SmtpTransport,
    /// How often mail is tried, and when again.
    retries: Webhooks,
    metrics: Metrics,
}

/// How an attempt ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// The mail server has it.
    Taken,
    /// Not now: why.
    Later(String),
    /// Not ever: why.
    Never(String),
}

impl Mailer {
    /// Speaks to the config's mail server. `password` is what its password file holds.
    pub fn new(
        catalog: Catalog,
        smtp: &Smtp,
        password: Option<String>,
        retries: Webhooks,
        metrics: Metrics,
    ) -> Result<Self> {
        let wrong = |error: &dyn std::fmt::Display| Error::Usage(format!("mail cannot be sent: {error}"));
        let from = smtp.from.parse().map_err(|error: lettre::address::AddressError| wrong(&error))?;
        let parameters = || TlsParameters::new(smtp.host.clone()).map_err(|error| wrong(&error));
        let (tls, port) = match smtp.tls {
            SmtpTls::Starttls => (Tls::Required(parameters()?), 587),
            SmtpTls::Implicit => (Tls::Wrapper(parameters()?), 465),
            SmtpTls::None => (Tls::None, 25),
        };
        let mut transport = SmtpTransport::builder_dangerous(&smtp.host)
            .port(smtp.port.unwrap_or(port))
            .tls(tls)
            .timeout(Some(STEP_MAX));
        if let (Some(username), Some(password)) = (&smtp.username, password) {
            transport = transport.credentials(Credentials::new(username.clone(), password.trim_end().to_string()));
        }
        Ok(Self { catalog, from, transport: transport.build(), retries, metrics })
    }

    /// Tries what is due, once. Returns how many it tried.
    pub async fn send_due(self: &Arc<Self>) -> Result<usize> {
        let due = self.catalog.due_mails(LEASE_US, AT_ONCE).await?;
        for mail in &due {
            let (mailer, own) = (self.clone(), mail.clone());
            let sending = tokio::task::spawn_blocking(move || mailer.send(&own));
            let sent = sending.await.unwrap_or_else(|_| Sent::Later("sending it failed".into()));
            self.note(mail, sent).await?;
        }
        Ok(due.len())
    }

    async fn note(&self, mail: &Mail, sent: Sent) -> Result<()> {
        let failures = mail.attempts.saturating_add(1);
        let (why, next) = match sent {
            Sent::Taken => {
                self.metrics.mail("sent");
                return self.catalog.end_mail(&mail.id, None).await;
            }
            Sent::Later(why) => (why, next_try_us(self.catalog.now_us(), failures, 0, &self.retries)),
            Sent::Never(why) => (why, None),
        };
        match next {
            Some(_) => tracing::info!(mail = mail.id, attempt = failures, why, "a mail was not taken for now"),
            None => tracing::warn!(mail = mail.id, attempt = failures, why, "a mail was given up"),
        }
        self.metrics.mail(if next.is_some() { "retried" } else { "given_up" });
        self.catalog.end_mail(&mail.id, Some((&why, next))).await
    }

    fn send(&self, mail: &Mail) -> Sent {
        let message = match self.message(mail) {
            Ok(message) => message,
            Err(why) => return Sent::Never(why),
        };
        match self.transport.send(&message) {
            Ok(_) => Sent::Taken,
            Err(error) if error.is_permanent() => Sent::Never(error.to_string()),
            Err(error) => Sent::Later(error.to_string()),
        }
    }

    fn message(&self, mail: &Mail) -> Result<Message, String> {
        let to: Mailbox = mail.recipient.parse().map_err(|error| format!("{:?}: {error}", mail.recipient))?;
        let entered = SystemTime::UNIX_EPOCH + Duration::from_micros(mail.created_us.unsigned_abs());
        let domain = self.from.email.domain();
        Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&mail.subject)
            .date(entered)
            .message_id(Some(format!("<{}@{domain}>", mail.id)))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|error| error.to_string())
    }
}
