"""Who is there: what is answered to that question, and what handlers are told of it."""

import json
from typing import Any, Dict, List, NamedTuple, Optional, Tuple


class Member(NamedTuple):
    """A session that is in a room, or that a user has, on whichever node.

    session is its id, which hub.session() takes; user whose it is, or None; node the name
    of its node; info what set_info() has said of it.
    """

    session: str
    user: Optional[str]
    node: str
    info: bytes


class Presence(NamedTuple):
    """A page of members. total: how many there are in all. cursor: where the next page
    begins, to ask for it; None: this is the last."""

    total: int
    members: List[Member]
    cursor: Optional[int]


class Node(NamedTuple):
    """A process of the cluster: its number, which hub.send_node() takes, and its name.

    facts: its "version", how many "sessions" it has, its "uptime" in seconds, and
    "metrics", some of what /metrics shows; later versions may tell more. Handlers are
    given none.
    """

    number: int
    name: str
    facts: Dict[str, Any]


_Row = Tuple[str, Optional[str], str, bytes]


def presence(total: int, cursor: int, rows: List[_Row]) -> Presence:
    return Presence(total, [Member(*row) for row in rows], cursor or None)


def node(identity: str, name: str, facts: bytes = b"{}") -> Node:
    return Node(int(identity[:16], 16), name, _facts(facts))


def _facts(text: bytes) -> Dict[str, Any]:
    """What another process has written may be anything."""
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


def nodes(total: int, cursor: int, rows: List[_Row]) -> List[Node]:
    return [node(identity, name, facts) for identity, _, name, facts in rows]
