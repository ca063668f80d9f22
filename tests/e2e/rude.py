"""Servers in AWS's place that misbehave: alone, or as a proxy before one that behaves."""
import http.client
import json
import random
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
ENDED = (BrokenPipeError, ConnectionResetError, ConnectionAbortedError, TimeoutError, ssl.SSLError)


def answer(status, body, kind="text/xml", *headers):
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def refusal(status, code, message, request="7b1e7a2c-0000-4000-8000-000000000001"):
    return answer(status, f"<?xml version='1.0'?>\n<Response><Errors><Error><Code>{code}</Code><Message>"
                  f"{message}</Message></Error></Errors><RequestID>{request}</RequestID></Response>".encode())


def shaped(request, status, code, message):
    """A refusal in the form of the service that was asked: S3, EBS direct, EC2."""
    number = "7b1e7a2c-0000-4000-8000-000000000001"
    if request.path.startswith("/snapshots"):
        return answer(status, json.dumps({"Message": message}).encode(), "application/json",
                      f"x-amzn-ErrorType: {code}", f"x-amzn-RequestId: {number}")
    if request.path != "/":
        return answer(status, f"<?xml version='1.0'?>\n<Error><Code>{code}</Code><Message>{message}</Message>"
                      f"<RequestId>{number}</RequestId></Error>".encode(), "application/xml",
                      f"x-amz-request-id: {number}")
    return refusal(status, code, message, number)


def identity(account):
    return answer("200 OK", f"""<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/x</Arn><UserId>A</UserId><Account>{account}</Account>
</GetCallerIdentityResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>""".encode())


class Rude:
    """Answers each request by handle(rude, link, action, request). Ends with its `with`."""

    def __init__(self, handle, tls=None):
        self.handle, self.tls = handle, tls
        self.actions = []  # of the requests, in order
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.endpoint = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.closing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def _accept(self):
        while not self.closing.is_set():
            try:
                link, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        try:
            link.settimeout(120)
            if self.tls:
                link = self.tls.wrap_socket(link, server_side=True)
            while not self.closing.is_set():
                request = self._read(link)
                if request is None:
                    break
                self.actions.append(request.action)
                if self.handle(self, link, request.action, request) is False:
                    break
        except ENDED:
            pass
        finally:
            link.close()

    @staticmethod
    def _read(link):
        head = b""
        while b"\r\n\r\n" not in head:
            bytes_ = link.recv(65536)
            if not bytes_:
                return None
            head += bytes_
            if head[:1] == b"\x16":  # TLS, which is not spoken here
                return None
        head, _, body = head.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while length and len(body) < int(length[1]):
            body += link.recv(65536)
        return Request(head.decode("latin1"), body)

    def wait(self):
        """Until the test is over."""
        self.closing.wait(300)
        return False


class Request:
    def __init__(self, head, body):
        first, *lines = head.split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        self.headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines]
        self.body = body
        named = re.search(rb"(?:^|&)Action=(\w+)", body)
        target = dict((name.lower(), value) for name, value in self.headers).get("x-amz-target", "")
        self.action = named[1].decode() if named else target.rpartition(".")[2]

    def forward(self, port):
        """The answer of the server that behaves, as bytes."""
        upstream = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        upstream.putrequest(self.method, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers:
            upstream.putheader(name, value)
        upstream.endheaders(self.body)
        got = upstream.getresponse()
        body = got.read()
        upstream.close()
        kept = [f"{name}: {value}" for name, value in got.getheaders()
                if name.lower() not in ("content-length", "content-type", "connection", "transfer-encoding")]
        return answer(f"{got.status} {got.reason}", body, got.getheader("Content-Type") or "text/xml", *kept)


def always(bytes_, close=False):
    def handle(rude, link, action, request):
        link.sendall(bytes_)
        return not close
    return handle


def cut(bytes_, length):
    """Only the answer's beginning, then the connection is closed."""
    return always(bytes_[:length], close=True)


def silent(rude, link, action, request):
    return rude.wait()


def reset(rude, link, action, request):
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def endless(head, piece, pause_s=0.0):
    def handle(rude, link, action, request):
        link.sendall(head)
        while not rude.closing.is_set():
            link.sendall(piece)
            time.sleep(pause_s)
        return False
    return handle


def self_signed(folder):
    """A TLS context whose certificate nobody trusts."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
                   check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def bad_link(port, seed, share=0.25):
    """A proxy that by seed loses answers (also of what was carried out), refuses, truncates, delays."""
    lock, chance = threading.Lock(), random.Random(seed)

    def handle(rude, link, action, request):
        with lock:
            bad, kind = chance.random() < share, chance.randrange(8)
            at = chance.random()
        if not bad:
            link.sendall(request.forward(port))
        elif kind == 0:
            return False  # not even passed on
        elif kind == 1:
            request.forward(port)  # carried out, the answer lost
            return False
        elif kind == 2:
            got = request.forward(port)
            link.sendall(got[:int(len(got) * at)])
            return False
        elif kind == 3:
            code = "RequestLimitExceeded" if request.path == "/" else "SlowDown"
            link.sendall(shaped(request, "503 Service Unavailable", code, "Request limit exceeded."))
        elif kind == 4:
            link.sendall(shaped(request, "500 Internal Server Error", "InternalError", "An internal error has occurred"))
        elif kind == 5:
            request.forward(port)
            link.sendall(answer("502 Bad Gateway", HTML, "text/html"))
        elif kind == 6:
            time.sleep(at)
            link.sendall(request.forward(port))
        else:
            request.forward(port)
            return reset(rude, link, action, request)
        return True
    return handle
