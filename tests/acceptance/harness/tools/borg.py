"""borg: `zstd,3`, and of its modes the one that is faster here: BLAKE2, but where the processor computes SHA-256."""

import pathlib

from .base import PASSWORD, Tool


class Borg(Tool):
    name = "borg"

    def variables(self):
        return {"BORG_PASSPHRASE": PASSWORD, "BORG_REPO": str(self.repository), "BORG_BASE_DIR": str(self.state)}

    def initialise(self):
        sha = " sha_ni " in pathlib.Path("/proc/cpuinfo").read_text()
        return self.must("init", "-e", "repokey" if sha else "repokey-blake2")

    def take(self, source, tag):
        return self.must("create", "-C", "zstd,3", f"::{tag}", ".", cwd=source)

    def list(self):
        return self.must("list")

    def restore(self, tag, target):
        return self.must("extract", *(["--sparse"] if self.sparse else []), f"::{tag}", cwd=target)

    def restore_one(self, tag, path, target):
        return self.must("extract", *(["--sparse"] if self.sparse else []), f"::{tag}", path, cwd=target)

    def delete(self, tag):
        return self.must("delete", f"::{tag}").then(self.must("compact"))

    def verify(self):
        return self.must("check", "--verify-data")
