# What `import fanwire` offers, with types. Docstrings are in the code; docs/python.md is
# the guide. Names that begin with _ exist for type checkers only.
import logging
import os
from concurrent.futures import Future
from datetime import timedelta
from types import TracebackType
from typing import (Any, AsyncIterator, Awaitable, Callable, Dict, Generator, Iterable,
                    Iterator, List, Literal, Mapping, NamedTuple, Optional, Type, TypeVar,
                    Union, overload)

from . import native as native

__version__: str

_T = TypeVar("_T")

# What can be sent: text, bytes, something that becomes JSON, or what was built before.
_Data = Union[str, bytes, bytearray, memoryview, Dict[str, Any], List[Any], "Message"]
_Received = Union[str, bytes]
_Skip = Union[None, str, "SessionHandle"]

# How options may be written. Text is as in the INI file, whatever the option.
_Text = Optional[str]
_Number = Union[None, int, str]
_Duration = Union[None, timedelta, str]
_Switch = Union[None, bool, str]
_List = Union[None, str, Iterable[str]]
_Path = Union[None, str, "os.PathLike[str]"]

# Handlers, each sync or async. They come back from the decorator as what they were.
_Nothing = Union[None, Awaitable[None], Awaitable[Joined]]
_OnConnect = TypeVar("_OnConnect", bound=Callable[
    [Request],
    Union[None, str, Awaitable[None], Awaitable[str], Awaitable[Optional[str]]]])
_OnOpen = TypeVar("_OnOpen", bound=Callable[[Session], _Nothing])
_OnMessage = TypeVar("_OnMessage", bound=Callable[[Session, _Received], _Nothing])
_OnClose = TypeVar("_OnClose", bound=Callable[[Session, int, str], _Nothing])
_OnJoin = TypeVar("_OnJoin", bound=Callable[
    [Session, str],
    Union[None, bool, Awaitable[None], Awaitable[bool], Awaitable[Optional[bool]]]])
_OnPublish = TypeVar("_OnPublish", bound=Callable[
    [Session, str, _Received],
    Union[None, bool, _Data, Awaitable[None], Awaitable[bool], Awaitable[_Data],
          Awaitable[Optional[bool]], Awaitable[Union[None, bool, _Data]]]])
_OnRefresh = TypeVar("_OnRefresh", bound=Callable[
    [Session], Union[float, Awaitable[int], Awaitable[float]]])
_OnSubRefresh = TypeVar("_OnSubRefresh", bound=Callable[
    [Session, str], Union[float, Awaitable[int], Awaitable[float]]])
_OnRpc = TypeVar("_OnRpc", bound=Callable[
    [Session, str, str],
    Union[None, _Data, Awaitable[None], Awaitable[_Data], Awaitable[Optional[_Data]]]])
_OnLeave = TypeVar("_OnLeave", bound=Callable[[Session, str], _Nothing])
_OnRoomMessage = TypeVar("_OnRoomMessage", bound=Union[
    Callable[[str, _Received], _Nothing],
    Callable[[str, _Received, Optional[str]], _Nothing]])
_OnMember = TypeVar("_OnMember", bound=Callable[[str, Member], _Nothing])
_OnNode = TypeVar("_OnNode", bound=Callable[[Node], _Nothing])
_OnRoomReset = TypeVar("_OnRoomReset", bound=Callable[[str, str], _Nothing])
_OnUp = TypeVar("_OnUp", bound=Callable[[], _Nothing])
_OnDown = TypeVar("_OnDown", bound=Callable[[str], _Nothing])

class Error(Exception):
    number: int
    name: str
    is_retriable: bool

class InvalidError(Error, ValueError): ...
class OutOfMemoryError(Error, MemoryError): ...
class OptionError(Error, ValueError): ...
class StateError(Error, RuntimeError): ...
class BusyError(Error): ...
class GoneError(Error): ...
class TooBigError(Error, ValueError): ...
class ClosedError(Error): ...
class TimedOutError(Error, TimeoutError): ...
class ListenError(Error): ...
class TLSError(Error): ...
class BackplaneError(Error): ...
class ForkedError(Error): ...
class SystemCallError(Error): ...
class RefusedError(Error): ...
class LimitError(Error): ...

class Refuse(Exception):
    status: int
    reason: str
    def __init__(self, status: int = ..., reason: str = ...) -> None: ...

class Answer(Future[_T]):
    def __await__(self) -> Generator[Any, None, _T]: ...

class Joined(NamedTuple):
    position: Optional[str]
    recovered: bool

class KeptMessage(NamedTuple):
    data: _Received
    position: str

class History(NamedTuple):
    position: Optional[str]
    messages: List[KeptMessage]

class Member(NamedTuple):
    session: str
    user: Optional[str]
    node: str
    info: bytes

class Presence(NamedTuple):
    total: int
    members: List[Member]
    cursor: Optional[int]

class Node(NamedTuple):
    number: int
    name: str
    facts: Dict[str, Any]

class Message:
    def __init__(self, data: _Data, *, skip: _Skip = ..., key: Optional[str] = ...,
                 ) -> None: ...
    @property
    def data(self) -> _Received: ...

class Query(Mapping[str, str]):
    def __getitem__(self, name: str) -> str: ...
    def __iter__(self) -> Iterator[str]: ...
    def __len__(self) -> int: ...
    def getlist(self, name: str) -> List[str]: ...

class Headers:
    def __getitem__(self, name: str) -> str: ...
    def __contains__(self, name: object) -> bool: ...
    @overload
    def get(self, name: str) -> Optional[str]: ...
    @overload
    def get(self, name: str, default: _T) -> Union[str, _T]: ...

class Facts:
    @property
    def path(self) -> str: ...
    @property
    def query(self) -> Query: ...
    @property
    def query_string(self) -> str: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def address(self) -> str: ...
    @property
    def peer(self) -> str: ...
    @property
    def host(self) -> Optional[str]: ...
    @property
    def origin(self) -> Optional[str]: ...
    @property
    def scheme(self) -> str: ...
    @property
    def protocol(self) -> Optional[str]: ...

class Request(Facts):
    @property
    def id(self) -> str: ...
    @property
    def user(self) -> Optional[str]: ...
    @property
    def data(self) -> Optional[str]: ...
    @property
    def state(self) -> Dict[str, Any]: ...

class SessionHandle:
    @property
    def id(self) -> str: ...
    @property
    def node(self) -> int: ...
    def send(self, data: _Data) -> None: ...
    def close(self, code: int = ..., reason: str = ...) -> None: ...
    def join(self, room: str, *, since: Optional[str] = ...) -> Answer[Joined]: ...
    def leave(self, room: str) -> None: ...
    def set_user(self, user: Optional[str]) -> None: ...
    def set_info(self, info: _Data) -> None: ...

class Session(SessionHandle, Facts):
    @property
    def user(self) -> Optional[str]: ...
    @property
    def state(self) -> Dict[str, Any]: ...
    @property
    def closed(self) -> bool: ...
    async def receive(self) -> _Received: ...
    def __aiter__(self) -> AsyncIterator[_Received]: ...

class Room:
    name: str
    def publish(self, data: _Data, *, skip: _Skip = ..., key: Optional[str] = ...,
                ) -> None: ...
    def apublish(self, data: _Data, *, skip: _Skip = ..., key: Optional[str] = ...,
                 ) -> Answer[Optional[str]]: ...
    def send_here(self, data: _Data, *, skip: _Skip = ...) -> None: ...
    def history(self, *, since: Optional[str] = ..., limit: int = ...,
                reverse: bool = ...) -> Answer[History]: ...
    def forget(self) -> Answer[Optional[str]]: ...
    def presence(self, *, limit: int = ..., cursor: Optional[int] = ...,
                 ) -> Answer[Presence]: ...
    def members(self) -> AsyncIterator[Member]: ...

class User:
    name: str
    def send(self, data: _Data, *, skip: _Skip = ...) -> None: ...
    def disconnect(self, code: int = ..., reason: str = ...) -> None: ...
    def join(self, room: str) -> None: ...
    def leave(self, room: str) -> None: ...
    def sessions(self, *, limit: int = ..., cursor: Optional[int] = ...,
                 ) -> Answer[Presence]: ...

class Hub:
    def __init__(
        self,
        *,
        concurrency: int = ...,
        config: _Path = ...,
        environment: bool = ...,
        logger: Optional[logging.Logger] = ...,
        # options
        listen: _List = ...,
        listen_shared: _Switch = ...,
        centrifuge_path: _Text = ...,
        centrifuge_uni_sse_path: _Text = ...,
        centrifuge_sse_path: _Text = ...,
        centrifuge_http_stream_path: _Text = ...,
        centrifuge_emulation_path: _Text = ...,
        sse_path: _Text = ...,
        threads: _Number = ...,
        events_per_session: _Number = ...,
        events_max_bytes: _Number = ...,
        inbox_max_bytes: _Number = ...,
        history_cache_max_bytes: _Number = ...,
        decision_timeout: _Duration = ...,
        handshake_timeout: _Duration = ...,
        limit_pending: _Number = ...,
        http_listen: _Text = ...,
        http_request_timeout: _Duration = ...,
        http_idle_timeout: _Duration = ...,
        limit_http_connections: _Number = ...,
        api_key: _List = ...,
        api_max_bytes: _Number = ...,
        api_max_items: _Number = ...,
        api_timeout: _Duration = ...,
        admin_password: _Text = ...,
        redis_url: _Text = ...,
        redis_prefix: _Text = ...,
        redis_required: _Switch = ...,
        redis_queue_max_bytes: _Number = ...,
        redis_queue_deadline: _Duration = ...,
        redis_tls_ca: _Path = ...,
        redis_tls_cert: _Path = ...,
        redis_tls_key: _Path = ...,
        redis_tls_insecure: _Switch = ...,
        node_name: _Text = ...,
        node_lease: _Duration = ...,
        heartbeat_interval: _Duration = ...,
        heartbeat_timeout: _Duration = ...,
        message_max_bytes: _Number = ...,
        outbox_max_bytes: _Number = ...,
        outbox_policy: Union[_Text, Literal[
            "close", "drop_oldest", "drop_newest", "latest"]] = ...,
        write_delay: _Duration = ...,
        compression: _Switch = ...,
        compression_min_bytes: _Number = ...,
        sse_retry: _Duration = ...,
        drain_rate: _Number = ...,
        drain_timeout: _Duration = ...,
        handover_path: _Path = ...,
        origins: _List = ...,
        proxy_trusted: _List = ...,
        limit_sessions: _Number = ...,
        limit_sessions_per_address: _Number = ...,
        limit_sessions_per_user: _Number = ...,
        limit_message_rate: _Number = ...,
        limit_publish_rate_per_user: _Number = ...,
        limit_publish_rate_per_address: _Number = ...,
        limit_join_rate_per_user: _Number = ...,
        limit_join_rate_per_address: _Number = ...,
        limit_emulation_rate_per_address: _Number = ...,
        limit_rooms_per_session: _Number = ...,
        limit_resubscribe_rate: _Number = ...,
        tls_cert: _Path = ...,
        tls_key: _Path = ...,
        log_level: Union[_Text, Literal["error", "warn", "info", "debug", "trace"]] = ...,
        log_format: Union[_Text, Literal["text", "json"]] = ...,
        log_file: _Path = ...,
        raw_mode: Union[_Text, Literal["app", "rooms"]] = ...,
        raw_format: Union[_Text, Literal["plain", "json"]] = ...,
        raw_echo_to_sender: _Switch = ...,
        raw_user: Union[_Text, Literal["auto", "query", "token", "none"]] = ...,
        token_hmac_secret: _List = ...,
        token_public_key: _List = ...,
        token_jwks: _List = ...,
        token_issuer: _Text = ...,
        token_audience: _Text = ...,
        token_grace: _Duration = ...,
        client_anonymous: _Switch = ...,
        client_insecure: _Switch = ...,
        hook_connect_url: _Text = ...,
        hook_refresh_url: _Text = ...,
        hook_subscribe_url: _Text = ...,
        hook_sub_refresh_url: _Text = ...,
        hook_publish_url: _Text = ...,
        hook_rpc_url: _Text = ...,
        hook_disconnect_url: _Text = ...,
        hook_timeout: _Duration = ...,
        hook_concurrency: _Number = ...,
        hook_per_session: _Number = ...,
        hook_queue: _Number = ...,
        hook_max_bytes: _Number = ...,
        hook_headers: _List = ...,
        hook_secret: _Text = ...,
        hook_tls_ca: _Path = ...,
        hook_breaker_failures: _Number = ...,
        hook_breaker_pause: _Duration = ...,
        user_presence: _Switch = ...,
        room_history_size: _Number = ...,
        room_history_ttl: _Duration = ...,
        room_presence: _Switch = ...,
        room_join_leave: _Switch = ...,
        room_recovery_mode: Union[_Text, Literal["stream", "cache"]] = ...,
        room_publish_rate: _Number = ...,
        room_join_rate: _Number = ...,
        room_ask_subscribe: _Switch = ...,
        room_ask_publish: _Switch = ...,
        room_allow_subscribe: _Switch = ...,
        room_allow_publish: _Switch = ...,
        room_allow_presence: _Switch = ...,
        room_allow_history: _Switch = ...,
        # end of options
    ) -> None: ...
    def configure(
        self,
        *,
        # options
        listen: _List = ...,
        listen_shared: _Switch = ...,
        centrifuge_path: _Text = ...,
        centrifuge_uni_sse_path: _Text = ...,
        centrifuge_sse_path: _Text = ...,
        centrifuge_http_stream_path: _Text = ...,
        centrifuge_emulation_path: _Text = ...,
        sse_path: _Text = ...,
        threads: _Number = ...,
        events_per_session: _Number = ...,
        events_max_bytes: _Number = ...,
        inbox_max_bytes: _Number = ...,
        history_cache_max_bytes: _Number = ...,
        decision_timeout: _Duration = ...,
        handshake_timeout: _Duration = ...,
        limit_pending: _Number = ...,
        http_listen: _Text = ...,
        http_request_timeout: _Duration = ...,
        http_idle_timeout: _Duration = ...,
        limit_http_connections: _Number = ...,
        api_key: _List = ...,
        api_max_bytes: _Number = ...,
        api_max_items: _Number = ...,
        api_timeout: _Duration = ...,
        admin_password: _Text = ...,
        redis_url: _Text = ...,
        redis_prefix: _Text = ...,
        redis_required: _Switch = ...,
        redis_queue_max_bytes: _Number = ...,
        redis_queue_deadline: _Duration = ...,
        redis_tls_ca: _Path = ...,
        redis_tls_cert: _Path = ...,
        redis_tls_key: _Path = ...,
        redis_tls_insecure: _Switch = ...,
        node_name: _Text = ...,
        node_lease: _Duration = ...,
        heartbeat_interval: _Duration = ...,
        heartbeat_timeout: _Duration = ...,
        message_max_bytes: _Number = ...,
        outbox_max_bytes: _Number = ...,
        outbox_policy: Union[_Text, Literal[
            "close", "drop_oldest", "drop_newest", "latest"]] = ...,
        write_delay: _Duration = ...,
        compression: _Switch = ...,
        compression_min_bytes: _Number = ...,
        sse_retry: _Duration = ...,
        drain_rate: _Number = ...,
        drain_timeout: _Duration = ...,
        handover_path: _Path = ...,
        origins: _List = ...,
        proxy_trusted: _List = ...,
        limit_sessions: _Number = ...,
        limit_sessions_per_address: _Number = ...,
        limit_sessions_per_user: _Number = ...,
        limit_message_rate: _Number = ...,
        limit_publish_rate_per_user: _Number = ...,
        limit_publish_rate_per_address: _Number = ...,
        limit_join_rate_per_user: _Number = ...,
        limit_join_rate_per_address: _Number = ...,
        limit_emulation_rate_per_address: _Number = ...,
        limit_rooms_per_session: _Number = ...,
        limit_resubscribe_rate: _Number = ...,
        tls_cert: _Path = ...,
        tls_key: _Path = ...,
        log_level: Union[_Text, Literal["error", "warn", "info", "debug", "trace"]] = ...,
        log_format: Union[_Text, Literal["text", "json"]] = ...,
        log_file: _Path = ...,
        raw_mode: Union[_Text, Literal["app", "rooms"]] = ...,
        raw_format: Union[_Text, Literal["plain", "json"]] = ...,
        raw_echo_to_sender: _Switch = ...,
        raw_user: Union[_Text, Literal["auto", "query", "token", "none"]] = ...,
        token_hmac_secret: _List = ...,
        token_public_key: _List = ...,
        token_jwks: _List = ...,
        token_issuer: _Text = ...,
        token_audience: _Text = ...,
        token_grace: _Duration = ...,
        client_anonymous: _Switch = ...,
        client_insecure: _Switch = ...,
        hook_connect_url: _Text = ...,
        hook_refresh_url: _Text = ...,
        hook_subscribe_url: _Text = ...,
        hook_sub_refresh_url: _Text = ...,
        hook_publish_url: _Text = ...,
        hook_rpc_url: _Text = ...,
        hook_disconnect_url: _Text = ...,
        hook_timeout: _Duration = ...,
        hook_concurrency: _Number = ...,
        hook_per_session: _Number = ...,
        hook_queue: _Number = ...,
        hook_max_bytes: _Number = ...,
        hook_headers: _List = ...,
        hook_secret: _Text = ...,
        hook_tls_ca: _Path = ...,
        hook_breaker_failures: _Number = ...,
        hook_breaker_pause: _Duration = ...,
        user_presence: _Switch = ...,
        room_history_size: _Number = ...,
        room_history_ttl: _Duration = ...,
        room_presence: _Switch = ...,
        room_join_leave: _Switch = ...,
        room_recovery_mode: Union[_Text, Literal["stream", "cache"]] = ...,
        room_publish_rate: _Number = ...,
        room_join_rate: _Number = ...,
        room_ask_subscribe: _Switch = ...,
        room_ask_publish: _Switch = ...,
        room_allow_subscribe: _Switch = ...,
        room_allow_publish: _Switch = ...,
        room_allow_presence: _Switch = ...,
        room_allow_history: _Switch = ...,
        # end of options
    ) -> None: ...
    def option(self, name: str) -> str: ...

    def on_connect(self, handler: _OnConnect) -> _OnConnect: ...
    def on_open(self, handler: _OnOpen) -> _OnOpen: ...
    def on_message(self, handler: _OnMessage) -> _OnMessage: ...
    def on_close(self, handler: _OnClose) -> _OnClose: ...
    def on_join(self, handler: _OnJoin) -> _OnJoin: ...
    def on_publish(self, handler: _OnPublish) -> _OnPublish: ...
    def on_refresh(self, handler: _OnRefresh) -> _OnRefresh: ...
    def on_sub_refresh(self, handler: _OnSubRefresh) -> _OnSubRefresh: ...
    def on_rpc(self, handler: _OnRpc) -> _OnRpc: ...
    def on_leave(self, handler: _OnLeave) -> _OnLeave: ...
    def on_room_message(self, handler: _OnRoomMessage) -> _OnRoomMessage: ...
    def on_room_reset(self, handler: _OnRoomReset) -> _OnRoomReset: ...
    def on_room_join(self, handler: _OnMember) -> _OnMember: ...
    def on_room_leave(self, handler: _OnMember) -> _OnMember: ...
    def on_node_up(self, handler: _OnNode) -> _OnNode: ...
    def on_node_down(self, handler: _OnNode) -> _OnNode: ...
    def on_backplane_up(self, handler: _OnUp) -> _OnUp: ...
    def on_backplane_down(self, handler: _OnDown) -> _OnDown: ...

    def run(self) -> None: ...
    async def serve(self) -> None: ...
    def stop(self) -> None: ...
    def start(self) -> None: ...
    def close(self, timeout: Optional[float] = ...) -> None: ...
    def __enter__(self) -> Hub: ...
    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 where: Optional[TracebackType]) -> None: ...
    async def astart(self) -> None: ...
    async def aclose(self, timeout: Optional[float] = ...) -> None: ...
    async def __aenter__(self) -> Hub: ...
    async def __aexit__(self, kind: Optional[Type[BaseException]],
                        error: Optional[BaseException],
                        where: Optional[TracebackType]) -> None: ...

    def publish(self, room: str, data: _Data, *, skip: _Skip = ...,
                key: Optional[str] = ...) -> None: ...
    def apublish(self, room: str, data: _Data, *, skip: _Skip = ...,
                 key: Optional[str] = ...) -> Answer[Optional[str]]: ...
    def send_here(self, room: str, data: _Data, *, skip: _Skip = ...) -> None: ...
    def history(self, room: str, *, since: Optional[str] = ..., limit: int = ...,
                reverse: bool = ...) -> Answer[History]: ...
    def forget(self, room: str) -> Answer[Optional[str]]: ...
    def presence(self, room: str, *, limit: int = ..., cursor: Optional[int] = ...,
                 ) -> Answer[Presence]: ...
    def nodes(self) -> Answer[List[Node]]: ...
    def send_user(self, user: str, data: _Data, *, skip: _Skip = ...) -> None: ...
    def send_all(self, data: _Data, *, skip: _Skip = ...) -> None: ...
    def broadcast(self, data: _Data, *, skip: _Skip = ...) -> None: ...
    def send_node(self, node: int, data: _Data) -> None: ...
    def room(self, name: str) -> Room: ...
    def user(self, name: str) -> User: ...
    def session(self, id: str) -> SessionHandle: ...
    @property
    def sessions(self) -> List[Session]: ...

    @property
    def running(self) -> bool: ...
    @property
    def node(self) -> int: ...
    @property
    def node_name(self) -> str: ...
    @property
    def urls(self) -> List[str]: ...
    @property
    def http_address(self) -> Optional[str]: ...
    def stats(self) -> Dict[str, float]: ...
    def metrics(self) -> str: ...

class Emitter:
    def __init__(
        self,
        redis_url: str,
        *,
        timeout: Union[float, timedelta] = ...,
        # options redis.prefix redis.tls
        redis_prefix: _Text = ...,
        redis_tls_ca: _Path = ...,
        redis_tls_cert: _Path = ...,
        redis_tls_key: _Path = ...,
        redis_tls_insecure: _Switch = ...,
        # end of options
    ) -> None: ...
    def publish(self, room: str, data: _Data, *, skip: _Skip = ...) -> int: ...
    def send_user(self, user: str, data: _Data, *, skip: _Skip = ...) -> int: ...
    def disconnect_user(self, user: str, code: int = ..., reason: str = ...) -> int: ...
    def send_all(self, data: _Data, *, skip: _Skip = ...) -> int: ...
    def close(self) -> None: ...
    def __enter__(self) -> Emitter: ...
    def __exit__(self, kind: Optional[Type[BaseException]],
                 error: Optional[BaseException],
                 traceback: Optional[TracebackType]) -> None: ...

def options() -> Dict[str, Dict[str, str]]: ...
def name_check(name: str) -> None: ...
