"""Comparers: every difference between two trees, and which pages of two data directories differ.

They are written to find fault. `self_test.py` shows that each of them does.
"""

import collections
import os
import stat

BUFFER = 1 << 20
PAGE = 8192


def walk(root):
    """Every path below `root` as bytes, with its status; `b""` is the root itself."""
    root = os.fsencode(root)
    yield b"", os.lstat(root)
    stack = [b""]
    while stack:
        folder = stack.pop()
        with os.scandir(os.path.join(root, folder)) as entries:
            for entry in entries:
                path = os.path.join(folder, entry.name)
                status = entry.stat(follow_symlinks=False)
                yield path, status
                if stat.S_ISDIR(status.st_mode):
                    stack.append(path)


def attributes(path):
    """Extended attributes (ACLs are among them), none where the file system has none."""
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:
        return {}
    return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}


def same_content(one, other):
    """Whether two files hold the same bytes."""
    with open(one, "rb", buffering=0) as left, open(other, "rb", buffering=0) as right:
        while True:
            left_bytes, right_bytes = left.read(BUFFER), right.read(BUFFER)
            if left_bytes != right_bytes:
                return False
            if not left_bytes:
                return True


def link_groups(tree):
    """The sets of paths that are one file by hard links."""
    groups = collections.defaultdict(set)
    for path, status in tree.items():
        if not stat.S_ISDIR(status.st_mode) and status.st_nlink > 1:
            groups[status.st_dev, status.st_ino].add(path)
    return {frozenset(group) for group in groups.values() if len(group) > 1}


def differences(expected, actual, root_too=True, most=20):
    """What of `actual` is not as in `expected`, a line each, at most `most` lines.

    Compared: names, types, content, link targets, mode, owner, modification time to the nanosecond, extended
    attributes, hard links. Where blocks are allocated (sparseness) is not compared.
    """
    found = []
    left, right = dict(walk(expected)), dict(walk(actual))
    expected, actual = os.fsencode(expected), os.fsencode(actual)
    if not root_too:
        left.pop(b""), right.pop(b"")
    for path in sorted(left.keys() | right.keys()):
        if len(found) >= most:
            break
        name = os.fsdecode(path) or "."
        if path not in right:
            found.append(f"{name}: missing")
        elif path not in left:
            found.append(f"{name}: not expected")
        else:
            pair = os.path.join(expected, path), os.path.join(actual, path)
            found += [f"{name}: {what}" for what in node_differences(*pair, left[path], right[path])]
    if link_groups(left) != link_groups(right):
        found.append("hard links: grouped differently")
    return found[:most]


def node_differences(one, other, left, right):
    """What differs between two nodes of the same name."""
    if stat.S_IFMT(left.st_mode) != stat.S_IFMT(right.st_mode):
        return ["another type"]
    found = []
    if stat.S_IMODE(left.st_mode) != stat.S_IMODE(right.st_mode):
        found.append(f"mode {stat.S_IMODE(left.st_mode):o}, now {stat.S_IMODE(right.st_mode):o}")
    if (left.st_uid, left.st_gid) != (right.st_uid, right.st_gid):
        found.append(f"owner {left.st_uid}:{left.st_gid}, now {right.st_uid}:{right.st_gid}")
    if left.st_mtime_ns != right.st_mtime_ns:
        found.append(f"time {left.st_mtime_ns}, now {right.st_mtime_ns}")
    if attributes(one) != attributes(other):
        found.append("extended attributes")
    if stat.S_ISLNK(left.st_mode):
        if os.readlink(one) != os.readlink(other):
            found.append("link target")
    elif stat.S_ISREG(left.st_mode):
        if left.st_size != right.st_size or not same_content(one, other):
            found.append("content")
    return found


def regular_files(root):
    """Relative path to size of every regular file."""
    return {path: status.st_size for path, status in walk(root) if stat.S_ISREG(status.st_mode)}


def file_pages_changed(one, other):
    """How many 8 KiB pages of file `other` are not as at the same place in `one`; pages past its end count too."""
    changed = 0
    with open(one, "rb", buffering=0) as left, open(other, "rb", buffering=0) as right:
        while True:
            left_bytes, right_bytes = left.read(BUFFER), right.read(BUFFER)
            if not right_bytes:
                return changed
            if left_bytes != right_bytes:
                changed += sum(
                    left_bytes[at:at + PAGE] != right_bytes[at:at + PAGE] for at in range(0, len(right_bytes), PAGE)
                )


def pages_changed(before, after):
    """Changed 8 KiB pages from one data directory to another: `(in relation files, bytes of other changed files but WAL)`."""
    relation_pages, other_bytes = 0, 0
    old = regular_files(before)
    before, after = os.fsencode(before), os.fsencode(after)
    for path, size in regular_files(after).items():
        if path.startswith(b"pg_wal/"):
            continue
        pair = os.path.join(before, path), os.path.join(after, path)
        changed = file_pages_changed(*pair) if path in old else -(-size // PAGE)
        if path.startswith((b"base/", b"global/")) and size % PAGE == 0:
            relation_pages += changed
        else:
            other_bytes += min(changed * PAGE, size)
    return relation_pages, other_bytes


def tree_bytes(root):
    """Sum of the lengths of the regular files below `root`, hard links once."""
    seen = {(status.st_dev, status.st_ino): status.st_size for _, status in walk(root) if stat.S_ISREG(status.st_mode)}
    return sum(seen.values())


def allocated_bytes(root):
    """What the tree occupies on its file system, as du counts."""
    seen = {(status.st_dev, status.st_ino): status.st_blocks * 512 for _, status in walk(root)}
    return sum(seen.values())
