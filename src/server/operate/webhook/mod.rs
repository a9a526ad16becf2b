//! Webhooks: an event is posted to whoever asked for it, signed in the manner of the Standard Webhooks specification, and
//! again with growing pauses until it was taken or is given up.

mod address;
mod deliver;
mod signature;

pub use address::{check_url, is_public};
pub use deliver::{Deliverer, OpenSecret, secrets_of};
pub use signature::{new_secret, secret_of, secret_text, sign};
