"""Can anybody quietly edit the log? Every byte, every entry, every head is tried."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from bot.core.audit import (
    Entry,
    Event,
    Head,
    Verdict,
    anchors,
    body,
    chain,
    digest,
    from_line,
    genesis,
    to_line,
    verify,
)

EPOCH, OTHER = "6ba7b810-9dad-41d1-80b4-00c04fd430c8", "6ba7b811-9dad-41d1-80b4-00c04fd430c8"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def event(number: int, **data: object) -> Event:
    return Event("ChangeApproved", "slack:T0TEAM:U0ALICE", "2030-05-13T09:00:00Z", "c0ffee01", {"n": number, **data})


def log(size: int = 6, epoch: str = EPOCH) -> tuple[Entry, ...]:
    return chain(genesis(epoch), [event(number) for number in range(1, size + 1)], 0, epoch)


def sign(entry: Entry, key: Ed25519PrivateKey = KEY) -> Head:
    head = Head(entry.epoch, entry.seq, entry.hash)
    return replace(head, signature=key.sign(head.message()).hex())


LOG = log()
HEADS = tuple(sign(entry) for entry in LOG)


def verdict(entries: Sequence[Entry], heads: Sequence[Head] = HEADS, **more: object) -> tuple[str, int | None]:
    found = verify(entries, heads, PUBLIC, **more)  # type: ignore[arg-type]
    return found.verdict.value, found.seq


def test_an_untouched_log_is_ok() -> None:
    found = verify(LOG, HEADS, PUBLIC)
    assert (found.verdict, found.checked, found.signed, found.anchored) == (Verdict.OK, 6, 6, 0)
    assert found.reason == "6 entries in order"


def test_the_hash_of_an_entry_does_not_change_from_version_to_version() -> None:
    """Logs outlive programs: what was written yesterday must verify tomorrow."""
    assert LOG[0].body == (
        b'{"actor":"slack:T0TEAM:U0ALICE","at":"2030-05-13T09:00:00Z","change":"c0ffee01",'
        b'"data":{"n":1},"kind":"ChangeApproved"}'
    )
    assert genesis(EPOCH) == "f68e20b01409f83ee634dcb471ddc2b10f8fda2155a18d1d515b3d0c9b2b768e"
    assert LOG[0].hash == "663ce213831402e5f8c3d545e602139f865377550eeed257eba695788dbeb051"


def test_every_flipped_byte_of_every_entry_is_found_at_that_entry() -> None:
    tried = 0
    for index, entry in enumerate(LOG):
        for at in range(len(entry.body)):
            for bit in (0x01, 0x80):
                content = bytearray(entry.body)
                content[at] ^= bit
                changed = (*LOG[:index], replace(entry, body=bytes(content)), *LOG[index + 1 :])
                assert verdict(changed) == ("tampered", entry.seq)
                tried += 1
    assert tried > 1000


@pytest.mark.parametrize("field", ["prev", "hash"])
def test_every_changed_digit_of_every_hash_is_found(field: str) -> None:
    for index, entry in enumerate(LOG):
        known = getattr(entry, field)
        for at in range(64):
            digit = "0" if known[at] != "0" else "1"
            changed = replace(entry, **{field: known[:at] + digit + known[at + 1 :]})
            assert verdict((*LOG[:index], changed, *LOG[index + 1 :])) == ("tampered", entry.seq)


def test_every_changed_digit_of_every_signature_is_found() -> None:
    for index, head in enumerate(HEADS):
        for at in range(128):
            digit = "0" if head.signature[at] != "0" else "1"
            forged = replace(head, signature=head.signature[:at] + digit + head.signature[at + 1 :])
            assert verdict(LOG, (*HEADS[:index], forged, *HEADS[index + 1 :])) == ("tampered", head.seq)


@pytest.mark.parametrize("index", range(6))
def test_a_dropped_entry_is_found_where_it_was(index: int) -> None:
    assert verdict(LOG[:index] + LOG[index + 1 :]) == ("tampered", index + 1)


@pytest.mark.parametrize("index", range(5))
def test_two_entries_in_another_order_are_found(index: int) -> None:
    swapped = (*LOG[:index], LOG[index + 1], LOG[index], *LOG[index + 2 :])
    assert verdict(swapped) == ("tampered", index + 1)


@pytest.mark.parametrize("index", range(6))
def test_an_entry_given_twice_or_put_in_is_found(index: int) -> None:
    assert verdict((*LOG[: index + 1], LOG[index], *LOG[index + 1 :])) == ("tampered", index + 2)
    (forged,) = chain(LOG[index].hash, [event(99)], index + 1, EPOCH)
    if index < 5:
        assert verdict((*LOG[: index + 1], forged, *LOG[index + 1 :]))[0] == "tampered"


@pytest.mark.parametrize("kept", range(6))
def test_a_cut_off_end_is_found_by_its_signed_head(kept: int) -> None:
    assert verdict(LOG[:kept]) == ("tampered", kept + 1)


@pytest.mark.parametrize("kept", range(1, 6))
def test_an_end_cut_off_with_its_heads_is_found_by_an_anchor_kept_elsewhere(kept: int) -> None:
    assert verdict(LOG[:kept], HEADS[:kept]) == ("ok", None)
    assert verdict(LOG[:kept], HEADS[:kept], anchored=[HEADS[5]]) == ("tampered", kept + 1)


def test_a_log_rewritten_from_the_middle_is_found_by_the_heads() -> None:
    rewritten = LOG[:3] + chain(LOG[2].hash, [event(number, forged=True) for number in (4, 5, 6)], 3, EPOCH)
    assert verdict(rewritten) == ("tampered", 4)
    assert verdict(rewritten, HEADS[:3]) == ("ok", None)
    assert verdict(rewritten, HEADS[:3], anchored=[HEADS[4]]) == ("tampered", 5)


def test_a_log_rewritten_by_somebody_without_the_key_is_found() -> None:
    assert verdict(LOG, tuple(sign(entry, STRANGER) for entry in LOG)) == ("tampered", 1)


def test_another_logs_entries_and_heads_do_not_fit() -> None:
    other = log(epoch=OTHER)
    assert verdict(other) == ("tampered", 1)
    assert verdict((*LOG[:3], *other[3:])) == ("tampered", 4)
    assert verdict(LOG, anchored=[sign(other[2])]) == ("tampered", 3)


def test_two_anchors_that_contradict_each_other_are_a_rewrite() -> None:
    forked = chain(LOG[2].hash, [event(4, forged=True)], 3, EPOCH)
    assert verdict(LOG, anchored=[HEADS[3], sign(forked[0])]) == ("tampered", 4)


def test_what_nothing_vouches_for_is_never_ok() -> None:
    assert verify(LOG).verdict is Verdict.CANNOT_TELL
    assert verify(LOG, HEADS).verdict is Verdict.CANNOT_TELL
    assert verify(LOG, (), PUBLIC).verdict is Verdict.CANNOT_TELL
    assert verify((), (), PUBLIC).verdict is Verdict.CANNOT_TELL
    assert verify(LOG, anchored=[HEADS[5]]).verdict is Verdict.OK


def test_entries_after_the_last_head_are_counted_as_not_signed_yet() -> None:
    found = verify(LOG, HEADS[:4], PUBLIC)
    assert (found.verdict, found.signed) == (Verdict.OK, 4)
    assert found.reason == "6 entries in order; the newest 2 not signed yet"


def test_a_log_can_be_verified_from_an_entry_on() -> None:
    assert verdict(LOG[3:], first=4) == ("ok", None)
    assert verdict(LOG[4:], first=4) == ("tampered", 4)
    assert verdict((replace(LOG[3], body=b"{}"), *LOG[4:]), first=4) == ("tampered", 4)


def test_one_hash_cannot_be_read_as_another_entrys() -> None:
    """Lengths are unambiguous: moving a digit from one field to the next gives another hash."""
    assert digest(EPOCH, 1, "2" * 64, b"x") != digest(EPOCH, 12, "2" * 63, b"x")
    assert digest(EPOCH, 1, "2" * 64, b"x") != digest(EPOCH + "\n1", 1, "2" * 64, b"x")


# --- as text -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.text(), st.none() | st.text())
def test_any_event_is_chained_exported_and_read_back_byte_for_byte(
    data: dict[str, object], actor: str, change: str | None
) -> None:
    entries = chain(genesis(EPOCH), [Event("Kind", actor, "2030-05-13T09:00:00Z", change, data)] * 2, 0, EPOCH)
    lines = [to_line(entry) for entry in entries]
    assert all("\n" not in line for line in lines)
    assert tuple(from_line(line) for line in lines) == entries
    assert entries[0].event().kind == "Kind"
    assert verify(entries, [sign(entries[1])], PUBLIC).verdict is Verdict.OK


@given(st.integers())
def test_a_number_is_kept_exactly_whatever_its_size(number: int) -> None:
    kept = json.loads(body(event(number)))["data"]["n"]
    assert int(kept) == number
    assert isinstance(kept, str) == (abs(number) > 2**53 - 1)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), b"bytes", {1, 2}])
def test_what_json_cannot_hold_is_no_event(value: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        body(event(1, value=value))


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "3", "{}", '{"seq": 1}', '{"seq":"x","prev":"","hash":"","body":"","epoch":""}']
)
def test_a_line_that_is_no_entry_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        from_line(line)


def test_heads_are_found_in_any_text() -> None:
    text = f"bot APP 09:00\n> {HEADS[2].line()} :seal:\nand {replace(HEADS[4], signature='').line()}\nnothing here 12"
    assert anchors(text) == (HEADS[2], replace(HEADS[4], signature=""))


@given(st.text())
def test_any_text_can_be_searched_for_heads(text: str) -> None:
    assert isinstance(anchors(text), tuple)
