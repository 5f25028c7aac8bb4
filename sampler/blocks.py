"""The blocks of code in a chat answer, and which of several versions of a program its author means.

A block of code stands between fences. What is said between two blocks decides which of them counts: the later one where
the text says that the earlier one is wrong or goes on working at it, the earlier one where the later is only on offer.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from .marks import Quotes

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_FENCES: Final = 2000
_LONGEST_DOCSTRING: Final = 5000
_MOST_SAID: Final = 2000
_FENCE: Final = re.compile(
    r"(?P<ticks>`{3,})|^[ \t]*(?P<tildes>~{3,})|^[ \t]*(?P<quotes>'''|\"\"\")(?=(?:python|py)[ \t]*$)", re.MULTILINE
)
_LANGUAGES: Final = (
    r"(?:python[\d.]*|py[\d.]*|ipython\d?|pycon|text|plaintext|bash|sh|shell|console|output|json|java|javascript|cpp)"
)
_INFO: Final = re.compile(
    rf"[ \t]*(?:\{{[^}}\n]*\}}|(?P<known>{_LANGUAGES})\b(?![ \t]*[=(.,])|[A-Za-z][\w+#.-]*(?=[ \t]*$))?",
    re.IGNORECASE | re.MULTILINE,
)
_ATTRIBUTES: Final = re.compile(
    r"[ \t]*(?:[:{][^\n]*|[\w-]+=(?:\"[^\"\n]*\"|'[^'\n]*'|\w+)(?:[ \t][^\n]*)?|[\w/.-]+\.py[ \t]*)$", re.MULTILINE
)
_LANGUAGE_LINE: Final = re.compile(r"\s*(?:python[\d.]*|py)[ \t]*:?[ \t]*\n(?=\s*\S)", re.IGNORECASE)

_TAKEN_BACK: Final = re.compile(
    r"\b(?:wait|oops|hmm+|whoops|sorry|apolog\w+|my mistake|scratch that|edit(?=:)"
    r"|on (?:second thought|reflection)|never ?mind"
    r"|(?:i|we) (?:made|forgot|missed|overlooked|should have|need to (?:fix|change|correct))"
    r"|(?:is|was|are|were|looks|seems) (?:\w+ )?(?:wrong|incorrect|buggy|broken|flawed"
    r"|not (?:quite )?(?:right|correct))"
    r"|(?:has|had|have|contains?|there(?:'s| is| was)) (?:an?|some|the|one) (?:\w+ )?(?:bugs?|mistakes?|flaws?)"
    r"|(?:the|this|that) (?:bug|mistake)|(?:this|that|it|which) (?:still )?(?:fails|breaks|crashes))\b",
    re.IGNORECASE,
)
"""Takes back what stands before."""

_WARNS: Final = re.compile(
    r"\b(?:would be (?:wrong|incorrect|a mistake)|an? (?:common|typical|classic) (?:mistake|error|pitfall)"
    r"|what not to do"
    r"|an? (?:incorrect|wrong|buggy|bad|broken) (?:answer|attempt|code|example|implementation|solution|version|way)"
    r"|(?:don't|do not|never|avoid) (?:do|us|writ)\w*)\b",
    re.IGNORECASE,
)
"""Says that what follows is wrong."""

_ANNOUNCES: Final = re.compile(
    r"\b(?:correct(?:ed|ion|ing)|fix(?:ed|es|ing)? (?:it|this|that|the|version|code|one)|fixed|revised"
    r"|(?:use|do|write) (?:this|the following)(?: \w+)? instead"
    r"|(?:right|correct|proper|final|updated|complete|full|whole|entire|actual|real)"
    r" (?:answer|way|version|solution|code|implementation|function|program|one))\b",
    re.IGNORECASE,
)
"""Says that what follows is what counts."""

_OFFERS: Final = re.compile(
    r"\b(?:alternativ\w+|another (?:way|approach|version|solution|implementation|method|option|possib\w+)"
    r"|other (?:ways?|approach\w*|options?)"
    r"|you (?:can|could|may|might) (?:also|even|use|modify|change|want|try|do|write|make|simplif\w+|extend|adapt"
    r"|replace)|if you(?:'d| would)? (?:want|need|prefer|like|only|have|are|wish|must|do)"
    r"|optional(?:ly)?|also,|one[- ]?liner|(?:in|as) (?:a single|one) (?:line|expression)|for (?:comparison"
    r"|reference|fun|completeness|large|larger|very|big)"
    r"|(?:more|less) (?:efficient|concise|compact|pythonic|elegant|readable|verbose|robust|general)|shorter"
    r"|(?:approach|method|option|solution|way|variant) (?:#? ?)?(?:[2-9]|two|three|b\b)"
    r"|equivalent(?:ly)?|same (?:thing|result|function)|or,? (?:using|with|you|even|simply|just|as|in)|variation"
    r"|different (?:way|approach)"
    r"|usage|tests?|naive|brute[- ]force|slow(?:er)?)\b",
    re.IGNORECASE,
)
"""Offers what follows besides, or shows something else."""

_GOES_ON: Final = re.compile(
    r"\b(?:bug|wrong|mistake|incorrect|error|actually|instead|should(?: be)?|improv\w+|better|clean\w*|refin\w+"
    r"|simplif\w+|rewrit\w+|rewrote|again|now|finally|next|then"
    r"|updat\w+|final|fails?|does(?:n't| not) (?:work|handle|return|give)|won't work|but|however|issue|problem"
    r"|let me|let's|let us|i(?:'ll| will| should|'d)|we (?:need|should|must|can now)"
    r"|version (?:2|two)|v2|attempt|try|step|therefore|thus|hence"
    r"|put(?:ting)? (?:it|this|everything) (?:all )?together|implementation"
    r"|implemented|complete|full|here(?:'s| is) (?:the|my))\b",
    re.IGNORECASE,
)

_REJECTED: Final = re.compile(
    r"\b(?:(?:common|typical|classic|usual) (?:mistake|error|pitfall|bug)|mistake|incorrect|wrong|buggy|broken"
    r"|flawed|faulty|bad|anti-?pattern|don't|do not|avoid|not (?:do|work|use)"
    r"|your (?:\w+ )?(?:code|function|version|attempt|implementation|solution|snippet)|you (?:wrote|gave|provided"
    r"|posted|have)|original|given|existing|before|skeleton|template|signature|stub|placeholder"
    r"|start(?:ing)? (?:with|point|from|by)|draft|first (?:attempt|try|draft|thought|idea|version|cut)|initial"
    r"|attempt|tempt(?:ing|ed)|(?:might|would|could) (?:think|try|write)|at first|naive(?:ly)?)\b|❌",
    re.IGNORECASE,
)
"""Before a block: it is not the answer."""


class Block(NamedTuple):
    """A piece of a text.

    Attributes:
        code: What stands in it.
        is_fenced: Whether it stands between fences.
        before: What is said since the block before it; of an unfenced piece, nothing.
    """

    code: str
    is_fenced: bool
    before: str = ""


def without_language(text: str) -> str:
    """A text without a language's name on a line of its own above it."""
    match = _LANGUAGE_LINE.match(text)
    return text if match is None else text[match.end() :]


def has_fence(text: str) -> bool:
    """Whether fences may stand in a text."""
    return any(mark in text for mark in ("```", "~~~", "'''py", '"""py'))


def blocks_in(text: str) -> list[Block]:
    """The pieces of a text: those between fences in their order, then those outside of them.

    A fence may be glued to a line of code or of prose, have code behind its language, and lack its partner; one in a
    string, in a comment or in a docstring is none.
    """
    fenced: list[Block] = []
    outside: list[Block] = []
    quotes = Quotes(text)
    position = 0
    before = mark = ""
    for match in islice(_FENCE.finditer(text), _MAX_FENCES):
        ticks = match["ticks"] or match["tildes"] or match["quotes"]
        if quotes.hold(match.start()) or (mark and (ticks[0] != mark[0] or len(ticks) < len(mark))):
            continue
        behind = _INFO.match(text, match.end())
        start = match.end() if behind is None else behind.end()
        if mark:
            piece = text[position : match.start()]
            if _is_in_docstring(piece[-_LONGEST_DOCSTRING:], text, match.end()):
                continue
            fenced.append(Block(without_language(piece).strip("\n"), is_fenced=True, before=before))
            position, before, mark = match.end(), "", ""
            if behind is None or behind["known"] is None:
                continue
            # A fence that names a language opens a block: the one before had lost its end.
            position = match.start()
        before = text[position : match.start()]
        outside.append(Block(before.strip("\n"), is_fenced=False))
        mark = ticks
        attributes = _ATTRIBUTES.match(text, start)
        position = attributes.end() if attributes else start
    if mark:
        fenced.append(Block(without_language(text[position:]).strip("\n"), is_fenced=True, before=before))
    else:
        outside.append(Block(text[position:].strip("\n"), is_fenced=False))
    return [block for block in (*fenced, *outside) if block.code.strip()]


def _is_in_docstring(code: str, text: str, place: int) -> bool:
    """Whether a fence behind some code stands in a string of several lines that ends further on."""
    quote = next((quote for quote in ('"""', "'''") if code.count(quote) % 2), None)
    return quote is not None and text.find(quote, place, place + _LONGEST_DOCSTRING) >= 0


def meant(versions: Sequence[str]) -> int:
    """Which of several versions counts.

    Args:
        versions: For each version, in order, what is said between it and the one before.

    Returns:
        Its place.
    """
    chosen = 0
    for place in range(1, len(versions)):
        said = versions[place][-_MOST_SAID:]
        last = _last_words(said)
        if _WARNS.search(last):
            continue
        if _TAKEN_BACK.search(last):
            chosen = place
        elif not _OFFERS.search(last):
            is_rejected = chosen == place - 1 and _REJECTED.search(_last_words(versions[chosen][-_MOST_SAID:]))
            if is_rejected or any(sign.search(said) for sign in (_TAKEN_BACK, _ANNOUNCES)) or _GOES_ON.search(last):
                chosen = place
    return chosen


def _last_words(said: str) -> str:
    """The last paragraph of what is said, which is about what follows."""
    return said.rstrip().rpartition("\n\n")[2]
