"""Comparers: every difference between two trees, and which pages of two data directories differ.

They are written to find fault. `self_test.py` shows that each of them does.
"""

import collections
import concurrent.futures
import multiprocessing
import os
import stat
import sys

BUFFER = 1 << 18
# Files larger than this are compared in parts of it, so that one great file keeps all cores busy.
RANGE = 1 << 26
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


def same_part(one, other, offset, length):
    """Whether two files, both that long, hold the same `length` bytes from `offset` on.

    Holes are not read, but known to be zeros: reading them would fill the page cache with zeros.
    """
    zeros, end = bytes(BUFFER), offset + length
    with open(one, "rb", buffering=0) as left, open(other, "rb", buffering=0) as right:
        files, data_at = (left.fileno(), right.fileno()), [-1, -1]
        while offset < end:
            data_at = [next_data(file, offset) if at < offset else at for file, at in zip(files, data_at)]
            if min(data_at) >= offset + BUFFER:
                offset += (min(min(data_at), end) - offset) // BUFFER * BUFFER or BUFFER
                continue
            count = min(BUFFER, end - offset)
            left_bytes, right_bytes = (
                zeros[:count] if at >= offset + BUFFER else os.pread(file, count, offset) for file, at in zip(files, data_at)
            )
            if left_bytes != right_bytes:
                return False
            offset += count
    return True


def next_data(file, offset):
    """Where an open file has data, from `offset` on and not in a hole; beyond all ends where it has none."""
    try:
        return os.lseek(file, offset, os.SEEK_DATA)
    except OSError:
        return sys.maxsize


def differences(expected, actual, root_too=True, most=20, metadata=True, more_allowed=False):
    """What of `actual` is not as in `expected`, a line each, at most `most` lines.

    Compared: names, types, content, link targets; with `metadata` also mode, owner, modification time to the
    nanosecond, extended attributes and hard links. Where blocks are allocated (sparseness) is not compared. With
    `more_allowed`, what only `actual` has is no difference. Works on all cores, a folder at a time.
    """
    expected, actual = os.fsencode(expected), os.fsencode(actual)
    found, links = [], (collections.defaultdict(set), collections.defaultdict(set))
    if root_too:
        found += _named(b"", node_differences(expected, actual, os.lstat(expected), os.lstat(actual), metadata))
    with concurrent.futures.ProcessPoolExecutor(mp_context=multiprocessing.get_context("fork")) as pool:
        waiting = {pool.submit(_folder_differences, expected, actual, b"", metadata, more_allowed)}
        while waiting:
            done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
            for lines, folders, ranges, linked in (future.result() for future in done):
                found += lines
                for groups, pairs in zip(links, linked):
                    for identity, path in pairs:
                        groups[identity].add(path)
                if len(found) >= most:
                    continue
                waiting |= {pool.submit(_folder_differences, expected, actual, path, metadata, more_allowed) for path in folders}
                waiting |= {pool.submit(_range_differences, expected, actual, *part) for part in ranges}
    left, right = ({frozenset(group) for group in groups.values() if len(group) > 1} for groups in links)
    if metadata and left != right and not more_allowed:
        found.append("hard links: grouped differently")
    return sorted(set(found))[:most]


def _named(path, findings):
    """A line for each finding about one path."""
    return [f"{os.fsdecode(path) or '.'}: {what}" for what in findings]


def _entries(folder):
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}


def _folder_differences(expected, actual, folder, metadata, more_allowed):
    """One folder: `(lines, folders in it, ranges of great files to compare, hard links left and right)`."""
    lines, folders, ranges, linked = [], [], [], ([], [])
    left, right = _entries(os.path.join(expected, folder)), _entries(os.path.join(actual, folder))
    if not more_allowed:
        lines += [f"{os.fsdecode(os.path.join(folder, name))}: not expected" for name in right.keys() - left.keys()]
    for side, entries in zip(linked, (left, right)):
        side += [((status.st_dev, status.st_ino), os.path.join(folder, name)) for name, status in entries.items()
                 if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)]
    for name, status in left.items():
        path = os.path.join(folder, name)
        if name not in right:
            lines += _named(path, ["missing"])
            continue
        great = stat.S_ISREG(status.st_mode) and status.st_size > RANGE and right[name].st_size == status.st_size
        pair = os.path.join(expected, path), os.path.join(actual, path)
        lines += _named(path, node_differences(*pair, status, right[name], metadata, content=not great))
        if great:
            ranges += [(path, offset, min(RANGE, status.st_size - offset)) for offset in range(0, status.st_size, RANGE)]
        elif stat.S_ISDIR(status.st_mode) and stat.S_ISDIR(right[name].st_mode):
            folders.append(path)
    return lines, folders, ranges, linked


def _range_differences(expected, actual, path, offset, length):
    """A part of one file, given back as `_folder_differences` gives."""
    equal = same_part(os.path.join(expected, path), os.path.join(actual, path), offset, length)
    return _named(path, [] if equal else ["content"]), [], [], ([], [])


def node_differences(one, other, left, right, metadata=True, content=True):
    """What differs between two nodes of the same name."""
    if stat.S_IFMT(left.st_mode) != stat.S_IFMT(right.st_mode):
        return ["another type"]
    found = metadata_differences(one, other, left, right) if metadata else []
    if stat.S_ISLNK(left.st_mode):
        if os.readlink(one) != os.readlink(other):
            found.append("link target")
    elif stat.S_ISREG(left.st_mode):
        if left.st_size != right.st_size or content and not same_content(one, other):
            found.append("content")
    return found


def metadata_differences(one, other, left, right):
    """What differs in what a node has beside its content."""
    found = []
    if stat.S_IMODE(left.st_mode) != stat.S_IMODE(right.st_mode):
        found.append(f"mode {stat.S_IMODE(left.st_mode):o}, now {stat.S_IMODE(right.st_mode):o}")
    if (left.st_uid, left.st_gid) != (right.st_uid, right.st_gid):
        found.append(f"owner {left.st_uid}:{left.st_gid}, now {right.st_uid}:{right.st_gid}")
    if left.st_mtime_ns != right.st_mtime_ns:
        found.append(f"time {left.st_mtime_ns}, now {right.st_mtime_ns}")
    if attributes(one) != attributes(other):
        found.append("extended attributes")
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
