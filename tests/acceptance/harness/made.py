"""Small trees made on the spot, the same for the same seed, and what they hold as a value to compare with later."""

import os
import random
import stat

from .compare import attributes, walk

# 2026-01-01, so that made trees do not depend on when they were made.
EPOCH_NS = 1_767_225_600_000_000_000


def text(choose, length):
    """Words that compress as text does."""
    words = [f"{choose.getrandbits(choose.choice((12, 20, 28))):x}" for _ in range(400)]
    parts = []
    size = 0
    while size < length:
        line = " ".join(choose.choices(words, k=12)) + "\n"
        parts.append(line)
        size += len(line)
    return "".join(parts)[:length].encode()


def pages(choose, count):
    """A page file: each page half random, half zeros."""
    return b"".join(choose.randbytes(4096) + bytes(4096) for _ in range(count))


def small_tree(root, seed, page_count=160):
    """Some 3 MB of everything that a folder may hold: text, pages, small files, links, a sparse file, a FIFO."""
    choose = random.Random(seed)
    root.mkdir(parents=True)
    (root / "table.bin").write_bytes(pages(choose, page_count))
    (root / "dump.sql").write_bytes(text(choose, 900_000))
    (root / "empty").write_bytes(b"")
    many = root / "many"
    many.mkdir()
    for number in range(150):
        (many / f"{number:03d}.txt").write_bytes(text(choose, choose.randrange(40, 6000)))
    os.mkdir(os.path.join(os.fsencode(root), b"not-\xff-utf8"), 0o750)
    os.link(root / "dump.sql", root / "dump-again.sql")
    os.symlink("dump.sql", root / "link")
    os.symlink("/no/where", root / "dangling")
    os.mkfifo(root / "fifo")
    with open(root / "sparse", "wb") as sparse:
        sparse.seek(3_000_000)
        sparse.write(b"end")
    os.chmod(root / "table.bin", 0o600)
    os.chmod(many / "000.txt", 0o4755)
    set_times(root, choose)


def change(root, seed, page_share=0.05):
    """A day's work: pages patched in place, lines of the text edited, files added and removed."""
    choose = random.Random(seed)
    table = root / "table.bin"
    count = table.stat().st_size // 8192
    with open(table, "r+b") as file:
        for page in choose.sample(range(count), max(1, int(count * page_share))):
            file.seek(page * 8192 + choose.randrange(8000))
            file.write(choose.randbytes(40))
    dump = bytearray((root / "dump.sql").read_bytes())
    for _ in range(20):
        at = choose.randrange(len(dump))
        dump[at:at + 6] = b"edited"
    (root / "dump.sql").write_bytes(dump)
    for number in choose.sample(range(1, 150), 5):
        (root / "many" / f"{number:03d}.txt").write_bytes(text(choose, 3000))
    (root / f"new-{seed}.bin").write_bytes(choose.randbytes(200_000))
    set_times(root, choose)


def set_times(root, choose):
    """Odd nanoseconds everywhere; folders last, for what is in them touches them."""
    for path, _ in sorted(walk(root), reverse=True):
        moment = EPOCH_NS + choose.randrange(10**15)
        os.utime(os.path.join(os.fsencode(root), path), ns=(moment, moment), follow_symlinks=False)


def contents(root):
    """All that a tree holds, as a value: equal trees have equal values."""
    found = {}
    top = os.fsencode(root)
    for path, status in walk(root):
        full = os.path.join(top, path)
        body = None
        if stat.S_ISREG(status.st_mode):
            with open(full, "rb") as file:
                body = hash(file.read()), status.st_size, status.st_nlink
        elif stat.S_ISLNK(status.st_mode):
            body = os.readlink(full)
        found[path] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns, body, tuple(sorted(attributes(full).items())))
    return found
