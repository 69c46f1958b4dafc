"""English, as far as rules need it: sentences, word classes, what carries no content. Pure, closed word lists."""

from __future__ import annotations

import re

FUNCTION_WORDS = frozenset(
    """
    a about above after again against ain't all also am an and any are aren't as at be because been before being
    below between both but by can can't cannot could couldn't did didn't do does doesn't doing don't down during
    each either else ever every few for from further had hadn't has hasn't have haven't having he he'd he'll
    he's her here here's hers herself him himself his how how's i i'd i'll i'm i've if in into is isn't it it'd
    it'll it's its itself just let's lot lots may me might mine more most much must mustn't my myself neither no
    nor not now of off on once one only or other our ours ourselves out over own per quite rather really same
    shall she she'd she'll she's should shouldn't since so some such than that that'd that's the their theirs
    them themselves then there there's these they they'd they'll they're they've this those though through till
    to too under until up upon us very was wasn't we we'd we'll we're we've were weren't what what's when where
    which while who who's whom whose why will with within without won't would wouldn't yet you you'd you'll
    you're you've your yours yourself cause cuz gonna gotta wanna kinda sorta um uh oh ah hmm well also even
    still already always never often sometimes usually maybe perhaps
    """.split()
)
"""Words that join others and name nothing."""

CHIT_CHAT = frozenset(
    """
    absolutely agree agreed amazing anytime appreciate appreciated awesome aww awww believe best bet big bless
    bro buddy bye care chat check cheer cheers congrats congratulations cool couldn't curious cute day deal deep
    definitely dude enjoy exactly excited exciting fab fabulous fantastic feel feeling fingers crossed forward
    fun gladly glad go going good goodnight gorgeous gosh got great guess guts guy guys ha haha happy have hang
    hard hear hearing heard hello help helpful hey hi hmm hope hoping hug hugs idea impressed impressive
    incredible inspire inspired inspiring interesting journey keep kind kudos later lately let like lol long
    look looking looks love lovely luck lucky man matter mean means mind miss missed motivating need neat new
    nice okay ok omg oof ooh opportunity perfect pic picture please pleasure posted proud pumped push ready real
    right rock see seeing sharing share shot show sorry soon sound sounds special speak spread spot stay strong
    strength stoked stuff stunning super support sure sweet take talk talking tell thank thankful thanks there
    thing things think thought thoughts thrilled time today tomorrow tonight totally tough true try understand
    wait want way welcome whoa wish woah wonderful wonder words work worries wow ya yay yeah yep yes yup you sir
    pal friend friends fam mate cannot can't guess don't
    """.split()
)
"""What small talk is made of: a sentence of nothing else is no fact."""

INTERJECTIONS = frozenset(
    """
    absolutely agreed ah alright amazing aw aww awesome btw bye certainly congrats congratulations cool
    definitely exactly fantastic good great haha hah hello hey hi hmm indeed lol man nah nice no nope oh ok okay
    omg oof ooh of right sorry sure sweet thank thanks totally true well whoa woah wonderful wow yay yea yeah
    yep yes yup
    """.split()
)

_ABBREVIATIONS = re.compile(r"\b(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|e\.g|i\.e|a\.m|p\.m)\.$", re.IGNORECASE)
_END = re.compile(r"(?:[.!?…]+[\"'”’)]*|\n+)(?:\s+|$)|(?<=[\U0001F300-\U0001FAFF])\s+")
_WORD = re.compile(r"[^\W_]+(?:[-'’&+./][^\W_]+)*\+?|\$\d[\d,.]*\d|#\w+")


def sentences(text: str) -> list[str]:
    """Split a text at . ! ? … and line ends; a decimal point or "Dr." ends nothing."""
    parts: list[str] = []
    start = 0
    for match in _END.finditer(text):
        piece = text[start : match.end()].strip()
        if _ABBREVIATIONS.search(piece):
            continue
        if piece:
            parts.append(piece)
        start = match.end()
    if rest := text[start:].strip():
        parts.append(rest)
    return parts


def words(text: str) -> list[str]:
    """The words of a text as written; hyphens and apostrophes stay inside ("self-care", "don't")."""
    return _WORD.findall(text)


def content_words(text: str) -> list[str]:
    """The words in lower case that are neither function words nor small talk."""
    lowered = [word.lower().replace("’", "'").removesuffix("'s") for word in words(text)]
    return [word for word in lowered if word not in FUNCTION_WORDS and word not in CHIT_CHAT]


def is_question(sentence: str) -> bool:
    """Whether a sentence ends as a question."""
    return sentence.rstrip(" \"'”’)").endswith("?")
