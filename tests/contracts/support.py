"""What the tests of contracts share: facts, and running a contract once."""

from chain.access.decision import CallResult, Decision
from contracts.facts import ContextFacts, DatasetFacts, MemberFacts, RequestFacts
from contracts.sandbox import Sandbox

TIME_MS = 1_772_366_400_000
REQUEST = RequestFacts(id="ab" * 32, purpose="flood warning", legal_basis="Flood Control Law", person="Li Wei")
DATASET = DatasetFacts("aviation.flights", "aviation", title_zh="航班", title_en="Flights")
CONTEXT = ContextFacts(
    MemberFacts("meteorology", "government", ("forecast",)), MemberFacts("aviation", "enterprise"), 100, TIME_MS
)
ALLOW_ALL = "from blockpool.contract import allow\n\ndef can_read(request, dataset, ctx):\n    return allow()\n"


def contract(body: str, imports: str = "allow, ask, deny") -> str:
    """A contract whose can_read has this body; its first line is line 3."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"from blockpool.contract import {imports}\ndef can_read(request, dataset, ctx):\n{lines}"


def decide(sandbox: Sandbox, source: str, parameters: str = "{}") -> Decision:
    """What one call in a fresh guest decides."""
    return call(sandbox, source, parameters).decision


def call(sandbox: Sandbox, source: str, parameters: str = "{}") -> CallResult:
    """One call in a fresh guest."""
    session = sandbox.contract(source, parameters)
    try:
        return session.decide(REQUEST, DATASET, CONTEXT)
    finally:
        session.close()
