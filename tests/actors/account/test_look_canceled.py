"""A look at the venue that is called off leaves nothing behind."""

import asyncio
import gc
import warnings

from tests.actors.account.conftest import ETH


async def test_a_look_that_is_called_off_before_it_began_leaves_no_question_unasked(bench):
    """Cancelled before its questions started: none of them exists yet, so none is left over."""
    actor = await bench.start()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        look = asyncio.get_running_loop().create_task(actor.observe(ETH))
        await asyncio.sleep(0)  # the look has begun, its three questions are tasks that have not
        look.cancel()
        await asyncio.gather(look, return_exceptions=True)
        gc.collect()
    assert [str(each.message) for each in heard if "never awaited" in str(each.message)] == []
