"""The points of a run, for fanout.py: `publisher.py PORT zmq|lines RATE SECONDS` connects to the server under test and
says so, begins at a line on its standard input, ends after SECONDS or at a second line, and says then how many points/s
they really were, and how many points. Where RATE is inf, it sends as fast as it goes, and waits where there is no room.
"""
import contextlib
import math
import os
import re
import select
import socket
import sys
import time

import zmq

POINT = re.compile(rb'({"x":(\d{13}\.\d{3}),"y":1\.(\d{8})1})')      # all of it, x and the sequence number


def point(sequence):
    """All points have one length, also when decoded and encoded again: no number ends in a zero."""
    milliseconds, microseconds = divmod(time.time_ns() // 1000 | 1, 1000)
    return b'{"x":%d.%03d,"y":1.%08d1}' % (milliseconds, microseconds, sequence)


POINT_BYTES = len(point(0))


def connect(port, kind, is_patient):
    """The function that sends a point: over a ZeroMQ PUB, once the server's SUB is there, or as a line over TCP."""
    if kind == "lines":
        connection = socket.create_connection(("127.0.0.1", port), timeout=10)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return lambda point: connection.sendall(point + b"\n")
    pub: zmq.Socket = zmq.Context.instance().socket(zmq.XPUB)       # a PUB that hears its subscribers come
    pub.set(zmq.XPUB_NODROP, is_patient)                            # waits, where it would drop points
    pub.set(zmq.RCVTIMEO, 10_000)
    pub.connect(f"tcp://127.0.0.1:{port}")
    pub.recv()
    return pub.send


def main(port, kind, rate, seconds):
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -10)         # its clock must not wait for the tabs, on the same core
    rate, seconds = float(rate), float(seconds)
    is_unlimited = rate == math.inf
    send = connect(int(port), kind, is_unlimited)
    print("connected", flush=True)
    sys.stdin.readline()
    count = math.inf if is_unlimited else round(rate * seconds)
    sent, start = 0, time.monotonic()
    while sent < count:
        now = time.monotonic()
        if is_unlimited and now > start + seconds:
            break
        wait = start + sent / rate - now
        if wait > 0 and select.select([sys.stdin], [], [], wait)[0]:
            break
        send(point(sent))
        sent += 1
    else:
        time.sleep(max(0, start + seconds - time.monotonic()))
    print(sent / (time.monotonic() - start), sent, flush=True)
    sys.stdin.readline()                                # until then, what ZeroMQ still holds goes out


if __name__ == "__main__":
    main(*sys.argv[1:])
