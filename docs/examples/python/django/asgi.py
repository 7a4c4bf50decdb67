"""HTTP and WebSockets in one process, on one loop.

    uvicorn asgi:application

Django doesn't know the `lifespan` part of ASGI, by which a server tells an application
that it starts and stops; so that part is played here.
"""
import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
pages = get_asgi_application()

from live import hub  # noqa: E402: it needs the settings


async def lifespan(receive, send):
    await receive()  # lifespan.startup
    async with hub:
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
    await send({"type": "lifespan.shutdown.complete"})


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
    else:
        await pages(scope, receive, send)
