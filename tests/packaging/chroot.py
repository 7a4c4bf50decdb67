"""Bare Debians in folders, and what is done in them. Each command has mounts, processes
and the end of them for itself, so nothing is left mounted or running. It needs root,
debootstrap and a mirror; loopback is the machine's.
"""

import os
import re
import shutil
import subprocess

MIRROR = "http://deb.debian.org/debian"


def why_not():
    """Why there can be none here; "" if there can."""
    if os.geteuid() != 0:
        return "it needs root"
    return "" if shutil.which("debootstrap") else "debootstrap isn't installed"


def environment():
    """Nothing of the caller's but the way out."""
    env = {k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}
    env.update(PATH="/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL="C.UTF-8", HOME="/root",
               DEBIAN_FRONTEND="noninteractive", CI="1")
    return env


def call(*command, cwd=None, timeout=3600):
    print("+ " + " ".join(command)[:150], flush=True)
    done = subprocess.run(command, cwd=cwd, env=environment(), text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=timeout)
    if done.returncode != 0:
        raise SystemExit("%s\n%s\nfailed with %d"
                         % (" ".join(command), done.stdout[-6000:], done.returncode))
    return done.stdout


def inside(root, *command):
    return call("unshare", "--mount", "--pid", "--fork", "--kill-child",
                "--mount-proc=%s/proc" % root, "chroot", root, *command)


def shell(root, line):
    return inside(root, "sh", "-ec", line)


def write(root, name, text):
    with open(os.path.join(root, name), "w", encoding="utf-8") as out:
        out.write(text)


def mirror():
    """This machine's own, where it is a Debian; it may be nearer."""
    with open("/etc/os-release", encoding="utf-8") as file:
        if not re.search(r"^ID=debian$", file.read(), re.M):
            return MIRROR
    said = call("apt-get", "indextargets", "--format", "$(REPO_URI)",
                "Identifier: Packages")
    found = [uri for uri in said.split() if re.fullmatch(r"https?://.*/debian/?", uri)]
    return found[0] if found else MIRROR


def make(root, release):
    call("debootstrap", "--variant=minbase", release, root, mirror())
    shutil.copy("/etc/hosts", os.path.join(root, "etc"))
    # No service starts in there.
    write(root, "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")
    os.chmod(os.path.join(root, "usr/sbin/policy-rc.d"), 0o755)
    inside(root, "apt-get", "update")


def install(root, *packages):
    inside(root, "apt-get", "install", "-y", "--no-install-recommends", *packages)
