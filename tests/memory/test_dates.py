"""Dates: what is said becomes a date, a date becomes what is said, and both agree."""

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memory_r1.memory.date_rules import RULES, TRIGGER
from memory_r1.memory.dates import find_dates, resolve
from memory_r1.memory.days import say
from memory_r1.memory.types import WHEN

SPOKEN = datetime(2023, 7, 17, 13, 56)  # a Monday

# text, date, phrase
SAID = [
    ("I went there yesterday.", "2023-07-16", "16 July 2023"),
    ("Yesterday morning I ran.", "2023-07-16", "16 July 2023"),
    ("last night was fun", "2023-07-16", "16 July 2023"),
    ("see you tomorrow", "2023-07-18", "18 July 2023"),
    ("We met last Friday.", "2023-07-14", "the Friday before 17 July 2023"),
    ("last Monday", "2023-07-10", "the Monday before 17 July 2023"),
    ("on Tuesday we left", "2023-07-11", "the Tuesday before 17 July 2023"),
    ("next Fri works", "2023-07-21", "the Friday after 17 July 2023"),
    ("It was last week", "2023-07-10/2023-07-16", "the week before 17 July 2023"),
    ("this week", "2023-07-17/2023-07-23", "the week of 17 July 2023"),
    ("this past weekend", "2023-07-15/2023-07-16", "the weekend before 17 July 2023"),
    ("over the weekend", "2023-07-15/2023-07-16", "the weekend before 17 July 2023"),
    ("two weekends ago", "2023-07-08/2023-07-09", "two weekends before 17 July 2023"),
    ("two days ago", "2023-07-15", "15 July 2023"),
    ("two weeks ago", "2023-07-03/2023-07-09", "two weeks before 17 July 2023"),
    ("a month ago", "2023-06", "June 2023"),
    ("ten years ago", "2013", "2013"),
    ("next month", "2023-08", "August 2023"),
    ("last year", "2022", "2022"),
    ("in June", "2023-06", "June 2023"),
    ("last December", "2022-12", "December 2022"),
    ("last summer", "2022-06/2022-08", "summer 2022"),
    ("back in 2019", "2019", "2019"),
    ("since 2016", "2016", "2016"),
    ("on 3 June", "2023-06-03", "3 June 2023"),
    ("May 3rd, 2022", "2022-05-03", "3 May 2022"),
    ("the 3rd of May 2022", "2022-05-03", "3 May 2022"),
    ("2023-05-07", "2023-05-07", "7 May 2023"),
    ("in two weeks", "2023-07-31/2023-08-06", "two weeks after 17 July 2023"),
    ("the other day", "", "a few days before 17 July 2023"),
    ("a few years ago", "", "a few years ago"),
    ("the week before 9 June 2023", "2023-05-29/2023-06-04", "the week before 9 June 2023"),
    ("The Sunday before 25 May 2023", "2023-05-21", "the Sunday before 25 May 2023"),
]


@pytest.mark.parametrize(("text", "when", "phrase"), SAID)
def test_an_expression_has_a_date_and_a_phrase(text: str, when: str, phrase: str) -> None:
    (mention,) = find_dates(text, SPOKEN)
    assert (mention.when, mention.phrase) == (when, phrase)
    assert text[mention.start : mention.end] == mention.text


@pytest.mark.parametrize(
    "text",
    [
        "I may go",
        "31 February",
        "march on",
        "I have 2 dogs",
        "for two years",
        "every Friday",
        "Mondays",
        "",
        "1984 people",
    ],
)
def test_what_is_no_date_is_left_alone(text: str) -> None:
    assert find_dates(text, SPOKEN) == []
    assert resolve(text, SPOKEN) == text


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("I went yesterday.", "I went on 16 July 2023."),
        ("Last week I rested.", "The week before 17 July 2023 I rested."),
        ("Last year I moved.", "In 2022 I moved."),
        ("We go camping next month.", "We go camping in August 2023."),
        ("in June and again last Friday", "in June 2023 and again the Friday before 17 July 2023"),
        ("Got it a few years ago.", "Got it a few years ago."),
    ],
)
def test_resolving_writes_the_dates_into_the_text(text: str, resolved: str) -> None:
    assert resolve(text, SPOKEN) == resolved


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("2023-05-07", "7 May 2023"),
        ("2023-06", "June 2023"),
        ("2022", "2022"),
        ("2023-07-03/2023-07-09", "3 to 9 July 2023"),
        ("2023-05-29/2023-06-04", "29 May to 4 June 2023"),
        ("2022-12-29/2023-01-04", "29 December 2022 to 4 January 2023"),
        ("2023-06/2023-08", "June to August 2023"),
        ("2022-12/2023-02", "December 2022 to February 2023"),
        ("2021/2022", "2021 to 2022"),
        ("", ""),
    ],
)
def test_a_date_is_said_as_people_say_it(when: str, said: str) -> None:
    assert say(when) == said
    assert [mention.when for mention in find_dates(said, SPOKEN)] == ([when] if when else [])


DAYS = st.dates(date(1950, 1, 1), date(2090, 1, 1))


@given(DAYS, st.integers(1, 400))
def test_saying_and_finding_agree(first: date, length: int) -> None:
    last = first + timedelta(days=length)
    for when in (str(first), str(first)[:7], f"{first}/{last}"):
        assert [mention.when for mention in find_dates(say(when), SPOKEN)] == [when]


@given(st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)), st.sampled_from([text for text, _, _ in SAID]))
def test_a_resolved_text_needs_no_clock(spoken: datetime, text: str) -> None:
    """Reading the resolved text at another time gives the same dates, and resolving it again changes nothing."""
    once = resolve(text, spoken)
    whens = [mention.when for mention in find_dates(text, spoken)]
    later = spoken + timedelta(days=1234)
    if all(whens):
        assert [mention.when for mention in find_dates(once, later)] == whens
        assert resolve(once, later).lower() == once.lower()


@given(st.text(), st.datetimes(datetime(1950, 1, 1), datetime(2090, 1, 1)))
def test_any_text_can_be_read(text: str, spoken: datetime) -> None:
    end = 0
    for mention in find_dates(text, spoken):
        assert end <= mention.start < mention.end
        assert not mention.when or WHEN.fullmatch(mention.when)
        end = mention.end


WEDNESDAY = datetime(2024, 3, 6)


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("I'll bring the cake on Saturday.", "I'll bring the cake the Saturday after 6 March 2024."),
        ("I'll bring the cake Saturday.", "I'll bring the cake the Saturday after 6 March 2024."),
        ("See you on Friday!", "See you the Friday after 6 March 2024!"),
        ("We're meeting on Friday.", "We're meeting the Friday after 6 March 2024."),
        ("My exam is on Friday.", "My exam is the Friday after 6 March 2024."),
        ("I have a race on Sunday.", "I have a race the Sunday after 6 March 2024."),
        ("We give a concert on Friday.", "We give a concert the Friday after 6 March 2024."),
        ("I got tickets for Friday.", "I got tickets for the Friday after 6 March 2024."),
        ("On Saturday I'm going to run.", "The Saturday after 6 March 2024 I'm going to run."),
        ("The concert is this Friday.", "The concert is the Friday after 6 March 2024."),
        ("Let's hike at the weekend.", "Let's hike the weekend of 6 March 2024."),
        ("I'm camping this weekend.", "I'm camping the weekend of 6 March 2024."),
        ("I will go to Rome in January.", "I will go to Rome in January 2025."),
        ("I'll run on 2 March.", "I'll run on 2 March 2025."),
    ],
)
def test_what_is_spoken_of_as_ahead_comes_after(text: str, resolved: str) -> None:
    assert resolve(text, WEDNESDAY) == resolved


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("I met Tom on Friday.", "I met Tom the Friday before 6 March 2024."),
        ("I really put my back out on Friday.", "I really put my back out the Friday before 6 March 2024."),
        ("I met Tom Friday.", "I met Tom the Friday before 6 March 2024."),
        ("The party on Saturday was great.", "The party the Saturday before 6 March 2024 was great."),
        ("Thanks for coming on Saturday!", "Thanks for coming the Saturday before 6 March 2024!"),
        ("I was going to call on Friday.", "I was going to call the Friday before 6 March 2024."),
        ("I won't go now but I did on Friday.", "I won't go now but I did the Friday before 6 March 2024."),
        ("We hiked at the weekend.", "We hiked the weekend before 6 March 2024."),
        ("I camped this weekend.", "I camped the weekend before 6 March 2024."),
        ("I went to Rome in December.", "I went to Rome in December 2023."),
        ("I went to Rome in January.", "I went to Rome in January 2024."),
    ],
)
def test_what_is_spoken_of_as_gone_came_before(text: str, resolved: str) -> None:
    assert resolve(text, WEDNESDAY) == resolved


@pytest.mark.parametrize(
    "text",
    ["I'll swim every Friday.", "Friday is my day off.", "We will play on Friday nights.", "Black Friday will be mad."],
)
def test_a_weekday_that_is_no_day_is_left_alone(text: str) -> None:
    assert resolve(text, WEDNESDAY) == text


PIECES = """
    in on the last next this past a few two 3 2023 March Mar. May Friday Fri weekend days week years ago before of to
    summer winter yesterday tomorrow tonight other morning evening over since back 2023-05-07 it
""".split()


@given(st.lists(st.sampled_from(PIECES), max_size=8).map(" ".join) | st.text(max_size=40))
def test_what_has_no_trigger_has_no_date(text: str):
    assert TRIGGER.search(text) or not any(pattern.search(text) for pattern, _ in RULES)


def test_a_name_that_begins_like_a_plan_says_nothing_about_the_future() -> None:
    told = "She got to Gethufield on 18 July."
    (mention,) = find_dates(told, datetime(2023, 8, 1))
    assert mention.when == "2023-07-18"
    (mention,) = find_dates("Plannova on 18 July", datetime(2023, 8, 1))
    assert mention.when == "2023-07-18"
    (mention,) = find_dates("We're getting ready for 18 July.", datetime(2023, 6, 1))
    assert mention.when == "2023-07-18"


@pytest.mark.parametrize("day", ["to 9 July 2023", "3 July to 2023", "to July 2023", "May to 9 July 2023"])
def test_what_is_moved_to_a_date_is_no_interval(day: str) -> None:
    found = [mention.when for mention in find_dates(f"Ann moved the trip {day}.", SPOKEN)]
    assert all("/" not in when for when in found)
