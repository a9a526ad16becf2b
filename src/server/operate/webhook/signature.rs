//! The signature of what is posted: HMAC-SHA256 over id, time and body.
//!
//! Source: Standard Webhooks specification 1.0, "Signature scheme": `v1,` and the base64 of HMAC-SHA256 over
//! `{webhook-id}.{webhook-timestamp}.{body}`; a secret is shown as `whsec_` and its base64.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use crate::clock::Entropy;

const PREFIX: &str = "whsec_";
/// Bytes of a secret.
const SECRET_LEN: usize = 32;

/// A new secret, as its user is shown it and as it is sealed.
pub fn new_secret(entropy: &dyn Entropy) -> Zeroizing<String> {
    let mut secret = Zeroizing::new([0; SECRET_LEN]);
    entropy.fill(secret.as_mut_slice());
    secret_text(secret.as_slice())
}

/// A secret as its user is shown it.
pub fn secret_text(secret: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(secret)))
}

/// The secret of such a text.
pub fn secret_of(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text.strip_prefix(PREFIX)?).ok().map(Zeroizing::new)
}

/// The value of `webhook-signature`. `timestamp`: seconds since 1970.
pub fn sign(secret: &[u8], id: &str, timestamp: i64, body: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(tag.as_ref()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hmac module, not with this code.
    #[test]
    fn the_signature_is_that_of_another_program() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(*secret_text(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(secret_of(&secret_text(&secret)).as_deref(), Some(&secret));
        assert_eq!(secret_of("MfKQ"), None);
        let signature = sign(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
