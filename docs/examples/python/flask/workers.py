"""The Flask application in several worker processes: none of them has the port of the
WebSockets, so they only publish, through Redis; a process of its own serves the clients.

    FANWIRE_REDIS_URL=redis://127.0.0.1 python -m fanwire run live:hub
    FANWIRE_REDIS_URL=redis://127.0.0.1 gunicorn --workers 4 workers:app
"""
import os

import fanwire
from flask import Flask, request

app = Flask(__name__)
emitter = fanwire.Emitter(os.environ["FANWIRE_REDIS_URL"])


@app.post("/notify")
def notify():
    note = request.get_json()
    emitter.send_user(note["user"], note["text"])
    return "", 202
