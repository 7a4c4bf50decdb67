"""Tokens as users see them: `fanwired token`, and who is let in with one.

Signatures are made and checked by others: Python's hmac and the openssl program.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import subprocess
import time

import pytest
import websockets

from conftest import DEADLINE, run

SECRET = "a secret that is shared with nobody but the tests"
OTHER = "the secret of before the last rotation of secrets"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def make(claims, secret=SECRET, header=None):
    """A token by Python's standard library."""
    text = b64(json.dumps(header or {"alg": "HS256", "typ": "JWT"}).encode())
    text += "." + b64(json.dumps(claims).encode())
    return text + "." + b64(hmac.new(secret.encode(), text.encode(),
                                     hashlib.sha256).digest())


def token(*args, env=None):
    done = run("token", *args, env=env or {"FANWIRE_TOKEN_HMAC_SECRET": SECRET})
    assert (done.status, done.err) == (0, ""), done.err
    return done.out.rstrip("\n")


def claims_of(text):
    return json.loads(unb64(text.split(".")[1]))


def openssl(*args, **keywords):
    return subprocess.run(["openssl", *args], check=True, timeout=DEADLINE,
                          capture_output=True, **keywords).stdout


# --- fanwired token ---

def test_a_token_is_signed_as_others_sign_it():
    before = int(time.time())
    text = token("--user", "ann")
    claims = claims_of(text)
    assert claims["sub"] == "ann"
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] == claims["iat"] + 3600 and len(claims) == 3
    signed, _, signature = text.rpartition(".")
    assert unb64(signature) == hmac.new(SECRET.encode(), signed.encode(),
                                        hashlib.sha256).digest()
    assert json.loads(unb64(text.split(".")[0])) == {"alg": "HS256", "typ": "JWT"}


def test_flags_become_claims():
    claims = claims_of(token(
        "--user", 'a "name" ü', "--expire", "10m", "--info", '{"a": [1]}', "--meta=null",
        "--channels", "a,b:c", "--token.issuer", "https://i", "--token.audience", "chat"))
    assert claims["exp"] == claims["iat"] + 600
    assert (claims["sub"], claims["info"]) == ('a "name" ü', {"a": [1]})
    assert claims["channels"] == ["a", "b:c"] and claims["meta"] is None
    assert (claims["iss"], claims["aud"]) == ("https://i", "chat")
    claims = claims_of(token("--user", "", "--expire=0s", "--channel", "$r", "--client",
                             "c", "--data", "7"))
    assert "exp" not in claims and claims["sub"] == ""
    assert (claims["channel"], claims["client"], claims["data"]) == ("$r", "c", 7)


def test_the_first_secret_signs_and_json_is_for_machines():
    env = {"FANWIRE_TOKEN_HMAC_SECRET": f"{SECRET},{OTHER}"}
    text = json.loads(token("--user", "ann", "--json", env=env))["token"]
    signed, _, signature = text.rpartition(".")
    assert unb64(signature) == hmac.new(SECRET.encode(), signed.encode(),
                                        hashlib.sha256).digest()


KEYS = {
    "RS256": ("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ES256": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"),
    "ES384": ("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "EdDSA": ("genpkey", "-algorithm", "ED25519"),
}


@pytest.fixture
def key_pair(tmp_path):
    """key_pair("RS256"): the files of a private and a public key."""
    def make_pair(alg):
        private, public = tmp_path / f"{alg}.key", tmp_path / f"{alg}.pem"
        private.write_bytes(openssl(*KEYS[alg]))
        public.write_bytes(openssl("pkey", "-in", str(private), "-pubout"))
        return str(private), str(public)

    return make_pair


@pytest.mark.parametrize("alg", KEYS)
def test_a_private_key_signs_what_its_public_key_lets_in(fanwired, key_pair, alg):
    private, public = key_pair(alg)
    text = token("--user", "ann", "--key", private, "--kid", "k1", env={})
    assert json.loads(unb64(text.split(".")[0])) == {"alg": alg, "typ": "JWT",
                                                     "kid": "k1"}
    f = fanwired("--token.public_key", public, "--raw.format", "json")
    assert asyncio.run(user_of(f, text)) == "ann"


BAD = [
    ((), "usage: fanwired token --user USER"),
    (("--user",), "user: a value is missing: a user's name"),
    (("--user", "a\nb"), "sub can't be a user's name"),
    (("--user", "ann", "more"), "usage: fanwired token --user USER"),
    (("--user", "ann", "--expire", "10"), "expire: 10: a whole number with s, m or h"),
    (("--user", "ann", "--expire", "-1s"), "expire: -1s: "),
    (("--user", "ann", "--info", "{"), "claims are not a JSON object"),
    (("--user", "ann", "--info", '1,"sub":"bob"'), "twice"),
    (("--user", "ann", "--channels", "a,,b"), "channel that can't be one"),
    (("--user", "ann", "--key", "/dev/null"), "key: /dev/null: a private key in PEM"),
    (("--user", "ann", "--exipre", "1h"), "exipre: no such option"),
]


@pytest.mark.parametrize("args, says", BAD, ids=lambda a: " ".join(a)
                         if isinstance(a, tuple) else None)
def test_what_is_wrong_is_one_line_and_status_2(args, says):
    done = run("token", *args, env={"FANWIRE_TOKEN_HMAC_SECRET": SECRET})
    assert (done.status, done.out) == (2, "") and says in done.err
    assert len(done.err_lines) == 1 and SECRET not in done.err


def test_without_a_key_nothing_is_signed():
    done = run("token", "--user", "ann")
    assert done.status == 2 and "token.hmac_secret: token needs it" in done.err
    done = run("token", "--user", "ann", "--key", "/nonexistent")
    assert done.status == 1 and "/nonexistent: No such file" in done.err


def test_flags_of_token_are_none_of_others():
    done = run("--check-config", "--user", "ann")
    assert done.status == 2 and "user: no such option" in done.err
    assert "--channels" in run("--help").out


# --- what keys are taken ---

def check(*args, env=None):
    return run("--check-config", *args, env=env)


def test_good_keys_are_silent(key_pair, tmp_path):
    public = [key_pair(alg)[1] for alg in ("RS256", "EdDSA")]
    done = check("--token.public_key", ",".join(public), "--raw.user", "token",
                 env={"FANWIRE_TOKEN_HMAC_SECRET": f"{SECRET}, {OTHER}"})
    assert (done.status, done.out, done.err) == (0, "", "")
    with open(public[0], encoding="ascii") as f:
        done = check(env={"FANWIRE_TOKEN_PUBLIC_KEY": f.read()})
    assert (done.status, done.out, done.err) == (0, "", "")


def test_a_key_that_can_t_be_used_is_one_line_that_shows_no_secret(key_pair, tmp_path):
    private, _ = key_pair("ES256")
    jwks, short = tmp_path / "keys.json", "too-short-a-secret"
    jwks.write_text('{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}')
    cases = [
        (("--token.hmac_secret", short), "token.hmac_secret: ***: each secret must have"),
        (("--token.hmac_secret", f"{SECRET},{short}"), "token.hmac_secret: ***: "),
        (("--token.public_key", private), f"token.public_key: {private}: a private key"),
        (("--token.public_key", str(jwks)), f"{jwks}: no PUBLIC KEY is in it"),
        (("--token.public_key", "-----BEGIN PUBLIC KEY-----\nAAAA"),
         "token.public_key: a PEM text: a block that is no PEM"),
        (("--token.jwks", str(jwks)), f"token.jwks: {jwks}: key 1: a secret among "),
        (("--token.jwks", private), f"token.jwks: {private}: not JSON, at byte "),
        (("--raw.user", "token"), "raw.user: token: a key is needed"),
    ]
    for args, says in cases:
        done = check(*args)
        assert (done.status, done.out) == (2, "") and len(done.err_lines) == 1, done.err
        assert says in done.err
        for secret in (short, SECRET, "c2VjcmV0"):
            assert secret not in done.err
    done = check("--token.jwks", "/nonexistent")
    assert done.status == 1
    assert "token.jwks: /nonexistent: No such file or directory" in done.err


# --- who is let in ---

async def user_of(f, text):
    """Whom a node takes for the sender of what a client with that token says."""
    async with websockets.connect(f"{f.url}?room=r&token={text}") as ws:
        assert json.loads(await asyncio.wait_for(ws.recv(), DEADLINE)) == {"joined": "r"}
        await ws.send("hello")
        return json.loads(await asyncio.wait_for(ws.recv(), DEADLINE)).get("user")


async def refused(f, query):
    """The HTTP status that a client gets instead of a session."""
    with pytest.raises(websockets.InvalidHandshake) as e:
        async with websockets.connect(f"{f.url}?room=r{query}"):
            pass
    # Its name has changed with the versions of websockets.
    return getattr(e.value, "status_code", None) or e.value.response.status_code


def test_with_a_secret_only_tokens_say_who_one_is(fanwired):
    f = fanwired("--raw.format", "json",
                 env={"FANWIRE_TOKEN_HMAC_SECRET": f"{SECRET},{OTHER}"})
    soon = time.time() + 100
    assert asyncio.run(user_of(f, make({"sub": "ann", "exp": soon}))) == "ann"
    assert asyncio.run(user_of(f, make({"sub": "bob"}, OTHER))) == "bob"
    assert asyncio.run(user_of(f, make({"sub": ""}))) is None
    for query in ("", "&user=ann", "&token=x",
                  "&token=" + make({"sub": "ann"}, SECRET + "!"),
                  "&token=" + make({"sub": "ann", "exp": time.time() - 1}),
                  "&token=" + make({"sub": "ann", "nbf": soon}),
                  "&token=" + make({"sub": "ann"}, header={"alg": "none"}),
                  "&token=" + make({"sub": "ann", "channel": "r"})):
        assert asyncio.run(refused(f, query)) == 401
    assert SECRET not in f.err()
    metrics = f.get("/metrics")[2]
    assert 'fanwire_tokens_refused_total{reason="missing"} 2' in metrics
    assert 'fanwire_tokens_refused_total{reason="expired"} 1' in metrics
    assert 'fanwire_tokens_refused_total{reason="bad"} 5' in metrics


def test_issuer_and_audience_are_asked_for_where_options_say_so(fanwired):
    options = ("--token.issuer", "https://i", "--token.audience", "chat")
    f = fanwired("--raw.format", "json", *options,
                 env={"FANWIRE_TOKEN_HMAC_SECRET": SECRET})
    assert asyncio.run(user_of(f, token("--user", "ann", *options))) == "ann"
    assert asyncio.run(refused(f, "&token=" + token("--user", "ann"))) == 401
