//! Who asks, and what they may do.
//!
//! Programs bring a token (`Authorization: Bearer sh_<id>_<secret>`), people a session's cookie after they signed in with
//! a password. Of both only hashes are kept. Each becomes a [`Principal`]: an actor, the account that is acted on, and the
//! [`Rights`] of one table in [`rights`].
//!
//! OpenID Connect is for later: a verified id token would become a [`Principal`] beside [`Auth::bearer`] and
//! [`Auth::session`], in a file of its own, and a session as after a password.

mod password;
mod principal;
pub mod rights;
pub mod secret;
mod sessions;
mod throttle;
mod tokens;

pub use password::{PASSWORD_MAX, PASSWORD_MIN, Passwords};
pub use principal::{Origin, Principal};
pub use rights::{Right, Rights};
pub use sessions::{SESSION_COOKIE, SignedIn};
pub use throttle::Throttle;
pub use tokens::{Auth, DEFAULT_ACCOUNT};
