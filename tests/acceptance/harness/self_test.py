"""The harness held to account: each comparer and reader is shown something wrong, and must say so."""

import contextlib
import io
import mmap
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile

from . import compare, made, measure, report, snaphold
from .environment import copy_tree, fresh


def main():
    """Runs every test; 0 when all pass."""
    failed = []
    for test in TESTS:
        with tempfile.TemporaryDirectory(prefix="acceptance-self-test-", dir="/var/tmp") as folder:
            log = io.StringIO()
            try:
                with contextlib.redirect_stderr(log):
                    count = test(pathlib.Path(folder))
                print(f"{test.__name__}: {count} controls")
            except AssertionError as error:
                failed.append(test.__name__)
                print(f"{test.__name__}: FAILED: {error}")
    return 1 if failed else 0


def trees_that_differ_are_told_apart(folder):
    one, other = folder / "one", folder / "other"
    made.small_tree(one, "self-test")
    copy_tree(one, other)
    assert compare.differences(one, other) == [], compare.differences(one, other)
    assert made.contents(one) == made.contents(other)
    done = 0
    for what, expected, act in TREE_CHANGES:
        if what == "owner" and os.geteuid() != 0:
            continue
        copy_tree(one, other)
        act(other)
        found = compare.differences(one, other)
        assert any(expected in line for line in found), f"{what}: found {found}"
        assert made.contents(one) != made.contents(other), what
        done += 1
    return done


def with_times_kept(path, act):
    """Changes a file so that its times, and those of its folder, do not tell."""
    times = {name: name.stat() for name in (path.parent, path)}
    act(path)
    for name, status in times.items():
        os.utime(name, ns=(status.st_atime_ns, status.st_mtime_ns))


def flip_byte(offset):
    def act(path):
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        with open(path, "r+b") as file:
            file.write(content)
    return act


def later_by_a_nanosecond(path):
    status = os.lstat(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1), follow_symlinks=False)


def unlink_and_copy(path):
    shutil.copy2(path, path.with_name("copy"))
    os.replace(path.with_name("copy"), path)


def retarget(path):
    path.unlink()
    path.symlink_to("elsewhere")


def become_folder(path):
    path.unlink()
    path.mkdir()


# What is done to a tree, a word that the comparer has to say, and the deed.
TREE_CHANGES = [
    ("first byte", "content", lambda tree: with_times_kept(tree / "table.bin", flip_byte(0))),
    ("a byte beyond the first buffer", "content", lambda tree: with_times_kept(tree / "table.bin", flip_byte(1_200_000))),
    ("last byte", "content", lambda tree: with_times_kept(tree / "sparse", flip_byte(-1))),
    ("shorter", "content", lambda tree: with_times_kept(tree / "dump.sql", lambda path: os.truncate(path, 899_999))),
    ("zeros appended", "content", lambda tree: with_times_kept(tree / "sparse", lambda path: os.truncate(path, 3_000_010))),
    ("file time", "table.bin: time", lambda tree: later_by_a_nanosecond(tree / "table.bin")),
    ("folder time", "many: time", lambda tree: later_by_a_nanosecond(tree / "many")),
    ("root time", ".: time", later_by_a_nanosecond),
    ("link time", "link: time", lambda tree: later_by_a_nanosecond(tree / "link")),
    ("mode", "mode 600, now 640", lambda tree: os.chmod(tree / "table.bin", 0o640)),
    ("setuid", "mode 4755, now 755", lambda tree: os.chmod(tree / "many/000.txt", 0o755)),
    ("owner", "owner", lambda tree: os.lchown(tree / "link", 12, 34)),
    ("attribute", "extended attributes", lambda tree: os.setxattr(tree / "table.bin", "user.test", b"1")),
    ("hard link", "hard links", lambda tree: unlink_and_copy(tree / "dump-again.sql")),
    ("link target", "link target", lambda tree: retarget(tree / "link")),
    ("type", "another type", lambda tree: become_folder(tree / "empty")),
    ("file missing", "many/007.txt: missing", lambda tree: (tree / "many/007.txt").unlink()),
    ("FIFO missing", "fifo: missing", lambda tree: (tree / "fifo").unlink()),
    ("file too many", "not expected", lambda tree: (tree / "extra").write_bytes(b"")),
    ("name that is not UTF-8", "missing", lambda tree: os.rmdir(os.path.join(os.fsencode(tree), b"not-\xff-utf8"))),
]


def changed_pages_are_counted(folder):
    one, other = folder / "one", folder / "other"
    (one / "base/5").mkdir(parents=True)
    (one / "pg_wal").mkdir()
    (one / "base/5/1259").write_bytes(os.urandom(compare.PAGE * 300))
    (one / "base/5/pg_filenode.map").write_bytes(bytes(512))
    (one / "pg_wal/000000010000000000000001").write_bytes(bytes(compare.PAGE * 4))
    copy_tree(one, other)
    assert compare.pages_changed(one, other) == (0, 0)
    relation = other / "base/5/1259"
    for page in (0, 127, 128, 299):
        flip_byte(page * compare.PAGE + page)(relation)
    assert compare.pages_changed(one, other) == (4, 0), compare.pages_changed(one, other)
    with open(relation, "ab") as file:
        file.write(bytes(compare.PAGE * 2))
    assert compare.pages_changed(one, other) == (6, 0), compare.pages_changed(one, other)
    flip_byte(0)(other / "base/5/pg_filenode.map")
    assert compare.pages_changed(one, other) == (6, 512), compare.pages_changed(one, other)
    flip_byte(0)(other / "pg_wal/000000010000000000000001")
    assert compare.pages_changed(one, other) == (6, 512), "WAL must not count"
    (other / "base/5/2000").write_bytes(bytes(compare.PAGE * 3))
    assert compare.pages_changed(one, other) == (9, 512), "pages of a new file count"
    return 5


def memory_and_exit_codes_are_those_of_the_program(_folder):
    ballast = b"x" * 300_000_000
    small = measure.run(["true"])
    assert small.code == 0 and small.peak_bytes < 50_000_000, small
    assert len(ballast) == 300_000_000
    large = measure.run([sys.executable, "-c", "b = b'x' * 200_000_000; import sys; sys.exit(5)"])
    assert large.code == 5 and 200_000_000 < large.peak_bytes < 300_000_000, large
    slow = measure.run(["sleep", "0.3"])
    assert 0.29 <= slow.seconds < 3, slow
    return 3


def writes_are_counted_below_the_target_alone(folder):
    from rows import inplace
    target, repository = fresh(folder / "target"), fresh(folder / "repo")
    writer = (
        "import os, sys, threading\n"
        "def work(path, count):\n"
        "    f = os.open(path, os.O_RDWR | os.O_CREAT)\n"
        "    for n in range(count): os.pwrite(f, b'p' * 8192, n * 8192)\n"
        "    os.write(f, b'tail')\n"
        "target, repository = sys.argv[1:]\n"
        "threads = [threading.Thread(target=work, args=(f'{target}/f{n}', 200)) for n in range(4)]\n"
        "threads.append(threading.Thread(target=work, args=(f'{repository}/pack', 900)))\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "os.write(1, b'to standard output')\n"
    )
    trace = ["strace", "-f", "-y", "-s", "0", "--seccomp-bpf", "-e", f"trace={inplace.WRITES}", "-e", "signal=none", "-o"]
    log = folder / "log"
    subprocess.run([*trace, log, sys.executable, "-c", writer, target, repository], check=True, stdout=subprocess.DEVNULL)
    assert inplace.writes_below(log, target, repository) == (4 * (200 * 8192 + 4), 0), inplace.writes_below(log, target, repository)
    (target / "mapped").write_bytes(bytes(mmap.PAGESIZE))
    mapper = "import mmap, sys; f = open(sys.argv[1], 'r+b'); m = mmap.mmap(f.fileno(), 0); m[0] = 1"
    subprocess.run([*trace, log, sys.executable, "-c", mapper, target / "mapped"], check=True)
    assert inplace.writes_below(log, target, repository) == (0, 1), inplace.writes_below(log, target, repository)
    return 2


def dump_file(path, members, magic=b"DZV1", version=1, declared=None):
    """Writes a `.dump` with the standard library and the zstd program."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        root = tarfile.TarInfo("./")
        root.type = tarfile.DIRTYPE
        tar.addfile(root)
        for name, content in members.items():
            info = tarfile.TarInfo(f"./{name}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        end = tar.offset
    head = struct.pack(">4siqq", b"zstd", version, *(declared or (len(members), sum(map(len, members.values())))))
    inner = head + plain.getvalue()[:end] + bytes(1024)
    path.write_bytes(magic + subprocess.run(["zstd", "-qc"], input=inner, capture_output=True, check=True).stdout)


def dumps_are_judged_by_their_bytes(folder):
    from rows import dumps
    members = {"neostore": b"a" * 8192, "neostore.nodestore.db": bytes(range(256)) * 64}
    dump_file(folder / "good.dump", members)
    good = dumps.read(folder / "good.dump")
    assert good.zeros_at_end == 1024 and good.declared_files == 2, good

    def holds(name, deterministic=True, **options):
        dump_file(folder / name, **{"members": members, **options})
        row = report.Row(name)
        dumps.judge(row, name, good, dumps.read(folder / name), b"DZV1", deterministic)
        return row.holds

    assert holds("same.dump")
    assert not holds("byte.dump", members={**members, "neostore": b"a" * 8191 + b"b"})
    assert not holds("missing.dump", members={"neostore": members["neostore"]})
    assert not holds("more.dump", members={**members, "more": b""})
    assert not holds("magic.dump", magic=b"")
    assert not holds("version.dump", version=2)
    assert not holds("counts.dump", declared=(3, 8192 + 16384))
    assert not holds("bytes.dump", declared=(2, 1))
    assert not holds("twice.dump", deterministic=False)
    return 8


def damage_does_what_it_says(folder):
    from rows import damage
    (folder / "packs").mkdir()
    one, other = folder / "packs/one", folder / "packs/other"
    one.write_bytes(b"12345678"), other.write_bytes(b"abc")
    one.chmod(0o400)
    damage.flip("packs/one", 3, 1)(folder)
    assert one.read_bytes() == b"12355678", one.read_bytes()
    damage.cut("packs/one", 4)(folder)
    assert one.read_bytes() == b"1235"
    damage.swap("packs/one", "packs/other")(folder)
    assert (one.read_bytes(), other.read_bytes()) == (b"abc", b"1235")
    kinds = [what.split()[0] for _, what, _ in damage.damages({"packs/one": one, "packs/other": other})]
    assert {"byte", "cut", "emptied", "removed", "swapped"} == set(kinds), kinds
    assert damage.named("packs/ab/abcdef0123456789", "error: abcdef0123456789 is damaged")
    assert not damage.named("packs/ab/abcdef0123456789", "error: a pack is damaged")
    assert not damage.named("config/a", "error: a config is damaged")
    (folder / "out").mkdir()
    (folder / "out/file").write_bytes(b"half")
    answer = snaphold.Answer(["restore"], measure.Run(5, 0, 0, "{}", ""))
    assert list(damage.judge_refusal("id", answer, folder)), "a file that a failed restore left behind"
    return 8


def any_change_changes_a_fingerprint(folder):
    from rows import errors
    repository = snaphold.Repository(folder)
    place = fresh(folder / "place")
    (place / "file").write_bytes(b"abc")
    before = errors.fingerprint(place, repository)
    assert before == errors.fingerprint(place, repository)
    (place / "file").write_bytes(b"abd")
    assert before != errors.fingerprint(place, repository)
    (place / "file").write_bytes(b"abc")
    (place / "empty").mkdir()
    assert before != errors.fingerprint(place, repository)
    return 2


def rows_hold_only_when_something_held(_folder):
    assert not report.Row("empty").holds
    noted = report.Row("noted")
    noted.note("a number")
    assert not noted.holds
    good = report.Row("good")
    good.check("fine", True)
    assert good.holds
    good.check("wrong", False)
    assert not good.holds
    for error in (snaphold.Unexpected("broke the contract"), ValueError("broken harness")):
        row = report.Row("raised")
        row.check("fine", True)
        with row.guarded():
            raise error
        assert not row.holds
    for text in ("not json", '{"a":1}\nprogress 5 %\n'):
        try:
            snaphold.parse(text)
        except snaphold.Unexpected:
            continue
        raise AssertionError(f"{text!r} passed for JSON")
    assert "**NO**" in report.table([good])
    return 7


def changed_files_are_known_by_name(folder):
    from rows import kernel
    one, other = folder / "one", folder / "other"
    made.small_tree(one, "names")
    copy_tree(one, other)
    assert kernel.changed_paths(one, other) == set()
    with_times_kept(other / "many/001.txt", flip_byte(0))
    (other / "many/002.txt").unlink()
    (other / "many/new").write_bytes(b"new")
    assert kernel.changed_paths(one, other) == {"many/001.txt", "many/002.txt", "many/new"}, kernel.changed_paths(one, other)
    return 3


TESTS = [
    trees_that_differ_are_told_apart,
    changed_pages_are_counted,
    memory_and_exit_codes_are_those_of_the_program,
    writes_are_counted_below_the_target_alone,
    dumps_are_judged_by_their_bytes,
    damage_does_what_it_says,
    any_change_changes_a_fingerprint,
    rows_hold_only_when_something_held,
    changed_files_are_known_by_name,
]
