"""The memory of bounded size."""

from guardproxy.core.kept import LONG, Kept


def test_what_was_made_is_not_made_again():
    kept: Kept[str, int] = Kept(2)
    assert [kept.once("a", lambda: 1), kept.once("a", lambda: 2)] == [1, 1]


def test_the_longest_unused_goes_first():
    kept: Kept[str, int] = Kept(2)
    for key, value in (("a", 1), ("b", 2)):
        kept.put(key, value)
    assert kept.get("a") == 1
    kept.put("c", 3)
    assert (kept.get("a"), kept.get("b"), kept.get("c"), len(kept)) == (1, None, 3, 2)


def test_a_long_text_is_not_kept():
    kept: Kept[str, int] = Kept(2)
    text = "x" * (LONG + 1)
    assert [kept.of_text(text, text, lambda: 1), kept.of_text(text, text, lambda: 2)] == [1, 2]
    assert len(kept) == 0
