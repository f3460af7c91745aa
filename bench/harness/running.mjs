// SPDX-License-Identifier: Apache-2.0
// What was started and not yet stopped: it is told to end when this program ends, however that comes.
const stops = new Set();

// `stop` sends its signal before it first waits. Gives a `stop` that is to be called instead.
export function running(stop) {
  stops.add(stop);
  return async () => {
    stops.delete(stop);
    return stop();
  };
}
process.on("exit", () => stops.forEach((stop) => void stop()));
for (const [signal, number] of [["SIGINT", 2], ["SIGTERM", 15], ["SIGHUP", 1]]) process.on(signal, () => process.exit(128 + number));
