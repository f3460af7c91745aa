// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { one } from "../resources";
import { variant, type Variant, variants } from "../variants";

const names = Object.keys(variants) as Variant[];

test("the load balancer is internal, passes TLS through, and asks hosts whether they sign", () => {
  for (const name of names) {
    const { template, config } = variant(name);
    const { Properties: balancer } = one(template, "AWS::ElasticLoadBalancingV2::LoadBalancer");
    assert.equal(balancer.Type, "network");
    assert.equal(balancer.Scheme, "internal");
    assert.equal(balancer.SecurityGroups.length, 1);
    const attributes = Object.fromEntries(balancer.LoadBalancerAttributes.map(({ Key, Value }: { Key: string; Value: string }) => [Key, Value]));
    assert.equal(attributes["deletion_protection.enabled"], String(config.deployment === "prod"));
    assert.equal(attributes["load_balancing.cross_zone.enabled"], "true");
    const { Properties: listener } = one(template, "AWS::ElasticLoadBalancingV2::Listener");
    assert.deepEqual([listener.Port, listener.Protocol], [443, "TCP"]);
    const { Properties: group } = one(template, "AWS::ElasticLoadBalancingV2::TargetGroup");
    assert.deepEqual([group.Port, group.Protocol, group.TargetType], [8443, "TCP", "instance"]);
    assert.deepEqual([group.HealthCheckProtocol, group.HealthCheckPath, group.Matcher], ["HTTPS", "/healthz", { HttpCode: "200" }]);
  }
});

test("a name that clients call is a record in the network", () => {
  const { template } = variant("dev");
  const { Properties: zone } = one(template, "AWS::Route53::HostedZone");
  assert.equal(zone.Name, "signer.example.internal.");
  assert.equal(zone.VPCs.length, 1);
  const { Properties: record } = one(template, "AWS::Route53::RecordSet");
  assert.equal(record.Name, "signer.example.internal.");
  assert.match(JSON.stringify(record.AliasTarget), /LoadBalancer/);
  variant("first").template.resourceCountIs("AWS::Route53::HostedZone", 0);
});
