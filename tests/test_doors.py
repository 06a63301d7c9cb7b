"""Who gets in, and what they get: addresses, paths, methods, Host, Origin, handshakes, headers."""
import email
import re
import socket
import subprocess
import sys
import urllib.parse

import pytest
from conftest import HANDSHAKE, ROOT, ask, wait_until

PATHS = ("/graph.html", "/graph.js", "/flot/jquery.min.js", "/flot/jquery.flot.min.js")
NONE = "no such header"


def parse(answer):
    """Status, headers and body of an HTTP answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    status, _, headers = head.decode("latin-1").partition("\r\n")
    assert re.match(r"HTTP/1\.1 \d+ ", status), answer
    return int(status.split()[1]), email.message_from_string(headers), body


def fetch(server, path="/graph.js", method="GET", host="localhost", headers=(), address="127.0.0.1"):
    lines = [f"{method} {path} HTTP/1.1", *([] if host is NONE else [f"Host: {host}"]), "Connection: close", *headers]
    return parse(ask(server.http_port, "\r\n".join([*lines, "", ""]).encode("latin-1"), address))


def fetch_page(server, **options):
    return fetch(server, f"/graph.html?ws={server.ws_port}", **options)


def shake(server, old="", new="", address="127.0.0.1"):
    """The answer to a handshake in which `old` is replaced by `new`. We end what we send, and so the connection."""
    request = HANDSHAKE.format(port=server.ws_port)
    assert old in request
    with socket.create_connection((address, server.ws_port), 10) as connection:
        connection.sendall(request.replace(old, new, 1).encode("latin-1"))
        connection.shutdown(socket.SHUT_WR)
        return parse(connection.makefile("rb").read())


def statuses_for(server, host, address="127.0.0.1"):
    """What the page and the WebSocket answer to a Host header."""
    header = "X: y\r\n" if host is NONE else f"Host: {host}\r\n"
    return (fetch(server, host=host, address=address)[0],
            shake(server, f"Host: localhost:{server.ws_port}\r\n", header, address)[0])


# Addresses

def test_all_three_ports_listen_on_loopback_only(quiet):
    for port in (quiet.http_port, quiet.ws_port, int(quiet.zmq.rpartition(":")[2])):
        socket.create_connection(("127.0.0.1", port), 5).close()
        for family, address in ((socket.AF_INET, "127.0.0.2"), (socket.AF_INET6, "::1")):
            with socket.socket(family) as connection:
                assert connection.connect_ex((address, port)) != 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "0.0.0.0", "::1", "::", "localhost"])
def test_wherever_it_listens_the_address_that_it_names_is_the_one_to_open(zws, host):
    server = zws("--source", "none", "--host", host)    # which fetches that address
    assert server.ws_port


# Paths

@pytest.mark.parametrize("path", PATHS)
def test_the_graph_and_its_scripts_are_served(quiet, path):
    status, headers, body = fetch(quiet, path + f"?ws={quiet.ws_port}")
    assert (status, body) == (200, (ROOT / path[1:]).read_bytes())
    assert headers["Content-Type"].split(";")[0] in ("text/html", "text/javascript", "application/javascript")


def test_the_root_leads_to_the_graph_and_the_graph_to_its_websocket_port(quiet):
    for path in ("/", "/graph.html", "/graph.html?ws=1", "/graph.html?ws=", "/graph.html?ws=x&ws=y",
                 f"/graph.html?ws=1&ws={quiet.ws_port}"):
        status, headers, _ = fetch(quiet, path, host=f"localhost:{quiet.http_port}")
        assert (status, headers["Location"]) == (302, f"/graph.html?ws={quiet.ws_port}")
    assert fetch_page(quiet)[0] == 200


VIEW = "points=500&span=60&y=-1,1&apart=&steps=&log=1&stats=&hide=a&hide=room%2Fhum"


def test_the_redirect_keeps_the_view_and_nothing_else(quiet):
    for query in (VIEW, f"evil=1&{VIEW}&logs=2#x", VIEW.replace("apart=", "apart")):
        status, headers, _ = fetch(quiet, f"/graph.html?{query}")
        assert (status, headers["Location"]) == (302, f"/graph.html?ws={quiet.ws_port}&{VIEW}")


@pytest.mark.parametrize(("value", "meant"), [
    ("a%2C+%26%C3%BC", "a, &ü"), ("%0d%0aX-Evil:%20yes", "\r\nX-Evil: yes"), ("", ""), ("\xff", "ÿ"), ("%", "%"),
    ("%zz", "%zz"), ("a<b", "a<b"), ('"', '"'), ("\x7f", "\x7f"), ("%00", "\0"), ("%ff", "\ufffd")])
def test_the_redirect_keeps_what_a_value_means_in_a_form_that_is_safe(quiet, value, meant):
    status, headers, _ = fetch(quiet, f"/graph.html?hide={value}")
    address, _, query = headers["Location"].partition("?")
    assert (status, address) == (302, "/graph.html") and "X-Evil" not in headers
    assert query.isascii() and query.isprintable() and not re.search('[<>"]', query)
    assert urllib.parse.parse_qsl(query, keep_blank_values=True) == [("ws", str(quiet.ws_port)), ("hide", meant)]


@pytest.mark.parametrize("path", [
    "/zws.py", "/README.md", "/requirements.txt", "/.git/config", "/.gitignore", "/tests/run", "/favicon.ico", "/flot",
    "/flot/", "/flot/package.json", "/flot/copy.js", "/graph.html/", "/graph.html/x", "/graph.js.map", "/GRAPH.HTML",
    "/../../etc/passwd", "/flot/../zws.py", "/%2e%2e/%2e%2e/etc/passwd", "/flot/%2e%2e/zws.py", "/flot%2f..%2fzws.py",
    "/%252e%252e/etc/passwd", "/./graph.html", "//graph.html", "//etc/passwd", "/etc/passwd", "/\\..\\zws.py",
    "/graph.html%00", "/zws.py%00.js", "/graph.js\0", "/graph.html;x", "/\xff", "/%ff%fe", "/%", "*", "graph.html",
    "http://localhost/zws.py", "http://evil.example/../zws.py", "file:///etc/passwd", "/" + "a" * 8000,
    "/" + "../" * 2000])
def test_all_else_is_404_and_names_no_path(quiet, path):
    status, headers, body = fetch(quiet, path)
    assert (status, body) == (404, b"No such page here.\n")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"


def test_a_path_without_end_is_refused(quiet):
    assert fetch(quiet, "/" + "a" * 100_000)[0] == 414


def test_a_page_whose_file_is_gone_is_404_without_its_path(zws, tmp_path):
    for name in ("zws.py", *PATHS):
        path = tmp_path / name.lstrip("/")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((ROOT / name.lstrip("/")).read_bytes())
    server = zws("--source", "none", program=(str(tmp_path / "zws.py"),))
    (tmp_path / "graph.js").unlink()
    assert fetch(server)[::2] == (404, b"No such page here.\n")


# Methods

@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "get", "x" * 100])
@pytest.mark.parametrize("path", ["/graph.js", "/", "/nothing"])
def test_other_methods_than_get_and_head_are_405(quiet, method, path):
    status, headers, _ = fetch(quiet, path, method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


def test_a_body_is_neither_read_nor_taken_for_the_next_request(quiet):
    smuggled = "GET /graph.js HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for headers in ((f"Content-Length: {len(smuggled)}",), ("Transfer-Encoding: chunked",)):
        request = "\r\n".join(["POST / HTTP/1.1", "Host: localhost", *headers, "", smuggled])
        answer = ask(quiet.http_port, request.encode())
        assert answer.count(b"HTTP/1.1 ") == 1 and answer.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", [*PATHS, "/", "/nothing"])
def test_head_is_get_without_the_body(quiet, path):
    _, expected, body = fetch(quiet, path + f"?ws={quiet.ws_port}")
    _, headers, nothing = fetch(quiet, path + f"?ws={quiet.ws_port}", "HEAD")
    assert nothing == b"" and int(headers["Content-Length"]) == len(body)
    del expected["Date"], headers["Date"]
    assert headers.items() == expected.items()
    assert fetch(quiet, path, "HEAD", host="evil.example")[::2] == (403, b"")


@pytest.mark.parametrize("request_line", [
    "GET / HTTP/1", "GET / HTTP/x.y", "GET / HTTP/2.0", "PRI * HTTP/2.0", "GET / FTP/1.1", "GET",
    "POST /", "GET / / HTTP/1.1", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "\0\0\0\0", "\xff\0" * 32, "%s%s%n", ""])
def test_what_is_no_http_is_400_at_most_and_no_news(quiet, request_line):
    for port in (quiet.http_port, quiet.ws_port):
        answer = ask(port, f"{request_line}\r\nHost: localhost\r\n\r\n".encode("latin-1"))
        assert not answer or parse(answer)[0] == 400


@pytest.mark.parametrize("headers", [
    "A: b\r\n" * 101, "A: " + "b" * 70_000, ("A: " + "b" * 6_000 + "\r\n") * 90, "Content-Length: -1",
    "Content-Length: x", "Content-Length: 1,1", "Content-Length: " + "9" * 5000], ids=lambda headers: headers[:20])
def test_headers_that_are_too_much_or_wrong_are_400_at_most(quiet, headers):
    for port in (quiet.http_port, quiet.ws_port):
        request = HANDSHAKE.format(port=quiet.ws_port).replace("Upgrade: ", f"{headers}\r\nUpgrade: ", 1)
        answer = ask(port, request.encode())
        assert not answer or parse(answer)[0] == 400    # none where the reset of a full connection overtakes it


@pytest.mark.parametrize("header", ["no colon", ": no name", "a b: c", "\xff: x", "A:", "A\0: b", "A: b\r\n folded",
                                    " folded", "A B: c", "Content-Length : 1",
                                    "HOST_: x", "Transfer-Encoding: chunked, gzip", "Expect: 100-continue",
                                    "Cookie: a=b; c", "Accept-Encoding: *", "Referer: \xff", "Authorization: Basic x"])
def test_odd_headers_are_never_a_500(quiet, header):
    assert fetch(quiet, headers=[header])[0] in (200, 400, 403)
    assert shake(quiet, "Upgrade: ", f"{header}\r\nUpgrade: ")[0] in (101, 400, 403, 426)


@pytest.mark.parametrize("header", ["If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Match", "If-Range",
                                    "Range", "Cache-Control", "Pragma"])
def test_conditions_and_ranges_are_never_a_500(quiet, header):
    modified = (ROOT / "graph.js").stat().st_mtime
    whole = (ROOT / "graph.js").read_bytes()
    for value in ("", "*", "x", '"x"', 'W/"x"', "\xff", "x" * 1000, str(int(modified)), str(modified),
                  f"{modified}-{len(whole)}", "0", "-1", "9" * 30, "Thu, 01 Jan 1970 00:00:00 GMT",
                  "Fri, 31 Dec 9999 23:59:59 GMT", "Foo, 99 Bar 2020", "bytes=0-", "bytes=0-0", "bytes=-1", "bytes=5-2",
                  "bytes=9999999-", "bytes=0-0,2-3", "bytes=x", "bytes", "bytes=--", "lines=1-2", "max-age=0",
                  "max-age=x", "no-cache"):
        status, _, body = fetch(quiet, headers=[f"{header}: {value}"])
        assert (status, body) == (200, whole), value


# Host: who comes by another name was sent by somebody else's name server

GOOD_HOSTS = ["localhost", "localhost:8000", "localhost:1", "LocalHost", "127.0.0.1", "127.0.0.1:8000", "[::1]",
              "[::1]:8000"]
BAD_HOSTS = [NONE, "", ":8000", "evil.example", "evil.example:8000", "localhost.evil.example", "evil.localhost", "none",
             "127.1", "127.0.0.2", "10.1.2.3", "0.0.0.0", "[::]", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "::1",
             "[::1", "[::1]x", "[localhost]", "localhost evil.example", "localhost,evil.example",
             "evil.example@localhost", "localhost@evil.example", "localhost/", "localhost#", "localhost?",
             "localhost:x", "localhost:" + "9" * 5000 + "x", "local\thost", "\xff", "*", "a" * 1000, "http://localhost",
             "localhost\r\nHost: evil.example", "evil.example\r\nHost: localhost",
             "evil.example\r\nX-Forwarded-Host: localhost"]


@pytest.mark.parametrize("host", GOOD_HOSTS)
def test_both_ports_answer_to_the_names_of_loopback(quiet, host):
    assert statuses_for(quiet, host) == (200, 101)


@pytest.mark.parametrize("host", BAD_HOSTS)
def test_both_ports_refuse_every_other_name(quiet, host):
    assert statuses_for(quiet, host) == (403, 403)


def test_a_refused_name_gets_no_page_redirect_or_upgrade(quiet):
    for path in ("/", "/graph.html", "/nothing"):
        status, headers, body = fetch(quiet, path, host="evil.example")
        assert (status, headers["Location"], b"evil" in body) == (403, None, False)


def test_allowed_hosts_and_no_others_are_names_too(zws):
    server = zws("--source", "none", "--allow-host", "Graph.example", "--allow-host", "192.0.2.7")
    for host in ("graph.example", "GRAPH.EXAMPLE:8000", "192.0.2.7:80", "localhost"):
        assert statuses_for(server, host) == (200, 101)
    for host in ("www.graph.example", "graph.example.", "graph.example.evil.example", "example", "192.0.2.8", NONE):
        assert statuses_for(server, host) == (403, 403)


def test_the_address_that_it_listens_on_is_a_name_too(zws):
    server = zws("--source", "none", "--host", "127.0.0.2")
    for host, status in (("127.0.0.2", 200), ("127.0.0.2:8000", 200), ("127.0.0.3", 403), ("10.1.2.3", 403),
                         ("evil.example", 403)):
        assert statuses_for(server, host, "127.0.0.2") == (status, 101 if status == 200 else status)


def test_beyond_loopback_all_addresses_are_names_and_no_other_word_is(zws):
    server = zws("--source", "none", "--host", "0.0.0.0")
    for host in ("10.1.2.3", "10.1.2.3:8000", "[2001:db8::1]:8000", "127.0.0.1", "localhost"):
        assert statuses_for(server, host) == (200, 101)
    for host in ("evil.example", "10.1.2.3.evil.example", "10.1.2", "10.1.2.3@evil.example", "[2001:db8::1", NONE, "",
                 "[::1%;script-src *]", "[::1%25x]"):
        assert statuses_for(server, host) == (403, 403)


# Origin: pages of others may not read the points

@pytest.mark.parametrize("origin", [None, "http://localhost:{http}", "http://127.0.0.1:{http}", "http://[::1]:{http}"])
def test_the_page_and_those_who_are_no_browser_may_connect(quiet, origin):
    line = f"Origin: {origin}\r\n".format(http=quiet.http_port) if origin else ""
    assert shake(quiet, "Upgrade: ", f"{line}Upgrade: ")[0] == 101


@pytest.mark.parametrize("origin", [
    "http://evil.example", "http://evil.example:{http}", "http://localhost", "http://localhost:{ws}",
    "https://localhost", "http://localhost:{http}.evil.example", "http://localhost.evil.example:{http}",
    "http://localhost:{http}@evil.example", "http://evil.example@localhost:{http}",
    "http://evil.example/localhost:{http}", "http://localhost:x", "http://localhost:99999", "http://10.1.2.3:{http}",
    "app://localhost:{http}", "http://[::1", "localhost:{http}", "//localhost:{http}", "null", "", "file://",
    "http://localhost:" + "9" * 5000, "javascript:0", "*", "\xff",
    "http://localhost:{http}\r\nOrigin: http://evil.example", "http://localhost:{http} x"])
def test_pages_of_others_are_refused_before_the_upgrade(quiet, origin):
    line = f"Origin: {origin}\r\n".format(http=quiet.http_port, ws=quiet.ws_port)
    status, headers, body = shake(quiet, "Upgrade: ", f"{line}Upgrade: ")
    assert status == 403
    assert "Sec-WebSocket-Accept" not in headers and b"evil" not in body


def test_beyond_loopback_a_page_of_another_address_is_of_another_origin(zws):
    server = zws("--source", "none", "--host", "0.0.0.0")
    for host in ("10.1.2.3", "[2001:db8::1]"):
        for origin, status in ((host, 101), ("localhost", 101), ("10.1.2.4", 403), ("10.1.2.30", 403),
                               (f"{host}.evil.example", 403), ("evil.example", 403)):
            request = f"Host: {host}:{server.ws_port}\r\nOrigin: http://{origin}:{server.http_port}\r\n"
            assert shake(server, f"Host: localhost:{server.ws_port}\r\n", request)[0] == status, (host, origin)


@pytest.mark.parametrize("name", ["localhost:18310", "[::1]:18310", "graph.example:443"])
def test_a_page_through_another_port_is_refused_with_the_remedy_which_works(zws, name):
    scheme = "https" if name.endswith(":443") else "http"
    origin = f"{scheme}://{name}".removesuffix(":443")
    host = name.rpartition(":")[0]
    line = f"Host: localhost\r\nOrigin: {origin}\r\n"
    server = zws("--source", "none")
    assert shake(server, f"Host: localhost:{server.ws_port}\r\n", line)[0] == 403
    remedy = f"refused 1 WebSocket: of a page of {origin}; to allow it: --allow-host {name}"
    wait_until(lambda: remedy in server.stderr)
    server = zws("--source", "none", "--allow-host", name)
    assert shake(server, f"Host: localhost:{server.ws_port}\r\n", line)[0] == 101
    assert statuses_for(server, f"{host}:18310") == (200, 101)
    for other in (f"{host}:18311", f"evil.example:{name.rpartition(':')[2]}", "localhost:1"):
        other_line = f"Host: localhost\r\nOrigin: http://{other}\r\n"
        assert shake(server, f"Host: localhost:{server.ws_port}\r\n", other_line)[0] == 403


def test_the_address_keeps_its_websocket_port_where_the_page_came_through_another_one(quiet):
    through = {"host": "localhost:18310"}
    assert fetch(quiet, "/graph.html?ws=18311&span=10", **through)[0] == 200
    status, headers, _ = fetch(quiet, "/graph.html?span=10", **through)
    assert (status, headers["Location"]) == (302, f"/graph.html?ws={quiet.ws_port}&span=10")


def test_many_origins_fill_neither_the_log_nor_the_memory(zws):
    server = zws("--source", "none")
    for number in range(100):
        assert shake(server, "Upgrade: ", f"Origin: http://evil{number}.example\r\nUpgrade: ")[0] == 403
    wait_until(lambda: "evil0.example:80" in server.stderr)
    wait_until(lambda: "more reasons" in server.stderr, 15)
    assert server.stderr.count("evil") < 50


@pytest.mark.parametrize("name", ["", ":80", "http://localhost", "a b", "localhost:x"])
def test_what_is_no_name_is_a_wrong_option(name):
    result = subprocess.run([sys.executable, ROOT / "zws.py", "--allow-host", name], capture_output=True, text=True,
                            timeout=20)
    assert result.returncode == 2 and "--allow-host" in result.stderr.splitlines()[-1]


def test_an_allowed_host_is_an_origin_too(zws):
    server = zws("--source", "none", "--allow-host", "graph.example")
    for host, status in (("graph.example", 101), ("evil.example", 403)):
        assert shake(server, "Upgrade: ", f"Origin: http://{host}:{server.http_port}\r\nUpgrade: ")[0] == status


# Handshakes

def test_a_handshake_is_answered_as_the_standard_says(quiet):
    status, headers, body = shake(quiet)
    assert (status, body) == (101, b"")
    assert headers["Sec-WebSocket-Accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="    # RFC 6455 §1.3
    assert (headers["Upgrade"].lower(), headers["Connection"].lower()) == ("websocket", "upgrade")
    assert "Sec-WebSocket-Extensions" not in headers and "Sec-WebSocket-Protocol" not in headers


@pytest.mark.parametrize(("old", "new"), [
    ("Connection: Upgrade", "Connection: keep-alive, Upgrade"),
    ("Connection: Upgrade", "connection:upgrade,keep-alive"),
    ("Connection: Upgrade", "Connection: keep-alive,\tUPGRADE"), ("Upgrade: websocket", "Upgrade: WebSocket"),
    ("GET / ", "GET /any/path?x=y "), ("Upgrade: ", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: "),
    ("Upgrade: ", "Sec-WebSocket-Protocol: chat\r\nUpgrade: "), ("Upgrade: ", "Content-Length: 0\r\nUpgrade: ")])
def test_other_ways_to_write_a_handshake(quiet, old, new):
    status, headers, _ = shake(quiet, old, new)
    assert status == 101
    assert "Sec-WebSocket-Extensions" not in headers and "Sec-WebSocket-Protocol" not in headers


KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"


@pytest.mark.parametrize(("old", "new"), [
    (VERSION, "Sec-WebSocket-Version: 12"), (VERSION, "Sec-WebSocket-Version: 8"),
    (VERSION, "Sec-WebSocket-Version: 7"), (VERSION, "Sec-WebSocket-Version: 14"),
    (VERSION, "Sec-WebSocket-Version: 013"), (VERSION, "Sec-WebSocket-Version: 13, 8"),
    (VERSION, "Sec-WebSocket-Version:"), (VERSION, "X: y"), (VERSION, f"{VERSION}\r\n{VERSION}"),
    (KEY, "Sec-WebSocket-Key:"), (KEY, "X: y"), (KEY, f"{KEY}\r\n{KEY}"), (KEY, "Sec-WebSocket-Key: c2hvcnQ="),
    (KEY, "Sec-WebSocket-Key: " + "A" * 24), (KEY, "Sec-WebSocket-Key: " + "A" * 20 + "=="), (KEY, f"{KEY[:-2]}"),
    (KEY, "Sec-WebSocket-Key: !!!!!!!!!!!!!!!!!!!!!!=="), (KEY, "Sec-WebSocket-Key: " + "\xff" * 22 + "=="),
    (KEY, "Sec-WebSocket-Key: " + "A" * 5000), ("GET ", "POST "), ("GET ", "HEAD "), ("GET ", "get "),
    ("HTTP/1.1", "HTTP/1.0"), ("Connection: Upgrade", "X: y"), ("Connection: Upgrade", "Connection: close"),
    ("Connection: Upgrade", "Connection: keep-alive"), ("Connection: Upgrade", "Connection: notupgrade"),
    ("Upgrade: ", "Content-Length: 5\r\nUpgrade: "), ("Upgrade: ", "Transfer-Encoding: chunked\r\nUpgrade: ")])
def test_a_wrong_handshake_is_400(quiet, old, new):
    status, headers, _ = shake(quiet, old, new)
    assert (status, headers["Sec-WebSocket-Version"]) == (400, "13")
    assert "Sec-WebSocket-Accept" not in headers


@pytest.mark.parametrize("upgrade", ["X: y", "Upgrade: h2c", "Upgrade:", "Upgrade: websockets"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_plain_requests_to_the_websocket_port_are_426(quiet, method, upgrade):
    request = f"{method} / HTTP/1.1\r\nHost: localhost\r\n{upgrade}\r\n\r\n"
    status, headers, body = parse(ask(quiet.ws_port, request.encode()))
    assert (status, headers["Upgrade"], headers.get_all("Connection")) == (426, "websocket", ["Upgrade", "close"])
    assert bool(body) == (method != "HEAD")


# What the page may do

def test_the_page_may_load_its_own_scripts_only_and_stand_in_no_frame(quiet):
    rules = fetch_page(quiet)[1]["Content-Security-Policy"].split("; ")
    policy = dict(rule.split(maxsplit=1) for rule in rules)
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'"
    assert policy.pop("connect-src") == "ws: wss:"
    assert set(" ".join(policy.values()).split()) <= {"'none'", "'self'", "'unsafe-inline'", "data:"}
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"


@pytest.mark.parametrize("path", [*PATHS, "/", "/nothing"])
def test_every_answer_forbids_sniffing_and_referrers(quiet, path):
    for host in ("localhost", "evil.example"):
        _, headers, _ = fetch(quiet, path, host=host)
        assert headers.get_all("X-Content-Type-Options") == ["nosniff"]
        assert headers.get_all("Referrer-Policy") == ["no-referrer"]
        assert "Access-Control-Allow-Origin" not in headers


def test_the_page_names_no_other_server():
    for name in ("graph.html", "graph.js"):
        addresses = re.findall(r"(?:https?|wss?):(//[\w.-]+)", (ROOT / name).read_text())
        assert set(addresses) <= {"//localhost", "//www.w3.org"}, name      # the latter: SVG's name, not an address
