"""What is remembered of message ids, and for how long."""

from hypothesis import given, strategies as st

from ocpp_rpc_core._recent import REMEMBERED, Recent


def filled(count):
    """That many ids, "0" the oldest."""
    recent = Recent()
    for number in range(count):
        recent.put(str(number), number)
    return recent


def test_it_remembers_so_many():
    """The last `REMEMBERED` ids; each more makes it forget the oldest."""
    recent = filled(REMEMBERED)
    assert all(str(number) in recent for number in range(REMEMBERED))
    recent.put("one more", 0)
    assert "0" not in recent
    assert "1" in recent
    assert "one more" in recent


def test_what_comes_again_is_new():
    """It takes no second place, and is forgotten last."""
    recent = filled(REMEMBERED)
    recent.put("0", "again")
    recent.put("one more", 0)
    assert recent.get("0") == "again"
    assert "1" not in recent


def test_getting_and_taking():
    """An id that is not remembered is None; one that was taken is no longer remembered."""
    recent = filled(2)
    assert (recent.get("1"), recent.get("x")) == (1, None)
    assert (recent.pop("1"), recent.pop("1"), recent.pop("x")) == (1, None, None)
    assert "1" not in recent
    assert "0" in recent


def test_overwriting_and_clearing():
    """The ids stay and what is known of them does not; then nothing stays."""
    recent = filled(2)
    recent.overwrite(None)
    assert ("0" in recent, recent.get("0"), recent.get("1")) == (True, None, None)
    for emptied in (recent, Recent()):
        emptied.clear()
        emptied.overwrite(None)
        assert "0" not in emptied


@given(st.lists(st.integers(0, 200), max_size=400))
def test_it_is_the_last_distinct_ids(numbers):
    """Whatever is put in, in any order, with repetitions."""
    recent = Recent()
    for number in numbers:
        recent.put(str(number), None)
    latest = list(dict.fromkeys(reversed(numbers)))[:REMEMBERED]
    assert {number for number in range(201) if str(number) in recent} == set(latest)
