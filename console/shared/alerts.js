// Sound and notifications when somebody comes: off until somebody switches them on, and of this browser alone.
import { send } from "../api.js";
import { html } from "../html.js";
import { addDays, begin } from "./days.js";
import { groupName, groupOptions, nameOf, Select } from "./parts.js";
import { ifThere, useShared } from "./known.js";
import { usePolled } from "./polled.js";
import { go, to } from "../router.js";
import { alerts, blur, may, preference, useValue } from "../store.js";
import { complain } from "../undo.js";
import { useNews } from "../visits/news.js";
import { isoDay, t, visit } from "../words.js";

const EVERY_MS = 2000;
const NEWEST = 20;
const { sound, notify } = alerts;
const group = preference("alerts.group", [""], true);
let audio;

/** What a notification calls somebody: customers may see it, too. */
const called = (one) => (blur.now === "on" ? groupName(one.group) : nameOf(one));

/** Tell of visits that just began, of a group alone if one is `chosen`. */
function alertOf(visits, chosen) {
  const [first, ...others] = visits.filter((visit) => !chosen || visit.group === chosen);
  if (!first) return;
  if (sound.now === "on") ring();
  if (notify.now !== "on" || globalThis.Notification?.permission !== "granted") return;
  try {
    const body = [first.visit ? visit(first.visit) : "", ...others.map(called)].filter(Boolean).join(", ");
    const shown = new Notification(called(first), { body, tag: "regulars" });
    shown.onclick = () => { focus(); shown.close(); go(["counter", first.face]); };
  } catch {
    // Phones take notifications from a service worker only.
  }
}

/** Watches who comes, whatever page is open. */
export function Watch() {
  const [came] = usePolled("arrivals", { limit: NEWEST, staff: true }, EVERY_MS, { isUnseen: true });
  const groups = useShared("groups").value;
  useNews(came.value?.arrivals, (news) => { if (!came.heard) alertOf(news, ifThere(groups, group.now)); });
  return null;
}

/** Have nobody told until tomorrow that a camera is silent, or any if there is no id; or have them told again. */
export const mute = (isMuted, id) => send("PUT", "mute",
  { until: isMuted ? new Date(begin(addDays(isoDay(Date.now()), 1))).toISOString() : null, camera: id ?? null });

function ring() {
  audio ??= new AudioContext();
  const tone = audio.createOscillator(), loudness = audio.createGain();
  tone.frequency.value = 660;
  loudness.gain.setValueAtTime(0.15, audio.currentTime);
  loudness.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + 0.5);
  tone.connect(loudness).connect(audio.destination);
  tone.start();
  tone.stop(audio.currentTime + 0.5);
}

/** How this browser tells who comes, while the console is open. */
export function Bell() {
  const groups = useShared("groups").value;
  const [hasSound, notifies, chosen] = [useValue(sound), useValue(notify), ifThere(groups, useValue(group))];
  const cameras = useShared("cameras");
  const isMuted = cameras.value?.every((camera) => camera.health.muted_until);
  const canNotify = Boolean(globalThis.Notification) && Notification.permission !== "denied";
  const setSound = ({ target }) => { sound.set(target.checked ? "on" : "off"); if (target.checked) ring(); };
  const setNotify = async ({ target }) => {
    const isAllowed = target.checked && (await Notification.requestPermission()) === "granted";
    target.checked = isAllowed;
    notify.set(isAllowed ? "on" : "off");
  };
  const box = (name, checked, onChange, disabled = false) => html`<label class="inline">
    <input type="checkbox" checked=${checked} disabled=${disabled} onChange=${onChange} />${t(name)}</label>`;
  return html`<section><h2>${t("alerts")}</h2>
    <div class="boxes">${box("alerts.sound", hasSound === "on", setSound)}
      ${box("alerts.notify", notifies === "on" && canNotify, setNotify, !canNotify)}</div>
    ${!canNotify && html`<p class="soft small">${t("alerts.denied")}</p>`}
    <label class="inline">${t("alerts.of")}
      <${Select} value=${chosen} set=${(next) => group.set(next)}
        options=${[["", t("visits.groups")], ...groupOptions(groups)]} /></label>
    <p><a class="alone" href=${to("counter")}>${t("alerts.counter")} ›</a></p>
    ${may("operator") && cameras.value?.length > 0 && html`<hr />${box("alerts.mute", isMuted,
      ({ target }) => mute(target.checked).then(cameras.again, complain))}`}
  </section>`;
}
