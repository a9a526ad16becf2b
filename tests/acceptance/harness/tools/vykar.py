"""vykar, with zstd instead of the lz4 that is its default (`VYKAR_COMPRESSION=lz4` has it so). Written from its manual:
it could not be had to be run."""

import json
import os
import re

from .base import PASSWORD, Failed, Tool


class Vykar(Tool):
    name = "vykar"

    def variables(self):
        return {"VYKAR_PASSPHRASE": PASSWORD, "VYKAR_CONFIG": str(self.state / "config.yaml")}

    def initialise(self):
        self.configure(self.folder)
        return self.must("init")

    def before_take(self, source):
        self.configure(source)

    def configure(self, source):
        """Its commands take the repository and the folder from a file; JSON is YAML too."""
        (self.state / "config.yaml").write_text(json.dumps({
            "repositories": [{"url": str(self.repository)}],
            "sources": [{"label": "work", "path": str(source)}],
            "compression": {"algorithm": os.environ.get("VYKAR_COMPRESSION", "zstd"), "zstd_level": 3},
            "cache_dir": str(self.state / "cache"),
        }))

    def take(self, source, tag):
        done = self.must("backup")
        found = re.search(r"\b[0-9a-f]{8,64}\b", done.stdout + done.stderr)
        if not found:
            raise Failed("vykar backup named no snapshot")
        self.ids[tag] = found[0]
        return done

    def list(self):
        return self.must("list")

    def restore(self, tag, target):
        return self.must("restore", self.ids[tag], target)

    def restore_one(self, tag, path, target):
        return self.must("restore", "--pattern", path, self.ids[tag], target)

    def delete(self, tag):
        return self.must("snapshot", "delete", self.ids[tag]).then(self.must("compact"))

    def verify(self):
        return self.must("check", "--verify-data")
