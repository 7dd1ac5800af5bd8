// Pictures that somebody drops, pastes or chooses: found in folders, made smaller, cut, and written as the API reads them.
import { html } from "../html.js";
import { Icon } from "../icons.js";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words.js";
import { Webcam } from "./webcam.js";

const MOST_PX = 2048;
const THUMB_PX = 320;
const AS_IT_IS_BYTES = 3_000_000;
const PLAIN = ["image/jpeg", "image/png"];
const NAMED = /\.(jpe?g|png|bmp|webp|hei[cf])$/i;
const AROUND = 0.6;
/** Share of a face's size that is kept around it when it is cut out. */

export const isPicture = (file) => file.type.startsWith("image/") || NAMED.test(file.name);

/** Make a picture at most 2,048 px wide and high. What the browser cannot read goes as it is: the service may. */
export async function shrunk(file, box = null) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const [x, y, width, height] = box ? around(box, bitmap) : [0, 0, bitmap.width, bitmap.height];
  const scale = Math.min(1, MOST_PX / Math.max(width, height));
  if (!box && scale === 1 && file.size <= AS_IT_IS_BYTES && PLAIN.includes(file.type)) return file;
  const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
  canvas.getContext("2d").drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
}

/** Make what is shown of a picture: a thousand of them fit into memory. Null: the browser cannot read it. */
export async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (!bitmap) return null;
  const scale = Math.min(1, THUMB_PX / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.85 });
}

function around(box, { width, height }) {
  const left = Math.max(0, (box.x - box.width * AROUND)), top = Math.max(0, (box.y - box.height * AROUND));
  const right = Math.min(width, box.x + box.width * (1 + AROUND)), bottom = Math.min(height, box.y + box.height * (1 + AROUND));
  return [left, top, right - left, bottom - top];
}

export function base64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** Return the pictures of a drop, folders read to their ends: pairs of a path and a file. */
export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return chosen(transfer.files);
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

export function chosen(files) {
  return [...files].filter(isPicture).map((file) => [file.webkitRelativePath || file.name, file]);
}

async function walk(entry, found) {
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    if (isPicture(file)) found.push([entry.fullPath.replace(/^\//, ""), file]);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) return;
    for (const one of some) await walk(one, found);
  }
}

/** A place to drop pictures on, with buttons for whoever has no mouse. `take`: called with pairs of a path and a file. */
export function Drop({ take, title, says, folders = false, many = true, small = false, paste = true }) {
  const [over, setOver] = useState(false);
  const [webcam, setWebcam] = useState(false);
  useEffect(() => {
    if (!paste) return;
    const pasted = (event) => { if (event.clipboardData?.files.length) take(chosen(event.clipboardData.files)); };
    addEventListener("paste", pasted);
    return () => removeEventListener("paste", pasted);
  });
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    take(await dropped(event.dataTransfer));
  };
  const choose = (event) => {
    const files = chosen(event.target.files);
    event.target.value = "";
    take(files);
  };
  return html`<div class=${`drop ${over ? "over" : ""} ${small ? "slim" : ""}`} onDragOver=${(event) => { event.preventDefault(); setOver(true); }}
      onDragLeave=${() => setOver(false)} onDrop=${drop}>
    ${!small && html`<${Icon} name=${folders ? "folder" : "picture"} size=${32} />`}
    <div><p class=${small ? "" : "no-touch"}><strong>${title}</strong></p>${says && html`<p class="soft">${says}</p>`}</div>
    <p class="row">
      <label class="button"><${Icon} name="picture" size=${18} />${t(many ? "drop.files" : "drop.file")}<input type="file" accept="image/*,.heic,.heif" multiple=${many} onChange=${choose} /></label>
      ${folders && html`<label class="button"><${Icon} name="folder" size=${18} />${t("drop.folder")}<input type="file" webkitdirectory onChange=${choose} /></label>`}
      <label class="button touch"><${Icon} name="camera" size=${18} />${t("drop.camera")}<input type="file" accept="image/*" capture="environment" onChange=${choose} /></label>
      <button class="no-touch" onClick=${() => setWebcam(true)}><${Icon} name="camera" size=${18} />${t("webcam")}</button>
    </p>
    ${webcam && html`<${Webcam} take=${take} many=${many} close=${() => setWebcam(false)} />`}
  </div>`;
}

/** Place a box of a picture's pixels upon it, however large it is shown. */
export function placed(box, { width, height }) {
  const share = (value, whole) => `${(100 * value) / whole}%`;
  return { left: share(box.x, width), top: share(box.y, height), width: share(box.width, width), height: share(box.height, height) };
}

/** Return the index of the face that is clearly the largest; -1 if none is. */
export function largest(faces) {
  const areas = faces.map(({ box }) => box.width * box.height);
  const most = areas.indexOf(Math.max(...areas));
  return areas.every((area, index) => index === most || area * 2 <= areas[most]) ? most : -1;
}
