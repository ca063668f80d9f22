"""The program, run as its users run it."""
import json
import os
import pathlib
import pty
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DRC = os.environ.get("DRC", str(ROOT / "build" / "drc"))


class Drc:
    """Runs the program with an environment of its own: no user's state, no user's credentials."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "DRC_STATE_DIR": str(self.home / "state"),
            "LANG": "C.UTF-8",
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def __call__(self, *words, status=0, timeout=120, stdin=subprocess.DEVNULL, cwd=ROOT, **env):
        done = subprocess.run([DRC, *map(str, words)], stdin=stdin, capture_output=True, cwd=cwd,
                              env={**self.env, **env}, timeout=timeout)
        out, err = done.stdout.decode(), done.stderr.decode()
        for sign in ("AddressSanitizer", "runtime error:", "LeakSanitizer"):
            assert sign not in err, err
        if status is not None:
            assert done.returncode == status, f"{words}: {done.returncode}\n{out}\n{err}"
        done.out, done.err = out, err
        return done

    def start(self, *words, **kwargs):
        return subprocess.Popen([DRC, *map(str, words)], stdin=subprocess.DEVNULL, cwd=ROOT,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.env, **kwargs)

    def json(self, *words, **kwargs):
        return json.loads(self(*words, **kwargs).out)


def wait_for(condition, what, process=None, seconds=60):
    """Until the condition holds, and what it was; the process, if given, has to be there meanwhile."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def open_terminal():
    """Both ends of a pseudo-terminal, the master first."""
    try:
        return pty.openpty()
    except OSError as error:  # a chroot with a bare /dev
        pytest.skip(f"{error}: mount devpts on /dev/pts to run this test too")
