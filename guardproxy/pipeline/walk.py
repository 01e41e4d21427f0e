"""Runs stages in order, keeps the trace, honours shadow mode, and says what a failed look means."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from guardproxy.core.finding import Check, Failed, Finding
from guardproxy.core.kept import Kept
from guardproxy.core.message import Turn
from guardproxy.core.trace import Decision, Step, Trace
from guardproxy.core.verdict import Allow, Escalate, Redirect, Verdict
from guardproxy.pipeline.likeness import likeness
from guardproxy.stages.stage import Side, Stage

ALIKE = 2048  # traces kept: with the longest texts about 20 MB, with usual ones a tenth
UNSEEN = (Check.FAIL_OPEN, Check.FAIL_CLOSED)  # looks that failed: the next turn looks again
DEADLINE = 2.0  # seconds one stage may look; a local look takes milliseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """One side's stages in order, and how to run them.

    `on_failure`: what a look that failed leads to. `shadow`: decide and record, never act.
    `clock`: seconds, monotonic, only for timings. `deadline` None: nothing in it can wait.
    `remembers`: whether a turn like one before has the steps that one had.
    """

    side: Side
    stages: Sequence[Stage]
    on_failure: str
    shadow: bool
    clock: Callable[[], float]
    deadline: float | None = DEADLINE
    remembers: bool = True
    _seen: Kept[Hashable, Trace] = field(
        init=False, repr=False, compare=False, default_factory=lambda: Kept(ALIKE)
    )  # a copy of a walk starts with none

    async def run(self, turn: Turn, *, through: bool = False) -> Trace:
        """The steps up to the first decision that ends the walk; all of them when `through`.

        For a turn that was judged before, word for word and in the same state, the steps it had
        then; `through` always looks anew.
        """
        key = likeness(turn) if self.remembers and not through else None
        seen = self._seen.get(key) if key is not None else None
        if seen is not None:
            return seen
        trace = await self._steps(turn, through=through)
        if key is not None and not any(step.decision.check in UNSEEN for step in trace.steps):
            steps = tuple(replace(step, took=0.0) for step in trace.steps)
            self._seen.put(key, Trace(steps))
        return trace

    async def _steps(self, turn: Turn, *, through: bool) -> Trace:
        """Stage after stage."""
        steps: list[Step] = []
        for stage in self.stages:
            started = self.clock()
            evidence = await self._look(stage, turn)
            decision = self._decide(stage, evidence, turn)
            if self.shadow and decision.ends:
                decision = replace(decision, shadow=True)
            steps.append(Step(stage=stage.name, decision=decision, took=self.clock() - started))
            if decision.ends and not through:
                break
        return Trace(tuple(steps))

    async def _look(self, stage: Stage, turn: Turn) -> Any | Failed:
        """The evidence; anything that goes wrong while looking is evidence that is missing."""
        try:
            if self.deadline is None:  # a timer costs as much as a stage
                return await stage.gather(turn)
            async with asyncio.timeout(self.deadline):
                return await stage.gather(turn)
        except TimeoutError:
            return Failed(stage.name, f"no answer within {self.deadline or 0:g} s")
        except Exception as error:  # noqa: BLE001  whatever broke, it was not a clean look
            return Failed(stage.name, f"{type(error).__name__}: {error}")

    def _decide(self, stage: Stage, evidence: Any | Failed, turn: Turn) -> Decision:
        """The stage's decision, or the policy's word on a look that failed."""
        if not isinstance(evidence, Failed):
            return stage.decide(evidence, turn)
        rule = f"on_failure.{self.side}"
        table: dict[str, Verdict] = {
            "allow": Allow(),
            "redirect": Redirect(rule),
            "escalate": Escalate(rule),
        }
        verdict = table[self.on_failure]
        check = Check.FAIL_OPEN if isinstance(verdict, Allow) else Check.FAIL_CLOSED
        finding = Finding(
            evidence.detector, "failed", 0.0, evidence.why[:200]
        )  # a log line's worth
        return Decision(verdict=verdict, check=check, findings=(finding,))
