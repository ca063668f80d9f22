"""Tests against servers and clients that this project did not write."""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))

from moto_world import Moto  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def moto(tmp_path):
    server = Moto(tmp_path / "moto")
    yield server
    server.stop()


@pytest.fixture
def drc(tmp_path, moto):
    """The program, with moto as its AWS."""
    from e2e_drc import Drc
    run = Drc(tmp_path)
    run.env.update(moto.environment())
    return run
