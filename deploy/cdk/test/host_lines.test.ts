// SPDX-License-Identifier: Apache-2.0
// The scripts that host/*.sh puts on a host, run with stand-ins for AWS's tool, the instance metadata and chown.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { appendFileSync, chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";

const folder = mkdtempSync(join(tmpdir(), "redoubt-host-lines-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const inner = (name: string) => /<<'SCRIPT'\n([\s\S]*?)\nSCRIPT\n/.exec(readFileSync(join(__dirname, "..", "..", "host", `${name}.sh`), "utf8"))![1]!;

// The script with its paths below `at`, run with `tools` before everything else on the path.
function world(name: string, conf: Record<string, string>, paths: Record<string, string>, tools: Record<string, string>) {
  const at = join(folder, name);
  mkdirSync(join(at, "bin"), { recursive: true });
  for (const [tool, text] of Object.entries(tools)) {
    writeFileSync(join(at, "bin", tool), `#!/bin/bash\n${text}\n`);
    chmodSync(join(at, "bin", tool), 0o755);
  }
  writeFileSync(join(at, "conf"), Object.entries(conf).map(([key, value]) => `${key}='${value}'\n`).join(""));
  let script = inner(name).replaceAll(`/etc/redoubt-${name}.conf`, join(at, "conf"));
  for (const [from, to] of Object.entries(paths)) script = script.replaceAll(from, join(at, to));
  return { at, run: () => spawnSync("bash", ["-c", script], { encoding: "utf8", env: { ...process.env, PATH: `${join(at, "bin")}:${process.env["PATH"]}`, WORLD: at } }) };
}

test("the database's password reaches the gateway alone, in libpq's way of writing it", () => {
  const roots = "the roots\n";
  const conf = {
    REGION: "eu-west-1", DATABASE_SECRET: "arn:secret", DATABASE_ROOTS_URL: "s3://assets/roots.pem", DATABASE_ROOTS_SHA256: createHash("sha256").update(roots).digest("hex"),
  };
  const aws = `case "$*" in
    "secretsmanager get-secret-value --region eu-west-1 --secret-id arn:secret --query SecretString --output text") cat "$WORLD/secret" ;;
    "s3 cp --region eu-west-1 --only-show-errors s3://assets/roots.pem "*) echo fetched >>"$WORLD/fetches"; cp "$WORLD/asset" "\${!#}" ;;
    *) echo "aws $*" >&2; exit 1 ;; esac`;
  const { at, run } = world("database", conf, { "/run/redoubt-database": "run" }, { aws, chown: `echo "$*" >>"$WORLD/chowned"` });
  writeFileSync(join(at, "asset"), roots);
  writeFileSync(join(at, "secret"), JSON.stringify({ username: "redoubt", password: "a:b\\c 'd\"" }));
  for (const _ of [1, 2]) {
    const { status, stderr } = run();
    assert.equal(status, 0, stderr);
  }
  const passwords = join(at, "run", "passwords");
  assert.equal(readFileSync(passwords, "utf8"), "*:*:*:redoubt:a\\:b\\\\c 'd\"\n");
  assert.equal(statSync(passwords).mode & 0o777, 0o600);
  assert.equal(statSync(join(at, "run", "roots.pem")).mode & 0o777, 0o644);
  assert.match(readFileSync(join(at, "chowned"), "utf8"), /^redoubt:redoubt /);
  assert.equal(readFileSync(join(at, "fetches"), "utf8"), "fetched\n", "roots are fetched once");

  // What cannot be had leaves the old in place, and is told.
  writeFileSync(join(at, "secret"), "no JSON");
  assert.notEqual(run().status, 0);
  assert.match(readFileSync(passwords, "utf8"), /redoubt:a/);
  writeFileSync(join(at, "asset"), "other roots\n");
  rmSync(join(at, "run", "roots.pem"));
  assert.notEqual(run().status, 0, "roots of another hash");
  assert.throws(() => statSync(join(at, "run", "roots.pem")));
});

test("logs of receipts are copied when they have grown, below the instance's own name", () => {
  const aws = `[ "\${FAIL:-}" = "" ] || exit 1
    [ "$1 $2 $3 $4 $5" = "s3 cp --region eu-west-1 --only-show-errors" ] || exit 1
    echo "$7" >>"$WORLD/copied"`;
  const curl = `case "$*" in *api/token) echo token ;; *"X-aws-ec2-metadata-token: token"*instance-id) echo i-0123 ;; *) exit 1 ;; esac`;
  const { at, run } = world("receipts", { REGION: "eu-west-1", RECEIPTS_BUCKET: "bucket" }, { "/var/lib/redoubt/receipts": "receipts", "/var/lib/redoubt-receipts": "stamp" }, { aws, curl });
  assert.equal(run().status, 0, "no folder yet");
  mkdirSync(join(at, "receipts"));
  const long = new Date(Date.now() - 100_000);
  for (const day of ["20261128", "20261129"]) {
    writeFileSync(join(at, "receipts", `receipts-${day}.log`), "entries");
    utimesSync(join(at, "receipts", `receipts-${day}.log`), long, long);
  }
  // What somebody in the gateway's place could put there: it is not read as root.
  writeFileSync(join(at, "elsewhere"), "a secret of root's");
  symlinkSync(join(at, "elsewhere"), join(at, "receipts", "receipts-20261130.log"));
  execFileSync("mkfifo", [join(at, "receipts", "receipts-20261201.log")]);
  mkdirSync(join(at, "receipts", "below"));
  writeFileSync(join(at, "receipts", "below", "receipts-20261128.log"), "another's");
  const copied = () => readFileSync(join(at, "copied"), "utf8").trim().split("\n").sort();
  assert.equal(run().status, 0);
  assert.deepEqual(copied(), ["s3://bucket/receipts/i-0123/receipts-20261128.log", "s3://bucket/receipts/i-0123/receipts-20261129.log"]);
  assert.equal(run().status, 0);
  assert.equal(copied().length, 2, "nothing has grown");
  // The file system's clock is coarser than a test.
  execFileSync("sleep", ["0.05"]);
  appendFileSync(join(at, "receipts", "receipts-20261129.log"), "more");
  // A copy that fails is made again the next time.
  process.env["FAIL"] = "1";
  assert.notEqual(run().status, 0);
  delete process.env["FAIL"];
  assert.equal(run().status, 0);
  assert.deepEqual(copied().slice(2), ["s3://bucket/receipts/i-0123/receipts-20261129.log"]);
});
