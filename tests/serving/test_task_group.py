"""Coroutines of which none outlives the others."""

import asyncio

import pytest

from medix.serving.task_group import run_all


async def gives(value: int) -> int:
    await asyncio.sleep(0.01 * (3 - value))
    return value


async def fails(name: str) -> int:
    raise KeyError(name)


def test_results_come_in_order() -> None:
    assert asyncio.run(run_all(gives(value) for value in range(3))) == [0, 1, 2]
    assert asyncio.run(run_all(())) == []


def test_the_first_error_comes_out_as_it_is_once_the_others_have_ended() -> None:
    ended: list[str] = []

    async def waits() -> int:
        try:
            await asyncio.sleep(10_000)
        finally:
            ended.append("cancelled")
        return 0

    async def work() -> None:
        with pytest.raises(KeyError, match="first"):
            await run_all([waits(), fails("first"), fails("second")])
        assert ended == ["cancelled"]

    asyncio.run(work())
