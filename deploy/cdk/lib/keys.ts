// SPDX-License-Identifier: Apache-2.0
// The two KMS keys: one wraps vaults, one opens reference keys. Their policies are those of docs/kms-policy.md and nothing
// else; no statement comes from CDK. They stay when the stack goes, for without them every key they wrap is lost.
import { Aws, CfnOutput, DefaultStackSynthesizer, RemovalPolicy, Stack, type StackProps } from "aws-cdk-lib";
import * as kms from "aws-cdk-lib/aws-kms";
import { Construct, type IDependable } from "constructs";

import { fail } from "./checks";
import { keyPolicyDocument, type KeyPolicyInput, type Pair } from "./key_policy";

// KMS makes new key material once a year, and opens with the old what the old has wrapped: vaults need nothing done. Rotating
// a vault's own key is another matter (docs/vaults.md).
export const rotationDays = 365;
export const deletionDays = 30; // the longest that KMS waits

export interface VaultKeysProps {
  readonly name: string; // of the deployment: part of descriptions and aliases
  readonly administrators: readonly string[]; // ARNs in the keys' account
  readonly auditors?: readonly string[];
  readonly users: readonly string[]; // the hosts' role; the canary's, so that it tries what hosts may
  readonly encryptors?: readonly string[]; // of reference keys: the signing Lambda's role
  readonly pairs: readonly Pair[]; // none: the keys open for nobody, until a manifest names them
  readonly pcr3?: readonly string[];
  readonly pcr4?: readonly string[];
  // Whoever deploys must be able to deploy again: KMS takes no policy by which its caller locks himself out, and that check
  // is not bypassed. Default: CloudFormation's role of the CDK bootstrap, which so becomes an administrator.
  readonly deployRole?: string;
  readonly after?: readonly IDependable[]; // roles of this stack that the policies name: KMS wants them to exist
}

export class VaultKeys extends Construct {
  readonly vault: kms.CfnKey;
  readonly reference: kms.CfnKey;

  constructor(scope: Construct, id: string, private readonly props: VaultKeysProps) {
    super(scope, id);
    this.vault = this.key("Vault", "vault", "wraps vaults of signing keys; opens for measured enclaves alone");
    this.reference = this.key("Reference", "reference", "opens reference keys for measured enclaves alone");
  }

  get arns(): { vault: string; reference: string } {
    return { vault: this.vault.attrArn, reference: this.reference.attrArn };
  }

  private key(id: string, purpose: KeyPolicyInput["purpose"], does: string): kms.CfnKey {
    const { props } = this;
    const open = props.pairs.length > 0;
    const deployRole = props.deployRole ?? deployRoleArn(Stack.of(this));
    const key = new kms.CfnKey(this, id, {
      description: `${props.name}: ${does}`,
      enabled: true,
      enableKeyRotation: true,
      rotationPeriodInDays: rotationDays,
      keySpec: "SYMMETRIC_DEFAULT",
      keyUsage: "ENCRYPT_DECRYPT",
      origin: "AWS_KMS", // material that nobody imported, so that nobody knows it
      multiRegion: false, // a replica would have a policy of its own
      bypassPolicyLockoutSafetyCheck: false,
      pendingWindowInDays: deletionDays,
      keyPolicy: keyPolicyDocument({
        purpose,
        administrators: props.administrators.includes(deployRole) ? props.administrators : [...props.administrators, deployRole],
        auditors: props.auditors ?? [],
        // Of a closed key nobody is named: roles may not exist yet, and KMS refuses a policy that names what does not.
        users: open ? props.users : [],
        encryptors: open && purpose === "reference" ? (props.encryptors ?? []) : [],
        pairs: props.pairs,
        ...(open && props.pcr3 !== undefined ? { pcr3: props.pcr3 } : {}),
        ...(open && props.pcr4 !== undefined ? { pcr4: props.pcr4 } : {}),
      }),
      tags: [{ key: "redoubt:purpose", value: purpose }],
    });
    key.applyRemovalPolicy(RemovalPolicy.RETAIN, { applyToUpdateReplacePolicy: true });
    for (const dependency of props.after ?? []) key.node.addDependency(dependency);
    // For people: the enclave calls keys by their full ARNs.
    const alias = new kms.CfnAlias(this, `${id}Alias`, { aliasName: `alias/redoubt/${props.name}/${purpose}`, targetKeyId: key.ref });
    alias.applyRemovalPolicy(RemovalPolicy.RETAIN, { applyToUpdateReplacePolicy: true });
    return key;
  }
}

// Of `cdk bootstrap`: CloudFormation's own role in this account and region.
export function deployRoleArn(stack: Stack): string {
  const qualifier = stack.synthesizer.bootstrapQualifier ?? DefaultStackSynthesizer.DEFAULT_QUALIFIER;
  return `arn:${Aws.PARTITION}:iam::${stack.account}:role/cdk-${qualifier}-cfn-exec-role-${stack.account}-${stack.region}`;
}

export interface KeyStackProps extends StackProps {
  readonly keys: VaultKeysProps;
}

// The keys in an account of their own, whose administrators the hosts' account does not have. Whoever may deploy this stack
// may change the policies: guard its CI as the keys themselves.
export class KeyStack extends Stack {
  readonly keys: VaultKeys;

  constructor(scope: Construct, id: string, props: KeyStackProps) {
    super(scope, id, { terminationProtection: true, ...props });
    if (props.env?.account === undefined || props.env.region === undefined) fail("keys in another account: its account and region must be said");
    this.keys = new VaultKeys(this, "Keys", props.keys);
    new CfnOutput(this, "VaultKeyArn", { value: this.keys.arns.vault, description: "for the manifest, purpose vault" });
    new CfnOutput(this, "ReferenceKeyArn", { value: this.keys.arns.reference, description: "for the manifest, purpose reference" });
  }
}
