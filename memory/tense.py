"""Whether a date is spoken of as ahead or as gone by: "I'll be there on Friday", "I was there on Friday".

Pure, closed word lists, English. The clause that the date stands in decides: its nearest verb before the date, or
else the first after it.
"""

from __future__ import annotations

import re
from functools import lru_cache

_AHEAD = (
    r"will|\w+['’]ll|won['’]t|shall|(?:going|trying) to|gonna|tomorrow|next|let['’]?s|let us|can['’]?t wait|can"
    r"|can['’]t|look(?:ing)? forward|(?:(?:plann?|aim|want|need|think|gett?)(?:s|ed|ing)?|(?:hop|prepar)(?:e[sd]?|ing))"
    r" (?:to|on|of|about|for|ready)"
    r"|have to|has to|(?:would|\w+['’]d) (?:like|love)|see (?:you|ya)|upcoming|coming up|supposed to|due|scheduled"
    r"|(?:excited|ready) (?:for|to)|invited|should|may|might|must"
)
_GONE = (
    r"thank(?:s| you)|(?:was|were) (?:going|planning|supposed|gonna) to|was|were|wasn['’]t|weren['’]t|did|didn['’]t"
    r"|had|hadn['’]t|(?:have|has|\w+['’]ve|haven['’]t|hasn['’]t) (?:just |already |never )?(?:been|done|had|\w+ed)"
    r"|(?!(?:need|excited|tired|interested|worried|thrilled|scheduled|invited|indeed|exceed|proceed|feed|red|bed|wed"
    r"|shed|led|speed|seed|breed|supposed|married|hundred|kindred|sacred|wicked|naked|embed)\b)\w{2,}ed"
    r"|became|began|bought|brought|broke|built|came|caught|chose|drank|drew|drove|ate|fell|felt|flew|found|fought"
    r"|forgot|gave|got|grew|heard|held|kept|knew|led|left|lost|made|met|paid|ran|rode|rose|said|sang|sat|saw|sent"
    r"|slept|sold|spent|spoke|stood|swam|taught|thought|threw|told|took|understood|went|woke|won|wore|wrote|hung|lent"
    r"|beat|bent|bit|blew|dealt|dug|fed|fled|forgave|froze|hid|laid|lit|meant|overcame|rang|sank|shone|shook|shot|slid"
    r"|spun|stole|struck|stuck|stung|swept|swore|swung|tore|wept|cut|put|hit|read|set|let|shut|hurt|cost|quit"
)
_PRESENT = (
    r"(?:am|is|are|\w+['’](?:m|re|s)) (?:\w+ )?(?!being|been|having)\w{2,}ing|(?:is|are|\w+['’](?:s|re)|have|has"
    r"|(?:have|has|\w+['’]ve|\w+['’]s) got|starts?|begins?|opens?|ends?|leaves?|arrives?|meets?|comes?|goes|takes?"
    r"|turns?|runs?|plays?|flies|fly)"
    rf"|(?:i|we|they) (?!(?:{_GONE}|also|just|really|finally|even|still|never|always|both|all|then|only|kinda)\b)\w+"
)
_FAR = 120
_CUE = re.compile(rf"\b(?:(?P<gone>{_GONE})|(?P<ahead>{_AHEAD})|(?P<present>{_PRESENT}))(?![\w'’])", re.IGNORECASE)
_BREAK = re.compile(
    r"[.!?;\n…]|,? (?:but|because|since|although|though|while)(?= )|, (?:and|so)(?= )"
    r"| and (?=(?:i|we|he|she|they|it)\b)",
    re.IGNORECASE,
)


def ahead(text: str, start: int, end: int) -> bool | None:
    """Whether what happens at the date `text[start:end]` is still to come; None when no verb tells."""
    first, last = _clause(text, start, end)
    return _tells(text[first:start], text[end:last])


@lru_cache(maxsize=2048)
def _tells(before: str, after: str) -> bool | None:
    """What the verb nearest before a date says, or else the first after it."""
    earlier = list(_CUE.finditer(before))
    cue = earlier[-1] if earlier else _CUE.search(after)
    return None if cue is None else cue["gone"] is None


def _clause(text: str, start: int, end: int) -> tuple[int, int]:
    """Where the clause around `text[start:end]` begins and ends; `_FAR` characters to either side at most."""
    low, high = max(0, start - _FAR), min(len(text), end + _FAR)
    first = max((m.end() for m in _BREAK.finditer(text, low, start)), default=low)
    after = _BREAK.search(text, end, high)
    return first, after.start() if after else high
