"""How others do it: lighter-sdk's own SignerClient, which asks the venue for each nonce (one round trip more an order).

`python -m benchmarks.peers --url U --key-file F --account N --orders N` prints, as JSON, the seconds of each order.
A process of its own, so that it shares nothing with ours.
"""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path

from benchmarks.stage import PATIENCE_S
from conf.simulator import KEY_INDEX

_MARKET_INDEX = 0
_SIZE_UNITS = 100
"""0.01 ETH in the market's units of 0.0001."""
_PRICE_UNITS = {False: 303_000, True: 297_000}
"""Worst prices of buys and sells in cents, a percent from the market."""
_WARM_UP = 2
"""Orders before the first that counts: the connection and the signer's first use."""


async def sdk_orders(url: str, key_file: Path, account: int, orders: int) -> list[float]:
    """Send market orders through lighter-sdk, each after the answer to the one before; return seconds of each.

    Raises:
        RuntimeError: the other process failed.
    """
    command = [sys.executable, "-m", "benchmarks.peers", "--url", url, "--key-file", str(key_file)]
    command += ["--account", str(account), "--orders", str(orders)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    async with asyncio.timeout(PATIENCE_S):
        out, _ = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"lighter-sdk's process ended with {process.returncode}")
    return [float(each) for each in json.loads(out)]


async def _send(url: str, private_key: str, account: int, orders: int) -> list[float]:
    # Imported here: whoever only starts this process must not pay for the SDK.
    import lighter  # noqa: PLC0415
    from lighter.nonce_manager import NonceManagerType  # noqa: PLC0415

    client = lighter.SignerClient(
        url=url,
        account_index=account,
        api_private_keys={KEY_INDEX: private_key},
        nonce_management_type=NonceManagerType.API,
    )
    took: list[float] = []
    try:
        for number in range(_WARM_UP + orders):
            is_ask = number % 2 == 1
            started = time.perf_counter()
            _, answer, error = await client.create_market_order(
                market_index=_MARKET_INDEX,
                client_order_index=number + 1,
                base_amount=_SIZE_UNITS,
                avg_execution_price=_PRICE_UNITS[is_ask],
                is_ask=is_ask,
            )
            if error is not None or answer is None:
                raise RuntimeError(f"lighter-sdk's order {number} was refused: {error}")
            took.append(time.perf_counter() - started)
    finally:
        await client.close()
    return took[_WARM_UP:]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Market orders through lighter-sdk with a nonce from the API each.")
    parser.add_argument("--url", required=True)
    parser.add_argument("--key-file", required=True, type=Path)
    parser.add_argument("--account", required=True, type=int)
    parser.add_argument("--orders", required=True, type=int)
    options = parser.parse_args()
    key = options.key_file.read_text(encoding="utf-8").strip()
    print(json.dumps(asyncio.run(_send(options.url, key, options.account, options.orders))))
