"""Tests of the program as its users call it, on the embedded sandbox."""
import shutil
import signal

import pytest

from e2e_drc import DRC, ROOT, Drc

# A shell starts what runs in the background with SIGINT ignored, nohup with SIGHUP, and programs inherit
# that; the tests send both.
for number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, signal.SIG_DFL)


@pytest.fixture
def drc(tmp_path):
    return Drc(tmp_path)


@pytest.fixture
def shop(tmp_path):
    """A copy of the demo's plan, to be changed at will."""
    shutil.copytree(ROOT / "plans" / "shop", tmp_path / "shop")
    return tmp_path / "shop" / "plan.yaml"


@pytest.fixture
def sandbox(drc, tmp_path):
    """A sandbox with what plans/shop needs; its clock runs fast."""
    drc("sandbox", "init", tmp_path / "aws", "plans/shop", "--seed", 7, "--speed", 200)
    return tmp_path / "aws"
