"""The derived index deleted, an old copy of it put back, another repository's put in: noticed, rebuilt, never trusted."""

import shutil

from harness import compare, made
from harness.environment import WORK, copy_tree, fresh, remove
from harness.snaphold import DONE, Repository, Unexpected


def measure(row):
    for case in (deleted, old_copy, old_copy_after_gc, of_another_repository, garbage):
        with row.guarded():
            base = fresh(WORK / "index")
            case(row, Store(base))
    remove(WORK / "index")


class Store:
    """A repository of one instance, whose trees are kept to compare with."""

    def __init__(self, base):
        self.base = base
        self.repository = Repository.create(base / "repo")
        self.source = base / "source"
        self.trees = {}
        made.small_tree(self.source, "index")
        self.repository.add_instance("shop", self.source)
        self.take()

    def take(self, seed=None):
        """A snapshot of the source as it is, or after a day's changes."""
        if seed is not None:
            made.change(self.source, seed)
        snapshot = self.repository.take("shop")[1]["id"]
        self.trees[snapshot] = self.base / f"as-{snapshot}"
        copy_tree(self.source, self.trees[snapshot])
        return snapshot

    def index(self):
        """The folder of the index."""
        folders = self.repository.index_folders()
        if len(folders) != 1:
            raise Unexpected(f"{len(folders)} folders look like an index")
        return folders[0]

    def save_index(self, to):
        copy_tree(self.index(), to)

    def put_index(self, saved):
        copy_tree(saved, self.index())

    def restores(self):
        """What is wrong with any restore, a line each."""
        found = []
        for snapshot, tree in self.trees.items():
            target = self.base / "out"
            remove(target)
            answer = self.repository.restore(snapshot, target)
            if answer.code != DONE:
                found.append(answer.problem())
            else:
                found += compare.differences(tree, target)
        return found


def judge(row, store, label):
    """Noticed, restored, rebuilt, sound."""
    first = store.repository.ask("stats")
    verified = store.repository.verify()
    noticed = any("index" in answer.text.lower() for answer in (first, verified))
    row.check(f"{label}: noticed ({one_line(verified.text)})", noticed)
    repaired = store.repository.must("repair")
    row.check(f"{label}: repair says {one_line(repaired.text)}; the index is there", store.index().exists())
    found = store.restores()
    row.check(f"{label}: {len(store.trees)} snapshots restore equal {found[:2] or ''}", not found)
    store.repository.expect_sound()


def one_line(text):
    return " ".join(text.split())[:160]


def deleted(row, store):
    store.take("second")
    shutil.rmtree(store.index())
    judge(row, store, "deleted")


def old_copy(row, store):
    store.save_index(store.base / "old")
    store.take("second")
    store.take("third")
    store.put_index(store.base / "old")
    judge(row, store, "an old copy put back")


def old_copy_after_gc(row, store):
    """The dangerous one: the old index knows chunks that are gone. A snapshot that needs them must store them again."""
    store.take("second")
    doomed = list(store.trees)
    store.save_index(store.base / "old")
    kept = store.base / "kept"
    copy_tree(store.source, kept)
    remove(store.source)
    made.small_tree(store.source, "something else")
    store.take()
    for snapshot in doomed:
        store.repository.delete(snapshot)
        del store.trees[snapshot]
    freed = store.repository.collect().last["bytes_freed"]
    store.put_index(store.base / "old")
    copy_tree(kept, store.source)
    # No repair in between: this is where a trusted index loses data.
    store.take()
    verified = store.repository.verify()
    found = store.restores()
    row.check(f"an old copy put back after gc freed {freed} bytes: the next snapshot restores, verify exits {verified.code} {found[:2] or ''}",
              freed > 0 and not found and verified.code == DONE)
    judge_rebuilt(row, store)


def judge_rebuilt(row, store):
    store.repository.must("repair")
    found = store.restores()
    row.check(f"an old copy put back after gc, repaired: restores equal {found[:2] or ''}", not found)


def of_another_repository(row, store):
    other = Store(fresh(store.base / "other"))
    store.take("second")
    store.put_index(other.index())
    judge(row, store, "another repository's put in")


def garbage(row, store):
    """Every file of the index holds noise."""
    store.take("second")
    for path in store.index().iterdir():
        if path.is_file():
            path.write_bytes(b"\xa5" * max(1, path.stat().st_size))
    judge(row, store, "overwritten with noise")
