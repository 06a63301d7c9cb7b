"""The article's plain loop, rewritten: a relay greenlet from a tcp SUB to an inproc PUB, and for every tab a greenlet
that receives from its own zmq.green SUB and sends with gevent-websocket. As the article has it, but for the number
of sockets allowed.
"""
import logging
import sys

import gevent
import zmq.green
from gevent.pywsgi import WSGIServer
from geventwebsocket.handler import WebSocketHandler

QUEUE = "inproc://queue"


def relay(context, feed):
    sub = context.socket(zmq.SUB)
    sub.subscribe(b"")
    sub.bind(f"tcp://127.0.0.1:{feed}")
    queue = context.socket(zmq.PUB)
    queue.bind(QUEUE)
    while True:
        queue.send(sub.recv())


def main(port, feed):
    context = zmq.green.Context()
    context.set(zmq.MAX_SOCKETS, 20_000)
    logging.disable()

    def app(environ, start_response):
        tab = environ["wsgi.websocket"]
        sub = context.socket(zmq.SUB)
        sub.subscribe(b"")
        sub.connect(QUEUE)
        while True:
            tab.send(sub.recv().decode())

    gevent.spawn(relay, context, feed)
    server = WSGIServer(("127.0.0.1", port), app, handler_class=WebSocketHandler, backlog=1024, log=None)
    server.start()
    print("ready", flush=True)
    server.serve_forever()


main(*map(int, sys.argv[1:]))
