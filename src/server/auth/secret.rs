//! Secrets of tokens, sessions and links: how they are made, written, hashed and compared.

use aws_lc_rs::constant_time::verify_slices_are_equal;

use crate::clock::Entropy;

/// Random bytes in a secret: too many to be guessed, so that a plain hash keeps them.
const SECRET_LEN: usize = 24;
/// A token begins like that, so that scanners of source code find one that was left there.
const PREFIX: &str = "sh_";
/// What a token of the operator's own choice is long at least.
pub const CHOSEN_MIN: usize = 16;
/// And at most.
pub const CHOSEN_MAX: usize = 512;

/// A new secret, hexadecimal.
pub fn new(entropy: &dyn Entropy) -> String {
    let mut bytes = [0; SECRET_LEN];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A token as it is shown, once.
pub fn token_text(id: &str, secret: &str) -> String {
    format!("{PREFIX}{id}_{secret}")
}

/// A token's id and secret; `None` where the text is no token of ours.
pub fn split_token(text: &str) -> Option<(&str, &str)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    (is_id(id, 't') && !secret.is_empty()).then_some((id, secret))
}

/// Whether a text is an id: its letter and 16 hexadecimal digits.
pub fn is_id(text: &str, letter: char) -> bool {
    text.strip_prefix(letter)
        .is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
}

/// What is kept of a secret.
pub fn hash(secret: &str) -> String {
    blake3::hash(secret.as_bytes()).to_hex().to_string()
}

/// Whether a secret is the one of a hash. Takes the same time wherever they differ.
pub fn is(secret: &str, kept: &str) -> bool {
    verify_slices_are_equal(hash(secret).as_bytes(), kept.as_bytes()).is_ok()
}

/// The id that the token of a text chosen by the operator has: the same text is the same token.
pub fn chosen_id(text: &str) -> String {
    let digest = blake3::derive_key("snaphold v1 id of a chosen token", text.as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("t{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_apart_as_it_was_put_together() {
        let text = token_text("t0123456789abcdef", "aa");
        assert_eq!(split_token(&text), Some(("t0123456789abcdef", "aa")));
        for other in ["", "sh_", "sh_t0123456789abcdef", "sh_t0123456789abcdef_", "sh_t0123456789ABCDEF_aa", "sh_x_y"] {
            assert_eq!(split_token(other), None, "{other}");
        }
    }

    #[test]
    fn only_the_secret_itself_fits_its_hash() {
        let kept = hash("secret");
        assert!(is("secret", &kept));
        assert!(!is("Secret", &kept) && !is("", &kept) && !is(&kept, &kept));
    }
}
