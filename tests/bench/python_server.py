"""The servers in Python that tests/bench/python_bench.py measures, each in a process of
its own. It runs them with the interpreter that has fanwire installed.

  python_server.py echo HOST PORT          on_message: session.send(data)
  python_server.py echo-async HOST PORT    the same, async def
  python_server.py rooms HOST PORT         every message goes to the room all are in
  python_server.py quiet HOST PORT         on_open and on_message, and nothing done
  python_server.py websockets HOST PORT    an echo by the package "websockets"

app.c does the same in C.
"""

import asyncio
import contextlib
import resource
import sys


def hub_on(host, port):
    import fanwire

    return fanwire.Hub(listen=f"ws://{host}:{port}/ws")


def serve_echo(host, port):
    hub = hub_on(host, port)

    @hub.on_message
    def said(session, data):
        session.send(data)

    hub.run()


def serve_echo_async(host, port):
    hub = hub_on(host, port)

    @hub.on_message
    async def said(session, data):
        session.send(data)

    hub.run()


def serve_rooms(host, port):
    hub = hub_on(host, port)

    @hub.on_open
    def opened(session):
        session.join("bench")

    @hub.on_message
    def said(session, data):
        hub.publish("bench", data)

    hub.run()


def serve_quiet(host, port):
    hub = hub_on(host, port)

    @hub.on_open
    def opened(session):
        pass

    @hub.on_message
    def said(session, data):
        pass

    hub.run()


def serve_websockets(host, port):
    """As its documentation writes an echo; compression is off at fanwire too."""
    import websockets

    async def echo(websocket):
        # The load generator takes its leave without a Close frame.
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in websocket:
                await websocket.send(message)

    async def serve():
        async with websockets.serve(echo, host, port, compression=None):
            await asyncio.Future()

    asyncio.run(serve())


ROLES = {
    "echo": serve_echo,
    "echo-async": serve_echo_async,
    "rooms": serve_rooms,
    "quiet": serve_quiet,
    "websockets": serve_websockets,
}


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ROLES:
        print(__doc__, file=sys.stderr)
        return 2
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    ROLES[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
