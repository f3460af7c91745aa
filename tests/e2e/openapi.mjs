// SPDX-License-Identifier: Apache-2.0
// The API's description as tests use it: its operations, and whether an answer is one that it documents.
import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import Ajv2020 from "ajv/dist/2020.js";
import { root } from "./lib.mjs";

export const file = path.join(root, "docs/schema/openapi.json");
export const methods = ["get", "post", "put", "patch", "delete"];
const escaped = (pointer) => pointer.replaceAll("~", "~0").replaceAll("/", "~1");

export class Description {
  constructor(document = JSON.parse(fs.readFileSync(file, "utf8"))) {
    this.document = document;
    this.ajv = new Ajv2020({ strict: false, allErrors: false, validateFormats: false });
    // Replies may get more members in later versions; those of this version are all described.
    this.ajv.addSchema(closed(structuredClone(document)), "closed:");
    this.ajv.addSchema(document, "open:");
    this.operations = Object.entries(document.paths).flatMap(([route, item]) =>
      methods.filter((method) => item[method]).map((method) => ({
        id: item[method].operationId, route, method: method.toUpperCase(), operation: item[method],
        pointer: `/paths/${escaped(route)}/${method}`,
        parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])].map((p) => this.resolved(p)),
      })));
  }
  operation(id) {
    return this.operations.find((each) => each.id === id) ?? assert.fail(`no operation ${id}`);
  }
  resolved(value) {
    while (value?.$ref) value = this.at(value.$ref.slice(1));
    return value;
  }
  at(pointer) {
    return pointer.split("/").slice(1).reduce((value, name) => value[name.replaceAll("~1", "/").replaceAll("~0", "~")], this.document);
  }
  // The schema at a place of the document, as a function that returns undefined or what is wrong.
  validator(pointer, which = "closed:") {
    const validate = this.ajv.getSchema(`${which}#${encodeURI(pointer)}`);
    assert.ok(validate, `no schema at ${pointer}`);
    return (value) => (validate(value) ? undefined : this.ajv.errorsText(validate.errors));
  }
  bodyValidator({ pointer, operation }) {
    const at = this.pointerOf(`${pointer}/requestBody`, operation.requestBody);
    return this.validator(`${at}/content/application~1json/schema`, "open:");
  }
  pointerOf(pointer, value) {
    return value.$ref ? value.$ref.slice(1) : pointer;
  }
  // Throws unless the answer is documented for the operation: its status, its type, its body and its headers.
  check(each, answer) {
    const what = `${each.method} ${each.route} → ${answer.status} ${answer.body.slice(0, 500)}`;
    const given = each.operation.responses[answer.status];
    assert.ok(given, `not documented: ${what}`);
    const at = this.pointerOf(`${each.pointer}/responses/${answer.status}`, given);
    const response = this.resolved(given);
    const type = answer.headers["content-type"];
    assert.ok(response.content[type], `not documented with ${type}: ${what}`);
    const wrong = this.validator(`${at}/content/${escaped(type)}/schema`)(JSON.parse(answer.body));
    assert.equal(wrong, undefined, `${wrong}: ${what}`);
    if (response.headers?.["Retry-After"] && answer.status === 503) assert.match(answer.headers["retry-after"] ?? "", /^\d+$/, what);
  }
}

function closed(value) {
  if (Array.isArray(value)) value.forEach(closed);
  else if (value && typeof value === "object") {
    if (value.type === "object" && value.properties && value.additionalProperties === undefined) value.additionalProperties = false;
    Object.values(value).forEach(closed);
  }
  return value;
}
