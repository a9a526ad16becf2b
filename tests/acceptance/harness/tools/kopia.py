"""kopia, with zstd, which its policies leave off unless told. Written from its manual: it could not be had to be run."""

import json

from .base import PASSWORD, Tool


class Kopia(Tool):
    name = "kopia"
    removes_more = True

    def variables(self):
        return {
            "KOPIA_PASSWORD": PASSWORD, "KOPIA_CONFIG_PATH": str(self.state / "repository.config"),
            "KOPIA_CHECK_FOR_UPDATES": "false", "KOPIA_CACHE_DIRECTORY": str(self.state / "cache"),
        }

    def initialise(self):
        made = self.must("repository", "create", "filesystem", "--path", self.repository)
        return made.then(self.must("policy", "set", "--global", "--compression=zstd"))

    def take(self, source, tag):
        return self.must("snapshot", "create", "--no-progress", "--tags", f"tag:{tag}", source)

    def identify(self, tag):
        if tag not in self.ids:
            listed = json.loads(self.must("snapshot", "list", "--all", "--json", "--tags", f"tag:{tag}").stdout)
            self.ids[tag] = listed[-1]["rootEntry"]["obj"], listed[-1]["id"]
        return self.ids[tag]

    def list(self):
        return self.must("snapshot", "list", "--all")

    def restore(self, tag, target):
        sparse = ["--write-sparse-files"] if self.sparse else []
        return self.must("snapshot", "restore", "--no-progress", *sparse, self.identify(tag)[0], target)

    def restore_over(self, tag, target):
        return self.must("snapshot", "restore", "--no-progress", "--delete-extra", self.identify(tag)[0], target)

    def restore_one(self, tag, path, target):
        return self.must("snapshot", "restore", "--no-progress", f"{self.identify(tag)[0]}/{path}", target / path.rsplit("/", 1)[-1])

    def delete(self, tag):
        # Without waiting for other writers, as the others do not either.
        gone = self.must("snapshot", "delete", "--delete", self.identify(tag)[1])
        return gone.then(self.must("maintenance", "run", "--full", "--safety=none"))

    def verify(self):
        return self.must("snapshot", "verify", "--no-progress", "--verify-files-percent=100")
