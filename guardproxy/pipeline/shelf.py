"""The guards being served. A reload swaps them one whole guard at a time; a bad file swaps nothing.

A turn takes its guard once and keeps it to the end: no request sees half a policy.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from guardproxy.core.errors import Fault, GuardproxyError, PolicyError
from guardproxy.pipeline.guard import Guard, Trial
from guardproxy.pipeline.selftest import selftest
from guardproxy.policy.compiled import Policy
from guardproxy.policy.load import homeless_trials, shared_names


@dataclass(frozen=True, slots=True)
class Place:
    """One policy file: the guard made of it last, and why its newest state is not served.

    `text`: the file as it was then; `before`: what was served before that, "" when nothing was.
    """

    guard: Guard
    stale: str = ""
    text: str = ""
    before: str = ""


class Shelf:
    """All guards of a process, by policy name and by WhatsApp number."""

    def __init__(
        self,
        load: Callable[[Path], Policy],
        make: Callable[[Policy], Awaitable[Guard]],
        *,
        default: str = "",
        key: Callable[[str], str] = str,
    ) -> None:
        """`load` reads and checks one file (PolicyError), `make` builds its guard; `default`
        names the policy of callers who name none, where there are several; `key` is the hash of a
        person's number.
        """
        self._key = key
        self._one = asyncio.Lock()
        self._default = default
        self._load = load
        self._make = make
        self._places: dict[Path, Place] = {}
        self._by_name: dict[str, Guard] = {}
        self._by_number: dict[str, Guard] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The policies served, sorted."""
        return tuple(sorted(self._by_name))

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The guards served."""
        return tuple(self._by_name.values())

    @property
    def policies(self) -> tuple[Policy, ...]:
        """The policies of all files, those on trial too."""
        return tuple(place.guard.policy for place in self._places.values())

    @property
    def stale(self) -> dict[str, str]:
        """Policy name -> why the file on disk is not the one served; {} when all is well."""
        return {p.guard.policy.name: p.stale for p in self._places.values() if p.stale}

    def texts(self, name: str) -> tuple[str, str]:
        """A policy's file as it is served, and as it was served before; "" for what never was."""
        found = (p for p in self._places.values() if p.guard.policy.name == name)
        return next(((place.text, place.before) for place in found), ("", ""))

    def source(self, name: str, line: int) -> str:
        """A line of a policy's file as it is served, "" when there is no such line."""
        lines = self.texts(name)[0].splitlines()
        return lines[line - 1] if 0 < line <= len(lines) else ""

    def named(self, name: str) -> Guard | None:
        """The guard of a policy."""
        return self._by_name.get(name)

    def policy(self, name: str) -> Policy | None:
        """The policy of a business as it is served now."""
        guard = self.named(name)
        return guard.policy if guard else None

    def numbered(self, number: str) -> Guard | None:
        """The guard of a WhatsApp number (its phone_number_id)."""
        return self._by_number.get(number)

    def only(self) -> Guard | None:
        """The one guard there is, or the default of several, if any."""
        if len(self._by_name) == 1:
            return next(iter(self._by_name.values()))
        return self._by_name.get(self._default)

    async def fill(self, paths: Iterable[Path]) -> None:
        """Load every file, or raise PolicyError with all faults of all files."""
        faults: list[Fault] = []
        for path in paths:
            try:
                self._places[path] = await self._ready(path)
            except PolicyError as error:
                faults.extend(error.faults)
        faults += homeless_trials(self.policies)
        if faults:
            raise PolicyError(tuple(faults))
        self._index()

    async def refresh(self, paths: Iterable[Path]) -> tuple[str, ...]:
        """Take up changed and new files; what could not be taken up, in words.

        A file that is broken, gone, or fails its self-test leaves its last good guard in place.
        """
        async with self._one:
            return await self._refresh(tuple(paths))

    async def _refresh(self, paths: tuple[Path, ...]) -> tuple[str, ...]:
        """One refresh at a time: of two, the one that read an older file may end last."""
        refused: list[str] = []
        for path in {*paths, *self._places}:
            refused += await self._take_up(path, present=path in paths)
        refused += [str(fault) for fault in homeless_trials(self.policies)]
        self._index()
        return tuple(refused)

    async def _take_up(self, path: Path, *, present: bool) -> list[str]:
        """One file of a refresh."""
        place = self._places.get(path)
        if not present and place is not None:
            self._places[path] = replace(place, stale=f"{path}: the file is gone")
            return [f"{path}: the file is gone"]
        try:
            self._places[path] = await self._ready(path, place)
        except (GuardproxyError, OSError) as error:
            if place is not None:
                self._places[path] = replace(place, stale=str(error))
            return [str(error)]
        return []

    async def _ready(self, path: Path, place: Place | None = None) -> Place:
        """A guard that has passed its self-test; the present one when nothing has changed."""
        policy = self._load(path)
        text = _text(path)
        others = [p.guard.policy for other, p in self._places.items() if other != path]
        clashes = shared_names([*others, policy])
        if clashes:
            raise PolicyError(tuple(clashes))
        if place is not None and place.guard.policy == policy:
            return replace(place, stale="", text=text)
        guard = await self._make(policy)
        failed = await selftest(guard)
        if failed:
            message = f"{path}: the self-test failed: {'; '.join(failed)}"
            raise SelfTestError(message)
        return Place(guard, text=text, before=place.text if place else "")

    def _index(self) -> None:
        """Look-ups by name and number, replaced at once."""
        trials = {guard.policy.trial.of: guard for guard in self._made() if guard.policy.trial}
        guards = [
            self._beside(guard, trials.get(guard.policy.name))
            for guard in self._made()
            if guard.policy.trial is None
        ]
        self._by_name = {guard.policy.name: guard for guard in guards}
        self._by_number = {
            number: guard
            for guard in guards
            if guard.policy.whatsapp
            for number in guard.policy.whatsapp.numbers
        }

    def _made(self) -> list[Guard]:
        """The guards of all files."""
        return [place.guard for place in self._places.values()]

    def _beside(self, guard: Guard, rival: Guard | None) -> Guard:
        """A guard with the one on trial beside it, which has the same WhatsApp numbers."""
        if rival is None or rival.policy.trial is None:
            return guard
        people = frozenset(self._key(one) for one in rival.policy.trial.people)
        policy = replace(rival.policy, whatsapp=guard.policy.whatsapp)
        return replace(guard, trial=Trial(guard=replace(rival, policy=policy), people=people))


def _text(path: Path) -> str:
    """A file that has been loaded, so it is text."""
    return path.read_text("utf-8")


class SelfTestError(GuardproxyError):
    """A detector did not catch its own probe, or refused a fair line."""
