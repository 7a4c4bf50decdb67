#!/usr/bin/python3
"""Runs a command as near as possible to how systemd would run it by a unit, without one:

  sandbox.py UNIT FOLDER BUILD_DIR COMMAND...

FOLDER becomes /run/fanwire, the only place that can be written to; the library and the
programs of BUILD_DIR are seen below /run/build. What is done is what the unit says, by
the same means of the kernel: namespaces for mounts, IPC and the host name, a file system
that is read-only, private /tmp and /dev, hidden homes, /proc with nothing but one's own
processes, a user without capabilities, and a seccomp filter with systemd's own list of
system calls. A setting that isn't known here is an error, so that nothing is believed
that isn't done.

What isn't done: cgroups (DevicePolicy), a user namespace (PrivateUsers), the kernel
keyring. Needs root, Linux 5.12, x86-64, and systemd-analyze for the names of its sets.
"""

import ctypes
import errno
import os
import re
import struct
import subprocess
import sys

libc = ctypes.CDLL(None, use_errno=True)
USER = 64321  # of those that DynamicUser takes

CLONE = {"mount": 0x20000, "uts": 0x04000000, "ipc": 0x08000000}
ANY_NAMESPACE = 0x7E020080  # CLONE_NEW*: cgroup, uts, ipc, user, pid, net, mount, time
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
MOUNT_SETATTR, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, 0x8000, 1
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")


def check(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise SystemExit("sandbox: %s: %s" % (what, os.strerror(number)))


# ---- the unit --------------------------------------------------------------------------

ON = ("NoNewPrivileges ProtectHome ProtectClock ProtectControlGroups ProtectHostname "
      "ProtectKernelLogs ProtectKernelModules ProtectKernelTunables PrivateDevices "
      "PrivateMounts PrivateTmp PrivateUsers LockPersonality MemoryDenyWriteExecute "
      "RestrictNamespaces RestrictRealtime RestrictSUIDSGID DynamicUser "
      "RuntimeDirectoryPreserve").split()
IS = {"CapabilityBoundingSet": "", "AmbientCapabilities": "", "KeyringMode": "private",
      "ProtectSystem": "strict", "ProtectProc": "invisible", "ProcSubset": "pid",
      "DevicePolicy": "closed", "UMask": "0077", "SystemCallArchitectures": "native",
      "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX"}
# How it is started and ended, and where its files are: not a restriction.
OTHER = ("Type NotifyAccess ExecStartPre ExecStart ExecReload EnvironmentFile KillSignal "
         "KillMode TimeoutStopSec Restart RestartPreventExitStatus RestartSec "
         "LimitNOFILE RuntimeDirectory LogsDirectory ConfigurationDirectory User").split()


def system_call_filters(path):
    """The lines SystemCallFilter=, after every other setting has been found to be one
    that is done here."""
    with open(path, encoding="utf-8") as file:
        section = file.read().split("[Service]")[1].split("\n[")[0]
    filters, missing = [], set(ON) - {"RuntimeDirectoryPreserve"} | set(IS)
    for name, value in re.findall(r"^(\w+)=(.*)$", section, re.M):
        missing.discard(name)
        if name == "SystemCallFilter":
            filters.append(value)
        elif not (name in OTHER or IS.get(name) == value
                  or name in ON and value == "yes"):
            raise SystemExit("sandbox: %s=%s: not known here" % (name, value))
    if missing:
        raise SystemExit("sandbox: the unit lacks %s" % ", ".join(sorted(missing)))
    return filters


def numbers():
    """name -> number of the system calls of this machine."""
    header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
    with open(header, encoding="ascii") as file:
        return {name: int(number) for name, number
                in re.findall(r"#define __NR_(\w+) (\d+)", file.read())}


def sets():
    """name -> what stands in that set of systemd's, other sets among it."""
    said = subprocess.run(["systemd-analyze", "--no-pager", "syscall-filter"], check=True,
                          capture_output=True, text=True).stdout
    found, members = {}, []
    for line in said.splitlines():
        if line.startswith("@"):
            members = found[line.strip()] = []
        elif line.startswith("    ") and not line.strip().startswith("#"):
            members.append(line.strip())
    return found


def members_of(name, known):
    if not name.startswith("@"):
        return {name}
    return {one for member in known[name] for one in members_of(member, known)}


def allowed_calls(filters):
    known, allowed = sets(), set()
    for line in filters:
        named = {one for word in line.lstrip("~").split()
                 for one in members_of(word, known)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed | members_of("@default", known)  # systemd always lets these through


# ---- the filter ------------------------------------------------------------------------

LOAD, EQUAL, SET, ABOVE, RETURN, AND = 0x20, 0x15, 0x45, 0x25, 0x06, 0x54
KILL, ALLOW, FAIL = 0x80000000, 0x7FFF0000, 0x00050000
NUMBER, ARCH, X86_64, X32 = 0, 4, 0xC000003E, 0x40000000


def argument(n):
    """Where the low half of an argument is."""
    return 16 + 8 * n


def step(code, k, yes=0, no=0):
    return struct.pack("=HBBI", code, yes, no, k)


def fails(number, conditions, how):
    """If the call is this one and all conditions hold, it fails so. Each condition is an
    instruction that goes on when it holds, behind the argument it is about."""
    body = [step(LOAD, argument(n)) + part for n, part in conditions]
    body = b"".join(body) + step(RETURN, FAIL | how)
    length = len(body) // 8
    # A condition that doesn't hold jumps behind the body, counted from where it stands.
    fixed, steps = b"", [body[i:i + 8] for i in range(0, len(body), 8)]
    for at, one in enumerate(steps):
        code, yes, no, k = struct.unpack("=HBBI", one)
        if code in (EQUAL, SET):
            left = length - at - 1
            yes, no = (yes, left) if not no else (left, 0)
        fixed += struct.pack("=HBBI", code, yes, no, k)
    return step(EQUAL, number, 0, length + 1) + fixed + step(LOAD, NUMBER)


def holds(code, k):
    return step(code, k, 0, 0)


def holds_not(code, k):
    return step(code, k, 0, 1)


def families(nr):
    conditions = [(0, holds_not(EQUAL, family)) for family in (1, 2, 10)]
    return [fails(nr[name], conditions, errno.EAFNOSUPPORT)
            for name in ("socket", "socketpair")]


def memory(nr):
    writable, executable = holds(SET, 2), holds(SET, 4)
    return [fails(nr["mmap"], [(2, writable), (2, executable)], errno.EPERM),
            fails(nr["mprotect"], [(2, executable)], errno.EPERM),
            fails(nr["pkey_mprotect"], [(2, executable)], errno.EPERM),
            fails(nr["shmat"], [(2, holds(SET, 0o100000))], errno.EPERM)]


def others(nr):
    return [fails(nr["clone"], [(0, holds(SET, ANY_NAMESPACE))], errno.EPERM),
            fails(nr["clone3"], [], errno.ENOSYS),  # its flags can't be looked at
            fails(nr["unshare"], [(0, holds(SET, ANY_NAMESPACE))], errno.EPERM),
            fails(nr["setns"], [], errno.EPERM),
            fails(nr["personality"], [(0, holds_not(EQUAL, 0))], errno.EPERM),
            fails(nr["chmod"], [(1, holds(SET, 0o6000))], errno.EPERM),
            fails(nr["fchmod"], [(1, holds(SET, 0o6000))], errno.EPERM),
            fails(nr["fchmodat"], [(2, holds(SET, 0o6000))], errno.EPERM)]


def make_filter(allowed, nr):
    program = [step(LOAD, ARCH), step(EQUAL, X86_64, 1, 0), step(RETURN, KILL),
               step(LOAD, NUMBER), step(ABOVE, X32 - 1, 0, 1), step(RETURN, KILL)]
    program += families(nr) + memory(nr) + others(nr)
    for name in sorted(allowed & set(nr)):
        program.append(step(EQUAL, nr[name], 0, 1) + step(RETURN, ALLOW))
    return b"".join(program) + step(RETURN, KILL)


def install_filter(program):
    buffer = ctypes.create_string_buffer(program, len(program))

    class Program(ctypes.Structure):
        _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]

    it = Program(len(program) // 8, ctypes.addressof(buffer))
    check(libc.prctl(22, 2, ctypes.byref(it), 0, 0), "seccomp")


# ---- the file system -------------------------------------------------------------------

def mount(source, target, kind=None, flags=0, data=None):
    words = [w.encode() if w is not None else None for w in (source, target, kind, data)]
    check(libc.mount(words[0], words[1], words[2], flags, words[3]), "mount " + target)


def make_read_only(path, recursive=True, read_only=True):
    bit = struct.pack("=QQQQ", MOUNT_ATTR_RDONLY if read_only else 0,
                      0 if read_only else MOUNT_ATTR_RDONLY, 0, 0)
    check(libc.syscall(MOUNT_SETATTR, -100, path.encode(),
                       AT_RECURSIVE if recursive else 0, bit, len(bit)),
          "mount_setattr " + path)


def make_devices():
    mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=0755")
    for name in DEVICES:
        open("/mnt/" + name, "w").close()
        mount("/dev/" + name, "/mnt/" + name, None, MS_BIND)
    mount("/mnt", "/dev", None, MS_BIND | MS_REC)


def make_root(folder, build):
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    make_devices()
    mount("tmpfs", "/mnt", "tmpfs", MS_NOSUID, "mode=0755")
    for name, source in (("fanwire", folder), ("build", build)):
        os.mkdir("/mnt/" + name)
        mount(source, "/mnt/" + name, None, MS_BIND)
    mount("/mnt", "/run", None, MS_BIND | MS_REC)
    for hidden in ("/home", "/root", "/mnt"):
        mount("tmpfs", hidden, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0000")
    for private in ("/tmp", "/var/tmp"):
        mount("tmpfs", private, "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777")
    mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC,
          "hidepid=invisible,subset=pid")
    make_read_only("/")
    for writable in ("/tmp", "/var/tmp", "/run/fanwire"):
        make_read_only(writable, recursive=False, read_only=False)


def become_nobody():
    last = 0
    while libc.prctl(23, last, 0, 0, 0) >= 0:  # the kernel knows this capability
        check(libc.prctl(24, last, 0, 0, 0), "prctl")
        last += 1
    check(libc.prctl(47, 4, 0, 0, 0), "ambient capabilities")
    os.setgroups([])
    os.setresgid(USER, USER, USER)
    os.setresuid(USER, USER, USER)
    os.umask(0o077)
    check(libc.prctl(38, 1, 0, 0, 0), "no_new_privs")


def main():
    if len(sys.argv) < 5:
        raise SystemExit(__doc__)
    unit, folder, build, *command = sys.argv[1:]
    program = make_filter(allowed_calls(system_call_filters(unit)), numbers())
    os.chown(folder, USER, USER)
    check(libc.unshare(CLONE["mount"] | CLONE["uts"] | CLONE["ipc"]), "unshare")
    make_root(folder, build)
    os.chdir("/run/fanwire")
    become_nobody()
    install_filter(program)
    os.execv(command[0], command)


if __name__ == "__main__":
    main()
