// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { actions, all, type Any, one, type Statement, text } from "../resources";
import { variant, type Variant, variants } from "../variants";

const names = Object.keys(variants) as Variant[];

test("the network has private subnets and no way out", () => {
  for (const name of names) {
    const { template, config } = variant(name);
    for (const type of ["AWS::EC2::InternetGateway", "AWS::EC2::NatGateway", "AWS::EC2::EIP", "AWS::EC2::Route", "AWS::EC2::VPCPeeringConnection"]) {
      template.resourceCountIs(type, 0);
    }
    const subnets = all(template, "AWS::EC2::Subnet");
    assert.equal(subnets.length, config.zones.length || (config.deployment === "prod" ? 3 : 2), name);
    for (const { Properties } of subnets) assert.equal(Properties.MapPublicIpOnLaunch, false);
    const zones = subnets.map(({ Properties }) => JSON.stringify(Properties.AvailabilityZone));
    assert.equal(new Set(zones).size, zones.length, "each in a zone of its own");
    one(template, "AWS::EC2::FlowLog");
  }
});

test("every AWS service that is used has an endpoint, and no other", () => {
  const services = (name: Variant) =>
    all(variant(name).template, "AWS::EC2::VPCEndpoint").map(({ Properties }) => text(Properties.ServiceName).replace(/^.*amazonaws\.(<[^>]*>\.|[a-z]{2}-[a-z]+-\d\.)?/, "").replace(`${variant(name).config.region}.`, "")).sort();
  const always = ["autoscaling", "cloudformation", "kms", "logs", "s3", "secretsmanager", "sts"];
  const sessions = ["ec2messages", "ssm", "ssmmessages"];
  assert.deepEqual(services("dev"), [...always, ...sessions].sort());
  assert.deepEqual(services("graviton"), always);
  assert.deepEqual(services("keyAccount"), always);
  assert.deepEqual(services("prod"), [...always, "acm-pca", "ecr.api", "ecr.dkr"].sort());
});

test("each endpoint has a policy, for principals of this account", () => {
  for (const name of names) {
    for (const { id, Properties } of all(variant(name).template, "AWS::EC2::VPCEndpoint")) {
      const statements = Properties.PolicyDocument.Statement as Statement[];
      for (const statement of statements) {
        const account = statement.Condition?.StringEquals?.["aws:PrincipalAccount"];
        // Packages of Amazon Linux and ECR's layers are fetched without a principal of ours: reading, from AWS's own buckets.
        if (account === undefined && /CloudFormation/.test(id)) {
          assert.deepEqual(actions(statement), ["cloudformation:SignalResource"]);
          assert.match(text(statement.Resource), new RegExp(`:stack/${variant(name).config.stackName}/\\*$`));
        } else if (account === undefined) {
          assert.match(id, /S3/);
          assert.deepEqual(actions(statement), ["s3:GetObject"]);
          for (const bucket of [statement.Resource].flat()) assert.match(text(bucket), /:::(al2023-repos-|prod-.*-starport-layer-bucket)/);
        }
        assert.ok(!actions(statement).includes("*"), id);
      }
      if (Properties.VpcEndpointType === "Interface") assert.equal(Properties.PrivateDnsEnabled, true);
    }
  }
});

test("only what must talk to each other may", () => {
  for (const name of names) {
    const { template, config } = variant(name);
    const group = (reference: Any) => /^Network([A-Z][a-z]+)Group/.exec(reference["Fn::GetAtt"][0])![1]!;
    const flows = all(template, "AWS::EC2::SecurityGroupIngress").map(({ Properties: p }) => `${group(p.SourceSecurityGroupId)} ${p.FromPort}-${p.ToPort} ${group(p.GroupId)}`).sort();
    assert.deepEqual(flows, [
      "Front 8443-8443 Host", ...(config.store === "aurora" ? ["Host 15432-15432 Database"] : []), "Host 443-443 Endpoint", "Lambda 443-443 Endpoint", "Lambda 443-443 Front",
    ].sort(), name);
    const back = all(template, "AWS::EC2::SecurityGroupEgress").map(({ Properties: p }) => p.DestinationSecurityGroupId).filter((to) => to !== undefined);
    assert.equal(back.length, flows.length, "a way out for each way in");
    for (const { id, Properties } of all(template, "AWS::EC2::SecurityGroup")) {
      const ways = (rules: Any[] | undefined) => (rules ?? []).map(({ CidrIp, DestinationPrefixListId, FromPort, ToPort }) => `${CidrIp ?? DestinationPrefixListId} ${FromPort}-${ToPort}`);
      assert.deepEqual(ways(Properties.SecurityGroupIngress), /Front/.test(id) ? config.clientCidrs.map((cidr) => `${cidr} 443-443`) : [], `${name} ${id}`);
      const nowhere = "255.255.255.255/32 252-86";
      const s3 = config.s3PrefixList === undefined ? "0.0.0.0/0 443-443" : `${config.s3PrefixList} 443-443`;
      const out = ways(Properties.SecurityGroupEgress).filter((way) => way !== nowhere);
      const nodes = config.nodes.map(({ network, port }) => `${network} ${port}-${port}`);
      // The only route beyond the VPC is the one to S3's prefix list.
      assert.deepEqual(out, /HostGroup/.test(id) ? [...nodes, ...(config.s3PrefixList === undefined ? [s3] : [])] : [], `${name} ${id}`);
    }
    const lists = all(template, "AWS::EC2::SecurityGroupEgress").flatMap(({ Properties: p }) => p.DestinationPrefixListId ?? []);
    assert.deepEqual(lists, config.s3PrefixList === undefined ? [] : [config.s3PrefixList]);
  }
});
