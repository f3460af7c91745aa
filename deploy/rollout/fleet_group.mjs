// SPDX-License-Identifier: Apache-2.0
// Hosts of an Auto Scaling group: an instance refresh to another version of the launch template, or back.
import { AutoScalingClient, CancelInstanceRefreshCommand, DescribeAutoScalingGroupsCommand, DescribeInstanceRefreshesCommand,
  RollbackInstanceRefreshCommand, StartInstanceRefreshCommand } from "@aws-sdk/client-auto-scaling";
import { failed, waits } from "./refusal.mjs";
import { instanceOf, surveyBehind } from "./survey.mjs";

const ended = new Set(["Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"]);
const lookBack = 20; // refreshes of a group that are looked at, the latest first

export class GroupFleet {
  // `memory`: what it keeps between two runs of the program; `save` writes it.
  constructor(plan, { sleep, say, now, memory, save }) {
    const { region, profile, endpoint } = plan.fleet;
    Object.assign(this, { plan, sleep, say, now, memory, save,
      client: new AutoScalingClient({ region, ...(profile && { profile }), ...(endpoint && { endpoint }), maxAttempts: 5 }) });
  }

  async send(what, asked) {
    try {
      return await this.client.send(asked);
    } catch (error) {
      throw failed(`Auto Scaling refuses ${what}`, `${error.name}: ${error.message}`);
    }
  }

  async group() {
    const { AutoScalingGroups } = await this.send("to describe the group", new DescribeAutoScalingGroupsCommand({ AutoScalingGroupNames: [this.plan.fleet.group] }));
    if (AutoScalingGroups?.length !== 1) throw failed("there is no Auto Scaling group of this name", this.plan.fleet.group);
    return AutoScalingGroups[0];
  }

  async refreshes() {
    const { InstanceRefreshes } = await this.send("to list the group's refreshes",
      new DescribeInstanceRefreshesCommand({ AutoScalingGroupName: this.plan.fleet.group, MaxRecords: lookBack }));
    return InstanceRefreshes ?? [];
  }

  configuredVersion({ LaunchTemplate: template }) {
    if (template?.LaunchTemplateId !== this.plan.fleet.launch_template)
      throw failed("the group's launch template is not the plan's (a mixed instances policy is none)", template?.LaunchTemplateId ?? "none");
    return template.Version;
  }

  vaultsUrl() {
    return this.plan.service.url;
  }

  // Before anything begins.
  async examine() {
    const group = await this.group(), { old_version: old } = this.plan.fleet;
    if (this.configuredVersion(group) !== old) throw failed(`the group is not configured with version ${old} of its launch template`, this.configuredVersion(group));
    const others = group.Instances.filter(({ LaunchTemplate }) => LaunchTemplate?.Version !== old);
    if (others.length > 0) throw failed(`instances of the group are not of version ${old}`, others.map(({ InstanceId }) => InstanceId).join(", "));
    const running = (await this.refreshes()).find(({ Status }) => !ended.has(Status));
    if (running) throw failed("an instance refresh is under way already", running.InstanceRefreshId);
  }

  // The instances in service, each met through the load balancer, and their enclaves. One that is not met, or is not in the group,
  // makes it fail: then not everything is known.
  async survey() {
    const group = await this.group();
    const wanted = new Set(group.Instances.filter(({ LifecycleState }) => LifecycleState === "InService").map(({ InstanceId }) => InstanceId));
    if (wanted.size === 0) throw failed("no instance of the group is in service", this.plan.fleet.group);
    const enclaves = new Map(), met = new Set();
    for (let tries = 40 + 20 * wanted.size; tries > 0 && [...wanted].some((id) => !met.has(id)); --tries) {
      const host = await surveyBehind(this.plan.service);
      met.add(instanceOf(host.proved.module));
      for (const one of host.enclaves) enclaves.set(one.module, { ...one, host: instanceOf(one.module), healthy: host.healthy });
    }
    const missing = [...wanted].filter((id) => !met.has(id)), strange = [...met].filter((id) => !group.Instances.some(({ InstanceId }) => InstanceId === id));
    if (missing.length > 0) throw failed("no attestation came from an instance in service", missing.join(", "));
    if (strange.length > 0) throw failed("an enclave answers from an instance that is not in the group", strange.join(", "));
    return [...enclaves.values()];
  }

  // To the version of the launch template that `pair` belongs to. What an earlier run of this program began is found again and
  // waited for. One refresh is begun here at most: where it fails, that is told.
  async replace(_pair, { back }) {
    const known = await this.remember(back), deadline = this.now() + this.plan.waits.replace_minutes * 60_000;
    for (let begun = false, awaited; ; await this.sleep(this.plan.waits.poll_seconds * 1000)) {
      const refreshes = await this.refreshes(), running = refreshes.find(({ Status }) => !ended.has(Status));
      if (running) {
        await this.judge(running, known, back);
        if (running.InstanceRefreshId === awaited && this.now() > deadline) throw failed("the instance refresh takes longer than the plan allows; it goes on", awaited);
        awaited = running.InstanceRefreshId;
        continue;
      }
      if (await this.everyInstance(known.version)) break;
      const last = refreshes.find(({ InstanceRefreshId: id }) => id === awaited);
      // Turned back, or cancelled to go back, it has ended as it should.
      if (last && last.Status !== "Successful" && (begun || !back))
        throw failed(`the instance refresh ended as ${last.Status}; run again begins another, rollback goes back`, `${awaited}: ${last.StatusReason ?? ""}`);
      if (this.now() > deadline) throw failed(`the refresh is over, and not every instance is in service and of version ${known.version}`, awaited);
      if (begun) continue; // the group still ends or starts instances
      awaited = await this.start(known.version);
      begun = true;
    }
    this.say(`every instance of ${this.plan.fleet.group} is in service, and of version ${known.version}`);
  }

  // Written down before anything is begun: which version is meant, and what the group was configured with.
  async remember(back) {
    const key = back ? "back" : "forward", configured = this.configuredVersion(await this.group()), { old_version: old, new_version: next } = this.plan.fleet;
    if (this.memory[key] === undefined) {
      if (!back && next === "group" && configured === old) throw waits("give the group its new version of the launch template now, then run this again", this.plan.fleet.group);
      this.memory[key] = { version: back ? old : next === "group" ? configured : next, configured };
      this.save();
    }
    return this.memory[key];
  }

  // A refresh that is under way: one to wait for, whoever began it; one of the way forward that has to be turned; or another.
  async judge({ InstanceRefreshId: id, Status: status, PercentageComplete: percent, DesiredConfiguration: desired }, known, back) {
    const version = desired?.LaunchTemplate?.Version ?? this.configuredVersion(await this.group());
    if (version === known.version || (back && (status.startsWith("Rollback") || status === "Cancelling"))) {
      if (this.told !== `${id} ${status} ${percent}`) this.say(`instance refresh ${id}: ${status}, ${percent ?? 0} %`);
      this.told = `${id} ${status} ${percent}`;
      return;
    }
    if (!back || version !== this.memory.forward?.version) throw failed("another instance refresh is under way", id);
    const group = { AutoScalingGroupName: this.plan.fleet.group };
    // AWS goes back to what the group was configured with when the refresh began. That may be the new version already.
    if (this.memory.forward.configured === known.version) await this.send("to turn a refresh back", new RollbackInstanceRefreshCommand(group));
    else await this.send("to cancel a refresh", new CancelInstanceRefreshCommand(group));
    this.say(`instance refresh ${id}: told to go back`);
  }

  async everyInstance(version) {
    const group = await this.group();
    const staying = group.Instances.filter(({ LifecycleState: state }) => !state.startsWith("Terminat"));
    return this.configuredVersion(group) === version && staying.length >= group.DesiredCapacity &&
      staying.every(({ LifecycleState: state, HealthStatus: status, LaunchTemplate: template }) => state === "InService" && status === "Healthy" && template?.Version === version);
  }

  async start(version) {
    const { group, launch_template: template, min_healthy_percentage: least, max_healthy_percentage: most, instance_warmup_seconds: warmup, alarms } = this.plan.fleet;
    const asked = new StartInstanceRefreshCommand({ AutoScalingGroupName: group, Strategy: "Rolling",
      DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId: template, Version: version } },
      Preferences: { MinHealthyPercentage: least ?? 100, MaxHealthyPercentage: most ?? 200, SkipMatching: true,
        ...(warmup !== undefined && { InstanceWarmup: warmup }), ...(alarms && { AlarmSpecification: { Alarms: alarms } }) } });
    let id;
    try {
      id = (await this.client.send(asked)).InstanceRefreshId;
    } catch (error) {
      // One that was begun just now: by us, where the answer was lost and the client asked again. The next look judges it.
      if (error.name.startsWith("InstanceRefreshInProgress")) return undefined;
      throw failed("Auto Scaling refuses an instance refresh", `${error.name}: ${error.message}`);
    }
    this.say(`instance refresh ${id} to version ${version} begun`);
    return id;
  }
}
