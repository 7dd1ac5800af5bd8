"""Names in the one form in which they are compared and stored, and the terms by which people are
found.

People are found and sorted by a name without its accents: somebody types "jose" or "josé" for José.
The name itself stays as it was given.

A face is found by the beginning of any word of its name. Chinese, Japanese and Korean put no spaces
between words, so a run of these scripts is found by any part of it: each of its endings is a term.
A stranger's number is a term, too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from chalicelib.domain.errors import IllegalGroupName, InvalidInput

GROUP_NAME_LENGTH = 96
"""Most characters of a group's name."""

LONGEST_GROUP_NAME = 255
"""Of groups that a client makes as collections."""

LONGEST_NAME = 255
"""Most characters of a face set's name."""

FACE_NAME_LENGTH = 100
"""Characters of a person's name."""
_SORTED_LENGTH = 64
"""Characters of a name by which a list is sorted."""

MAX_TERMS = 8
"""Most terms of one name: each is an item, which is written in the transaction of its face."""

_TERM_LENGTH = 100
"""Most characters of a term, so that it fits a key: NFKC makes up to 18 characters of one."""

_MOST_TO_ONE = 4
"""Most characters that NFC makes one, such as alpha with two accents and an iota below it."""

_PLAIN = {
    **str.maketrans("łøđðħŧ\u0131", "loddhti"),
    ord("æ"): "ae",
    ord("œ"): "oe",
    ord("þ"): "th",
    # Arabic: letters that Persian keyboards have in place of others, and that people type for
    # others; the line that makes a word longer.
    **str.maketrans("کیىةٱ", "كيي\u0647\u0627", "ـ"),
    # Signs of transcriptions, such as the okina in Keala\u02bbi.
    **dict.fromkeys(range(0x2B9, 0x2C0), None),
}
"""Letters for which people type others, and that Unicode does not decompose into those."""

_JOINERS = re.compile(r"(?<=\w)['\u2019\u2018.·\-\u2010\u2013\u00ad\u200b-\u200d](?=\w)")
"""Signs within a name that people leave out: they type "oneil" for O'Neil, "jeanluc" for
Jean-Luc."""

_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]"
)
"""Signs that nothing is drawn for (Default_Ignorable_Code_Point of Unicode)."""

_LETTERS_OF_THEIR_OWN = (0, 8, 9)
"""Unicode's classes of signs that are no accents: no mark at all, the marks that make か a が, and
viramas of India's scripts."""

_CALLED = (
    "stranger",
    "regular",
    "陌生人",
    "熟客",
    "unbekannt",
    "stammgast",
    "habitual",
    "desconocido",
    "habitué",
    "inconnu",
    "abituale",
    "sconosciuto",
    "stamgast",
    "onbekende",
    "desconhecido",
    "معتاد",
    "مجهول",
)
"""What faces without a name are called, before their number, in the languages of the console."""

_RUN_TOGETHER = ("CJK ", "HIRAGANA ", "KATAKANA", "HANGUL ", "BOPOMOFO ", "IDEOGRAPHIC ")
"""Beginnings of the Unicode names of the characters of Chinese, Japanese and Korean."""


def normalise_name(name: str, longest: int) -> str:
    """Return the name in Unicode NFC.

    One that would have more than `longest` characters anyway stays as it is.

    Normalising takes time with the square of a run of combining marks (CPython gh-149079): seconds
    for 100 KB.
    """
    return name if len(name) > _MOST_TO_ONE * longest else unicodedata.normalize("NFC", name)


def is_same_name(one: str, other: str, *, matches_case: bool) -> bool:
    """Return whether two names mean one person. All dialects ask here.

    Names are compared in NFC, whole: a client that sends `Tom ` asks for `Tom ` again. Where case
    does not count, in lower case: case folding would make one of Weiß and Weiss, who are two.
    """
    return _comparison_form(one, matches_case) == _comparison_form(other, matches_case)


def _comparison_form(name: str, matches_case: bool) -> str:
    normal = normalise_name(name, LONGEST_NAME)
    return normal if matches_case else normalise_name(normal.lower(), LONGEST_NAME)


def sorting_form(name: str) -> str:
    """Return a name's sort key, 64 characters at most: Émile sorts next to emil, and Zoe after
    both."""
    return fold_letters(name[: 4 * FACE_NAME_LENGTH])[:_SORTED_LENGTH]


def fold_letters(text: str) -> str:
    """Return a text in the form in which people are found: without case, accents and width.

    "José Łukasz Søren Đặng" is "jose lukasz soren dang". Vowel signs of Hebrew and Arabic go, too.
    """
    # NFKD takes letters and accents apart. Folding case may join some, so it is done twice.
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = [
        letter for letter in decomposed if unicodedata.combining(letter) in _LETTERS_OF_THEIR_OWN
    ]  # without accents
    return unicodedata.normalize("NFC", "".join(letters).translate(_PLAIN))


def printable_name(name: str, longest: int, whose: str) -> str:
    """Return a name in the form in which it is stored (Unicode NFC), if it may be one.

    Raises InvalidInput if the name is empty or too long, has a space at an end, or a character that
    is not printable. `whose` stands in the message, such as "a camera's".
    """
    normal = normalise_name(name, longest)
    if not 1 <= len(normal) <= longest or normal != normal.strip() or not normal.isprintable():
        raise InvalidInput(
            f"{whose} name has 1 to {longest} printable characters and no space at either end, not "
            f"{normal[:longest]!r}",
            field="name",
        )
    return normal


def legal_group_name(name: str, longest: int = GROUP_NAME_LENGTH) -> str:
    """Return a group's name in the form in which it is stored (Unicode NFC), if it may be one.

    Raises IllegalGroupName if it is empty or too long, begins with a space, or has several lines.
    """
    normal = normalise_name(name, longest)
    if not normal or normal[0].isspace() or len(normal) > longest:
        raise IllegalGroupName(
            f"a group's name has 1 to {longest} characters and does not begin with a space; "
            f"this one has {len(normal)}: {normal[:GROUP_NAME_LENGTH]!r}",
            field="name",
        )
    if not is_one_line(normal):
        raise IllegalGroupName(
            "a group's name is one line, without control characters; this one has some: "
            f"{normal!r}",
            field="name",
        )
    return normal


def face_name(name: str) -> str:
    """Return a person's name in the form in which it is stored: Unicode NFC, no spaces around it.

    Raises InvalidInput if it is too long, or has several lines.
    """
    normal = normalise_name(name, FACE_NAME_LENGTH).strip()
    if len(normal) > FACE_NAME_LENGTH:
        raise InvalidInput(
            f"name has up to {FACE_NAME_LENGTH} characters, not {len(normal)}", field="name"
        )
    if not is_one_line(normal):
        raise InvalidInput(
            "name is one line of text: send it without line breaks and other control characters",
            field="name",
        )
    return normal


def is_one_line(text: str) -> bool:
    """Return whether a text has neither line breaks nor other control characters."""
    return not any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in text)


def make_terms(name: str, number: int = 0) -> tuple[str, ...]:
    """Return the search terms of a person's name: typing the start of one finds the person.

    They are the words of the name in folded form, MAX_TERMS at most, each once. Behind them
    comes the number of a stranger (0: none). In a script without spaces each ending of a word is a
    term: 王小明 has also 小明 and 明.

    O'Neil has "o", "neil" and "oneil".
    """
    folded = fold_letters(name)
    terms = [term for word in split_words(folded) for term in _list_word_terms(word)]
    terms += _list_joined_words(folded)
    first_terms = list(dict.fromkeys(terms))[:MAX_TERMS]  # each once, the name's own words first
    if number and str(number) not in first_terms:
        first_terms.append(str(number))
    return tuple(first_terms)


def _list_word_terms(word: str) -> list[str]:
    """Return the word, or if its script has no spaces, each ending of it; cut to a term's length.

    In such a script nobody knows where a name's parts begin, so each character begins a term.
    """
    begins = range(len(word)) if _runs_together(word[0]) else range(1)
    return [word[begin : begin + _TERM_LENGTH] for begin in begins]


def _list_joined_words(folded: str) -> list[str]:
    """Return a folded name's words without the signs inside, and those that nobody sees, as people
    type them: "oneil".

    Scripts without spaces have no such words.
    """
    words = _split_joined(folded)
    return [word[:_TERM_LENGTH] for word in words if not _runs_together(word[0])]


def _split_joined(folded: str) -> list[str]:
    return split_words(_JOINERS.sub("", _UNSEEN.sub("", folded)))


def is_in_full(text: str, name: str, number: int = 0) -> bool:
    """Return whether a text has all words of a person's name, in any order, or the number.

    Signs inside a word may be left out: "oneil" is O'Neil in full.
    """
    words = {*wanted_words(text), *_split_joined(fold_letters(text))}
    folded = fold_letters(name)
    numbers = [str(number)] if number else []
    wholes = (split_words(folded), _split_joined(folded), numbers)
    return any(whole and words.issuperset(whole) for whole in wholes)


def split_words(text: str) -> list[str]:
    """Return the words of a folded name, or of a search text.

    A word is a run of letters, digits and marks (accents that stand apart). It ends, too, where the
    script changes to or from one that writes words without spaces, such as Chinese. So "ann-lee2
    王小明a" has the words "ann", "lee2", "王小明" and "a".
    """
    words: list[str] = []
    # Whether the last character's script writes words without spaces; None: it is of no word.
    is_spaceless: bool | None = None
    for character in text:
        was_spaceless = is_spaceless
        category = unicodedata.category(character)[0]  # L: letter, M: mark, N: digit
        if category == "M" and was_spaceless is not None:  # it belongs to the letter before it
            is_spaceless = was_spaceless
        elif category in "LMN":
            is_spaceless = _runs_together(character)
        else:
            is_spaceless = None
        if is_spaceless is None:
            continue
        if is_spaceless == was_spaceless:
            words[-1] += character
        else:
            words.append(character)
    return words


def wanted_words(text: str) -> list[str]:
    """Return the words that are searched for: of "Stranger 135", as a face without a name is
    called, the number."""
    words = split_words(_UNSEEN.sub("", fold_letters(text)))
    if len(words) == 2 and words[0] in map(fold_letters, _CALLED) and words[1].isdecimal():
        return words[1:]
    return words


def is_found(terms: Sequence[str], words: Sequence[str]) -> bool:
    """Return whether each of the `words` is the beginning of one of a face's `terms`."""
    return all(any(term.startswith(prefix(word)) for term in terms) for word in words)


def prefix(word: str) -> str:
    """Return the prefix that a term must have to be found by a word, as long as a term can be."""
    return word[:_TERM_LENGTH]


def _runs_together(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_RUN_TOGETHER)
