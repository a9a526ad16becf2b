use proptest::prelude::*;

use super::super::keys::tests::{REPO, master};
use super::*;

const SMALL: Argon2Params = Argon2Params { memory_kib: 16, time: 1, lanes: 2 };

/// Bytes that count up from 0x40, going on where the last call ended.
struct Counting(std::sync::atomic::AtomicU8);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.iter_mut().for_each(|byte| *byte = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    }
}

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Zeroizing::new(text.into()))
}

fn key_file(byte: u8, len: usize) -> Secret {
    Secret::KeyFile(Zeroizing::new(vec![byte; len]))
}

fn try_create(secret: &Secret, label: &str, params: Argon2Params) -> Result<KeySlot> {
    let entropy = Counting(0x40.into());
    KeySlot::create(&master(), REPO, secret, label, 1_709_164_800_000_000_000, &entropy, params)
}

fn create(secret: &Secret) -> KeySlot {
    try_create(secret, "first", SMALL).unwrap()
}

fn secrets() -> [Secret; 3] {
    [passphrase("correct horse"), key_file(9, 32), Secret::Nothing]
}

fn opens(slot: &KeySlot, repo: RepoId, secret: &Secret) -> bool {
    let opened = slot.open(repo, secret).unwrap();
    opened.inspect(|opened| assert_eq!(opened.as_bytes(), master().as_bytes())).is_some()
}

#[test]
fn each_secret_opens_its_own_slot_and_no_other() {
    let slots = secrets().map(|secret| create(&secret));
    for (at, slot) in slots.iter().enumerate() {
        for (of, secret) in secrets().iter().enumerate() {
            assert_eq!(opens(slot, REPO, secret), at == of, "{slot:?} {secret:?}");
        }
        for wrong in [passphrase("Correct horse"), passphrase(""), key_file(8, 32), key_file(9, 33), key_file(9, 31)] {
            assert!(!opens(slot, REPO, &wrong), "{slot:?} {wrong:?}");
        }
        assert!(!opens(slot, RepoId([0x12; 16]), &secrets()[at]), "{slot:?} in another repository");
    }
}

#[test]
fn every_flipped_bit_is_refused() {
    for secret in secrets() {
        let bytes = create(&secret).encode().unwrap();
        assert!(opens(&KeySlot::decode("keys/1", &bytes).unwrap(), REPO, &secret));
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            match KeySlot::decode("keys/1", &wrong) {
                Ok(slot) => assert!(!opens(&slot, REPO, &secret), "{secret:?}: bit {bit}"),
                Err(error) => assert!(matches!(error, Error::Damaged { .. }), "{secret:?}: bit {bit}: {error}"),
            }
        }
    }
}

#[test]
fn stored_slots_are_frozen() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let stored = |secret: &Secret| hex(&create(secret).encode().unwrap());
    let [typed, file, nothing] = secrets();
    assert_eq!(
        stored(&typed),
        "056669727374fd000034fda858702f00100102404142434445464748494a4b4c4d4e4f505152535455565758595a5b62384715d8c07386234cbf88a30fdc951c3d0d50d2fc893279f2ce5a41d5b10a20954089251e6ed37f498a3be914ffd4"
    );
    assert_eq!(
        stored(&file),
        "056669727374fd000034fda858702f01404142434445464748494a4b4c4d4e4f505152535455565758595a5b08d2a2bb45bcdec2111d90f65d965e02a7a87e924abc9c2a4f06991b550cdd88ed253d17bca71df4f0cf1706a31a7f64"
    );
    assert_eq!(
        stored(&nothing),
        "056669727374fd000034fda858702f02505152535455565758595a5b000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f41831d58632a0fe5c86094b710b1b0bf"
    );
}

#[test]
fn a_stored_slot_has_nothing_before_or_after_it() {
    let bytes = create(&key_file(9, 40)).encode().unwrap();
    assert_eq!(KeySlot::decode("keys/1", &bytes).unwrap(), create(&key_file(9, 40)));
    for len in 0..bytes.len() {
        let error = KeySlot::decode("keys/1", &bytes[..len]).unwrap_err().to_string();
        assert!(error.starts_with("keys/1 is damaged: "), "{error}");
    }
    let error = KeySlot::decode("keys/1", &[&bytes[..], b"!"].concat()).unwrap_err();
    assert_eq!(error.to_string(), "keys/1 is damaged: 1 bytes follow its end");
}

#[test]
fn parameters_out_of_limits_are_refused_before_they_are_used() {
    let argon2 = |memory_kib, time, lanes| Argon2Params { memory_kib, time, lanes };
    let bad = [
        argon2(0, 1, 1),
        argon2(7, 1, 1),
        argon2(15, 1, 2),
        argon2(ARGON2_MEMORY_KIB_MAX + 1, 1, 1),
        argon2(u32::MAX, 1, 1),
        argon2(8, 0, 1),
        argon2(8, ARGON2_TIME_MAX + 1, 1),
        argon2(8, 1, 0),
        argon2(u32::MAX, 1, ARGON2_LANES_MAX + 1),
        argon2(1024, 1, u32::MAX),
    ];
    for params in bad {
        let error = try_create(&passphrase("x"), "first", params).unwrap_err();
        assert!(matches!(&error, Error::Usage(text) if text.contains("out of limits")), "{params:?}: {error}");

        let Argon2Params { memory_kib, time, lanes } = params;
        let slot =
            KeySlot { kdf: Kdf::Argon2id { memory_kib, time, lanes, salt: [0; 16] }, ..create(&passphrase("x")) };
        assert!(matches!(slot.open(REPO, &passphrase("x")), Err(Error::Damaged { .. })), "{params:?}");
        let decoded = KeySlot::decode("keys/1", &slot.encode().unwrap());
        assert!(matches!(decoded, Err(Error::Damaged { .. })), "{params:?}");
    }
}

#[test]
fn labels_and_secrets_out_of_limits_are_named() {
    let message = |secret: &Secret, label: &str| match try_create(secret, label, SMALL) {
        Err(Error::Usage(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(message(&passphrase(""), "a"), "the passphrase is empty");
    assert_eq!(message(&key_file(0, 0), "a"), "the key file is empty");
    assert_eq!(message(&key_file(0, 31), "a"), "the key file has 31 bytes; it needs at least 32 random ones");
    assert_eq!(message(&key_file(0, 65_537), "a"), "the key file is longer than 65536 bytes");
    assert_eq!(message(&passphrase("x"), &"a".repeat(257)), "a key's label has at most 256 bytes, not 257");
    assert_eq!(message(&passphrase("x"), "a\x1b[2J"), "a key's label has no control characters");
    assert!(try_create(&key_file(0, 65_536), &"a".repeat(256), SMALL).is_ok());
}

#[test]
fn two_slots_for_one_secret_have_nothing_in_common() {
    let entropy = Counting(0.into());
    let create = || KeySlot::create(&master(), REPO, &key_file(9, 32), "", 0, &entropy, SMALL).unwrap();
    let (one, two) = (create(), create());
    assert_ne!(one.kdf, two.kdf);
    assert_ne!(one.nonce, two.nonce);
    assert_ne!(one.wrapped, two.wrapped);
    assert_ne!(one.tag, two.tag);
}

#[test]
fn the_master_key_is_not_seen_in_a_slot() {
    let master = master();
    let plain = &master.as_bytes()[..];
    for secret in secrets() {
        let slot = create(&secret);
        let bytes = slot.encode().unwrap();
        let seen = bytes.windows(KEY_LEN).any(|window| window == plain);
        assert_eq!(seen, matches!(secret, Secret::Nothing));
        assert!(!format!("{slot:?}").contains("wrapped"));
    }
    assert_eq!(format!("{:?}", secrets()), "[Passphrase(secret), KeyFile(secret), Nothing]");
}

#[test]
fn the_default_cost_is_64_mib_three_passes_and_four_lanes() {
    assert_eq!(Argon2Params::default(), Argon2Params { memory_kib: 65_536, time: 3, lanes: 4 });
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..160)) {
        if let Ok(slot) = KeySlot::decode("keys/1", &bytes) {
            prop_assert!(slot.check().is_ok());
        }
    }

    #[test]
    fn slots_come_back_as_they_were(label in "[a-zA-Z0-9 é-]{0,40}", created in any::<i64>(), len in 32usize..200) {
        let entropy = Counting(3.into());
        let secret = key_file(1, len);
        let slot = KeySlot::create(&master(), REPO, &secret, &label, created, &entropy, SMALL).unwrap();
        let back = KeySlot::decode("keys/1", &slot.encode().unwrap()).unwrap();
        prop_assert_eq!(&back, &slot);
        prop_assert_eq!((back.label.as_str(), back.created_at_ns), (label.as_str(), created));
        prop_assert!(opens(&back, REPO, &secret));
    }
}
