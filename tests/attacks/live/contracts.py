"""The contracts that cost most time, each in another way: what a member can be asked under."""

from bench.contract_fuel import KINDS, contract

CONTRACTS = {
    "allow": contract(KINDS["a simple call"]),
    "exception": contract(KINDS["an exception"]),
    "trap": contract(KINDS["a trap"]),
    "memory": contract(KINDS["memory"]),
    "loop": contract(KINDS["comparing"]),
}
