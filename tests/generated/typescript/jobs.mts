import { readFileSync } from "node:fs";
import createClient from "openapi-fetch";
import type { components, paths } from "./v1.d.ts";

const [url, key, ann, again, ben] = process.argv.slice(2) as [string, string, string, string, string];
const v1 = createClient<paths>({ baseUrl: url, headers: { Authorization: `Bearer ${key}` } });

function form(body: unknown): FormData {
  const data = new FormData();
  for (const [name, value] of Object.entries(body as Record<string, unknown>)) {
    if (value instanceof Blob) data.append(name, value, "picture.jpg");
    else if (Array.isArray(value)) for (const one of value) data.append(name, String(one));
    else data.append(name, typeof value === "object" ? JSON.stringify(value) : String(value));
  }
  return data;
}

/** A picture, as the types of a form have it: a text in the document, a file in the form. */
function file(path: string): string {
  return new Blob([readFileSync(path)], { type: "image/jpeg" }) as unknown as string;
}

function done<Answer>(found: { data?: Answer; error?: components["schemas"]["Problem"] }): Answer {
  if (found.data === undefined) throw new Error(JSON.stringify(found.error));
  return found.data;
}

const asForm = { bodySerializer: form } as const;
const camera = done(await v1.POST("/v1/cameras", { body: { name: "door" } }));
const enrolled: string[] = [];
for (const [name, picture] of [["Ann", ann], ["Ben", ben]] as const) {
  const face = done(
    await v1.POST("/v1/faces", { body: { picture: file(picture), group: "regular", name }, ...asForm }),
  );
  enrolled.push(face.id);
}
const capture = done(await v1.POST("/v1/captures", { body: { picture: file(again), camera: camera.id }, ...asForm }));
const same = done(await v1.POST("/v1/verify", { body: { picture: file(again), face: enrolled[0] }, ...asForm }));
const first = done(await v1.GET("/v1/faces", { params: { query: { group: "regular", limit: 1 } } }));
const next = done(
  await v1.GET("/v1/faces", { params: { query: { group: "regular", limit: 1, token: first.next_token ?? "" } } }),
);
const missing = await v1.GET("/v1/faces/{id}", { params: { path: { id: "7" } } });
console.log(
  JSON.stringify({
    camera: capture.camera,
    match: same.match,
    pages: [...first.faces, ...next.faces].map((face) => face.name),
    code: missing.error?.code,
  }),
);
