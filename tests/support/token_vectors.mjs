// Makes tests/unit/token_vectors.h: keys and tokens by another implementation than ours.
//
//   node tests/support/token_vectors.mjs > tests/unit/token_vectors.h
//
// The keys are new each time; nothing but the unit tests knows them.
import { createHmac, generateKeyPairSync, sign } from "node:crypto";

const SECRET = "a secret for tests, 0123456789abcdef";
const OTHER = "another secret of the same service, before the last rotation";
const CLAIMS = { sub: "ann", exp: 1700000600, info: { name: "Ann" } };

const b64 = (value) => Buffer.from(value).toString("base64url");
const quoted = (text) => text.split("\n").filter(Boolean).map((line) =>
  `    "${line.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}\\n"`).join("\n");

function token(alg, key, { header = {}, claims = CLAIMS } = {}) {
  const text = b64(JSON.stringify({ alg, typ: "JWT", ...header })) + "." +
    b64(JSON.stringify(claims));
  const hash = `sha${alg.slice(2)}`;
  const signature = alg.startsWith("HS")
    ? createHmac(hash, key).update(text).digest()
    : sign(alg === "EdDSA" ? null : hash, Buffer.from(text),
      { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${b64(signature)}`;
}

const pairs = {
  rsa: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  rsa_second: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  p256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
  p384: generateKeyPairSync("ec", { namedCurve: "P-384" }),
  ed25519: generateKeyPairSync("ed25519"),
  weak: generateKeyPairSync("rsa", { modulusLength: 1024 }),
  p521: generateKeyPairSync("ec", { namedCurve: "P-521" }),
};
const pem = (name) => pairs[name].publicKey.export({ type: "spki", format: "pem" });
const privatePem = (name) => pairs[name].privateKey.export({ type: "pkcs8", format: "pem" });
const jwk = (name, more) => ({ ...pairs[name].publicKey.export({ format: "jwk" }), ...more });

const out = [];
const constant = (name, text) => out.push(`static const char ${name}[] =`, `${text};`, "");
const long = (text) => text.match(/.{1,84}/g).map((part) =>
  `    "${part.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`).join("\n");

out.push(`/*
 * Keys and tokens made by Node (tests/support/token_vectors.mjs). All claim that they are
 * of ann, until 1700000600.
 */
#ifndef TESTS_UNIT_TOKEN_VECTORS_H
#define TESTS_UNIT_TOKEN_VECTORS_H
`);
constant("secret", `    "${SECRET}"`);
constant("other_secret", `    "${OTHER}"`);
for (const name of Object.keys(pairs)) {
  constant(`${name}_pem`, quoted(pem(name)));
}
for (const name of ["rsa", "p256", "p384", "ed25519"]) {
  constant(`${name}_private_pem`, quoted(privatePem(name)));
}
constant("jwks", long(JSON.stringify({ keys: [
  jwk("rsa", { kid: "rsa", use: "sig" }),
  jwk("rsa_second", { kid: "rsa-second", alg: "RS256", key_ops: ["verify"] }),
  jwk("p256", { kid: "p256" }), jwk("p384", { kid: "p384" }), jwk("ed25519", { kid: "ed" }),
  jwk("p521", { kid: "p521" }), jwk("weak", { kid: "enc", use: "enc" }),
] })));
for (const bits of [256, 384, 512]) {
  constant(`hs${bits}`, long(token(`HS${bits}`, SECRET)));
  constant(`rs${bits}`, long(token(`RS${bits}`, pairs.rsa.privateKey)));
}
constant("hs256_other", long(token("HS256", OTHER)));
constant("es256", long(token("ES256", pairs.p256.privateKey)));
constant("es384", long(token("ES384", pairs.p384.privateKey)));
constant("eddsa", long(token("EdDSA", pairs.ed25519.privateKey)));
constant("rs256_kid", long(token("RS256", pairs.rsa.privateKey, { header: { kid: "rsa" } })));
constant("rs256_second", long(token("RS256", pairs.rsa_second.privateKey,
  { header: { kid: "rsa-second" } })));
constant("rs512_second", long(token("RS512", pairs.rsa_second.privateKey,
  { header: { kid: "rsa-second" } })));
constant("rs256_wrong_kid", long(token("RS256", pairs.rsa.privateKey,
  { header: { kid: "rsa-second" } })));
constant("rs256_unknown_kid", long(token("RS256", pairs.rsa.privateKey,
  { header: { kid: "nobody" } })));
// The public key taken for a secret: what a verifier that believes "alg" falls for.
constant("hs256_by_public_key", long(token("HS256", pem("rsa"))));
out.push("#endif");
console.log(out.join("\n"));
