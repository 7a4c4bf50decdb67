"""Starts fanwired on free ports and ends it, for the conformance and hostile tests.

The program is named by the environment variable FANWIRED. It prints a line for each
address that it listens on; these lines are waited for, so nothing sleeps and nothing
guesses ports. Its log goes to a file: after the end stop() looks there for reports of
the sanitizers, and at the exit status.
"""

import os
import queue
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import urllib.request

from peer import PATIENCE, Target

REPORTS = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                     r"SUMMARY: \w+Sanitizer|fwi_assert|Assertion")


def program():
    """The path of fanwired, or None when the environment doesn't say."""
    path = os.environ.get("FANWIRED")
    if path and not os.access(path, os.X_OK):
        raise SystemExit("FANWIRED=%s: not a program" % path)
    return path


def make_certificate(folder):
    """A self-signed certificate for loopback: (certificate, key)."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert,
                    "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return cert, key


class Server:
    """A running fanwired: targets[0] is plain, targets[1] is TLS, http is HOST:PORT."""

    def __init__(self, options=(), tls=True):
        if program() is None:
            raise RuntimeError("the environment variable FANWIRED names no program")
        self.folder = tempfile.mkdtemp(prefix="fanwire-test-")
        self.log_path = os.path.join(self.folder, "log")
        args = [program(), "--listen", "ws://127.0.0.1:0/ws"]
        if tls:
            cert, key = make_certificate(self.folder)
            args += ["--listen", "wss://127.0.0.1:0/ws", "--tls.cert", cert,
                     "--tls.key", key]
        args += ["--http.listen", "127.0.0.1:0"] + list(options)
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(args, stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env=self.environment())
        self.targets, self.http = [], None
        try:
            self.await_addresses(2 if tls else 1)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    @staticmethod
    def environment():
        env = {k: v for k, v in os.environ.items() if not k.startswith("FANWIRE")}
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        return env

    def await_addresses(self, listeners):
        lines = queue.Queue()

        def read():
            for line in self.process.stdout:
                lines.put(line.decode("utf-8", "replace").strip())
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        deadline = time.monotonic() + PATIENCE
        while len(self.targets) < listeners or self.http is None:
            try:
                line = lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise RuntimeError("fanwired didn't print its addresses in time\n"
                                   + self.log_text()) from None
            if line is None:
                raise RuntimeError("fanwired ended with %s before it listened\n%s"
                                   % (self.process.wait(), self.log_text()))
            if line.startswith("listening ws"):
                self.targets.append(Target(line.split(None, 1)[1]))
            elif line.startswith("http "):
                self.http = line.split(None, 1)[1]
        self.targets.sort(key=lambda target: target.tls)

    @property
    def plain(self):
        return self.targets[0]

    @property
    def tls(self):
        return self.targets[1]

    def log_text(self):
        with open(self.log_path, "r", errors="replace") as f:
            return f.read()

    def metrics(self):
        """{"name" or "name{labels}": value} as /metrics has them."""
        with urllib.request.urlopen("http://%s/metrics" % self.http,
                                    timeout=PATIENCE) as answer:
            text = answer.read().decode()
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                values[name] = float(value)
        return values

    def wait_for(self, what, condition, timeout=PATIENCE):
        """Poll /metrics until condition(metrics) holds."""
        deadline = time.monotonic() + timeout
        pause = threading.Event()
        while True:
            metrics = self.metrics()
            if condition(metrics):
                return metrics
            if time.monotonic() > deadline:
                raise AssertionError("never came true: %s" % what)
            pause.wait(0.02)

    def fds(self):
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def rss(self):
        """Resident memory in bytes."""
        with open("/proc/%d/statm" % self.process.pid) as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def is_alive(self):
        return self.process.poll() is None

    def stop(self):
        """TERM, wait, judge: raises if it crashed, hung or a sanitizer complained."""
        hung = False
        if self.is_alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout=30 + PATIENCE)
        except subprocess.TimeoutExpired:
            hung = True
            self.process.kill()
            status = self.process.wait()
        self.log.close()
        text = self.log_text()
        report = REPORTS.search(text)
        if hung:
            raise AssertionError("fanwired didn't end after TERM\n" + text[-4000:])
        if report:
            raise AssertionError("a report in its log:\n"
                                 + text[max(0, report.start() - 200):][:6000])
        if status != 0:
            raise AssertionError("fanwired ended with %s\n%s" % (status, text[-4000:]))
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        if kind is None:
            self.stop()
            return
        try:
            self.stop()
        except AssertionError as e:
            print("also: %s" % e)
