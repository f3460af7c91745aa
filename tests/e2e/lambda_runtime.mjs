// SPDX-License-Identifier: Apache-2.0
// What Lambda's runtime for Node.js does with a function, in a process of its own: loads the module named by the command
// line, hands each event to its `handler` as JSON, and answers with its result, or with errorType, errorMessage and trace.
// Started by functionOf() of lambda.mjs.
const { handler } = await import(process.argv[2]);
process.on("message", async ({ id, event, requestId, remainingMs }) => {
  const ends = Date.now() + remainingMs;
  const context = { awsRequestId: requestId, getRemainingTimeInMillis: () => ends - Date.now() };
  let answer;
  try {
    answer = { result: JSON.parse(JSON.stringify((await handler(JSON.parse(event), context)) ?? null)) };
  } catch (error) {
    answer = { error: { errorType: error.name, errorMessage: error.message, trace: String(error.stack).split("\n") } };
    console.error(JSON.stringify(answer.error)); // as the runtime does
  }
  process.send({ id, ...answer });
});
process.send({ ready: true });
