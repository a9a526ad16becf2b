//! Running the service: whether it is well, numbers about it, what it tells others, and copies of its catalog.

mod backup;
mod events;
mod health;
mod mail;
mod metrics;
mod notices;
mod notify;
mod operation;
mod overdue;
mod retry;
mod scrape;
mod webhook;

pub use backup::{Backups, CatalogBackup, OpenBackup, service_folder};
pub use events::{Event, EventKind};
pub use health::{Health, health_routes};
pub use mail::{Mailer, Sent};
pub use metrics::{Metrics, count_requests};
pub use notices::Notices;
pub use notify::Notifier;
pub use operation::Operation;
pub use overdue::look_for_overdue;
pub use scrape::{Scrape, metrics_routes};
pub use webhook::{Deliverer, OpenSecret, check_url, is_public, new_secret, secret_of, secret_text, secrets_of, sign};
