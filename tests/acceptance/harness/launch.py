"""Runs one program and writes down what it cost: `launch.py REPORT PROGRAM [ARGUMENT…]`.

A process of its own, and a small one: the peak that the system reports for a program is at least that of the process
that started it. Its own start is not in the times.
"""

import json
import os
import sys
import time


def counted_io(pid):
    """Bytes that the process and its finished children wrote: by calls, and to a disk. None where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/io", encoding="ascii") as lines:
            fields = dict(line.split(": ") for line in lines)
        return int(fields["wchar"]), int(fields["write_bytes"])
    except (OSError, KeyError, ValueError):
        return None, None


def main(report, *command):
    began = time.monotonic()
    try:
        pid = os.posix_spawnp(command[0], command, os.environ)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    seconds = time.monotonic() - began
    # The process is gone, but not yet collected: its counters are complete, and still there.
    written, written_disk = counted_io(pid)
    _, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    with open(report, "w", encoding="ascii") as file:
        json.dump({
            "seconds": seconds, "user_seconds": usage.ru_utime, "system_seconds": usage.ru_stime,
            "peak_bytes": usage.ru_maxrss * 1024, "written_bytes": written, "disk_bytes": written_disk,
        }, file)
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
