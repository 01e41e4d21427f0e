"""Where a threshold belongs, by a business's own messages."""

from guardproxy.rehearsal.calibrate import AIMS, ENOUGH, calibrate, score_for
from guardproxy.rehearsal.figures import Scored


def row(number: int, score: float, *, fair: bool, rule: str | None = None, policy="p") -> Scored:
    return Scored(id=f"{number}", direction="user", label="in_scope" if fair else "off", kind="", lang="en",
                  policy=policy, verdict="allow", rule=rule, score=score, ms=1.0)  # fmt: skip


def linear(share: float) -> float:
    """A threshold that falls as more is borne."""
    return 1 - 5 * share


FAIR = [row(n, n / 100, fair=True) for n in range(100)]
OFF = [row(100 + n, 0.5 + n / 200, fair=False) for n in range(100)]
TEXTS = {one.id: f"text {one.id}" for one in (*FAIR, *OFF)}


def test_the_wanted_threshold_refuses_the_aim_and_no_more():
    made = calibrate([*FAIR, *OFF], TEXTS, policy="p", aim=0.05, threshold=linear)
    assert made.would_refuse == 0.05
    assert abs(made.wanted - 0.94) < 0.001
    assert (made.fair, made.off, made.threshold) == (100, 100, 0.75)
    assert made.refused == 0.25
    assert made.missed == 0.5
    assert 0.85 < made.would_miss < 0.9
    assert made.write == 0.01  # 1 - 5 * 1% is 0.95, the nearest that is strict enough
    assert made.add == tuple(f"text {n}" for n in (99, 98, 97, 96, 95))
    assert made.refuse[0] == "text 100"
    assert made.enough


def test_too_few_messages_are_said_to_be_too_few():
    made = calibrate(FAIR[: ENOUGH - 1], TEXTS, policy="p", aim=0.05, threshold=linear)
    assert not made.enough
    assert (made.off, made.missed) == (0, 0.0)
    rare = calibrate(FAIR[:50], TEXTS, policy="p", aim=0.01, threshold=linear)
    assert not rare.enough


def test_what_other_stages_or_policies_refuse_does_not_count():
    rows = [
        *FAIR,
        row(7000, 1.0, fair=True, rule="input.injection"),
        row(7001, 1.0, fair=True, policy="q"),
    ]
    assert calibrate(rows, TEXTS, policy="p", aim=0.05, threshold=linear).fair == 100
    assert calibrate(OFF, TEXTS, policy="p", aim=0.05, threshold=linear) is None


def test_no_value_is_named_where_none_is_strict_enough():
    made = calibrate(
        [row(1, 1.0, fair=True)], {"1": "x"}, policy="p", aim=0.0, threshold=lambda _s: 0.5
    )
    assert made.write is None
    assert made.wanted == 1.0


def test_an_aim_of_everything_needs_no_threshold():
    assert score_for(FAIR, 1.0) == 0.0
    assert sorted(AIMS) == list(AIMS)
