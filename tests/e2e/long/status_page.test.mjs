// SPDX-License-Identifier: Apache-2.0
// The status page in a real browser: what it shows is there without JavaScript, its policy blocks nothing of its own, it
// looks again by itself until it is told not to, and its pictures, light and dark, wide and narrow, go to build/status-page/.
// REDOUBT_CHROMIUM names another browser than /usr/bin/chromium.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { after, before, test } from "node:test";
import { root, sleep, until, up } from "../lib.mjs";

const chromium = process.env.REDOUBT_CHROMIUM ?? "/usr/bin/chromium";
const skip = !fs.existsSync(chromium) && `there is no browser at ${chromium}`;
const pictures = path.join(root, "build/status-page");

// A browser that is told what to do over a pipe (its debugging protocol, a message ends with a zero byte); in a process group
// of its own, which ends with it.
class Browser {
  #next = 1;
  #waiting = new Map();
  #session;
  events = [];

  static async start() {
    const browser = new Browser();
    browser.folder = fs.mkdtempSync(path.join(os.tmpdir(), "redoubt-browser-"));
    browser.child = spawn(chromium, ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
      "--remote-debugging-pipe", `--user-data-dir=${browser.folder}/profile`, "about:blank"],
    { detached: true, stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"],
      env: { ...process.env, HOME: browser.folder, XDG_CONFIG_HOME: browser.folder, XDG_CACHE_HOME: browser.folder } });
    browser.ended = once(browser.child, "close");
    browser.child.stdio[3].on("error", () => {}); // it has ended: calls time out
    let received = Buffer.alloc(0);
    browser.child.stdio[4].on("data", (data) => {
      received = Buffer.concat([received, data]);
      for (let end; (end = received.indexOf(0)) >= 0; received = received.subarray(end + 1))
        browser.#take(JSON.parse(received.subarray(0, end).toString()));
    });
    const page = await until("the browser has a page", async () =>
      (await browser.call("Target.getTargets")).targetInfos.find(({ type }) => type === "page"), 60_000);
    browser.#session = (await browser.call("Target.attachToTarget", { targetId: page.targetId, flatten: true })).sessionId;
    for (const domain of ["Page", "Runtime", "Log", "Network", "DOM"]) await browser.call(`${domain}.enable`);
    return browser;
  }

  #take(message) {
    if (message.id === undefined) return this.events.push(message);
    const { resolve, reject } = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (message.error) reject(new Error(message.error.message));
    else resolve(message.result);
  }
  async call(method, params = {}) {
    const id = this.#next++;
    const answered = new Promise((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`${method} was not answered`)), 60_000)));
    this.child.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId: this.#session })}\0`);
    return Promise.race([answered, late]).finally(() => clearTimeout(timer));
  }
  async open(url) {
    const from = this.events.length;
    await this.call("Page.navigate", { url });
    await until("the page is there", () => this.events.slice(from).some(({ method }) => method === "Page.loadEventFired"), 20_000);
  }
  async value(expression) {
    const { result, exceptionDetails } = await this.call("Runtime.evaluate", { expression, returnByValue: true });
    assert.equal(exceptionDetails, undefined, JSON.stringify(exceptionDetails));
    return result.value;
  }
  async picture(name, { width = 1200, dark = false } = {}) {
    await this.call("Emulation.setEmulatedMedia", { features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }] });
    await this.call("Emulation.setDeviceMetricsOverride", { width, height: 900, deviceScaleFactor: 1, mobile: false });
    const { data } = await this.call("Page.captureScreenshot", { format: "png", captureBeyondViewport: true });
    const bytes = Buffer.from(data, "base64");
    fs.writeFileSync(path.join(pictures, `${name}.png`), bytes);
    return bytes;
  }
  complaints() {
    return this.events.filter(({ method, params }) => (method === "Log.entryAdded" && params.entry.level === "error") ||
      method === "Runtime.exceptionThrown" || method === "Network.loadingFailed");
  }
  requests() {
    return this.events.filter(({ method }) => method === "Network.requestWillBeSent").map(({ params }) => params.request.url);
  }
  async stop() {
    const signal = (name) => {
      try {
        process.kill(-this.child.pid, name);
      } catch {
        // It has ended.
      }
    };
    signal("SIGTERM");
    const kill = setTimeout(() => signal("SIGKILL"), 5000);
    await this.ended;
    clearTimeout(kill);
    signal("SIGKILL");
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

// WCAG 2.1: relative luminance and contrast of two "rgb(r, g, b)" colours.
function contrast(one, other) {
  const luminance = (colour) => {
    const [r, g, b] = colour.match(/[\d.]+/g).slice(0, 3).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

// Each text's colour and the first ground below it that is not transparent.
const coloursOf = `[...document.querySelectorAll("h1, h2, h3, p, th, td, dt, dd, span, code, caption, button, footer, small")]
  .filter((element) => element.textContent.trim() !== "" && element.checkVisibility())
  .map((element) => {
    let ground = element;
    while (ground && getComputedStyle(ground).backgroundColor === "rgba(0, 0, 0, 0)") ground = ground.parentElement;
    return { text: element.textContent.trim().slice(0, 40), ink: getComputedStyle(element).color,
      ground: ground ? getComputedStyle(ground).backgroundColor : "rgb(255, 255, 255)" };
  })`;

let system, ready, browser;
before(async () => {
  if (skip) return;
  fs.mkdirSync(pictures, { recursive: true });
  system = await up({ enclaves: 2 });
  ready = system.ready();
  const key = await system.json("POST", "/v1/keys", { nonce: "0102" });
  const sign = (text) => system.json("POST", `/v1/keys/${key.body.key_id}/sign-message`, { text });
  for (let round = 0; round < 3; ++round) {
    await Promise.all(Array.from({ length: 200 }, (_, i) => sign(`message ${i}`)));
    await sign(7); // refused
    await sleep(2_100);
  }
  await until("both enclaves have told their samples", async () =>
    (await (await fetch(`${ready.metrics}/metrics`)).text()).match(/^redoubt_enclave_vaults_open\{.*\} 1$/gm)?.length === 2);
  browser = await Browser.start();
});
after(async () => {
  await browser?.stop();
  await system?.stop();
  system?.remove();
});

test("the page shows enclaves, load and vaults, and its policy blocks nothing of its own", { skip }, async () => {
  await browser.open(`${ready.metrics}/status`);
  const text = await browser.value("document.body.innerText");
  for (const part of ["All enclaves are ready", ready.pcr0, ready.pcr16, "Median latency", "99th percentile", "invalid_field"])
    assert.ok(text.includes(part), `${part} in\n${text}`);
  assert.equal(await browser.value(`document.querySelectorAll("article").length`), 2);
  assert.ok(await browser.value(`document.querySelectorAll("svg.spark polyline").length`) >= 5, "sparklines");
  assert.equal(await browser.value(`document.querySelector("button").hidden`), false, "the script ran");
  assert.notEqual(await browser.value(`getComputedStyle(document.querySelector("article")).borderTopWidth`), "0px", "the style applies");
  assert.deepEqual(browser.complaints(), []);
  assert.deepEqual(browser.requests().filter((url) => !url.startsWith("data:")), [`${ready.metrics}/status`]);
  assert.ok((await browser.picture("light")).length > 20_000);
});

test("every text can be read, light and dark", { skip }, async () => {
  for (const dark of [false, true]) {
    await browser.picture(dark ? "dark" : "light", { dark });
    const colours = await browser.value(coloursOf);
    assert.ok(colours.length > 50, `${colours.length} texts`);
    for (const { text, ink, ground } of colours)
      assert.ok(contrast(ink, ground) >= 4.5, `${dark ? "dark" : "light"}: ${text}: ${ink} on ${ground} is ${contrast(ink, ground).toFixed(2)}`);
  }
});

test("a narrow screen needs no scrolling sideways", { skip }, async () => {
  await browser.picture("narrow", { width: 390 });
  assert.ok(await browser.value("document.documentElement.scrollWidth") <= 390);
});

test("it looks again by itself until it is told not to", { skip }, async () => {
  await browser.open(`${ready.metrics}/status`);
  await browser.value("document.body.dataset.old = '1'");
  await until("the page is a new one", async () => (await browser.value("document.body?.dataset.old")) === undefined, 15_000);
  await until("its button is there", () => browser.value(`document.querySelector("button")?.hidden === false`));
  await browser.value(`document.querySelector("button").click()`);
  await browser.value("document.body.dataset.old = '1'");
  await sleep(6_500);
  assert.equal(await browser.value("document.body.dataset.old"), "1", "it was told to pause");
  assert.equal(await browser.value(`document.querySelector("button").textContent`), "Go on");
});

test("without JavaScript everything is there, and it looks again, too", { skip }, async () => {
  await browser.call("Emulation.setScriptExecutionDisabled", { value: true });
  await browser.open(`${ready.metrics}/status`);
  const { root: document } = await browser.call("DOM.getDocument");
  const html = (await browser.call("DOM.getOuterHTML", { nodeId: document.nodeId })).outerHTML;
  assert.ok(html.includes(ready.pcr0) && html.includes("All enclaves are ready"));
  assert.match(html, /<button type="button" hidden(="")?>/, "no button that does nothing");
  const from = browser.events.length;
  await until("the page has come again", () => browser.events.slice(from).some(({ method }) => method === "Page.loadEventFired"), 20_000);
  await browser.call("Emulation.setScriptExecutionDisabled", { value: false });
});

test("an enclave that has gone is said to have", { skip }, async () => {
  process.kill(ready.pids.enclaves[1], "SIGSTOP");
  try {
    const seen = await until("the page says so", async () => {
      await browser.open(`${ready.metrics}/status`);
      const text = await browser.value("document.body.innerText");
      return text.includes("1 of 2 enclaves are ready") ? text : undefined;
    }, 20_000);
    assert.match(seen, /Unreachable|Starting/);
    await browser.picture("one-gone");
  } finally {
    process.kill(ready.pids.enclaves[1], "SIGCONT");
  }
});
