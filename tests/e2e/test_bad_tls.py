"""TLS is verified always, old TLS refused, redirects not followed: the server sees no request, and the
first line says what is wrong, the second what to do."""
import datetime
import gzip
import ipaddress
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from e2e_drc import ROOT
from rude import Rude, always, answer, identity
from served import KEYS

APPLY = ["plan", "apply", ROOT / "plans/shop", "failover", "--yes"]
GOOD = identity("999988887777")  # of a wrong account: the command ends right after it
ANSWERED = "of account 999988887777"


def certificate(folder, host="127.0.0.1", begins_d=-1, ends_d=2):
    """A self-signed one for a host, valid between two days from now: (chain file, context)."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "drc-test")])
    alternative = x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
    made = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=begins_d))
            .not_valid_after(now + datetime.timedelta(days=ends_d))
            .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
            .sign(key, hashes.SHA256()))
    pem = made.public_bytes(serialization.Encoding.PEM)
    chain, both = folder / "ca.pem", folder / "both.pem"
    chain.write_bytes(pem)
    both.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                             serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return chain, context


def ask(drc, endpoint, **env):
    return drc(*APPLY, status=1, **KEYS, AWS_ENDPOINT_URL=endpoint, **env)


def test_a_certificate_named_by_the_user_is_trusted(drc, tmp_path):
    chain, context = certificate(tmp_path)
    with Rude(always(GOOD), tls=context) as server:
        assert ANSWERED in ask(drc, server.endpoint, AWS_CA_BUNDLE=str(chain)).err


@pytest.mark.parametrize("made, bundle, words, help_text", [
    ({}, False, "self-signed certificate", "AWS_CA_BUNDLE"),
    ({"host": "127.0.0.2"}, True, "TLS failed", "for another host"),
    ({"host": "aws.example"}, True, "TLS failed", "for another host"),
    ({"begins_d": -9, "ends_d": -1}, True, "expired", "renew"),
    ({"begins_d": 1}, True, "not yet valid", "clock"),
])
def test_certificates_that_do_not_hold(drc, tmp_path, made, bundle, words, help_text):
    chain, context = certificate(tmp_path, **made)
    with Rude(always(GOOD), tls=context) as server:
        done = ask(drc, server.endpoint, **({"AWS_CA_BUNDLE": str(chain)} if bundle else {}))
        first, second = done.err.splitlines()[:2]
        assert "TLS failed" in first and words in first and help_text in second, done.err
        assert server.actions == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", ["TLSv1", "TLSv1_1", "TLSv1_2", "TLSv1_3"])
def test_old_versions_are_refused(drc, tmp_path, version):
    chain, context = certificate(tmp_path)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion[version]
    if version != "TLSv1_3":
        context.options &= ~(ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1)
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    with Rude(always(GOOD), tls=context) as server:
        done = ask(drc, server.endpoint, AWS_CA_BUNDLE=str(chain))
        if version in ("TLSv1", "TLSv1_1"):
            assert "TLS failed" in done.err and "1.2 or newer" in done.err and server.actions == []
        else:
            assert ANSWERED in done.err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_no_credentials_along(drc, status):
    with Rude(always(GOOD)) as elsewhere:
        where = f"Location: {elsewhere.endpoint}/x"
        with Rude(always(answer(f"{status} Moved", b"<a/>", "text/xml", where))) as server:
            done = ask(drc, server.endpoint)
        first, second = done.err.splitlines()[:2]
        assert f"HTTP {status} redirects to {elsewhere.endpoint}/x, where drc takes no credentials" in first
        assert "AWS_ENDPOINT_URL" in second
        assert elsewhere.actions == [] and len(server.actions) == 1


def test_an_endpoint_without_tls_is_told_unless_it_is_this_machine(drc):
    with Rude(always(GOOD)) as server:
        assert "warning" not in ask(drc, server.endpoint).err
        assert "warning" not in ask(drc, server.endpoint.replace("127.0.0.1", "localhost")).err
    done = ask(drc, "http://127.example:1")
    assert done.err.count("warning: http://127.example:1 is asked without TLS") == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
def test_what_nobody_asked_to_compress_is_not_unpacked(drc, encoding):
    """100 MB of an answer in 100 kB: drc asks for no encoding, and takes none."""
    bomb = gzip.compress(GOOD.partition(b"\r\n\r\n")[2] + b" " * 100_000_000)
    with Rude(always(answer("403 Forbidden", bomb, "text/xml", f"Content-Encoding: {encoding}"))) as server:
        done = ask(drc, server.endpoint)
        assert "HTTP 403 with an answer that is not AWS's" in done.err
