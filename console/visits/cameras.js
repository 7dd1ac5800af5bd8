// The cameras that need somebody, beside the book; if there is no room, only how many they are.
import { useContext } from "preact/hooks";
import { html } from "../html.js";
import { to } from "../router.js";
import { isUnwell, isWorking, named, needs, stateOf } from "../shared/needs.js";
import { useKnown } from "../shared/known.js";
import { useMedia } from "../shared/media.js";
import { IsSettled, Portrait } from "../shared/parts.js";
import { useAgain, usePolled } from "../shared/polled.js";
import { mayLoad } from "../store.js";
import { ago, dayAndClock, t } from "../words.js";

const EVERY_MS = 15_000;
const PICTURED = 6;
/** Where style.css shows them beside the book. */
const WIDE = "(min-width: 1121px)";

/** All cameras: the frame asks for them first. */
export function useCameras() {
  const { value, ask } = useKnown("cameras");
  useAgain({ again: ask }, EVERY_MS);
  return value;
}

/** Says on a narrow screen that a camera needs somebody. */
export function Wrong({ cameras }) {
  const said = needs(cameras);
  return said ? html`<a class="wrong" href=${to("cameras")}>${said} ›</a>` : null;
}

export function Cameras({ cameras }) {
  const [unwell, working] = [isUnwell, isWorking].map((is) => cameras?.filter(is) ?? []);
  const isWide = useMedia(WIDE);
  if (!isWide || (!unwell.length && !working.length)) return null;
  return html`<section class="beside" aria-label=${t("cameras")}><h2>${t("cameras")}</h2>
    <ul class="cameras">${unwell.map((one, index) => html`
      <li key=${one.id}>${index < PICTURED && mayLoad("captures") && html`<${Newest} camera=${one} />`}
        <p><strong>${one.name || one.id}</strong>
          <span class=${`state ${one.health.trouble ? "unwell" : one.health.state}`}>${named(stateOf(one))}</span></p>
        <p class="soft small">
          ${one.last_seen_at ? t("camera.seen", { ago: ago(one.last_seen_at) }) : t("camera.never")}</p>
      </li>`)}</ul>
    ${working.length > 0 && html`<a class="soft" href=${to("cameras")}>
      ${t("visits.working", { count: working.length })}</a>`}</section>`;
}

function Newest({ camera }) {
  return useContext(IsSettled) ? html`<${Pictured} camera=${camera} />`
    : html`<${Portrait} size="newest" icon="camera" />`;
}

function Pictured({ camera }) {
  const [last] = usePolled("captures", { camera: camera.id, limit: 1 }, EVERY_MS);
  const capture = last.value?.captures[0];
  const time = capture && dayAndClock(capture.captured_at);
  const picture = html`<${Portrait} url=${capture?.thumb_url} size="newest" icon="camera"
    alt=${capture ? t("camera.newest", { time }) : ""} />`;
  const opened = capture && { camera: camera.id, open: `${camera.id}/${capture.id}` };
  return opened ? html`<a href=${to("captures", opened)}>${picture}</a>` : picture;
}
