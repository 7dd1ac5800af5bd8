// Passkeys, as browsers make and use them (WebAuthn). Bytes are base64url on the way.
import { send } from "../api.js";

const WAIT_MS = 120_000;

/** Whether this browser has passkeys on this address: it has them on https and a host name only. */
export const canUse = () =>
  isSecureContext && "PublicKeyCredential" in globalThis && !/^[\d.]+$|^\[/.test(location.hostname);

/** Sign in; return what a session is begun with. The browser asks which passkey. */
export const use = async () => sign(await send("POST", "session/challenge", {}));

/** Sign what the service asks (a Challenge); return it as a session is begun with it. */
export async function sign(asked) {
  const { id, response } = await answered("get", {
    challenge: bytes(asked.challenge), rpId: asked.host, userVerification: "required", timeout: WAIT_MS,
  });
  return {
    id,
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.authenticatorData),
    signature: text(response.signature),
    user_handle: text(response.userHandle),
  };
}

/** Make the passkey that `asked` (a Challenge) is for; return it as an invitation is accepted with it. */
export async function make(asked) {
  const { name, display_name: shop } = asked.invited;
  const { id, response } = await answered("create", {
    challenge: bytes(asked.challenge),
    rp: { id: asked.host, name: "Regulars" },
    user: { id: bytes(asked.user_handle), name: `${name} · ${shop}`, displayName: name },
    pubKeyCredParams: asked.algorithms.map((alg) => ({ type: "public-key", alg })),
    authenticatorSelection: { residentKey: "required", requireResidentKey: true, userVerification: "required" },
    attestation: "none",
    timeout: WAIT_MS,
  });
  return { id, client_data: text(response.clientDataJSON), attestation: text(response.attestationObject) };
}

/** @returns {Promise<any>} */
const answered = (what, publicKey) => navigator.credentials[what]({ publicKey });

const bytes = (encoded) =>
  Uint8Array.from(atob(encoded.replaceAll("-", "+").replaceAll("_", "/")), (one) => one.charCodeAt(0));

const text = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
