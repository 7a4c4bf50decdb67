"""A network of the soak's own, in which packets get lost.

Loss would meet everybody on this machine, so it is only had in a network namespace, which
root may make, and others where the kernel lets them. tc's netem is asked first; where a
kernel is built without it, nftables drops as many packets. If neither can be had the soak
runs without, and says why.
"""

import os
import shutil
import subprocess
import sys

MARK = "FW_SOAK_NETWORK"  # set in the environment of who is inside
RULES = """
table inet soak {{
  chain in {{
    type filter hook input priority 0; iif lo numgen random mod 1000 < {} drop;
  }}
}}
"""
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"


def attempt(command, text=None):
    """None if it went well, else why it didn't."""
    if shutil.which(command[0]) is None:
        return f"there is no {command[0]}"
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    lines = (done.stderr + done.stdout).strip().splitlines() or ["no reason given"]
    return None if done.returncode == 0 else f"{command[0]}: {lines[0]}"


def is_own():
    return MARK in os.environ


def move_in():
    """Runs this program anew in a network of its own, and doesn't return; or returns why
    that can't be had."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    command = ["unshare", "--net", *user]
    why = attempt([*command, "true"])
    if why is None:
        os.environ[MARK] = "own"
        os.execvp(command[0], [*command, sys.executable, *sys.argv])
    return why


def begin():
    """The first thing inside."""
    return attempt(["ip", "link", "set", "lo", "up"])


def reserve(ports):
    """Nobody is given these by chance while the server that has them is dead."""
    try:
        with open(RESERVED, "w", encoding="ascii") as f:
            f.write(",".join(map(str, ports)))
    except OSError:
        pass  # then a restart may fail once in a long while, and says so


def lose(percent):
    """From now on. What there is to say about it."""
    if percent == 0:
        return "packet loss: none asked for"
    why = [attempt(["tc", "qdisc", "add", "dev", "lo", "root", "netem", "loss",
                    f"{percent}%"])]
    if why[0] is None:
        return f"packet loss: {percent} %, by tc netem"
    why.append(attempt(["nft", "-f", "-"], RULES.format(round(10 * percent))))
    if why[1] is None:
        return f"packet loss: {percent} %, by nft ({why[0]})"
    return "packet loss: NONE, not permitted here: " + "; ".join(why)
