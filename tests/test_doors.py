"""Who gets in, and what they get: addresses, paths, methods, Host, Origin, handshakes, headers."""
import re
import socket
from email import message_from_string

import pytest
from conftest import HANDSHAKE, ROOT, Server, ask

PATHS = ("/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js")
NO_HOST = object()


def fetch(server, path="/graph.js", method="GET", host: object = "localhost", headers=(), port=None):
    """Status, headers and body of the answer to one request on the page's port."""
    lines = [f"{method} {path} HTTP/1.1", *([] if host is NO_HOST else [f"Host: {host}"]), "Connection: close", *headers]
    answer = ask(port or server.http_port, "\r\n".join([*lines, "", ""]).encode("latin-1"))
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, rest = head.decode("latin-1").partition("\r\n")
    assert status.startswith("HTTP/1.1 "), answer
    return int(status.split()[1]), message_from_string(rest), body


def handshake(server, old="", new="", port=None):
    """Status and headers of the answer to a handshake in which `old` is replaced by `new`."""
    request = HANDSHAKE.format(port=server.ws_port)
    assert old in request
    with socket.create_connection(("127.0.0.1", port or server.ws_port), 10) as connection:
        connection.sendall(request.replace(old, new).encode("latin-1") if old else request.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(4096):
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, rest = head.decode("latin-1").partition("\r\n")
    return int(status.split()[1]), message_from_string(rest), body


def of_page(server, host):
    return fetch(server, host=host)[0]


def of_socket(server, host):
    return handshake(server, "Host: localhost:" + str(server.ws_port), "X: y" if host is NO_HOST else f"Host: {host}")[0]


# Addresses

def test_all_three_ports_listen_on_loopback_only(quiet):
    for port in (quiet.http_port, quiet.ws_port, int(quiet.zmq.rpartition(":")[2])):
        for address, family in (("127.0.0.2", socket.AF_INET), ("::1", socket.AF_INET6)):
            with socket.socket(family) as connection:
                assert connection.connect_ex((address, port)) != 0
        socket.create_connection(("127.0.0.1", port), 5).close()


def test_host_opens_another_address_and_not_this_one(zws):
    # conftest asks "localhost" for the port, so it is given
    with socket.create_server(("127.0.0.2", 0)) as one, socket.create_server(("127.0.0.2", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    server = start_at("127.0.0.2", ports)
    try:
        assert b" 200 " in ask(ports[0], b"GET /graph.js HTTP/1.1\r\nHost: 127.0.0.2\r\nConnection: close\r\n\r\n", "127.0.0.2")
        assert socket.socket().connect_ex(("127.0.0.1", ports[0])) != 0
    finally:
        server.stop()


def start_at(host, ports):
    return Server("--source", "none", "--host", host, "--http-port", ports[0], "--ws-port", ports[1])
