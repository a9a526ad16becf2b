//! Passwords: Argon2id, a few at a time, never on the threads that answer requests.

use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::error::{Error, Result};

/// What a password is long at least, characters.
pub const PASSWORD_MIN: usize = 10;
/// And at most, bytes: a longer one would only cost time.
pub const PASSWORD_MAX: usize = 256;

/// OWASP's first choice for sign-in: 46 MiB, one pass, one lane.
const MEMORY_KIB: u32 = 47_104;
const PASSES: u32 = 1;
const LANES: u32 = 1;
const SALT_LEN: usize = 16;
const HASH_LEN: usize = 32;
/// What a stored hash may ask for: who can write into the catalog should not be able to exhaust the memory.
const MEMORY_KIB_MAX: u32 = 1 << 20;
const PASSES_MAX: u32 = 16;
/// Hashes that are computed at once.
const AT_ONCE: usize = 2;
/// Requests that wait for that; more are sent away.
const WAITING_MAX: usize = 32;

/// Computes hashes of passwords.
#[derive(Debug, Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), waiting: Arc::new(Semaphore::new(WAITING_MAX)) }
    }
}

impl Passwords {
    /// The hash of a new password, as a PHC string. `Error::Usage` where the password is too short or too long.
    pub async fn hash(&self, password: &str, entropy: &dyn Entropy) -> Result<String> {
        if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
            return Err(Error::Usage(format!(
                "a password has at least {PASSWORD_MIN} characters and at most {PASSWORD_MAX} bytes"
            )));
        }
        let mut salt = [0; SALT_LEN];
        entropy.fill(&mut salt);
        let password = Zeroizing::new(password.to_string());
        self.apart(move || {
            let digest = digest(password.as_bytes(), &salt, (MEMORY_KIB, PASSES, LANES))?;
            let (salt, digest) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(digest));
            Ok(format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}${salt}${digest}"))
        })
        .await
    }

    /// Whether a password is the one of a hash. `None`: there is no such user, which takes as long as if there were.
    pub async fn verify(&self, password: &str, kept: Option<&str>) -> Result<bool> {
        if password.len() > PASSWORD_MAX {
            return Ok(false);
        }
        let password = Zeroizing::new(password.to_string());
        let parts = kept.map(parse).transpose()?;
        self.apart(move || {
            let is_known = parts.is_some();
            let (cost, salt, wanted) =
                parts.unwrap_or_else(|| ((MEMORY_KIB, PASSES, LANES), vec![0; SALT_LEN], vec![0; HASH_LEN]));
            let digest = digest(password.as_bytes(), &salt, cost)?;
            Ok(verify_slices_are_equal(&digest, &wanted).is_ok() && is_known)
        })
        .await
    }

    async fn apart<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        let busy = || Error::Busy("too many people sign in at once; try again in a few seconds".into());
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let _running = self.running.acquire().await.map_err(|_| busy())?;
        spawn_blocking(work).await.map_err(|error| Error::Failed(format!("the password was not checked: {error}")))?
    }
}

type Cost = (u32, u32, u32);

fn digest(password: &[u8], salt: &[u8], (memory, passes, lanes): Cost) -> Result<[u8; HASH_LEN]> {
    let failed = |error: argon2::Error| Error::Failed(format!("the password cannot be hashed: {error}"));
    let params = Params::new(memory, passes, lanes, Some(HASH_LEN)).map_err(failed)?;
    let mut out = [0; HASH_LEN];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password, salt, &mut out)
        .map_err(failed)?;
    Ok(out)
}

fn parse(text: &str) -> Result<(Cost, Vec<u8>, Vec<u8>)> {
    let parsed = || {
        let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
        let (cost, salt, digest) = (parts.next()?, parts.next()?, parts.next()?);
        let mut numbers =
            cost.split(',').zip(["m=", "t=", "p="]).map(|(text, name)| text.strip_prefix(name)?.parse().ok());
        let cost: Cost = (numbers.next()??, numbers.next()??, numbers.next()??);
        let fits = cost.0 <= MEMORY_KIB_MAX && cost.1 <= PASSES_MAX && cost.2 == 1;
        let bytes = |text| STANDARD_NO_PAD.decode(text).ok();
        fits.then_some((cost, bytes(salt)?, bytes(digest)?))
    };
    parsed().ok_or_else(|| Error::damaged("the hash of a password", "it is no Argon2id hash as it was written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Counting;

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.iter_mut().zip(1..).for_each(|(byte, number)| *byte = number);
        }
    }

    #[tokio::test]
    async fn a_password_opens_its_own_hash_alone() {
        let passwords = Passwords::default();
        let kept = passwords.hash("correct horse", &Counting).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m="), "{kept}");
        assert!(passwords.verify("correct horse", Some(&kept)).await.unwrap());
        assert!(!passwords.verify("correct hors", Some(&kept)).await.unwrap());
        assert!(!passwords.verify("", Some(&kept)).await.unwrap());
        assert!(!passwords.verify("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn what_is_too_short_or_no_hash_is_refused() {
        let passwords = Passwords::default();
        assert!(matches!(passwords.hash("short", &Counting).await, Err(Error::Usage(_))));
        for kept in ["", "plain", "$argon2id$v=19$m=99999999,t=1,p=1$AAAA$AAAA", "$argon2id$v=19$m=8$AAAA$AAAA"] {
            assert!(passwords.verify("correct horse", Some(kept)).await.is_err(), "{kept}");
        }
    }
}
