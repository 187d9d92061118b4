"""Follow the chain: print each block as it becomes final. A lost connection is taken up again where it broke off.

python examples/follow_events.py --from-height 1 --count 10 http://127.0.0.1:8000 http://127.0.0.1:8001
"""

from __future__ import annotations

import argparse
import itertools
import sys

from blockpool import Client, PoolError


def main() -> None:
    """Run the example."""
    parser = argparse.ArgumentParser(description="Print each block as it becomes final.")
    parser.add_argument("--from-height", type=int, help="first block to print; without it, the next one to come")
    parser.add_argument("--count", type=int, help="stop after so many blocks")
    parser.add_argument("urls", nargs="+", help="APIs of nodes; the next is followed when one fails")
    arguments = parser.parse_args()

    with Client(arguments.urls) as client:
        for event in itertools.islice(client.events(arguments.from_height), arguments.count):
            print(
                f"block {event.height} by {event.proposer or 'genesis'}: {event.transaction_count} transactions",
                flush=True,
            )


if __name__ == "__main__":
    try:
        main()
    except PoolError as error:
        sys.exit(f"{error} [{error.code}] {error.advice}")
    except KeyboardInterrupt:
        sys.exit(130)
