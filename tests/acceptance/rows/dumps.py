"""Every fixture `.dump`: loaded, exported, loaded again."""

import dataclasses
import hashlib
import io
import struct
import subprocess
import tarfile

from harness.environment import FIXTURES, WORK, fresh, remove
from harness.snaphold import Repository

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
NEW_SHARE_LIMIT = 0.01


@dataclasses.dataclass
class Dump:
    """A `.dump` file, opened."""

    magic: bytes
    word: bytes
    version: int
    declared_files: int
    declared_bytes: int
    zeros_at_end: int
    members: dict


def read(path):
    """Opens a dump as the notes on its format say, with nothing of the program under test."""
    raw = path.read_bytes()
    magic = raw[:4] if raw[:4] in (b"DZV1", b"DGV1") else b""
    body = raw[len(magic):]
    if magic == b"DGV1" or body[:2] == b"\x1f\x8b":
        plain = subprocess.run(["gzip", "-dc"], input=body, capture_output=True, check=True).stdout
        return opened(magic, b"", 0, -1, -1, plain)
    if body[:4] != ZSTD_MAGIC:
        raise ValueError(f"{path.name}: neither zstd nor gzip")
    plain = subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout
    word, version, files, length = struct.unpack_from(">4siqq", plain)
    return opened(magic, word, version, files, length, plain[24:])


def opened(magic, word, version, files, length, archive):
    """The members, by name without a leading `./`: type, size and a hash of the content.

    Older dumps have the root folder twice (store and transaction logs): folders are counted once. A file that comes
    twice is kept twice.
    """
    members = {}
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        for member in tar:
            content = tar.extractfile(member).read() if member.isreg() else b""
            name = member.name.removeprefix("./")
            while name in members and not member.isdir():
                name += " (again)"
            members[name] = (member.type, member.size, hashlib.sha256(content).hexdigest())
    return Dump(magic, word, version, files, length, trailing_zeros(archive), members)


def trailing_zeros(archive):
    """Zero bytes after the last member, padding of its content aside."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        last = tar.getmembers()[-1]
    used = last.offset_data + -(-last.size // 512) * 512 if last.isreg() else last.offset_data
    tail = archive[used:]
    return len(tail) if not tail.strip(b"\0") else -1


def measure(row):
    fixtures = sorted(FIXTURES.glob("*.dump"))
    row.check(f"{len(fixtures)} fixtures in {FIXTURES}", fixtures)
    for fixture in fixtures:
        with row.guarded():
            one(row, fixture)


def one(row, fixture):
    """Everything about one fixture."""
    folder = fresh(WORK / "dumps")
    original = read(fixture)
    repository = Repository.create(folder / "repo")
    first = repository.load("graph", fixture).last
    exported = folder / "graph.dump"
    for form, options, magic in (("current form", [], b"DZV1"), ("older form", ["--neo4j-format", "4"], b"")):
        remove(exported)
        repository.export(first["id"], "dump", exported, *options)
        again = folder / "again.dump"
        remove(again)
        repository.export(first["id"], "dump", again, *options)
        judge(row, f"{fixture.name}, {form}", original, read(exported), magic, exported.read_bytes() == again.read_bytes())
    remove(exported)
    repository.export(first["id"], "dump", exported)
    second = repository.load("graph", exported).last
    share = second["bytes_new"] / first["bytes_total"]
    row.check(f"{fixture.name}: {first['files']} files, {first['bytes_total']} bytes, {first['bytes_stored']} stored; second load "
              f"{second['bytes_new']} bytes new ({share:.3%}), {second['bytes_stored']} stored; limit 1 %", share < NEW_SHARE_LIMIT)
    remove(folder)


def judge(row, label, original, exported, magic, deterministic):
    """Holds an export against the file that was loaded."""
    regular = [size for kind, size, _ in exported.members.values() if kind in (tarfile.REGTYPE, tarfile.AREGTYPE)]
    header = (exported.magic, exported.word, exported.version, exported.declared_files, exported.declared_bytes)
    expected = (magic, b"zstd", 1, len(regular), sum(regular))
    row.check(f"{label}: header {header}, expected {expected}; {exported.zeros_at_end} zeros at the end",
              header == expected and exported.zeros_at_end == 1024)
    differing = sorted(name for name in original.members.keys() | exported.members.keys()
                       if original.members.get(name) != exported.members.get(name))
    row.check(f"{label}: {len(original.members)} members, {len(differing)} differ {differing[:3] or ''}", not differing)
    row.check(f"{label}: exported twice, the same bytes", deterministic)
