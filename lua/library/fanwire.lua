---@meta fanwire
-- What `require "fanwire"` offers, with types, for editors and checkers that read LuaCATS
-- (lua-language-server: put this folder into "workspace.library"). It is never run. What
-- the functions do is told in docs/lua.md.

---@class fanwire
---@field version string            "0.1.0"
---@field native table              the C library's own functions
---@field json_encode? fun(value: table): string   cjson's where that is installed
local fanwire = {}

---@alias fanwire.Data string|table|fanwire.Message   a table becomes JSON

-- errors
---The last value of a call that failed, behind the sentence that says why.
---@alias fanwire.ErrorName
---| "FW_ERR_INVALID" # an argument is not allowed
---| "FW_ERR_MEMORY" # out of memory
---| "FW_ERR_OPTION" # an option has no such name or not an allowed value
---| "FW_ERR_STATE" # not possible in this state
---| "FW_ERR_BUSY" # a queue is full, or somebody else does this already
---| "FW_ERR_GONE" # it is not there any more
---| "FW_ERR_TOO_BIG" # larger than a limit allows
---| "FW_ERR_CLOSED" # the hub is stopped or stopping
---| "FW_ERR_TIMEOUT" # it took too long
---| "FW_ERR_LISTEN" # an address can't be listened on
---| "FW_ERR_TLS" # a certificate or key can't be used
---| "FW_ERR_BACKPLANE" # the backplane can't be reached or refused
---| "FW_ERR_FORKED" # this hub belongs to the parent process
---| "FW_ERR_SYSTEM" # the operating system refused
---| "FW_ERR_REFUSED" # a handler refused
---| "FW_ERR_LIMIT" # a configured limit is reached
-- end of errors

---@class fanwire.How
---@field binary? boolean                      a binary frame, not text
---@field skip? fanwire.SessionHandle|string   who doesn't get it, or its id

---@alias fanwire.Sending nil|boolean|"text"|"binary"|fanwire.How   true is "binary"

-- Text is as in an INI file, whatever the option.
---@alias fanwire.Switch boolean|"on"|"off"
---@alias fanwire.Number integer|string     a number, or a size such as "64KiB"
---@alias fanwire.Duration string           "500ms", "25s", "5m", "24h"
---@alias fanwire.List string|string[]

-- options
---@class fanwire.Options
---@field listen? fanwire.List
---@field listen_shared? fanwire.Switch
---@field centrifuge_path? string
---@field centrifuge_uni_sse_path? string
---@field centrifuge_sse_path? string
---@field centrifuge_http_stream_path? string
---@field centrifuge_emulation_path? string
---@field sse_path? string
---@field threads? fanwire.Number
---@field events_per_session? fanwire.Number
---@field events_max_bytes? fanwire.Number
---@field inbox_max_bytes? fanwire.Number
---@field history_cache_max_bytes? fanwire.Number
---@field decision_timeout? fanwire.Duration
---@field handshake_timeout? fanwire.Duration
---@field limit_pending? fanwire.Number
---@field http_listen? string
---@field http_request_timeout? fanwire.Duration
---@field http_idle_timeout? fanwire.Duration
---@field limit_http_connections? fanwire.Number
---@field api_key? fanwire.List
---@field api_max_bytes? fanwire.Number
---@field api_max_items? fanwire.Number
---@field api_timeout? fanwire.Duration
---@field admin_password? string
---@field redis_url? string
---@field redis_prefix? string
---@field redis_required? fanwire.Switch
---@field redis_queue_max_bytes? fanwire.Number
---@field redis_queue_deadline? fanwire.Duration
---@field redis_tls_ca? string
---@field redis_tls_cert? string
---@field redis_tls_key? string
---@field redis_tls_insecure? fanwire.Switch
---@field node_name? string
---@field node_lease? fanwire.Duration
---@field heartbeat_interval? fanwire.Duration
---@field heartbeat_timeout? fanwire.Duration
---@field message_max_bytes? fanwire.Number
---@field outbox_max_bytes? fanwire.Number
---@field outbox_policy? "close"|"drop_oldest"|"drop_newest"|"latest"
---@field write_delay? fanwire.Duration
---@field compression? fanwire.Switch
---@field compression_min_bytes? fanwire.Number
---@field sse_retry? fanwire.Duration
---@field drain_rate? fanwire.Number
---@field drain_timeout? fanwire.Duration
---@field handover_path? string
---@field origins? fanwire.List
---@field proxy_trusted? fanwire.List
---@field limit_sessions? fanwire.Number
---@field limit_sessions_per_address? fanwire.Number
---@field limit_sessions_per_user? fanwire.Number
---@field limit_message_rate? fanwire.Number
---@field limit_publish_rate_per_user? fanwire.Number
---@field limit_publish_rate_per_address? fanwire.Number
---@field limit_join_rate_per_user? fanwire.Number
---@field limit_join_rate_per_address? fanwire.Number
---@field limit_emulation_rate_per_address? fanwire.Number
---@field limit_rooms_per_session? fanwire.Number
---@field limit_resubscribe_rate? fanwire.Number
---@field tls_cert? string
---@field tls_key? string
---@field log_level? "error"|"warn"|"info"|"debug"|"trace"
---@field log_format? "text"|"json"
---@field log_file? string
---@field raw_mode? "app"|"rooms"
---@field raw_format? "plain"|"json"
---@field raw_echo_to_sender? fanwire.Switch
---@field raw_user? "auto"|"query"|"token"|"none"
---@field token_hmac_secret? fanwire.List
---@field token_public_key? fanwire.List
---@field token_jwks? fanwire.List
---@field token_issuer? string
---@field token_audience? string
---@field token_grace? fanwire.Duration
---@field client_anonymous? fanwire.Switch
---@field client_insecure? fanwire.Switch
---@field hook_connect_url? string
---@field hook_refresh_url? string
---@field hook_subscribe_url? string
---@field hook_sub_refresh_url? string
---@field hook_publish_url? string
---@field hook_rpc_url? string
---@field hook_disconnect_url? string
---@field hook_timeout? fanwire.Duration
---@field hook_concurrency? fanwire.Number
---@field hook_per_session? fanwire.Number
---@field hook_queue? fanwire.Number
---@field hook_max_bytes? fanwire.Number
---@field hook_headers? fanwire.List
---@field hook_secret? string
---@field hook_tls_ca? string
---@field hook_breaker_failures? fanwire.Number
---@field hook_breaker_pause? fanwire.Duration
---@field user_presence? fanwire.Switch
---@field room_history_size? fanwire.Number
---@field room_history_ttl? fanwire.Duration
---@field room_presence? fanwire.Switch
---@field room_join_leave? fanwire.Switch
---@field room_recovery_mode? "stream"|"cache"
---@field room_publish_rate? fanwire.Number
---@field room_join_rate? fanwire.Number
---@field room_ask_subscribe? fanwire.Switch
---@field room_ask_publish? fanwire.Switch
---@field room_allow_subscribe? fanwire.Switch
---@field room_allow_publish? fanwire.Switch
---@field room_allow_presence? fanwire.Switch
---@field room_allow_history? fanwire.Switch
-- end of options

---@class fanwire.HubOptions: fanwire.Options
---@field config? string          an INI file, which is read first
---@field environment? boolean    then variables FANWIRE_...
---@field log? fun(level: fanwire.LogLevel, component: string, line: string)
---@field runner? fun(handle: fun())   calls it in a coroutine, now or later

---@alias fanwire.LogLevel "error"|"warn"|"info"|"debug"|"trace"

-- options redis.url redis.prefix redis.tls
---@class fanwire.RedisOptions
---@field redis_url? string
---@field redis_prefix? string
---@field redis_tls_ca? string
---@field redis_tls_cert? string
---@field redis_tls_key? string
---@field redis_tls_insecure? fanwire.Switch
-- end of options

---@class fanwire.EmitterOptions: fanwire.RedisOptions
---@field timeout? number         seconds that a call may take

---@class fanwire.OptionRow
---@field type "text"|"number"|"duration"|"size"|"switch"|"list"|"choice"
---@field default string
---@field allowed string
---@field since string
---@field help string
---@field group string

---@param options? fanwire.HubOptions
---@return fanwire.Hub?
---@return string? why
---@return fanwire.ErrorName? name
function fanwire.hub(options) end

---@param options? fanwire.EmitterOptions
---@return fanwire.Emitter?
---@return string? why
---@return fanwire.ErrorName? name
function fanwire.emitter(options) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return fanwire.Message?
---@return string? why
---@return fanwire.ErrorName? name
function fanwire.message(data, how) end

---@param status? integer   400 to 599; 403 if left out
---@param reason? string    the body of the answer
---@return fanwire.Refuse
function fanwire.refuse(status, reason) end

---@return table<string, fanwire.OptionRow>
function fanwire.options() end

---@param name string
---@return true?
---@return string? why
---@return fanwire.ErrorName? error_name
function fanwire.name_check(name) end

---@param name fanwire.ErrorName
---@return boolean
function fanwire.is_retriable(name) end

---@class fanwire.Refuse
---@field status integer
---@field reason string

---@class fanwire.Message
---@field data string
---@field binary boolean

---@class fanwire.Facts
---@field id string                        32 hexadecimal digits
---@field state table                      your own; the session's is the request's
---@field path string
---@field query table<string, string?>     decoded parameters, the first of each name
---@field query_string string              as sent
---@field headers table<string, string?>   in any case
---@field address string                   the client's; behind a trusted proxy as it says
---@field peer string                      the socket's other end
---@field host? string
---@field origin? string
---@field scheme "ws"|"wss"
---@field protocol? string                 the sub-protocol
local Facts = {}

---@param name string
---@return string[]
function Facts:query_list(name) end

---@class fanwire.Request: fanwire.Facts
---@field user? string   whom its token names, which has been verified
---@field data? string   what a client of the Centrifuge protocol gave: JSON

---@alias fanwire.OnAnswer fun(ok: true?, why: string?, name: any)

---@class fanwire.SessionHandle
---@field id string
---@field node string   16 hexadecimal digits
local SessionHandle = {}

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:send(data, how) end

---@param code? integer    1000 if left out
---@param reason? string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:close(code, reason) end

---In a room with history on_answer(true, position, recovered).
---@overload fun(self, room: string, on_answer?: fanwire.OnAnswer): true?, string?
---@param room string
---@param how? {since: string?}   a position; it is given what came behind it
---@param on_answer? fanwire.OnAnswer
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:join(room, how, on_answer) end

---@param room string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:leave(room) end

---@param user? string   nil: nobody's
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:set_user(user) end

---What presence tells of it beside its user.
---@param info fanwire.Data   at most 1024 bytes
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:set_info(info) end

---What the client of an attached session has said.
---@param data string
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:feed(data, how) end

---The client of an attached session has closed, or vanished.
---@param code? integer     its own; 1005: it gave none; 1006 (if left out): vanished
---@param reason? string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function SessionHandle:feed_close(code, reason) end

---@class fanwire.Session: fanwire.SessionHandle, fanwire.Facts
---@field user? string
---@field closed boolean

---@class fanwire.Room
---@field name string
local Room = {}

---@param data fanwire.Data
---@param how? fanwire.Sending
---@param on_answer? fanwire.OnAnswer   (true, position)
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Room:publish(data, how, on_answer) end

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Room:send_here(data, how) end

---@param how? fanwire.HistoryQuery
---@param on_page fanwire.OnHistory
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Room:history(how, on_page) end

---@param on_answer? fanwire.OnAnswer   (true, position)
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Room:forget(on_answer) end

---@param how? fanwire.PresenceQuery
---@param on_page fanwire.OnPresence
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function Room:presence(how, on_page) end

---@class fanwire.User
---@field name string
local User = {}

---@param data fanwire.Data
---@param how? fanwire.Sending
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function User:send(data, how) end

---@param code? integer
---@param reason? string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function User:disconnect(code, reason) end

---Those of its sessions that there are now.
---@param room string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function User:join(room) end

---@param room string
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function User:leave(room) end

---@param how? fanwire.PresenceQuery
---@param on_page fanwire.OnPresence
---@return true?
---@return string? why
---@return fanwire.ErrorName? name
function User:sessions(how, on_page) end

---@class fanwire.Attachment
---@field user? string
---@field head? string      the HTTP request's head, for the session's facts
---@field address? string
---@field on_deliver fun(data: string?, binary: boolean?, code: integer?, reason: string?)
---@field on_attached? fun(s: fanwire.Session?, why: string?, name: fanwire.ErrorName?)

return fanwire
