// Makes the calls that stand in its input by the SDK, a new object each, since those keep the address of their last
// call; prints their answers.
import { readFileSync } from "node:fs";
import { CompreFace } from "@exadel/compreface-js-sdk";

const { log } = console;
console.log = () => {}; // the SDK prints keys
const { url, port, keys, calls } = JSON.parse(readFileSync(0, "utf-8"));
const server = new CompreFace(url, port);
const picture = (value) => {
  if (value && value.base64) return readFileSync(value.base64).toString("base64");
  return value && value.blob ? readFileSync(value.blob) : value;
};
const recognition = () => server.initFaceRecognitionService(keys.recognition);
const makers = {
  recognition,
  faces: () => recognition().getFaceCollection(),
  subjects: () => recognition().getSubjects(),
  detection: () => server.initFaceDetectionService(keys.detection),
  verification: () => server.initFaceVerificationService(keys.verification),
};

const answers = [];
for (const [what, name, ...values] of calls) {
  try {
    answers.push(await makers[what]()[name](...values.map(picture)));
  } catch (error) {
    if (!error.response) throw error;
    answers.push(error.response.data);
  }
}
log(JSON.stringify(answers));
