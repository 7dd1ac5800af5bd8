// A table as a workbook of one sheet (ECMA-376, Office Open XML), in a zip whose files are stored as they are.
import { marked, Moment } from "./tables.js";

const DAY_MS = 86_400_000;
/** Days from the workbook's day 0, 1899-12-30, to 1970-01-01. */
const EPOCH_DAYS = 25_569;
const [HEAD, DAY, MINUTE] = [1, 2, 3];
const WIDEST = 60;
/** What XML 1.0 cannot hold, also half of a pair. */
const NO_XML = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;
/** Spreadsheets read _x0041_ as A. */
const CODED = /_(?=x[0-9a-f]{4}_)/gi;
const MARKS = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;" };

const HOME = "http://schemas.openxmlformats.org";
const MAIN = `${HOME}/spreadsheetml/2006/main`;
const PACKAGE = `${HOME}/package/2006`;
const DOCUMENT = `${HOME}/officeDocument/2006/relationships`;
const TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml";
const RELATIONS = "application/vnd.openxmlformats-package.relationships+xml";

export const XLSX = `${TYPE}.sheet`;

/** Return the bytes of a workbook with this table, whose first row is its head. Cells are those of `table`. */
export function workbook(rows) {
  const relation = (id, kind, target) =>
    `<Relationship Id="${id}" Type="${DOCUMENT}/${kind}" Target="${target}"/>`;
  const relations = (...some) => `<Relationships xmlns="${PACKAGE}/relationships">${some.join("")}</Relationships>`;
  const texts = new Map();
  const rowsAsXml = sheet(rows, texts); // which finds the texts
  return zipped({
    "[Content_Types].xml": `<Types xmlns="${PACKAGE}/content-types">
<Default Extension="rels" ContentType="${RELATIONS}"/><Default Extension="xml" ContentType="application/xml"/>
<Override PartName="/xl/workbook.xml" ContentType="${TYPE}.sheet.main+xml"/>
<Override PartName="/xl/worksheets/sheet1.xml" ContentType="${TYPE}.worksheet+xml"/>
<Override PartName="/xl/sharedStrings.xml" ContentType="${TYPE}.sharedStrings+xml"/>
<Override PartName="/xl/styles.xml" ContentType="${TYPE}.styles+xml"/></Types>`,
    "_rels/.rels": relations(relation("r1", "officeDocument", "xl/workbook.xml")),
    "xl/workbook.xml": `<workbook xmlns="${MAIN}" xmlns:r="${DOCUMENT}"><sheets>
<sheet name="Regulars" sheetId="1" r:id="r1"/></sheets></workbook>`,
    "xl/_rels/workbook.xml.rels": relations(relation("r1", "worksheet", "worksheets/sheet1.xml"),
      relation("r2", "styles", "styles.xml"), relation("r3", "sharedStrings", "sharedStrings.xml")),
    "xl/styles.xml": STYLES,
    "xl/sharedStrings.xml": `<sst xmlns="${MAIN}" uniqueCount="${texts.size}">${[...texts.keys()].join("\n")}</sst>`,
    "xl/worksheets/sheet1.xml": rowsAsXml,
  });
}

/** The head is bold; 14 and 22 are a day and a minute as the reader's spreadsheet writes them. */
const STYLES = `<styleSheet xmlns="${MAIN}">
<fonts count="2"><font/><font><b/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs>
<cellXfs count="4"><xf xfId="0"/><xf xfId="0" fontId="1" applyFont="1"/>
<xf xfId="0" numFmtId="14" applyNumberFormat="1"/><xf xfId="0" numFmtId="22" applyNumberFormat="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>`;

/** Return a sheet as XML. Its texts go into a table of their own: Numbers shows no others. */
function sheet(rows, texts) {
  const length = (value) => String(value instanceof Moment ? value.text : value ?? "").length;
  const widths = (rows[0] ?? []).map((_, place) =>
    Math.min(WIDEST, rows.reduce((most, row) => Math.max(most, length(row[place])), 0) + 2));
  const columns = widths.map((width, place) =>
    `<col min="${place + 1}" max="${place + 1}" width="${width}" customWidth="1"/>`);
  const lines = rows.map((row, place) => `<row>${row.map((value) => cell(value, place === 0, texts)).join("")}</row>`);
  return `<worksheet xmlns="${MAIN}">${columns.length ? `<cols>${columns.join("")}</cols>` : ""}
<sheetData>${lines.join("\n")}</sheetData></worksheet>`;
}

function cell(value, isHead, texts) {
  if (value == null || value === "") return "<c/>";
  if (Number.isFinite(value)) return `<c><v>${value}</v></c>`;
  if (value instanceof Moment) {
    const [day, clock] = value.text.split(" ");
    const days = Date.parse(`${day}T${clock ?? "00:00"}Z`) / DAY_MS + EPOCH_DAYS;
    return `<c s="${clock ? MINUTE : DAY}"><v>${days}</v></c>`;
  }
  const text = marked(String(value)).replace(NO_XML, " ").replace(CODED, "_x005F_")
    .replace(/[&<>"\r]/g, (sign) => MARKS[sign]);
  const item = `<si><t xml:space="preserve">${text}</t></si>`;
  if (!texts.has(item)) texts.set(item, texts.size);
  return `<c t="s"${isHead ? ` s="${HEAD}"` : ""}><v>${texts.get(item)}</v></c>`;
}

/** Return a zip of these texts by path (APPNOTE 6.3), as a Blob's parts. */
function zipped(texts) {
  const parts = [], entries = [];
  let at = 0;
  for (const [path, text] of Object.entries(texts)) {
    const [name, bytes] = [path, `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n${text}`]
      .map((one) => new TextEncoder().encode(one));
    // Version 2.0; names in UTF-8; stored; 1980-01-01, so that the same table has the same bytes; no extra field.
    const common = [[20, 2], [0x0800, 2], [0, 2], [0, 2], [0x0021, 2], [crc32(bytes), 4],
      [bytes.length, 4], [bytes.length, 4], [name.length, 2], [0, 2]];
    const local = packed([[0x04034b50, 4], ...common]);
    entries.push(packed([[0x02014b50, 4], [20, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [at, 4]]), name);
    parts.push(local, name, bytes);
    at += local.length + name.length + bytes.length;
  }
  const size = entries.reduce((sum, one) => sum + one.length, 0);
  const count = entries.length / 2;
  return [...parts, ...entries,
    packed([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [at, 4], [0, 2]])];
}

/** Return numbers of so many bytes each, the lowest byte first. */
function packed(numbers) {
  const bytes = new Uint8Array(numbers.reduce((sum, [, length]) => sum + length, 0));
  let at = 0;
  for (const [number, length] of numbers) {
    for (let place = 0; place < length; place++) bytes[at++] = (number >>> (8 * place)) & 0xff;
  }
  return bytes;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** Return the checksum of a zip's entry (ISO 3309). */
function crc32(bytes) {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = TABLE[(sum ^ byte) & 0xff] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
