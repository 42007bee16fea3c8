// Asks Synapse a question twice over gRPC, streamed: the second answer comes from the cache.
//
//   npm install
//   node stream.mjs --model gpt-4o-mini "What is the capital of France?"
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

const SECONDS = 120;

const { values: given, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: "string" },
    address: { type: "string", default: process.env.SYNAPSE_GRPC ?? "localhost:50050" },
    key: { type: "string", default: process.env.SYNAPSE_API_KEY ?? "" },
    ca: { type: "string" }, // PEM file of who signed Envoy's certificate; without it, plain text
    protos: { type: "string", default: fileURLToPath(new URL("../../../protos", import.meta.url)) },
  },
});

const { synapse } = grpc.loadPackageDefinition(
  loadSync("synapse/cache/v1/cache.proto", { includeDirs: [given.protos, `${given.protos}/third_party`], enums: String }),
);

const credentials = given.ca ? grpc.credentials.createSsl(readFileSync(given.ca)) : grpc.credentials.createInsecure();
const cache = new synapse.cache.v1.CacheService(given.address, credentials);
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${given.key}`);

// Prints an answer as it comes, and what the cache did.
async function ask(text) {
  const request = { model: given.model, kind: "GENERATION_KIND_CHAT", messages: [{ role: "user", text }] };
  const stream = cache.streamGenerate({ request }, metadata, { deadline: Date.now() + SECONDS * 1000 });
  let outcome;
  for await (const message of stream) {
    outcome ??= message.outcome;
    for (const event of message.events ?? []) {
      for (const delta of event.deltas ?? []) process.stdout.write(delta.content ?? "");
    }
  }
  console.log(`\n[${outcome.status.replace("CACHE_STATUS_", "")}: ${outcome.reason}]`);
}

try {
  await ask(positionals[0]);
  await ask(positionals[0]);
} catch (error) {
  console.error(`${grpc.status[error.code]}: ${error.details}`);
  process.exitCode = 1;
} finally {
  cache.close();
}
