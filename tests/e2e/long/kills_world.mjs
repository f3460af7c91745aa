// SPDX-License-Identifier: Apache-2.0
// A system whose parts a test kills at random moments, and the stores that it can keep its records in.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { alive, request, sleep, until, up } from "../lib.mjs";

const matureMs = 2_100; // the supervisor starts a part that lived for 2 s again at once, and pauses before that of a younger one
const mostRecoveryMs = 60_000;
const mostServerKills = 3; // for each operation: PostgreSQL takes seconds to recover

// Mulberry32: the same seed gives the same numbers.
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

// What a test needs of a store: `extra` arguments of `redoubt up`, `parts` of `redoubt up` that belong to it, and where
// it has processes of its own, `kill(random, serverKills)`, which gives the victim's name and perhaps what starts it again
// (parts of `redoubt up` are started again by its supervisor), and `close()`.
const versions = fs.existsSync("/usr/lib/postgresql") ? fs.readdirSync("/usr/lib/postgresql").sort((a, b) => Number(b) - Number(a)) : [];
const programs = versions.length > 0 ? `/usr/lib/postgresql/${versions[0]}/bin` : undefined;

async function postgres() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-kills-pg-"));
  let user = {};
  if (process.getuid() === 0) { // the server refuses to run as root
    user = { uid: Number(execFileSync("id", ["-u", "postgres"])), gid: Number(execFileSync("id", ["-g", "postgres"])) };
    fs.chownSync(folder, user.uid, user.gid);
  }
  execFileSync(path.join(programs, "initdb"), ["--no-sync", "--auth=trust", "--username=postgres", "--no-locale", "--encoding=UTF8",
    "-D", path.join(folder, "data")], { stdio: "ignore", cwd: "/", ...user });
  let server, ended;
  const start = () => until("PostgreSQL answers", async () => {
    // It refuses to start while a process of the one that was killed still ends.
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) {
      server = spawn(path.join(programs, "postgres"), ["-D", path.join(folder, "data"), "-k", folder, "-c", "listen_addresses="],
        { stdio: "ignore", cwd: "/", ...user });
      ended = once(server, "exit");
    }
    const asked = spawn(path.join(programs, "pg_isready"), ["-q", "-h", folder], { stdio: "ignore" });
    return (await once(asked, "exit"))[0] === 0;
  }, 60_000);
  await start();
  // The processes that serve connections.
  const read = (file) => {
    try {
      return fs.readFileSync(file, "utf8");
    } catch {
      return ""; // the process has ended
    }
  };
  const backends = () => read(`/proc/${server.pid}/task/${server.pid}/children`).trim().split(" ").filter((pid) =>
    pid !== "" && read(`/proc/${pid}/cmdline`).startsWith("postgres: postgres postgres "));
  return {
    extra: ["--store", `postgresql://postgres@/postgres?host=${folder}`], parts: [],
    kill: (random, serverKills) => {
      if (server.exitCode !== null || server.signalCode !== null) return undefined; // it is just being started again
      if (serverKills < mostServerKills && random(6) === 0) {
        server.kill("SIGKILL");
        return { name: "postgresql_server", recover: () => ended.then(start) };
      }
      const found = backends();
      if (found.length === 0) return undefined;
      process.kill(Number(found[random(found.length)]), "SIGKILL");
      return { name: "postgresql_backend" };
    },
    close: async () => {
      server.kill("SIGQUIT");
      await ended;
      fs.rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const stores = [
  { name: "SQLite", skip: false, open: async () => ({ extra: [], parts: [] }) },
  { name: "PostgreSQL", skip: programs === undefined && "no PostgreSQL server is installed under /usr/lib/postgresql", open: postgres },
  { name: "Secrets Manager", skip: false,
    open: async () => ({ extra: ["--store", "secretsmanager:kills"], parts: ["devcloud"] }) }, // devcloud plays Secrets Manager
];

export async function openWorld(store, random) {
  const backing = await store.open();
  let system, ready;
  const start = async (dataDir) => {
    system = await up({ dataDir, enclaves: 2, extra: ["--deletion-wait-seconds", "0", ...backing.extra] });
    ready = system.ready();
  };
  try {
    await start();
  } catch (error) {
    await backing.close?.();
    throw error;
  }
  const born = new Map(); // pid → when it was first seen
  const parts = () => {
    const { pids } = system.ready();
    const all = [["gateway", pids.gateway], ...pids.enclaves.map((pid) => ["enclave", pid]), ...backing.parts.map((name) => [name, pids[name]])];
    const running = all.filter(([, pid]) => pid > 0 && alive(pid));
    for (const [, pid] of running) if (!born.has(pid)) born.set(pid, Date.now());
    return running;
  };
  const mature = () => parts().filter(([, pid]) => Date.now() - born.get(pid) >= matureMs);

  const world = {
    random,
    killed: {}, kills: 0, lost: 0, refused: 0, // since count()
    refusal: "", // the last that may pass
    count: () => {
      world.killed = {};
      world.kills = world.lost = world.refused = 0;
    },
    ready: () => ready,
    readyFile: () => system.readyFile,
    matured: () => until("some part has run for long enough to be killed", () => mature().length > 0, 60_000),
    // SIGKILL to a part, or in one of five cases each to `own`, a process of the test's, or a process of the store. Nothing
    // is killed, and nothing given, where every part was started a moment ago.
    kill: (own) => {
      let victim;
      if (own && random(5) === 0 && own.child.exitCode === null && own.child.signalCode === null) {
        own.child.kill("SIGKILL");
        victim = { name: own.name };
      } else if (backing.kill && random(5) === 0) {
        victim = backing.kill(random, world.killed.postgresql_server ?? 0);
      } else {
        const candidates = mature();
        if (candidates.length === 0) return undefined;
        const [name, pid] = candidates[random(candidates.length)];
        process.kill(pid, "SIGKILL");
        victim = { name, recover: () => until("a killed part is gone", () => !parts().some(([, other]) => other === pid), 10_000) };
      }
      if (victim === undefined) return undefined;
      world.killed[victim.name] = (world.killed[victim.name] ?? 0) + 1;
      ++world.kills;
      return victim;
    },
    // The answer; or nothing where it was lost on the way, or says that another attempt may pass.
    ask: async (method, target, body) => {
      let answer;
      try {
        answer = await request(ready, method, target, body === undefined ? undefined : JSON.stringify(body));
      } catch {
        ++world.lost;
        world.refusal = "a lost answer";
        return undefined;
      }
      const parsed = JSON.parse(answer.body);
      if ([429, 502, 503, 504].includes(answer.status)) {
        assert.match(parsed.code, /^[a-z_]+$/, answer.body);
        ++world.refused;
        world.refusal = answer.body;
        return undefined;
      }
      return { status: answer.status, body: parsed };
    },
    // Tries until there is an answer, which then tells how many attempts there were. Who may give up does so in one of
    // eight cases after an attempt without an answer.
    insist: async (what, attempt, mayGiveUp = false, limitMs = mostRecoveryMs) => {
      const deadline = Date.now() + limitMs;
      for (let attempts = 1; ; ++attempts) {
        const answer = await attempt();
        if (answer !== undefined) return { ...answer, attempts };
        if (mayGiveUp && random(8) === 0) return undefined;
        assert.ok(Date.now() < deadline, `${what}: nothing but refusals, the last: ${world.refusal}`);
        await sleep(20);
      }
    },
    restart: async () => {
      const code = await system.stop();
      assert.equal(code, 0);
      await start(system.folder);
    },
    close: async () => {
      if (system.child.exitCode === null) await system.stop();
      system.remove();
      await backing.close?.();
    },
  };
  return world;
}

// Lets `workers` do `operate` again and again, in rounds, until there were `kills`. In each round parts are killed once up to
// `burst` operations were done, and in goOn[0] of goOn[1] cases again within `pauseMs`, while the system recovers. A round
// ends when each worker has its answer.
export async function killUntil(world, kills, { workers, burst, operate, own, goOn = [1, 4], pauseMs = 200 }) {
  let done = 0;
  while (world.kills < kills) {
    await world.matured();
    let over = false;
    const work = Array.from({ length: workers }, async (_, number) => {
      try {
        do {
          await operate(number);
          ++done;
        } while (!over);
      } finally {
        over = true;
      }
    });
    const killer = async () => {
      const recoveries = [];
      try {
        const at = done + world.random(burst);
        await until("operations are done", () => over || done >= at, 60_000);
        for (;;) {
          await sleep(world.random(30)); // a moment within an operation
          recoveries.push(world.kill(own?.())?.recover?.());
          if (over || world.kills >= kills || world.random(goOn[1]) >= goOn[0]) break;
          await sleep(world.random(pauseMs)); // a moment within the recovery
        }
      } finally {
        over = true;
      }
      await Promise.all(recoveries);
    };
    const failed = (await Promise.allSettled([...work, killer()])).find(({ status }) => status === "rejected");
    if (failed) throw failed.reason;
  }
  return done;
}
