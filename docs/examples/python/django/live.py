"""The WebSocket side of the project. Either a process of its own:

    python -m fanwire run live:hub

or, started by asgi.py, in the process that serves HTTP.
"""
import functools
import os

import django
from django.conf import settings
from django.core import signing

import fanwire

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
django.setup()  # harmless a second time

hub = fanwire.Hub(environment=True)


@hub.on_connect
def arrives(request):
    """The same key on both sides: no look-up, and any node can check it."""
    try:
        return signing.loads(request.query.get("token", ""), salt="websocket", max_age=60)
    except signing.BadSignature:
        raise fanwire.Refuse(401, "the token is missing, wrong or too old") from None


@hub.on_message
def said(session, data):
    hub.send_user(session.user, data)


@functools.lru_cache(maxsize=None)
def emitter():
    return fanwire.Emitter(settings.REDIS_URL)


def sender():
    """What views send with: the hub if it runs in this process, else an emitter."""
    return hub if hub.running else emitter()
