"""The kinds of work: what is backed up, day after day."""

from .base import Work
from .innodb import InnoDb
from .many import Many
from .noise import Noise
from .pg import Pg
from .pgdump import PgDump
from .redis import Redis
from .tree import Tree
from .vm import Vm

ALL = {work.name: work for work in (Pg, PgDump, Tree, InnoDb, Redis, Vm, Noise, Many)}

__all__ = ["ALL", "Work"]
