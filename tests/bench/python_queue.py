"""What one process in Python does by itself, measured from the inside; prints JSON.
tests/bench/python_bench.py runs it with the interpreter that has fanwire installed.

  python_queue.py poll GENERATOR MESSAGES      from a full queue into lists
  python_queue.py dispatch GENERATOR MESSAGES  from a full queue to an on_message
  python_queue.py publish MESSAGES             hub.publish() to a room

GENERATOR is the program fanwire-bench. The queue is filled first: what is timed has
nothing to wait for, and the hub's own thread nothing to do.
"""

import contextlib
import json
import os
import subprocess
import sys
import time

SIZE = 64
MEMBERS = 16  # each may have 65,536 events unfinished
ROOM_FOR_ALL = {"events.per_session": "65536", "events.max_bytes": "4GiB"}
URL = "ws://127.0.0.1:0/ws"
MESSAGES_IN = "fanwire_messages_in_total"


def move_to_other_core():
    """The generator has a core of its own, where there are two: see python_bench.py."""
    others = set(range(os.cpu_count())) - os.sched_getaffinity(0)
    if others:
        os.sched_setaffinity(0, others)


@contextlib.contextmanager
def flood(generator, url, messages):
    """Its messages are all written when this is entered; they go on being sessions."""
    command = [generator, "--url", url, "--pid", str(os.getpid())]
    command += ["--members", str(MEMBERS), "--size", str(SIZE), "--flood", str(messages)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=move_to_other_core,
    )
    try:
        report = json.loads(process.stdout.readline())
        if report["sent"] != messages or report["closed"]:
            raise RuntimeError(f"the generator could not say all: {report}")
        yield
    finally:
        process.stdin.close()
        process.wait(10)


def wait_until_in(count, messages):
    deadline = time.monotonic() + 60
    while count() < messages:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {count()} messages have come")
        time.sleep(0.02)
    time.sleep(0.05)  # counted when read, queued at the end of that turn


def new_native_hub(native):
    options = native.fw_options_new()
    for name, value in {"listen": URL, "events": "queued", **ROOM_FOR_ALL}.items():
        native.fw_options_set(options, name, value)
    hub = native.fw_hub_new(options)
    native.fw_hub_on(hub, native.FW_EVENT_MESSAGE)
    native.fw_hub_start(hub)
    return hub


class Stopwatch:
    """Time that passes, and CPU of this thread: the latter is the same on a machine that
    others use too."""

    def __init__(self):
        self.wall = self.cpu = 0.0

    def start(self):
        self.wall -= time.perf_counter()
        self.cpu -= time.thread_time()

    def stop(self):
        self.cpu += time.thread_time()
        self.wall += time.perf_counter()

    def figures(self, name, count):
        return {
            f"{name}_per_s": count / self.wall,
            f"{name}_cpu_us": self.cpu / count * 1e6,
        }


def take_all(native, hub, messages):
    """Times fw_hub_poll alone, and the whole loop with fw_events_done."""
    polling, whole, taken = Stopwatch(), Stopwatch(), 0
    whole.start()
    while taken < messages:
        polling.start()
        batch = native.fw_hub_poll(hub, 1024, 0)
        polling.stop()
        taken += len(batch)
        native.fw_events_done(hub, [event for _, _, _, event in batch])
    whole.stop()
    size = len(batch[-1][2])
    if taken != messages or size != SIZE:
        raise RuntimeError(f"{taken} messages, the last of {size} bytes")
    return polling, whole


def measure_poll(generator, messages):
    from fanwire import native

    hub = new_native_hub(native)
    url = native.fw_hub_listen_url(hub, 0)
    with flood(generator, url, messages):
        wait_until_in(lambda: native.fw_stats_get(hub, MESSAGES_IN), messages)
        polling, whole = take_all(native, hub, messages)
    native.fw_hub_stop(hub)
    return {
        **polling.figures("polled", messages),
        **whole.figures("polled_and_done", messages),
    }


def measure_dispatch(generator, messages):
    """The first message's handler waits until all others are in the queue."""
    import threading

    import fanwire

    hub = fanwire.Hub(
        listen=URL, events_per_session=65536, events_max_bytes="4GiB", log_level="warn"
    )
    all_in, done = threading.Event(), threading.Event()
    seen, watch = 0, Stopwatch()

    @hub.on_message
    def said(session, data):
        nonlocal seen
        seen += 1
        if seen == 1:
            all_in.wait(60)
            watch.start()
        elif seen == messages:
            watch.stop()
            done.set()

    with hub, flood(generator, hub.urls[0], messages):
        wait_until_in(lambda: hub.stats()[MESSAGES_IN], messages)
        all_in.set()
        if not done.wait(60):
            raise RuntimeError(f"only {seen} messages were handled")
    return watch.figures("handled", messages - 1)


def measure_publish(messages):
    """To a room without members, on the core that the hub's thread is on too."""
    import fanwire

    hub = fanwire.Hub(listen=URL, inbox_max_bytes="1GiB", log_level="warn")
    data = "x" * SIZE
    with hub:
        publish, watch = hub.publish, Stopwatch()
        watch.start()
        for _ in range(messages):
            publish("bench", data)
        watch.stop()
    return watch.figures("published", messages)


def main():
    measurements = {"poll": measure_poll, "dispatch": measure_dispatch}
    arguments = sys.argv[1:]
    if len(arguments) == 3 and arguments[0] in measurements:
        result = measurements[arguments[0]](arguments[1], int(arguments[2]))
    elif len(arguments) == 2 and arguments[0] == "publish":
        result = measure_publish(int(arguments[1]))
    else:
        print(__doc__, file=sys.stderr)
        return 2
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
