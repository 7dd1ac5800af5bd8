// Pictures that somebody drops, pastes or chooses: found in folders, made smaller, cut, and written as the API reads
// them.
import { html } from "../html.js";
import { dropped, picturesOf } from "./files.js";
import { Icon } from "../icons.js";
import { useEffect, useState } from "preact/hooks";
import { t } from "../words.js";
import { Webcam } from "./webcam.js";

const MOST_PX = 2048;
const THUMB_PX = 320;
const AS_IT_IS_BYTES = 3_000_000;
const PLAIN = ["image/jpeg", "image/png"];
const AROUND = 0.6;
/** Share of a face's size that is kept around it when it is cut out. */

/** Make a picture at most 2,048 px wide and high. What the browser cannot read goes as it is: the service may. */
export async function shrunk(file, box = null) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  if (!bitmap) return file;
  const isSmall = Math.max(bitmap.width, bitmap.height) <= MOST_PX && file.size <= AS_IT_IS_BYTES;
  if (!box && isSmall && PLAIN.includes(file.type)) return file;
  return drawn(bitmap, box ? around(box, bitmap) : whole(bitmap), MOST_PX, 0.92);
}

/** Make what is shown of a picture: a thousand of them fit into memory. Null: the browser cannot read it. */
export async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob).catch(() => null);
  return bitmap && drawn(bitmap, whole(bitmap), THUMB_PX, 0.85);
}

const whole = ({ width, height }) => ({ x: 0, y: 0, width, height });

/** Draw a part of a picture, at most so wide and high, as JPEG. */
function drawn(bitmap, { x, y, width, height }, mostPx, quality) {
  const scale = Math.min(1, mostPx / Math.max(width, height));
  const canvas = new OffscreenCanvas(Math.round(width * scale), Math.round(height * scale));
  canvas.getContext("2d").drawImage(bitmap, x, y, width, height, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality });
}

function around(box, { width, height }) {
  const [left, top] = [Math.max(0, box.x - box.width * AROUND), Math.max(0, box.y - box.height * AROUND)];
  const right = Math.min(width, box.x + box.width * (1 + AROUND));
  const bottom = Math.min(height, box.y + box.height * (1 + AROUND));
  return { x: left, y: top, width: right - left, height: bottom - top };
}

export function base64(blob) {
  return new Promise((done, failed) => {
    const reader = new FileReader();
    reader.onload = () => done(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => failed(reader.error);
    reader.readAsDataURL(blob);
  });
}

/** A place to drop pictures on, with buttons for people without a mouse. `take`: gets pairs of a path and a file. */
export function Drop({ take, title, says, folders = false, many = true, small = false, paste = true }) {
  const [over, setOver] = useState(false);
  const [webcam, setWebcam] = useState(false);
  useEffect(() => {
    if (!paste) return;
    const pasted = (event) => { if (event.clipboardData?.files.length) take(picturesOf(event.clipboardData.files)); };
    addEventListener("paste", pasted);
    return () => removeEventListener("paste", pasted);
  });
  const drop = async (event) => {
    event.preventDefault();
    setOver(false);
    take(await dropped(event.dataTransfer));
  };
  const choose = (event) => {
    const files = picturesOf(event.target.files);
    event.target.value = "";
    take(files);
  };
  const dragged = (event) => { event.preventDefault(); setOver(true); };
  const files = (icon, text, given, className = "") => html`<label class=${`button ${className}`}>
    <${Icon} name=${icon} size=${18} />${text}<input type="file" ...${given} onChange=${choose} /></label>`;
  return html`<div class=${`drop ${over ? "over" : ""} ${small ? "slim" : ""}`} onDragOver=${dragged}
      onDragLeave=${() => setOver(false)} onDrop=${drop}>
    ${!small && html`<${Icon} name=${folders ? "folder" : "picture"} size=${32} />`}
    <div><p class=${small ? "" : "no-touch"}><strong>${title}</strong></p>
      ${says && html`<p class="soft">${says}</p>`}</div>
    <p class="row">
      ${files("picture", t(many ? "drop.files" : "drop.file"), { accept: "image/*,.heic,.heif", multiple: many })}
      ${folders && files("folder", t("drop.folder"), { webkitdirectory: true })}
      ${files("camera", t("drop.camera"), { accept: "image/*", capture: "environment" }, "touch")}
      <button class="no-touch" onClick=${() => setWebcam(true)}>
        <${Icon} name="camera" size=${18} />${t("webcam")}</button>
    </p>
    ${webcam && html`<${Webcam} take=${take} many=${many} close=${() => setWebcam(false)} />`}
  </div>`;
}

/** Place a box of a picture's pixels upon it, however large it is shown. */
export function placed(box, { width, height }) {
  const share = (value, whole) => `${(100 * value) / whole}%`;
  return { left: share(box.x, width), top: share(box.y, height),
    width: share(box.width, width), height: share(box.height, height) };
}

/**
 * A numbered box around each face of a picture of `size`; `at` is the one that is meant. `isKnown` and `called` tell of
 * each whether it is known, and what it is called.
 */
export function Boxes({ faces, size, at, choose, isKnown, called }) {
  return faces.map((face, index) => html`<button key=${index} style=${placed(face.box, size)}
    class=${`box ${isKnown(face) ? "match" : ""} ${index === at ? "meant" : ""}`} aria-pressed=${index === at}
    aria-label=${t("search.face", { n: index + 1, name: called(face) })} onClick=${() => choose(index)}>
    <span aria-hidden="true">${index + 1}</span></button>`);
}

/** Return the index of the face that is clearly the largest; -1 if none is. */
export function largest(faces) {
  const areas = faces.map(({ box }) => box.width * box.height);
  const most = areas.indexOf(Math.max(...areas));
  return areas.every((area, index) => index === most || area * 2 <= areas[most]) ? most : -1;
}
