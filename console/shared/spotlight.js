// A portrait in which another face shows, too: all but the face that is meant is darker.

const ROOM = 1.3;
const DIM = "linear-gradient(rgb(0 0 0 / 35%) 0 0)";

/**
 * Return the place of a face in the square that is shown of a picture, its middle, in shares of the square; it has some
 * room around the face.
 */
export function within({ box, width, height }) {
  const side = Math.min(width, height);
  const along = (at, length, whole) => {
    const from = Math.max(0, (at - (whole - side) / 2 - (length * (ROOM - 1)) / 2) / side);
    return [from, Math.min(1 - from, (length * ROOM) / side)];
  };
  return [along(box.x, box.width, width), along(box.y, box.height, height)];
}

/** Return the style that does it. */
export function spotlight(portrait) {
  const parts = within(portrait);
  const share = (value) => `${(100 * value).toFixed(1)}%`;
  const size = parts.map(([, length]) => share(length)).join(" ");
  const place = parts.map(([from, length]) => share(length < 1 ? from / (1 - length) : 0)).join(" ");
  return { maskImage: `linear-gradient(#000 0 0), ${DIM}`, maskSize: `${size}, 100% 100%`,
    maskPosition: `${place}, 0 0`, maskRepeat: "no-repeat" };
}
