"""Bad input: one clear line, its exit code, and nothing changed."""

import hashlib
import os
import pathlib
import signal
import subprocess
import time

from harness import made
from harness.environment import WORK, fresh, remove
from harness.measure import run
from harness.snaphold import BUSY, DONE, FAILED, NOT_FOUND, REFUSED, USAGE, Repository, Unexpected

BIG_BYTES = 400_000_000


def measure(row):
    base = fresh(WORK / "errors")
    source = base / "source"
    made.small_tree(source, "errors")
    repository = Repository.create(base / "repo")
    repository.add_instance("shop", source)
    snapshot = repository.take("shop")[1]["id"]
    for case in (wrong_passphrase, unknown_id, unknown_instance, ambiguous_prefix, missing_source, target_not_empty,
                 confirmation_refused, no_repository, newer_format, in_use):
        with row.guarded():
            case(Case(row, base, repository, source, snapshot))
    remove(base)


class Case:
    """What the cases share: a repository with a snapshot, and the judgement of one refusal."""

    def __init__(self, row, base, repository, source, snapshot):
        self.row, self.base, self.repository, self.source, self.snapshot = row, base, repository, source, snapshot

    def refused(self, label, codes, *words, repository=None, watched=(), may_record=False):
        """Runs a command that must be refused, as a person and as a script.

        Where it `may_record` (that a snapshot failed, and why), the packs alone stand for "nothing changed".
        """
        repository = repository or self.repository
        places = [repository.path / "packs" if may_record else repository.path, self.source, *watched]
        before = [fingerprint(place, repository) for place in places]
        plain = repository.plain(*words)
        answer = repository.ask(*words)
        unchanged = before == [fingerprint(place, repository) for place in places]
        lines = [line for line in plain.stderr.splitlines() if line.strip()]
        error = answer.last.get("error", {})
        faults = []
        if plain.code not in codes or answer.code != plain.code:
            faults.append(f"exit {plain.code}, with --json {answer.code}")
        if len(lines) != 1 or plain.stdout.strip():
            faults.append(f"{len(lines)} lines on standard error, {len(plain.stdout)} bytes on standard output")
        if not error.get("kind") or not error.get("message") or "\n" in error.get("message", ""):
            faults.append("no `error` with `kind` and `message`")
        if not unchanged:
            faults.append("something changed")
        self.row.check(f"{label}: exit {plain.code}, \"{lines[0][:160] if lines else ''}\" {'; '.join(faults)}", not faults)


def fingerprint(place, repository):
    """Names and contents below a place, the derived index aside."""
    digest = hashlib.sha256()
    skipped = repository.index_folders()
    for path in sorted(pathlib.Path(os.fsdecode(place)).rglob("*")):
        if any(folder == path or folder in path.parents for folder in skipped):
            continue
        digest.update(os.fsencode(path))
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def wrong_passphrase(case):
    wrong = Repository(case.repository.base, "not the passphrase")
    case.refused("wrong passphrase", {REFUSED}, "snapshot", "list", repository=wrong)
    case.refused("wrong passphrase, a snapshot", {REFUSED}, "snapshot", "take", "shop", repository=wrong)


def unknown_id(case):
    target = case.base / "nowhere"
    case.refused("unknown id", {NOT_FOUND}, "restore", "0123456789abcdef", "--to", target)
    if target.exists():
        raise Unexpected("the target of a refused restore was made")


def unknown_instance(case):
    case.refused("unknown instance", {NOT_FOUND}, "snapshot", "take", "no-such-instance")


def ambiguous_prefix(case):
    repository = Repository.create(case.base / "many")
    source = fresh(case.base / "many-source")
    (source / "file").write_text("a file")
    repository.add_instance("shop", source)
    firsts = set()
    # At most 17 snapshots are needed until two share their first digit.
    while True:
        first = repository.take("shop")[1]["id"][0]
        if first in firsts:
            break
        firsts.add(first)
    case.refused("ambiguous prefix", {USAGE}, "snapshot", "show", first, repository=repository)


def missing_source(case):
    source = case.base / "vanishing"
    fresh(source)
    case.repository.add_instance("gone", source)
    remove(source)
    case.refused("missing source", {FAILED, NOT_FOUND}, "snapshot", "take", "gone", may_record=True)
    kept = [record["id"] for record in case.repository.listed() if record["status"] == "completed"]
    case.row.check(f"missing source: {len(kept)} completed snapshot as before", kept == [case.snapshot])
    case.refused("missing source when it is added", {FAILED, NOT_FOUND, USAGE}, "instance", "add", "never", "--source", f"files:{source}")


def target_not_empty(case):
    target = fresh(case.base / "occupied")
    (target / "mine").write_text("mine")
    case.refused("target not empty", {REFUSED}, "restore", case.snapshot, "--to", target, watched=[target])


def confirmation_refused(case):
    case.refused("restore in place unconfirmed", {REFUSED}, "restore", case.snapshot)
    case.refused("restore in place, confirmed in small letters", {REFUSED}, "restore", case.snapshot, "--confirm", "restore")
    case.refused("delete unconfirmed", {REFUSED}, "snapshot", "delete", case.snapshot)
    case.refused("delete, wrong word", {REFUSED}, "snapshot", "delete", case.snapshot, "--confirm", "RESTORE")


def no_repository(case):
    empty = Repository(fresh(case.base / "none"))
    empty.path.mkdir(), empty.state.mkdir()
    case.refused("no repository", {NOT_FOUND}, "snapshot", "list", repository=empty)


def newer_format(case):
    """Raises each byte of the head of the config in turn, in all its copies: one of them is the version."""
    configs = [name for name in case.repository.objects() if name.split("/")[0] == "config"]
    for offset in range(64):
        newer = case.repository.copy(case.base / "newer")
        for name in configs:
            raise_byte(newer.path / name, offset)
        done = newer.plain("snapshot", "list")
        if "newer" in done.stderr.lower():
            case.refused(f"newer format (byte {offset} of the config raised)", {FAILED}, "snapshot", "list", repository=newer)
            case.refused("newer format, a snapshot", {FAILED}, "snapshot", "take", "shop", repository=newer)
            return
    raise Unexpected("no byte of the config's head makes it say that a newer program is needed")


def raise_byte(path, offset):
    content = bytearray(path.read_bytes())
    if offset < len(content):
        content[offset] = (content[offset] + 1) % 256
        os.chmod(path, 0o600)
        path.write_bytes(content)


def in_use(case):
    """While a snapshot stands still in the middle, others are told that the repository is busy, or do their work."""
    big = fresh(case.base / "big")
    with open("/dev/urandom", "rb") as noise, open(big / "noise", "wb") as file:
        for _ in range(BIG_BYTES // 1_000_000):
            file.write(noise.read(1_000_000))
    case.repository.add_instance("big", big)
    first = subprocess.Popen(
        case.repository.command("snapshot", "take", "big", "--json"), env=case.repository.environment(),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )
    wait_until_it_writes(case.repository, first)
    first.send_signal(signal.SIGSTOP)
    busy = 0
    try:
        for words in (["gc", "--grace", "0d"], ["snapshot", "take", "shop"], ["repair"]):
            done = run(["timeout", "60", *case.repository.command(*words)], case.repository.environment())
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            holds = done.code == DONE or (done.code == BUSY and len(lines) == 1)
            busy += done.code == BUSY
            case.row.check(f"in use, `{' '.join(words)}`: exit {done.code}, \"{lines[-1][:160] if lines else ''}\"", holds)
    finally:
        first.send_signal(signal.SIGCONT)
        first.communicate()
    case.row.check(f"in use: {busy} of 3 commands were told so; the first then exits {first.returncode}", busy > 0 and first.returncode == DONE)
    case.repository.expect_sound()


def wait_until_it_writes(repository, process):
    """Waits until the running snapshot has stored something."""
    began = len(list(repository.path.rglob("*")))
    while process.poll() is None and len(list(repository.path.rglob("*"))) <= began:
        time.sleep(0.02)
    if process.poll() is not None:
        raise Unexpected("the snapshot ended before it could be stopped in the middle")
