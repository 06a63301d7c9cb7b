"""aiohttp: its own server (not gunicorn), WebSocketResponse without compression, and send_frame of bytes that are
encoded once. Heartbeats and the access log are off; points come by zmq.asyncio.
"""
# mypy: disable-error-code="import-not-found"
import asyncio
import sys

import zmq.asyncio
from aiohttp import WSMsgType, web


async def main(port, feed):
    sub = zmq.asyncio.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    tabs = set()

    async def join(request):
        tab = web.WebSocketResponse(compress=False)
        await tab.prepare(request)
        tabs.add(tab)
        async for _ in tab:
            pass
        tabs.discard(tab)
        return tab

    runner = web.ServerRunner(web.Server(join, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    print("ready", flush=True)
    while True:
        point = await sub.recv()
        for tab in list(tabs):
            if not tab.closed:
                await tab.send_frame(point, WSMsgType.TEXT)
        await asyncio.sleep(0)          # let the loop serve the others


asyncio.run(main(*map(int, sys.argv[1:])))
