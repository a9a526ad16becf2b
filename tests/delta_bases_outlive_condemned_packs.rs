//! A delta is made only against a chunk that a pack which stays holds full.

#[path = "support/mod.rs"]
mod support;

use snaphold::container::RelativePath;
use snaphold::format::manifest::{Component, Origin, Outcome, SnapshotType};
use snaphold::format::tree::{Class, Content, Metadata, Node};
use snaphold::ops::Silent;
use snaphold::ops::capture::{Capture, ParentTree, SnapshotRequest, TreeBuilder, take_snapshot};
use snaphold::repo::ContentReader;
use support::{Place, noise};

fn take(place: &Place, capture: impl FnOnce(&Capture<'_>) -> Vec<(&'static str, Content)>) -> Vec<(String, Content)> {
    let request = SnapshotRequest {
        id: None,
        instance: "x".into(),
        kind: SnapshotType::OnDemand,
        description: None,
        expires_at_ns: None,
        before_restore_of: None,
        effort: Default::default(),
    };
    let mut out = Vec::new();
    take_snapshot(&place.repo, request, &Silent, |c| {
        let metadata = Metadata { mode: 0o644, uid: 0, gid: 0, mtime_ns: 0, xattrs: Vec::new() };
        let mut tree = TreeBuilder::new(metadata.clone());
        for (name, content) in capture(c) {
            out.push((name.to_string(), content.clone()));
            let node = Node::File { content, class: Class::Stream, link_group: None, stamp: None };
            tree.leaf(&RelativePath::from_components([name.as_bytes().to_vec()]).unwrap(), metadata.clone(), node)?;
        }
        let root = tree.finish(&c.contents, &mut ParentTree::new(c.contents.reader(), None))?;
        Ok(vec![Component { name: "data".into(), origin: Origin::Files, root, unreadable: 0 }])
    })
    .unwrap();
    let _ = Outcome::Failed { reason: String::new() };
    out
}

#[test]
fn a_chunk_that_this_session_stores_as_a_delta_is_no_base() {
    let place = Place::new();
    let mut x = noise(1, 8000);
    let y = {
        let mut y = x.clone();
        y[4000] ^= 1;
        y
    };
    // Y stays; X is in a pack that is condemned while a snapshot that was under way still needs it.
    let of_y = take(&place, |c| vec![("y", c.contents.small(&y, Class::Stream, None).unwrap())])[0].1.clone();
    let before = place.packs();
    let of_x = take(&place, |c| vec![("x", c.contents.small(&x, Class::Stream, None).unwrap())])[0].1.clone();
    let condemned: Vec<_> = place.packs().into_iter().filter(|pack| !before.contains(pack)).collect();
    let ids = condemned.iter().map(|p| p.file_name().unwrap().to_str().unwrap().parse().unwrap()).collect();
    let record = place.repo.condemn(ids).unwrap();
    // A session that begins later stores X again, as a delta against Y, and something like X.
    let old_x = x.clone();
    x[10] ^= 1;
    let taken = take(&place, |c| {
        vec![
            ("a", c.contents.small(&old_x, Class::Stream, Some(&of_y)).unwrap()),
            ("b", c.contents.small(&x, Class::Stream, Some(&of_x)).unwrap()),
        ]
    });
    // The other snapshot is deleted, nothing else needs the condemned packs, and they go.
    for pack in condemned {
        std::fs::remove_file(pack).unwrap();
    }
    place.repo.forget_condemned(&record).unwrap();
    std::fs::remove_dir_all(place.path("index")).unwrap();
    let reader = place.reader();
    assert_eq!(ContentReader::new(&reader, &taken[0].1).read_all().unwrap(), old_x);
    assert_eq!(ContentReader::new(&reader, &taken[1].1).read_all().unwrap(), x);
}
