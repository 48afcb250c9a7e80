"""Whatever a mirror does: a verified file under its name, or nothing and one error that says why."""

import gzip
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from requests.adapters import BaseAdapter

from filtertwins.data import downloads
from filtertwins.data.downloads import DownloadError, fetch_idx_files
from filtertwins.data.idx import IdxFile, read_payload

PAYLOAD = bytes(range(256)) * 40
FILE = IdxFile("train-images-idx3-ubyte.gz", hashlib.sha256(PAYLOAD).hexdigest(), len(PAYLOAD))
OTHER = IdxFile("train-labels-idx1-ubyte.gz", FILE.sha256, FILE.size)
PACKED = gzip.compress(PAYLOAD)


class Server:
    """A web server on 127.0.0.1; a test sets `answer`, which gets every request and its number."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.answer: Callable[[BaseHTTPRequestHandler, int], None] = lambda handler, _: send(handler, b"")
        self.released = threading.Event()  # what a slow answer waits for; no test waits for the server
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                server.headers.append(dict(self.headers))
                # The client may have had enough, which several tests are about.
                with suppress(BrokenPipeError, ConnectionResetError):
                    server.answer(self, len(server.paths))

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.address = f"http://127.0.0.1:{self._http.server_port}/mnist"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self.released.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200, **headers: str) -> None:
    """Send one answer; further headers by name, with _ for -; `Content_Length=""` leaves the length out."""
    handler.send_response(status)
    for name, value in ({"Content_Length": str(len(body))} | headers).items():
        if value:
            handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(variable, raising=False)
    started = Server()
    yield started
    started.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "raw" / "mnist"


@pytest.fixture
def good_mirror(tmp_path):
    mirror = tmp_path / "good mirror ä"
    mirror.mkdir()
    for file in (FILE, OTHER):
        (mirror / file.name).write_bytes(PACKED)
    return str(mirror)


def fetch(folder, *mirrors, files=(FILE,), timeout_s=5.0, retries=2):
    fetch_idx_files(files, mirrors, folder, timeout_s=timeout_s, retries=retries, backoff_s=0.01, progress=False)


def assert_verified(folder, *names):
    """The folder holds these files, each whole, and nothing else: no temporary file."""
    assert sorted(path.name for path in folder.iterdir()) == sorted(names or [FILE.name])
    for path in folder.iterdir():
        assert read_payload(path, FILE.size) == PAYLOAD


def failure(folder, mirror, **options):
    """Fetch from one bad mirror; return its reason, having checked that nothing stays behind."""
    with pytest.raises(DownloadError) as caught:
        fetch(folder, mirror, **options)
    assert not folder.exists() or list(folder.iterdir()) == []
    (reason,) = re.findall(rf"^    {re.escape(mirror)}: (.*)$", str(caught.value), re.MULTILINE)
    return reason


# --- mirrors that work


def test_a_web_mirror(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED)
    fetch(folder, server.address + "/", files=(FILE, OTHER))
    assert_verified(folder, FILE.name, OTHER.name)
    assert (folder / FILE.name).read_bytes() == PACKED  # as the mirror has it
    assert server.paths == [f"/mnist/{FILE.name}", f"/mnist/{OTHER.name}"]


def test_a_payload_that_is_served_uncompressed(folder, server):
    server.answer = lambda handler, _: send(handler, PAYLOAD)
    fetch(folder, server.address)
    assert_verified(folder)


def test_a_server_that_labels_the_file_as_encoded(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED, Content_Encoding="gzip")
    fetch(folder, server.address)
    assert_verified(folder)
    assert server.headers[0]["Accept-Encoding"] == "identity"


def test_a_server_that_announces_no_length(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED, Content_Length="")
    fetch(folder, server.address)
    assert_verified(folder)


def test_a_name_with_reserved_characters(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED)
    fetch(folder, server.address, files=(IdxFile("train #1?.gz", FILE.sha256.upper(), FILE.size),))
    assert_verified(folder, "train #1?.gz")
    assert server.paths == ["/mnist/train%20%231%3F.gz"]


def test_no_connection_is_kept_that_could_be_gone_for_the_next_file(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED)
    fetch(folder, server.address)
    assert server.headers[0]["Connection"] == "close"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(folder, server, status):
    def answer(handler, number):
        if number == 1:
            send(handler, b"moved", status=status, Location="/elsewhere")
        else:
            send(handler, PACKED)

    server.answer = answer
    fetch(folder, server.address)
    assert_verified(folder)
    assert server.paths[1] == "/elsewhere"


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_that_recovers(folder, server, status):
    def answer(handler, number):
        # The hint of an hour must not be obeyed.
        send(handler, PACKED, status=200 if number > 2 else status, Retry_After="3600")

    server.answer = answer
    fetch(folder, server.address)
    assert_verified(folder)
    assert len(server.paths) == 3


def test_a_folder_with_spaces_and_umlauts(folder, good_mirror):
    fetch(folder, good_mirror)
    assert_verified(folder)


def test_a_folder_of_decompressed_files(folder, tmp_path):
    (tmp_path / FILE.name.removesuffix(".gz")).write_bytes(PAYLOAD)
    fetch(folder, str(tmp_path))
    assert_verified(folder)


def test_a_relative_folder_and_one_in_the_home_folder(folder, good_mirror, monkeypatch):
    monkeypatch.chdir(Path(good_mirror).parent)
    fetch(folder, Path(good_mirror).name)
    monkeypatch.setenv("HOME", str(Path(good_mirror).parent))
    fetch(folder, f"~/{Path(good_mirror).name}", files=(OTHER,))
    assert_verified(folder, FILE.name, OTHER.name)


@pytest.mark.parametrize("address", [Path.as_uri, "file://{}".format, "file://localhost{}".format])
def test_a_file_address(folder, good_mirror, address):
    fetch(folder, address(Path(good_mirror)))
    assert_verified(folder)


# --- what is there already


@pytest.mark.parametrize(("name", "content"), [(FILE.name, PACKED), (FILE.name[:-3], PAYLOAD)])
def test_a_verified_file_is_not_fetched_again(folder, server, name, content):
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    fetch(folder, server.address)
    assert server.paths == []
    assert_verified(folder, name)


@pytest.mark.parametrize("content", [b"", PACKED[:-9], gzip.compress(PAYLOAD[::-1])])
def test_a_corrupted_file_is_fetched_again(folder, good_mirror, content):
    folder.mkdir(parents=True)
    (folder / FILE.name).write_bytes(content)
    fetch(folder, good_mirror)
    assert_verified(folder)


def test_a_file_put_there_by_hand_is_left_and_its_fault_told(folder, tmp_path):
    folder.mkdir(parents=True)
    (folder / FILE.name).write_bytes(b"<html>")
    with pytest.raises(DownloadError, match=rf"{FILE.name}: is an HTML page, not a gzip file"):
        fetch(folder, str(tmp_path / "absent"))
    assert (folder / FILE.name).read_bytes() == b"<html>"


# --- mirrors that fail: the reason


def test_a_dead_host(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    assert failure(folder, address) == "no connection: Connection refused"


def test_a_host_that_does_not_exist(folder, monkeypatch):
    def unknown(*_args, **_options):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert failure(folder, "http://mirror.invalid/mnist") == "no connection: Name or service not known"


def test_a_connection_that_never_comes(folder, monkeypatch):
    def silent(*_args, **_options):
        raise TimeoutError("timed out")

    monkeypatch.setattr("urllib3.util.connection.create_connection", silent)
    assert failure(folder, "http://127.0.0.1:9/mnist") == "no connection within 5 s"


def test_a_connection_that_comes_at_the_third_try(folder, server, monkeypatch):
    from urllib3.util import connection

    server.answer = lambda handler, _: send(handler, PACKED)
    tries = []

    def refuse_twice(*args, original=connection.create_connection, **options):
        tries.append(args)
        if len(tries) < 3:
            raise ConnectionRefusedError(111, "Connection refused")
        return original(*args, **options)

    monkeypatch.setattr(connection, "create_connection", refuse_twice)
    fetch(folder, server.address)
    assert_verified(folder)


def test_a_server_that_never_answers(folder, server):
    server.answer = lambda *_: server.released.wait(10)
    assert failure(folder, server.address, timeout_s=0.2) == "no byte for 0.2 s"
    assert len(server.paths) == 1  # it has had its time


def test_a_server_that_falls_silent_in_the_middle(folder, server):
    def answer(handler, _):
        send(handler, PACKED[:100], Content_Length=str(len(PACKED)))
        server.released.wait(10)

    server.answer = answer
    assert failure(folder, server.address, timeout_s=0.2) == "no byte for 0.2 s"


def test_a_server_that_hangs_up_before_it_answers(folder, server):
    server.answer = lambda handler, _: handler.connection.close()
    assert failure(folder, server.address).startswith("no connection: ")


def test_a_truncated_body(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED[:100], Content_Length=str(len(PACKED)))
    reason = failure(folder, server.address)
    assert reason == f"truncated: the connection ended after 100 of {len(PACKED):,} bytes"


def test_a_truncated_body_of_unknown_length(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED[:100], Content_Length="")
    assert failure(folder, server.address) == "sent a truncated gzip file"


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
def test_other_content_of_the_right_size(folder, server, pack):
    other = PAYLOAD[::-1]
    server.answer = lambda handler, _: send(handler, pack(other))
    found = hashlib.sha256(other).hexdigest()
    expected = f"sent other content: sha256 of the decompressed payload is {found}, expected {FILE.sha256}"
    assert failure(folder, server.address) == expected


def test_a_corrupted_body(folder, server):
    corrupted = bytearray(PACKED)
    corrupted[len(PACKED) // 2] ^= 0xFF
    server.answer = lambda handler, _: send(handler, bytes(corrupted))
    assert re.match("sent (a damaged gzip file|other content)", failure(folder, server.address))


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_status_of_failure(folder, server, status):
    server.answer = lambda handler, _: send(handler, PACKED, status=status)
    phrase = {401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 410: "Gone"}[status]
    assert failure(folder, server.address) == f"{status} {phrase}"
    assert len(server.paths) == 1


def test_a_server_that_does_not_recover(folder, server):
    server.answer = lambda handler, _: send(handler, b"", status=503)
    assert failure(folder, server.address) == "503 Service Unavailable"
    assert len(server.paths) == 3  # once, and the two retries


def test_a_sign_in_page_with_status_200(folder, server):
    server.answer = lambda handler, _: send(handler, b"<!DOCTYPE html><title>Sign in</title>" * 500)
    assert failure(folder, server.address) == "sent an HTML page, not a gzip file"


def test_a_gzip_bomb(folder, server):
    bomb = gzip.compress(bytes(50_000_000))
    server.answer = lambda handler, _: send(handler, bomb)
    expected = "sent a gzip file that decompresses to more than the expected 10,240 bytes"
    assert failure(folder, server.address) == expected


def test_a_body_without_end(folder, server):
    sent = []

    def answer(handler, _):
        send(handler, PACKED, Content_Length="")
        while not server.released.is_set() and sum(sent) < 2**27:  # an end after all, lest a broken guard fill the disk
            handler.wfile.write(bytes(2**16))
            sent.append(2**16)

    server.answer = answer
    assert failure(folder, server.address) == f"sent more than {FILE.size + 2**20:,} bytes"
    assert sum(sent) < 50 * 2**20  # what the system's buffers take


def test_a_length_that_is_too_large(folder, server):
    server.answer = lambda handler, _: send(handler, PACKED, Content_Length="99000000")
    assert failure(folder, server.address) == "announces 99,000,000 bytes; allowed are 1,058,816"


def test_redirects_in_a_circle(folder, server):
    server.answer = lambda handler, _: send(handler, b"", status=302, Location="/again")
    assert failure(folder, server.address) == "redirects more than 5 times"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/file"])
def test_a_redirect_to_another_scheme(folder, server, location):
    server.answer = lambda handler, _: send(handler, b"", status=302, Location=location)
    assert failure(folder, server.address) == f"redirects to {location}, refused; allowed is http or https"


class Redirecting(BaseAdapter):
    """Stands for an https server, without the need for a certificate."""

    def __init__(self, location):
        super().__init__()
        self.location = location

    def send(self, request, **_options):
        response = requests.Response()
        response.status_code, response.url, response.request = 302, request.url, request
        response.headers["Location"] = self.location
        return response

    def close(self):
        pass


def test_a_redirect_from_https_to_http_is_never_followed(folder, server, monkeypatch):
    server.answer = lambda handler, _: send(handler, PACKED)  # it would verify

    def session(retries, backoff_s, original=downloads._session):
        made = original(retries, backoff_s)
        made.mount("https://", Redirecting(f"{server.address}/{FILE.name}"))
        return made

    monkeypatch.setattr(downloads, "_session", session)
    reason = failure(folder, "https://mirror.example/mnist")
    assert reason == f"redirects to {server.address}/{FILE.name}, refused; allowed is https"
    assert server.paths == []


@pytest.mark.parametrize(
    ("mirror", "reason"),
    [
        ("{}/absent", "no such folder"),
        ("{}", f"no {FILE.name} or {FILE.name[:-3]} in this folder"),
        ("file://{}/absent", "no such folder"),
        ("file://elsewhere{}", "host 'elsewhere'; allowed in a file:// address are none and localhost"),
        ("ftp://host{}", "scheme 'ftp'; allowed are a folder, file://, http:// and https://"),
    ],
)
def test_a_mirror_that_is_none(folder, tmp_path, mirror, reason):
    assert failure(folder, mirror.format(tmp_path)) == reason


@pytest.mark.parametrize("mirror", ["http://", "http://[::1", "http://a b/"])
def test_an_address_that_is_none(folder, mirror):
    assert failure(folder, mirror)


def test_a_damaged_file_in_a_folder(folder, tmp_path):
    (tmp_path / FILE.name).write_bytes(PACKED[:-20])
    assert failure(folder, str(tmp_path)) == "sent a truncated gzip file"


# --- several mirrors


def truncating(handler, _):
    send(handler, PACKED[:100], Content_Length=str(len(PACKED)))


def corrupting(handler, _):
    send(handler, gzip.compress(PAYLOAD[::-1]))


def falling_silent(handler, _):
    send(handler, PACKED[:100], Content_Length=str(len(PACKED)))
    time.sleep(1)  # longer than the test waits


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(falling_silent, id="slow"),
        pytest.param(truncating, id="truncating"),
        pytest.param(corrupting, id="corrupting"),
        pytest.param(lambda handler, _: send(handler, b"", status=404), id="404"),
        pytest.param(lambda handler, _: send(handler, b"<html>"), id="HTML instead of gzip"),
        pytest.param(lambda handler, _: send(handler, b"", status=500), id="500 for ever"),
        pytest.param(lambda handler, _: send(handler, gzip.compress(bytes(10**7))), id="gzip bomb"),
        pytest.param(lambda handler, _: send(handler, b"", status=302, Location="ftp://a/b"), id="redirect"),
        pytest.param(lambda handler, _: handler.connection.close(), id="hanging up"),
        pytest.param(None, id="dead"),
    ],
)
def test_whatever_one_mirror_does_the_next_one_serves(folder, server, good_mirror, answer):
    if answer is None:
        server.close()
    server.answer = answer
    fetch(folder, server.address, good_mirror, timeout_s=0.3)
    assert_verified(folder)


def test_the_next_mirror_is_tried_and_the_reason_told(folder, server, good_mirror, capsys):
    server.answer = lambda handler, _: send(handler, b"<html>")
    fetch(folder, server.address, good_mirror)
    assert_verified(folder)
    assert capsys.readouterr().err.splitlines() == [
        f"{FILE.name}: fetching from {server.address}",
        f"{FILE.name}: not from {server.address}: sent an HTML page, not a gzip file",
        f"{FILE.name}: fetching from {good_mirror}",
    ]


def test_the_mirrors_are_tried_in_order(folder, server, good_mirror):
    server.answer = lambda handler, _: send(handler, PACKED)
    fetch(folder, good_mirror, server.address)
    assert server.paths == []


@pytest.mark.parametrize("sent", [b"", b"HTTP/1.0 200 OK\r\n\r\n\x1f\x8b"])
def test_a_silent_mirror_is_not_asked_for_every_file(folder, server, good_mirror, sent):
    def answer(handler, _):
        handler.wfile.write(sent)
        server.released.wait(10)

    server.answer = answer
    started_s = time.monotonic()
    fetch(folder, server.address, good_mirror, files=(FILE, OTHER), timeout_s=0.3)
    assert_verified(folder, FILE.name, OTHER.name)
    assert len(server.paths) == 1
    assert time.monotonic() - started_s < 9  # while the server would be silent for 10 s


def test_when_all_fail_one_error_tells_everything(folder, server, tmp_path):
    server.answer = lambda handler, number: send(
        handler, b"" if number == 1 else b"<html>", status=(404, 200)[number - 1]
    )
    with pytest.raises(DownloadError) as caught:
        fetch(folder, str(tmp_path / "site"), server.address, files=(FILE, OTHER))
    assert str(caught.value).splitlines() == [
        "2 of 2 data files could not be had:",
        f"  {FILE.name}",
        f"    {tmp_path / 'site'}: no such folder",
        f"    {server.address}: 404 Not Found",
        f"  {OTHER.name}",
        f"    {tmp_path / 'site'}: no such folder (not asked again)",
        f"    {server.address}: sent an HTML page, not a gzip file",
        "Two ways out:",
        f"  put the 2 files into {folder}/ ({FILE.name}, {OTHER.name}), or",
        "  run on the embedded data: --config dataset=digits",
    ]


def test_one_missing_file_does_not_lose_the_others(folder, good_mirror):
    (Path(good_mirror) / FILE.name).unlink()
    with pytest.raises(DownloadError, match="1 of 2 data files"):
        fetch(folder, good_mirror, files=(FILE, OTHER))
    assert_verified(folder, OTHER.name)


def test_no_mirror_at_all(folder):
    with pytest.raises(DownloadError, match="no mirror is given"):
        fetch(folder)


def test_a_password_in_an_address_is_not_told(folder, server, capsys):
    secret = server.address.replace("http://", "http://user:secret@")
    server.answer = lambda handler, _: send(handler, b"", status=404)
    with pytest.raises(DownloadError) as caught:
        fetch(folder, secret)
    assert f"{server.address}: 404 Not Found" in str(caught.value)
    assert "secret" not in str(caught.value) + capsys.readouterr().err
    assert server.headers[0]["Authorization"].startswith("Basic ")


# --- this machine's own faults are not a mirror's


def test_a_full_disk_is_not_blamed_on_the_mirror(folder, good_mirror, monkeypatch):
    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(folder, good_mirror)
    assert list(folder.iterdir()) == []


def test_an_interrupt_leaves_nothing(folder, server, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    server.answer = lambda handler, _: send(handler, PACKED)
    monkeypatch.setattr(downloads, "verified_payload", interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch(folder, server.address)
    assert list(folder.iterdir()) == []


def test_progress_is_a_bar_on_a_terminal_only(folder, good_mirror, capsys, monkeypatch):
    fetch_idx_files([FILE], [good_mirror], folder)
    plain = capsys.readouterr()
    assert plain.err == f"{FILE.name}: fetching from {good_mirror}\n"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    fetch_idx_files([OTHER], [good_mirror], folder)
    drawn = capsys.readouterr()
    assert "100%|" in drawn.err
    assert "fetching from" not in drawn.err
    assert plain.out == drawn.out == ""
