"""picows: its core API, ws_create_server and send_reuse_external_bytearray, which writes the frame's header in front of
the message, in the same memory for all tabs. Its default transport (aiofastnet), no pings; points come by zmq.asyncio.
"""
# mypy: disable-error-code="import-not-found"
import asyncio
import sys

import zmq.asyncio
from picows import WSListener, WSMsgType, ws_create_server

ROOM = 14                               # bytes that picows wants before the message, for the header
tabs: set = set()


class Tab(WSListener):
    def on_ws_connected(self, transport):
        tabs.add(transport)

    def on_ws_disconnected(self, transport):
        tabs.discard(transport)


async def main(port, feed):
    sub = zmq.asyncio.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    await ws_create_server(lambda request: Tab(), "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    while True:
        point = bytearray(ROOM) + await sub.recv()
        for tab in list(tabs):
            tab.send_reuse_external_bytearray(WSMsgType.TEXT, point, ROOM)
        await asyncio.sleep(0)          # let the transports write what a full socket left over


asyncio.run(main(*map(int, sys.argv[1:])))
