"""The process that serves the WebSockets when workers.py serves HTTP."""
import fanwire

hub = fanwire.Hub(environment=True)


@hub.on_connect
def arrives(handshake):
    """Who is it? A real application looks at a cookie or a token."""
    user = handshake.query.get("user")
    if not user:
        raise fanwire.Refuse(401, "say who you are")
    return user
