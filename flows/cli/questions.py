"""Commands that ask a bank: ask, search."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from memory_r1.memory.errors import InputError

from .shared import BankOption, Session, clean, day, options, plain, run, show, show_json, show_table

if TYPE_CHECKING:
    from memory_r1.graphs import Answered
    from memory_r1.memory.types import Hit, Memory, Turn

QueryArgument = Annotated[str, typer.Argument(metavar="QUERY", help="What to look for.")]
QuestionArgument = Annotated[str, typer.Argument(metavar="QUESTION", help="What you want to know.")]
AtOption = Annotated[str | None, typer.Option("--at", metavar="TIME", help="When it is asked, as 2024-05-01T10:00.")]
TopOption = Annotated[int, typer.Option("--top", "-k", min=1, max=1000, metavar="N", help="How many memories.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command(epilog='Example: memory-r1 ask "Where does Anna live?" --bank anna')(ask)
    app.command(epilog='Example: memory-r1 search "Anna\'s dog" --bank anna --top 5')(search)


def ask(ctx: typer.Context, question: QuestionArgument, bank: BankOption, at: AtOption = None) -> None:
    """Answer a question from a bank.

    With the memories that the answer rests on and the turns that they come from.
    """
    _need(question, "the question")
    asked = _time(at)

    async def work(session: Session) -> None:
        await session.store.bank(bank)
        result = await (await session.agent(bank)).ask(question, bank, asked)
        order = {id: place for place, id in enumerate(result.answer.selected)}
        rests = sorted(await session.store.memories(bank, list(order)), key=lambda memory: order[memory.id])
        turns = [await session.store.turns(bank, memory.turns) for memory in rests]
        if options(ctx).json:
            show_json(_answer_json(bank, result, rests, turns))
        else:
            _show_answer(result, rests, turns)

    run(ctx, work)


def _answer_json(bank: str, result: Answered, rests: Sequence[Memory], turns: Sequence[Sequence[Turn]]) -> Any:
    return {
        "bank": bank,
        "question": result.answer.question,
        "answer": result.answer.text,
        "memories": [{"memory": plain(m), "turns": plain(said)} for m, said in zip(rests, turns, strict=True)],
        "failures": result.failures,
        "usage": result.usage,
    }


def _show_answer(result: Answered, rests: Sequence[Memory], turns: Sequence[Sequence[Turn]]) -> None:
    show(result.answer.text)
    for failure in result.failures:
        typer.echo(f"failure: {failure.role}: {failure.kind}: {clean(failure.detail)}", err=True)
    if rests:
        rows = [(m.id, day(m.recorded), _with_turns(m, said)) for m, said in zip(rests, turns, strict=True)]
        show_table(("memory", "said", "text and turns"), rows)


def search(ctx: typer.Context, query: QueryArgument, bank: BankOption, top: TopOption = 10) -> None:
    """Find memories, with scores and source turns.

    Asks no model. Score orders the hits: from dense (cosine), lexical (BM25) and context (its neighbours' words).
    """
    _need(query, "the query")

    async def work(session: Session) -> None:
        embedder = await session.embedder(bank)
        hits = await session.store.search(bank, query, embedder, total=top, per_speaker=None)
        turns = [await session.store.turns(bank, hit.memory.turns) for hit in hits]
        if options(ctx).json:
            rows = [{**plain(hit), "turns": plain(said)} for hit, said in zip(hits, turns, strict=True)]
            show_json({"bank": bank, "query": query, "hits": rows})
        elif not hits:
            show(f"Bank {bank} holds no memory.")
        else:
            _show_hits(hits, turns)

    run(ctx, work)


def _show_hits(hits: Sequence[Hit], turns: Sequence[Sequence[Turn]]) -> None:
    rows = [
        (f"{hit.score:.3f}", f"{hit.dense:.2f}", f"{hit.lexical:.2f}", f"{hit.context:.2f}", hit.memory.id,
         _with_turns(hit.memory, said))
        for hit, said in zip(hits, turns, strict=True)
    ]  # fmt: skip
    show_table(("score", "dense", "lexical", "context", "memory", "text and turns"), rows)


def _with_turns(memory: Memory, turns: Sequence[Turn]) -> str:
    said = (f"  {turn.id} {turn.speaker}: {turn.text or turn.caption or '(forgotten)'}" for turn in turns)
    return "\n".join([memory.text, *said])


def _need(text: str, what: str) -> None:
    if not text.strip():
        raise InputError(f"{what} is empty: write it in quotes behind the command")


def _time(text: str | None) -> Any:
    from datetime import datetime

    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).replace(tzinfo=None)
    except ValueError:
        raise InputError(f"--at {text!r} is no time: write it as 2024-05-01T10:00") from None
