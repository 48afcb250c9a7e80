"""Whatever a mirror does: a verified file under its name, or nothing and one error that says why."""

import gzip
import hashlib
import re
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import Mock

import pooch
import pytest
import requests
from requests.adapters import HTTPAdapter

from filtertwins.data import downloads
from filtertwins.data.downloads import DownloadError, fetch_idx_files
from filtertwins.data.idx import verified_payload
from filtertwins.sources import IdxFile

PAYLOAD = bytes(range(256)) * 40
OTHER_CONTENT = PAYLOAD[::-1]
FILE = IdxFile(name="train-images-idx3-ubyte.gz", sha256=hashlib.sha256(PAYLOAD).hexdigest(), size=len(PAYLOAD))
OTHER = IdxFile(
    name="train-labels-idx1-ubyte.gz", sha256=hashlib.sha256(OTHER_CONTENT).hexdigest(), size=len(OTHER_CONTENT)
)
PACKED = gzip.compress(PAYLOAD, mtime=0)


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.paths.append(self.path)
        self.server.headers.append(dict(self.headers))
        with suppress(BrokenPipeError, ConnectionResetError):  # Clients hang up early in several tests.
            self.server.answer(self, len(self.server.paths))

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A web server on 127.0.0.1; a test sets `answer`, which gets every request and its number."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}/mnist"
        self.paths, self.headers = [], []  # of the requests
        self.released = threading.Event()  # Slow answers wait for it, so that no test waits for the server.


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, **headers: str) -> None:
    """Send one answer; further headers by name, with _ for -; `Content_Length=""` leaves the length out."""
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        if value:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def sending(body, **options):
    """Answer every request so."""
    return lambda handler, _: send(handler, body, **options)


def hanging_up(handler, _):
    handler.connection.close()


TRUNCATED = sending(PACKED[:100], Content_Length=str(len(PACKED)))


@pytest.fixture
def server(monkeypatch):
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    with Server() as started:
        threading.Thread(target=started.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield started
        started.released.set()
        started.shutdown()


@pytest.fixture(autouse=True)
def _no_wait_before_another_try(monkeypatch):
    monkeypatch.setattr("pooch.core.time.sleep", lambda _: None)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw" / "mnist"


@pytest.fixture
def good_mirror(tmp_path):
    mirror = tmp_path / "good mirror ä"
    mirror.mkdir()
    (mirror / FILE.name).write_bytes(PACKED)
    (mirror / OTHER.name.removesuffix(".gz")).write_bytes(OTHER_CONTENT)
    return str(mirror)


def fetch(folder, *mirrors, files=(FILE,), timeout_s=5.0):
    fetch_idx_files(files, mirrors, folder, timeout_s=timeout_s, retries=2)


def assert_verified(folder, *names):
    """The folder holds these files, each whole, and nothing else: no temporary file."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names or [FILE.name])
    for path in folder.iterdir():
        file = OTHER if path.name == OTHER.name else FILE
        assert verified_payload(path, file) == (OTHER_CONTENT if file is OTHER else PAYLOAD)


def failure(folder, mirror, **options):
    """Fetch from one bad mirror; return its reason, having checked that nothing stays behind."""
    with pytest.raises(DownloadError) as caught:
        fetch(folder, mirror, **options)
    assert not folder.exists() or list(folder.iterdir()) == []
    (reason,) = re.findall(rf"^    {re.escape(mirror)}: (.*)$", str(caught.value), re.MULTILINE)
    return reason


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (PACKED, {}),
        (PAYLOAD, {}),
        (PACKED, {"Content_Encoding": "gzip"}),  # The server calls the file itself an encoding.
        (PACKED, {"Content_Length": ""}),
    ],
)
def test_a_web_mirror_gives_the_files_compressed_or_not(folder, server, body, headers):
    server.answer = sending(body, **headers)
    for name in (FILE.name, "train #1?.gz"):
        fetch(folder / name, server.address + "/", files=(FILE.model_copy(update={"name": name}),))
        assert_verified(folder / name, name)
    assert server.paths == [f"/mnist/{FILE.name}", "/mnist/train%20%231%3F.gz"]
    assert server.headers[0]["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    "name", ["../escape", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "C:x", ".hidden", OTHER.name]
)
def test_a_file_name_cannot_leave_the_folder_or_be_anothers(folder, good_mirror, name):
    with pytest.raises(DownloadError, match="plain file name, of one file only"):
        fetch(folder, good_mirror, files=(OTHER, FILE.model_copy(update={"name": name})))
    assert not folder.exists()


@pytest.mark.parametrize(
    "first",
    [sending(b"moved", status=status, Location="/elsewhere") for status in (301, 302, 303, 307, 308)]
    + [sending(b"", status=status, Retry_After="3600") for status in (429, 500, 503)]  # An hour is not waited for.
    + [hanging_up, TRUNCATED],
)
def test_a_redirect_is_followed_and_a_passing_fault_is_overcome(folder, server, first):
    server.answer = lambda handler, number: (first if number == 1 else sending(PACKED))(handler, number)
    fetch(folder, server.address)
    assert_verified(folder)
    assert len(server.paths) == 2


@pytest.mark.parametrize(
    "address", ["{uri}", "file://{path}", "file://localhost{path}", "{path.name}", "~/{path.name}"]
)
def test_a_folder_of_files_compressed_or_not_is_a_mirror(folder, good_mirror, monkeypatch, address):
    path = Path(good_mirror)
    monkeypatch.chdir(path.parent)
    monkeypatch.setenv("HOME", str(path.parent))
    fetch(folder, address.format(uri=path.as_uri(), path=path), files=(FILE, OTHER))
    assert_verified(folder, FILE.name, OTHER.name)


@pytest.mark.parametrize("content", [PACKED, PAYLOAD])
@pytest.mark.parametrize(
    "name",
    [FILE.name, FILE.name[:-3], "train-images.idx3-ubyte", "train-images-idx3-ubyte (1).gz", "anything", OTHER.name],
)
def test_a_verified_file_is_not_fetched_again_whatever_it_is_called(folder, server, capsys, name, content):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    (folder / "another").write_bytes(OTHER_CONTENT)
    before = sorted(folder.iterdir())
    fetch(folder, server.address)
    assert server.paths == []
    assert (f"found as {folder / name}" in capsys.readouterr().err) == (name != FILE.name)
    assert sorted(folder.iterdir()) == before


def test_a_file_that_had_the_name_of_a_fetched_one_is_fetched_too(folder, good_mirror):
    folder.mkdir(parents=True)
    (folder / OTHER.name).write_bytes(PACKED)
    fetch(folder, good_mirror, files=(FILE, OTHER))
    assert_verified(folder, FILE.name, OTHER.name)


def test_the_usual_name_comes_first(folder, server, capsys):
    folder.mkdir(parents=True)
    for name in ("a copy", FILE.name, "z copy"):
        (folder / name).write_bytes(PACKED)
    fetch(folder, server.address)
    assert capsys.readouterr().err == ""


def test_files_that_have_changed_their_names_are_told_apart(folder, tmp_path, good_mirror):
    (tmp_path / "swapped").mkdir()
    for file, other in ((FILE, OTHER), (OTHER, FILE)):
        fetch(tmp_path / file.name, good_mirror, files=(file,))
        (tmp_path / file.name / file.name).rename(tmp_path / "swapped" / other.name)
    fetch(folder, str(tmp_path / "swapped"), files=(FILE, OTHER))
    assert_verified(folder, FILE.name, OTHER.name)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("train-images.idx3-ubyte", True),
        ("TRAIN-IMAGES-IDX3-UBYTE.GZ", True),
        ("train-images-idx3-ubyte.gz.1", True),
        ("train_images.gz", True),
        ("another", False),  # It is no one's, so nothing is wrong with it.
        (OTHER.name, False),
        (f".{FILE.name}.part", False),
    ],
)
def test_a_file_of_such_a_name_that_does_not_verify_is_named_with_the_reason(folder, tmp_path, name, told):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(PACKED[:-9])
    for where, mirror in (("", tmp_path / "absent"), (f"{folder}: ", folder)):  # A mirror is looked at alike.
        with pytest.raises(DownloadError) as caught:
            fetch(folder, str(mirror))
        assert (f"    {where}{folder / name} is a truncated gzip file" in str(caught.value)) == told
    assert [path.name for path in folder.iterdir()] == [name]


@pytest.mark.parametrize("content", [b"", PACKED[:-9], gzip.compress(OTHER_CONTENT, mtime=0)])
def test_a_corrupted_file_and_what_a_kill_left_are_replaced(folder, server, content):
    server.answer = sending(PACKED)
    (folder / ".download").mkdir(parents=True)
    for path in (folder / FILE.name, folder / ".download" / FILE.name):
        path.write_bytes(content)
    fetch(folder, server.address)
    assert_verified(folder)


def test_a_folder_that_cannot_be_read_is_passed_over(folder, tmp_path, good_mirror, monkeypatch):
    def iterdir(path, original=Path.iterdir):
        if path == tmp_path:
            raise PermissionError(13, "Permission denied", str(path))
        return original(path)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    assert failure(folder, str(tmp_path)) == f"{tmp_path} cannot be read: Permission denied"
    fetch(folder, str(tmp_path), good_mirror)
    assert_verified(folder)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "no connection: Connection refused"),
        (socket.gaierror(-2, "Name or service not known"), "no connection: Name or service not known"),
        (TimeoutError("timed out"), "no connection within 5 s"),
    ],
)
def test_a_host_that_gives_no_connection(folder, monkeypatch, fault, reason):
    monkeypatch.setattr("urllib3.util.connection.create_connection", Mock(side_effect=fault))
    assert failure(folder, "http://127.0.0.1:9/mnist") == reason


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.0 200 OK\r\n\r\n\x1f\x8b"])
def test_a_silent_server_is_asked_once_for_all_files(folder, server, good_mirror, sent, capsys):
    def answer(handler, _):
        handler.wfile.write(sent)
        server.released.wait(10)

    server.answer = answer
    fetch(folder, server.address, good_mirror, files=(FILE, OTHER), timeout_s=0.2)
    assert_verified(folder, FILE.name, OTHER.name)
    assert len(server.paths) == 1
    told = capsys.readouterr().err
    assert f"{FILE.name}: not from {server.address}: no byte for 0.2 s\n" in told
    assert f"{OTHER.name}: not from {server.address}: no byte for 0.2 s (not asked again)\n" in told


@pytest.mark.parametrize(
    ("answer", "reason", "asked"),
    [
        (hanging_up, "no connection: .+", 3),
        (TRUNCATED, r"truncated: IncompleteRead\(100 bytes read, .*", 3),
        (sending(b"", status=503), "503 Service Unavailable", 3),
        (sending(PACKED, status=403), "403 Forbidden", 1),
        (sending(PACKED, status=404), "404 Not Found", 1),
        (sending(PACKED[:100], Content_Length=""), "sent a truncated gzip file", 1),
        (sending(b"<!DOCTYPE html><title>Sign in</title>" * 500), "sent an HTML page, not a gzip file", 1),
        (sending(gzip.compress(OTHER_CONTENT)), "sent other content: sha256 .* expected " + FILE.sha256, 1),
        (sending(gzip.compress(bytes(10**7))), "sent a gzip file that decompresses to more than .* 10,240 bytes", 1),
        (sending(b"", Content_Length="many"), r"unusable address or answer \(ValueError\)", 3),
        (sending(b"", status=302, Location="http://[::1"), r"unusable address or answer \(ValueError\)", 3),
        (sending(b"", status=302, Location="/again"), r"unusable address or answer \(TooManyRedirects\)", 31),
        (sending(b"", status=302, Location="file:///etc/passwd"), "redirects to file:///etc/passwd, refused.*", 1),
        (sending(b"", status=302, Location="ftp://u:p@a/b"), "redirects to ftp://a/b, refused; .* http or https", 1),
    ],
)
def test_the_reason_is_told_and_the_next_mirror_serves(folder, server, good_mirror, answer, reason, asked):
    server.answer = answer
    assert re.fullmatch(reason, failure(folder, server.address))
    assert len(server.paths) == asked
    fetch(folder, server.address, good_mirror)
    assert_verified(folder)


@pytest.mark.parametrize("status", [200, 302])
def test_a_body_without_end_is_not_read_to_its_end(folder, server, status):
    sent = []

    def answer(handler, number):
        if number == 2:
            return send(handler, PACKED)
        send(handler, PACKED, status=status, Content_Length="", Location="/elsewhere")
        while not server.released.is_set() and sum(sent) < 2**27:  # An end all the same, lest it fill the disk.
            handler.wfile.write(bytes(2**16))
            sent.append(2**16)

    server.answer = answer
    if status == 200:
        assert failure(folder, server.address) == f"sent more than {FILE.size + 2**20:,} bytes"
    else:
        fetch(folder, server.address)
        assert_verified(folder)
    assert sum(sent) < 50 * 2**20  # The system's buffers take some.


def test_a_redirect_from_https_to_http_is_never_followed(folder, monkeypatch):
    location = f"http://mirror.example/{FILE.name}"

    def redirect(_adapter, request, **_options):
        response = requests.Response()  # Of an https server, without the need for a certificate.
        response.status_code, response.url, response.request = 302, request.url, request
        response.headers["Location"] = location
        return response

    monkeypatch.setattr(HTTPAdapter, "send", redirect)
    assert failure(folder, "https://mirror.example/mnist") == f"redirects to {location}, refused; allowed is https"


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("{}/absent", "neither a folder nor an http(s) address"),
        ("file://{}/absent", "neither a folder nor an http(s) address"),
        ("{}", f"no {FILE.name} in this folder, compressed or not"),
        ("file://elsewhere{}", "neither a folder nor an http(s) address"),
        ("ftp://host{}", "neither a folder nor an http(s) address"),
        ("http://", "unusable address or answer (InvalidURL)"),
        ("http://a b/", "unusable address or answer (InvalidURL)"),
        ("{}/damaged", f"{FILE.name} is a truncated gzip file"),
    ],
)
def test_a_mirror_that_is_none(folder, tmp_path, mirror, reason):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / FILE.name).write_bytes(PACKED[:-20])
    assert failure(folder, mirror.format(tmp_path)).endswith(reason)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_mirrors_are_tried_in_order(folder, server, good_mirror, capsys, monkeypatch, terminal):
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    server.answer = sending(b"<html>")
    fetch(folder, server.address, good_mirror)
    fetch(folder, good_mirror, server.address, files=(OTHER,))
    printed = capsys.readouterr()
    tried = re.findall(r"(\S+): fetching from (.+)$", printed.err, re.MULTILINE)
    assert tried == [(FILE.name, server.address), (FILE.name, good_mirror), (OTHER.name, good_mirror)]
    assert ("100%|" in printed.err) == terminal
    assert printed.out == ""


def test_when_all_fail_one_error_tells_every_reason_and_the_ways_out(folder, server, tmp_path):
    server.answer = lambda handler, number: send(handler, b"<html>", status=(404, 200)[number - 1])
    with pytest.raises(DownloadError, match=r"2 of 2 data files could not be had") as caught:
        fetch(folder, str(tmp_path / "site"), server.address, files=(FILE, OTHER))
    told = str(caught.value)
    assert told.count(f"{tmp_path / 'site'}: neither a folder nor an http(s) address") == 2
    assert told.index(f"{server.address}: 404 Not Found") < told.index(f"{server.address}: sent an HTML page")
    assert f"put the 2 files into {folder}/ ({FILE.name}, {OTHER.name})" in told
    assert "--config dataset=digits" in told


def test_one_missing_file_does_not_lose_the_others(folder, good_mirror):
    (Path(good_mirror) / FILE.name).unlink()
    with pytest.raises(DownloadError, match="1 of 2 data files"):
        fetch(folder, good_mirror, files=(FILE, OTHER))
    assert_verified(folder, OTHER.name)
    with pytest.raises(DownloadError, match="no mirror is given"):
        fetch(folder)


def test_a_password_in_an_address_is_not_told(folder, server, capsys, caplog):
    pooch.get_logger().addHandler(caplog.handler)
    secret = server.address.replace("http://", "http://user:secret@")
    server.answer = sending(b"", status=503)
    with pytest.raises(DownloadError) as caught:
        fetch(folder, secret)
    assert f"{server.address}: 503 Service Unavailable" in str(caught.value)
    pooch.get_logger().removeHandler(caplog.handler)
    assert "secret" not in str(caught.value) + capsys.readouterr().err + caplog.text
    assert server.headers[0]["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("web", [True, False])
@pytest.mark.parametrize("fault", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_full_disk_or_an_interrupt_leaves_nothing(folder, server, good_mirror, monkeypatch, web, fault):
    server.answer = sending(PACKED)
    monkeypatch.setattr(downloads._Limited, "write", Mock(side_effect=fault))
    monkeypatch.setattr("os.fsync", Mock(side_effect=fault))
    with pytest.raises(type(fault)) as caught:
        fetch(folder, server.address if web else good_mirror)
    assert isinstance(fault, KeyboardInterrupt) or f"left on device: '{folder / FILE.name}'" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(folder, server):
    folder.parent.write_bytes(b"")
    with pytest.raises(OSError, match=re.escape(f"'{folder / FILE.name}'")):
        fetch(folder, server.address)
    assert server.paths == []
