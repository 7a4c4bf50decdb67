"""A Flask application with a hub in its process, in a thread of its own.

    gunicorn --threads 8 app:app

POST /notify {"user": "ann", "text": "..."} reaches ann's pages. One worker process with
many threads; for several worker processes see workers.py.
"""
import atexit

import fanwire
from flask import Flask, request

app = Flask(__name__)
hub = fanwire.Hub(environment=True)


@hub.on_connect
def arrives(handshake):
    """Who is it? A real application looks at a cookie or a token."""
    user = handshake.query.get("user")
    if not user:
        raise fanwire.Refuse(401, "say who you are")
    return user


@hub.on_message
def said(session, data):
    """Runs in the hub's thread, while views run in the server's."""
    hub.send_user(session.user, data)


@app.post("/notify")
def notify():
    note = request.get_json()
    hub.send_user(note["user"], note["text"])
    return "", 202


# Gunicorn imports this in its worker, so the hub's thread is where the views are.
hub.start()
atexit.register(hub.close)
