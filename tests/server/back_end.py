"""A back end that hooks ask, played by the test; and a client of the Centrifuge protocol
that says what it is told to say."""

import asyncio
import http.server
import json
import queue
import socket
import threading

import websockets

from fanwired import DEADLINE


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        super().setup()
        self.server.sockets.add(self.connection)

    def finish(self):
        self.server.sockets.discard(self.connection)
        super().finish()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        hook = self.path.lstrip("/")
        self.server.back_end.calls.put((hook, body, self.headers))
        answer = self.server.back_end.answers.get(hook, {"result": {}})
        if callable(answer):
            answer = answer(body)
        if not isinstance(answer, tuple):
            answer = (200, json.dumps(answer).encode(), {})
        status, data, headers = answer
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass  # who asks may have gone: that is what some tests are about


class BackEnd:
    """`answers[hook]` is an object, (status, bytes, headers), or a function of the
    question that returns one of these; `calls` has what was asked."""

    def __init__(self):
        self.answers, self.calls, self.port = {}, queue.Queue(), 0
        self.start()

    def start(self):
        """On the port that it had before, if there was one."""
        self._server = Server(("127.0.0.1", self.port), Handler)
        self._server.back_end, self._server.sockets = self, set()
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def stop(self):
        """And its connections are closed."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        for s in list(self._server.sockets):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def url(self, hook):
        return f"http://127.0.0.1:{self.port}/{hook}"

    def options(self, *hooks):
        return [part for hook in hooks
                for part in (f"--hook.{hook}.url", self.url(hook))]

    def call(self):
        """(hook, question, headers) of the next one."""
        return self.calls.get(timeout=DEADLINE)


class Held:
    """An answer that comes when the test lets it."""

    def __init__(self, answer):
        self.answer, self._let = answer, threading.Event()

    def __call__(self, question):
        self._let.wait(DEADLINE)
        return self.answer

    def release(self):
        self._let.set()


async def in_thread(call, *args):
    return await asyncio.get_running_loop().run_in_executor(None, call, *args)


class Client:
    """`pushes` has what came beside the replies."""

    come_in = []

    def __init__(self, ws):
        self.ws, self.pushes, self._replies, self._last = ws, [], {}, 0
        self.come_in.append(self)

    @classmethod
    async def come(cls, f, **headers):
        url = f.url.removesuffix("/ws") + "/connection/websocket"
        return cls(await websockets.connect(url, extra_headers=headers))

    async def send(self, method, /, **request):
        self._last += 1
        await self.ws.send(json.dumps({"id": self._last, method: request}))
        return self._last

    async def _read(self):
        text = await asyncio.wait_for(self.ws.recv(), DEADLINE)
        for line in text.split("\n"):
            said = json.loads(line)
            if "id" in said:
                self._replies[said.pop("id")] = said
            elif "push" in said:
                self.pushes.append(said["push"])
            elif not said:
                await self.ws.send("{}")

    async def reply(self, number):
        while number not in self._replies:
            await self._read()
        return self._replies.pop(number)

    async def call(self, method, /, **request):
        return await self.reply(await self.send(method, **request))

    async def push(self):
        while not self.pushes:
            await self._read()
        return self.pushes.pop(0)

    async def close_code(self):
        try:
            while True:
                await self._read()
        except websockets.ConnectionClosed:
            return self.ws.close_code


def play(scenario):
    """Runs it; and its clients hang up, whatever has become of it."""
    async def whole():
        try:
            return await scenario()
        finally:
            for client in Client.come_in:
                client.ws.transport.abort()
            Client.come_in.clear()

    return asyncio.run(whole())
