"""The tools that are measured: Snaphold and its peers, each with encryption on and the settings that it recommends."""

from .base import Failed, Tool
from .borg import Borg
from .kopia import Kopia
from .restic import Restic
from .rustic import Rustic
from .snaphold import Snaphold
from .vykar import Vykar

ALL = {tool.name: tool for tool in (Snaphold, Restic, Rustic, Borg, Kopia, Vykar)}

__all__ = ["ALL", "Borg", "Failed", "Kopia", "Restic", "Rustic", "Snaphold", "Tool", "Vykar"]
