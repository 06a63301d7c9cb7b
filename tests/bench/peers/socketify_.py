"""socketify: uWebSockets (C++) in a Python process, by its own publish/subscribe, app.publish() to a topic that every
tab is subscribed to; no compression, no pings, and 64 MiB of room for a slow tab. Points come by a ZeroMQ SUB.

Its app.run() looks for I/O thousands of times in between two points, which keeps a core busy. So this loop sleeps until
there is a point, or I/O for the libuv loop that uWebSockets runs on, which is then run once: this sends, in one system
call per tab, all that has been published.
"""
# mypy: disable-error-code="import-not-found"
import ctypes
import sys

import zmq
from cffi import FFI
from socketify import App, OpCode

POINTS_IN_A_ROW = 1000                  # before the tabs get them


def main(port, feed):
    sub = zmq.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")

    app = App()
    app.ws("/*", {"open": lambda tab: tab.subscribe("points"), "compression": 0, "idle_timeout": 0,
                  "max_backpressure": 64 * 1024 * 1024})
    app.listen({"host": "127.0.0.1", "port": port}, lambda _: print("ready", flush=True))

    libuv = ctypes.CDLL("libuv.so.1")
    native_loop = ctypes.c_void_p(int(FFI().cast("uintptr_t", app.loop.get_native_loop())))
    poller = zmq.Poller()
    poller.register(sub, zmq.POLLIN)
    poller.register(libuv.uv_backend_fd(native_loop), zmq.POLLIN)
    while True:
        poller.poll(libuv.uv_backend_timeout(native_loop))      # until its next timer is due; 0 if it has to run now
        for _ in range(POINTS_IN_A_ROW):
            if not sub.poll(0):
                break
            app.publish("points", sub.recv(), OpCode.TEXT)
        app.loop.uv_loop.run_nowait()


main(*map(int, sys.argv[1:]))
