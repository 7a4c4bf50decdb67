# Completes command lines of fanwired in bash. Made by fanwired --bash-completion.

# The command, into `command`, and the option whose value is being typed, into
# `option`, if it is one.
_fanwired_look()
{
    local i word
    command= option=
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word != -* ]]; then
            command=${command:-$word}
        elif [[ " $switches -h " != *" $word "* ]]; then
            ((++i))
            [[ $i -lt $COMP_CWORD && ${COMP_WORDS[i]} == = ]] && ((++i))
            while [[ $((i + 1)) -lt $COMP_CWORD &&
                     ${COMP_WORDS[i + 1]} == [:=@]* ]]; do
                ((i += 2))
            done
            ((i >= COMP_CWORD)) && option=$word
        fi
    done
    return 0
}

# An option of a namespace is one of room.
_fanwired_values()
{
    local name=$1
    if [[ $name =~ ^--namespace\.[^.]+\.(.+)$ ]]; then
        name=--room.${BASH_REMATCH[1]}
    fi
    case $name in
    --config)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --listen)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --listen.shared)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --centrifuge.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --centrifuge.uni_sse.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --centrifuge.sse.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --centrifuge.http_stream.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --centrifuge.emulation.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --sse.path)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --threads)
        mapfile -t COMPREPLY < <(compgen -W 'auto' -- "$cur") ;;
    --events)
        mapfile -t COMPREPLY < <(compgen -W 'inline queued' -- "$cur") ;;
    --http.listen)
        mapfile -t COMPREPLY < <(compgen -W 'off' -- "$cur") ;;
    --redis.required)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --redis.tls.ca)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --redis.tls.cert)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --redis.tls.key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --redis.tls.insecure)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --outbox.policy)
        mapfile -t COMPREPLY < <(compgen -W 'close drop_oldest drop_newest latest' -- "$cur") ;;
    --compression)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --handover.path)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --proxy.trusted)
        mapfile -t COMPREPLY < <(compgen -W 'unix' -- "$cur") ;;
    --tls.cert)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --tls.key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --log.level)
        mapfile -t COMPREPLY < <(compgen -W 'error warn info debug trace' -- "$cur") ;;
    --log.format)
        mapfile -t COMPREPLY < <(compgen -W 'text json' -- "$cur") ;;
    --log.file)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --raw.mode)
        mapfile -t COMPREPLY < <(compgen -W 'app rooms' -- "$cur") ;;
    --raw.format)
        mapfile -t COMPREPLY < <(compgen -W 'plain json' -- "$cur") ;;
    --raw.echo_to_sender)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --raw.user)
        mapfile -t COMPREPLY < <(compgen -W 'auto query token none' -- "$cur") ;;
    --token.public_key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --token.jwks)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --client.anonymous)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --client.insecure)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --hook.tls.ca)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    --user.presence)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.presence)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.join_leave)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.recovery_mode)
        mapfile -t COMPREPLY < <(compgen -W 'stream cache' -- "$cur") ;;
    --room.ask.subscribe)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.ask.publish)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.allow.subscribe)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.allow.publish)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.allow.presence)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --room.allow.history)
        mapfile -t COMPREPLY < <(compgen -W 'on off' -- "$cur") ;;
    --key)
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        compopt -o filenames 2>/dev/null ;;
    esac
}

_fanwired()
{
    local cur=${COMP_WORDS[COMP_CWORD]} command option words
    local commands='serve publish presence history token disconnect trace top'
    local switches='--help --version --check-config --json --once'
    local options='
        --config
        --listen
        --listen.shared
        --centrifuge.path
        --centrifuge.uni_sse.path
        --centrifuge.sse.path
        --centrifuge.http_stream.path
        --centrifuge.emulation.path
        --sse.path
        --threads
        --events
        --events.per_session
        --events.max_bytes
        --inbox.max_bytes
        --history.cache.max_bytes
        --decision.timeout
        --handshake.timeout
        --limit.pending
        --http.listen
        --http.request_timeout
        --http.idle_timeout
        --limit.http_connections
        --api.key
        --api.max_bytes
        --api.max_items
        --api.timeout
        --admin.password
        --redis.url
        --redis.prefix
        --redis.required
        --redis.queue.max_bytes
        --redis.queue.deadline
        --redis.tls.ca
        --redis.tls.cert
        --redis.tls.key
        --redis.tls.insecure
        --node.name
        --node.lease
        --heartbeat.interval
        --heartbeat.timeout
        --message.max_bytes
        --outbox.max_bytes
        --outbox.policy
        --write.delay
        --compression
        --compression.min_bytes
        --sse.retry
        --drain.rate
        --drain.timeout
        --handover.path
        --origins
        --proxy.trusted
        --limit.sessions
        --limit.sessions_per_address
        --limit.sessions_per_user
        --limit.message_rate
        --limit.publish_rate_per_user
        --limit.publish_rate_per_address
        --limit.join_rate_per_user
        --limit.join_rate_per_address
        --limit.emulation_rate_per_address
        --limit.rooms_per_session
        --limit.resubscribe_rate
        --tls.cert
        --tls.key
        --log.level
        --log.format
        --log.file
        --raw.mode
        --raw.format
        --raw.echo_to_sender
        --raw.user
        --token.hmac_secret
        --token.public_key
        --token.jwks
        --token.issuer
        --token.audience
        --token.grace
        --client.anonymous
        --client.insecure
        --hook.connect.url
        --hook.refresh.url
        --hook.subscribe.url
        --hook.sub_refresh.url
        --hook.publish.url
        --hook.rpc.url
        --hook.disconnect.url
        --hook.timeout
        --hook.concurrency
        --hook.per_session
        --hook.queue
        --hook.max_bytes
        --hook.headers
        --hook.secret
        --hook.tls.ca
        --hook.breaker.failures
        --hook.breaker.pause
        --user.presence'
    local rooms='
        --room.history.size
        --room.history.ttl
        --room.presence
        --room.join_leave
        --room.recovery_mode
        --room.publish_rate
        --room.join_rate
        --room.ask.subscribe
        --room.ask.publish
        --room.allow.subscribe
        --room.allow.publish
        --room.allow.presence
        --room.allow.history'
    local -A own=(
        [serve]=''
        [publish]=''
        [presence]=''
        [history]=''
        [token]='--user --expire --channel --client --channels --info --meta --data --key --kid'
        [disconnect]=''
        [trace]=''
        [top]=''
    )
    COMPREPLY=()
    _fanwired_look
    if [[ -n $option ]]; then
        [[ $cur == = ]] && cur=
        _fanwired_values "$option"
        return
    fi
    if [[ $cur != -* ]]; then
        if [[ -z $command ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$cur")
        fi
        return
    fi
    words="$switches $options ${own[${command:-serve}]-}"
    # compgen expands its words, so nothing else of what is typed may be in them.
    if [[ $cur =~ ^(--namespace\.[A-Za-z0-9_-]+\.) ]]; then
        words+=" ${rooms//--room./${BASH_REMATCH[1]}}"
    elif [[ --namespace. == "$cur"* ]]; then
        words+=" --namespace."
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words $rooms" -- "$cur")
    if [[ ${COMPREPLY[*]} == --namespace. ]]; then
        compopt -o nospace 2>/dev/null
    fi
}

complete -F _fanwired fanwired
