"""A hub without the layer above the flat module, and raw clients of it. For the tests of
fanwire.native; the fixture `rig` is imported by name where it is used."""

import time

import pytest

import fanwire
from fanwire import native as n
from support import DEADLINE, RawClient

NOBODY = "0" * 32


def make_options(**values):
    o = n.fw_options_new()
    n.fw_options_set(o, "events", "queued")
    n.fw_options_set(o, "listen", "ws://127.0.0.1:0/ws")
    for name, value in values.items():
        n.fw_options_set(o, name.replace("_", ".", 1), value)
    return o


class Rig:
    """A hub without the layer above it, and whoever is connected to it."""

    def __init__(self, *kinds, **options):
        self.hub = n.fw_hub_new(make_options(**options))
        for kind in kinds:
            n.fw_hub_on(self.hub, kind)
        self.clients = []

    def start(self):
        n.fw_hub_start(self.hub)
        self.url = n.fw_hub_listen_url(self.hub, 0)
        return self

    def connect(self, query="", *lines):
        client = RawClient(self.url + query, *lines)
        self.clients.append(client)
        return client

    def poll(self, kind):
        """Events up to the first of this kind, which is returned; others are finished."""
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            for event in n.fw_hub_poll(self.hub, 1, 100):
                if event[0] == kind:
                    return event
                n.fw_events_done(self.hub, event[3])
        pytest.fail(f"no event {n.fw_event_type_name(kind)} in time")

    def end(self):
        for client in self.clients:
            client.end()
        if self.hub is not None:
            try:
                n.fw_hub_stop(self.hub)
            except fanwire.StateError:
                pass  # it was never started


@pytest.fixture
def rig():
    made = []

    def make(*kinds, **options):
        made.append(Rig(*kinds, **options))
        return made[-1]

    yield make
    for one in made:
        one.end()
