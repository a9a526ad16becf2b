"""rustic, with its defaults: zstd, repository version 2."""

import json

from .base import PASSWORD, Tool


class Rustic(Tool):
    name = "rustic"
    removes_more = True

    def variables(self):
        return {
            "RUSTIC_PASSWORD": PASSWORD, "RUSTIC_REPOSITORY": str(self.repository),
            "RUSTIC_NO_PROGRESS": "true", "RUSTIC_LOG_LEVEL": "warn",
        }

    def initialise(self):
        return self.must("init")

    def take(self, source, tag):
        # In the snapshot the folder stands at the root, so that paths in it are those in the folder.
        return self.must("backup", "--tag", tag, "--as-path", "/", source)

    def identify(self, tag):
        if tag not in self.ids:
            groups = json.loads(self.must("snapshots", "--json", "--filter-tags", tag).stdout)
            self.ids[tag] = _last_id(groups)
        return self.ids[tag]

    def list(self):
        return self.must("snapshots", "--all")

    def restore(self, tag, target):
        sparse = ["--sparse", "by-content"] if self.sparse else []
        return self.must("restore", *sparse, self.identify(tag), target)

    def restore_over(self, tag, target):
        return self.must("restore", "--delete", self.identify(tag), target)

    def restore_one(self, tag, path, target):
        # A file's destination is the file itself.
        return self.must("restore", f"{self.identify(tag)}:/{path}", target / path.rsplit("/", 1)[-1])

    def delete(self, tag):
        # At once, as the others do; by itself it would keep what it marked for 23 hours.
        return self.must("forget", "--prune", "--instant-delete", self.identify(tag))

    def verify(self):
        return self.must("check", "--read-data")


def _last_id(groups):
    """The id of the newest snapshot in the listing, which comes in groups, each with or without a key."""
    snapshots = []
    for group in groups:
        if isinstance(group, dict) and "snapshots" in group:
            snapshots += group["snapshots"]
        elif isinstance(group, list):
            snapshots += group[-1]
        else:
            snapshots.append(group)
    return max(snapshots, key=lambda snapshot: snapshot["time"])["id"]
