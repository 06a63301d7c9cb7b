"""Nothing but sending ready bytes: one thread that takes all points that wait and gives them, joined, to one
blocking send per tab. No reading, no closing, no slow tabs: what is left is the cost of the system call.
"""
import base64
import hashlib
import socket
import sys

import zmq

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def join(tab):
    """The handshake (RFC 6455 §4.2)."""
    request = b""
    while not request.endswith(b"\r\n\r\n"):
        request += tab.recv(4096)
    key = request.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
    accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
    tab.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tab.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")


def main(port, feed):
    sub = zmq.Context().socket(zmq.SUB)
    sub.set(zmq.RCVHWM, 10_000)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    listener = socket.create_server(("127.0.0.1", port), backlog=1024)
    poller = zmq.Poller()
    poller.register(sub, zmq.POLLIN)
    poller.register(listener, zmq.POLLIN)
    tabs = []
    print("ready", flush=True)
    while True:
        ready = dict(poller.poll())
        if listener.fileno() in ready:
            tabs.append(listener.accept()[0])
            join(tabs[-1])
        frames = []
        while sub.poll(0):
            point = sub.recv()
            frames.append(bytes((0x81, len(point))) + point)
        data = b"".join(frames)
        if data:
            for tab in tabs:
                tab.send(data)


main(*map(int, sys.argv[1:]))
