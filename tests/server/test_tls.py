"""What wss listeners agree on, asked by the openssl program: no old version, no cipher
without forward secrecy, no second handshake on a connection."""

import re
import subprocess

import pytest

from conftest import DEADLINE, wait_until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Of an RSA key, which is what most have: every cipher below could be agreed on."""
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                    "/CN=localhost", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"],
                   check=True, capture_output=True, timeout=DEADLINE)
    return folder


@pytest.fixture
def server(fanwired, certificate):
    return fanwired("--tls.cert", str(certificate / "cert.pem"), "--tls.key",
                    str(certificate / "key.pem"), listen="wss://127.0.0.1:0/ws")


def command(f, *args):
    address = re.match(r"wss://([^/]+)/", f.url).group(1)
    return ["openssl", "s_client", "-connect", address, *args]


def s_client(f, *args):
    """What `openssl s_client` prints. It would take whatever the server wants."""
    done = subprocess.run(command(f, *args), stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=DEADLINE)
    return done.stdout + done.stderr


ANY = "ALL:COMPLEMENTOFALL:@SECLEVEL=0"
AGREED = [
    ("TLS 1.3", ["-tls1_3"], "TLS_AES_256_GCM_SHA384"),
    ("TLS 1.3, ChaCha", ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"],
     "TLS_CHACHA20_POLY1305_SHA256"),
    ("TLS 1.2", ["-tls1_2"], "ECDHE-RSA-AES256-GCM-SHA384"),
    ("TLS 1.2, AES-128", ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"],
     "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLS 1.2, ChaCha", ["-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305"],
     "ECDHE-RSA-CHACHA20-POLY1305"),
]
REFUSED = [
    ("TLS 1.0", ["-tls1", "-cipher", ANY]),
    ("TLS 1.1", ["-tls1_1", "-cipher", ANY]),
    ("without forward secrecy", ["-tls1_2", "-cipher", "AES256-GCM-SHA384"]),
    ("CBC", ["-tls1_2", "-cipher", "ECDHE-RSA-AES256-SHA384:@SECLEVEL=0"]),
    ("CBC and SHA-1", ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-SHA:@SECLEVEL=0"]),
    ("CCM", ["-tls1_2", "-cipher", "DHE-RSA-AES256-CCM:AES256-CCM:@SECLEVEL=0"]),
    ("nobody's certificate", ["-tls1_2", "-cipher", "aNULL:@SECLEVEL=0"]),
    ("no encryption", ["-tls1_2", "-cipher", "eNULL:@SECLEVEL=0"]),
]


def test_what_is_good_is_agreed_on(server):
    for name, args, cipher in AGREED:
        said = s_client(server, *args)
        assert re.search(r"Cipher is %s$" % cipher, said, re.M), f"{name}: {said}"


def test_what_is_weak_is_refused(server):
    for name, args in REFUSED:
        said = s_client(server, *args)
        assert "Cipher is (NONE)" in said, f"{name}: {said}"
        # It was the server that refused: the client had something to offer.
        assert "alert" in said and "no ciphers available" not in said, f"{name}: {said}"
    assert "Cipher is TLS" in s_client(server, "-tls1_3"), "others are served"


def test_a_connection_has_one_handshake(server, tmp_path):
    with open(tmp_path / "said", "w+", encoding="utf-8") as out:
        client = subprocess.Popen(command(server, "-tls1_2"), stdin=subprocess.PIPE,
                                  stdout=out, stderr=out)
        try:
            client.stdin.write(b"R\n")  # it asks for another
            client.stdin.flush()
            assert client.wait(timeout=DEADLINE) != 0
        finally:
            client.kill()
            client.communicate()
        out.seek(0)
        said = out.read()
    assert "RENEGOTIATING" in said and "no renegotiation" in said, said


def test_http_2_is_not_offered(server):
    said = s_client(server, "-alpn", "h2,http/1.1")
    assert "ALPN protocol: http/1.1" in said, said


def test_who_fails_at_tls_is_counted_and_nothing_of_it_is_left(server):
    def counted():
        return int(re.search(r"^fanwire_http_errors_total (\d+)$",
                             server.get("/metrics")[2], re.M).group(1))

    before = counted()
    for _, args in REFUSED[:3]:
        s_client(server, *args)

    def settled():
        return (counted() >= before + 3 and
                "\nfanwire_pending_connections 0\n" in server.get("/metrics")[2])

    wait_until(settled, "three failed handshakes are counted, none is kept")
