//! Accounts' repositories: made, opened by their own secret alone, destroyed.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use snaphold::error::Error;

use super::world::{Account, MASTER, World, names};

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => _ = fs::copy(entry.path(), target).unwrap(),
        }
    }
}

#[test]
fn an_account_opens_with_its_own_secret_and_the_right_master_key() {
    let world = World::new();
    let (tenants, _) = world.tenants();
    let sealed: Vec<(&str, String)> = ["a1", "a2"].map(|id| (id, tenants.create(id).unwrap())).to_vec();
    for (id, secret) in &sealed {
        assert!(tenants.service(id, secret).unwrap().snapshots(None).unwrap().is_empty());
    }
    let (first, second) = (&sealed[0], &sealed[1]);
    // Open or not: another one's sealed secret opens nothing.
    assert!(matches!(tenants.service(first.0, &second.1), Err(Error::Refused(_))));
    assert!(matches!(tenants.service(first.0, ""), Err(Error::Refused(_))));
    let (fresh, _) = world.tenants();
    assert!(matches!(fresh.service(first.0, &second.1), Err(Error::Refused(_))));
    let (wrong, _) = world.tenants_with(&MASTER.replace("1f", "1e"), 8);
    assert!(matches!(wrong.service(first.0, &first.1), Err(Error::Refused(_))));
    assert!(fresh.service(first.0, &first.1).is_ok());
    assert!(matches!(tenants.create("a1"), Err(Error::Refused(_))));
    assert!(matches!(tenants.service("a3", &first.1), Err(Error::NotFound(_))));
}

#[test]
fn an_id_is_no_path() {
    let world = World::new();
    let (tenants, _) = world.tenants();
    fs::create_dir_all(world.path("outside/repository/keys")).unwrap();
    for id in ["", ".", "..", "../outside", "/tmp", "a/b", "a b", "A1", "a\0", "a.", "é", &"a".repeat(65)] {
        assert!(matches!(tenants.create(id), Err(Error::Usage(_))), "{id:?}");
        assert!(matches!(tenants.service(id, ""), Err(Error::Usage(_))), "{id:?}");
        assert!(matches!(tenants.shred(id), Err(Error::Usage(_))), "{id:?}");
    }
    assert_eq!(names(&world.path("accounts")), Vec::<String>::new());
    assert!(world.path("outside/repository/keys").is_dir());
}

#[test]
fn one_account_has_one_service_and_few_stay_open() {
    let world = World::new();
    let (tenants, _) = world.tenants_with(MASTER, 2);
    let accounts: Vec<(String, String)> =
        (0..4).map(|number| format!("a{number}")).map(|id| (id.clone(), tenants.create(&id).unwrap())).collect();
    let open = |at: usize| tenants.service(&accounts[at].0, &accounts[at].1).unwrap();
    let held = open(0);
    assert!(Arc::ptr_eq(&held, &open(0)));
    let weak = Arc::downgrade(&open(1));
    open(2);
    open(3);
    // The one in use stayed; the one that nobody uses was let go.
    assert!(Arc::ptr_eq(&held, &open(0)));
    assert!(weak.upgrade().is_none());
    tenants.forget("a0");
    assert!(!Arc::ptr_eq(&held, &open(0)));
    let many: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| open(1))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(many.iter().all(|service| Arc::ptr_eq(service, &many[0])));
}

#[test]
fn a_destroyed_account_cannot_be_opened_nor_can_a_copy_of_its_folder() {
    let account = Account::new();
    account.add_shop("shop", "secret");
    account.take("shop");
    let folder = account.world.path("accounts").join(&account.id);
    // Somebody has copied the folder before.
    let copied = World::new();
    copy(&folder, &copied.path("accounts").join(&account.id));
    let (other, _) = account.world.tenants();
    assert!(other.service(&account.id, &account.sealed).is_ok());
    account.tenants.shred(&account.id).unwrap();
    account.tenants.shred(&account.id).unwrap();
    // Nor by a process that has it open still.
    for tenants in [&account.tenants, &other, &account.world.tenants().0] {
        assert!(matches!(tenants.service(&account.id, &account.sealed), Err(Error::NotFound(_))));
        assert!(matches!(tenants.create(&account.id), Err(Error::Refused(_))), "its id is not used again");
    }
    assert_eq!(names(&folder), ["destroyed"]);
    // With the sealed secret gone the copy is unreadable: any other secret is refused, and no file says anything.
    let (finder, _) = copied.tenants();
    let others = finder.create("a2").unwrap();
    for sealed in ["", &others, &account.sealed[2..]] {
        assert!(finder.service(&account.id, sealed).is_err());
    }
    let mut files = 0;
    look(&copied.path("accounts").join(&account.id), &mut |bytes| {
        files += 1;
        for word in ["secret 1", "shop", "goods"] {
            assert!(!bytes.windows(word.len()).any(|window| window == word.as_bytes()), "{word}");
        }
    });
    assert!(files > 5);
    // The control: with the sealed secret the copy is the account.
    assert_eq!(finder.service(&account.id, &account.sealed).unwrap().snapshots(None).unwrap().len(), 1);
}

#[test]
fn shredding_that_was_cut_short_is_done_again() {
    let account = Account::new();
    account.add_shop("shop", "old");
    account.take("shop");
    let folder = account.world.path("accounts").join(&account.id);
    let copied = account.world.path("copied");
    copy(&folder, &copied);
    // As far as it may have come when its process died: marked; without keys; without an index.
    for steps in 0..3 {
        fs::remove_dir_all(&folder).unwrap();
        copy(&copied, &folder);
        fs::write(folder.join("destroyed"), "").unwrap();
        if steps > 0 {
            fs::remove_dir_all(folder.join("repository/keys")).unwrap();
            fs::create_dir(folder.join("repository/keys")).unwrap();
        }
        if steps > 1 {
            fs::remove_dir_all(folder.join("index")).unwrap();
        }
        assert!(matches!(account.tenants.service(&account.id, &account.sealed), Err(Error::NotFound(_))));
        account.tenants.shred(&account.id).unwrap();
        assert_eq!(names(&folder), ["destroyed"]);
    }
    account.tenants.shred("a999").unwrap();
    assert!(!account.world.path("accounts").join("a999").exists());
}

fn look(folder: &Path, each: &mut dyn FnMut(&[u8])) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => look(&entry.path(), each),
            false => each(&fs::read(entry.path()).unwrap()),
        }
    }
}
