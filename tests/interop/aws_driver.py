"""The AWS provider of drc, call by call, through tests/interop/aws_driver.c."""
import json
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ.get("BUILD", pathlib.Path(__file__).parents[2] / "build"))


class Driver:
    """One provider in a process of its own. `requests` counts what it sent for calls."""

    def __init__(self, environment, **options):
        clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        self.process = subprocess.Popen(
            [BUILD / "tests/interop/aws_driver"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**clean, "HOME": "/nonexistent", **environment, **options})
        self.requests = 0

    def ask(self, what, **fields):
        self.process.stdin.write(json.dumps({"do": what, **fields}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        self.requests += sum(one.get("requests", 0) for one in answer)
        return answer

    def call(self, what, action, node="db/x", run="r1", token="t1", vm="db", choice=0, **inputs):
        """One call; its result."""
        return self.ask(what, calls=[{"action": action, "node": node, "vm": vm, "run": run,
                                      "token": token, "choice": choice, "inputs": inputs}])[0]

    def calls(self, what, action, many, run="r1"):
        """Many calls of one action: (node, inputs) each; results by node."""
        return {one["node"]: one for one in self.ask(what, calls=[
            {"action": action, "node": node, "vm": "db", "run": run, "token": node, "inputs": inputs}
            for node, inputs in many])}

    def stop(self):
        self.process.stdin.close()
        assert self.process.wait(20) == 0
        self.process.stdout.close()
