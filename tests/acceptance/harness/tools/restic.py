"""restic: repository version 2, `--compression auto`, as are its defaults since 0.14."""

import functools
import json
import re

from .base import PASSWORD, Tool


class Restic(Tool):
    name = "restic"
    version_words = ["version"]

    def variables(self):
        return {"RESTIC_PASSWORD": PASSWORD, "RESTIC_REPOSITORY": str(self.repository)}

    @classmethod
    @functools.cache
    def at_least(cls, *wanted):
        """Whether it is of this version or later: some options came late."""
        found = re.search(r"(\d+)\.(\d+)", cls.version())
        return (int(found[1]), int(found[2])) >= wanted

    @property
    def removes_more(self):
        return self.at_least(0, 17)

    def initialise(self):
        return self.must("init", "--repository-version", "2")

    def take(self, source, tag):
        return self.must("-q", "backup", "--compression", "auto", "--tag", tag, ".", cwd=source)

    def identify(self, tag):
        if tag not in self.ids:
            self.ids[tag] = json.loads(self.must("snapshots", "--json", "--tag", tag).stdout)[-1]["id"]
        return self.ids[tag]

    def list(self):
        return self.must("snapshots")

    def restore(self, tag, target):
        sparse = ["--sparse"] if self.sparse and self.at_least(0, 15) else []
        return self.must("-q", "restore", self.identify(tag), *sparse, "--target", target)

    def restore_over(self, tag, target):
        careful = ["--overwrite", "if-changed", "--delete"] if self.removes_more else []
        return self.must("-q", "restore", self.identify(tag), *careful, "--target", target)

    def restore_one(self, tag, path, target):
        return self.must("-q", "restore", self.identify(tag), "--include", f"/{path}", "--target", target)

    def delete(self, tag):
        return self.must("-q", "forget", "--prune", self.identify(tag))

    def verify(self):
        return self.must("-q", "check", "--read-data")
