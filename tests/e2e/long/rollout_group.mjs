// SPDX-License-Identifier: Apache-2.0
// A small Auto Scaling group for one machine: the actions of AWS's query protocol that a roll-out uses, in front of hosts that the
// caller starts and ends. It replaces one instance after the other, as AWS does with MinHealthyPercentage 100: the new one is in
// service before the old one is drained and ended.
import crypto from "node:crypto";
import http from "node:http";
import { sleep } from "../lib.mjs";

const namespace = "http://autoscaling.amazonaws.com/doc/2011-01-01/";
const over = ["Successful", "Failed", "Cancelled", "RollbackFailed", "RollbackSuccessful"];

const xml = (name, value) => {
  if (value === undefined) return "";
  if (Array.isArray(value)) return `<${name}>${value.map((one) => xml("member", one)).join("")}</${name}>`;
  const inner = typeof value === "object" ? Object.entries(value).map(([member, one]) => xml(member, one)).join("")
    : String(value).replace(/[&<>]/g, (mark) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[mark]);
  return `<${name}>${inner}</${name}>`;
};

class AwsError extends Error {
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

// `hosts`: { start(id, version) → host, inService(id, host) → Promise, drain(id, host) → Promise, end(id, host) → Promise }.
// `around(action, answer)`: is called with each action and what carries it out; gives its answer.
export async function makeGroup({ name, template, version, size, hosts, around }) {
  const group = { version, instances: new Map(), refreshes: [] };
  const newId = () => `i-0${crypto.randomBytes(8).toString("hex")}`;

  async function launch(wanted) {
    const id = newId(), instance = { version: wanted, state: "Pending", host: undefined };
    group.instances.set(id, instance);
    instance.host = await hosts.start(id, wanted);
    await hosts.inService(id, instance.host);
    instance.state = "InService";
    return id;
  }
  async function terminate(id) {
    const instance = group.instances.get(id);
    instance.state = "Terminating:Wait";
    await hosts.drain(id, instance.host);
    await hosts.end(id, instance.host);
    group.instances.delete(id);
  }

  async function work(refresh) {
    await sleep(100);
    let wanted = refresh.version;
    const todo = () => [...group.instances].filter(([, instance]) => instance.version !== wanted && instance.state === "InService").map(([id]) => id);
    refresh.total = todo().length;
    if (refresh.Status === "Pending") refresh.Status = "InProgress";
    try {
      for (let done = 0; ; ++done) {
        if (refresh.Status === "RollbackInProgress") wanted = refresh.before;
        if (refresh.Status === "Cancelling") return void (refresh.Status = "Cancelled");
        const [old] = todo();
        if (old === undefined) break;
        await launch(wanted);
        await terminate(old);
        refresh.PercentageComplete = Math.min(100, Math.round((100 * (done + 1)) / refresh.total));
      }
      group.version = wanted;
      refresh.PercentageComplete = 100;
      refresh.Status = refresh.Status === "RollbackInProgress" ? "RollbackSuccessful" : "Successful";
    } catch (error) {
      refresh.Status = "Failed";
      refresh.StatusReason = error.message;
    }
  }

  const running = () => group.refreshes.find(({ Status }) => !over.includes(Status));
  const actions = {
    DescribeAutoScalingGroups: (form) => ({ AutoScalingGroups: form.get("AutoScalingGroupNames.member.1") !== name ? [] : [{
      AutoScalingGroupName: name, MinSize: size, MaxSize: 2 * size, DesiredCapacity: size, LaunchTemplate: { LaunchTemplateId: template, Version: group.version },
      Instances: [...group.instances].map(([InstanceId, { version: of, state }]) => ({ InstanceId, LifecycleState: state, HealthStatus: "Healthy",
        LaunchTemplate: { LaunchTemplateId: template, Version: of }, ProtectedFromScaleIn: false })) }] }),
    DescribeInstanceRefreshes: () => ({ InstanceRefreshes: [...group.refreshes].reverse().map(({ InstanceRefreshId, Status, StatusReason, PercentageComplete, version: of }) =>
      ({ InstanceRefreshId, AutoScalingGroupName: name, Status, StatusReason, PercentageComplete, DesiredConfiguration: { LaunchTemplate: { LaunchTemplateId: template, Version: of } } })) }),
    StartInstanceRefresh: (form) => {
      if (running()) throw new AwsError("InstanceRefreshInProgress", "an instance refresh is in progress already");
      const of = form.get("DesiredConfiguration.LaunchTemplate.Version");
      if (form.get("DesiredConfiguration.LaunchTemplate.LaunchTemplateId") !== template || !/^[0-9]+$/.test(of)) throw new AwsError("ValidationError", "no such launch template");
      if (form.get("Preferences.SkipMatching") !== "true") throw new AwsError("ValidationError", "the stand-in only skips what matches");
      const refresh = { InstanceRefreshId: crypto.randomUUID(), Status: "Pending", PercentageComplete: 0, version: of, before: group.version };
      group.refreshes.push(refresh);
      refresh.done = work(refresh);
      return { InstanceRefreshId: refresh.InstanceRefreshId };
    },
    CancelInstanceRefresh: () => turn("Cancelling"),
    RollbackInstanceRefresh: () => turn("RollbackInProgress"),
  };
  const turn = (status) => {
    const refresh = running();
    if (!refresh) throw new AwsError("ActiveInstanceRefreshNotFound", "no instance refresh is in progress");
    if (status === "RollbackInProgress" && refresh.Status === status) throw new AwsError("IrreversibleInstanceRefresh", "it is rolled back already");
    refresh.Status = status;
    return { InstanceRefreshId: refresh.InstanceRefreshId };
  };

  const server = http.createServer(async (request, response) => {
    const parts = [];
    for await (const part of request) parts.push(part);
    const form = new URLSearchParams(Buffer.concat(parts).toString()), action = form.get("Action");
    const send = (status, body) => response.writeHead(status, { "content-type": "text/xml" }).end(body);
    const refuse = (code, message) => send(400, `<ErrorResponse xmlns="${namespace}">${xml("Error", { Type: "Sender", Code: code, Message: message })}<RequestId>1</RequestId></ErrorResponse>`);
    if (!/Credential=[^/]+\/\d{8}\/[a-z0-9-]+\/autoscaling\/aws4_request/.test(request.headers.authorization ?? "")) return refuse("MissingAuthenticationToken", "the request is not signed");
    if (actions[action] === undefined || form.get("Version") !== "2011-01-01") return refuse("InvalidAction", `no action ${action}`);
    if (action !== "DescribeAutoScalingGroups" && form.get("AutoScalingGroupName") !== name) return refuse("ValidationError", "no such group");
    const told = await around(action, async () => {
      try {
        const result = actions[action](form);
        return () => send(200, `<${action}Response xmlns="${namespace}">${xml(`${action}Result`, result)}<ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></${action}Response>`);
      } catch (error) {
        return () => refuse(error.code ?? "InternalFailure", error.message);
      }
    });
    told?.(); // nothing: nobody is there any more who waits for it
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  await Promise.all(Array.from({ length: size }, () => launch(version)));
  return {
    group, url: `http://127.0.0.1:${server.address().port}`,
    versions: () => [...group.instances.values()].map((instance) => instance.version),
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.all(group.refreshes.map(({ done }) => done));
      await Promise.all([...group.instances].map(([id, { host }]) => hosts.end(id, host)));
    },
  };
}
