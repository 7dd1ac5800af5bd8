// Photos by the camera of this machine.
import { useEffect, useRef, useState } from "preact/hooks";
import { picturesOf } from "./files.js";
import { html } from "../html.js";
import { Dialog } from "./parts.js";
import { t } from "../words.js";

/** `take`: called with pairs of a path and a file, as of a drop. `many`: whether more than one photo is of use. */
export function Webcam({ take, close, many = true }) {
  const video = useRef();
  const [shots, setShots] = useState([]);
  const made = useRef(shots);
  made.current = shots;
  const [problem, setProblem] = useState("");
  const [ready, setReady] = useState(false);
  useEffect(() => {
    let stream, isClosed = false;
    const stop = () => stream?.getTracks().forEach((track) => track.stop());
    const open = async () => {
      if (!navigator.mediaDevices) return setProblem("insecure");
      stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 1920 } } });
      if (isClosed) return stop();
      video.current.srcObject = stream;
    };
    open().catch((error) => setProblem(error.name === "NotAllowedError" ? "refused" : "none"));
    return () => { isClosed = true; stop(); };
  }, []);
  useEffect(() => () => made.current.forEach((one) => URL.revokeObjectURL(one.url)), []);
  const finish = (all) => { close(); take(all.map(({ file }) => [file.name, file])); };
  const shoot = async () => {
    const { videoWidth: width, videoHeight: height } = video.current;
    const canvas = new OffscreenCanvas(width, height);
    canvas.getContext("2d").drawImage(video.current, 0, 0);
    const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    const file = new File([blob], `photo_${shots.length + 1}.jpg`, { type: blob.type });
    const all = [...shots, { file, url: URL.createObjectURL(blob) }];
    if (many) setShots(all);
    else finish(all);
  };
  const choose = ({ target }) => { close(); take(picturesOf(target.files)); };
  return html`<${Dialog} title=${t("webcam")} close=${close} wide>
    ${problem ? html`<p class="notice">${t(`webcam.${problem}`)}</p>
      <p><label class="button">${t("drop.camera")}
        <input type="file" accept="image/*" capture="environment" onChange=${choose} /></label></p>`
      : html`<video ref=${video} class="face" autoplay muted playsinline aria-label=${t("webcam.image")}
          onLoadedData=${() => setReady(true)}></video>
        ${shots.length > 0 && html`<ul class="shots">${shots.map((one, n) => html`<li key=${one.url}>
          <img class="portrait m face" src=${one.url} alt=${t("webcam.shot", { n: n + 1 })} /></li>`)}</ul>`}
        <p class="row end"><span class="soft small apart">${many && t("webcam.says")}</span>
          <button class=${shots.length ? "" : "strong"} disabled=${!ready} onClick=${shoot}>${t("drop.camera")}</button>
          ${shots.length > 0 && html`<button class="strong" onClick=${() => finish(shots)}>
            ${t("webcam.take", { count: shots.length })}</button>`}</p>`}
  <//>`;
}
