"""The chains whose roots are compared: recorded once, so that every interpreter executes the very same bytes.

Four chains make one recording: random histories of requests and answers, erasures and derived parcels; texts and
numbers that interpreters or libraries could see differently, contracts that attack or try to answer differently.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from random import Random
from typing import Any, Literal, NamedTuple, get_args

from msgspec import structs

from chain.blocks import decode_header
from chain.limits import LIMITS
from chain.primitives.crypto import Ed25519Signer, key_id
from chain.primitives.encoding import encode
from chain.primitives.types import Answer
from chain.record_keys import open_keys
from chain.schema import compile_schema
from chain.transactions.base import Transaction
from chain.transactions.sealed import decode_envelope
from tests.attacks.test_contracts_on_the_chain import ATTACKS
from tests.attacks.test_random_histories import DATASETS, MEMBERS, PARCELS, Scene, Step
from tests.attacks.test_same_verdict_everywhere import FICKLE
from tests.attacks.world import contract
from tests.audit.audit_world import EventfulChain
from tests.chain.access_world import PURPOSES
from tests.chain.test_key_heights import EndingKeys
from tests.networks import TIME_MS, TestNetwork, seed

Contracts = Literal["none", "scripted", "sandbox"]
"""What runs a chain's contracts."""

TEXTS = (
    *(
        "",
        " ",
        "x",
        "é",
        "e\u0301",
        "ﬁ",
        "İ",
        "ß",
        "航班",
        "\u00a0",
        "\u2028",
        "\ufeff",
        "\x00",
        "\x1b[2J",
        "\r\n",
        "\\",
        "'\"",
    ),
    *("\u202e", "\u200d", "\U0001f3f3\ufe0f\u200d\U0001f308", "\ufffd", "\uffff", "\U0010ffff", "\ue000"),
    # Unassigned in the tables of 3.11, of 3.12, of 3.13, and of all of them.
    *("\U0001fae8", "\U00031350", "\U0001e6c0", "\u1c89", "\U0001fae9", "\U00010d40", "\ua7f1", "\u0378", "\U000e0080"),
    *("٣", "௧", "\U0001d7d9", "ⅷ", "²", "½"),
)
"""Texts that are classified, shown, folded or counted differently by different tables."""

NUMBERS = (
    *("0", "-0", "0.0", "-0.0", "1", "-1", "1.0", "1e0", "10e-1", "1E+2", "0.1", "0.30000000000000004", "2.5", "1e22"),
    *("9007199254740992", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775809"),
    *("18446744073709551615", "18446744073709551616", "1e400", "-1e400", "1e-400", "-1e-400", "5e-324", "4.9e-325"),
    *("1.0000000000000000000001", "0.99999999999999999999", "1e999999999", "1e-999999999", "0e999999999999999999999"),
    *("1" + "0" * 30, "9" * 400, "-" + "9" * 5000, "0." + "0" * 400 + "1", "1.7976931348623157e308", "1.8e308"),
    *("01", "+1", "1.", ".5", "1e", "NaN", "Infinity", "-", "0x1", "1_000", "٣", "1e+", "--1"),
)
"""Numbers, and texts that are none: beyond binary64, integers by one reading, written in other ways."""

SCHEMAS = (
    *("{}", '{"type":"number"}', '{"type":"integer"}', '{"minimum":0}', '{"maximum":1}', '{"exclusiveMinimum":0}'),
    *('{"exclusiveMaximum":1}', '{"enum":[1,0.1,"1",null]}', '{"const":1}', '{"minimum":1e400}', '{"maximum":-1e-400}'),
    *('{"minimum":1.0000000000000000000001}', '{"maximum":9007199254740993}', '{"const":18446744073709551616}'),
    *(
        '{"minLength":1}',
        '{"maxLength":1}',
        '{"minLength":2,"maxLength":2}',
        '{"type":"string","enum":["\\ud83e\\udee8"]}',
    ),
    *(
        '{"const":"é"}',
        '{"const":"e\u0301"}',
        '{"type":["string","null"]}',
        '{"items":{"type":"integer"},"maxItems":2}',
    ),
    *('{"type":"object","properties":{"\U0001fae8":{"type":"integer"}},"required":["\U0001fae8"]}',),
    *('{"additionalProperties":false}', '{"properties":{"a":{"type":"integer"}},"additionalProperties":false}'),
    # None of these is a schema that may be used here.
    *(
        "",
        "[]",
        "true",
        '{"type":"object","type":"object"}',
        '{"minimum":NaN}',
        '{"pattern":"^(a+)+$"}',
        '{"not":{}}',
        '{"\U0001fae8":1}',
    ),
    *(
        '{"type":"\U0001fae8"}',
        '{"minLength":-1}',
        '{"minLength":1.5}',
        '{"required":["a","a"]}',
        '{"enum":[]}',
        '{"$ref":"#"}',
    ),
    *(
        '{"const":"\\ud800"}',
        "\ufeff{}",
        '{"items":' * 40 + "{}" + "}" * 40,
        '{"title":"\\u0000"}',
        '{"multipleOf":0.1}',
    ),
    *('{"minimum":"0"}', '{"maximum":1e999999999}', '{"minLength":1e2}', '{"properties":{"a":{},"a":{}}}', "{} x"),
)
"""Schemas, and texts that are none."""

RECORDS = (
    *(
        b"",
        b"{",
        b"{} {}",
        b"\xff",
        b'"\xc3"',
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
        b'{"a":1,"a":2}',
        b'{"a":1,"\\u0061":2}',
    ),
    *(
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b'"\\ud83e\\udee8"',
        b'"\\u0000"',
        b'"\x00"',
        b'"\t"',
        b"[1,]",
        b"// x",
        b"nul",
        b"true",
    ),
    *(
        b"[" * 40 + b"]" * 40,
        b"[" * 2000 + b"]" * 2000,
        b'{"a":{"a":{"a":[1,[2,[3]]]}}}',
        b" null ",
        b"\x0cnull",
        b"[1 2]",
    ),
    *(b'{"a":1.0,"b":"x"}', b'{"a":1,"b":2,"c":3}', b"[1,2,3]", b"[1,2.0]", b"{}", b'{"n":1e400}'),
)
"""Records, good JSON and bad."""


class RecordedChain(NamedTuple):
    """A chain to be executed."""

    name: str
    contracts: Contracts
    genesis: bytes
    blocks: list[tuple[int, list[bytes]]]
    """(time in ms, what is offered: transactions, and bytes that are none)."""


def _recorded(
    name: str, contracts: Contracts, network: TestNetwork, blocks: Sequence[tuple[int, Sequence[Transaction | bytes]]]
) -> RecordedChain:
    return RecordedChain(
        name,
        contracts,
        network.genesis.content,
        [(time, [each if isinstance(each, bytes) else encode(each) for each in offered]) for time, offered in blocks],
    )


def histories(blocks: int) -> RecordedChain:
    """Contracts, datasets, requests, answers and read reports in random order."""
    scene, random = Scene(), Random("roots")
    kinds = ("request", "answer", "read_report") * 2 + ("answer", "contract", "dataset")
    for _ in range(blocks):
        steps: list[Step] = [
            (
                random.choice(kinds),
                random.randrange(8),
                random.choice(MEMBERS),
                random.choice(DATASETS),
                random.choice(sorted(PURPOSES)),
                tuple(random.sample(PARCELS, random.randrange(4))),
                random.choice(get_args(Answer)),
            )
            for _ in range(random.randrange(1, 5))
        ]
        scene.commit(steps)
    ledger = scene.world.ledger
    made = [
        (decode_header(ledger.block_at(height).header).time_ms, tuple(ledger.blocks.transactions(height)))
        for height in range(1, ledger.tip.height + 1)
    ]
    return _recorded("histories", "scripted", scene.world.network, made)


def _keyed(network: TestNetwork) -> list[list[Transaction]]:
    """Records whose keys are texts and numbers that are written in many ways; keys that are not theirs."""
    fields = '{"id":{"type":"string"},"n":{"type":"integer"}}'
    schema = f'{{"type":"object","properties":{fields},"required":["n","id"],"key":["n","id"]}}'
    blocks = [[network.dataset(name="keyed", schema=schema)]]
    for text in TEXTS:
        for number in ("1", "1.0", "10e-1", "9" * 60, "-0"):
            record = b'{"id":%b,"n":%b}' % (json.dumps(text).encode(), number.encode())
            values: Any = compile_schema(schema).read([record])[0]
            keys = list(open_keys(network.chain_id, "a.keyed", ("n", "id"), values))
            blocks.append([network.keyed_parcel([record], key, dataset="a.keyed") for key in (keys, [bytes(24)])])
    return blocks


def _changed_keys(network: TestNetwork) -> list[list[Transaction]]:
    """System keys and governance keys that follow each other, and what is signed with those that have ended."""
    old, new, next_ = network.system["d"], Ed25519Signer(seed("new d")), Ed25519Signer(seed("next d"))
    governance, successor = network.governance["d"], network.successors["d"]
    old_id, governance_id = key_id(old.public_key), key_id(governance.public_key)
    many = [Ed25519Signer(seed(f"many {number}")) for number in range(LIMITS.member_keys_in_service)]
    return [
        [network.change_keys("d", [new], by=old), network.change_keys("d", [old]), network.change_keys("d", [new])],
        [network.change_keys("d", retired=[governance_id]), network.change_keys("d", retired=[bytes(16)])],
        [network.change_keys("d", retired=[old_id]), network.dataset("d", "last"), network.change_keys("d", [new])],
        [network.dataset("d", "late"), network.change_keys("d", retired=[old_id])],
        [network.change_keys("d", [], by=successor, successor=next_), network.change_keys("d", many[:1])],
        [network.change_keys("d", many[:1])],
        *([network.change_keys("d", many[at : at + 8], by=successor)] for at in range(0, len(many), 8)),
        [network.change_keys("d", many[-3:], by=next_)],
    ]


def events(blocks: int) -> RecordedChain:
    """Erasures, parcels derived from others, a schema that becomes stricter; what refers to what is not there."""
    chain = EventfulChain(blocks_more=blocks)
    network = chain.network
    kept, bad, erased, plain = (network.id_of(transaction) for transaction in chain.blocks[1][:4])
    for sources in (
        [(kept, 0)], [(kept, 0), (kept, 1)], [(kept, 2)], [(kept, 0), (kept, 0)], [(kept, 1), (kept, 0)], [(bad, 0)],
        [(erased, 0)], [(plain, 0)], [(bytes(32), 0)], [(kept, LIMITS.transaction_records - 1)],
    ):  # fmt: skip
        derived = network.parcel([b'{"n":1}'], derived_from=tuple(sources))
        chain.blocks.append([derived, network.parcel([b'{"n":2}'], derived_from=((network.id_of(derived), 0),))])
    for parcel, member, dataset in (
        (kept, "b", "a.flights"), (kept, "a", "a.plain"), (bad, "a", "a.flights"), (erased, "a", "a.flights"),
        (bytes(32), "a", "a.flights"), (kept, "a", "a.nothing"), (kept, "a", "a.flights"), (kept, "a", "a.flights"),
    ):  # fmt: skip
        correction = network.correction(parcel, 0, b'{"n":1}', member, dataset=dataset)
        chain.blocks.append([correction, network.erase(parcel, member, dataset), network.request(parcels=(parcel,))])
    chain.blocks += _keyed(network)
    chain.blocks += _changed_keys(network)
    made = [(TIME_MS + height, block) for height, block in enumerate([*chain.blocks, *_refused(network)])]
    return _recorded("events", "scripted", network, made)


def _refused(network: TestNetwork) -> Iterator[list[Transaction | bytes]]:
    """What breaks one rule each: of sealing, of requests and reports, of bounds. The dataset ``a.sealed`` is there."""
    sealed, closed = "a.sealed", network.dataset(name="closed", sharing="closed")
    yield [closed, network.dataset(name="ruleless", sharing="conditional"), network.parcel(dataset=sealed)]
    yield [network.sealed_parcel(), network.request(dataset="a.closed"), network.request("a", sealed)]
    good = network.sealed_parcel(dataset=sealed)
    envelope = decode_envelope(network.checked(good).header.envelope)  # type: ignore[attr-defined]
    yield [good] + [
        network.parcel(
            network.checked(good).records,
            dataset=sealed,
            sealed_shares=network.checked(good).sealed_shares,
            records_root=network.checked(good).header.records_root,  # type: ignore[attr-defined]
            envelope=encode(structs.replace(envelope, **changes)),
        )
        for changes in (
            {"threshold": 1}, {"shares": envelope.shares[1:]}, {"shares": envelope.shares[::-1]}, {"salt": bytes(16)},
            {"shares": (structs.replace(envelope.shares[0], key_id=bytes(16)), *envelope.shares[1:])},
        )
    ]  # fmt: skip
    key = network.readers["b"].public_key.encoded
    yield [
        network.request(dataset=sealed, **changes)
        for changes in (
            {"from_height": 5, "until_height": 2}, {"parcels": (bytes(32), bytes(32))}, {"until_ms": 1},
            {"kem_key": b"\x09" + key[1:]}, {"kem_key": key[:-1]}, {"kem_key": key[:1] + bytes(len(key) - 1)},
            {"kem_key": key[:1] + b"\xff" * (len(key) - 1)}, {"kem_key": b"\x01" + bytes(32)},
        )
    ]  # fmt: skip
    parcel, asked = network.id_of(good), network.request(dataset=sealed)
    some, refused = network.request(dataset=sealed, parcels=(parcel,)), network.request(dataset="a.closed")
    yield [asked, some, refused]
    request = network.id_of(asked)
    yield [
        network.read_report(request, (parcel,), "c", sealed),
        network.read_report(request, (parcel, parcel), "b", sealed),
        network.read_report(network.id_of(some), (bytes(32),), "b", sealed),
        network.read_report(network.id_of(refused), (parcel,), "b", "a.closed"),
        network.read_report(request, (parcel, bytes(32)), "b", sealed),
        network.read_report(request, (parcel,), "b", sealed, record_count=2),
        network.read_report(request, (parcel,), "b", sealed),
        network.approval(request, "revoke", "a", sealed),
        network.approval(request, "approve", "a", sealed),
        network.read_report(request, (parcel,), "b", sealed),
    ]
    large = b"x" * LIMITS.record_size_bytes + b"x"
    yield [
        encode(network.parcel([large])),
        encode(network.parcel([b"0"] * (LIMITS.transaction_records + 1))),
        b"\xdc\x00\x03" + encode(network.parcel())[1:],
        network.dataset(name="large", schema=f'{{"title":"{"x" * 60_000}"}}'),
        network.dataset(name="large", schema=f'{{"title":"{"航" * 30_000}"}}'),
    ]


def texts() -> RecordedChain:
    """Texts, numbers, schemas and records of the lists above in every place that takes one; bytes that are no
    transaction; a key that ends.
    """
    network = EndingKeys()
    blocks: list[list[Transaction | bytes]] = [[network.dataset(), network.dataset(name="plain", schema="")]]
    blocks += [[network.dataset("b", f"at-{number}")] for number in range(4)]
    for text in TEXTS:
        blocks.append([*_with_text(network, text)])
    numbers = [number.encode() for number in NUMBERS]
    strings = [json.dumps(text, ensure_ascii=False).encode() for text in TEXTS]
    for number, schema in enumerate(SCHEMAS):
        name = f"s{number}"
        blocks.append([network.dataset(name=name, schema=schema)])
        blocks.append([network.parcel([body], dataset=f"a.{name}") for body in (*numbers, *strings, *RECORDS)])
        blocks.append([network.parcel([b"1", b'"x"', body], dataset=f"a.{name}") for body in numbers])
    random = Random("bytes")
    blocks += [list(_mutations(network, random)) for _ in range(40)]
    return _recorded("texts", "none", network, [(TIME_MS + height, block) for height, block in enumerate(blocks)])


def _with_text(network: TestNetwork, text: str) -> Iterator[Transaction]:
    """``text`` wherever a transaction has one."""
    long = text * (LIMITS.title_length // max(1, len(text)))
    for dataset in (f"{text}.x", f"a.{text}", text, f"a.x{text}"):
        yield network.dataset(dataset=dataset)
        yield network.parcel(dataset=dataset)
        yield network.request(dataset=dataset)
        yield network.erase(bytes(32), dataset=dataset)
    name = f"t{network.nonce}"
    for field in ("title_zh", "title_en", "legal_basis", "contract", "sharing"):
        yield network.dataset(name=name, **{field: text})
        yield network.dataset(name=name, **{field: long + text})
    for field in ("purpose", "legal_basis", "case_number", "person"):
        yield network.request(**{field: text})
    yield network.contract(text, parameters=text)
    yield network.contract(f"# {text}", parameters=json.dumps({text: text}))
    yield network.contract(name=text)
    yield network.approval(bytes(32), reason=text)
    yield network.approval(bytes(32), text)  # type: ignore[arg-type]


def _mutations(network: TestNetwork, random: Random) -> Iterator[bytes]:
    """Bytes of transactions with something changed: most are none any more."""
    made = (
        network.dataset(name="m"),
        network.parcel(),
        network.erase(bytes(32)),
        network.request(),
        network.contract(),
    )
    for transaction in made:
        data = encode(transaction)
        position = random.randrange(len(data))
        yield data[:position]
        yield data + data[:1]
        yield data[:position] + bytes([data[position] ^ 1 << random.randrange(8)]) + data[position + 1 :]
        yield data[:position] + random.randbytes(3) + data[position + 3 :]
        signed = encode(Transaction(transaction.header, seed("signature") * 2, transaction.payload))
        yield signed
    yield encode(network.parcel(chain_id=bytes(32)))
    yield encode(network.parcel(expiry_ms=1))
    yield encode(network.parcel(record_count=2))
    yield encode(network.parcel(records_root=bytes(32)))
    yield encode(network.parcel(envelope=b"x"))
    yield encode(network.parcel(sealed_shares=[bytes(48)]))
    stranger = copy(network)
    stranger.system = dict.fromkeys(("a", "nobody"), Ed25519Signer(seed("stranger")))
    yield encode(stranger.parcel())
    yield encode(stranger.parcel(member="nobody"))
    yield encode(network.dataset(member="b", name="z"))


def contracts() -> RecordedChain:
    """Contracts that attack, and contracts that want to see something of the machine, called in the sandbox."""
    network = TestNetwork(has_contracts=True)
    bodies = {name: body for name, (body, _) in ATTACKS.items()} | FICKLE
    blocks: list[list[Transaction]] = []
    for name, body in bodies.items():
        rule = network.contract(contract(body), name=name)
        blocks.append([rule, network.dataset(name=name, sharing="conditional", contract=f"a.{name}")])
        blocks.append([network.request(member, f"a.{name}") for member in ("b", "c")])
    return _recorded("contracts", "sandbox", network, [(TIME_MS + at, block) for at, block in enumerate(blocks)])


def record(path: Path) -> None:
    """Write the recording to ``path``."""
    chains = (histories(300), events(60), texts(), contracts())
    content = [
        chain._asdict()
        | {
            "genesis": chain.genesis.decode(),
            "blocks": [[time, [base64.b64encode(data).decode() for data in block]] for time, block in chain.blocks],
        }
        for chain in chains
    ]
    path.write_text(json.dumps(content), encoding="utf-8")
