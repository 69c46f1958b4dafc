"""Index terms, and the concepts they belong to."""

import re
from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from memory_r1.memory.analysis import analyze, index_text, stem, words
from memory_r1.memory.forms import FORMS
from memory_r1.memory.lexicon import DATED, concepts, is_concept, stands_for


def test_terms_are_lower_case_stems_without_stop_words():
    assert analyze("She was painting the SUNSETS") == ("paint", "sunset")
    assert analyze("painted paintings") == ("paint", "paint")


def test_apostrophes_leave_no_fragments():
    assert analyze("I don't think they've Anna's coat") == ("think", "anna", "coat")


def test_irregular_forms_spellings_and_numbers_join_their_group():
    assert analyze("bought, children's colour") == analyze("buying, children's colors")
    assert analyze("She swam three miles; they took it") == analyze("swim 3 mile, taking")
    assert analyze("Rose") != analyze("rise"), "a name and a flower before a verb"


def test_every_form_stands_in_one_group_and_is_a_word():
    forms = [form for group in FORMS.strip().replace("\n", "|").split("|") for form in group.split()]
    assert [form for form in forms if words(form) != [form] or not stem(form)] == []
    assert [form for form in set(forms) if forms.count(form) > 1] == []


def test_what_was_won_is_no_function_word():
    assert analyze("I won; I won't, I won’t") == analyze("I win") != ()


def test_accents_fold_and_other_scripts_stay():
    assert analyze("Café MÜNCHEN") == analyze("cafe munchen")
    assert analyze("ﬁsh") == analyze("fish")
    assert analyze("Москва 東京") == ("москва", "東京")


def test_text_without_content_has_no_terms():
    assert analyze("") == analyze("?! — it is …") == ()


@given(st.text())
def test_no_term_carries_an_operator(text: str):
    for term in analyze(text):
        assert re.fullmatch(r"[^\W_]+", term)
        assert term == term.lower()
        assert not is_concept(term)


@given(st.text())
def test_terms_joined_by_spaces_split_into_themselves(text: str):
    terms = analyze(text)
    assert tuple(" ".join(terms).split()) == terms


def test_index_text_names_speaker_and_months():
    recorded = datetime(2023, 5, 8, 13, 56)
    assert index_text("I ran.", "Anna", "", recorded) == "Anna, May 2023: I ran."
    assert index_text("I ran.", "Anna", "2023-05-07", recorded) == "Anna, May 2023: I ran."
    assert index_text("I ran.", "Anna", "2022/2023-04", recorded) == "Anna, May 2023, 2022, April 2023: I ran."


def test_concepts_join_words_with_what_they_are_instances_of():
    assert set(concepts(analyze("puppy"))) & set(concepts(analyze("pets")))
    assert set(concepts(analyze("violin"))) & set(concepts(analyze("instruments")))
    assert not set(concepts(analyze("violin"))) & set(concepts(analyze("marathon")))


def test_the_name_of_a_concept_is_told_from_its_instances():
    (pet,), (puppy,) = analyze("pets"), analyze("puppy")
    assert stands_for(pet, "0pet")
    assert "0pet" in concepts([puppy])
    assert not stands_for(puppy, "0pet")


def test_a_concept_is_counted_once_for_each_distinct_term():
    pets = [concept for concept in concepts(analyze("cat dog cat cat")) if concept == "0pet"]
    assert len(pets) == 2


def test_concepts_are_terms_that_no_text_has():
    for concept in concepts(analyze("dog holiday guitar yesterday")):
        assert is_concept(concept)
        assert re.fullmatch(r"0[a-z]+", concept)
    assert DATED in concepts(analyze("yesterday"))
    assert analyze("007 0day 0 00 10am") == ("7", "day", "0", "0", "10am")


def test_a_word_of_any_length_is_a_term_of_at_most_64_characters():
    assert analyze("x" * 1_000_000) == ("x" * 64,)


def test_stop_words_have_no_stem():
    assert stem("the") == ""
    assert stem("running") == "run"
