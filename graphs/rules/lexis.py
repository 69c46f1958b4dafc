"""Closed word lists behind the span reader: word classes, irregular forms, everyday variants. General English only."""

from __future__ import annotations

import re
from functools import lru_cache

from memory_r1.graphs.rules.text import FUNCTION_WORDS, INTERJECTIONS
from memory_r1.memory.analysis import stem
from memory_r1.memory.lexicon import concepts

_VARIANTS = """
be was were been|become became|begin began begun start|bring brought|build built|buy bought purchase|catch caught
choose chose chosen|come came|deal dealt|do did done|draw drew drawn|drink drank drunk|drive drove driven|eat ate eaten
fall fell fallen|feel felt|fight fought|find found|fly flew flown|forget forgot forgotten|get got gotten receive
give gave given|go went gone|grow grew grown|hang hung|have had|hear heard|hide hid hidden|hold held|keep kept
know knew known|learn learnt|leave left|lend lent|lose lost|make made|mean meant|meet met|pay paid|ride rode ridden
ring rang rung|rise rose|run ran|say said|see saw seen|sell sold|send sent|shake shook|shoot shot|show shown
sing sang sung|sit sat|sleep slept|speak spoke spoken|spend spent|stand stood|steal stole|strike struck|swim swam swum
take took taken|teach taught|tell told|think thought|throw threw thrown|understand understood|wake woke|wear wore worn
win won|write wrote written|child children kid kids|man men|woman women|person people folk folks|mom mother mum
dad father|grandma grandmother granny|grandpa grandfather|favorite fave fav favourite|business biz|family fam
photo pic picture photograph|birthday bday|competition comp contest|television tv|bicycle bike|movie film
dog dogs pup puppy|cat kitty kitten|house home|job work career|trip travel
"""
"""Forms that count as one word when a question is compared with a memory: the first of each group stands for it."""

_LIGHT = "go get do take have make thing lot way kind type sort name like"

ARTICLES = frozenset("a an the".split())
POSSESSIVES = frozenset("my his her their our your its".split())
DETERMINERS = frozenset(
    """
    some this that these those all any every each both no another
    """.split()
)
CONJUNCTIONS = frozenset(
    """
    and or but so because 'cause cause cuz since if when while plus that which who where then than though
    although
    """.split()
)
PREPOSITIONS = frozenset(
    """
    in at from on into near through of around with by for about as during over under like
    """.split()
)
BE = frozenset(
    """
    is was are were be been being am it's that's i'm they're we're he's she's there's 's
    """.split()
)
AUXILIARIES = frozenset(
    """
    do does did have has had i've we've can could will would should may might must gonna wanna gotta i'll i'd
    not can't don't didn't
    """.split()
)
PRONOUNS = frozenset("i you we he she they it me us them him".split())
NUMBER_WORDS = frozenset(
    """
    one two three four five six seven eight nine ten once twice dozen couple few several
    """.split()
)
OPENERS = (
    ARTICLES | POSSESSIVES | DETERMINERS | frozenset("to in at by for with from on about of during as not".split())
)
"""The function words that an answer may begin with."""
CONTENT = frozenset(("number", "name", "ing", "ed", "ly", "word"))
"""The classes of words that carry content."""

_CLASSES = (
    ("article", ARTICLES), ("possessive", POSSESSIVES), ("conjunction", CONJUNCTIONS), ("to", frozenset(("to",))),
    ("preposition", PREPOSITIONS), ("be", BE), ("auxiliary", AUXILIARIES), ("pronoun", PRONOUNS),
)  # fmt: skip
_CLASS_OF = {word: name for name, members in reversed(_CLASSES) for word in members}


def word_class(word: str, opens: bool) -> str:
    """The class of a word as written; `opens` says that it begins a sentence, so that a capital means nothing."""
    low = word.lower().replace("’", "'")
    if low in _CLASS_OF:
        return _CLASS_OF[low]
    if low[0].isdigit() or low[0] == "$" or low in NUMBER_WORDS:
        return "number"
    if low in FUNCTION_WORDS or low in INTERJECTIONS:
        return "function"
    if word[0].isupper() and not opens:
        return "name"
    match = re.search(r"(?<=...)(ing|ed|ly)$", low)
    return match[1] if match else "word"


@lru_cache(maxsize=50_000)
def root(word: str) -> str:
    """What stands for a word and its variants in comparisons ("ran" as "run", "kids" as "child"); "" for none."""
    low = word.lower().replace("’", "'").removesuffix("'s")
    found = stem(_variants().get(low, low))
    return _variants().get(found, found)


@lru_cache(maxsize=50_000)
def meanings(found: str) -> frozenset[str]:
    """The concepts of the thesaurus that a root belongs to."""
    return frozenset(concepts([found])) if found else frozenset()


@lru_cache(maxsize=1)
def light_roots() -> frozenset[str]:
    """Roots of words that mean too little to find anything by."""
    return frozenset(root(word) for word in _LIGHT.split())


@lru_cache(maxsize=1)
def _variants() -> dict[str, str]:
    table: dict[str, str] = {}
    for group in _VARIANTS.replace("\n", "|").split("|"):
        forms = group.split()
        for form in forms:
            table.setdefault(form, forms[0])
            table.setdefault(stem(form), stem(forms[0]))
    table.pop("", None)
    return table
