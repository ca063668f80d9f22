"""`drc sandbox serve` as the AWS of a test or benchmark: made for a plan, served on a free port, ended
by its process id."""
import os
import pathlib
import re
import signal
import sqlite3
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRC = os.environ.get("DRC", str(ROOT / "build" / "drc"))
KEYS = {"AWS_ACCESS_KEY_ID": "sandbox", "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}


class SandboxServer:
    """Flags are those of `drc sandbox init`. start() and stop() may be called again and again; as a
    context it is served within."""

    def __init__(self, directory, plan, *flags, env=None):
        self.directory = pathlib.Path(directory)
        self.env = env
        made = subprocess.run([DRC, "sandbox", "init", str(self.directory), str(plan),
                               *map(str, flags)], capture_output=True, text=True, env=env, cwd=ROOT)
        assert made.returncode == 0, made.stderr

    def start(self):
        self.process = subprocess.Popen([DRC, "sandbox", "serve", str(self.directory), "--port", "0"],
                                        env=self.env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.endpoint = self.process.stdout.readline().strip()
        assert self.endpoint.startswith("http://127.0.0.1:"), self.endpoint
        self.port = int(self.endpoint.rsplit(":", 1)[1])
        return self

    def stop(self, how=signal.SIGTERM):
        """Its exit status; what it has served is in `requests` and `throttled` then."""
        self.process.send_signal(how)
        status = self.process.wait(30)
        told = re.search(r"(\d+) requests answered, (\d+) of them", self.process.stderr.read())
        if told:
            self.requests, self.throttled = int(told[1]), int(told[2])
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()

    def set_fault(self, name, value):
        """As runtime/sandbox/faults.h names them; takes effect at once."""
        with sqlite3.connect(self.directory / "sandbox.db", timeout=20) as state:
            state.execute("INSERT OR REPLACE INTO faults VALUES (?, ?)", (name, value))
        state.close()

    def environment(self, endpoint=None):
        return {**KEYS, "AWS_ENDPOINT_URL": endpoint or self.endpoint}
