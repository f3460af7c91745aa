// SPDX-License-Identifier: Apache-2.0
// Hosts that stay: a command of the site's own brings image and manifest onto each, one host after the other, and the watchdog there
// replaces its enclaves one by one. A host that has what it should have is passed over, so the command runs again only where it
// may not have ended.
import { failed } from "./refusal.mjs";
import { run } from "./measure.mjs";
import { surveyHost } from "./survey.mjs";

export class HostsFleet {
  constructor(plan, { sleep, say, now }) {
    Object.assign(this, { plan, sleep, say, now });
  }

  async survey() {
    const enclaves = [];
    for (const { name, url } of this.plan.fleet.hosts) {
      const host = await surveyHost(this.plan.service, url);
      enclaves.push(...host.enclaves.map((one) => ({ ...one, host: name, healthy: host.healthy })));
    }
    return enclaves;
  }

  vaultsUrl() {
    return this.plan.fleet.hosts[0].url;
  }

  async examine() {}

  // To `pair`, whose files are `image` and `manifest`.
  async replace(pair, { image, manifest }) {
    for (const host of this.plan.fleet.hosts) {
      if (await this.has(host, pair)) continue;
      this.say(`${host.name}: replacing`);
      const argv = host.replace.map((part) => part.replaceAll("{image}", image).replaceAll("{manifest}", manifest).replaceAll("{host}", host.name));
      const { code } = await run(argv, { show: true, cwd: this.plan.folder });
      if (code !== 0) throw failed(`the command that replaces ${host.name} ended with exit code ${code}`);
      const deadline = this.now() + this.plan.waits.replace_minutes * 60_000;
      for (let last = "it does not answer"; !(await this.has(host, pair, (why) => (last = why)));) {
        if (this.now() > deadline) throw failed(`${host.name} did not become what it should be in time`, last);
        await this.sleep(this.plan.waits.poll_seconds * 1000);
      }
      this.say(`${host.name}: every enclave has proved the pair, and has its vaults open`);
    }
  }

  async has({ url }, { pcr0, pcr16 }, because = () => {}) {
    try {
      const { enclaves, healthy } = await surveyHost(this.plan.service, url);
      if (!healthy) because("an enclave cannot sign, or has a vault closed");
      return healthy && enclaves.every((one) => one.pcr0 === pcr0 && one.pcr16 === pcr16);
    } catch (error) {
      if (error.exitCode === undefined) throw error;
      because(error.message);
      return false;
    }
  }
}
