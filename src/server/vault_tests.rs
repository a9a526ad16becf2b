use std::sync::atomic::{AtomicU8, Ordering};

use super::*;

/// Different bytes each time.
#[derive(Default)]
struct Counting(AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn entropy() -> Arc<dyn Entropy> {
    Arc::new(Counting::default())
}

const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn vault(text: &str) -> Vault {
    Vault::of_text(text, entropy()).unwrap()
}

fn bytes_of(secret: &Secret) -> Vec<u8> {
    match secret {
        Secret::KeyFile(bytes) => bytes.to_vec(),
        _ => panic!("an account's secret is a key file's bytes"),
    }
}

#[test]
fn a_key_is_told_in_hexadecimal_digits_or_base64() {
    let signature = vault(HEX).sign(LINKS, b"x");
    for text in [BASE64, BASE64.trim_end_matches('='), &HEX.to_uppercase(), &format!("{HEX}\n")] {
        assert_eq!(vault(text).sign(LINKS, b"x"), signature, "{text:?}");
    }
    for text in
        ["", "hunter2", &HEX[..62], &format!("{HEX}00"), &BASE64[4..], &BASE64.replace('A', "é"), &"z".repeat(64)]
    {
        let error = Vault::of_text(text, entropy()).unwrap_err().to_string();
        assert!(text.is_empty() || !error.contains(text), "{error}");
    }
}

#[test]
fn an_accounts_secret_opens_with_its_master_key_and_for_its_account_alone() {
    let (secret, sealed) = vault(HEX).new_secret("a1").unwrap();
    assert_eq!(bytes_of(&vault(HEX).open_secret("a1", &sealed).unwrap()), bytes_of(&secret));
    assert!(!sealed.contains(&to_hex(&bytes_of(&secret))));
    let other = vault(&HEX.replace("1f", "1e"));
    for (vault, account, sealed) in [
        (&other, "a1", sealed.as_str()),
        (&vault(HEX), "a2", &sealed),
        (&vault(HEX), "a1", &sealed[2..]),
        (&vault(HEX), "a1", ""),
        (&vault(HEX), "a1", "no digits"),
    ] {
        assert!(matches!(vault.open_secret(account, sealed), Err(Error::Refused(_))));
    }
}

#[test]
fn a_key_file_is_made_once_and_is_its_owners_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let first = Vault::of_file(&path, entropy()).unwrap();
    let again = Vault::of_file(&path, Arc::new(Counting(AtomicU8::new(99)))).unwrap();
    assert_eq!(first.sign(COOKIES, b"x"), again.sign(COOKIES, b"x"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(Vault::of_file(&path, entropy()), Err(Error::Refused(_))));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "not a key").unwrap();
    let error = Vault::of_file(&path, entropy()).unwrap_err();
    assert!(matches!(error, Error::Usage(_)) && !error.to_string().contains("not a key"), "{error}");
}

#[test]
fn of_many_that_start_at_once_all_have_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    let signatures: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let start = |first| {
            let path = &path;
            move || Vault::of_file(path, Arc::new(Counting(AtomicU8::new(first)))).unwrap().sign(LINKS, b"x")
        };
        let threads: Vec<_> = (0..16).map(|first| scope.spawn(start(first))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(signatures.windows(2).all(|pair| pair[0] == pair[1]));
}
