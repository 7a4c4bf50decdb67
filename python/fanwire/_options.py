"""Options by keyword: the C library's table of options, as Python writes them.

Hub and Emitter make their options here. The table alone says which options there are;
this module only knows how a Python value is written as text. What a text may be is for
the C library to judge.
"""

import difflib
import os
from datetime import timedelta
from typing import Any, Dict, Iterable, List, Mapping, Optional, Union

from . import native
from ._errors import OptionError

OptionValue = Union[None, str, bool, int, float, timedelta, "os.PathLike[str]",
                    Iterable[str]]

FIELDS = ("type", "default", "allowed", "since", "help", "group")

_names: Dict[str, str] = {}


def options() -> Dict[str, Dict[str, str]]:
    """The table of options, row by row: what each is, by its name.

    A row has "type", "default", "allowed", "since", "help" and "group".
    """
    return {name: {field: native.fw_options_describe(name, field) or ""
                   for field in FIELDS}
            for name in names().values()}


def name_check(name: str) -> None:
    """Is this a name that a room or a user may have?

    The rule that joins and publishes are checked by: 1 to 255 bytes of UTF-8 without
    control characters. Raises InvalidError, which says what is wrong.
    """
    native.fw_name_check(name)


def names() -> Dict[str, str]:
    """The options' names by their keywords: redis_url is redis.url."""
    if not _names:
        found: Dict[str, str] = {}
        while (name := native.fw_options_name(len(found))) is not None:
            found[name.replace(".", "_")] = name
        _names.update(found)
    return _names


def name_of(keyword: str, others: Iterable[str] = ()) -> str:
    """The option that a keyword means; others are keywords that could be meant, too."""
    known = names()
    name = known.get(keyword.replace(".", "_")) or _namespaced(keyword)
    if name is None:
        if keyword.startswith(("namespace_", "namespace.")):
            native.fw_options_set(native.fw_options_new(), keyword, "")
        near = difflib.get_close_matches(keyword, [*known, *others], n=1)
        hint = "; did you mean %s?" % near[0] if near else ""
        raise OptionError("no option is called %s%s" % (keyword, hint))
    return name


def _namespaced(keyword: str) -> Optional[str]:
    """namespace_my_news_history_size is namespace.my_news.history.size.

    Each option room.X is one of namespaces, too; what stands before X is the name.
    """
    if native.fw_options_describe(keyword, "type") is not None:
        return keyword
    prefix, tail = "namespace_", len("room")
    rest = keyword[len(prefix):]
    found = [(known[tail:], name[tail:]) for known, name in names().items()
             if name.startswith("room.") and rest.endswith(known[tail:])
             and len(rest) > len(known[tail:])]
    if not keyword.startswith(prefix) or "." in keyword or not found:
        return None
    end, x = max(found, key=lambda one: len(one[0]))
    return "namespace." + rest[:-len(end)] + x


def make(keywords: Mapping[str, OptionValue], *,
         config: Union[None, str, "os.PathLike[str]"] = None,
         environment: bool = False, others: Iterable[str] = ()) -> Any:
    """A set of options: from a file, then the environment, then keywords."""
    made = native.fw_options_new()
    if config is not None:
        if not isinstance(config, (str, os.PathLike)):
            raise TypeError("config: a path is wanted, not %r" % (config,))
        native.fw_options_load(made, os.fspath(config))
    if environment:
        native.fw_options_load_env(made)
    change(made, keywords, others)
    return made


def change(target: Any, keywords: Mapping[str, OptionValue],
           others: Iterable[str] = ()) -> None:
    """Set options; if one of them is wrong, all stay as they were."""
    wanted = {}
    for keyword, value in keywords.items():
        name = name_of(keyword, others)
        if value is not None:
            wanted[name] = _texts(name, value)
    # Tried on a set of their own first: a namespace, once made, couldn't be taken back.
    for each in (native.fw_options_new(), target):
        for name, texts in wanted.items():
            _assign(each, name, texts)


def milliseconds(text: str) -> int:
    """The duration that the C library has accepted: "30s" is 30000."""
    for unit, factor in (("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)):
        if text.endswith(unit):
            return int(text[:-len(unit)]) * factor
    return int(text)


def _is_list(name: str) -> bool:
    return native.fw_options_describe(name, "type") == "list"


def _assign(target: Any, name: str, texts: List[str]) -> None:
    # To a list a call adds: without emptying it first, a second change would not be one.
    if _is_list(name):
        native.fw_options_set(target, name, "")
    for text in texts:
        native.fw_options_set(target, name, text)


def _texts(name: str, value: Any) -> List[str]:
    """A value as the texts that C is told, one after the other."""
    text = _text(name, value)
    if text is not None:
        return [text]
    if isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray)):
        if not _is_list(name):
            raise OptionError("%s: one value, not several" % name)
        return [_item(name, item) for item in value]
    raise OptionError("%s: %r: text, a number, a bool, a timedelta or a path is wanted"
                      % (name, value))


def _item(name: str, value: Any) -> str:
    text = _text(name, value)
    if text is None:
        raise OptionError("%s: %r: a list of texts is wanted" % (name, value))
    return text


def _text(name: str, value: Any) -> Optional[str]:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, timedelta):
        whole, rest = divmod(value, timedelta(milliseconds=1))
        if rest:
            raise OptionError("%s: %s: whole milliseconds are wanted" % (name, value))
        return "%dms" % whole
    if isinstance(value, os.PathLike):
        return os.fsdecode(value)
    return None
