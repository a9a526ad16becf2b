"""`redis`: RDB files of one server that keeps running; each day some of its keys change."""

import contextlib
import shutil
import subprocess

from harness.environment import fresh, remove, say

from .. import settings
from .base import Work

KEYS = 1_300_000
BATCH = 20_000

# Three of four keys are strings, the others hashes. What is in them follows from key and generation alone.
WRITE = """
local function body(salt)
    local half = redis.sha1hex('a' .. salt) .. redis.sha1hex('b' .. salt) .. redis.sha1hex('c' .. salt)
    return '{"session":"' .. half .. '","state":"active","region":"eu-west-1","roles":["reader","editor"],"salt":"' .. salt .. '"}'
end
local function write(number, generation)
    local salt = number .. '-' .. generation
    if number % 4 == 0 then
        local key = 'profile:' .. number
        redis.call('HSET', key, 'name', 'user ' .. number, 'mail', 'user' .. number .. '@example.org',
            'token', redis.sha1hex(salt), 'seen', generation, 'note', body(salt))
    else
        redis.call('SET', 'session:' .. number, body(salt))
    end
end
"""
FILL = WRITE + """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do write(number, 0) end
"""
# A day: 3 % of the keys get new values, 0.5 % are deleted, 0.5 % are new.
DAY = WRITE + """
local first, last, day, all = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
for number = first, last do
    local draw = tonumber(string.sub(redis.sha1hex(day .. '-' .. number), 1, 7), 16) % 1000
    if draw < 30 then
        write(number, day)
    elseif draw < 35 then
        redis.call('DEL', 'session:' .. number, 'profile:' .. number)
        write(number + day * all, day)
    end
end
"""


class Redis(Work):
    name = "redis"
    title = "Redis 7 RDB files of one running server, 3 % of the keys changed a day"
    data_bytes, scratch_bytes = 1_400_000_000, 2_500_000_000
    one = "dump.rdb"
    packages = {"redis-server": "/usr/bin/redis-server"}

    def make(self):
        folders = [self.place / f"day{number}" for number in range(settings.DAYS)]
        if not (self.place / "done").exists():
            make(self.place, folders)
            (self.place / "done").touch()
        return folders


def make(place, folders):
    """Runs a server for as many days and keeps what it saves. Its order of keys is its own, another each time it starts."""
    home, keys = fresh(place) / "server", settings.scaled(KEYS, 1000)
    home.mkdir()
    with running(home) as ask:
        for number, folder in enumerate(folders):
            say(f"redis: day {number}")
            for first in range(1, keys + 1, BATCH):
                last = min(first + BATCH - 1, keys)
                if number == 0:
                    ask("EVAL", FILL, "0", first, last)
                else:
                    ask("EVAL", DAY, "0", first, last, number, keys)
            ask("SAVE")
            folder.mkdir()
            shutil.copy2(home / "dump.rdb", folder / "dump.rdb")
    remove(home)


@contextlib.contextmanager
def running(home):
    """A server on a socket in `home` alone, which saves when told to; gives a function that sends it a command."""
    server = subprocess.Popen([
        "redis-server", "--port", "0", "--unixsocket", home / "socket", "--dir", home, "--save", "", "--appendonly", "no",
        "--daemonize", "no", "--logfile", home / "server.log",
    ], stdin=subprocess.DEVNULL)

    def ask(*words, **options):
        command = ["redis-cli", "-e", "-s", home / "socket", *map(str, words)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)

    try:
        wait_for(server, ask)
        yield ask
        subprocess.run(["redis-cli", "-s", home / "socket", "SHUTDOWN", "NOSAVE"], check=False, stdout=subprocess.DEVNULL)
        server.wait(timeout=60)
    except BaseException:
        server.kill()
        server.wait()
        raise


def wait_for(server, ask):
    """Until the server answers, or has ended."""
    while server.poll() is None:
        try:
            ask("PING", stderr=subprocess.DEVNULL)
            return
        except subprocess.CalledProcessError:
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(timeout=0.1)
    raise RuntimeError("redis-server did not start")
