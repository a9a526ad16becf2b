"""The kinds of work: what is backed up, day after day."""

from .base import Work
from .pg import Pg
from .tree import Tree

ALL = {work.name: work for work in (Pg, Tree)}

__all__ = ["ALL", "Work"]
