"""`bench size`: the files are weighed, and a server's only where they can be seen."""

from pathlib import Path

import pytest

from memory_r1.memory.errors import InputError
from memory_r1.rl.bench.size import size


async def test_a_memory_takes_its_vector_and_more() -> None:
    table = await size(banks=3, memories=40)
    row = dict(zip(table.columns, table.rows[0], strict=True))
    assert (row["store"], row["banks"], row["memories_each"]) == ("sqlite", 3, 40)
    assert 4 * 512 < float(row["bytes_a_memory"]) < 20 * 512
    assert row["log_MB"] == 0.0


@pytest.mark.parametrize("folder", [None, Path("nowhere")])
async def test_a_servers_files_must_be_at_hand(folder: Path | None) -> None:
    with pytest.raises(InputError, match="is no folder"):
        await size("bolt://neo4j@localhost:1", 1, 1, folder)


async def test_the_transaction_log_isweighed_apart(tmp_path: Path) -> None:
    from memory_r1.rl.bench.size import weighed

    (tmp_path / "databases").mkdir()
    (tmp_path / "transactions" / "neo4j").mkdir(parents=True)
    (tmp_path / "databases" / "store").write_bytes(b"x" * 8_192)
    (tmp_path / "transactions" / "neo4j" / "log").write_bytes(b"x" * 4_096)
    assert weighed(tmp_path) == (8_192, 4_096)
