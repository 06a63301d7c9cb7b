"""tornado: WebSocketHandler.write_message of bytes that are encoded once, not awaited, no compression, no pings,
Nagle's algorithm off. Points come by zmq.asyncio, on the asyncio loop that tornado runs on.
"""
# mypy: disable-error-code="import-not-found"
import asyncio
import logging
import sys

import zmq.asyncio
from tornado.web import Application
from tornado.websocket import WebSocketHandler

tabs: set = set()


class Tab(WebSocketHandler):
    def open(self):
        self.set_nodelay(True)
        tabs.add(self)

    def on_close(self):
        tabs.discard(self)


async def main(port, feed):
    sub = zmq.asyncio.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    logging.disable()
    Application([("/", Tab)]).listen(port, "127.0.0.1", backlog=1024)
    print("ready", flush=True)
    while True:
        point = await sub.recv()
        for tab in list(tabs):
            tab.write_message(point)
        await asyncio.sleep(0)          # let the loop write what a full socket left over


asyncio.run(main(*map(int, sys.argv[1:])))
