"""BIND as the DNS of a test: a primary on 127.0.0.1 and a secondary on 127.0.0.2, at one free port, each in
its own directory, ended by their process ids. Two zones take updates that are signed with keys of their
own; what is in them can be asked by dig.

named listens on addresses that an interface has, and 127.0.0.2 is none: the secondary is on another port
of 127.0.0.1, with a relay before it."""
import base64
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import threading
import time

SECRET = base64.b64encode(b"a secret that only this test knows").decode()
OTHER_SECRET = base64.b64encode(b"another secret, of nobody at all..").decode()
# keys of the server: drc-key may change everything, others what their names say
KEYS = {"drc-key": "hmac-sha256", "drc-sha1": "hmac-sha1", "drc-sha224": "hmac-sha224",
        "drc-sha384": "hmac-sha384", "drc-sha512": "hmac-sha512", "drc-none": "hmac-sha256"}
ZONE = """$TTL 60
@ IN SOA ns1.{zone}. hostmaster.{zone}. 1 3600 600 86400 60
@ IN NS ns1.{zone}.
@ IN NS ns2.{zone}.
ns1 IN A 127.0.0.1
ns2 IN A 127.0.0.2
shop IN A 192.0.2.10
many IN A 192.0.2.1
many IN A 192.0.2.2
six IN AAAA 2001:db8::1
alias IN CNAME old.{zone}.
text IN TXT "v=1" "two strings"
mail IN MX 10 shop.{zone}.
child IN NS ns1.elsewhere.example.
"""


def free_port():
    """One that is free for UDP and TCP on both addresses."""
    for _ in range(50):
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                for address, kind in (("127.0.0.2", socket.SOCK_STREAM), ("127.0.0.1", socket.SOCK_DGRAM),
                                      ("127.0.0.2", socket.SOCK_DGRAM)):
                    with socket.socket(type=kind) as probe:
                        probe.bind((address, port))
                return port
            except OSError:
                continue
    raise AssertionError("no free port")


class Relay:
    """Takes questions by UDP and TCP to a port of 127.0.0.1."""

    def __init__(self, address, port, to):
        self.to = ("127.0.0.1", to)
        self.datagrams = socket.socket(type=socket.SOCK_DGRAM)
        self.datagrams.bind((address, port))
        self.listener = socket.create_server((address, port))
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()

    def _serve(self):
        while not self.ended.is_set():
            for ready in select.select([self.datagrams, self.listener], [], [], 0.05)[0]:
                try:
                    self._datagram() if ready is self.datagrams else self._stream()
                except OSError:
                    pass  # the one behind is silent, and so is this

    def _datagram(self):
        question, sender = self.datagrams.recvfrom(65535)
        with socket.socket(type=socket.SOCK_DGRAM) as behind:
            behind.settimeout(0.5)
            behind.sendto(question, self.to)
            self.datagrams.sendto(behind.recv(65535), sender)

    def _stream(self):
        client = self.listener.accept()[0]
        with client, socket.create_connection(self.to, timeout=0.5) as behind:
            client.settimeout(0.5)
            behind.sendall(client.recv(65537))
            with behind.makefile("rb") as answer:
                length = answer.read(2)
                client.sendall(length + answer.read(struct.unpack("!H", length)[0]))

    def stop(self):
        self.ended.set()
        self.thread.join()
        self.datagrams.close()
        self.listener.close()


class BindServer:
    def __init__(self, directory, zones=("corp.example", "second.example")):
        self.directory = pathlib.Path(directory)
        self.zones = zones
        self.processes = {}
        self.relay = None

    def start(self):
        for _ in range(3):  # somebody else may take the port first
            self.port, self.behind = free_port(), free_port()
            self.server = f"127.0.0.1:{self.port}"
            self._write()
            self._run("primary")
            self._run("secondary")
            self.relay = Relay("127.0.0.2", self.port, self.behind)
            if self._is_ready():
                return self
            self.stop()
        raise AssertionError((self.directory / "primary" / "named.log").read_text())

    def _options(self, role, port):
        return f"""options {{
    directory "{self.directory / role}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    lock-file none;
    recursion no;
    allow-transfer {{ 127.0.0.0/8; }};
    notify explicit;
    notify-delay 0;
    serial-query-rate 100;
    startup-notify-rate 100;
    minimal-any yes;
    dnssec-validation no;
}};
controls {{}};
"""

    def _write(self):
        for role in ("primary", "secondary"):
            (self.directory / role).mkdir(parents=True, exist_ok=True)
        keys = "".join(f'key "{name}" {{ algorithm {algorithm}; secret "{SECRET}"; }};\n'
                       for name, algorithm in KEYS.items())
        grants = " ".join(f"grant {name} zonesub any;" for name in KEYS if name != "drc-none")
        primary = self._options("primary", self.port) + keys
        secondary = self._options("secondary", self.behind)
        for zone in self.zones:
            (self.directory / "primary" / f"{zone}.zone").write_text(ZONE.format(zone=zone))
            (self.directory / "primary" / f"{zone}.zone.jnl").unlink(missing_ok=True)
            primary += f"""zone "{zone}" {{
    type primary;
    file "{zone}.zone";
    update-policy {{ {grants} }};
    also-notify {{ 127.0.0.1 port {self.behind}; }};
}};
"""
            secondary += f"""zone "{zone}" {{
    type secondary;
    file "{zone}.zone";
    primaries port {self.port} {{ 127.0.0.1; }};
}};
"""
        (self.directory / "primary" / "named.conf").write_text(primary)
        (self.directory / "secondary" / "named.conf").write_text(secondary)

    def _run(self, role):
        with open(self.directory / role / "named.log", "ab") as log:
            self.processes[role] = subprocess.Popen(
                ["named", "-g", "-n", "1", "-U", "1", "-c", str(self.directory / role / "named.conf")],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def _is_ready(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            if any(process.poll() is not None for process in self.processes.values()):
                return False
            if all(self.dig(zone, "SOA", at) for zone in self.zones for at in ("127.0.0.1", "127.0.0.2")):
                return True
            time.sleep(0.1)
        return False

    def dig(self, name, kind, at="127.0.0.1", *more):
        """The sorted values, as dig +short has them."""
        done = subprocess.run(["dig", f"@{at}", "-p", str(self.port), "+norecurse", "+short", "+time=1",
                               "+tries=2", *more, name, kind], capture_output=True, text=True)
        return sorted(line for line in done.stdout.splitlines() if not line.startswith(";"))

    def ttl(self, name, kind, at="127.0.0.1"):
        done = subprocess.run(["dig", f"@{at}", "-p", str(self.port), "+norecurse", "+noall", "+answer", name,
                               kind], capture_output=True, text=True)
        return int(done.stdout.split()[1])

    def nsupdate(self, *lines, key="drc-key"):
        """Somebody else changes something."""
        script = "\n".join([f"server 127.0.0.1 {self.port}", *lines, "send", ""])
        return subprocess.run(["nsupdate", "-y", f"{KEYS.get(key, 'hmac-sha256')}:{key}:{SECRET}"],
                              input=script, capture_output=True, text=True)

    def pause(self, role):
        self.processes[role].send_signal(signal.SIGSTOP)

    def go_on(self, role):
        self.processes[role].send_signal(signal.SIGCONT)

    def stop_one(self, role):
        process = self.processes.pop(role)
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(20)

    def stop(self):
        if self.relay:
            self.relay.stop()
            self.relay = None
        for role in list(self.processes):
            self.stop_one(role)

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()


def environment():
    return {**os.environ, "DRC_TSIG_SECRET": SECRET}
