"""What rooms with history answer: where a session came in, and what is kept.

A position is text, "EPOCH/OFFSET"; None where a room has no history.
"""

from typing import Any, List, NamedTuple, Optional, Tuple, Union


class Joined(NamedTuple):
    """A join is complete: the session hears everything behind this position.

    recovered: it got all that it had missed, if `since` was given.
    """

    position: Optional[str]
    recovered: bool


class KeptMessage(NamedTuple):
    """A message of a room's history."""

    data: Union[str, bytes]
    position: str


class History(NamedTuple):
    """Messages of a room, and the position of the newest that there is."""

    position: Optional[str]
    messages: List[KeptMessage]


def joined(room: str, position: Optional[str], recovered: bool) -> Joined:
    return Joined(position, recovered)


def position_of(room: str, position: Optional[str], recovered: bool) -> Optional[str]:
    return position


def history(room: str, position: Optional[str],
            messages: List[Tuple[Any, str]]) -> History:
    return History(position, [KeptMessage(*message) for message in messages])
