"""A Starlette application with a hub in its process, on the same asyncio loop.

    uvicorn app:app

POST /notify {"user": "ann", "text": "..."} reaches ann's pages, on whichever node.
"""
import contextlib

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import fanwire

hub = fanwire.Hub(environment=True)


@hub.on_connect
def arrives(request):
    """Who is it? A real application looks at a cookie or a token."""
    user = request.query.get("user")
    if not user:
        raise fanwire.Refuse(401, "say who you are")
    return user


@hub.on_message
async def said(session, data):
    """Handlers and HTTP requests share the loop, so they can share a database pool."""
    hub.send_user(session.user, data)


async def notify(request):
    note = await request.json()
    hub.send_user(note["user"], note["text"])
    return Response(status_code=202)


async def health(request):
    return JSONResponse({"node": hub.node_name, "sessions": len(hub.sessions)})


@contextlib.asynccontextmanager
async def lifespan(app):
    async with hub:  # starts with the application, drains when it stops
        yield


app = Starlette(lifespan=lifespan, routes=[Route("/notify", notify, methods=["POST"]),
                                           Route("/health", health)])
