"""Entry of the guest. Runs inside WebAssembly only, where componentize-py provides ``wit_world``.

What is imported here is frozen into the snapshot; nothing can be imported later, since there are no files.
"""

# ruff: noqa: F401
import base64
import binascii
import bisect
import calendar
import collections.abc
import copy
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import hashlib
import heapq
import hmac
import importlib
import itertools
import json
import math
import operator
import re
import statistics
import string
import struct
import sys
import textwrap
import types
import typing
import unicodedata
import warnings
import zlib

import wit_world  # type: ignore[import-not-found]  # made by componentize-py from wit/world.wit

from contracts.runtime import LOADED, ContractRuntime

# The guest's own one-file package, which hands on contracts.author; not the package of that name on a host.
importlib.import_module("blockpool.contract")

_WARM_UP_CONTRACT = """
from blockpool.contract import Context, Dataset, Request, Verdict, allow, ask, deny
def can_read(request: Request, dataset: Dataset, ctx: Context) -> Verdict:
    return allow(until=ctx.time, fields=["a"], note="b") if ctx.grants else deny("c")
"""
_WARM_UP_CALL = json.dumps(
    [
        ["", "a", "", "", "", ["b"], 0, 0, 0, ["a"], ["b"], ["c"]],
        ["a.b", "a", "", "", "", "", 1, 0],
        [
            1,
            1,
            ["a", "government", ["b"]],
            ["b", "government", []],
            [["a", "approve", 1, 1, ""]],
            [["", 1, 1, 0, "", "", 0]],
            [0, 0],
            [0, 0, 0, 0],
            {"a": 1},
        ],
    ]
)


def _warmed_up() -> ContractRuntime:
    """A runtime whose code paths have been taken before, so that first calls are cheaper."""
    for _ in range(20):
        runtime = ContractRuntime()
        answers = [runtime.load(_WARM_UP_CONTRACT, "{}"), runtime.decide(_WARM_UP_CALL)]
        if answers[0] != LOADED or '"allow"' not in answers[1]:
            raise RuntimeError(f"the guest does not work: {answers}")
    return ContractRuntime()


def _refuse_files(event: str, _: object) -> None:
    """Audit hook. The compiler looks for the file that a syntax error stands in, which would trap; so it finds none."""
    if event == "open":
        raise OSError("there are no files here")


# Both would write to a standard error that is not there, and trap.
warnings.simplefilter("ignore")
sys.unraisablehook = lambda unraisable: None

_runtime = _warmed_up()
sys.addaudithook(_refuse_files)
gc.collect()
gc.freeze()


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """The exports of the world."""

    def load(self, source: str, parameters: str) -> str:
        """See ``ContractRuntime.load``."""
        return _runtime.load(source, parameters)

    def decide(self, call: str) -> str:
        """See ``ContractRuntime.decide``."""
        return _runtime.decide(call)
