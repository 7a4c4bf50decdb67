#!/usr/bin/python3
"""Makes the seeds of the fuzzers: a few inputs in order for each target, from which it
finds its way to the others.

  tests/fuzz/seeds.py --write    tests/fuzz/corpus anew, but for what was found
  tests/fuzz/seeds.py --check    is it as this makes it? exit status 1 if it isn't

What a target takes is written in the head of its fuzz_NAME.c. Inputs that have once shown
a fault are kept beside the seeds, as found-WHAT; they are nobody's to make.
"""

import argparse
import pathlib
import sys

import seeds_plays
import seeds_redis
import seeds_web

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE / "corpus"


def texts():
    """The small parsers, whose input is what they read."""
    return {
        "utf8": {
            "ascii": b"\x03hello",
            "two-three-four": "\x02é€😀".encode(),
            "last-of-each": b"\x04\x7f\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf",
            "surrogate": b"\x01\xed\xa0\x80",
            "overlong": b"\x01\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf",
            "breaks-off": b"\x02\xf0\x9f\x98",
        },
        "base64": {
            "one-two-three": b"Zm9v",
            "padded": b"Zg==",
            "padded-once": b"Zm8=",
            "unpadded": b"Zm8",
            "both-alphabets": b"+/-_",
            "loose-bits": b"Zh==",
        },
        "name": {
            "plain": b"lobby",
            "escaped": b"a{b}%c",
            "not-ascii": "zoë 😀".encode(),
            "of-redis": b"f:r:a%7Bb%7D%25",
            "control": b"a\xc2\x85b\x01",
            "longest": b"n" * 255,
            "too-long": b"n" * 256,
        },
        "url": {name: url.encode() for name, url in {
            "ws": "ws://127.0.0.1:9090/ws",
            "wss-ipv6": "wss://[::1%lo]:443/a/b",
            "unix": "unix:/run/fanwire.sock:/ws",
            "redis": "redis://ann:s%40cret@example.org:6379/2",
            "rediss": "rediss://:secret@[2001:db8::1]",
            "redis-unix": "redis+unix://ann:b@/run/redis.sock?db=3",
            "cluster": "redis+cluster://:p@a:7000,b,[::1]:7002/0",
            "sentinel": "redis+sentinel://u:p@a,b:26380/main?db=1&sentinel_user=x"
                        "&sentinel_password=y%2C",
            "address": "localhost:0",
        }.items()},
        "json": {
            "values": b' [null, true,false,-0,1.5e+3,"a\\u00e9\\ud83d\\ude00\\n"] ',
            "object": b'{"id":18446744073709551615,"a":{"b":[]},"id":-1}',
            "several": b'{"id":1}\n{"id":2}\n\n3 "x"',
            "half-a-pair": b'"\\ud83d \\udc00"',
            "deep": b"[" * 64 + b"]" * 64,
            "too-deep": b"[" * 65 + b"]" * 65,
            "breaks-off": b'{"a":[1,2',
            "numbers": b"[0,-1,0.5,1E9,1e-9,-0.0,01,1.,.5,+1,1e,9223372036854775808]",
            "escapes": rb'["\\","\"","\/","\b\f\n\r\t","\u0000","\uD800","\x"]',
            "same-name": rb'{"a":1,"a":2,"\u0061":3,"":{"a":null}}',
            "not-utf8": b'["\xff","\xc3\xa9","\xed\xa0\x80","\xf4\x90\x80\x80"]',
            "blanks": b" \t\r\n[ 1 ,\n2 ]\t ",
            "no-comma": b'[1 2]{"a" 1}{"a":}',
            "words": b"[nul,True,falsey,NaN,Infinity]",
            "line-separators": '["\u2028\u2029\u0085"]'.encode(),
        },
        "options": {
            "file": b"\x00; a comment\n[redis]\nurl = redis://h\n[room]\n"
                    b"history.size = 5\n[namespace.news]\npresence = on\n",
            "file-flat": b"\x00listen = ws://0.0.0.0:1/ws\nlisten = unix:/s:/ws\n"
                         b"outbox.policy=latest\r\nmessage.max_bytes = 64KiB\n",
            "file-unknown": b"\x00redis.ur = x\n",
            "file-malformed": b"\x00[redis\nurl\n",
            "file-long": b"\x00node.name = " + b"n" * 300 + b"\n",
            "environment": b"\x01FANWIRE_REDIS_URL=redis://h\0PATH=/bin\0"
                           b"FANWIRE_NAMESPACE_NEWS_HISTORY_SIZE=5\0",
            "environment-unknown": b"\x01FANWIRE_REDIS_UR=x\0",
            "environment-bad": b"\x01FANWIRE_THREADS=many\0",
        },
        "handover": {
            "own": b"\x01\x02fanwired 1 own\xffyours",
            "lent-two": b"\x02\x02fanwired 1 lent\xffyours",
            "no-sockets": b"\x00\x00fanwired 1 own",
            "not-listening": b"\x03\x01fanwired 1 own\xffyours",
            "no-socket-at-all": b"\x04\x00fanwired 1 own",
            "ready": b"\x00\x00ready\xffready",
            "another-version": b"\x01\x02fanwired 2 own",
        },
    }


def all_seeds():
    seeds = texts()
    keys = seeds_web.vectors(HERE)
    for part in (seeds_web.seeds(keys), seeds_redis.seeds(), seeds_plays.seeds(keys)):
        for target, inputs in part.items():
            assert target not in seeds, target
            seeds[target] = inputs
    targets = {path.stem[len("fuzz_"):] for path in HERE.glob("fuzz_*.c")}
    assert targets == set(seeds), targets ^ set(seeds)
    return seeds


def differences(seeds):
    for target, inputs in sorted(seeds.items()):
        folder = CORPUS / target
        there = {path.name for path in folder.glob("*")} if folder.is_dir() else set()
        for name, data in sorted(inputs.items()):
            if name not in there or (folder / name).read_bytes() != data:
                yield f"{target}/{name}: missing or different"
        for name in sorted(there - set(inputs)):
            if not name.startswith("found-"):
                yield f"{target}/{name}: nobody makes it"


def write(seeds):
    for target, inputs in seeds.items():
        folder = CORPUS / target
        folder.mkdir(parents=True, exist_ok=True)
        for path in folder.glob("*"):
            if not path.name.startswith("found-"):
                path.unlink()
        for name, data in inputs.items():
            (folder / name).write_bytes(data)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    args = parser.parse_args()
    seeds = all_seeds()
    if args.write:
        write(seeds)
    wrong = list(differences(seeds))
    for line in wrong:
        print(line)
    if wrong:
        print("make them anew: tests/fuzz/seeds.py --write")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
