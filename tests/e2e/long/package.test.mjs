// SPDX-License-Identifier: Apache-2.0
// The packages and the container's image: what is in them, that nothing of the host is needed to run it, and that the units are
// confined as docs/packages.md says. The user data installs them in a clean Debian: user_data.test.mjs. Needs root.
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { connect } from "node:net";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { verifyMessage } from "ethers";
import { makeEif, measureEif } from "../../support/eif.mjs";
import { bin, redoubt, root as sources, until } from "../lib.mjs";

let folder, packages;
const children = [];
const deploy = (name) => path.join(sources, "deploy", name);
const run = (command, args, options = {}) => execFileSync(command, args, { encoding: "utf8", maxBuffer: 1 << 28, ...options });
const sha256 = (file) => crypto.createHash("sha256").update(fs.readFileSync(file)).digest("hex");
function build(script, out, env = {}) {
  return run(deploy(script), [out], { env: { ...process.env, REDOUBT: redoubt, EIF: path.join(folder, "redoubt.eif"), SOURCE_DATE_EPOCH: "1767225600", COMPRESSION: "gzip", ...env }, stdio: ["ignore", "pipe", "pipe"] });
}

before(() => {
  assert.equal(process.getuid(), 0, "this test needs root");
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-package-"));
  fs.chmodSync(folder, 0o755); // a database server of another user works in it
  fs.writeFileSync(path.join(folder, "redoubt.eif"), makeEif({ cmdline: "for packages" }));
  build("package/build.sh", path.join(folder, "out"));
  const file = (pattern) => path.join(folder, "out", fs.readdirSync(path.join(folder, "out")).find((name) => pattern.test(name)));
  packages = { deb: file(/^redoubt_.*\.deb$/), rpm: file(/^redoubt-\d.*\.rpm$/), imageDeb: file(/^redoubt-image_.*\.deb$/), imageRpm: file(/^redoubt-image-\d.*\.rpm$/) };
  for (const kind of ["deb", "imageDeb"]) run("dpkg-deb", ["-x", packages[kind], path.join(folder, kind)]);
  for (const kind of ["rpm", "imageRpm"]) {
    fs.mkdirSync(path.join(folder, kind));
    run("sh", ["-c", 'rpm2cpio "$1" | cpio --quiet -idm --no-absolute-filenames', "sh", packages[kind]], { cwd: path.join(folder, kind) });
  }
});
after(async () => {
  for (const child of children) if (child.exitCode === null && child.signalCode === null) {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  fs.rmSync(folder, { recursive: true, force: true });
});

// Path → kind, mode and content of every file below a folder.
function tree(root) {
  return Object.fromEntries(run("find", [root, "-mindepth", "1", "-printf", "%P\t%y %m\n"]).trim().split("\n").sort().map((line) => line.split("\t"))
    .map(([name, kind]) => [name, kind.startsWith("f") ? `${kind} ${sha256(path.join(root, name))}` : kind]));
}
const files = (root) => Object.keys(tree(root)).filter((name) => fs.statSync(path.join(root, name)).isFile());

test("deb and rpm hold the same files, those of the host's side and no development program", () => {
  assert.deepEqual(tree(path.join(folder, "rpm")), tree(path.join(folder, "deb")));
  assert.deepEqual(tree(path.join(folder, "imageRpm")), tree(path.join(folder, "imageDeb")));
  const all = files(path.join(folder, "deb"));
  for (const name of ["usr/bin/redoubt", "usr/share/man/man1/redoubt.1.gz", "usr/share/bash-completion/completions/redoubt", "etc/redoubt/gateway.conf",
    "etc/redoubt/watchdog.conf", "etc/redoubt/vsock-proxy.conf", "usr/share/doc/redoubt/copyright", "usr/lib/sysusers.d/redoubt.conf",
    ...["gateway", "watchdog", "vsock-proxy", "logs", "lifecycle"].map((unit) => `usr/lib/systemd/system/redoubt-${unit}.service`)])
    assert.ok(all.includes(name), name);
  assert.deepEqual(all.filter((name) => name.startsWith("usr/bin/")), ["usr/bin/redoubt"]);
  for (const name of [...all, ...files(path.join(folder, "imageDeb"))]) assert.doesNotMatch(name, /enclave-dev|kmstool/);
  // Nothing may be written by anybody but root, and nothing is set-user-id.
  for (const [name, kind] of Object.entries(tree(path.join(folder, "deb")))) assert.match(kind, /^[fd] (644|755|750)/, name);
  const configuration = all.filter((name) => name.startsWith("etc/")).map((name) => `/${name}`).sort();
  assert.deepEqual(run("dpkg-deb", ["-I", packages.deb, "conffiles"]).trim().split("\n").sort(), configuration);
  assert.deepEqual(run("rpm", ["-qpc", packages.rpm]).trim().split("\n").sort(), configuration);
  for (const name of configuration) assert.match(fs.readFileSync(path.join(folder, "deb", name), "utf8"), /^# /m, name); // each is explained

  const image = path.join(folder, "imageDeb/usr/share/redoubt");
  assert.equal(sha256(path.join(image, "redoubt.eif")), sha256(path.join(folder, "redoubt.eif")));
  assert.equal(JSON.parse(fs.readFileSync(path.join(image, "redoubt.json"), "utf8")).Measurements.PCR0, measureEif(fs.readFileSync(path.join(folder, "redoubt.eif"))).PCR0);
});

test("the rpm can be installed beside the distribution's files, and says so what is configuration", () => {
  const root = path.join(folder, "rpm-root");
  fs.mkdirSync(root);
  run("rpm", ["--root", root, "--dbpath", "/var/lib/rpm", "--initdb"]);
  run("rpm", ["--root", root, "--dbpath", "/var/lib/rpm", "-i", "--nodeps", "--noscripts", packages.rpm, packages.imageRpm]);
  assert.equal(spawnSync("rpm", ["--root", root, "--dbpath", "/var/lib/rpm", "-V", "--nodeps", "redoubt", "redoubt-image"], { encoding: "utf8" }).stdout, "");
  // Folders that every distribution has belong to it: two packages that own one must agree about it.
  const owned = run("rpm", ["-qpl", packages.rpm]).trim().split("\n");
  for (const name of ["/etc", "/usr", "/usr/bin", "/usr/lib", "/usr/lib/systemd/system", "/usr/share/man/man1"]) assert.ok(!owned.includes(name), name);
  assert.doesNotMatch(run("rpm", ["-qpR", packages.rpm]), /\.so|GLIBC/);
  for (const script of ["postinst", "prerm", "postrm", "rpm-post", "rpm-preun", "rpm-postun"]) run("sh", ["-n", deploy(`package/${script}`)]);
});

test("no program refers to a library outside the package, and each library is Debian's, with its licence", () => {
  const root = path.join(folder, "deb"), own = path.join(root, "usr/lib/redoubt");
  const there = new Set(fs.readdirSync(own));
  let programs = 0, libraries = 0;
  for (const name of files(root)) {
    const file = path.join(root, name);
    if (fs.readFileSync(file).subarray(0, 4).toString("latin1") !== "\x7fELF") continue;
    const dynamic = run("readelf", ["-dW", file]);
    for (const [, needed] of dynamic.matchAll(/\(NEEDED\).*\[(.*)\]/g)) assert.ok(there.has(needed), `${name} needs ${needed}`);
    const paths = [...dynamic.matchAll(/\((RPATH|RUNPATH)\).*\[(.*)\]/g)].map(([, kind, value]) => `${kind} ${value}`);
    const interpreter = run("readelf", ["-lW", file]).match(/program interpreter: (.*)\]/)?.[1];
    if (name.startsWith("usr/bin/")) {
      ++programs;
      assert.deepEqual(paths, ["RPATH /usr/lib/redoubt"]); // which holds for what the libraries need, too
      assert.match(interpreter, /^\/usr\/lib\/redoubt\/ld-linux/);
      assert.ok(there.has(path.basename(interpreter)));
    } else {
      ++libraries;
      assert.deepEqual(paths, [], name);
    }
  }
  assert.equal(programs, 1);
  assert.ok(libraries > 10);
  // The list in the package is true: file, hash, Debian's package, and that package's licence.
  const list = fs.readFileSync(path.join(root, "usr/share/doc/redoubt/libraries/README"), "utf8");
  const lines = [...list.matchAll(/^(\S+\.so\S*) ([0-9a-f]{64}) (\S+) (\S+)$/gm)];
  assert.equal(lines.length, libraries);
  for (const [, name, hash, debian] of lines) {
    assert.equal(sha256(path.join(own, name)), hash, name);
    assert.ok(fs.statSync(path.join(root, `usr/share/doc/redoubt/libraries/${debian}.copyright`)).size > 100, debian);
  }
});

test("the same files give the same packages", () => {
  build("package/build.sh", path.join(folder, "again"));
  assert.equal(fs.readFileSync(path.join(folder, "again/SHA256SUMS"), "utf8"), fs.readFileSync(path.join(folder, "out/SHA256SUMS"), "utf8"));
  // And without an enclave image there is no package of it.
  const said = spawnSync(deploy("package/stage.sh"), [path.join(folder, "without")], { encoding: "utf8", env: { ...process.env, REDOUBT: redoubt, EIF: path.join(folder, "none") } });
  assert.equal(said.status, 0, said.stderr);
  assert.match(said.stderr, /redoubt-image is left out/);
  assert.equal(fs.existsSync(path.join(folder, "without/redoubt-image")), false);
  // A file that is no image does not become one.
  fs.writeFileSync(path.join(folder, "damaged.eif"), fs.readFileSync(path.join(folder, "redoubt.eif")).subarray(0, 700));
  const damaged = spawnSync(deploy("package/stage.sh"), [path.join(folder, "without")], { encoding: "utf8", env: { ...process.env, REDOUBT: redoubt, EIF: path.join(folder, "damaged.eif") } });
  assert.equal(damaged.status, 1);
  assert.match(damaged.stderr, /is no enclave image/);
});

// A root that holds the package's files and, empty, the folders that a kernel fills. Processes in it share a network of their own.
function enterable(name) {
  const root = path.join(folder, name);
  run("cp", ["-a", path.join(folder, "deb"), root]);
  for (const empty of ["tmp", "proc", "dev", "data"]) fs.mkdirSync(path.join(root, empty));
  return root;
}
const inside = `set -eu
root=$1; shift
mount --make-rprivate /
mount -t proc proc "$root/proc"
for device in null urandom; do : >"$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"; done
exec chroot "$root" "$@"`;
async function network() {
  const holder = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", "--net", "sh", "-c", "ip link set lo up && echo up && exec sleep 600"], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(holder);
  await once(holder.stdout, "data");
  const enter = (args) => ["--target", String(holder.pid), "--net", ...args];
  const net = {
    run: (args, options) => run("nsenter", enter(args), options),
    spawn(args, env = {}) {
      const child = spawn("nsenter", enter(["setpriv", "--pdeathsig", "KILL", ...args]), { stdio: ["ignore", "pipe", "pipe"], cwd: "/", env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env } });
      children.push(child);
      child.said = "";
      child.stdout.on("data", (data) => (child.said += data));
      child.stderr.on("data", (data) => (child.said += data));
      return child;
    },
    // A program of the root's, which sees nothing else.
    within: (root, args, env) => net.spawn(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", inside, "sh", root, ...args], env),
    async result(root, args, env) {
      const child = net.within(root, args, env);
      const [code] = await once(child, "close");
      return { code, said: child.said };
    },
  };
  return net;
}

// Answers every question for an A record of db.redoubt.test with 127.0.0.1, and everything else with "no such name".
const nameServer = `
const socket = require("dgram").createSocket("udp4");
socket.on("message", (question, from) => {
  let at = 12, labels = [];
  for (; question[at] !== 0; at += question[at] + 1) labels.push(question.toString("latin1", at + 1, at + 1 + question[at]));
  const type = question.readUInt16BE(at + 1), known = labels.join(".") === "db.redoubt.test";
  const header = Buffer.from(question.subarray(0, at + 5));
  header.writeUInt16BE(known ? 0x8180 : 0x8183, 2);
  header.writeUInt16BE(known && type === 1 ? 1 : 0, 6);
  header.writeUInt32BE(0, 8);
  const record = known && type === 1 ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]) : Buffer.alloc(0);
  socket.send(Buffer.concat([header, record]), from.port, from.address);
}).bind(53, "127.0.0.1", () => console.log("listening"));`;

test("in a root that holds nothing but the package's files the program serves: TLS, SQLite, PostgreSQL, names by file and by DNS", async () => {
  const net = await network(), root = enterable("alone");
  const version = await net.result(root, ["/usr/bin/redoubt", "--version"]);
  assert.deepEqual(version, { code: 0, said: run(redoubt, ["--version"]) });
  for (const command of ["man", "completion"]) assert.equal((await net.result(root, ["/usr/bin/redoubt", command])).said, run(redoubt, [command]), command);

  // Names: one in /etc/hosts, one that only DNS knows, one that nobody knows. The proxy looks its remote up for each connection.
  fs.writeFileSync(path.join(root, "etc/hosts"), "127.0.0.1 localhost byfile.redoubt.test\n");
  fs.writeFileSync(path.join(root, "etc/resolv.conf"), "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n");
  const dns = net.spawn([process.execPath, "-e", nameServer]);
  const remote = net.spawn([process.execPath, "-e", `require("net").createServer((c) => c.end("reached")).listen(7000, "127.0.0.1", () => console.log("listening"))`]);
  await until("both listen", () => [dns, remote].every((one) => one.said.includes("listening")));
  for (const [name, reached] of [["byfile.redoubt.test", "reached"], ["db.redoubt.test", "reached"], ["nobody.redoubt.test", ""]]) {
    fs.writeFileSync(path.join(root, "data/allow.yaml"), `allowlist:\n- {address: ${name}, port: 7000}\n`);
    const proxy = net.within(root, ["/usr/bin/redoubt", "vsock-proxy", `unix:/data/${name}.sock`, name, "7000", "--config", "/data/allow.yaml"]);
    await until("the proxy listens", () => proxy.said.includes("ready"));
    const client = connect(path.join(root, `data/${name}.sock`)).setEncoding("utf8");
    let got = "";
    client.on("data", (text) => (got += text));
    await once(client, "close");
    assert.equal(got, reached, name);
    proxy.kill("SIGKILL"); // unshare, which takes no other signal, and its child with it
    await once(proxy, "exit");
  }

  // The whole system, with a development enclave that is brought in: SQLite in devcloud and the store, TLS between them all.
  fs.copyFileSync(path.join(bin, "redoubt-enclave-dev"), path.join(root, "usr/bin/redoubt-enclave-dev"));
  const sign = async (ready, text) => {
    const curl = (target, body) => JSON.parse(net.run(["curl", "-sS", "--fail-with-body", "--max-time", "20", "--cacert", path.join(root, ready.ca_cert),
      "-H", "content-type: application/json", "-d", JSON.stringify(body), ready.gateway + target]));
    assert.equal(verifyMessage(text, curl(`/v1/keys/${ready.key_id}/sign-message`, { text }).signature), ready.address);
  };
  const up = async (data, more) => {
    fs.mkdirSync(path.join(root, data));
    const system = net.within(root, ["/usr/bin/redoubt", "up", "--data-dir", data, "--listen", "127.0.0.1:0", ...more]);
    await until("redoubt up is ready", () => {
      assert.equal(system.exitCode, null, system.said);
      return system.said.includes("ready https://");
    }, 60_000).catch((error) => {
      throw new Error(`${error.message}\n${system.said}`);
    });
    return system;
  };
  const system = await up("/data/one", []);
  const ready = JSON.parse(fs.readFileSync(path.join(root, "data/one/ready.json"), "utf8"));
  await sign(ready, "nothing of the host");
  // The command line against it, which verifies the attestation.
  const created = await net.result(root, ["/usr/bin/redoubt", "key", "create"], { REDOUBT_READY_FILE: "/data/one/ready.json" });
  assert.equal(created.code, 0, created.said);
  system.kill("SIGKILL");

  // libpq, with its own TLS and Kerberos libraries, by a name of DNS.
  const version_ = fs.readdirSync("/usr/lib/postgresql").at(-1), server = `/usr/lib/postgresql/${version_}/bin`, database = path.join(folder, "postgres");
  fs.mkdirSync(database);
  run("chown", ["postgres:postgres", database]);
  const as = ["--reuid=postgres", "--regid=postgres", "--clear-groups"];
  run("setpriv", [...as, `${server}/initdb`, "-D", `${database}/data`, "-A", "trust", "-U", "postgres"], { stdio: "ignore", cwd: "/" });
  const postgres = net.spawn(["setpriv", ...as, `${server}/postgres`, "-D", `${database}/data`, "-c", "listen_addresses=127.0.0.1", "-k", database]);
  await until("PostgreSQL serves", () => postgres.said.includes("ready to accept connections"), 20_000);
  const second = await up("/data/two", ["--store", "postgresql://postgres@db.redoubt.test/postgres"]);
  await sign(JSON.parse(fs.readFileSync(path.join(root, "data/two/ready.json"), "utf8")), "records in PostgreSQL");
  const count = net.run([`${server}/psql`, "-h", "127.0.0.1", "-U", "postgres", "-Atc", "select count(*) from redoubt_keys"]);
  assert.equal(count, "1\n");
  second.kill("SIGKILL");
  postgres.kill("SIGINT");
  await once(postgres, "exit");
});

test("the units have no mistake that systemd finds, and are as confined as docs/packages.md says", () => {
  const root = path.join(folder, "units");
  run("cp", ["-a", path.join(folder, "deb"), root]);
  // Of other packages: what the units name.
  for (const name of ["bin/sh", "usr/bin/redoubt"]) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), "", { mode: 0o755 });
  }
  for (const name of ["nitro-enclaves-allocator.service", "nitro-enclaves-vsock-proxy.service"])
    fs.writeFileSync(path.join(root, "usr/lib/systemd/system", name), "[Service]\nExecStart=/bin/sh\n");
  for (const name of ["basic", "sysinit", "shutdown", "network-online", "multi-user", "local-fs", "time-sync"])
    fs.writeFileSync(path.join(root, "usr/lib/systemd/system", `${name}.target`), "[Unit]\n");
  const thresholds = { gateway: 15, "vsock-proxy": 15, watchdog: 23, logs: 6, lifecycle: 18 };
  const table = fs.readFileSync(path.join(sources, "docs/packages.md"), "utf8");
  for (const [unit, threshold] of Object.entries(thresholds)) {
    const name = `redoubt-${unit}.service`, file = path.join(root, "usr/lib/systemd/system", name);
    const verified = spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", `--root=${root}`, name], { encoding: "utf8" });
    assert.equal(verified.stderr, "", name); // it ends with 0 also where it does not know a setting
    assert.equal(verified.status, 0, name);
    const offline = ["security", "--offline=yes", "--no-pager", file];
    const scored = run("systemd-analyze", offline, { stdio: ["ignore", "pipe", "ignore"] });
    const score = /Overall exposure level for \S+: (\d+\.\d)/.exec(scored)[1];
    assert.ok(table.includes(`| \`${name}\` | ${score} |`), `docs/packages.md does not say that ${name} has ${score}`);
    assert.equal(spawnSync("systemd-analyze", [...offline, `--threshold=${threshold}`]).status, 0, name);
    assert.notEqual(spawnSync("systemd-analyze", [...offline, "--threshold=1"]).status, 0); // the check can fail
    const text = fs.readFileSync(file, "utf8");
    assert.match(text, /^LimitCORE=0$/m);
    for (const setting of text.matchAll(/^(?:ExecStart|ExecReload)=(\S+)/gm)) assert.ok(fs.existsSync(path.join(root, setting[1])), `${name}: ${setting[1]}`);
    for (const setting of text.matchAll(/^EnvironmentFile=(\S+)/gm)) if (unit !== "lifecycle") assert.ok(fs.existsSync(path.join(root, setting[1])), `${name}: ${setting[1]}`);
  }
  // systemd-analyze does find mistakes in this root.
  const broken = path.join(root, "usr/lib/systemd/system/broken.service");
  fs.writeFileSync(broken, fs.readFileSync(path.join(root, "usr/lib/systemd/system/redoubt-gateway.service"), "utf8").replace("ProtectHome=", "ProtectHouse="));
  assert.match(spawnSync("systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", `--root=${root}`, "broken.service"], { encoding: "utf8" }).stderr, /ProtectHouse/);
});

test("every variable that a unit's command line uses stands in its configuration file", () => {
  const root = path.join(folder, "deb");
  for (const unit of ["gateway", "watchdog", "vsock-proxy"]) {
    const text = fs.readFileSync(path.join(root, `usr/lib/systemd/system/redoubt-${unit}.service`), "utf8");
    const used = [...text.match(/^ExecStart=.*$/m)[0].matchAll(/\$\{?([A-Z_]+)/g)].map((match) => match[1]).sort();
    const set = [...fs.readFileSync(path.join(root, `etc/redoubt/${unit}.conf`), "utf8").matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]).sort();
    assert.deepEqual(used, set, unit);
    const given = [...fs.readFileSync(deploy("host/user-data.sh"), "utf8").split(`put $etc/${unit}.conf`)[1].split("\nCONF\n")[0].matchAll(/^([A-Z_]+)=/gm)].map((match) => match[1]).sort();
    assert.deepEqual(given, set, unit);
  }
});

test("scripts for hosts are clean for shellcheck, and the user data is short enough for EC2", () => {
  for (const name of ["host/user-data.sh", "host/logs.sh", "host/lifecycle.sh", "package/build.sh", "package/stage.sh", "package/debian-root.sh", "container/build.sh"])
    run("shellcheck", ["-x", deploy(name)], { cwd: sources });
  for (const name of ["postinst", "prerm", "postrm"]) run("shellcheck", [deploy(`package/${name}`)]);
  for (const name of ["rpm-post", "rpm-preun", "rpm-postun"]) run("shellcheck", ["--shell=sh", deploy(`package/${name}`)]);
  // Before base64; a quarter of it is left to the variables in front.
  assert.ok(fs.statSync(deploy("host/user-data.sh")).size < 16384 - 2048);
});

test("the container's image: one digest from the same files, taken by others' tools, and serving in a root of its own", async () => {
  const one = path.join(folder, "one.tar"), two = path.join(folder, "two.tar");
  const digest = build("container/build.sh", one, { NAME: "redoubt:test" }).trim();
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.equal(build("container/build.sh", two, { NAME: "redoubt:test" }).trim(), digest);
  assert.equal(sha256(one), sha256(two));
  const oci = JSON.parse(run("skopeo", ["inspect", `oci-archive:${one}`]));
  assert.equal(oci.Digest, digest);
  assert.equal(oci.Layers.length, 2);
  // As `docker load` reads it: by its manifest.json.
  const loaded = JSON.parse(run("skopeo", ["inspect", "--config", `docker-archive:${one}:redoubt:test`]));
  const config = JSON.parse(run("skopeo", ["inspect", "--config", `oci-archive:${one}`]));
  assert.deepEqual(loaded.config.Entrypoint, ["/usr/bin/redoubt"]);
  assert.equal(config.config.User, "10001:10001");
  assert.equal(config.os, "linux");

  const image = path.join(folder, "image"), root = path.join(folder, "container");
  for (const name of [image, root]) fs.mkdirSync(name);
  run("tar", ["-xf", one, "-C", image]);
  for (const layer of oci.Layers) {
    const blob = path.join(image, "blobs/sha256", layer.replace("sha256:", ""));
    assert.equal(`sha256:${sha256(blob)}`, layer);
    run("tar", ["-xpf", blob, "-C", root]);
  }
  assert.deepEqual(config.rootfs.diff_ids, oci.Layers);
  assert.equal(run("stat", ["-c", "%u:%g %a", path.join(root, "var/lib/redoubt")]).trim(), "10001:10001 700");
  assert.deepEqual(files(root).filter((name) => name.startsWith("usr/bin/")), ["usr/bin/redoubt"]); // no shell

  // As the image's user: the version, and a gateway that starts (SQLite, TLS, the certificate authorities) and waits for its enclave.
  const net = await network();
  const version = spawnSync("chroot", ["--userspec=10001:10001", root, "/usr/bin/redoubt", "--version"], { encoding: "utf8", env: { PATH: "/usr/sbin:/usr/bin" } });
  assert.equal(version.stdout, run(redoubt, ["--version"]), version.stderr);
  const state = path.join(root, "var/lib/redoubt");
  run("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
    "-keyout", `${state}/gateway.key`, "-out", `${state}/gateway.pem`], { stdio: "ignore" });
  run(redoubt, ["manifest", "init", "--kms-key", "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", "--out", `${state}/manifest.json`], { stdio: "ignore" });
  run("chown", ["-R", "10001:10001", state]);
  const gateway = net.spawn(["chroot", "--userspec=10001:10001", root, "/usr/bin/redoubt", "gateway", "--listen", "tcp:127.0.0.1:8443", "--enclave", "unix:/var/lib/redoubt/none.sock",
    ...["certificate=gateway.pem", "key=gateway.key", "manifest=manifest.json", "store=store.db"].flatMap((pair) => [`--${pair.split("=")[0]}`, `/var/lib/redoubt/${pair.split("=")[1]}`]),
    "--imds-endpoint", "http://127.0.0.1:1"]);
  await until("the gateway listens", () => {
    assert.equal(gateway.exitCode, null, gateway.said);
    return /"event":"listening"/.test(gateway.said);
  }, 20_000).catch((error) => {
    throw new Error(`${error.message}\n${gateway.said}`);
  });
  const answer = net.run(["curl", "-sS", "--cacert", `${state}/gateway.pem`, "-o", "/dev/null", "-w", "%{http_code}", "https://localhost:8443/healthz"]);
  assert.equal(answer, "503"); // there is no enclave, and it says so
  gateway.kill("SIGTERM");
  assert.equal((await once(gateway, "exit"))[0], 0, gateway.said);
});
