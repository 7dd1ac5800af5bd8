"use strict";
// Makes the calls that stand in its input, by one client of the SDK, and prints their answers.
const { readFileSync } = require("node:fs");
const sdk = require("@aws-sdk/client-rekognition");

const pictures = (name, value) => (name === "Bytes" ? readFileSync(value) : value);

async function main({ settings, calls, off_ms }) {
  const now = Date.now;
  Date.now = () => now() + off_ms;
  const client = new sdk.RekognitionClient(settings);
  const answers = [];
  for (const [operation, members] of calls) {
    try {
      const { $metadata, ...answer } = await client.send(new sdk[`${operation}Command`](members));
      answers.push({ ...answer, attempts: $metadata.attempts });
    } catch (error) {
      if (!(error instanceof sdk.RekognitionServiceException)) throw error;
      answers.push({ error: error.name, message: error.message, attempts: error.$metadata.attempts });
    }
  }
  console.log(JSON.stringify(answers));
}

main(JSON.parse(readFileSync(0, "utf-8"), pictures));
