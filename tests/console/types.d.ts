// Types that several modules of the console share, and where a library's own are stricter than helps.

import type { Answer, Query, Sent } from "v1";

/** How `get` of api.js is called: the path decides what may be asked and what is answered. */
export type Get = <Path extends string>(
  path: Path, query?: Query<"get", Path>, options?: { signal?: AbortSignal, book?: string },
) => Promise<Answer<"get", Path>>;

export type Send = <Method extends string, Path extends string>(
  method: Method, path: Path, body?: Sent<Lowercase<Method>, Path>,
  options?: { signal?: AbortSignal, name?: string, keepalive?: boolean, book?: string },
) => Promise<Answer<Lowercase<Method>, Path>>;

/** What `useLoaded` has: the value that came last, and what went wrong since. */
export interface Loaded<T> {
  value?: T;
  problem?: Trouble;
  waits: boolean;
}

/** What a page says of an error: a Problem, or something that has as much of it as is shown. */
export interface Trouble {
  code?: string;
  detail?: string;
  request_id?: string;
  status?: number;
}

/** What is said at the bottom of the page for a while. */
export interface Note {
  id: number;
  text: any;
  kind: string;
  action?: [string, () => any] | false;
  timer?: ReturnType<typeof setTimeout>;
}

declare module "preact/hooks" {
  export function useRef(): { current: any };
  export function useReducer<S>(reducer: (before: S) => S, first: S): [S, () => void];
}
