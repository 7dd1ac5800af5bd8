"""Modules that are joined do what they do apart; what the joining does not read is refused."""

import json
import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

from chalicelib.api.console_modules import JOINED, MAIN, join_modules

MODULES = {
    MAIN: """// The start.
/** Loads all, as `later` does. */
import lib from "lib";
import { number as count, Box } from "./shared/parts.js";
import {
  later,
} from "./later.js";
/**
 * What is first: `/* no` comment ends here.
 */
const first = await later(); // at last
  /** @type {any} */ (globalThis).text = `a // b
 /* c */ ${first}`;
globalThis.said = [lib(2), count, new Box().held, (await import("./shared/lazy.js")).default()];
globalThis.more = import("./people/list.js").then(({ names }) => names());
""",
    "lib": 'import{one as n}from"other/lib";var t=n;export default function(r){return r*t}',
    "other/lib": "var t=21;export{t as one,t as two};\n//# sourceMappingURL=lib.mjs.map",
    "./console/later.js": "export async function later() { return t; }\nconst t = 3;\n",
    "./console/shared/parts.js": "const t = 5;\nexport const number = t;\nexport class Box { held "
    "= t; }\n",
    "./console/shared/lazy.js": "const t = 7;\nexport default function Lazy() { return t; }\n",
    "./console/people/list.js": """import { number } from "../shared/parts.js";
import Lazy from "../shared/lazy.js";
import { own } from "./own.js";
export const names = async () => [number, Lazy(), own, (await import("./own.js")).own];
""",
    "./console/people/own.js": 'export const own = /** @type {import("types").Own} */ ("own");\n',
    "./console/worker.js": "export const alone = 1;\n",
}


def test_joined_modules_do_what_they_do_apart(tmp_path: Path) -> None:
    joined = join_modules(MODULES)
    assert set(joined) == {
        *(f"./console/{folder}{JOINED}" for folder in ("", "shared/", "people/")),
        "./console/worker.js",
    }
    assert joined["./console/worker.js"] == MODULES["./console/worker.js"]
    assert [
        line
        for line in joined[f"./console/{JOINED}"].splitlines()
        if line.strip().startswith(("//", "*"))
    ] == []
    for name, text in joined.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    ask = (
        f'await import("{(tmp_path / "console" / JOINED).as_uri()}"); '
        "console.log(JSON.stringify([said, await more]))"
    )
    node = compute_driver_executable()[0]
    said = subprocess.run(
        [node, "--input-type=module", "--eval", ask], capture_output=True, text=True, check=True
    )
    assert json.loads(said.stdout) == [[42, 5, 5, 7], [5, 7, "own", "own"]]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({MAIN: 'import * as all from "lib";'}, "does not read: import"),
        ({MAIN: "export let changing = 1;"}, "does not read: export let"),
        ({MAIN: 'export * from "lib";'}, "does not read: export"),
        ({"lib": 'import{own as n}from"./console/main.js";'}, "need each other"),
        (
            {"./console/shared/lazy.js": 'import { own } from "../people/own.js";'},
            "need each other: ./console/",
        ),
        (
            {
                "./console/later.js": 'import { at } from "./shared/at.js";',
                "./console/shared/at.js": "import.meta.url",
            },
            "import.meta",
        ),
        (
            {
                "./console/people/list.js": 'import { A, B } from "./own.js";',
                "./console/people/own.js": "export const A = 1, B = 2;",
            },
            "imports B of ./own.js: not exported",
        ),
    ],
)
def test_what_is_not_read_or_goes_round_in_a_circle_is_refused(
    changed: dict[str, str], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        join_modules({**MODULES, **changed})
