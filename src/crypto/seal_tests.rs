use proptest::prelude::*;

use super::super::RepoKeys;
use super::super::keys::tests::{REPO, keys, master};
use super::*;

const BOTH: [Encryption; 2] = [Encryption::Aes256Gcm, Encryption::None];
const SALT: [u8; SALT_LEN] = [0x22; SALT_LEN];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sealer(encryption: Encryption) -> Sealer {
    keys(encryption).pack_sealer(&SALT).unwrap()
}

#[test]
fn sealed_bytes_are_frozen() {
    let sealed = |encryption| hex(&sealer(encryption).seal(7, b"header", b"snaphold".to_vec()).unwrap());
    assert_eq!(sealed(Encryption::Aes256Gcm), "2c4fc9455c0de591b067f9e2b8a38ba6113428c209ba6b67");
    assert_eq!(sealed(Encryption::None), "736e6170686f6c64e1cddd5dd561c102cec8a2c239528941");
    let object = |encryption| {
        let sealer = keys(encryption).object_sealer(3, &SALT).unwrap();
        hex(&sealer.seal(0, b"", Vec::new()).unwrap())
    };
    assert_eq!(object(Encryption::Aes256Gcm), "373bacfbc29b8a92f1ed6536cb876f1b");
    assert_eq!(object(Encryption::None), "6258251dbe83b20a40500b7095b2b0e0");
}

#[test]
fn the_nonce_is_the_number_in_96_bits_big_endian() {
    assert_eq!(nonce(0x0102_0304_0506_0708).as_ref(), &[0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn every_flipped_bit_is_refused() {
    for encryption in BOTH {
        let sealer = sealer(encryption);
        let sealed = sealer.seal(7, b"header", b"forty-two bytes of a block that is sealed.".to_vec()).unwrap();
        assert!(sealer.open(7, b"header", sealed.clone()).is_some());
        for bit in 0..sealed.len() * 8 {
            let mut wrong = sealed.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer.open(7, b"header", wrong), None, "{encryption:?} {bit}");
        }
        for bit in 0..6 * 8 {
            let mut aad = *b"header";
            aad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(sealer.open(7, &aad, sealed.clone()), None, "{encryption:?} aad {bit}");
        }
        for bit in 0..64 {
            assert_eq!(sealer.open(7 ^ 1 << bit, b"header", sealed.clone()), None, "{encryption:?} number {bit}");
        }
        for len in 0..sealed.len() {
            assert_eq!(sealer.open(7, b"header", sealed[..len].to_vec()), None, "{encryption:?} cut to {len}");
        }
        let longer = [sealed.as_slice(), &[0]].concat();
        assert_eq!(sealer.open(7, b"header", longer), None, "{encryption:?} longer");
    }
}

#[test]
fn another_place_is_refused() {
    for encryption in BOTH {
        let home = keys(encryption);
        let sealed = home.object_sealer(3, &SALT).unwrap().seal(7, b"a", b"text".to_vec()).unwrap();
        let mut salt = SALT;
        salt[31] ^= 1;
        let away = RepoKeys::derive(&master(), RepoId([0x12; 16]), encryption);
        let places = [
            ("salt", home.object_sealer(3, &salt)),
            ("kind", home.object_sealer(4, &SALT)),
            ("root", home.pack_sealer(&SALT)),
            ("repository", away.object_sealer(3, &SALT)),
        ];
        for (what, place) in places {
            assert_eq!(place.unwrap().open(7, b"a", sealed.clone()), None, "{encryption:?} {what}");
        }
        assert!(home.object_sealer(3, &SALT).unwrap().open(7, b"a", sealed).is_some());
    }
}

#[test]
fn the_place_is_authenticated_beside_the_key_being_its_own() {
    // One and the same key, so that only the authenticated data can tell the places apart.
    for encryption in BOTH {
        let sealer = |place: Vec<u8>| Sealer { place, ..sealer(encryption) };
        let place = 16 + 1 + SALT_LEN;
        let home = sealer(vec![0; place]);
        let sealed = home.seal(0, b"", b"text".to_vec()).unwrap();
        for byte in 0..place {
            let mut other = vec![0; place];
            other[byte] = 1;
            assert_eq!(sealer(other).open(0, b"", sealed.clone()), None, "{encryption:?} {byte}");
        }
    }
    assert_eq!(sealer(Encryption::None).place, [&REPO.as_bytes()[..], &[0], &SALT].concat());
}

#[test]
fn bytes_cannot_move_between_what_is_authenticated_and_what_is_sealed() {
    let sealer = sealer(Encryption::None);
    let sealed = sealer.seal(0, b"ab", b"cd".to_vec()).unwrap();
    let tag = &sealed[2..];
    assert_eq!(sealer.open(0, b"a", [b"bcd", tag].concat()), None);
    assert_eq!(sealer.open(0, b"abc", [b"d", tag].concat()), None);
}

#[test]
fn encryption_hides_and_none_does_not() {
    let plain = vec![b'x'; 1000];
    let sealed = sealer(Encryption::Aes256Gcm).seal(0, b"", plain.clone()).unwrap();
    assert!(!sealed.windows(8).any(|window| window == b"xxxxxxxx"));
    assert_eq!(sealer(Encryption::None).seal(0, b"", plain.clone()).unwrap()[..1000], plain);
}

#[test]
fn the_stored_form_is_frozen() {
    let encode = |encryption: Encryption| bincode::serde::encode_to_vec(encryption, bincode::config::standard());
    assert_eq!(encode(Encryption::Aes256Gcm).unwrap(), [0]);
    assert_eq!(encode(Encryption::None).unwrap(), [1]);
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        number in any::<u64>(),
        salt in any::<[u8; SALT_LEN]>(),
        aad in proptest::collection::vec(any::<u8>(), 0..64),
        plain in proptest::collection::vec(any::<u8>(), 0..3000),
    ) {
        for encryption in BOTH {
            let sealer = keys(encryption).pack_sealer(&salt).unwrap();
            let mut sealed = sealer.seal(number, &aad, plain.clone()).unwrap();
            prop_assert_eq!(sealed.len(), plain.len() + TAG_LEN);
            prop_assert_eq!(sealer.open(number, &aad, sealed.clone()), Some(plain.clone()));
            prop_assert_eq!(sealer.open_in_place(number, &aad, &mut sealed), Some(plain.len()));
            prop_assert_eq!(&sealed[..plain.len()], &plain[..]);
        }
    }

    #[test]
    fn rubbish_is_refused(number in any::<u64>(), rubbish in proptest::collection::vec(any::<u8>(), 0..100)) {
        for encryption in BOTH {
            prop_assert_eq!(sealer(encryption).open(number, b"", rubbish.clone()), None);
        }
    }
}
