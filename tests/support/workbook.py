"""Workbooks as spreadsheets write them: texts in a part of their own, days as numbers with a
style."""

import io
import zipfile
from collections.abc import Sequence
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
DOCUMENT = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PLAIN, DAY, OWN_DAY, ZEROS, TIME, OWN_TIME, HOURS, OWN_HOURS = range(8)
"""Styles of cells: none, a day of every spreadsheet, a day as somebody chose it, three digits;
times and hours of every spreadsheet, and as somebody chose them."""

STYLES = f"""<styleSheet xmlns="{MAIN}"><numFmts count="4">
<numFmt numFmtId="164" formatCode="[$-407]dd/mm/yyyy;@"/>
<numFmt numFmtId="165" formatCode="000"/>
<numFmt numFmtId="166" formatCode="[$-F400]h:mm:ss AM/PM"/>
<numFmt numFmtId="167" formatCode="[h]:mm"/></numFmts>
<cellStyleXfs count="1"><xf numFmtId="0"/></cellStyleXfs><cellXfs count="8"><xf numFmtId="0"/>
<xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="20"/>
<xf numFmtId="166"/><xf numFmtId="46"/><xf numFmtId="167"/></cellXfs></styleSheet>"""


class Styled(tuple[float, int]):
    """A number and its style."""

    __slots__ = ()


Cell = str | float | Styled | None


def make_workbook(
    rows: Sequence[Sequence[Cell]],
    *,
    hidden_first: bool = False,
    others: Sequence[str] = (),
    replacing: str = "</sheetData>",
    **other_parts: str,
) -> bytes:
    """Return a workbook with these rows; a row of None is left out, as blank ones are.

    `hidden_first`: whether a sheet that is not shown stands before it; `others`: names of sheets
    behind it; `replacing`: the end of the sheet's rows, and what comes after it. `other_parts`:
    parts by name that replace these, with `__` for a slash.
    """
    texts = [cell for row in rows for cell in row if isinstance(cell, str)]

    def write(cell: Cell, place: str) -> str:
        if isinstance(cell, str):
            return f'<c r="{place}" t="s"><v>{texts.index(cell)}</v></c>'
        if isinstance(cell, tuple):
            return f'<c r="{place}" s="{cell[1]}"><v>{cell[0]}</v></c>'
        return f'<c r="{place}" s="0"/>' if cell is None else f'<c r="{place}"><v>{cell}</v></c>'

    lines = [
        f'<row r="{number}" spans="1:3">'
        + "".join(write(cell, f"{'ABCDEFG'[place]}{number}") for place, cell in enumerate(row))
        + "</row>"
        for number, row in enumerate(rows, start=1)
        if row
    ]
    hidden = '<sheet name="Lists" sheetId="2" state="hidden" r:id="rId9"/>' if hidden_first else ""
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{DOCUMENT}"><sheets>{hidden}'
        '<sheet name="Sheet1" sheetId="1" r:id="rId1"/>'
        + "".join(f'<sheet name="{name}" sheetId="3" r:id="rId9"/>' for name in others)
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": "<Relationships>"
        '<Relationship Id="rId1" Target="worksheets/sheet1.xml"/>'
        '<Relationship Id="rId9" Target="worksheets/sheet2.xml"/></Relationships>',
        "xl/styles.xml": STYLES,
        "xl/sharedStrings.xml": f'<sst xmlns="{MAIN}">'
        + "".join(f'<si><t xml:space="preserve">{escape(text)}</t></si>' for text in texts)
        + "</sst>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(lines)}'
        f"{replacing}</worksheet>",
        "xl/worksheets/sheet2.xml": f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>',
    } | {name.replace("__", "/"): text for name, text in other_parts.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as book:
        for path, text in parts.items():
            book.writestr(path, text)
    return file.getvalue()
