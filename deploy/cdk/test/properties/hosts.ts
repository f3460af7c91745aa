// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { all, allowed, one, resourcesOf, type Statement, statementsOf, text } from "../resources";
import { region, variant, type Variant } from "../variants";

const withHosts: Variant[] = ["dev", "staging", "prod", "keyAccount", "devAurora", "graviton"];

test("hosts have enclaves on, IMDSv2 alone, no public address, no SSH key, and an encrypted disk", () => {
  for (const name of withHosts) {
    const { LaunchTemplateData: data } = one(variant(name).template, "AWS::EC2::LaunchTemplate").Properties;
    assert.deepEqual(data.EnclaveOptions, { Enabled: true }, name);
    assert.deepEqual(data.MetadataOptions, { HttpEndpoint: "enabled", HttpPutResponseHopLimit: 1, HttpTokens: "required", InstanceMetadataTags: "disabled" });
    assert.deepEqual(data.BlockDeviceMappings, [{ DeviceName: "/dev/xvda", Ebs: { DeleteOnTermination: true, Encrypted: true, VolumeSize: 32, VolumeType: "gp3" } }]);
    assert.equal(data.KeyName, undefined);
    assert.equal(data.NetworkInterfaces.length, 1);
    assert.equal(data.NetworkInterfaces[0].AssociatePublicIpAddress, false);
    assert.equal(data.SecurityGroupIds, undefined);
    assert.deepEqual(data.Monitoring, { Enabled: true });
  }
});

test("processors and machine images fit the architecture", () => {
  const data = (name: Variant) => one(variant(name).template, "AWS::EC2::LaunchTemplate").Properties.LaunchTemplateData;
  assert.equal(data("dev").InstanceType, "m6i.xlarge");
  assert.equal(data("prod").InstanceType, "m6i.2xlarge");
  assert.match(data("dev").ImageId.Ref, /al2023.*x8664/);
  assert.equal(data("graviton").InstanceType, "m7g.xlarge");
  assert.equal(data("graviton").ImageId, "ami-0123456789abcdef0");
});

test("without measurements there are no hosts, and everything that a manifest needs is there", () => {
  const { template } = variant("first");
  template.resourceCountIs("AWS::AutoScaling::AutoScalingGroup", 0);
  template.resourceCountIs("AWS::EC2::LaunchTemplate", 0);
  template.resourceCountIs("AWS::KMS::Key", 4);
  for (const output of ["VaultKeyArn", "ReferenceKeyArn", "EC2InstanceRoleARN", "LambdaExecutionRoleARN"]) template.hasOutput(output, {});
});

test("the group waits for hosts that sign, and replaces them one by one", () => {
  for (const name of withHosts) {
    const { template, config } = variant(name);
    const group = one(template, "AWS::AutoScaling::AutoScalingGroup");
    assert.equal(group.Properties.AutoScalingGroupName, `${config.stackName}-hosts`);
    assert.equal(group.Properties.DesiredCapacity, undefined, "a deployment does not undo what scaling has done");
    assert.equal(Number(group.Properties.MinSize), config.hosts.min);
    assert.equal(Number(group.Properties.MaxSize), config.hosts.max);
    assert.deepEqual(group.CreationPolicy.ResourceSignal, { Count: config.hosts.min, Timeout: "PT12M" });
    assert.equal(group.Properties.HealthCheckType, "ELB");
    assert.deepEqual(group.Properties.InstanceMaintenancePolicy, { MaxHealthyPercentage: 200, MinHealthyPercentage: 100 });
    assert.equal(group.Properties.TargetGroupARNs.length, 1);
    assert.equal(group.Properties.NotificationConfigurations[0].NotificationTypes.length, 4);
    assert.equal(group.Properties.VPCZoneIdentifier.length, all(template, "AWS::EC2::Subnet").length);
  }
  const policy = (name: Variant) => one(variant(name).template, "AWS::AutoScaling::AutoScalingGroup").UpdatePolicy;
  const { MaxBatchSize, MinInstancesInService, WaitOnResourceSignals, MinSuccessfulInstancesPercent, PauseTime } = policy("prod").AutoScalingRollingUpdate;
  assert.deepEqual([MaxBatchSize, MinInstancesInService, WaitOnResourceSignals, MinSuccessfulInstancesPercent, PauseTime], [1, 3, true, 100, "PT12M"]);
  const { Strategy, Preferences } = policy("keyAccount").AutoScalingInstanceRefresh;
  assert.equal(Strategy, "Rolling");
  assert.deepEqual([Preferences.MinHealthyPercentage, Preferences.MaxHealthyPercentage, Preferences.SkipMatching, Preferences.BakeTime], [100, 200, true, 300]);
  assert.equal(Preferences.AlarmSpecification.Alarms.length, 2);
  assert.equal(policy("graviton")?.AutoScalingRollingUpdate, undefined, "left to whoever calls StartInstanceRefresh");
  assert.equal(policy("graviton")?.AutoScalingInstanceRefresh, undefined);
});

test("a new image's key policy comes before its hosts", () => {
  const { template } = variant("staging");
  const keys = all(template, "AWS::KMS::Key").filter(({ Properties }) => Properties.KeySpec !== undefined).map(({ id }) => id);
  assert.equal(keys.length, 2);
  for (const id of keys) assert.ok(one(template, "AWS::AutoScaling::AutoScalingGroup").DependsOn!.includes(id), id);
});

test("a host that is to end drains first, and is ended when it hangs", () => {
  for (const name of withHosts) {
    const [hook, ...others] = one(variant(name).template, "AWS::AutoScaling::AutoScalingGroup").Properties.LifecycleHookSpecificationList;
    assert.deepEqual(others, []);
    assert.equal(hook.LifecycleTransition, "autoscaling:EC2_INSTANCE_TERMINATING");
    assert.equal(hook.DefaultResult, "CONTINUE");
    assert.ok(hook.HeartbeatTimeout >= 60 + 45 + 10 + 60, "longer than draining takes");
  }
});

test("the number of hosts follows the gateways' own metric", () => {
  for (const name of withHosts) {
    const { Properties } = one(variant(name).template, "AWS::AutoScaling::ScalingPolicy");
    assert.equal(Properties.PolicyType, "TargetTrackingScaling");
    const { CustomizedMetricSpecification: metric, TargetValue } = Properties.TargetTrackingConfiguration;
    assert.equal(TargetValue, 32);
    assert.equal(metric.Namespace, "Redoubt");
    assert.equal(metric.MetricName, "redoubt_requests_in_flight");
    assert.equal(metric.Statistic, "Average");
    assert.deepEqual(metric.Dimensions, [{ Name: "AutoScalingGroupName", Value: `${variant(name).config.stackName}-hosts` }]);
  }
});

test("a host's role may do what a host does, and use no key by itself", () => {
  const base = [
    "autoscaling:CompleteLifecycleAction", "autoscaling:RecordLifecycleActionHeartbeat", "cloudformation:SignalResource", "kms:Decrypt", "logs:CreateLogStream",
    "logs:DescribeLogStreams", "logs:PutLogEvents", "s3:GetObject", "secretsmanager:GetSecretValue",
  ];
  const store = ["CreateSecret", "DeleteSecret", "GetSecretValue", "ListSecrets", "PutSecretValue", "UpdateSecretVersionStage"].map((one) => `secretsmanager:${one}`);
  const unique = (name: Variant) => [...new Set(allowed(variant(name).template, `${variant(name).config.stackName}-host-${region}`))];
  assert.deepEqual(unique("graviton"), [...new Set([...base, ...store])].sort());
  assert.ok(unique("dev").includes("ssmmessages:OpenDataChannel"));
  assert.deepEqual(unique("prod").filter((action) => !base.includes(action)), [
    "acm-pca:GetCertificate", "acm-pca:IssueCertificate", "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "s3:PutObject",
  ]);
  // No certificate of a CA for a host: neither by its role nor through the endpoint.
  const { template: prod, config: ofProd } = variant("prod");
  const through = all(prod, "AWS::EC2::VPCEndpoint").flatMap(({ Properties }) => Properties.PolicyDocument.Statement as Statement[]);
  const issuing = [...statementsOf(prod, `${ofProd.stackName}-host-${region}`), ...through].filter(({ Action }) => [Action].flat().includes("acm-pca:IssueCertificate"));
  assert.equal(issuing.length, 2);
  for (const { Action, Condition } of issuing) {
    assert.deepEqual([Action].flat(), ["acm-pca:IssueCertificate"]);
    assert.match(text(Condition!.StringEquals!["acm-pca:TemplateArn"]), /^arn:.*:acm-pca:::template\/EndEntityServerAuthCertificate\/V1$/);
  }
  for (const name of withHosts) {
    const { template, config } = variant(name);
    for (const statement of statementsOf(template, `${config.stackName}-host-${region}`)) {
      const kms = [statement.Action].flat().filter((action) => action.startsWith("kms:"));
      if (kms.length === 0) continue;
      // The data key, by way of Secrets Manager; in another account the keys themselves, whose policies then decide.
      if (statement.Condition === undefined) {
        assert.equal(name, "keyAccount");
        assert.deepEqual(resourcesOf(statement), config.manifestKeys.map(({ arn }) => arn));
      } else {
        assert.deepEqual(statement.Condition, { StringEquals: { "kms:ViaService": `secretsmanager.${region}.amazonaws.com` } });
        assert.match(text(statement.Resource), /^<DataKey/);
      }
    }
  }
});

test("a host reads the objects that it installs, and no others", () => {
  const { template, config } = variant("dev");
  const read = statementsOf(template, `${config.stackName}-host-${region}`).filter(({ Action }) => [Action].flat().includes("s3:GetObject"));
  const objects = read.flatMap(resourcesOf);
  assert.equal(objects.length, 3, "package, manifest, clients");
  for (const object of objects) assert.match(object, /:s3:::cdk-hnb659fds-assets-111122223333-eu-west-1\/[0-9a-f]{64}\.(rpm|json)$/);
});
