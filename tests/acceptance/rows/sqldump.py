"""A plain SQL dump, and the same after 1 % scattered updates, loaded under one name."""

import os

from harness import compare, data_sql
from harness.environment import WORK, fresh, megabytes, remove
from harness.snaphold import Repository, Unexpected

SHARE_LIMIT = 0.05


def measure(row):
    dumps = data_sql.prepare()
    row.check(f"dump of {megabytes(dumps[0].stat().st_size)}, then of {megabytes(dumps[1].stat().st_size)}; at least 500 MB",
              dumps[0].stat().st_size >= data_sql.BYTES)
    repository = Repository.create(WORK / "sqldump")
    stored, snapshots = [], []
    for dump in dumps:
        before = repository.sizes().objects
        # The same file name each time, as a nightly dump has.
        named = fresh(WORK / "sqldump-source") / "dump.sql"
        os.link(dump, named)
        answer = repository.load("sql", named)
        snapshots.append(answer.last["id"])
        stored.append(repository.sizes().objects - before)
        row.note(f"load of {dump.name}: {answer.run.seconds:.1f} s, peak {answer.run.peak_bytes / 2**20:.0f} MiB, "
                 f"reports {megabytes(answer.last['bytes_stored'])} stored, {answer.last['chunks_delta']} chunks as deltas")
    row.check(f"first adds {megabytes(stored[0])}, second {megabytes(stored[1])}: {stored[1] / stored[0]:.2%}; limit 5 %",
              stored[1] <= SHARE_LIMIT * stored[0])
    for dump, snapshot in zip(dumps, snapshots):
        target = WORK / "sqldump-restored"
        remove(target)
        answer = repository.restore(snapshot, target)
        if answer.code != 0:
            raise Unexpected(answer.problem())
        files = [os.path.join(os.fsencode(target), path) for path in compare.regular_files(target)]
        row.check(f"{dump.name} restored in {answer.run.seconds:.1f} s: {len(files)} file, equal",
                  len(files) == 1 and compare.same_content(dump, files[0]))
        remove(target)
    remove(repository.base), remove(WORK / "sqldump-source")
