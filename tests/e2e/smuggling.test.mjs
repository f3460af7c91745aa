// SPDX-License-Identifier: Apache-2.0
// Requests that two parsers could read differently, over real TLS sockets: each is refused, the connection ends, and
// whatever was hidden behind it is never answered. tests/unit/net/http_parser_test.cpp has the parser's own corpus.
import assert from "node:assert/strict";
import fs from "node:fs";
import { after, before, test } from "node:test";
import tls from "node:tls";
import { sleep, up } from "./lib.mjs";

let system, url, ca;
before(async () => {
  system = await up();
  url = new URL(system.ready().gateway);
  ca = fs.readFileSync(system.ready().ca_cert);
});
after(async () => {
  await system?.stop();
  system?.remove();
});

// Everything that comes until the peer ends the connection, or nothing comes for so long.
function exchange(pieces, { pauseMs = 0, quietMs = 3_000 } = {}) {
  return new Promise((resolve, reject) => {
    const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca });
    let got = "", ended = false;
    const finish = () => {
      socket.destroy();
      resolve({ got, ended, answers: [...got.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => Number(match[1])) });
    };
    let timer = setTimeout(finish, quietMs);
    socket.on("data", (data) => {
      got += data.toString("latin1");
      clearTimeout(timer);
      timer = setTimeout(finish, quietMs);
    });
    socket.on("close", () => {
      ended = true;
      clearTimeout(timer);
      finish();
    });
    socket.on("error", (error) => { if (got === "" && error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error); });
    socket.on("secureConnect", async () => {
      for (const piece of [pieces].flat()) {
        if (!socket.writable) return;
        socket.write(Buffer.from(piece, "latin1"));
        if (pauseMs) await sleep(pauseMs);
      }
    });
  });
}

const hidden = "GET /hidden HTTP/1.1\r\nHost: h\r\n\r\n";
const post = (headers, body) => `POST /v1/keys HTTP/1.1\r\nHost: h\r\n${headers}\r\n${body}`;

// What is refused, with the status: nothing after it may be read as a request.
const corpus = {
  "both Content-Length and Transfer-Encoding": [400, post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden)],
  "both, the other way round": [400, post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", "0\r\n\r\n" + hidden)],
  "two lengths that differ": [400, post("Content-Length: 0\r\nContent-Length: 34\r\n", hidden)],
  "two lengths that agree": [400, post("Content-Length: 2\r\nContent-Length: 2\r\n", "{}" + hidden)],
  "a list of lengths": [400, post("Content-Length: 2, 2\r\n", "{}" + hidden)],
  "a signed length": [400, post("Content-Length: +2\r\n", "{}" + hidden)],
  "a negative length": [400, post("Content-Length: -1\r\n", hidden)],
  "a length in hexadecimal": [400, post("Content-Length: 0x2\r\n", "{}" + hidden)],
  "a length beyond 64 bits": [413, post("Content-Length: 18446744073709551618\r\n", "{}" + hidden), 400],
  "a length with a space inside": [400, post("Content-Length: 1 0\r\n", hidden)],
  "an empty length": [400, post("Content-Length:\r\n", hidden)],
  "white space before the colon": [400, post("Content-Length : 34\r\n", hidden)],
  "white space before the colon of the coding": [400, post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n" + hidden)],
  "a tab before the colon": [400, post("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n" + hidden)],
  "a folded header": [400, post("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n" + hidden)],
  "a header folded by a tab": [400, post("X-A: 1\r\n\tContent-Length: 34\r\n", hidden)],
  "a first header line that is folded": [400, "POST /v1/keys HTTP/1.1\r\n Host: h\r\n\r\n" + hidden],
  "lines that end with LF alone": [400, "POST /v1/keys HTTP/1.1\nHost: h\nContent-Length: 0\n\n" + hidden],
  "one header that ends with LF alone": [400, post("X-A: 1\nContent-Length: 34\r\n", hidden)],
  "a CR inside a header": [400, post("X-A: 1\rContent-Length: 34\r\n", hidden)],
  "a zero byte in a header": [400, post("X-A: 1\0\r\nContent-Length: 0\r\n", hidden)],
  "a zero byte in a name": [400, post("Content-Length\0: 34\r\n", hidden)],
  "another coding": [501, post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n" + hidden), 400],
  "chunked twice": [400, post("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n" + hidden), 501],
  "two coding headers": [400, post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden), 501],
  "identity and chunked": [400, post("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n" + hidden), 501],
  "a coding that only looks like chunked": [501, post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n" + hidden), 400],
  "a coding with a vertical tab": [400, post("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n" + hidden), 501],
  "a coding in quotes": [501, post("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n" + hidden), 400],
  "a coding with HTTP/1.0": [400, "POST /v1/keys HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden],
  "a chunk extension": [400, post("Transfer-Encoding: chunked\r\n", "2;a=b\r\n{}\r\n0\r\n\r\n" + hidden)],
  "a chunk extension with LF in it": [400, post("Transfer-Encoding: chunked\r\n", "2;\n{}\r\n0\r\n\r\n" + hidden)],
  "a chunk size with 0x": [400, post("Transfer-Encoding: chunked\r\n", "0x2\r\n{}\r\n0\r\n\r\n" + hidden)],
  "a signed chunk size": [400, post("Transfer-Encoding: chunked\r\n", "+2\r\n{}\r\n0\r\n\r\n" + hidden)],
  "a chunk size with spaces": [400, post("Transfer-Encoding: chunked\r\n", "2 \r\n{}\r\n0\r\n\r\n" + hidden)],
  "a chunk size beyond 64 bits": [413, post("Transfer-Encoding: chunked\r\n", "10000000000000002\r\n{}\r\n0\r\n\r\n" + hidden), 400],
  "a chunk that ends with LF alone": [400, post("Transfer-Encoding: chunked\r\n", "2\r\n{}\n0\r\n\r\n" + hidden)],
  "a chunk that is longer than its size": [400, post("Transfer-Encoding: chunked\r\n", "2\r\n{}}\r\n0\r\n\r\n" + hidden)],
  "a chunk size line that ends with LF alone": [400, post("Transfer-Encoding: chunked\r\n", "2\n{}\r\n0\r\n\r\n" + hidden)],
  "an empty chunk size": [400, post("Transfer-Encoding: chunked\r\n", "\r\n\r\n0\r\n\r\n" + hidden)],
  "trailers": [400, post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 34\r\n\r\n" + hidden)],
  "no host": [400, "GET /v1/keys HTTP/1.1\r\nX: h\r\n\r\n" + hidden],
  "two hosts": [400, "GET /v1/keys HTTP/1.1\r\nHost: h\r\nHost: i\r\n\r\n" + hidden],
  "an absolute target": [400, "GET http://h/v1/keys HTTP/1.1\r\nHost: h\r\n\r\n" + hidden],
  "CONNECT": [400, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n" + hidden, 501],
  "a space in the target": [400, "GET /v1/keys /x HTTP/1.1\r\nHost: h\r\n\r\n" + hidden],
  "two spaces after the method": [400, "GET  /v1/keys HTTP/1.1\r\nHost: h\r\n\r\n" + hidden],
  "a tab after the method": [400, "GET\t/v1/keys HTTP/1.1\r\nHost: h\r\n\r\n" + hidden],
  "no version": [400, "GET /v1/keys\r\nHost: h\r\n\r\n" + hidden, 505],
  "HTTP/2.0": [505, "GET /v1/keys HTTP/2.0\r\nHost: h\r\n\r\n" + hidden],
  "HTTP/1.2": [505, "GET /v1/keys HTTP/1.2\r\nHost: h\r\n\r\n" + hidden],
  "a version in lower case": [400, "GET /v1/keys http/1.1\r\nHost: h\r\n\r\n" + hidden, 505],
  "HTTP/2's preface": [505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden, 400],
  "a header without a name": [400, post(": x\r\nContent-Length: 0\r\n", hidden)],
  "a header without a colon": [400, post("Content-Length\r\n", hidden)],
  "another expectation": [417, post("Expect: 200-ok\r\nContent-Length: 34\r\n", hidden), 400, 501],
  "headers beyond their bound": [431, post(`X-A: ${"a".repeat(40_000)}\r\nContent-Length: 0\r\n`, hidden)],
  "too many headers": [431, post("X-A: 1\r\n".repeat(200) + "Content-Length: 0\r\n", hidden)],
  "a target beyond its bound": [414, `GET /${"a".repeat(20_000)} HTTP/1.1\r\nHost: h\r\n\r\n` + hidden],
};

for (const whole of [true, false])
  test(`what is ambiguous is refused and nothing behind it is answered, ${whole ? "whole" : "in pieces"}`, async () => {
    const results = await Promise.all(Object.entries(corpus).map(async ([name, [status, text, ...also]]) => {
      const cut = Math.floor(text.length / 2);
      const bytes = whole ? text : [text.slice(0, 9), text.slice(9, cut), text.slice(cut, -hidden.length + 3), text.slice(-hidden.length + 3)];
      const { answers, ended, got } = await exchange(bytes, { pauseMs: whole ? 0 : 30 });
      return { name, ok: answers.length === 1 && [status, ...also].includes(answers[0]) && ended && !got.includes("/hidden"),
        answers, ended };
    }));
    assert.deepEqual(results.filter(({ ok }) => !ok), []);
    assert.equal(results.length, Object.keys(corpus).length);
  });

test("a good request is answered on the same kind of socket, and so are two in one write", async () => {
  const good = `GET /health HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`;
  const last = `GET /health HTTP/1.1\r\nHost: ${url.host}\r\nConnection: close\r\n\r\n`;
  assert.deepEqual((await exchange(last)).answers, [200]);
  assert.deepEqual((await exchange(good + last)).answers, [200, 200]);
  assert.deepEqual((await exchange(last + good)).answers, [200], "nothing after the last one");
});

test("a client cannot renegotiate TLS", async () => {
  const outcome = await new Promise((resolve) => {
    const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca, maxVersion: "TLSv1.2" }, () => {
      const asked = socket.renegotiate({}, (error) => resolve(error ? "refused" : "renegotiated"));
      if (asked === false) resolve("refused");
    });
    socket.on("error", () => resolve("refused"));
    socket.on("close", () => resolve("closed"));
    setTimeout(() => resolve("ignored"), 3_000);
  });
  assert.ok(["refused", "closed", "ignored"].includes(outcome), outcome);
  assert.notEqual(outcome, "renegotiated");
});

test("TLS older than 1.2 is not spoken", async () => {
  for (const version of ["TLSv1", "TLSv1.1"]) {
    const outcome = await new Promise((resolve) => {
      const socket = tls.connect({ host: url.hostname, port: Number(url.port), ca, minVersion: version, maxVersion: version,
        ciphers: "DEFAULT:@SECLEVEL=0" }, () => resolve("connected"));
      socket.on("error", () => resolve("refused"));
    });
    assert.equal(outcome, "refused", version);
  }
});
