// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";

import { App, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";

import { allow } from "../../lib/allow";

const role = () => new iam.Role(new Stack(new App(), "S"), "R", { assumedBy: new iam.ServicePrincipal("ec2.amazonaws.com") });
const secrets = ["secretsmanager:GetSecretValue"];

test("a wildcard in a role's statement comes with its reason, or not at all", () => {
  for (const resource of ["*", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:*", "arn:aws:logs:eu-west-1:111122223333:log-group:*:*"]) {
    assert.throws(() => allow(role(), { sid: "S", actions: secrets, resources: [resource] }), /wildcard without a reason/, resource);
    allow(role(), { sid: "S", actions: secrets, resources: [resource], wildcard: "for a reason" });
  }
  assert.throws(() => allow(role(), { sid: "S", actions: ["s3:*"], resources: ["arn:aws:s3:::one"] }), /wildcard without a reason/);
  assert.throws(() => allow(role(), { sid: "S", actions: secrets, resources: ["arn:aws:s3:::one"], wildcard: "none there" }), /reason without a wildcard/);
  allow(role(), { sid: "S", actions: ["logs:PutLogEvents"], resources: ["arn:aws:logs:eu-west-1:111122223333:log-group:one:*"] });
});
