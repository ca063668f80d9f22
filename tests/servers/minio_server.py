"""MinIO as the S3 of a test: in its own directory, on free ports of this machine, ended by its process
id."""
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEY, SECRET = "drc-test-key", "drc-test-secret-key"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class MinioServer:
    """As a context it is served within; start() and stop() may be called again and again."""

    def __init__(self, directory, key=KEY, secret=SECRET):
        self.key, self.secret = key, secret
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.binary = subprocess.run([ROOT / "tools" / "minio"], capture_output=True, text=True,
                                     check=True).stdout.strip()

    def start(self):
        for _ in range(3):  # somebody else may take the port first
            self.port = free_port()
            self.endpoint = f"http://127.0.0.1:{self.port}"
            self.log = open(self.directory / "minio.log", "ab")
            self.process = subprocess.Popen(
                [self.binary, "server", "--quiet", "--address", f"127.0.0.1:{self.port}",
                 "--console-address", f"127.0.0.1:{free_port()}", str(self.directory / "data")],
                env={**os.environ, "MINIO_ROOT_USER": self.key, "MINIO_ROOT_PASSWORD": self.secret,
                     "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "HOME": str(self.directory)},
                stdout=self.log, stderr=self.log)
            if self._is_ready():
                return self
            self.stop()
        raise AssertionError((self.directory / "minio.log").read_text())

    def _is_ready(self):
        until = time.monotonic() + 60
        while self.process.poll() is None and time.monotonic() < until:
            try:
                urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                    self.endpoint + "/minio/health/cluster", timeout=2).close()
                return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        return False

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(30)
        self.log.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def environment(self, endpoint=None):
        return {"AWS_ENDPOINT_URL_S3": endpoint or self.endpoint, "AWS_ACCESS_KEY_ID": self.key,
                "AWS_SECRET_ACCESS_KEY": self.secret, "AWS_EC2_METADATA_DISABLED": "true",
                "NO_PROXY": "127.0.0.1"}

    def client(self):
        import boto3
        return boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=self.key,
                            aws_secret_access_key=self.secret, region_name="us-east-1")
