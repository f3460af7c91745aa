// SPDX-License-Identifier: Apache-2.0
// A host's first boot: the packages and the user data in a clean Debian under its own systemd, with stand-ins for what is AWS's:
// nitro-cli (enclaves are processes), aws, cfn-signal, the CloudWatch agent, the instance metadata; KMS is devcloud. Needs root.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import crypto from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { verifyMessage } from "ethers";
import { makeEif } from "../../support/eif.mjs";
import { bin, redoubt, root as sources, until, up } from "../lib.mjs";
import { boot, debianRoot, hostProgram, put } from "./machine.mjs";

let folder, machine, token;
const outside = []; // processes of ours in the machine's network
const rootFolder = () => path.join(folder, "root");
const inRoot = (name) => path.join(rootFolder(), name);
const read = (name) => fs.readFileSync(inRoot(name), "utf8");
const sha256 = (data) => crypto.createHash("sha256").update(data).digest("hex");
const cloud = "http://127.0.0.1:9001", metadata = "http://127.0.0.1:9003", tlsSecret = "arn:aws:secretsmanager:us-east-1:000000000000:secret:tls-AbCdEf";

// The S3 bucket that the stand-in for aws reads.
function upload(name, data) {
  put(rootFolder(), `srv/s3/assets/${name}`, data);
  return { url: `s3://assets/${name}`, sha256: sha256(data) };
}

before(async () => {
  assert.equal(process.getuid(), 0, "this test needs root");
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-user-data-"));
  // Keys in devcloud, pinned to this enclave program and a manifest, as redoubt up makes them.
  fs.mkdirSync(path.join(folder, "up"));
  const system = await up({ dataDir: path.join(folder, "up") });
  assert.equal(await system.stop(), 0);
  fs.writeFileSync(path.join(folder, "redoubt.eif"), makeEif({ cmdline: "version 1" }));
  execFileSync(path.join(sources, "deploy/package/build.sh"), [path.join(folder, "packages")],
    { env: { ...process.env, REDOUBT: redoubt, EIF: path.join(folder, "redoubt.eif"), COMPRESSION: "gzip" }, stdio: ["ignore", "ignore", "inherit"] });

  debianRoot(rootFolder());
  const up_ = (name) => fs.readFileSync(path.join(folder, "up", name));
  put(rootFolder(), "opt/test/redoubt-enclave-dev", fs.readFileSync(path.join(bin, "redoubt-enclave-dev")), 0o755);
  put(rootFolder(), "opt/test/ca.pem", up_("tls/ca.pem"));
  for (const name of fs.readdirSync(path.join(folder, "up/attestation"))) put(rootFolder(), `opt/test/attestation/${name}`, up_(`attestation/${name}`));
  for (const name of ["fake_nitro_cli.mjs", "eif.mjs"]) put(rootFolder(), `opt/test/${name}`, fs.readFileSync(path.join(sources, "tests/support", name)));
  // Without a just-in-time compiler: the watchdog's unit lets no memory be written and executed.
  put(rootFolder(), "usr/bin/nitro-cli", `#!/bin/sh
${hostProgram(process.execPath)} --jitless /opt/test/fake_nitro_cli.mjs /run/nitro_enclaves/state "$@"
code=$?
# vsock ports have no owner; these sockets do.
chmod 666 /run/nitro_enclaves/state/*.sock 2>/dev/null
exit $code
`, 0o755);
  put(rootFolder(), "etc/systemd/system/redoubt-vsock-proxy.service.d/socket.conf",
    "[Service]\nExecStartPost=+/bin/sh -c 'until chmod 666 /run/redoubt-proxy/kms.sock 2>/dev/null; do sleep 0.1; done'\n");
  // An enclave that is a process confines itself by a filter of system calls; one on Nitro is none of the host's processes.
  put(rootFolder(), "etc/systemd/system/redoubt-watchdog.service.d/processes.conf", "[Service]\nSystemCallFilter=seccomp\n");
  put(rootFolder(), "etc/systemd/system/nitro-enclaves-allocator.service",
    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'cat /etc/nitro_enclaves/allocator.yaml >>/var/log/allocator.log'\n[Install]\nWantedBy=multi-user.target\n");
  put(rootFolder(), "usr/local/bin/aws", `#!/bin/bash
set -eu
echo "$*" >>/var/log/aws.log
case "$1 $2" in
  's3 cp') [ "$3" = --only-show-errors ]; cp "/srv/s3/\${4#s3://}" "$5" ;;
  'secretsmanager get-secret-value') cat "/srv/secrets/\${4##*:}" ;;
  'acm-pca issue-certificate')
    for ((i = 1; i < $#; ++i)); do [ "\${!i}" != --csr ] || { i=$((i + 1)); csr=\${!i#fileb://}; }; done
    [[ " $* " == *" --template-arn arn:aws:acm-pca:::template/EndEntityServerAuthCertificate/V1 "* ]]
    openssl x509 -req -in "$csr" -CA /srv/ca.pem -CAkey /srv/ca.key -days 395 -copy_extensions copy -out /srv/issued.pem 2>/dev/null
    echo arn:issued ;;
  'acm-pca wait') ;;
  'acm-pca get-certificate') printf '%s\\t%s\\n' "$(cat /srv/issued.pem)" "$(cat /srv/ca.pem)" ;;
  'autoscaling complete-lifecycle-action') ;;
  *) echo "not played: $*" >&2; exit 252 ;;
esac
`, 0o755);
  put(rootFolder(), "etc/systemd/system/redoubt-lifecycle.service.d/log.conf", "[Service]\nReadWritePaths=/var/log\n"); // of the stand-in for aws
  put(rootFolder(), "usr/local/bin/cfn-signal", "#!/bin/sh\necho \"$*\" >>/var/log/cfn-signal.log\n", 0o755);
  put(rootFolder(), "opt/aws/amazon-cloudwatch-agent/bin/amazon-cloudwatch-agent-ctl",
    "#!/bin/sh\necho \"$*\" >>/var/log/agent.log\nsystemctl restart amazon-cloudwatch-agent\n", 0o755);
  put(rootFolder(), "etc/systemd/system/amazon-cloudwatch-agent.service", "[Service]\nExecStart=/bin/sleep infinity\n");
  fs.mkdirSync(inRoot("srv/secrets"), { recursive: true, mode: 0o700 });
  put(rootFolder(), "srv/secrets/tls-AbCdEf", up_("tls/gateway.pem") + "\n" + up_("tls/gateway.key"), 0o600);

  machine = await boot(rootFolder());
  machine.run("install", ["-d", "-m", "777", "/run/nitro_enclaves", "/run/nitro_enclaves/state"]);
  machine.run("tee", ["/run/nitro_enclaves/state/config.json"], { input: JSON.stringify({ program: "/opt/test/redoubt-enclave-dev",
    arguments: ["--kms-proxy", "unix:/run/redoubt-proxy/kms.sock", "--tls-roots", "/opt/test/ca.pem", "--nsm-root", "/opt/test/attestation",
      "--endpoint-suffix", "devcloud.internal", "--region", "us-east-1"] }) });

  // KMS, and the gateway's credentials.
  const file = (name) => path.join(folder, "up", name);
  const devcloud = machine.outside(redoubt, ["devcloud", "--data-dir", file("devcloud"), "--http-listen", "tcp:127.0.0.1:9001",
    "--tls-listen", "tcp:127.0.0.1:9002", "--tls-certificate", file("tls/devcloud.pem"), "--tls-key", file("tls/devcloud.key"),
    "--attestation-root", file("attestation/root.pem"), "--access-key-file", file("devcloud/access-key.json")]);
  outside.push(devcloud);
  let said = "";
  devcloud.stdout.on("data", (data) => (said += data));
  await until("devcloud listens", () => said.includes("tls_port"));
  // The instance metadata; the Auto Scaling group's intention is what the file says.
  const imds = machine.outside(process.execPath, ["-e", `
    require("http").createServer((request, answer) => {
      const end = (code, text) => { answer.writeHead(code); answer.end(text); };
      if (request.url === "/latest/api/token") return request.method === "PUT" && request.headers["x-aws-ec2-metadata-token-ttl-seconds"] ? end(200, "a-token") : end(400, "");
      if (request.headers["x-aws-ec2-metadata-token"] !== "a-token") return end(401, "");
      if (request.url === "/latest/meta-data/instance-id") return end(200, "i-0123456789abcdef0");
      if (request.url === "/latest/meta-data/autoscaling/target-lifecycle-state") return end(200, require("fs").readFileSync(process.argv[1], "utf8"));
      end(404, "");
    }).listen(9003, "127.0.0.1", () => console.log("listening"));`, path.join(folder, "intention")]);
  fs.writeFileSync(path.join(folder, "intention"), "InService");
  outside.push(imds);
  await once(imds.stdout, "data");
});

after(async () => {
  for (const child of outside) child.kill("SIGKILL");
  await machine?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

// What CDK puts in front, and the script as it is.
function values() {
  const packages = fs.readdirSync(path.join(folder, "packages"));
  const file = (pattern) => path.join(folder, "packages", packages.find((name) => pattern.test(name)));
  const program = upload("redoubt.deb", fs.readFileSync(file(/^redoubt_.*\.deb$/)));
  const image = upload("redoubt-image.deb", fs.readFileSync(file(/^redoubt-image_.*\.deb$/)));
  const manifest = upload("manifest.json", fs.readFileSync(path.join(folder, "up/manifest.json")));
  const clientsFile = path.join(folder, "clients.json");
  if (!fs.existsSync(clientsFile)) {
    token = execFileSync(redoubt, ["client", "add-token", clientsFile, "tests", ...["create", "sign-message", "list"].flatMap((name) => ["--operation", name]),
      "--key", "*", "--days", "1"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).match(/rdt_\w+/)[0];
  }
  const clients = upload("clients.json", fs.readFileSync(clientsFile));
  return { REGION: "us-east-1", PACKAGE_URL: program.url, PACKAGE_SHA256: program.sha256, IMAGE_URL: image.url, IMAGE_SHA256: image.sha256,
    MANIFEST_URL: manifest.url, MANIFEST_SHA256: manifest.sha256, CLIENTS_URL: clients.url, CLIENTS_SHA256: clients.sha256,
    TLS_SECRET: tlsSecret, ENCLAVES: "2", ENCLAVE_MEMORY: "128", GATEWAY_OPTIONS: `--create-vault --imds-endpoint ${cloud} --secretsmanager-endpoint ${cloud}`,
    WATCHDOG_OPTIONS: "--endpoint-prefix unix:/run/nitro_enclaves/state/enclave- --list-ms 1000",
    PROXY_LISTEN: "unix:/run/redoubt-proxy/kms.sock", KMS_HOST: "127.0.0.1", KMS_PORT: "9002",
    ENCLAVE_ENDPOINT: "unix:/run/nitro_enclaves/state/enclave-@CID@.sock", IMDS: metadata, LOG_GROUP: "/redoubt/test/hosts",
    GROUP: "test-group", TERMINATION_HOOK: "test-hook", DRAIN_SECONDS: "3", SIGNAL_STACK: "test-stack", SIGNAL_RESOURCE: "Group", HEALTH_SECONDS: "90" };
}
function userData(changes = {}, code = 0) {
  const lines = Object.entries({ ...values(), ...changes }).filter(([, value]) => value !== undefined).map(([name, value]) => `${name}='${value}'`);
  const script = ["#!/bin/bash", ...lines, fs.readFileSync(path.join(sources, "deploy/host/user-data.sh"), "utf8")].join("\n");
  put(rootFolder(), "var/lib/cloud/user-data", script, 0o700);
  try {
    return machine.run("/var/lib/cloud/user-data", [], { code });
  } catch (error) {
    throw new Error(`${error.message}\n${machine.journal()}`);
  }
}
const signals = () => read("var/log/cfn-signal.log").trim().split("\n");
const units = ["redoubt-gateway", "redoubt-watchdog", "redoubt-vsock-proxy", "redoubt-logs", "redoubt-lifecycle"];
const pids = () => Object.fromEntries(units.map((unit) => [unit, machine.property(unit, "MainPID")]));

function https(method, target, body) {
  const done = machine.run("curl", ["-sS", "--max-time", "10", "--cacert", "/opt/test/ca.pem", "-w", "\n%{http_code}", "-X", method, `https://127.0.0.1:8443${target}`,
    "-H", `authorization: Bearer ${token}`, ...(body ? ["-H", "content-type: application/json", "-d", JSON.stringify(body)] : [])]);
  const [, text, status] = /^([^]*)\n(\d+)$/.exec(done.stdout);
  return { status: Number(status), body: text === "" ? undefined : JSON.parse(text) };
}
function sign(key, text) {
  const signed = https("POST", `/v1/keys/${key.key_id}/sign-message`, { text });
  assert.equal(signed.status, 200, JSON.stringify(signed.body));
  assert.equal(verifyMessage(text, signed.body.signature), key.address);
}

test("what is missing or wrong ends it with exit code 1, on the console and in a failure signal, with nothing installed", () => {
  for (const [changes, sentence] of [
    [{ MANIFEST_SHA256: undefined }, /MANIFEST_SHA256 is missing/],
    [{ REGION: undefined }, /REGION is missing/],
    [{ CLIENTS_URL: undefined }, /CLIENTS_URL is missing/],
    [{ TLS_SECRET: undefined }, /TLS_SECRET or CERTIFICATE_AUTHORITY is missing/],
    [{ ENCLAVES: "two" }, /numbers are expected/],
    [{ PACKAGE_SHA256: "0".repeat(64) }, /redoubt\.deb is not the file of SHA-256 0000/],
    [{ PACKAGE_URL: "s3://assets/none.deb" }, /none\.deb/],
    [{ PACKAGE_URL: undefined }, /redoubt is not installed, and PACKAGE_URL is missing/],
  ]) {
    fs.rmSync(inRoot("var/log/cfn-signal.log"), { force: true });
    machine.run("rm", ["-f", "/dev/console"]);
    const done = userData(changes, 1);
    assert.match(done.stdout + done.stderr, sentence);
    assert.match(machine.run("cat", ["/dev/console"]).stdout, /^REDOUBT USER DATA FAILED at: /m);
    assert.match(signals().join(), /^--stack test-stack --resource Group --region \S* ?--exit-code 1$/);
  }
  assert.equal(fs.existsSync(inRoot("usr/bin/redoubt")), false);
  // The rest of it is wrong only once the package is there; still no unit may be enabled.
  for (const [changes, sentence] of [
    [{ MANIFEST_SHA256: sha256("another") }, /manifest\.json is not the file of SHA-256/],
    [{ IMAGE_URL: upload("bad.eif", "no image").url, IMAGE_SHA256: sha256("no image") }, /the enclave image is damaged/],
  ]) {
    const done = userData(changes, 1);
    assert.match(done.stdout + done.stderr, sentence);
  }
  for (const unit of units) assert.equal(machine.run("systemctl", ["is-enabled", unit], { code: null }).stdout.trim(), "disabled");
  fs.rmSync(inRoot("usr/share/redoubt/redoubt.eif"));
  fs.rmSync(inRoot("var/lib/redoubt-setup"), { recursive: true });
  fs.rmSync(inRoot("var/log/cfn-signal.log"));
});

let key;
test("the first run reaches a signing service, under confined units, and signals success", async () => {
  const done = userData();
  assert.match(done.stdout, /^redoubt user data: done, \d+ changed$/m);
  assert.deepEqual(signals(), ["--stack test-stack --resource Group --region us-east-1 --exit-code 0"]);
  for (const unit of [...units, "nitro-enclaves-allocator", "amazon-cloudwatch-agent"]) assert.equal(machine.property(unit, "ActiveState"), "active", machine.journal());
  for (const unit of units) assert.equal(machine.property(unit, "UnitFileState"), "enabled");

  const created = https("POST", "/v1/keys", {});
  assert.equal(created.status, 201, JSON.stringify(created.body));
  key = created.body;
  sign(key, "first light");
  await until("both enclaves serve", () => https("GET", "/healthz").body.enclaves.vault_open === 2, 20_000);

  // Each unit runs as a user of its own, without capabilities, behind a filter of system calls, without core dumps.
  for (const [unit, user] of [["redoubt-gateway", "redoubt"], ["redoubt-watchdog", "redoubt-watchdog"], ["redoubt-vsock-proxy", "redoubt-proxy"], ["redoubt-logs", "redoubt-logs"]]) {
    const pid = machine.property(unit, "MainPID");
    const status = machine.run("cat", [`/proc/${pid}/status`]).stdout;
    assert.equal(machine.run("stat", ["-c", "%U", `/proc/${pid}`]).stdout.trim(), user);
    assert.match(status, /^CapEff:\t0+$/m);
    assert.match(status, /^CapBnd:\t0+$/m);
    assert.match(status, /^NoNewPrivs:\t1$/m);
    assert.match(status, /^Seccomp:\t2$/m);
    assert.match(machine.run("cat", [`/proc/${pid}/limits`]).stdout, /^Max core file size +0 +0 /m);
  }
  assert.equal(machine.run("stat", ["-c", "%a %U:%G", "/etc/redoubt/tls/gateway.key"]).stdout.trim(), "640 root:redoubt");
  assert.equal(machine.run("stat", ["-c", "%a %U:%G", "/etc/redoubt/tls"]).stdout.trim(), "750 root:redoubt");
  assert.equal(machine.run("stat", ["-c", "%a %U:%G", "/var/lib/redoubt"]).stdout.trim(), "700 redoubt:redoubt");
  assert.match(read("etc/nitro_enclaves/allocator.yaml"), /^memory_mib: 256\ncpu_count: 4$/m);
  assert.match(read("var/log/allocator.log"), /memory_mib: 256/);
  assert.doesNotMatch(done.stdout + done.stderr + machine.journal(), /PRIVATE KEY|rdt_\w+/);
});

test("logs come into the files that the CloudWatch agent is told of, and its metrics' configuration fits what is served", async () => {
  const agent = JSON.parse(read("etc/redoubt/cloudwatch-agent.json"));
  assert.deepEqual(read("var/log/agent.log").trim(), "-a fetch-config -m ec2 -s -c file:/etc/redoubt/cloudwatch-agent.json");
  assert.doesNotMatch(JSON.stringify(agent) + read("etc/redoubt/prometheus.yaml"), /@/);
  const files = agent.logs.logs_collected.files.collect_list.map((one) => one.file_path).filter((file) => file.includes("/redoubt/"));
  assert.equal(files.length, 4);
  await until("the gateway's log is there", () => /"program":"gateway"/.test(read("var/log/redoubt/redoubt-gateway.log")));
  await until("and the watchdog's", () => /"program":"watchdog"/.test(read("var/log/redoubt/redoubt-watchdog.log")));
  for (const file of files) assert.ok(fs.existsSync(inRoot(file)), file);
  // Nothing twice, and nothing left out.
  await until("the file is what the journal has", () => read("var/log/redoubt/redoubt-gateway.log") ===
    machine.run("journalctl", ["--quiet", "--boot", "--no-pager", "--output=cat", "--unit=redoubt-gateway"]).stdout);

  const served = { "^redoubt-gateway$": machine.run("curl", ["-sS", "http://127.0.0.1:9464/metrics"]).stdout,
    "^redoubt-watchdog$": machine.run("curl", ["-sS", "http://127.0.0.1:9465/metrics"]).stdout };
  const { emf_processor: emf, prometheus_config_path: scrape } = agent.logs.metrics_collected.prometheus;
  assert.equal(scrape, "/etc/redoubt/prometheus.yaml");
  for (const one of emf.metric_declaration)
    for (const selector of one.metric_selectors) {
      const name = selector.slice(1, -1);
      assert.ok(emf.metric_unit[name] !== undefined, name);
      // Of credentials without an end and of receipts there may be nothing to tell.
      if (name !== "redoubt_enclave_lease_renewals_total") assert.match(served[one.label_matcher], new RegExp(`^(# TYPE )?${name}[ {]`, "m"), name);
    }
});

test("a second run changes nothing and restarts nothing", () => {
  const before_ = pids(), calls = read("var/log/aws.log").split("\n").length;
  const files = () => machine.run("find", ["/etc", "/usr", "/var/lib/redoubt-setup", "-xdev", "-type", "f", "-printf", "%p %T@ %i %m %u\n"]).stdout.split("\n").sort();
  const were = files();
  const done = userData();
  assert.match(done.stdout, /^redoubt user data: done, 0 changed$/m);
  assert.doesNotMatch(done.stdout, /wrote|installed|started|restarted/);
  assert.deepEqual(pids(), before_);
  assert.deepEqual(files(), were);
  assert.equal(read("var/log/aws.log").split("\n").length, calls + 1); // the certificate is looked at again
  assert.match(read("var/log/aws.log").trim().split("\n").at(-1), /^secretsmanager get-secret-value/);
  sign(key, "second run");
});

test("a setting that changes restarts what reads it and nothing else; a list of clients is read again without a restart", async () => {
  let were = pids();
  const more = `${values().GATEWAY_OPTIONS} --access-log`;
  let done = userData({ GATEWAY_OPTIONS: more });
  assert.match(done.stdout, /restarted redoubt-gateway\n(.*\n)*.*done, 1 changed/);
  let now = pids();
  assert.deepEqual(units.filter((unit) => now[unit] !== were[unit]), ["redoubt-gateway"]);
  sign(key, "other options");

  were = now;
  const clientsFile = path.join(folder, "clients.json");
  const second = execFileSync(redoubt, ["client", "add-token", clientsFile, "second", "--operation", "list", "--key", "*", "--days", "1"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).match(/rdt_\w+/)[0];
  done = userData({ GATEWAY_OPTIONS: more });
  assert.match(done.stdout, /wrote \/etc\/redoubt\/clients.json/);
  now = pids();
  assert.deepEqual(now, were);
  const first = token;
  token = second;
  await until("the new client is known", () => https("GET", "/v1/keys").status === 200);
  token = first;
});

test("what ends comes back: the gateway at once, the watchdog without its enclaves' end", async () => {
  const enclaves = () => machine.run("sh", ["-c", "for p in /proc/[0-9]*; do case $(readlink $p/exe) in */redoubt-enclave-dev) echo $p ;; esac; done"]).stdout;
  const running = enclaves(), were = pids();
  assert.equal(running.trim().split("\n").length, 2, running);
  machine.run("sh", ["-c", `kill -9 ${were["redoubt-gateway"]}`]);
  await until("the gateway is back", () => machine.property("redoubt-gateway", "MainPID") !== were["redoubt-gateway"] &&
    machine.run("curl", ["-ksf", "-o", "/dev/null", "https://127.0.0.1:8443/healthz"], { code: null }).code === 0, 30_000);
  machine.run("systemctl", ["restart", "redoubt-watchdog"]); // waits for READY=1
  assert.notEqual(machine.property("redoubt-watchdog", "MainPID"), were["redoubt-watchdog"]);
  await until("it has found both again", () => /^2 of 2 enclaves can sign/.test(machine.property("redoubt-watchdog", "StatusText")), 20_000);
  assert.equal(enclaves(), running);
  sign(key, "after a fall");
});

test("the package is replaced while it serves, and keeps the configuration", async () => {
  const were = pids();
  machine.run("dpkg", ["-i", "/srv/s3/assets/redoubt.deb"]);
  await until("the gateway runs anew", () => machine.property("redoubt-gateway", "MainPID") !== were["redoubt-gateway"] &&
    machine.run("curl", ["-ksf", "-o", "/dev/null", "https://127.0.0.1:8443/healthz"], { code: null }).code === 0, 30_000);
  assert.match(read("etc/redoubt/gateway.conf"), /--access-log/); // the configuration is the host's
  sign(key, "replaced");
});

test("a host that is to be terminated drains, stops its gateway and tells the Auto Scaling group", async () => {
  assert.equal(machine.property("redoubt-lifecycle", "ActiveState"), "active");
  fs.writeFileSync(path.join(folder, "intention"), "Terminated");
  await until("it drains", () => /draining for 3 s/.test(machine.journal()), 15_000);
  sign(key, "while it drains");
  await until("the group is told", () => /complete-lifecycle-action/.test(read("var/log/aws.log")), 40_000);
  assert.match(read("var/log/aws.log").trim().split("\n").at(-1),
    /^autoscaling complete-lifecycle-action --region us-east-1 --auto-scaling-group-name test-group --lifecycle-hook-name test-hook --instance-id i-0123456789abcdef0 --lifecycle-action-result CONTINUE$/);
  assert.equal(machine.property("redoubt-gateway", "ActiveState"), "inactive");
  assert.equal(machine.property("redoubt-gateway", "Result"), "success");
  await until("it is content", () => machine.property("redoubt-lifecycle", "ActiveState") === "inactive");
});

test("a private certificate authority certifies a key made on the host", () => {
  execFileSync("openssl", ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "400", "-subj", "/CN=Private CA",
    "-keyout", inRoot("srv/ca.key"), "-out", inRoot("srv/ca.pem")], { stdio: "ignore" });
  fs.rmSync(inRoot("etc/redoubt/tls/gateway.pem"));
  fs.writeFileSync(path.join(folder, "intention"), "InService");
  const byAuthority = { TLS_SECRET: undefined, CERTIFICATE_AUTHORITY: "arn:aws:acm-pca:us-east-1:000000000000:certificate-authority/1", SERVER_NAME: "signer.example" };
  userData(byAuthority);
  const done = machine.run("curl", ["-sS", "--cacert", "/srv/ca.pem", "--resolve", "signer.example:8443:127.0.0.1", "https://signer.example:8443/healthz"]);
  assert.equal(JSON.parse(done.stdout).enclaves.total, 2);
  const key_ = read("etc/redoubt/tls/gateway.key");
  assert.match(userData(byAuthority).stdout, /done, 0 changed/); // it is not asked for another while that one is good
  assert.equal(read("etc/redoubt/tls/gateway.key"), key_);
});

test("a purge keeps the sealed keys, and a package that is removed leaves no unit running", () => {
  const done = machine.run("dpkg", ["--purge", "redoubt"]);
  assert.match(done.stderr, /\/var\/lib\/redoubt is kept/);
  assert.ok(fs.existsSync(inRoot("var/lib/redoubt/store.db")));
  assert.equal(fs.existsSync(inRoot("usr/bin/redoubt")), false);
  assert.equal(fs.existsSync(inRoot("usr/lib/redoubt")), false);
  for (const unit of units) assert.notEqual(machine.property(unit, "ActiveState"), "active");
});
