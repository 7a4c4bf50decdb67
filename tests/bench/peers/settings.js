// What peers.py tells a peer, by its environment: PORT; ROLE, "rooms" (each member of
// ?room= hears what any member says, itself too) or "echo"; DEFLATE=1, to take
// permessage-deflate when it is offered; TLS_CERT and TLS_KEY; REDIS_PORT.
const { PORT, ROLE, DEFLATE, TLS_CERT, TLS_KEY, REDIS_PORT } = process.env;

module.exports = {
  port: Number(PORT),
  role: ROLE,
  deflate: DEFLATE === "1",
  tls: TLS_CERT ? { cert: TLS_CERT, key: TLS_KEY } : undefined,
  redisPort: REDIS_PORT ? Number(REDIS_PORT) : undefined,
  roomOf: (url) => new URL(url, "ws://127.0.0.1").searchParams.get("room") || "",
};
