"""KEM keys: round trips, storage, and broken or confused keys."""

import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.errors import ErrorCode, PoolError, Refusal
from chain.primitives.kem import KEM_KEY_SIZE_MAX, KemSuite, verify_kem_key
from chain.primitives.keys import encode_private_keys, write_secret_file
from sealing import KemPrivateKey, KemPublicKey, load_kem_key
from tests.refusals import refuses
from tests.sealing.mini import Hpke
from tests.sealing.world import flip, key_pair

FIELD_PRIME = 2**255 - 19
SUITES = pytest.mark.parametrize("suite", list(KemSuite))


@SUITES
def test_a_message_opens_for_its_key_and_context_only(suite: KemSuite) -> None:
    key, other = KemPrivateKey.generate(suite), KemPrivateKey.generate(suite)
    sealed = key.public_key.seal(b"a share", b"context")
    assert len(sealed) == len(b"a share") + suite.overhead_size
    assert key.open(sealed, b"context") == b"a share"
    assert key.open(sealed, b"contexT") is None
    assert other.open(sealed, b"context") is None


@SUITES
def test_an_independent_hpke_opens_it(suite: KemSuite) -> None:
    seed = bytes(range(32))
    mini = Hpke(suite, seed)
    public = KemPublicKey(mini.public_key)
    assert public.encoded == KemPrivateKey.from_seed(seed, suite).public_key.encoded
    assert mini.open(public.seal(b"a share", b"context"), b"context") == b"a share"


@SUITES
@settings(max_examples=60)
@given(st.integers(min_value=0), st.integers(min_value=0))
def test_any_change_is_noticed(suite: KemSuite, bit: int, length: int) -> None:
    key = key_pair("v00", suite)
    sealed = key.public_key.seal(b"a share", b"context")
    assert key.open(flip(sealed, bit), b"context") is None
    assert key.open(sealed[: length % len(sealed)], b"context") is None


@SUITES
@pytest.mark.parametrize("passphrase", [None, "correct horse 密码"])
def test_a_key_survives_on_disk(tmp_path: Path, suite: KemSuite, passphrase: str | None) -> None:
    path, key = tmp_path / "kem.pem", KemPrivateKey.generate(suite)
    key.save(path, passphrase)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes().count(b"-----BEGIN ") == suite
    assert path.read_bytes().count(b"ENCRYPTED") == (2 * suite if passphrase else 0)
    loaded = load_kem_key(path, passphrase)
    assert loaded.public_key.encoded == key.public_key.encoded
    assert loaded.open(key.public_key.seal(b"x", b""), b"") == b"x"
    with refuses(ErrorCode.BAD_KEY):
        key.save(path, passphrase)
    if passphrase:
        with refuses(ErrorCode.WRONG_PASSPHRASE):
            load_kem_key(path, "wrong")
        with refuses(ErrorCode.WRONG_PASSPHRASE):
            load_kem_key(path)
    path.chmod(0o640)
    with refuses(ErrorCode.KEY_PERMISSIONS):
        load_kem_key(path, passphrase)


def test_files_with_other_keys_are_refused(tmp_path: Path) -> None:
    whole = tmp_path / "kem.pem"
    KemPrivateKey.generate().save(whole)
    lattice, classic = whole.read_bytes().split(b"-----END PRIVATE KEY-----\n")[:2]
    end = b"-----END PRIVATE KEY-----\n"
    signing = encode_private_keys([Ed25519PrivateKey.generate()], None)
    for number, content in enumerate((b"", b"no key", signing, lattice + end, classic + end + lattice + end)):
        path = tmp_path / str(number)
        write_secret_file(path, content)
        with refuses(ErrorCode.BAD_KEY):
            load_kem_key(path)


def test_secrets_do_not_show() -> None:
    seed = bytes(range(32))
    for suite in KemSuite:
        shown = repr(KemPrivateKey.from_seed(seed, suite))
        assert suite.name in shown
        assert seed.hex() not in shown


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seeds_have_one_size(size: int) -> None:
    with refuses(ErrorCode.BAD_KEY):
        KemPrivateKey.from_seed(bytes(size))


@pytest.mark.parametrize(
    "coordinate",
    [
        0,
        1,
        FIELD_PRIME - 1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        FIELD_PRIME,  # 0, not canonical
        FIELD_PRIME + 1,
        2**255 + 9,  # the unused top bit
    ],
)
@SUITES
def test_weak_x25519_keys_are_refused(suite: KemSuite, coordinate: int) -> None:
    good = key_pair("v00", suite).public_key.encoded
    with refuses(ErrorCode.KEM_KEY_WEAK):
        verify_kem_key(good[:-32] + coordinate.to_bytes(32, "little"))


@pytest.mark.parametrize("place", [0, 1, 600, 1148])
def test_lattice_keys_out_of_range_are_refused(place: int) -> None:
    good = key_pair("v00").public_key.encoded
    with refuses(ErrorCode.KEM_KEY_RANGE):
        verify_kem_key(good[: 1 + place] + b"\xff\xff\xff" + good[4 + place :])


@pytest.mark.parametrize("place", [0, 1, 2, 383, 766, 767])
def test_every_lattice_coefficient_has_its_bound(place: int) -> None:
    """The largest value everywhere passes; one more at any place does not."""
    tail = key_pair("v00").public_key.encoded[-64:]
    largest = sum(3328 << 12 * index for index in range(768))
    assert verify_kem_key(b"\x02" + largest.to_bytes(1152, "little") + tail) is KemSuite.HYBRID
    for value in (3329, 4095):
        excessive = largest + (value - 3328 << 12 * place)
        with refuses(ErrorCode.KEM_KEY_RANGE):
            verify_kem_key(b"\x02" + excessive.to_bytes(1152, "little") + tail)


def test_encodings_of_other_suites_and_sizes_are_refused() -> None:
    classic, hybrid = (key_pair("v00", suite).public_key.encoded for suite in KemSuite)
    assert len(hybrid) == KEM_KEY_SIZE_MAX
    confused = (b"\x02" + classic[1:], b"\x01" + hybrid[1:])
    for encoded in (b"", b"\x00", b"\x03" + hybrid[1:]):
        with refuses(ErrorCode.KEM_SUITE):
            KemPublicKey(encoded)
    for encoded in (classic + b"\x00", hybrid[:-1], *confused):
        with refuses(ErrorCode.KEM_KEY_SIZE):
            KemPublicKey(encoded)


@SUITES
@settings(max_examples=60)
@given(st.integers(min_value=0))
def test_whatever_passes_the_check_can_be_sealed_to(suite: KemSuite, bit: int) -> None:
    """Or else a member could stop sealing by enrolling a key that the crypto library refuses."""
    changed = flip(key_pair("v00", suite).public_key.encoded, bit)
    if is_taken(changed):
        assert len(KemPublicKey(changed).seal(b"share", b"")) == 5 + suite.overhead_size
    else:
        with pytest.raises(Refusal):
            KemPublicKey(changed)


def is_taken(encoded: bytes) -> bool:
    try:
        verify_kem_key(encoded)
    except PoolError:
        return False
    return True
