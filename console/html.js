// Markup in modules: htm reads it, Preact draws it. What is put into it is text, never markup.
import { h } from "preact";
import htm from "htm";

export const html = htm.bind(h);
