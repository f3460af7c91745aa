// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { all, one, resourcesOf, statementsOf, text } from "../resources";
import { region, variant } from "../variants";

test("sealed records lie in Secrets Manager under the stack's own prefix", () => {
  const { template, config } = variant("dev");
  template.resourceCountIs("AWS::RDS::DBCluster", 0);
  template.hasOutput("StoreAddress", { Value: "secretsmanager:redoubt/devNitroWalletEth" });
  const resources = (action: string) =>
    statementsOf(template, `${config.stackName}-host-${region}`).filter(({ Action }) => [Action].flat().includes(`secretsmanager:${action}`)).flatMap(resourcesOf)
      .filter((arn) => arn.includes(":secret:redoubt/"));
  const below = (names: string) => `arn:aws:secretsmanager:${region}:111122223333:secret:redoubt/devNitroWalletEth/${names}`;
  for (const action of ["GetSecretValue", "CreateSecret"]) assert.deepEqual(resources(action), [below("*")], action);
  // Vaults and policies are written once.
  for (const action of ["PutSecretValue", "UpdateSecretVersionStage", "DeleteSecret"]) assert.deepEqual(resources(action), [below("counters/*"), below("keys/*")], action);
});

test("or in Aurora, encrypted, in two zones, backed up, with a password that only RDS makes", () => {
  const { template } = variant("prod");
  const { Properties: cluster, DeletionPolicy } = one(template, "AWS::RDS::DBCluster");
  assert.equal(cluster.Engine, "aurora-postgresql");
  assert.equal(cluster.StorageEncrypted, true);
  assert.match(text(cluster.KmsKeyId), /^<DataKey/);
  assert.equal(cluster.ManageMasterUserPassword, true);
  assert.equal(cluster.MasterUserPassword, undefined);
  assert.match(text(cluster.MasterUserSecret.KmsKeyId), /^<DataKey/);
  assert.equal(cluster.DeletionProtection, true);
  assert.equal(cluster.BackupRetentionPeriod, 35);
  assert.equal(DeletionPolicy, "Retain");
  assert.deepEqual(one(template, "AWS::RDS::DBClusterParameterGroup").Properties.Parameters, { "rds.force_ssl": "1" });
  const instances = all(template, "AWS::RDS::DBInstance");
  assert.equal(instances.length, 2);
  for (const { Properties } of instances) {
    assert.equal(Properties.PubliclyAccessible, false);
    assert.equal(Properties.DBInstanceClass, "db.serverless");
  }
  assert.deepEqual(instances.map(({ Properties }) => Properties.PromotionTier).sort(), [0, 1], "the reader takes over");
});

test("a dev deployment's database goes with it, after a last snapshot", () => {
  const { Properties: cluster, DeletionPolicy } = one(variant("devAurora").template, "AWS::RDS::DBCluster");
  assert.equal(cluster.DeletionProtection, false);
  assert.equal(DeletionPolicy, "Snapshot");
  variant("devAurora").template.resourceCountIs("AWS::RDS::DBInstance", 1);
});

test("the reference secret begins empty and stays when the stack goes", () => {
  const { Properties, DeletionPolicy } = one(variant("dev").template, "AWS::SecretsManager::Secret");
  assert.equal(Properties.Name, "devNitroWalletEth/reference/key");
  assert.equal(Properties.SecretString, undefined);
  assert.equal(Properties.GenerateSecretString, undefined);
  assert.match(text(Properties.KmsKeyId), /^<DataKey/);
  assert.equal(DeletionPolicy, "Retain");
});
