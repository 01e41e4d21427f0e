"""The stores that guardproxy runs on, started for a test: one server, a cluster, one under Sentinel."""

import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from guardproxy.store import embedded
from tests.faults.process import free_port

PATIENCE = 60.0  # seconds for servers to find each other on a machine that is busy
NODES = 3
SLOTS = 16_384
SERVICE = "guardproxy"


@dataclass
class Servers:
    """Some servers of one folder, ended together."""

    home: Path
    binary: str
    started: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start(self, *args: str, config: str = "") -> int:
        """One more server; its port."""
        port = free_port()
        place = self.home / str(port)
        place.mkdir(parents=True)
        if config:
            (place / "server.conf").write_text(config)
        command = [
            self.binary, *([str(place / "server.conf")] if config else []), "--port", str(port),
            "--bind", "127.0.0.1", "--dir", str(place), "--save", "", *args,
        ]  # fmt: skip
        with (place / "log").open("wb") as log:
            self.started.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            )
        until(lambda: ask(port).ping())
        return port

    def end(self) -> None:
        """Kill all of them."""
        for server in self.started:
            server.kill()
            server.wait()


def ask(port: int) -> "Redis":
    """A plain client of one server."""
    return Redis(port=port, socket_timeout=5.0, decode_responses=True)


def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; what cannot be asked yet does not."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            if holds():
                return
        except RedisError:
            pass
        assert time.monotonic() < end, "the servers did not come up"
        time.sleep(0.05)


def valkey() -> str:
    """The Valkey that ships with guardproxy."""
    return str(embedded._server())


def redis7() -> str | None:
    """A Redis 7 of the machine's own, None where there is none."""
    found = shutil.which("redis-server")
    if found is None:
        return None
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout
    return found if "v=7." in told else None


def single(servers: Servers) -> str:
    """One server that writes before it answers; its URL."""
    port = servers.start("--appendonly", "yes", "--appendfsync", "always")
    return f"redis://127.0.0.1:{port}"


def cluster(servers: Servers) -> str:
    """Three nodes that share the slots; the URL of the cluster."""
    buses = [free_port() for _ in range(NODES)]
    ports = [
        servers.start("--cluster-enabled", "yes", "--cluster-port", str(bus),
                      "--cluster-node-timeout", "15000")
        for bus in buses
    ]  # fmt: skip
    edges = [SLOTS * n // NODES for n in range(NODES + 1)]
    for number, port in enumerate(ports):
        ask(port).execute_command("CLUSTER ADDSLOTSRANGE", edges[number], edges[number + 1] - 1)
        ask(ports[0]).execute_command("CLUSTER MEET", "127.0.0.1", port, buses[number])
    until(lambda: all(is_whole(port) for port in ports))
    return f"redis+cluster://127.0.0.1:{ports[0]}"


def is_whole(port: int) -> bool:
    """Whether a node sees a cluster that serves every slot, with all its nodes."""
    told = ask(port).execute_command("CLUSTER INFO")
    told = told if isinstance(told, dict) else dict(
        line.split(":", 1) for line in str(told).splitlines() if ":" in line
    )  # fmt: skip
    return told["cluster_state"] == "ok" and told["cluster_known_nodes"] == str(NODES)


@dataclass(frozen=True)
class Watched:
    """A master and a replica, and three Sentinels that watch them."""

    url: str
    master: "subprocess.Popen[bytes]"
    master_port: int
    replica_port: int
    sentinels: Sequence[int]

    def caught_up(self) -> bool:
        """Whether the replica has all that the master acknowledged."""
        told = ask(self.master_port).info("replication")
        return told["slave0"]["offset"] == told["master_repl_offset"]


def sentinels(servers: Servers) -> Watched:
    """Sentinel's smallest sensible set-up."""
    durable = ("--appendonly", "yes", "--appendfsync", "always")
    master = servers.start(*durable)
    process = servers.started[-1]
    replica = servers.start(*durable, "--replicaof", f"127.0.0.1 {master}")
    until(lambda: ask(replica).info("replication")["master_link_status"] == "up")
    config = (
        f"sentinel monitor {SERVICE} 127.0.0.1 {master} 2\n"
        f"sentinel down-after-milliseconds {SERVICE} 1000\n"
        f"sentinel failover-timeout {SERVICE} 5000\n"
    )
    ports = [servers.start("--sentinel", config=config) for _ in range(3)]

    def all_met() -> bool:
        states = [ask(port).sentinel_master(SERVICE) for port in ports]
        return all(s["num-other-sentinels"] == 2 and s["num-slaves"] == 1 for s in states)

    until(all_met)
    hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
    return Watched(f"redis+sentinel://{hosts}/{SERVICE}", process, master, replica, ports)
