"""No password of a URL is shown, wherever the URL stands."""

import pytest

from memory_r1.memory.stores.open import redacted, with_password


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("neo4j://ann:geheim@host:7687/db", "neo4j://ann:***@host:7687/db"),
        ("neo4j://ann:ge@he/i,m@host", "neo4j://ann:***@host"),
        ("neo4j://ann@host", "neo4j://ann@host"),
        ("--store=bolt+s://ann:geheim@host", "--store=bolt+s://ann:***@host"),
        ("ann:geheim@host", "ann:***@host"),
        ("openai:qwen@http://localhost:8000/v1", "openai:qwen@http://localhost:8000/v1"),
        ("rag.answerer=openai:qwen@https://ann:geheim@h/v1", "rag.answerer=openai:qwen@https://ann:***@h/v1"),
        ("openai:qwen@https://geheim@h/v1?key=geheim", "openai:qwen@https://***@h/v1?***"),
        (
            "openai:a@http://x:1/v1?key=geheim,openai:b@http://u:geheim@y/v1,rules",
            "openai:a@http://x:1/v1?***,openai:b@http://u:***@y/v1,rules",
        ),
        ("sqlite:///folder/memory.db", "sqlite:///folder/memory.db"),
        ("results@home", "results@home"),
        ("rules,rag", "rules,rag"),
    ],
)
def test_a_url_is_shown_without_its_password(given, shown):
    assert redacted(given) == shown


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ("neo4j://host:7687/db", "neo4j://neo4j:p%40%2Fs@host:7687/db"),
        ("neo4j+s://ann@host", "neo4j+s://ann:p%40%2Fs@host"),
        ("bolt://ann@b@host", "bolt://ann@b:p%40%2Fs@host"),
        ("neo4j://ann:own@host", "neo4j://ann:own@host"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("", ""),
    ],
)
def test_a_neo4j_url_gets_the_password_that_it_lacks(given, whole):
    assert with_password(given, "p@/s") == whole
    assert with_password(given, "") == given
    assert "p%40" not in redacted(whole)
