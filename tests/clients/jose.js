/* Tokens of an independent JOSE library, for tests: a JSON command per line on standard input, a JSON answer per line.
 *   {"op": "key", "alg", "kid", "bits"}            -> {"private": JWK, "public": JWK, "pem"}
 *   {"op": "weak", "kid", "bits", "exponent"}      -> the same of RSA, as weak as asked for
 *   {"op": "sign", "key": JWK, "header", "claims"} -> {"token"}; claims: an object, or a string that is signed as it is
 *   {"op": "raw", "key": JWK, "header", "claims"}  -> {"token"}; both are texts, signed without jose looking at them
 *   {"op": "verify", "token", "jwks", "options"}   -> {"payload", "header"} or {"error"} */
const crypto = require("node:crypto");
const readline = require("node:readline");
const jose = require("jose");

const hashes = { 256: "sha256", 384: "sha384", 512: "sha512" };

async function key({ alg, kid, bits }) {
  const pair = await jose.generateKeyPair(alg, { extractable: true, modulusLength: bits || 2048 });
  const mark = { kid, alg, use: "sig" };
  return {
    private: { ...(await jose.exportJWK(pair.privateKey)), ...mark },
    public: { ...(await jose.exportJWK(pair.publicKey)), ...mark },
    pem: await jose.exportSPKI(pair.publicKey),
  };
}

/* Keys that jose would not make. */
function weak({ kid, bits, exponent }) {
  const pair = crypto.generateKeyPairSync("rsa", { modulusLength: bits, publicExponent: exponent });
  const mark = { kid, alg: "RS256", use: "sig" };
  return {
    private: { ...pair.privateKey.export({ format: "jwk" }), ...mark },
    public: { ...pair.publicKey.export({ format: "jwk" }), ...mark },
  };
}

async function sign({ key: jwk, header, claims }) {
  const text = typeof claims === "string" ? claims : JSON.stringify(claims);
  const secret = jwk.kty === "oct" ? new Uint8Array(Buffer.from(jwk.k, "base64url")) : await jose.importJWK(jwk, header.alg);
  return { token: await new jose.CompactSign(new TextEncoder().encode(text)).setProtectedHeader(header).sign(secret) };
}

function raw({ key: jwk, header, claims }) {
  const input = Buffer.from(header).toString("base64url") + "." + Buffer.from(claims).toString("base64url");
  const privateKey = crypto.createPrivateKey({ key: jwk, format: "jwk" });
  const signature = crypto.sign(hashes[jwk.alg.slice(2)], Buffer.from(input), {
    key: privateKey,
    dsaEncoding: "ieee-p1363",
  });
  return { token: input + "." + signature.toString("base64url") };
}

async function verify({ token, jwks, options }) {
  const done = await jose.jwtVerify(token, jose.createLocalJWKSet(jwks), options || {});
  return { payload: done.payload, header: done.protectedHeader };
}

const operations = { key, weak, sign, raw, verify };

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const command = JSON.parse(line);
    let answer;
    try {
      answer = await operations[command.op](command);
    } catch (error) {
      answer = { error: String(error) };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
}

main();
