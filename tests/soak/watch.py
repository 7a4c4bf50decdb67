"""What the nodes' processes hold: memory, descriptors, threads. They are looked at when
all is calm, and have to be flat from the end of the warm-up on."""

import collections
import os
import pathlib

from fanwired import SLOW

MIB = 1024 * 1024
# A heap keeps some of what was freed, an interpreter more. What leaks grows beyond this.
RSS_SLACK = {"c": 12 * MIB, "python": 24 * MIB, "lua": 16 * MIB}
FILES_SLACK = 8  # connections of whoever is just asking, or between two places

Sample = collections.namedtuple("Sample", "rss files threads restarts")


def look(node):
    """files: without those of sessions, who are at one node or another."""
    proc = pathlib.Path(f"/proc/{node.pid()}")
    sessions = node.metric("fanwire_sessions")
    files = len(os.listdir(proc / "fd")) - int(sessions)
    rss = int((proc / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return Sample(rss, files, len(os.listdir(proc / "task")), node.restarts)


def told(node, sample):
    return (f"{node.name} {sample.rss / MIB:.1f} MiB/{sample.files} fds/"
            f"{sample.threads} threads")


def grown(name, samples):
    """What of a node's figures isn't flat, as sentences. The first third is warm-up."""
    early = samples[:max(1, len(samples) // 3)]
    late = samples[len(early):]
    if not late:
        return []
    # A sanitizer's heap says nothing about memory.
    slack = {"rss": RSS_SLACK[name] if SLOW == 1 else float("inf"),
             "files": FILES_SLACK, "threads": 0}
    found = []
    for figure, most in slack.items():
        before = max(getattr(s, figure) for s in early)
        after = max(getattr(s, figure) for s in late)
        if after > before + most:
            found.append(f"{name}: {figure} rose from {before} to {after}")
    return found
