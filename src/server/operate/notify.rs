//! Tells what happened: to the webhooks that want to know, and by mail. All of it is entered in the catalog, durably, and
//! goes out from there.

use crate::error::Result;
use crate::server::catalog::{Catalog, Role};
use crate::server::config::Smtp;

use super::events::{Event, EventKind};

/// Who is told by mail.
#[derive(Debug, Clone, Default)]
struct Mailing {
    /// Of every account.
    everyone: Vec<String>,
    /// An account's owners, of theirs.
    owners: bool,
}

/// Tells what happened.
#[derive(Debug, Clone)]
pub struct Notifier {
    catalog: Catalog,
    mailing: Option<Mailing>,
    /// Where the console is, for links in mail.
    public_url: Option<String>,
}

impl Notifier {
    /// With mail where there is a mail server.
    pub fn new(catalog: Catalog, smtp: Option<&Smtp>, public_url: Option<String>) -> Self {
        let mailing = smtp.map(|smtp| Mailing { everyone: smtp.to.clone(), owners: smtp.owners });
        Self { catalog, mailing, public_url }
    }

    /// Enters whom an event is told to. What was entered goes out even where this process ends.
    pub async fn tell(&self, event: &Event) -> Result<()> {
        let mut body = None;
        for webhook in self.catalog.webhooks(&event.account).await? {
            if wants(&webhook.events, event.kind) {
                let body = body.get_or_insert_with(|| event.body().to_string());
                self.catalog.add_delivery_once(&webhook, (event.kind.as_str(), &event.key), body).await?;
            }
        }
        let Some(mailing) = self.mailing.as_ref().filter(|_| event.kind.is_mailed()) else { return Ok(()) };
        let recipients = self.recipients(mailing, &event.account).await?;
        if recipients.is_empty() {
            return Ok(());
        }
        let account = self.catalog.account(&event.account).await?;
        // A subject is one line, whatever the names in it are.
        let subject: String = format!("[Snaphold] {} ({})", event.headline(), account.name)
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
            .collect();
        let text = self.text(event, &account.name);
        for recipient in recipients {
            let about = (event.kind.as_str(), event.key.as_str());
            self.catalog.add_mail(&event.account, about, &recipient, (&subject, &text)).await?;
        }
        Ok(())
    }

    async fn recipients(&self, mailing: &Mailing, account: &str) -> Result<Vec<String>> {
        let mut recipients = mailing.everyone.clone();
        if mailing.owners {
            let users = self.catalog.users(account).await?;
            let owners = users.into_iter().filter(|user| user.role == Role::Owner && user.disabled_us.is_none());
            recipients.extend(owners.map(|user| user.email));
        }
        recipients.sort();
        recipients.dedup();
        Ok(recipients)
    }

    fn text(&self, event: &Event, account: &str) -> String {
        let mut lines = vec![format!("{}.", event.headline()), String::new()];
        let mut line = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                lines.push(format!("{name:<10}{value}"));
            }
        };
        line("Reason", event.reason.clone());
        line("Account", Some(account.to_string()));
        line("Instance", event.instance.clone());
        line("Snapshot", event.snapshot.clone());
        let job = event.details.get("job").and_then(|job| job.get("id")).and_then(|id| id.as_str());
        line("Job", job.map(str::to_string));
        line("Time", Some(event.at.to_string()));
        line("Console", self.public_url.clone());
        lines.push(String::new());
        lines.join("\r\n")
    }
}

/// Whether a webhook wants an event: it named it, or a part of its name such as `snapshot.*`, or nothing at all.
fn wants(events: &[String], kind: EventKind) -> bool {
    let name = kind.as_str();
    let is_meant = |wanted: &String| match wanted.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => wanted == name,
    };
    events.is_empty() || events.iter().any(is_meant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_gets_what_it_asked_for() {
        let wants = |words: &[&str], kind| {
            let words: Vec<String> = words.iter().map(ToString::to_string).collect();
            super::wants(&words, kind)
        };
        assert!(wants(&[], EventKind::JobFailed));
        assert!(wants(&["snapshot.failed"], EventKind::SnapshotFailed));
        assert!(wants(&["x", "snapshot.*"], EventKind::SnapshotFailed));
        assert!(!wants(&["snapshot.*"], EventKind::JobFailed));
        assert!(!wants(&["snapshot"], EventKind::SnapshotFailed));
        for kind in EventKind::ALL {
            assert_eq!(EventKind::of(kind.as_str()), Some(kind));
        }
    }
}
