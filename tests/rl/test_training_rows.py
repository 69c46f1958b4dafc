"""Rows survive a file exactly, verl's data set takes the file, and a damaged one is refused by name."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory_r1.memory.errors import FileFormatError, InputError, MissingExtraError, StoreUnavailableError
from memory_r1.rl.training.rows import agent_name, bank_state, from_json, read_made, read_rows, to_json, write_rows
from memory_r1.rl.training.world_rows import Choice, world_answerer_rows, world_manager_rows, world_session_rows
from memory_r1.rl.world import Size, decisions, make_world

pytest.importorskip("pyarrow")
SMALL = Choice(Size(2, 10, 60))


@pytest.fixture(scope="module")
def rows():
    return [
        *world_manager_rows(1, "train", 12, SMALL),
        *world_session_rows(1, "train", 3, SMALL, 2),
        *world_answerer_rows(1, "train", 7, SMALL),
    ]


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from(("train", "validation", "test")))
def test_a_row_survives_json(seed, split):
    for row in [*world_manager_rows(seed, split, 3, SMALL), *world_answerer_rows(seed, split, 3, SMALL)]:
        assert from_json(to_json(row)) == row


def test_rows_survive_a_file(rows, tmp_path):
    path = tmp_path / "new" / "rows.parquet"
    write_rows(path, rows, {"task": "world", "ü": [1, None]})
    assert list(read_rows(path)) == rows
    assert read_made(path) == {"task": "world", "ü": [1, None]}
    assert [one.name for one in path.parent.iterdir()] == ["rows.parquet"]
    assert [agent_name(row) for row in rows] == ["manager"] * 12 + ["session"] * 3 + ["answerer"] * 7


def test_the_same_rows_make_the_same_bytes(rows, tmp_path):
    for name in "ab":
        write_rows(tmp_path / name, rows)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda row: row.pop("bank"), "bank"),
        (lambda row: row.update(kind="judge"), "judge"),
        (lambda row: row.update(more=1), "not as this version writes it"),
        (lambda row: row["steps"][0]["turn"].update(index="3"), "index"),
    ],
)
def test_a_damaged_row_is_refused(rows, damage, said):
    row = json.loads(to_json(rows[0]))
    damage(row)
    with pytest.raises(FileFormatError, match=said):
        from_json(json.dumps(row, separators=(",", ":"), ensure_ascii=False))


def test_files_that_are_none_of_ours_are_refused(rows, tmp_path):
    import pyarrow
    import pyarrow.parquet

    (tmp_path / "text.parquet").write_text("hello")
    pyarrow.parquet.write_table(pyarrow.table({"row": ["{}"]}), tmp_path / "other.parquet")
    for name in ("missing.parquet", "text.parquet", "other.parquet"):
        with pytest.raises(FileFormatError, match=name):
            read_rows(tmp_path / name)
    with pytest.raises(InputError, match="no rows"):
        write_rows(tmp_path / "none.parquet", [])
    with pytest.raises(InputError, match=f"{rows[0].id!r} stands twice"):
        write_rows(tmp_path / "twice.parquet", [rows[0], rows[0]])
    with pytest.raises(StoreUnavailableError, match=r"text\.parquet"):
        write_rows(tmp_path / "text.parquet" / "rows.parquet", rows)


def test_a_missing_pyarrow_names_the_extra(rows, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"memory-r1\[train\]"):
        write_rows(tmp_path / "rows.parquet", rows)


def test_a_temporal_bank_begins_its_numbers_anew():
    world = make_world(3, "train", 0, Size(3, 16))
    last = list(decisions(world))[-1]
    state = bank_state(last.memories, world.conversation.turns)
    assert [memory.id for memory in state.memories] == [f"m{n}" for n in range(1, len(last.memories) + 1)]
    assert [memory.text for memory in state.memories] == [memory.text for memory in last.memories]
    assert all(memory.born == 1 and not memory.supersedes and memory.live for memory in state.memories)
    assert {id for memory in state.memories for id in memory.turns} == {turn.id for turn in state.turns}
    assert [turn.time for turn in state.turns] == sorted(turn.time for turn in state.turns)


def test_verls_data_set_takes_the_file(rows, tmp_path, monkeypatch):
    """As its trainer reads it: a dummy tensor aside, every column of a row reaches the agent loop."""
    dataset = pytest.importorskip("verl.utils.dataset.rl_dataset")
    from omegaconf import OmegaConf

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "rows.parquet"
    write_rows(path, rows)
    how = OmegaConf.create({"filter_overlong_prompts": False, "cache_dir": str(tmp_path)})
    found = dataset.RLHFDataset(str(path), None, how)
    assert len(found) == len(rows)
    given = dataset.collate_fn([found[at] for at in range(3)])
    assert [from_json(text) for text in given["row"]] == rows[:3]
    assert list(given["index"]) == [0, 1, 2]
    assert list(given["agent_name"]) == ["manager"] * 3
    assert [list(one) for one in given["raw_prompt"]] == [[{"role": "user", "content": row.id}] for row in rows[:3]]
