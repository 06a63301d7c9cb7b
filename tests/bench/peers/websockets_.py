"""websockets: its asyncio server and its broadcast(), which its documentation says is the way to reach many clients.
Compression, keepalive pings and logging of connections are off; points come by zmq.asyncio.
"""
import asyncio
import logging
import sys

import zmq.asyncio
from websockets.asyncio.server import broadcast, serve


async def main(port, feed):
    sub = zmq.asyncio.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    logging.disable()

    tabs = set()

    async def join(tab):
        tabs.add(tab)
        await tab.wait_closed()
        tabs.discard(tab)

    async with serve(join, "127.0.0.1", port, compression=None, ping_interval=None, backlog=1024):
        print("ready", flush=True)
        while True:
            point = await sub.recv()
            broadcast(tabs, point, text=True)
            await asyncio.sleep(0)          # let the transports write what a full socket left over


asyncio.run(main(*map(int, sys.argv[1:])))
